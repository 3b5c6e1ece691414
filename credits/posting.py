"""The statements by which the ledger writes changed rows, many at once.

PostgreSQL takes whole columns as arrays: one prepared statement writes remainders,
entries and balances, however many there are. SQLite writes the same rows one after the
other, which costs it nothing since it has no network to cross. No rule lives here.
"""

from collections.abc import Sequence

from django.db import connection

from credits.columns import Columns, Row
from credits.models import Grant, LedgerEntry, Pool, Schedule

GRANTS = Columns(
    Grant, "id", "consumed", "stage", "voided_at", "effective_at", "expires_at", "updated_at"
)
ENTRIES = Columns(
    LedgerEntry,
    "pool",
    "number",
    "type",
    "amount",
    "balance_before",
    "balance_after",
    "grant",
    "consumption",
    "effective_at",
    "recorded_at",
    "actor_kind",
    "actor",
    "reason",
)
BALANCES = Columns(Pool, "id", "balance", "granted", "consumed", "last_entry_number", "as_of")
OUTLOOKS = Columns(
    Pool,
    "id",
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
)
POST = f"WITH g AS ({GRANTS.update_many}), p AS ({BALANCES.update_many}) {ENTRIES.insert_many}"


def post(*, grants: Sequence[Row], balances: Sequence[Row], entries: Sequence[Row]) -> None:
    """Write changed remainders, new balances and new entries; one statement on PostgreSQL."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(
                POST, [*GRANTS.arrays(grants), *BALANCES.arrays(balances), *ENTRIES.arrays(entries)]
            )
        return
    update(GRANTS, grants)
    update(BALANCES, balances)
    if entries:
        with connection.cursor() as cursor:
            cursor.executemany(ENTRIES.insert_one, ENTRIES.stored(entries))


def update(columns: Columns, rows: Sequence[Row]) -> None:
    """Write `columns` of rows that exist; the first column finds them."""
    if not rows:
        return
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(columns.update_many, columns.arrays(rows))
        else:
            cursor.executemany(
                columns.update_one, [[*others, key] for key, *others in columns.stored(rows)]
            )
