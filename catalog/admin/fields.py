"""Inputs that several forms of the catalog share."""

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

from django import forms
from django.core.validators import EMPTY_VALUES

from catalog.amounts import typed, validate_amount, validate_price
from workspace.ids import PublicIdField
from workspace.json import plain
from workspace.text import validate_text

LONGEST_AMOUNT = 40


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


def as_choices(rows: Sequence[tuple[Any, str]], *, empty: str = "") -> list[tuple[Any, str]]:
    """Choices of a select, beginning with an empty one that says what it means."""
    return [("", empty), *rows]
