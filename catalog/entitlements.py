"""What a draft includes: credits and features are added, changed and taken out (R8)."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, TypedDict, TypeVar, Unpack

from django.db.models import Max

from catalog import drafts
from catalog.checking import InvalidField, check, naming_row
from catalog.models import (
    Behaviour,
    CreditEntitlement,
    CreditType,
    Feature,
    FeatureEntitlement,
    FeatureStatus,
    FeatureType,
    HiddenFrom,
    PackageKind,
    PackageVersion,
    PricingType,
)
from catalog.models.entitlements import COUNTED_FROM
from workspace.actors import Actor
from workspace.acts import act
from workspace.errors import Conflict, UnknownObject

Entitlement = CreditEntitlement | FeatureEntitlement
E = TypeVar("E", CreditEntitlement, FeatureEntitlement)


class AlreadyIncluded(Conflict):
    """A package includes a credit type or feature at most once."""


class NotIncluded(UnknownObject):
    """The draft itself does not include that credit type or feature."""


class CommonTerms(TypedDict, total=False):
    """What both kinds of entitlement say; what is absent stays as it is."""

    is_granted: bool
    is_custom: bool
    has_soft_limit: bool
    behaviour: str
    display_name_override: str
    description: str
    position: float
    hidden_from: list[str]


class CreditTerms(CommonTerms, total=False):
    """How many credits, how often; see `models.CreditEntitlement`."""

    amount: Decimal | None
    cadence: str
    linked_feature: Feature | None


class FeatureTerms(CommonTerms, total=False):
    """How much of a feature; see `models.FeatureEntitlement`."""

    usage_limit: int | None
    has_unlimited_usage: bool
    enum_values: list[str]
    reset_period: str
    reset_configuration: dict[str, Any] | None


@dataclass(frozen=True)
class NewCredits:
    """Credits to be included."""

    credit_type: CreditType
    terms: CreditTerms = field(default_factory=CreditTerms)


@dataclass(frozen=True)
class NewFeature:
    """A feature to be included."""

    feature: Feature
    terms: FeatureTerms = field(default_factory=FeatureTerms)


@act
def include(
    *,
    package_id: int,
    entitlements: Sequence[NewCredits | NewFeature],
    revision: int | None = None,
    actor: Actor,
    now: datetime,
) -> list[Entitlement]:
    """Add credits and features to the draft, all or none.

    Raises:
        NoDraft, StaleDraft, PackageArchived: see `drafts.lock`.
        AlreadyIncluded: the draft has one for that credit type or feature.
        InvalidField: the terms do not fit.
    """
    draft = drafts.lock(package_id, revision=revision)
    return _include(draft, entitlements, actor=actor, now=now)


@act
def include_credits(
    *,
    package_id: int,
    credit_type: CreditType,
    revision: int | None = None,
    actor: Actor,
    now: datetime,
    **terms: Unpack[CreditTerms],
) -> CreditEntitlement:
    """Add recurring credits to the draft.

    Raises:
        As `include`.
    """
    draft = drafts.lock(package_id, revision=revision)
    [entitlement] = _include(draft, [NewCredits(credit_type, terms)], actor=actor, now=now)
    assert isinstance(entitlement, CreditEntitlement)
    return entitlement


@act
def include_feature(
    *,
    package_id: int,
    feature: Feature,
    revision: int | None = None,
    actor: Actor,
    now: datetime,
    **terms: Unpack[FeatureTerms],
) -> FeatureEntitlement:
    """Add a feature to the draft.

    Raises:
        As `include`.
    """
    draft = drafts.lock(package_id, revision=revision)
    [entitlement] = _include(draft, [NewFeature(feature, terms)], actor=actor, now=now)
    assert isinstance(entitlement, FeatureEntitlement)
    return entitlement


@act
def agree_on_features(
    *, package_id: int, features: Sequence[NewFeature], actor: Actor, now: datetime
) -> None:
    """Let the draft include features on these terms, whether or not it does already.

    Raises:
        NoDraft, PackageArchived: see `drafts.lock`.
        InvalidField: the terms do not fit.
    """
    draft = drafts.lock(package_id, revision=None)
    for wanted in features:
        own = draft.feature_entitlements.filter(feature=wanted.feature).first()
        if own is None:
            _include(draft, [wanted], actor=actor, now=now)
        else:
            _change(draft, own, wanted.terms, actor=actor, now=now)


@act
def change_credits(
    *,
    package_id: int,
    credit_type: CreditType,
    revision: int | None = None,
    actor: Actor,
    now: datetime,
    **terms: Unpack[CreditTerms],
) -> CreditEntitlement:
    """Change the terms of credits that the draft includes.

    Raises:
        NoDraft, StaleDraft, PackageArchived: see `drafts.lock`.
        NotIncluded: the draft has no such credits of its own.
        InvalidField: the terms do not fit.
    """
    draft = drafts.lock(package_id, revision=revision)
    entitlement = _own_credits(draft, credit_type)
    _change(draft, entitlement, terms, actor=actor, now=now)
    return entitlement


@act
def change_feature(
    *,
    package_id: int,
    feature: Feature,
    revision: int | None = None,
    actor: Actor,
    now: datetime,
    **terms: Unpack[FeatureTerms],
) -> FeatureEntitlement:
    """Change the terms of a feature that the draft includes.

    Raises:
        As `change_credits`.
    """
    draft = drafts.lock(package_id, revision=revision)
    entitlement = _own_feature(draft, feature)
    _change(draft, entitlement, terms, actor=actor, now=now)
    return entitlement


@act
def exclude_credits(
    *,
    package_id: int,
    credit_type: CreditType,
    revision: int | None = None,
    actor: Actor,
    now: datetime,
) -> CreditEntitlement:
    """Take credits out of the draft. Returns them as they were.

    Raises:
        NoDraft, StaleDraft, PackageArchived, NotIncluded: as in `change_credits`.
    """
    draft = drafts.lock(package_id, revision=revision)
    entitlement = _own_credits(draft, credit_type)
    _remove(draft, entitlement, actor=actor, now=now)
    return entitlement


@act
def exclude_feature(
    *,
    package_id: int,
    feature: Feature,
    revision: int | None = None,
    actor: Actor,
    now: datetime,
) -> FeatureEntitlement:
    """Take a feature out of the draft. Returns its entitlement as it was.

    Raises:
        As `exclude_credits`.
    """
    draft = drafts.lock(package_id, revision=revision)
    entitlement = _own_feature(draft, feature)
    _remove(draft, entitlement, actor=actor, now=now)
    return entitlement


@act
def move(
    *,
    package_id: int,
    target: CreditType | Feature,
    places: int,
    revision: int | None = None,
    actor: Actor,
    now: datetime,
) -> None:
    """Move an entitlement up (`places` below 0) or down in the order that customers see.

    Raises:
        NoDraft, StaleDraft, PackageArchived, NotIncluded: as in `change_credits`.
    """
    draft = drafts.lock(package_id, revision=revision)
    rows = in_order([*draft.credit_entitlements.all(), *draft.feature_entitlements.all()])
    chosen: Entitlement
    if isinstance(target, CreditType):
        chosen = _own_credits(draft, target)
    else:
        chosen = _own_feature(draft, target)
    start = rows.index(chosen)
    end = min(max(start + places, 0), len(rows) - 1)
    if start == end:
        return
    rows.insert(end, rows.pop(start))
    for number, row in enumerate(rows, start=1):
        row.position = float(number)
        row.save(update_fields=["position"])
    drafts.edited(
        draft,
        "package.entitlements_ordered",
        {"moved": target.public_id, "from": start + 1, "to": end + 1},
        actor=actor,
        now=now,
    )


def in_order(entitlements: Sequence[Entitlement]) -> list[Entitlement]:
    """Entitlements of both kinds in the order that customers see."""
    return sorted(
        entitlements,
        key=lambda row: (row.position, isinstance(row, FeatureEntitlement), row.pk),
    )


def readable_terms(entitlement: Entitlement) -> dict[str, Any]:
    """The terms of an entitlement, as the records show them."""
    terms: dict[str, Any] = {
        name: getattr(entitlement, name) for name in CommonTerms.__annotations__
    }
    if isinstance(entitlement, CreditEntitlement):
        linked = entitlement.linked_feature
        return {
            "credit_type": entitlement.credit_type.public_id,
            "amount": entitlement.amount,
            "cadence": entitlement.cadence,
            "linked_feature": linked.public_id if linked else None,
            **terms,
        }
    return {
        "feature": entitlement.feature.public_id,
        "usage_limit": entitlement.usage_limit,
        "has_unlimited_usage": entitlement.has_unlimited_usage,
        "enum_values": entitlement.enum_values,
        "reset_period": entitlement.reset_period,
        "reset_configuration": entitlement.reset_configuration,
        **terms,
    }


def check_feature_terms(entitlement: FeatureEntitlement) -> None:
    """A limit belongs to numbers, chosen values to lists (R7).

    Raises:
        InvalidField: naming the field.
    """
    feature = entitlement.feature
    has_number = entitlement.usage_limit is not None or entitlement.has_unlimited_usage
    if feature.type != FeatureType.NUMBER and has_number:
        raise InvalidField(f"{feature.name} is no number.", field="usage_limit")
    if entitlement.usage_limit is not None and entitlement.has_unlimited_usage:
        raise InvalidField("Enter a limit or choose unlimited, not both.", field="usage_limit")
    if feature.type == FeatureType.NUMBER and not has_number and not entitlement.is_custom:
        raise InvalidField("Enter a limit, or choose unlimited.", field="usage_limit")
    values = {choice["value"] for choice in feature.enum_values}
    foreign = [value for value in entitlement.enum_values if value not in values]
    if foreign:
        raise InvalidField(f"{feature.name} has no value {foreign[0]}.", field="enum_values")
    if feature.type == FeatureType.ENUM and not entitlement.enum_values:
        raise InvalidField("Choose at least one value.", field="enum_values")
    counted_from = (entitlement.reset_configuration or {}).get("accordingTo")
    allowed = COUNTED_FROM.get(entitlement.reset_period, {})
    if counted_from is not None and counted_from not in allowed:
        raise InvalidField(
            f"Such periods are not counted from {counted_from}, but from one of: "
            f"{', '.join(allowed) or 'nothing else than the clock'}.",
            field="reset_period",
        )


def _include(
    locked_draft: PackageVersion,
    wanted: Sequence[NewCredits | NewFeature],
    *,
    actor: Actor,
    now: datetime,
) -> list[Entitlement]:
    """Add each, naming the row at fault among several, and record all of them in one line."""
    included = []
    for row, new in enumerate(wanted):
        with naming_row(row, of=len(wanted)):
            included.append(_add(locked_draft, new, now=now))
    drafts.edited(
        locked_draft,
        "package.entitlements_added",
        {"added": [readable_terms(entitlement) for entitlement in included]},
        actor=actor,
        now=now,
    )
    return included


def _add(
    locked_draft: PackageVersion, wanted: NewCredits | NewFeature, *, now: datetime
) -> Entitlement:
    if isinstance(wanted, NewCredits):
        return _add_credits(locked_draft, wanted.credit_type, wanted.terms, now=now)
    return _add_feature(locked_draft, wanted.feature, wanted.terms, now=now)


def _add_credits(
    locked_draft: PackageVersion, credit_type: CreditType, terms: CreditTerms, *, now: datetime
) -> CreditEntitlement:
    if locked_draft.credit_entitlements.filter(credit_type=credit_type).exists():
        raise AlreadyIncluded(f"{credit_type.name} is included already.", field="credit_type")
    if credit_type.archived_at is not None:
        raise InvalidField(f"{credit_type.name} is archived.", field="credit_type")
    entitlement = CreditEntitlement(
        version=locked_draft,
        credit_type=credit_type,
        position=_next_position(locked_draft),
        created_at=now,
        updated_at=now,
    )
    return _store(locked_draft, entitlement, terms)


def _add_feature(
    locked_draft: PackageVersion, feature: Feature, terms: FeatureTerms, *, now: datetime
) -> FeatureEntitlement:
    if locked_draft.feature_entitlements.filter(feature=feature).exists():
        raise AlreadyIncluded(f"{feature.name} is included already.", field="feature")
    if feature.status == FeatureStatus.SUSPENDED:
        raise InvalidField(f"{feature.name} is archived.", field="feature")
    entitlement = FeatureEntitlement(
        version=locked_draft,
        feature=feature,
        position=_next_position(locked_draft),
        created_at=now,
        updated_at=now,
    )
    return _store(locked_draft, entitlement, terms)


def _store(locked_draft: PackageVersion, entitlement: E, terms: CreditTerms | FeatureTerms) -> E:
    for name, value in terms.items():
        setattr(entitlement, name, value)
    check(entitlement)
    _check_terms(locked_draft, entitlement)
    entitlement.save()
    return entitlement


def _change(
    locked_draft: PackageVersion,
    entitlement: E,
    terms: CreditTerms | FeatureTerms,
    *,
    actor: Actor,
    now: datetime,
) -> None:
    before = readable_terms(entitlement)
    entitlement.updated_at = now
    _store(locked_draft, entitlement, terms)
    after = readable_terms(entitlement)
    changed = {name: [before[name], after[name]] for name in after if before[name] != after[name]}
    if changed:
        drafts.edited(
            locked_draft,
            "package.entitlement_changed",
            {"entitlement": _target(entitlement).public_id, **changed},
            actor=actor,
            now=now,
        )


def _remove(
    locked_draft: PackageVersion, entitlement: Entitlement, *, actor: Actor, now: datetime
) -> None:
    key = entitlement.pk
    entitlement.delete()
    entitlement.pk = key
    drafts.edited(
        locked_draft,
        "package.entitlement_removed",
        {"removed": readable_terms(entitlement)},
        actor=actor,
        now=now,
    )


def _own_credits(locked_draft: PackageVersion, credit_type: CreditType) -> CreditEntitlement:
    found = (
        locked_draft.credit_entitlements.select_related("credit_type", "linked_feature")
        .filter(credit_type=credit_type)
        .first()
    )
    if found is None:
        raise NotIncluded(f"This draft itself does not include {credit_type.name}.")
    return found


def _own_feature(locked_draft: PackageVersion, feature: Feature) -> FeatureEntitlement:
    found = (
        locked_draft.feature_entitlements.select_related("feature").filter(feature=feature).first()
    )
    if found is None:
        raise NotIncluded(f"This draft itself does not include {feature.name}.")
    return found


def _target(entitlement: Entitlement) -> CreditType | Feature:
    if isinstance(entitlement, CreditEntitlement):
        return entitlement.credit_type
    return entitlement.feature


def _next_position(locked_draft: PackageVersion) -> float:
    """The place behind everything that is there."""
    last = [
        relation.aggregate(last=Max("position"))["last"] or 0.0
        for relation in (locked_draft.credit_entitlements, locked_draft.feature_entitlements)
    ]
    return float(int(max(last)) + 1)


def _check_terms(draft: PackageVersion, entitlement: Entitlement) -> None:
    """What is true of entitlements that no single field shows.

    Raises:
        InvalidField: naming the field.
    """
    is_plan = draft.package.kind == PackageKind.PLAN
    if is_plan and entitlement.behaviour != Behaviour.INCREMENT:
        raise InvalidField("Only add-ons replace what the plan gives.", field="behaviour")
    if entitlement.is_custom and not (is_plan and draft.pricing_type == PricingType.CUSTOM):
        raise InvalidField("Only plans with custom pricing have custom values.", field="is_custom")
    unknown = set(entitlement.hidden_from) - set(HiddenFrom.values)
    if unknown:
        raise InvalidField(f"Cannot be hidden from {unknown.pop()}.", field="hidden_from")
    if isinstance(entitlement, CreditEntitlement):
        linked = entitlement.linked_feature
        if linked is not None and linked.type != FeatureType.NUMBER:
            raise InvalidField(
                f"{linked.name} is no number; link a feature that counts something.",
                field="linked_feature",
            )
    else:
        check_feature_terms(entitlement)
