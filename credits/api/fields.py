"""Fields that requests about credits share."""

from decimal import Decimal
from typing import Any

from rest_framework import serializers

from credits.batches import LARGEST_BATCH
from workspace.api.fields import TextField
from workspace.text import validate_line, validate_text

MOST_DIMENSIONS = 100
LONGEST_DIMENSION = 1024
LARGEST_WHOLE = 10**12


def rows_of(row: type[serializers.Serializer[Any]]) -> serializers.BaseSerializer[Any]:
    """The rows of a batch: 1 to 1,000 of them."""
    return serializers.ListSerializer(child=row(), allow_empty=False, max_length=LARGEST_BATCH)


class KeyField(TextField):
    """What makes a request happen once (R40): 1 to 255 characters, not only spaces."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_length=255, trim_whitespace=False, **kwargs)

    def to_internal_value(self, data: Any) -> str:
        key = super().to_internal_value(data)
        if not key.strip():
            self.fail("blank")
        return key


class WholeField(serializers.Field[int, Any, int, Any]):
    """A whole JSON number between `smallest` and `largest`, both included."""

    default_error_messages = {
        "type": "A whole number is needed.",
        "range": "The number must lie between {smallest} and {largest}.",
    }

    def __init__(
        self, *, smallest: int = -LARGEST_WHOLE, largest: int = LARGEST_WHOLE, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.smallest, self.largest = smallest, largest

    def to_internal_value(self, data: Any) -> int:
        # 2.0 is how some languages write 2.
        if isinstance(data, Decimal) and data == data.to_integral_value():
            data = int(data)
        if isinstance(data, bool) or not isinstance(data, int):
            self.fail("type")
        if not self.smallest <= data <= self.largest:
            self.fail("range", smallest=self.smallest, largest=self.largest)
        return data

    def to_representation(self, value: int) -> int:
        return value

    def described(self, _: object) -> dict[str, Any]:
        """For the OpenAPI description."""
        return {"type": "integer", "minimum": self.smallest, "maximum": self.largest}


class FlagField(serializers.Field[bool, Any, bool, Any]):
    """true or false, and nothing that merely reads like it."""

    default_error_messages = {"type": "true or false is needed."}

    def to_internal_value(self, data: Any) -> bool:
        if not isinstance(data, bool):
            self.fail("type")
        return data

    def to_representation(self, value: bool) -> bool:
        return value

    def described(self, _: object) -> dict[str, Any]:
        """For the OpenAPI description."""
        return {"type": "boolean"}


class DimensionsField(serializers.Field[dict[str, Any], Any, dict[str, Any], Any]):
    """What is known about a use: names to texts, numbers, true or false."""

    default_error_messages = {
        "type": "An object of texts, numbers, true and false is needed.",
        "many": f"There may be at most {MOST_DIMENSIONS} dimensions.",
        "name": "A name has 1 to 255 characters.",
        "text": f"A text may have at most {LONGEST_DIMENSION} characters.",
        "number": "A number may have at most 30 digits before and after the point.",
    }

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        if not isinstance(data, dict):
            self.fail("type")
        if len(data) > MOST_DIMENSIONS:
            self.fail("many")
        for name, value in data.items():
            if not 1 <= len(name) <= 255:
                self.fail("name")
            validate_line(name)
            self._check(value)
        return data

    def _check(self, value: Any) -> None:
        match value:
            case bool():
                return
            case str():
                if len(value) > LONGEST_DIMENSION:
                    self.fail("text")
                validate_text(value)
            case int() | Decimal():
                _, digits, exponent = Decimal(value).as_tuple()
                if not isinstance(exponent, int) or len(digits) + abs(exponent) > 30:
                    self.fail("number")
            case _:
                self.fail("type")

    def to_representation(self, value: dict[str, Any]) -> dict[str, Any]:
        return value

    def described(self, _: object) -> dict[str, Any]:
        """For the OpenAPI description."""
        return {
            "type": "object",
            "maxProperties": MOST_DIMENSIONS,
            "propertyNames": {"minLength": 1, "maxLength": 255},
            "additionalProperties": {
                "anyOf": [
                    {"type": "string", "maxLength": LONGEST_DIMENSION},
                    {"type": "number"},
                    {"type": "boolean"},
                ]
            },
        }


class WholeTextField(WholeField):
    """A whole number in a query parameter."""

    def to_internal_value(self, data: Any) -> int:
        if not isinstance(data, str) or not (data.isascii() and data.isdecimal()):
            self.fail("type")
        return super().to_internal_value(int(data[:20]))
