"""A subscription changes: its schedules are rewritten, then the pools are turned.

Nothing here grants, moves or voids by itself. What a subscription gives is written down
as schedules, from when until when and how each ends; `credits.timeline` does the rest at
the right instant, today or next year (R13, R14, R18, R25–R32).
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from catalog.models import Behaviour, CreditType
from credits import ledger, pools, recurring, timeline
from credits.book import Ending, PoolState, ScheduleState
from credits.models import Pool, Schedule
from credits.pools import LockedPool
from credits.recurring import Allowance
from subscriptions.causes import Cause
from subscriptions.entitlements import CreditSource, credit_sources
from subscriptions.models import Subscription
from workspace.actors import SYSTEM, Actor


def start(*, subscription: Subscription, actor: Actor, now: datetime) -> None:
    """Write the schedules of a new subscription, and issue what is due (R18, R23–R25)."""
    apply(subscription=subscription, cause=Cause.START, resets=False, actor=actor, now=now)


def end(*, subscription: Subscription, actor: Actor, now: datetime) -> None:
    """Let the schedules end when the subscription does (R18, R32)."""
    apply(subscription=subscription, cause=Cause.END, resets=False, actor=actor, now=now)


def apply(
    *, subscription: Subscription, cause: Cause, resets: bool, actor: Actor, now: datetime
) -> None:
    """Make the schedules say what the subscription now says, and do what is due.

    Args:
        cause: why it changed; decides what happens to credits already given.
        resets: of a plan change, whether use starts afresh instead of being carried (R31).
    """
    wanted = _wanted(subscription, now)
    addons = subscription.addons.values_list("addon_id", flat=True)
    held = {subscription.plan_id, *addons}
    locked = _lock_pools(subscription, wanted, now)
    for locked_pool in locked:
        allowances = wanted.get(locked_pool.row.credit_type_id, [])
        plan(
            locked_pool.state,
            subscription,
            allowances,
            held=held,
            cause=cause,
            resets=resets,
            now=now,
        )
        timeline.turn(locked_pool.state, now)
    ledger.write(locked, actor=actor, now=now)


def plan(
    pool: PoolState,
    subscription: Subscription,
    allowances: list[Allowance],
    *,
    held: Collection[int] = (),
    cause: Cause,
    resets: bool = False,
    now: datetime,
) -> None:
    """Edit a pool's schedules so that they say `allowances`, on paper and without acting.

    Preview and apply share this step; `timeline.turn` then does what is due. `held` are the
    packages that the subscription has, whether or not they still include these credits.
    """
    _reconcile(pool, allowances, Change(cause, resets, subscription, now, frozenset(held)))


@dataclass(slots=True, frozen=True)
class Span:
    """A stretch of a subscription's life with one anchor: its trial, or what follows."""

    anchor_at: datetime
    starts_at: datetime
    ends_at: datetime | None
    ending: Ending


@dataclass(slots=True, frozen=True)
class Change:
    """One change of one subscription at one instant."""

    cause: Cause
    resets: bool
    subscription: Subscription
    now: datetime
    held: frozenset[int]


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


def _wanted(subscription: Subscription, now: datetime) -> dict[int, list[Allowance]]:
    """Per credit type, who grants and how much, if the subscription grants at all."""
    by_type: dict[int, list[CreditSource]] = defaultdict(list)
    if spans(subscription, now):
        sources = credit_sources(subscription)
        active = CreditType.objects.active().filter(
            pk__in={source.credit_type_id for source in sources}
        )
        given = set(active.values_list("pk", flat=True))
        for source in sources:
            if source.credit_type_id in given:
                by_type[source.credit_type_id].append(source)
    return {credit_type: recurring.in_force(sources) for credit_type, sources in by_type.items()}


def _lock_pools(
    subscription: Subscription, credit_types: Iterable[int], now: datetime
) -> list[LockedPool]:
    """All pools that the subscription gives to, or gave to, brought up to now."""
    known = set(
        Schedule.objects.filter(subscription=subscription, ended=False).values_list(
            "pool_id", flat=True
        )
    )
    opened = {
        pools.open_pool(
            customer_id=subscription.customer_id,
            credit_type_id=credit_type_id,
            resource_id=subscription.resource_id,
            now=now,
        )
        for credit_type_id in sorted(credit_types)
    }
    return pools.lock_several(known | opened, now, with_schedules=True)


