from datetime import timedelta
from decimal import Decimal

import pytest

from catalog.models import Behaviour, Cadence, FeatureType, PricingType
from subscriptions import terms, updates
from subscriptions.choices import CreditValue, FeatureValue
from subscriptions.entitlements import credit_sources, effective_features, effective_mappings
from subscriptions.terms import Attached, Terms
from tests.builders import (
    NOW,
    a_credit_type,
    a_feature,
    a_metered_feature,
    a_product,
    a_published_addon,
    a_published_plan,
    a_rate,
    a_subscription,
    some_credits,
    some_units,
)
from workspace.actors import SYSTEM

pytestmark = pytest.mark.django_db


class TestCreditSources:
    def test_are_the_plans_and_every_addons(self):
        """R15."""
        product, api = a_product(), a_credit_type("API Credits")
        addon = a_published_addon(
            "Extra API Credits", product=product, entitlements=[some_credits(api, 10_000)]
        )
        plan = a_published_plan(
            "Pro",
            product=product,
            entitlements=[some_credits(api, 50_000)],
            compatible_addons=[addon],
        )

        subscription = a_subscription(plan=plan, addons=[(addon, 3)])

        own, extra = credit_sources(terms.at(subscription, NOW))
        assert (own.source_id, own.source_is_addon, own.name) == (plan.pk, False, "Pro")
        assert (own.amount, own.quantity, own.linked) == (Decimal(50_000), 1, False)
        assert (extra.source_id, extra.source_is_addon) == (addon.pk, True)
        assert (extra.amount, extra.quantity) == (Decimal(10_000), 3)
        assert extra.behaviour == Behaviour.INCREMENT
        assert extra.attached_at == NOW

    def test_include_what_is_inherited(self):
        """R5: a child's own entitlement of the same credit type replaces the inherited one."""
        product = a_product()
        ai, api = a_credit_type("AI"), a_credit_type("API")
        free = a_published_plan(
            "Free",
            product=product,
            pricing_type=PricingType.FREE,
            entitlements=[some_credits(ai, 500), some_credits(api, 100)],
        )
        pro = a_published_plan(
            "Pro", product=product, base_plan=free, entitlements=[some_credits(api, 900)]
        )

        sources = credit_sources(terms.at(a_subscription(plan=pro), NOW))

        told = [(source.amount, source.inherited_from, source.source_id) for source in sources]
        assert told == [(500, "Free", pro.pk), (900, "", pro.pk)]

    def test_of_a_linked_feature_count_the_units_bought(self):
        """R17: 1,000 per seat, 5 seats."""
        seats, credit_type = a_feature(), a_credit_type()
        plan = a_published_plan(
            entitlements=[
                some_credits(credit_type, 1000, linked_feature=seats),
                some_units(seats, 5),
            ]
        )

        (source,) = credit_sources(terms.at(a_subscription(plan=plan), NOW))

        assert (source.amount, source.linked, source.units) == (1000, True, 5)

    @pytest.mark.parametrize("limit", [None, 0])
    def test_of_a_linked_feature_without_a_number_of_units_have_none(self, limit: int | None):
        """R17: unlimited, missing or 0 units grant nothing."""
        seats, credit_type = a_feature(), a_credit_type()
        plan = a_published_plan(
            entitlements=[
                some_credits(credit_type, 1000, linked_feature=seats),
                some_units(seats, limit),
            ]
        )

        (source,) = credit_sources(terms.at(a_subscription(plan=plan), NOW))

        assert source.units is None

    def test_of_a_linked_feature_that_is_not_granted_have_none(self):
        seats, credit_type = a_feature(), a_credit_type()
        plan = a_published_plan(
            entitlements=[
                some_credits(credit_type, 1000, linked_feature=seats),
                some_units(seats, 5, is_granted=False),
            ]
        )

        (source,) = credit_sources(terms.at(a_subscription(plan=plan), NOW))

        assert source.units is None

    def test_count_the_units_that_addons_add(self):
        """R17: the feature's limit in the subscription."""
        product, seats, credit_type = a_product(), a_feature(), a_credit_type()
        more = a_published_addon(product=product, entitlements=[some_units(seats, 2)])
        plan = a_published_plan(
            product=product,
            entitlements=[
                some_credits(credit_type, 1000, linked_feature=seats),
                some_units(seats, 5),
            ],
            compatible_addons=[more],
        )

        (source,) = credit_sources(terms.at(a_subscription(plan=plan, addons=[(more, 3)]), NOW))

        assert source.units == 11

    def test_of_an_addon_count_the_units_it_brings(self):
        """R17: its quantity included, not multiplied again."""
        product, seats, credit_type = a_product(), a_feature(), a_credit_type()
        addon = a_published_addon(
            product=product,
            entitlements=[
                some_credits(credit_type, 100, linked_feature=seats),
                some_units(seats, 2),
            ],
        )
        plan = a_published_plan(
            product=product, entitlements=[some_units(seats, 5)], compatible_addons=[addon]
        )

        (source,) = credit_sources(terms.at(a_subscription(plan=plan, addons=[(addon, 3)]), NOW))

        assert (source.amount, source.units, source.quantity) == (100, 6, 3)

    def test_count_the_units_set_for_the_subscription(self):
        seats, credit_type = a_feature(), a_credit_type()
        plan = a_published_plan(
            entitlements=[
                some_credits(credit_type, 1000, linked_feature=seats),
                some_units(seats, 5),
            ]
        )
        value = FeatureValue(feature_id=seats.public_id, usage_limit=8)

        (source,) = credit_sources(terms.at(a_subscription(plan=plan, entitlements=[value]), NOW))

        assert source.units == 8

    def test_take_custom_amounts_from_the_subscription(self):
        credit_type = a_credit_type()
        plan = a_published_plan(
            pricing_type=PricingType.CUSTOM,
            entitlements=[some_credits(credit_type, None, is_custom=True)],
        )
        value = CreditValue(
            credit_type_id=credit_type.public_id, amount=Decimal(70), cadence=Cadence.YEAR
        )

        (without,) = credit_sources(terms.at(a_subscription(plan=plan), NOW))
        (agreed,) = credit_sources(terms.at(a_subscription(plan=plan, entitlements=[value]), NOW))

        assert without.amount is None
        assert (agreed.amount, agreed.cadence) == (70, Cadence.YEAR)

    def test_take_few_queries_however_many_there_are(self, django_assert_num_queries):
        product, seats = a_product(), a_feature()
        addons = [
            a_published_addon(
                product=product,
                entitlements=[
                    some_credits(a_credit_type(), 1, linked_feature=seats),
                    some_units(seats, 1),
                ],
            )
            for _ in range(5)
        ]
        plan = a_published_plan(
            product=product,
            entitlements=[some_credits(a_credit_type()), some_credits(a_credit_type())],
            compatible_addons=addons,
        )
        subscription = a_subscription(plan=plan, addons=[(addon, 2) for addon in addons])

        with django_assert_num_queries(6):
            sources = credit_sources(terms.at(subscription, NOW))

        assert len(sources) == 7

    def test_know_who_was_attached_first(self):
        """R16: the tie is decided by it."""
        product, credit_type = a_product(), a_credit_type()
        one, two = (
            a_published_addon(product=product, entitlements=[some_credits(credit_type, 5)])
            for _ in range(2)
        )
        plan = a_published_plan(product=product, compatible_addons=[one, two])
        subscription = a_subscription(plan=plan, addons=[(two, 1)])
        later = NOW + timedelta(days=1)
        updates.update(
            subscription_id=subscription.public_id,
            addons=[(one.public_id, 1), (two.public_id, 1)],
            actor=SYSTEM,
            now=later,
        )

        sources = credit_sources(terms.at(subscription, NOW))

        assert [(source.source_id, source.attached_at) for source in sources] == [
            (two.pk, NOW),
            (one.pk, later),
        ]


