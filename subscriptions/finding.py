"""Subscriptions are found and locked here, and placed in their billing periods (R19)."""

from collections.abc import Collection
from datetime import datetime

from django.db import connection

from catalog.models import BillingPeriod
from subscriptions import customers, periods, scheduled
from subscriptions.models import Subscription
from workspace.errors import Conflict, UnknownObject
from workspace.ids import is_public_id

POINTED_AT = ("customer", "paying_customer", "product", "resource", "plan", "plan_version")


class UnknownSubscription(UnknownObject):
    """There is no such subscription."""

    code = "SubscriptionNotFound"


class SubscriptionEnded(Conflict):
    """The subscription is over for good."""


def find(public_id: str) -> Subscription:
    """The subscription, not locked, with what it points at.

    Raises:
        UnknownSubscription: there is none.
    """
    rows = Subscription.objects.select_related(
        "customer", "paying_customer", "product", "resource", "plan__live", "plan_version"
    )
    subscription = rows.filter(public_id=public_id).first() if is_public_id(public_id) else None
    if subscription is None:
        raise UnknownSubscription("There is no such subscription.")
    return subscription


def lock(public_id: str, now: datetime) -> Subscription:
    """The subscription at `now`, locked after its customer until the end of the transaction.

    Raises:
        UnknownSubscription: there is none.
    """
    return lock_row(lock_customer_of(public_id, now), now)


def lock_customer_of(public_id: str, now: datetime) -> int:
    """Lock the customer of a subscription and say its inner key, for `lock_row`.

    For verbs that hold packages: those come between the two, as in a publication. An update
    that has taken effect is written down first, since it says which packages there are.

    Raises:
        UnknownSubscription: there is none.
    """
    found = find(public_id)
    customers.lock(found.customer.public_id)
    if found.next_update_at is not None and found.next_update_at <= now:
        lock_row(found.pk, now)
    return found.pk


def lock_row(pk: int, now: datetime) -> Subscription:
    """One subscription at `now`, locked, with what it points at.

    Its customer is locked before, unless its start and end stay what they are. An update
    that has taken effect is written down first.
    """
    # Locked before it is joined: a row that another transaction points elsewhere while
    # PostgreSQL waits for it matches nothing that was joined before, and would be missing.
    Subscription.objects.select_for_update().values_list("pk").get(pk=pk)
    return _at(Subscription.objects.select_related(*POINTED_AT).get(pk=pk), now)


def lock_free_rows(pks: Collection[int], now: datetime) -> list[Subscription]:
    """As `lock_row`, of those that nobody else holds: whoever waited would let others wait."""
    skips = connection.features.has_select_for_update_skip_locked
    free = Subscription.objects.select_for_update(skip_locked=skips).filter(pk__in=pks)
    locked = list(free.order_by("pk").values_list("pk", flat=True))
    # What many point at is read once, and not with each of them.
    rows = Subscription.objects.prefetch_related(*POINTED_AT)
    return [_at(row, now) for row in rows.filter(pk__in=locked).order_by("pk")]


def _at(locked_subscription: Subscription, now: datetime) -> Subscription:
    """The locked row, with an update written down that has taken effect."""
    scheduled.write_down(locked_subscription, now)
    return locked_subscription


def refuse_ended(subscription: Subscription, now: datetime) -> None:
    """Let only those pass that run or will start.

    Raises:
        SubscriptionEnded: it is over.
    """
    if subscription.has_ended(now):
        raise SubscriptionEnded(f"The subscription {subscription.public_id} has ended.")


def billing_period_at(subscription: Subscription, now: datetime) -> tuple[datetime, datetime]:
    """The billing period [start, end) that `now` lies in; during a trial, the trial (R19, R25).

    Before the start it is the first one.
    """
    at = max(now, subscription.started_at)
    if subscription.trial_ends_at is not None and at < subscription.trial_ends_at:
        return subscription.started_at, subscription.trial_ends_at
    cadence = subscription.billing_period or BillingPeriod.MONTHLY
    return periods.containing(subscription.billing_cycle_anchor, cadence, at)
