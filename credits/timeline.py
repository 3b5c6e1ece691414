"""What time does to a pool: expire, take effect, issue, settle (R18, R20–R26, R36).

Reset, read, preview and forecast all walk a pool through `advance`; it is the only place
where these rules are written. It knows neither database nor clock.
"""

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal

from credits import burn_order
from credits.book import (
    ZERO,
    Ending,
    Entry,
    EntryType,
    GrantState,
    GrantType,
    PoolState,
    ScheduleState,
    Stage,
)
from subscriptions import periods

RECURRING_PRIORITY = 10


def advance(pool: PoolState, until: datetime) -> tuple[PoolState, list[Entry]]:
    """The pool as it is at `until`, and the entries that happened on the way.

    Works through every instant in order, each at its true time, however long the way
    (R24). `pool` itself is left untouched; walking in one step or in many is the same.
    """
    pool = pool.copy()
    known = len(pool.entries)
    bring(pool, until)
    return pool, pool.entries[known:]


def bring(pool: PoolState, until: datetime) -> None:
    """As `advance`, in place: for a pool that was read to be brought up to `until`."""
    while (at := next_change_at(pool)) is not None and at <= until:
        turn(pool, at)


def next_change_at(pool: PoolState) -> datetime | None:
    """The next instant at which time alone changes the pool; None when it never will."""
    return min(_instants(pool), default=None)


def next_reset_at(pool: PoolState) -> datetime | None:
    """When the next recurring grant is due: a period turns, or a schedule begins (R43).

    A trial's successor begins where the trial ends; a schedule that ends with its period,
    or before, turns no more. What takes over from the same source turns when that one would.
    """
    lasting = [schedule for schedule in pool.schedules if not schedule.ended]
    handing_over = [each for each in lasting if each.planned_ending == Ending.HAND_OVER]
    taking_over = {(each.source, each.planned_end_at) for each in handing_over}
    return min(
        (
            schedule.next_at or schedule.starts_at
            for schedule in lasting
            if schedule.is_granted
            and grants_again(schedule)
            and (schedule.source, schedule.starts_at) not in taking_over
        ),
        default=None,
    )


def grants_again(schedule: ScheduleState) -> bool:
    """Whether another period of the schedule will begin."""
    if schedule.ended:
        return False
    upcoming = schedule.next_at or schedule.starts_at
    if schedule.planned_ending == Ending.HAND_OVER:
        return schedule.ends_at is None or upcoming < schedule.ends_at
    return schedule.over_at is None or upcoming < schedule.over_at


def turn(pool: PoolState, at: datetime) -> None:
    """Do in place everything that is due in the pool at the instant `at`.

    In this order: expire old; end and start schedules; let grants take effect and issue,
    in burn order; carry consumption; void; settle the overdraft (R22, R27). A change
    inside a period is a schedule edited and then turned at its instant.
    """
    ending = [
        schedule
        for schedule in pool.schedules
        if not schedule.ended and schedule.over_at is not None and schedule.over_at <= at
    ]
    for schedule in ending:
        schedule.finish()
    for grant in burn_order.ordered(_expired(pool, ending, at)):
        pool.close(grant, EntryType.EXPIRED, at, by_time=True)
    starting = [schedule for schedule in pool.schedules if _starts(schedule, at)]
    for schedule in starting:
        _start(pool, schedule, at)
    arriving = [grant for grant in pool.grants if _takes_effect(grant, at)]
    for schedule in pool.schedules:
        if schedule.in_force:
            _roll(schedule, at)
            issued = _issue(pool, schedule, at)
            if issued is not None:
                arriving.append(issued)
    for grant in burn_order.ordered(arriving):
        pool.open(grant, at, by_time=True)
    for schedule in ending:
        if schedule.ending == Ending.CARRY:
            _carry(pool, schedule, starting, at)
    for schedule in ending:
        _take_back(pool, schedule, at)
    for schedule in starting:
        _count_what_was_given_back(pool, schedule)
    settle(pool, at)
    pool.schedules = [
        schedule
        for schedule in pool.schedules
        if schedule.changed or not schedule.ended or (schedule.next_at or at) > at
    ]


