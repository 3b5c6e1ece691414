"""One subscription and one trial at a time per customer, product and resource (R4).

The database refuses the same (`subscriptions.guards`); here it is said in a sentence.
"""

from collections.abc import Iterable
from datetime import datetime

from catalog.models import TrialEnd
from subscriptions.models import Subscription
from workspace.errors import Conflict

Stretch = tuple[datetime, datetime | None]
"""[from, until); None is for ever."""


class SubscriptionExists(Conflict):
    """The customer has such a subscription at that time."""


def paid_stretch(subscription: Subscription) -> Stretch | None:
    """When it runs as no trial; None if it never does."""
    if subscription.trial_ends_at is None:
        return _stretch(subscription.started_at, subscription.ends_at)
    if subscription.trial_end == TrialEnd.CONVERT_TO_PAID:
        return _stretch(subscription.trial_ends_at, subscription.ends_at)
    return None


def trial_stretch(subscription: Subscription) -> Stretch | None:
    """When it runs as a trial; None if it never does."""
    until = subscription.trial_ends_at
    if until is None:
        return None
    if subscription.ends_at is not None:
        until = min(until, subscription.ends_at)
    return _stretch(subscription.started_at, until)


def check(subscription: Subscription) -> None:
    """Refuse a subscription, stored or not, beside which another one runs.

    The customer is locked.

    Raises:
        SubscriptionExists: naming the other one.
    """
    others = Subscription.objects.filter(
        customer=subscription.customer_id,
        product=subscription.product_id,
        resource=subscription.resource_id,
    ).select_related("product")
    _refuse_rivals(subscription, others.exclude(pk=subscription.pk))


def _refuse_rivals(subscription: Subscription, others: Iterable[Subscription]) -> None:
    paid, trial = paid_stretch(subscription), trial_stretch(subscription)
    for other in others:
        if _overlap(paid, paid_stretch(other)):
            raise SubscriptionExists(
                f"There is a subscription to {other.product.name} at that time: {other.public_id}.",
            )
        if _overlap(trial, trial_stretch(other)):
            raise SubscriptionExists(
                f"There is a trial of {other.product.name} at that time: {other.public_id}.",
            )


def _stretch(start: datetime, end: datetime | None) -> Stretch | None:
    return (start, end) if end is None or start < end else None


def _overlap(one: Stretch | None, other: Stretch | None) -> bool:
    if one is None or other is None:
        return False
    (start, end), (other_start, other_end) = one, other
    return (other_end is None or start < other_end) and (end is None or other_start < end)
