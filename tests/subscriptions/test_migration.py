from datetime import timedelta

import pytest

from catalog.models import Package, PackageVersion
from catalog.publishing import Audience
from subscriptions import cancellation, migration
from subscriptions.causes import Cause
from subscriptions.finding import SubscriptionEnded
from subscriptions.models import (
    Subscription,
)
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
