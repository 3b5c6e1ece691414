"""Amounts in bodies and queries: numbers, exact to the last digit (R46)."""

import re
from decimal import Decimal
from typing import Any

from rest_framework import serializers

from catalog.amounts import LIMIT, PLACES

IN_QUERY = re.compile(r"[0-9]{1,12}(\.[0-9]{1,6})?", re.ASCII)


class AmountField(serializers.Field[Decimal, Any, Decimal, Any]):
    """Credits: a JSON number above 0, below 10¹², with at most six decimals (R46).

    Never a text, so that nobody relies on how we would read it. `allow_zero` allows 0,
    `in_query` reads the digits of a query parameter.
    """

    default_error_messages = {
        "type": "A number is needed.",
        "positive": "The amount must be above 0.",
        "negative": "The amount must not be below 0.",
        "large": "The amount must be below 1,000,000,000,000.",
        "places": "The amount has more than six decimals.",
    }

    def __init__(
        self,
        *,
        allow_zero: bool = False,
        in_query: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.allow_zero = allow_zero
        self.in_query = in_query

    def to_internal_value(self, data: Any) -> Decimal:
        if self.in_query:
            if not isinstance(data, str) or not IN_QUERY.fullmatch(data):
                self.fail("type")
            data = Decimal(data)
        if isinstance(data, bool) or not isinstance(data, int | Decimal):
            self.fail("type")
        amount = Decimal(data)
        if not amount.is_finite():
            self.fail("type")
        if amount < 0:
            self.fail("negative" if self.allow_zero else "positive")
        if amount == 0 and not self.allow_zero:
            self.fail("positive")
        if amount >= LIMIT:
            self.fail("large")
        if amount != (rounded := round(amount, PLACES)):
            self.fail("places")
        return rounded

    def to_representation(self, value: Decimal) -> Decimal:
        return value

    def described(self, _: object) -> dict[str, Any]:
        """For the OpenAPI description."""
        return {
            "type": "number",
            "description": "At most six decimals.",
            "minimum" if self.allow_zero else "exclusiveMinimum": 0,
            "exclusiveMaximum": int(LIMIT),
        }
