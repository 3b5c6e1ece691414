"""Subscriptions as callers see them."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Literal, TypedDict

from django.db.models import Prefetch
from rest_framework import serializers

from catalog.api.charges import MoneyShape, TierShape, shown_tier
from catalog.api.coupons import amounts_off
from catalog.api.packages import IncludedShape
from catalog.models import PricingType, TrialEnd
from subscriptions import finding
from subscriptions.models import (
    CancelReason,
    Customer,
    DiscountStatus,
    PaymentCollectionMethod,
    Resource,
    ScheduledUpdate,
    Status,
    Subscription,
    SubscriptionAddon,
    SubscriptionCoupon,
    SubscriptionEntitlement,
    UpdateKind,
    UpdateStatus,
)
from subscriptions.models.subscriptions import SubscriptionQuerySet
from workspace.api.currencies import Currency, wire_currency
from workspace.api.fields import wire_instant
from workspace.api.terms import Instant, one_of

PLAN_KINDS = (UpdateKind.PLAN, UpdateKind.DOWNGRADE, UpdateKind.MIGRATE_TO_LATEST)
IN_FORCE = (Status.ACTIVE, Status.IN_TRIAL, Status.PAYMENT_PENDING)


def shown(rows: SubscriptionQuerySet, *, with_values: bool = False) -> SubscriptionQuerySet:
    """`rows` with all that answers need, in a constant number of queries."""
    rows = rows.select_related(
        "customer", "paying_customer", "resource", "plan", "plan_version"
    ).prefetch_related(
        Prefetch("addons", SubscriptionAddon.objects.select_related("addon")),
        Prefetch("coupons", SubscriptionCoupon.objects.select_related("coupon")),
        Prefetch(
            "scheduled_updates",
            ScheduledUpdate.objects.filter(status=UpdateStatus.SCHEDULED)
            .select_related("plan_version__package")
            .prefetch_related("addons__addon"),
        ),
    )
    if with_values:
        values = SubscriptionEntitlement.objects.select_related("feature", "credit_type")
        rows = rows.prefetch_related(Prefetch("entitlements", values))
    return rows


class AddonLineShape(TypedDict):
    """An add-on and how many of it."""

    id: str
    quantity: int


class SoldPriceShape(TypedDict):
    """A price that a subscription was sold at."""

    addonId: str | None
    amount: Decimal | None
    baseCharge: bool
    billingCountryCode: str | None
    blockSize: Decimal | None
    currency: Currency | None
    featureId: str | None
    tiers: list[TierShape] | None


class AppliedCouponShape(TypedDict):
    """A coupon of a subscription."""

    id: str
    name: str
    status: Annotated[str, one_of(DiscountStatus.values)]
    percentOff: Decimal | None
    amountsOff: list[MoneyShape] | None


class TargetShape(TypedDict):
    """The package that a change is about."""

    id: str


class FutureUpdateShape(TypedDict):
    """A change that is waiting for its time."""

    scheduledExecutionTime: Instant
    scheduleStatus: Annotated[str, one_of(UpdateStatus.values)]
    subscriptionScheduleType: Annotated[str, one_of(UpdateKind.values)]
    targetPackage: TargetShape | None


class AfterTrialShape(TypedDict):
    """What follows a trial."""

    trialEndBehavior: Annotated[str, one_of(TrialEnd.values)]


class SubscriptionShape(TypedDict):
    """A subscription. What this workspace does not do, such as invoices, is null."""

    id: str
    billingId: str | None
    customerId: str
    payingCustomerId: str | None
    resourceId: str | None
    planId: str
    pricingType: Annotated[str, one_of(PricingType.values)]
    status: Annotated[str, one_of(Status.values)]
    paymentCollection: Literal["NOT_REQUIRED", "PROCESSING"]
    paymentCollectionMethod: Annotated[str, one_of(PaymentCollectionMethod.values)] | None
    startDate: Instant
    trialEndDate: Instant | None
    endDate: Instant | None
    effectiveEndDate: Instant | None
    createdAt: Instant
    billingCycleAnchor: Instant
    currentBillingPeriodStart: Instant | None
    currentBillingPeriodEnd: Instant | None
    cancellationDate: Instant | None
    cancelReason: Annotated[str, one_of(CancelReason.values)] | None
    addons: list[AddonLineShape]
    prices: list[SoldPriceShape]
    trial: AfterTrialShape | None
    subscriptionEntitlements: list[IncludedShape] | None
    coupons: list[AppliedCouponShape]
    futureUpdates: list[FutureUpdateShape]
    metadata: dict[str, str]
    budget: None
    latestInvoice: None
    minimumSpend: None


class ProvisionedShape(TypedDict):
    """A subscription that was provisioned. Nothing waits for a checkout here."""

    id: str
    status: Literal["SUCCESS"]
    subscription: SubscriptionShape
    isScheduled: bool
    entitlements: None
    checkoutBillingId: None
    checkoutUrl: None


class ChangedShape(TypedDict):
    """The subscription that was changed."""

    id: str


class ImportTaskShape(TypedDict):
    """Who starts the subscriptions."""

    taskId: str


class SubscriptionAnswer(serializers.BaseSerializer[Subscription]):
    """A subscription, as it is at `now` of the context.

    With `with_values` of the context its own values, which lists leave out.
    """

    def to_representation(self, instance: Subscription) -> SubscriptionShape:
        """Every key of the contract."""
        now: datetime = self.context["now"]
        status = instance.status_at(now)
        period: list[str | None] = [None, None]
        if status in IN_FORCE:
            period = [wire_instant(at) for at in finding.billing_period_at(instance, now)]
        is_canceled = instance.end_reason == Status.CANCELED
        return {
            "id": instance.public_id,
            "billingId": instance.billing_id or None,
            "customerId": instance.customer.public_id,
            "payingCustomerId": _id(instance.paying_customer),
            "resourceId": _id(instance.resource),
            "planId": instance.plan.public_id,
            "pricingType": instance.plan_version.pricing_type,
            "status": status.value,
            "paymentCollection": (
                "PROCESSING" if status == Status.PAYMENT_PENDING else "NOT_REQUIRED"
            ),
            "paymentCollectionMethod": instance.payment_collection_method or None,
            "startDate": wire_instant(instance.started_at),
            "trialEndDate": _instant(instance.trial_ends_at),
            "endDate": _instant(instance.ends_at),
            "effectiveEndDate": _instant(instance.ends_at),
            "createdAt": wire_instant(instance.created_at),
            "billingCycleAnchor": wire_instant(instance.billing_cycle_anchor),
            "currentBillingPeriodStart": period[0],
            "currentBillingPeriodEnd": period[1],
            "cancellationDate": _instant(instance.ends_at) if is_canceled else None,
            "cancelReason": instance.cancel_reason or None,
            "addons": [
                {"id": row.addon.public_id, "quantity": row.quantity}
                for row in instance.addons.all()
            ],
            "prices": [_price(price) for price in instance.prices],
            "trial": (
                None if instance.trial_ends_at is None else {"trialEndBehavior": instance.trial_end}
            ),
            "subscriptionEntitlements": (
                [_value(row) for row in instance.entitlements.all()]
                if self.context.get("with_values")
                else None
            ),
            "coupons": [_coupon(row, now) for row in instance.coupons.all()],
            "futureUpdates": [
                shown_update
                for update in instance.scheduled_updates.all()
                for shown_update in _future_updates(update)
            ],
            "metadata": instance.metadata,
            "budget": None,
            "latestInvoice": None,
            "minimumSpend": None,
        }


def _id(row: Customer | Resource | None) -> str | None:
    return None if row is None else row.public_id


def _instant(at: datetime | None) -> str | None:
    return None if at is None else wire_instant(at)


def _future_updates(update: ScheduledUpdate) -> list[FutureUpdateShape]:
    """One line for each kind of change that a scheduled update brings."""
    return [
        {
            "scheduledExecutionTime": wire_instant(update.takes_effect_at),
            "scheduleStatus": update.status,
            "subscriptionScheduleType": kind,
            "targetPackage": _target(update, kind),
        }
        for kind in update.kinds
    ]


def _target(update: ScheduledUpdate, kind: str) -> TargetShape | None:
    """The package that a change is about, where it is about one."""
    if kind in PLAN_KINDS and update.plan_version is not None:
        return {"id": update.plan_version.package.public_id}
    addons = list(update.addons.all()) if kind == UpdateKind.ADDON else []
    return {"id": addons[0].addon.public_id} if len(addons) == 1 else None


def _coupon(row: SubscriptionCoupon, now: datetime) -> AppliedCouponShape:
    return {
        "id": row.coupon.public_id,
        "name": row.coupon.name,
        "status": row.status_at(now),
        "percentOff": row.coupon.percent_off,
        "amountsOff": amounts_off(row.coupon),
    }


def _value(row: SubscriptionEntitlement) -> IncludedShape:
    if row.feature is not None:
        return {"id": row.feature.public_id, "type": "FEATURE"}
    assert row.credit_type is not None, "a value is for a feature or for credits"
    return {"id": row.credit_type.public_id, "type": "CREDIT"}


def _price(price: Mapping[str, Any]) -> SoldPriceShape:
    return {
        "addonId": price["addonId"],
        "amount": _number(price["amount"]),
        "baseCharge": price["baseCharge"],
        "billingCountryCode": price["billingCountryCode"],
        "blockSize": _number(price["blockSize"]),
        "currency": wire_currency(price["currency"]),
        "featureId": price["featureId"],
        "tiers": [shown_tier(tier) for tier in price["tiers"] or []] or None,
    }


def _number(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)
