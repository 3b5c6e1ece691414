"""A subscription changes: its schedules are rewritten, then the pools are turned.

Nothing here grants, moves or voids by itself. What a subscription gives is written down
as schedules by `credits.planning`; `credits.timeline` does the rest at the right instant,
today or next year (R13, R14, R18, R25–R32).
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from functools import cached_property

from catalog.holding import hold
from catalog.models import CreditType
from credits import ledger, planning, pools, recurring, timeline
from credits.book import ZERO, Entry, EntryType
from credits.models import Pool, Schedule
from credits.planning import Change
from credits.pools import LockedPool
from credits.recurring import Allowance
from subscriptions import periods, terms
from subscriptions.causes import Cause
from subscriptions.entitlements import CreditSource, Included, credit_sources
from subscriptions.models import Subscription
from subscriptions.terms import Terms, Upcoming
from workspace.actors import SYSTEM, Actor

LONG_AGO = datetime.min.replace(tzinfo=UTC)


def start(*, subscription: Subscription, actor: Actor, now: datetime) -> None:
    """Write the schedules of a new subscription, and issue what is due (R18, R23–R25)."""
    apply(subscriptions=[subscription], cause=Cause.START, resets=False, actor=actor, now=now)


def end(*, subscription: Subscription, actor: Actor, now: datetime) -> None:
    """Let the schedules end when the subscription does (R18, R32)."""
    apply(subscriptions=[subscription], cause=Cause.END, resets=False, actor=actor, now=now)


def apply(
    *,
    subscriptions: Sequence[Subscription],
    cause: Cause,
    resets: bool,
    actor: Actor,
    now: datetime,
) -> dict[int, dict[int, Decimal]]:
    """Make the schedules say what the subscriptions now say, and do what is due.

    Returns what was granted by each at once, per credit type. However many there are, a
    constant number of statements; but a few for each with a scheduled update.

    Args:
        cause: why they changed; decides what happens to credits already given.
        resets: of a plan change, whether use starts afresh instead of being carried (R31).
    """
    agreed = terms.of_many(subscriptions, now)
    lookup = Lookup(
        (
            each
            for today, upcoming in agreed.values()
            for each in (today, upcoming.terms if upcoming is not None else today)
        ),
        holds=True,
    )
    steps = {
        each.pk: steps_of(
            each, *agreed[each.pk], cause=cause, resets=resets, now=now, lookup=lookup
        )
        for each in subscriptions
    }
    locked = _lock_pools(subscriptions, steps, now)
    granted: dict[int, dict[int, Decimal]] = {}
    recorded_at = now
    for subscription in subscriptions:
        own, planned, at = locked[subscription.pk], steps[subscription.pk], now
        if (begun_at := _latest_start(subscription, own)) > now:
            # Another host's clock is ahead: what began by it runs, and time does not go back.
            at = begun_at
            today, upcoming = terms.at(subscription, at), terms.upcoming(subscription, at)
            planned = steps_of(subscription, today, upcoming, cause=cause, resets=resets, now=at)
        granted[subscription.pk] = _follow(subscription, planned, own, at)
        recorded_at = max(recorded_at, at)
    written = {each.row.pk: each for own in locked.values() for each in own}
    ledger.write([written[pool_id] for pool_id in sorted(written)], actor=actor, now=recorded_at)
    return granted


def _follow(
    subscription: Subscription, steps: Sequence["Step"], locked: list[LockedPool], now: datetime
) -> dict[int, Decimal]:
    """Edit the schedules of one subscription on paper and turn its pools; what was granted."""
    granted: dict[int, Decimal] = {}
    elsewhere, here = _by_resource(locked, subscription)
    for locked_pool in elsewhere:
        planning.plan(locked_pool.state, [(steps[0].change, [])])
        timeline.turn(locked_pool.state, now)
    for locked_pool in here:
        credit_type_id = locked_pool.row.credit_type_id
        known = len(locked_pool.state.entries)
        planning.plan(locked_pool.state, [step.of(credit_type_id) for step in steps])
        if steps[0].change.cause == Cause.TRANSFER:
            _bring_use_along(locked_pool, elsewhere, subscription, now)
        timeline.turn(locked_pool.state, now)
        granted[credit_type_id] = granted_to(subscription.pk, locked_pool.state.entries[known:])
    return granted


def _latest_start(subscription: Subscription, locked: Iterable[LockedPool]) -> datetime:
    """When the last of the subscription's schedules began that are in force."""
    return max(
        (
            schedule.starts_at
            for locked_pool in locked
            for schedule in locked_pool.state.schedules
            if schedule.subscription_id == subscription.pk and schedule.in_force
        ),
        default=LONG_AGO,
    )


def granted_to(subscription_pk: int, entries: Iterable[Entry]) -> Decimal:
    """What these entries granted from the sources of one subscription."""
    return sum(
        (
            entry.amount
            for entry in entries
            if entry.type == EntryType.GRANTED
            and entry.grant.schedule is not None
            and entry.grant.schedule.subscription_id == subscription_pk
        ),
        ZERO,
    )


@dataclass(slots=True, frozen=True)
class Step:
    """A change, and per credit type who grants from then on, and how much."""

    change: Change
    given: Mapping[int, list[Allowance]]

    def of(self, credit_type_id: int) -> tuple[Change, list[Allowance]]:
        """What it means for one credit type."""
        return self.change, self.given.get(credit_type_id, [])


