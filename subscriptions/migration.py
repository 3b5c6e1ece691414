"""Subscriptions move to the latest versions and prices of all they have (R10)."""

from collections import defaultdict
from collections.abc import Collection, Sequence
from copy import copy
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db.models import prefetch_related_objects

from catalog.models import Package, PackageVersion
from subscriptions import choices, finding, news, scheduled, terms
from subscriptions.causes import Cause
from subscriptions.models import Subscription, SubscriptionAddon, UpdateKind
from subscriptions.parts import Parts
from subscriptions.previews import Planned, Preview, preview_of
from workspace.actors import Actor
from workspace.acts import act
from workspace.errors import Conflict, DomainError


class NothingToMigrate(Conflict):
    """There is nobody to move, or all is the latest already."""


@act
def migrate(
    *, subscription_id: str, at_period_end: bool = False, actor: Actor, now: datetime
) -> Subscription:
    """Move one subscription to the latest versions of its plan and add-ons, and their prices.

    The only way for new prices to reach an existing subscription (R10): now, or as a
    scheduled update at the end of the billing period, which moving now replaces. A plan or
    add-on that is archived is moved as well: it is what the customer has. Where all is the
    latest, nothing changes.

    Raises:
        UnknownSubscription, SubscriptionEnded: there is none, or it is over.
    """
    pk = finding.lock_customer_of(subscription_id, now)
    hold_packages_of([pk])
    subscription = finding.lock_row(pk, now)
    finding.refuse_ended(subscription, now)
    (latest,) = _latest_of([subscription])
    if not latest.differs:
        return subscription
    if at_period_end:
        return _migrate_later(latest, actor, now)
    _take([latest], actor=actor, now=now)
    return latest.after


def hold_packages_of(subscription_pks: Collection[int]) -> frozenset[int]:
    """Let nobody publish what these have until the transaction is over; the inner keys of it.

    Held before their rows are locked, as in a publication.
    """
    plans = Subscription.objects.filter(pk__in=subscription_pks).values_list("plan_id", flat=True)
    addons = SubscriptionAddon.objects.filter(subscription__in=subscription_pks)
    held = frozenset(plans.order_by()) | frozenset(addons.values_list("addon_id", flat=True))
    choices.hold_packages(held)
    return held


def lock_free(subscription_pks: Collection[int], now: datetime) -> list[Subscription]:
    """Those of these that nobody else holds, locked after their packages.

    Left out is also who got another package before the lock: that one is not held.
    """
    held = hold_packages_of(subscription_pks)
    locked = finding.lock_free_rows(subscription_pks, now)
    others = _having_others([each.pk for each in locked], than=held)
    return [each for each in locked if each.pk not in others]


def _having_others(subscription_pks: Collection[int], *, than: Collection[int]) -> set[int]:
    """Which of these have a package that is not among those held."""
    addons = SubscriptionAddon.objects.filter(subscription__in=subscription_pks)
    rows = Subscription.objects.filter(pk__in=subscription_pks)
    return {
        *rows.exclude(plan__in=than).values_list("pk", flat=True),
        *addons.exclude(addon__in=than).values_list("subscription_id", flat=True),
    }


def migrate_locked(
    locked_subscriptions: Sequence[Subscription], *, actor: Actor, now: datetime
) -> dict[int, dict[int, Decimal]]:
    """As `migrate`, of those of `lock_free`; what each was granted, per credit type.

    A constant number of statements, but a few for each with a scheduled update.
    """
    latest = [each for each in _latest_of(locked_subscriptions) if each.differs]
    return _take(latest, actor=actor, now=now)


def preview(*, subscription_id: str, at_period_end: bool = False, now: datetime) -> Preview:
    """The subscription as `migrate` would leave it, now or then, with nothing written.

    Raises:
        UnknownSubscription, SubscriptionEnded: there is none, or it is over.
        NothingToMigrate: it has the latest of everything.
        EndsBefore: it is over before.
    """
    subscription = finding.find(subscription_id)
    (latest,) = _latest_of([subscription])
    at = _when(latest, at_period_end, now)
    before = terms.at(subscription, now)
    planned = Planned(cause=Cause.MIGRATION, takes_effect_at=at, before=before)
    return preview_of(latest.after, latest.addons, latest.parts().value_rows(), planned)


@dataclass(frozen=True, slots=True)
class Move:
    """From which version of a plan to which, and when; None for at once."""

    before: PackageVersion
    after: PackageVersion
    takes_effect_at: datetime | None


def moves(
    subscriptions: Sequence[Subscription], *, at_period_end: bool = False, now: datetime
) -> list[Move | DomainError]:
    """Where `migrate` would move each, or why it would not; a constant number of queries."""
    prefetch_related_objects(subscriptions, "plan_version")
    found: list[Move | DomainError] = []
    for latest in _latest_of(subscriptions):
        try:
            at = _when(latest, at_period_end, now)
        except DomainError as refusal:
            found.append(refusal)
        else:
            found.append(Move(latest.before.plan_version, latest.after.plan_version, at))
    return found


