"""Lists by opaque cursors, newest first.

A page costs one statement, however deep it lies, and rows that are added meanwhile neither
shift nor repeat the others.
"""

import base64
import binascii
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Generic, TypedDict, TypeVar

from django.db.models import Model, Q, QuerySet
from django.http import HttpRequest, QueryDict

from workspace.errors import BadInput

DEFAULT_LIMIT = 20
LARGEST_LIMIT = 100
LONGEST_CURSOR = 255
PAGING = ("limit", "after", "before")
LARGEST_NUMBER = 2**63 - 1
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

T = TypeVar("T", bound=Model)
Row = TypeVar("Row")
Position = tuple[int, ...]


class InvalidLimit(BadInput):
    """A page of this size does not exist."""


class InvalidCursor(BadInput):
    """No page of this list handed out this cursor."""


class PaginationShape(TypedDict):
    """The pages beside this one; null where there is none."""

    next: str | None
    prev: str | None


@dataclass(frozen=True, slots=True)
class Page(Generic[Row]):
    """Some rows of a list, and the cursors of the pages beside it."""

    rows: Sequence[Row]
    next: str | None
    prev: str | None

    def answer(self, present: Callable[[Sequence[Row]], Any]) -> dict[str, Any]:
        """What goes out, each row as `present` shows it."""
        return {
            "data": present(self.rows),
            "pagination": {"next": self.next, "prev": self.prev},
        }


def page(
    rows: QuerySet[T], *, request: HttpRequest, order: tuple[str, ...] = ("created_at", "id")
) -> Page[T]:
    """The page of `rows` that `limit`, `after` and `before` of the request ask for.

    `order` names fields, instants or integers, that together are unique and never null; the
    list shows the largest first. Cursors belong to the address and the filters they were
    made for: with other ones they would point at nothing.

    Raises:
        InvalidLimit: not a number from 1 to 100.
        InvalidCursor: broken, of another list or with other filters; or both cursors given.
    """
    query = request.GET
    limit = _limit(query)
    after, before = _ends(query)
    scope = _scope(request)

    # One row more than asked for tells whether there is a further page.
    if before:
        position = _position(before, scope, order, "before")
        nearest = rows.filter(_beyond(order, position, "gt")).order_by(*order)
        found = list(nearest[: limit + 1])
        has_prev, has_next = len(found) > limit, True
        shown = found[:limit][::-1]
    else:
        if after:
            rows = rows.filter(_beyond(order, _position(after, scope, order, "after"), "lt"))
        found = list(rows.order_by(*(f"-{name}" for name in order))[: limit + 1])
        has_prev, has_next = bool(after), len(found) > limit
        shown = found[:limit]

    return _between(shown, scope, order, has_prev=has_prev, has_next=has_next)


def page_of_rows(
    rows: Sequence[Row], *, request: HttpRequest, order: tuple[str, ...] = ("created_at", "id")
) -> Page[Row]:
    """The same as `page` for a few rows that are in memory, such as the prices of a plan.

    Raises:
        InvalidLimit, InvalidCursor: as `page`.
    """
    limit = _limit(request.GET)
    after, before = _ends(request.GET)
    scope = _scope(request)
    ranked = sorted(rows, key=lambda row: _place(row, order), reverse=True)
    if before:
        position = _position(before, scope, order, "before")
        ranked = [row for row in ranked if _place(row, order) > position]
        has_prev, has_next = len(ranked) > limit, True
        shown = ranked[-limit:]
    else:
        if after:
            position = _position(after, scope, order, "after")
            ranked = [row for row in ranked if _place(row, order) < position]
        has_prev, has_next = bool(after), len(ranked) > limit
        shown = ranked[:limit]
    return _between(shown, scope, order, has_prev=has_prev, has_next=has_next)


def _between(
    shown: Sequence[Row], scope: str, order: tuple[str, ...], *, has_prev: bool, has_next: bool
) -> Page[Row]:
    return Page(
        rows=shown,
        next=_cursor(shown[-1], scope, order) if shown and has_next else None,
        prev=_cursor(shown[0], scope, order) if shown and has_prev else None,
    )


def _ends(query: QueryDict) -> tuple[str, str]:
    """The cursors that the query gives: after, before."""
    after, before = _only(query, "after"), _only(query, "before")
    if after and before:
        raise InvalidCursor("Give either after or before, not both.", field="before")
    return after, before


def _limit(query: QueryDict) -> int:
    text = _only(query, "limit") or str(DEFAULT_LIMIT)
    if not (text.isascii() and text.isdecimal() and 1 <= int(text[:9]) <= LARGEST_LIMIT):
        raise InvalidLimit(f"limit must be 1 to {LARGEST_LIMIT}.", field="limit")
    return int(text)


def _only(query: QueryDict, name: str) -> str:
    values = query.getlist(name)
    if len(values) > 1:
        raise BadInput(f"{name} is given more than once.", field=name)
    return values[0] if values else ""


def _scope(request: HttpRequest) -> str:
    """The list a cursor belongs to: its address and filters, without the paging."""
    filters = request.GET.copy()
    for name in PAGING:
        filters.pop(name, None)
    return f"{request.path}?{sorted((name, tuple(values)) for name, values in filters.lists())}"


def _beyond(order: tuple[str, ...], position: Position, than: str) -> Q:
    """Rows on the far side of `position` in the order: (a, b) < (x, y) spelt out."""
    name, value = order[0], _value(order[0], position[0])
    if len(order) == 1:
        return Q(**{f"{name}__{than}": value})
    # The first part alone is what an index can use.
    return Q(**{f"{name}__{than}e": value}) & (
        Q(**{f"{name}__{than}": value}) | _beyond(order[1:], position[1:], than)
    )


def _value(name: str, number: int) -> datetime | int:
    return EPOCH + timedelta(microseconds=number) if name.endswith("_at") else number


def _number(value: datetime | int) -> int:
    if isinstance(value, datetime):
        return (value - EPOCH) // timedelta(microseconds=1)
    return value


def _place(row: object, order: tuple[str, ...]) -> Position:
    return tuple(_number(getattr(row, name)) for name in order)


def _cursor(row: object, scope: str, order: tuple[str, ...]) -> str:
    position = ".".join(str(number) for number in _place(row, order))
    text = f"{_seal(scope, position)}.{position}"
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _position(cursor: str, scope: str, order: tuple[str, ...], field: str) -> Position:
    broken = InvalidCursor("This cursor does not belong to this list.", field=field)
    if len(cursor) > LONGEST_CURSOR:
        raise broken
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        text = base64.b64decode(padded.encode(), altchars=b"-_", validate=True).decode("ascii")
        seal, position = text.split(".", 1)
        numbers = tuple(int(number) for number in position.split("."))
        for name, number in zip(order, numbers, strict=True):
            _value(name, number)
            if abs(number) > LARGEST_NUMBER:
                raise OverflowError
    except (binascii.Error, ValueError, OverflowError) as error:
        raise broken from error
    if seal != _seal(scope, position):
        raise broken
    return numbers


def _seal(scope: str, position: str) -> str:
    """Tells a cursor of this list from all others. No secret: it protects no data."""
    return hashlib.sha256(f"{scope}\n{position}".encode()).hexdigest()[:16]
