"""Many subscriptions move to another version of what they have, in runs (R10, R12–R14)."""

import logging
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db.models import Count, F, Q

from catalog import drafts
from catalog.models import CreditType, Package, PackageKind, PackageVersion
from catalog.publishing import Audience
from subscriptions import finding, migration, news, scheduled
from subscriptions.causes import Cause
from subscriptions.migration import NothingToMigrate
from subscriptions.models import (
    ImpactReport,
    ImpactRow,
    ImpactStatus,
    RolloutKind,
    RolloutOutcome,
    RolloutResult,
    RolloutRun,
    RolloutStatus,
    Subscription,
    SubscriptionAddon,
)
from subscriptions.models.subscriptions import SubscriptionQuerySet
from workspace import activity, runs
from workspace.actors import Actor
from workspace.acts import act, together
from workspace.errors import Conflict, UnknownObject
from workspace.json import plain
from workspace.models.runs import in_the_name_of

logger = logging.getLogger(__name__)


class UnknownRollout(UnknownObject):
    """There is no such rollout."""


class RolloutFinished(Conflict):
    """The rollout is over."""


class OtherStateReviewed(Conflict):
    """The preview shows another state of the draft, or is not finished."""


class RolloutRunning(Conflict):
    """The package has a rollout that is not finished."""


class NothingFailed(Conflict):
    """No part of the rollout failed, or it is not over."""


def announce(
    *,
    version: PackageVersion,
    audience: str,
    report_id: int | None = None,
    actor: Actor,
    now: datetime,
) -> RolloutRun | None:
    """Take notice of a publication, inside its transaction.

    Subscriptions that have not started, and updates that are scheduled, stand on the new
    version from now on (R13); what has taken effect stays on the one before. For all
    customers a run is left to `roll_out_next`, and an earlier one of the package that is not
    finished ends: its subscriptions are among those of this one. `report_id` is the preview
    that was reviewed; results that differ from it are marked.

    Raises:
        OtherStateReviewed: the preview does not show what is published.
    """
    report = None if report_id is None else _reviewed(version, report_id)
    for subscription in _unstarted(version, now):
        locked = finding.lock_row(subscription.pk, now)
        _stand_on([locked], version, now)
        news.tell(locked, Cause.MIGRATION, actor=actor, now=now)
    for pk in scheduled.naming(version.package):
        locked = finding.lock_row(pk, now)
        if locked.next_update_at is not None:
            scheduled.move_along(locked, version, actor=actor, now=now)
    if audience != Audience.ALL_CUSTOMERS:
        return None
    for earlier in RolloutRun.objects.unfinished().filter(package=version.package_id):
        _finish(earlier, RolloutStatus.CANCELED, now)
    return RolloutRun.objects.create(
        version=version,
        package_id=version.package_id,
        report=report,
        total=behind(version, now).count(),
        created_at=now,
        **in_the_name_of(actor),
    )


def having(package: Package, now: datetime) -> SubscriptionQuerySet:
    """The subscriptions, not ended, that have the package in any version."""
    if package.kind == PackageKind.PLAN:
        return Subscription.objects.filter(plan=package).not_ended(now)
    rows = SubscriptionAddon.objects.filter(addon=package)
    return Subscription.objects.filter(pk__in=rows.values("subscription")).not_ended(now)


def holders(package: Package, now: datetime) -> dict[int, int]:
    """How many subscriptions, not ended, stand on each version of a package; by inner key."""
    if package.kind == PackageKind.PLAN:
        rows = having(package, now).order_by()
        return dict(rows.values_list("plan_version").annotate(number=Count("pk")))
    running = Subscription.objects.not_ended(now)
    attached = SubscriptionAddon.objects.filter(addon=package, subscription__in=running)
    return dict(attached.order_by().values_list("version").annotate(number=Count("pk")))


def behind(version: PackageVersion, now: datetime) -> SubscriptionQuerySet:
    """The subscriptions, not ended, that have an earlier version of the same package."""
    return Subscription.objects.filter(_has_earlier(version)).not_ended(now)


def waiting(run: RolloutRun, now: datetime) -> SubscriptionQuerySet:
    """The subscriptions that this run has not tried yet."""
    return _concerned(run, now).exclude(rollout_results__run=run)


def next_batch(run: RolloutRun, now: datetime, *, at_most: int, after: int = 0) -> list[int]:
    """Inner keys of subscriptions that this run has not tried yet, those above `after`."""
    following = waiting(run, now).filter(pk__gt=after).order_by("pk")
    return list(following.values_list("pk", flat=True)[:at_most])


