"""A second, deliberately simple model of a pool, to hold the engine against.

It shares nothing with the engine but the words. Credits are whole millionths. It keeps every
lot for ever, knows no marks, schedules or ledger, and finds out everything anew from what
happened, by walking through every instant at which anything could happen.
"""

from calendar import monthrange
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from credits.book import GrantType
from tests.properties.histories import (
    ORIGIN,
    PACKAGES,
    PLANS,
    Act,
    Cancel,
    ChangePlan,
    Give,
    History,
    Hold,
    MoveAnchor,
    MoveTrialEnd,
    Publish,
    Use,
    Void,
)

Period = tuple[datetime, datetime]


@dataclass(eq=False)
class Lot:
    """Credits that arrived together. `returned` is what a change took back of them."""

    size: int
    priority: int
    is_gift: bool
    starts: datetime
    ends: datetime | None
    made: datetime
    source: int = 0
    period: Period | None = None
    used: int = 0
    returned: int = 0
    arrived: bool = False
    over: bool = False

    @property
    def left(self) -> int:
        return self.size - self.used if self.arrived and not self.over else 0

    @property
    def order(self) -> tuple[object, ...]:
        """R35."""
        never = datetime.max.replace(tzinfo=ORIGIN.tzinfo)
        return (self.priority, self.ends or never, not self.is_gift, self.starts, self.made)


