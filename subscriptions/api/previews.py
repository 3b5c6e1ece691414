"""What a subscription would cost and grant, over HTTP, before it exists or changes."""

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from typing import Any, TypedDict

from rest_framework import serializers
from rest_framework.request import Request

from catalog.models import BillingModel, BillingPeriod, Coupon
from subscriptions import discounts, finding, previews, provisioning, updates
from subscriptions.api import orders
from subscriptions.api.answers import AddonLineShape
from subscriptions.choices import LARGEST_LIMIT, LARGEST_QUANTITY
from subscriptions.entitlements import features_under
from subscriptions.models import Status, Subscription, UpdateKind
from subscriptions.previews import CreditChange, Preview
from workspace.api.camel import CamelMixin
from workspace.api.currencies import Currency
from workspace.api.fields import ChoiceField, PublicIdField, UtcDateTimeField, wire_instant
from workspace.api.responses import Response
from workspace.api.terms import Instant, speaks
from workspace.api.views import ApiView

PAID_AHEAD = (BillingModel.FLAT_FEE, BillingModel.PER_UNIT)


class PreviewAddonBody(serializers.Serializer[Any]):
    """An add-on and how many of it; none of it is allowed."""

    id = PublicIdField()
    quantity = orders.WholeField(min_value=0, max_value=LARGEST_QUANTITY)


class BillableFeatureBody(CamelMixin, serializers.Serializer[Any]):
    """Units that would be bought of a feature."""

    feature_id = PublicIdField()
    quantity = orders.WholeField(min_value=0, max_value=LARGEST_LIMIT)


