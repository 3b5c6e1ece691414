"""Updates that wait for their instant: scheduled, replaced, taken back, written down (R13, R18).

A scheduled update counts from its instant on by itself: credits by their schedules, all else by
`subscriptions.terms`. Writing it down afterwards only turns it into the terms of today.
"""

from datetime import datetime

from django.db.models import Q

from catalog.models import Package, PackageVersion
from subscriptions import choices, news, terms
from subscriptions.causes import Cause
from subscriptions.models import (
    ScheduledAddon,
    ScheduledUpdate,
    Subscription,
    SubscriptionAddon,
    SubscriptionEntitlement,
    UpdateKind,
    UpdateStatus,
)
from subscriptions.parts import Parts
from workspace.actors import Actor, ActorKind
from workspace.errors import Conflict


class EndsBefore(Conflict):
    """The subscription is over before the update would take effect."""


def refuse_too_late(subscription: Subscription, at: datetime) -> None:
    """Let only updates pass that the subscription lives to see.

    Raises:
        EndsBefore: it ends before.
    """
    if subscription.ends_at is not None and subscription.ends_at <= at:
        raise EndsBefore(
            f"The subscription ends on {subscription.ends_at:%-d %b %Y}, before this would take "
            "effect. Take the cancelation back first, or change it at once.",
            field="schedule_strategy",
        )


def put(
    locked_subscription: Subscription,
    parts: Parts,
    *,
    takes_effect_at: datetime,
    kinds: list[UpdateKind],
    plan_version: PackageVersion | None,
    is_renewed: bool = False,
    cause: Cause,
    resets: bool = False,
    actor: Actor,
    now: datetime,
) -> ScheduledUpdate:
    """Let the subscription be what `parts` say from `takes_effect_at` on; store nothing else.

    `parts` were drawn up on a copy. `plan_version` is None where it stays; `is_renewed` says that
    the add-ons, too, stand on the latest versions then. The caller took an earlier update back.
    """
    update = ScheduledUpdate.objects.create(
        subscription=locked_subscription,
        takes_effect_at=takes_effect_at,
        kinds=kinds,
        plan_version=plan_version,
        billing_period=parts.subscription.billing_period,
        values=[terms.stored_value(row) for row in parts.value_rows()],
        cause=cause,
        resets=resets,
        actor_kind=actor.kind,
        actor_id=actor.identifier,
        actor_name=actor.name,
        created_at=now,
    )
    for row in parts.addons:
        ScheduledAddon.objects.create(
            update=update,
            addon=row.addon,
            version=row.version if is_renewed or row._state.adding else None,
            quantity=row.quantity,
        )
    _point_at(locked_subscription, takes_effect_at, now)
    payload = {"takes_effect_at": takes_effect_at, "changes": kinds, **_described(update)}
    news.record("subscription.update_scheduled", locked_subscription, payload, actor=actor, now=now)
    news.tell(locked_subscription, Cause.SCHEDULE, actor=actor, now=now)
    return update


def take_back(locked_subscription: Subscription, *, actor: Actor, now: datetime) -> bool:
    """Drop the scheduled update; False if there is none. The caller tells the others."""
    if locked_subscription.next_update_at is None:
        return False
    update = terms.scheduled_update(locked_subscription)
    _finish(update, UpdateStatus.CANCELED, now)
    _point_at(locked_subscription, None, now)
    payload = {"takes_effect_at": update.takes_effect_at, "changes": update.kinds}
    event = "subscription.scheduled_update_canceled"
    news.record(event, locked_subscription, payload, actor=actor, now=now)
    return True


