"""A subscription changes, and its credits with it (R14, R18, R23–R32), through the verbs."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from catalog.models import Behaviour, Cadence, CreditType, Package, PricingType, Product, TrialEnd
from catalog.models.products import UsageReset
from catalog.publishing import Audience
from credits import changes, grants, pools, resets
from credits.book import EntryType
from credits.models import Grant, LedgerEntry, Pool, Schedule
from subscriptions import cancellation, migration, terms, transfer, updates
from subscriptions.causes import Cause
from subscriptions.choices import CreditValue, FeatureValue
from subscriptions.models import Subscription
from subscriptions.provisioning import Trial
from subscriptions.updates import When
from tests.builders import (
    a_credit_type,
    a_customer,
    a_feature,
    a_new_version,
    a_product,
    a_published_addon,
    a_published_plan,
    a_resource,
    a_subscription,
    some_credits,
    some_units,
)
from tests.credits.paper import (
    APRIL,
    FEBRUARY,
    JANUARY,
    LATE_JANUARY,
    MARCH,
    MID_JANUARY,
    NEXT_YEAR,
    Line,
    line,
)
from tests.credits.pools import a_pool, consumed, granted, stored
from workspace.actors import SYSTEM

pytestmark = pytest.mark.django_db

GRANTED = EntryType.GRANTED
EXPIRED = EntryType.EXPIRED
VOIDED = EntryType.VOIDED
CONSUMED = EntryType.CONSUMED
SOURCE = EntryType.TRANSFER_SOURCE
TARGET = EntryType.TRANSFER_TARGET
DAY = timedelta(days=1)
MOMENT = timedelta(microseconds=1)
MID_FEBRUARY = FEBRUARY.replace(day=15)


@dataclass
class Market:
    """A product with plans and add-ons that give one type of credits."""

    product: Product
    credit_type: CreditType

    def plan(self, amount: int | None, *, addons: Any = (), **options: Any) -> Package:
        terms = {
            key: options.pop(key)
            for key in ("cadence", "linked_feature", "is_custom")
            if key in options
        }
        return a_published_plan(
            product=self.product,
            entitlements=[
                *options.pop("units", ()),
                some_credits(self.credit_type, amount, **terms),
            ],
            compatible_addons=list(addons),
            now=JANUARY,
            **options,
        )

    def increment(self, amount: int, **terms: Any) -> Package:
        return a_published_addon(
            product=self.product,
            entitlements=[some_credits(self.credit_type, amount, **terms)],
            max_quantity=None,
            now=JANUARY,
        )

    def override(self, amount: int, **terms: Any) -> Package:
        return self.increment(amount, behaviour=Behaviour.OVERRIDE, **terms)

    def publish(self, package: Package, amount: int | None, now: datetime, **terms: Any) -> None:
        """A new version of the package for everybody; without an amount, without credits."""
        audience = terms.pop("audience", Audience.ALL_CUSTOMERS)
        entitlements = [] if amount is None else [some_credits(self.credit_type, amount, **terms)]
        a_new_version(package, entitlements=entitlements, audience=audience, now=now)


@pytest.fixture
def market() -> Market:
    return Market(a_product(now=JANUARY), a_credit_type(now=JANUARY))


@pytest.fixture
def carrying_market() -> Market:
    """As `market`; a plan change carries use along (R31)."""
    product = a_product(usage_reset=UsageReset.NEVER_RESET, now=JANUARY)
    return Market(product, a_credit_type(now=JANUARY))


class Subscriber:
    """A subscription, and what it did to the customer's pool."""

    def __init__(
        self, plan: Package, *addons: tuple[Package, int], now: datetime = JANUARY, **order: Any
    ) -> None:
        self.subscription = a_subscription(plan=plan, addons=addons, now=now, **order)
        self.number = 0

    @property
    def pool(self) -> Pool:
        return stored(Pool.objects.filter(customer=self.subscription.customer).earliest("pk"))

    def balance(self, now: datetime) -> Decimal:
        return pools.standing(self.pool, now).balance

    def use(self, amount: int, now: datetime) -> None:
        consumed(self.pool, amount, now=now)
        self.number = self.pool.last_entry_number

    def lines(self) -> list[Line]:
        """What the ledger gained since the last use or the last look."""
        entries = LedgerEntry.objects.filter(pool=self.pool, number__gt=self.number)
        self.number = self.pool.last_entry_number
        return [(EntryType(entry.type), entry.amount) for entry in entries.order_by("number")]

    def sweep(self, now: datetime) -> list[Line]:
        resets.write_one(pool_id=self.pool.pk, now=now)
        return self.lines()

    def update(self, now: datetime, **changes: Any) -> list[Line]:
        self.lines()
        updates.update(
            subscription_id=self.subscription.public_id, actor=SYSTEM, now=now, **changes
        )
        return self.lines()

    def hold(self, now: datetime, *addons: tuple[Package, int], **options: Any) -> list[Line]:
        held = [(addon.public_id, quantity) for addon, quantity in addons]
        return self.update(now, addons=held, **options)

    def change(self, now: datetime, plan: Package, **changes: Any) -> list[Line]:
        return self.update(now, plan_id=plan.public_id, **changes)

    def migrate(self, now: datetime) -> list[Line]:
        self.lines()
        migration.migrate(subscription_id=self.subscription.public_id, actor=SYSTEM, now=now)
        return self.lines()

    def cancel(self, now: datetime, **options: Any) -> list[Line]:
        self.lines()
        cancellation.cancel(
            subscription_id=self.subscription.public_id, actor=SYSTEM, now=now, **options
        )
        return self.lines()


