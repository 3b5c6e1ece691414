"""The statements by which the ledger writes changed rows, many at once.

PostgreSQL takes whole columns as arrays: one prepared statement writes remainders,
entries and balances, however many there are. SQLite writes the same rows one after the
other, which costs it nothing since it has no network to cross. No rule lives here.
"""

from collections.abc import Sequence
from itertools import chain

from django.db import connection

from credits.columns import Columns, Row
from credits.models import Consumption, Grant, LedgerEntry, Pool, Schedule

GRANTS = Columns(
    Grant, "id", "consumed", "stage", "voided_at", "effective_at", "expires_at", "updated_at"
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
CLAIMS = Columns(
    Consumption,
    "pool",
    "kind",
    "key",
    "amount",
    "fingerprint",
    "feature",
    "event",
    "dimensions",
    "flags",
    "used_at",
    "recorded_at",
    "actor_kind",
    "actor",
    "reason",
    "trace_id",
)
CLAIMS_PER_STATEMENT = 500
"""SQLite allows 32,766 parameters in a statement."""

POST = f"WITH g AS ({GRANTS.update_many}), p AS ({BALANCES.update_many}) {ENTRIES.insert_many}"
CLAIM = f"{CLAIMS.insert_many} ON CONFLICT DO NOTHING RETURNING id, kind, key"
CLAIM_AND_POST = f"""
    WITH claimed AS ({CLAIM}),
    g AS ({GRANTS.update_many} AND EXISTS (SELECT 1 FROM claimed)),
    p AS ({BALANCES.update_many} AND EXISTS (SELECT 1 FROM claimed)),
    e AS (
        INSERT INTO {ENTRIES.table} ({ENTRIES_OF_ONE_CLAIM.listed}, consumption_id)
        SELECT {ENTRIES_OF_ONE_CLAIM.of("given")}, claimed.id
        FROM {ENTRIES_OF_ONE_CLAIM.given} CROSS JOIN claimed
        ORDER BY given.number
    )
    SELECT id, kind, key FROM claimed
"""  # noqa: S608 - names of our own columns


def claim(rows: Sequence[Row]) -> dict[tuple[str, str], int]:
    """Add consumptions whose keys are new; their ids by kind and key (R40)."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(CLAIM, CLAIMS.arrays(rows))
            return {(kind, key): pk for pk, kind, key in cursor.fetchall()}
        claimed = {}
        for first in range(0, len(rows), CLAIMS_PER_STATEMENT):
            stored = CLAIMS.stored(rows[first : first + CLAIMS_PER_STATEMENT])
            place = "(" + ", ".join(["%s"] * len(CLAIMS.names)) + ")"
            cursor.execute(
                f"INSERT INTO {CLAIMS.table} ({CLAIMS.listed}) "  # noqa: S608 - our own columns
                f"VALUES {', '.join([place] * len(stored))} "
                "ON CONFLICT DO NOTHING RETURNING id, kind, key",
                list(chain.from_iterable(stored)),
            )
            claimed |= {(kind, key): pk for pk, kind, key in cursor.fetchall()}
        return claimed


def claim_and_post(
    claimed: Row, *, grants: Sequence[Row], balance: Row, entries: Sequence[Row]
) -> bool:
    """On PostgreSQL: claim one key and write what follows from it, in one statement.

    Entries come without their consumption. False, and nothing written, if the key was there
    before.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            CLAIM_AND_POST,
            [
                *CLAIMS.arrays([claimed]),
                *GRANTS.arrays(grants),
                *BALANCES.arrays([balance]),
                *ENTRIES_OF_ONE_CLAIM.arrays(entries),
            ],
        )
        return cursor.fetchone() is not None


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
