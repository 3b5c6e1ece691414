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


RESET = """
    CREATE TEMP TABLE due AS
    SELECT id AS pool_id, balance, last_entry_number FROM credits_pool
    WHERE next_change_at <= :at AND set_aside_at IS NULL;
    CREATE UNIQUE INDEX temp.due_by_pool ON due (pool_id);

    CREATE TEMP TABLE expired AS
    SELECT g.id, g.pool_id, g.amount, g.consumed FROM credits_grant AS g JOIN due USING (pool_id)
    WHERE g.stage IN ('WAITING', 'OPEN') AND g.expires_at <= :at;
    CREATE UNIQUE INDEX temp.expired_by_pool ON expired (pool_id);
    UPDATE credits_grant SET stage = 'CLOSED', updated_at = :at
    WHERE id IN (SELECT id FROM expired);

    UPDATE credits_schedule
    SET mark = amount, given_back = 0, period_starts_at = next_at, next_at = :then
    WHERE NOT ended AND next_at <= :at AND pool_id IN (SELECT pool_id FROM due);
    INSERT INTO credits_grant (
        public_id, pool_id, type, source_type, schedule_id, subscription_id, source_id,
        name, comment, metadata, amount, consumed, priority, cost_amount, cost_currency,
        effective_at, expires_at, payment_pending, void_reason, stage,
        period_starts_at, period_ends_at, mark_before, created_at, updated_at
    )
    SELECT lower(hex(randomblob(16))), pool_id, 'RECURRING', 'PLAN_ENTITLEMENT', id,
           subscription_id, source_id, name, '', '{}', amount, 0, 10, 0, 'USD',
           period_starts_at, next_at, 0, '', 'OPEN',
           period_starts_at, next_at, 0, period_starts_at, :at
    FROM credits_schedule WHERE next_at = :then AND pool_id IN (SELECT pool_id FROM due);
    CREATE TEMP TABLE issued AS
    SELECT id, pool_id, amount, effective_at FROM credits_grant
    WHERE updated_at = :at AND stage = 'OPEN' AND pool_id IN (SELECT pool_id FROM due);
    CREATE UNIQUE INDEX temp.issued_by_pool ON issued (pool_id);

    CREATE TEMP TABLE entries AS
    SELECT pool_id, last_entry_number + (expired.consumed < expired.amount) AS number,
           balance - expired.amount + expired.consumed AS balance, expired.id AS expired_id,
           expired.amount - expired.consumed AS unused, expired.amount AS expired_amount,
           expired.consumed AS expired_consumed, issued.id AS issued_id, issued.amount AS issued,
           issued.effective_at AS effective_at
    FROM due JOIN expired USING (pool_id) JOIN issued USING (pool_id);
    CREATE UNIQUE INDEX temp.entries_by_pool ON entries (pool_id);
    INSERT INTO credits_ledgerentry (
        pool_id, number, type, amount, balance_before, balance_after, grant_id,
        effective_at, recorded_at, actor_kind, actor, reason
    )
    SELECT pool_id, number, 'CREDITS_EXPIRED', -unused, balance + unused, balance, expired_id,
           effective_at, :at, 'SYSTEM', 'System', ''
    FROM entries WHERE unused > 0 ORDER BY pool_id;
    INSERT INTO credits_ledgerentry (
        pool_id, number, type, amount, balance_before, balance_after, grant_id,
        effective_at, recorded_at, actor_kind, actor, reason
    )
    SELECT pool_id, number + 1, 'CREDITS_GRANTED', issued, balance, balance + issued, issued_id,
           effective_at, :at, 'SYSTEM', 'System', ''
    FROM entries ORDER BY pool_id;
    UPDATE credits_pool
    SET balance = entries.balance + issued, granted = granted - expired_amount + issued,
        consumed = credits_pool.consumed - expired_consumed, last_entry_number = number + 1,
        as_of = effective_at, next_change_at = :then, next_reset_at = :then
    FROM entries WHERE credits_pool.id = entries.pool_id
"""
TEMPORARY = ("due", "expired", "issued", "entries")


def reset(connection: sqlite3.Connection, at: datetime, then: datetime) -> int:
    """Reset all pools due at `at`, whose next period ends at `then`, in one transaction."""
    instants = {"at": _stored(at), "then": _stored(then)}
    connection.execute("BEGIN IMMEDIATE")
    rows = 0
    for statement in RESET.split(";"):
        rows = connection.execute(statement, instants).rowcount
    for table in TEMPORARY:
        connection.execute(f"DROP TABLE temp.{table}")
    connection.execute("COMMIT")
    return rows


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
    return _stored(datetime.now(UTC))


def _stored(instant: datetime) -> str:
    return str(instant.astimezone(UTC).replace(tzinfo=None))
