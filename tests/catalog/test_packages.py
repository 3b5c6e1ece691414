from decimal import Decimal

import pytest

from catalog import drafts, packages
from catalog.archiving import archive_product
from catalog.checking import IdTaken, InvalidField
from catalog.models import Package, PackageKind, PackageVersion, PricingType
from catalog.packages import ProductArchived
from catalog.prices import NewCharge, NewMapping
from tests.builders import (
    NOW,
    a_credit_type,
    a_metered_feature,
    a_plan,
    a_product,
    a_published_addon,
    a_published_plan,
    an_addon,
    reloaded,
)
from workspace import activity
from workspace.actors import SYSTEM

pytestmark = pytest.mark.django_db


def edit(package: Package, **changes: object) -> PackageVersion:
    return packages.edit(package_id=package.pk, actor=SYSTEM, now=NOW, **changes)  # type: ignore[arg-type]


class TestCreate:
    def test_begins_as_a_draft(self):
        """R8."""
        plan = packages.create(
            kind=PackageKind.PLAN,
            product_id=a_product().pk,
            public_id="pro",
            name="Pro",
            pricing_type=PricingType.PAID,
            actor=SYSTEM,
            now=NOW,
        )

        stored = reloaded(plan)
        assert stored.live is None
        assert (stored.draft.name, stored.draft.number) == ("Pro", None)
        assert activity.for_subject("plan", "pro").get().event == "package.created"

    def test_lets_a_plan_and_an_addon_share_an_id(self):
        """R1: unique per kind of object."""
        a_plan(public_id="extra")
        an_addon(public_id="extra")

        with pytest.raises(IdTaken, match="plan"):
            a_plan(public_id="extra")

        assert Package.objects.count() == 2

    def test_refuses_archived_products(self):
        product = a_product()
        archive_product(product_id=product.pk, actor=SYSTEM, now=NOW)

        with pytest.raises(ProductArchived):
            a_plan(product=product)

    @pytest.mark.parametrize(
        ("make", "details", "field"),
        [
            (a_plan, {"max_quantity": 3}, "max_quantity"),
            (an_addon, {"trial_length": 14}, "trial_length"),
            (a_plan, {"trial_length": 14}, None),
            (a_plan, {"trial_length": 0, "trial_unit": "DAY", "trial_end": "x"}, "trial_end"),
            (an_addon, {"max_quantity": 0}, None),
            (a_plan, {"pricing_type": "CHEAP"}, "pricing_type"),
            (a_plan, {"hidden_from": ["NOBODY"]}, "hidden_from"),
            (a_plan, {"metadata": {"a": ["b"]}}, "metadata"),
        ],
    )
    def test_refuses_fields_that_do_not_fit(self, make, details, field):
        """R5, R6."""
        with pytest.raises(InvalidField) as refusal:
            make(**details)

        assert refusal.value.field == field
        assert not Package.objects.exists()


class TestEdit:
    def test_changes_what_is_given_and_counts_the_edit(self):
        plan = a_plan(description="Old")

        draft = edit(plan, name="Team")

        assert (draft.name, draft.description) == ("Team", "Old")
        stored = PackageVersion.objects.get()
        assert stored.revision == plan.draft.revision + 1
        newest = activity.for_subject("plan", plan.public_id)[0]
        assert newest.payload == {"name": ["Pro", "Team"]}

    def test_records_nothing_when_nothing_changes(self):
        plan = a_plan()
        recorded = activity.for_subject("plan", plan.public_id).count()

        edit(plan, name="Pro")

        assert activity.for_subject("plan", plan.public_id).count() == recorded
        assert PackageVersion.objects.get().revision == plan.draft.revision

    def test_does_not_touch_the_live_version(self):
        """R8."""
        plan = a_published_plan()
        drafts.open_draft(package_id=plan.pk, actor=SYSTEM, now=NOW)

        edit(plan, name="Team")

        plan = reloaded(plan)
        assert (plan.live.name, plan.draft.name, plan.name) == ("Pro", "Team", "Pro")

    def test_refuses_addons_of_free_plans(self):
        """R5."""
        addon = a_published_addon()
        plan = a_plan(product=addon.product, pricing_type="FREE")

        with pytest.raises(InvalidField, match="free plan"):
            edit(plan, compatible_addons=[addon])

        assert not plan.draft.compatible_addons.exists()

    def test_refuses_addons_of_other_products(self):
        with pytest.raises(InvalidField, match="no add-on of this product"):
            edit(a_plan(), compatible_addons=[a_published_addon()])

    def test_refuses_a_plan_among_the_addons(self):
        plan = a_plan()

        with pytest.raises(InvalidField, match="no add-on"):
            edit(plan, compatible_addons=[plan])

    def test_refuses_a_plan_as_its_own_base(self):
        """R5: no cycles."""
        plan = a_plan()

        with pytest.raises(InvalidField) as refusal:
            edit(plan, base_plan=plan)

        assert refusal.value.field == "base_plan"

    def test_refuses_a_circle_of_base_plans(self):
        """R5: no cycles, through drafts and live versions alike."""
        free = a_published_plan("Free", pricing_type="FREE")
        pro = a_published_plan("Pro", product=free.product, base_plan=free)
        team = a_plan("Team", product=free.product, base_plan=pro)
        drafts.open_draft(package_id=free.pk, actor=SYSTEM, now=NOW)

        with pytest.raises(InvalidField, match="inherits from this plan"):
            edit(free, base_plan=team)

        assert reloaded(free).draft.base_plan is None

    def test_refuses_a_circle_of_dependencies(self):
        """R6."""
        first = an_addon("First")
        second = an_addon("Second", product=first.product, dependencies=[first])

        with pytest.raises(InvalidField, match="depend on itself"):
            edit(first, dependencies=[second])

    def test_replaces_charges_and_mappings_as_a_whole(self):
        credit_type, feature = a_credit_type(), a_metered_feature()
        plan = a_plan(monthly=49, yearly=490)

        edit(
            plan,
            charges=[NewCharge(amount=Decimal(99))],
            mappings=[NewMapping(feature=feature, credit_type=credit_type, rate=Decimal("0.5"))],
        )

        assert [charge.amount for charge in plan.draft.charges.all()] == [99]
        assert plan.draft.mappings.get().rate == Decimal("0.5")

    def test_refuses_a_mapping_that_is_given_twice(self):
        """R33."""
        mapping = NewMapping(
            feature=a_metered_feature(), credit_type=a_credit_type(), rate=Decimal(1)
        )
        plan = a_plan()

        with pytest.raises(InvalidField, match="twice"):
            edit(plan, mappings=[mapping, mapping])

        assert not plan.draft.mappings.exists()
