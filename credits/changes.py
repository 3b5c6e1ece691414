"""A subscription changes: its schedules are rewritten, then the pools are turned.

Nothing here grants, moves or voids by itself. What a subscription gives is written down
as schedules, from when until when and how each ends; `credits.timeline` does the rest at
the right instant, today or next year (R13, R14, R18, R25–R32).
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from functools import cached_property

from catalog.holding import hold
from catalog.models import Behaviour, CreditType
from credits import ledger, pools, recurring, timeline
from credits.book import ZERO, Ending, Entry, EntryType, PoolState, ScheduleState
from credits.models import Pool, Schedule
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
        _reconcile(locked_pool.state, [], steps[0].change)
        timeline.turn(locked_pool.state, now)
    for locked_pool in here:
        credit_type_id = locked_pool.row.credit_type_id
        known = len(locked_pool.state.entries)
        plan(locked_pool.state, [step.of(credit_type_id) for step in steps])
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
class Change:
    """One change of one subscription at one instant, today or later.

    `held` are the packages that the subscription has from then on, whether or not they still
    include credits.
    """

    cause: Cause
    resets: bool
    subscription: Subscription
    at: datetime
    held: frozenset[int] = frozenset()


@dataclass(slots=True, frozen=True)
class Step:
    """A change, and per credit type who grants from then on, and how much."""

    change: Change
    given: Mapping[int, list[Allowance]]

    def of(self, credit_type_id: int) -> tuple[Change, list[Allowance]]:
        """What it means for one credit type."""
        return self.change, self.given.get(credit_type_id, [])


def plan(pool: PoolState, steps: Sequence[tuple[Change, list[Allowance]]]) -> None:
    """Edit a pool's schedules so that they say what each change lets grant, without acting.

    The first change is of today; a second one is a scheduled update. Preview and apply share
    this step; `timeline.turn` then does what is due.
    """
    (change, allowances), *later = steps
    _reconcile(pool, allowances, change)
    for upcoming, then in later:
        _foresee(pool, then, upcoming)


@dataclass(slots=True, frozen=True)
class Span:
    """A stretch of a subscription's life with one anchor: its trial, or what follows."""

    anchor_at: datetime
    starts_at: datetime
    ends_at: datetime | None
    ending: Ending


def spans(subscription: Subscription, now: datetime) -> list[Span]:
    """From `now` on, the stretches in which the subscription gives credits (R18, R24, R25).

    None while payment is pending or after its end. A trial is a stretch of its own whose
    credits expire with it; conversion begins a new period at the trial's end.
    """
    if subscription.payment_pending:
        return []
    first = max(subscription.started_at, now)
    end = subscription.ends_at
    trial_end = subscription.trial_ends_at
    stretches = []
    if trial_end is not None and trial_end > first:
        over = trial_end if end is None else min(trial_end, end)
        ending = Ending.EXPIRE if over == trial_end else Ending.VOID
        stretches.append(Span(subscription.started_at, first, over, ending))
        first = trial_end
    if end is None or end > first:
        anchor = subscription.billing_cycle_anchor
        if trial_end is not None:
            anchor = max(anchor, trial_end)
        stretches.append(Span(anchor, first, end, Ending.VOID))
    return [span for span in stretches if span.ends_at is None or span.ends_at > span.starts_at]


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
    if spans(change.subscription, change.at):
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


