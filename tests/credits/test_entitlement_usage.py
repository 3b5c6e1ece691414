from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from catalog.entitlements import NewFeature
from catalog.models import FeatureType, ResetPeriod
from credits import entitlement_usage
from credits.entitlement_usage import UsageLine
from credits.models import Pool, UsageRecord
from subscriptions.models import Subscription
from tests.builders import (
    a_credit_type,
    a_customer,
    a_feature,
    a_metered_feature,
    a_published_plan,
    a_subscription,
    some_credits,
    some_units,
)
from tests.credits.pools import START, a_pool, consumed, granted

pytestmark = pytest.mark.django_db

RESET = START.replace(month=4, day=30)


def subscribed(*entitlements) -> Subscription:
    return a_subscription(
        plan=a_published_plan(entitlements=list(entitlements), now=START), now=START
    )


def lines(subscription: Subscription, now=START) -> dict[str, UsageLine]:
    found = entitlement_usage.lines(subscription.customer, resource=None, now=now)
    return {line.name: line for line in found}


class TestLines:
    def test_says_how_much_of_the_credits_is_used(self):
        subscription = subscribed(some_credits(a_credit_type("AI Credits"), 5000))
        consumed(Pool.objects.get(), 3200)

        line = lines(subscription)["AI Credits"]

        assert (line.used, line.limit, line.percent) == (3200, 5000, 64)
        assert (line.reset_period, line.next_reset_at) == ("Month", RESET)

    def test_starts_again_at_the_first_instant_of_a_period_without_a_worker(self):
        subscription = subscribed(some_credits(a_credit_type("AI Credits"), 5000))
        consumed(Pool.objects.get(), 3200)

        line = lines(subscription, RESET)["AI Credits"]

        assert (line.used, line.limit, line.next_reset_at) == (
            0,
            5000,
            RESET.replace(month=5, day=31),
        )

    def test_says_how_much_of_a_metered_feature_is_used(self):
        images = a_metered_feature("Images", now=START)
        subscription = subscribed(some_units(images, 10, reset_period=ResetPeriod.MONTH))
        UsageRecord.objects.create(
            customer=subscription.customer,
            feature=images,
            value=Decimal(4),
            occurred_at=START,
            recorded_at=START,
        )

        now = START + timedelta(days=1)
        line = lines(subscription, now)["Images"]

        assert (line.used, line.limit, line.percent) == (4, 10, 40)
        assert (line.reset_period, line.next_reset_at) == ("Month", RESET)
        assert lines(subscription, RESET)["Images"].used == 0

    def test_measures_nothing_of_what_is_not_metered(self):
        seats = a_feature("Seats", now=START)
        sso = a_feature("SSO", type=FeatureType.BOOLEAN, now=START)
        subscription = subscribed(some_units(seats, 5), NewFeature(sso, {}))

        found = lines(subscription)

        assert (found["Seats"].used, found["Seats"].limit, found["Seats"].percent) == (
            None,
            5,
            None,
        )
        assert (found["SSO"].used, found["SSO"].limit) == (None, None)

    def test_has_no_limit_where_use_is_unlimited(self):
        subscription = subscribed(some_units(a_metered_feature("Images", now=START), None))

        line = lines(subscription)["Images"]

        assert (line.used, line.limit, line.is_unlimited) == (0, None, True)

    def test_lists_credits_that_no_subscription_gave(self):
        customer = a_customer()
        pool = a_pool(customer, a_credit_type("API Credits"))
        granted(pool, 70)

        (line,) = entitlement_usage.lines(customer, resource=None, now=START)

        assert (line.name, line.used, line.limit, line.reset_period) == ("API Credits", 0, 70, "")

    def test_takes_as_many_queries_for_many_entitlements_as_for_few(self):
        few = subscribed(some_credits(a_credit_type(), 1), some_units(a_metered_feature(), 1))
        many = subscribed(
            *(some_credits(a_credit_type(), 1) for _ in range(4)),
            *(some_units(a_metered_feature(), 1) for _ in range(4)),
        )

        counts = []
        for subscription in (few, many):
            fresh = Subscription.objects.get(pk=subscription.pk)
            with CaptureQueriesContext(connection) as queries:
                lines(fresh, RESET)
            counts.append(len(queries))

        assert counts[0] == counts[1]