def _reconcile(pool: PoolState, allowances: list[Allowance], change: Change) -> None:
    """Edit the pool's schedules of this subscription so that they say `allowances`."""
    mine = [
        schedule
        for schedule in pool.schedules
        if schedule.subscription_id == change.subscription.pk and not schedule.ended
    ]
    pending = {schedule.source_id: schedule for schedule in mine if schedule.next_at is None}
    running = {schedule.source_id: schedule for schedule in mine if schedule.next_at is not None}
    switch = Switch.between(running, pending, allowances, change)
    for future in (schedule for schedule in mine if schedule.next_at is None):
        _drop(pool, future)
    for allowance in allowances:
        schedule = running.pop(allowance.source.source_id, None)
        for span in switch.spans:
            is_current = span.starts_at <= change.now
            if is_current and schedule is not None and switch.keeps(schedule, allowance, span):
                _adjust(pool, schedule, allowance, span)
            elif is_current and schedule is not None:
                over_at = switch.finish(schedule)
                _add(pool, allowance, span, change, not_before=over_at)
            elif is_current:
                _add(pool, allowance, span, change, not_before=switch.begins(allowance))
            else:
                _add(pool, allowance, span, change, not_before=span.starts_at)
    for schedule in running.values():
        switch.finish(schedule)


@dataclass(slots=True, frozen=True)
class Switch:
    """When and how the sources of one pool give way to others, by the cause of the change.

    `begins_at` is when new sources begin, `overrides` whether an override comes or goes.
    What an earlier migration has put off until the next reset (R14) stays put off where
    `waits`: `put_off` is when which source will begin.
    """

    change: Change
    spans: list[Span]
    begins_at: datetime
    overrides: bool
    waits: bool
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
        begins_at = change.now
        if change.cause == Cause.MIGRATION and overrides:
            ends = [_period_end(schedule) for schedule in running.values()]
            begins_at = min(ends, default=change.now)
        waits = (
            change.cause not in (Cause.ANCHOR, Cause.PLAN_CHANGE)
            and overriding <= running.keys() | pending.keys()
        )
        return cls(
            change=change,
            spans=spans(change.subscription, change.now),
            begins_at=begins_at,
            overrides=overrides,
            waits=waits,
            put_off={source: each.starts_at for source, each in pending.items()} if waits else {},
        )

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

    def finish(self, schedule: ScheduleState) -> datetime:
        """Set the end of a running schedule; return when its successor may begin."""
        schedule.changed = True
        if self._retires(schedule):
            self._end_with_subscription(schedule)
        elif self.change.cause == Cause.ANCHOR:
            schedule.ends_at, schedule.ending = self.change.now, Ending.EXPIRE
        elif self.change.cause == Cause.MIGRATION:
            over_at = self.begins_at if self.overrides else _period_end(schedule)
            if schedule.ends_at is None or over_at < schedule.ends_at:
                on_time = over_at == schedule.next_at
                schedule.ends_at = over_at
                schedule.ending = Ending.EXPIRE if on_time else Ending.CARRY
        else:
            schedule.ends_at = self.change.now
            schedule.ending = Ending.CARRY if self._carries(schedule) else Ending.VOID
        assert schedule.ends_at is not None, "every branch sets an end"
        return schedule.ends_at

    def _retires(self, schedule: ScheduleState) -> bool:
        """Whether it ends at a reset that an earlier migration chose, and may until then."""
        return (
            self.waits
            and bool(self.spans)
            and schedule.source_id in self.change.held
            and schedule.ends_at is not None
            and schedule.ends_at > self.change.now
            and (schedule.ending == Ending.CARRY or schedule.ends_at == schedule.next_at)
        )

    def _end_with_subscription(self, schedule: ScheduleState) -> None:
        """Nothing outlives the subscription (R32)."""
        last = self.spans[-1].ends_at
        if last is not None and (schedule.ends_at is None or last < schedule.ends_at):
            schedule.ends_at, schedule.ending = last, Ending.VOID

    def _carries(self, schedule: ScheduleState) -> bool:
        """Whether what was consumed goes along: overrides (R29, R30), plan changes (R31)."""
        if self.change.cause == Cause.PLAN_CHANGE and not schedule.source_is_addon:
            return not self.change.resets
        return self.overrides


def _is_override(allowance: Allowance) -> bool:
    return allowance.source.behaviour == Behaviour.OVERRIDE


def _period_end(schedule: ScheduleState) -> datetime:
    """When the current period of a schedule in force is over."""
    assert schedule.next_at is not None, "a schedule in force has a period"
    return schedule.next_at


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
    schedule.is_granted = allowance.source.is_granted
    schedule.has_soft_limit = allowance.source.has_soft_limit
    schedule.ends_at, schedule.ending = span.ends_at, span.ending
    schedule.changed = True
    for grant in pool.open_grants:
        if grant.schedule is schedule and grant.expires_at != schedule.grants_until:
            grant.expires_at, grant.changed = schedule.grants_until, True


def _add(
    pool: PoolState,
    allowance: Allowance,
    span: Span,
    change: Change,
    *,
    not_before: datetime,
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
            cadence=source.cadence,
            anchor_at=span.anchor_at,
            starts_at=starts_at,
            ends_at=span.ends_at,
            ending=span.ending,
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