@act
def begin_migration(
    *,
    package_id: int,
    from_numbers: Sequence[int] = (),
    at_period_end: bool = False,
    actor: Actor,
    now: datetime,
) -> RolloutRun:
    """Leave to the worker to migrate all who have a package to what is live, prices included.

    `from_numbers` narrows it to those on these versions.

    Raises:
        UnknownPackage: there is none.
        RolloutRunning: a rollout of the package is not finished.
        NothingToMigrate: nobody is concerned.
    """
    package = drafts.lock_package(package_id)
    if package.live is None:
        raise NothingToMigrate(f"{package.name} was never published.")
    _refuse_beside_another(package)
    run = RolloutRun(
        version=package.live,
        package=package,
        kind=RolloutKind.MIGRATION,
        from_numbers=sorted(set(from_numbers)),
        at_period_end=at_period_end,
        created_at=now,
        **in_the_name_of(actor),
    )
    run.total = _concerned(run, now).count()
    if not run.total:
        raise NothingToMigrate("No subscription is concerned.")
    run.save()
    _record_begun(run, actor, now)
    return run


def _refuse_beside_another(locked_package: Package) -> None:
    """Let only one rollout of a package go on at a time.

    Raises:
        RolloutRunning: another one is not finished.
    """
    if RolloutRun.objects.unfinished().filter(package=locked_package).exists():
        raise RolloutRunning(
            f"A rollout of {locked_package.name} is not finished. Wait, or cancel it."
        )


def _record_begun(run: RolloutRun, actor: Actor, now: datetime) -> None:
    activity.record(
        "package.migration_begun",
        subject=run.package,
        actor=actor,
        now=now,
        payload={
            "version": run.version.number,
            "from": run.from_numbers,
            "at_period_end": run.at_period_end,
            "subscriptions": run.total,
        },
    )


@act
def begin(*, run_id: int) -> None:
    """Note that somebody works on a run."""
    RolloutRun.objects.filter(pk=run_id, status=RolloutStatus.PENDING).update(
        status=RolloutStatus.IN_PROGRESS
    )


def move_several(*, run: RolloutRun, subscription_pks: Collection[int], now: datetime) -> int:
    """Move subscriptions to the version of a run, together; say how many (R12, R14).

    A batch that fails is gone through one by one, so that one in trouble does not hold up the
    others.
    """
    try:
        return _move(run_id=run.pk, subscription_pks=subscription_pks, now=now)
    except Exception:
        logger.warning("A batch of a rollout failed; its subscriptions are moved one by one.")
    return sum(move(run=run, subscription_pk=pk, now=now) for pk in subscription_pks)


def move(*, run: RolloutRun, subscription_pk: int, now: datetime) -> bool:
    """Move one subscription to the version of a run and note what came of it (R12, R14).

    A failure is noted in place of the move, so that one subscription in trouble does not hold
    up the others (F8). False if it must be tried again later.
    """

    def work() -> None:
        if run.at_period_end:
            together(lambda: _migrate(run, subscription_pk, now))
        else:
            _move(run_id=run.pk, subscription_pks=[subscription_pk], now=now)

    def note_failure(message: str) -> None:
        _note_failure(run=run, subscription_pk=subscription_pk, message=message, now=now)

    return runs.attempt(work, note_failure)


@act
def conclude(*, run_id: int, now: datetime) -> RolloutStatus | None:
    """End a run that has nothing left to do; None if it has, or was over before."""
    run = _lock(run_id)
    if run.finished_at is not None or next_batch(run, now, at_most=1):
        return None
    status = RolloutStatus.COMPLETED
    if run.failed:
        status = RolloutStatus.PARTIALLY_FAILED if run.moved else RolloutStatus.FAILED
    _finish(run, status, now)
    activity.record(
        "package.rolled_out",
        subject=run.package,
        actor=run.actor,
        now=now,
        payload={"version": run.version.number, "status": status},
    )
    return status


@act
def retry(*, run_id: int, actor: Actor, now: datetime) -> RolloutRun:
    """Let a run that is over try once more what failed (R12).

    Raises:
        UnknownRollout: there is none.
        NothingFailed: nothing failed, or it is not over.
        RolloutRunning: another rollout of the package is not finished.
    """
    run = _lock(run_id)
    if run.finished_at is None or not run.failed:
        raise NothingFailed("Nothing failed, or the rollout is not over yet.")
    _refuse_beside_another(drafts.lock_package(run.package_id))
    number, _ = run.results.filter(outcome=RolloutOutcome.FAILED).delete()
    run.status, run.finished_at, run.failed = RolloutStatus.PENDING, None, 0
    run.save(update_fields=["status", "finished_at", "failed"])
    activity.record(
        "package.rollout_retried",
        subject=run.package,
        actor=actor,
        now=now,
        payload={"version": run.version.number, "subscriptions": number},
    )
    return run


