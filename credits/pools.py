"""Pools: open one, lock it and bring it up to now, and say what is in it (R42, R43)."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, fields, replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db import connection
from django.db.models import F

from catalog.credit_types import UnknownCreditType
from catalog.models import CreditType
from credits import timeline
from credits.book import Ending, GrantState, GrantType, PoolState, ScheduleState, Stage
from credits.columns import Columns, among, fetch
from credits.models import Grant, Pool, Schedule
from credits.models.grants import LIVE, SPENT
from subscriptions import customers
from workspace.errors import Busy, UnknownObject

TRIES_TO_READ = 5


class UnknownPool(UnknownObject):
    """There is no such pool."""


class PoolsKeepChanging(Busy):
    """A pool was written every time it was being read."""


@dataclass(slots=True, eq=False)
class LockedPool:
    """A pool whose row this transaction holds, brought up to the moment of its lock.

    Only the functions that lock make one; what moves credits asks for one. Movements stay
    on paper in `state` until `credits.ledger.write`.
    """

    row: Pool
    state: PoolState
    knows_schedules: bool


@dataclass(slots=True, frozen=True)
class Standing:
    """What a pool holds at an instant (R43, R44).

    `granted` and `consumed` total the active grants, `consumed` with the overdraft;
    `balance` is their difference. `as_of` is when this last changed, None if it never did,
    and `next_change_at` when time will change it. `next_reset_at` is None if nothing recurs.
    """

    balance: Decimal
    granted: Decimal
    consumed: Decimal
    next_reset_at: datetime | None
    is_entitled: bool
    has_soft_limit: bool
    is_revoked: bool
    as_of: datetime | None
    next_change_at: datetime | None


def open_pool(
    *, customer_id: int, credit_type_id: int, resource_id: int | None, now: datetime
) -> int:
    """The id of the customer's pool, which is made if it is the first time (R42)."""
    wanted = Pool.objects.filter(
        customer_id=customer_id, credit_type_id=credit_type_id, resource=resource_id
    )
    pool, _ = wanted.get_or_create(
        defaults={
            "customer_id": customer_id,
            "credit_type_id": credit_type_id,
            "resource_id": resource_id,
            "created_at": now,
        }
    )
    return pool.pk


Owner = tuple[int, int, int | None]
"""Whose pool of what: a customer, a credit type, and a resource or none."""


def open_several(owners: Collection[Owner], now: datetime) -> dict[Owner, int]:
    """As `open_pool`, for many, in a constant number of statements."""
    opened = _opened(owners)
    missing = sorted(
        set(owners) - opened.keys(), key=lambda owner: (owner[0], owner[1], owner[2] or 0)
    )
    if missing:
        # Somebody else may open the same one: then theirs is the one.
        Pool.objects.bulk_create(
            [
                Pool(
                    customer_id=customer_id,
                    credit_type_id=credit_type_id,
                    resource_id=resource_id,
                    created_at=now,
                )
                for customer_id, credit_type_id, resource_id in missing
            ],
            ignore_conflicts=True,
        )
        opened = _opened(owners)
    return opened


def _opened(owners: Collection[Owner]) -> dict[Owner, int]:
    rows = Pool.objects.filter(
        customer_id__in={customer_id for customer_id, _, _ in owners},
        credit_type_id__in={credit_type_id for _, credit_type_id, _ in owners},
    )
    return {
        (customer_id, credit_type_id, resource_id): pk
        for customer_id, credit_type_id, resource_id, pk in rows.values_list(
            "customer_id", "credit_type_id", "resource_id", "pk"
        )
    }


def locate(*, customer_id: str, credit_type_id: str, resource_id: str | None, now: datetime) -> int:
    """The id of the pool that these public ids name; made if it is the first time (R42).

    An archived credit type keeps the pools it has (R3).

    Raises:
        UnknownCustomer, CustomerIsArchived, UnknownCreditType, UnknownResource: which of the
            ids is at fault.
    """
    named = Pool.objects.filter(
        customer__public_id=customer_id,
        customer__archived_at=None,
        credit_type__public_id=credit_type_id,
        resource__public_id=resource_id,
    ).order_by(F("credit_type__archived_at").desc(nulls_first=True))
    pool_id = named.values_list("pk", flat=True).first()
    if pool_id is not None:
        return pool_id
    customer = customers.find_active(customer_id)
    credit_type = CreditType.objects.active().filter(public_id=credit_type_id).first()
    if credit_type is None:
        raise UnknownCreditType("There is no active credit type of that ID.", field="currencyId")
    resource = customers.find_resource(customer, resource_id) if resource_id else None
    return open_pool(
        customer_id=customer.pk,
        credit_type_id=credit_type.pk,
        resource_id=resource.pk if resource else None,
        now=now,
    )


