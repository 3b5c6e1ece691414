"""Updates that wait for their instant, through the verbs that make and keep them."""

from datetime import timedelta

import pytest

from catalog.models import Package
from catalog.models.products import DowngradeTime, UsageReset
from subscriptions import cancellation, migration, scheduled, terms, updates
from subscriptions.causes import Cause
from subscriptions.choices import FeatureValue
from subscriptions.models import ScheduledUpdate, Subscription, UpdateKind, UpdateStatus
from subscriptions.scheduled import EndsBefore
from subscriptions.updates import RestartsNow, When
from tests.builders import (
    NOW,
    a_feature,
    a_new_version,
    a_product,
    a_published_addon,
    a_published_plan,
    a_subscription,
    some_units,
)
from workspace import activity
from workspace.actors import SYSTEM

pytestmark = pytest.mark.django_db

LATER = NOW + timedelta(days=3)
PERIOD_END = NOW.replace(month=2)


@pytest.fixture
def addon() -> Package:
    return a_published_addon("Extra", public_id="extra", monthly=9, yearly=90)


@pytest.fixture
def plan(addon: Package) -> Package:
    seats = a_feature("Seats", public_id="seats")
    return a_published_plan(
        product=addon.product, compatible_addons=[addon], entitlements=[some_units(seats, 5)]
    )


def schedule(subscription: Subscription, when: str = When.END_OF_BILLING_PERIOD, **changes):
    return updates.update(
        subscription_id=subscription.public_id, when=when, actor=SYSTEM, now=LATER, **changes
    )


def reloaded(subscription: Subscription) -> Subscription:
    return Subscription.objects.select_related("plan", "plan_version").get(pk=subscription.pk)


class TestPut:
    def test_changes_nothing_but_what_will_be(self, plan: Package, told):
        subscription = a_subscription(plan=plan)

        schedule(subscription, addons=[("extra", 2)])

        stored = reloaded(subscription)
        update = stored.scheduled_updates.get()
        assert (stored.next_update_at, update.takes_effect_at) == (PERIOD_END, PERIOD_END)
        assert (update.status, update.kinds) == (UpdateStatus.SCHEDULED, [UpdateKind.ADDON])
        assert update.cause == Cause.ADDONS
        assert not stored.addons.exists()
        assert stored.prices == subscription.prices
        assert [said.cause for said in told] == [None, Cause.SCHEDULE]

    def test_is_remembered(self, plan: Package):
        subscription = a_subscription(plan=plan)

        schedule(subscription, addons=[("extra", 2)])

        latest = activity.for_subject("subscription", subscription.public_id)[0]
        assert latest.event == "subscription.update_scheduled"
        assert latest.payload["addons"] == {"extra": 2}
        assert latest.payload["takes_effect_at"] == "2026-02-01T10:00:00Z"

    def test_names_every_kind_of_change(self, plan: Package):
        subscription = a_subscription(plan=plan)
        seats = FeatureValue(feature_id="seats", usage_limit=9)

        schedule(subscription, addons=[("extra", 2)], entitlements=[seats])

        kinds = subscription.scheduled_updates.get().kinds
        assert kinds == [UpdateKind.ADDON, UpdateKind.UNIT_AMOUNT]

    def test_lets_other_changes_happen_at_once(self, plan: Package):
        subscription = a_subscription(plan=plan)

        schedule(subscription, addons=[("extra", 2)], metadata={"team": "blue"})

        assert reloaded(subscription).metadata == {"team": "blue"}
        assert reloaded(subscription).next_update_at == PERIOD_END

    def test_of_a_yearly_subscription_can_wait_for_the_month(self, addon: Package):
        plan = a_published_plan(product=addon.product, compatible_addons=[addon], yearly=490)
        subscription = a_subscription(plan=plan, billing_period="ANNUALLY")

        schedule(subscription, When.END_OF_BILLING_MONTH, addons=[("extra", 1)])
        assert reloaded(subscription).next_update_at == PERIOD_END
        schedule(subscription, When.END_OF_BILLING_PERIOD, addons=[("extra", 1)])

        assert reloaded(subscription).next_update_at == NOW.replace(year=2027)
        statuses = subscription.scheduled_updates.values_list("status", flat=True)
        assert sorted(statuses) == [UpdateStatus.CANCELED, UpdateStatus.SCHEDULED]

    def test_is_refused_with_a_new_billing_cycle(self, plan: Package):
        subscription = a_subscription(plan=plan)

        with pytest.raises(RestartsNow):
            schedule(subscription, addons=[("extra", 1)], billing_cycle_anchor=LATER)

        assert not ScheduledUpdate.objects.exists()

    def test_is_refused_where_the_subscription_ends_by_then(self, plan: Package):
        subscription = a_subscription(plan=plan, ends_at=PERIOD_END)

        with pytest.raises(EndsBefore):
            schedule(subscription, addons=[("extra", 1)])

        assert not ScheduledUpdate.objects.exists()

    def test_of_a_downgrade_is_what_the_product_says(self, addon: Package):
        """R4: a downgrade waits for the end of the period, unless the product says now."""
        large = a_published_plan("Large", product=addon.product, monthly=99)
        small = a_published_plan("Small", product=addon.product, monthly=9)
        subscription = a_subscription(plan=large)

        changed = updates.update(
            subscription_id=subscription.public_id,
            plan_id=small.public_id,
            when=None,
            actor=SYSTEM,
            now=LATER,
        )

        assert changed.plan == large
        update = subscription.scheduled_updates.get()
        assert (update.kinds, update.plan_version) == ([UpdateKind.DOWNGRADE], small.live)
        assert update.cause == Cause.PLAN_CHANGE

    def test_of_a_downgrade_is_not_needed_where_the_product_says_now(self):
        product = a_product(downgrade_time=DowngradeTime.IMMEDIATE)
        large = a_published_plan("Large", product=product, monthly=99)
        small = a_published_plan("Small", product=product, monthly=9)
        subscription = a_subscription(plan=large)

        changed = updates.update(
            subscription_id=subscription.public_id,
            plan_id=small.public_id,
            when=None,
            actor=SYSTEM,
            now=LATER,
        )

        assert changed.plan == small
        assert not ScheduledUpdate.objects.exists()


