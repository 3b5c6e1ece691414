"""What publishing a draft for all customers would do to each of them (R9, R14).

Subscriptions are walked in the order of their keys, a batch per transaction, so a report goes
on where it was however it was interrupted. The apps to the right say what would move, by the
functions that will do it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import cast

from catalog import drafts
from catalog.models import Cadence, Package, PackageVersion
from subscriptions import rollout, terms
from subscriptions.models import (
    ImpactOutcome,
    ImpactReport,
    ImpactRow,
    ImpactStatus,
    Subscription,
)
from subscriptions.periods import MONTHS
from subscriptions.signals import migration_previewed
from subscriptions.terms import Terms, Upcoming
from workspace import activity
from workspace.actors import Actor
from workspace.acts import act
from workspace.errors import Conflict
from workspace.json import plain

BATCH = 1_000
"""Only the report is locked meanwhile, so nobody waits for a batch."""


class NothingToPreview(Conflict):
    """The package was never published, so nobody has it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """What other versions would do to a subscription and one credit type.

    `credit_type` is its public id. `granted` is what comes at once, from this subscription;
    the balances are the pool's. `recurring_…` is what the next resets grant, by cadence.
    """

    credit_type_id: int
    credit_type: str
    name: str
    granted: Decimal
    balance_before: Decimal
    balance_after: Decimal
    recurring_before: Mapping[str, Decimal]
    recurring_after: Mapping[str, Decimal]

    @property
    def lost(self) -> Decimal:
        """Credits per year that the next resets grant less; 0 if they grant more."""
        return max(yearly(self.recurring_before) - yearly(self.recurring_after), Decimal(0))

    @property
    def outcome(self) -> ImpactOutcome:
        """What it means for the customer."""
        before, after = yearly(self.recurring_before), yearly(self.recurring_after)
        if self.granted:
            return ImpactOutcome.GAINS_NOW
        if before != after:
            return ImpactOutcome.GAINS_AT_RESET if after > before else ImpactOutcome.LOSES_AT_RESET
        if self.recurring_before != self.recurring_after:
            return ImpactOutcome.CHANGES_AT_RESET
        return ImpactOutcome.UNCHANGED


@dataclass(frozen=True, slots=True)
class Migration:
    """A stored subscription, and the terms it would have: at once, and by its scheduled update."""

    subscription: Subscription
    today: Terms
    upcoming: Upcoming | None