def lock(pool_id: int, now: datetime, *, with_schedules: bool = False) -> LockedPool:
    """Take the pool's row lock and bring the pool up to `now` on paper.

    Every write begins here. `with_schedules` is for verbs that add grants or edit
    schedules; the others read them only when something is due.

    Raises:
        UnknownPool: there is no pool of that id.
    """
    found = _lock_one(pool_id)
    if found is None:
        raise UnknownPool("There is no such pool.")
    row, live_grants = found
    return _brought_up([row], live_grants, now, with_schedules=with_schedules)[0]


def lock_several(
    pool_ids: Collection[int], now: datetime, *, with_schedules: bool = False
) -> list[LockedPool]:
    """As `lock`, for several pools, in primary-key order so that nobody waits in a circle."""
    rows, live_grants = _lock_rows(pool_ids)
    return _brought_up(rows, live_grants, now, with_schedules=with_schedules)


def lock_due(now: datetime, *, at_most: int) -> list[LockedPool]:
    """Lock up to `at_most` pools that are due and that nobody else is working on."""
    skips = connection.features.has_select_for_update_skip_locked
    due = Pool.objects.due(now).order_by("next_change_at")
    wanted = due.select_for_update(skip_locked=skips, no_key=skips).values_list(*POOL.attributes)
    found = fetch(*wanted[:at_most].query.sql_with_params())
    rows = sorted(POOL.instances(found), key=lambda row: row.pk)
    return _brought_up(rows, _live_grants([row.pk for row in rows]), now, with_schedules=True)


def standing(row: Pool, now: datetime) -> Standing:
    """What the pool holds at `now`, whether or not anybody wrote down what was due."""
    return standings([row], now)[row.pk]


def standings(rows: Sequence[Pool], now: datetime) -> dict[int, Standing]:
    """As `standing`, for many pools in a constant number of queries."""
    due = [row for row in rows if row.next_change_at is not None and row.next_change_at <= now]
    computed: dict[int, Standing] = {}
    for state in load(due, with_schedules=True):
        timeline.bring(state, now)
        computed[state.pk] = _standing_of(state)
    return {row.pk: computed.get(row.pk) or _stored_standing(row) for row in rows}


def of_customers(customer_ids: Collection[int]) -> list[Pool]:
    """The rows of all pools of these customers, as they are stored."""
    return _rows_among("customer_id", customer_ids, locking="")


def load(rows: Sequence[Pool], *, with_schedules: bool) -> list[PoolState]:
    """The pools as they are stored, with their live grants, in the order of `rows`.

    Nothing is locked, so a pool may be written between the statements that read it; then
    it is read again, until all that was read belongs together.

    Raises:
        PoolsKeepChanging: they were written again and again.
    """
    for _ in range(TRIES_TO_READ):
        if not rows:
            return []
        ids = [row.pk for row in rows]
        states = _states(rows, _live_grants(ids), with_schedules=with_schedules)
        now_stored = {row.pk: row for row in _select_rows(ids, locking="")}
        current = [now_stored[pool_id] for pool_id in ids]
        if all(_same(row, stored) for row, stored in zip(rows, current, strict=True)):
            return states
        rows = current
    raise PoolsKeepChanging("These credits are changing at this moment. Try again.")


def _same(row: Pool, stored: Pool) -> bool:
    return (row.last_entry_number, row.next_change_at, row.balance) == (
        stored.last_entry_number,
        stored.next_change_at,
        stored.balance,
    )


def _states(
    rows: Sequence[Pool], live_grants: Iterable[list[Any]], *, with_schedules: bool
) -> list[PoolState]:
    ids = [row.pk for row in rows]
    schedules: dict[int, ScheduleState] = {}
    schedules_of: dict[int, list[ScheduleState]] = {pool_id: [] for pool_id in ids}
    if with_schedules:
        for pool_id, *columns in _schedules_that_matter(ids):
            schedule = _schedule_state(columns)
            schedules[columns[0]] = schedule
            schedules_of[pool_id].append(schedule)
    grants_of: dict[int, list[GrantState]] = {pool_id: [] for pool_id in ids}
    for pool_id, schedule_id, *columns in live_grants:
        grants_of[pool_id].append(_grant_state(columns, schedules.get(schedule_id)))
    return [
        PoolState(
            pk=row.pk,
            balance=row.balance,
            granted=row.granted,
            consumed=row.consumed,
            last_entry_number=row.last_entry_number,
            as_of=row.as_of,
            grants=grants_of[row.pk],
            schedules=schedules_of[row.pk],
        )
        for row in rows
    ]