class TestTakeBack:
    def test_leaves_what_was(self, plan: Package, told):
        subscription = a_subscription(plan=plan)
        schedule(subscription, addons=[("extra", 2)])

        updates.cancel_scheduled(subscription_id=subscription.public_id, actor=SYSTEM, now=LATER)

        assert reloaded(subscription).next_update_at is None
        update = subscription.scheduled_updates.get()
        assert (update.status, update.finished_at) == (UpdateStatus.CANCELED, LATER)
        assert told[-1].cause == Cause.SCHEDULE

    def test_follows_from_an_end_that_comes_before(self, plan: Package):
        subscription = a_subscription(plan=plan)
        schedule(subscription, addons=[("extra", 2)])

        cancellation.cancel(
            subscription_id=subscription.public_id, time="IMMEDIATE", actor=SYSTEM, now=LATER
        )

        assert reloaded(subscription).next_update_at is None

    def test_does_not_follow_from_an_end_that_comes_after(self, plan: Package):
        subscription = a_subscription(plan=plan)
        schedule(subscription, addons=[("extra", 2)])

        cancellation.cancel(
            subscription_id=subscription.public_id,
            time="SPECIFIC_DATE",
            ends_at=PERIOD_END + timedelta(days=1),
            actor=SYSTEM,
            now=LATER,
        )

        assert reloaded(subscription).next_update_at == PERIOD_END


