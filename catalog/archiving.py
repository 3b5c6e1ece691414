"""What is no longer sold is archived, and brought back (R3, R4). Nothing is deleted."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from django.db.models import Model, Q

from catalog import coupons, credit_types, drafts, features, inheritance, products, wording
from catalog.models import (
    Charge,
    ConsumptionMapping,
    Coupon,
    CreditEntitlement,
    CreditType,
    Feature,
    FeatureEntitlement,
    FeatureStatus,
    Package,
    PackageVersion,
    Product,
)
from catalog.signals import credit_type_archived
from workspace import activity
from workspace.actors import Actor
from workspace.acts import act
from workspace.errors import Conflict


class CreditTypeInUse(Conflict):
    """Published plans or add-ons use the credit type (R3)."""


class FeatureInUse(Conflict):
    """Published plans or add-ons include the feature or charge credits for it."""


class AlreadyArchived(Conflict):
    """It is archived."""


class NotArchived(Conflict):
    """It is not archived."""


class IdInUse(Conflict):
    """An active credit type has the same ID (R3)."""


class NoLiveVersion(Conflict):
    """The package was never published."""


class ProductIsArchived(Conflict):
    """The package's product is archived."""


class NamedByOthers(Conflict):
    """Something that is sold names the package."""


def packages_using_credit_type(credit_type: CreditType) -> list[Package]:
    """The published plans and add-ons that give, need or charge a credit type (R3).

    Counts what they inherit. A constant number of queries.
    """
    return packages_using_credit_types([credit_type.pk])[credit_type.pk]


def packages_using_credit_types(credit_type_ids: Iterable[int]) -> dict[int, list[Package]]:
    """`packages_using_credit_type` of many, in the same number of queries."""
    return _packages_using(
        list(credit_type_ids),
        [
            (CreditEntitlement, "credit_type_id"),
            (ConsumptionMapping, "credit_type_id"),
            (Charge, "credit_type_id"),
        ],
    )


def packages_using_feature(feature: Feature) -> list[Package]:
    """The published plans and add-ons that include a feature or charge for it."""
    return packages_using_features([feature.pk])[feature.pk]


def packages_using_features(feature_ids: Iterable[int]) -> dict[int, list[Package]]:
    """`packages_using_feature` of many, in the same number of queries."""
    return _packages_using(
        list(feature_ids),
        [
            (FeatureEntitlement, "feature_id"),
            (ConsumptionMapping, "feature_id"),
            (Charge, "feature_id"),
            (CreditEntitlement, "linked_feature_id"),
        ],
    )


def _packages_using(
    keys: list[int], places: Iterable[tuple[type[Model], str]]
) -> dict[int, list[Package]]:
    """For each key the packages on sale whose live version, or one it inherits from, names it."""
    naming: dict[int, set[int]] = {}
    for model, column in places:
        rows = model._default_manager.filter(**{f"{column}__in": keys})
        for version_id, key in rows.values_list("version_id", column):
            naming.setdefault(version_id, set()).add(key)
    live = list(PackageVersion.objects.in_force().values_list("pk", flat=True)) if naming else []
    found: dict[int, set[int]] = {}  # live version → keys
    for start, line in inheritance.lineages(live).items():
        found[start] = set().union(*(naming.get(version_id, set()) for version_id in line))
    using = [start for start, named in found.items() if named]
    packages = (
        Package.objects.filter(live_id__in=using)
        .select_related("live", "product")
        .order_by("kind", "public_id")
        if using
        else ()
    )
    users: dict[int, list[Package]] = {key: [] for key in keys}
    for package in packages:
        for key in found[package.live_id or 0]:
            users[key].append(package)
    return users


