"""The only writer of entries, remainders and balances (R52).

What verbs and time moved on paper is written here in one batch: schedules and their
marks, new grants, remainders, entries, balances. Entry, remainder, balance and totals are
written together or not at all.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime

from django.db import connection

from catalog.amounts import AmountField
from credits import posting
from credits.book import ZERO, Entry, GrantState, GrantType, ScheduleState, Stage
from credits.columns import Row
from credits.models import GrantSource, Schedule
from credits.models.grants import SPENT
from credits.pools import LockedPool, standing_on_paper
from workspace.actors import SYSTEM, Actor
from workspace.errors import BadInput
from workspace.ids import new_ordered_uuid

LARGEST_BALANCE = AmountField.LARGEST


class TooManyCredits(BadInput):
    """The sum would not fit into a pool any more; nothing was changed."""


def write(
    locked_pools: Sequence[LockedPool],
    *,
    actor: Actor,
    now: datetime,
    reason: str = "",
) -> None:
    """Write down what happened in `locked_pools` since they were locked.

    Entries that time made are the system's; all others carry `actor` and the reason of
    their consumption, or `reason`. `now` is when they are recorded.

    Raises:
        TooManyCredits: a balance or total would leave the 64 bits of the database.
    """
    for locked_pool in locked_pools:
        _refuse_overflow(locked_pool)
    _write_schedules(locked_pools)
    remainders = _write_new_grants(locked_pools, now)
    # Schedules say when time changes a pool next; who has not read them has not changed them.
    outlook = any(locked_pool.knows_schedules for locked_pool in locked_pools)
    posting.post(
        grants=remainders,
        columns=posting.STANDINGS if outlook else posting.BALANCES,
        pools=[(_standing if outlook else _balance)(locked_pool) for locked_pool in locked_pools],
        entries=[
            row for locked_pool in locked_pools for row in _entries(locked_pool, actor, now, reason)
        ],
    )


def can_claim_and_write(locked_pool: LockedPool) -> bool:
    """Whether what one demand does can be written together with the claim of its key.

    PostgreSQL can, unless there is more to it: time has moved something too, or a new
    overdraft needs its id first.
    """
    return (
        connection.vendor == "postgresql"
        and not locked_pool.knows_schedules
        and all(entry.cause is not None for entry in locked_pool.state.entries)
        and all(grant.pk is not None for grant in locked_pool.state.grants)
    )


def claim_and_write(locked_pool: LockedPool, claim: Row, *, actor: Actor, now: datetime) -> bool:
    """As `write`, for what one demand did, if its key is new; False if it is not (R40).

    Raises:
        TooManyCredits: as `write`.
    """
    _refuse_overflow(locked_pool)
    balance = _balance(locked_pool)
    return posting.claim_and_post(
        claim,
        grants=_write_new_grants([locked_pool], now),
        balance=balance,
        entries=[row[:-1] for row in _entries(locked_pool, actor, now, "")],
    )


def _refuse_overflow(locked_pool: LockedPool) -> None:
    state = locked_pool.state
    if max(state.granted, state.consumed, abs(state.balance)) > LARGEST_BALANCE:
        raise TooManyCredits(
            f"A pool cannot hold more than {LARGEST_BALANCE:,.0f} credits.", field="amount"
        )


def _write_schedules(locked_pools: Sequence[LockedPool]) -> None:
    new: list[tuple[int, ScheduleState]] = []
    changed: list[Row] = []
    for locked_pool in locked_pools:
        for state in locked_pool.state.schedules:
            if state.changed and state.pk is None:
                new.append((locked_pool.row.pk, state))
            elif state.changed:
                changed.append(_schedule_columns(state))
            state.changed = False
    # What ends makes room for what lasts in its place.
    posting.update(posting.SCHEDULES, changed)
    rows = Schedule.objects.bulk_create(_schedule_row(pool_id, state) for pool_id, state in new)
    for row, (_, state) in zip(rows, new, strict=True):
        state.pk = row.pk


def _schedule_row(pool_id: int, state: ScheduleState) -> Schedule:
    return Schedule(
        pk=state.pk,
        pool_id=pool_id,
        subscription_id=state.subscription_id,
        source_id=state.source_id,
        source_is_addon=state.source_is_addon,
        name=state.name,
        amount=state.amount,
        units=state.units,
        cadence=state.cadence,
        anchor_at=state.anchor_at,
        starts_at=state.starts_at,
        ends_at=state.ends_at,
        ending=state.ending.value,
        planned_end_at=state.planned_end_at,
        planned_ending=state.planned_ending.value if state.planned_ending else "",
        is_planned=state.is_planned,
        is_override=state.is_override,
        is_granted=state.is_granted,
        has_soft_limit=state.has_soft_limit,
        mark=state.mark,
        given_back=state.given_back,
        used_elsewhere=state.used_elsewhere,
        period_starts_at=state.period_starts_at,
        next_at=state.next_at,
        ended=state.ended,
    )


def _schedule_columns(state: ScheduleState) -> Row:
    return (
        state.pk,
        state.name,
        state.amount,
        state.units,
        state.cadence,
        state.anchor_at,
        state.starts_at,
        state.ends_at,
        state.ending.value,
        state.planned_end_at,
        state.planned_ending.value if state.planned_ending else "",
        state.is_override,
        state.is_granted,
        state.has_soft_limit,
        state.mark,
        state.given_back,
        state.used_elsewhere,
        state.period_starts_at,
        state.next_at,
        state.ended,
    )


def _write_new_grants(locked_pools: Sequence[LockedPool], now: datetime) -> list[Row]:
    """Add the grants that are new; return changed ones that are still to be written."""
    new: list[GrantState] = []
    rows: list[Row] = []
    changed: list[Row] = []
    for locked_pool in locked_pools:
        for state in locked_pool.state.grants:
            if not state.changed:
                continue
            state.changed = False
            if state.pk is None:
                new.append(state)
                rows.append(_grant_row(locked_pool.state.pk, state, now))
            else:
                changed.append(_remainder(state, now))
    if not new:
        return changed
    # What closes makes room for what opens: a settled overdraft for the next one, a period
    # that ends early for the one that begins.
    posting.update(posting.GRANTS, changed)
    for state, pk in zip(new, posting.add_grants(rows), strict=True):
        state.pk = pk
    return []


def _remainder(state: GrantState, now: datetime) -> Row:
    return (
        state.pk,
        state.consumed,
        _stored_stage(state),
        state.voided_at,
        state.effective_at,
        state.expires_at,
        now,
    )


def _stored_stage(state: GrantState) -> str:
    """The stage, or SPENT for what is open but can neither pay nor expire any more."""
    used_up = state.type != GrantType.OVERDRAFT and not state.remaining
    if state.stage == Stage.OPEN and used_up and state.expires_at is None:
        return SPENT
    return state.stage.value


def _grant_row(pool_id: int, state: GrantState, now: datetime) -> Row:
    schedule = state.schedule if state.type == GrantType.RECURRING else None
    details = state.details or {}
    return (
        new_ordered_uuid(),
        pool_id,
        state.type.value,
        GrantSource.of(schedule).value if schedule else details.get("source_type", ""),
        schedule and schedule.pk,
        schedule and schedule.subscription_id,
        schedule and schedule.source_id,
        state.name,
        details.get("comment", ""),
        details.get("metadata", {}),
        state.amount,
        state.consumed,
        state.priority,
        details.get("cost_amount", ZERO),
        details.get("cost_currency", "USD"),
        state.effective_at,
        state.expires_at,
        state.payment_pending,
        state.voided_at,
        "",
        _stored_stage(state),
        state.period_starts_at,
        state.period_ends_at,
        state.mark_before,
        state.period_amount,
        state.units,
        state.created_at,
        now,
    )


def _entries(locked_pool: LockedPool, actor: Actor, now: datetime, reason: str) -> Iterator[Row]:
    """The rows of the entries that were made on paper, numbered on from the last one."""
    state = locked_pool.state
    entries, state.entries = state.entries, []
    first = state.last_entry_number - len(entries) + 1
    for number, entry in enumerate(entries, start=first):
        by = SYSTEM if entry.by_time else actor
        yield (
            state.pk,
            number,
            entry.type.value,
            entry.amount,
            entry.balance_before,
            entry.balance_after,
            entry.grant.pk,
            entry.effective_at,
            now,
            by.kind.value,
            by.name,
            _reason(entry, reason),
            None if entry.cause is None else entry.cause.pk,
        )


def _reason(entry: Entry, reason: str) -> str:
    if entry.by_time:
        return ""
    return entry.cause.reason if entry.cause is not None else reason


def _balance(locked_pool: LockedPool) -> Row:
    """The totals, and the number of the last entry with those that are about to be written."""
    state = locked_pool.state
    state.last_entry_number += len(state.entries)
    return (
        state.pk,
        state.balance,
        state.granted,
        state.consumed,
        state.last_entry_number,
        state.as_of,
    )


def _standing(locked_pool: LockedPool) -> Row:
    """As `_balance`, and what schedules say."""
    standing = standing_on_paper(locked_pool)
    return (
        *_balance(locked_pool),
        standing.next_change_at,
        standing.next_reset_at,
        standing.is_entitled,
        standing.has_soft_limit,
        standing.is_revoked,
    )
