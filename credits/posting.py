"""The statements by which the ledger writes changed rows, many at once.

PostgreSQL takes whole columns as arrays: one prepared statement writes remainders,
entries and balances, however many there are. SQLite writes the same rows one after the
other, which costs it nothing since it has no network to cross. No rule lives here.
"""

from collections.abc import Sequence
from itertools import chain
from typing import Any

from django.db import connection

from credits.columns import Columns, Row
from credits.models import Consumption, Grant, LedgerEntry, Pool, Schedule, UsageEvent

GRANTS = Columns(
    Grant, "id", "consumed", "stage", "voided_at", "effective_at", "expires_at", "updated_at"
)
NEW_GRANTS = Columns(
    Grant,
    "public_id",
    "pool",
    "type",
    "source_type",
    "schedule",
    "subscription",
    "source",
    "name",
    "comment",
    "metadata",
    "amount",
    "consumed",
    "priority",
    "cost_amount",
    "cost_currency",
    "effective_at",
    "expires_at",
    "payment_pending",
    "voided_at",
    "void_reason",
    "stage",
    "period_starts_at",
    "period_ends_at",
    "mark_before",
    "period_amount",
    "units",
    "created_at",
    "updated_at",
)
ENTRY_COLUMNS = (
    "pool",
    "number",
    "type",
    "amount",
    "balance_before",
    "balance_after",
    "grant",
    "effective_at",
    "recorded_at",
    "actor_kind",
    "actor",
    "reason",
)
ENTRIES = Columns(LedgerEntry, *ENTRY_COLUMNS, "consumption")
ENTRIES_OF_ONE_CLAIM = Columns(LedgerEntry, *ENTRY_COLUMNS)
BALANCES = Columns(Pool, "id", "balance", "granted", "consumed", "last_entry_number", "as_of")
STANDINGS = Columns(
    Pool,
    "id",
    "balance",
    "granted",
    "consumed",
    "last_entry_number",
    "as_of",
    "next_change_at",
    "next_reset_at",
    "is_entitled",
    "has_soft_limit",
    "is_revoked",
)
SCHEDULES = Columns(
    Schedule,
    "id",
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
CLAIMS = Columns(
    Consumption,
    "pool",
    "kind",
    "key",
    "amount",
    "fingerprint",
    "feature",
    "event",
    "mapping",
    "units",
    "dimensions",
    "flags",
    "used_at",
    "recorded_at",
    "actor_kind",
    "actor",
    "reason",
    "trace_id",
)
EVENTS = Columns(
    UsageEvent,
    "customer",
    "resource",
    "name",
    "key",
    "given_timestamp",
    "occurred_at",
    "dimensions",
    "recorded_at",
    "fingerprint",
)
ROWS_PER_STATEMENT = 500
"""SQLite allows 32,766 parameters in a statement."""


def claim(rows: Sequence[Row]) -> dict[tuple[str, str], int]:
    """Add consumptions whose keys are new; their ids by kind and key (R40)."""
    return {(kind, key): pk for pk, kind, key in insert_new(CLAIMS, rows, "id, kind, key")}


def insert_new(columns: Columns, rows: Sequence[Row], returning: str) -> list[tuple[Any, ...]]:
    """Add the rows that break no unique constraint; what `returning` says of those added.

    Whoever adds the same row at the same time is waited for; rows come in an order of
    their keys, so that two never wait for each other.
    """
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            insert, parameters = columns.insert_many(rows)
            cursor.execute(f"{insert} ON CONFLICT DO NOTHING RETURNING {returning}", parameters)
            return cursor.fetchall()
        added: list[tuple[Any, ...]] = []
        place = "(" + ", ".join(["%s"] * len(columns.names)) + ")"
        for first in range(0, len(rows), ROWS_PER_STATEMENT):
            stored = columns.stored(rows[first : first + ROWS_PER_STATEMENT])
            cursor.execute(
                f"INSERT INTO {columns.table} ({columns.listed}) "  # noqa: S608 - our own columns
                f"VALUES {', '.join([place] * len(stored))} "
                f"ON CONFLICT DO NOTHING RETURNING {returning}",
                list(chain.from_iterable(stored)),
            )
            added += cursor.fetchall()
        return added


def claim_and_post(
    claimed: Row, *, grants: Sequence[Row], balance: Row, entries: Sequence[Row]
) -> bool:
    """On PostgreSQL: claim one key and write what follows from it, in one statement.

    Entries come without their consumption. False, and nothing written, if the key was there
    before.
    """
    add_claim, claim_parameters = CLAIMS.insert_many([claimed])
    write_grants, grants_parameters = GRANTS.update_many(grants)
    write_balance, balance_parameters = BALANCES.update_many([balance])
    given, entries_parameters = ENTRIES_OF_ONE_CLAIM.given(entries)
    statement = f"""
        WITH claimed AS ({add_claim} ON CONFLICT DO NOTHING RETURNING id),
        g AS ({write_grants} AND EXISTS (SELECT 1 FROM claimed)),
        p AS ({write_balance} AND EXISTS (SELECT 1 FROM claimed)),
        e AS (
            INSERT INTO {ENTRIES.table} ({ENTRIES_OF_ONE_CLAIM.listed}, consumption_id)
            SELECT {ENTRIES_OF_ONE_CLAIM.of("given")}, claimed.id
            FROM {given} CROSS JOIN claimed
            ORDER BY given.number
        )
        SELECT id FROM claimed
    """  # noqa: S608 - names of our own columns
    with connection.cursor() as cursor:
        cursor.execute(
            statement,
            [*claim_parameters, *grants_parameters, *balance_parameters, *entries_parameters],
        )
        return cursor.fetchone() is not None


def post(
    *, grants: Sequence[Row], pools: Sequence[Row], columns: Columns, entries: Sequence[Row]
) -> None:
    """Write changed remainders, pools and new entries; one statement on PostgreSQL.

    `columns` of the pools are BALANCES, or STANDINGS with what their schedules say.
    """
    if connection.vendor == "postgresql":
        write_grants, grants_parameters = GRANTS.update_many(grants)
        write_pools, pools_parameters = columns.update_many(pools)
        add_entries, entries_parameters = ENTRIES.insert_many(entries)
        with connection.cursor() as cursor:
            cursor.execute(
                f"WITH g AS ({write_grants}), p AS ({write_pools}) {add_entries}",
                [*grants_parameters, *pools_parameters, *entries_parameters],
            )
        return
    update(GRANTS, grants)
    if entries:
        with connection.cursor() as cursor:
            cursor.executemany(ENTRIES.insert_one, ENTRIES.stored(entries))
    update(columns, pools)


def add_grants(rows: Sequence[Row]) -> list[int]:
    """Add grants; their ids, in the order of `rows`."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            insert, parameters = NEW_GRANTS.insert_many(rows)
            cursor.execute(f"{insert} RETURNING id", parameters)
            return [pk for (pk,) in cursor.fetchall()]
        ids = []
        for stored in NEW_GRANTS.stored(rows):
            cursor.execute(NEW_GRANTS.insert_one, stored)
            ids.append(cursor.lastrowid)
        return ids


def update(columns: Columns, rows: Sequence[Row]) -> None:
    """Write `columns` of rows that exist; the first column finds them."""
    if not rows:
        return
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(*columns.update_many(rows))
        else:
            cursor.executemany(
                columns.update_one, [[*others, key] for key, *others in columns.stored(rows)]
            )
