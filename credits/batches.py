"""Many demands at once: all are checked before any is recorded (R39)."""

from collections import defaultdict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from credits import consumption, lateness, pools
from credits.consumption import Demand
from workspace.actors import Actor
from workspace.errors import DomainError

LARGEST_BATCH = 1000

Ids = TypeVar("Ids", bound=Hashable)
Found = TypeVar("Found")


@dataclass(slots=True, frozen=True)
class Row:
    """A demand, and by public ids the pool it is made on."""

    customer_id: str
    credit_type_id: str
    resource_id: str | None
    demand: Demand


def consume(*, rows: Sequence[Row], actor: Actor, now: datetime) -> int:
    """Take credits out of many pools, each row once per key, in their order within a pool.

    Demands on one pool are one transaction. Says how many were new.

    Raises:
        UnknownCustomer, CustomerIsArchived, UnknownCreditType, UnknownResource,
        UsedInTheFuture: naming the rows at fault. Nothing is recorded.
    """
    refuse_future([row.demand.used_at for row in rows], now, field="consumptions")
    located = found(
        [(row.customer_id, row.credit_type_id, row.resource_id) for row in rows],
        lambda ids: pools.locate(
            customer_id=ids[0], credit_type_id=ids[1], resource_id=ids[2], now=now
        ),
        field="consumptions",
    )
    demands: dict[int, list[Demand]] = defaultdict(list)
    for pool_id, row in zip(located, rows, strict=True):
        demands[pool_id].append(row.demand)
    new = 0
    for pool_id, asked in sorted(demands.items()):
        receipts = consumption.consume_several(pool_id=pool_id, demands=asked, actor=actor, now=now)
        new += sum(not receipt.replayed for receipt in receipts)
    return new


def refuse_future(instants: Sequence[datetime | None], now: datetime, *, field: str) -> None:
    """Refuse a batch with use of the future in it; see `lateness`.

    Raises:
        UsedInTheFuture: naming the rows at fault.
    """
    found(instants, lambda at: lateness.refuse_future(at, now, field=field), field=field)


def found(ids: Sequence[Ids], find: Callable[[Ids], Found], *, field: str) -> list[Found]:
    """What the ids of each row name, in the order of the rows; the same ids are found once.

    Raises:
        DomainError: what `find` raised for the first row at fault, naming all rows at fault.
    """
    known: dict[Ids, Found] = {}
    errors: dict[Ids, DomainError] = {}
    for each in dict.fromkeys(ids):
        try:
            known[each] = find(each)
        except DomainError as error:
            errors[each] = error
    faults = {number: errors[each] for number, each in enumerate(ids) if each in errors}
    if faults:
        first = min(faults)
        raise type(faults[first])(
            f"{field}[{first}]: {faults[first].message}",
            field=field,
            rows={number: error.message for number, error in faults.items()},
        )
    return [known[each] for each in ids]
