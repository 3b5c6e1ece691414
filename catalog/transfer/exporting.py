"""What is stored, in the shape of a catalog file."""

import hashlib
from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db.models import QuerySet

from catalog import entitlements
from catalog.models import (
    Charge,
    ConsumptionMapping,
    Coupon,
    CreditEntitlement,
    CreditType,
    Feature,
    FeatureEntitlement,
    Package,
    PackageKind,
    PackageVersion,
    Product,
)
from catalog.transfer import shapes
from catalog.transfer.kinds import Entry
from catalog.transfer.shapes import Document, text_of
from workspace import activity
from workspace.actors import Actor
from workspace.acts import act

SECTION_OF = {PackageKind.PLAN: "plans", PackageKind.ADDON: "addons"}
PARTS = (
    "credit_entitlements__credit_type",
    "credit_entitlements__linked_feature",
    "feature_entitlements__feature",
    "charges__feature",
    "charges__credit_type",
    "mappings__feature",
    "mappings__credit_type",
    "compatible_addons",
    "dependencies",
)


def export(*, with_drafts: bool = False) -> str:
    """The catalog as a file: what is active, and of plans and add-ons what is on sale.

    `with_drafts` takes open drafts in place of live versions, and those never published.
    A constant number of queries.
    """
    return text_of(document(with_drafts=with_drafts))


@act
def hand_out(*, with_drafts: bool, actor: Actor, now: datetime) -> str:
    """`export` for somebody, who is remembered."""
    text = export(with_drafts=with_drafts)
    activity.record(
        "catalog.exported",
        subject=("catalog", "catalog"),
        actor=actor,
        now=now,
        payload={"with_drafts": with_drafts, "file": hashlib.sha256(text.encode()).hexdigest()},
    )
    return text


def document(*, with_drafts: bool) -> Document:
    """The stored catalog; see `export`."""
    packages = Package.objects.active().filter(product__archived_at=None)
    if not with_drafts:
        packages = packages.exclude(live=None)
    shown = [
        (package, (package.draft_id if with_drafts else None) or package.live_id)
        for package in packages.select_related("product")
    ]
    versions = entries_of(version_id for _, version_id in shown if version_id)
    found: Document = {
        "credit_types": _by_id(map(credit_type_entry, CreditType.objects.active())),
        "features": _by_id(map(feature_entry, Feature.objects.active())),
        "products": _by_id(
            map(
                product_entry,
                Product.objects.active().select_related("start_plan", "downgrade_plan"),
            )
        ),
        "coupons": _by_id(map(coupon_entry, Coupon.objects.active())),
        "addons": {},
        "plans": {},
    }
    for package, version_id in shown:
        if version_id is not None:
            section = SECTION_OF[PackageKind(package.kind)]
            found[section][package.public_id] = versions[version_id]
    return found


def entries_of(version_ids: Iterable[int]) -> dict[int, Entry]:
    """What versions say, by their key; a constant number of queries."""
    versions: QuerySet[PackageVersion] = PackageVersion.objects.filter(pk__in=list(version_ids))
    versions = versions.select_related("package__product", "base_plan").prefetch_related(*PARTS)
    return {version.pk: _package_entry(version) for version in versions}


def credit_type_entry(credit_type: CreditType) -> Entry:
    """A credit type in the words of a file."""
    return shapes.CREDIT_TYPE.filled(
        id=credit_type.public_id,
        name=credit_type.name,
        description=credit_type.description,
        symbol=credit_type.symbol,
        unit=credit_type.unit_singular,
        units=credit_type.unit_plural,
        metadata=credit_type.metadata,
    )


def feature_entry(feature: Feature) -> Entry:
    """A feature in the words of a file."""
    return shapes.FEATURE.filled(
        id=feature.public_id,
        name=feature.name,
        type=feature.type,
        description=feature.description,
        unit=feature.unit_singular,
        units=feature.unit_plural,
        values=[
            Entry({"value": choice["value"], "name": choice.get("displayName") or ""})
            for choice in feature.enum_values
        ],
        meter=_meter(feature) if feature.is_metered else None,
        shown_units=_shown_units(feature.unit_transformation),
        metadata=feature.metadata,
    )


def product_entry(product: Product) -> Entry:
    """A product in the words of a file."""
    return shapes.PRODUCT.filled(
        id=product.public_id,
        name=product.name,
        description=product.description,
        multiple_subscriptions=product.multiple_subscriptions,
        start=product.start_setup,
        start_plan=_id(product.start_plan),
        end=product.end_setup,
        downgrade_plan=_id(product.downgrade_plan),
        downgrade_takes_effect=product.downgrade_time,
        cancellation=product.cancellation_time,
        prorate_at_period_end=product.prorate_at_period_end,
        usage_reset=product.usage_reset,
        metadata=product.metadata,
    )


def coupon_entry(coupon: Coupon) -> Entry:
    """A coupon in the words of a file."""
    return shapes.COUPON.filled(
        id=coupon.public_id,
        name=coupon.name,
        description=coupon.description,
        percent_off=coupon.percent_off,
        amounts_off=coupon.amounts,
        duration_in_months=coupon.duration_in_months,
        metadata=coupon.metadata,
    )


