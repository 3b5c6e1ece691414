"""Plans and add-ons begin here as drafts, and the details of drafts are edited (R5, R6, R8)."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, TypedDict, Unpack

from catalog import drafts, prices, products
from catalog.checking import InvalidField, check, clean_metadata, store_new
from catalog.models import HiddenFrom, Package, PackageKind, PackageVersion, PricingType
from catalog.prices import NewCharge, NewMapping
from workspace import activity
from workspace.actors import Actor
from workspace.acts import act
from workspace.errors import Conflict

PLAN_ONLY = (
    "base_plan",
    "compatible_addons",
    "trial_length",
    "trial_unit",
    "trial_end",
    "trial_budget",
)
ADDON_ONLY = ("dependencies", "max_quantity")


class ProductArchived(Conflict):
    """The product is archived."""


class Details(TypedDict, total=False):
    """What a draft says about itself; what is absent stays as it is.

    `base_plan`, `compatible_addons` and the trial belong to plans, `dependencies` and
    `max_quantity` to add-ons. The three fields of a trial come together or not at all.
    """

    name: str
    description: str
    metadata: dict[str, str]
    billing_id: str
    pricing_type: str
    base_plan: Package | None
    compatible_addons: Sequence[Package]
    dependencies: Sequence[Package]
    trial_length: int | None
    trial_unit: str
    trial_end: str
    trial_budget: dict[str, Any] | None
    max_quantity: int | None
    overage_billing_period: str
    hidden_from: list[str]


@act
def create(
    *,
    kind: PackageKind,
    product_id: int,
    public_id: str,
    actor: Actor,
    now: datetime,
    **details: Unpack[Details],
) -> Package:
    """Begin a plan or an add-on as a draft (R8). Its ID and product stay for good.

    Raises:
        UnknownProduct, ProductArchived: nothing can be added to that product.
        InvalidField: as in `edit`.
        IdTaken: another package of the kind has this ID.
    """
    product = products.lock(product_id)
    if product.archived_at is not None:
        raise ProductArchived(f"{product.name} is archived.", field="product")
    noun = PackageKind(kind).label.lower()
    package = store_new(
        Package(kind=kind, product=product, public_id=public_id, created_at=now, updated_at=now),
        taken=f"Another {noun} has the ID {public_id} already.",
    )
    draft = PackageVersion(package=package, created_at=now, updated_at=now)
    _set_fields(draft, details)
    check(draft)
    draft.save(force_insert=True)
    _set_choices(draft, details)
    _check_rules(draft)
    package.draft = draft
    package.save(update_fields=["draft"])
    activity.record(
        "package.created",
        subject=package,
        actor=actor,
        now=now,
        payload={"name": draft.name, "product": product.public_id},
    )
    return package


@act
def edit(
    *,
    package_id: int,
    revision: int | None = None,
    charges: Sequence[NewCharge] | None = None,
    mappings: Sequence[NewMapping] | None = None,
    actor: Actor,
    now: datetime,
    **changes: Unpack[Details],
) -> PackageVersion:
    """Change the details of the open draft (R8); `charges` and `mappings` replace all there are.

    Raises:
        NoDraft, StaleDraft, PackageArchived: see `drafts.lock`.
        InvalidField: a field, or fields together, hold what R5 or R6 do not allow.
    """
    draft = drafts.lock(package_id, revision=revision)
    before = _readable_details(draft)
    _set_fields(draft, changes)
    check(draft)
    draft.save()
    _set_choices(draft, changes)
    _check_rules(draft)
    after = _readable_details(draft)
    payload: dict[str, Any] = {
        name: [before[name], after[name]] for name in after if before[name] != after[name]
    }
    if charges is not None:
        prices.replace_charges(draft, charges, now=now)
        payload["charges"] = len(charges)
    if mappings is not None:
        prices.replace_mappings(draft, mappings, now=now)
        payload["consumption"] = len(mappings)
    if payload:
        drafts.edited(draft, "package.updated", payload, actor=actor, now=now)
    return draft


def _set_fields(draft: PackageVersion, changes: Details) -> None:
    """Take over all but the lists of packages, which need a stored draft."""
    foreign = ADDON_ONLY if draft.package.kind == PackageKind.PLAN else PLAN_ONLY
    for name, value in changes.items():
        if name in foreign and value:
            noun = "a plan" if draft.package.kind == PackageKind.PLAN else "an add-on"
            raise InvalidField(f"This is no field of {noun}.", field=name)
        if name == "metadata":
            draft.metadata = clean_metadata(changes["metadata"])
        elif name not in ("compatible_addons", "dependencies"):
            setattr(draft, name, value)


def _set_choices(draft: PackageVersion, changes: Details) -> None:
    if "compatible_addons" in changes:
        draft.compatible_addons.set(changes["compatible_addons"])
    if "dependencies" in changes:
        draft.dependencies.set(changes["dependencies"])


def _check_rules(draft: PackageVersion) -> None:
    """What fields say together (R5, R6)."""
    unknown = set(draft.hidden_from) - set(HiddenFrom.values)
    if unknown:
        raise InvalidField(f"Cannot be hidden from {unknown.pop()}.", field="hidden_from")
    addons = list(draft.compatible_addons.all())
    if addons and draft.pricing_type == PricingType.FREE:
        raise InvalidField(
            "A free plan has no add-ons; choose paid or custom pricing.",
            field="compatible_addons",
        )
    _check_named(draft, addons, field="compatible_addons")
    dependencies = list(draft.dependencies.all())
    _check_named(draft, dependencies, field="dependencies")
    _check_dependencies(draft, dependencies)
    if draft.base_plan is not None:
        _check_base_plan(draft, draft.base_plan)


def _check_named(draft: PackageVersion, addons: Iterable[Package], *, field: str) -> None:
    """Add-ons that a draft names are active add-ons of its product."""
    for addon in addons:
        if addon.kind != PackageKind.ADDON or addon.product_id != draft.package.product_id:
            raise InvalidField(f"{addon.name} is no add-on of this product.", field=field)
        if addon.archived_at is not None:
            raise InvalidField(f"{addon.name} is archived.", field=field)


def _check_base_plan(draft: PackageVersion, base: Package) -> None:
    """A base plan is an active plan of the same product, and nobody inherits from itself (R5)."""
    if base.kind != PackageKind.PLAN or base.product_id != draft.package.product_id:
        raise InvalidField("Choose a plan of the same product.", field="base_plan")
    if base.archived_at is not None:
        raise InvalidField(f"{base.name} is archived.", field="base_plan")
    seen = {draft.package_id}
    waiting = [base.pk]
    while waiting:
        if seen.intersection(waiting):
            raise InvalidField(f"{base.name} inherits from this plan itself.", field="base_plan")
        seen.update(waiting)
        waiting = _named_by(waiting, "base_plan_id")


def _check_dependencies(draft: PackageVersion, dependencies: Sequence[Package]) -> None:
    """No add-on needs itself, directly or through others (R6)."""
    seen: set[int] = set()
    waiting = [addon.pk for addon in dependencies]
    while waiting:
        if draft.package_id in waiting:
            raise InvalidField("An add-on cannot depend on itself.", field="dependencies")
        seen.update(waiting)
        waiting = [pk for pk in _named_by(waiting, "dependencies") if pk not in seen]


def _named_by(package_ids: Iterable[int], field: str) -> list[int]:
    """The packages that live versions and drafts of these packages name in `field`."""
    versions = PackageVersion.objects.current().filter(package_id__in=list(package_ids))
    named = versions.exclude(**{field: None}).values_list(field, flat=True)
    return sorted(set(named))


def _readable_details(draft: PackageVersion) -> dict[str, Any]:
    """The details as the records show them."""
    return {
        "name": draft.name,
        "description": draft.description,
        "metadata": dict(draft.metadata),
        "billing_id": draft.billing_id,
        "pricing_type": draft.pricing_type,
        "base_plan": draft.base_plan.public_id if draft.base_plan else None,
        "compatible_addons": sorted(addon.public_id for addon in draft.compatible_addons.all()),
        "dependencies": sorted(addon.public_id for addon in draft.dependencies.all()),
        "trial": [draft.trial_length, draft.trial_unit, draft.trial_end, draft.trial_budget],
        "max_quantity": draft.max_quantity,
        "overage_billing_period": draft.overage_billing_period,
        "hidden_from": list(draft.hidden_from),
    }
