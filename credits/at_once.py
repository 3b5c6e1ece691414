"""On PostgreSQL: one consumption in one statement, if there is nothing more to it (R35–R40).

Four ways to the database and back, with the pool locked between them, cost more than the
work itself. Where nothing is due, the key is new and the grants can pay, a function of the
database locks, claims, splits and posts. Everything else it leaves untouched to the rules in
Python. What it repeats of those, a property test holds against them.

An application's consumption does not even ask first who they are: the function is called
with what the same statement found out about them.
"""

from functools import cache

from django.db import connection

from credits import burn_order, posting
from credits.book import EntryType, GrantType, Stage
from credits.callers import Question
from credits.columns import Row, fetch
from credits.models import Grant, LedgerEntry, Pool
from credits.models.grants import SPENT
from credits.pools import STANDING, Standing
from workspace import functions, keys
from workspace.functions import Function
from workspace.keys import KnownKey
from workspace.models import KeyKind

CLAIMS = posting.CLAIMS
POOL, GRANT, ENTRY = (f'"{model._meta.db_table}"' for model in (Pool, Grant, LedgerEntry))

BODY = f"""
DECLARE
    pool {POOL};
    paying record;
    part bigint;
    unpaid bigint := given_amount;
    claimed bigint;
BEGIN
    SELECT * INTO pool FROM {POOL} WHERE id = given_pool_id {{locked}};
    IF NOT FOUND OR pool.next_change_at <= given_recorded_at
       OR given_amount <= 0 OR given_amount > pool.balance THEN
        RETURN;
    END IF;

    INSERT INTO {CLAIMS.table} ({CLAIMS.listed}) VALUES ({CLAIMS.names_of_arguments})
    ON CONFLICT DO NOTHING RETURNING id INTO claimed;
    IF claimed IS NULL THEN
        RETURN;
    END IF;

    pool.as_of := greatest(given_recorded_at, pool.as_of);
    pool.consumed := pool.consumed + given_amount;
    WHILE unpaid > 0 LOOP
        SELECT id, amount - consumed AS remaining INTO STRICT paying FROM {GRANT}
        WHERE pool_id = given_pool_id AND stage = '{Stage.OPEN}'
          AND type <> '{GrantType.OVERDRAFT}' AND consumed < amount
        ORDER BY {burn_order.IN_SQL}
        LIMIT 1;
        part := least(unpaid, paying.remaining);
        UPDATE {GRANT}
        SET consumed = consumed + part,
            stage = CASE WHEN consumed + part = amount AND expires_at IS NULL
                         THEN '{SPENT}' ELSE stage END,
            updated_at = given_recorded_at
        WHERE id = paying.id;
        pool.last_entry_number := pool.last_entry_number + 1;
        INSERT INTO {ENTRY} (
            pool_id, number, type, amount, balance_before, balance_after, grant_id,
            consumption_id, effective_at, recorded_at, actor_kind, actor, reason
        ) VALUES (
            given_pool_id, pool.last_entry_number, '{EntryType.CONSUMED}', -part, pool.balance,
            pool.balance - part, paying.id, claimed, pool.as_of, given_recorded_at,
            given_actor_kind, given_actor, given_reason
        );
        pool.balance := pool.balance - part;
        unpaid := unpaid - part;
    END LOOP;

    UPDATE {POOL}
    SET balance = pool.balance, consumed = pool.consumed, as_of = pool.as_of,
        last_entry_number = pool.last_entry_number
    WHERE id = given_pool_id;
    RETURN NEXT pool;
END
"""  # noqa: S608 - names of our own tables and columns

FUNCTION = functions.register(
    Function(
        name="credits_spend_at_once",
        table=Pool._meta.db_table,
        arguments=CLAIMS.arguments,
        returns=f"SETOF {POOL}",
        body=BODY.format(locked="FOR NO KEY UPDATE"),
    )
)
CALL = (
    f"SELECT {STANDING.listed} "  # noqa: S608 - as above
    f"FROM {FUNCTION.name}({', '.join(['%s'] * len(CLAIMS.names))})"
)

FOUND = {
    '"pool_id"': f"CASE WHEN asked.kind = '{KeyKind.FULL}' THEN asked.pool_id END",
    '"actor"': "asked.name",
}
"""What a claim holds that is known only once the key is; no pool for keys with limits."""

ARGUMENTS = ", ".join(FOUND.get(name, "%s") for name in CLAIMS.names)
CALL_FOR_KEY = f"""
    WITH asked AS MATERIALIZED ({{question}})
    SELECT asked.*, {STANDING.of("spent")}
    FROM asked LEFT JOIN LATERAL {FUNCTION.name}({ARGUMENTS}) AS spent ON TRUE
"""  # noqa: S608 - as above


def is_possible() -> bool:
    """Whether the database has the function."""
    return connection.vendor == "postgresql"


def spend(claim: Row) -> Standing | None:
    """Claim and post a demand, a row of `posting.CLAIMS`; what its pool then holds.

    None, and nothing written, if it is not as simple as that: something is due, the grants
    cannot pay it all, the key came before, or there is no such pool.
    """
    [arguments] = CLAIMS.stored([claim])
    found = fetch(CALL, arguments)
    return Standing(*STANDING.read(found[0])) if found else None


def spend_for_key(question: Question, claim: Row) -> tuple[KnownKey, int | None, Standing | None]:
    """As `spend`, with pool and actor of the claim as the question finds them.

    It is answered, and strangers are gone, before anything is spent.

    Returns:
        The key, the pool if there is one, and what that holds if credits were spent. Keys
        that may not do everything spend nothing: how far they reach is not known here.

    Raises:
        Unauthenticated: the key is unknown or revoked.
    """
    [values] = CLAIMS.stored([claim])
    given = [value for name, value in zip(CLAIMS.names, values, strict=True) if name not in FOUND]
    rows = fetch(_call_for_key(question.sql), [*question.parameters, *given])
    if not rows:
        raise keys.unauthenticated()
    name, kind, scopes, pool_id, *columns = rows[0]
    standing = None if columns[0] is None else Standing(*STANDING.read(columns))
    return question.wanted.known_as(name, kind, scopes), pool_id, standing


@cache
def _call_for_key(question: str) -> str:
    return CALL_FOR_KEY.format(question=question)
