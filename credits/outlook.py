"""What a forecast of a stored pool begins with: who changes when, drafts, and assumed use.

Nothing is locked and nothing is written.
"""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from django.db.models import Count, Q, QuerySet, Sum
from django.db.models.functions import TruncDay

from catalog.amounts import ZERO, rounded
from catalog.models import ConsumptionMapping, Package, PackageVersion
from credits import chapters, impact, planning, timeline
from credits.book import PoolState
from credits.forecast import DAY, Use
from credits.models import Consumption, ConsumptionKind, Pool
from subscriptions import impacts, rollout, terms
from subscriptions.entitlements import mappings_under
from subscriptions.impacts import Migration
from subscriptions.models import Subscription, SubscriptionAddon
from subscriptions.models.subscriptions import SubscriptionQuerySet
from workspace.actors import ActorKind

HOUR = timedelta(hours=1)
LOOKED_BACK = timedelta(days=30)


@dataclass(slots=True, frozen=True)
class Habit:
    """What one feature, or what has none, cost in the time that was looked back on.

    `is_repriced`: at the rate of a draft. `keeps_price`: at what it cost then, although a
    draft was asked for, because a formula cannot be applied to a sum.
    """

    feature: str
    amount: Decimal
    is_repriced: bool = False
    keeps_price: bool = False


@dataclass(slots=True, frozen=True)
class Habits:
    """Use in the last 30 days, or since the pool is there, by feature, the largest first."""

    over: timedelta
    parts: tuple[Habit, ...]

    @property
    def use(self) -> Use:
        """All of it, as if it went on like that."""
        return Use(sum((part.amount for part in self.parts), ZERO), self.over)


@dataclass(slots=True, frozen=True)
class Milestone:
    """A change of a subscription that is agreed on already."""

    at: datetime
    words: str


@dataclass(slots=True, frozen=True)
class Draft:
    """A draft as if it were live, and everybody who has its package migrated (R14).

    `prices` are the mappings that would hold for the pool's credit type, by feature.
    """

    version: PackageVersion
    migrations: tuple[Migration, ...]
    prices: Mapping[int, ConsumptionMapping]


def milestones(row: Pool, *, now: datetime, until: datetime) -> list[Milestone]:
    """What is agreed on for the subscriptions that give to the pool; one query."""
    found = []
    for each in _subscriptions(row, now).select_related("plan_version"):
        name = each.plan_version.name
        agreed = [
            (each.started_at, f"{name} starts"),
            (each.trial_ends_at, f"The trial of {name} ends"),
            (each.next_update_at, f"A scheduled update of {name} takes effect"),
            (each.ends_at, f"{name} ends"),
        ]
        found += [Milestone(at, words) for at, words in agreed if at and now < at <= until]
    return sorted(found, key=lambda milestone: milestone.at)


def drafts(row: Pool, now: datetime) -> list[PackageVersion]:
    """Open drafts of what the pool's subscriptions have, by name; one query."""
    having = _subscriptions(row, now)
    attached = SubscriptionAddon.objects.filter(subscription__in=having).values("addon")
    packages = Package.objects.filter(Q(pk__in=having.values("plan")) | Q(pk__in=attached))
    rows = PackageVersion.objects.filter(published_at=None, package__in=packages)
    return list(rows.exclude(package__live=None).select_related("package").order_by("name", "pk"))


def draft(row: Pool, version: PackageVersion, now: datetime) -> Draft:
    """What the draft would mean for this pool; some queries, and a few for each subscription."""
    having = rollout.having(version.package, now).select_related("plan_version")
    own = list(having.filter(customer=row.customer_id, resource=row.resource_id))
    migrations = {each.subscription.pk: each for each in impacts.migrations(own, version, now)}
    prices: dict[int, ConsumptionMapping] = {}
    running = Subscription.objects.filter(customer=row.customer_id, resource=row.resource_id)
    in_force = running.in_force(now).select_related("plan_version").order_by("started_at", "pk")
    agreed = {pk: today for pk, (today, _) in terms.of_many(list(in_force), now).items()}
    agreed |= {pk: migration.today for pk, migration in migrations.items() if pk in agreed}
    for today in agreed.values():
        for mapping in mappings_under(today):
            if mapping.credit_type_id == row.credit_type_id:
                prices.setdefault(mapping.feature_id, mapping)
    return Draft(version, tuple(migrations.values()), prices)


