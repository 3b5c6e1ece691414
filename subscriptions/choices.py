"""What may be chosen with a plan: billing period, add-ons, values of one's own (R5, R6, R17)."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.core.exceptions import ValidationError

from catalog import inheritance
from catalog.amounts import validate_amount
from catalog.holding import hold
from catalog.models import (
    BillingModel,
    BillingPeriod,
    Cadence,
    Charge,
    CreditType,
    Feature,
    FeatureType,
    Package,
    PackageKind,
    PackageVersion,
    PricingType,
)
from catalog.prices import base_prices
from subscriptions.models import Subscription, SubscriptionAddon, SubscriptionEntitlement
from workspace.errors import BadInput, Conflict, UnknownObject
from workspace.ids import is_public_id
from workspace.json import plain

LARGEST_QUANTITY = 1_000_000
LARGEST_LIMIT = 10**15


class UnknownPlan(UnknownObject):
    """There is no such plan."""

    code = "PlanNotFound"


class UnknownAddon(UnknownObject):
    """There is no such add-on."""

    code = "AddonNotFound"


class PlanNotOnSale(Conflict):
    """The plan was never published, or is archived."""


class AddonNotOnSale(Conflict):
    """The add-on was never published, or is archived."""


class IncompatibleAddon(BadInput):
    """The plan cannot have this add-on (R5)."""


class MissingDependency(BadInput):
    """The add-on needs another one that was not chosen (R6)."""


class InvalidQuantity(BadInput):
    """So many of this add-on cannot be had (R6)."""


class PriceNotFound(BadInput):
    """The plan has no price for this billing period."""


class InvalidValue(BadInput):
    """A value of one's own that the packages leave no room for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureValue:
    """The limit of a feature for one subscription: units bought, or no limit at all (R17)."""

    feature_id: str
    usage_limit: int | None = None
    has_unlimited_usage: bool = False
    has_soft_limit: bool | None = None
    reset_period: str = ""
    reset_configuration: dict[str, str] | None = None

    @property
    def target(self) -> tuple[str, str]:
        """What the value is for."""
        return ("feature", self.feature_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class CreditValue:
    """A custom amount of credits for one subscription."""

    credit_type_id: str
    amount: Decimal
    cadence: str = Cadence.MONTH

    @property
    def target(self) -> tuple[str, str]:
        """What the value is for."""
        return ("credit", self.credit_type_id)


Value = FeatureValue | CreditValue


def plan_on_sale(plan_id: str) -> Package:
    """The plan, whose live version stays what it is until the end of the transaction.

    Raises:
        UnknownPlan: there is none.
        PlanNotOnSale: it has no published version, or is archived.
    """
    plan = _held(PackageKind.PLAN, [plan_id]).get(plan_id)
    if plan is None:
        raise UnknownPlan("There is no such plan.", field="plan_id")
    if plan.archived_at is not None or plan.product.archived_at is not None:
        raise PlanNotOnSale(f"{plan.name} is archived.", field="plan_id")
    if plan.live is None:
        raise PlanNotOnSale(f"{plan.name} is not published yet.", field="plan_id")
    return plan


def addons_on_sale(addon_ids: Sequence[str]) -> dict[str, Package]:
    """The add-ons by public id, whose live versions stay what they are, as with plans.

    Raises:
        UnknownAddon: there is no such add-on.
    """
    found = _held(PackageKind.ADDON, addon_ids)
    for addon_id in addon_ids:
        if addon_id not in found:
            raise UnknownAddon(f"There is no add-on {addon_id}.", field="addons")
    return found


def hold_packages(package_ids: Iterable[int]) -> None:
    """Let no publication of these packages commit before this transaction (R13).

    Without it a subscription could begin on a version that is replaced at the same moment,
    unseen by the rollout.
    """
    hold(Package, package_ids)


def choose_addons(
    plan_version: PackageVersion,
    wanted: Sequence[tuple[str, int]],
    *,
    packages: Mapping[str, Package],
    attached: Sequence[SubscriptionAddon] = (),
    now: datetime,
) -> list[SubscriptionAddon]:
    """The add-ons, as unsaved or changed rows, that make up the whole list `wanted` (R6).

    What is `attached` already keeps its version and its date. `packages` are those of
    `addons_on_sale`.

    Raises:
        InvalidQuantity, IncompatibleAddon, AddonNotOnSale, MissingDependency: see there.
    """
    compatible = set(plan_version.compatible_addons.values_list("pk", flat=True))
    may_have_any = plan_version.pricing_type in (PricingType.PAID, PricingType.CUSTOM)
    rows_by_addon = {row.addon_id: row for row in attached}
    chosen: dict[int, SubscriptionAddon] = {}
    for addon_id, quantity in wanted:
        addon = packages[addon_id]
        if addon.pk in chosen:
            raise InvalidQuantity(f"{addon.name} is named twice.", field="addons")
        if not may_have_any or addon.pk not in compatible:
            raise IncompatibleAddon(
                f"{addon.name} cannot be added to {plan_version.name}.", field="addons"
            )
        row = rows_by_addon.get(addon.pk) or _attach(addon, now)
        _check_quantity(row.version, quantity)
        row.quantity = quantity
        chosen[addon.pk] = row
    _check_dependencies(chosen)
    return sorted(chosen.values(), key=lambda row: (row.attached_at, row.pk or 0))


def _attach(addon: Package, now: datetime) -> SubscriptionAddon:
    if addon.archived_at is not None:
        raise AddonNotOnSale(f"{addon.name} is archived.", field="addons")
    if addon.live is None:
        raise AddonNotOnSale(f"{addon.name} is not published yet.", field="addons")
    return SubscriptionAddon(addon=addon, version=addon.live, attached_at=now)


def _check_quantity(version: PackageVersion, quantity: int) -> None:
    largest = version.max_quantity or LARGEST_QUANTITY
    if not 1 <= quantity <= largest:
        raise InvalidQuantity(
            f"{version.name} can be had once."
            if largest == 1
            else f"{version.name} can be had 1 to {largest:,} times.",
            field="addons",
        )


def _check_dependencies(chosen: Mapping[int, SubscriptionAddon]) -> None:
    needed = PackageVersion.dependencies.through.objects.filter(
        packageversion__in=[row.version_id for row in chosen.values()]
    ).select_related("packageversion", "package__live", "package__draft")
    for link in needed:
        if link.package_id not in chosen:
            raise MissingDependency(
                f"{link.packageversion.name} needs {link.package.name}.", field="addons"
            )


@dataclass(frozen=True, slots=True)
class Room:
    """What values of one's own there can be: by public id, numbers and custom credit types."""

    features: dict[str, Feature]
    credit_types: dict[str, CreditType]

    @classmethod
    def in_packages(
        cls, plan_version: PackageVersion, addons: Iterable[SubscriptionAddon]
    ) -> "Room":
        """The room that a plan leaves together with its add-ons."""
        versions = [plan_version.pk, *(row.version_id for row in addons)]
        by_version = inheritance.feature_entitlements_of(versions)
        custom = inheritance.effective_credit_entitlements(plan_version)
        return cls(
            features={
                entitlement.feature.public_id: entitlement.feature
                for entitlements in by_version.values()
                for entitlement in entitlements
                if entitlement.feature.type == FeatureType.NUMBER
            },
            credit_types={
                entitlement.credit_type.public_id: entitlement.credit_type
                for entitlement in custom
                if entitlement.is_custom
            },
        )

    def has(self, value: Value) -> bool:
        """Whether there is room for `value`."""
        if isinstance(value, FeatureValue):
            return value.feature_id in self.features
        return value.credit_type_id in self.credit_types

    def row(self, value: Value) -> SubscriptionEntitlement:
        """The unsaved row of a value that there is room for."""
        if isinstance(value, FeatureValue):
            return SubscriptionEntitlement(
                feature=self.features[value.feature_id],
                usage_limit=value.usage_limit,
                has_unlimited_usage=value.has_unlimited_usage,
                has_soft_limit=value.has_soft_limit,
                reset_period=value.reset_period,
                reset_configuration=value.reset_configuration,
            )
        return SubscriptionEntitlement(
            credit_type=self.credit_types[value.credit_type_id],
            amount=value.amount,
            cadence=value.cadence,
        )


def choose_values(
    plan_version: PackageVersion,
    addons: Sequence[SubscriptionAddon],
    wanted: Sequence[Value],
) -> list[SubscriptionEntitlement]:
    """The values of one's own, as unsaved rows (R17, and custom entitlements).

    Raises:
        InvalidValue: the packages do not include the feature, it is no number, or they leave
            the amount of the credit type to nobody; or the value itself is none.
    """
    if not wanted:
        return []
    room = Room.in_packages(plan_version, addons)
    for place, value in enumerate(wanted):
        if not room.has(value):
            raise InvalidValue(_no_room(plan_version, value), field="entitlements")
        if any(value.target == other.target for other in wanted[:place]):
            raise InvalidValue(f"{value.target[1]} is given twice.", field="entitlements")
        if isinstance(value, FeatureValue):
            _check_limit(value)
        else:
            _check_amount(value.amount)
    return [room.row(value) for value in wanted]


def check_units(
    plan_version: PackageVersion,
    addons: Sequence[SubscriptionAddon],
    chosen: Sequence[Value],
) -> None:
    """Refuse fewer or more units of a feature than any price of it sells; 0 is none.

    What was chosen earlier is not asked about: prices may have changed since.

    Raises:
        InvalidValue: naming the feature.
    """
    units = {
        value.feature_id: value.usage_limit
        for value in chosen
        if isinstance(value, FeatureValue) and value.usage_limit
    }
    if not units:
        return
    versions = [plan_version.pk, *(row.version_id for row in addons)]
    sold = Charge.objects.filter(
        version__in=versions, billing_model=BillingModel.PER_UNIT, feature__public_id__in=units
    )
    by_feature: dict[str, list[Charge]] = {}
    for charge in sold.select_related("feature").order_by("pk"):
        assert charge.feature is not None, "a price per unit names its feature"
        by_feature.setdefault(charge.feature.public_id, []).append(charge)
    for feature_id, charges in by_feature.items():
        if not any(_sells(charge, units[feature_id]) for charge in charges):
            least, most = charges[0].minimum_quantity, charges[0].maximum_quantity
            named = [("at least", least), ("at most", most)]
            bounds = [f"{words} {plain(number)}" for words, number in named if number is not None]
            raise InvalidValue(
                f"Of {feature_id}, {' and '.join(bounds)} can be bought.", field="entitlements"
            )


def _sells(charge: Charge, units: int) -> bool:
    least, most = charge.minimum_quantity, charge.maximum_quantity
    return (least is None or units >= least) and (most is None or units <= most)


def values_that_still_fit(
    plan_version: PackageVersion,
    addons: Sequence[SubscriptionAddon],
    values: Sequence[Value],
) -> list[Value]:
    """Of values set earlier, those that the packages still leave room for."""
    if not values:
        return []
    room = Room.in_packages(plan_version, addons)
    return [value for value in values if room.has(value)]


def merged(values: Sequence[Value], newer: Sequence[Value]) -> list[Value]:
    """`values`, those of the same features and credit types replaced by `newer` ones."""
    replaced = {value.target for value in newer}
    return [value for value in values if value.target not in replaced] + list(newer)


def units_of_plan(plan_version: PackageVersion, quantity: int | None) -> list[Value]:
    """`quantity` units of the one feature that the plan sells per unit; none if None.

    Raises:
        InvalidValue: it sells none per unit, or several.
    """
    if quantity is None:
        return []
    features = {
        charge.feature.public_id
        for charge in plan_version.charges.select_related("feature")
        if charge.feature is not None and charge.billing_model == BillingModel.PER_UNIT
    }
    if len(features) != 1:
        raise InvalidValue(
            f"{plan_version.name} does not sell units of exactly one feature: name it.",
            field="unit_quantity",
        )
    return [FeatureValue(feature_id=features.pop(), usage_limit=quantity)]


def values_of(subscription: Subscription) -> list[Value]:
    """The values set for a stored subscription, as they could be chosen again."""
    rows = SubscriptionEntitlement.objects.filter(subscription=subscription)
    return [_value(row) for row in rows.select_related("feature", "credit_type")]


def _value(row: SubscriptionEntitlement) -> Value:
    if row.feature is not None:
        return FeatureValue(
            feature_id=row.feature.public_id,
            usage_limit=row.usage_limit,
            has_unlimited_usage=row.has_unlimited_usage,
            has_soft_limit=row.has_soft_limit,
            reset_period=row.reset_period,
            reset_configuration=row.reset_configuration,
        )
    assert row.credit_type is not None, "a value is for a feature or for credits"
    assert row.amount is not None, "a custom amount is an amount"
    return CreditValue(
        credit_type_id=row.credit_type.public_id, amount=row.amount, cadence=row.cadence
    )


def _no_room(plan_version: PackageVersion, value: Value) -> str:
    if isinstance(value, FeatureValue):
        return f"{plan_version.name} includes no number of {value.feature_id}."
    return f"{plan_version.name} has no custom amount of {value.credit_type_id}."


def _check_limit(value: FeatureValue) -> None:
    if value.has_unlimited_usage == (value.usage_limit is not None):
        raise InvalidValue(
            f"Give {value.feature_id} either a limit or unlimited use.", field="entitlements"
        )
    if value.usage_limit is not None and not 0 <= value.usage_limit <= LARGEST_LIMIT:
        raise InvalidValue(
            f"The limit of {value.feature_id} must be 0 to {LARGEST_LIMIT:,}.",
            field="entitlements",
        )


def _check_amount(amount: Decimal) -> None:
    try:
        validate_amount(amount)
    except ValidationError as error:
        raise InvalidValue(error.messages[0], field="entitlements") from error


def choose_billing_period(plan_version: PackageVersion, wanted: str | None) -> str:
    """How often a subscription is billed: as `wanted`, else monthly where that has a price.

    Raises:
        PriceNotFound: the plan has prices, but none for that period.
    """
    priced = base_prices(list(plan_version.charges.all()))
    if wanted:
        if priced and wanted not in priced:
            label = BillingPeriod(wanted).label.lower()
            raise PriceNotFound(
                f"{plan_version.name} has no {label} price.", field="billing_period"
            )
        return wanted
    if not priced or BillingPeriod.MONTHLY in priced:
        return BillingPeriod.MONTHLY
    return BillingPeriod.ANNUALLY


def prices_of(
    plan_version: PackageVersion | None,
    addons: Iterable[SubscriptionAddon],
    billing_period: str,
) -> list[dict[str, Any]]:
    """What all this costs today, to be kept with the subscription (R10).

    Prices of the billing period; of a package that has none for it, those it has.
    """
    addons = list(addons)
    versions = {row.version_id for row in addons}
    if plan_version is not None:
        versions.add(plan_version.pk)
    return PriceList(versions).of(plan_version, addons, billing_period)


class PriceList:
    """The prices of versions, read once for any number of subscriptions."""

    def __init__(self, version_ids: Iterable[int]) -> None:
        self.charges: dict[int, list[Charge]] = {version_id: [] for version_id in version_ids}
        rows = Charge.objects.filter(version_id__in=self.charges).select_related("feature")
        for charge in rows.order_by("pk"):
            self.charges[charge.version_id].append(charge)

    def of(
        self,
        plan_version: PackageVersion | None,
        addons: Iterable[SubscriptionAddon],
        billing_period: str,
    ) -> list[dict[str, Any]]:
        """As `prices_of`, without any query."""
        addon_ids: dict[int, str | None] = {} if plan_version is None else {plan_version.pk: None}
        addon_ids |= {row.version_id: row.addon.public_id for row in addons}
        return [
            _price(charge, addon_id)
            for version_id, addon_id in addon_ids.items()
            for charge in _of_period(self.charges[version_id], billing_period)
        ]


def _of_period(charges: list[Charge], billing_period: str) -> list[Charge]:
    return [charge for charge in charges if charge.billing_period == billing_period] or charges


def _price(charge: Charge, addon_id: str | None) -> dict[str, Any]:
    return {
        "addonId": addon_id,
        "amount": None if charge.amount is None else plain(charge.amount),
        "baseCharge": charge.feature_id is None,
        "billingCadence": charge.billing_cadence,
        "billingCountryCode": charge.billing_country_code or None,
        "billingModel": charge.billing_model,
        "billingPeriod": charge.billing_period,
        "blockSize": None if charge.block_size is None else plain(charge.block_size),
        "currency": charge.currency,
        "featureId": None if charge.feature is None else charge.feature.public_id,
        "tiers": charge.tiers or None,
    }


def _held(kind: PackageKind, public_ids: Sequence[str]) -> dict[str, Package]:
    """The packages by public id, held, with their live versions; unknown ones are absent.

    Held first and read then, so that the live versions are those of the transaction's end.
    """
    known = [public_id for public_id in public_ids if is_public_id(public_id)]
    if not known:
        return {}
    packages = Package.objects.filter(kind=kind, public_id__in=known)
    hold_packages(packages.values_list("pk", flat=True))
    rows = packages.select_related("live", "product")
    return {package.public_id: package for package in rows}
