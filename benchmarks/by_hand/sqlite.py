"""The limits on SQLite: plain statements on one connection, no framework between."""

import hashlib
import sqlite3
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

OPEN_GRANTS = """
    SELECT id, amount - consumed, expires_at FROM credits_grant
    WHERE pool_id = ? AND stage IN ('WAITING', 'OPEN') AND stage = 'OPEN'
      AND type <> 'OVERDRAFT' AND consumed < amount
    ORDER BY priority, expires_at IS NULL, expires_at, type <> 'PROMOTIONAL', effective_at,
             created_at, id
"""
CLAIM = """
    INSERT INTO credits_consumption (
        pool_id, kind, key, amount, fingerprint, dimensions, flags, used_at, recorded_at,
        actor_kind, actor, reason, trace_id
    ) VALUES (?, 'DIRECT', ?, ?, ?, '{}', '[]', ?, ?, 'SYSTEM', 'System', '', '')
    ON CONFLICT DO NOTHING RETURNING id
"""
SPEND = """
    UPDATE credits_grant SET consumed = consumed + ?, stage = CASE
        WHEN consumed + ? = amount AND expires_at IS NULL THEN 'SPENT' ELSE stage END,
        updated_at = ? WHERE id = ?
"""
POST = """
    INSERT INTO credits_ledgerentry (
        pool_id, number, type, amount, balance_before, balance_after, grant_id,
        consumption_id, effective_at, recorded_at, actor_kind, actor, reason
    ) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'SYSTEM', 'System', '')
"""
BALANCE = """
    UPDATE credits_pool SET balance = ?, consumed = consumed + ?, last_entry_number = ?,
        as_of = ? WHERE id = ?
"""


def connect(path: str) -> sqlite3.Connection:
    """A connection as durable as the product's."""
    connection = sqlite3.connect(path, timeout=20, isolation_level=None)
    connection.executescript(
        "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
        "PRAGMA recursive_triggers=ON; PRAGMA foreign_keys=ON;"
    )
    return connection


def consume(
    connection: sqlite3.Connection, pool_id: int, demands: Sequence[tuple[int, str]]
) -> None:
    """Post demands, millionths and key, on one pool in one transaction."""
    connection.execute("BEGIN IMMEDIATE")
    balance, number, as_of, due_at = connection.execute(
        "SELECT balance, last_entry_number, as_of, next_change_at FROM credits_pool WHERE id = ?",
        (pool_id,),
    ).fetchone()
    at = max(_now(), as_of)
    assert due_at is None or due_at > at, f"something is due in pool {pool_id}"
    claimed = []
    for amount, key in demands:
        fingerprint = hashlib.sha256(str(amount).encode()).hexdigest()
        row = connection.execute(CLAIM, (pool_id, key, amount, fingerprint, at, at)).fetchone()
        if row is not None:
            claimed.append((row[0], amount))
    shares = list(_shares(claimed, connection.execute(OPEN_GRANTS, (pool_id,)).fetchall()))
    spent: dict[int, int] = {}
    entries = []
    for consumption_id, grant_id, part in shares:
        spent[grant_id] = spent.get(grant_id, 0) + part
        number += 1
        entries.append(
            (pool_id, number, "CREDITS_CONSUMED", -part, balance, balance - part, grant_id,
             consumption_id, at, at)
        )  # fmt: skip
        balance -= part
    connection.executemany(SPEND, [(part, part, at, pk) for pk, part in spent.items()])
    connection.executemany(POST, entries)
    connection.execute(BALANCE, (balance, sum(spent.values()), number, at, pool_id))
    connection.execute("COMMIT")


def _shares(
    claimed: Sequence[tuple[int, int]], grants: Sequence[tuple[int, int, Any]]
) -> Iterator[tuple[int, int, int]]:
    """Consumption, grant and amount, as grants in burn order pay demands in their order."""
    waiting = iter(grants)
    grant_id, left = 0, 0
    for consumption_id, amount in claimed:
        unpaid = amount
        while unpaid:
            if not left:
                grant_id, left, _ = next(waiting)
            part = min(unpaid, left)
            yield consumption_id, grant_id, part
            unpaid, left = unpaid - part, left - part


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")