def _reconcile(pool: PoolState, allowances: list[Allowance], change: Change) -> None:
    """Edit the pool's schedules of this subscription so that they say `allowances`.

    What an update would have done is taken back first: it is planned anew afterwards.
    """
    mine = _lasting(pool, change)
    for planned in mine:
        if planned.planned_end_at is not None:
            planned.planned_end_at = planned.planned_ending = None
            planned.changed = True
    waiting = [schedule for schedule in mine if schedule.next_at is None]
    pending = {schedule.source_id: schedule for schedule in waiting if not schedule.is_planned}
    running = {schedule.source_id: schedule for schedule in mine if schedule.next_at is not None}
    switch = Switch.between(running, pending, allowances, change)
    for future in waiting:
        _drop(pool, future)
    for allowance in allowances:
        schedule = running.pop(allowance.source.source_id, None)
        for span in switch.spans:
            is_current = span.starts_at <= change.at
            if is_current and schedule is not None and switch.keeps(schedule, allowance, span):
                _adjust(pool, schedule, allowance, span)
            elif is_current and schedule is not None:
                over_at = _finish(schedule, switch)
                _add(pool, allowance, span, change, not_before=over_at)
            elif is_current:
                _add(pool, allowance, span, change, not_before=switch.begins(allowance))
            else:
                _add(pool, allowance, span, change, not_before=span.starts_at)
    for leaving in running.values():
        _finish(leaving, switch)


def _foresee(pool: PoolState, allowances: list[Allowance], change: Change) -> None:
    """Write down beside the schedules of today what an update will do at its instant.

    The same rules as in `_reconcile`, applied to what runs then; all of it can be taken back.
    """
    mine = [each for each in _lasting(pool, change) if each.ends_at is None or _lasts(each, change)]
    later = {each.source_id: each for each in mine if each.starts_at >= change.at}
    running = {each.source_id: each for each in mine if each.starts_at < change.at}
    switch = Switch.between(running, later, allowances, change)
    for each in mine:
        if each.starts_at >= change.at:
            _plan_end(each, change.at, Ending.VOID)
    for allowance in allowances:
        held = running.pop(allowance.source.source_id, None)
        for span in switch.spans:
            begins_at = span.starts_at
            if begins_at <= change.at and held is None:
                begins_at = switch.begins(allowance)
            elif begins_at <= change.at and held is not None:
                if not switch.keeps(held, allowance, span):
                    begins_at = _plan_end(held, *switch.end_of(held))
                elif _says(held, allowance, span):
                    continue
                else:
                    begins_at = _plan_end(held, change.at, Ending.HAND_OVER)
            _add(pool, allowance, span, change, not_before=begins_at, is_planned=True)
    for leaving in running.values():
        _plan_end(leaving, *switch.end_of(leaving))


def _lasting(pool: PoolState, change: Change) -> list[ScheduleState]:
    return [
        schedule
        for schedule in pool.schedules
        if schedule.subscription_id == change.subscription.pk and not schedule.ended
    ]


def _lasts(schedule: ScheduleState, change: Change) -> bool:
    """Whether a schedule that ends does so after the change."""
    return schedule.ends_at is not None and schedule.ends_at > change.at


WAITING = {Cause.START, Cause.END, Cause.PAYMENT, Cause.TRIAL, Cause.SCHEDULE}
"""What does not ask for anything else to grant: whatever waits for a reset goes on waiting."""

CHOOSING = {Cause.MIGRATION, Cause.ADDONS, Cause.QUANTITY}
"""What may bring another override that does not wait (R29). All other causes end all waiting."""


