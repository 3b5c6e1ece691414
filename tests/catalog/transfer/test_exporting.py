from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from django.db import models

from catalog import drafts
from catalog.models import (
    Aggregation,
    Charge,
    ConsumptionMapping,
    Coupon,
    CreditEntitlement,
    CreditType,
    Feature,
    FeatureEntitlement,
    FeatureType,
    Package,
    PackageVersion,
    Product,
)
from catalog.transfer import exporting
from tests.builders import (
    NOW,
    a_coupon,
    a_credit_type,
    a_feature,
    a_metered_feature,
    a_product,
    a_published_addon,
    a_published_plan,
    a_rate,
    some_credits,
    some_units,
)
from workspace.actors import SYSTEM

pytestmark = pytest.mark.django_db


@pytest.fixture
def catalog() -> None:
    """One of each, and another one to be named instead; plans and add-ons as drafts."""
    product = a_product(public_id="studio")
    ai = a_credit_type(public_id="ai")
    a_credit_type(public_id="other")
    images = a_metered_feature(
        public_id="images", aggregation=Aggregation.SUM, aggregation_field="size"
    )
    a_feature(public_id="other")
    a_feature(
        public_id="size", type=FeatureType.ENUM, enum_values=[{"value": "S", "displayName": ""}]
    )
    a_coupon(public_id="launch")
    a_published_addon("Other", public_id="other", product=product)
    a_published_plan("Other", public_id="other", product=product)
    pro = a_published_plan(
        "Pro",
        public_id="pro",
        product=product,
        entitlements=[some_credits(ai), some_units(images)],
        mappings=[a_rate(images, ai)],
        trial_length=7,
        trial_unit="DAY",
        trial_end="CONVERT_TO_PAID",
    )
    extra = a_published_addon("Extra", public_id="extra", product=product)
    for package in (pro, extra):
        drafts.open_draft(package_id=package.pk, actor=SYSTEM, now=NOW)


def the(model: type[models.Model]) -> Any:
    """The other one of its kind, to be named in place of none or the first."""
    return model._default_manager.filter(public_id="other").order_by("-pk").first()


Value = Any | Callable[[], Any]
OF_EVERY_ENTITLEMENT: dict[str, Value] = {
    "is_granted": False,
    "is_custom": True,
    "has_soft_limit": True,
    "behaviour": "Override",
    "display_name_override": "Shown",
    "description": "Words",
    "position": 99.0,
    "hidden_from": ["CHECKOUT"],
}
CARRIED: dict[type[models.Model], dict[str, Value]] = {
    CreditType: {
        "public_id": "renamed",
        "name": "Renamed",
        "symbol": "¢",
        "description": "Words",
        "unit_singular": "point",
        "unit_plural": "points",
        "metadata": {"a": "b"},
    },
    Feature: {
        "public_id": "renamed",
        "name": "Renamed",
        "description": "Words",
        "type": "BOOLEAN",
        "meter_type": "FLUCTUATING",
        "aggregation": "MAX",
        "aggregation_field": "weight",
        "meter_filters": [{"conditions": [{"field": "a", "operation": "EQUALS", "value": "b"}]}],
        "unit_singular": "point",
        "unit_plural": "points",
        "unit_transformation": {"divide": 1000, "round": "UP"},
        "enum_values": [{"value": "a"}],
        "metadata": {"a": "b"},
    },
    Product: {
        "public_id": "renamed",
        "name": "Renamed",
        "description": "Words",
        "metadata": {"a": "b"},
        "multiple_subscriptions": True,
        "start_setup": "FREE_PLAN",
        "start_plan": lambda: the(Package),
        "end_setup": "DOWNGRADE_TO_FREE",
        "downgrade_plan": lambda: the(Package),
        "downgrade_time": "IMMEDIATE",
        "cancellation_time": "IMMEDIATE",
        "prorate_at_period_end": True,
        "usage_reset": "NEVER_RESET",
    },
    Coupon: {
        "public_id": "renamed",
        "name": "Renamed",
        "description": "Words",
        "percent_off": Decimal("0.000001"),
        "amounts_off": {"NOK": "1.5"},
        "duration_in_months": 3,
        "metadata": {"a": "b"},
    },
    Package: {
        "public_id": "renamed",
        "product": lambda: a_product(public_id="another"),
        "kind": "ADDON",
    },
    PackageVersion: {
        "name": "Renamed",
        "description": "Words",
        "metadata": {"a": "b"},
        "billing_id": "price_1",
        "pricing_type": "FREE",
        "base_plan": lambda: the(Package),
        "compatible_addons": lambda: the(Package),
        "dependencies": lambda: the(Package),
        "trial_length": 8,
        "trial_unit": "MONTH",
        "trial_end": "CANCEL_SUBSCRIPTION",
        "trial_budget": {"limit": "5", "has_soft_limit": True},
        "max_quantity": 5,
        "overage_billing_period": "MONTHLY",
        "hidden_from": ["PAYWALL"],
    },
    CreditEntitlement: {
        **OF_EVERY_ENTITLEMENT,
        "credit_type": lambda: the(CreditType),
        "amount": Decimal("0.000001"),
        "cadence": "YEAR",
        "linked_feature": lambda: the(Feature),
    },
    FeatureEntitlement: {
        **OF_EVERY_ENTITLEMENT,
        "position": -99.0,
        "feature": lambda: the(Feature),
        "usage_limit": 6,
        "has_unlimited_usage": True,
        "enum_values": ["S"],
        "reset_period": "WEEK",
        "reset_configuration": {"accordingTo": "Monday"},
    },
    Charge: {
        "billing_model": "PER_UNIT",
        "billing_period": "ANNUALLY",
        "billing_cadence": "ONE_OFF",
        "amount": Decimal("0.000001"),
        "currency": "NOK",
        "billing_country_code": "NO",
        "feature": lambda: the(Feature),
        "credit_type": lambda: the(CreditType),
        "tiers_mode": "VOLUME",
        "tiers": [{"up_to": None, "unit_price": None, "flat_price": None}],
        "block_size": Decimal(10),
        "minimum_quantity": Decimal(2),
        "maximum_quantity": Decimal(3),
        "credit_grant_cadence": "MONTHLY",
        "reset_period": "WEEK",
        "reset_configuration": {"accordingTo": "Monday"},
        "is_overage": True,
    },
    ConsumptionMapping: {
        "feature": lambda: the(Feature),
        "credit_type": lambda: the(CreditType),
        "rate": Decimal("0.000001"),
        "formula": "2 * size",
    },
}
"""Every field that a file carries, and a value that must show in it."""

