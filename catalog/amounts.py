"""How amounts are kept: exact decimals outside, whole millionths inside.

A credit amount is a `Decimal` with at most six places everywhere in Python and a 64-bit
count of millionths in both databases, because SQLite would keep a decimal as a double.
Nothing here rounds silently but `rounded`, which is where a cost is born (R34).
"""

import re
from collections.abc import Mapping
from decimal import ROUND_HALF_UP, Decimal
from typing import TYPE_CHECKING, Any

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models.expressions import Combinable

PLACES = 6
MICRO = Decimal("0.000001")
PER_CREDIT = 10**PLACES
ZERO = Decimal(0)
LARGEST_MICROS = 2**63 - 1
MOST_DIGITS = 16
TOO_FINE = "Enter at most six decimal places; amounts are never rounded."
TYPED = re.compile(r"(?:[0-9]+|[0-9]{1,3}(?:,[0-9]{3})+)(?:\.[0-9]+)?")
LIMIT = Decimal(10**12)
"""No single amount reaches this (R46); sums stay below 64 bits of millionths."""


def to_micros(amount: Decimal | int) -> int:
    """Count of millionths in `amount`.

    Raises:
        ValidationError: `amount` has a seventh decimal, is not a finite number, or does
            not fit into 64 bits.
    """
    if isinstance(amount, int):
        amount = Decimal(amount)
    if not amount.is_finite():
        raise ValidationError("Enter a finite number.")
    if amount.adjusted() >= MOST_DIGITS:
        raise ValidationError("Enter a smaller number.")
    if amount and amount.adjusted() < -PLACES:
        raise ValidationError(TOO_FINE)
    # Whole numbers know no precision: nothing is rounded on the way.
    numerator, denominator = amount.as_integer_ratio()
    micros, rest = divmod(numerator * PER_CREDIT, denominator)
    if rest:
        raise ValidationError(TOO_FINE)
    if abs(micros) > LARGEST_MICROS:
        raise ValidationError("Enter a smaller number.")
    return int(micros)


def from_micros(micros: int) -> Decimal:
    """The amount that `micros` millionths are."""
    return Decimal(micros).scaleb(-PLACES)


def typed(text: str) -> Decimal:
    """The number that somebody typed: 5000, 5,000 or 0.25.

    Raises:
        ValidationError: it could mean two things, such as 1,5 or 1e5, or is no number.
    """
    if not TYPED.fullmatch(text):
        raise ValidationError("Enter a number such as 5000 or 0.25.")
    return Decimal(text.replace(",", ""))


def rounded(amount: Decimal) -> Decimal:
    """`amount` rounded half-up to six places: the one rounding of a cost (R34)."""
    return amount.quantize(MICRO, rounding=ROUND_HALF_UP)


def exact_json(values: Mapping[str, Any]) -> dict[str, Any]:
    """Named values as JSON columns keep them exactly: fractions become text."""
    return {name: _exact(value) for name, value in values.items()}


def _exact(value: Any) -> Any:
    if not isinstance(value, Decimal):
        return value
    return int(value) if value == value.to_integral_value() else f"{value:f}"


def validate_amount(amount: Decimal) -> None:
    """Refuse what is no credit amount (R46): more than 0, below 10¹², at most six places.

    Raises:
        ValidationError: with a sentence that says what to enter instead.
    """
    if not amount.is_finite() or amount <= 0:
        raise ValidationError("Enter an amount greater than 0.")
    if amount >= LIMIT:
        raise ValidationError("Enter an amount below 1,000,000,000,000.")
    to_micros(amount)


def validate_price(amount: Decimal) -> None:
    """Refuse what is no price or rate: below 0, 10¹² or more, more than six places.

    Raises:
        ValidationError: with a sentence that says what to enter instead.
    """
    if not amount.is_finite() or amount < 0:
        raise ValidationError("Enter a number of 0 or more.")
    if amount >= LIMIT:
        raise ValidationError("Enter a number below 1,000,000,000,000.")
    to_micros(amount)


class AmountField(models.BigIntegerField):
    """A `Decimal` amount of credits or money, stored as whole millionths.

    A seventh decimal is refused, never rounded. Comparisons and arithmetic between two
    such columns work on the stored integers.
    """

    if TYPE_CHECKING:
        _pyi_private_set_type: Decimal | int | Combinable  # type: ignore[assignment]
        _pyi_private_get_type: Decimal  # type: ignore[assignment]
        _pyi_lookup_exact_type: Decimal | int  # type: ignore[assignment]

    description = "Amount, exact to six decimal places"
    LARGEST = Decimal(9 * 10**12)
    """Sums may grow to this; 64 bits of millionths hold a little more."""

    def from_db_value(self, value: int | None, expression: Any, connection: Any) -> Decimal | None:
        """Turn stored millionths into a `Decimal`."""
        return None if value is None else Decimal(value).scaleb(-PLACES)

    def to_python(self, value: Any) -> Decimal | None:
        """Read a form's or fixture's value as an exact `Decimal`."""
        if value is None or isinstance(value, Decimal):
            return value
        try:
            return Decimal(str(value))
        except ArithmeticError as error:
            raise ValidationError("Enter a number.") from error

    def get_prep_value(self, value: Any) -> int | None:
        """Turn a `Decimal` into the millionths that are stored."""
        amount = self.to_python(value)
        return None if amount is None else to_micros(amount)

    def formfield(self, **kwargs: Any) -> Any:
        """Offer a decimal input with six places."""
        from django import forms

        return models.Field.formfield(
            self,
            **{
                "form_class": forms.DecimalField,
                "max_digits": 18,
                "decimal_places": PLACES,
                **kwargs,
            },
        )

    @property
    def validators(self) -> list[Any]:
        """Only those the model names: integer ranges mean nothing for a decimal."""
        return list(self._validators)  # type: ignore[attr-defined]