class PreviewBody(CamelMixin, serializers.Serializer[Any]):
    """A subscription that is thought of."""

    customer_id = PublicIdField()
    plan_id = PublicIdField()
    addons = serializers.ListField(
        child=PreviewAddonBody(), required=False, max_length=orders.LONGEST_LIST
    )
    billable_features = serializers.ListField(
        child=BillableFeatureBody(), required=False, max_length=orders.LONGEST_LIST
    )
    charges = serializers.ListField(
        child=orders.ChargeBody(), required=False, max_length=orders.LONGEST_LIST
    )
    unit_quantity = orders.WholeField(
        min_value=0, max_value=LARGEST_LIMIT, required=False, allow_null=True
    )
    billing_cycle_anchor = ChoiceField(["UNCHANGED", "NOW"], required=False)
    billing_period = ChoiceField(BillingPeriod.values, required=False)
    paying_customer_id = PublicIdField(required=False, allow_null=True)
    resource_id = PublicIdField(required=False, allow_null=True)
    schedule_strategy = ChoiceField(list(updates.When), required=False)
    start_date = UtcDateTimeField(required=False)
    trial_override_configuration = orders.TrialOverrideBody(required=False)
    applied_coupon = orders.AppliedCouponBody(required=False, allow_null=True)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Leave out what is wanted 0 times; count units by either name."""
        if "addons" in attrs:
            attrs["addons"] = [addon for addon in attrs["addons"] if addon["quantity"]]
        units = attrs.pop("billable_features", [])
        if units:
            attrs["charges"] = [
                *attrs.get("charges", []),
                *({"id": each["feature_id"], "quantity": each["quantity"]} for each in units),
            ]
        return attrs


class PeriodShape(TypedDict):
    """A billing period."""

    start: Instant
    end: Instant


class InvoiceLineShape(TypedDict):
    """Something that is paid ahead."""

    description: str
    currency: Currency
    unitPrice: Decimal
    quantity: int
    subTotal: Decimal


class DiscountShape(TypedDict):
    """What a coupon would take off."""

    amount: Decimal
    currency: Currency
    description: str


class DiscountDetailsShape(TypedDict):
    """The coupon: a percentage, or an amount in the currency of the invoice."""

    code: str
    fixedAmount: Decimal | None
    percentage: Decimal | None


class InvoiceShape(TypedDict):
    """What an invoice would hold: prices paid ahead, less what a coupon takes off; no taxes."""

    subTotal: Decimal
    total: Decimal
    billingPeriodRange: PeriodShape
    currency: Currency | None
    discount: Decimal | None
    discountDetails: DiscountDetailsShape | None
    discounts: list[DiscountShape]
    lines: list[InvoiceLineShape]
    tax: None


class CreditChangeShape(TypedDict):
    """What would happen to the credits of one type."""

    currencyId: str
    displayName: str
    takesEffectAt: Instant
    balanceBefore: Decimal
    balanceAfter: Decimal
    granted: Decimal
    nextResetAt: Instant | None
    grantedAtNextReset: Decimal


class PreviewShape(TypedDict):
    """What a subscription, or a change of one, would do."""

    immediateInvoice: InvoiceShape
    recurringInvoice: InvoiceShape
    billingPeriodRange: PeriodShape
    freeItems: list[AddonLineShape]
    hasScheduledUpdates: bool
    isPlanDowngrade: bool
    takesEffectAt: Instant
    credits: list[CreditChangeShape]


class PreviewView(ApiView):
    """`/subscriptions/preview`."""

    @speaks(body=PreviewBody, answer=PreviewShape)
    def post(self, request: Request) -> Response:
        """Say what a subscription, or a change of the one that runs, would do; store nothing."""
        body = self.read_body()
        held = updates.running_beside(
            customer_id=body["customer_id"],
            plan_id=body["plan_id"],
            resource_id=body.get("resource_id"),
            now=self.now,
        )
        changes = orders.plan_change_of(body, self.now) if held is not None else None
        if held is None or changes is None:
            preview = provisioning.preview(**orders.order_of(body, self.now), now=self.now)
            return self.answer(_shown(preview, None, self._coupon(preview, body), self.now))
        preview = updates.preview(
            subscription_id=held.public_id,
            when=body.get("schedule_strategy"),
            now=self.now,
            **changes,
        )
        return self.answer(_shown(preview, held, self._coupon(preview, body), self.now))

    def _coupon(self, preview: Preview, body: dict[str, Any]) -> Coupon | None:
        at = _takes_effect_at(preview, self.now)
        wanted = orders.discount_of(body)
        return discounts.previewed(preview.subscription, wanted, at=at, now=self.now)


def _takes_effect_at(preview: Preview, now: datetime) -> datetime:
    return preview.planned.takes_effect_at or max(now, preview.subscription.started_at)


def _shown(
    preview: Preview, held: Subscription | None, coupon: Coupon | None, now: datetime
) -> PreviewShape:
    subscription = preview.subscription
    at = _takes_effect_at(preview, now)
    start, end = finding.billing_period_at(subscription, at)
    period: PeriodShape = {"start": wire_instant(start), "end": wire_instant(end)}
    lines = list(_lines(preview))
    is_due = held is None and subscription.status_at(now) == Status.ACTIVE
    return {
        "immediateInvoice": _invoice(lines if is_due else [], lines, coupon, period),
        "recurringInvoice": _invoice(lines, lines, coupon, period),
        "billingPeriodRange": period,
        "freeItems": _free_items(preview),
        "hasScheduledUpdates": held is not None and held.next_update_at is not None,
        "isPlanDowngrade": UpdateKind.DOWNGRADE in preview.planned.kinds,
        "takesEffectAt": wire_instant(at),
        "credits": [_credits(each) for each in previews.credit_changes(preview, now=now)],
    }


def _lines(preview: Preview) -> Iterable[InvoiceLineShape]:
    """What is paid ahead for a billing period: flat prices and units, no tiers, no use."""
    quantities = {row.addon.public_id: row for row in preview.addons}
    features = features_under(preview.terms)
    units = {each.feature.public_id: each.usage_limit or 0 for each in features}
    for price in preview.subscription.prices:
        if price["amount"] is None or price["billingModel"] not in PAID_AHEAD:
            continue
        row = quantities.get(price["addonId"])
        name = row.version.name if row else preview.subscription.plan_version.name
        quantity = row.quantity if row else 1
        if price["featureId"] is not None:
            name, quantity = f"{name}: {price['featureId']}", units.get(price["featureId"], 0)
        amount = Decimal(price["amount"])
        yield {
            "description": name,
            "currency": price["currency"].lower(),
            "unitPrice": amount,
            "quantity": quantity,
            "subTotal": amount * quantity,
        }


def _invoice(
    lines: list[InvoiceLineShape],
    all_lines: list[InvoiceLineShape],
    coupon: Coupon | None,
    period: PeriodShape,
) -> InvoiceShape:
    total = sum((line["subTotal"] for line in lines), Decimal(0))
    currency = next((line["currency"] for line in all_lines), None)
    taken_off = Decimal(0)
    details: DiscountDetailsShape | None = None
    if coupon is not None and currency is not None:
        taken_off = discounts.taken_off(coupon, total, currency.upper())
        details = {
            "code": coupon.public_id,
            "fixedAmount": coupon.amounts.get(currency.upper()),
            "percentage": coupon.percent_off,
        }
    return {
        "subTotal": total,
        "total": total - taken_off,
        "billingPeriodRange": period,
        "currency": currency,
        "discount": taken_off if details else None,
        "discountDetails": details,
        "discounts": (
            [{"amount": taken_off, "currency": currency, "description": coupon.name}]
            if coupon is not None and currency is not None
            else []
        ),
        "lines": lines,
        "tax": None,
    }


def _free_items(preview: Preview) -> list[AddonLineShape]:
    """Add-ons that cost nothing."""
    paid = {
        price["addonId"]
        for price in preview.subscription.prices
        if price["amount"] is None or Decimal(price["amount"])
    }
    return [
        {"id": row.addon.public_id, "quantity": row.quantity}
        for row in preview.addons
        if row.addon.public_id not in paid
    ]


def _credits(change: CreditChange) -> CreditChangeShape:
    return {
        "currencyId": change.credit_type.public_id,
        "displayName": change.credit_type.name,
        "takesEffectAt": wire_instant(change.takes_effect_at),
        "balanceBefore": change.balance_before,
        "balanceAfter": change.balance_after,
        "granted": change.granted,
        "nextResetAt": wire_instant(change.next_reset_at) if change.next_reset_at else None,
        "grantedAtNextReset": change.granted_at_reset,
    }
