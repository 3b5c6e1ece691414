"""Who asks, and which pool they mean: found together, in one statement (X1, R42)."""

from dataclasses import dataclass
from typing import Any

from catalog.models import CreditType
from credits.columns import fetch
from credits.models import Pool
from subscriptions.models import Customer, Resource
from workspace import keys
from workspace.keys import KnownKey, WantedKey
from workspace.models import ApiKey

FIND = f"""
    SELECT {keys.ASKER}, found.pool_id
    FROM "{ApiKey._meta.db_table}" AS asker
    LEFT JOIN (
        SELECT pool.id AS pool_id
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


@dataclass(frozen=True, slots=True)
class Question:
    """The key that was sent, and the public ids of a pool."""

    wanted: WantedKey
    customer_id: str
    credit_type_id: str
    resource_id: str | None

    @property
    def sql(self) -> str:
        """Answers with a row of `keys.ASKER` and `pool_id`; with none to strangers."""
        return FIND.format(condition=self.wanted.condition)

    @property
    def parameters(self) -> list[Any]:
        """What belongs into the places of `sql`."""
        ids = [self.customer_id, self.credit_type_id, self.resource_id or ""]
        return [*ids, *self.wanted.parameters]


def find(question: Question) -> tuple[KnownKey, int | None]:
    """The key of who asks, and the id of the pool that the public ids name.

    No pool if one of the ids is unknown or archived, or nobody used these credits yet: then
    `pools.locate` says which, or opens one.

    Raises:
        Unauthenticated: the key is unknown or revoked.
    """
    rows = fetch(question.sql, question.parameters)
    if not rows:
        raise keys.unauthenticated()
    [(*asker, pool_id)] = rows
    return question.wanted.known_as(*asker), pool_id