def settle(pool: PoolState, at: datetime, *, by_time: bool = True) -> None:
    """Let grants that have something left pay the overdraft, in burn order (R36)."""
    overdraft = pool.overdraft
    if overdraft is None:
        return
    shares, unpaid = burn_order.split(overdraft.consumed, pool.open_grants)
    for share in shares:
        pool.move_consumption(overdraft, share.grant, share.amount, at, by_time=by_time)
    if not unpaid:
        pool.close(overdraft, EntryType.VOIDED, at, by_time=by_time)


def _instants(pool: PoolState) -> Iterator[datetime]:
    for grant in pool.grants:
        if grant.stage == Stage.WAITING and not grant.payment_pending:
            yield grant.effective_at
        if grant.stage != Stage.CLOSED and grant.expires_at is not None:
            yield grant.expires_at
    for schedule in pool.schedules:
        if schedule.ended:
            continue
        if schedule.over_at is not None:
            yield schedule.over_at
        if schedule.next_at is None:
            yield schedule.starts_at
        else:
            yield schedule.next_at


def _expired(pool: PoolState, ending: list[ScheduleState], at: datetime) -> list[GrantState]:
    """Grants whose time is over, and those that expire with their schedule (R25, R26)."""
    return [
        grant
        for grant in pool.grants
        if grant.stage != Stage.CLOSED
        and (
            (grant.expires_at is not None and grant.expires_at <= at)
            or any(
                belongs(grant, schedule) and _expires_with_schedule(grant, schedule, at)
                for schedule in ending
            )
        )
    ]


def _expires_with_schedule(grant: GrantState, schedule: ScheduleState, at: datetime) -> bool:
    return schedule.ending == Ending.EXPIRE and grant.effective_at < at


def _takes_effect(grant: GrantState, at: datetime) -> bool:
    return grant.stage == Stage.WAITING and not grant.payment_pending and grant.effective_at <= at


def _starts(schedule: ScheduleState, at: datetime) -> bool:
    return schedule.next_at is None and not schedule.ended and schedule.starts_at <= at


def _start(pool: PoolState, schedule: ScheduleState, at: datetime) -> None:
    """Begin the period that `at` lies in, with the mark the source left in it (R31).

    What a source that makes way for itself still holds is about to be taken back, so it
    counts as given back already.
    """
    schedule.period_starts_at, schedule.next_at = periods.containing(
        schedule.anchor_at, schedule.cadence, at
    )
    schedule.changed = True
    for earlier in _in_the_same_period(pool, schedule):
        schedule.mark = max(schedule.mark, earlier.mark)
        given_back = earlier.given_back + _to_give_back(pool, earlier)
        schedule.given_back = max(schedule.given_back, given_back)
        schedule.used_elsewhere = max(schedule.used_elsewhere, earlier.used_elsewhere)


def _in_the_same_period(pool: PoolState, schedule: ScheduleState) -> list[ScheduleState]:
    """Schedules by which the same source gave in the current period of `schedule`."""
    return [
        earlier
        for earlier in pool.schedules
        if earlier is not schedule
        and earlier.ended
        and earlier.source == schedule.source
        and earlier.period_starts_at == schedule.period_starts_at
        and earlier.next_at == schedule.next_at
    ]


def net_of(schedule: ScheduleState) -> Decimal:
    """What a source gave in its period and did not get back, here and elsewhere."""
    return schedule.mark - schedule.given_back + schedule.used_elsewhere


def net_given(
    pool: PoolState, source: tuple[int, int], period: tuple[datetime | None, datetime | None]
) -> Decimal:
    """What a source that has left the pool gave in it in `period` and did not get back."""
    left = [each for each in pool.schedules if (each.source, each.period) == (source, period)]
    mark = max((each.mark for each in left), default=ZERO)
    return mark - max((each.given_back for each in left), default=ZERO)


