"""What is remembered and told about a subscription; steps of verbs."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, cast

from subscriptions.causes import Cause
from subscriptions.models import Subscription
from subscriptions.signals import subscription_changed
from workspace import activity
from workspace.activity import Happened
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
    record_several(event, [(locked_subscription, payload)], actor=actor, now=now)


def record_several(
    event: str,
    happenings: Iterable[tuple[Subscription, Mapping[str, Any]]],
    *,
    actor: Actor,
    now: datetime,
) -> None:
    """As `record`, for many locked subscriptions."""
    activity.record_several(
        event,
        [Happened(each, payload, each.customer.public_id) for each, payload in happenings],
        actor=actor,
        now=now,
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
    told = tell_several([locked_subscription], cause, resets=resets, actor=actor, now=now)
    return told[locked_subscription.pk]


def tell_several(
    locked_subscriptions: Sequence[Subscription],
    cause: Cause,
    *,
    resets: bool = False,
    actor: Actor,
    now: datetime,
) -> dict[int, dict[int, Decimal]]:
    """As `tell`, of many subscriptions that changed for one cause; answers by their keys."""
    answers = subscription_changed.send(
        sender=Subscription,
        subscriptions=locked_subscriptions,
        cause=cause,
        resets=resets,
        actor=actor,
        now=now,
    )
    granted: dict[int, dict[int, Decimal]] = {each.pk: {} for each in locked_subscriptions}
    for _, answer in answers:
        for pk, amounts in cast(dict[int, dict[int, Decimal]], answer or {}).items():
            granted[pk] |= amounts
    return granted