class TestWriteDown:
    def test_makes_it_the_terms_of_today(self, plan: Package, addon: Package, told):
        subscription = a_subscription(plan=plan)
        seats = FeatureValue(feature_id="seats", usage_limit=9)
        schedule(subscription, addons=[("extra", 2)], entitlements=[seats])

        assert updates.write_down_due(PERIOD_END) == 1

        stored = reloaded(subscription)
        row = stored.addons.get()
        assert (row.addon, row.version, row.quantity) == (addon, addon.live, 2)
        assert row.attached_at == PERIOD_END
        assert stored.entitlements.get().usage_limit == 9
        assert [price["addonId"] for price in stored.prices] == [None, "extra"]
        assert stored.next_update_at is None
        assert stored.scheduled_updates.get().status == UpdateStatus.DONE
        assert [said.cause for said in told] == [None, Cause.SCHEDULE]
        latest = activity.for_subject("subscription", stored.public_id)[0]
        assert (latest.event, latest.payload["addons"]) == (
            "subscription.updated",
            [{}, {"extra": 2}],
        )

    def test_does_nothing_before_its_instant(self, plan: Package):
        subscription = a_subscription(plan=plan)
        schedule(subscription, addons=[("extra", 2)])

        assert updates.write_down_due(PERIOD_END - timedelta(microseconds=1)) == 0

        assert reloaded(subscription).next_update_at == PERIOD_END

    def test_changes_no_terms(self, plan: Package):
        subscription = a_subscription(plan=plan, addons=[])
        schedule(subscription, addons=[("extra", 2)])
        before = terms.at(reloaded(subscription), PERIOD_END)

        updates.write_down_due(PERIOD_END)

        after = terms.at(reloaded(subscription), PERIOD_END)
        assert (before.plan_version, before.addons) == (after.plan_version, after.addons)

    def test_takes_a_new_plan_at_the_prices_of_its_version(self):
        product = a_product(usage_reset=UsageReset.NEVER_RESET)
        old = a_published_plan("Old", product=product, monthly=10)
        new = a_published_plan("New", product=product, monthly=20)
        subscription = a_subscription(plan=old)
        schedule(subscription, plan_id=new.public_id)

        updates.write_down_due(PERIOD_END)

        stored = reloaded(subscription)
        assert (stored.plan, stored.plan_version) == (new, new.live)
        assert [price["amount"] for price in stored.prices] == ["20"]

    def test_comes_before_any_later_change(self, plan: Package):
        subscription = a_subscription(plan=plan)
        schedule(subscription, addons=[("extra", 2)])

        updates.update(
            subscription_id=subscription.public_id,
            metadata={"a": "b"},
            actor=SYSTEM,
            now=PERIOD_END,
        )

        stored = reloaded(subscription)
        assert (stored.addons.get().quantity, stored.metadata) == (2, {"a": "b"})


class TestMoveAlong:
    """R13."""

    def test_takes_the_version_that_is_latest_when_it_takes_effect(
        self, plan: Package, addon: Package
    ):
        subscription = a_subscription(plan=plan)
        schedule(subscription, addons=[("extra", 2)])

        version = a_new_version(addon, now=LATER)

        assert subscription.scheduled_updates.get().addons.get().version == version

    def test_leaves_what_has_taken_effect(self, plan: Package, addon: Package):
        subscription = a_subscription(plan=plan)
        schedule(subscription, addons=[("extra", 2)])

        a_new_version(addon, now=PERIOD_END)

        assert reloaded(subscription).addons.get().version == addon.live

    def test_of_a_kept_addon_follows_the_rollout(self, plan: Package, addon: Package):
        subscription = a_subscription(plan=plan, addons=[(addon, 1)])
        schedule(subscription, addons=[("extra", 2)])

        version = a_new_version(addon, now=LATER)
        migration.migrate(subscription_id=subscription.public_id, actor=SYSTEM, now=LATER)

        (attached,) = terms.at(reloaded(subscription), PERIOD_END).addons
        assert (attached.version, attached.quantity) == (version, 2)

    def test_finds_those_that_bring_the_package(self, plan: Package, addon: Package):
        bringing, having = a_subscription(plan=plan), a_subscription(plan=plan, addons=[(addon, 1)])
        schedule(bringing, addons=[("extra", 2)])
        schedule(having, addons=[("extra", 2)])

        assert scheduled.naming(addon) == [bringing.pk]


class TestIsDowngrade:
    @pytest.mark.parametrize(
        ("before", "after", "expected"),
        [
            ({"monthly": 20}, {"monthly": 10}, True),
            ({"monthly": 10}, {"monthly": 20}, False),
            ({"monthly": 10}, {"monthly": 10, "yearly": 60}, False),
            ({"monthly": None, "yearly": 60}, {"monthly": 10}, False),
            ({"monthly": None, "yearly": 600}, {"monthly": 10}, True),
            ({"monthly": 10}, {"pricing_type": "FREE"}, True),
            ({"pricing_type": "FREE"}, {"monthly": 10}, False),
            ({"pricing_type": "CUSTOM"}, {"monthly": 10}, True),
        ],
    )
    def test_compares_kind_and_price(self, before, after, expected: bool):
        product = a_product()
        old = a_published_plan(product=product, **before)
        new = a_published_plan(product=product, **after)

        assert updates.is_downgrade(old.live, new.live, "MONTHLY") is expected
