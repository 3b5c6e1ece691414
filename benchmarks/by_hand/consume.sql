-- One consumption, as fast as the database can: lock the pool, claim the key, let grants pay
-- in burn order, move remainders, entries and balance. Amounts are millionths of a credit.

CREATE OR REPLACE FUNCTION consume_by_hand(wanted_pool bigint, wanted bigint, wanted_key text)
RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    pool credits_pool;
    open_grant record;
    part bigint;
    unpaid bigint := wanted;
    cause bigint;
    at timestamptz;
BEGIN
    SELECT * INTO STRICT pool FROM credits_pool WHERE id = wanted_pool FOR UPDATE;
    at := greatest(clock_timestamp(), pool.as_of);
    IF pool.next_change_at <= at THEN
        RAISE 'Something is due in pool %', wanted_pool;
    END IF;

    INSERT INTO credits_consumption (
        pool_id, kind, key, amount, fingerprint, dimensions, flags, used_at, recorded_at,
        actor_kind, actor, reason, trace_id
    ) VALUES (
        wanted_pool, 'DIRECT', wanted_key, wanted,
        encode(sha256(convert_to(wanted::text, 'UTF8')), 'hex'), '{}', '[]', at, at,
        'SYSTEM', 'System', '', ''
    )
    ON CONFLICT DO NOTHING
    RETURNING id INTO cause;
    IF cause IS NULL THEN
        RETURN pool.balance;
    END IF;

    FOR open_grant IN
        SELECT id, amount - consumed AS remaining, expires_at
        FROM credits_grant
        WHERE pool_id = wanted_pool AND stage IN ('WAITING', 'OPEN')
          AND stage = 'OPEN' AND type <> 'OVERDRAFT' AND consumed < amount
        ORDER BY priority, expires_at NULLS LAST, type <> 'PROMOTIONAL', effective_at,
                 created_at, id
    LOOP
        part := least(unpaid, open_grant.remaining);
        UPDATE credits_grant
        SET consumed = consumed + part,
            stage = CASE WHEN consumed + part = amount AND expires_at IS NULL
                         THEN 'SPENT' ELSE stage END,
            updated_at = at
        WHERE id = open_grant.id;
        pool.last_entry_number := pool.last_entry_number + 1;
        INSERT INTO credits_ledgerentry (
            pool_id, number, type, amount, balance_before, balance_after, grant_id,
            consumption_id, effective_at, recorded_at, actor_kind, actor, reason
        ) VALUES (
            wanted_pool, pool.last_entry_number, 'CREDITS_CONSUMED', -part, pool.balance,
            pool.balance - part, open_grant.id, cause, at, at, 'SYSTEM', 'System', ''
        );
        pool.balance := pool.balance - part;
        unpaid := unpaid - part;
        EXIT WHEN unpaid = 0;
    END LOOP;
    IF unpaid > 0 THEN
        RAISE 'Pool % ran dry', wanted_pool;
    END IF;

    UPDATE credits_pool
    SET balance = pool.balance, consumed = consumed + wanted,
        last_entry_number = pool.last_entry_number, as_of = at
    WHERE id = wanted_pool;
    RETURN pool.balance;
END $$;
