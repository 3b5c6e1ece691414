"""What follows for credits when the apps to the left change something."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.dispatch import receiver

from catalog.models import CreditType
from catalog.signals import credit_type_archived
from credits import changes, impact, previews
from subscriptions.causes import Cause
from subscriptions.impacts import Effect, Migration
from subscriptions.models import Subscription
from subscriptions.previews import CreditChange, CreditLine, Preview
from subscriptions.signals import (
    migration_previewed,
    subscription_change_previewed,
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
    subscriptions: Sequence[Subscription],
    cause: Cause,
    actor: Actor,
    now: datetime,
    resets: bool = False,
    **_: Any,
) -> dict[int, dict[int, Decimal]]:
    """What subscriptions include changed (R14, R26–R31); answers what was granted at once."""
    return changes.apply(
        subscriptions=subscriptions, cause=cause, resets=resets, actor=actor, now=now
    )


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


@receiver(migration_previewed)
def say_what_would_move(
    sender: Any, *, migrations: list[Migration], now: datetime, **_: Any
) -> dict[int, list[Effect]]:
    """Somebody thinks of other versions: what would they do?"""
    return impact.effects(migrations, now)


@receiver(subscription_change_previewed)
def say_what_would_become_of_balances(
    sender: Any, *, preview: Preview, now: datetime, **_: Any
) -> list[CreditChange]:
    """Somebody thinks of a change: which balances would it move?"""
    return previews.credit_changes(preview, now)