def _to_give_back(pool: PoolState, ending: ScheduleState) -> Decimal:
    """What the end of a schedule will take back of what it has in the pool."""
    if ending.ending == Ending.HAND_OVER:
        return ZERO
    held = _given_by(pool, ending)
    if ending.ending == Ending.CARRY:
        return sum((grant.amount for grant in held), ZERO)
    return sum((grant.remaining for grant in held), ZERO)


def _roll(schedule: ScheduleState, at: datetime) -> None:
    """Turn to the next period when the current one is over; its mark starts at zero."""
    if schedule.next_at is not None and schedule.next_at <= at:
        schedule.period_starts_at, schedule.next_at = periods.containing(
            schedule.anchor_at, schedule.cadence, at
        )
        schedule.mark = schedule.given_back = schedule.used_elsewhere = ZERO
        schedule.changed = True


def _issue(pool: PoolState, schedule: ScheduleState, at: datetime) -> GrantState | None:
    """The step from the mark to the amount, if there is one (R22, R23, R27)."""
    due = schedule.amount - (schedule.mark - schedule.given_back) - schedule.used_elsewhere
    if not schedule.is_granted or due <= 0:
        return None
    grant = GrantState(
        type=GrantType.RECURRING,
        amount=due,
        priority=RECURRING_PRIORITY,
        effective_at=pool.not_before(at),
        expires_at=schedule.grants_until,
        created_at=at,
        schedule=schedule,
        period_starts_at=schedule.period_starts_at,
        period_ends_at=schedule.next_at,
        mark_before=schedule.mark,
        period_amount=schedule.amount,
        units=schedule.units,
        name=schedule.name,
    )
    schedule.mark += due
    schedule.changed = True
    return grant


def _given_by(pool: PoolState, schedule: ScheduleState) -> list[GrantState]:
    return [grant for grant in pool.open_grants if belongs(grant, schedule)]


def belongs(grant: GrantState, schedule: ScheduleState) -> bool:
    """Whether `schedule` gave the grant, or another one that handed over to it.

    Of a source at most one schedule runs at a time; what handed over has ended.
    """
    giver = grant.schedule
    return giver is schedule or (
        giver is not None
        and giver.ended
        and giver.ending == Ending.HAND_OVER
        and giver.source == schedule.source
        and giver.starts_at <= schedule.starts_at
        and giver.next_at == schedule.next_at
    )


def _carry(
    pool: PoolState, ending: ScheduleState, starting: list[ScheduleState], at: datetime
) -> None:
    """Move consumption of an ending source to what starts in its place (R29–R31).

    Up to what the new grants can pay, in burn order; the rest stays where it is.
    """
    targets = [
        grant
        for schedule in starting
        if schedule.subscription_id == ending.subscription_id
        for grant in _given_by(pool, schedule)
    ]
    for source in burn_order.ordered(_given_by(pool, ending)):
        shares, _ = burn_order.split(source.consumed, targets)
        for share in shares:
            pool.move_consumption(source, share.grant, share.amount, at, by_time=True)


def _take_back(pool: PoolState, schedule: ScheduleState, at: datetime) -> None:
    """Void what an ended source has left, and note it as given back; unless it goes on."""
    if schedule.ending == Ending.HAND_OVER:
        return
    for grant in burn_order.ordered(_given_by(pool, schedule)):
        schedule.given_back += pool.close(grant, EntryType.VOIDED, at, by_time=True)


def _count_what_was_given_back(pool: PoolState, schedule: ScheduleState) -> None:
    """Correct what was foreseen at the start by what really could be carried (R31)."""
    schedule.given_back = max(
        (earlier.given_back for earlier in _in_the_same_period(pool, schedule)), default=ZERO
    )