@dataclass(slots=True, frozen=True)
class Switch:
    """When and how the sources of one pool give way to others, by the cause of the change.

    `begins_at` is when new sources begin, `overrides` whether an override comes or goes,
    `granting` who grants from then on.
    What an earlier migration has put off until the next reset (R14) stays put off where
    `waits`, as long as anything lasts that it waits for: `put_off` is when which source will
    begin.
    """

    change: Change
    spans: list[Span]
    begins_at: datetime
    overrides: bool
    waits: bool
    granting: frozenset[int]
    put_off: dict[int, datetime]

    @classmethod
    def between(
        cls,
        running: Mapping[int, ScheduleState],
        pending: Mapping[int, ScheduleState],
        allowances: list[Allowance],
        change: Change,
    ) -> "Switch":
        """The switch from the running schedules, and those to come, to `allowances`."""
        granting = {allowance.source.source_id for allowance in allowances}
        overriding = {each.source.source_id for each in allowances if _is_override(each)}
        overrides = granting != set(running) and (
            any(schedule.is_override for schedule in running.values()) or bool(overriding)
        )
        begins_at = change.at
        if change.cause == Cause.MIGRATION and overrides:
            ends = [_period_end(schedule, change.at) for schedule in running.values()]
            begins_at = min(ends, default=change.at)
        waits = change.cause in WAITING or (
            change.cause in CHOOSING and overriding <= running.keys() | pending.keys()
        )
        switch = cls(
            change=change,
            spans=spans(change.subscription, change.at),
            begins_at=begins_at,
            overrides=overrides,
            waits=waits,
            granting=frozenset(granting),
            put_off={},
        )
        retiring = [schedule for schedule in running.values() if switch._retires(schedule)]
        if not retiring:
            return switch
        put_off = {source: each.starts_at for source, each in pending.items()}
        if overrides:
            first = min(switch.end_of(schedule)[0] for schedule in retiring)
            put_off = dict.fromkeys(granting, first)
        return replace(switch, put_off=put_off)

    def begins(self, allowance: Allowance) -> datetime:
        """When a source begins that does not run yet."""
        return max(self.begins_at, self.put_off.get(allowance.source.source_id, self.begins_at))

    def keeps(self, schedule: ScheduleState, allowance: Allowance, span: Span) -> bool:
        """Whether a running schedule goes on as what `allowance` says: same periods."""
        return (
            schedule.anchor_at == span.anchor_at
            and schedule.cadence == allowance.source.cadence
            and schedule.is_override == _is_override(allowance)
        )

    def end_of(self, schedule: ScheduleState) -> tuple[datetime, Ending]:
        """When and how a schedule ends that gives way; then its successor may begin."""
        at = self.change.at
        if self._retires(schedule):
            return self._end_with_subscription(schedule)
        if self.change.cause == Cause.ANCHOR:
            return at, Ending.EXPIRE
        if self.change.cause == Cause.MIGRATION:
            reset_at = _period_end(schedule, at)
            over_at = self.begins_at if self.overrides else reset_at
            if schedule.ends_at is not None and schedule.ends_at <= over_at:
                return schedule.ends_at, schedule.ending
            return over_at, Ending.EXPIRE if over_at == reset_at else Ending.CARRY
        return at, Ending.CARRY if self._carries(schedule) else Ending.VOID

    def _retires(self, schedule: ScheduleState) -> bool:
        """Whether a migration lets it end later, and it may until then.

        That is at a reset, unless its trial or the subscription ends before. Who still grants
        may do so on other terms from now on, though.
        """
        return (
            self.waits
            and bool(self.spans)
            and schedule.source_id in self.change.held
            and schedule.ends_at is not None
            and schedule.ends_at > self.change.at
            and (
                schedule.ending == Ending.CARRY
                or schedule.ends_at == schedule.next_at
                or schedule.source_id not in self.granting
            )
        )

    def _end_with_subscription(self, schedule: ScheduleState) -> tuple[datetime, Ending]:
        """Nothing outlives the subscription (R32), nor the trial that it was given for (R25)."""
        assert schedule.ends_at is not None, "what retires has an end"
        over_at, ending = schedule.ends_at, schedule.ending
        if ending != Ending.CARRY:
            over_at, ending = _period_end(schedule, self.change.at), Ending.EXPIRE
        current = self.spans[0]
        if current.ends_at is not None and current.ends_at < over_at:
            return current.ends_at, current.ending
        return over_at, ending

    def _carries(self, schedule: ScheduleState) -> bool:
        """Whether what was consumed goes along: overrides (R29, R30), plan changes (R31)."""
        if self.change.cause == Cause.PLAN_CHANGE and not schedule.source_is_addon:
            return not self.change.resets
        return self.overrides


def _is_override(allowance: Allowance) -> bool:
    return allowance.source.behaviour == Behaviour.OVERRIDE


