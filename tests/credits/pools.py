"""Pools of stored customers, for tests of what screens show: made through the real verbs."""

from datetime import UTC, datetime
from decimal import Decimal
from itertools import count
from typing import Any

from catalog.models import CreditType, Feature, Package
from credits import consumption, grants, pools
from credits.book import GrantType
from credits.consumption import Demand
from credits.grants import Gift
from credits.models import Grant, Pool
from subscriptions.models import Customer, Resource
from tests.builders import a_credit_type, a_customer, a_published_plan, a_subscription, some_credits
from workspace.actors import SYSTEM

START = datetime(2026, 3, 31, 10, 0, tzinfo=UTC)
"""When the subscriptions of these tests begin: their months end on 30 April, 31 May, …"""

_numbers = count(1)


def a_pool(
    customer: Customer | None = None,
    credit_type: CreditType | None = None,
    resource: Resource | None = None,
    *,
    now: datetime = START,
) -> Pool:
    """An empty pool, without a subscription."""
    pool_id = pools.open_pool(
        customer_id=(customer or a_customer(now=now)).pk,
        credit_type_id=(credit_type or a_credit_type(now=now)).pk,
        resource_id=resource.pk if resource else None,
        now=now,
    )
    return stored(pool_id)


def a_pool_of_a_plan(amount: int = 5000, *, now: datetime = START) -> Pool:
    """A pool to which a plan gives `amount` credits per month, from `now` on."""
    credit_type = a_credit_type(now=now)
    plan: Package = a_published_plan(entitlements=[some_credits(credit_type, amount)], now=now)
    subscription = a_subscription(plan=plan, now=now)
    return stored(Pool.objects.get(customer=subscription.customer, credit_type=credit_type).pk)


def stored(pool: Pool | int) -> Pool:
    """The pool as the database has it now."""
    pool_id = pool if isinstance(pool, int) else pool.pk
    return Pool.objects.select_related("customer", "credit_type", "resource").get(pk=pool_id)


def granted(pool: Pool, amount: int | str = 100, *, now: datetime = START, **fields: Any) -> Grant:
    """A grant by a person into `pool`; other fields as in `Gift`."""
    fields = {"type": GrantType.PAID, "name": "Top-up", **fields}
    gift = Gift(amount=Decimal(amount), **fields)
    return grants.grant(pool_id=pool.pk, gift=gift, actor=SYSTEM, now=now)


def consumed(
    pool: Pool,
    amount: int | str,
    *,
    feature: Feature | None = None,
    now: datetime = START,
    used_at: datetime | None = None,
    dimensions: dict[str, Any] | None = None,
) -> None:
    """`amount` taken out of `pool`."""
    demand = Demand(
        amount=Decimal(amount),
        key=f"use-{next(_numbers)}",
        used_at=used_at or now,
        feature_id=feature.pk if feature else None,
        dimensions=dimensions or {},
    )
    consumption.consume(pool_id=pool.pk, demand=demand, actor=SYSTEM, now=now)
