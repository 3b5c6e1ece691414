from decimal import Decimal

import pytest

from catalog import archiving
from catalog.models import FeatureType, PricingType
from subscriptions import choices
from subscriptions.choices import (
    AddonNotOnSale,
    CreditValue,
    FeatureValue,
    IncompatibleAddon,
    InvalidQuantity,
    InvalidValue,
    MissingDependency,
)
from subscriptions.models import Subscription
from tests.builders import (
    NOW,
    a_credit_type,
    a_feature,
    a_product,
    a_published_addon,
    a_published_plan,
    a_subscription,
    some_credits,
    some_units,
)
from workspace.actors import SYSTEM

pytestmark = pytest.mark.django_db


class TestAddons:
    """R5, R6."""

    def test_must_be_compatible(self):
        product = a_product()
        addon = a_published_addon(product=product)

        with pytest.raises(IncompatibleAddon):
            a_subscription(plan=a_published_plan(product=product), addons=[(addon, 1)])

        assert not Subscription.objects.exists()

    @pytest.mark.parametrize("quantity", [0, -1, 4])
    def test_come_at_least_once_and_at_most_as_often_as_allowed(self, quantity: int):
        product = a_product()
        addon = a_published_addon(product=product, max_quantity=3)
        plan = a_published_plan(product=product, compatible_addons=[addon])

        with pytest.raises(InvalidQuantity):
            a_subscription(plan=plan, addons=[(addon, quantity)])

    def test_are_named_once(self):
        product = a_product()
        addon = a_published_addon(product=product)
        plan = a_published_plan(product=product, compatible_addons=[addon])

        with pytest.raises(InvalidQuantity, match="twice"):
            a_subscription(plan=plan, addons=[(addon, 1), (addon, 2)])

    def test_bring_what_they_depend_on(self):
        product = a_product()
        base = a_published_addon("Base", product=product)
        more = a_published_addon("More", product=product, dependencies=[base])
        plan = a_published_plan(product=product, compatible_addons=[base, more])

        with pytest.raises(MissingDependency, match="More needs Base"):
            a_subscription(plan=plan, addons=[(more, 1)])

        assert a_subscription(plan=plan, addons=[(more, 1), (base, 1)]).addons.count() == 2

    def test_that_are_archived_are_not_sold(self):
        product = a_product()
        addon = a_published_addon(product=product)
        plan = a_published_plan(product=product, compatible_addons=[addon])
        addon.archived_at = NOW
        addon.save()

        with pytest.raises(AddonNotOnSale):
            a_subscription(plan=plan, addons=[(addon, 1)])

    def test_of_unknown_names_are_refused(self):
        with pytest.raises(choices.UnknownAddon) as refusal:
            choices.addons_on_sale(["nothing"])

        assert refusal.value.field == "addons"


class TestValues:
    def test_of_a_feature_replace_its_limit(self):
        """R17."""
        seats = a_feature()
        plan = a_published_plan(entitlements=[some_units(seats, 5)])

        subscription = a_subscription(
            plan=plan,
            entitlements=[FeatureValue(feature_id=seats.public_id, usage_limit=8)],
        )

        assert subscription.entitlements.get().usage_limit == 8

    def test_of_credits_need_a_custom_entitlement(self):
        credit_type = a_credit_type()
        plan = a_published_plan(entitlements=[some_credits(credit_type)])
        value = CreditValue(credit_type_id=credit_type.public_id, amount=Decimal(1))

        with pytest.raises(InvalidValue, match="has no custom amount"):
            a_subscription(plan=plan, entitlements=[value])

        assert not Subscription.objects.exists()

    @pytest.mark.parametrize("amount", ["0", "-1", "1000000000000", "0.0000001", "NaN"])
    def test_of_credits_are_amounts(self, amount: str):
        """R46."""
        credit_type = a_credit_type()
        plan = a_published_plan(
            pricing_type=PricingType.CUSTOM,
            entitlements=[some_credits(credit_type, None, is_custom=True)],
        )
        value = CreditValue(credit_type_id=credit_type.public_id, amount=Decimal(amount))

        with pytest.raises(InvalidValue):
            a_subscription(plan=plan, entitlements=[value])

    @pytest.mark.parametrize(
        "limit",
        [
            {},
            {"usage_limit": 1, "has_unlimited_usage": True},
            {"usage_limit": -1},
            {"usage_limit": 10**16},
        ],
    )
    def test_of_features_are_a_limit_or_none_at_all(self, limit):
        seats = a_feature()
        plan = a_published_plan(entitlements=[some_units(seats)])

        with pytest.raises(InvalidValue):
            a_subscription(
                plan=plan,
                entitlements=[FeatureValue(feature_id=seats.public_id, **limit)],
            )

    def test_of_features_that_are_not_included_are_refused(self):
        seats = a_feature()

        with pytest.raises(InvalidValue, match="includes no number of"):
            a_subscription(entitlements=[FeatureValue(feature_id=seats.public_id, usage_limit=8)])

    def test_of_features_that_are_no_number_are_refused(self):
        flag = a_feature(type=FeatureType.BOOLEAN)
        plan = a_published_plan(entitlements=[some_units(flag, None, has_unlimited_usage=False)])

        with pytest.raises(InvalidValue):
            a_subscription(
                plan=plan, entitlements=[FeatureValue(feature_id=flag.public_id, usage_limit=8)]
            )

    def test_are_given_once(self):
        seats = a_feature()
        plan = a_published_plan(entitlements=[some_units(seats)])
        value = FeatureValue(feature_id=seats.public_id, usage_limit=8)

        with pytest.raises(InvalidValue, match="twice"):
            a_subscription(plan=plan, entitlements=[value, value])


class TestPlanOnSale:
    def test_refuses_plans_of_archived_products(self):
        plan = a_published_plan()
        archiving.archive_product(product_id=plan.product_id, actor=SYSTEM, now=NOW)

        with pytest.raises(choices.PlanNotOnSale):
            choices.plan_on_sale(plan.public_id)
