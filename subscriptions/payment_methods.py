"""How a customer pays, as a billing system knows it; kept for whoever bills."""

from datetime import datetime
from typing import Any

from catalog.checking import changed_fields
from subscriptions import customers
from subscriptions.models import Customer
from workspace.actors import Actor
from workspace.acts import act

UNKNOWN_TYPE = "CARD"
"""The contract has no word for a payment method of which only the id is known."""


def known_by(payment_method_id: str, **origin: str) -> dict[str, Any]:
    """A payment method of which nothing but its id is known, and where it comes from."""
    return {
        "billingId": payment_method_id,
        "cardExpiryMonth": None,
        "cardExpiryYear": None,
        "cardLast4Digits": None,
        "type": UNKNOWN_TYPE,
        **origin,
    }


@act
def attach(
    *,
    customer_id: str,
    payment_method_id: str,
    integration_id: str,
    vendor: str,
    billing_currency: str | None = None,
    actor: Actor,
    now: datetime,
) -> Customer:
    """Remember the payment method that a billing system knows under an id.

    `billing_currency` is the customer's from now on, if given; "" is none.

    Raises:
        UnknownCustomer: there is none.
    """
    method = known_by(payment_method_id, integrationId=integration_id, vendorIdentifier=vendor)
    changes: dict[str, Any] = {"payment_method": method}
    if billing_currency is not None:
        changes["billing_currency"] = billing_currency
    return _change(customer_id, changes, "customer.payment_method_attached", actor, now)


@act
def detach(*, customer_id: str, actor: Actor, now: datetime) -> Customer:
    """Forget how a customer pays. Where nothing is known, nothing changes.

    Raises:
        UnknownCustomer: there is none.
    """
    changes: dict[str, Any] = {"payment_method": None}
    return _change(customer_id, changes, "customer.payment_method_detached", actor, now)


def _change(
    customer_id: str, changes: dict[str, Any], event: str, actor: Actor, now: datetime
) -> Customer:
    customer = customers.lock(customer_id)
    changed = changed_fields(customer, changes)
    if changed:
        customer.updated_at = now
        customer.save(update_fields=[*changed, "updated_at"])
        customers.record(event, customer, actor, now, changed)
    return customer
