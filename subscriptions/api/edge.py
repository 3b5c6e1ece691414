"""The subscriptions of a customer that run, as server SDKs read them.

In the words of their GraphQL: ids are called `refId`, and `__typename` tells kinds apart. Those
of plans and add-ons come once more as `planId` and `addonId`, as the SDKs ask for them there.
"""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Literal, TypedDict

from rest_framework import serializers
from rest_framework.request import Request

from catalog.api.paywall_shapes import EdgeMoneyShape, Period, Pricing
from catalog.models import BillingModel, BillingPeriod, Package, TrialEnd
from subscriptions import customers, finding, updates
from subscriptions.models import Customer, Resource, Status, Subscription
from workspace.api import scopes
from workspace.api.camel import CamelMixin
from workspace.api.fields import CommaListField, PublicIdField, wire_instant
from workspace.api.responses import Response
from workspace.api.terms import Instant, one_of, speaks
from workspace.api.views import ApiView

MOST_RESOURCES = 100

# What begins with two underscores is no name in a class.
EdgeCustomerShape = TypedDict(
    "EdgeCustomerShape",
    {"__typename": Literal["Customer"], "customerId": str, "email": str | None},
)

EdgeResourceShape = TypedDict(
    "EdgeResourceShape", {"__typename": Literal["CustomerResource"], "resourceId": str}
)

EdgeFallbackShape = TypedDict(
    "EdgeFallbackShape",
    {"__typename": Literal["Plan"], "refId": str, "planId": str, "displayName": str},
)

EdgeProductShape = TypedDict(
    "EdgeProductShape",
    {
        "__typename": Literal["Product"],
        "refId": str,
        "displayName": str,
        "downgradePlan": EdgeFallbackShape | None,
    },
)

EdgePlanShape = TypedDict(
    "EdgePlanShape",
    {
        "__typename": Literal["Plan"],
        "refId": str,
        "planId": str,
        "displayName": str,
        "description": str | None,
        "product": EdgeProductShape,
    },
)

EdgeAddonShape = TypedDict(
    "EdgeAddonShape", {"__typename": Literal["Addon"], "refId": str, "addonId": str}
)

EdgeBoughtShape = TypedDict(
    "EdgeBoughtShape",
    {"__typename": Literal["SubscriptionAddon"], "quantity": int, "addon": EdgeAddonShape},
)

EdgePeriodPriceShape = TypedDict(
    "EdgePeriodPriceShape",
    {"__typename": Literal["Price"], "billingPeriod": Period, "price": EdgeMoneyShape | None},
)

EdgePriceShape = TypedDict(
    "EdgePriceShape",
    {
        "__typename": Literal["SubscriptionPrice"],
        "billingModel": Annotated[str, one_of(BillingModel.values)] | None,
        "price": EdgePeriodPriceShape,
    },
)

EdgeTrialShape = TypedDict(
    "EdgeTrialShape",
    {
        "__typename": Literal["TrialConfiguration"],
        "trialEndBehavior": Annotated[str, one_of(TrialEnd.values)] | None,
    },
)

EdgeSubscriptionShape = TypedDict(
    "EdgeSubscriptionShape",
    {
        "__typename": Literal["CustomerSubscription"],
        "subscriptionId": str,
        "refId": str,
        "status": Annotated[str, one_of(Status.values)],
        "pricingType": Pricing,
        "startDate": Instant,
        "endDate": Instant | None,
        "cancellationDate": Instant | None,
        "effectiveEndDate": Instant | None,
        "trialEndDate": Instant | None,
        "trialConfiguration": EdgeTrialShape | None,
        "currentBillingPeriodStart": Instant,
        "currentBillingPeriodEnd": Instant,
        "billingPeriod": Period | None,
        "additionalMetaData": dict[str, str],
        "totalPrice": None,
        "customer": EdgeCustomerShape,
        "payingCustomer": EdgeCustomerShape | None,
        "resource": EdgeResourceShape | None,
        "plan": EdgePlanShape,
        "addons": list[EdgeBoughtShape],
        "prices": list[EdgePriceShape],
    },
)


class EdgeSubscriptionsShape(TypedDict):
    """The subscriptions of a customer that run."""

    getActiveSubscriptions: list[EdgeSubscriptionShape]


class ResourceFilters(CamelMixin, serializers.Serializer[Any]):
    """Of which resources; without, of all and of none."""

    resource_id = PublicIdField(required=False)
    resource_ids = CommaListField(
        child=PublicIdField(), required=False, max_length=MOST_RESOURCES, default=list
    )


