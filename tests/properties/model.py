"""A second, deliberately simple model of a pool, to hold the engine against.

It shares nothing with the engine but the words. Credits are whole millionths. It keeps every
lot for ever, knows no marks, schedules or ledger, and finds out everything anew from what
happened, by walking through every instant at which anything could happen.
"""

from collections import defaultdict
from datetime import datetime, timedelta
from decimal import Decimal

from credits.book import GrantType
from tests.properties.agreement import Agreement, Lot, is_override
from tests.properties.histories import (
    COST_OF_AN_EVENT,
    ORIGIN,
    PACKAGES,
    PLANS,
    Act,
    Cancel,
    ChangePlan,
    Confirm,
    Edit,
    Give,
    Happen,
    History,
    Hold,
    MoveAnchor,
    MoveTrialEnd,
    Publish,
    Report,
    Schedule,
    Subscribe,
    TakeBack,
    Use,
    UseSeveral,
    UseStrictly,
    Void,
)


class Model:
    """One pool, by the rules read aloud; `plan` 0 is no subscription."""

    def __init__(
        self, plan: int = 0, trial: timedelta | None = None, *, cancels: bool = False
    ) -> None:
        self.now = ORIGIN
        self.lots: list[Lot] = []
        self.debt = 0
        self.reports: list[tuple[datetime, int, bool]] = []
        self.on_sale = {key: micros(package.amount) for key, package in PACKAGES.items()}
        self.subscribe(plan, trial, cancels=cancels)
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
        return self.agreement.is_over(self.now)

    @property
    def in_trial(self) -> bool:
        return self.agreement.in_trial(self.now)

    def subscribe(self, plan: int, trial: timedelta | None = None, *, cancels: bool) -> None:
        """Begin anew; what another subscription gave belongs to none of this one's periods."""
        trial_end = None if trial is None else self.now + trial
        self.agreement = Agreement(plan, self.now, dict(self.on_sale), trial_end, cancels)

    # Time

    def reach(self, now: datetime) -> None:
        """Walk through every instant at which something could happen."""
        while (at := self.next_instant()) is not None and at <= now:
            self.now = at
            self.expire(at)
            if self.agreement.trial_end == at:
                self.agreement.turns = {}
            if self.agreement.end == at:
                self.take_back([lot for lot in self.lots if lot.source])
            if self.agreement.later is not None and self.agreement.later[0] == at:
                self.take_what_was_scheduled(self.agreement.later[1])
            self.issue(at)
            self.settle()
        self.now = now

    def next_instant(self) -> datetime | None:
        instants = [lot.starts for lot in self.lots]
        instants += [lot.ends for lot in self.lots if lot.ends is not None]
        instants += self.agreement.next_instants(self.now)
        return min((at for at in instants if at > self.now), default=None)

    def expire(self, at: datetime) -> None:
        for lot in self.lots:
            if lot.ends is not None and lot.ends <= at:
                lot.over = True

    def issue(self, at: datetime) -> None:
        """Let gifts arrive, and each package give what its period still lacks (R22, R27)."""
        for lot in self.lots:
            if lot.starts <= at and not lot.over and not lot.is_unpaid:
                lot.arrived = True
        giving, turns = self.agreement.giving(at), self.agreement.turns
        for key in giving:
            turns.setdefault(key, max(turns.values(), default=0) + 1)
        for key in sorted(giving, key=lambda key: turns[key]):
            period = self.agreement.period_of(key, at)
            given = [
                lot for lot in self.agreement.lots if (lot.source, lot.period) == (key, period)
            ]
            lacking = giving[key] - sum(lot.size - lot.returned for lot in given)
            if lacking > 0:
                ends = self.agreement.last_instant(period, at)
                lot = Lot(lacking, 10, False, at, ends, at, key, period, arrived=True)
                self.lots.append(lot)
                self.agreement.lots.append(lot)

    def settle(self) -> None:
        """R36: whatever is left pays what is owed."""
        self.debt = self.spend_from(self.lots, self.debt)

    # Acts

    def take(self, act: Act) -> None:
        """Do one act now; what makes no sense is left undone."""
        before = self.agreement.giving(self.now)
        if isinstance(act, Publish):
            self.on_sale[act.package] = micros(act.amount)
        restarts = isinstance(act, ChangePlan) and act.restarts and not self.in_trial
        self.take_with_credits(act)
        if not self.is_over:
            self.take_with_subscription(act, restarts=restarts)
        elif isinstance(act, Subscribe) and self.agreement.plan:
            self.subscribe(act.plan, cancels=False)
        carries_plan = not act.resets if isinstance(act, ChangePlan) else None
        self.change(before, carries_plan, restarts=restarts)

    def take_with_credits(self, act: Act) -> None:
        match act:
            case Give():
                self.give(act)
            case Confirm(place):
                self.confirm(place)
            case Use(amount):
                self.use(amount)
            case UseStrictly(amount):
                if micros(amount) <= self.balance:
                    self.use(amount)
            case UseSeveral(amounts):
                self.use(*amounts)
            case Happen(times):
                self.report(times)
            case Report(value, sets_total) if self.takes(act):
                self.report(value, sets_total=sets_total)
            case Void(place):
                self.void(place)
            case Edit():
                self.edit(act)

    def take_with_subscription(self, act: Act, *, restarts: bool) -> None:
        agreement = self.agreement
        if isinstance(act, ChangePlan | Hold | Schedule | TakeBack):
            agreement.later = None
        match act:
            case Cancel(after):
                agreement.set_end(None if after is None else self.now + after)
                self.live_until_trial_end()
            case ChangePlan(plan):
                agreement.change_plan(plan, self.on_sale)
                agreement.anchor = self.now if restarts else agreement.anchor
            case Hold(addon, quantity):
                agreement.hold(addon, quantity, self.on_sale, self.now)
            case Schedule(change) if not agreement.says(change):
                agreement.later = agreement.end_of_billing(self.now), change
            case Publish(package, amount, for_all=True):
                agreement.publish(package, micros(amount), self.now)
            case MoveAnchor() if not self.in_trial and self.now > agreement.anchor:
                self.move_anchor()
            case MoveTrialEnd(after) if self.in_trial:
                agreement.move_trial_end(self.now + after, self.now)
                self.live_until_trial_end()

    def take_what_was_scheduled(self, act: Act) -> None:
        """An update takes effect: as if it were asked for now, with today's versions (R13).

        What goes on with other terms lines up behind what goes on as it was.
        """
        before = self.agreement.giving(self.now)
        self.agreement.later = None
        self.take_with_subscription(act, restarts=False)
        after = self.agreement.giving(self.now)
        for key in before.keys() & after.keys():
            if before[key] != after[key]:
                self.agreement.turns.pop(key, None)
        self.change(before, not act.resets if isinstance(act, ChangePlan) else None)

    def use(self, *amounts: Decimal) -> None:
        for amount in amounts:
            self.debt += self.spend_from(self.lots, micros(amount))

    def used(self) -> int:
        """How much was used in the running month, or ever where nothing is included (R39)."""
        since = None if self.is_over else self.agreement.month_of(self.now)[0]
        total = 0
        for at, value, sets_total in self.reports:
            if since is None or at >= since:
                total = value if sets_total else total + value
        return total

    def takes(self, report: Report) -> bool:
        """Whether a report leaves as much as nothing, or more."""
        return report.sets_total or report.value >= 0 or self.used() + report.value >= 0

    def report(self, value: int, *, sets_total: bool = False) -> None:
        """R39: what is used more than before is paid for, and a fall gives nothing back."""
        rise = value - self.used() if sets_total else value
        self.reports.append((self.now, value, sets_total))
        if not self.is_over:
            self.use(*[COST_OF_AN_EVENT] * rise)

    def give(self, gift: Give) -> None:
        starts = self.now + gift.after
        ends = None if gift.lasting is None else starts + gift.lasting
        is_gift = gift.type == GrantType.PROMOTIONAL
        lot = Lot(micros(gift.amount), gift.priority, is_gift, starts, ends, self.now)
        lot.is_by_people, lot.is_unpaid = True, gift.is_unpaid
        self.lots.append(lot)

    def confirm(self, place: int) -> None:
        """R47: it takes effect now, or at its date."""
        waiting = [lot for lot in self.lots if lot.is_unpaid and not lot.over]
        waiting.sort(key=lambda lot: lot.starts)
        if waiting:
            lot = waiting[place % len(waiting)]
            lot.is_unpaid, lot.starts = False, max(lot.starts, self.now)

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

    def move_anchor(self) -> None:
        """R26: what recurs expires; what came at this very instant never counted."""
        self.agreement.anchor, self.agreement.turns = self.now, {}
        self.agreement.lasting = None
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
        if self.in_trial:
            for lot in self.agreement.lots:
                if not lot.over and lot.period is not None:
                    lot.ends = self.agreement.last_instant(lot.period, self.now)

    def transfer(self, to: "Model") -> None:
        """R32, R42: what is left here is voided; it goes on there, less what was used of it."""
        self.take_back([lot for lot in self.lots if lot.source])
        self.agreement, to.agreement = to.agreement, self.agreement
        to.agreement.turns, to.agreement.lasting = {}, None
        to.issue(self.now)
        to.settle()

    def change(
        self, before: dict[int, int], carries_plan: bool | None, *, restarts: bool = False
    ) -> None:
        """R27: grant, move consumption, void, settle.

        Consumption goes along where an override comes or goes (R29, R30), and from a plan to
        another as the product says (R31). Where a new period begins, everything makes way for
        itself (R26).
        """
        after = self.agreement.giving(self.now)
        overriding = set(before) != set(after) and any(map(is_override, before | after))
        gone, come = set(before) - set(after), set(after) - set(before)
        if restarts:
            gone, come = set(before), set(after)
        for key in gone:
            self.agreement.turns.pop(key, None)
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
