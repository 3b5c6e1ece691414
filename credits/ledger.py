"""The only writer of entries, remainders and balances (R52).

What verbs and time moved on paper is written here in one batch: schedules and their
marks, new grants, remainders, entries, balances. Entry, remainder, balance and totals are
written together or not at all.
"""

from collections.abc import Sequence
from datetime import datetime
from itertools import chain

from catalog.amounts import AmountField
from credits import timeline
from credits.book import Entry, GrantState, GrantType, ScheduleState
from credits.models import Grant, GrantSource, LedgerEntry, Schedule
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
    _write_grants(locked_pools, now)
    _write_entries(locked_pools, actor, now, reason)
    for locked_pool in locked_pools:
        _write_pool(locked_pool)


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
    if changed:
        Schedule.objects.bulk_update(changed, SCHEDULE_COLUMNS, batch_size=500)


SCHEDULE_COLUMNS = [
    "name",
    "amount",
    "cadence",
    "anchor_at",
    "starts_at",
    "ends_at",
    "ending",
    "is_override",
    "is_granted",
    "has_soft_limit",
    "mark",
    "given_back",
    "period_starts_at",
    "next_at",
    "ended",
]


def _schedule_row(pool_id: int, state: ScheduleState) -> Schedule:
    return Schedule(
        pk=state.pk,
        pool_id=pool_id,
        subscription_id=state.subscription_id,
        source_id=state.source_id,
        source_is_addon=state.source_is_addon,
        **{column: getattr(state, column) for column in SCHEDULE_COLUMNS},
    )


def _write_grants(locked_pools: Sequence[LockedPool], now: datetime) -> None:
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
                changed.append(
                    Grant(
                        pk=state.pk,
                        consumed=state.consumed,
                        stage=state.stage.value,
                        voided_at=state.voided_at,
                        effective_at=state.effective_at,
                        expires_at=state.expires_at,
                        updated_at=now,
                    )
                )
    if new:
        Grant.objects.bulk_create([row for _, row in new], batch_size=500)
        for state, row in new:
            state.pk = row.pk
    if len(changed) == 1:
        Grant.objects.filter(pk=changed[0].pk).update(
            **{column: getattr(changed[0], column) for column in GRANT_COLUMNS}
        )
    elif changed:
        Grant.objects.bulk_update(changed, GRANT_COLUMNS, batch_size=500)


GRANT_COLUMNS = ["consumed", "stage", "voided_at", "effective_at", "expires_at", "updated_at"]


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
        stage=state.stage.value,
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


def _write_entries(
    locked_pools: Sequence[LockedPool],
    actor: Actor,
    now: datetime,
    reason: str,
) -> None:
    rows = list(
        chain.from_iterable(
            _entry_rows(locked_pool, actor, now, reason) for locked_pool in locked_pools
        )
    )
    LedgerEntry.objects.bulk_create(rows, batch_size=500)


def _entry_rows(
    locked_pool: LockedPool,
    actor: Actor,
    now: datetime,
    reason: str,
) -> list[LedgerEntry]:
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


def _write_pool(locked_pool: LockedPool) -> None:
    row, state = locked_pool.row, locked_pool.state
    row.balance, row.granted, row.consumed = state.balance, state.granted, state.consumed
    row.last_entry_number, row.as_of = state.last_entry_number, state.as_of
    columns = ["balance", "granted", "consumed", "last_entry_number", "as_of"]
    if locked_pool.knows_schedules:
        standing = standing_on_paper(locked_pool)
        row.next_change_at = timeline.next_change_at(state)
        row.next_reset_at = standing.next_reset_at
        row.is_entitled = standing.is_entitled
        row.has_soft_limit = standing.has_soft_limit
        row.is_revoked = standing.is_revoked
        columns += [
            "next_change_at",
            "next_reset_at",
            "is_entitled",
            "has_soft_limit",
            "is_revoked",
        ]
    row.save(update_fields=columns)