@act
def cancel(*, run_id: int, actor: Actor, now: datetime) -> RolloutRun:
    """Stop a run: subscriptions not yet moved stay where they are (R12).

    Raises:
        UnknownRollout: there is none.
        RolloutFinished: it is over already.
    """
    run = _lock(run_id)
    if run.finished_at is not None:
        raise RolloutFinished("The rollout is over.")
    _finish(run, RolloutStatus.CANCELED, now)
    activity.record(
        "package.rollout_canceled",
        subject=run.package,
        actor=actor,
        now=now,
        payload={"version": run.version.number},
    )
    return run


@act
def _move(*, run_id: int, subscription_pks: Collection[int], now: datetime) -> int:
    """Many subscriptions, one transaction; say how many moved.

    Left alone is what another worker has done, what somebody changes at this moment, and what
    changed after this sweep read the clock: the next one moves it.
    """
    run = RolloutRun.objects.select_related("version__package", "report").get(pk=run_id)
    moving = [] if run.finished_at else _lock_waiting(run, subscription_pks, now)
    if not moving:
        return 0
    changed_at = {each.pk: each.updated_at for each in moving}
    if run.kind == RolloutKind.MIGRATION:
        given = migration.migrate_locked(moving, actor=run.actor, now=now)
    else:
        given = _follow_publication(run, moving, now)
    granted = _by_name(given)
    differing = _other_than_reviewed(run.report, changed_at, granted) if run.report else set()
    RolloutResult.objects.bulk_create(
        RolloutResult(
            run=run,
            subscription=each,
            outcome=RolloutOutcome.SUCCEEDED,
            granted=granted.get(each.pk, {}),
            changed_since_review=each.pk in differing,
            created_at=now,
        )
        for each in moving
    )
    _add_up(run, moved=len(moving), differing=len(differing))
    return len(moving)


def _lock_waiting(
    run: RolloutRun, subscription_pks: Collection[int], now: datetime
) -> list[Subscription]:
    """Those of them that the run may move now, locked; of a migration, with their packages."""
    migrates = run.kind == RolloutKind.MIGRATION
    locked = (migration.lock_free if migrates else finding.lock_free_rows)(subscription_pks, now)
    pks = [each.pk for each in locked]
    wanted = set(waiting(run, now).filter(pk__in=pks).values_list("pk", flat=True))
    return [each for each in locked if each.pk in wanted and each.updated_at <= now]


def _follow_publication(
    run: RolloutRun, locked_subscriptions: Sequence[Subscription], now: datetime
) -> dict[int, dict[int, Decimal]]:
    """Let these stand on the version of a run; what each was granted, per credit type."""
    before = _stand_on(locked_subscriptions, run.version, now)
    public_id, number = run.package.public_id, run.version.number
    news.record_several(
        "subscription.migrated",
        [
            (each, {"package": public_id, "version": [before[each.pk], number]})
            for each in locked_subscriptions
        ],
        actor=run.actor,
        now=now,
    )
    return news.tell_several(locked_subscriptions, Cause.MIGRATION, actor=run.actor, now=now)


def _migrate(run: RolloutRun, subscription_pk: int, now: datetime) -> None:
    """One subscription, migrated later and noted, or neither."""
    if _claim(run_id=run.pk, subscription_pk=subscription_pk, now=now):
        rows = Subscription.objects.values_list("public_id", flat=True)
        migration.migrate(
            subscription_id=rows.get(pk=subscription_pk),
            at_period_end=run.at_period_end,
            actor=run.actor,
            now=now,
        )
        _add_up(run, moved=1)


@act
def _claim(*, run_id: int, subscription_pk: int, now: datetime) -> bool:
    """Note the result first; False if another worker did, or the run is over."""
    if not RolloutRun.objects.unfinished().filter(pk=run_id).exists():
        return False
    _, is_ours = RolloutResult.objects.get_or_create(
        run_id=run_id,
        subscription_id=subscription_pk,
        defaults={"outcome": RolloutOutcome.SUCCEEDED, "created_at": now},
    )
    return is_ours


@act
def _note_failure(*, run: RolloutRun, subscription_pk: int, message: str, now: datetime) -> None:
    _, is_new = RolloutResult.objects.get_or_create(
        run=run,
        subscription_id=subscription_pk,
        defaults={
            "outcome": RolloutOutcome.FAILED,
            "message": message,
            "created_at": now,
        },
    )
    if is_new:
        _add_up(run, failed=1)


