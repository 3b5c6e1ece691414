"""What an adjustment by a person would do, before anybody does it (R35, R36, R46, R50).

The pool is walked on paper by the steps that will do it; nothing is written.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

from catalog.amounts import ZERO
from credits import burn_order, grants, summaries, timeline
from credits.book import PoolState
from credits.grants import Gift


@dataclass(slots=True, frozen=True)
class Share:
    """What one grant pays of a subtraction; of the overdraft, what nobody could pay."""

    name: str
    amount: Decimal
    is_overdraft: bool = False


@dataclass(slots=True, frozen=True)
class Outcome:
    """What would become of a pool.

    `at` is when the balance changes, and the balances are those just before and after it.
    A grant would be number `place` of `paying` grants in the burn order then, or have no
    place because `settled` of it pays what the pool owes and nothing is left. A subtraction
    is paid by `shares`.
    """

    at: datetime
    balance_before: Decimal
    balance_after: Decimal
    place: int | None = None
    paying: int = 0
    next_before: str = ""
    settled: Decimal = ZERO
    cost: Decimal = ZERO
    shares: tuple[Share, ...] = ()


def of_grant(pool: PoolState, gift: Gift, *, now: datetime) -> Outcome:
    """What `gift` would do when it takes effect, and is paid for.

    Raises:
        InvalidGrant: it is not allowed (R46).
    """
    grants.check(gift, now=now)
    at = max(gift.effective_at or now, now)
    number = len(pool.grants)
    granted = grants.preview(pool, replace(gift, payment_pending=False), now=now)
    without, _ = timeline.advance(pool, at)
    after, _ = timeline.advance(granted, at)
    new = after.grants[number]
    order = summaries.paying(after)
    place = order.index(new) + 1 if new in order else None
    return Outcome(
        at=at,
        balance_before=without.balance,
        balance_after=after.balance,
        place=place,
        paying=len(order),
        next_before=order[place - 2].name if place is not None and place > 1 else "",
        settled=new.consumed,
        cost=grants.cost_of(gift),
    )


def of_subtraction(pool: PoolState, amount: Decimal, *, now: datetime) -> Outcome:
    """What taking `amount` out of `pool` would do, as a consumption does it (R50)."""
    after = pool.copy()
    shares, unpaid = burn_order.split(amount, after.open_grants)
    for share in shares:
        after.spend(share.grant, share.amount, now)
    if unpaid:
        after.overdraw(unpaid, now)
    paid = [Share(share.grant.name, share.amount) for share in shares]
    if unpaid:
        paid.append(Share("Overdraft", unpaid, is_overdraft=True))
    return Outcome(
        at=now,
        balance_before=pool.balance,
        balance_after=after.balance,
        shares=tuple(paid),
    )