class TestStart:
    def test_issues_the_first_period_at_once(self, market):
        """R18, R23: 50,000 and 10,000 × 3 make 80,000."""
        addon = market.increment(10_000)

        customer = Subscriber(market.plan(50_000, addons=[addon]), (addon, 3))

        assert customer.lines() == [line(GRANTED, 50_000), line(GRANTED, 30_000)]
        assert customer.balance(JANUARY) == 80_000
        plans, addons = Grant.objects.order_by("pk")
        assert (plans.source_type, addons.source_type) == ("PLAN_ENTITLEMENT", "ADDON_ENTITLEMENT")
        assert {plans.expires_at, addons.expires_at} == {FEBRUARY}

    def test_lets_only_the_override_grant(self, market):
        """R16."""
        increment, override = market.increment(10_000), market.override(500_000)
        plan = market.plan(50_000, addons=[increment, override])

        customer = Subscriber(plan, (increment, 3), (override, 1))

        assert customer.lines() == [line(GRANTED, 500_000)]

    def test_grants_from_a_free_plan_like_from_others(self, market):
        """R18."""
        plan = market.plan(500, pricing_type=PricingType.FREE)

        assert Subscriber(plan).lines() == [line(GRANTED, 500)]

    def test_grants_for_the_units_bought(self, market):
        """R17: 1,000 per seat, 5 seats."""
        seats = a_feature(now=JANUARY)
        plan = market.plan(1000, linked_feature=seats, units=[some_units(seats, 5)])

        assert Subscriber(plan).lines() == [line(GRANTED, 5000)]
        assert Grant.objects.values_list("units", flat=True).get() == 5

    def test_gives_to_the_pool_of_its_resource(self):
        """R42."""
        market = Market(
            a_product(multiple_subscriptions=True, now=JANUARY), a_credit_type(now=JANUARY)
        )

        Subscriber(market.plan(100), resource_id="project")

        [pool] = Pool.objects.all()
        assert pool.resource is not None
        assert (pool.resource.public_id, pool.balance) == ("project", 100)

    def test_gives_the_current_period_only_when_it_is_back_dated(self, market):
        """R24."""
        customer = Subscriber(market.plan(100), now=MARCH, started_at=MID_JANUARY)

        assert customer.lines() == [line(GRANTED, 100)]
        grant = Grant.objects.get()
        assert grant.effective_at == MARCH
        assert grant.period_starts_at == FEBRUARY.replace(day=15)
        assert grant.expires_at == MARCH.replace(day=15)

    def test_waits_for_a_start_in_the_future(self, market):
        """R18: it takes effect at its instant, whether or not a worker runs."""
        customer = Subscriber(market.plan(100), started_at=FEBRUARY)

        assert customer.lines() == []
        assert customer.pool.next_change_at == FEBRUARY
        assert customer.balance(FEBRUARY - MOMENT) == 0
        assert customer.balance(FEBRUARY) == 100

    def test_gives_nothing_while_the_payment_is_pending(self, market):
        """R18."""
        customer = Subscriber(market.plan(100), payment_pending=True)

        assert Pool.objects.count() == 0
        updates.confirm_payment(
            subscription_id=customer.subscription.public_id, actor=SYSTEM, now=MID_JANUARY
        )
        assert customer.lines() == [line(GRANTED, 100)]
        assert Grant.objects.get().expires_at == FEBRUARY

    def test_gives_a_trial_credits_that_end_with_it(self, market):
        """R25: conversion starts a new period at trial end."""
        customer = Subscriber(market.plan(100), trial=Trial(MID_JANUARY))
        customer.use(60, JANUARY)

        assert Grant.objects.get().expires_at == MID_JANUARY
        assert customer.sweep(MID_JANUARY) == [line(EXPIRED, -40), line(GRANTED, 100)]
        assert Grant.objects.latest("pk").expires_at == FEBRUARY.replace(day=15)

    def test_gives_nothing_after_a_trial_that_cancels(self, market):
        trial = Trial(MID_JANUARY, TrialEnd.CANCEL_SUBSCRIPTION)
        customer = Subscriber(market.plan(100), trial=trial)
        customer.lines()

        assert customer.sweep(APRIL) == [line(EXPIRED, -100)]
        assert customer.pool.next_change_at is None

    def test_voids_at_an_end_that_is_known_beforehand(self, market):
        customer = Subscriber(market.plan(100), ends_at=MID_JANUARY)
        customer.lines()

        assert customer.sweep(APRIL) == [line(VOIDED, -100)]


class TestApplyToQuantities:
    def test_grants_the_difference_at_once_and_less_at_the_reset(self, market):
        """R27: × 3 → × 5: +20,000; → × 2: nothing; next period 20,000."""
        addon = market.increment(10_000)
        customer = Subscriber(market.plan(50_000, addons=[addon]), (addon, 3))

        assert customer.hold(MID_JANUARY, (addon, 5)) == [line(GRANTED, 20_000)]
        assert customer.hold(LATE_JANUARY, (addon, 2)) == []
        assert customer.sweep(FEBRUARY)[-2:] == [line(GRANTED, 50_000), line(GRANTED, 20_000)]
        assert customer.balance(FEBRUARY) == 70_000

    def test_grants_no_seat_twice(self, market):
        """R27: seats 5 → 6 (+1,000) → 5 → 6."""
        seats = a_feature(now=JANUARY)
        plan = market.plan(1000, linked_feature=seats, units=[some_units(seats, 5)])
        customer = Subscriber(plan)

        def buy(number: int) -> list[Line]:
            wanted = FeatureValue(feature_id=seats.public_id, usage_limit=number)
            return customer.update(MID_JANUARY, entitlements=[wanted])

        assert [buy(6), buy(5), buy(6)] == [[line(GRANTED, 1000)], [], []]
        assert customer.balance(MID_JANUARY) == 6000

    def test_counts_what_people_voided_as_given(self, market):
        """R27."""
        addon = market.increment(100)
        customer = Subscriber(market.plan(50, addons=[addon]), (addon, 1))
        grants.void(
            grant_id=Grant.objects.latest("pk").public_id, reason="fraud", actor=SYSTEM, now=JANUARY
        )

        assert customer.hold(MID_JANUARY, (addon, 2)) == [line(GRANTED, 100)]
        assert customer.balance(MID_JANUARY) == 150

    def test_counts_a_custom_amount_anew_when_it_comes_by_another_cadence(self, market):
        """R27: marks belong to a source and a period, and a year is not its first month."""
        plan = market.plan(None, is_custom=True, pricing_type=PricingType.CUSTOM)
        wanted = CreditValue(credit_type_id=market.credit_type.public_id, amount=Decimal(100))
        customer = Subscriber(plan, entitlements=[wanted])
        customer.use(60, MID_JANUARY)
        yearly = CreditValue(
            credit_type_id=market.credit_type.public_id,
            amount=Decimal(1200),
            cadence=Cadence.YEAR,
        )

        customer.update(MID_JANUARY, entitlements=[yearly])

        assert customer.balance(MID_JANUARY) == 1200
        assert customer.pool.next_reset_at == NEXT_YEAR

    def test_gives_no_cadence_twice_however_often_they_alternate(self, market):
        """R27: each cadence remembers what it gave in its own period."""
        plan = market.plan(None, is_custom=True, pricing_type=PricingType.CUSTOM)
        monthly, yearly = (
            CreditValue(
                credit_type_id=market.credit_type.public_id, amount=Decimal(amount), cadence=cadence
            )
            for amount, cadence in ((100, Cadence.MONTH), (1200, Cadence.YEAR))
        )
        customer = Subscriber(plan, entitlements=[monthly])
        customer.use(60, MID_JANUARY)

        customer.update(MID_JANUARY, entitlements=[yearly])
        customer.use(200, MID_JANUARY)
        month_again = customer.update(MID_JANUARY, entitlements=[monthly])
        year_again = customer.update(MID_JANUARY, entitlements=[yearly])

        assert month_again == [line(GRANTED, 40), line(VOIDED, -1000)]
        assert year_again == [line(GRANTED, 1000), line(VOIDED, -40)]


