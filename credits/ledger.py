"""The only writer of entries, remainders and balances (R52).

What verbs and time moved on paper is written here in one batch: schedules and their
marks, new grants, remainders, entries, balances. Entry, remainder, balance and totals are
written together or not at all.
"""

from collections.abc import Sequence
from datetime import datetime

from catalog.amounts import AmountField
from credits import posting, timeline
from credits.book import Entry, GrantState, GrantType, ScheduleState, Stage
from credits.models import Grant, GrantSource, LedgerEntry, Pool, Schedule
from credits.models.grants import SPENT
from credits.pools import LockedPool, standing_on_paper
from workspace.actors import SYSTEM, Actor
from workspace.errors import BadInput

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
    entries = [
        row for locked_pool in locked_pools for row in _entries(locked_pool, actor, now, reason)
    ]
    rows = [_balance(locked_pool) for locked_pool in locked_pools]
    posting.post(grants=remainders, entries=entries, pools=rows)
    posting.update(
        posting.OUTLOOKS,
        [_outlook(locked_pool) for locked_pool in locked_pools if locked_pool.knows_schedules],
    )


def _refuse_overflow(locked_pool: LockedPool) -> None:
    state = locked_pool.state
    if max(state.granted, state.consumed, abs(state.balance)) > LARGEST_BALANCE:
        raise TooManyCredits(
            f"A pool cannot hold more than {LARGEST_BALANCE:,.0f} credits.", field="amount"
        )


def _write_schedules(locked_pools: Sequence[LockedPool]) -> None:
    changed: list[Schedule] = []
    for locked_pool in locked_pools:
        for state in locked_pool.state.schedules:
            if not state.changed:
                continue
            row = _schedule_row(locked_pool.row.pk, state)
            if state.pk is None:
                row.save(force_insert=True)
                state.pk = row.pk
            else:
                changed.append(row)
            state.changed = False
    posting.update(posting.SCHEDULES, changed)


def _schedule_row(pool_id: int, state: ScheduleState) -> Schedule:
    return Schedule(
        pk=state.pk,
        pool_id=pool_id,
        subscription_id=state.subscription_id,
        source_id=state.source_id,
        source_is_addon=state.source_is_addon,
        name=state.name,
        amount=state.amount,
        cadence=state.cadence,
        anchor_at=state.anchor_at,
        starts_at=state.starts_at,
        ends_at=state.ends_at,
        ending=state.ending.value,
        is_override=state.is_override,
        is_granted=state.is_granted,
        has_soft_limit=state.has_soft_limit,
        mark=state.mark,
        given_back=state.given_back,
        period_starts_at=state.period_starts_at,
        next_at=state.next_at,
        ended=state.ended,
    )


def _write_new_grants(locked_pools: Sequence[LockedPool], now: datetime) -> list[Grant]:
    """Add the grants that are new; return the others that changed, to be written."""
    new: list[tuple[GrantState, Grant]] = []
    changed: list[Grant] = []
    for locked_pool in locked_pools:
        for state in locked_pool.state.grants:
            if not state.changed:
                continue
            state.changed = False
            if state.pk is None:
                new.append((state, _grant_row(locked_pool.row.pk, state, now)))
            else:
                changed.append(_remainder(state, now))
    if new:
        Grant.objects.bulk_create([row for _, row in new], batch_size=500)
        for state, row in new:
            state.pk = row.pk
    return changed


def _remainder(state: GrantState, now: datetime) -> Grant:
    return Grant(
        pk=state.pk,
        consumed=state.consumed,
        stage=_stored_stage(state),
        voided_at=state.voided_at,
        effective_at=state.effective_at,
        expires_at=state.expires_at,
        updated_at=now,
    )


def _stored_stage(state: GrantState) -> str:
    """The stage, or SPENT for what is open but can neither pay nor expire any more."""
    used_up = state.type != GrantType.OVERDRAFT and not state.remaining
    if state.stage == Stage.OPEN and used_up and state.expires_at is None:
        return SPENT
    return state.stage.value


def _grant_row(pool_id: int, state: GrantState, now: datetime) -> Grant:
    row = Grant(
        pool_id=pool_id,
        type=state.type.value,
        name=state.name,
        amount=state.amount,
        consumed=state.consumed,
        priority=state.priority,
        effective_at=state.effective_at,
        expires_at=state.expires_at,
        payment_pending=state.payment_pending,
        stage=_stored_stage(state),
        voided_at=state.voided_at,
        created_at=state.created_at,
        updated_at=now,
    )
    if state.type == GrantType.RECURRING and state.schedule is not None:
        row.schedule_id = state.schedule.pk
        row.subscription_id = state.schedule.subscription_id
        row.source_id = state.schedule.source_id
        row.source_type = (
            GrantSource.ADDON_ENTITLEMENT
            if state.schedule.source_is_addon
            else GrantSource.PLAN_ENTITLEMENT
        )
        row.period_starts_at = state.period_starts_at
        row.mark_before = state.mark_before
    for column, value in (state.details or {}).items():
        setattr(row, column, value)
    return row


def _entries(
    locked_pool: LockedPool, actor: Actor, now: datetime, reason: str
) -> list[LedgerEntry]:
    """The rows of the entries that were made on paper, numbered on from the last one."""
    state = locked_pool.state
    entries, state.entries = state.entries, []
    rows = []
    for entry in entries:
        state.last_entry_number += 1
        by = SYSTEM if entry.by_time else actor
        rows.append(
            LedgerEntry(
                pool_id=state.pk,
                number=state.last_entry_number,
                type=entry.type.value,
                amount=entry.amount,
                balance_before=entry.balance_before,
                balance_after=entry.balance_after,
                grant_id=entry.grant.pk,
                consumption=entry.cause,
                effective_at=entry.effective_at,
                recorded_at=now,
                actor_kind=by.kind,
                actor=by.name,
                reason=_reason(entry, reason),
            )
        )
    return rows


def _reason(entry: Entry, reason: str) -> str:
    if entry.by_time:
        return ""
    return entry.cause.reason if entry.cause is not None else reason


def _balance(locked_pool: LockedPool) -> Pool:
    row, state = locked_pool.row, locked_pool.state
    row.balance, row.granted, row.consumed = state.balance, state.granted, state.consumed
    row.last_entry_number, row.as_of = state.last_entry_number, state.as_of
    return row


def _outlook(locked_pool: LockedPool) -> Pool:
    row, standing = locked_pool.row, standing_on_paper(locked_pool)
    row.next_change_at = timeline.next_change_at(locked_pool.state)
    row.next_reset_at = standing.next_reset_at
    row.is_entitled = standing.is_entitled
    row.has_soft_limit = standing.has_soft_limit
    row.is_revoked = standing.is_revoked
    return row