def under(plans: Draft, row: Pool, state: PoolState, now: datetime) -> PoolState:
    """The pool as if the draft had been published for all at `now`; `state` stays as it is."""
    pool = state.copy()
    for steps in impact.steps_of(plans.migrations, now).values():
        planning.plan(pool, [step.of(row.credit_type_id) for step in steps])
        timeline.turn(pool, now)
    return pool


def habits(row: Pool, *, now: datetime, plans: Draft | None = None) -> Habits:
    """How the pool was used lately, at the prices of a draft if one is given.

    What people took away is no habit (R50). One query; in a long ledger four small ones,
    unless a draft is given.
    """
    over = min(LOOKED_BACK, max(now - row.created_at, DAY))
    after = chapters.summed_up_to(row.pk, row.last_entry_number) if plans is None else 0
    parts = (
        _parts_by_sums(row, now - over, now, after)
        if after
        else _parts(_used(row).filter(used_at__gt=now - over, used_at__lte=now), plans)
    )
    parts.sort(key=lambda part: (-part.amount, part.feature))
    return Habits(over, tuple(parts))


def _used(row: Pool) -> QuerySet[Consumption]:
    by_people = Q(kind=ConsumptionKind.DIRECT, actor_kind=ActorKind.USER)
    return Consumption.objects.filter(pool=row).exclude(by_people)


def _parts(used: QuerySet[Consumption], plans: Draft | None) -> list[Habit]:
    rows = (
        used.values_list("feature", "feature__name")
        .annotate(
            cost=Sum("amount"),
            total=Sum("units", default=ZERO),
            uses=Count("pk"),
            counted=Count("units"),
        )
        .order_by()
    )
    parts = []
    for feature_id, name, cost, total, uses, counted in rows:
        part = Habit(name or "", cost)
        if plans is not None and feature_id is not None:
            price = plans.prices.get(feature_id)
            part = _repriced(part, price, total if uses == counted else None)
        parts.append(part)
    return parts


def _parts_by_sums(row: Pool, since: datetime, until: datetime, after: int) -> list[Habit]:
    """Use above `since` up to `until`: of full hours by sums of chapters, else one by one."""
    first, last = _hour(since) + HOUR, _hour(until)
    amounts: dict[str, Decimal] = defaultdict(Decimal)
    for used in chapters.use(row.pk, after=after, start=first, end=last, truncate=TruncDay):
        if not used.by_people:
            amounts[used.feature_name or ""] += used.amount
    edges = Q(used_at__gt=since, used_at__lt=first) | Q(used_at__gte=last, used_at__lte=until)
    for part in _parts(_used(row).filter(edges), None):
        amounts[part.feature] += part.amount
    return [Habit(feature, amount) for feature, amount in amounts.items()]


def _hour(at: datetime) -> datetime:
    return at.replace(minute=0, second=0, microsecond=0)


def _repriced(part: Habit, price: ConsumptionMapping | None, units: Decimal | None) -> Habit:
    """The same use at another price: a rate for the units, if they are known, or nothing."""
    if price is None:
        return Habit(part.feature, ZERO, is_repriced=True)
    if price.formula or price.rate is None or units is None:
        return Habit(part.feature, part.amount, keeps_price=True)
    return Habit(part.feature, rounded(units * price.rate), is_repriced=True)


def _subscriptions(row: Pool, now: datetime) -> SubscriptionQuerySet:
    rows = Subscription.objects.filter(customer=row.customer_id, resource=row.resource_id)
    return rows.not_ended(now)
