"""What use would cost, with nothing stored (R41)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

from catalog.amounts import ZERO
from catalog.features import COUNTED
from catalog.models import ConsumptionMapping, CreditType, Feature
from credits import entitlements, metering, pools
from credits.entitlements import Holder
from credits.models import Pool
from credits.usage import UseBelowZero, set_below_zero, taken_off_too_much
from subscriptions.models import Customer, Subscription


class Warning(StrEnum):  # noqa: A001 - R41 calls it so
    """Why an estimate may say less than was hoped for."""

    RESOURCE_SCOPED_SUBSCRIPTION_EXISTS = "RESOURCE_SCOPED_SUBSCRIPTION_EXISTS"
    FEATURE_NOT_FOUND = "FEATURE_NOT_FOUND"
    FEATURE_NOT_CREDIT_BASED = "FEATURE_NOT_CREDIT_BASED"


@dataclass(slots=True, frozen=True)
class Line:
    """What the use of one feature costs; `is_supported` not, if its meter cannot be priced."""

    feature: Feature
    cost: Decimal
    is_supported: bool = True


@dataclass(slots=True, frozen=True)
class CreditEstimate:
    """What it all costs in one credit type, and what the pool would hold then."""

    credit_type: CreditType
    balance: Decimal
    lines: tuple[Line, ...]

    @property
    def cost(self) -> Decimal:
        """All lines together."""
        return sum((line.cost for line in self.lines), ZERO)

    @property
    def balance_after(self) -> Decimal:
        """What would be left."""
        return self.balance - self.cost


@dataclass(slots=True, frozen=True)
class Estimate:
    """What a use would cost, per credit type, and what to know about it."""

    credits: tuple[CreditEstimate, ...]
    warnings: tuple[Warning, ...]


def of_event(
    *,
    customer_id: str,
    resource_id: str | None,
    name: str,
    dimensions: Mapping[str, Any],
    now: datetime,
) -> Estimate:
    """What such an event would cost.

    Raises:
        UnknownCustomer, CustomerIsArchived, UnknownResource: which of the ids is at fault.
    """
    holder = entitlements.holder(customer_id, resource_id)
    measures = [
        metering.measure(feature, dimensions)
        for feature in Feature.objects.active().event_based()
        if metering.matches(feature, name, dimensions)
    ]
    units = {measure.feature.pk: measure.value for measure in measures}
    return _estimate(holder, units, dimensions, now)


def of_usage(
    *,
    customer_id: str,
    resource_id: str | None,
    feature_id: str,
    value: int,
    sets_total: bool,
    dimensions: Mapping[str, Any],
    now: datetime,
) -> Estimate:
    """What such a usage report would cost.

    Raises:
        UnknownCustomer, CustomerIsArchived, UnknownResource: which of the ids is at fault.
        UseBelowZero: the report itself would be refused.
    """
    if sets_total and value < 0:
        raise UseBelowZero(set_below_zero(feature_id), field="value")
    holder = entitlements.holder(customer_id, resource_id)
    feature = Feature.objects.filter(public_id=feature_id).first()
    if feature is None:
        return _estimate(holder, {}, dimensions, now)
    rise = Decimal(value)
    if sets_total or value < 0:
        included = entitlements.included(holder, now).get(feature.pk)
        window = included.window(now) if included else None
        used = entitlements.used(holder, feature, window, now)
        if sets_total:
            rise -= used
        elif used + rise < 0:
            raise UseBelowZero(taken_off_too_much(feature, used=used, off=-rise), field="value")
    return _estimate(holder, {feature.pk: rise}, dimensions, now, is_free=rise <= 0)


def _estimate(
    holder: Holder,
    units: Mapping[int, Decimal],
    dimensions: Mapping[str, Any],
    now: datetime,
    *,
    is_free: bool = False,
) -> Estimate:
    """What `units`, by primary key of the feature, cost together."""
    in_force = metering.mappings_in_force(holder.customer, holder.resource_id, now)
    mappings = [mapping for mapping in in_force if mapping.feature_id in units]
    by_type: dict[CreditType, list[Line]] = {}
    for mapping in mappings:
        line = _line(mapping, units[mapping.feature_id], dimensions, is_free=is_free)
        by_type.setdefault(mapping.credit_type, []).append(line)
    balances = _balances(holder, list(by_type), now)
    warnings = []
    if holder.resource is None and _has_resource_subscription(holder.customer, now):
        warnings.append(Warning.RESOURCE_SCOPED_SUBSCRIPTION_EXISTS)
    if not units:
        warnings.append(Warning.FEATURE_NOT_FOUND)
    elif not mappings:
        warnings.append(Warning.FEATURE_NOT_CREDIT_BASED)
    return Estimate(
        tuple(
            CreditEstimate(credit_type, balances.get(credit_type.pk, ZERO), tuple(lines))
            for credit_type, lines in by_type.items()
        ),
        tuple(warnings),
    )


def _line(
    mapping: ConsumptionMapping, units: Decimal, dimensions: Mapping[str, Any], *, is_free: bool
) -> Line:
    if mapping.feature.aggregation not in COUNTED:
        return Line(mapping.feature, ZERO, is_supported=False)
    cost = ZERO if is_free else metering.cost(mapping, units, dimensions).amount
    return Line(mapping.feature, cost)


def _balances(
    holder: Holder, credit_types: Sequence[CreditType], now: datetime
) -> dict[int, Decimal]:
    """By primary key of the credit type, what the pool holds; nothing where there is none."""
    rows = Pool.objects.filter(
        customer=holder.customer, resource=holder.resource, credit_type__in=credit_types
    )
    found = list(rows)
    standings = pools.standings(found, now)
    return {row.credit_type_id: standings[row.pk].balance for row in found}


def _has_resource_subscription(customer: Customer, now: datetime) -> bool:
    scoped = Subscription.objects.filter(customer=customer, resource__isnull=False)
    return scoped.in_force(now).exists()
