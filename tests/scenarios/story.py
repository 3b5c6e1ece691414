"""A story told through the API: customers subscribe and use, time passes, answers are checked.

The catalog is made by builders; everything that happens to a customer is a request, and what
time does needs no worker unless a story lets one run.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from catalog.models import CreditType, Feature, Package
from credits import resets
from subscriptions import tasks
from tests.application import Application
from tests.builders import (
    a_credit_type,
    a_product,
    a_published_addon,
    a_published_plan,
    some_credits,
)


def on(year: int, month: int, day: int, hour: int = 10, minute: int = 0) -> datetime:
    """An instant in UTC."""
    return datetime(year, month, day, hour, minute, tzinfo=UTC)


class Story(Application):
    """Acme, and what it does. `story.now` moves only when the story says so."""

    def __init__(self, now: datetime | None = None) -> None:
        super().__init__(now=now or on(2026, 1, 1))

    def customer(self, public_id: str = "acme") -> str:
        """A new customer."""
        answer = self.post("customers", {"id": public_id, "name": public_id.capitalize()})
        assert answer.status == 201, answer.body
        return public_id

    def subscribe(
        self,
        plan: Package,
        addons: Sequence[tuple[Package, int]] = (),
        *,
        customer: str = "acme",
        **fields: Any,
    ) -> str:
        """A new customer subscribes to a plan; the id of the subscription."""
        if self.get(f"customers/{customer}").status == 404:
            self.customer(customer)
        body = {
            "customerId": customer,
            "planId": plan.public_id,
            "addons": [{"id": addon.public_id, "quantity": many} for addon, many in addons],
            **fields,
        }
        answer = self.post("subscriptions", body)
        assert answer.status == 201, answer.body
        return str(answer.data["subscription"]["id"])

    def change(self, subscription: str, **changes: Any) -> None:
        """The subscription changes; add-ons are given as pairs."""
        if "addons" in changes:
            changes["addons"] = [
                {"id": addon.public_id, "quantity": many} for addon, many in changes["addons"]
            ]
        answer = self.patch(f"subscriptions/{subscription}", changes)
        assert answer.status == 200, answer.body

    def move(self, subscription: str, plan: Package, **fields: Any) -> None:
        """The subscription goes over to another plan at once: an order for that plan does it."""
        body = {"customerId": "acme", "planId": plan.public_id, "scheduleStrategy": "IMMEDIATE"}
        answer = self.post("subscriptions", {**body, **fields})
        assert answer.status == 201, answer.body
        assert answer.data["subscription"]["id"] == subscription

    def event(self, name: str, key: str, customer: str = "acme", **fields: Any) -> None:
        """Something happens in the application."""
        event = {"customerId": customer, "eventName": name, "idempotencyKey": key, **fields}
        answer = self.post("events", {"events": [event]})
        assert answer.status == 200, answer.body

    def left(self, credit_type: CreditType, customer: str = "acme", **query: Any) -> Decimal:
        """What Acme has left."""
        return self.balance(customer, credit_type.public_id, **query)

    def use(self, credit_type: CreditType, amount: Any, key: str = "", **fields: Any) -> None:
        """Acme takes credits."""
        self.keys_used = getattr(self, "keys_used", 0) + 1
        key = key or f"use-{self.keys_used}"
        answer = self.consume("acme", credit_type.public_id, amount, key, **fields)
        assert answer.status == 200, answer.body

    def entries(self, credit_type: CreditType) -> list[tuple[str, Decimal]]:
        """Acme's ledger, without the prefix that all types have."""
        return [
            (kind.removeprefix("CREDITS_"), amount)
            for kind, amount in self.ledger("acme", credit_type.public_id)
        ]

    def sweep(self) -> None:
        """A worker writes down what time did."""
        resets.sweep(now=self.now, seconds=30)

    def roll_out(self) -> None:
        """A worker moves subscriptions along with what was published for all."""
        tasks.roll_out(self.now)


def a_plan_with(
    amount: str | int | None, *, addons: Sequence[Package] = (), **options: Any
) -> tuple[Package, CreditType]:
    """A plan that gives `amount` AI Credits per month, and the credit type."""
    credit_type = options.pop("credit_type", None) or a_credit_type("AI Credits")
    terms = options.pop("terms", {})
    given = [] if amount is None else [some_credits(credit_type, amount, **terms)]
    options.setdefault("entitlements", given)
    plan = a_published_plan(compatible_addons=list(addons), **options)
    return plan, credit_type


def a_catalog(
    plan_amount: str | int | None, *addons: tuple[str | int, str]
) -> tuple[Package, list[Package], CreditType]:
    """One product: a plan, its add-ons as pairs of amount and behaviour, a credit type."""
    credit_type, product = a_credit_type("AI Credits"), a_product()
    made = [
        a_published_addon(
            product=product,
            entitlements=[some_credits(credit_type, amount, behaviour=behaviour)],
        )
        for amount, behaviour in addons
    ]
    plan, _ = a_plan_with(plan_amount, addons=made, product=product, credit_type=credit_type)
    return plan, made, credit_type


def used_of(story: Story, feature: Feature) -> Decimal:
    """How much of a feature Acme has used in the running period."""
    path = "customers/acme/entitlements/check"
    answer = story.get(path, featureId=feature.public_id)
    used: Decimal = answer.data["currentUsage"]
    return used
