"""Currencies in requests and answers: in small letters there, in capitals inside."""

from typing import Annotated, Any

from rest_framework import serializers

from workspace.api.terms import one_of
from workspace.currencies import CURRENCIES

WIRE_CODES = sorted(code.lower() for code in CURRENCIES)

Currency = Annotated[str, one_of(WIRE_CODES)]
"""A currency in an answer."""


class CurrencyField(serializers.Field[str, Any, str | None, Any]):
    """A currency such as "usd"; "USD" inside, and "" inside where there is none."""

    default_error_messages = {"currency": "This is no currency we know."}

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str) or not data.isascii() or data.upper() not in CURRENCIES:
            self.fail("currency")
        return data.upper()

    def to_representation(self, value: str) -> str | None:
        return wire_currency(value)

    def described(self, _: object) -> dict[str, Any]:
        """For the OpenAPI description. Capitals are understood, too."""
        return {"type": "string", "enum": WIRE_CODES}


def wire_currency(code: str) -> str | None:
    """A currency as answers show it; None where there is none."""
    return code.lower() or None
