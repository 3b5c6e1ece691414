"""A second, deliberately simple model of a pool, to hold the engine against.

It shares nothing with the engine but the words. Credits are whole millionths. It keeps every
lot for ever, knows no marks, schedules or ledger, and finds out everything anew from what
happened, by walking through every instant at which anything could happen.
"""

from calendar import monthrange
from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from credits.book import GrantType
from tests.properties.histories import (
    COST_OF_AN_EVENT,
    ORIGIN,
    PACKAGES,
    PLANS,
    Act,
    Cancel,
    ChangePlan,
    Edit,
    Give,
    Happen,
    History,
    Hold,
    MoveAnchor,
    MoveTrialEnd,
    Publish,
    Subscribe,
    Use,
    UseSeveral,
    UseStrictly,
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
    is_by_people: bool = False
    used: int = 0
    returned: int = 0
    arrived: bool = False
    over: bool = False

    @property
    def is_active(self) -> bool:
        return self.arrived and not self.over

    @property
    def left(self) -> int:
        return self.size - self.used if self.is_active else 0

    @property
    def order(self) -> tuple[object, ...]:
        """R35."""
        never = datetime.max.replace(tzinfo=ORIGIN.tzinfo)
        return (self.priority, self.ends or never, not self.is_gift, self.starts, self.made)


class Model:
    """One pool, by the rules read aloud; `plan` 0 is no subscription."""

    def __init__(self, plan: int = 0, trial: timedelta | None = None) -> None:
        self.now = ORIGIN
        self.lots: list[Lot] = []
        self.debt = 0
        self.on_sale = {key: micros(package.amount) for key, package in PACKAGES.items()}
        self.subscribe(plan, trial)
        self.issue(ORIGIN)

    @classmethod
    def of(cls, history: History) -> "Model":
        return cls(history.plan, history.trial)

    @property
    def balance(self) -> int:
        return sum(lot.left for lot in self.lots) - self.debt

    @property
    def held(self) -> dict[int, int]:
        """What is left of each source; 0 is what people granted, -1 what is owed."""
        held: dict[int, int] = defaultdict(int)
        for lot in self.lots:
            held[lot.source] += lot.left
        held[-1] = self.debt
        return {source: amount for source, amount in held.items() if amount}

    @property
    def granted(self) -> int:
        return sum(lot.size for lot in self.lots if lot.is_active)

    @property
    def is_over(self) -> bool:
        return not self.plan or (self.end is not None and self.end <= self.now)

    @property
    def in_trial(self) -> bool:
        return self.trial_end is not None and self.now < self.trial_end

    def subscribe(self, plan: int, trial: timedelta | None = None) -> None:
        """Begin anew; what another subscription gave belongs to none of this one's periods."""
        for lot in self.lots:
            lot.period = None
        self.plan = plan
        self.addons: dict[int, tuple[datetime, int]] = {}
        self.turns: dict[int, int] = {}
        self.started = self.now
        self.trial_end = None if trial is None else self.now + trial
        self.anchor = self.trial_end or self.now
        self.end: datetime | None = None
        self.amounts = dict(self.on_sale)

    # What the subscription gives

    def anchor_at(self, at: datetime) -> datetime:
        """R25: a trial counts from the start, what follows from the trial's end (or later)."""
        if self.trial_end is None:
            return self.anchor
        return self.started if at < self.trial_end else max(self.anchor, self.trial_end)

    def giving(self, at: datetime) -> dict[int, int]:
        """R15, R16: which packages give how much per period of theirs."""
        if not self.plan or (self.end is not None and self.end <= at):
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
        """Do one act now; what makes no sense is left undone."""
        before = self.giving(self.now)
        if isinstance(act, Publish):
            self.on_sale[act.package] = micros(act.amount)
        restarts = isinstance(act, ChangePlan) and act.restarts and not self.in_trial
        self.take_with_credits(act)
        if not self.is_over:
            self.take_with_subscription(act, restarts=restarts)
        elif isinstance(act, Subscribe) and self.plan:
            self.subscribe(act.plan)
        carries_plan = not act.resets if isinstance(act, ChangePlan) else None
        self.change(before, carries_plan, restarts=restarts)

    def take_with_credits(self, act: Act) -> None:
        match act:
            case Give():
                self.give(act)
            case Use(amount):
                self.use(amount)
            case UseStrictly(amount):
                if micros(amount) <= self.balance:
                    self.use(amount)
            case UseSeveral(amounts):
                self.use(*amounts)
            case Void(place):
                self.void(place)
            case Edit():
                self.edit(act)

    def take_with_subscription(self, act: Act, *, restarts: bool) -> None:
        match act:
            case Happen(times):
                self.use(*[COST_OF_AN_EVENT] * times)
            case Cancel(after):
                self.end = None if after is None else self.now + after
                self.live_until_trial_end()
            case ChangePlan(plan):
                self.change_plan(plan)
                self.anchor = self.now if restarts else self.anchor
            case Hold(addon, quantity):
                self.hold(addon, quantity)
            case Publish(package, amount, for_all=True):
                self.amounts[package] = micros(amount)
            case MoveAnchor() if not self.in_trial and self.now > self.anchor:
                self.move_anchor()
            case MoveTrialEnd(after) if self.in_trial:
                self.trial_end = self.anchor = self.now + after
                self.live_until_trial_end()

    def use(self, *amounts: Decimal) -> None:
        for amount in amounts:
            self.debt += self.spend_from(self.lots, micros(amount))

    def give(self, gift: Give) -> None:
        starts = self.now + gift.after
        ends = None if gift.lasting is None else starts + gift.lasting
        is_gift = gift.type == GrantType.PROMOTIONAL
        lot = Lot(micros(gift.amount), gift.priority, is_gift, starts, ends, self.now)
        lot.is_by_people = True
        self.lots.append(lot)

    def edit(self, edit: Edit) -> None:
        """R49: what people granted and is not over; the start of what has not begun."""
        editable = sorted(
            (lot for lot in self.lots if lot.is_by_people and not lot.over),
            key=lambda lot: lot.starts,
        )
        if editable:
            lot = editable[edit.place % len(editable)]
            lot.priority = edit.priority
            lot.starts = lot.starts if lot.arrived else self.now + edit.after
            lot.ends = edit.end_of(lot.starts, self.now)

    def change_plan(self, plan: int) -> None:
        """A plan that is chosen is had in its latest version."""
        if plan != self.plan:
            self.plan, self.amounts[plan] = plan, self.on_sale[plan]

    def hold(self, addon: int, quantity: int) -> None:
        if addon not in self.addons:
            self.amounts[addon] = self.on_sale[addon]
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

    def change(
        self, before: dict[int, int], carries_plan: bool | None, *, restarts: bool = False
    ) -> None:
        """Section 6: grant, move consumption, void, settle.

        Consumption goes along where an override comes or goes (R29, R30), and from a plan to
        another as the product says (R31). Where a new period begins, everything makes way for
        itself (R26).
        """
        after = self.giving(self.now)
        overriding = set(before) != set(after) and any(map(is_override, before | after))
        gone, come = set(before) - set(after), set(after) - set(before)
        if restarts:
            gone, come = set(before), set(after)
        for key in gone:
            del self.turns[key]
        known = len(self.lots)
        self.issue(self.now)
        targets = [lot for lot in self.lots[known:] if lot.source in come]
        going = [lot for lot in self.lots[:known] if lot.source in gone and not lot.over]
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
