"""JSON in which numbers keep every digit."""

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder

_quoted = json.encoder.encode_basestring_ascii


def plain(number: Decimal) -> str:
    """`number` in digits, without exponent and without zeros that say nothing."""
    digits = f"{number:f}"
    if "." in digits:
        digits = digits.rstrip("0").rstrip(".")
    return "0" if digits == "-0" else digits


class ExactEncoder(DjangoJSONEncoder):
    """For stored JSON: writes decimals as text of plain digits, and dates as Django does."""

    def default(self, o: Any) -> Any:
        return plain(o) if isinstance(o, Decimal) else super().default(o)


def dumps(value: Any, *, sort_keys: bool = False) -> str:
    """`value` as JSON text, where a Decimal becomes a number of exactly its digits.

    The standard encoder knows floats only, which keep 15 digits of an amount's 18.

    Raises:
        ValueError: NaN or Infinity, which JSON does not have.
        TypeError: something that is no JSON value.
    """
    # The commonest first: this writes every answer of the API.
    match value:
        case str():
            return _quoted(value)
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case Decimal():
            if not value.is_finite():
                raise ValueError(f"{value} is not a JSON number.")
            return plain(value)
        case dict():
            names = sorted(value) if sort_keys else value
            pairs = [f"{_quoted(str(n))}:{dumps(value[n], sort_keys=sort_keys)}" for n in names]
            return f"{{{','.join(pairs)}}}"
        case list() | tuple():
            return f"[{','.join([dumps(item, sort_keys=sort_keys) for item in value])}]"
        case int():
            return int.__repr__(value)
        case float():
            return json.dumps(value, allow_nan=False)
        case Mapping():
            return dumps(dict(value), sort_keys=sort_keys)
        case _:
            # Dates, UUIDs and lazy texts, as Django writes them.
            return json.dumps(value, cls=ExactEncoder)
