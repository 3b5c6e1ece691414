"""What follows for credits when the apps to the left change something."""

from datetime import datetime
from typing import Any

from django.dispatch import receiver

from catalog.models import CreditType
from catalog.signals import credit_type_archived
from credits import changes, previews
from subscriptions.causes import Cause
from subscriptions.models import Subscription
from subscriptions.previews import CreditLine, Preview
from subscriptions.signals import (
    subscription_changed,
    subscription_ended,
    subscription_previewed,
    subscription_started,
)
from workspace.actors import Actor


@receiver(subscription_started)
def issue_first_grants(
    sender: Any, *, subscription: Subscription, actor: Actor, now: datetime, **_: Any
) -> None:
    """A subscription starts, so its credits do (R18)."""
    changes.start(subscription=subscription, actor=actor, now=now)


@receiver(subscription_changed)
def follow_change(
    sender: Any,
    *,
    subscription: Subscription,
    cause: Cause,
    actor: Actor,
    now: datetime,
    resets: bool = False,
    **_: Any,
) -> None:
    """What a subscription includes changed (R14, R26–R31)."""
    changes.apply(subscription=subscription, cause=cause, resets=resets, actor=actor, now=now)


@receiver(subscription_ended)
def end_with_subscription(
    sender: Any, *, subscription: Subscription, actor: Actor, now: datetime, **_: Any
) -> None:
    """A subscription ends now or has its end set (R18, R32)."""
    changes.end(subscription=subscription, actor=actor, now=now)


@receiver(credit_type_archived)
def stop_at_next_reset(sender: Any, *, credit_type: CreditType, now: datetime, **_: Any) -> None:
    """An archived credit type is granted no more after its current periods (R3)."""
    changes.stop_granting(credit_type=credit_type, now=now)


@receiver(subscription_previewed)
def say_what_would_be_granted(
    sender: Any, *, preview: Preview, now: datetime, **_: Any
) -> list[CreditLine]:
    """Somebody thinks of a subscription: what would it give?"""
    return previews.credit_lines(preview, now)