class TestApplyToAddons:
    def test_grants_an_increment_in_full_until_the_reset_of_the_plan(self, market):
        """R28."""
        addon = market.increment(10_000)
        customer = Subscriber(market.plan(5000, addons=[addon]))

        assert customer.hold(MID_JANUARY, (addon, 1)) == [line(GRANTED, 10_000)]
        assert Grant.objects.latest("pk").expires_at == FEBRUARY

    def test_voids_what_is_left_of_an_increment_that_is_removed(self, market):
        """R32."""
        addon = market.increment(10_000)
        customer = Subscriber(market.plan(5000, addons=[addon]), (addon, 1))
        customer.use(7000, MID_JANUARY)

        assert customer.hold(LATE_JANUARY) == [line(VOIDED, -8000)]
        assert customer.balance(LATE_JANUARY) == 0

    def test_lets_an_override_take_over_what_was_used(self, market):
        """R29: +500, transfer 60, void −100; balance 440."""
        override = market.override(500)
        customer = Subscriber(market.plan(100, addons=[override]))
        customer.use(60, MID_JANUARY)

        assert customer.hold(MID_JANUARY, (override, 1)) == [
            line(GRANTED, 500),
            line(SOURCE, 60),
            line(TARGET, -60),
            line(VOIDED, -100),
        ]
        assert customer.balance(MID_JANUARY) == 440

    @pytest.mark.parametrize(("used", "balance"), [(60, 40), (400, 0)])
    def test_gives_the_plan_back_when_the_override_goes(self, market, used, balance):
        """R30."""
        override = market.override(500)
        customer = Subscriber(market.plan(100, addons=[override]), (override, 1))
        customer.use(used, MID_JANUARY)

        customer.hold(LATE_JANUARY)

        assert customer.balance(LATE_JANUARY) == balance
        assert not Grant.objects.filter(type="OVERDRAFT").exists()

    def test_gives_the_rest_of_an_override_that_is_bought_again(self, market):
        """Bound of R31: 500 with 400 used, removed, bought again: 100."""
        override = market.override(500)
        customer = Subscriber(market.plan(100, addons=[override]), (override, 1))
        customer.use(400, MID_JANUARY)

        customer.hold(MID_JANUARY)
        customer.hold(LATE_JANUARY, (override, 1))

        assert customer.balance(LATE_JANUARY) == 100

    def test_gives_a_whole_period_again_after_the_reset(self, market):
        override = market.override(500)
        customer = Subscriber(market.plan(100, addons=[override]), (override, 1))
        customer.use(400, MID_JANUARY)
        customer.hold(MID_JANUARY)

        customer.hold(FEBRUARY + timedelta(days=3), (override, 1))

        assert customer.balance(FEBRUARY + timedelta(days=3)) == 500


class TestApplyToPlans:
    """R31, by the product's setting."""

    @pytest.mark.parametrize(
        ("usage_reset", "old", "used", "new", "balance"),
        [
            (UsageReset.ALWAYS_RESET, 100, 60, 500, 500),
            (UsageReset.NEVER_RESET, 100, 60, 500, 440),
            (UsageReset.BILLING_PERIOD_CHANGE, 100, 60, 500, 440),
            (UsageReset.ALWAYS_RESET, 500, 460, 100, 100),
            (UsageReset.NEVER_RESET, 500, 460, 100, 0),
        ],
    )
    def test_gives_what_the_setting_says(self, usage_reset, old, used, new, balance):
        product = a_product(usage_reset=usage_reset, now=JANUARY)
        market = Market(product, a_credit_type(now=JANUARY))
        customer = Subscriber(market.plan(old))
        customer.use(used, MID_JANUARY)

        customer.change(LATE_JANUARY, market.plan(new))

        assert customer.balance(LATE_JANUARY) == balance
        assert customer.pool.next_reset_at == FEBRUARY

    def test_gives_what_was_not_used_when_a_plan_comes_back(self, market):
        """Bound of R31, ALWAYS_RESET: 40, then 40 again."""
        small, large = market.plan(100), market.plan(500)
        customer = Subscriber(small)
        customer.use(60, MID_JANUARY)
        customer.change(MID_JANUARY, large)
        customer.use(460, MID_JANUARY)

        balances = []
        for plan in (small, large):
            customer.change(LATE_JANUARY, plan)
            balances.append(customer.balance(LATE_JANUARY))

        assert balances == [40, 40]

    def test_gives_less_when_use_is_carried(self, carrying_market):
        """Bound of R31, NEVER_RESET: 0, then 40."""
        small, large = carrying_market.plan(100), carrying_market.plan(500)
        customer = Subscriber(small)
        customer.use(60, MID_JANUARY)
        customer.change(MID_JANUARY, large)
        customer.use(400, MID_JANUARY)

        balances = []
        for plan in (small, large):
            customer.change(LATE_JANUARY, plan)
            balances.append(customer.balance(LATE_JANUARY))

        assert balances == [0, 40]

    def test_keeps_what_is_left_when_only_the_billing_changes(self, market):
        """Bound of R31: the same plan in the same period gives nothing more, and no less."""
        plan = market.plan(100, yearly=400)
        customer = Subscriber(plan)
        customer.use(60, MID_JANUARY)

        customer.change(LATE_JANUARY, plan, billing_period="ANNUALLY")

        assert customer.balance(LATE_JANUARY) == 40

    def test_keeps_a_published_decrease_for_the_reset_when_only_the_billing_changes(self, market):
        """R14: 40 are left of 100 until the reset, which gives 30."""
        plan = market.plan(100, yearly=400)
        customer = Subscriber(plan)
        customer.use(60, MID_JANUARY)
        market.publish(plan, 30, MID_JANUARY)
        customer.migrate(MID_JANUARY)

        assert customer.change(LATE_JANUARY, plan, billing_period="ANNUALLY") == []
        assert customer.balance(LATE_JANUARY) == 40
        assert customer.balance(FEBRUARY) == 30

    def test_begins_a_new_period_where_that_is_wished(self, market):
        """R26, R31."""
        customer = Subscriber(market.plan(100))
        customer.use(60, MID_JANUARY)

        customer.change(MID_JANUARY, market.plan(500), billing_cycle_anchor=MID_JANUARY)

        assert customer.balance(MID_JANUARY) == 500
        assert customer.pool.next_reset_at == FEBRUARY.replace(day=15)