@act
def archive_credit_type(*, credit_type_id: int, actor: Actor, now: datetime) -> CreditType:
    """Retire a credit type: no new grants, not selectable in packages (R3).

    Raises:
        UnknownCreditType: there is none.
        AlreadyArchived: it is retired.
        CreditTypeInUse: published plans or add-ons use it; the message lists them.
    """
    credit_type = credit_types.lock(credit_type_id)
    _refuse_archived(credit_type)
    using = packages_using_credit_type(credit_type)
    if using:
        raise CreditTypeInUse(f"{credit_type.name} is used by {_listed(using)}.")
    _set_archived(credit_type, now, "credit_type.archived", actor=actor, now=now)
    credit_type_archived.send(sender=CreditType, credit_type=credit_type, actor=actor, now=now)
    return credit_type


@act
def unarchive_credit_type(*, credit_type_id: int, actor: Actor, now: datetime) -> CreditType:
    """Bring a credit type back (R3).

    Raises:
        UnknownCreditType: there is none.
        NotArchived: it is active.
        IdInUse: an active type has taken its ID meanwhile.
    """
    credit_type = credit_types.lock(credit_type_id)
    _refuse_active(credit_type)
    if CreditType.objects.active().filter(public_id=credit_type.public_id).exists():
        raise IdInUse(f"An active credit type has the ID {credit_type.public_id}.")
    _set_archived(credit_type, None, "credit_type.unarchived", actor=actor, now=now)
    return credit_type


@act
def archive_feature(*, feature_id: int, actor: Actor, now: datetime) -> Feature:
    """Retire a feature: packages cannot name it any more.

    Raises:
        UnknownFeature: there is none.
        AlreadyArchived: it is retired.
        FeatureInUse: published plans or add-ons use it; the message lists them.
    """
    feature = features.lock(feature_id)
    if feature.status == FeatureStatus.SUSPENDED:
        raise AlreadyArchived(f"{feature.name} is archived already.")
    using = packages_using_feature(feature)
    if using:
        raise FeatureInUse(f"{feature.name} is used by {_listed(using)}.")
    return _set_feature_status(
        feature, FeatureStatus.SUSPENDED, "feature.archived", actor=actor, now=now
    )


@act
def unarchive_feature(*, feature_id: int, actor: Actor, now: datetime) -> Feature:
    """Bring a feature back.

    Raises:
        UnknownFeature: there is none.
        NotArchived: it is active.
    """
    feature = features.lock(feature_id)
    if feature.status != FeatureStatus.SUSPENDED:
        raise NotArchived(f"{feature.name} is not archived.")
    return _set_feature_status(
        feature, FeatureStatus.ACTIVE, "feature.unarchived", actor=actor, now=now
    )


@act
def archive_coupon(*, coupon_id: int, actor: Actor, now: datetime) -> Coupon:
    """Retire a coupon: nobody new gets it; whoever has it keeps it.

    Raises:
        UnknownCoupon: there is none.
        AlreadyArchived: it is retired.
    """
    coupon = coupons.lock(coupon_id)
    _refuse_archived(coupon)
    _set_archived(coupon, now, "coupon.archived", actor=actor, now=now)
    return coupon


@act
def unarchive_coupon(*, coupon_id: int, actor: Actor, now: datetime) -> Coupon:
    """Let a coupon be given again.

    Raises:
        UnknownCoupon: there is none.
        NotArchived: it is active.
    """
    coupon = coupons.lock(coupon_id)
    _refuse_active(coupon)
    _set_archived(coupon, None, "coupon.unarchived", actor=actor, now=now)
    return coupon


@act
def archive_package(*, package_id: int, actor: Actor, now: datetime) -> Package:
    """Retire a published plan or add-on: no new subscriptions; running ones go on.

    Raises:
        UnknownPackage: there is none.
        AlreadyArchived: it is retired.
        NoLiveVersion: it was never published; drafts are discarded, not archived (R8).
        NamedByOthers: plans on sale inherit from it, or the product's journey needs it.
    """
    package = drafts.lock_package(package_id)
    _refuse_archived(package)
    if package.live is None:
        raise NoLiveVersion(f"{package.name} is a draft; discard it instead.")
    _refuse_if_named(package)
    _set_archived(package, now, "package.archived", actor=actor, now=now)
    return package


