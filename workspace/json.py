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
    pieces: list[str] = []
    _write(value, pieces.append, sort_keys)
    return "".join(pieces)


def _write(value: Any, add: Any, sort_keys: bool) -> None:
    match value:
        case str():
            add(_quoted(value))
        case None:
            add("null")
        case bool():
            add("true" if value else "false")
        case int():
            add(int.__repr__(value))
        case Decimal():
            if not value.is_finite():
                raise ValueError(f"{value} is not a JSON number.")
            add(plain(value))
        case float():
            add(json.dumps(value, allow_nan=False))
        case Mapping():
            separator = "{"
            for key in sorted(value) if sort_keys else value:
                add(separator)
                add(_quoted(str(key)))
                add(":")
                _write(value[key], add, sort_keys)
                separator = ","
            add("}" if value else "{}")
        case list() | tuple():
            separator = "["
            for item in value:
                add(separator)
                _write(item, add, sort_keys)
                separator = ","
            add("]" if value else "[]")
        case _:
            # Dates, UUIDs and lazy texts, as Django writes them.
            add(json.dumps(value, cls=ExactEncoder))
