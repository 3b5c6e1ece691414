"""Objects for tests, made the way the product makes them: through the verbs.

Each builder needs nothing and takes whatever a test is about. IDs are unique within a run
unless a test chooses one.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from itertools import count
from typing import Any

from django.db import transaction

from catalog import (
    coupons,
    credit_types,
    drafts,
    features,
    packages,
    prices,
    products,
    publishing,
)
from catalog import entitlements as catalog_entitlements
from catalog.entitlements import CreditTerms, FeatureTerms, NewCredits, NewFeature
from catalog.models import (
    Aggregation,
    Cadence,
    Coupon,
    CreditType,
    Feature,
    FeatureType,
    MeterType,
    Package,
    PackageKind,
    PackageVersion,
    PricingType,
    Product,
)
from catalog.prices import NewMapping
from catalog.publishing import Audience
from subscriptions import customers, entities, journeys, provisioning
from subscriptions.entities import EntityTerms, TypeTerms
from subscriptions.models import Customer, Entity, EntityType, Resource, Subscription
from workspace.actors import SYSTEM
from workspace.ids import suggest_public_id

NOW = datetime(2026, 1, 1, 10, 0, tzinfo=UTC)
"""When everything was made, unless a test says otherwise."""

Built = Any
"""A `Package` of which the test knows whether it has a draft, a live version, or both."""

_numbers = count(1)


def an_id(name: str) -> str:
    """An ID that no other object of the run has."""
    return f"{suggest_public_id(name)}-{next(_numbers)}"


# Catalog


def a_credit_type(
    name: str = "AI Credits", *, public_id: str = "", now: datetime = NOW, **fields: Any
) -> CreditType:
    """A credit type, counted in credits."""
    fields = {"unit_singular": "credit", "unit_plural": "credits", **fields}
    return credit_types.create(
        public_id=public_id or an_id(name), name=name, actor=SYSTEM, now=now, **fields
    )


def a_coupon(
    name: str = "Launch offer",
    *,
    public_id: str = "",
    percent_off: str | int | None = 20,
    now: datetime = NOW,
    **fields: Any,
) -> Coupon:
    """A coupon of 20 % for good; with `amounts_off` of those amounts instead."""
    if "amounts_off" in fields:
        percent_off = None
    return coupons.create(
        public_id=public_id or an_id(name),
        name=name,
        percent_off=None if percent_off is None else Decimal(percent_off),
        actor=SYSTEM,
        now=now,
        **fields,
    )


def a_feature(
    name: str = "Seats",
    *,
    public_id: str = "",
    type: FeatureType = FeatureType.NUMBER,
    now: datetime = NOW,
    **fields: Any,
) -> Feature:
    """A feature that is not metered: a number, unless `type` says otherwise."""
    return features.create(
        public_id=public_id or an_id(name), name=name, type=type, actor=SYSTEM, now=now, **fields
    )


def a_metered_feature(
    name: str = "AI Image Generation",
    *,
    event_name: str = "image",
    aggregation: Aggregation = Aggregation.COUNT,
    aggregation_field: str = "",
    **fields: Any,
) -> Feature:
    """A feature metered by events called `event_name`."""
    return a_feature(
        name,
        meter_type=MeterType.INCREMENTAL,
        aggregation=aggregation,
        aggregation_field=aggregation_field,
        meter_filters=features.event_filters(event_name),
        **fields,
    )


def a_product(
    name: str = "Studio", *, public_id: str = "", now: datetime = NOW, **fields: Any
) -> Product:
    """A product with one subscription per customer."""
    return products.create(
        public_id=public_id or an_id(name), name=name, actor=SYSTEM, now=now, **fields
    )


def some_credits(
    credit_type: CreditType,
    amount: str | int | None = 5000,
    cadence: Cadence = Cadence.MONTH,
    **terms: Any,
) -> NewCredits:
    """`amount` credits per month or year, to be included in a package."""
    exact = None if amount is None else Decimal(amount)
    given: CreditTerms = {"amount": exact, "cadence": cadence, **terms}  # type: ignore[typeddict-item]
    return NewCredits(credit_type, given)


def some_units(feature: Feature, limit: int | None = 5, **terms: Any) -> NewFeature:
    """Up to `limit` units of a feature, to be included in a package; None is unlimited."""
    given: FeatureTerms = {
        "usage_limit": limit,
        "has_unlimited_usage": limit is None,
        **terms,  # type: ignore[typeddict-item]
    }
    return NewFeature(feature, given)


def a_rate(feature: Feature, credit_type: CreditType, rate: str | int = 10) -> NewMapping:
    """One unit of `feature` costs `rate` credits."""
    return NewMapping(feature=feature, credit_type=credit_type, rate=Decimal(rate))


def a_formula(feature: Feature, credit_type: CreditType, formula: str) -> NewMapping:
    """An event of `feature` costs what `formula` says."""
    return NewMapping(feature=feature, credit_type=credit_type, formula=formula)


def a_plan(name: str = "Pro", **options: Any) -> Built:
    """A plan that is still a draft; options as in `a_published_plan`."""
    return _a_package(PackageKind.PLAN, name, **options)


def an_addon(name: str = "Extra", **options: Any) -> Built:
    """An add-on that is still a draft; options as in `a_published_plan`."""
    return _a_package(PackageKind.ADDON, name, **options)


def a_published_plan(name: str = "Pro", **options: Any) -> Built:
    """A plan on sale; its version 1 is `plan.live`.

    Options: `product`, `public_id`, `entitlements` (see `some_credits` and `some_units`),
    `mappings` (see `a_rate`), `monthly` and `yearly` price, `now`, and all details of a draft
    such as `pricing_type`, `base_plan` or `compatible_addons`. By default 49 USD per month.
    """
    return published(a_plan(name, **options), now=options.get("now", NOW))


def a_published_addon(name: str = "Extra", **options: Any) -> Built:
    """An add-on on sale; its version 1 is `addon.live`. Options as in `a_published_plan`."""
    return published(an_addon(name, **options), now=options.get("now", NOW))


def published(
    package: Package, *, audience: Audience = Audience.NEW_CUSTOMERS, now: datetime = NOW
) -> Built:
    """The same package after its draft was published."""
    publishing.publish(package_id=package.pk, audience=audience, actor=SYSTEM, now=now)
    return reloaded(package)


def reloaded(package: Package) -> Built:
    """The package as it is stored now."""
    return Package.objects.select_related("live", "draft", "product").get(pk=package.pk)


def a_new_version(
    package: Package,
    *,
    entitlements: Sequence[NewCredits | NewFeature] = (),
    audience: Audience = Audience.NEW_CUSTOMERS,
    now: datetime = NOW,
    **details: Any,
) -> PackageVersion:
    """The next version of a package: its own entitlements are replaced by the given ones."""
    a_draft_of(package, entitlements=entitlements, now=now, **details)
    return publishing.publish(package_id=package.pk, audience=audience, actor=SYSTEM, now=now)


def a_draft_of(
    package: Package,
    *,
    entitlements: Sequence[NewCredits | NewFeature] = (),
    now: datetime = NOW,
    **details: Any,
) -> PackageVersion:
    """An open draft of a package on sale, with the given entitlements in place of its own."""
    draft = drafts.open_draft(package_id=package.pk, actor=SYSTEM, now=now)
    for own in draft.credit_entitlements.select_related("credit_type"):
        catalog_entitlements.exclude_credits(
            package_id=package.pk, credit_type=own.credit_type, actor=SYSTEM, now=now
        )
    for own_feature in draft.feature_entitlements.select_related("feature"):
        catalog_entitlements.exclude_feature(
            package_id=package.pk, feature=own_feature.feature, actor=SYSTEM, now=now
        )
    _fill(package, entitlements, details, now)
    draft.refresh_from_db()
    return draft


def _a_package(
    kind: PackageKind,
    name: str,
    *,
    product: Product | None = None,
    public_id: str = "",
    entitlements: Sequence[NewCredits | NewFeature] = (),
    monthly: str | int | None = 49,
    yearly: str | int | None = None,
    now: datetime = NOW,
    **details: Any,
) -> Built:
    details.setdefault("pricing_type", PricingType.PAID)
    mappings = details.pop("mappings", None)
    package = packages.create(
        kind=kind,
        product_id=(product or a_product(now=now)).pk,
        public_id=public_id or an_id(name),
        name=name,
        actor=SYSTEM,
        now=now,
        **details,
    )
    if details["pricing_type"] == PricingType.PAID:
        prices.set_base_prices(
            package_id=package.pk,
            monthly=None if monthly is None else Decimal(monthly),
            yearly=None if yearly is None else Decimal(yearly),
            actor=SYSTEM,
            now=now,
        )
    _fill(package, entitlements, {"mappings": mappings} if mappings else {}, now)
    return reloaded(package)


def _fill(
    package: Package,
    wanted: Sequence[NewCredits | NewFeature],
    details: dict[str, Any],
    now: datetime,
) -> None:
    if wanted:
        catalog_entitlements.include(
            package_id=package.pk, entitlements=wanted, actor=SYSTEM, now=now
        )
    if details:
        packages.edit(package_id=package.pk, actor=SYSTEM, now=now, **details)


# Customers and subscriptions


def a_customer(
    name: str = "Acme", *, public_id: str = "", now: datetime = NOW, **fields: Any
) -> Customer:
    """A customer; without subscriptions, unless a product lets new customers begin with one."""
    return journeys.begin(
        public_id=public_id or an_id(name), name=name, actor=SYSTEM, now=now, **fields
    )


def a_resource(
    customer: Customer | None = None, public_id: str = "", *, now: datetime = NOW
) -> Resource:
    """A resource inside a customer, as the first subscription that names it makes it."""
    with transaction.atomic():
        return customers.resource(
            locked_customer=customers.lock((customer or a_customer(now=now)).public_id),
            public_id=public_id or an_id("workspace"),
            now=now,
        )


def an_entity_type(public_id: str = "team", *keys: str, now: datetime = NOW) -> EntityType:
    """A type of entities, found by the dimensions `keys`."""
    terms = TypeTerms(public_id, public_id.title(), keys)
    [stored] = entities.define_types(types=[terms], actor=SYSTEM, now=now)
    return stored


def some_entities(
    customer: Customer, type_id: str, *public_ids: str, now: datetime = NOW
) -> list[Entity]:
    """Entities of a customer; their type is found by the dimension `teamId` for "team"."""
    an_entity_type(type_id, f"{type_id}Id", now=now)
    return entities.put(
        customer_id=customer.public_id,
        entities=[EntityTerms(public_id, type_id) for public_id in public_ids],
        actor=SYSTEM,
        now=now,
    )


def a_subscription(
    customer: Customer | None = None,
    plan: Package | None = None,
    *,
    addons: Sequence[tuple[Package, int]] = (),
    now: datetime = NOW,
    **order: Any,
) -> Subscription:
    """A subscription that starts at `now`; other options as in `provisioning.Order`."""
    return provisioning.start(
        customer_id=(customer or a_customer(now=now)).public_id,
        plan_id=(plan or a_published_plan(now=now)).public_id,
        addons=[(addon.public_id, quantity) for addon, quantity in addons],
        actor=SYSTEM,
        now=now,
        **order,
    )
