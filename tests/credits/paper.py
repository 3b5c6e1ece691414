"""Pools on paper, for tests of pure rules: no database, no verbs.

Amounts may be given as numbers or texts; instants default to the first half of 2026.
"""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from credits import timeline
from credits.book import (
    ZERO,
    Ending,
    Entry,
    EntryType,
    GrantState,
    GrantType,
    PoolState,
    ScheduleState,
    Stage,
)

JANUARY = datetime(2026, 1, 1, 10, 0, tzinfo=UTC)
MID_JANUARY = datetime(2026, 1, 15, 10, 0, tzinfo=UTC)
LATE_JANUARY = datetime(2026, 1, 25, 10, 0, tzinfo=UTC)
FEBRUARY = datetime(2026, 2, 1, 10, 0, tzinfo=UTC)
MARCH = datetime(2026, 3, 1, 10, 0, tzinfo=UTC)
APRIL = datetime(2026, 4, 1, 10, 0, tzinfo=UTC)
NEXT_YEAR = datetime(2027, 1, 1, 10, 0, tzinfo=UTC)

Amount = int | str | Decimal
Line = tuple[EntryType, Decimal]


def a_grant(
    amount: Amount = 100,
    *,
    type: GrantType = GrantType.PAID,
    consumed: Amount = 0,
    effective_at: datetime = JANUARY,
    stage: Stage = Stage.OPEN,
    **fields: Any,
) -> GrantState:
    """A grant that never expires and counts in the balance."""
    fields.setdefault("created_at", effective_at)
    return GrantState(
        type=type,
        amount=Decimal(amount),
        consumed=Decimal(consumed),
        effective_at=effective_at,
        stage=stage,
        **fields,
    )


def a_scheduled_grant(amount: Amount = 100, **fields: Any) -> GrantState:
    """A grant that waits for its day."""
    return a_grant(amount, stage=Stage.WAITING, **{"created_at": JANUARY, **fields})


def an_overdraft(deficit: Amount) -> GrantState:
    """The overdraft of a pool that owes `deficit`."""
    return a_grant(0, type=GrantType.OVERDRAFT, consumed=deficit)


def a_schedule(
    amount: Amount = 100,
    *,
    source_id: int = 1,
    starts_at: datetime = JANUARY,
    cadence: str = "MONTH",
    **fields: Any,
) -> ScheduleState:
    """A plan that gives `amount` per month from its start on."""
    return ScheduleState(
        **{
            "subscription_id": 1,
            "source_id": source_id,
            "source_is_addon": False,
            "name": f"source {source_id}",
            "amount": Decimal(amount),
            "cadence": cadence,
            "anchor_at": starts_at,
            "starts_at": starts_at,
            **fields,
        }
    )


def an_addon(amount: Amount = 100, *, source_id: int = 2, **fields: Any) -> ScheduleState:
    """An add-on; as `a_schedule`, with an id of its own."""
    return a_schedule(amount, source_id=source_id, source_is_addon=True, **fields)


def a_pool(*held: GrantState | ScheduleState) -> PoolState:
    """A pool with these grants and schedules, and the totals that follow."""
    grants = [each for each in held if isinstance(each, GrantState)]
    counting = [grant for grant in grants if grant.stage == Stage.OPEN]
    granted = sum((grant.amount for grant in counting), ZERO)
    consumed = sum((grant.consumed for grant in counting), ZERO)
    return PoolState(
        pk=1,
        balance=granted - consumed,
        granted=granted,
        consumed=consumed,
        grants=grants,
        schedules=[each for each in held if isinstance(each, ScheduleState)],
    )


def a_pool_at(now: datetime, *held: GrantState | ScheduleState) -> PoolState:
    """As `a_pool`, brought up to `now`, its entries forgotten."""
    pool, _ = timeline.advance(a_pool(*held), now)
    pool.entries = []
    return pool


def use(pool: PoolState, amount: Amount, now: datetime) -> None:
    """Spend from the pool, into the overdraft if need be, as the verb does (R35, R36)."""
    from credits import burn_order

    shares, unpaid = burn_order.split(Decimal(amount), pool.open_grants)
    for share in shares:
        pool.spend(share.grant, share.amount, now)
    if unpaid:
        pool.overdraw(unpaid, now)


def switch(
    pool: PoolState,
    now: datetime,
    *,
    end: ScheduleState | None = None,
    ending: Ending = Ending.VOID,
    begin: ScheduleState | None = None,
) -> list[Line]:
    """At `now`, let one source end and another begin, as a change of a subscription does.

    Returns:
        The lines that the ledger gained.
    """
    if end is not None:
        end.ends_at, end.ending = now, ending
    if begin is not None:
        pool.schedules.append(begin)
    return turned(pool, now)


def turned(pool: PoolState, now: datetime) -> list[Line]:
    """Turn the pool at `now`; give the lines that the ledger gained."""
    known = len(pool.entries)
    timeline.turn(pool, now)
    return lines(pool.entries[known:])


def lines(entries: list[Entry]) -> list[Line]:
    """Type and amount of each entry."""
    return [(entry.type, entry.amount) for entry in entries]


def line(type: EntryType, amount: Amount) -> Line:
    """One line to compare with."""
    return type, Decimal(amount)


def figures(pool: PoolState) -> dict[str, Any]:
    """Everything that moves when credits move, to show that nothing did."""
    return {
        "balance": pool.balance,
        "granted": pool.granted,
        "consumed": pool.consumed,
        "grants": [(grant.stage, grant.amount, grant.consumed) for grant in pool.grants],
        "marks": [(each.mark, each.given_back, each.next_at) for each in pool.schedules],
        "entries": len(pool.entries),
    }
