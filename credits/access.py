"""May this customer go on, and what is left? (R43–R45)."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

from django.db import connection

from catalog.amounts import ZERO
from catalog.models import CreditType
from credits import pools
from credits.columns import Columns
from credits.models import Pool
from credits.pools import Standing
from subscriptions.models import Customer, Resource
from workspace import keys
from workspace.keys import WantedKey
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
    REQUESTED_VALUES_MISMATCH = "RequestedValuesMismatch"


Found = tuple[Customer | None, Resource | None, CreditType | None, Pool | None]
"""What the public ids of a question lead to; None for what there is not."""

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
    credit_type: CreditType | None


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
    found = _look_up(LOOK_UP, [customer_id, credit_type_id, resource_id or "", resource_id or ""])
    assert found is not None, "the statement gives one row, whatever it finds"
    return _decision(found, resource_id=resource_id, amount=amount, now=now)


def check_for_key(
    *,
    wanted: WantedKey,
    customer_id: str,
    credit_type_id: str,
    resource_id: str | None,
    amount: Decimal | None,
    now: datetime,
) -> Decision:
    """As `check`, and recognises the key of who asks in the same statement (X1).

    Raises:
        Unauthenticated: the key is unknown or revoked.
    """
    found = _look_up(
        LOOK_UP_FOR_KEY.format(hashes=", ".join(["%s"] * len(wanted.hashes))),
        [
            *(customer_id, credit_type_id, resource_id or "", resource_id or ""),
            *(wanted.lookup, *wanted.hashes),
        ],
    )
    if found is None:
        raise keys.unauthenticated()
    keys.note_use(wanted, now)
    return _decision(found, resource_id=resource_id, amount=amount, now=now)


def _decision(
    found: Found, *, resource_id: str | None, amount: Decimal | None, now: datetime
) -> Decision:
    customer, resource, credit_type, pool = found
    if customer is None:
        return _no(Denial.CUSTOMER_NOT_FOUND, credit_type)
    if customer.archived_at is not None:
        return _no(Denial.CUSTOMER_IS_ARCHIVED, credit_type)
    if resource_id and resource is None:
        return _no(Denial.CUSTOMER_RESOURCE_NOT_FOUND, credit_type)
    if pool is None:
        return _no(Denial.ENTITLEMENT_NOT_FOUND, credit_type)
    standing = pools.standing(pool, now)
    if is_untouched(standing):
        return _no(Denial.ENTITLEMENT_NOT_FOUND, credit_type)
    denial = decide(standing, amount)
    return Decision(denial is None, denial, standing, credit_type)


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


def _no(denial: Denial, credit_type: CreditType | None) -> Decision:
    return Decision(False, denial, NOTHING, credit_type)


CUSTOMER = Columns(Customer, "id", "archived_at")
RESOURCE = Columns(Resource, "id")
CREDIT_TYPE = Columns(
    CreditType,
    "id",
    "public_id",
    "name",
    "description",
    "unit_singular",
    "unit_plural",
    "metadata",
)
POOL = Columns(
    Pool,
    "id",
    "balance",
    "granted",
    "consumed",
    "last_entry_number",
    "as_of",
    "next_change_at",
    "next_reset_at",
    "is_entitled",
    "has_soft_limit",
    "is_revoked",
    "created_at",
)
LOOK_UP = f"""
    SELECT {CUSTOMER.of("customer")}, {RESOURCE.of("resource")}, {CREDIT_TYPE.of("type")},
           {POOL.of("pool")}
    FROM (SELECT 1 AS one) AS single
    LEFT JOIN {Customer._meta.db_table} AS customer ON customer.public_id = %s
    LEFT JOIN {CreditType._meta.db_table} AS type ON type.public_id = %s
    LEFT JOIN {Resource._meta.db_table} AS resource
           ON resource.customer_id = customer.id AND resource.public_id = %s
    LEFT JOIN {Pool._meta.db_table} AS pool
           ON pool.customer_id = customer.id AND pool.credit_type_id = type.id
          AND (pool.resource_id = resource.id
               OR (pool.resource_id IS NULL AND %s = ''))
    ORDER BY CASE WHEN type.archived_at IS NULL THEN 0 ELSE 1 END, pool.id
    LIMIT 1
"""  # noqa: S608 - every name in it is a table or column of ours


LOOK_UP_FOR_KEY = f"""
    SELECT found.*
    FROM {ApiKey._meta.db_table} AS asker CROSS JOIN ({LOOK_UP}) AS found
    WHERE asker.lookup = %s AND asker.key_hash IN ({{hashes}}) AND asker.revoked_at IS NULL
"""  # noqa: S608 - as above


def _look_up(statement: str, parameters: list[Any]) -> Found | None:
    """Everything a decision needs, by public ids, in one statement."""
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        columns_found = cursor.fetchone()
    if columns_found is None:
        return None
    row = list(columns_found)
    found: list[Any] = []
    for columns in (CUSTOMER, RESOURCE, CREDIT_TYPE, POOL):
        width = len(columns.fields)
        found.append(columns.instance(row[:width]))
        row = row[width:]
    customer, resource, credit_type, pool = found
    return customer, resource, credit_type, pool