class TestApplyToAnchors:
    def test_expires_what_recurs_and_begins_a_new_period(self, market):
        """R26."""
        customer = Subscriber(market.plan(5000))
        granted(customer.pool, 250, priority=20, now=JANUARY)
        customer.use(3200, MID_JANUARY)

        gained = customer.update(MID_JANUARY, billing_cycle_anchor=MID_JANUARY)

        assert gained == [line(EXPIRED, -1800), line(GRANTED, 5000)]
        assert customer.balance(MID_JANUARY) == 5250
        assert customer.pool.next_reset_at == FEBRUARY.replace(day=15)


class TestApplyToTrials:
    def test_lets_credits_live_as_long_as_a_longer_trial(self, market):
        """R25: expiry is the earlier of period end and trial end."""
        customer = Subscriber(market.plan(100), trial=Trial(MID_JANUARY))
        customer.lines()

        assert customer.update(JANUARY, trial_ends_at=LATE_JANUARY) == []
        assert Grant.objects.get().expires_at == LATE_JANUARY
        assert customer.balance(LATE_JANUARY - MOMENT) == 100
        assert customer.sweep(LATE_JANUARY) == [line(EXPIRED, -100), line(GRANTED, 100)]

    def test_lets_credits_end_with_a_shorter_trial(self, market):
        customer = Subscriber(market.plan(100), trial=Trial(LATE_JANUARY))

        customer.update(JANUARY, trial_ends_at=MID_JANUARY)

        assert customer.sweep(MID_JANUARY) == [line(EXPIRED, -100), line(GRANTED, 100)]

    def test_lets_credits_end_with_the_period_of_a_trial_beyond_it(self, market):
        customer = Subscriber(market.plan(100), trial=Trial(MID_JANUARY))

        customer.update(JANUARY, trial_ends_at=MARCH)

        assert Grant.objects.get().expires_at == FEBRUARY


