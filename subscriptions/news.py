"""What is remembered and told about a subscription; steps of verbs."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, cast

from subscriptions.causes import Cause
from subscriptions.models import Subscription
from subscriptions.signals import subscription_changed
from workspace import activity
from workspace.actors import Actor


def record(
    event: str,
    locked_subscription: Subscription,
    payload: Mapping[str, Any],
    *,
    actor: Actor,
    now: datetime,
) -> None:
    """Remember what happened to a subscription, and to its customer (R53)."""
    activity.record(
        event,
        subject=locked_subscription,
        actor=actor,
        now=now,
        payload=payload,
        customer=locked_subscription.customer.public_id,
    )


def tell(
    locked_subscription: Subscription,
    cause: Cause,
    *,
    resets: bool = False,
    actor: Actor,
    now: datetime,
) -> dict[int, Decimal]:
    """Let the apps to the right bring themselves in line with the stored subscription.

    Answers what was granted at once, per credit type.
    """
    answers = subscription_changed.send(
        sender=Subscription,
        subscription=locked_subscription,
        cause=cause,
        resets=resets,
        actor=actor,
        now=now,
    )
    granted: dict[int, Decimal] = {}
    for _, answer in answers:
        granted |= cast(dict[int, Decimal], answer or {})
    return granted
