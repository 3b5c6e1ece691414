"""Fields that serializers of all apps share: strict about types, exact about numbers."""

import re
from datetime import UTC, datetime
from typing import Any

from rest_framework import serializers
from rest_framework.fields import empty

from workspace.ids import LONGEST_ID, PUBLIC_ID, RULE, is_public_id
from workspace.text import validate_line, validate_text

DATE_TIME = re.compile(
    r"(?P<date>\d{4}-\d{2}-\d{2})[Tt ](?P<time>\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?)"
    r"(?P<zone>[Zz]|[+-]\d{2}:?\d{2})?",
    re.ASCII,
)
FIRST_YEAR, LAST_YEAR = 1970, 2199


class UtcDateTimeField(serializers.Field[datetime, Any, str, Any]):
    """An instant: ISO 8601, UTC unless it names a zone; written with Z and milliseconds."""

    default_error_messages = {
        "type": "An ISO 8601 date-time is needed, such as 2026-10-01T10:00:00Z.",
        "range": f"The year must lie between {FIRST_YEAR} and {LAST_YEAR}.",
    }

    def to_internal_value(self, data: Any) -> datetime:
        parts = DATE_TIME.fullmatch(data) if isinstance(data, str) else None
        if parts is None:
            self.fail("type")
        zone = "+00:00" if parts["zone"] in (None, "Z", "z") else parts["zone"]
        try:
            local = datetime.fromisoformat(f"{parts['date']}T{parts['time']}{zone}")
        except ValueError:
            self.fail("type")
        if not FIRST_YEAR <= local.year <= LAST_YEAR:
            self.fail("range")
        return local.astimezone(UTC)

    def to_representation(self, value: datetime) -> str:
        return wire_instant(value)

    def described(self, _: object) -> dict[str, Any]:
        """For the OpenAPI description."""
        return {"type": "string", "format": "date-time"}


def wire_instant(instant: datetime) -> str:
    """An instant as answers show it: "2026-10-01T10:00:00.000Z"."""
    return instant.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class TextField(serializers.CharField):
    """One line of text: a JSON string without unseen characters.

    `multiline` allows line breaks and tabs.
    """

    def __init__(self, *, multiline: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.validators.append(validate_text if multiline else validate_line)

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        return super().to_internal_value(data)


class ChoiceField(serializers.ChoiceField):
    """One of some words, which a refusal names."""

    default_error_messages = {"invalid_choice": "Choose one of: {choices}."}

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str) or data not in self.choices:
            self.fail("invalid_choice", choices=", ".join(str(each) for each in self.choices))
        return data


class PublicIdField(serializers.CharField):
    """The id of an object (R1)."""

    default_error_messages = {"id": RULE}

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_length=LONGEST_ID, trim_whitespace=False, **kwargs)

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str) or not is_public_id(data):
            self.fail("id")
        return data

    def run_validators(self, value: Any) -> None:
        """Nothing is left to say: the rule is about every character and their number."""

    def described(self, _: object) -> dict[str, Any]:
        """For the OpenAPI description."""
        return {"type": "string", "pattern": f"^{PUBLIC_ID.pattern}$"}


class MetadataField(serializers.DictField):
    """Text to text, as callers like it: at most 50 pairs, names of 1 to 64 characters."""

    default_error_messages = {
        "many": "Metadata holds at most 50 pairs.",
        "name": "A name in metadata has 1 to 64 characters.",
    }

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(child=TextField(allow_blank=True, max_length=1024), **kwargs)

    def to_internal_value(self, data: Any) -> dict[str, str]:
        if not isinstance(data, dict):
            self.fail("not_a_dict", input_type=type(data).__name__)
        if len(data) > 50:
            self.fail("many")
        if not all(1 <= len(name) <= 64 for name in data):
            self.fail("name")
        for name in data:
            validate_line(name)
        return dict(super().to_internal_value(data))

    def described(self, _: object) -> dict[str, Any]:
        """For the OpenAPI description."""
        return {
            "type": "object",
            "maxProperties": 50,
            "propertyNames": {"minLength": 1, "maxLength": 64},
            "additionalProperties": {"type": "string", "maxLength": 1024},
        }


class CommaListField(serializers.ListField):
    """A list in a query parameter: `status=DRAFT,PUBLISHED`; `status=` is the empty list."""

    def get_value(self, dictionary: Any) -> Any:
        if self.field_name not in dictionary:
            return empty
        text = ",".join(dictionary.getlist(self.field_name))
        return text.split(",") if text else []


class BracketField(serializers.Field[Any, Any, Any, Any]):
    """Several parameters of the query as one value: `name[one]=…&name[two]=…`.

    Gives {"one": …, "two": …}; what is not of this form, such as `name=…`, comes under "".
    """

    def get_value(self, dictionary: Any) -> Any:
        given = {}
        for name, value in dictionary.items():
            base, bracket, inner = name.partition("[")
            if base == self.field_name:
                is_well_formed = bracket and inner.endswith("]")
                given[inner[:-1] if is_well_formed else ""] = value
        return given or empty


class InstantRangeField(BracketField):
    """Bounds in the query: `createdAt[gte]=…&createdAt[lt]=…` gives {"gte": …, "lt": …}."""

    OPERATORS = ("gt", "gte", "lt", "lte")
    default_error_messages = {"operator": "This is a range: give {allowed}."}

    def to_internal_value(self, data: dict[str, str]) -> dict[str, datetime]:
        if not set(self.OPERATORS).issuperset(data):
            allowed = ", ".join(f"{self.field_name}[{operator}]" for operator in self.OPERATORS)
            self.fail("operator", allowed=allowed)
        instant = UtcDateTimeField()
        return {operator: instant.to_internal_value(text) for operator, text in data.items()}

    def described(self, _: object) -> dict[str, Any]:
        """For the OpenAPI description."""
        instant = {"type": "string", "format": "date-time"}
        return {
            "type": "object",
            "properties": dict.fromkeys(self.OPERATORS, instant),
            "additionalProperties": False,
        }
