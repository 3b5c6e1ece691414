"""Many demands at once: all are checked before any is recorded (R39)."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from credits import consumption, pools
from credits.consumption import Demand
from workspace.actors import Actor
from workspace.errors import DomainError

LARGEST_BATCH = 1000


@dataclass(slots=True, frozen=True)
class Row:
    """A demand, and by public ids the pool it is made on."""

    customer_id: str
    credit_type_id: str
    resource_id: str | None
    demand: Demand


def consume(*, rows: Sequence[Row], actor: Actor, now: datetime) -> None:
    """Take credits out of many pools, each row once per key, in their order within a pool.

    Demands on one pool are one transaction.

    Raises:
        UnknownCustomer, CustomerIsArchived, UnknownCreditType, UnknownResource: naming the
            rows at fault. Nothing is recorded.
    """
    faults: dict[int, DomainError] = {}
    located: dict[tuple[str, str, str | None], int] = {}
    demands: dict[int, list[Demand]] = defaultdict(list)
    for number, row in enumerate(rows):
        ids = (row.customer_id, row.credit_type_id, row.resource_id)
        try:
            if ids not in located:
                located[ids] = pools.locate(
                    customer_id=row.customer_id,
                    credit_type_id=row.credit_type_id,
                    resource_id=row.resource_id,
                    now=now,
                )
            demands[located[ids]].append(row.demand)
        except DomainError as error:
            faults[number] = error
    refuse_rows(faults, field="consumptions")
    for pool_id, asked in sorted(demands.items()):
        consumption.consume_several(pool_id=pool_id, demands=asked, actor=actor, now=now)


def refuse_rows(faults: Mapping[int, DomainError], *, field: str) -> None:
    """Refuse a batch for the rows at fault, in the words of the first of them.

    Raises:
        DomainError: of the kind of the first fault; nothing, if there is none.
    """
    if not faults:
        return
    first = min(faults)
    raise type(faults[first])(
        f"{field}[{first}]: {faults[first].message}",
        field=field,
        rows={number: error.message for number, error in faults.items()},
    )