POOL = Columns(Pool, *(field.name for field in Pool._meta.concrete_fields))
STANDING = Columns(Pool, *(field.name for field in fields(Standing)))
GRANT = Columns(
    Grant,
    "pool",
    "schedule",
    "id",
    "type",
    "amount",
    "consumed",
    "priority",
    "effective_at",
    "expires_at",
    "created_at",
    "stage",
    "payment_pending",
    "name",
)
SCHEDULE = Columns(
    Schedule,
    "pool",
    "id",
    "subscription",
    "source",
    "source_is_addon",
    "name",
    "amount",
    "units",
    "cadence",
    "anchor_at",
    "starts_at",
    "ends_at",
    "ending",
    "planned_end_at",
    "planned_ending",
    "is_planned",
    "is_override",
    "is_granted",
    "has_soft_limit",
    "mark",
    "given_back",
    "used_elsewhere",
    "period_starts_at",
    "next_at",
    "ended",
)


MATTERS = f"""
    NOT ended OR next_at > (SELECT as_of FROM {POOL.table} AS pool WHERE pool.id = pool_id)
"""  # noqa: S608 - names of our own columns
LIVE_STAGES = ", ".join(f"'{stage}'" for stage in LIVE)
LOCK_ONE = f"""
    SELECT {POOL.of("pool")}, {{unmoved}}, {GRANT.of("live")}
    FROM {POOL.table} AS pool
    LEFT JOIN {GRANT.table} AS live ON live.pool_id = pool.id AND live.stage IN ({LIVE_STAGES})
    WHERE pool.id = %s
    ORDER BY live.id
    {{locked}}
"""  # noqa: S608 - names of our own columns
IN_SNAPSHOT = f"(SELECT seen.ctid FROM {POOL.table} AS seen WHERE seen.id = %s)"  # noqa: S608
LOCK_ONE_BY_VENDOR = {
    "postgresql": LOCK_ONE.format(
        unmoved=f"pool.ctid = {IN_SNAPSHOT}", locked="FOR NO KEY UPDATE OF pool"
    ),
    # Here the transaction holds the write lock from its beginning: nobody is in between.
    "sqlite": LOCK_ONE.format(unmoved="pool.id = %s", locked=""),
}


def _lock_one(pool_id: int) -> tuple[Pool, list[list[Any]]] | None:
    """A pool's row, locked, and its live grants, in one statement if nobody was in between.

    The grants come from the statement's snapshot, the row from after the wait for its
    lock. Where they differ (the row has moved since the snapshot), grants are read again.
    """
    found = fetch(LOCK_ONE_BY_VENDOR[connection.vendor], [pool_id, pool_id])
    if not found:
        return None
    width = len(POOL.fields)
    row = POOL.instance(found[0][:width])
    if not found[0][width]:
        return row, _live_grants([pool_id])
    grants = [columns[width + 1 :] for columns in found]
    return row, GRANT.read_all(columns for columns in grants if columns[0] is not None)


def _lock_rows(pool_ids: Collection[int]) -> tuple[list[Pool], list[list[Any]]]:
    """The rows of these pools, locked in primary-key order, and their live grants."""
    locking = "FOR NO KEY UPDATE" if connection.features.has_select_for_update else ""
    rows = _select_rows(pool_ids, locking=locking)
    return rows, _live_grants(pool_ids)


def _select_rows(pool_ids: Collection[int], *, locking: str) -> list[Pool]:
    return _rows_among("id", pool_ids, locking=locking)


def _rows_among(column: str, ids: Collection[int], *, locking: str) -> list[Pool]:
    wanted, parameters = among(column, ids)
    found = fetch(
        f"SELECT {POOL.listed} FROM {POOL.table} WHERE {wanted} ORDER BY id {locking}",  # noqa: S608
        parameters,
    )
    return POOL.instances(found)


def _live_grants(pool_ids: Collection[int]) -> list[list[Any]]:
    """The columns of all grants of these pools that can still change, oldest first."""
    wanted, parameters = among("pool_id", pool_ids)
    found = fetch(
        f"SELECT {GRANT.listed} FROM {GRANT.table} "  # noqa: S608 - names of our own columns
        f"WHERE {wanted} AND stage IN ({LIVE_STAGES}) ORDER BY id",
        parameters,
    )
    return GRANT.read_all(found)