class EdgeSubscriptionsView(ApiView):
    """`/v1/c/{customerId}/subscriptions.json`."""

    @speaks(query=ResourceFilters, answer=EdgeSubscriptionsShape)
    def get(self, request: Request, customer_id: str) -> Response:
        """Those in force, after what has taken effect was written down."""
        query = self.read_query()
        updates.write_down_due(self.now)
        rows = Subscription.objects.filter(customer=customers.find(customer_id))
        resource_ids = [*query["resource_ids"], *filter(None, [query.get("resource_id")])]
        if resource_ids:
            rows = rows.filter(resource__public_id__in=resource_ids)
        found = (
            rows.in_force(self.now)
            .select_related(
                "customer",
                "paying_customer",
                "resource",
                "plan",
                "plan_version",
                "product__downgrade_plan__live",
            )
            .prefetch_related("addons__addon")
            .order_by("-created_at", "-pk")
        )
        # Who pays may be another customer than the one that a publishable key may read (X5).
        payer_is_shown = not scopes.is_of_one_customer(request.auth)
        shown = [_shown(row, self.now, payer_is_shown=payer_is_shown) for row in found]
        return self.answer({"getActiveSubscriptions": shown})


def _shown(row: Subscription, now: datetime, *, payer_is_shown: bool) -> EdgeSubscriptionShape:
    """As the operation GetActiveSubscriptionsList answers."""
    payer = row.paying_customer if payer_is_shown else None
    period = [wire_instant(at) for at in finding.billing_period_at(row, now)]
    ends_at = None if row.ends_at is None else wire_instant(row.ends_at)
    trial_ends_at = None if row.trial_ends_at is None else wire_instant(row.trial_ends_at)
    return {
        "__typename": "CustomerSubscription",
        "subscriptionId": row.public_id,
        "refId": row.public_id,
        "status": row.status_at(now).value,
        "pricingType": row.plan_version.pricing_type,
        "startDate": wire_instant(row.started_at),
        "endDate": ends_at,
        "cancellationDate": ends_at,
        "effectiveEndDate": ends_at,
        "trialEndDate": trial_ends_at,
        "trialConfiguration": _trial(row),
        "currentBillingPeriodStart": period[0],
        "currentBillingPeriodEnd": period[1],
        "billingPeriod": row.billing_period or None,
        "additionalMetaData": row.metadata,
        "totalPrice": None,
        "customer": _customer(row.customer),
        "payingCustomer": _customer(payer) if payer else None,
        "resource": _resource(row.resource) if row.resource else None,
        "plan": _plan(row),
        "addons": [
            {
                "__typename": "SubscriptionAddon",
                "quantity": each.quantity,
                "addon": {
                    "__typename": "Addon",
                    "refId": each.addon.public_id,
                    "addonId": each.addon.public_id,
                },
            }
            for each in row.addons.all()
        ],
        "prices": [_price(price, row.billing_period) for price in row.prices],
    }


def _trial(row: Subscription) -> EdgeTrialShape | None:
    if row.trial_ends_at is None:
        return None
    return {"__typename": "TrialConfiguration", "trialEndBehavior": row.trial_end or None}


def _resource(resource: Resource) -> EdgeResourceShape:
    return {"__typename": "CustomerResource", "resourceId": resource.public_id}


def _customer(customer: Customer) -> EdgeCustomerShape:
    return {
        "__typename": "Customer",
        "customerId": customer.public_id,
        "email": customer.email or None,
    }


def _plan(row: Subscription) -> EdgePlanShape:
    return {
        "__typename": "Plan",
        "refId": row.plan.public_id,
        "planId": row.plan.public_id,
        "displayName": row.plan_version.name,
        "description": row.plan_version.description or None,
        "product": {
            "__typename": "Product",
            "refId": row.product.public_id,
            "displayName": row.product.name,
            "downgradePlan": _fallback(row.product.downgrade_plan),
        },
    }


def _fallback(plan: Package | None) -> EdgeFallbackShape | None:
    if plan is None:
        return None
    return {
        "__typename": "Plan",
        "refId": plan.public_id,
        "planId": plan.public_id,
        "displayName": plan.name,
    }


def _price(price: Mapping[str, Any], billing_period: str) -> EdgePriceShape:
    """A price it was sold at (R10); of a use-based one the model is not kept."""
    money: EdgeMoneyShape | None = None
    if price["amount"] is not None:
        amount = Decimal(price["amount"])
        money = {"__typename": "Money", "amount": amount, "currency": price["currency"]}
    return {
        "__typename": "SubscriptionPrice",
        "billingModel": BillingModel.FLAT_FEE if price["baseCharge"] else None,
        "price": {
            "__typename": "Price",
            "billingPeriod": billing_period or BillingPeriod.MONTHLY,
            "price": money,
        },
    }