class TestEffectiveFeatures:
    def test_add_up(self):
        product, seats = a_product(), a_feature()
        addon = a_published_addon(product=product, entitlements=[some_units(seats, 2)])
        plan = a_published_plan(
            product=product, entitlements=[some_units(seats, 5)], compatible_addons=[addon]
        )

        (feature,) = effective_features(a_subscription(plan=plan, addons=[(addon, 3)]), NOW)

        assert feature.usage_limit == 11
        assert [(source.is_addon, source.quantity) for source in feature.sources] == [
            (False, 1),
            (True, 3),
        ]

    def test_are_replaced_by_the_largest_override(self):
        product, seats = a_product(), a_feature()
        addons = [
            a_published_addon(
                product=product,
                entitlements=[some_units(seats, limit, behaviour=Behaviour.OVERRIDE)],
            )
            for limit in (50, 40)
        ]
        plan = a_published_plan(
            product=product, entitlements=[some_units(seats, 500)], compatible_addons=addons
        )

        (feature,) = effective_features(
            a_subscription(plan=plan, addons=[(addons[0], 1), (addons[1], 2)]), NOW
        )

        assert feature.usage_limit == 80

    def test_are_unlimited_if_one_source_is(self):
        product, seats = a_product(), a_feature()
        addon = a_published_addon(product=product, entitlements=[some_units(seats, None)])
        plan = a_published_plan(
            product=product, entitlements=[some_units(seats, 5)], compatible_addons=[addon]
        )

        (feature,) = effective_features(a_subscription(plan=plan, addons=[(addon, 1)]), NOW)

        assert feature.has_unlimited_usage
        assert feature.usage_limit is None

    def test_of_a_list_hold_the_values_of_all(self):
        product = a_product()
        regions = a_feature(
            "Regions",
            type=FeatureType.ENUM,
            enum_values=[{"value": value} for value in ("eu", "us", "asia")],
        )

        def region(*values: str):
            return some_units(regions, None, has_unlimited_usage=False, enum_values=list(values))

        addon = a_published_addon(product=product, entitlements=[region("us", "asia")])
        plan = a_published_plan(
            product=product, entitlements=[region("eu", "us")], compatible_addons=[addon]
        )

        (feature,) = effective_features(a_subscription(plan=plan, addons=[(addon, 1)]), NOW)

        assert feature.enum_values == ("eu", "us", "asia")

    def test_that_are_not_granted_say_so(self):
        seats = a_feature()
        plan = a_published_plan(entitlements=[some_units(seats, 5, is_granted=False)])

        (feature,) = effective_features(a_subscription(plan=plan), NOW)

        assert not feature.is_granted


