"""A subscription starts: now, in the past, or later (R4–R6, R13, R18, R19, R24, R25)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Required, TypedDict, Unpack

from catalog.checking import check, store_new
from catalog.models import Package, PackageVersion, TrialEnd, TrialUnit
from subscriptions import choices, customers, discounts, exclusivity, news, periods
from subscriptions.choices import Value
from subscriptions.discounts import Discount
from subscriptions.models import (
    CancelReason,
    Customer,
    EndReason,
    Resource,
    Subscription,
)
from subscriptions.previews import Preview, preview_of
from subscriptions.signals import subscription_started
from workspace.actors import Actor
from workspace.acts import act
from workspace.errors import BadInput
from workspace.ids import new_public_id


class InvalidResource(BadInput):
    """The product needs a resource, or takes none (R4)."""


class InvalidTrial(BadInput):
    """The trial would end before it begins, or is over already."""


class InvalidEnd(BadInput):
    """The subscription would end before it begins, or has ended already."""


@dataclass(frozen=True, slots=True)
class Trial:
    """A trial agreed for one subscription, in place of its plan's (R25)."""

    ends_at: datetime
    end: str = TrialEnd.CONVERT_TO_PAID


class Order(TypedDict, total=False):
    """What somebody subscribes to; ids as seen outside.

    `addons` are pairs of id and quantity. `billing_period` is by default monthly where that
    has a price. `unit_quantity` stands for units of the one feature that the plan sells per
    unit. `started_at` is by default now. `trial` replaces the plan's own, which
    `skip_trial` omits. `billing_cycle_anchor` is by default the start, or the end of a trial
    that converts (R19, R25). `ends_at` cancels it beforehand.
    """

    customer_id: Required[str]
    plan_id: Required[str]
    public_id: str | None
    addons: Sequence[tuple[str, int]]
    billing_period: str | None
    resource_id: str | None
    paying_customer_id: str | None
    started_at: datetime | None
    trial: Trial | None
    skip_trial: bool
    entitlements: Sequence[Value]
    unit_quantity: int | None
    payment_pending: bool
    billing_cycle_anchor: datetime | None
    ends_at: datetime | None
    billing_id: str
    payment_collection_method: str
    coupon: Discount | None
    metadata: dict[str, str]


@act
def start(*, actor: Actor, now: datetime, **order: Unpack[Order]) -> Subscription:
    """Subscribe a customer to a plan.

    Pins the versions that are live: a start in the future moves along with later
    publications until it takes effect (R13). The default trial is the plan's.

    Raises:
        UnknownCustomer, CustomerIsArchived, UnknownPlan, PlanNotOnSale: see there.
        InvalidResource: the product has one subscription per resource and none is named, or
            one per customer and a resource is named.
        InvalidTrial, InvalidEnd: instants in the wrong order.
        SubscriptionExists: another one, or another trial, runs at that time (R4).
        IdTaken: another subscription has the ID.
        InvalidCoupon: there is none of that ID, or it is archived.
        Whatever `choices` refuses of add-ons, values and billing period.
    """
    return start_locked(customers.lock(order["customer_id"]), order, actor=actor, now=now)


def start_locked(
    locked_customer: Customer, order: Order, *, actor: Actor, now: datetime
) -> Subscription:
    """As `start`, of a customer who is locked, or is new and seen by nobody yet."""
    drawn = _draw_up(locked_customer, order, now)
    subscription = drawn.subscription
    resource_id = order.get("resource_id")
    if resource_id is not None:
        subscription.resource = customers.resource(
            locked_customer=locked_customer, public_id=resource_id, now=now
        )
    exclusivity.check(subscription)
    store_new(
        subscription, taken=f"Another subscription has the ID {subscription.public_id} already."
    )
    for addon in drawn.addons:
        addon.subscription = subscription
        addon.save(force_insert=True)
    for value in drawn.values:
        value.subscription = subscription
        value.save(force_insert=True)
    payload: dict[str, Any] = {
        "plan": subscription.plan.public_id,
        "version": subscription.plan_version.number,
        "addons": {row.addon.public_id: row.quantity for row in drawn.addons},
        "started_at": subscription.started_at,
        "status": subscription.status_at(now),
    }
    coupon = order.get("coupon")
    if coupon is not None:
        payload |= discounts.apply(subscription, coupon, now)
    news.record("subscription.created", subscription, payload, actor=actor, now=now)
    subscription_started.send(sender=Subscription, subscription=subscription, actor=actor, now=now)
    return subscription


def preview(*, now: datetime, **order: Unpack[Order]) -> Preview:
    """The subscription that `start` would make, with nothing written.

    Raises:
        As `start`; only the database's last word is not asked for.
    """
    customer = customers.find(order["customer_id"])
    drawn = _draw_up(customer, order, now)
    resource_id = order.get("resource_id")
    if resource_id is not None:
        drawn.subscription.resource = Resource.objects.filter(
            customer=customer, public_id=resource_id
        ).first()
    if resource_id is None or drawn.subscription.resource is not None:
        exclusivity.check(drawn.subscription)
    return drawn


