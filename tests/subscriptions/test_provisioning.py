from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from catalog import archiving
from catalog.checking import IdTaken
from catalog.models import BillingPeriod, Package, PricingType, TrialEnd
from subscriptions import cancellation, choices, customers, provisioning
from subscriptions.customers import CustomerIsArchived, UnknownCustomer
from subscriptions.exclusivity import SubscriptionExists
from subscriptions.models import Resource, Status, Subscription
from subscriptions.provisioning import InvalidEnd, InvalidResource, InvalidTrial, Trial
from tests.builders import (
    NOW,
    a_credit_type,
    a_customer,
    a_new_version,
    a_plan,
    a_product,
    a_published_addon,
    a_published_plan,
    a_subscription,
    some_credits,
)
from workspace import activity
from workspace.actors import SYSTEM

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)


def a_plan_with_a_trial(**options: Any) -> Package:
    trial: dict[str, Any] = {
        "trial_length": 14,
        "trial_unit": "DAY",
        "trial_end": TrialEnd.CONVERT_TO_PAID,
    }
    return a_published_plan(**(trial | options))


class TestStart:
    def test_subscribes_a_customer_to_the_live_version(self, told):
        plan = a_published_plan(entitlements=[some_credits(a_credit_type())])

        subscription = a_subscription(plan=plan, public_id="first")

        stored = Subscription.objects.get()
        assert stored == subscription
        assert (stored.plan, stored.plan_version) == (plan, plan.live)
        assert stored.product == plan.product
        assert stored.started_at == stored.billing_cycle_anchor == stored.created_at == NOW
        assert stored.status_at(NOW) == Status.ACTIVE
        assert told == [("started", "first", None, None)]
        events = [entry.event for entry in activity.for_subject("subscription", "first")]
        assert events == ["subscription.created"]

    def test_keeps_the_prices_of_the_day(self):
        """R10."""
        product = a_product()
        addon = a_published_addon(product=product, monthly=9)
        plan = a_published_plan(product=product, monthly=49, yearly=490, compatible_addons=[addon])

        subscription = a_subscription(plan=plan, addons=[(addon, 2)])

        prices = [(price["addonId"], price["amount"]) for price in subscription.prices]
        assert prices == [(None, "49"), (addon.public_id, "9")]

    def test_refuses_an_id_that_is_taken(self):
        a_subscription(public_id="first")

        with pytest.raises(IdTaken):
            a_subscription(public_id="first")

        assert Subscription.objects.count() == 1

    def test_refuses_customers_nobody_knows(self):
        plan = a_published_plan()

        with pytest.raises(UnknownCustomer):
            provisioning.start(customer_id="nobody", plan_id=plan.public_id, actor=SYSTEM, now=NOW)

    def test_refuses_archived_customers(self):
        customer = a_customer()
        customers.archive(customer_id=customer.public_id, actor=SYSTEM, now=NOW)

        with pytest.raises(CustomerIsArchived):
            a_subscription(customer)

        assert not Subscription.objects.exists()

    def test_refuses_a_plan_that_is_a_draft(self):
        with pytest.raises(choices.PlanNotOnSale, match="is not published yet"):
            a_subscription(plan=a_plan())

    def test_refuses_an_archived_plan(self):
        plan = a_published_plan()
        archiving.archive_package(package_id=plan.pk, actor=SYSTEM, now=NOW)

        with pytest.raises(choices.PlanNotOnSale, match="is archived"):
            a_subscription(plan=plan)

    @pytest.mark.parametrize("plan_id", ["nothing", "", "a\x00"])
    def test_refuses_plans_nobody_knows(self, plan_id: str):
        with pytest.raises(choices.UnknownPlan):
            provisioning.start(
                customer_id=a_customer().public_id, plan_id=plan_id, actor=SYSTEM, now=NOW
            )

    def test_leaves_nothing_behind_when_refused(self, told):
        plan = a_published_plan(product=a_product(multiple_subscriptions=True))

        with pytest.raises(choices.UnknownAddon):
            provisioning.start(
                customer_id=a_customer().public_id,
                plan_id=plan.public_id,
                resource_id="berlin",
                addons=[("nothing", 1)],
                actor=SYSTEM,
                now=NOW,
            )

        assert not Subscription.objects.exists()
        assert not Resource.objects.exists()
        assert told == []

    def test_bills_monthly_unless_only_a_year_has_a_price(self):
        monthly = a_subscription(plan=a_published_plan(monthly=10, yearly=100))
        yearly = a_subscription(plan=a_published_plan(monthly=None, yearly=100))
        free = a_subscription(plan=a_published_plan(pricing_type=PricingType.FREE))

        assert monthly.billing_period == BillingPeriod.MONTHLY
        assert yearly.billing_period == BillingPeriod.ANNUALLY
        assert free.billing_period == BillingPeriod.MONTHLY

    def test_refuses_a_period_without_a_price(self):
        with pytest.raises(choices.PriceNotFound):
            a_subscription(plan=a_published_plan(monthly=10), billing_period="ANNUALLY")

    def test_ends_beforehand_where_told_so(self):
        subscription = a_subscription(ends_at=NOW + 3 * DAY)

        assert subscription.status_at(NOW + 2 * DAY) == Status.ACTIVE
        assert subscription.status_at(NOW + 3 * DAY) == Status.CANCELED

    @pytest.mark.parametrize("ends_at", [NOW, NOW - DAY])
    def test_refuses_an_end_before_its_start(self, ends_at: datetime):
        with pytest.raises(InvalidEnd):
            a_subscription(ends_at=ends_at)


