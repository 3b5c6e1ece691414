"""A pool on paper: what is in it, and the entries made since it was read.

The states below mirror rows of the database but know nothing of it. Every change of a
balance goes through one of the movements of `PoolState`, so entry, remainder, balance and
totals cannot part; `credits.ledger` writes down what they did.
"""

from copy import copy
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, Self

ZERO = Decimal(0)


class GrantType(StrEnum):
    """Where credits come from."""

    RECURRING = "RECURRING"
    PAID = "PAID"
    PROMOTIONAL = "PROMOTIONAL"
    OVERDRAFT = "OVERDRAFT"


class Stage(StrEnum):
    """Whether a grant's credits are not yet, now, or no longer in the balance."""

    WAITING = "WAITING"
    OPEN = "OPEN"
    CLOSED = "CLOSED"


class EntryType(StrEnum):
    """What a ledger entry records (R52)."""

    GRANTED = "CREDITS_GRANTED"
    CONSUMED = "CREDITS_CONSUMED"
    EXPIRED = "CREDITS_EXPIRED"
    VOIDED = "CREDITS_VOIDED"
    UPDATED = "CREDITS_UPDATED"
    TRANSFER_SOURCE = "CREDITS_CONSUMPTION_TRANSFER_SOURCE"
    TRANSFER_TARGET = "CREDITS_CONSUMPTION_TRANSFER_TARGET"


USING = (EntryType.CONSUMED, EntryType.TRANSFER_SOURCE, EntryType.TRANSFER_TARGET)
"""Entries that change what is consumed of a grant."""

ENDING = (EntryType.EXPIRED, EntryType.VOIDED)
"""Entries after which nothing is left of a grant."""


class Ending(StrEnum):
    """What the end of a schedule does to the credits it gave in its last period.

    EXPIRE: they end with the schedule or their period, whichever is earlier (R25, R26).
    VOID: what is left of them is taken back (R32, R31 ALWAYS_RESET).
    CARRY: their consumption moves to what starts at that instant, then as VOID (R29–R31).
    HAND_OVER: the same source goes on with other terms; they are its successor's (R27).
    """

    EXPIRE = "EXPIRE"
    VOID = "VOID"
    CARRY = "CARRY"
    HAND_OVER = "HAND_OVER"


@dataclass(slots=True, eq=False, kw_only=True)
class ScheduleState:
    """What one source gives a pool, on which cadence, and how much it gave this period.

    `mark` is everything granted in the current period and never falls; `given_back` is
    what changes voided of it; `used_elsewhere` is what the source gave in that period in
    pools it was transferred from and did not get back. `amount` is that of all its `units`
    together, None where nobody noted them. The period is [`period_starts_at`,
    `next_at`); both are None until the schedule has started.

    What a scheduled update of the subscription does stands beside the terms of today, so
    that it can be taken back: `planned_end_at` with `planned_ending` comes before `ends_at`,
    and `is_planned` begins only by the update.
    """

    pk: int | None = None
    subscription_id: int
    source_id: int
    source_is_addon: bool
    name: str = ""
    amount: Decimal
    units: Decimal | None = None
    cadence: str
    anchor_at: datetime
    starts_at: datetime
    ends_at: datetime | None = None
    ending: Ending = Ending.EXPIRE
    planned_end_at: datetime | None = None
    planned_ending: Ending | None = None
    is_planned: bool = False
    is_override: bool = False
    is_granted: bool = True
    has_soft_limit: bool = False
    mark: Decimal = ZERO
    given_back: Decimal = ZERO
    used_elsewhere: Decimal = ZERO
    period_starts_at: datetime | None = None
    next_at: datetime | None = None
    ended: bool = False
    changed: bool = False

    @property
    def in_force(self) -> bool:
        """Whether it has started and not ended, as far as the pool has been brought."""
        return self.next_at is not None and not self.ended

    @property
    def over_at(self) -> datetime | None:
        """When it ends, by itself or by a scheduled update; None if never."""
        if self.planned_end_at is None or self.ends_at is None:
            return self.planned_end_at or self.ends_at
        return min(self.planned_end_at, self.ends_at)

    def finish(self) -> None:
        """Be over, by whichever end came first."""
        if self.planned_ending is not None and self.over_at != self.ends_at:
            assert self.planned_end_at is not None, "a planned ending has an instant"
            self.ends_at = max(self.planned_end_at, self.starts_at)
            self.ending = self.planned_ending
        self.planned_end_at = self.planned_ending = None
        self.ended = self.changed = True

    @property
    def source(self) -> tuple[int, int]:
        """What a mark belongs to: one package in one subscription."""
        return self.subscription_id, self.source_id

    @property
    def period(self) -> tuple[datetime | None, datetime | None]:
        """The period it is in, [start, end)."""
        return self.period_starts_at, self.next_at

    @property
    def grants_until(self) -> datetime | None:
        """When a grant issued now expires: with its period, or with the schedule (R23, R25)."""
        if self.ends_at is not None and self.ending == Ending.EXPIRE and self.next_at is not None:
            return min(self.next_at, self.ends_at)
        return self.next_at


