"""Which pools a reader may look into, brought up to now where time has changed them."""

from collections.abc import Sequence
from datetime import datetime

from catalog.credit_types import UnknownCreditType
from catalog.models import CreditType
from credits import resets
from credits.models import Pool
from subscriptions import customers

ANY = "*"
"""Of every resource, and of the customer as a whole."""


def pools_of(
    *,
    customer_id: str,
    credit_type_id: str | None,
    resource_id: str | None,
    now: datetime,
) -> Sequence[int]:
    """The ids of the pools that these public ids name, archived customers' too.

    What is due in them is written down first, so that a list of grants or entries has in it
    what time did, whether or not a worker runs (R24). `resource_id` None means the pools of
    no resource, `ANY` all of them.

    Raises:
        UnknownCustomer, UnknownResource, UnknownCreditType: which of the ids is at fault.
    """
    customer = customers.find(customer_id)
    rows = Pool.objects.filter(customer=customer)
    if resource_id is None:
        rows = rows.filter(resource=None)
    elif resource_id != ANY:
        rows = rows.filter(resource=customers.find_resource(customer, resource_id))
    if credit_type_id is not None:
        rows = rows.filter(credit_type__public_id=credit_type_id)
    found = list(rows.order_by("pk"))
    if credit_type_id is not None and not found:
        _refuse_unknown(credit_type_id)
    for row in found:
        is_due = row.next_change_at is not None and row.next_change_at <= now
        if is_due and row.set_aside_at is None:
            resets.write_one(pool_id=row.pk, now=now)
    return [row.pk for row in found]


def _refuse_unknown(credit_type_id: str) -> None:
    if not CreditType.objects.filter(public_id=credit_type_id).exists():
        raise UnknownCreditType("There is no such credit type.", field="currencyId")
