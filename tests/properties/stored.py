"""Histories of a stored customer, lived through the verbs of the product.

One customer has four pools of one credit type: three resources, two of which have a
subscription at a time, and one of the customer as a whole, without. All are kept beside simple
models.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import count, pairwise
from typing import Any

from catalog.models import TrialEnd
from catalog.models.products import CancellationTime, UsageReset
from catalog.publishing import Audience
from credits import (
    batches,
    consumption,
    entitlements,
    events,
    explanation,
    forecast,
    grants,
    past,
    pools,
    resets,
    summaries,
    usage,
    verification,
)
from credits.book import GrantType, PoolState, Stage
from credits.consumption import Demand, InsufficientCredits, Receipt
from credits.entitlements import Holder
from credits.events import Event
from credits.grants import Gift
from credits.models import Grant, LedgerEntry, Pool
from credits.models.grants import BY_PEOPLE, SPENT
from credits.pools import Standing
from credits.usage import UseBelowZero
from subscriptions import cancellation, provisioning, tasks, transfer, updates
from subscriptions.models import Customer, Resource, Subscription
from subscriptions.provisioning import Trial
from subscriptions.updates import When
from tests.builders import a_customer, a_new_version, a_resource
from tests.properties.histories import (
    DAY,
    ORIGIN,
    PACKAGES,
    Act,
    Cancel,
    ChangePlan,
    Confirm,
    Edit,
    Give,
    Happen,
    Hold,
    MoveAnchor,
    MoveTrialEnd,
    Publish,
    Repeat,
    Report,
    Schedule,
    Subscribe,
    Sweep,
    TakeBack,
    Transfer,
    Use,
    UseSeveral,
    UseStrictly,
    Void,
)
from tests.properties.model import Model, micros
from tests.properties.shop import EVENT, Shop, forgotten
from tests.properties.stored_histories import StoredHistory, StoredStep
from workspace.actors import SYSTEM

RESOURCES = ("first", "second", None, "third")
"""Whose pool is whose: of resources, and of the customer as a whole."""

ALIVE = (Stage.WAITING.value, Stage.OPEN.value, SPENT)


MICROSECOND = timedelta.resolution


@dataclass
class StoredCustomer:
    """Lives a history through the verbs, and knows what every question was answered."""

    shop: Shop
    history: StoredHistory
    now: datetime = ORIGIN
    customer: Customer = field(init=False)
    resources: list[str | None] = field(default_factory=lambda: list(RESOURCES))
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
        for resource_id in filter(None, RESOURCES):
            a_resource(self.customer, resource_id, now=ORIGIN)
        for place, plan in enumerate(self.history.plans):
            self.subscribe(place, plan, None if place else self.history.trial)
        self.pools = [
            pools.locate(
                customer_id=self.customer.public_id,
                credit_type_id=self.shop.credit_type.public_id,
                resource_id=resource_id,
                now=ORIGIN,
            )
            for resource_id in RESOURCES
        ]
        first, second = self.history.plans
        trial, cancels = self.history.trial, self.history.cancels
        self.models = [Model(first, trial, cancels=cancels), Model(second), Model(), Model()]
        self.look()

    def subscribe(self, place: int, plan: int, trial: timedelta | None = None) -> None:
        self.subscriptions[place] = provisioning.start(
            customer_id=self.customer.public_id,
            plan_id=self.packages[plan].public_id,
            resource_id=self.resources[place],
            trial=None if trial is None else Trial(self.now + trial, self.end_of_trial),
            actor=SYSTEM,
            now=self.now,
        )

    @property
    def end_of_trial(self) -> TrialEnd:
        cancels = self.history.cancels
        return TrialEnd.CANCEL_SUBSCRIPTION if cancels else TrialEnd.CONVERT_TO_PAID

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
            case Repeat() if self.pools[step.place] not in self.keys:
                return Use(Decimal(7))
            case Report() if not model.takes(step.act):
                return replace(step.act, value=-step.act.value)
            case Publish():
                return self.fitting_publication(step.act, model)
            case Give() | Confirm() | Edit() | Void() | Sweep():
                return step.act
            case Use() | UseStrictly() | UseSeveral() | Happen() | Report() | Repeat():
                return step.act
        return self.fitting_change(step.act, model)

    def fitting_publication(self, act: Publish, model: Model) -> Publish:
        """One that changes an amount."""
        if micros(act.amount) == model.on_sale[act.package]:
            return replace(act, amount=act.amount + 1)
        return act

    def fitting_change(self, change: Act, model: Model) -> Act:
        agreement = model.agreement
        if not agreement.plan:
            return Use(Decimal(3))
        if model.is_over:
            return Subscribe(change.plan if isinstance(change, ChangePlan | Subscribe) else 1)
        match change:
            case Subscribe():
                return Cancel(timedelta(0))
            case Cancel(None) if agreement.end is None:
                return Cancel(31 * DAY)
            case Hold(addon, 0) if addon not in agreement.addons:
                return Hold(addon, 1)
            case MoveTrialEnd() if not model.in_trial:
                return MoveAnchor()
            case ChangePlan(plan) if plan == agreement.plan:
                return self.fitting_plan_change(replace(change, plan=plan % 3 + 1), model)
            case ChangePlan():
                return self.fitting_plan_change(change, model)
            case TakeBack() if agreement.later is None:
                return Transfer()
            case Schedule(later):
                return self.fitting_update(later, model)
        return change

    def fitting_update(self, change: Act, model: Model) -> Act:
        """It is for later, unless all is over by then (EndsBefore)."""
        agreement = model.agreement
        change = self.fitting_change(change, model)
        if agreement.end is not None and agreement.end <= agreement.end_of_billing(self.now):
            return change
        assert isinstance(change, ChangePlan | Hold), "only these wait"
        if isinstance(change, ChangePlan):
            always = self.history.usage_reset == UsageReset.ALWAYS_RESET
            change = replace(change, resets=always, restarts=False)
        return Schedule(change)

    def fitting_plan_change(self, change: ChangePlan, model: Model) -> ChangePlan:
        """What it resets (R31); a period that began at this instant is not begun again."""
        began_now = any(lot.source and lot.starts == self.now for lot in model.lots)
        restarts = change.restarts and not began_now and self.now > model.agreement.anchor
        by_setting = {UsageReset.ALWAYS_RESET: True, UsageReset.NEVER_RESET: False}
        resets_use = by_setting.get(self.history.usage_reset, restarts)
        return replace(change, resets=resets_use, restarts=restarts)

    # Acts, by the verbs

    def take(self, place: int, act: Act) -> None:
        if isinstance(act, Publish):
            self.publish(act)
            return
        if isinstance(act, Transfer):
            self.transfer(place)
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
            case Report():
                self.report(place, act)
            case Confirm(number):
                self.confirm(place, number)
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
            case ChangePlan() | Hold():
                self.update(place, act, by, When.IMMEDIATE)
            case Schedule(change):
                self.update(place, change, by, When.END_OF_BILLING_PERIOD)
            case TakeBack():
                updates.cancel_scheduled(**by)
            case MoveAnchor() if not model.in_trial and self.now > model.agreement.anchor:
                updates.update(billing_cycle_anchor=self.now, **by)
            case MoveTrialEnd(after):
                updates.update(trial_ends_at=self.now + after, **by)
            case Cancel(after):
                self.cancel(by, after)

    def update(self, place: int, change: ChangePlan | Hold, by: dict[str, Any], when: When) -> None:
        if isinstance(change, ChangePlan):
            plan_id = self.packages[change.plan].public_id
            anew: Any = {"billing_cycle_anchor": self.now} if change.restarts else {}
            updates.update(plan_id=plan_id, when=when, **anew, **by)
            return
        wanted = {key: number for key, (_, number) in self.models[place].agreement.addons.items()}
        wanted[change.addon] = change.quantity
        addons = [
            (self.packages[key].public_id, number) for key, number in wanted.items() if number
        ]
        updates.update(addons=addons, when=when, **by)

    def transfer(self, place: int) -> None:
        """To the resource without a subscription; the place goes with the subscription."""
        resource_id = self.resources[-1]
        assert resource_id is not None, "it is the customer's in between only"
        transfer.transfer(
            subscription_id=self.subscriptions[place].public_id,
            resource_id=resource_id,
            actor=SYSTEM,
            now=self.now,
        )
        self.models[place].transfer(self.models[-1])
        places: tuple[list[Any], ...] = (self.resources, self.pools, self.models)
        for of_places in places:
            of_places[place], of_places[-1] = of_places[-1], of_places[place]

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
            entitlements=self.shop.included(act.package, replace(package, amount=act.amount)),
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
                payment_pending=gift.is_unpaid,
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
        self.keys[self.pools[place]] = demand.key, demand.amount
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
                self.customer.public_id,
                self.shop.credit_type.public_id,
                self.resources[place],
                demand,
            )
            for demand in [*demands, demands[0]]
        ]
        batches.consume(rows=rows, actor=SYSTEM, now=self.now)

    def repeat(self, place: int) -> None:
        if self.pools[place] in self.keys:
            key, amount = self.keys[self.pools[place]]
            receipt = self.consume(place, self.demand(amount + 1, key))
            assert (receipt.consumed, receipt.replayed) == (0, True)

    def happen(self, place: int, times: int) -> None:
        keys = [f"event {next(self.numbers)}" for _ in range(times)]
        reported = [
            Event(self.customer.public_id, EVENT, key, resource_id=self.resources[place])
            for key in [*keys, keys[0]]
        ]
        assert events.report(events=reported, actor=SYSTEM, now=self.now) == times

    def report(self, place: int, report: Report) -> None:
        wanted = usage.Report(
            self.customer.public_id,
            self.shop.feature.public_id,
            report.value,
            sets_total=report.sets_total,
            key=f"report {next(self.numbers)}",
            resource_id=self.resources[place],
        )
        fits = self.models[place].takes(report)
        try:
            [done] = usage.report(reports=[wanted], actor=SYSTEM, now=self.now)
        except UseBelowZero:
            assert not fits
            return
        assert fits
        [again] = usage.report(reports=[wanted], actor=SYSTEM, now=self.now)
        assert (again.used, again.replayed) == (done.used, True)

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

    def confirm(self, place: int, number: int) -> None:
        if waiting := [row for row in self.alive(place) if row.payment_pending]:
            grant = waiting[number % len(waiting)]
            grants.confirm_payment(grant_id=grant.public_id, actor=SYSTEM, now=self.now)

    def edit(self, place: int, edit: Edit) -> None:
        editable = [row for row in self.alive(place) if row.type in BY_PEOPLE]
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
            assert self.used(row.resource) == model.used()
            self.answers[pool_id, self.now] = standing, row.balance
        assert list(verification.verify(self.pools, self.now)) == []

    def used(self, resource: Resource | None) -> Decimal:
        """How often the feature was used in the running month."""
        holder = Holder(self.customer, resource)
        included = entitlements.included(holder, self.now).get(self.shop.feature.pk)
        window = None if included is None else included.window(self.now)
        return entitlements.used(holder, self.shop.feature, window, self.now)

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


def agrees_with_the_models(shop: Shop, history: StoredHistory) -> None:
    """The product, through its verbs and its database, does what the simple models do."""
    with forgotten():
        StoredCustomer(shop, history).live()


def agree_with_the_models(shop: Shop, histories: Iterable[StoredHistory]) -> None:
    """As above, one after the other."""
    for history in histories:
        agrees_with_the_models(shop, history)
