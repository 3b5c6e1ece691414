"""What will become of a pool: time and assumed use, walked on paper (R18–R26, R35, R36).

By the same planner that does it when the day comes. Nothing here knows a database, and the pool
that is given stays as it is.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from credits import burn_order, timeline
from credits.book import ZERO, Entry, EntryType, PoolState

MOMENT = timedelta.resolution
DAY = timedelta(days=1)


@dataclass(slots=True, frozen=True)
class Use:
    """Credits that are used evenly: so many in each stretch of time."""

    amount: Decimal = ZERO
    per: timedelta = DAY

    def within(self, elapsed: timedelta) -> Decimal:
        """How much it comes to from the beginning on, in whole millionths."""
        scaled = int(self.amount.scaleb(6)) * (elapsed // MOMENT) // (self.per // MOMENT)
        return Decimal(scaled).scaleb(-6)

    def reaches(self, amount: Decimal) -> timedelta:
        """How long it takes until it comes to `amount`, which is not asked of no use."""
        micros = int(amount.scaleb(6)) * (self.per // MOMENT)
        return -(-micros // int(self.amount.scaleb(6))) * MOMENT

    @property
    def per_day(self) -> Decimal:
        """The same as credits a day."""
        return self.within(DAY)


@dataclass(slots=True, frozen=True)
class Happening:
    """An instant at which time changes the pool: its entries, and use since the one before."""

    at: datetime
    used: Decimal
    entries: tuple[Entry, ...]
    balance_before: Decimal
    balance_after: Decimal


@dataclass(slots=True, frozen=True)
class Gap:
    """A stretch [since, until) without anything to spend; None is beyond the forecast."""

    since: datetime
    until: datetime | None


@dataclass(slots=True, frozen=True)
class Forecast:
    """A pool from `since` until `until`; `points` are instants with the balance at them.

    Where time changes the balance there are two points at one instant, before and after.
    `refused` is what was to be used and found nothing under a hard limit.
    """

    since: datetime
    until: datetime
    points: tuple[tuple[datetime, Decimal], ...]
    happenings: tuple[Happening, ...]
    gaps: tuple[Gap, ...]
    used: Decimal
    refused: Decimal

    @property
    def entries(self) -> list[Entry]:
        """All that time does, in its order; use is not among them."""
        return [entry for happening in self.happenings for entry in happening.entries]

    @property
    def closing(self) -> Decimal:
        """The balance at the end."""
        return self.points[-1][1]

    def total(self, type: EntryType) -> Decimal:
        """What time grants, lets expire or voids, together; never negative."""
        return abs(sum((entry.amount for entry in self.entries if entry.type == type), ZERO))

    @property
    def days_without(self) -> int:
        """How many days of it there is nothing to spend, rounded down."""
        spans = [(gap.until or self.until) - gap.since for gap in self.gaps]
        return sum(spans, timedelta()) // DAY


NO_USE = Use()


def forecast(pool: PoolState, *, now: datetime, until: datetime, use: Use = NO_USE) -> Forecast:
    """Walk a pool that stands at `now` to `until`, days and changes of time as steps.

    What is used in a step is taken at its end, before time changes the pool there. Under a
    hard limit use stops where nothing is left, under a soft one it goes on and is owed (R44).
    """
    pool = pool.copy()
    at, wanted, used, noted = now, ZERO, ZERO, ZERO
    points = [(now, pool.balance)]
    happenings: list[Happening] = []
    gaps = _Gaps(now, pool.balance)
    while at < until:
        following = min(_stops(pool, at, until))
        opening = pool.balance
        due = use.within(following - now) - wanted
        if 0 < opening <= due:
            gaps.ran_out(now + use.reaches(wanted + opening))
        wanted += due
        used += _spent(pool, due, following)
        points.append((following, pool.balance))
        known, before = len(pool.entries), pool.balance
        timeline.bring(pool, following)
        entries = tuple(pool.entries[known:])
        if entries:
            happenings.append(Happening(following, used - noted, entries, before, pool.balance))
            noted = used
        if pool.balance != before:
            points.append((following, pool.balance))
            gaps.stands(following, pool.balance)
        at = following
    return Forecast(now, until, tuple(points), tuple(happenings), gaps.found(), used, wanted - used)


def _stops(pool: PoolState, at: datetime, until: datetime) -> Iterator[datetime]:
    """Where the step that begins at `at` may end: the end, a midnight in UTC, a change."""
    yield until
    yield at.replace(hour=0, minute=0, second=0, microsecond=0) + DAY
    change = timeline.next_change_at(pool)
    if change is not None:
        yield max(change, at + MOMENT)


def _spent(pool: PoolState, amount: Decimal, at: datetime) -> Decimal:
    """Spend as consumption does (R35, R36), but not beyond a hard limit; return how much."""
    shares, unpaid = burn_order.split(amount, pool.open_grants)
    for share in shares:
        pool.spend(share.grant, share.amount, at)
    if unpaid and any(each.in_force and each.has_soft_limit for each in pool.schedules):
        pool.overdraw(unpaid, at)
        return amount
    return amount - unpaid


class _Gaps:
    """Notes when there is nothing to spend."""

    def __init__(self, now: datetime, balance: Decimal) -> None:
        self._closed: list[Gap] = []
        self._since = None if balance > 0 else now

    def ran_out(self, at: datetime) -> None:
        """Use took the last credit."""
        if self._since is None:
            self._since = at

    def stands(self, at: datetime, balance: Decimal) -> None:
        """Time changed the balance."""
        if balance > 0 and self._since is not None:
            if self._since < at:
                self._closed.append(Gap(self._since, at))
            self._since = None
        elif balance <= 0 and self._since is None:
            self._since = at

    def found(self) -> tuple[Gap, ...]:
        """All of them, in their order."""
        if self._since is None:
            return tuple(self._closed)
        return (*self._closed, Gap(self._since, None))