def _grant_state(columns: Sequence, schedule: ScheduleState | None) -> GrantState:
    (pk, type_, amount, consumed, priority, effective_at, expires_at, created_at, stage, pending,
     name) = columns  # fmt: skip
    return GrantState(
        pk=pk,
        type=GrantType(type_),
        amount=amount,
        consumed=consumed,
        priority=priority,
        effective_at=effective_at,
        expires_at=expires_at,
        created_at=created_at,
        stage=Stage.OPEN if stage == SPENT else Stage(stage),
        payment_pending=pending,
        name=name,
        schedule=schedule,
    )


def grant_state(row: Grant) -> GrantState:
    """A grant that is not live any more, as it stands on paper."""
    state = _grant_state([getattr(row, field.attname) for field in GRANT.fields[2:]], None)
    state.voided_at = row.voided_at
    return state


def _schedules_that_matter(pool_ids: Collection[int]) -> list[list[Any]]:
    """The columns of all schedules but those that ended in a period that is over.

    A mark counts within its period.
    """
    wanted, parameters = among("pool_id", pool_ids)
    found = fetch(
        f"SELECT {SCHEDULE.listed} FROM {SCHEDULE.table} "  # noqa: S608 - as above
        f"WHERE {wanted} AND ({MATTERS}) ORDER BY id",
        parameters,
    )
    return SCHEDULE.read_all(found)


def _schedule_state(columns: Sequence) -> ScheduleState:
    (pk, subscription_id, source_id, source_is_addon, name, amount, units, cadence, anchor_at,
     starts_at, ends_at, ending, planned_end_at, planned_ending, is_planned, is_override,
     is_granted, has_soft_limit, mark, given_back, used_elsewhere, period_starts_at, next_at,
     ended) = columns  # fmt: skip
    return ScheduleState(
        pk=pk,
        subscription_id=subscription_id,
        source_id=source_id,
        source_is_addon=source_is_addon,
        name=name,
        amount=amount,
        units=units,
        cadence=cadence,
        anchor_at=anchor_at,
        starts_at=starts_at,
        ends_at=ends_at,
        ending=Ending(ending),
        planned_end_at=planned_end_at,
        planned_ending=Ending(planned_ending) if planned_ending else None,
        is_planned=is_planned,
        is_override=is_override,
        is_granted=is_granted,
        has_soft_limit=has_soft_limit,
        mark=mark,
        given_back=given_back,
        used_elsewhere=used_elsewhere,
        period_starts_at=period_starts_at,
        next_at=next_at,
        ended=ended,
    )


def _brought_up(
    rows: Sequence[Pool], live_grants: Iterable[list[Any]], now: datetime, *, with_schedules: bool
) -> list[LockedPool]:
    due = any(row.next_change_at is not None and row.next_change_at <= now for row in rows)
    knows_schedules = with_schedules or due
    states = _states(rows, live_grants, with_schedules=knows_schedules) if rows else []
    for state in states:
        timeline.bring(state, now)
    return [
        LockedPool(row, state, knows_schedules) for row, state in zip(rows, states, strict=True)
    ]


def _standing_of(state: PoolState) -> Standing:
    in_force = [schedule for schedule in state.schedules if schedule.in_force]
    return Standing(
        balance=state.balance,
        granted=state.granted,
        consumed=state.consumed,
        next_reset_at=timeline.next_reset_at(state),
        is_entitled=bool(in_force),
        has_soft_limit=any(schedule.has_soft_limit for schedule in in_force),
        is_revoked=bool(in_force) and not any(schedule.is_granted for schedule in in_force),
        as_of=state.as_of,
        next_change_at=timeline.next_change_at(state),
    )


def _stored_standing(row: Pool) -> Standing:
    return Standing(
        balance=row.balance,
        granted=row.granted,
        consumed=row.consumed,
        next_reset_at=row.next_reset_at,
        is_entitled=row.is_entitled,
        has_soft_limit=row.has_soft_limit,
        is_revoked=row.is_revoked,
        as_of=row.as_of,
        next_change_at=row.next_change_at,
    )


def standing_on_paper(locked_pool: LockedPool) -> Standing:
    """What a locked pool holds, with the movements not yet written."""
    state = locked_pool.state
    if locked_pool.knows_schedules:
        return _standing_of(state)
    return replace(
        _stored_standing(locked_pool.row),
        balance=state.balance,
        granted=state.granted,
        consumed=state.consumed,
        as_of=state.as_of,
    )
