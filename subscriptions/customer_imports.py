"""Many customers come from another system at once: known ones are updated, others created."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Q

from catalog.checking import CreatedMeanwhile, InvalidField, changed_fields, check
from subscriptions import customers, payment_methods, searching
from subscriptions.models import Customer, CustomerIntegration, Vendor
from workspace.actors import Actor
from workspace.acts import act
from workspace.errors import BadInput

MOST_AT_ONCE = 1000
SALESFORCE = "salesforce"
"""The integration of those links to Salesforce of which an import says only the record."""


class InvalidCustomers(BadInput):
    """Some customers of an import cannot be stored; `rows` says which, and why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """What another system says about one customer. None: nothing; a text "" clears.

    `updated_at` is when it was true: whoever was changed here later is left alone.
    """

    public_id: str
    name: str
    email: str
    billing_id: str | None = None
    metadata: dict[str, str] | None = None
    payment_method_id: str | None = None
    salesforce_id: str | None = None
    updated_at: datetime | None = None


@act
def bring_in(
    *, arrivals: Sequence[Arrival], integration_id: str = "", actor: Actor, now: datetime
) -> list[str]:
    """Create and update customers, all or none; answers the ids of the new ones.

    `integration_id` is the billing system that knows the payment methods.

    Raises:
        InvalidCustomers: a customer comes twice, or has a field that fits nowhere.
        CreatedMeanwhile: somebody else created one of them in the same moment.
    """
    _refuse_twins(arrivals)
    known = _lock([arrival.public_id for arrival in arrivals])
    created: list[Customer] = []
    updated: list[tuple[Customer, dict[str, list[Any]]]] = []
    faults: dict[int, str] = {}
    for row, arrival in enumerate(arrivals):
        customer = known.get(arrival.public_id)
        try:
            if customer is None:
                created.append(_new(arrival, integration_id, now))
            elif arrival.updated_at is None or customer.updated_at <= arrival.updated_at:
                updated.append((customer, changed_fields(customer, _said(arrival, integration_id))))
        except InvalidField as error:
            faults[row] = f"{error.field}: {error.message}" if error.field else error.message
    if faults:
        raise InvalidCustomers(
            "Nothing was imported, because some customers cannot be stored.",
            field="customers",
            rows=faults,
        )
    _insert(created)
    searching.add(created)
    for customer in created:
        customers.record(
            "customer.created", customer, actor, now, {"name": customer.name, "imported": True}
        )
    linked = {customer.pk: customer for customer in (*created, *(row for row, _ in updated))}
    relinked = _link_to_salesforce(arrivals, linked, now)
    for customer, changed in updated:
        payload: dict[str, Any] = {**changed, **relinked.get(customer.pk, {})}
        if payload:
            customer.updated_at = now
            customer.save(update_fields=[*changed, "updated_at"])
            searching.renew_if(changed, customer)
            customers.record("customer.updated", customer, actor, now, payload)
    return [customer.public_id for customer in created]


def _refuse_twins(arrivals: Sequence[Arrival]) -> None:
    first: dict[str, int] = {}
    twins = {
        row: f"This is the customer of row {first[arrival.public_id] + 1} again."
        for row, arrival in enumerate(arrivals)
        if first.setdefault(arrival.public_id, row) != row
    }
    if twins:
        raise InvalidCustomers(
            "Nothing was imported, because a customer comes twice.", field="customers", rows=twins
        )


def _lock(public_ids: Sequence[str]) -> dict[str, Customer]:
    """Those who are known, locked in order of their keys."""
    rows = Customer.objects.select_for_update(no_key=True).filter(public_id__in=public_ids)
    return {customer.public_id: customer for customer in rows.order_by("pk")}


def _new(arrival: Arrival, integration_id: str, now: datetime) -> Customer:
    customer = Customer(
        public_id=arrival.public_id,
        created_at=now,
        updated_at=now,
        **_said(arrival, integration_id),
    )
    check(customer)
    return customer


def _said(arrival: Arrival, integration_id: str) -> dict[str, Any]:
    """What is known of the fields of a customer."""
    fields: dict[str, Any] = {"name": arrival.name, "email": arrival.email}
    if arrival.billing_id is not None:
        fields["billing_id"] = arrival.billing_id
    if arrival.metadata is not None:
        fields["metadata"] = arrival.metadata
    if arrival.payment_method_id is not None:
        origin = {"integrationId": integration_id} if integration_id else {}
        fields["payment_method"] = payment_methods.known_by(arrival.payment_method_id, **origin)
    return fields


def _insert(created: Sequence[Customer]) -> None:
    try:
        with transaction.atomic():
            Customer.objects.bulk_create(created)
    except IntegrityError as error:
        raise CreatedMeanwhile(
            "Somebody created one of these customers in the same moment. Import them again.",
            field="customers",
        ) from error


def _link_to_salesforce(
    arrivals: Sequence[Arrival], stored: dict[int, Customer], now: datetime
) -> dict[int, dict[str, list[str]]]:
    """Store the records in Salesforce; by key of the customer, what changed."""
    records = {row.public_id: row.salesforce_id for row in arrivals if row.salesforce_id}
    wanted = {pk: records[row.public_id] for pk, row in stored.items() if row.public_id in records}
    if not wanted:
        return {}
    theirs = Q(vendor=Vendor.SALESFORCE) | Q(public_id=SALESFORCE)
    links = CustomerIntegration.objects.filter(theirs, customer__in=wanted).order_by("-pk")
    known = {link.customer_id: link for link in links}
    added = [
        CustomerIntegration(
            customer=stored[pk],
            public_id=SALESFORCE,
            vendor=Vendor.SALESFORCE,
            synced_entity_id=record,
            created_at=now,
        )
        for pk, record in wanted.items()
        if pk not in known
    ]
    CustomerIntegration.objects.bulk_create(added)
    changed = {link.customer_id: {SALESFORCE: ["", link.synced_entity_id]} for link in added}
    for pk, link in known.items():
        if link.synced_entity_id != wanted[pk]:
            changed[pk] = {SALESFORCE: [link.synced_entity_id, wanted[pk]]}
            link.synced_entity_id, link.vendor = wanted[pk], Vendor.SALESFORCE
    CustomerIntegration.objects.bulk_update(known.values(), ["synced_entity_id", "vendor"])
    return changed
