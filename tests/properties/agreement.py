"""What one subscription says, for the simple model: who gives how much, in which periods."""

from calendar import monthrange
from dataclasses import dataclass, field
from datetime import datetime

from tests.properties.histories import ORIGIN, PACKAGES, Act, Hold

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
    is_unpaid: bool = False
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


@dataclass(eq=False)
class Agreement:
    """A subscription; `plan` 0 is none. `lots` is all that it gave, in whichever pool.

    `cancels` says that its trial ends it, `is_canceled` that somebody set its end. `later` is
    an update that is scheduled, and when it takes effect. `lasting` is who gives how much, and
    until when, though a publication would have another override win: that waits (R14).
    """

    plan: int
    started: datetime
    amounts: dict[int, int]
    trial_end: datetime | None = None
    cancels: bool = False
    anchor: datetime = field(init=False)
    end: datetime | None = field(init=False)
    is_canceled: bool = False
    addons: dict[int, tuple[datetime, int]] = field(default_factory=dict)
    turns: dict[int, int] = field(default_factory=dict)
    lots: list[Lot] = field(default_factory=list)
    later: tuple[datetime, Act] | None = None
    lasting: tuple[datetime, dict[int, int]] | None = None

    def __post_init__(self) -> None:
        self.anchor = self.started
        self.end = self.trial_end if self.cancels else None
        if self.trial_end is not None and not self.cancels:
            self.anchor = self.trial_end

    def is_over(self, at: datetime) -> bool:
        return not self.plan or (self.end is not None and self.end <= at)

    def in_trial(self, at: datetime) -> bool:
        return self.trial_end is not None and at < self.trial_end

    def anchor_at(self, at: datetime) -> datetime:
        """R25: a trial counts from the start, what follows from the trial's end (or later)."""
        if self.trial_end is None:
            return self.anchor
        return self.started if at < self.trial_end else max(self.anchor, self.trial_end)

    def giving(self, at: datetime) -> dict[int, int]:
        """R15, R16: which packages give how much per period of theirs."""
        if self.is_over(at):
            return {}
        if self.lasting is not None and at < self.lasting[0]:
            return self.lasting[1]
        return self.agreed()

    def agreed(self) -> dict[int, int]:
        """As above, if nothing waited."""
        wanted = {self.plan: self.amounts[self.plan]}
        for key in sorted(self.addons, key=lambda key: (self.addons[key][0], key)):
            wanted[key] = self.amounts[key] * self.addons[key][1]
        overrides = [key for key in wanted if is_override(key)]
        if not overrides:
            return wanted
        best = max(overrides, key=lambda key: wanted[key] * (1 if is_yearly(key) else 12))
        return {best: wanted[best]}

    def period_of(self, key: int, at: datetime) -> Period:
        """R19."""
        return period(self.anchor_at(at), 12 if is_yearly(key) else 1, at)

    def last_instant(self, period: Period, at: datetime) -> datetime:
        """R23, R25: the period's end, or the trial's unless all ends before that."""
        if self.trial_end is None or at >= self.trial_end:
            return period[1]
        if self.end is not None and self.end < self.trial_end:
            return period[1]
        return min(period[1], self.trial_end)

    def end_of_billing(self, at: datetime) -> datetime:
        """When the billing period is over, a month or a trial; an update may wait for it."""
        if self.trial_end is not None and at < self.trial_end:
            return self.trial_end
        return self.month_of(at)[1]

    def month_of(self, at: datetime) -> Period:
        """The month in which use of a feature counts (R39)."""
        return period(self.anchor, 1, at)

    def next_instants(self, at: datetime) -> list[datetime]:
        """When time may change what it gives."""
        instants = [each for each in (self.end, self.trial_end) if each is not None]
        if self.later is not None:
            instants.append(self.later[0])
        return instants + [self.period_of(key, at)[1] for key in self.giving(at)]

    # Changes

    def set_end(self, end: datetime | None) -> None:
        """R5: a trial that cancels is not lived beyond; what comes too late never will."""
        self.is_canceled = end is not None
        if self.cancels and self.trial_end is not None:
            end = self.trial_end if end is None else min(end, self.trial_end)
        self.end = end
        if self.end is not None and self.later is not None and self.end <= self.later[0]:
            self.later = None

    def move_trial_end(self, trial_end: datetime, at: datetime) -> None:
        self.trial_end = trial_end
        if self.lasting is not None:
            self.let_last(self.lasting[1], at)
        if not self.cancels:
            self.anchor = trial_end
        elif not self.is_canceled or self.end is None:
            self.end = trial_end
        else:
            self.end = min(self.end, trial_end)

    def change_plan(self, plan: int, on_sale: dict[int, int]) -> None:
        """A plan that is chosen is had in its latest version; it waits for nothing."""
        self.lasting = None
        if plan != self.plan:
            self.plan, self.amounts[plan] = plan, on_sale[plan]

    def hold(self, addon: int, quantity: int, on_sale: dict[int, int], at: datetime) -> None:
        if addon not in self.addons:
            self.amounts[addon] = on_sale[addon]
        since, _ = self.addons.pop(addon, (at, 0))
        if quantity:
            self.addons[addon] = (since, quantity)
        self.stop_waiting(at)

    def publish(self, package: int, amount: int, at: datetime) -> None:
        """R14: another override begins when whoever gives now would have been reset."""
        before = self.giving(at)
        self.amounts[package] = amount
        if self.agreed().keys() == before.keys():
            self.lasting = None
        elif self.giving(at).keys() != before.keys():
            self.let_last(before, at)

    def let_last(self, giving: dict[int, int], at: datetime) -> None:
        """Let them give to the end of their periods."""
        ends = [self.last_instant(self.period_of(key, at), at) for key in giving]
        self.lasting = min(ends), giving

    def stop_waiting(self, at: datetime) -> None:
        """What was removed makes way at once (R30), and so does what was to end with all."""
        if self.lasting is None or at >= self.lasting[0]:
            return
        until, giving = self.lasting
        is_held = giving.keys() <= {self.plan, *self.addons}
        ends_before = self.end is not None and self.end <= until
        if not is_held or ends_before or self.agreed().keys() == giving.keys():
            self.lasting = None

    def says(self, act: Act) -> bool:
        """Whether an add-on is held like that already."""
        if not isinstance(act, Hold):
            return False
        return self.addons.get(act.addon, (None, 0))[1] == act.quantity


def period(anchor: datetime, months: int, at: datetime) -> Period:
    """R19, month by month on a calendar."""
    number = 0
    while month_after(anchor, (number + 1) * months) <= at:
        number += 1
    while month_after(anchor, number * months) > at:
        number -= 1
    return month_after(anchor, number * months), month_after(anchor, (number + 1) * months)


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
