"""The sections of a package's page, in finished values."""

from dataclasses import dataclass

from catalog import entitlements as catalog_entitlements
from catalog import wording
from catalog.admin.rows import url_of
from catalog.comparison import Contents
from catalog.models import (
    Behaviour,
    BillingPeriod,
    CreditEntitlement,
    CreditType,
    Feature,
    HiddenFrom,
    PackageKind,
)
from catalog.prices import base_prices


@dataclass(frozen=True)
class EntitlementRow:
    """A line of the section Entitlements."""

    kind: str  # "credits" or "feature"
    key: int
    name: str
    public_id: str
    shown_as: str
    value: str
    notes: tuple[str, ...]
    is_inherited: bool
    change_url: str
    remove_url: str


@dataclass(frozen=True)
class PriceRow:
    """A line of the section Price."""

    label: str
    value: str
    change_url: str = ""
    remove_url: str = ""


@dataclass(frozen=True)
class MappingRow:
    """A line of the section Credit consumption."""

    feature: str
    credit_type: str
    cost: str
    is_formula: bool
    is_inherited: bool
    change_url: str
    remove_url: str


def facts(contents: Contents) -> list[tuple[str, str]]:
    """What the section Details shows."""
    version = contents.version
    shown = [
        ("Name", version.name),
        ("Product", version.package.product.name),
        ("Description", version.description),
        ("Pricing", version.get_pricing_type_display() if version.pricing_type else "Not set"),
    ]
    if version.package.kind == PackageKind.PLAN:
        shown.append(("Base plan", version.base_plan.name if version.base_plan else "None"))
    else:
        shown.append(("Quantity", wording.quantity(version)))
    hidden = ", ".join(HiddenFrom(place).label for place in version.hidden_from)
    return [
        *shown,
        ("Hidden from", hidden),
        ("Overage billed", version.get_overage_billing_period_display()),
        ("Billing ID", version.billing_id),
        *version.metadata.items(),
    ]


def entitlements(contents: Contents) -> list[EntitlementRow]:
    """What the section Entitlements shows, in the order that customers see."""
    package = contents.version.package
    rows = []
    target: CreditType | Feature
    for entitlement in catalog_entitlements.in_order([*contents.credits, *contents.features]):
        if isinstance(entitlement, CreditEntitlement):
            kind, target = "credits", entitlement.credit_type
            value = wording.credit_value(entitlement)
        else:
            kind, target = "feature", entitlement.feature
            value = wording.feature_value(entitlement)
        rows.append(
            EntitlementRow(
                kind=kind,
                key=target.pk,
                name=target.name,
                public_id=target.public_id,
                shown_as=entitlement.display_name_override,
                value=value,
                notes=_notes(entitlement),
                is_inherited=entitlement.version_id != contents.version.pk,
                change_url=url_of(package, f"change_{kind}", target.pk),
                remove_url=url_of(package, f"exclude_{kind}", target.pk),
            )
        )
    return rows


def prices(contents: Contents) -> list[PriceRow]:
    """What the section Price shows; base prices are edited together."""
    package = contents.version.package
    base = base_prices(contents.charges)
    labels = {BillingPeriod.MONTHLY: "Monthly", BillingPeriod.ANNUALLY: "Yearly"}
    rows = [
        PriceRow(label, wording.price(base[period]))
        for period, label in labels.items()
        if period in base
    ]
    rest = [charge for charge in contents.charges if charge not in base.values()]
    return rows + [
        PriceRow(
            wording.price_label(charge),
            wording.price_in_full(charge),
            url_of(package, "change_price", charge.pk),
            url_of(package, "remove_price", charge.pk),
        )
        for charge in rest
    ]


def mappings(contents: Contents) -> list[MappingRow]:
    """What the section Credit consumption shows."""
    package = contents.version.package
    return [
        MappingRow(
            feature=mapping.feature.name,
            credit_type=mapping.credit_type.name,
            cost=wording.cost(mapping),
            is_formula=bool(mapping.formula),
            is_inherited=mapping.version_id != contents.version.pk,
            change_url=url_of(package, "change_consumption", mapping.pk),
            remove_url=url_of(package, "remove_consumption", mapping.pk),
        )
        for mapping in contents.mappings
    ]


def _notes(entitlement: "catalog_entitlements.Entitlement") -> tuple[str, ...]:
    """What is unusual about an entitlement, in words."""
    is_credits = isinstance(entitlement, CreditEntitlement)
    notes = []
    if is_credits or entitlement.has_soft_limit:
        notes.append("Soft limit" if entitlement.has_soft_limit else "Hard limit")
    if entitlement.behaviour == Behaviour.OVERRIDE:
        notes.append("Overrides plan limit")
    if entitlement.is_custom:
        notes.append("Custom per subscription")
    if not entitlement.is_granted:
        notes.append("Not granted")
    notes += [f"Hidden: {HiddenFrom(place).label}" for place in entitlement.hidden_from]
    return tuple(notes)