class Model:
    """One customer's pool, by the rules read aloud."""

    def __init__(self, history: History) -> None:
        self.now = ORIGIN
        self.lots: list[Lot] = []
        self.debt = 0
        self.plan = history.plan
        self.addons: dict[int, tuple[datetime, int]] = {}
        self.turns: dict[int, int] = {}
        self.trial_end = None if history.trial is None else ORIGIN + history.trial
        self.anchor = self.trial_end or ORIGIN
        self.end: datetime | None = None
        self.amounts = {key: micros(package.amount) for key, package in PACKAGES.items()}
        self.issue(ORIGIN)

    @property
    def balance(self) -> int:
        return sum(lot.left for lot in self.lots) - self.debt

    # What the subscription gives

    def anchor_at(self, at: datetime) -> datetime:
        """R25: a trial counts from the start, what follows from the trial's end (or later)."""
        if self.trial_end is None:
            return self.anchor
        return ORIGIN if at < self.trial_end else max(self.anchor, self.trial_end)

    def giving(self, at: datetime) -> dict[int, int]:
        """R15, R16: which packages give how much per period of theirs."""
        if self.end is not None and self.end <= at:
            return {}
        wanted = {self.plan: self.amounts[self.plan]}
        for key in sorted(self.addons, key=lambda key: (self.addons[key][0], key)):
            wanted[key] = self.amounts[key] * self.addons[key][1]
        overrides = [key for key in wanted if is_override(key)]
        if not overrides:
            return wanted
        best = max(overrides, key=lambda key: wanted[key] * (1 if is_yearly(key) else 12))
        return {best: wanted[best]}

    def period_of(self, key: int, at: datetime) -> Period:
        """R19, month by month on a calendar."""
        anchor, months = self.anchor_at(at), 12 if is_yearly(key) else 1
        number = 0
        while month_after(anchor, (number + 1) * months) <= at:
            number += 1
        while month_after(anchor, number * months) > at:
            number -= 1
        return month_after(anchor, number * months), month_after(anchor, (number + 1) * months)

    # Time

    def reach(self, now: datetime) -> None:
        """Walk through every instant at which something could happen."""
        while (at := self.next_instant()) is not None and at <= now:
            self.now = at
            self.expire(at)
            if self.trial_end == at:
                self.turns = {}
            if self.end == at:
                self.take_back([lot for lot in self.lots if lot.source])
            self.issue(at)
            self.settle()
        self.now = now

    def next_instant(self) -> datetime | None:
        instants = [lot.starts for lot in self.lots]
        instants += [lot.ends for lot in self.lots if lot.ends is not None]
        instants += [at for at in (self.end, self.trial_end) if at is not None]
        instants += [self.period_of(key, self.now)[1] for key in self.giving(self.now)]
        return min((at for at in instants if at > self.now), default=None)

    def expire(self, at: datetime) -> None:
        for lot in self.lots:
            if lot.ends is not None and lot.ends <= at:
                lot.over = True

    def issue(self, at: datetime) -> None:
        """Let gifts arrive, and each package give what its period still lacks (R22, R27)."""
        for lot in self.lots:
            if lot.starts <= at and not lot.over:
                lot.arrived = True
        giving = self.giving(at)
        for key in giving:
            self.turns.setdefault(key, max(self.turns.values(), default=0) + 1)
        for key in sorted(giving, key=lambda key: self.turns[key]):
            period = self.period_of(key, at)
            lots = [lot for lot in self.lots if lot.source == key and lot.period == period]
            lacking = giving[key] - sum(lot.size - lot.returned for lot in lots)
            if lacking > 0:
                ends = self.last_instant(period, at)
                lot = Lot(lacking, 10, False, at, ends, at, key, period, arrived=True)
                self.lots.append(lot)

    def last_instant(self, period: Period, at: datetime) -> datetime:
        """R23, R25: the period's end, or the trial's unless all ends before that."""
        if self.trial_end is None or at >= self.trial_end:
            return period[1]
        if self.end is not None and self.end < self.trial_end:
            return period[1]
        return min(period[1], self.trial_end)

    def settle(self) -> None:
        """R36: whatever is left pays what is owed."""
        self.debt = self.spend_from(self.lots, self.debt)

    # Acts

    def take(self, act: Act) -> None:
        is_over = self.end is not None and self.end <= self.now
        in_trial = self.trial_end is not None and self.now < self.trial_end
        before = self.giving(self.now)
        carries_plan: bool | None = None
        match act:
            case Give():
                self.give(act)
            case Use(amount):
                self.debt += self.spend_from(self.lots, micros(amount))
            case Void(place):
                self.void(place)
            case Cancel(after) if not is_over:
                self.end = None if after is None else self.now + after
                self.live_until_trial_end()
            case _ if is_over:
                pass
            case ChangePlan(plan, resets):
                self.plan, carries_plan = plan, not resets
            case Hold(addon, quantity):
                self.hold(addon, quantity)
            case Publish(package, amount):
                self.amounts[package] = micros(amount)
            case MoveAnchor() if not in_trial and self.now > self.anchor:
                self.move_anchor()
            case MoveTrialEnd(after) if in_trial:
                self.trial_end = self.anchor = self.now + after
                self.live_until_trial_end()
        self.change(before, carries_plan)

    def give(self, gift: Give) -> None:
        starts = self.now + gift.after
        ends = None if gift.lasting is None else starts + gift.lasting
        is_gift = gift.type == GrantType.PROMOTIONAL
        lot = Lot(micros(gift.amount), gift.priority, is_gift, starts, ends, self.now)
        self.lots.append(lot)

    def hold(self, addon: int, quantity: int) -> None:
        since, _ = self.addons.pop(addon, (self.now, 0))
        if quantity:
            self.addons[addon] = (since, quantity)

    def move_anchor(self) -> None:
        """R26: what recurs expires; what came at this very instant never counted."""
        self.anchor, self.turns = self.now, {}
        recurring = [lot for lot in self.lots if lot.source]
        self.take_back([lot for lot in recurring if lot.starts == self.now])
        for lot in recurring:
            lot.over = True

    def void(self, place: int) -> None:
        voidable = [lot for lot in self.lots if not lot.over]
        voidable.sort(key=lambda lot: (lot.starts, lot.source))
        if voidable:
            voidable[place % len(voidable)].over = True

    def live_until_trial_end(self) -> None:
        """R25: what a trial gave expires with it, also if the trial's end moves."""
        if self.trial_end is not None and self.now < self.trial_end:
            for lot in self.lots:
                if lot.period is not None and not lot.over:
                    lot.ends = self.last_instant(lot.period, self.now)

    def change(self, before: dict[int, int], carries_plan: bool | None) -> None:
        """Section 6: grant, move consumption, void, settle.

        Consumption goes along where an override comes or goes (R29, R30), and from a plan to
        another as the product says (R31).
        """
        after = self.giving(self.now)
        gone, come = set(before) - set(after), set(after) - set(before)
        overriding = bool(gone or come) and any(is_override(key) for key in before | after)
        for key in gone:
            del self.turns[key]
        known = len(self.lots)
        self.issue(self.now)
        targets = [lot for lot in self.lots[known:] if lot.source in come]
        going = [lot for lot in self.lots if lot.source in gone and not lot.over]
        for lot in sorted(going, key=lambda lot: lot.order):
            of_a_plan = lot.source in PLANS and carries_plan is not None
            if carries_plan if of_a_plan else overriding:
                lot.used = self.spend_from(targets, lot.used)
        self.take_back(going)
        self.settle()

    # Movements

    def spend_from(self, lots: list[Lot], need: int) -> int:
        """Take from lots in burn order; answer what nobody could pay."""
        for lot in sorted(lots, key=lambda lot: lot.order):
            part = min(lot.left, need)
            lot.used += part
            need -= part
        return need

    def take_back(self, lots: list[Lot]) -> None:
        for lot in lots:
            lot.returned += lot.left
            lot.over = True


def micros(amount: Decimal) -> int:
    return int(amount * 1_000_000)


def is_override(key: int) -> bool:
    return PACKAGES[key].behaviour == "Override"


def is_yearly(key: int) -> bool:
    return PACKAGES[key].cadence == "YEAR"


def month_after(anchor: datetime, months: int) -> datetime:
    year, month = anchor.year, anchor.month + months
    while month > 12:
        year, month = year + 1, month - 12
    while month < 1:
        year, month = year - 1, month + 12
    return anchor.replace(year=year, month=month, day=min(anchor.day, monthrange(year, month)[1]))
