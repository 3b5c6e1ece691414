from decimal import Decimal

import pytest

from catalog import comparison, drafts, entitlements, packages, prices, publishing
from catalog.comparison import Change, Kind
from catalog.models import Package
from catalog.publishing import Audience
from tests.builders import (
    NOW,
    Built,
    a_credit_type,
    a_feature,
    a_metered_feature,
    a_new_version,
    a_plan,
    a_published_addon,
    a_published_plan,
    a_rate,
    an_addon,
    reloaded,
    some_credits,
    some_units,
)
from workspace.actors import SYSTEM

pytestmark = pytest.mark.django_db


def changes_of(package: Built) -> list[Change]:
    package = reloaded(package)
    before = comparison.load(package.live) if package.live else None
    return comparison.compare(before, comparison.load(package.draft))


def opened(package: Package) -> Package:
    drafts.open_draft(package_id=package.pk, actor=SYSTEM, now=NOW)
    return package


class TestCompare:
    def test_finds_nothing_in_a_fresh_draft(self):
        plan = a_published_plan(
            entitlements=[some_credits(a_credit_type()), some_units(a_feature())],
            trial_length=14,
            trial_unit="DAY",
            trial_end="CONVERT_TO_PAID",
        )

        assert changes_of(opened(plan)) == []

    def test_shows_all_of_a_new_package_as_added(self):
        credit_type, image = a_credit_type(), a_metered_feature(unit_singular="image")
        plan = a_plan(
            entitlements=[some_credits(credit_type, 5000)], mappings=[a_rate(image, credit_type)]
        )

        assert changes_of(plan) == [
            Change("Details", Kind.ADDED, "Name", "", "Pro"),
            Change("Details", Kind.ADDED, "Pricing", "", "Paid"),
            Change("Entitlements", Kind.ADDED, "AI Credits", "", "5,000 credits / month"),
            Change("Price", Kind.ADDED, "Monthly base price", "", "49 USD / month"),
            Change(
                "Credit consumption",
                Kind.ADDED,
                "AI Image Generation → AI Credits",
                "",
                "10 credits per image",
            ),
        ]

    def test_says_of_an_addon_that_it_overrides_the_plan(self):
        credit_type = a_credit_type("API Credits")
        addon = an_addon(entitlements=[some_credits(credit_type, 500, behaviour="Override")])

        row = next(change for change in changes_of(addon) if change.section == "Entitlements")

        assert row.after == "500 credits / month, overrides plan limit"

    def test_shows_changes_field_by_field(self):
        """R9."""
        credit_type = a_credit_type()
        plan = opened(a_published_plan(entitlements=[some_credits(credit_type, 5000)]))

        entitlements.change_credits(
            package_id=plan.pk,
            credit_type=credit_type,
            amount=Decimal(6000),
            has_soft_limit=True,
            actor=SYSTEM,
            now=NOW,
        )
        prices.set_base_prices(
            package_id=plan.pk, monthly=Decimal(59), yearly=None, actor=SYSTEM, now=NOW
        )

        assert changes_of(plan) == [
            Change(
                "Entitlements",
                Kind.CHANGED,
                "AI Credits – Amount",
                "5,000 credits / month",
                "6,000 credits / month",
            ),
            Change("Entitlements", Kind.CHANGED, "AI Credits – Limit", "Hard", "Soft"),
            Change("Price", Kind.CHANGED, "Monthly base price", "49 USD / month", "59 USD / month"),
        ]

    def test_shows_what_is_removed(self):
        """R9."""
        addon = a_published_addon()
        seats = a_feature()
        plan = opened(
            a_published_plan(
                product=addon.product,
                entitlements=[some_units(seats, 5)],
                compatible_addons=[addon],
                description="Old",
            )
        )

        entitlements.exclude_feature(package_id=plan.pk, feature=seats, actor=SYSTEM, now=NOW)
        packages.edit(
            package_id=plan.pk, compatible_addons=[], description="", actor=SYSTEM, now=NOW
        )

        assert changes_of(plan) == [
            Change("Details", Kind.REMOVED, "Description", "Old", ""),
            Change("Entitlements", Kind.REMOVED, "Seats", "5", ""),
            Change("Compatible add-ons", Kind.REMOVED, "Extra", "", ""),
        ]

    def test_shows_what_the_base_plan_brings(self):
        """R5: a draft inherits from the base plan as it is now."""
        credit_type = a_credit_type()
        free = a_published_plan(
            "Free", pricing_type="FREE", entitlements=[some_credits(credit_type, 500)]
        )
        pro = a_published_plan("Pro", product=free.product, base_plan=free)
        a_new_version(free, entitlements=[some_credits(credit_type, 700)])

        assert changes_of(opened(pro)) == [
            Change(
                "Entitlements",
                Kind.CHANGED,
                "AI Credits – Amount",
                "500 credits / month",
                "700 credits / month",
            )
        ]

    def test_shows_all_steps_of_a_new_price(self):
        plan = opened(a_published_plan())
        euros = {"amount": Decimal(5), "currency": "EUR"}
        wanted = prices.NewCharge(
            billing_model="PER_UNIT",
            feature=a_feature(),
            minimum_quantity=Decimal(2),
            tiers=[{"up_to": None, "unit_price": euros, "flat_price": None}],
        )
        prices.put_price(package_id=plan.pk, wanted=wanted, actor=SYSTEM, now=NOW)

        [change] = changes_of(plan)

        assert (change.label, change.kind) == ("Monthly per unit – Seats", Kind.ADDED)
        assert change.after == "beyond: 5 EUR each; from 2"

    def test_keeps_prices_in_several_currencies_apart(self):
        plan = a_published_plan(monthly=49)
        euro = prices.NewCharge(amount=Decimal(45), currency="EUR")
        opened(plan)
        prices.put_price(package_id=plan.pk, wanted=euro, actor=SYSTEM, now=NOW)
        publishing.publish(
            package_id=plan.pk, audience=Audience.NEW_CUSTOMERS, actor=SYSTEM, now=NOW
        )

        assert changes_of(opened(plan)) == []

    def test_shows_another_order(self):
        first, second = a_credit_type("First"), a_credit_type("Second")
        plan = a_published_plan(entitlements=[some_credits(first), some_credits(second)])
        opened(plan)
        entitlements.move(package_id=plan.pk, target=second, places=-1, actor=SYSTEM, now=NOW)

        assert changes_of(plan) == [
            Change("Entitlements", Kind.CHANGED, "Order", "First, Second", "Second, First")
        ]


class TestLoad:
    def test_takes_a_constant_number_of_queries(self, django_assert_max_num_queries):
        versions = [
            a_published_plan(
                entitlements=[some_credits(a_credit_type()) for _ in range(size)],
                mappings=[a_rate(a_metered_feature(), a_credit_type()) for _ in range(size)],
            ).live
            for size in (1, 6)
        ]

        for version in versions:
            with django_assert_max_num_queries(9):
                comparison.load(version)
