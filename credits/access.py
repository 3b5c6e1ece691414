"""May this customer go on, and what is left? (R43–R45)."""

import json
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from functools import cache
from typing import Any, NamedTuple, cast

from catalog.amounts import ZERO
from catalog.models import CreditType
from credits import pools
from credits.columns import Columns, Row, fetch
from credits.models import Pool
from credits.pools import Standing
from subscriptions.models import Customer, Resource
from workspace import keys
from workspace.keys import KnownKey, WantedKey
from workspace.models import ApiKey


class Denial(StrEnum):
    """Why access is refused, in the words of the wire (R45)."""

    CUSTOMER_NOT_FOUND = "CustomerNotFound"
    CUSTOMER_IS_ARCHIVED = "CustomerIsArchived"
    CUSTOMER_RESOURCE_NOT_FOUND = "CustomerResourceNotFound"
    ENTITLEMENT_NOT_FOUND = "EntitlementNotFound"
    REVOKED = "Revoked"
    INSUFFICIENT_CREDITS = "InsufficientCredits"
    FEATURE_NOT_FOUND = "FeatureNotFound"
    FEATURE_TYPE_MISMATCH = "FeatureTypeMismatch"
    NO_ACTIVE_SUBSCRIPTION = "NoActiveSubscription"
    NO_FEATURE_ENTITLEMENT = "NoFeatureEntitlementInSubscription"
    REQUESTED_USAGE_EXCEEDING_LIMIT = "RequestedUsageExceedingLimit"
    BUDGET_EXCEEDED = "BudgetExceeded"
    REQUESTED_VALUES_MISMATCH = "RequestedValuesMismatch"


class NamedCredits(NamedTuple):
    """How credits are called: what an answer shows of a credit type."""

    public_id: str
    name: str
    description: str
    unit_singular: str
    unit_plural: str
    metadata: dict[str, Any]


class StoredPool(NamedTuple):
    """A pool's row, as far as its standing depends on it."""

    pk: int
    balance: Decimal
    granted: Decimal
    consumed: Decimal
    last_entry_number: int
    as_of: datetime | None
    next_change_at: datetime | None
    next_reset_at: datetime | None
    is_entitled: bool
    has_soft_limit: bool
    is_revoked: bool
    created_at: datetime


class Found(NamedTuple):
    """What the public ids of a question lead to; None for what there is not."""

    customer_id: int | None
    is_archived: bool
    resource_id: int | None
    credit_type: NamedCredits | None
    pool: StoredPool | None


NOTHING = Standing(
    balance=ZERO,
    granted=ZERO,
    consumed=ZERO,
    next_reset_at=None,
    is_entitled=False,
    has_soft_limit=False,
    is_revoked=False,
    as_of=None,
    next_change_at=None,
)


@dataclass(slots=True, frozen=True)
class Decision:
    """The answer to an access check, with what it rests on.

    `credit_type` is None if there is none of the id that was asked for.
    """

    is_granted: bool
    denial: Denial | None
    standing: Standing
    credit_type: NamedCredits | None


def check(
    *,
    customer_id: str,
    credit_type_id: str,
    resource_id: str | None,
    amount: Decimal | None,
    now: datetime,
) -> Decision:
    """Decide whether `amount` more credits may be used, in one statement (R44, R45).

    Without an amount, or with 0, a balance above 0 is enough. If something is due in the
    pool, the answer is computed as if it had been written. Nothing is changed.
    """
    [row] = fetch(LOOK_UP, _ids(customer_id, credit_type_id, resource_id))
    return _decision(_found(row), resource_id=resource_id, amount=amount, now=now)


def check_for_key(
    *,
    wanted: WantedKey,
    customer_id: str,
    credit_type_id: str,
    resource_id: str | None,
    amount: Decimal | None,
    now: datetime,
) -> tuple[KnownKey, Decision]:
    """As `check`, and recognises the key of who asks in the same statement (X1).

    Raises:
        Unauthenticated: the key is unknown or revoked.
    """
    ids = _ids(customer_id, credit_type_id, resource_id)
    rows = fetch(_look_up_for_key(wanted.condition), [*ids, *wanted.parameters])
    if not rows:
        raise keys.unauthenticated()
    name, kind, scopes, *row = rows[0]
    decision = _decision(_found(row), resource_id=resource_id, amount=amount, now=now)
    return wanted.known_as(name, kind, scopes), decision


