"""Inputs that several forms of the catalog share."""

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from decimal import Decimal
from typing import Any

from django import forms
from django.core.validators import EMPTY_VALUES

from catalog.amounts import typed, validate_amount, validate_price
from catalog.models import Charge, FeatureEntitlement, ResetPeriod
from catalog.models.entitlements import COUNTED_FROM
from workspace.ids import PublicIdField
from workspace.json import plain
from workspace.text import validate_text

LONGEST_AMOUNT = 40
LONGEST_METADATA = 100_000


class AmountInput(forms.CharField):
    """Credits as people type them: 5000, 5,000 or 0.25, with spaces around it.

    Whatever could mean two things, such as 1,5 or 1e5, is refused instead of guessed.
    """

    def __init__(self, *, is_price: bool = False, **kwargs: Any) -> None:
        kwargs.setdefault("widget", forms.TextInput(attrs={"inputmode": "decimal"}))
        super().__init__(max_length=LONGEST_AMOUNT, **kwargs)
        self.check: Callable[[Decimal], None] = validate_price if is_price else validate_amount

    def to_python(self, value: Any) -> Any:
        text = super().to_python(value)
        if not text:
            return None
        return typed(text)

    def run_validators(self, value: Any) -> None:
        if value not in EMPTY_VALUES:
            self.check(value)

    def prepare_value(self, value: Any) -> Any:
        return plain(value) if isinstance(value, Decimal) else value


class Line(forms.CharField):
    """One line of text without characters that cannot be seen."""

    default_validators = [validate_text]


class Paragraph(Line):
    """A short text of a few lines."""

    widget = forms.Textarea


class Metadata(forms.CharField):
    """Texts by name, a line for each: "tier: gold" (R2).

    What lines cannot say, such as a name with a colon, is shown and taken as JSON.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(
            required=False,
            max_length=LONGEST_METADATA,
            widget=forms.Textarea(attrs={"placeholder": "tier: gold"}),
            help_text="For your own use: a name and a text per line, or a JSON object.",
            **kwargs,
        )

    def to_python(self, value: Any) -> Any:
        text = super().to_python(value) or ""
        return _read_json(text) if text.startswith("{") else _read_lines(text)

    def prepare_value(self, value: Any) -> Any:
        if not isinstance(value, Mapping):
            return value
        lines = "\n".join(f"{name}: {text}" for name, text in value.items())
        with suppress(forms.ValidationError):
            if not lines.startswith("{") and _read_lines(lines) == value:
                return lines
        return json.dumps(value, ensure_ascii=False, indent=2)


def _read_lines(text: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for line in filter(str.strip, text.split("\n")):
        name, colon, value = (part.strip() for part in line.partition(":"))
        if not (name and colon):
            raise forms.ValidationError(f"“{line.strip()}” is not a name, a colon and a text.")
        if name in found:
            raise forms.ValidationError(f"“{name}” is there twice.")
        found[name] = value
    return found


def _read_json(text: str) -> dict[str, str]:
    try:
        found = json.loads(text)
    except ValueError as error:
        raise forms.ValidationError("This is no JSON object.") from error
    if not all(isinstance(value, str) for value in found.values()):
        raise forms.ValidationError("Metadata holds texts only.")
    return dict(found)


def an_id_field(noun: str) -> forms.CharField:
    """The ID of something new; the page suggests one from the name (R1)."""
    return forms.CharField(
        label="ID",
        max_length=255,
        validators=PublicIdField.default_validators,
        widget=forms.TextInput(attrs={"data-suggest-from": "name", "autocapitalize": "none"}),
        help_text=f"Applications name the {noun} by it. It cannot be changed later.",
    )


def only_when(widget_of: forms.Field, field: str, *values: str) -> None:
    """Show an input only while `field` has one of these values. The server checks anyway."""
    widget_of.widget.attrs["data-show-when"] = f"{field}={'|'.join(values)}"


def counted_from(period: ResetPeriod) -> forms.ChoiceField:
    """From when such periods of use are counted, beside an input called `reset_period`."""
    choices = [(word, said[0].upper() + said[1:]) for word, said in COUNTED_FROM[period].items()]
    field = forms.ChoiceField(label="Counted from", choices=choices, required=False)
    only_when(field, "reset_period", period)
    return field


def counted_from_of(terms: FeatureEntitlement | Charge) -> dict[str, str]:
    """What the inputs of `counted_from` begin with."""
    word = (terms.reset_configuration or {}).get("accordingTo", "")
    return {"counted_from_month": word, "counted_from_week": word}


def take_counted_from(given: dict[str, Any]) -> None:
    """Turn the inputs of `counted_from` into the configuration of the chosen period."""
    words = {
        ResetPeriod.MONTH: given.pop("counted_from_month", ""),
        ResetPeriod.WEEK: given.pop("counted_from_week", ""),
    }
    if "reset_period" in given:
        word = words.get(given["reset_period"])
        given["reset_configuration"] = {"accordingTo": word} if word else None


def as_choices(rows: Sequence[tuple[Any, str]], *, empty: str = "") -> list[tuple[Any, str]]:
    """Choices of a select, beginning with an empty one that says what it means."""
    return [("", empty), *rows]