def _add_up(run: RolloutRun, **more: int) -> None:
    """Count results with those of a run; last in a transaction, as all its workers wait for it."""
    added: dict[str, Any] = {name: F(name) + number for name, number in more.items()}
    RolloutRun.objects.filter(pk=run.pk).update(**added)


def _stand_on(
    locked_subscriptions: Sequence[Subscription], version: PackageVersion, now: datetime
) -> dict[int, int | None]:
    """Store `version` in place of the one they have; prices stay (R10). Answers the old numbers."""
    pks = [each.pk for each in locked_subscriptions]
    rows = Subscription.objects.filter(pk__in=pks)
    if version.package.kind == PackageKind.PLAN:
        before = {each.pk: each.plan_version.number for each in locked_subscriptions}
        rows.update(plan_version=version, updated_at=now)
    else:
        attached = SubscriptionAddon.objects.filter(subscription__in=pks, addon=version.package_id)
        before = dict(attached.values_list("subscription_id", "version__number"))
        attached.update(version=version)
        rows.update(updated_at=now)
    for each in locked_subscriptions:
        each.updated_at = now
        if version.package.kind == PackageKind.PLAN:
            each.plan_version = version
    return before


def _concerned(run: RolloutRun, now: datetime) -> SubscriptionQuerySet:
    """Those on earlier versions; for a migration, those on the versions it moves from."""
    if run.kind == RolloutKind.PUBLICATION:
        return behind(run.version, now)
    rows = having(run.package, now)
    if not run.from_numbers:
        return rows
    if run.package.kind == PackageKind.PLAN:
        return rows.filter(plan_version__number__in=run.from_numbers)
    attached = SubscriptionAddon.objects.filter(
        addon=run.package_id, version__number__in=run.from_numbers
    )
    return rows.filter(pk__in=attached.values("subscription"))


def _reviewed(version: PackageVersion, report_id: int) -> ImpactReport:
    """The preview of exactly what is published, finished."""
    report = ImpactReport.objects.filter(
        pk=report_id,
        version=version,
        revision=version.revision,
        base_version_id=version.base_version_id,
        status=ImpactStatus.COMPLETED,
    ).first()
    if report is None:
        raise OtherStateReviewed(
            "The preview shows another state of this draft, or is not finished. "
            "Nothing was published; look at the preview again."
        )
    return report


def _other_than_reviewed(
    report: ImpactReport,
    changed_at: Mapping[int, datetime],
    granted: Mapping[int, dict[str, str]],
) -> set[int]:
    """Which subscriptions changed since the review, or got what that did not show."""
    rows = ImpactRow.objects.filter(report=report, subscription__in=list(changed_at))
    shown = {
        pk: {each["credit_type"]: each["granted"] for each in effects if each["granted"] != "0"}
        for pk, effects in rows.values_list("subscription_id", "effects")
    }
    return {
        pk
        for pk, instant in changed_at.items()
        if instant > report.computed_at or shown.get(pk) != granted[pk]
    }


def _by_name(given: Mapping[int, Mapping[int, Decimal]]) -> dict[int, dict[str, str]]:
    """What was granted to each, by public id and in digits; nothing is left out."""
    types = CreditType.objects.in_bulk({key for amounts in given.values() for key in amounts})
    return {
        pk: {
            types[key].public_id: plain(amount)
            for key, amount in sorted(amounts.items(), key=lambda item: types[item[0]].public_id)
            if amount
        }
        for pk, amounts in given.items()
    }


def _lock(run_id: int) -> RolloutRun:
    run = (
        RolloutRun.objects.select_for_update(of=("self",))
        .select_related("version", "package__live", "package__draft")
        .filter(pk=run_id)
        .first()
    )
    if run is None:
        raise UnknownRollout("There is no such rollout.")
    return run


def _unstarted(version: PackageVersion, now: datetime) -> Iterable[Subscription]:
    return behind(version, now).filter(started_at__gt=now).order_by("pk")


def _has_earlier(version: PackageVersion) -> Q:
    if version.package.kind == PackageKind.PLAN:
        return Q(plan=version.package_id, plan_version__number__lt=version.number)
    rows = SubscriptionAddon.objects.filter(
        addon=version.package_id, version__number__lt=version.number
    )
    return Q(pk__in=rows.values("subscription"))


def _finish(run: RolloutRun, status: RolloutStatus, now: datetime) -> None:
    run.status, run.finished_at = status, now
    run.save(update_fields=["status", "finished_at"])
