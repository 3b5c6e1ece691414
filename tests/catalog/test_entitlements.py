from decimal import Decimal

import pytest

from catalog import entitlements
from catalog.archiving import archive_credit_type, archive_feature
from catalog.checking import InvalidField
from catalog.drafts import NoDraft, StaleDraft
from catalog.entitlements import AlreadyIncluded, NewFeature, NotIncluded
from catalog.models import (
    Cadence,
    CreditEntitlement,
    FeatureEntitlement,
    FeatureType,
    Package,
    PackageVersion,
)
from tests.builders import (
    NOW,
    a_credit_type,
    a_feature,
    a_metered_feature,
    a_plan,
    a_published_plan,
    an_addon,
    some_credits,
    some_units,
)
from workspace import activity
from workspace.actors import SYSTEM

pytestmark = pytest.mark.django_db


def include(package: Package, *wanted):
    return entitlements.include(package_id=package.pk, entitlements=wanted, actor=SYSTEM, now=NOW)


class TestInclude:
    def test_adds_credits_and_features_in_order(self):
        plan, credit_type, seats = a_plan(), a_credit_type(), a_feature()

        include(plan, some_credits(credit_type, "0.000001", Cadence.YEAR), some_units(seats, 5))

        included = plan.draft.credit_entitlements.get()
        feature = plan.draft.feature_entitlements.get()
        assert (included.amount, included.cadence) == (Decimal("0.000001"), "YEAR")
        assert feature.usage_limit == 5
        assert included.position < feature.position
        assert (included.is_granted, included.has_soft_limit, included.behaviour) == (
            True,
            False,
            "Increment",
        )
        newest = activity.for_subject("plan", plan.public_id)[0]
        assert newest.event == "package.entitlements_added"
        assert len(newest.payload["added"]) == 2

    @pytest.mark.parametrize(
        "amount", ["0", "-1", "0.0000001", "1000000000000", "NaN", "Infinity", "1e400", None]
    )
    def test_refuses_what_is_no_amount(self, amount):
        """More than 0, at most six places, below 10¹²; empty only when custom."""
        plan = a_plan()

        with pytest.raises(InvalidField):
            include(plan, some_credits(a_credit_type(), amount))

        assert not CreditEntitlement.objects.exists()
        assert PackageVersion.objects.get().revision == plan.draft.revision

    def test_takes_all_or_none_and_names_the_row(self):
        plan, credit_type = a_plan(), a_credit_type()

        with pytest.raises(AlreadyIncluded) as refusal:
            include(plan, some_credits(credit_type), some_credits(credit_type))

        assert refusal.value.rows == {1: "AI Credits is included already."}
        assert not CreditEntitlement.objects.exists()

    @pytest.mark.parametrize(
        ("period", "word"),
        [("MONTH", "EveryMonday"), ("WEEK", "StartOfTheMonth"), ("DAY", "SubscriptionStart")],
    )
    def test_refuses_to_count_periods_from_what_does_not_fit(self, period, word):
        terms = {"reset_period": period, "reset_configuration": {"accordingTo": word}}

        with pytest.raises(InvalidField) as refusal:
            include(a_plan(), some_units(a_metered_feature(), **terms))

        assert refusal.value.field == "reset_period"

    def test_refuses_overrides_of_plans(self):
        """Plans accept only Increment."""
        with pytest.raises(InvalidField) as refusal:
            include(a_plan(), some_credits(a_credit_type(), behaviour="Override"))

        assert refusal.value.field == "behaviour"

    def test_takes_overrides_of_addons(self):
        addon = an_addon()

        include(addon, some_credits(a_credit_type(), 500_000, behaviour="Override"))

        assert addon.draft.credit_entitlements.get().behaviour == "Override"

    @pytest.mark.parametrize("make", [a_plan, lambda: an_addon(pricing_type="CUSTOM")])
    def test_refuses_custom_values_outside_custom_plans(self, make):
        """CUSTOM plans only."""
        with pytest.raises(InvalidField) as refusal:
            include(make(), some_credits(a_credit_type(), None, is_custom=True))

        assert refusal.value.field == "is_custom"

    def test_takes_custom_values_of_custom_plans(self):
        plan = a_plan(pricing_type="CUSTOM")

        include(plan, some_credits(a_credit_type(), None, is_custom=True))

        assert plan.draft.credit_entitlements.get().amount is None

    def test_refuses_a_link_to_what_is_no_number(self):
        """Numeric feature."""
        switch = a_feature("Export", type=FeatureType.BOOLEAN)

        with pytest.raises(InvalidField) as refusal:
            include(a_plan(), some_credits(a_credit_type(), linked_feature=switch))

        assert refusal.value.field == "linked_feature"

    def test_refuses_archived_credit_types(self):
        """R3."""
        credit_type = a_credit_type()
        credit_type = archive_credit_type(credit_type_id=credit_type.pk, actor=SYSTEM, now=NOW)

        with pytest.raises(InvalidField, match="archived"):
            include(a_plan(), some_credits(credit_type))

    def test_refuses_archived_features(self):
        feature = archive_feature(feature_id=a_feature().pk, actor=SYSTEM, now=NOW)

        with pytest.raises(InvalidField, match="archived"):
            include(a_plan(), some_units(feature))

    @pytest.mark.parametrize(
        ("feature_type", "terms", "field"),
        [
            ("NUMBER", {}, "usage_limit"),
            ("NUMBER", {"usage_limit": -1}, "usage_limit"),
            ("NUMBER", {"usage_limit": 2**63}, "usage_limit"),
            ("NUMBER", {"usage_limit": 5, "has_unlimited_usage": True}, "usage_limit"),
            ("BOOLEAN", {"usage_limit": 5}, "usage_limit"),
            ("ENUM", {}, "enum_values"),
            ("ENUM", {"enum_values": ["copper"]}, "enum_values"),
            ("BOOLEAN", {"hidden_from": ["NOBODY"]}, "hidden_from"),
            ("BOOLEAN", {"position": float("nan")}, "position"),
        ],
    )
    def test_refuses_terms_that_do_not_fit_the_feature(self, feature_type, terms, field):
        """R7."""
        values = [{"value": "gold"}] if feature_type == "ENUM" else []
        feature = a_feature(type=FeatureType(feature_type), enum_values=values)

        with pytest.raises(InvalidField) as refusal:
            include(a_plan(), NewFeature(feature, terms))

        assert refusal.value.field == field
        assert not FeatureEntitlement.objects.exists()

    def test_needs_a_draft(self):
        """R8."""
        with pytest.raises(NoDraft):
            include(a_published_plan(), some_credits(a_credit_type()))