class TestEffectiveMappings:
    def test_are_the_plans_before_those_of_addons(self):
        """R33."""
        product, credit_type = a_product(), a_credit_type()
        image, video = a_metered_feature("Images"), a_metered_feature("Videos")
        first, second = (
            a_published_addon(
                product=product,
                mappings=[a_rate(image, credit_type, rate), a_rate(video, credit_type, rate)],
            )
            for rate in (1, 2)
        )
        plan = a_published_plan(
            product=product,
            mappings=[a_rate(image, credit_type, 10)],
            compatible_addons=[first, second],
        )
        subscription = a_subscription(plan=plan, addons=[(first, 1), (second, 1)])

        mappings = {
            mapping.feature_id: mapping.rate for mapping in effective_mappings(subscription, NOW)
        }

        assert mappings == {image.pk: 10, video.pk: 1}


class TestCreditSourcesOfTerms:
    def test_need_no_stored_subscription(self):
        credit_type = a_credit_type()
        plan = a_published_plan(entitlements=[some_credits(credit_type, 5)])
        addon = a_published_addon(entitlements=[some_credits(credit_type, 7)])

        sources = credit_sources(Terms(plan.live, (Attached(addon.live, 4, NOW),)))

        assert [(source.amount, source.quantity) for source in sources] == [(5, 1), (7, 4)]
