from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from catalog import archiving
from catalog.checking import InvalidField
from catalog.models import Behaviour, Feature, FeatureType, ResetPeriod
from subscriptions import customers, promotions
from subscriptions.customers import CustomerIsArchived, UnknownCustomer
from subscriptions.entitlements import effective_features
from subscriptions.models import Customer, PromotionalEntitlement, PromotionStatus
from subscriptions.promotions import Gift, InvalidPromotions, UnknownPromotion
from tests.builders import (
    NOW,
    a_customer,
    a_feature,
    a_published_addon,
    a_published_plan,
    a_subscription,
    some_units,
)
from workspace import activity
from workspace.actors import SYSTEM

pytestmark = pytest.mark.django_db

LATER = NOW + timedelta(days=3)


def a_gift(feature: Feature, **terms: Any) -> Gift:
    """A month of a feature; five units if it is a number."""
    if feature.type == FeatureType.NUMBER and not terms.get("has_unlimited_usage"):
        terms.setdefault("usage_limit", 5)
    return Gift(**{"feature_id": feature.public_id, "period": "1 month", **terms})


def give(customer: Customer, *gifts: Gift, now: datetime = NOW) -> list[PromotionalEntitlement]:
    return promotions.give(customer_id=customer.public_id, gifts=gifts, actor=SYSTEM, now=now)


def a_list(**fields: Any) -> Feature:
    values = [{"value": name, "displayName": name.title()} for name in ("gold", "silver")]
    return a_feature("Support", type=FeatureType.ENUM, enum_values=values, **fields)


