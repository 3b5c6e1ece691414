"""What a subscription includes: credits by source, features, and what use costs (R5, R15–R17, R33).

How much of it all is granted when, and who pays first, is decided where credits are kept;
here is only what was bought.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from catalog import inheritance
from catalog.models import (
    Behaviour,
    ConsumptionMapping,
    CreditEntitlement,
    CreditType,
    Feature,
    FeatureEntitlement,
    PackageVersion,
)
from subscriptions import terms
from subscriptions.models import Subscription, SubscriptionEntitlement
from subscriptions.terms import Attached, Terms


@dataclass(frozen=True, slots=True, kw_only=True)
class CreditSource:
    """One credit entitlement that a subscription has, from its plan or from an add-on.

    `amount` is credits per cadence, or per unit if `linked`, after custom values; None gives
    nothing. `units` are the units of the linked feature that were bought (R17): of an
    add-on, those it brings, its quantity included; None if unlimited, missing or 0.
    `source_id` is the package; a plan's inherited entitlements are the plan's own.
    `name` is the package's, `inherited_from` that of the base plan an entitlement comes from.
    """

    source_id: int
    source_is_addon: bool
    name: str
    credit_type_id: int
    amount: Decimal | None
    cadence: str
    behaviour: str
    has_soft_limit: bool
    is_granted: bool
    quantity: int
    linked: bool
    units: Decimal | None
    attached_at: datetime | None
    credit_type: CreditType
    is_custom: bool = False
    inherited_from: str = ""


@dataclass(frozen=True, slots=True)
class FeatureSource:
    """A package that includes a feature, or a promotional entitlement, and what it adds."""

    entitlement: FeatureEntitlement
    name: str
    is_addon: bool
    quantity: int
    inherited_from: str = ""
    is_promotional: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class EffectiveFeature:
    """What a subscription includes of one feature, with the packages it comes from.

    `usage_limit` is None if the feature has no limit: with `has_unlimited_usage`, or because
    it is no number. `is_set_here` says that the subscription has a value of its own.
    """

    feature: Feature
    is_granted: bool
    usage_limit: int | None
    has_unlimited_usage: bool
    has_soft_limit: bool
    enum_values: tuple[str, ...]
    reset_period: str
    reset_configuration: dict[str, str] | None
    is_set_here: bool
    sources: tuple[FeatureSource, ...]


class Included:
    """What versions include, for reading many subscriptions in a constant number of queries."""

    def __init__(self, version_ids: Iterable[int]) -> None:
        ids = set(version_ids)
        self.credits = inheritance.credit_entitlements_of(ids)
        self.features: dict[int, list[FeatureEntitlement]] = {}
        if any(
            entitlement.linked_feature_id is not None
            for entitlements in self.credits.values()
            for entitlement in entitlements
        ):
            self.features = inheritance.feature_entitlements_of(ids)


def credit_sources(agreed: Terms, *, included: Included | None = None) -> list[CreditSource]:
    """The credits that terms include, the plan's first; a constant number of queries.

    With `included`, which knows the versions, without any query.
    """
    plan_version = agreed.plan_version
    included = included or Included(_version_ids(agreed))
    features: dict[int, EffectiveFeature] = {}
    if included.features:
        features = _effective_features(agreed, included.features)
    custom = {
        value.credit_type_id: value for value in agreed.values if value.credit_type_id is not None
    }
    found = [
        _plan_source(entitlement, plan_version, custom, features)
        for entitlement in included.credits[plan_version.pk]
    ]
    for addon in agreed.addons:
        brought = included.features.get(addon.version.pk, [])
        found += [
            _addon_source(entitlement, addon, brought)
            for entitlement in included.credits[addon.version.pk]
        ]
    return found


def effective_features(subscription: Subscription, now: datetime) -> list[EffectiveFeature]:
    """The features that a subscription includes at `now`; a constant number of queries."""
    return features_under(terms.at(subscription, now))


def features_under(agreed: Terms) -> list[EffectiveFeature]:
    """The features that terms include; a constant number of queries."""
    by_version = inheritance.feature_entitlements_of(_version_ids(agreed))
    return list(_effective_features(agreed, by_version).values())


def effective_mappings(subscription: Subscription, now: datetime) -> list[ConsumptionMapping]:
    """What use costs under a subscription at `now` (R33); a constant number of queries."""
    return mappings_under(terms.at(subscription, now))


def mappings_under(agreed: Terms) -> list[ConsumptionMapping]:
    """What use costs under these terms (R33); a constant number of queries.

    The plan's mappings, and of features that it does not map those of the add-ons: for each
    credit type the one of the add-on attached first.
    """
    plan_version = agreed.plan_version.pk
    versions = [addon.version.pk for addon in agreed.addons]
    by_version = inheritance.mappings_of([plan_version, *versions])
    in_force = {
        (mapping.feature_id, mapping.credit_type_id): mapping
        for mapping in by_version[plan_version]
    }
    mapped_by_plan = {feature_id for feature_id, _ in in_force}
    for version_id in versions:
        for mapping in by_version[version_id]:
            if mapping.feature_id not in mapped_by_plan:
                in_force.setdefault((mapping.feature_id, mapping.credit_type_id), mapping)
    return list(in_force.values())


def _version_ids(agreed: Terms) -> list[int]:
    return [agreed.plan_version.pk, *(addon.version.pk for addon in agreed.addons)]


def _plan_source(
    entitlement: CreditEntitlement,
    plan_version: PackageVersion,
    custom: dict[int, SubscriptionEntitlement],
    features: dict[int, EffectiveFeature],
) -> CreditSource:
    value = custom.get(entitlement.credit_type_id) if entitlement.is_custom else None
    linked_id = entitlement.linked_feature_id
    return CreditSource(
        source_id=plan_version.package_id,
        source_is_addon=False,
        name=plan_version.name,
        credit_type_id=entitlement.credit_type_id,
        amount=entitlement.amount if value is None else value.amount,
        cadence=entitlement.cadence if value is None else value.cadence,
        behaviour=entitlement.behaviour,
        has_soft_limit=entitlement.has_soft_limit,
        is_granted=entitlement.is_granted,
        quantity=1,
        linked=linked_id is not None,
        units=None if linked_id is None else _units(features.get(linked_id)),
        attached_at=None,
        credit_type=entitlement.credit_type,
        is_custom=entitlement.is_custom,
        inherited_from=_inherited_from(entitlement, plan_version),
    )


def _addon_source(
    entitlement: CreditEntitlement, addon: Attached, brought: list[FeatureEntitlement]
) -> CreditSource:
    linked_id = entitlement.linked_feature_id
    units = None
    for feature_entitlement in brought:
        if feature_entitlement.feature_id == linked_id and feature_entitlement.is_granted:
            units = (feature_entitlement.usage_limit or 0) * addon.quantity
    return CreditSource(
        source_id=addon.version.package_id,
        source_is_addon=True,
        name=addon.version.name,
        credit_type_id=entitlement.credit_type_id,
        amount=entitlement.amount,
        cadence=entitlement.cadence,
        behaviour=entitlement.behaviour,
        has_soft_limit=entitlement.has_soft_limit,
        is_granted=entitlement.is_granted,
        quantity=addon.quantity,
        linked=linked_id is not None,
        units=Decimal(units) if units else None,
        attached_at=addon.attached_at,
        credit_type=entitlement.credit_type,
    )


def _units(feature: EffectiveFeature | None) -> Decimal | None:
    """Units bought of a linked feature; None if there is no such number (R17)."""
    if feature is None or not feature.is_granted or not feature.usage_limit:
        return None
    return Decimal(feature.usage_limit)


def _effective_features(
    agreed: Terms, by_version: dict[int, list[FeatureEntitlement]]
) -> dict[int, EffectiveFeature]:
    """By feature, what all packages and the subscription itself say together."""
    plan_version = agreed.plan_version
    sources: dict[int, list[FeatureSource]] = {}
    for entitlement in by_version[plan_version.pk]:
        inherited_from = _inherited_from(entitlement, plan_version)
        sources.setdefault(entitlement.feature_id, []).append(
            FeatureSource(entitlement, plan_version.name, False, 1, inherited_from)
        )
    for addon in agreed.addons:
        for entitlement in by_version[addon.version.pk]:
            sources.setdefault(entitlement.feature_id, []).append(
                FeatureSource(entitlement, addon.version.name, True, addon.quantity)
            )
    own = {value.feature_id: value for value in agreed.values if value.feature_id is not None}
    return {
        feature_id: _effective_feature(found, own.get(feature_id))
        for feature_id, found in sources.items()
    }


def _effective_feature(
    sources: list[FeatureSource], value: SubscriptionEntitlement | None
) -> EffectiveFeature:
    """Overrides replace the plan and the increments, the largest wins; else all add up.

    What is not granted adds nothing. A value set for the subscription stands for all.
    """
    granted = [source for source in sources if source.entitlement.is_granted]
    overrides = [source for source in granted if source.entitlement.behaviour == Behaviour.OVERRIDE]
    counting = overrides or granted
    limits = [(source.entitlement.usage_limit or 0) * source.quantity for source in counting]
    is_unlimited = any(source.entitlement.has_unlimited_usage for source in counting)
    has_limit = any(source.entitlement.usage_limit is not None for source in counting)
    limit = max(limits, default=0) if overrides else sum(limits)
    first = (counting or sources)[0].entitlement
    if value is not None:
        is_unlimited = value.has_unlimited_usage
        has_limit = value.usage_limit is not None
        limit = value.usage_limit or 0
    soft = any(source.entitlement.has_soft_limit for source in counting)
    if value is not None and value.has_soft_limit is not None:
        soft = value.has_soft_limit
    has_own_reset = value is not None and bool(value.reset_period)
    return EffectiveFeature(
        feature=first.feature,
        is_granted=bool(granted),
        usage_limit=limit if has_limit and not is_unlimited else None,
        has_unlimited_usage=is_unlimited,
        has_soft_limit=soft,
        enum_values=tuple(
            dict.fromkeys(
                chosen for source in counting for chosen in source.entitlement.enum_values
            )
        ),
        reset_period=value.reset_period if value and has_own_reset else first.reset_period,
        reset_configuration=(
            value.reset_configuration if value and has_own_reset else first.reset_configuration
        ),
        is_set_here=value is not None,
        sources=tuple(sources),
    )


def _inherited_from(
    entitlement: CreditEntitlement | FeatureEntitlement, plan_version: PackageVersion
) -> str:
    """The name of the base plan that an entitlement comes from; empty if it is the plan's own."""
    if entitlement.version_id == plan_version.pk:
        return ""
    return entitlement.version.name
