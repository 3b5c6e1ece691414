from decimal import Decimal

import pytest

from catalog import archiving, packages
from catalog.models import BillingModel, FeatureType, Package, PricingType
from catalog.prices import NewCharge
from subscriptions import choices, updates
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
    a_plan,
    a_product,
    a_published_addon,
    a_published_plan,
    a_subscription,
    published,
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


class TestUnitsForSale:
    """A price per unit says how many can be bought."""

    @pytest.fixture
    def team(self) -> Package:
        """5 to 50 seats; 2 are included, which nobody chose."""
        seats = a_feature(public_id="seats")
        plan = a_plan(public_id="team", entitlements=[some_units(seats, 2)])
        price = NewCharge(
            billing_model=BillingModel.PER_UNIT,
            feature=seats,
            amount=Decimal(9),
            minimum_quantity=Decimal(5),
            maximum_quantity=Decimal(50),
        )
        packages.edit(package_id=plan.pk, charges=[price], actor=SYSTEM, now=NOW)
        return published(plan)

    def start(self, plan: Package, *units: int) -> Subscription:
        chosen = [FeatureValue(feature_id="seats", usage_limit=each) for each in units]
        return a_subscription(plan=plan, entitlements=chosen)

    @pytest.mark.parametrize("units", [(5,), (50,), (0,), ()])
    def test_are_as_many_as_the_price_says(self, team: Package, units: tuple[int, ...]):
        assert self.start(team, *units).entitlements.count() == len(units)

    @pytest.mark.parametrize("units", [4, 51])
    def test_are_not_fewer_or_more(self, team: Package, units: int):
        with pytest.raises(InvalidValue, match="Of seats, at least 5 and at most 50"):
            self.start(team, units)

        assert not Subscription.objects.exists()

    def test_are_not_fewer_or_more_after_a_change(self, team: Package):
        subscription = self.start(team, 5)

        with pytest.raises(InvalidValue):
            updates.update(
                subscription_id=subscription.public_id,
                units=[FeatureValue(feature_id="seats", usage_limit=51)],
                actor=SYSTEM,
                now=NOW,
            )

        assert subscription.entitlements.get().usage_limit == 5

    def test_stay_what_they_are_while_something_else_is_chosen(self, team: Package):
        """What was bought before the price said so is not asked about again."""
        subscription = self.start(team, 5)
        subscription.entitlements.update(usage_limit=60)

        updates.update(subscription_id=subscription.public_id, units=[], actor=SYSTEM, now=NOW)

        assert subscription.entitlements.get().usage_limit == 60