@act
def unarchive_package(*, package_id: int, actor: Actor, now: datetime) -> Package:
    """Sell a plan or add-on again.

    Raises:
        UnknownPackage: there is none.
        NotArchived: it is active.
        ProductIsArchived: its product is archived; bring that back first.
    """
    package = drafts.lock_package(package_id)
    _refuse_active(package)
    if package.product.archived_at is not None:
        raise ProductIsArchived(f"The product {package.product.name} is archived.")
    _set_archived(package, None, "package.unarchived", actor=actor, now=now)
    return package


@act
def archive_product(*, product_id: int, actor: Actor, now: datetime) -> Product:
    """Retire a product with its plans and add-ons (R4).

    Raises:
        UnknownProduct: there is none.
        AlreadyArchived: it is retired.
    """
    product = products.lock(product_id)
    _refuse_archived(product)
    packages = Package.objects.active().filter(product=product)
    locked = list(packages.select_for_update().order_by("pk"))
    packages.filter(pk__in=[package.pk for package in locked]).update(
        archived_at=now, updated_at=now
    )
    payload = {"packages": [package.public_id for package in locked]}
    _set_archived(product, now, "product.archived", payload, actor=actor, now=now)
    return product


@act
def unarchive_product(*, product_id: int, actor: Actor, now: datetime) -> Product:
    """Bring a product back, with the plans and add-ons that were archived along with it (R4).

    Raises:
        UnknownProduct: there is none.
        NotArchived: it is active.
    """
    product = products.lock(product_id)
    _refuse_active(product)
    together = Package.objects.filter(product=product, archived_at=product.archived_at)
    locked = list(together.select_for_update().order_by("pk"))
    Package.objects.filter(pk__in=[package.pk for package in locked]).update(
        archived_at=None, updated_at=now
    )
    payload = {"packages": [package.public_id for package in locked]}
    _set_archived(product, None, "product.unarchived", payload, actor=actor, now=now)
    return product


def _set_feature_status(
    feature: Feature, status: FeatureStatus, event: str, *, actor: Actor, now: datetime
) -> Feature:
    feature.status = status
    feature.updated_at = now
    feature.save(update_fields=["status", "updated_at"])
    activity.record(event, subject=feature, actor=actor, now=now)
    return feature


def _refuse_archived(thing: CreditType | Coupon | Package | Product) -> None:
    if thing.archived_at is not None:
        raise AlreadyArchived(f"{thing.name} is archived already.")


def _refuse_active(thing: CreditType | Coupon | Package | Product) -> None:
    if thing.archived_at is None:
        raise NotArchived(f"{thing.name} is not archived.")


def _set_archived(
    thing: CreditType | Coupon | Package | Product,
    archived_at: datetime | None,
    event: str,
    payload: Mapping[str, Any] | None = None,
    *,
    actor: Actor,
    now: datetime,
) -> None:
    thing.archived_at = archived_at
    thing.updated_at = now
    thing.save(update_fields=["archived_at", "updated_at"])
    activity.record(event, subject=thing, actor=actor, now=now, payload=payload)


def _refuse_if_named(package: Package) -> None:
    """Refuse while a plan on sale inherits from it or a product's journey leads to it."""
    children = Package.objects.on_sale().filter(live__base_plan=package).select_related("live")
    if children:
        raise NamedByOthers(f"{package.name} is the base plan of {_listed(children)}.")
    product = Product.objects.filter(Q(start_plan=package) | Q(downgrade_plan=package)).first()
    if product is not None:
        raise NamedByOthers(f"{package.name} is part of the customer journey of {product.name}.")


def _listed(packages: Iterable[Package]) -> str:
    """Names in a sentence: "plan Pro, plan Team and add-on Extra"."""
    return wording.joined(
        f"{package.get_kind_display().lower()} {package.name}" for package in packages
    )