class TestApplyToVersions:
    """R14: increases at once, everything else at the next reset."""

    def test_grants_an_increase_at_once(self, market):
        plan = market.plan(5000)
        customer = Subscriber(plan)
        customer.use(3200, MID_JANUARY)
        market.publish(plan, 6000, MID_JANUARY)

        assert customer.migrate(MID_JANUARY) == [line(GRANTED, 1000)]
        assert customer.balance(MID_JANUARY) == 2800

    def test_keeps_a_decrease_for_the_reset(self, market):
        plan = market.plan(5000)
        customer = Subscriber(plan)
        market.publish(plan, 4000, MID_JANUARY)

        assert customer.migrate(MID_JANUARY) == []
        assert customer.sweep(FEBRUARY) == [line(EXPIRED, -5000), line(GRANTED, 4000)]

    def test_keeps_a_removal_for_the_reset(self, market):
        plan = market.plan(5000)
        customer = Subscriber(plan)
        market.publish(plan, None, MID_JANUARY)

        assert customer.migrate(MID_JANUARY) == []
        assert customer.sweep(APRIL) == [line(EXPIRED, -5000)]

    def test_keeps_another_cadence_for_the_reset(self, market):
        plan = market.plan(5000)
        customer = Subscriber(plan)
        customer.sweep(FEBRUARY)
        mid_february = FEBRUARY.replace(day=15)
        market.publish(plan, 60_000, mid_february, cadence=Cadence.YEAR)

        assert customer.migrate(mid_february) == []
        assert customer.sweep(MARCH) == [line(EXPIRED, -5000), line(GRANTED, 60_000)]
        assert Grant.objects.latest("pk").expires_at == NEXT_YEAR

    def test_keeps_a_new_override_for_the_reset(self, market):
        addon = market.increment(500)
        customer = Subscriber(market.plan(100, addons=[addon]), (addon, 1))
        customer.use(150, MID_JANUARY)
        market.publish(addon, 500, MID_JANUARY, behaviour=Behaviour.OVERRIDE)

        assert customer.migrate(MID_JANUARY) == []
        assert customer.sweep(FEBRUARY) == [line(EXPIRED, -450), line(GRANTED, 500)]

    def test_keeps_a_removal_for_the_reset_whatever_changes_meanwhile(self, market):
        """R14, where something else is bought before the reset."""
        addon = market.increment(10)
        plan = market.plan(5000, addons=[addon])
        customer = Subscriber(plan)
        market.publish(plan, None, MID_JANUARY)
        customer.migrate(MID_JANUARY)

        assert customer.hold(LATE_JANUARY, (addon, 1)) == [line(GRANTED, 10)]
        assert customer.hold(LATE_JANUARY, (addon, 2)) == [line(GRANTED, 10)]
        assert customer.balance(FEBRUARY - MOMENT) == 5020
        assert customer.balance(FEBRUARY) == 20

    def test_keeps_a_removal_from_an_addon_whatever_changes_meanwhile(self, market):
        """R14: the add-on is still held, though it will give nothing more."""
        bought, _, held = [market.increment(amount) for amount in (10, 20, 500)]
        customer = Subscriber(market.plan(100, addons=[bought, held]), (held, 1))
        market.publish(held, None, MID_JANUARY)
        customer.migrate(MID_JANUARY)

        gained = customer.hold(LATE_JANUARY, (bought, 1), (held, 1))

        assert gained == [line(GRANTED, 10)]
        assert customer.balance(LATE_JANUARY) == 610
        assert customer.balance(FEBRUARY) == 110

    def test_keeps_another_cadence_for_the_reset_whatever_changes_meanwhile(self, market):
        addon = market.increment(10)
        plan = market.plan(5000, addons=[addon])
        customer = Subscriber(plan)
        market.publish(plan, 60_000, MID_JANUARY, cadence=Cadence.YEAR)
        customer.migrate(MID_JANUARY)

        assert customer.hold(LATE_JANUARY, (addon, 1)) == [line(GRANTED, 10)]
        assert customer.balance(FEBRUARY - MOMENT) == 5010
        assert customer.balance(FEBRUARY) == 60_010

    def test_keeps_a_new_override_for_the_reset_whatever_changes_meanwhile(self, market):
        addon, other = market.increment(500), market.increment(10)
        plan = market.plan(100, addons=[addon, other])
        customer = Subscriber(plan, (addon, 1))
        market.publish(addon, 500, MID_JANUARY, behaviour=Behaviour.OVERRIDE)
        customer.migrate(MID_JANUARY)

        assert customer.hold(LATE_JANUARY, (addon, 1), (other, 1)) == []
        assert customer.balance(FEBRUARY - MOMENT) == 600
        assert customer.balance(FEBRUARY) == 500

    def test_keeps_another_override_for_the_reset_whatever_changes_meanwhile(self, market):
        first, second, other = market.override(500), market.override(300), market.increment(10)
        plan = market.plan(100, addons=[first, second, other])
        customer = Subscriber(plan, (first, 1), (second, 1))
        customer.use(60, MID_JANUARY)
        market.publish(second, 600, MID_JANUARY, behaviour=Behaviour.OVERRIDE)

        assert customer.migrate(MID_JANUARY) == []
        assert customer.hold(LATE_JANUARY, (first, 2), (second, 2), (other, 1)) == []
        assert customer.balance(FEBRUARY - MOMENT) == 440
        assert customer.balance(FEBRUARY) == 1200

    def test_lets_another_override_grant_when_the_one_it_waits_for_is_removed(self, market):
        """R30 does not wait for R14."""
        first, second = market.override(500), market.override(300)
        customer = Subscriber(market.plan(100, addons=[first, second]), (first, 1), (second, 1))
        customer.use(60, MID_JANUARY)
        market.publish(second, 600, MID_JANUARY, behaviour=Behaviour.OVERRIDE)
        customer.migrate(MID_JANUARY)

        customer.hold(LATE_JANUARY, (second, 1))

        assert customer.balance(LATE_JANUARY) == 540
        assert customer.balance(FEBRUARY) == 600

    def test_lets_the_plan_grant_when_what_overrides_no_more_is_removed(self, market):
        """R30 does not wait for R14."""
        addon = market.override(500)
        customer = Subscriber(market.plan(100, addons=[addon]), (addon, 1))
        customer.use(60, MID_JANUARY)
        market.publish(addon, 500, MID_JANUARY)
        customer.migrate(MID_JANUARY)

        assert customer.balance(FEBRUARY) == 600
        customer.hold(LATE_JANUARY)

        assert customer.balance(LATE_JANUARY) == 40
        assert customer.balance(FEBRUARY) == 100

    @pytest.mark.parametrize(
        "until",
        [{"ends_at": FEBRUARY - DAY}, {"trial": Trial(FEBRUARY - DAY, TrialEnd.CONVERT_TO_PAID)}],
        ids=["subscription", "trial"],
    )
    def test_keeps_a_removal_for_an_end_before_the_reset_whatever_changes_meanwhile(
        self, market, until
    ):
        addon = market.increment(10)
        plan = market.plan(5000, addons=[addon])
        customer = Subscriber(plan, **until)
        market.publish(plan, None, MID_JANUARY)
        customer.migrate(MID_JANUARY)

        assert customer.hold(LATE_JANUARY, (addon, 1)) == [line(GRANTED, 10)]
        assert customer.balance(FEBRUARY - DAY - MOMENT) == 5010
        assert customer.balance(FEBRUARY) == (10 if "trial" in until else 0)

    def test_keeps_a_removal_no_longer_than_a_trial_that_is_shortened(self, market):
        """R25."""
        plan = market.plan(5000)
        customer = Subscriber(plan, trial=Trial(MARCH, TrialEnd.CONVERT_TO_PAID))
        market.publish(plan, None, MID_JANUARY)
        customer.migrate(MID_JANUARY)

        customer.update(MID_JANUARY, trial_ends_at=LATE_JANUARY)

        assert customer.balance(LATE_JANUARY - MOMENT) == 5000
        assert customer.balance(LATE_JANUARY) == 0

    def test_ends_a_removal_at_once_when_another_plan_is_agreed_on(self, market):
        """R31 does not wait for R14: all that is agreed holds from now on."""
        addon = market.increment(500)
        customer = Subscriber(market.plan(100, addons=[addon]), (addon, 1))
        market.publish(addon, None, MID_JANUARY)
        customer.migrate(MID_JANUARY)

        gained = customer.change(LATE_JANUARY, market.plan(200, addons=[addon]))

        assert sorted(gained) == [line(GRANTED, 200), line(VOIDED, -500), line(VOIDED, -100)]
        assert customer.balance(LATE_JANUARY) == 200

    def test_ends_a_removal_at_once_when_a_new_period_begins(self, market):
        """R26: this is the reset that R14 waits for."""
        plan = market.plan(5000)
        customer = Subscriber(plan)
        market.publish(plan, None, MID_JANUARY)
        customer.migrate(MID_JANUARY)

        gained = customer.update(LATE_JANUARY, billing_cycle_anchor=LATE_JANUARY)

        assert gained == [line(EXPIRED, -5000)]
        assert customer.pool.next_reset_at is None

    def test_lets_an_override_that_is_bought_replace_what_was_about_to_end(self, market):
        """R29 does not wait for R14."""
        override = market.override(500)
        plan = market.plan(5000, addons=[override])
        customer = Subscriber(plan)
        customer.use(60, MID_JANUARY)
        market.publish(plan, None, MID_JANUARY)
        customer.migrate(MID_JANUARY)

        customer.hold(LATE_JANUARY, (override, 1))

        assert customer.balance(LATE_JANUARY) == 440

    def test_lets_an_addon_go_that_was_about_to_lose_its_credits(self, market):
        """R32: what is removed is voided at once."""
        addon = market.increment(500)
        customer = Subscriber(market.plan(100, addons=[addon]), (addon, 1))
        market.publish(addon, None, MID_JANUARY)
        customer.migrate(MID_JANUARY)

        assert customer.hold(LATE_JANUARY) == [line(VOIDED, -500)]

    def test_gives_back_what_was_about_to_end_when_it_is_published_again(self, market):
        plan = market.plan(5000)
        customer = Subscriber(plan)
        market.publish(plan, None, MID_JANUARY)
        customer.migrate(MID_JANUARY)
        market.publish(plan, 6000, LATE_JANUARY)

        assert customer.migrate(LATE_JANUARY) == [line(GRANTED, 1000)]
        assert customer.balance(FEBRUARY) == 6000

    def test_ends_a_removal_with_a_subscription_that_is_cancelled(self, market):
        """R32: what was about to end ends now."""
        plan = market.plan(5000)
        customer = Subscriber(plan)
        market.publish(plan, None, MID_JANUARY)
        customer.migrate(MID_JANUARY)

        assert customer.cancel(LATE_JANUARY, time="IMMEDIATE") == [line(VOIDED, -5000)]

    def test_ends_a_removal_with_a_subscription_that_ends_before_the_reset(self, market):
        """R32."""
        plan = market.plan(5000)
        customer = Subscriber(plan)
        market.publish(plan, None, MID_JANUARY)
        customer.migrate(MID_JANUARY)

        customer.cancel(MID_JANUARY, time="SPECIFIC_DATE", ends_at=LATE_JANUARY)

        assert customer.balance(LATE_JANUARY - MOMENT) == 5000
        assert customer.sweep(APRIL) == [line(VOIDED, -5000)]

    def test_does_not_let_a_removal_outlive_the_subscription(self, market):
        """R32: what is cancelled for an earlier date ends on that date."""
        plan = market.plan(5000)
        customer = Subscriber(plan, ends_at=LATE_JANUARY)
        market.publish(plan, None, MID_JANUARY)
        customer.migrate(MID_JANUARY)

        assert customer.sweep(APRIL) == [line(VOIDED, -5000)]