@dataclass(slots=True, eq=False, kw_only=True)
class GrantState:
    """One block of credits. For the overdraft `amount` is 0 and `consumed` the deficit."""

    pk: int | None = None
    type: GrantType
    amount: Decimal
    consumed: Decimal = ZERO
    priority: int = 10
    effective_at: datetime
    expires_at: datetime | None = None
    created_at: datetime
    stage: Stage = Stage.WAITING
    payment_pending: bool = False
    voided_at: datetime | None = None
    schedule: ScheduleState | None = None
    period_starts_at: datetime | None = None
    period_ends_at: datetime | None = None
    mark_before: Decimal | None = None
    period_amount: Decimal | None = None
    units: Decimal | None = None
    name: str = ""
    details: dict[str, Any] | None = None
    changed: bool = False

    @property
    def remaining(self) -> Decimal:
        """What can still be spent of it; negative for an overdraft."""
        return self.amount - self.consumed


@dataclass(slots=True, eq=False, kw_only=True)
class Entry:
    """One line of the ledger before it is written; `amount` is signed."""

    type: EntryType
    amount: Decimal
    grant: GrantState
    effective_at: datetime
    balance_before: Decimal
    balance_after: Decimal
    by_time: bool = False
    cause: Any = None


@dataclass(slots=True, eq=False, kw_only=True)
class PoolState:
    """A pool at one instant, with its live grants, schedules and new entries.

    `granted` and `consumed` total the active grants, `consumed` with the overdraft, so
    `granted - consumed == balance` (R43). `as_of` is the effective time of the latest
    entry: no later entry is earlier (R38).
    """

    pk: int
    balance: Decimal = ZERO
    granted: Decimal = ZERO
    consumed: Decimal = ZERO
    last_entry_number: int = 0
    as_of: datetime | None = None
    grants: list[GrantState] = field(default_factory=list)
    schedules: list[ScheduleState] = field(default_factory=list)
    entries: list[Entry] = field(default_factory=list)

    def copy(self) -> Self:
        """An independent pool with the same grants, schedules and unwritten entries."""
        other = copy(self)
        schedules = {id(schedule): copy(schedule) for schedule in self.schedules}
        grants = {id(grant): copy(grant) for grant in self.grants}
        for grant in grants.values():
            if grant.schedule is not None:
                grant.schedule = schedules.get(id(grant.schedule), grant.schedule)
        other.schedules = list(schedules.values())
        other.grants = list(grants.values())
        other.entries = [
            replace(entry, grant=grants.get(id(entry.grant), entry.grant)) for entry in self.entries
        ]
        return other

    @property
    def open_grants(self) -> list[GrantState]:
        """The grants that count in the balance, other than the overdraft."""
        return [
            grant
            for grant in self.grants
            if grant.stage == Stage.OPEN and grant.type != GrantType.OVERDRAFT
        ]

    @property
    def overdraft(self) -> GrantState | None:
        """The open overdraft, if the pool is in deficit."""
        for grant in self.grants:
            if grant.type == GrantType.OVERDRAFT and grant.stage == Stage.OPEN:
                return grant
        return None

    def open(self, grant: GrantState, at: datetime, *, by_time: bool = False) -> None:
        """A grant becomes active: its amount joins the balance (R47)."""
        grant.stage = Stage.OPEN
        grant.changed = True
        if all(known is not grant for known in self.grants):
            self.grants.append(grant)
        self.granted += grant.amount
        self._post(EntryType.GRANTED, grant.amount, grant, at, by_time=by_time)

    def spend(self, grant: GrantState, amount: Decimal, at: datetime, *, cause: Any = None) -> None:
        """Take `amount` out of one grant; the caller has checked what it holds (R35).

        `cause` is the consumption that the entry will name.
        """
        grant.consumed += amount
        grant.changed = True
        self.consumed += amount
        self._post(EntryType.CONSUMED, -amount, grant, at, cause=cause)

    def overdraw(self, amount: Decimal, at: datetime, *, cause: Any = None) -> None:
        """Record a deficit that no grant can pay (R36)."""
        overdraft = self.overdraft
        if overdraft is None:
            overdraft = GrantState(
                type=GrantType.OVERDRAFT,
                amount=ZERO,
                effective_at=self.not_before(at),
                created_at=at,
                stage=Stage.OPEN,
                name="Overdraft",
            )
            self.grants.append(overdraft)
        self.spend(overdraft, amount, at, cause=cause)

    def move_consumption(
        self,
        source: GrantState,
        target: GrantState,
        amount: Decimal,
        at: datetime,
        *,
        by_time: bool = False,
    ) -> None:
        """Let `target` pay `amount` that `source` had paid (R29, R30, R36)."""
        source.consumed -= amount
        target.consumed += amount
        source.changed = target.changed = True
        self._post(EntryType.TRANSFER_SOURCE, amount, source, at, by_time=by_time)
        self._post(EntryType.TRANSFER_TARGET, -amount, target, at, by_time=by_time)

    def close(
        self, grant: GrantState, type: EntryType, at: datetime, *, by_time: bool = False
    ) -> Decimal:
        """End a grant by expiry or void; what was left leaves the balance and is returned.

        A grant that ends with nothing left ends without an entry (R52).
        """
        remaining = grant.remaining if grant.stage == Stage.OPEN else ZERO
        if grant.stage == Stage.OPEN:
            self.granted -= grant.amount
            self.consumed -= grant.consumed
        grant.stage = Stage.CLOSED
        grant.changed = True
        if type == EntryType.VOIDED:
            grant.voided_at = self.not_before(at)
        elif grant.expires_at is None or grant.expires_at > at:
            grant.expires_at = self.not_before(at)
        if remaining:
            self._post(type, -remaining, grant, at, by_time=by_time)
        return remaining

    def note_update(self, grant: GrantState, at: datetime) -> None:
        """Record that a person edited a grant; nothing moves (R49)."""
        grant.changed = True
        self._post(EntryType.UPDATED, ZERO, grant, at)

    def not_before(self, at: datetime) -> datetime:
        """`at`, or the latest entry's time if the clock went backwards since (R38)."""
        return at if self.as_of is None or at >= self.as_of else self.as_of

    def _post(
        self,
        type: EntryType,
        amount: Decimal,
        grant: GrantState,
        at: datetime,
        *,
        by_time: bool = False,
        cause: Any = None,
    ) -> None:
        before = self.balance
        self.balance = before + amount
        self.as_of = self.not_before(at)
        self.entries.append(
            Entry(
                type=type,
                amount=amount,
                grant=grant,
                effective_at=self.as_of,
                balance_before=before,
                balance_after=self.balance,
                by_time=by_time,
                cause=cause,
            )
        )