class TestGive:
    def test_stores_what_is_given_and_records_it(self):
        customer = a_customer(public_id="acme")
        seats = a_feature(public_id="seats")

        [given] = give(
            customer, a_gift(seats, usage_limit=7, has_soft_limit=True, is_visible=False)
        )

        stored = PromotionalEntitlement.objects.get()
        assert stored == given
        assert (stored.customer, stored.feature, stored.usage_limit) == (customer, seats, 7)
        assert (stored.has_soft_limit, stored.is_visible) == (True, False)
        assert (stored.starts_at, stored.created_at) == (NOW, NOW)
        entry = activity.for_subject("promotionalentitlement", stored.public_id).get()
        assert (entry.event, entry.customer) == ("promotional_entitlement.granted", "acme")
        assert (entry.payload["feature"], entry.payload["usage_limit"]) == ("seats", 7)

    @pytest.mark.parametrize(
        ("period", "end"),
        [
            ("1 week", datetime(2026, 8, 7, 10, tzinfo=UTC)),
            ("1 month", datetime(2026, 8, 31, 10, tzinfo=UTC)),
            ("6 month", datetime(2027, 1, 31, 10, tzinfo=UTC)),
            ("1 year", datetime(2027, 7, 31, 10, tzinfo=UTC)),
            ("lifetime", None),
        ],
    )
    def test_ends_with_its_period(self, period: str, end: datetime | None):
        now = datetime(2026, 7, 31, 10, tzinfo=UTC)

        [given] = give(a_customer(), a_gift(a_feature(), period=period), now=now)

        assert given.ends_at == end

    def test_clamps_months_as_periods_are_clamped(self):
        """R19."""
        now = datetime(2026, 1, 31, 10, tzinfo=UTC)

        [given] = give(a_customer(), a_gift(a_feature()), now=now)

        assert given.ends_at == datetime(2026, 2, 28, 10, tzinfo=UTC)

    def test_ends_on_a_date_of_its_own(self):
        [given] = give(a_customer(), a_gift(a_feature(), period="custom", custom_end_date=LATER))

        assert given.ends_at == LATER
        just_before = LATER - timedelta(microseconds=1)
        assert given.status_at(just_before) == PromotionStatus.ACTIVE
        assert given.status_at(LATER) == PromotionStatus.EXPIRED

    @pytest.mark.parametrize(
        "terms",
        [
            {"period": "custom"},
            {"period": "custom", "custom_end_date": NOW},
            {"period": "1 month", "custom_end_date": LATER},
        ],
    )
    def test_refuses_a_date_that_does_not_fit(self, terms):
        with pytest.raises(InvalidField) as refusal:
            give(a_customer(), a_gift(a_feature(), **terms))

        assert refusal.value.field == "custom_end_date"
        assert not PromotionalEntitlement.objects.exists()

    def test_refuses_values_that_the_feature_cannot_have(self):
        """R7."""
        customer = a_customer()
        switch, seats, support = a_feature(type=FeatureType.BOOLEAN), a_feature(), a_list()
        wrong = [
            (a_gift(switch, usage_limit=5), "usage_limit"),
            (a_gift(switch, has_unlimited_usage=True), "usage_limit"),
            (a_gift(seats, usage_limit=None), "usage_limit"),
            (a_gift(seats, usage_limit=5, has_unlimited_usage=True), "usage_limit"),
            (a_gift(support), "enum_values"),
            (a_gift(support, enum_values=["bronze"]), "enum_values"),
            (a_gift(seats, enum_values=["gold"]), "enum_values"),
        ]

        for gift, field in wrong:
            with pytest.raises(InvalidField) as refusal:
                give(customer, gift)
            assert refusal.value.field == field

        assert not PromotionalEntitlement.objects.exists()

    def test_refuses_features_that_are_archived_or_unknown(self):
        old = a_feature()
        archiving.archive_feature(feature_id=old.pk, actor=SYSTEM, now=NOW)

        for gift in (a_gift(old), Gift(feature_id="nothing", period="1 month")):
            with pytest.raises(InvalidField) as refusal:
                give(a_customer(), gift)
            assert refusal.value.field == "feature_id"

    def test_gives_all_or_nothing_and_says_which_row_is_at_fault(self):
        seats, images = a_feature(), a_feature()

        with pytest.raises(InvalidPromotions) as refusal:
            give(
                a_customer(),
                a_gift(seats),
                a_gift(images, usage_limit=None),
                a_gift(seats),
            )

        assert refusal.value.rows == {
            1: "Enter a limit, or choose unlimited.",
            2: "This feature is given twice.",
        }
        assert not PromotionalEntitlement.objects.exists()

    def test_ends_what_was_given_of_the_feature_before(self):
        customer, seats = a_customer(), a_feature()
        [first] = give(customer, a_gift(seats))
        [theirs] = give(a_customer(), a_gift(seats))

        [second] = give(customer, a_gift(seats, usage_limit=9), now=LATER)

        first.refresh_from_db()
        theirs.refresh_from_db()
        assert (first.ends_at, second.starts_at) == (LATER, LATER)
        assert theirs.status_at(LATER) == PromotionStatus.ACTIVE
        assert promotions.in_force(customer, LATER) == [second]
        entry = activity.for_subject("promotionalentitlement", second.public_id).get()
        assert entry.payload["replaces"] == first.public_id

    def test_refuses_archived_and_unknown_customers(self):
        customer = a_customer()
        customers.archive(customer_id=customer.public_id, actor=SYSTEM, now=NOW)

        with pytest.raises(CustomerIsArchived):
            give(customer, a_gift(a_feature()))
        with pytest.raises(UnknownCustomer):
            promotions.give(customer_id="nobody", gifts=[], actor=SYSTEM, now=NOW)

        assert not PromotionalEntitlement.objects.exists()


