"""Customers and subscriptions in the command palette."""

from django.urls import reverse

from subscriptions import searching
from subscriptions.models import Customer, Subscription
from workspace.admin import palette
from workspace.admin.palette import MOST_FOUND, Found


@palette.finder("Customers", icon="groups", permission="subscriptions.view_customer")
def customers(typed: str) -> list[Found]:
    """By the beginnings of words; whose ID is exactly that stands first."""
    exact = list(Customer.objects.filter(public_id=typed))
    others = searching.matching(typed).exclude(public_id=typed)
    found = [*exact, *others.order_by("-created_at", "-pk")[: MOST_FOUND - len(exact)]]
    return [
        Found(str(row), reverse("admin:subscriptions_customer_change", args=[row.pk]), _note(row))
        for row in found
    ]


@palette.finder("Subscriptions", icon="event_repeat", permission="subscriptions.view_subscription")
def subscriptions(typed: str) -> list[Found]:
    """By a whole ID."""
    rows = Subscription.objects.filter(public_id=typed).select_related("customer", "plan_version")
    return [
        Found(
            f"{row.plan_version.name} of {row.customer}",
            reverse("admin:subscriptions_subscription_change", args=[row.pk]),
            row.public_id,
        )
        for row in rows
    ]


def _note(customer: Customer) -> str:
    known = [customer.public_id, customer.email, "archived" if customer.archived_at else ""]
    return ", ".join(text for text in known if text)
