"""What a subscription is made of at an instant: today's terms, or those of a scheduled update.

An update counts from its instant on, whether or not anybody wrote it down (R18): whoever asks
what is included asks here.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple

from catalog.models import PackageVersion
from subscriptions.causes import Cause
from subscriptions.models import (
    ScheduledUpdate,
    Subscription,
    SubscriptionAddon,
    SubscriptionEntitlement,
    UpdateStatus,
)


class Attached(NamedTuple):
    """An add-on's version, how many of it, and since when."""

    version: PackageVersion
    quantity: int
    attached_at: datetime


@dataclass(frozen=True, slots=True)
class Terms:
    """A version of a plan, add-ons, the first attached first, and values of one's own."""

    plan_version: PackageVersion
    addons: tuple[Attached, ...] = ()
    values: tuple[SubscriptionEntitlement, ...] = ()

    @property
    def package_ids(self) -> frozenset[int]:
        """Inner keys of the plan and the add-ons."""
        return frozenset(
            {self.plan_version.package_id, *(addon.version.package_id for addon in self.addons)}
        )


@dataclass(frozen=True, slots=True)
class Upcoming:
    """Other terms from an instant on, and what becomes of credits then."""

    takes_effect_at: datetime
    terms: Terms
    cause: Cause
    resets: bool


def at(subscription: Subscription, now: datetime) -> Terms:
    """The terms of a stored subscription at `now`; a constant number of queries."""
    if subscription.next_update_at is not None and subscription.next_update_at <= now:
        return after(subscription, scheduled_update(subscription))
    return Terms(subscription.plan_version, attached(subscription), values(subscription))


def upcoming(subscription: Subscription, now: datetime) -> Upcoming | None:
    """What the terms will be after a scheduled update that is not due at `now`."""
    if subscription.next_update_at is None or subscription.next_update_at <= now:
        return None
    update = scheduled_update(subscription)
    terms = after(subscription, update)
    return Upcoming(update.takes_effect_at, terms, Cause(update.cause), update.resets)


def of_many(
    subscriptions: Sequence[Subscription], now: datetime
) -> dict[int, tuple[Terms, Upcoming | None]]:
    """The terms at `now` and those to come, by the key of the subscription.

    A constant number of queries, and a few for each with a scheduled update.
    """
    pks = [subscription.pk for subscription in subscriptions]
    addons: dict[int, list[Attached]] = defaultdict(list)
    rows = SubscriptionAddon.objects.filter(subscription__in=pks).select_related("version")
    for row in rows.order_by("attached_at", "pk"):
        addons[row.subscription_id].append(Attached(row.version, row.quantity, row.attached_at))
    own: dict[int, list[SubscriptionEntitlement]] = defaultdict(list)
    for value in SubscriptionEntitlement.objects.filter(subscription__in=pks):
        own[value.subscription_id].append(value)
    found: dict[int, tuple[Terms, Upcoming | None]] = {}
    for each in subscriptions:
        today = Terms(each.plan_version, tuple(addons[each.pk]), tuple(own[each.pk]))
        found[each.pk] = (today, None)
        if each.next_update_at is not None:
            found[each.pk] = (at(each, now), upcoming(each, now))
    return found


def scheduled_update(subscription: Subscription) -> ScheduledUpdate:
    """The update that the subscription says it has."""
    rows = ScheduledUpdate.objects.select_related("plan_version")
    return rows.get(subscription=subscription, status=UpdateStatus.SCHEDULED)


def after(subscription: Subscription, update: ScheduledUpdate) -> Terms:
    """The terms once the update has taken effect."""
    before = {addon.version.package_id: addon for addon in attached(subscription)}
    addons = []
    for row in update.addons.select_related("version"):
        known = before.get(row.addon_id)
        version = row.version or (known.version if known else None)
        assert version is not None, "what is not attached has a version"
        since = known.attached_at if known else update.takes_effect_at
        addons.append(Attached(version, row.quantity, since))
    return Terms(
        update.plan_version or subscription.plan_version,
        tuple(sorted(addons, key=lambda addon: addon.attached_at)),
        tuple(value_of(stored) for stored in update.values),
    )


def attached(subscription: Subscription) -> tuple[Attached, ...]:
    """The add-ons of a stored subscription today, the first attached first."""
    rows = SubscriptionAddon.objects.filter(subscription=subscription)
    return tuple(
        Attached(row.version, row.quantity, row.attached_at)
        for row in rows.select_related("version").order_by("attached_at", "pk")
    )


def values(subscription: Subscription) -> tuple[SubscriptionEntitlement, ...]:
    """The values set for a stored subscription today."""
    return tuple(SubscriptionEntitlement.objects.filter(subscription=subscription))


def stored_value(row: SubscriptionEntitlement) -> dict[str, Any]:
    """A value as a scheduled update keeps it."""
    return {name: getattr(row, name) for name in VALUE_FIELDS}


def value_of(stored: dict[str, Any]) -> SubscriptionEntitlement:
    """The unsaved row of a value that a scheduled update keeps."""
    amount = stored["amount"]
    return SubscriptionEntitlement(
        **{**stored, "amount": None if amount is None else Decimal(amount)}
    )


VALUE_FIELDS = [
    field.attname
    for field in SubscriptionEntitlement._meta.concrete_fields
    if field.name not in ("id", "subscription")
]