class TestRevoke:
    def test_ends_it_at_once_and_records_it(self):
        customer, seats = a_customer(public_id="acme"), a_feature(public_id="seats")
        [given] = give(customer, a_gift(seats, period="lifetime"))

        promotions.revoke(customer_id="acme", feature_id="seats", actor=SYSTEM, now=LATER)

        given.refresh_from_db()
        assert given.ends_at == LATER
        assert promotions.in_force(customer, LATER) == []
        newest = activity.for_subject("promotionalentitlement", given.public_id)[0]
        assert newest.event == "promotional_entitlement.revoked"
        assert newest.payload["ends_at"] == [None, LATER.isoformat()]

    def test_knows_only_what_the_customer_has_now(self):
        seats = a_feature(public_id="seats")
        give(a_customer(), a_gift(seats))
        give(a_customer(public_id="acme"), a_gift(seats, period="1 week"))
        after = NOW + timedelta(weeks=1)

        for feature_id in ("seats", "nothing", "a\0b"):
            with pytest.raises(UnknownPromotion):
                promotions.revoke(
                    customer_id="acme", feature_id=feature_id, actor=SYSTEM, now=after
                )

        assert not PromotionalEntitlement.objects.filter(updated_at=after).exists()


class TestInForce:
    def test_counts_from_its_start_until_just_before_its_end(self):
        customer = a_customer()
        [given] = give(customer, a_gift(a_feature(), period="1 week"))
        end = NOW + timedelta(weeks=1)

        assert promotions.in_force(customer, NOW - timedelta(microseconds=1)) == []
        assert promotions.in_force(customer, NOW) == [given]
        assert promotions.in_force(customer, end - timedelta(microseconds=1)) == [given]
        assert promotions.in_force(customer, end) == []


class TestTogether:
    """What is bought and what is given: the more generous of the two counts."""

    def both(self, limit: int | None, feature: Feature | None = None, **terms: Any):
        feature = feature or a_feature()
        plan = a_published_plan(
            entitlements=[some_units(feature, limit, reset_period=ResetPeriod.MONTH)]
        )
        subscription = a_subscription(plan=plan)
        [given] = give(subscription.customer, a_gift(feature, **terms))
        [bought] = effective_features(subscription, NOW)
        return promotions.together(bought, promotions.effective(given))

    @pytest.mark.parametrize(
        ("bought", "given", "limit", "reset_period"),
        [(5, 7, 7, "DAY"), (7, 5, 7, "MONTH"), (5, 5, 5, "MONTH"), (None, 9, None, "MONTH")],
    )
    def test_the_larger_limit_counts_with_its_reset_period(
        self, bought, given, limit, reset_period
    ):
        one = self.both(bought, usage_limit=given, reset_period="DAY")

        assert (one.usage_limit, one.reset_period) == (limit, reset_period)
        assert [source.is_promotional for source in one.sources] == [False, True]

    def test_no_limit_is_more_than_any(self):
        one = self.both(5, has_unlimited_usage=True)

        assert (one.usage_limit, one.has_unlimited_usage) == (None, True)

    def test_a_soft_limit_of_either_softens_both(self):
        assert self.both(5, usage_limit=3, has_soft_limit=True).has_soft_limit

    def test_what_a_plan_revokes_can_be_given(self):
        seats = a_feature()
        plan = a_published_plan(entitlements=[some_units(seats, 50, is_granted=False)])
        subscription = a_subscription(plan=plan)
        [given] = give(subscription.customer, a_gift(seats, usage_limit=2))
        [bought] = effective_features(subscription, NOW)

        one = promotions.together(bought, promotions.effective(given))

        assert (one.is_granted, one.usage_limit) == (True, 2)

    def test_addons_count_with_the_plan(self):
        seats = a_feature()
        addon = a_published_addon(
            entitlements=[some_units(seats, 4, behaviour=Behaviour.INCREMENT)]
        )
        plan = a_published_plan(
            product=addon.product,
            entitlements=[some_units(seats, 5)],
            compatible_addons=[addon],
        )
        subscription = a_subscription(plan=plan, addons=[(addon, 1)])
        [given] = give(subscription.customer, a_gift(seats, usage_limit=8))
        [bought] = effective_features(subscription, NOW)

        assert promotions.together(bought, promotions.effective(given)).usage_limit == 9
