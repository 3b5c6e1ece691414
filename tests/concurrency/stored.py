"""All that the database of a test has stored: to look at from outside, and to put back."""

import re
import sqlite3
import time
from typing import Any

from django.db import connection
from django.db.backends.base.base import BaseDatabaseWrapper

RANDOM = re.compile(r"\b[0-9a-f]{8}(-?[0-9a-f]{4}){3}-?[0-9a-f]{12}\b")
"""Public ids and trace ids, which no two runs share."""

PATIENCE = 10  # seconds

Rows = list[tuple[str, str]]


def stored() -> "PostgresStore | SQLiteStore":
    """What is stored at this moment."""
    return PostgresStore() if connection.vendor == "postgresql" else SQLiteStore()


def alike(rows: Rows) -> list[str]:
    """Rows with their tables, in an order of their own, random ids made equal."""
    return sorted(f"{table} {RANDOM.sub('random', row)}" for table, row in rows)


class PostgresStore:
    """Rows travel as the texts that PostgreSQL makes of them."""

    def __init__(self) -> None:
        self.observer = connection.copy()  # sees only what is committed
        tables = self._ask(
            "SELECT relname FROM pg_class"
            " WHERE relkind = 'r' AND relnamespace = current_schema()::regnamespace"
        )
        self.every_row = " UNION ALL ".join(
            f"""SELECT '"{table}"', every::text FROM "{table}" AS every""" for (table,) in tables
        )
        self.rows = self._ask(self.every_row)
        self.numbers = self.next_numbers()

    def look(self) -> list[str]:
        """All rows that are committed now."""
        return alike(self._ask(self.every_row))

    def next_numbers(self) -> Rows:
        """The last id that each table gave out."""
        return self._ask(
            "SELECT quote_ident(sequencename), last_value FROM pg_sequences"
            " WHERE schemaname = current_schema()"
        )

    def put_back(self) -> None:
        """Store again what was stored at first, past triggers and foreign keys."""
        changed = {table for table, _ in set(self.rows) ^ set(self._ask(self.every_row))}
        self._ask("BEGIN")
        self._ask("SET LOCAL session_replication_role = replica")
        for table in changed:
            self._ask(f"DELETE FROM {table}")
            self._ask(
                f"INSERT INTO {table} SELECT (each::{table}).* FROM unnest(%s::text[]) AS each",
                [[row for of, row in self.rows if of == table]],
            )
        self._ask("COMMIT")
        self.give_out_again(self.numbers)

    def give_out_again(self, numbers: Rows) -> None:
        """Forget the ids that a crash took along: a gap in them is no loss."""
        self._ask(
            "SELECT setval(name::regclass, coalesce(last, 1), last IS NOT NULL)"
            " FROM unnest(%s::text[], %s::bigint[]) AS each (name, last)",
            [list(column) for column in zip(*numbers, strict=True)],
        )

    def wait_for_the_dead(self) -> None:
        """The server needs a moment to notice that a client is gone, and frees its locks."""
        living = [pid for pid in map(_server_process, (self.observer, connection)) if pid]
        give_up_at = time.monotonic() + PATIENCE
        while others := self._ask(
            "SELECT pid, state, query FROM pg_stat_activity WHERE datname = current_database()"
            " AND backend_type = 'client backend' AND pid <> ALL(%s)",
            [living],
        ):
            assert time.monotonic() < give_up_at, f"others use the database of this test: {others}"
            time.sleep(0.002)

    def close(self) -> None:
        self.observer.close()

    def _ask(self, sql: str, parameters: list[Any] | None = None) -> list[Any]:
        with self.observer.cursor() as cursor:
            cursor.execute(sql, parameters)
            return cursor.fetchall() if cursor.description else []


class SQLiteStore:
    """What is to be put back is kept as a copy of the file, in memory."""

    def __init__(self) -> None:
        self.observer = connection.copy()
        self.observer.ensure_connection()
        self.file: sqlite3.Connection = self.observer.connection
        self.image = sqlite3.connect(":memory:")
        self.file.backup(self.image)
        found = self.image.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        self.tables = [name for (name,) in found if name != "sqlite_sequence"]

    def look(self) -> list[str]:
        """All rows that are committed now."""
        rows: Rows = []
        for table in self.tables:
            found = self.file.execute(f'SELECT * FROM "{table}"').fetchall()
            rows += [(table, str(row)) for row in found]
        return alike(rows)

    def put_back(self) -> None:
        """Store again what was stored at first."""
        self.image.backup(self.file)

    def next_numbers(self) -> Rows:
        """Here a crash takes no ids along."""
        return []

    def give_out_again(self, numbers: Rows) -> None:
        """As above."""

    def wait_for_the_dead(self) -> None:
        """Here the locks of the dead die with them."""

    def close(self) -> None:
        self.image.close()
        self.observer.close()


def _server_process(of: BaseDatabaseWrapper) -> int | None:
    return of.connection.info.backend_pid if of.connection is not None else None
