"""The statements by which the ledger writes changed rows, many at once.

PostgreSQL takes whole columns as arrays: one prepared statement writes remainders,
entries and balances, however many there are. SQLite writes the same rows one after the
other, which costs it nothing since it has no network to cross. No rule lives here.
"""

from collections.abc import Sequence
from functools import cached_property
from typing import Any

from django.db import connection, models

from credits.models import Grant, LedgerEntry, Pool, Schedule

ARRAY_TYPES = {
    "BigAutoField": "bigint",
    "BigIntegerField": "bigint",
    "BooleanField": "boolean",
    "CharField": "text",
    "DateTimeField": "timestamptz",
    "ForeignKey": "bigint",
}


class Columns:
    """Some columns of a model's table, and SQL that writes them.

    The first column of an update is the key by which rows are found.
    """

    def __init__(self, model: type[models.Model], *names: str) -> None:
        self.table = f'"{model._meta.db_table}"'
        self.fields = [model._meta.get_field(name) for name in names]
        self.names = [f'"{field.column}"' for field in self.fields]

    def arrays(self, rows: Sequence[models.Model]) -> list[list[Any]]:
        """One list per column, of values as the database stores them."""
        return [
            [field.get_db_prep_save(getattr(row, field.attname), connection) for row in rows]
            for field in self.fields
        ]

    @cached_property
    def given(self) -> str:
        """SQL for PostgreSQL: the rows of arrays that are handed over as parameters."""
        arrays = ", ".join(
            f"%s::{ARRAY_TYPES[field.get_internal_type()]}[]" for field in self.fields
        )
        return f"unnest({arrays}) AS given ({', '.join(self.names)})"

    @cached_property
    def update_many(self) -> str:
        """SQL for PostgreSQL: write the given rows over those of the same key."""
        key, *others = self.names
        changes = ", ".join(f"{name} = given.{name}" for name in others)
        return (
            f"UPDATE {self.table} SET {changes} FROM {self.given} "  # noqa: S608
            f"WHERE {self.table}.{key} = given.{key}"
        )

    @cached_property
    def insert_many(self) -> str:
        """SQL for PostgreSQL: add the given rows in their order."""
        columns = ", ".join(self.names)
        return f"INSERT INTO {self.table} ({columns}) SELECT {columns} FROM {self.given}"  # noqa: S608

    @cached_property
    def update_one(self) -> str:
        """SQL for SQLite: write one row; its key comes last."""
        key, *others = self.names
        changes = ", ".join(f"{name} = %s" for name in others)
        return f"UPDATE {self.table} SET {changes} WHERE {key} = %s"  # noqa: S608

    @cached_property
    def insert_one(self) -> str:
        """SQL for SQLite: add one row."""
        columns = ", ".join(self.names)
        places = ", ".join(["%s"] * len(self.names))
        return f"INSERT INTO {self.table} ({columns}) VALUES ({places})"  # noqa: S608


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


def post(*, grants: Sequence[Grant], entries: Sequence[LedgerEntry], pools: Sequence[Pool]) -> None:
    """Write changed remainders, new entries and new balances; one statement on PostgreSQL."""
    if connection.vendor != "postgresql":
        update(GRANTS, grants)
        _insert_each(ENTRIES, entries)
        update(BALANCES, pools)
        return
    statement = f"WITH g AS ({GRANTS.update_many}), p AS ({BALANCES.update_many}) "
    parameters = [*GRANTS.arrays(grants), *BALANCES.arrays(pools), *ENTRIES.arrays(entries)]
    with connection.cursor() as cursor:
        cursor.execute(statement + ENTRIES.insert_many, parameters)


def update(columns: Columns, rows: Sequence[models.Model]) -> None:
    """Write `columns` of rows that exist."""
    if not rows:
        return
    arrays = columns.arrays(rows)
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(columns.update_many, arrays)
        else:
            keys, *others = arrays
            cursor.executemany(columns.update_one, list(zip(*others, keys, strict=True)))


def _insert_each(columns: Columns, rows: Sequence[models.Model]) -> None:
    if rows:
        with connection.cursor() as cursor:
            cursor.executemany(columns.insert_one, list(zip(*columns.arrays(rows), strict=True)))
