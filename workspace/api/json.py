"""JSON on the wire: numbers exact in both directions, and nothing in that could hurt."""

import json
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import IO, Any

from rest_framework.exceptions import APIException, ParseError
from rest_framework.parsers import BaseParser
from rest_framework.renderers import BaseRenderer

from workspace.json import dumps

LARGEST_BODY = 2 * 1024 * 1024  # X8
DEEPEST = 50
LONGEST_NUMBER = 100  # characters; also the largest exponent
LONE_SURROGATE = re.compile("[\ud800-\udfff]")


class BodyTooLarge(APIException):
    status_code = 413
    default_detail = "A request body holds at most 2 MB."
    default_code = "BodyTooLarge"


class DecimalJSONParser(BaseParser):
    """Reads JSON, numbers with a point as Decimal."""

    media_type = "application/json"

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        body = stream.read(LARGEST_BODY + 1)
        if len(body) > LARGEST_BODY:
            raise BodyTooLarge
        if not body:  # its length was not said: it is none
            return {}
        try:
            value = json.loads(
                body.decode("utf-8"),
                parse_int=_integer,
                parse_float=_decimal,
                parse_constant=_no_constant,
                object_pairs_hook=_object,
            )
        except UnicodeDecodeError as error:
            raise ParseError("The body must be UTF-8.") from error
        except RecursionError as error:
            raise _too_deep() from error
        except ValueError as error:
            raise ParseError(f"The body is not valid JSON: {error}.") from error
        _refuse_strange(value, 0)
        return value


class DecimalJSONRenderer(BaseRenderer):
    """Writes JSON, with every digit of a Decimal and no exponent."""

    media_type = "application/json"
    format = "json"
    charset = None

    def render(
        self,
        data: Any,
        accepted_media_type: str | None = None,
        renderer_context: Mapping[str, Any] | None = None,
    ) -> bytes:
        return b"" if data is None else dumps(data).encode()


def _integer(digits: str) -> int:
    if len(digits) > LONGEST_NUMBER:
        raise ParseError("The body holds a number that is too long.")
    return int(digits)


def _decimal(digits: str) -> Decimal:
    # An exponent of a few characters can stand for gigabytes of zeros.
    exponent = re.split("[eE]", digits)[1:]
    if len(digits) > LONGEST_NUMBER or any(abs(int(text)) > LONGEST_NUMBER for text in exponent):
        raise ParseError("The body holds a number that is too long.")
    return Decimal(digits)


def _no_constant(name: str) -> None:
    raise ParseError(f"{name} is not a JSON number.")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise ParseError("An object in the body holds the same name twice.")
    return value


def _refuse_strange(value: Any, depth: int) -> None:
    """Refuse depth, and characters that no text of ours may hold and databases choke on."""
    if isinstance(value, dict | list) and depth == DEEPEST:
        raise _too_deep()
    if isinstance(value, str):
        if "\0" in value or LONE_SURROGATE.search(value):
            raise ParseError("A text in the body holds a NUL or half a character.")
    elif isinstance(value, dict):
        for name, item in value.items():
            _refuse_strange(name, depth)
            _refuse_strange(item, depth + 1)
    elif isinstance(value, list):
        for item in value:
            _refuse_strange(item, depth + 1)


def _too_deep() -> ParseError:
    return ParseError(f"The body is nested deeper than {DEEPEST} levels.")
