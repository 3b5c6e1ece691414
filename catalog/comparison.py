"""A draft beside a version: what is added, changed and removed, field by field (R9).

Pure once the two are loaded: `load` reads, `compare` compares.
"""

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass, replace
from enum import Enum
from typing import TypeVar

from catalog import entitlements, inheritance, wording
from catalog.models import (
    Behaviour,
    Charge,
    ConsumptionMapping,
    CreditEntitlement,
    Feature,
    FeatureEntitlement,
    HiddenFrom,
    Package,
    PackageKind,
    PackageVersion,
)

T = TypeVar("T")


class Kind(Enum):
    """What happened to an item; the screens show it green, orange or red."""

    ADDED = "added"
    CHANGED = "changed"
    REMOVED = "removed"


@dataclass(frozen=True)
class Change:
    """One line of a review. `before` is empty for what is added, `after` for what is removed."""

    section: str
    kind: Kind
    label: str
    before: str
    after: str


@dataclass(frozen=True)
class Contents:
    """A version with all that it includes, its own and inherited (R5)."""

    version: PackageVersion
    credits: tuple[CreditEntitlement, ...]
    features: tuple[FeatureEntitlement, ...]
    charges: tuple[Charge, ...]
    mappings: tuple[ConsumptionMapping, ...]
    addons: tuple[Package, ...]
    dependencies: tuple[Package, ...]


def load(version: PackageVersion) -> Contents:
    """Read a version with all that it includes; a constant number of queries."""
    return Contents(
        version=version,
        credits=tuple(inheritance.effective_credit_entitlements(version)),
        features=tuple(inheritance.effective_feature_entitlements(version)),
        charges=tuple(version.charges.select_related("feature", "credit_type")),
        mappings=tuple(inheritance.effective_mappings(version)),
        addons=tuple(version.compatible_addons.select_related("live", "draft", "product")),
        dependencies=tuple(version.dependencies.select_related("live", "draft", "product")),
    )


def compare(before: Contents | None, after: Contents) -> list[Change]:
    """What `after` adds to, changes in and removes from `before`; all is new without one."""
    return [
        *_fields("Details", "", _details(before) if before else None, _details(after)),
        *_items(
            "Entitlements",
            before.credits if before else (),
            after.credits,
            key=lambda entitlement: entitlement.credit_type_id,
            label=lambda entitlement: str(entitlement.credit_type),
            fields=_credit_fields,
            summary=lambda entitlement: (
                wording.credit_value(entitlement) + _over_the_plan(entitlement)
            ),
        ),
        *_items(
            "Entitlements",
            before.features if before else (),
            after.features,
            key=lambda entitlement: entitlement.feature_id,
            label=lambda entitlement: str(entitlement.feature),
            fields=_feature_fields,
            summary=lambda entitlement: (
                wording.feature_value(entitlement) + _over_the_plan(entitlement)
            ),
        ),
        *_order(before, after),
        *_items(
            "Price",
            before.charges if before else (),
            after.charges,
            key=_charge_key(before.charges if before else (), after.charges),
            label=wording.price_label,
            fields=_charge_fields,
            summary=wording.price_in_full,
        ),
        *_items(
            "Credit consumption",
            before.mappings if before else (),
            after.mappings,
            key=lambda mapping: (mapping.feature_id, mapping.credit_type_id),
            label=str,
            fields=lambda mapping: {"": wording.cost(mapping)},
            summary=wording.cost,
        ),
        *_choices("Compatible add-ons", before.addons if before else (), after.addons),
        *_choices("Depends on", before.dependencies if before else (), after.dependencies),
    ]


def _order(before: Contents | None, after: Contents) -> list[Change]:
    """A line if what both include stands in another order."""
    old, new = (_in_order(contents) if contents else {} for contents in (before, after))
    stayed = [name for key, name in new.items() if key in old]
    stood = [new[key] for key in old if key in new]
    if stood == stayed:
        return []
    return [Change("Entitlements", Kind.CHANGED, "Order", ", ".join(stood), ", ".join(stayed))]


def _in_order(contents: Contents) -> dict[Hashable, str]:
    """The entitlements of a version's own as they are listed."""
    everything: list[CreditEntitlement | FeatureEntitlement]
    everything = [*contents.credits, *contents.features]
    own = [each for each in everything if each.version_id == contents.version.pk]
    named: dict[Hashable, str] = {}
    for each in entitlements.in_order(own):
        if isinstance(each, CreditEntitlement):
            named[CreditEntitlement, each.credit_type_id] = str(each.credit_type)
        elif isinstance(each, FeatureEntitlement):
            named[FeatureEntitlement, each.feature_id] = str(each.feature)
    return named


def _fields(
    section: str, owner: str, before: Mapping[str, str] | None, after: Mapping[str, str]
) -> list[Change]:
    """A line for each field that differs; empty fields of something new say nothing."""
    changes = []
    for name, new in after.items():
        old = before.get(name, "") if before is not None else ""
        if old != new:
            kind = Kind.CHANGED if old and new else Kind.ADDED if new else Kind.REMOVED
            label = " – ".join(filter(None, [owner, name]))
            changes.append(Change(section, kind, label, old, new))
    return changes


