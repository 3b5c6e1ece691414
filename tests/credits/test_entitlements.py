from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from catalog.models import Feature, FeatureType, ResetPeriod
from credits import entitlements
from credits.access import Denial
from credits.entitlements import Wish
from subscriptions import customers, promotions
from subscriptions.models import Customer
from subscriptions.promotions import Gift
from tests.builders import (
    NOW,
    a_customer,
    a_feature,
    a_published_plan,
    a_resource,
    a_subscription,
    some_units,
)
from workspace.actors import SYSTEM

pytestmark = pytest.mark.django_db

LATER = NOW + timedelta(days=3)


@pytest.fixture
def acme() -> Customer:
    return a_customer(public_id="acme")


@pytest.fixture
def seats() -> Feature:
    return a_feature("Seats", public_id="seats")


def give(feature_id: str = "seats", *, period: str = "1 week", **terms: Any) -> None:
    promotions.give(
        customer_id="acme",
        gifts=[Gift(feature_id=feature_id, period=period, **terms)],
        actor=SYSTEM,
        now=NOW,
    )


def check(feature_id: str = "seats", *, now=LATER, resource_id: str | None = None, **wish):
    return entitlements.check_feature(
        customer_id="acme",
        feature_id=feature_id,
        resource_id=resource_id,
        wish=Wish(**wish),
        now=now,
    )


class TestPromotionalEntitlements:
    def test_give_access_without_a_subscription_while_they_last(self, acme, seats):
        give(usage_limit=5)

        assert check().denial is None
        assert check(usage=Decimal(5)).denial is None
        assert check(usage=Decimal(6)).denial == Denial.REQUESTED_USAGE_EXCEEDING_LIMIT
        assert check(now=NOW + timedelta(weeks=1)).denial == Denial.NO_ACTIVE_SUBSCRIPTION

    def test_end_at_once_when_they_are_revoked(self, acme, seats):
        give(usage_limit=5)

        promotions.revoke(customer_id="acme", feature_id="seats", actor=SYSTEM, now=LATER)

        assert check(now=LATER - timedelta(microseconds=1)).denial is None
        assert check(now=LATER).denial == Denial.NO_ACTIVE_SUBSCRIPTION

    @pytest.mark.parametrize(("given", "limit"), [(3, 5), (5, 5), (8, 8)])
    def test_count_instead_of_what_is_bought_where_they_are_more(self, acme, seats, given, limit):
        a_subscription(acme, a_published_plan(entitlements=[some_units(seats, 5)]))
        give(usage_limit=given)

        assert check().usage_limit == limit

    def test_stand_against_all_subscriptions_together(self, acme, seats):
        for _ in range(2):
            a_subscription(acme, a_published_plan(entitlements=[some_units(seats, 5)]))
        give(usage_limit=9)

        assert check().usage_limit == 10

    def test_bring_their_own_reset_period_where_they_count(self, acme):
        calls = a_feature("Calls", public_id="calls", meter_type="INCREMENTAL")
        plan = a_published_plan(entitlements=[some_units(calls, 5, reset_period=ResetPeriod.MONTH)])
        a_subscription(acme, plan, now=NOW - timedelta(days=10))
        give("calls", usage_limit=8, reset_period="WEEK", period="1 month")

        state = check("calls")

        assert (state.usage_limit, state.reset_period) == (8, "WEEK")
        assert state.window == (NOW, NOW + timedelta(weeks=1))
        assert state.anchor == NOW

    def test_say_until_when_an_answer_holds(self, acme, seats):
        give(usage_limit=5)

        assert check().valid_until == NOW + timedelta(weeks=1)

    def test_switch_features_on_and_add_values(self, acme):
        sso = a_feature(public_id="sso", type=FeatureType.BOOLEAN)
        values = [{"value": "gold"}, {"value": "silver"}]
        a_feature(public_id="support", type=FeatureType.ENUM, enum_values=values)
        plan = a_published_plan(
            entitlements=[some_units(sso, 0, usage_limit=None, is_granted=False)]
        )
        a_subscription(acme, plan)
        assert check("sso").denial == Denial.REVOKED

        give("sso")
        give("support", enum_values=["gold"])

        assert check("sso").denial is None
        assert check("support", values=["gold"]).denial is None
        assert check("support", values=["silver"]).denial == Denial.REQUESTED_VALUES_MISMATCH

    def test_belong_to_the_customer_and_to_no_resource(self, acme, seats):
        """R42."""
        a_resource(acme, "berlin")
        give(usage_limit=5)

        assert check(resource_id="berlin").denial == Denial.NO_ACTIVE_SUBSCRIPTION

    def test_are_nothing_to_archived_customers(self, acme, seats):
        give(usage_limit=5)
        customers.archive(customer_id="acme", actor=SYSTEM, now=LATER)

        assert check().denial == Denial.CUSTOMER_IS_ARCHIVED

    def test_stand_among_everything_a_customer_may_use(self, acme, seats):
        give(usage_limit=5)

        state = entitlements.state(customer_id="acme", resource_id=None, now=LATER)

        assert state.denial is None
        [feature] = state.features
        assert (feature.feature, feature.usage_limit) == (seats, 5)

    def test_cost_one_statement(self, acme, seats, django_assert_num_queries):
        give(usage_limit=5)
        with django_assert_num_queries(4):
            check()