@dataclass(frozen=True, slots=True)
class Latest:
    """A subscription before and after its migration, which is not stored.

    `addons` are all of its add-ons with their latest versions, `moved` those for which that is
    another one.
    """

    before: Subscription
    after: Subscription
    addons: list[SubscriptionAddon]
    moved: list[SubscriptionAddon]

    @property
    def differs(self) -> bool:
        """Whether migrating changes a version or a price."""
        is_other_version = self.before.plan_version_id != self.after.plan_version_id
        return bool(self.moved) or is_other_version or self.before.prices != self.after.prices

    def parts(self) -> Parts:
        """What `after` is made of."""
        parts = Parts(self.after)
        parts.addons = self.addons
        return parts


def _latest_of(subscriptions: Sequence[Subscription]) -> list[Latest]:
    """Each with the latest versions and today's prices; a constant number of queries."""
    attached: dict[int, list[SubscriptionAddon]] = defaultdict(list)
    for row in SubscriptionAddon.objects.filter(subscription__in=subscriptions):
        attached[row.subscription_id].append(row)
    addon_ids = {row.addon_id for rows in attached.values() for row in rows}
    packages = Package.objects.select_related("live").in_bulk(
        addon_ids | {each.plan_id for each in subscriptions}
    )
    live = {pk: _live(package) for pk, package in packages.items()}
    prices = choices.PriceList(version.pk for version in live.values())
    found = []
    for subscription in subscriptions:
        addons, moved = attached[subscription.pk], []
        for row in addons:
            row.addon = packages[row.addon_id]
            if row.version_id != live[row.addon_id].pk:
                row.version = live[row.addon_id]
                moved.append(row)
        latest = copy(subscription)
        latest.plan_version = live[subscription.plan_id]
        latest.prices = prices.of(latest.plan_version, addons, latest.billing_period)
        found.append(Latest(subscription, latest, addons, moved))
    return found


def _live(package: Package) -> PackageVersion:
    assert package.live is not None, "what was subscribed to was published"
    return package.live


def _take(
    migrations: Sequence[Latest], *, actor: Actor, now: datetime
) -> dict[int, dict[int, Decimal]]:
    """Store the migrations and tell of them; what each was granted, per credit type."""
    subscriptions = [each.after for each in migrations]
    for subscription in subscriptions:
        subscription.updated_at = now
        if _waits_to_move(subscription):
            scheduled.take_back(subscription, actor=actor, now=now)
    Subscription.objects.bulk_update(subscriptions, ["plan_version", "prices", "updated_at"])
    moved = [row for each in migrations for row in each.moved]
    SubscriptionAddon.objects.bulk_update(moved, ["version"])
    news.record_several(
        "subscription.migrated",
        [(each.after, _described(each)) for each in migrations],
        actor=actor,
        now=now,
    )
    return news.tell_several(subscriptions, Cause.MIGRATION, actor=actor, now=now)


def _described(latest: Latest) -> dict[str, Any]:
    numbers = [each.plan_version.number for each in (latest.before, latest.after)]
    addons = {row.addon.public_id: row.version.number for row in latest.moved}
    return {"version": numbers, "addons": addons}


def _migrate_later(latest: Latest, actor: Actor, now: datetime) -> Subscription:
    """Schedule the migration for the end of the billing period, in place of other updates."""
    locked_subscription = latest.before
    scheduled.take_back(locked_subscription, actor=actor, now=now)
    scheduled.put(
        locked_subscription,
        latest.parts(),
        takes_effect_at=_period_end(locked_subscription, now),
        kinds=[UpdateKind.MIGRATE_TO_LATEST],
        plan_version=latest.after.plan_version,
        is_renewed=True,
        cause=Cause.MIGRATION,
        actor=actor,
        now=now,
    )
    return locked_subscription


def _waits_to_move(subscription: Subscription) -> bool:
    """Whether its scheduled update is a migration; any other is still to come (R13)."""
    if subscription.next_update_at is None:
        return False
    return terms.scheduled_update(subscription).kinds == [UpdateKind.MIGRATE_TO_LATEST]


def _when(latest: Latest, at_period_end: bool, now: datetime) -> datetime | None:
    """The instant at which a migration would take effect; None for at once.

    Raises:
        SubscriptionEnded, NothingToMigrate, EndsBefore: as in `preview`.
    """
    finding.refuse_ended(latest.before, now)
    if not latest.differs:
        raise NothingToMigrate("It has the latest versions and prices already.")
    return _period_end(latest.before, now) if at_period_end else None


def _period_end(subscription: Subscription, now: datetime) -> datetime:
    _, period_end = finding.billing_period_at(subscription, now)
    scheduled.refuse_too_late(subscription, period_end)
    return period_end
