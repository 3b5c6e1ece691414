"""Histories nobody would think of: what people, applications and time do to one pool.

A history is a list of steps, each a wait and an act. `Customer` lives one on paper, by the
same functions as the product: `planning.plan`, `timeline`, `burn_order` and the book.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from hypothesis import strategies as st

from catalog.models import Behaviour, Cadence, CreditType
from credits import planning, recurring, timeline
from credits.book import EntryType, GrantState, GrantType, PoolState, Stage
from credits.recurring import Allowance
from subscriptions.causes import Cause
from subscriptions.entitlements import CreditSource
from subscriptions.models import Subscription
from tests.credits.paper import a_scheduled_grant, use

ORIGIN = datetime(2027, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)
"""The last microsecond before a leap year, on a day that most months do not have."""

MOMENT = timedelta(microseconds=1)
DAY = timedelta(days=1)
AI_CREDITS = CreditType(pk=1)


@dataclass(frozen=True)
class Package:
    """What the catalog sells in these histories."""

    amount: Decimal
    cadence: str = Cadence.MONTH
    behaviour: str = Behaviour.INCREMENT


PLANS = {
    1: Package(Decimal(100)),
    2: Package(Decimal("50.000001")),
    3: Package(Decimal(1200), Cadence.YEAR),
}
ADDONS = {
    4: Package(Decimal(40)),
    5: Package(Decimal(300), behaviour=Behaviour.OVERRIDE),
    6: Package(Decimal("4000.5"), Cadence.YEAR, Behaviour.OVERRIDE),
    7: Package(Decimal(90), Cadence.YEAR),
}
PACKAGES = PLANS | ADDONS


# Acts


@dataclass(frozen=True)
class Give:
    """Somebody grants credits that take effect and expire after so long."""

    amount: Decimal
    type: GrantType
    priority: int
    after: timedelta
    lasting: timedelta | None
    is_unpaid: bool = False


@dataclass(frozen=True)
class Use:
    amount: Decimal


@dataclass(frozen=True)
class Void:
    """Somebody voids the grant at this place among those not over, if there is one."""

    place: int


@dataclass(frozen=True)
class ChangePlan:
    """Another plan; whether use starts afresh, and whether a new period begins with it."""

    plan: int
    resets: bool
    restarts: bool = False


@dataclass(frozen=True)
class Hold:
    """So many of an add-on from now on; 0 removes it."""

    addon: int
    quantity: int


@dataclass(frozen=True)
class Publish:
    """A new version of a package with another amount, for everybody or for new customers."""

    package: int
    amount: Decimal
    for_all: bool = True


@dataclass(frozen=True)
class MoveAnchor:
    """A new billing cycle begins now."""


@dataclass(frozen=True)
class Cancel:
    """The subscription ends after so long; None keeps it after all."""

    after: timedelta | None


@dataclass(frozen=True)
class MoveTrialEnd:
    """A trial that runs ends so long from now."""

    after: timedelta


@dataclass(frozen=True)
class Rest:
    """Nothing but time."""


# Acts of histories that are stored


COST_OF_AN_EVENT = Decimal(10)


@dataclass(frozen=True)
class UseStrictly:
    """Use that is refused where it would overdraw (R37)."""

    amount: Decimal


@dataclass(frozen=True)
class UseSeveral:
    """A batch, in which the first demand comes twice."""

    amounts: tuple[Decimal, ...]


@dataclass(frozen=True)
class Repeat:
    """The last use is reported again, with another amount (R40)."""


@dataclass(frozen=True)
class Happen:
    """So many events, the first of them twice; what they cost the plan says."""

    times: int


@dataclass(frozen=True)
class Report:
    """An application says how often a feature was used: so often more, or in all (R39)."""

    value: int
    sets_total: bool


@dataclass(frozen=True)
class Confirm:
    """The payment arrives for the grant at this place among those that wait for one (R47)."""

    place: int


@dataclass(frozen=True)
class Edit:
    """Somebody edits the grant by people at this place among those not over (R49)."""

    place: int
    priority: int
    after: timedelta
    lasting: timedelta | None

    def end_of(self, starts: datetime, now: datetime) -> datetime | None:
        """When a grant that starts then shall expire."""
        return None if self.lasting is None else max(starts, now) + self.lasting


@dataclass(frozen=True)
class Subscribe:
    """Another subscription, after the one before has ended."""

    plan: int


@dataclass(frozen=True)
class Schedule:
    """The subscription changes like this at the end of its billing period."""

    change: ChangePlan | Hold


@dataclass(frozen=True)
class TakeBack:
    """What is scheduled does not happen after all."""


@dataclass(frozen=True)
class Transfer:
    """The subscription goes to another resource, or comes back from there."""


@dataclass(frozen=True)
class Sweep:
    """A worker comes by and writes down what is due."""


Act = (
    Give
    | Use
    | Void
    | ChangePlan
    | Hold
    | Publish
    | MoveAnchor
    | Cancel
    | MoveTrialEnd
    | Rest
    | UseStrictly
    | UseSeveral
    | Repeat
    | Happen
    | Report
    | Confirm
    | Edit
    | Subscribe
    | Schedule
    | TakeBack
    | Transfer
    | Sweep
)


@dataclass(frozen=True)
class Step:
    """An act, so long after the one before; `wait` None is until something is due."""

    wait: timedelta | None
    act: Act


@dataclass(frozen=True)
class History:
    """How a customer begins, and what follows."""

    plan: int
    trial: timedelta | None
    steps: tuple[Step, ...]


AMOUNTS = st.sampled_from([1, 7, 30, 60, 100, 250, 1000]).map(Decimal) | st.integers(
    1, 200_000_000
).map(lambda micros: Decimal(micros).scaleb(-6))
SHORT_WAITS = [timedelta(0), MOMENT, timedelta(hours=5), DAY, 3 * DAY]
LONG_WAITS = [9 * DAY, 31 * DAY, 70 * DAY, 400 * DAY]
WAITS = st.sampled_from(SHORT_WAITS + LONG_WAITS)
PLAN_CHANGES = st.builds(ChangePlan, st.sampled_from(list(PLANS)), st.booleans())
USES = st.builds(Use, AMOUNTS)
ACTS = st.one_of(
    USES,
    PLAN_CHANGES,
    st.builds(Hold, st.sampled_from(list(ADDONS)), st.integers(0, 3)),
    st.builds(Hold, st.sampled_from([5, 6]), st.integers(0, 1)),
    USES,
    PLAN_CHANGES,
    st.builds(
        Give,
        AMOUNTS,
        st.sampled_from([GrantType.PAID, GrantType.PROMOTIONAL]),
        st.sampled_from([0, 10, 10, 20]),
        WAITS,
        st.sampled_from([None, MOMENT, DAY, 31 * DAY, 200 * DAY]),
    ),
    st.builds(Publish, st.sampled_from(list(PACKAGES)), AMOUNTS),
    st.builds(Void, st.integers(0, 3)),
    st.sampled_from(
        [
            MoveAnchor(),
            MoveTrialEnd(3 * DAY),
            MoveTrialEnd(31 * DAY),
            Cancel(timedelta(0)),
            Cancel(9 * DAY),
            Cancel(None),
            Rest(),
        ]
    ),
)
WITHIN_A_PERIOD = st.lists(
    st.builds(
        Step,
        st.sampled_from(SHORT_WAITS),
        st.one_of(
            USES,
            PLAN_CHANGES,
            st.builds(Hold, st.sampled_from([4, 4, 5]), st.sampled_from([0, 0, 1])),
            USES,
            PLAN_CHANGES,
        ),
    ),
    min_size=5,
    max_size=12,
)
"""Where marks and what is carried along matter."""

AMONG_OVERRIDES = st.lists(
    st.builds(
        Step,
        st.sampled_from([None, *SHORT_WAITS, 9 * DAY, 70 * DAY]),
        st.one_of(
            USES,
            st.builds(Hold, st.sampled_from([4, 5, 5, 6, 6]), st.integers(0, 2)),
            st.builds(
                Publish, st.sampled_from([5, 6]), st.sampled_from([1, 300, 4000]).map(Decimal)
            ),
            st.builds(Publish, st.sampled_from([4, 5, 6]), AMOUNTS),
            st.sampled_from(
                [
                    MoveTrialEnd(3 * DAY),
                    MoveTrialEnd(31 * DAY),
                    Cancel(9 * DAY),
                    Cancel(70 * DAY),
                    Cancel(None),
                ]
            ),
            PLAN_CHANGES,
        ),
    ),
    min_size=4,
    max_size=12,
).map(lambda steps: [Step(None, Hold(5, 1)), Step(timedelta(0), Hold(6, 1)), *steps])
"""Where publications let one override win after another, which waits for a reset (R14)."""

OVER_YEARS = st.lists(
    st.builds(Step, st.sampled_from([None, None, *SHORT_WAITS, *LONG_WAITS]), ACTS),
    min_size=3,
    max_size=14,
)
"""A wait of None twice among the others: much happens at the very instant of a change."""

HISTORIES = st.builds(
    History,
    st.sampled_from(list(PLANS)),
    st.sampled_from([None, None, DAY, 9 * DAY, 31 * DAY, 45 * DAY]),
    st.one_of(OVER_YEARS, WITHIN_A_PERIOD, AMONG_OVERRIDES).map(tuple),
)


# A life


Period = tuple[datetime | None, datetime | None]


@dataclass
class Customer:
    """Lives a history on paper. `largest` is the most that a source could give in a period."""

    plan: int
    trial_ends_at: datetime | None
    now: datetime = ORIGIN
    anchor_at: datetime = ORIGIN
    ends_at: datetime | None = None
    amounts: dict[int, Decimal] = field(default_factory=dict)
    addons: dict[int, tuple[int, datetime]] = field(default_factory=dict)
    pool: PoolState = field(default_factory=lambda: PoolState(pk=1))
    largest: dict[tuple[int, Period], Decimal] = field(default_factory=dict)

    @classmethod
    def of(cls, history: History) -> "Customer":
        trial_ends_at = None if history.trial is None else ORIGIN + history.trial
        customer = cls(history.plan, trial_ends_at)
        customer.anchor_at = trial_ends_at or ORIGIN
        customer.amounts = {key: package.amount for key, package in PACKAGES.items()}
        customer.change(Cause.START)
        return customer

    @property
    def in_trial(self) -> bool:
        return self.trial_ends_at is not None and self.now < self.trial_ends_at

    @property
    def is_over(self) -> bool:
        return self.ends_at is not None and self.ends_at <= self.now

    def instant_of(self, step: Step) -> datetime:
        """When a step happens."""
        if step.wait is not None:
            return self.now + step.wait
        return max(timeline.next_change_at(self.pool) or self.now, self.now)

    def reach(self, now: datetime) -> None:
        """Let time do what is due until `now`."""
        self.now = now
        self.pool = timeline.advance(self.pool, now)[0]
        self.note_largest()

    def take(self, act: Act) -> None:
        """Do one act now; what makes no sense is left undone."""
        match act:
            case Give(amount, type_, priority, after, lasting):
                self.give(amount, type_, priority, after, lasting)
            case Use(amount):
                use(self.pool, amount, self.now)
            case Void(place):
                if voidable := self.voidable():
                    self.pool.close(voidable[place % len(voidable)], EntryType.VOIDED, self.now)
            case Cancel(after) if not self.is_over:
                self.ends_at = None if after is None else self.now + after
                self.change(Cause.END)
            case _ if self.is_over:
                pass
            case ChangePlan(plan, resets):
                self.plan = plan
                self.change(Cause.PLAN_CHANGE, resets=resets)
            case Hold(addon, quantity):
                self.hold(addon, quantity)
            case Publish(package, amount):
                self.amounts[package] = amount
                self.change(Cause.MIGRATION)
            case MoveAnchor() if not self.in_trial and self.now > self.anchor_at:
                self.anchor_at = self.now
                self.change(Cause.ANCHOR)
            case MoveTrialEnd(after) if self.in_trial:
                self.trial_ends_at = self.anchor_at = self.now + after
                self.change(Cause.TRIAL)

    def give(
        self,
        amount: Decimal,
        type_: GrantType,
        priority: int,
        after: timedelta,
        lasting: timedelta | None,
    ) -> None:
        effective_at = self.now + after
        grant = a_scheduled_grant(
            amount,
            type=type_,
            priority=priority,
            effective_at=effective_at,
            expires_at=None if lasting is None else effective_at + lasting,
            created_at=self.now,
            details={"expires_at": None if lasting is None else effective_at + lasting},
        )
        self.pool.grants.append(grant)
        timeline.turn(self.pool, self.now)

    def voidable(self) -> list[GrantState]:
        return sorted(
            (
                grant
                for grant in self.pool.grants
                if grant.stage != Stage.CLOSED and grant.type != GrantType.OVERDRAFT
            ),
            key=lambda grant: (grant.effective_at, source_of(grant)),
        )

    def hold(self, addon: int, quantity: int) -> None:
        had = self.addons.pop(addon, None)
        if quantity:
            self.addons[addon] = (quantity, had[1] if had else self.now)
        cause = Cause.QUANTITY if had and quantity else Cause.ADDONS
        self.change(cause)

    def change(self, cause: Cause, *, resets: bool = False) -> None:
        """Tell the pool what the subscription says now."""
        held = frozenset({self.plan, *self.addons})
        change = planning.Change(cause, resets, self.subscription(), self.now, held)
        planning.plan(self.pool, [(change, self.allowances())])
        timeline.turn(self.pool, self.now)
        self.note_largest()

    def subscription(self) -> Subscription:
        return Subscription(
            pk=1,
            started_at=ORIGIN,
            billing_cycle_anchor=self.anchor_at,
            trial_ends_at=self.trial_ends_at,
            ends_at=self.ends_at,
        )

    def allowances(self) -> list[Allowance]:
        if self.is_over:
            return []
        sources = [self.source(self.plan, 1, None)]
        by_age = sorted(self.addons.items(), key=lambda item: (item[1][1], item[0]))
        sources += [self.source(key, quantity, since) for key, (quantity, since) in by_age]
        return recurring.in_force(sources)

    def source(self, key: int, quantity: int, attached_at: datetime | None) -> CreditSource:
        package = PACKAGES[key]
        return CreditSource(
            source_id=key,
            source_is_addon=key in ADDONS,
            name=f"package {key}",
            credit_type_id=1,
            amount=self.amounts[key],
            cadence=package.cadence,
            behaviour=package.behaviour,
            has_soft_limit=False,
            is_granted=True,
            quantity=quantity,
            linked=False,
            units=None,
            attached_at=attached_at,
            credit_type=AI_CREDITS,
        )

    def note_largest(self) -> None:
        """Amounts change by acts only, so what was issued on the way had today's amounts."""
        for schedule in self.pool.schedules:
            if schedule.in_force:
                key = (schedule.source_id, (schedule.period_starts_at, schedule.next_at))
                self.largest[key] = max(self.largest.get(key, Decimal(0)), schedule.amount)
        for grant in self.pool.grants:
            if grant.schedule is not None:
                period = (grant.period_starts_at, grant.period_ends_at)
                self.largest.setdefault((grant.schedule.source_id, period), grant.schedule.amount)


def source_of(grant: GrantState) -> int:
    """The package that a recurring grant comes from; 0 for others."""
    return 0 if grant.schedule is None else grant.schedule.source_id


Watch = Callable[[Customer, Step], None]


def live(history: History, watch: Watch | None = None) -> Customer:
    """Live a history to its end; `watch` looks at the customer after every step."""
    customer = Customer.of(history)
    for step in history.steps:
        customer.reach(customer.instant_of(step))
        customer.take(step.act)
        if watch is not None:
            watch(customer, step)
    return customer