class Lookup:
    """What is read once for many subscriptions: what versions include, active credit types.

    With `holds` the credit types stay what they are until the transaction is over: one that is
    being archived meanwhile would not find the schedules that are about to be written, and go
    on granting (R3).
    """

    def __init__(self, agreed: Iterable[Terms], *, holds: bool = False) -> None:
        self.holds = holds
        self.version_ids = {
            version.pk
            for each in agreed
            for version in (each.plan_version, *(addon.version for addon in each.addons))
        }

    @cached_property
    def included(self) -> Included:
        """What the versions include."""
        return Included(self.version_ids)

    @cached_property
    def active_types(self) -> set[int]:
        """The credit types that are granted: those not archived (R3)."""
        if self.holds:
            named = self.included.credits.values()
            hold(CreditType, {each.credit_type_id for included in named for each in included})
        return set(CreditType.objects.active().values_list("pk", flat=True))


def steps_of(
    subscription: Subscription,
    today: Terms,
    upcoming: Upcoming | None,
    *,
    cause: Cause,
    resets: bool = False,
    now: datetime,
    lookup: Lookup | None = None,
) -> list[Step]:
    """A change of today and the scheduled update, if there is one, for `plan`.

    Preview and apply share this step, too. With a `lookup` without any query.
    """
    lookup = lookup or Lookup([today, *([upcoming.terms] if upcoming is not None else [])])
    steps = [_step(Change(cause, resets, subscription, now, today.package_ids), today, lookup)]
    if upcoming is not None:
        then = upcoming.terms
        at = upcoming.takes_effect_at
        change = Change(upcoming.cause, upcoming.resets, subscription, at, then.package_ids)
        steps.append(_step(change, then, lookup))
    return steps


def _step(change: Change, agreed: Terms, lookup: Lookup) -> Step:
    """Per active credit type, who grants under these terms, if anybody does (R3, R15, R16)."""
    by_type: dict[int, list[CreditSource]] = defaultdict(list)
    if planning.spans(change.subscription, change.at):
        for source in credit_sources(agreed, included=lookup.included):
            if source.credit_type_id in lookup.active_types:
                by_type[source.credit_type_id].append(source)
    return Step(change, {key: recurring.in_force(found) for key, found in by_type.items()})


def _lock_pools(
    subscriptions: Sequence[Subscription], steps: Mapping[int, Sequence[Step]], now: datetime
) -> dict[int, list[LockedPool]]:
    """For each subscription the pools that it gives to, will or did, brought up to now."""
    known = Schedule.objects.filter(
        subscription__in=[each.pk for each in subscriptions], ended=False
    )
    touched = set(known.values_list("subscription_id", "pool_id"))
    wanted = [
        (each.pk, (each.customer_id, credit_type_id, each.resource_id))
        for each in subscriptions
        for credit_type_id in {key for step in steps[each.pk] for key in step.given}
    ]
    opened = pools.open_several({owner for _, owner in wanted}, now)
    touched |= {(pk, opened[owner]) for pk, owner in wanted}
    locked = pools.lock_several({pool_id for _, pool_id in touched}, now, with_schedules=True)
    by_id = {locked_pool.row.pk: locked_pool for locked_pool in locked}
    found: dict[int, list[LockedPool]] = {each.pk: [] for each in subscriptions}
    for pk, pool_id in sorted(touched):
        found[pk].append(by_id[pool_id])
    return found


def _by_resource(
    locked: Iterable[LockedPool], subscription: Subscription
) -> tuple[list[LockedPool], list[LockedPool]]:
    """The pools that the subscription was moved away from, and its own."""
    parts: tuple[list[LockedPool], list[LockedPool]] = ([], [])
    for locked_pool in locked:
        parts[locked_pool.row.resource_id == subscription.resource_id].append(locked_pool)
    return parts


def _bring_use_along(
    locked_pool: LockedPool,
    elsewhere: Iterable[LockedPool],
    subscription: Subscription,
    now: datetime,
) -> None:
    """Count what was used of each source before it was moved here: it is not given again.

    What a source gave in its running period and did not get back, less what it gave in this
    very pool before (it may return).
    """
    left = [
        schedule
        for other in elsewhere
        if other.row.credit_type_id == locked_pool.row.credit_type_id
        for schedule in other.state.schedules
        if schedule.subscription_id == subscription.pk and schedule.ends_at == now
    ]
    for arriving in locked_pool.state.schedules:
        if arriving.next_at is not None or arriving.starts_at > now:
            continue
        for schedule in left:
            period = periods.containing(arriving.anchor_at, arriving.cadence, now)
            if schedule.source == arriving.source and period == schedule.period:
                own = timeline.net_given(locked_pool.state, arriving.source, period)
                arriving.used_elsewhere = max(ZERO, timeline.net_of(schedule) - own)


POOLS_AT_A_TIME = 200


def stop_granting(*, credit_type: CreditType, now: datetime) -> None:
    """Let every schedule of an archived credit type end with its current period (R3).

    What each pool has stays until then.
    """
    affected = Pool.objects.filter(credit_type=credit_type, schedules__ended=False)
    ids = list(affected.order_by("pk").values_list("pk", flat=True).distinct())
    for first in range(0, len(ids), POOLS_AT_A_TIME):
        batch = ids[first : first + POOLS_AT_A_TIME]
        locked = pools.lock_several(batch, now, with_schedules=True)
        for locked_pool in locked:
            planning.end_with_periods(locked_pool.state)
        ledger.write(locked, actor=SYSTEM, now=now)
