"""R9: a review names whatever a draft changes; `test_every_field_is_tried` knows all fields."""

from decimal import Decimal
from typing import Any

import pytest
from django.db.models import Model

from catalog import comparison, drafts, prices
from catalog.entitlements import FeatureTerms, NewFeature
from catalog.models import (
    Charge,
    ConsumptionMapping,
    CreditEntitlement,
    FeatureEntitlement,
    FeatureType,
    Package,
    PackageVersion,
)
from catalog.prices import NewCharge
from tests.builders import (
    NOW,
    Built,
    a_credit_type,
    a_feature,
    a_formula,
    a_metered_feature,
    a_plan,
    a_product,
    a_published_addon,
    a_published_plan,
    a_rate,
    an_addon,
    published,
    reloaded,
    some_credits,
    some_units,
)
from workspace.actors import SYSTEM

pytestmark = pytest.mark.django_db

DETAILS: dict[str, tuple[Any, str]] = {
    "name": ("Other", "Name"),
    "description": ("Other", "Description"),
    "metadata": ({"tier": "silver"}, "Metadata"),
    "billing_id": ("other", "Billing ID"),
    "pricing_type": ("CUSTOM", "Pricing"),
    "base_plan": (lambda: a_published_plan("Other"), "Base plan"),
    "trial_length": (15, "Trial"),
    "trial_unit": ("MONTH", "Trial"),
    "trial_end": ("CANCEL_SUBSCRIPTION", "Trial"),
    "trial_budget": ({"limit": "9", "has_soft_limit": True}, "Trial"),
    "overage_billing_period": ("MONTHLY", "Overage billed"),
    "hidden_from": (["CHECKOUT"], "Hidden from"),
}
OF_ADDONS: dict[str, tuple[Any, str]] = {"max_quantity": (6, "Quantity")}
COMMON: dict[str, tuple[Any, str]] = {
    "is_granted": (False, "Granted"),
    "is_custom": (True, "Custom"),
    "has_soft_limit": (True, "Limit"),
    "behaviour": ("Override", "Behaviour"),
    "display_name_override": ("Other", "Display name"),
    "description": ("Other", "Description"),
    "hidden_from": (["CHECKOUT"], "Hidden from"),
    "position": (-1.0, "Order"),
}
CREDITS = {
    **COMMON,
    "credit_type": (lambda: a_credit_type("Other credits"), "Other credits"),
    "amount": (Decimal(6000), "Amount"),
    "cadence": ("YEAR", "Amount"),
    "linked_feature": (lambda: a_feature("Other seats"), "Linked feature"),
}
FEATURES = {
    **COMMON,
    "feature": (lambda: a_metered_feature("Other meter"), "Other meter"),
    "usage_limit": (6, "Value"),
    "has_unlimited_usage": (True, "Value"),
    "reset_period": ("WEEK", "Value"),
    "reset_configuration": ({"accordingTo": "StartOfTheMonth"}, "Value"),
}
PRICES: dict[str, tuple[Any, str]] = {
    "billing_model": ("USAGE_BASED", "by use"),
    "billing_period": ("ANNUALLY", "Yearly"),
    "billing_cadence": ("ONE_OFF", "once"),
    "amount": (Decimal(6), "6 USD"),
    "currency": ("EUR", "5 EUR"),
    "billing_country_code": ("DE", "DE"),
    "feature": (lambda: a_feature("Other seats"), "Other seats"),
    "credit_type": (lambda: a_credit_type("Other credits"), "Other credits"),
    "tiers_mode": ("GRADUATED", "Tiers"),
    "tiers": ([], "Tiers"),
    "block_size": (Decimal(6), "Units"),
    "minimum_quantity": (Decimal(6), "Units"),
    "maximum_quantity": (Decimal(60), "Units"),
    "credit_grant_cadence": ("MONTHLY", "Credits granted"),
    "reset_period": ("WEEK", "Use starts afresh"),
    "reset_configuration": ({"accordingTo": "StartOfTheMonth"}, "Use starts afresh"),
    "is_overage": (True, "overage"),
}
MAPPINGS: dict[str, tuple[Any, str]] = {
    "feature": (lambda: a_metered_feature("Other meter"), "Other meter"),
    "credit_type": (lambda: a_credit_type("Other credits"), "Other credits"),
    "rate": (Decimal(6), "6 credits"),
    "formula": ("3*input", "3*input"),
}
NOT_SAID = {"id", "version", "package", "number", "base_version", "revision", "audience"} | {
    "created_at",
    "updated_at",
    "published_at",
    "published_by",
}
"""What a version is, not what it says."""
EURO = {"amount": "5", "currency": "EUR"}
STEP = {"up_to": None, "unit_price": EURO, "flat_price": None}


def fields_of(fields: dict[str, tuple[Any, str]]) -> Any:
    """A case for each field: what it becomes, and what the review calls it."""
    return pytest.mark.parametrize(
        ("field", "value", "label"),
        [pytest.param(name, *said, id=name) for name, said in fields.items()],
    )


