"""What a pool's schedules say once a subscription has changed (R13, R14, R18, R24–R32).

From when until when each source gives, and what its end does to what it gave. On paper: nothing
here asks the database, and nothing is granted before `credits.timeline` turns the pool.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from catalog.models import Behaviour
from credits import recurring, timeline
from credits.book import Ending, PoolState, ScheduleState
from credits.recurring import Allowance
from subscriptions import periods
from subscriptions.causes import Cause
from subscriptions.models import Subscription


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


def plan(pool: PoolState, steps: Sequence[tuple[Change, list[Allowance]]]) -> None:
    """Edit a pool's schedules so that they say what each change lets grant, without acting.

    The first change is of today; a second one is a scheduled update. Preview and apply share
    this step; `timeline.turn` then does what is due.
    """
    (change, allowances), *later = steps
    _reconcile(pool, allowances, change)
    for upcoming, then in later:
        _foresee(pool, then, upcoming)


def end_with_periods(pool: PoolState) -> None:
    """Let every schedule of a pool end with its current period, whatever it said (R3)."""
    for schedule in [each for each in pool.schedules if not each.ended]:
        if schedule.next_at is None:
            _drop(pool, schedule)
        elif schedule.ends_at is None or schedule.ends_at > schedule.next_at:
            schedule.ends_at, schedule.ending = schedule.next_at, Ending.EXPIRE
            schedule.changed = True


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
