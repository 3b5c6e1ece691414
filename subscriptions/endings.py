"""The one place where the end of a subscription is set or taken back; a step of verbs."""

from datetime import datetime

from catalog.models import TrialEnd
from subscriptions import exclusivity, news, scheduled
from subscriptions.causes import Cause
from subscriptions.models import CancelReason, EndReason, Subscription
from subscriptions.signals import subscription_ended
from workspace.actors import Actor
from workspace.errors import BadInput


class InvalidEndDate(BadInput):
    """No date to end on, or one that has passed."""


def set_end(
    locked_subscription: Subscription,
    ends_at: datetime,
    reason: CancelReason,
    *,
    actor: Actor,
    now: datetime,
) -> None:
    """Let it end at `ends_at`, and tell everybody (R18, R32).

    A trial that cancels is not lived beyond by asking for a later end (R5). An update that
    would take effect then or later never will.

    Raises:
        SubscriptionExists: it would go on longer than was set, and another one starts then.
    """
    before = locked_subscription.ends_at
    trial_ends_at = locked_subscription.trial_ends_at
    cancels = locked_subscription.trial_end == TrialEnd.CANCEL_SUBSCRIPTION
    if cancels and trial_ends_at is not None and now < trial_ends_at:
        ends_at = min(ends_at, trial_ends_at)
    is_expiry = reason in (CancelReason.EXPIRED, CancelReason.TRIAL_ENDED)
    locked_subscription.ends_at = ends_at
    locked_subscription.end_reason = EndReason.EXPIRED if is_expiry else EndReason.CANCELED
    locked_subscription.cancel_reason = reason
    if before is not None and ends_at > before:
        exclusivity.check(locked_subscription)
    update_at = locked_subscription.next_update_at
    if update_at is not None and ends_at <= update_at:
        scheduled.take_back(locked_subscription, actor=actor, now=now)
    event = "subscription.expired" if is_expiry else "subscription.canceled"
    _save(locked_subscription, event, before, actor, now)
    subscription_ended.send(
        sender=Subscription, subscription=locked_subscription, actor=actor, now=now
    )


def take_back(locked_subscription: Subscription, *, actor: Actor, now: datetime) -> None:
    """Let it go on for ever, or to the end of the trial that ends it.

    Raises:
        SubscriptionExists: another one starts where this one would go on (R4).
    """
    before = locked_subscription.ends_at
    locked_subscription.ends_at = None
    locked_subscription.end_reason = locked_subscription.cancel_reason = ""
    if locked_subscription.trial_end == TrialEnd.CANCEL_SUBSCRIPTION:
        locked_subscription.ends_at = locked_subscription.trial_ends_at
        locked_subscription.end_reason = EndReason.EXPIRED
        locked_subscription.cancel_reason = CancelReason.TRIAL_ENDED
    exclusivity.check(locked_subscription)
    _save(locked_subscription, "subscription.kept", before, actor, now)
    news.tell(locked_subscription, Cause.END, actor=actor, now=now)


def _save(
    locked_subscription: Subscription,
    event: str,
    before: datetime | None,
    actor: Actor,
    now: datetime,
) -> None:
    locked_subscription.updated_at = now
    locked_subscription.save(update_fields=["ends_at", "end_reason", "cancel_reason", "updated_at"])
    payload = {
        "ends_at": [before, locked_subscription.ends_at],
        "reason": locked_subscription.cancel_reason,
    }
    news.record(event, locked_subscription, payload, actor=actor, now=now)
