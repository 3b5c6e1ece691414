"""Who asks, and which pool they mean: found together, in one statement (X1, R42)."""

from catalog.models import CreditType
from credits.columns import fetch
from credits.models import Pool
from subscriptions.models import Customer, Resource
from workspace import keys
from workspace.keys import KnownKey, WantedKey
from workspace.models import ApiKey

FIND = f"""
    SELECT {keys.ASKER}, found.id
    FROM "{ApiKey._meta.db_table}" AS asker
    LEFT JOIN (
        SELECT pool.id
        FROM "{Customer._meta.db_table}" AS customer
        JOIN "{Pool._meta.db_table}" AS pool ON pool.customer_id = customer.id
        JOIN "{CreditType._meta.db_table}" AS type ON type.id = pool.credit_type_id
        LEFT JOIN "{Resource._meta.db_table}" AS resource ON resource.id = pool.resource_id
        WHERE customer.public_id = %s AND customer.archived_at IS NULL
          AND type.public_id = %s AND type.archived_at IS NULL
          AND COALESCE(resource.public_id, '') = %s
    ) AS found ON TRUE
    WHERE {{condition}}
"""  # noqa: S608 - every name in it is a table of ours


def find(
    *,
    wanted: WantedKey,
    customer_id: str,
    credit_type_id: str,
    resource_id: str | None,
) -> tuple[KnownKey, int | None]:
    """The key of who asks, and the id of the pool that the public ids name.

    No pool if one of the ids is unknown or archived, or nobody used these credits yet: then
    `pools.locate` says which, or opens one.

    Raises:
        Unauthenticated: the key is unknown or revoked.
    """
    ids = [customer_id, credit_type_id, resource_id or ""]
    rows = fetch(FIND.format(condition=wanted.condition), [*ids, *wanted.parameters])
    if not rows:
        raise keys.unauthenticated()
    [(*asker, pool_id)] = rows
    return wanted.known_as(*asker), pool_id
