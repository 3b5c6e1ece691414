"""One subscription moves to the latest versions and prices of all it has (R10)."""

from collections.abc import Sequence
from copy import copy
from datetime import datetime

from catalog.models import Package, PackageVersion
from subscriptions import choices, finding, news, scheduled, terms
from subscriptions.causes import Cause
from subscriptions.models import Subscription, SubscriptionAddon, UpdateKind
from subscriptions.parts import Parts
from subscriptions.previews import Planned, Preview, preview_of
from workspace.actors import Actor
from workspace.acts import act
from workspace.errors import Conflict


class NothingToMigrate(Conflict):
    """There is nobody to move, or all is the latest already."""


@act
def migrate(
    *, subscription_id: str, at_period_end: bool = False, actor: Actor, now: datetime
) -> Subscription:
    """Move one subscription to the latest versions of its plan and add-ons, and their prices.

    The only way for new prices to reach an existing subscription (R10): now, or as a
    scheduled update at the end of the billing period. A plan or add-on that is archived is
    moved as well: it is what the customer has. Where all is the latest, nothing changes.

    Raises:
        UnknownSubscription, SubscriptionEnded: there is none, or it is over.
    """
    pk = finding.lock_customer_of(subscription_id, now)
    found = finding.find(subscription_id)
    attached = SubscriptionAddon.objects.filter(subscription=pk)
    choices.hold_packages([found.plan_id, *attached.values_list("addon_id", flat=True)])
    subscription = finding.lock_row(pk, now)
    finding.refuse_ended(subscription, now)
    parts, moved = _with_the_latest(subscription)
    latest = parts.subscription
    if not _is_other(subscription, latest, moved):
        return subscription
    if at_period_end:
        return _migrate_later(subscription, parts, latest.plan_version, actor, now)
    payload = {
        "version": [subscription.plan_version.number, latest.plan_version.number],
        "addons": {row.addon.public_id: row.version.number for row in moved},
    }
    parts.save(now)
    news.record("subscription.migrated", latest, payload, actor=actor, now=now)
    news.tell(latest, Cause.MIGRATION, actor=actor, now=now)
    return latest


def preview(*, subscription_id: str, now: datetime) -> Preview:
    """The subscription as `migrate` would leave it now, with nothing written.

    Raises:
        UnknownSubscription, SubscriptionEnded: there is none, or it is over.
        NothingToMigrate: it has the latest of everything.
    """
    subscription = finding.find(subscription_id)
    finding.refuse_ended(subscription, now)
    parts, moved = _with_the_latest(subscription)
    if not _is_other(subscription, parts.subscription, moved):
        raise NothingToMigrate("It has the latest versions and prices already.")
    planned = Planned(cause=Cause.MIGRATION, before=terms.at(subscription, now))
    return preview_of(parts.subscription, parts.addons, parts.value_rows(), planned)


def _with_the_latest(subscription: Subscription) -> tuple[Parts, list[SubscriptionAddon]]:
    """A copy with the latest versions and today's prices, and the add-ons that are moved."""
    plan = Package.objects.select_related("live").get(pk=subscription.plan_id)
    assert plan.live is not None, "what was subscribed to was published"
    latest = copy(subscription)
    latest.plan_version = plan.live
    parts = Parts(latest)
    before = {row.addon_id: row.version_id for row in parts.addons}
    live = Package.objects.select_related("live").in_bulk(before)
    for row in parts.addons:
        version = live[row.addon_id].live
        assert version is not None, "what was attached was published"
        row.version = version
    parts.price_anew()
    return parts, [row for row in parts.addons if before[row.addon_id] != row.version_id]


def _is_other(
    subscription: Subscription, latest: Subscription, moved: Sequence[SubscriptionAddon]
) -> bool:
    """Whether migrating changes a version or a price."""
    same_plan = subscription.plan_version == latest.plan_version
    return bool(moved) or not same_plan or subscription.prices != latest.prices


def _migrate_later(
    locked_subscription: Subscription,
    latest: Parts,
    version: PackageVersion,
    actor: Actor,
    now: datetime,
) -> Subscription:
    """Schedule the migration for the end of the billing period, in place of other updates."""
    scheduled.take_back(locked_subscription, actor=actor, now=now)
    _, period_end = finding.billing_period_at(locked_subscription, now)
    scheduled.refuse_too_late(locked_subscription, period_end)
    scheduled.put(
        locked_subscription,
        latest,
        takes_effect_at=period_end,
        kinds=[UpdateKind.MIGRATE_TO_LATEST],
        plan_version=version,
        is_renewed=True,
        cause=Cause.MIGRATION,
        actor=actor,
        now=now,
    )
    return locked_subscription
