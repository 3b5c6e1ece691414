-- Many consumptions of one pool as sets: demands and grants lie end to end on one line of
-- credits, and where two of them overlap, that grant pays that demand.

CREATE OR REPLACE FUNCTION consume_several_by_hand(wanted_pool bigint, wanted bigint[], keys text[])
RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    pool credits_pool;
    paid bigint;
    posted bigint;
    at timestamptz;
BEGIN
    SELECT * INTO STRICT pool FROM credits_pool WHERE id = wanted_pool FOR UPDATE;
    at := greatest(clock_timestamp(), pool.as_of);
    IF pool.next_change_at <= at THEN
        RAISE 'Something is due in pool %', wanted_pool;
    END IF;

    WITH claimed AS (
        INSERT INTO credits_consumption (
            pool_id, kind, key, amount, fingerprint, dimensions, flags, used_at, recorded_at,
            actor_kind, actor, reason, trace_id
        )
        SELECT wanted_pool, 'DIRECT', key, amount,
               encode(sha256(convert_to(amount::text, 'UTF8')), 'hex'), '{}', '[]', at, at,
               'SYSTEM', 'System', '', ''
        FROM unnest(wanted, keys) WITH ORDINALITY AS demand (amount, key, place)
        ORDER BY place
        ON CONFLICT DO NOTHING
        RETURNING id, amount
    ), demands AS (
        SELECT id, sum(amount) OVER line - amount AS first, sum(amount) OVER line AS last
        FROM claimed
        WINDOW line AS (ORDER BY id)
    ), grants AS (
        SELECT id, sum(amount - consumed) OVER line - (amount - consumed) AS first,
               sum(amount - consumed) OVER line AS last
        FROM credits_grant
        WHERE pool_id = wanted_pool AND stage IN ('WAITING', 'OPEN')
          AND stage = 'OPEN' AND type <> 'OVERDRAFT' AND consumed < amount
        WINDOW line AS (ORDER BY priority, expires_at NULLS LAST, type <> 'PROMOTIONAL',
                        effective_at, created_at, id)
    ), shares AS (
        SELECT demands.id AS consumption_id, grants.id AS grant_id,
               least(demands.last, grants.last) - greatest(demands.first, grants.first) AS part,
               row_number() OVER line AS place, least(demands.last, grants.last) AS so_far
        FROM demands JOIN grants ON grants.first < demands.last AND demands.first < grants.last
        WINDOW line AS (ORDER BY demands.id, grants.first)
    ), spent AS (
        UPDATE credits_grant AS g
        SET consumed = g.consumed + by_grant.part,
            stage = CASE WHEN g.consumed + by_grant.part = g.amount AND g.expires_at IS NULL
                         THEN 'SPENT' ELSE g.stage END,
            updated_at = at
        FROM (SELECT grant_id, sum(part) AS part FROM shares GROUP BY grant_id) AS by_grant
        WHERE g.id = by_grant.grant_id
    ), entries AS (
        INSERT INTO credits_ledgerentry (
            pool_id, number, type, amount, balance_before, balance_after, grant_id,
            consumption_id, effective_at, recorded_at, actor_kind, actor, reason
        )
        SELECT wanted_pool, pool.last_entry_number + place, 'CREDITS_CONSUMED', -part,
               pool.balance - so_far + part, pool.balance - so_far, grant_id, consumption_id,
               at, at, 'SYSTEM', 'System', ''
        FROM shares ORDER BY place
    )
    SELECT sum(part), count(*) INTO paid, posted FROM shares;

    UPDATE credits_pool
    SET balance = balance - paid, consumed = consumed + paid,
        last_entry_number = last_entry_number + posted, as_of = at
    WHERE id = wanted_pool;
    RETURN pool.balance - paid;
END $$;
