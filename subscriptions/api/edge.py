"""The subscriptions of a customer that run, as server SDKs read them.

In the words of their GraphQL: ids are called `refId`, and `__typename` tells kinds apart.
"""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from rest_framework import serializers
from rest_framework.request import Request

from catalog.models import BillingModel, BillingPeriod, Package
from subscriptions import customers, finding, updates
from subscriptions.models import Customer, Subscription
from workspace.api.camel import CamelMixin
from workspace.api.fields import CommaListField, PublicIdField, wire_instant
from workspace.api.responses import Response
from workspace.api.terms import speaks
from workspace.api.views import ApiView

Shape = dict[str, Any]
MOST_RESOURCES = 100


class ResourceFilters(CamelMixin, serializers.Serializer[Any]):
    """Of which resources; without, of all and of none."""

    resource_id = PublicIdField(required=False)
    resource_ids = CommaListField(
        child=PublicIdField(), required=False, max_length=MOST_RESOURCES, default=list
    )


class EdgeSubscriptionsView(ApiView):
    """`/v1/c/{customerId}/subscriptions.json`."""

    @speaks(query=ResourceFilters, answer=dict[str, Any])
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
        return self.answer({"getActiveSubscriptions": [_shown(row, self.now) for row in found]})


def _shown(row: Subscription, now: datetime) -> Shape:
    """As the operation GetActiveSubscriptionsList answers."""
    period = [wire_instant(at) for at in finding.billing_period_at(row, now)]
    return {
        "__typename": "CustomerSubscription",
        "subscriptionId": row.public_id,
        "refId": row.public_id,
        "status": row.status_at(now).value,
        "pricingType": row.plan_version.pricing_type,
        "startDate": wire_instant(row.started_at),
        "endDate": row.ends_at and wire_instant(row.ends_at),
        "cancellationDate": row.ends_at and wire_instant(row.ends_at),
        "effectiveEndDate": row.ends_at and wire_instant(row.ends_at),
        "trialEndDate": row.trial_ends_at and wire_instant(row.trial_ends_at),
        "trialConfiguration": row.trial_ends_at
        and {"__typename": "TrialConfiguration", "trialEndBehavior": row.trial_end or None},
        "currentBillingPeriodStart": period[0],
        "currentBillingPeriodEnd": period[1],
        "billingPeriod": row.billing_period or None,
        "additionalMetaData": row.metadata,
        "totalPrice": None,
        "customer": _customer(row.customer),
        "payingCustomer": row.paying_customer and _customer(row.paying_customer),
        "resource": row.resource
        and {"__typename": "CustomerResource", "resourceId": row.resource.public_id},
        "plan": _plan(row),
        "addons": [
            {
                "__typename": "SubscriptionAddon",
                "quantity": each.quantity,
                "addon": {"__typename": "Addon", "refId": each.addon.public_id},
            }
            for each in row.addons.all()
        ],
        "prices": [_price(price, row.billing_period) for price in row.prices],
    }


def _customer(customer: Customer) -> Shape:
    return {
        "__typename": "Customer",
        "customerId": customer.public_id,
        "email": customer.email or None,
    }


def _plan(row: Subscription) -> Shape:
    fallback: Package | None = row.product.downgrade_plan
    return {
        "__typename": "Plan",
        "refId": row.plan.public_id,
        "displayName": row.plan_version.name,
        "description": row.plan_version.description or None,
        "product": {
            "__typename": "Product",
            "refId": row.product.public_id,
            "displayName": row.product.name,
            "downgradePlan": fallback
            and {
                "__typename": "Plan",
                "refId": fallback.public_id,
                "displayName": fallback.name,
            },
        },
    }


def _price(price: Mapping[str, Any], billing_period: str) -> Shape:
    """A price it was sold at (R10); of a use-based one the model is not kept."""
    money = {
        "__typename": "Money",
        "amount": price["amount"] and Decimal(price["amount"]),
        "currency": price["currency"],
    }
    return {
        "__typename": "SubscriptionPrice",
        "billingModel": BillingModel.FLAT_FEE if price["baseCharge"] else None,
        "price": {
            "__typename": "Price",
            "billingPeriod": billing_period or BillingPeriod.MONTHLY,
            "price": None if price["amount"] is None else money,
        },
    }