def _items(
    section: str,
    before: Iterable[T],
    after: Iterable[T],
    *,
    key: Callable[[T], Hashable],
    label: Callable[[T], str],
    fields: Callable[[T], Mapping[str, str]],
    summary: Callable[[T], str],
) -> list[Change]:
    """Items found on both sides are compared field by field."""
    old_items = {key(item): item for item in before}
    changes = []
    for item in after:
        old = old_items.pop(key(item), None)
        if old is None:
            changes.append(Change(section, Kind.ADDED, label(item), "", summary(item)))
        else:
            # A field that is filled or emptied is a change of the item it belongs to.
            changes += [
                replace(change, kind=Kind.CHANGED)
                for change in _fields(section, label(item), fields(old), fields(item))
            ]
    changes += [
        Change(section, Kind.REMOVED, label(item), summary(item), "") for item in old_items.values()
    ]
    return changes


def _choices(section: str, before: Iterable[Package], after: Iterable[Package]) -> list[Change]:
    """Add-ons that are named; each is there or not, so there are no values to show."""
    old, new = {addon.pk: addon for addon in before}, {addon.pk: addon for addon in after}
    return [
        *(
            Change(section, Kind.ADDED, addon.name, "", "")
            for pk, addon in new.items()
            if pk not in old
        ),
        *(
            Change(section, Kind.REMOVED, addon.name, "", "")
            for pk, addon in old.items()
            if pk not in new
        ),
    ]


def _details(contents: Contents) -> dict[str, str]:
    version = contents.version
    details = {
        "Name": version.name,
        "Description": version.description,
        "Pricing": version.get_pricing_type_display() if version.pricing_type else "",
        "Billing ID": version.billing_id,
        "Overage billed": version.get_overage_billing_period_display(),
        "Hidden from": _hidden_from(version.hidden_from),
        "Metadata": ", ".join(f"{key}: {value}" for key, value in version.metadata.items()),
    }
    if version.package.kind == PackageKind.ADDON:
        return {**details, "Quantity": wording.quantity(version)}
    return {
        **details,
        "Base plan": _with_id(version.base_plan) if version.base_plan else "",
        "Trial": wording.trial(version) if version.trial_length else "",
    }


def _common_fields(entitlement: CreditEntitlement | FeatureEntitlement) -> dict[str, str]:
    return {
        "Limit": "Soft" if entitlement.has_soft_limit else "Hard",
        "Behaviour": entitlement.get_behaviour_display(),
        "Granted": "Yes" if entitlement.is_granted else "No",
        "Custom": "Yes" if entitlement.is_custom else "No",
        "Display name": entitlement.display_name_override,
        "Description": entitlement.description,
        "Hidden from": _hidden_from(entitlement.hidden_from),
    }


def _credit_fields(entitlement: CreditEntitlement) -> dict[str, str]:
    linked = entitlement.linked_feature
    return {
        "Amount": wording.credit_value(entitlement),
        "Linked feature": _with_id(linked) if linked else "",
        **_common_fields(entitlement),
    }


def _feature_fields(entitlement: FeatureEntitlement) -> dict[str, str]:
    return {"Value": wording.feature_value(entitlement), **_common_fields(entitlement)}


def _over_the_plan(entitlement: CreditEntitlement | FeatureEntitlement) -> str:
    """A word where an add-on takes the place of what the plan includes (R16)."""
    return ", overrides plan limit" if entitlement.behaviour == Behaviour.OVERRIDE else ""


def _charge_key(*sides: Iterable[Charge]) -> Callable[[Charge], Hashable]:
    """What tells prices apart: what they are for, and where that has several, the currency."""
    several = {
        key for side in sides for key, number in Counter(map(_priced, side)).items() if number > 1
    }

    def key(charge: Charge) -> Hashable:
        priced = _priced(charge)
        return (priced, charge.currency if priced in several else "")

    return key


def _priced(charge: Charge) -> Hashable:
    return (
        charge.billing_model,
        charge.billing_period,
        charge.billing_cadence,
        charge.billing_country_code,
        charge.feature_id,
        charge.credit_type_id,
        charge.is_overage,
    )


def _charge_fields(charge: Charge) -> dict[str, str]:
    return {
        "": wording.price(charge),
        "Tiers": wording.tiers(charge),
        "Units": wording.units_sold(charge),
        "Use starts afresh": wording.reset_period(charge),
        "Credits granted": charge.get_credit_grant_cadence_display(),
    }


def _with_id(named: Package | Feature) -> str:
    """A name with its ID: two may share a name."""
    return f"{named.name} ({named.public_id})"


def _hidden_from(places: Iterable[str]) -> str:
    return ", ".join(HiddenFrom(place).label for place in places)