@pytest.fixture
def plan() -> Built:
    """A draft beside its published version, both saying something in every field."""
    product, credit_type = a_product(), a_credit_type("AI Credits")
    seats, images = a_feature("Seats", public_id="seats"), a_metered_feature("Images")
    plan = a_plan(
        product=product,
        description="Some",
        metadata={"tier": "gold"},
        billing_id="bill",
        base_plan=a_published_plan("Base", public_id="base", product=product),
        trial_length=14,
        trial_unit="DAY",
        trial_end="CONVERT_TO_PAID",
        trial_budget={"limit": "10", "has_soft_limit": True},
        overage_billing_period="ON_SUBSCRIPTION_RENEWAL",
        hidden_from=["PAYWALL"],
        entitlements=[
            some_credits(a_credit_type("First")),
            some_units(seats),
            some_credits(credit_type, linked_feature=seats),
            some_units(images, reset_period="MONTH"),
        ],
        mappings=[
            a_rate(images, credit_type),
            a_formula(a_metered_feature("Words"), credit_type, "2*input"),
        ],
    )
    for wanted in (
        NewCharge(
            billing_model="PER_UNIT",
            feature=seats,
            amount=Decimal(5),
            reset_period="MONTH",
        ),
        NewCharge(billing_model="USAGE_BASED", feature=images, tiers_mode="VOLUME", tiers=[STEP]),
    ):
        prices.put_price(package_id=plan.pk, wanted=wanted, actor=SYSTEM, now=NOW)
    return opened(plan)


def opened(package: Package) -> Built:
    """Published, and with a draft that says the same."""
    published(package)
    drafts.open_draft(package_id=package.pk, actor=SYSTEM, now=NOW)
    return reloaded(package)


def store(row: Model, field: str, value: Any) -> None:
    """Change one field of a draft behind the back of its verbs."""
    given = value() if callable(value) else value
    type(row)._default_manager.filter(pk=row.pk).update(**{field: given})


def named(package: Built) -> str:
    """All that the review of a draft says; empty if it finds nothing."""
    found = reloaded(package)
    changes = comparison.compare(comparison.load(found.live), comparison.load(found.draft))
    return "; ".join(f"{each.section}: {each.label} {each.before} {each.after}" for each in changes)


@pytest.mark.parametrize(
    ("model", "known"),
    [
        (PackageVersion, {*DETAILS, *OF_ADDONS, "compatible_addons", "dependencies"}),
        (CreditEntitlement, {*CREDITS}),
        (FeatureEntitlement, {*FEATURES, "enum_values"}),
        (Charge, {*PRICES}),
        (ConsumptionMapping, {*MAPPINGS}),
    ],
)
def test_every_field_is_tried(model: type[Model], known: set[str]) -> None:
    fields = {each.name for each in (*model._meta.fields, *model._meta.many_to_many)}

    assert fields - NOT_SAID == known


class TestReview:
    def test_finds_nothing_where_nothing_changed(self, plan):
        assert named(plan) == ""

    @fields_of(DETAILS)
    def test_names_a_detail(self, plan, field: str, value: Any, label: str):
        store(plan.draft, field, value)

        assert f"Details: {label} " in named(plan)

    @fields_of(OF_ADDONS)
    def test_names_a_detail_of_an_addon(self, field: str, value: Any, label: str):
        addon = opened(an_addon(max_quantity=5))

        store(addon.draft, field, value)

        assert f"Details: {label} " in named(addon)

    @pytest.mark.parametrize("field", ["compatible_addons", "dependencies"])
    def test_names_addons_that_are_chosen(self, plan, field: str):
        getattr(plan.draft, field).add(a_published_addon("Other"))

        assert "Other" in named(plan)

    @fields_of(CREDITS)
    def test_names_what_is_said_of_credits(self, plan, field: str, value: Any, label: str):
        own = plan.draft.credit_entitlements.get(credit_type__name="AI Credits")

        store(own, field, value)

        assert label in named(plan)

    @fields_of(FEATURES)
    def test_names_what_is_said_of_a_feature(self, plan, field: str, value: Any, label: str):
        own = plan.draft.feature_entitlements.get(feature__name="Images")

        store(own, field, value)

        assert label in named(plan)

    def test_names_the_values_of_a_feature(self):
        regions = [{"value": "eu"}, {"value": "us"}]
        feature = a_feature("Region", type=FeatureType.ENUM, enum_values=regions)
        plan = opened(a_plan(entitlements=[NewFeature(feature, {"enum_values": ["eu"]})]))

        store(plan.draft.feature_entitlements.get(), "enum_values", ["us"])

        assert named(plan) == "Entitlements: Region – Value eu us"

    @fields_of(PRICES)
    def test_names_what_is_said_of_a_price(self, plan, field: str, value: Any, label: str):
        of = "Images" if field.startswith("tiers") else "Seats"

        store(plan.draft.charges.get(feature__name=of), field, value)

        assert label in named(plan)

    @fields_of(MAPPINGS)
    def test_names_what_use_costs(self, plan, field: str, value: Any, label: str):
        of = "Words" if field == "formula" else "Images"

        store(plan.draft.mappings.get(feature__name=of), field, value)

        assert label in named(plan)

    def test_names_what_is_custom_too(self):
        """The value is open, but not how often it recurs or for what it counts."""
        calls = a_metered_feature("Calls")
        daily: FeatureTerms = {"usage_limit": None, "is_custom": True, "reset_period": "DAY"}
        plan = opened(
            a_plan(
                pricing_type="CUSTOM",
                entitlements=[
                    some_credits(a_credit_type(), None, is_custom=True),
                    NewFeature(calls, daily),
                ],
            )
        )

        store(plan.draft.credit_entitlements.get(), "cadence", "YEAR")
        store(plan.draft.feature_entitlements.get(), "reset_period", "WEEK")

        assert "AI Credits – Amount Custom / month Custom / year" in named(plan)
        assert "Calls – Value Custom / day Custom / week" in named(plan)

    def test_tells_apart_what_is_called_the_same(self, plan):
        store(plan.draft, "base_plan", lambda: a_published_plan("Base", public_id="base-2"))
        same = a_feature("Seats", public_id="seats-2")
        own = plan.draft.credit_entitlements.get(credit_type__name="AI Credits")
        store(own, "linked_feature", same)

        said = named(plan)

        assert "Base plan Base (base) Base (base-2)" in said
        assert "Linked feature Seats (seats) Seats (seats-2)" in said