class TestApplyToTransfers:
    def test_gives_elsewhere_what_was_not_used(self):
        """R32, R42."""
        product = a_product(multiple_subscriptions=True, now=JANUARY)
        market = Market(product, a_credit_type(now=JANUARY))
        customer = a_customer(now=JANUARY)
        resource = a_resource(customer, now=JANUARY).public_id
        subscriber = Subscriber(market.plan(100), customer=customer, resource_id=resource)
        subscriber.use(60, MID_JANUARY)

        transfer.transfer(
            subscription_id=subscriber.subscription.public_id,
            resource_id="another",
            actor=SYSTEM,
            now=LATE_JANUARY,
        )

        assert subscriber.lines() == [line(VOIDED, -40)]
        there = Pool.objects.latest("pk")
        assert pools.standing(there, LATE_JANUARY).balance == 40
        assert pools.standing(there, FEBRUARY).balance == 100
        assert subscriber.balance(FEBRUARY) == 0

    def test_brings_use_along_only_then(self, market):
        """What was used before another change counts once."""
        customer = Subscriber(market.plan(100))
        customer.use(60, MID_JANUARY)

        changed_again(customer, now=LATE_JANUARY)

        assert Schedule.objects.get().used_elsewhere == 0


class TestApplyToScheduledUpdates:
    def test_foresees_what_the_update_will_give(self, market):
        """R18: nobody has to write down that it took effect."""
        addon = market.increment(10)
        customer = Subscriber(market.plan(100, addons=[addon]))
        large = market.plan(300, addons=[addon])

        assert customer.change(MID_JANUARY, large, when=When.END_OF_BILLING_PERIOD) == []
        assert customer.balance(FEBRUARY - MOMENT) == 100
        assert customer.balance(FEBRUARY) == 300

    def test_foresees_it_anew_whatever_changes_before(self, market):
        customer = Subscriber(market.plan(100))
        customer.change(MID_JANUARY, market.plan(300), when=When.END_OF_BILLING_PERIOD)

        customer.cancel(LATE_JANUARY, time="SPECIFIC_DATE", ends_at=MARCH)

        assert customer.balance(LATE_JANUARY) == 100
        assert customer.balance(FEBRUARY) == 300
        assert customer.balance(MARCH) == 0

    @pytest.mark.parametrize(
        ("usage_reset", "balance"), [(UsageReset.ALWAYS_RESET, 500), (UsageReset.NEVER_RESET, 440)]
    )
    def test_foresees_what_the_setting_says(self, usage_reset, balance):
        """R31: within the period of the credits, a year."""
        product = a_product(usage_reset=usage_reset, now=JANUARY)
        market = Market(product, a_credit_type(now=JANUARY))
        customer = Subscriber(market.plan(100, cadence=Cadence.YEAR))
        customer.use(60, MID_JANUARY)

        large = market.plan(500, cadence=Cadence.YEAR)
        customer.change(LATE_JANUARY, large, when=When.END_OF_BILLING_PERIOD)

        assert customer.balance(FEBRUARY - MOMENT) == 40
        assert customer.balance(FEBRUARY) == balance

    def test_keeps_a_removal_for_the_reset(self, market):
        """R14: the credits were for the year, which an add-on does not end."""
        addon = market.increment(10)
        plan = market.plan(5000, cadence=Cadence.YEAR, addons=[addon])
        customer = Subscriber(plan)
        market.publish(plan, None, MID_JANUARY)
        customer.migrate(MID_JANUARY)

        customer.hold(LATE_JANUARY, (addon, 1), when=When.END_OF_BILLING_PERIOD)

        assert customer.balance(FEBRUARY - MOMENT) == 5000
        assert customer.balance(FEBRUARY) == 5010
        assert customer.balance(NEXT_YEAR) == 10

    def test_follows_what_has_taken_effect_and_is_not_written_down(self, market):
        """R18."""
        customer = Subscriber(market.plan(100))
        customer.change(MID_JANUARY, market.plan(300), when=When.END_OF_BILLING_PERIOD)

        changed_again(customer, now=MARCH)

        assert customer.balance(MARCH) == 300


