from datetime import timedelta

import pytest

from catalog.models import Package, PackageVersion
from catalog.publishing import Audience
from subscriptions import cancellation, migration, updates
from subscriptions.causes import Cause
from subscriptions.finding import SubscriptionEnded
from subscriptions.models import Subscription, UpdateStatus
from tests.builders import (
    NOW,
    a_customer,
    a_new_version,
    a_product,
    a_published_addon,
    a_published_plan,
    a_subscription,
)
from workspace import activity
from workspace.actors import SYSTEM

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)
LATER = NOW + 3 * DAY


def publish(package: Package, audience: Audience = Audience.ALL_CUSTOMERS) -> PackageVersion:
    return a_new_version(package, audience=audience, now=NOW + DAY)


def migrate(subscription: Subscription) -> Subscription:
    return migration.migrate(subscription_id=subscription.public_id, actor=SYSTEM, now=LATER)


class TestMigrate:
    def test_moves_everything_to_the_latest_versions_and_prices(self, told):
        """R10: the only way for new prices to reach an existing subscription."""
        product = a_product()
        addon = a_published_addon(product=product, monthly=9)
        plan = a_published_plan(product=product, monthly=49, compatible_addons=[addon])
        subscription = a_subscription(plan=plan, addons=[(addon, 2)])
        newer_addon = publish(addon, Audience.NEW_CUSTOMERS)
        newer = publish(plan, Audience.NEW_CUSTOMERS)
        newer_price = [{**subscription.prices[0], "amount": "1"}]
        Subscription.objects.update(prices=newer_price)
        told.clear()

        moved = migrate(subscription)

        assert moved.plan_version == newer
        assert moved.addons.get().version == newer_addon
        assert [price["amount"] for price in moved.prices] == ["49", "9"]
        assert told == [("changed", subscription.public_id, Cause.MIGRATION, False)]
        (entry, *_) = activity.for_subject("subscription", subscription.public_id)
        assert entry.event == "subscription.migrated"

    def test_changes_nothing_where_all_is_the_latest(self, told):
        subscription = a_subscription(a_customer())
        told.clear()

        migrate(subscription)

        assert told == []

    def test_refuses_what_has_ended(self):
        subscription = a_subscription()
        cancellation.cancel(
            subscription_id=subscription.public_id, time="IMMEDIATE", actor=SYSTEM, now=NOW
        )

        with pytest.raises(SubscriptionEnded):
            migrate(subscription)

    def test_replaces_a_migration_that_waits_for_the_period(self):
        """R13: at the period's end, it would move on to whatever is published till then."""
        plan = a_published_plan(monthly=49)
        subscription = a_subscription(plan=plan)
        publish(plan, Audience.NEW_CUSTOMERS)
        waiting = migration.migrate(
            subscription_id=subscription.public_id, at_period_end=True, actor=SYSTEM, now=LATER
        )
        assert waiting.next_update_at is not None

        moved = migrate(subscription)

        assert moved.next_update_at is None
        assert subscription.scheduled_updates.get().status == UpdateStatus.CANCELED

    def test_keeps_another_update_that_is_scheduled(self):
        """R13: it takes effect on the version that is the latest then."""
        product = a_product()
        addon = a_published_addon(product=product)
        plan = a_published_plan(product=product, compatible_addons=[addon])
        subscription = a_subscription(plan=plan)
        updates.update(
            subscription_id=subscription.public_id,
            when=updates.When.END_OF_BILLING_PERIOD,
            addons=[(addon.public_id, 1)],
            actor=SYSTEM,
            now=NOW,
        )
        publish(plan, Audience.NEW_CUSTOMERS)

        assert migrate(subscription).next_update_at is not None