def write_down(locked_subscription: Subscription, now: datetime) -> None:
    """Make a scheduled update that has taken effect the terms of today, if there is one.

    Credits followed their schedules at the true instant, so nobody needs to be told.
    """
    at = locked_subscription.next_update_at
    if at is None or at > now:
        return
    update = terms.scheduled_update(locked_subscription)
    before = _plan_and_quantities(locked_subscription)
    agreed = terms.after(locked_subscription, update)
    is_priced_anew = bool(update.plan_version_id) or (
        update.billing_period != locked_subscription.billing_period
    )
    locked_subscription.plan_version = agreed.plan_version
    locked_subscription.plan = agreed.plan_version.package
    locked_subscription.billing_period = update.billing_period
    known = {
        row.addon_id: row
        for row in SubscriptionAddon.objects.filter(subscription=locked_subscription)
    }
    rows = []
    for addon in agreed.addons:
        row = known.pop(addon.version.package_id, None) or SubscriptionAddon(
            subscription=locked_subscription,
            addon_id=addon.version.package_id,
            attached_at=addon.attached_at,
        )
        row.version, row.quantity = addon.version, addon.quantity
        rows.append(row)
    locked_subscription.prices = _prices(locked_subscription, rows, is_priced_anew)
    for row in known.values():
        row.delete()
    for row in rows:
        row.save()
    SubscriptionEntitlement.objects.filter(subscription=locked_subscription).delete()
    for value in agreed.values:
        value.subscription = locked_subscription
        value.save(force_insert=True)
    _finish(update, UpdateStatus.DONE, now)
    locked_subscription.next_update_at, locked_subscription.updated_at = None, at
    locked_subscription.save()
    payload = {"effective_at": at, "changes": update.kinds} | {
        name: [old, new]
        for (name, old), new in zip(
            before.items(), _plan_and_quantities(locked_subscription).values(), strict=True
        )
        if old != new
    }
    news.record(
        "subscription.updated", locked_subscription, payload, actor=actor_of(update), now=now
    )


def move_along(
    locked_subscription: Subscription, version: PackageVersion, *, actor: Actor, now: datetime
) -> None:
    """Let an update that is not due stand on `version` of a package that it brings (R13)."""
    update = terms.scheduled_update(locked_subscription)
    if update.plan_version is not None and update.plan_version.package_id == version.package_id:
        update.plan_version = version
        update.save(update_fields=["plan_version"])
    update.addons.filter(addon=version.package_id, version__isnull=False).update(version=version)
    news.tell(locked_subscription, Cause.SCHEDULE, actor=actor, now=now)


def naming(package: Package) -> list[int]:
    """Inner keys of the subscriptions with an update that brings a version of the package."""
    brings_it = Q(plan_version__package=package) | Q(addons__version__package=package)
    waiting = ScheduledUpdate.objects.filter(brings_it, status=UpdateStatus.SCHEDULED)
    return sorted(set(waiting.values_list("subscription_id", flat=True)))


def actor_of(update: ScheduledUpdate) -> Actor:
    """Whoever scheduled it: it takes effect in their name."""
    return Actor(ActorKind(update.actor_kind), update.actor_id, update.actor_name)


def _described(update: ScheduledUpdate) -> dict[str, object]:
    named = {row.addon.public_id: row.quantity for row in update.addons.select_related("addon")}
    plan = None if update.plan_version is None else update.plan_version.package.public_id
    return {"plan": plan, "billing_period": update.billing_period, "addons": named}


def _plan_and_quantities(subscription: Subscription) -> dict[str, object]:
    rows = SubscriptionAddon.objects.filter(subscription=subscription).select_related("addon")
    return {
        "plan": subscription.plan.public_id,
        "version": subscription.plan_version.number,
        "billing_period": subscription.billing_period,
        "addons": {row.addon.public_id: row.quantity for row in rows},
    }


def _prices(
    subscription: Subscription, rows: list[SubscriptionAddon], anew: bool
) -> list[dict[str, object]]:
    """Prices of the day it takes effect for what is new, the agreed ones for the rest (R10)."""
    if anew:
        return choices.prices_of(subscription.plan_version, rows, subscription.billing_period)
    kept = {None, *(row.addon.public_id for row in rows if not row._state.adding)}
    new = [row for row in rows if row._state.adding]
    return [price for price in subscription.prices if price["addonId"] in kept] + choices.prices_of(
        None, new, subscription.billing_period
    )


def _finish(update: ScheduledUpdate, status: UpdateStatus, now: datetime) -> None:
    update.status, update.finished_at = status, now
    update.save(update_fields=["status", "finished_at"])


def _point_at(subscription: Subscription, instant: datetime | None, now: datetime) -> None:
    subscription.next_update_at, subscription.updated_at = instant, now
    subscription.save(update_fields=["next_update_at", "updated_at"])
