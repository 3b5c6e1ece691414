"""Histories of a stored customer, lived through the verbs of the product.

One customer has three pools of one credit type: two resources with a subscription each, and
one of the customer as a whole, without. All are kept beside three simple models.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import count, pairwise
from random import Random
from typing import Any

from django.db import transaction
from hypothesis import strategies as st

from catalog.entitlements import NewCredits
from catalog.models import Cadence, CreditType, Package, Product
from catalog.models.products import CancellationTime, UsageReset
from catalog.publishing import Audience
from credits import (
    batches,
    consumption,
    events,
    explanation,
    forecast,
    grants,
    past,
    pools,
    resets,
    summaries,
    verification,
)
from credits.book import GrantType, PoolState, Stage
from credits.consumption import Demand, InsufficientCredits, Receipt
from credits.events import Event
from credits.grants import Gift
from credits.models import Grant, LedgerEntry, Pool
from credits.models.grants import SPENT
from credits.pools import Standing
from subscriptions import cancellation, provisioning, tasks, updates
from subscriptions.models import Customer, Subscription
from subscriptions.provisioning import Trial
from tests.builders import (
    a_credit_type,
    a_customer,
    a_metered_feature,
    a_new_version,
    a_product,
    a_published_addon,
    a_published_plan,
    a_rate,
    a_resource,
    some_credits,
)
from tests.properties import histories
from tests.properties.histories import (
    ADDONS,
    COST_OF_AN_EVENT,
    DAY,
    LONG_WAITS,
    MOMENT,
    ORIGIN,
    PACKAGES,
    PLANS,
    SHORT_WAITS,
    Act,
    Cancel,
    ChangePlan,
    Edit,
    Give,
    Happen,
    Hold,
    MoveAnchor,
    MoveTrialEnd,
    Publish,
    Repeat,
    Subscribe,
    Sweep,
    Use,
    UseSeveral,
    UseStrictly,
    Void,
)
from tests.properties.model import Model, is_override, micros
from workspace.actors import SYSTEM

RESOURCES = ("first", "second", None)
"""Whose pool is whose: of two resources, and of the customer as a whole."""

EVENT = "image"
INCREMENTS = [key for key in PACKAGES if not is_override(key)]
"""What is published anew: which override wins is then not at stake."""
ALIVE = (Stage.WAITING.value, Stage.OPEN.value, SPENT)


# Histories


@dataclass(frozen=True)
class StoredStep:
    """An act on one of the pools, so long after the one before; as `histories.Step`."""

    wait: timedelta | None
    place: int
    act: Act


@dataclass(frozen=True)
class StoredHistory:
    """How the two subscriptions begin, what a plan change does with use, and what follows."""

    plans: tuple[int, int]
    trial: timedelta | None
    usage_reset: UsageReset
    steps: tuple[StoredStep, ...]


MICROSECOND = timedelta.resolution
ROUND_AMOUNTS = [Decimal(amount) for amount in (1, 7, 30, 60, 100, 250, 1000)]
LASTING = [None, MOMENT, DAY, 31 * DAY, 200 * DAY]
WAITS = [None, None, *SHORT_WAITS, *LONG_WAITS]
"""As in `histories`: None is until something is due."""


def an_amount(of: Random) -> Decimal:
    return of.choice([*ROUND_AMOUNTS, Decimal(of.randint(1, 200_000_000)).scaleb(-6)])


def a_change(of: Random) -> Act:
    plan = of.choice(list(PLANS))
    acts: list[Act] = [
        *[ChangePlan(plan, resets=False, restarts=of.random() < 0.5)] * 3,
        *[Hold(of.choice(list(ADDONS)), of.randint(0, 3))] * 3,
        *[Publish(of.choice(INCREMENTS), an_amount(of), for_all=of.random() < 0.7)] * 2,
        MoveAnchor(),
        MoveTrialEnd(of.choice([3 * DAY, 31 * DAY])),
        Cancel(of.choice([timedelta(0), 9 * DAY, None])),
        Subscribe(plan),
    ]
    return of.choice(acts)


def a_use(of: Random) -> Act:
    amounts = tuple(an_amount(of) for _ in range(of.randint(2, 4)))
    acts: list[Act] = [
        Use(amounts[0]),
        UseStrictly(amounts[0]),
        UseSeveral(amounts),
        Happen(len(amounts)),
        Repeat(),
    ]
    return of.choice(acts)


def a_grant(of: Random) -> Act:
    type_ = of.choice([GrantType.PAID, GrantType.PROMOTIONAL])
    priority, after, lasting = of.choice([0, 10, 20]), of.choice(SHORT_WAITS), of.choice(LASTING)
    acts: list[Act] = [
        *[Give(an_amount(of), type_, priority, after, lasting)] * 2,
        Edit(of.randint(0, 3), priority, after, lasting),
        Void(of.randint(0, 3)),
        Sweep(),
    ]
    return of.choice(acts)


def grown(seed: int, kept: list[bool]) -> StoredHistory:
    """A history of its own for every seed; of its steps, those that are kept."""
    of = Random(seed)
    plans = of.choice(list(PLANS)), of.choice(list(PLANS))
    trial = of.choice([None, None, 9 * DAY, 45 * DAY])
    usage_reset = of.choice(list(UsageReset))
    steps = [
        StoredStep(
            of.choice(WAITS),
            of.choice([0, 0, 0, 0, 1, 2]),
            of.choice([a_change, a_change, a_use, a_use, a_grant])(of),
        )
        for _ in kept
    ]
    return StoredHistory(
        plans,
        trial,
        usage_reset,
        tuple(step for step, is_kept in zip(steps, kept, strict=True) if is_kept),
    )


STORED_HISTORIES = st.builds(
    grown,
    st.integers(0, 2**64 - 1),
    st.lists(st.booleans(), min_size=30, max_size=30),
)
"""Hypothesis alone would repeat itself in so few examples; so it draws seeds, and shrinks."""


# What is sold


@dataclass(frozen=True)
class Shop:
    """The packages of `histories`, stored: for each setting of R31 a product that has them."""

    credit_type: CreditType
    products: dict[UsageReset, Product]
    packages: dict[UsageReset, dict[int, Package]]

    @classmethod
    def opened(cls) -> "Shop":
        credit_type = a_credit_type()
        feature = a_metered_feature(event_name=EVENT)
        mapping = a_rate(feature, credit_type, int(COST_OF_AN_EVENT))
        products = {
            setting: a_product(multiple_subscriptions=True, usage_reset=setting)
            for setting in UsageReset
        }
        packages = {}
        for setting, product in products.items():
            addons = {
                key: a_published_addon(product=product, entitlements=[included(credit_type, each)])
                for key, each in ADDONS.items()
            }
            plans = {
                key: a_published_plan(
                    product=product,
                    entitlements=[included(credit_type, each)],
                    mappings=[mapping],
                    compatible_addons=list(addons.values()),
                )
                for key, each in PLANS.items()
            }
            packages[setting] = plans | addons
        return cls(credit_type, products, packages)


def included(credit_type: CreditType, package: histories.Package) -> NewCredits:
    """What a package of `histories` includes, to be stored."""
    return some_credits(
        credit_type,
        str(package.amount),
        Cadence(package.cadence),
        behaviour=package.behaviour,
    )


@contextmanager
def forgotten() -> Iterator[None]:
    """Take back all that is written within, so that one shop serves many histories."""
    atomic = transaction.atomic()
    atomic._from_testcase = True  # type: ignore[attr-defined]  # as around every test
    with atomic:
        yield
        transaction.set_rollback(True)


# A life


@dataclass
class StoredCustomer:
    """Lives a history through the verbs, and knows what every question was answered."""

    shop: Shop
    history: StoredHistory
    now: datetime = ORIGIN
    customer: Customer = field(init=False)
    pools: list[int] = field(init=False)
    models: list[Model] = field(init=False)
    subscriptions: dict[int, Subscription] = field(default_factory=dict)
    keys: dict[int, tuple[str, Decimal]] = field(default_factory=dict)
    answers: dict[tuple[int, datetime], tuple[Standing, Decimal]] = field(default_factory=dict)
    numbers: Iterator[int] = field(default_factory=count)

    def __post_init__(self) -> None:
        self.packages = self.shop.packages[self.history.usage_reset]
        self.keys_of_packages = {package.pk: key for key, package in self.packages.items()}
        self.customer = a_customer(now=ORIGIN)
        for resource_id in RESOURCES[:2]:
            a_resource(self.customer, resource_id, now=ORIGIN)
        trials = (self.history.trial, None)
        for place, (plan, trial) in enumerate(zip(self.history.plans, trials, strict=True)):
            self.subscribe(place, plan, trial)
        self.pools = [
            pools.locate(
                customer_id=self.customer.public_id,
                credit_type_id=self.shop.credit_type.public_id,
                resource_id=resource_id,
                now=ORIGIN,
            )
            for resource_id in RESOURCES
        ]
        self.models = [*map(Model, self.history.plans, trials), Model()]
        self.look()

    def subscribe(self, place: int, plan: int, trial: timedelta | None = None) -> None:
        self.subscriptions[place] = provisioning.start(
            customer_id=self.customer.public_id,
            plan_id=self.packages[plan].public_id,
            resource_id=RESOURCES[place],
            trial=None if trial is None else Trial(self.now + trial),
            actor=SYSTEM,
            now=self.now,
        )

    def live(self) -> None:
        """Live to the end, and look at everything after every step."""
        for step in self.history.steps:
            self.reach(self.instant_of(step))
            self.take(step.place, self.fitting(step))
            self.look()
        self.look_back()
        self.look_ahead()

    def instant_of(self, step: StoredStep) -> datetime:
        if step.wait is not None:
            return self.now + step.wait
        return self.models[step.place].next_instant() or self.now

    def reach(self, now: datetime) -> None:
        self.now = now
        for model in self.models:
            model.reach(now)

    def fitting(self, step: StoredStep) -> Act:
        """The act of a step, or the next best that makes sense in its place."""
        model = self.models[step.place]
        match step.act:
            case Repeat() if step.place not in self.keys:
                return Use(Decimal(7))
            case Publish(package, amount) if micros(amount) == model.on_sale[package]:
                return Publish(package, amount + 1)
            case ChangePlan() | Hold() | MoveAnchor() | MoveTrialEnd() | Cancel() | Subscribe():
                return self.fitting_change(step.act, model)
        return step.act

    def fitting_change(self, change: Act, model: Model) -> Act:
        if not model.plan:
            return Use(Decimal(3))
        if model.is_over:
            return Subscribe(change.plan if isinstance(change, ChangePlan | Subscribe) else 1)
        match change:
            case Subscribe():
                return Cancel(timedelta(0))
            case Cancel(None) if model.end is None:
                return Cancel(31 * DAY)
            case Hold(addon, 0) if addon not in model.addons:
                return Hold(addon, 1)
            case MoveTrialEnd() if not model.in_trial:
                return MoveAnchor()
            case ChangePlan(plan) if plan == model.plan:
                return self.fitting_plan_change(replace(change, plan=plan % 3 + 1), model)
            case ChangePlan():
                return self.fitting_plan_change(change, model)
        return change

    def fitting_plan_change(self, change: ChangePlan, model: Model) -> ChangePlan:
        """What it resets (R31); a period that began at this instant is not begun again."""
        began_now = any(lot.source and lot.starts == self.now for lot in model.lots)
        restarts = change.restarts and not began_now and self.now > model.anchor
        by_setting = {UsageReset.ALWAYS_RESET: True, UsageReset.NEVER_RESET: False}
        resets_use = by_setting.get(self.history.usage_reset, restarts)
        return replace(change, resets=resets_use, restarts=restarts)

    # Acts, by the verbs

    def take(self, place: int, act: Act) -> None:
        if isinstance(act, Publish):
            self.publish(act)
            return
        self.take_with_credits(place, act)
        if place in self.subscriptions:
            self.take_with_subscription(place, act)
        self.models[place].take(act)

    def take_with_credits(self, place: int, act: Act) -> None:
        match act:
            case Give():
                self.give(place, act)
            case Use(amount):
                self.use(place, amount)
            case UseStrictly(amount):
                self.use_strictly(place, amount)
            case UseSeveral(amounts):
                self.use_several(place, amounts)
            case Repeat():
                self.repeat(place)
            case Happen(times):
                self.happen(place, times)
            case Void(number):
                self.void(place, number)
            case Edit():
                self.edit(place, act)
            case Sweep():
                resets.sweep(now=self.now, seconds=60)

    def take_with_subscription(self, place: int, act: Act) -> None:
        model = self.models[place]
        subscription_id = self.subscriptions[place].public_id
        by: dict[str, Any] = {"subscription_id": subscription_id, "actor": SYSTEM, "now": self.now}
        match act:
            case Subscribe(plan):
                self.subscribe(place, plan)
            case ChangePlan(plan, _, restarts):
                plan_id = self.packages[plan].public_id
                updates.change_plan(plan_id=plan_id, restart_period=restarts, **by)
            case Hold(addon, quantity):
                wanted = {key: number for key, (_, number) in model.addons.items()}
                wanted[addon] = quantity
                updates.update(
                    addons=[(self.packages[key].public_id, n) for key, n in wanted.items() if n],
                    **by,
                )
            case MoveAnchor() if not model.in_trial and self.now > model.anchor:
                updates.update(billing_cycle_anchor=self.now, **by)
            case MoveTrialEnd(after):
                updates.update(trial_ends_at=self.now + after, **by)
            case Cancel(after):
                self.cancel(by, after)

    def cancel(self, by: dict[str, Any], after: timedelta | None) -> None:
        if after is None:
            cancellation.keep(**by)
        elif after:
            time = CancellationTime.SPECIFIC_DATE
            cancellation.cancel(time=time, ends_at=self.now + after, **by)
        elif next(self.numbers) % 2:
            cancellation.expire(**by)
        else:
            cancellation.cancel(time=CancellationTime.IMMEDIATE, **by)

    def publish(self, act: Publish) -> None:
        """Another amount, for whoever has the package or for new customers only."""
        package = PACKAGES[act.package]
        a_new_version(
            self.packages[act.package],
            entitlements=[included(self.shop.credit_type, replace(package, amount=act.amount))],
            audience=Audience.ALL_CUSTOMERS if act.for_all else Audience.NEW_CUSTOMERS,
            now=self.now,
        )
        tasks.roll_out(self.now)
        for model in self.models:
            model.take(act)

    def give(self, place: int, gift: Give) -> None:
        starts = self.now + gift.after
        grants.grant(
            pool_id=self.pools[place],
            gift=Gift(
                gift.type,
                gift.amount,
                "A gift",
                priority=gift.priority,
                effective_at=starts if gift.after else None,
                expires_at=None if gift.lasting is None else starts + gift.lasting,
            ),
            actor=SYSTEM,
            now=self.now,
        )

    def demand(self, amount: Decimal, key: str = "") -> Demand:
        return Demand(amount, key or f"use {next(self.numbers)}", self.now)

    def consume(self, place: int, demand: Demand, *, strict: bool = False) -> Receipt:
        receipt = consumption.consume(
            pool_id=self.pools[place], demand=demand, strict=strict, actor=SYSTEM, now=self.now
        )
        self.keys[place] = demand.key, demand.amount
        return receipt

    def use(self, place: int, amount: Decimal) -> None:
        receipt = self.consume(place, self.demand(amount))
        assert (receipt.consumed, receipt.replayed) == (amount, False)

    def use_strictly(self, place: int, amount: Decimal) -> None:
        fits = micros(amount) <= self.models[place].balance
        try:
            self.consume(place, self.demand(amount), strict=True)
        except InsufficientCredits:
            assert not fits
        else:
            assert fits

    def use_several(self, place: int, amounts: tuple[Decimal, ...]) -> None:
        demands = [self.demand(amount) for amount in amounts]
        rows = [
            batches.Row(
                self.customer.public_id, self.shop.credit_type.public_id, RESOURCES[place], demand
            )
            for demand in [*demands, demands[0]]
        ]
        batches.consume(rows=rows, actor=SYSTEM, now=self.now)

    def repeat(self, place: int) -> None:
        if place in self.keys:
            key, amount = self.keys[place]
            receipt = self.consume(place, self.demand(amount + 1, key))
            assert (receipt.consumed, receipt.replayed) == (0, True)

    def happen(self, place: int, times: int) -> None:
        keys = [f"event {next(self.numbers)}" for _ in range(times)]
        reported = [
            Event(self.customer.public_id, EVENT, key, resource_id=RESOURCES[place])
            for key in [*keys, keys[0]]
        ]
        assert events.report(events=reported, actor=SYSTEM, now=self.now) == times

    def alive(self, place: int) -> list[Grant]:
        """The grants of a pool that are not over, in the order of the models."""
        resets.write_one(pool_id=self.pools[place], now=self.now)
        rows = Grant.objects.filter(pool=self.pools[place], stage__in=ALIVE)
        rows = rows.exclude(type=GrantType.OVERDRAFT)
        return sorted(rows, key=lambda row: (row.effective_at, self.source_of(row), row.pk))

    def source_of(self, grant: Grant) -> int:
        return 0 if grant.source_id is None else self.keys_of_packages[grant.source_id]

    def void(self, place: int, number: int) -> None:
        if voidable := self.alive(place):
            grant = voidable[number % len(voidable)]
            grants.void(grant_id=grant.public_id, reason="", actor=SYSTEM, now=self.now)

    def edit(self, place: int, edit: Edit) -> None:
        editable = [row for row in self.alive(place) if row.type in grants.BY_PEOPLE]
        if not editable:
            return
        grant = editable[edit.place % len(editable)]
        starts = grant.effective_at
        if grant.stage == Stage.WAITING:
            starts = self.now + edit.after
        wanted = grants.Edit(
            name=grant.name,
            comment="",
            priority=edit.priority,
            effective_at=starts,
            expires_at=edit.end_of(starts, self.now),
            metadata={},
        )
        grants.edit(grant_id=grant.public_id, edit=wanted, actor=SYSTEM, now=self.now)

    # What must be true

    def look(self) -> None:
        """Every pool is what its model is, and the books are right."""
        for pool_id, model in zip(self.pools, self.models, strict=True):
            row = Pool.objects.get(pk=pool_id)
            standing = pools.standing(row, self.now)
            assert self.held(row) == model.held
            assert micros(standing.balance) == model.balance
            assert micros(standing.granted) == model.granted
            self.answers[pool_id, self.now] = standing, row.balance
        assert list(verification.verify(self.pools, self.now)) == []

    def held(self, row: Pool) -> dict[int, int]:
        """What is left of each source, as `Model.held`."""
        state = summaries.on_paper(row, self.now)
        sources = dict(
            Grant.objects.filter(pool=row).exclude(source=None).values_list("pk", "source_id")
        )
        held: dict[int, int] = defaultdict(int)
        for grant in state.open_grants:
            source = sources.get(grant.pk) if grant.pk else None
            if grant.schedule is not None:
                source = grant.schedule.source_id
            held[0 if source is None else self.keys_of_packages[source]] += micros(grant.remaining)
        if state.overdraft is not None:
            held[-1] = micros(state.overdraft.consumed)
        return {source: amount for source, amount in held.items() if amount}

    def look_back(self) -> None:
        """No answer that was ever given is contradicted by the ledger (R24, R38, R52)."""
        rows = {row.pk: row for row in Pool.objects.filter(pk__in=self.pools)}
        states = {pk: summaries.on_paper(row, self.now) for pk, row in rows.items()}
        for (pool_id, at), (standing, written) in self.answers.items():
            state = states[pool_id]
            holding = past.held(state, at=at)
            assert (holding.granted, holding.consumed) == (standing.granted, standing.consumed)
            assert past.balance(state, at=at) == standing.balance
            assert past.balance(state, at=at, known_at=at) == written
        self.look_between()

    def look_ahead(self) -> None:
        """What was foreseen without use is what happens when the time comes, whoever writes it."""
        until = self.now + 400 * DAY
        rows = Pool.objects.in_bulk(self.pools)
        foreseen = {
            pk: forecast.forecast(summaries.on_paper(row, self.now), now=self.now, until=until)
            for pk, row in rows.items()
        }
        resets.sweep(now=self.now, seconds=60)
        written = {row.pk: row.last_entry_number for row in Pool.objects.filter(pk__in=rows)}
        for after in (60 * DAY, 61 * DAY, 400 * DAY):
            resets.sweep(now=self.now + after, seconds=60)
        for pk, found in foreseen.items():
            entries = LedgerEntry.objects.filter(pool=pk, number__gt=written[pk])
            assert [
                (each.type, each.amount, each.effective_at, each.balance_after)
                for each in entries.order_by("number")
            ] == [
                (each.type, each.amount, each.effective_at, each.balance_after)
                for each in found.entries
            ]
            assert found.closing == Pool.objects.get(pk=pk).balance

    def look_between(self) -> None:
        """Between any two answers the lines of an explanation add up to the difference (R52)."""
        instants = sorted({at for _, at in self.answers})
        ends = [*pairwise(instants), (ORIGIN, self.now)]
        for row in Pool.objects.filter(pk__in=self.pools):
            state = summaries.on_paper(row, self.now)
            for since, until in ends:
                for as_known in (False, True):
                    self.add_up(state, since + MICROSECOND, until + MICROSECOND, as_known)

    def add_up(self, state: PoolState, since: datetime, until: datetime, as_known: bool) -> None:
        found = explanation.explain(state, since=since, until=until, as_known=as_known)
        ends = since - MICROSECOND, until - MICROSECOND
        standings = [self.answers[state.pk, at] for at in ends]
        balances = [written if as_known else standing.balance for standing, written in standings]
        assert [found.opening, found.closing] == balances
        assert found.opening + sum(line.amount for line in found.lines) == found.closing
        for line in found.lines:
            shown = explanation.proofs(state, found, line, size=line.count).found
            assert len(shown) == line.count
            assert sum(proof.entry.amount for proof in shown) == line.amount


def fixed_histories(count: int) -> Iterator[StoredHistory]:
    """The same ones in every run."""
    return (grown(seed, [True] * 20) for seed in range(count))


def agrees_with_the_models(shop: Shop, history: StoredHistory) -> None:
    """The product, through its verbs and its database, does what the simple models do."""
    with forgotten():
        StoredCustomer(shop, history).live()


def agree_with_the_models(shop: Shop, histories: Iterable[StoredHistory]) -> None:
    """As above, one after the other."""
    for history in histories:
        agrees_with_the_models(shop, history)
