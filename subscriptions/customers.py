"""Customers are created, changed and archived here, and their resources found or made."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, TypedDict, Unpack

from catalog.checking import InvalidField, changed_fields, check, store_new
from subscriptions import endings, searching
from subscriptions.models import CancelReason, Customer, CustomerIntegration, Resource, Subscription
from subscriptions.models.customers import CustomerQuerySet
from workspace import activity
from workspace.actors import Actor
from workspace.acts import act
from workspace.errors import Conflict, UnknownObject
from workspace.ids import is_public_id


class UnknownCustomer(UnknownObject):
    """There is no such customer."""

    code = "CustomerNotFound"


class UnknownResource(UnknownObject):
    """The customer has no such resource."""

    code = "CustomerResourceNotFound"


class CustomerIsArchived(Conflict):
    """The customer is archived: nothing new can be started."""


@dataclass(frozen=True, slots=True)
class Link:
    """The record of another system that stands for a customer; "" while it is not known."""

    integration_id: str
    vendor: str
    synced_entity_id: str = ""


class CustomerFields(TypedDict, total=False):
    """What can be changed about a customer; what is absent stays as it is."""

    name: str
    email: str
    billing_id: str
    billing_currency: str
    language: str
    timezone: str
    coupon_id: str
    metadata: dict[str, str]
    payment_method: dict[str, Any] | None
    passthrough: dict[str, Any] | None


def find(public_id: str, *, named: str = "customer_id") -> Customer:
    """The customer, not locked.

    Raises:
        UnknownCustomer: there is none; `named` is the field that says so.
    """
    customer = _by_id(Customer.objects.all(), public_id)
    if customer is None:
        raise _unknown(named)
    return customer


def find_active(public_id: str, *, named: str = "customer_id") -> Customer:
    """The customer, not locked, for something that archived customers may not do.

    Raises:
        UnknownCustomer: there is none; `named` is the field that says so.
        CustomerIsArchived: there was; likewise.
    """
    customer = find(public_id, named=named)
    refuse_archived(customer, named=named)
    return customer


def refuse_archived(customer: Customer, *, named: str = "customer_id") -> None:
    """Let only those pass that are not archived.

    Raises:
        CustomerIsArchived: it is; `named` is the field that says so.
    """
    if customer.archived_at is not None:
        raise CustomerIsArchived(
            f"Customer {customer.public_id} is archived. Unarchive it first.", field=named
        )


def find_resource(customer: Customer, public_id: str) -> Resource:
    """The customer's resource of that id.

    Raises:
        UnknownResource: there is none.
    """
    found = Resource.objects.filter(customer=customer, public_id=public_id).first()
    if found is None:
        raise UnknownResource("This customer has no such resource.", field="resourceId")
    return found


def lock(public_id: str) -> Customer:
    """The customer, locked until the end of the transaction.

    Whoever starts, changes or ends a subscription begins here, so that all this happens to
    one customer one after the other (R4). Rows that merely point at the customer may be
    added meanwhile.

    Raises:
        UnknownCustomer: there is none.
    """
    customer = _by_id(Customer.objects.select_for_update(no_key=True), public_id)
    if customer is None:
        raise _unknown()
    return customer


def add(
    *,
    public_id: str,
    integrations: Sequence[Link] = (),
    actor: Actor,
    now: datetime,
    **fields: Unpack[CustomerFields],
) -> Customer:
    """Add a customer, as a step of a verb.

    Raises:
        InvalidField: a text is too long, no address is an address, or two links go through
            one integration.
        IdTaken: another customer has this ID.
    """
    customer = store_new(
        Customer(public_id=public_id, created_at=now, updated_at=now, **fields),
        taken=f"Another customer has the ID {public_id} already.",
    )
    searching.add([customer])
    _link(customer, integrations, now)
    record("customer.created", customer, actor, now, {"name": customer.name})
    return customer


@act
def update(
    *,
    customer_id: str,
    integrations: Sequence[Link] | None = None,
    actor: Actor,
    now: datetime,
    **changes: Unpack[CustomerFields],
) -> Customer:
    """Change what is known about a customer; `integrations` replace all there are. Their ID stays.

    Raises:
        UnknownCustomer: there is none.
        InvalidField: as in `add`.
    """
    customer = lock(customer_id)
    changed = changed_fields(customer, changes)
    payload: dict[str, Any] = {**changed}
    if integrations is not None:
        before = [
            Link(row.public_id, row.vendor, row.synced_entity_id)
            for row in customer.integrations.all()
        ]
        if set(before) != set(integrations):
            payload["integrations"] = [_readable(before), _readable(integrations)]
            customer.integrations.all().delete()
            _link(customer, integrations, now)
    if payload:
        customer.updated_at = now
        customer.save(update_fields=[*changed, "updated_at"])
        searching.renew_if(changed, customer)
        record("customer.updated", customer, actor, now, payload)
    return customer


@act
def archive(*, customer_id: str, actor: Actor, now: datetime) -> Customer:
    """Retire a customer: their subscriptions end at once, their credits and history stay.

    Of an archived customer nothing changes, so that a repeated request is harmless.

    Raises:
        UnknownCustomer: there is none.
    """
    customer = lock(customer_id)
    if customer.archived_at is not None:
        return customer
    lasting = Subscription.objects.select_for_update().filter(customer=customer).not_ended(now)
    for subscription in lasting.order_by("pk"):
        subscription.customer = customer
        endings.set_end(subscription, now, CancelReason.CUSTOMER_ARCHIVED, actor=actor, now=now)
    customer.archived_at = customer.updated_at = now
    customer.save(update_fields=["archived_at", "updated_at"])
    record("customer.archived", customer, actor, now, {})
    return customer


@act
def unarchive(*, customer_id: str, actor: Actor, now: datetime) -> Customer:
    """Bring a customer back. Subscriptions that ended with the archiving stay ended.

    Raises:
        UnknownCustomer: there is none.
    """
    customer = lock(customer_id)
    if customer.archived_at is not None:
        customer.archived_at = None
        customer.updated_at = now
        customer.save(update_fields=["archived_at", "updated_at"])
        record("customer.unarchived", customer, actor, now, {})
    return customer


def resource(*, locked_customer: Customer, public_id: str, now: datetime) -> Resource:
    """The customer's resource of that id, made if it is the first time.

    Raises:
        InvalidField: the id breaks R1.
    """
    known = Resource.objects.filter(customer=locked_customer, public_id=public_id).first()
    if known is not None:
        return known
    added = Resource(customer=locked_customer, public_id=public_id, created_at=now)
    check(added)
    added.save(force_insert=True)
    return added


def record(
    event: str, customer: Customer, actor: Actor, now: datetime, payload: dict[str, Any]
) -> None:
    """Remember what happened to a customer."""
    activity.record(
        event,
        subject=customer,
        actor=actor,
        now=now,
        payload=payload,
        customer=customer.public_id,
    )


def _by_id(rows: CustomerQuerySet, public_id: str) -> Customer | None:
    """No database is asked for what can be no id (R1)."""
    return rows.filter(public_id=public_id).first() if is_public_id(public_id) else None


def _unknown(named: str = "customer_id") -> UnknownCustomer:
    return UnknownCustomer("There is no such customer.", field=named)


def _link(customer: Customer, links: Sequence[Link], now: datetime) -> None:
    """Store the links of a customer who has none."""
    if len({link.integration_id for link in links}) < len(links):
        raise InvalidField("A customer has one record in each integration.", field="integrations")
    rows = [
        CustomerIntegration(
            customer=customer,
            public_id=link.integration_id,
            vendor=link.vendor,
            synced_entity_id=link.synced_entity_id,
            created_at=now,
        )
        for link in links
    ]
    for row in rows:
        check(row)
    CustomerIntegration.objects.bulk_create(rows)


def _readable(links: Sequence[Link]) -> list[dict[str, str]]:
    return [asdict(link) for link in links]