class TestApply:
    def test_takes_as_many_statements_for_many_as_for_two(self, market, django_assert_num_queries):
        """Also where they began at this very instant."""
        addon = market.increment(10)
        plan = market.plan(100, addons=[addon])
        customers = [Subscriber(plan, (addon, 2)) for _ in range(6)]
        with CaptureQueriesContext(connection) as for_two:
            changed_again(*customers[:2], now=JANUARY)

        with django_assert_num_queries(len(for_two)):
            changed_again(*customers, now=JANUARY)

    def test_holds_the_credit_types_that_it_lets_grant(self, market, monkeypatch):
        """R3: whoever archives one meanwhile waits, and finds what was written."""
        customer = Subscriber(market.plan(100))
        market.publish(market.plan(7), 8, JANUARY)
        held = []
        monkeypatch.setattr(changes, "hold", lambda model, ids: held.append((model, set(ids))))

        changed_again(customer, now=MID_JANUARY)

        assert held == [(CreditType, {market.credit_type.pk})]

    def test_holds_nothing_for_a_preview(self, market, monkeypatch):
        """Nor does it let use start afresh, unless it is told to."""
        subscription = Subscriber(market.plan(100)).subscription
        held = []
        monkeypatch.setattr(changes, "hold", lambda model, ids: held.append(set(ids)))

        today = terms.at(subscription, MID_JANUARY)
        [step] = changes.steps_of(
            subscription, today, None, cause=Cause.PLAN_CHANGE, now=MID_JANUARY
        )

        assert list(step.given) == [market.credit_type.pk]
        assert not step.change.resets
        assert held == []

    def test_says_what_was_granted_by_whom(self, market):
        """What time grants on the way does not count, nor what others give."""
        customer = Subscriber(market.plan(100))
        stranger = Subscriber(market.plan(7))
        subscription = customer.subscription
        a_new_version(
            subscription.plan_version.package,
            entitlements=[some_credits(market.credit_type, 150)],
            now=FEBRUARY,
        )
        Subscription.objects.filter(pk=subscription.pk).update(
            plan_version=subscription.plan_version.package.versions.latest("number")
        )

        assert changed_again(customer, stranger, now=MARCH - DAY) == {
            subscription.pk: {market.credit_type.pk: 50},
            stranger.subscription.pk: {market.credit_type.pk: 0},
        }


class TestApplyByClocksThatDiffer:
    """F9: what began by the clock of a host that is ahead ends then, not before."""

    @pytest.mark.parametrize(
        ("usage_reset", "balance"),
        [(UsageReset.ALWAYS_RESET, 300), (UsageReset.NEVER_RESET, 240)],
    )
    def test_does_not_go_back_in_time(self, usage_reset, balance):
        product = a_product(usage_reset=usage_reset, now=JANUARY)
        market = Market(product, a_credit_type(now=JANUARY))
        customer = Subscriber(market.plan(100), now=MID_JANUARY)
        customer.use(60, MID_JANUARY)

        customer.change(MID_JANUARY - MOMENT, market.plan(300))

        assert customer.balance(MID_JANUARY) == balance
        entries = LedgerEntry.objects.filter(pool=customer.pool)
        assert {each.effective_at for each in entries} == {MID_JANUARY}
        assert {each.recorded_at for each in entries} == {MID_JANUARY}

    def test_foresees_a_scheduled_update(self, market):
        customer = Subscriber(market.plan(100), now=MID_JANUARY)

        customer.change(MID_JANUARY - MOMENT, market.plan(300), when=When.END_OF_BILLING_PERIOD)

        assert customer.balance(MID_FEBRUARY - MOMENT) == 100
        assert customer.balance(MID_FEBRUARY) == 300


def changed_again(*customers: Subscriber, now: datetime) -> dict[int, dict[int, Decimal]]:
    """Tell the pools again what the subscriptions say."""
    rows = Subscription.objects.select_related("plan_version").order_by("pk")
    subscriptions = list(rows.filter(pk__in=[each.subscription.pk for each in customers]))
    return changes.apply(
        subscriptions=subscriptions, cause=Cause.QUANTITY, resets=False, actor=SYSTEM, now=now
    )


