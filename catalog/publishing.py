"""A draft becomes the next version, which never changes (R9, R11)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import models
from django.db.models import Max

from catalog import comparison, drafts, prices
from catalog.comparison import Contents
from catalog.features import COUNTED
from catalog.models import (
    CreditType,
    Feature,
    FeatureStatus,
    FeatureType,
    Package,
    PackageKind,
    PackageVersion,
    PricingType,
)
from catalog.signals import package_published
from workspace import activity
from workspace.actors import Actor
from workspace.acts import act
from workspace.errors import Conflict


class Audience(models.TextChoices):
    """Whom a publication reaches (R9)."""

    NEW_CUSTOMERS = "NEW_CUSTOMERS", "New customers only"
    ALL_CUSTOMERS = "ALL_CUSTOMERS", "All customers"


@dataclass(frozen=True)
class Refusal:
    """Why a draft cannot be published: a sentence, and the section of its page to mend."""

    sentence: str
    section: str


class NotPublishable(Conflict):
    """The draft is not ready (R11); `refusals` says why."""

    def __init__(self, refusals: Sequence[Refusal]) -> None:
        super().__init__(" ".join(refusal.sentence for refusal in refusals))
        self.refusals = tuple(refusals)


@act
def publish(
    *,
    package_id: int,
    audience: Audience,
    revision: int | None = None,
    preview_id: int | None = None,
    actor: Actor,
    now: datetime,
) -> PackageVersion:
    """Make the open draft the package's next version (R9).

    Its number follows the last one, it inherits from its base plan's live version for good,
    and `package_published` tells the others in the same transaction. `preview_id` is the
    preview of its impact that was reviewed; `version.task_id` names the work that is left.

    Raises:
        NoDraft, StaleDraft, PackageArchived: see `drafts.lock`.
        NotPublishable: see `refusals`. The draft stays as it is.
        Conflict: from an app that builds on packages, such as "the preview is outdated".
    """
    draft = drafts.lock(package_id, revision=revision)
    package = draft.package
    contents = comparison.load(draft)
    _lock_named(contents)
    reasons = refusals(comparison.load(draft))
    if reasons:
        raise NotPublishable(reasons)
    previous = package.live
    last = package.versions.aggregate(last=Max("number"))["last"] or 0
    draft.number = last + 1
    draft.base_version = draft.base_plan.live if draft.base_plan else None
    draft.published_at = draft.updated_at = now
    draft.published_by = actor.name
    draft.audience = Audience(audience)
    draft.save()
    package.live = draft
    package.draft = None
    package.updated_at = now
    package.save(update_fields=["live", "draft", "updated_at"])
    answers = package_published.send(
        sender=Package,
        version=draft,
        previous=previous,
        audience=audience,
        preview_id=preview_id,
        actor=actor,
        now=now,
    )
    draft.task_id = next((task_id for _, task_id in answers if task_id), None)
    activity.record(
        "package.published",
        subject=package,
        actor=actor,
        now=now,
        payload={"version": draft.number, "audience": str(audience)},
    )
    return draft


def refusals(contents: Contents) -> list[Refusal]:
    """Everything that stands in the way of publishing a draft (R11); empty if nothing does."""
    return [
        *_pricing_refusals(contents),
        *_named_refusals(contents),
        *_entitlement_refusals(contents),
        *_mapping_refusals(contents),
    ]


def _pricing_refusals(contents: Contents) -> Iterator[Refusal]:
    """The pricing type is set, and prices fit it (R6, R11)."""
    version = contents.version
    has_base_price = any(
        charge.amount is not None for charge in prices.base_prices(contents.charges).values()
    )
    match version.pricing_type:
        case "":
            yield Refusal("Choose how it is priced: free, paid or custom.", "details")
        case PricingType.FREE if any(charge.amount for charge in contents.charges):
            yield Refusal("It is free but has a price: remove the price, or make it paid.", "price")
        case PricingType.PAID if not has_base_price and not contents.charges:
            yield Refusal("Set a monthly or a yearly price; 0 is allowed.", "price")


def _named_refusals(contents: Contents) -> Iterator[Refusal]:
    """The base plan and all add-ons it names are published and on sale (R11)."""
    version = contents.version
    if version.base_plan is not None:
        yield from _sale_refusals(version.base_plan, "The base plan", "details")
    for addon in contents.addons:
        yield from _sale_refusals(addon, "The compatible add-on", "addons")
    for addon in contents.dependencies:
        yield from _sale_refusals(addon, "The add-on it depends on,", "dependencies")
    if contents.addons and version.pricing_type == PricingType.FREE:
        yield Refusal("A free plan has no compatible add-ons: remove them.", "addons")


def _sale_refusals(package: Package, role: str, section: str) -> Iterator[Refusal]:
    if package.archived_at is not None:
        yield Refusal(f"{role} {package.name} is archived.", section)
    elif package.live_id is None:
        yield Refusal(f"{role} {package.name} is still a draft: publish it first.", section)


def _entitlement_refusals(contents: Contents) -> Iterator[Refusal]:
    """Credit types and features are active, links lead somewhere, custom values fit (R11)."""
    version = contents.version
    included = {entitlement.feature_id for entitlement in contents.features}
    takes_custom = (
        version.package.kind == PackageKind.PLAN and version.pricing_type == PricingType.CUSTOM
    )
    for entitlement in contents.credits:
        name = entitlement.credit_type.name
        if entitlement.credit_type.archived_at is not None:
            yield Refusal(f"The credit type {name} is archived: remove it.", "entitlements")
        linked = entitlement.linked_feature
        if linked is not None and linked.pk not in included:
            yield Refusal(
                f"{name} is granted per unit of {linked.name}, which is not included: "
                "add that feature, or remove the link.",
                "entitlements",
            )
        elif linked is not None and linked.type != FeatureType.NUMBER:
            yield Refusal(f"{linked.name}, linked by {name}, is no number.", "entitlements")
    for feature_entitlement in contents.features:
        feature = feature_entitlement.feature
        if feature.status == FeatureStatus.SUSPENDED:
            yield Refusal(f"The feature {feature.name} is archived: remove it.", "entitlements")
    custom = [
        *(one.credit_type.name for one in contents.credits if one.is_custom),
        *(one.feature.name for one in contents.features if one.is_custom),
    ]
    if not takes_custom:
        for name in custom:
            yield Refusal(
                f"{name} is set per subscription, which only plans with custom pricing allow.",
                "entitlements",
            )


def _mapping_refusals(contents: Contents) -> Iterator[Refusal]:
    """Consumption is mapped from active, counted features to active credit types (R33)."""
    for mapping in contents.mappings:
        if mapping.credit_type.archived_at is not None:
            yield Refusal(
                f"{mapping.feature.name} costs {mapping.credit_type.name}, which is archived.",
                "consumption",
            )
        if (
            mapping.feature.status == FeatureStatus.SUSPENDED
            or mapping.feature.aggregation not in COUNTED
        ):
            yield Refusal(
                f"{mapping.feature.name} is archived or no longer counted by events, so it "
                "cannot cost credits.",
                "consumption",
            )


def _lock_named(contents: Contents) -> None:
    """Keep what the draft names from being archived meanwhile; rows in primary-key order.

    Their keys stay what they are, so subscriptions that hold them need not wait.
    """
    version = contents.version
    packages = {addon.pk for addon in (*contents.addons, *contents.dependencies)}
    if version.base_plan_id is not None:
        packages.add(version.base_plan_id)
    credit_types = {entitlement.credit_type_id for entitlement in contents.credits}
    credit_types |= {mapping.credit_type_id for mapping in contents.mappings}
    features = {entitlement.feature_id for entitlement in contents.features}
    features |= {mapping.feature_id for mapping in contents.mappings}
    for model, keys in ((Package, packages), (CreditType, credit_types), (Feature, features)):
        if keys:
            list(
                model._default_manager.select_for_update(no_key=True)
                .filter(pk__in=keys)
                .order_by("pk")
                .values_list("pk", flat=True)
            )