class TestResources:
    """R4: one subscription per customer, or one per resource."""

    def test_are_needed_where_a_customer_may_have_several_subscriptions(self):
        plan = a_published_plan(product=a_product(multiple_subscriptions=True))

        with pytest.raises(InvalidResource):
            a_subscription(plan=plan)

    def test_are_refused_where_a_customer_has_one(self):
        with pytest.raises(InvalidResource):
            a_subscription(resource_id="berlin")

    def test_each_have_a_subscription_of_their_own(self):
        plan = a_published_plan(product=a_product(multiple_subscriptions=True))
        customer = a_customer()
        berlin = a_subscription(customer, plan, resource_id="berlin")
        paris = a_subscription(customer, plan, resource_id="paris")

        with pytest.raises(SubscriptionExists):
            a_subscription(customer, plan, resource_id="berlin")

        assert berlin.resource != paris.resource
        assert Subscription.objects.count() == 2


class TestOneAtATime:
    """R4: one trial and one that is no trial."""

    def test_refuses_a_second_subscription_to_a_product(self, told):
        product, customer = a_product(), a_customer()
        first = a_subscription(customer, a_published_plan(product=product))

        with pytest.raises(SubscriptionExists, match=first.public_id):
            a_subscription(customer, a_published_plan(product=product))

        assert Subscription.objects.get() == first
        assert len(told) == 1

    def test_allows_a_trial_beside_a_subscription(self):
        product, customer = a_product(), a_customer()
        a_subscription(customer, a_published_plan(product=product))
        cancelling = a_plan_with_a_trial(product=product, trial_end=TrialEnd.CANCEL_SUBSCRIPTION)

        trial = a_subscription(customer, cancelling)

        assert trial.status_at(NOW) == Status.IN_TRIAL

    def test_refuses_a_trial_that_would_convert_beside_a_subscription(self):
        product, customer = a_product(), a_customer()
        a_subscription(customer, a_published_plan(product=product))

        with pytest.raises(SubscriptionExists):
            a_subscription(customer, a_plan_with_a_trial(product=product))

    def test_refuses_a_second_trial(self):
        product, customer = a_product(), a_customer()
        plan = a_plan_with_a_trial(product=product, trial_end=TrialEnd.CANCEL_SUBSCRIPTION)
        a_subscription(customer, plan)

        with pytest.raises(SubscriptionExists, match="trial"):
            a_subscription(customer, plan)

    def test_allows_one_to_follow_the_other_without_a_gap(self):
        plan, customer = a_published_plan(), a_customer()
        first = a_subscription(customer, plan)
        cancellation.cancel(
            subscription_id=first.public_id,
            time="SPECIFIC_DATE",
            ends_at=NOW + 5 * DAY,
            actor=SYSTEM,
            now=NOW,
        )

        second = a_subscription(customer, plan, started_at=NOW + 5 * DAY)

        assert second.status_at(NOW) == Status.NOT_STARTED
        assert second.status_at(NOW + 5 * DAY) == Status.ACTIVE

    def test_refuses_one_that_starts_before_the_other_ends(self):
        plan, customer = a_published_plan(), a_customer()
        a_subscription(customer, plan, ends_at=NOW + 5 * DAY)

        with pytest.raises(SubscriptionExists):
            a_subscription(customer, plan, started_at=NOW + 4 * DAY)


class TestTimes:
    def test_start_in_the_future_is_scheduled(self):
        """R13, R18."""
        subscription = a_subscription(started_at=NOW + 7 * DAY)

        assert subscription.status_at(NOW) == Status.NOT_STARTED
        assert subscription.billing_cycle_anchor == NOW + 7 * DAY

    def test_start_in_the_past_anchors_the_periods(self):
        """R19, R24."""
        subscription = a_subscription(started_at=NOW - 40 * DAY)

        assert subscription.status_at(NOW) == Status.ACTIVE
        assert subscription.billing_cycle_anchor == NOW - 40 * DAY
        assert subscription.created_at == NOW

    def test_anchor_of_ones_own_is_kept(self):
        """R19."""
        subscription = a_subscription(started_at=NOW - 40 * DAY, billing_cycle_anchor=NOW)

        assert subscription.billing_cycle_anchor == NOW

    def test_payment_that_is_awaited_holds_everything_back(self):
        """R18."""
        assert a_subscription(payment_pending=True).status_at(NOW) == Status.PAYMENT_PENDING


