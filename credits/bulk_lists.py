"""Lists of customers that people paste or upload: an ID per line, perhaps with more beside it.

Where credits are granted that is an amount, and the resource whose pool it goes to (R42).
"""

from collections.abc import Iterator, Sequence
from decimal import Decimal

from django.core.exceptions import ValidationError

from catalog.amounts import typed, validate_amount
from credits.bulk import MOST_ROWS, Aim, chunks
from subscriptions.models import Customer, Resource
from workspace import sheets
from workspace.errors import BadInput

LARGEST = 8 * 2**20  # bytes
MOST_FAULTS = 20
"""So many are shown; more would help nobody."""
HEADINGS = {"customer id", "customer_id", "customerid", "customer", "id"}
MORE_HEADINGS = (
    {"amount", "credits"},
    {"resource id", "resource_id", "resourceid", "resource", "workspace"},
)
"""What further columns may be called, in their order."""

Row = tuple[int, str, Decimal | None, str]
"""Its line, the customer's ID, the amount if it has one, and the resource's ID or nothing."""


class InvalidList(BadInput):
    """Some lines cannot be used; nothing was taken."""


def aims_of(content: bytes, *, with_amounts: bool) -> list[Aim]:
    """Who stands in a list, in its order; all of them, or none.

    A first line that names the columns is passed over. Amounts are for what can have them.

    Raises:
        UnreadableTable: see `sheets.read`.
        InvalidList: it is too large, or lines are at fault: too many columns, a customer or
            resource that is not there or comes twice, an amount that is none.
    """
    if len(content) > LARGEST:
        raise InvalidList(f"The list is larger than {LARGEST // 2**20} MB. Split it.")
    faults: dict[int, str] = {}
    rows = list(_rows(content, with_amounts, faults))
    known: dict[str, int] = {}
    for chunk in chunks(public_id for _, public_id, _, _ in rows):
        found = Customer.objects.filter(public_id__in=chunk)
        known.update(found.values_list("public_id", "pk"))
    resources = _resources(rows)
    for line, public_id, _, resource_id in rows:
        if public_id not in known:
            faults.setdefault(line, f"There is no customer {public_id[:64]!r}.")
        elif resource_id and (public_id, resource_id) not in resources:
            message = f"{public_id[:64]!r} has no resource {resource_id[:64]!r}."
            faults.setdefault(line, message)
    if faults:
        raise _refusal(faults)
    return [
        Aim(
            known[public_id],
            amount=amount,
            line=line,
            resource_id=resources.get((public_id, resource_id)),
        )
        for line, public_id, amount, resource_id in rows
    ]


def _resources(rows: Sequence[Row]) -> dict[tuple[str, str], int]:
    """Inner keys of resources that are named, by the IDs of customer and resource."""
    known: dict[tuple[str, str], int] = {}
    named = [(public_id, resource_id) for _, public_id, _, resource_id in rows if resource_id]
    for chunk in chunks(named):
        found = Resource.objects.filter(
            customer__public_id__in={public_id for public_id, _ in chunk},
            public_id__in={resource_id for _, resource_id in chunk},
        )
        for public_id, resource_id, pk in found.values_list(
            "customer__public_id", "public_id", "pk"
        ):
            known[public_id, resource_id] = pk
    return known


def _rows(content: bytes, with_amounts: bool, faults: dict[int, str]) -> Iterator[Row]:
    """The lines that can be read; what is wrong with the others goes into `faults`."""
    first: dict[tuple[str, str], int] = {}
    for number, (line, cells) in enumerate(sheets.read(content)):
        if number == 0 and cells[0].lower() in HEADINGS:
            _check_headings(cells, line)
            continue
        if len(first) >= MOST_ROWS:
            raise InvalidList(f"The list has more than {MOST_ROWS:,} customers. Split it.")
        public_id, *others = cells
        if len(others) > (len(MORE_HEADINGS) if with_amounts else 0):
            faults[line] = _too_many_columns(with_amounts)
            continue
        typed_amount, resource_id = (*others, "", "")[:2]
        key = (public_id, resource_id)
        if first.setdefault(key, line) != line:
            faults[line] = f"This is the customer of line {first[key]} again."
        else:
            try:
                amount = typed(typed_amount) if typed_amount else None
                if amount is not None:
                    validate_amount(amount)
            except ValidationError as error:
                faults[line] = str(error.messages[0])
            else:
                yield line, public_id, amount, resource_id


def _check_headings(cells: Sequence[str], line: int) -> None:
    for number, cell in enumerate(cells[1:]):
        if number >= len(MORE_HEADINGS) or cell.lower() not in MORE_HEADINGS[number]:
            raise InvalidList(
                f"Line {line} names a column “{cell[:64]}”. A list has customer IDs and, where "
                "credits are granted, amounts and resource IDs, in this order."
            )


def _too_many_columns(with_amounts: bool) -> str:
    if with_amounts:
        return "Write a customer ID, and beside it at most an amount and a resource ID."
    return "Write a customer ID and nothing else."


def _refusal(faults: dict[int, str]) -> InvalidList:
    """The first of them by line; lines are counted from 1, rows of a refusal from 0."""
    shown = sorted(faults)[:MOST_FAULTS]
    number = len(faults)
    more = f" Here are the first {MOST_FAULTS}." if number > MOST_FAULTS else ""
    return InvalidList(
        f"{number:,} {'line' if number == 1 else 'lines'} of the list cannot be used, so nothing "
        f"was taken.{more}",
        rows={line - 1: faults[line] for line in shown},
    )
