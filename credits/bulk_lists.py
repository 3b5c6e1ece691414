"""Lists of customers that people paste or upload: an ID per line, with or without an amount."""

from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from itertools import islice

from django.core.exceptions import ValidationError

from catalog.amounts import typed, validate_amount
from credits.bulk import CHUNK, MOST_ROWS, Aim
from subscriptions.models import Customer
from workspace import sheets
from workspace.errors import BadInput

LARGEST = 8 * 2**20  # bytes
MOST_FAULTS = 20
"""So many are shown; more would help nobody."""
HEADINGS = {"customer id", "customer_id", "customerid", "customer", "id"}
AMOUNT_HEADINGS = {"amount", "credits"}

Row = tuple[int, str, Decimal | None]
"""Its line, the ID and the amount, if it has one."""


class InvalidList(BadInput):
    """Some lines cannot be used; nothing was taken."""


def aims_of(content: bytes, *, with_amounts: bool) -> list[Aim]:
    """Who stands in a list, in its order; all of them, or none.

    A first line that names the columns is passed over. Amounts are for what can have them.

    Raises:
        UnreadableTable: see `sheets.read`.
        InvalidList: it is too large, or lines are at fault: too many columns, a customer who
            is not there or comes twice, an amount that is none.
    """
    if len(content) > LARGEST:
        raise InvalidList(f"The list is larger than {LARGEST // 2**20} MB. Split it.")
    faults: dict[int, str] = {}
    rows = list(_rows(content, with_amounts, faults))
    known: dict[str, int] = {}
    for chunk in _chunks(public_id for _, public_id, _ in rows):
        found = Customer.objects.filter(public_id__in=chunk)
        known.update(found.values_list("public_id", "pk"))
    for line, public_id, _ in rows:
        if public_id not in known:
            faults.setdefault(line, f"There is no customer {public_id[:64]!r}.")
    if faults:
        raise _refusal(faults)
    return [Aim(known[public_id], amount=amount, line=line) for line, public_id, amount in rows]


def _rows(content: bytes, with_amounts: bool, faults: dict[int, str]) -> Iterator[Row]:
    """The lines that can be read; what is wrong with the others goes into `faults`."""
    first: dict[str, int] = {}
    for number, (line, cells) in enumerate(sheets.read(content)):
        if number == 0 and cells[0].lower() in HEADINGS:
            _check_headings(cells, line)
            continue
        if len(first) >= MOST_ROWS:
            raise InvalidList(f"The list has more than {MOST_ROWS:,} customers. Split it.")
        public_id, *others = cells
        if len(others) > 1 or (others and not with_amounts):
            faults[line] = _too_many_columns(with_amounts)
        elif first.setdefault(public_id, line) != line:
            faults[line] = f"This is the customer of line {first[public_id]} again."
        else:
            try:
                amount = typed(others[0]) if others else None
                if amount is not None:
                    validate_amount(amount)
            except ValidationError as error:
                faults[line] = str(error.messages[0])
            else:
                yield line, public_id, amount


def _check_headings(cells: Sequence[str], line: int) -> None:
    unknown = [cell for cell in cells[1:2] if cell.lower() not in AMOUNT_HEADINGS] or cells[2:]
    if unknown:
        raise InvalidList(
            f"Line {line} names a column “{unknown[0][:64]}”. A list has customer IDs and, where "
            "credits are granted, amounts."
        )


def _too_many_columns(with_amounts: bool) -> str:
    if with_amounts:
        return "Write a customer ID, or a customer ID and an amount."
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


def _chunks(ids: Iterable[str]) -> Iterator[list[str]]:
    rest = iter(ids)
    while chunk := list(islice(rest, CHUNK)):
        yield chunk