def yearly(recurring: Mapping[str, Decimal]) -> Decimal:
    """Amounts by cadence as credits per year, to compare months with years (R16)."""
    return sum(
        (amount * (12 // MONTHS[Cadence(cadence)]) for cadence, amount in recurring.items()),
        Decimal(0),
    )


def effects(
    subscriptions: Sequence[Subscription], version: PackageVersion, now: datetime
) -> dict[int, list[Effect]]:
    """What standing on `version` of its package would do to each; nothing is written.

    A constant number of queries, and a few for each subscription with a scheduled update.
    """
    return _asked(migrations(subscriptions, version, now), now)


def _asked(planned: Sequence[Migration], now: datetime) -> dict[int, list[Effect]]:
    answers = migration_previewed.send(sender=Subscription, migrations=planned, now=now)
    found: dict[int, list[Effect]] = {each.subscription.pk: [] for each in planned}
    for _, answer in answers:
        for pk, lines in cast(dict[int, list[Effect]], answer).items():
            found[pk] += lines
    return found


def of_migration(subscriptions: Sequence[Subscription], now: datetime) -> dict[int, list[Effect]]:
    """What migrating each to all that is live would do; nothing is written.

    `subscriptions` come with `plan_version`. A constant number of queries, and a few for each
    with a scheduled update.
    """
    agreed = terms.of_many(subscriptions, now)
    package_ids = {pk for today, _ in agreed.values() for pk in today.package_ids}
    live = {
        package.pk: package.live
        for package in Package.objects.select_related("live").filter(pk__in=package_ids)
        if package.live is not None
    }
    planned = []
    for subscription in subscriptions:
        today, upcoming = agreed[subscription.pk]
        for version in live.values():
            today = _on(today, version)
        planned.append(Migration(subscription, today, upcoming))
    return _asked(planned, now)


@act
def begin(*, package_id: int, actor: Actor, now: datetime) -> ImpactReport:
    """Leave a report on the open draft to `proceed`; it replaces earlier ones of the draft.

    Raises:
        UnknownPackage, PackageArchived, NoDraft: see `drafts.lock`.
        NothingToPreview: nobody has the package yet.
    """
    draft = drafts.lock(package_id, revision=None)
    if draft.package.live_id is None:
        raise NothingToPreview(f"{draft.package.name} was never published, so nobody has it.")
    ImpactReport.objects.filter(version=draft, rollouts=None).delete()
    report = ImpactReport.objects.create(
        version=draft,
        revision=draft.revision,
        base_version_id=_base_version_id(draft),
        total=rollout.having(draft.package, now).count(),
        actor_name=actor.name,
        computed_at=now,
    )
    activity.record(
        "package.impact_previewed",
        subject=draft.package,
        actor=actor,
        now=now,
        payload={"revision": draft.revision, "subscriptions": report.total},
    )
    return report


@act
def proceed(*, report_id: int, now: datetime, at_most: int = BATCH) -> bool:
    """Look at the next subscriptions of a report; False if it is finished, or gone.

    Each is looked at as of the instant at which the report began.
    """
    locked = (
        ImpactReport.objects.select_for_update(of=("self",))
        .select_related("version__package")
        .filter(pk=report_id)
        .first()
    )
    if locked is None or locked.status == ImpactStatus.COMPLETED:
        return False
    having = rollout.having(locked.version.package, locked.computed_at)
    following = having.filter(pk__gt=locked.cursor).defer("prices", "metadata")
    batch = list(following.prefetch_related("plan_version").order_by("pk")[:at_most])
    if batch:
        _note(locked, batch)
    else:
        locked.finished_at, locked.status = now, ImpactStatus.COMPLETED
        locked.total = locked.done
        customers = locked.rows.values("subscription__customer").distinct()
        locked.customers = customers.count()
    locked.save()
    return bool(batch)


def of_draft(draft: PackageVersion) -> ImpactReport | None:
    """The report on the draft as it is now, if there is one."""
    return ImpactReport.objects.filter(
        version=draft, revision=draft.revision, base_version_id=_base_version_id(draft)
    ).first()


def outcome_of(lines: Sequence[Effect]) -> ImpactOutcome:
    """What several credit types together mean: whatever comes first in `ImpactOutcome`."""
    found = {line.outcome for line in lines}
    return next((each for each in ImpactOutcome if each in found), ImpactOutcome.UNCHANGED)


def _note(locked_report: ImpactReport, batch: Sequence[Subscription]) -> None:
    """Write a row for each of these subscriptions, and add them up."""
    found = effects(batch, locked_report.version, locked_report.computed_at)
    ImpactRow.objects.bulk_create(
        ImpactRow(
            report=locked_report,
            subscription_id=pk,
            outcome=outcome_of(lines),
            granted=max((line.granted for line in lines), default=Decimal(0)),
            lost=max((line.lost for line in lines), default=Decimal(0)),
            effects=[_kept(line) for line in lines],
        )
        for pk, lines in found.items()
    )
    totals = {name: Decimal(amount) for name, amount in locked_report.granted.items()}
    for lines in found.values():
        for line in lines:
            if line.granted:
                totals[line.credit_type] = totals.get(line.credit_type, Decimal(0)) + line.granted
    locked_report.granted = {name: plain(amount) for name, amount in sorted(totals.items())}
    locked_report.status = ImpactStatus.IN_PROGRESS
    locked_report.done += len(batch)
    locked_report.cursor = batch[-1].pk


def _kept(line: Effect) -> dict[str, object]:
    """A line as it is stored: amounts in digits."""
    return {
        "credit_type": line.credit_type,
        "name": line.name,
        "granted": plain(line.granted),
        "balance_before": plain(line.balance_before),
        "balance_after": plain(line.balance_after),
        "recurring_before": {key: plain(each) for key, each in line.recurring_before.items()},
        "recurring_after": {key: plain(each) for key, each in line.recurring_after.items()},
    }


def migrations(
    subscriptions: Sequence[Subscription], version: PackageVersion, now: datetime
) -> list[Migration]:
    """The subscriptions with the terms they would have on `version`, in memory only.

    As many queries as `terms.of_many`.
    """
    agreed = terms.of_many(subscriptions, now)
    found = []
    for subscription in subscriptions:
        today, upcoming = agreed[subscription.pk]
        if upcoming is not None:
            upcoming = replace(upcoming, terms=_on(upcoming.terms, version))
        found.append(Migration(subscription, _on(today, version), upcoming))
    return found


def _on(agreed: Terms, version: PackageVersion) -> Terms:
    """The terms, with `version` in place of other versions of its package."""

    def newer(each: PackageVersion) -> PackageVersion:
        return version if each.package_id == version.package_id else each

    return replace(
        agreed,
        plan_version=newer(agreed.plan_version),
        addons=tuple(addon._replace(version=newer(addon.version)) for addon in agreed.addons),
    )


def _base_version_id(draft: PackageVersion) -> int | None:
    """What the draft inherits from if it is published now (R5)."""
    return draft.base_plan.live_id if draft.base_plan is not None else None