class TestEnd:
    def test_voids_what_recurs_and_leaves_what_was_bought(self, market):
        """R32: recurring 3,000 left and paid 2,000."""
        customer = Subscriber(market.plan(5000))
        granted(customer.pool, 2000, priority=20, now=JANUARY)
        customer.use(2000, MID_JANUARY)

        assert customer.cancel(LATE_JANUARY, time="IMMEDIATE") == [line(VOIDED, -3000)]
        assert customer.balance(APRIL) == 2000
        assert not customer.pool.is_entitled

    def test_ends_in_the_pool_it_gave_to(self, market):
        """Other pools were there before."""
        a_pool(now=JANUARY)
        customer = Subscriber(market.plan(100))

        customer.cancel(MID_JANUARY, time="IMMEDIATE")

        assert customer.balance(MID_JANUARY) == 0

    def test_locks_no_pool_that_it_gives_nothing_to_any_more(self, market, monkeypatch):
        """Nor one that only others give to."""
        other = a_credit_type(now=JANUARY)
        addon = a_published_addon(
            product=market.product, entitlements=[some_credits(other, 10)], now=JANUARY
        )
        customer = Subscriber(market.plan(100, addons=[addon]), (addon, 1))
        Subscriber(market.plan(70))
        customer.hold(MID_JANUARY)
        locked = []
        lock_several = pools.lock_several

        def noting(ids, *args, **options):
            locked.append(set(ids))
            return lock_several(ids, *args, **options)

        monkeypatch.setattr(pools, "lock_several", noting)

        customer.cancel(MID_JANUARY, time="IMMEDIATE")

        kept = Pool.objects.get(
            customer=customer.subscription.customer, credit_type=market.credit_type
        )
        assert locked == [{kept.pk}]

    def test_voids_at_the_date_that_was_set(self, market):
        """R18: whether or not a worker runs."""
        customer = Subscriber(market.plan(5000))

        assert customer.cancel(MID_JANUARY, time="SPECIFIC_DATE", ends_at=LATE_JANUARY) == []
        assert customer.balance(LATE_JANUARY - MOMENT) == 5000
        assert customer.balance(LATE_JANUARY) == 0

    def test_goes_on_when_the_cancelation_is_taken_back(self, market):
        customer = Subscriber(market.plan(5000))
        customer.cancel(MID_JANUARY, time="SPECIFIC_DATE", ends_at=LATE_JANUARY)

        cancellation.keep(
            subscription_id=customer.subscription.public_id, actor=SYSTEM, now=MID_JANUARY
        )

        assert customer.balance(LATE_JANUARY) == 5000
        assert customer.balance(FEBRUARY) == 5000

    def test_takes_back_a_start_that_never_came(self, market):
        customer = Subscriber(market.plan(100), started_at=FEBRUARY)

        customer.cancel(MID_JANUARY, time="IMMEDIATE")

        assert customer.balance(MARCH) == 0
        assert customer.pool.next_change_at is None
        assert Schedule.objects.get().ended

    def test_leaves_the_credits_of_another_subscription(self, market):
        other = Market(a_product(now=JANUARY), market.credit_type)
        customer = a_customer(now=JANUARY)
        first = Subscriber(market.plan(100), customer=customer)
        Subscriber(other.plan(70), customer=customer)

        first.cancel(MID_JANUARY, time="IMMEDIATE")

        assert first.balance(MID_JANUARY) == 70


class TestStopGranting:
    def test_lets_an_archived_type_end_with_its_period(self, market):
        """R3: recurring grants of older versions stop at their next reset."""
        plan = market.plan(100)
        customer = Subscriber(plan)
        market.publish(plan, None, MID_JANUARY)

        archived(market.credit_type, MID_JANUARY)

        assert customer.balance(FEBRUARY - MOMENT) == 100
        assert customer.sweep(APRIL)[-1:] == [line(EXPIRED, -100)]

    def test_lets_it_end_with_its_period_whatever_changes_meanwhile(self, market):
        """R3."""
        other = a_credit_type(now=JANUARY)
        addon = a_published_addon(
            product=market.product,
            entitlements=[some_credits(other, 10)],
            max_quantity=None,
            now=JANUARY,
        )
        plan = market.plan(100, addons=[addon])
        customer = Subscriber(plan)
        pool = customer.pool
        market.publish(plan, None, MID_JANUARY)
        archived(market.credit_type, MID_JANUARY)

        customer.update(LATE_JANUARY, addons=[(addon.public_id, 1)])

        assert pools.standing(stored(pool), FEBRUARY - MOMENT).balance == 100
        assert pools.standing(stored(pool), FEBRUARY).balance == 0

    def test_leaves_the_period_that_has_begun_although_nobody_wrote_it_down(self, market):
        """R24: as if a worker had always been on time."""
        plan = market.plan(100)
        customer = Subscriber(plan)
        market.publish(plan, None, MID_JANUARY)

        archived(market.credit_type, MARCH)

        assert customer.balance(MARCH) == 100
        assert customer.balance(APRIL) == 0

    def test_leaves_other_types_alone(self, market):
        other = Market(a_product(now=JANUARY), a_credit_type(now=JANUARY))
        customer = Subscriber(other.plan(70))

        archived(market.credit_type, MID_JANUARY)

        assert customer.balance(FEBRUARY) == 70

    def test_takes_back_what_has_not_begun(self, market):
        plan = market.plan(100)
        customer = Subscriber(plan, started_at=FEBRUARY)
        market.publish(plan, None, MID_JANUARY)

        archived(market.credit_type, MID_JANUARY)

        assert customer.balance(MARCH) == 0

    def test_takes_back_what_was_to_follow_a_trial(self, market):
        """R3: what the trial gave lasts as long as it would have."""
        plan = market.plan(100)
        customer = Subscriber(plan, trial=Trial(LATE_JANUARY))
        market.publish(plan, None, MID_JANUARY, audience=Audience.NEW_CUSTOMERS)

        archived(market.credit_type, MID_JANUARY)

        assert customer.balance(LATE_JANUARY - MOMENT) == 100
        assert customer.balance(LATE_JANUARY) == 0
        assert customer.pool.next_reset_at is None
        assert [(each.ended, each.ends_at) for each in Schedule.objects.order_by("pk")] == [
            (False, LATE_JANUARY),
            (True, LATE_JANUARY),
        ]

    @pytest.mark.parametrize("ends_at", [LATE_JANUARY, FEBRUARY])
    def test_leaves_the_end_of_a_subscription_that_comes_before(self, market, ends_at):
        """R32: voided at that date, not kept until the period is over."""
        plan = market.plan(100)
        Subscriber(plan, ends_at=ends_at)
        market.publish(plan, None, MID_JANUARY, audience=Audience.NEW_CUSTOMERS)

        archived(market.credit_type, MID_JANUARY)

        schedule = Schedule.objects.get()
        assert (schedule.ends_at, schedule.ending) == (ends_at, "VOID")

    def test_works_in_batches(self, market, monkeypatch):
        plan = market.plan(100)
        customers = [Subscriber(plan) for _ in range(5)]
        market.publish(plan, None, MID_JANUARY, audience=Audience.NEW_CUSTOMERS)
        batches = []
        lock_several = pools.lock_several

        def noting(ids, *args, **options):
            batches.append(len(ids))
            return lock_several(ids, *args, **options)

        monkeypatch.setattr(pools, "lock_several", noting)
        monkeypatch.setattr(changes, "POOLS_AT_A_TIME", 2)

        archived(market.credit_type, MID_JANUARY)

        assert batches == [2, 2, 1]
        assert [customer.balance(FEBRUARY) for customer in customers] == [0] * 5


def archived(credit_type: CreditType, now: datetime) -> None:
    """The type is archived, as no published package names it any more (R3)."""
    from catalog import archiving

    archiving.archive_credit_type(credit_type_id=credit_type.pk, actor=SYSTEM, now=now)
