"""A customer is linked to their records in other systems here, one by one."""

from datetime import datetime
from typing import Any

from catalog.checking import changed_fields, check
from subscriptions import customers
from subscriptions.customers import Link
from subscriptions.models import Customer, CustomerIntegration
from workspace.actors import Actor
from workspace.acts import act
from workspace.errors import Conflict, UnknownObject


class UnknownIntegration(UnknownObject):
    """The customer is not linked through such an integration."""


class AlreadyLinked(Conflict):
    """The customer has a record in this integration."""


def find(customer: Customer, integration_id: str) -> CustomerIntegration:
    """The customer's link through an integration.

    Raises:
        UnknownIntegration: there is none.
    """
    row = CustomerIntegration.objects.filter(customer=customer, public_id=integration_id).first()
    if row is None:
        raise UnknownIntegration("This customer has no such integration.")
    return row


@act
def link(*, customer_id: str, link: Link, actor: Actor, now: datetime) -> CustomerIntegration:
    """Say which record of another system stands for a customer.

    Raises:
        UnknownCustomer: there is none.
        AlreadyLinked: there is a record in this integration; change or remove it.
        InvalidField: an id is none, or a text is missing or too long.
    """
    customer = customers.lock(customer_id)
    if customer.integrations.filter(public_id=link.integration_id).exists():
        raise AlreadyLinked(
            f"This customer is linked through {link.integration_id} already.", field="id"
        )
    row = CustomerIntegration(
        customer=customer,
        public_id=link.integration_id,
        vendor=link.vendor,
        synced_entity_id=link.synced_entity_id,
        created_at=now,
    )
    check(row)
    row.save(force_insert=True)
    _note("customer.linked", row, {"synced_entity_id": row.synced_entity_id}, actor, now)
    return row


@act
def relink(
    *, customer_id: str, integration_id: str, synced_entity_id: str, actor: Actor, now: datetime
) -> CustomerIntegration:
    """Say that another record stands for a customer, or with "" that it is not known.

    Raises:
        UnknownCustomer, UnknownIntegration: there is none.
        InvalidField: the text is too long.
    """
    row = _lock(customer_id, integration_id)
    changed = changed_fields(row, {"synced_entity_id": synced_entity_id})
    if changed:
        row.save(update_fields=list(changed))
        _note("customer.relinked", row, changed, actor, now)
    return row


@act
def unlink(
    *, customer_id: str, integration_id: str, actor: Actor, now: datetime
) -> CustomerIntegration:
    """Forget that a record stands for a customer.

    Raises:
        UnknownCustomer, UnknownIntegration: there is none.
    """
    row = _lock(customer_id, integration_id)
    _note("customer.unlinked", row, {"synced_entity_id": row.synced_entity_id}, actor, now)
    CustomerIntegration.objects.filter(pk=row.pk).delete()
    return row


def _lock(customer_id: str, integration_id: str) -> CustomerIntegration:
    """The link, its customer locked."""
    customer = customers.lock(customer_id)
    row = find(customer, integration_id)
    row.customer = customer
    return row


def _note(
    event: str, row: CustomerIntegration, payload: dict[str, Any], actor: Actor, now: datetime
) -> None:
    """Remember what happened to a link of a locked customer, who changes with it."""
    row.customer.updated_at = now
    row.customer.save(update_fields=["updated_at"])
    payload = {"integration": row.public_id, "vendor": row.vendor, **payload}
    customers.record(event, row.customer, actor, now, payload)
