"""New customers begin where products let them begin (R4)."""

from collections.abc import Sequence
from datetime import datetime
from typing import Unpack

from django.db.models import F

from catalog.models import Package
from catalog.models.packages import PackageQuerySet
from catalog.models.products import StartSetup
from subscriptions import customers, provisioning
from subscriptions.customers import CustomerFields, Link
from subscriptions.models import Customer
from subscriptions.provisioning import Order
from workspace.actors import Actor
from workspace.acts import act


@act
def begin(
    *,
    public_id: str,
    integrations: Sequence[Link] = (),
    actor: Actor,
    now: datetime,
    **fields: Unpack[CustomerFields],
) -> Customer:
    """Add a customer, and subscribe them to the plans that new customers begin with (R4).

    To the free plan of a product, or to the trial of its plan. Nothing begins where customers
    choose, where a resource would have to be named, or with a plan that is off sale or has no
    trial to begin with.

    Raises:
        As `customers.add`.
    """
    customer = customers.add(
        public_id=public_id, integrations=integrations, actor=actor, now=now, **fields
    )
    for plan in _first_plans():
        in_trial = plan.product.start_setup == StartSetup.TRIAL_PERIOD
        assert plan.live is not None, "what is on sale has a live version"
        if in_trial and plan.live.trial_length is None:
            continue
        order: Order = {
            "customer_id": customer.public_id,
            "plan_id": plan.public_id,
            "skip_trial": not in_trial,
        }
        provisioning.start_locked(customer, order, actor=actor, now=now)
    return customer


def _first_plans() -> PackageQuerySet:
    """The plans that products let new customers begin with, in the order to hold them."""
    return (
        Package.objects.plans()
        .on_sale()
        .filter(product__start_plan=F("pk"), product__multiple_subscriptions=False)
        .exclude(product__start_setup=StartSetup.PLAN_SELECTION)
        .select_related("product", "live")
        .order_by("pk")
    )