def _package_entry(version: PackageVersion) -> Entry:
    package = version.package
    shared = {
        "id": package.public_id,
        "product": package.product.public_id,
        "name": version.name,
        "description": version.description,
        "billing_id": version.billing_id,
        "pricing": version.pricing_type,
        "overage_billing_period": version.overage_billing_period,
        "hidden_from": sorted(version.hidden_from),
        "metadata": version.metadata,
        "entitlements": [
            _entitlement(row)
            for row in entitlements.in_order(
                [*version.credit_entitlements.all(), *version.feature_entitlements.all()]
            )
        ],
        "prices": [_price(charge) for charge in version.charges.all()],
        "consumption": [_consumption(mapping) for mapping in version.mappings.all()],
    }
    if package.kind == PackageKind.ADDON:
        return shapes.ADDON.filled(
            **shared,
            max_quantity=version.max_quantity,
            depends_on=_ids(version.dependencies.all()),
        )
    return shapes.PLAN.filled(
        **shared,
        base_plan=_id(version.base_plan),
        trial=_trial(version),
        compatible_addons=_ids(version.compatible_addons.all()),
    )


def _meter(feature: Feature) -> Entry:
    return Entry(
        {
            "type": feature.meter_type,
            "aggregation": feature.aggregation,
            "dimension": feature.aggregation_field,
            "filters": [
                Entry(
                    {
                        "all_of": [
                            shapes.CONDITION.filled(**condition)
                            for condition in group["conditions"]
                        ]
                    }
                )
                for group in feature.meter_filters
            ],
        }
    )


def _shown_units(stored: Mapping[str, Any] | None) -> Entry | None:
    if not stored:
        return None
    return Entry(
        {
            "divide": stored["divide"],
            "round": stored.get("round") or "",
            "unit": stored.get("featureUnits") or "",
            "units": stored.get("featureUnitsPlural") or "",
        }
    )


def _entitlement(row: CreditEntitlement | FeatureEntitlement) -> Entry:
    terms = {
        "granted": row.is_granted,
        "custom": row.is_custom,
        "soft_limit": row.has_soft_limit,
        "behaviour": row.behaviour,
        "display_name": row.display_name_override,
        "description": row.description,
        "hidden_from": sorted(row.hidden_from),
    }
    if isinstance(row, CreditEntitlement):
        return shapes.CREDITS.filled(
            credits=row.credit_type.public_id,
            amount=row.amount,
            cadence=row.cadence,
            per=_id(row.linked_feature),
            **terms,
        )
    return shapes.INCLUDED_FEATURE.filled(
        feature=row.feature.public_id,
        limit=row.usage_limit,
        unlimited=row.has_unlimited_usage,
        values=row.enum_values,
        reset_period=row.reset_period,
        reset_according_to=(row.reset_configuration or {}).get("accordingTo") or "",
        **terms,
    )


def _price(charge: Charge) -> Entry:
    return shapes.PRICE.filled(
        model=charge.billing_model,
        period=charge.billing_period,
        amount=charge.amount,
        currency=charge.currency,
        cadence=charge.billing_cadence,
        country=charge.billing_country_code,
        feature=_id(charge.feature),
        credits=_id(charge.credit_type),
        tiers_mode=charge.tiers_mode,
        tiers=[
            Entry(
                {
                    "up_to": _decimal(tier["up_to"]),
                    "unit_price": _money(tier["unit_price"]),
                    "flat_price": _money(tier["flat_price"]),
                }
            )
            for tier in charge.tiers
        ],
        block_size=charge.block_size,
        minimum_quantity=charge.minimum_quantity,
        maximum_quantity=charge.maximum_quantity,
        credit_grant_cadence=charge.credit_grant_cadence,
        reset_period=charge.reset_period,
        reset_according_to=(charge.reset_configuration or {}).get("accordingTo") or "",
        overage=charge.is_overage,
    )


def _consumption(mapping: ConsumptionMapping) -> Entry:
    return shapes.CONSUMPTION.filled(
        feature=mapping.feature.public_id,
        credits=mapping.credit_type.public_id,
        rate=mapping.rate,
        formula=mapping.formula,
    )


def _trial(version: PackageVersion) -> Entry | None:
    if version.trial_length is None:
        return None
    budget = version.trial_budget
    return Entry(
        {
            "length": version.trial_length,
            "unit": version.trial_unit,
            "end": version.trial_end,
            "budget": budget
            and Entry({"limit": Decimal(budget["limit"]), "soft_limit": budget["has_soft_limit"]}),
        }
    )


def _money(stored: Mapping[str, Any] | None) -> Entry | None:
    if not stored:
        return None
    return Entry({"amount": Decimal(stored["amount"]), "currency": stored["currency"]})


def _decimal(stored: str | int | None) -> Decimal | None:
    return None if stored is None else Decimal(stored)


def _id(named: Any) -> str | None:
    return named.public_id if named is not None else None


def _ids(packages: Iterable[Package]) -> list[str]:
    return sorted(package.public_id for package in packages)


def _by_id(entries: Iterable[Entry]) -> dict[str, Entry]:
    return {entry["id"]: entry for entry in entries}