def _period_end(schedule: ScheduleState, at: datetime) -> datetime:
    """When the period of a schedule is over that `at` lies in, or just ends with."""
    if schedule.next_at is not None and at <= schedule.next_at:
        return schedule.next_at
    start, end = periods.containing(schedule.anchor_at, schedule.cadence, at)
    return at if start == at else end


def _finish(schedule: ScheduleState, switch: Switch) -> datetime:
    """Set the end of a running schedule; return when its successor may begin."""
    schedule.ends_at, schedule.ending = switch.end_of(schedule)
    schedule.changed = True
    return schedule.ends_at


def _plan_end(schedule: ScheduleState, at: datetime, ending: Ending) -> datetime:
    """Let an update end a schedule, unless it ends by then; return when it does."""
    if schedule.ends_at is not None and schedule.ends_at <= at:
        return schedule.ends_at
    schedule.planned_end_at, schedule.planned_ending = at, ending
    schedule.changed = True
    return at


def _says(schedule: ScheduleState, allowance: Allowance, span: Span) -> bool:
    """Whether a schedule that goes on says all that `allowance` does already."""
    source = allowance.source
    return (
        (schedule.name, schedule.amount) == (source.name, allowance.amount)
        and schedule.is_granted == source.is_granted
        and schedule.has_soft_limit == source.has_soft_limit
        and (schedule.ends_at, schedule.ending) == (span.ends_at, span.ending)
    )


def _drop(pool: PoolState, future: ScheduleState) -> None:
    """Take back a schedule that has not begun; rows already stored end where they start."""
    if future.pk is None:
        pool.schedules.remove(future)
        return
    future.ends_at, future.ended, future.changed = future.starts_at, True, True


def _adjust(pool: PoolState, schedule: ScheduleState, allowance: Allowance, span: Span) -> None:
    """Let a running schedule say the new amount: a rise is due now, a fall at reset (R27).

    What it gave already lives as long as a trial that ends at another instant now (R25).
    """
    schedule.name = allowance.source.name
    schedule.amount = allowance.amount
    schedule.units = recurring.units_of(allowance.source)
    schedule.is_granted = allowance.source.is_granted
    schedule.has_soft_limit = allowance.source.has_soft_limit
    schedule.ends_at, schedule.ending = span.ends_at, span.ending
    schedule.changed = True
    for grant in pool.open_grants:
        if timeline.belongs(grant, schedule) and grant.expires_at != schedule.grants_until:
            grant.expires_at, grant.changed = schedule.grants_until, True


def _add(
    pool: PoolState,
    allowance: Allowance,
    span: Span,
    change: Change,
    *,
    not_before: datetime,
    is_planned: bool = False,
) -> None:
    """Write a new schedule, unless its stretch is over before it could begin."""
    starts_at = max(span.starts_at, not_before)
    if span.ends_at is not None and span.ends_at <= starts_at:
        return
    source = allowance.source
    pool.schedules.append(
        ScheduleState(
            subscription_id=change.subscription.pk,
            source_id=source.source_id,
            source_is_addon=source.source_is_addon,
            name=source.name,
            amount=allowance.amount,
            units=recurring.units_of(source),
            cadence=source.cadence,
            anchor_at=span.anchor_at,
            starts_at=starts_at,
            ends_at=span.ends_at,
            ending=span.ending,
            is_planned=is_planned,
            is_override=_is_override(allowance),
            is_granted=source.is_granted,
            has_soft_limit=source.has_soft_limit,
            changed=True,
        )
    )


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
            _end_with_period(locked_pool.state)
        ledger.write(locked, actor=SYSTEM, now=now)


def _end_with_period(pool: PoolState) -> None:
    for schedule in [each for each in pool.schedules if not each.ended]:
        if schedule.next_at is None:
            _drop(pool, schedule)
        elif schedule.ends_at is None or schedule.ends_at > schedule.next_at:
            schedule.ends_at, schedule.ending = schedule.next_at, Ending.EXPIRE
            schedule.changed = True
