"""Customers and subscriptions in the command palette."""

from django.db.models import Q
from django.urls import reverse

from subscriptions import searching
from subscriptions.models import Customer, Subscription
from workspace.admin import palette
from workspace.admin.palette import MOST_FOUND, Found

WORDS_ALIKE = 4
"""Of a customer, may begin alike, such as the name and the ID."""


@palette.finder("Customers", icon="groups", permission="subscriptions.view_customer")
def customers(typed: str) -> list[Found]:
    """By the beginnings of words; whose ID is exactly that stands first."""
    keys = searching.find(typed, at_most=MOST_FOUND * WORDS_ALIKE)[: MOST_FOUND + 1]
    rows = {row.pk: row for row in Customer.objects.filter(Q(pk__in=keys) | Q(public_id=typed))}
    found = sorted(rows.values(), key=lambda row: (row.public_id != typed, _place(row.pk, keys)))
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


def _place(key: int, keys: list[int]) -> int:
    return keys.index(key) if key in keys else len(keys)


def _note(customer: Customer) -> str:
    known = [customer.public_id, customer.email, "archived" if customer.archived_at else ""]
    return ", ".join(text for text in known if text)
