"""Subscriptions as callers see them."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db.models import Prefetch
from rest_framework import serializers

from catalog.api.charges import shown_tier
from catalog.api.coupons import amounts_off
from subscriptions import finding
from subscriptions.models import (
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
from workspace.api.camel import CamelMixin
from workspace.api.currencies import wire_currency
from workspace.api.fields import UtcDateTimeField, wire_instant

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


class SubscriptionAnswer(CamelMixin, serializers.ModelSerializer[Subscription]):
    """A subscription, as it is at `now` of the context.

    With `with_values` of the context its own values, which lists leave out. What this
    workspace does not do, such as invoices, is empty.
    """

    id = serializers.CharField(source="public_id")
    billing_id = serializers.SerializerMethodField()
    customer_id = serializers.CharField(source="customer.public_id")
    paying_customer_id = serializers.CharField(source="paying_customer.public_id", default=None)
    resource_id = serializers.CharField(source="resource.public_id", default=None)
    plan_id = serializers.CharField(source="plan.public_id")
    pricing_type = serializers.CharField(source="plan_version.pricing_type")
    start_date = UtcDateTimeField(source="started_at")
    trial_end_date = UtcDateTimeField(source="trial_ends_at")
    end_date = UtcDateTimeField(source="ends_at")
    effective_end_date = UtcDateTimeField(source="ends_at")
    created_at = UtcDateTimeField()
    billing_cycle_anchor = UtcDateTimeField()
    addons = serializers.SerializerMethodField()
    prices = serializers.SerializerMethodField()
    trial = serializers.SerializerMethodField()
    subscription_entitlements = serializers.SerializerMethodField()

    class Meta:
        model = Subscription
        fields = [
            "id",
            "billing_id",
            "customer_id",
            "paying_customer_id",
            "resource_id",
            "plan_id",
            "pricing_type",
            "start_date",
            "trial_end_date",
            "end_date",
            "effective_end_date",
            "created_at",
            "billing_cycle_anchor",
            "addons",
            "prices",
            "trial",
            "subscription_entitlements",
            "metadata",
        ]

    def to_representation(self, instance: Subscription) -> dict[str, Any]:
        now: datetime = self.context["now"]
        status = instance.status_at(now)
        period: list[str | None] = [None, None]
        if status in IN_FORCE:
            period = [wire_instant(at) for at in finding.billing_period_at(instance, now)]
        is_pending = status == Status.PAYMENT_PENDING
        return {
            **super().to_representation(instance),
            "status": status.value,
            "paymentCollection": "PROCESSING" if is_pending else "NOT_REQUIRED",
            "paymentCollectionMethod": instance.payment_collection_method or None,
            "currentBillingPeriodStart": period[0],
            "currentBillingPeriodEnd": period[1],
            "cancellationDate": (
                wire_instant(instance.ends_at)
                if instance.ends_at is not None and instance.end_reason == Status.CANCELED
                else None
            ),
            "cancelReason": instance.cancel_reason or None,
            "budget": None,
            "coupons": [_coupon(row, now) for row in instance.coupons.all()],
            "futureUpdates": [
                shown_update
                for update in instance.scheduled_updates.all()
                for shown_update in _future_updates(update)
            ],
            "latestInvoice": None,
            "minimumSpend": None,
        }

    def get_billing_id(self, subscription: Subscription) -> str | None:
        """The id at whoever bills."""
        return subscription.billing_id or None

    def get_addons(self, subscription: Subscription) -> list[dict[str, Any]]:
        """The add-ons, the first attached first."""
        return [
            {"id": row.addon.public_id, "quantity": row.quantity}
            for row in subscription.addons.all()
        ]

    def get_prices(self, subscription: Subscription) -> list[dict[str, Any]]:
        """The prices it was sold at (R10)."""
        return [_price(price) for price in subscription.prices]

    def get_trial(self, subscription: Subscription) -> dict[str, str] | None:
        """What follows the trial, if there is or was one."""
        if subscription.trial_ends_at is None:
            return None
        return {"trialEndBehavior": subscription.trial_end}

    def get_subscription_entitlements(
        self, subscription: Subscription
    ) -> list[dict[str, str]] | None:
        """The values set for this subscription; null in lists."""
        if not self.context.get("with_values"):
            return None
        return [_value(row) for row in subscription.entitlements.all()]


def _future_updates(update: ScheduledUpdate) -> list[dict[str, Any]]:
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


def _target(update: ScheduledUpdate, kind: str) -> dict[str, str] | None:
    """The package that a change is about, where it is about one."""
    if kind in PLAN_KINDS and update.plan_version is not None:
        return {"id": update.plan_version.package.public_id}
    addons = list(update.addons.all()) if kind == UpdateKind.ADDON else []
    return {"id": addons[0].addon.public_id} if len(addons) == 1 else None


def _coupon(row: SubscriptionCoupon, now: datetime) -> dict[str, Any]:
    return {
        "id": row.coupon.public_id,
        "name": row.coupon.name,
        "status": row.status_at(now),
        "percentOff": row.coupon.percent_off,
        "amountsOff": amounts_off(row.coupon),
    }


def _value(row: SubscriptionEntitlement) -> dict[str, str]:
    if row.feature is not None:
        return {"id": row.feature.public_id, "type": "FEATURE"}
    assert row.credit_type is not None, "a value is for a feature or for credits"
    return {"id": row.credit_type.public_id, "type": "CREDIT"}


def _price(price: Mapping[str, Any]) -> dict[str, Any]:
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
