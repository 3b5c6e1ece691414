from datetime import datetime, timedelta
from typing import Any

import pytest

from catalog import products
from catalog.models import Package, TrialEnd
from catalog.models.products import EndSetup
from subscriptions import cancellation, updates
from subscriptions.endings import InvalidEndDate
from subscriptions.exclusivity import SubscriptionExists
from subscriptions.finding import SubscriptionEnded, UnknownSubscription
from subscriptions.models import CancelReason, EndReason, Status, Subscription
from tests.builders import (
    NOW,
    a_customer,
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
PERIOD_END = datetime(2026, 2, 1, 10, tzinfo=NOW.tzinfo)


def cancel(subscription: Subscription, now: datetime = LATER, **options) -> Subscription:
    return cancellation.cancel(
        subscription_id=subscription.public_id, actor=SYSTEM, now=now, **options
    )


class TestCancel:
    def test_ends_with_the_period_unless_the_product_says_otherwise(self, told):
        """R4."""
        canceled = cancel(a_subscription())

        assert canceled.ends_at == PERIOD_END
        assert canceled.status_at(LATER) == Status.ACTIVE
        assert canceled.is_cancelation_pending(LATER)
        assert canceled.status_at(PERIOD_END) == Status.CANCELED
        assert canceled.cancel_reason == CancelReason.SCHEDULED
        assert [said.what for said in told] == ["started", "ended"]

    def test_ends_at_once_where_the_product_says_so(self):
        """R4."""
        plan = a_published_plan(product=a_product(cancellation_time="IMMEDIATE"))

        assert cancel(a_subscription(plan=plan)).status_at(LATER) == Status.CANCELED

    def test_ends_at_once(self):
        canceled = cancel(a_subscription(), time="IMMEDIATE")

        assert canceled.ends_at == LATER
        assert canceled.cancel_reason == CancelReason.IMMEDIATE
        events = activity.for_subject("subscription", canceled.public_id)
        assert events[0].event == "subscription.canceled"

    def test_ends_on_a_date(self):
        canceled = cancel(a_subscription(), time="SPECIFIC_DATE", ends_at=LATER + DAY)

        assert canceled.ends_at == LATER + DAY

    @pytest.mark.parametrize("ends_at", [None, LATER, NOW])
    def test_refuses_dates_that_have_passed(self, ends_at: datetime | None):
        subscription = a_subscription()

        with pytest.raises(InvalidEndDate) as refusal:
            cancel(subscription, time="SPECIFIC_DATE", ends_at=ends_at)

        subscription.refresh_from_db()
        assert subscription.ends_at is None
        assert refusal.value.field == "end_date"

    def test_ends_with_the_trial_while_there_is_one(self):
        plan = a_published_plan(
            trial_length=14, trial_unit="DAY", trial_end=TrialEnd.CONVERT_TO_PAID
        )

        canceled = cancel(a_subscription(plan=plan), time="END_OF_BILLING_PERIOD")

        assert canceled.ends_at == NOW + 14 * DAY
        assert canceled.status_at(NOW + 14 * DAY) == Status.CANCELED

    def test_does_not_outlive_a_trial_that_cancels(self):
        """R5."""
        plan = a_published_plan(
            trial_length=14, trial_unit="DAY", trial_end=TrialEnd.CANCEL_SUBSCRIPTION
        )

        canceled = cancel(a_subscription(plan=plan), time="SPECIFIC_DATE", ends_at=NOW + 40 * DAY)

        assert canceled.ends_at == NOW + 14 * DAY
        assert canceled.status_at(NOW + 14 * DAY) == Status.CANCELED

    def test_ends_what_has_not_started(self):
        canceled = cancel(a_subscription(started_at=LATER + DAY))

        assert canceled.status_at(LATER) == Status.CANCELED

    def test_is_harmless_when_repeated(self, told):
        subscription = a_subscription()
        cancel(subscription, time="IMMEDIATE")
        told.clear()

        again = cancel(subscription, now=LATER + DAY, time="IMMEDIATE")

        assert again.ends_at == LATER
        assert told == []

    def test_tells_nothing_where_the_end_stays(self, told):
        subscription = a_subscription()
        cancel(subscription)
        told.clear()

        cancel(subscription, now=LATER + DAY)

        assert told == []

    def test_replaces_an_earlier_one(self, told):
        subscription = a_subscription()
        cancel(subscription)

        canceled = cancel(subscription, time="IMMEDIATE")

        assert canceled.ends_at == LATER
        assert len(told) == 3

    def test_refuses_what_expired(self):
        subscription = a_subscription()
        cancellation.expire(subscription_id=subscription.public_id, actor=SYSTEM, now=NOW)

        with pytest.raises(SubscriptionEnded):
            cancel(subscription)

    @pytest.mark.parametrize("subscription_id", ["nothing", "", "a\x00"])
    def test_refuses_what_nobody_knows(self, subscription_id: str):
        with pytest.raises(UnknownSubscription):
            cancellation.cancel(subscription_id=subscription_id, actor=SYSTEM, now=NOW)

    def test_cannot_run_into_the_next_one(self):
        customer, plan = a_customer(), a_published_plan()
        first = a_subscription(customer, plan)
        cancel(first, time="SPECIFIC_DATE", ends_at=LATER + DAY)
        a_subscription(customer, plan, started_at=LATER + 2 * DAY, now=LATER)

        with pytest.raises(SubscriptionExists):
            cancel(first, time="END_OF_BILLING_PERIOD")

        first.refresh_from_db()
        assert first.ends_at == LATER + DAY


class TestExpire:
    def test_ends_at_once(self, told):
        subscription = a_subscription()

        expired = cancellation.expire(
            subscription_id=subscription.public_id, actor=SYSTEM, now=LATER
        )

        assert expired.status_at(LATER) == Status.EXPIRED
        assert expired.end_reason == EndReason.EXPIRED
        assert told[-1].what == "ended"


class TestKeep:
    def test_takes_a_cancelation_back(self, told):
        subscription = a_subscription()
        cancel(subscription)

        kept = cancellation.keep(subscription_id=subscription.public_id, actor=SYSTEM, now=LATER)

        assert (kept.ends_at, kept.end_reason, kept.cancel_reason) == (None, "", "")
        assert told[-1] == ("changed", subscription.public_id, "END", False)

    def test_leaves_the_end_of_a_trial(self):
        plan = a_published_plan(
            trial_length=14, trial_unit="DAY", trial_end=TrialEnd.CANCEL_SUBSCRIPTION
        )
        subscription = a_subscription(plan=plan)
        cancel(subscription, time="SPECIFIC_DATE", ends_at=LATER + DAY)

        kept = cancellation.keep(subscription_id=subscription.public_id, actor=SYSTEM, now=LATER)

        assert kept.ends_at == NOW + 14 * DAY
        assert kept.end_reason == EndReason.EXPIRED

    def test_changes_nothing_without_one(self, told):
        subscription = a_subscription()

        cancellation.keep(subscription_id=subscription.public_id, actor=SYSTEM, now=LATER)

        assert [said.what for said in told] == ["started"]

    def test_comes_too_late_after_the_end(self):
        subscription = a_subscription()
        cancel(subscription)

        with pytest.raises(SubscriptionEnded):
            cancellation.keep(subscription_id=subscription.public_id, actor=SYSTEM, now=PERIOD_END)

    def test_cannot_run_into_the_next_one(self):
        customer, plan = a_customer(), a_published_plan()
        first = a_subscription(customer, plan)
        cancel(first)
        a_subscription(customer, plan, started_at=PERIOD_END, now=LATER)

        with pytest.raises(SubscriptionExists):
            cancellation.keep(subscription_id=first.public_id, actor=SYSTEM, now=LATER)


class TestFallingBack:
    """R4: at its end a subscription goes over to a plan, where the product says so."""

    @pytest.fixture
    def free(self) -> Package:
        return a_published_plan("Free", pricing_type="FREE")

    @pytest.fixture
    def subscription(self, free: Package) -> Subscription:
        addon = a_published_addon(product=free.product)
        pro = a_published_plan("Pro", product=free.product, compatible_addons=[addon])
        products.update(
            product_id=free.product_id,
            end_setup=EndSetup.DOWNGRADE_TO_FREE,
            downgrade_plan=free,
            actor=SYSTEM,
            now=NOW,
        )
        return a_subscription(plan=pro, addons=[(addon, 2)])

    def cancel(self, subscription: Subscription, **fields: Any) -> Subscription:
        fields.setdefault("time", "END_OF_BILLING_PERIOD")
        return cancellation.cancel(
            subscription_id=subscription.public_id, actor=SYSTEM, now=NOW, **fields
        )

    def test_happens_at_the_end_of_the_period(self, subscription, free):
        self.cancel(subscription)
        canceled = self.cancel(subscription)

        update = subscription.scheduled_updates.get()
        assert (update.plan_version, update.takes_effect_at) == (free.live, NOW.replace(month=2))
        assert (canceled.ends_at, canceled.addons.count()) == (None, 1)
        updates.write_down_due(NOW.replace(month=2))
        subscription.refresh_from_db()
        assert subscription.plan == free
        assert not subscription.addons.exists()
        assert subscription.status_at(NOW.replace(month=2)) == Status.ACTIVE

    def test_happens_at_once(self, subscription, free):
        assert self.cancel(subscription, time="IMMEDIATE").plan == free

    def test_does_not_happen_where_all_is_revoked(self, subscription):
        self.cancel(subscription)

        canceled = self.cancel(subscription, action="REVOKE_ENTITLEMENTS")

        assert canceled.ends_at == NOW.replace(month=2)
        assert canceled.next_update_at is None

    def test_takes_an_end_back_that_was_set(self, subscription, free):
        self.cancel(subscription, action="REVOKE_ENTITLEMENTS")

        canceled = self.cancel(subscription)

        assert canceled.ends_at is None
        assert canceled.next_update_at == NOW.replace(month=2)

    def test_ends_what_is_on_that_plan(self, subscription, free):
        self.cancel(subscription, time="IMMEDIATE")

        assert self.cancel(subscription).ends_at == NOW.replace(month=2)