def _draw_up(customer: Customer, order: Order, now: datetime) -> Preview:
    """All rows of the subscription, checked and unsaved."""
    customers.refuse_archived(customer)
    plan = choices.plan_on_sale(order["plan_id"])
    version = plan.live
    assert version is not None, "what is on sale has a live version"
    _check_resource(plan, order.get("resource_id"))
    started_at = order.get("started_at") or now
    trial = _trial(version, order, started_at, now)
    ends_at = _end(order.get("ends_at"), started_at, now)
    wanted = list(order.get("addons") or [])
    packages = choices.addons_on_sale([addon_id for addon_id, _ in wanted])
    addons = choices.choose_addons(version, wanted, packages=packages, now=started_at)
    units = choices.units_of_plan(version, order.get("unit_quantity"))
    chosen = choices.merged(order.get("entitlements") or [], units)
    values = choices.choose_values(version, addons, chosen)
    choices.check_units(version, addons, chosen)
    period = choices.choose_billing_period(version, order.get("billing_period"))
    subscription = Subscription(
        public_id=order.get("public_id") or new_public_id("subscription"),
        customer=customer,
        product=plan.product,
        plan=plan,
        plan_version=version,
        billing_period=period,
        billing_cycle_anchor=order.get("billing_cycle_anchor") or started_at,
        started_at=started_at,
        payment_pending=order.get("payment_pending", False),
        ends_at=ends_at,
        end_reason=EndReason.CANCELED if ends_at else "",
        cancel_reason=CancelReason.SCHEDULED if ends_at else "",
        billing_id=order.get("billing_id", ""),
        payment_collection_method=order.get("payment_collection_method", ""),
        prices=choices.prices_of(version, addons, period),
        metadata=order.get("metadata") or {},
        created_at=now,
        updated_at=now,
    )
    payer = order.get("paying_customer_id")
    if payer is not None and payer != customer.public_id:
        subscription.paying_customer = customers.find_active(payer, named="paying_customer_id")
    if trial is not None:
        set_trial(subscription, trial)
    check(subscription)
    return preview_of(subscription, addons, values)


def set_trial(subscription: Subscription, trial: Trial) -> None:
    """Let the subscription begin with `trial`: what follows it begins a period (R25)."""
    subscription.trial_ends_at = trial.ends_at
    subscription.trial_end = trial.end
    if trial.end == TrialEnd.CONVERT_TO_PAID:
        subscription.billing_cycle_anchor = trial.ends_at
    elif subscription.ends_at is None or subscription.ends_at >= trial.ends_at:
        subscription.ends_at = trial.ends_at
        subscription.end_reason = EndReason.EXPIRED
        subscription.cancel_reason = CancelReason.TRIAL_ENDED


def _check_resource(plan: Package, resource_id: str | None) -> None:
    product = plan.product
    if product.multiple_subscriptions and resource_id is None:
        raise InvalidResource(
            f"{product.name} has one subscription per resource: name the resource.",
            field="resource_id",
        )
    if not product.multiple_subscriptions and resource_id is not None:
        raise InvalidResource(
            f"{product.name} has one subscription per customer: it takes no resource.",
            field="resource_id",
        )


def _trial(
    version: PackageVersion, order: Order, started_at: datetime, now: datetime
) -> Trial | None:
    """The trial to begin with: the one agreed, else the plan's own (R5, R25)."""
    agreed = order.get("trial")
    if order.get("skip_trial"):
        return None
    if agreed is None:
        if version.trial_length is None:
            return None
        agreed = Trial(trial_ends_at(version, started_at), version.trial_end)
    elif agreed.ends_at <= max(started_at, now):
        raise InvalidTrial("A trial ends after it begins, and later than now.", field="trial")
    if agreed.end == TrialEnd.CANCEL_SUBSCRIPTION and agreed.ends_at <= now:
        raise InvalidTrial("The trial would be over already.", field="started_at")
    return agreed


def trial_ends_at(version: PackageVersion, started_at: datetime) -> datetime:
    """When the trial of a version ends that begins at `started_at`."""
    assert version.trial_length is not None, "the version has a trial"
    if version.trial_unit == TrialUnit.MONTH:
        return periods.boundary(started_at, version.trial_length)
    return started_at + timedelta(days=version.trial_length)


def _end(ends_at: datetime | None, started_at: datetime, now: datetime) -> datetime | None:
    if ends_at is not None and ends_at <= max(started_at, now):
        raise InvalidEnd(
            "A subscription ends after it starts, and later than now.", field="ends_at"
        )
    return ends_at