class TestIncludeCredits:
    def test_tells_a_second_editor(self):
        plan = a_plan()

        with pytest.raises(StaleDraft):
            entitlements.include_credits(
                package_id=plan.pk,
                credit_type=a_credit_type(),
                amount=Decimal(1),
                revision=plan.draft.revision + 1,
                actor=SYSTEM,
                now=NOW,
            )

        assert not CreditEntitlement.objects.exists()


class TestIncludeFeature:
    def test_adds_one(self):
        plan, export = a_plan(), a_feature("Export", type=FeatureType.BOOLEAN)

        entitlements.include_feature(package_id=plan.pk, feature=export, actor=SYSTEM, now=NOW)

        assert plan.draft.feature_entitlements.get().feature == export


class TestChangeCredits:
    def test_changes_what_is_given_and_records_old_and_new(self):
        credit_type = a_credit_type(public_id="ai")
        plan = a_plan(entitlements=[some_credits(credit_type, 5000)])

        entitlements.change_credits(
            package_id=plan.pk,
            credit_type=credit_type,
            amount=Decimal(6000),
            actor=SYSTEM,
            now=NOW,
        )

        changed = plan.draft.credit_entitlements.get()
        assert (changed.amount, changed.cadence) == (6000, "MONTH")
        newest = activity.for_subject("plan", plan.public_id)[0]
        assert newest.event == "package.entitlement_changed"
        assert newest.payload == {"entitlement": "ai", "amount": ["5000", "6000"]}

    def test_does_not_find_what_is_not_included(self):
        with pytest.raises(NotIncluded):
            entitlements.change_credits(
                package_id=a_plan().pk, credit_type=a_credit_type(), actor=SYSTEM, now=NOW
            )

    def test_leaves_things_as_they_are_when_it_refuses(self):
        credit_type = a_credit_type()
        plan = a_plan(entitlements=[some_credits(credit_type, 5000)])

        with pytest.raises(InvalidField):
            entitlements.change_credits(
                package_id=plan.pk,
                credit_type=credit_type,
                amount=Decimal(0),
                actor=SYSTEM,
                now=NOW,
            )

        assert plan.draft.credit_entitlements.get().amount == 5000


class TestChangeFeature:
    def test_changes_the_limit(self):
        seats = a_feature()
        plan = a_plan(entitlements=[some_units(seats, 5)])

        entitlements.change_feature(
            package_id=plan.pk, feature=seats, usage_limit=6, actor=SYSTEM, now=NOW
        )

        assert plan.draft.feature_entitlements.get().usage_limit == 6


class TestExcludeCredits:
    def test_takes_them_out(self):
        credit_type = a_credit_type()
        plan = a_plan(entitlements=[some_credits(credit_type)])

        removed = entitlements.exclude_credits(
            package_id=plan.pk, credit_type=credit_type, actor=SYSTEM, now=NOW
        )

        assert removed.amount == 5000
        assert not CreditEntitlement.objects.exists()
        newest = activity.for_subject("plan", plan.public_id)[0]
        assert newest.event == "package.entitlement_removed"

    def test_happens_once(self):
        credit_type = a_credit_type()
        plan = a_plan(entitlements=[some_credits(credit_type)])
        entitlements.exclude_credits(
            package_id=plan.pk, credit_type=credit_type, actor=SYSTEM, now=NOW
        )

        with pytest.raises(NotIncluded):
            entitlements.exclude_credits(
                package_id=plan.pk, credit_type=credit_type, actor=SYSTEM, now=NOW
            )


class TestExcludeFeature:
    def test_takes_it_out(self):
        seats = a_feature()
        plan = a_plan(entitlements=[some_units(seats)])

        entitlements.exclude_feature(package_id=plan.pk, feature=seats, actor=SYSTEM, now=NOW)

        assert not FeatureEntitlement.objects.exists()


class TestMove:
    def test_changes_the_order_that_customers_see(self):
        first, second, seats = a_credit_type("A"), a_credit_type("B"), a_feature()
        plan = a_plan(entitlements=[some_credits(first), some_credits(second), some_units(seats)])

        entitlements.move(package_id=plan.pk, target=seats, places=-1, actor=SYSTEM, now=NOW)

        draft = plan.draft
        ordered = entitlements.in_order(
            [*draft.credit_entitlements.all(), *draft.feature_entitlements.all()]
        )
        assert [str(row)[0] for row in ordered] == ["A", "S", "B"]

    def test_stops_at_the_ends(self):
        first, second = a_credit_type("A"), a_credit_type("B")
        plan = a_plan(entitlements=[some_credits(first), some_credits(second)])
        recorded = activity.for_subject("plan", plan.public_id).count()

        entitlements.move(package_id=plan.pk, target=first, places=-1, actor=SYSTEM, now=NOW)

        assert activity.for_subject("plan", plan.public_id).count() == recorded