def _decision(
    found: Found, *, resource_id: str | None, amount: Decimal | None, now: datetime
) -> Decision:
    if found.customer_id is None:
        return _no(Denial.CUSTOMER_NOT_FOUND, found.credit_type)
    if found.is_archived:
        return _no(Denial.CUSTOMER_IS_ARCHIVED, found.credit_type)
    if resource_id and found.resource_id is None:
        return _no(Denial.CUSTOMER_RESOURCE_NOT_FOUND, found.credit_type)
    if found.pool is None:
        return _no(Denial.ENTITLEMENT_NOT_FOUND, found.credit_type)
    # Not a model instance, which costs ten times as much, but all that is looked at.
    standing = pools.standing(cast(Pool, found.pool), now)
    if is_untouched(standing):
        return _no(Denial.ENTITLEMENT_NOT_FOUND, found.credit_type)
    denial = decide(standing, amount)
    return Decision(denial is None, denial, standing, found.credit_type)


def is_untouched(standing: Standing) -> bool:
    """Whether a pool was merely opened: nothing ever gave to it or took from it."""
    return standing.as_of is None and not standing.is_entitled


def decide(standing: Standing, amount: Decimal | None) -> Denial | None:
    """The reason for a no, or None for a yes (R44, R45)."""
    enough = standing.balance >= amount if amount else standing.balance > 0
    if enough or (standing.has_soft_limit and not standing.is_revoked):
        return None
    if standing.is_revoked and standing.balance <= 0:
        return Denial.REVOKED
    return Denial.INSUFFICIENT_CREDITS


def _no(denial: Denial, credit_type: NamedCredits | None) -> Decision:
    return Decision(False, denial, NOTHING, credit_type)


CUSTOMER = Columns(Customer, "id", "archived_at")
RESOURCE = Columns(Resource, "id")
CREDIT_TYPE = Columns(CreditType, *(n for n in NamedCredits._fields if n != "metadata"))
METADATA = Columns(CreditType, "metadata")
WORDS = len(CREDIT_TYPE.fields)
POOL = Columns(Pool, *("id" if name == "pk" else name for name in StoredPool._fields))
LOOK_UP = f"""
    SELECT {CUSTOMER.of("customer")}, {RESOURCE.of("resource")}, {CREDIT_TYPE.of("type")},
           CAST({METADATA.of("type")} AS text), {POOL.of("pool")}
    FROM (SELECT 1 AS one) AS single
    LEFT JOIN {CUSTOMER.table} AS customer ON customer.public_id = %s
    LEFT JOIN {CREDIT_TYPE.table} AS type ON type.public_id = %s
    LEFT JOIN {RESOURCE.table} AS resource
           ON resource.customer_id = customer.id AND resource.public_id = %s
    LEFT JOIN {POOL.table} AS pool
           ON pool.customer_id = customer.id AND pool.credit_type_id = type.id
          AND (pool.resource_id = resource.id
               OR (pool.resource_id IS NULL AND %s = ''))
    ORDER BY CASE WHEN type.archived_at IS NULL THEN 0 ELSE 1 END, pool.id
    LIMIT 1
"""  # noqa: S608 - every name in it is a table or column of ours


LOOK_UP_FOR_KEY = f"""
    SELECT {keys.ASKER}, found.*
    FROM "{ApiKey._meta.db_table}" AS asker CROSS JOIN ({LOOK_UP}) AS found
    WHERE {{condition}}
"""  # noqa: S608 - as above


@cache
def _look_up_for_key(condition: str) -> str:
    return LOOK_UP_FOR_KEY.format(condition=condition)


def _ids(customer_id: str, credit_type_id: str, resource_id: str | None) -> list[str]:
    """The parameters of `LOOK_UP`."""
    return [customer_id, credit_type_id, resource_id or "", resource_id or ""]


def _found(row: Row) -> Found:
    """A row of `LOOK_UP`."""
    customer_id, archived_at, resource_id, *columns = row
    words, [metadata, *pool] = columns[:WORDS], columns[WORDS:]
    return Found(
        customer_id,
        archived_at is not None,
        resource_id,
        None if words[0] is None else NamedCredits._make([*words, json.loads(metadata)]),
        None if pool[0] is None else StoredPool._make(POOL.read(pool)),
    )