class TestTrials:
    def test_begin_with_the_plans_own(self):
        """R5, R25: conversion starts a new period."""
        subscription = a_subscription(plan=a_plan_with_a_trial())

        end = NOW + 14 * DAY
        assert subscription.trial_ends_at == subscription.billing_cycle_anchor == end
        assert subscription.status_at(end - DAY) == Status.IN_TRIAL
        assert subscription.status_at(end) == Status.ACTIVE

    def test_count_months_on_the_calendar(self):
        january = datetime(2026, 1, 31, 10, tzinfo=UTC)
        plan = a_plan_with_a_trial(trial_length=1, trial_unit="MONTH")

        subscription = a_subscription(plan=plan, started_at=january)

        assert subscription.trial_ends_at == datetime(2026, 2, 28, 10, tzinfo=UTC)

    def test_may_end_the_subscription(self):
        plan = a_plan_with_a_trial(trial_end=TrialEnd.CANCEL_SUBSCRIPTION)

        subscription = a_subscription(plan=plan)

        assert subscription.ends_at == NOW + 14 * DAY
        assert subscription.status_at(NOW + 14 * DAY) == Status.EXPIRED
        assert not subscription.is_cancelation_pending(NOW)
        assert subscription.billing_cycle_anchor == NOW

    def test_may_be_skipped(self):
        subscription = a_subscription(plan=a_plan_with_a_trial(), skip_trial=True)

        assert subscription.status_at(NOW) == Status.ACTIVE
        assert subscription.billing_cycle_anchor == NOW

    def test_may_be_agreed(self):
        subscription = a_subscription(trial=Trial(NOW + 3 * DAY, TrialEnd.CONVERT_TO_PAID))

        assert subscription.status_at(NOW + 2 * DAY) == Status.IN_TRIAL
        assert subscription.status_at(NOW + 3 * DAY) == Status.ACTIVE

    @pytest.mark.parametrize("ends_at", [NOW, NOW - DAY])
    def test_cannot_be_over_before_they_begin(self, ends_at: datetime):
        with pytest.raises(InvalidTrial):
            a_subscription(trial=Trial(ends_at))

    def test_that_cancel_cannot_lie_in_the_past(self):
        plan = a_plan_with_a_trial(trial_end=TrialEnd.CANCEL_SUBSCRIPTION)

        with pytest.raises(InvalidTrial):
            a_subscription(plan=plan, started_at=NOW - 15 * DAY)

    def test_that_convert_may(self):
        subscription = a_subscription(plan=a_plan_with_a_trial(), started_at=NOW - 15 * DAY)

        assert subscription.status_at(NOW) == Status.ACTIVE
        assert subscription.billing_cycle_anchor == NOW - DAY


class TestPreview:
    def test_says_what_would_be_there_and_writes_nothing(self, told):
        product = a_product(multiple_subscriptions=True)
        credit_type = a_credit_type()
        addon = a_published_addon(product=product, entitlements=[some_credits(credit_type, 10)])
        plan = a_published_plan(
            product=product,
            entitlements=[some_credits(credit_type, 50)],
            compatible_addons=[addon],
        )

        preview = provisioning.preview(
            customer_id=a_customer().public_id,
            plan_id=plan.public_id,
            resource_id="berlin",
            addons=[(addon.public_id, 3)],
            now=NOW,
        )

        assert [(source.amount, source.quantity) for source in preview.sources] == [
            (50, 1),
            (10, 3),
        ]
        assert preview.subscription.status_at(NOW) == Status.ACTIVE
        assert not Subscription.objects.exists()
        assert not Resource.objects.exists()
        assert told == []

    def test_refuses_what_would_be_refused(self):
        customer, plan = a_customer(), a_published_plan()
        a_subscription(customer, plan)

        with pytest.raises(SubscriptionExists):
            provisioning.preview(customer_id=customer.public_id, plan_id=plan.public_id, now=NOW)


class TestVersions:
    def test_of_future_starts_move_along(self, told):
        """R13: a start in the future uses the version that is latest when it takes effect."""
        plan = a_published_plan()
        future = a_subscription(plan=plan, started_at=NOW + 7 * DAY)
        running = a_subscription(plan=plan)
        told.clear()

        version = a_new_version(plan, now=NOW + DAY)

        future.refresh_from_db()
        running.refresh_from_db()
        assert future.plan_version == version
        assert running.plan_version == plan.live
        assert told == [("changed", future.public_id, "MIGRATION", False)]
        assert future.prices[0]["amount"] == "49"