INNER = "An inner key: it differs from workspace to workspace."
CLOCK = "When it happened here; the other workspace has its own clock."
PLACE = "To which object it belongs, which its place in the file says."
ACTIVE = "A file says what is active; what was archived is not in it."
HISTORY = "What was published here, when and by whom: the other workspace numbers its own."
LEFT_OUT: dict[type[models.Model], dict[str, str]] = {
    CreditType: {"id": INNER, "created_at": CLOCK, "updated_at": CLOCK, "archived_at": ACTIVE},
    Feature: {"id": INNER, "created_at": CLOCK, "updated_at": CLOCK, "status": ACTIVE},
    Product: {"id": INNER, "created_at": CLOCK, "updated_at": CLOCK, "archived_at": ACTIVE},
    Coupon: {
        "id": INNER,
        "created_at": CLOCK,
        "updated_at": CLOCK,
        "archived_at": ACTIVE,
        "type": "It follows from whether there is a percentage.",
    },
    Package: {
        "id": INNER,
        "created_at": CLOCK,
        "updated_at": CLOCK,
        "archived_at": ACTIVE,
        "live": HISTORY,
        "draft": HISTORY,
    },
    PackageVersion: {
        "id": INNER,
        "package": PLACE,
        "number": HISTORY,
        "base_version": HISTORY,
        "revision": HISTORY,
        "published_at": HISTORY,
        "published_by": HISTORY,
        "audience": HISTORY,
        "created_at": CLOCK,
        "updated_at": CLOCK,
    },
    **{
        model: {"id": INNER, "version": PLACE, "created_at": CLOCK, "updated_at": CLOCK}
        for model in (CreditEntitlement, FeatureEntitlement)
    },
    **{
        model: {"id": INNER, "version": PLACE, "created_at": CLOCK}
        for model in (Charge, ConsumptionMapping)
    },
}
"""Every field that a file does not carry, and why."""

OWNER = {Product: "studio", CreditType: "ai", Feature: "images", Coupon: "launch", Package: "pro"}


def a_row(model: type[models.Model], field: str) -> models.Model:
    """The row to change: of a draft, since what is published never changes."""
    rows = model._default_manager.all()
    if model in OWNER:
        return rows.get(public_id=OWNER[model])
    if model is PackageVersion:
        package = "extra" if field in ("max_quantity", "dependencies") else "pro"
        return rows.get(package__public_id=package, published_at=None)
    return rows.get(version__package__public_id="pro", version__published_at=None)


class TestDocument:
    @pytest.mark.parametrize("model", CARRIED, ids=lambda model: model.__name__)
    def test_carries_every_field_or_says_why_not(self, model):
        fields = {field.name for field in (*model._meta.concrete_fields, *model._meta.many_to_many)}

        assert CARRIED[model].keys() | LEFT_OUT[model].keys() == fields
        assert not CARRIED[model].keys() & LEFT_OUT[model].keys()

    @pytest.mark.parametrize(
        ("model", "field"),
        [(model, field) for model, values in CARRIED.items() for field in values],
        ids=lambda part: part if isinstance(part, str) else part.__name__,
    )
    def test_differs_when_a_field_does(self, catalog, model, field):
        value = CARRIED[model][field]
        value = value() if callable(value) else value
        before = exporting.export(with_drafts=True)
        row = a_row(model, field)

        if row._meta.get_field(field).many_to_many:
            getattr(row, field).add(value)
        else:
            changed = {field: value} | TOGETHER.get((model, field), {})
            model._default_manager.filter(pk=row.pk).update(**changed)

        assert exporting.export(with_drafts=True) != before


TOGETHER: dict[tuple[type[models.Model], str], dict[str, Any]] = {
    (Coupon, "amounts_off"): {"type": "FIXED", "percent_off": None},
}
"""What the database lets change only with something else."""
