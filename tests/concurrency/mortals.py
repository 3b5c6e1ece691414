"""The verbs that must survive a crash, each with something to do in every table it writes."""

from contextlib import nullcontext
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from types import SimpleNamespace
from typing import Any
from unittest import mock
from uuid import UUID

from credits import bulk, consumption, events, grants, resets, usage
from credits import tasks as credit_tasks
from credits.book import GrantType
from credits.bulk import Aim
from credits.bulk_grants import Granting
from credits.consumption import Demand
from credits.events import Event
from credits.grants import Gift
from credits.models import Pool
from tests.builders import (
    a_credit_type,
    a_customer,
    a_metered_feature,
    a_published_plan,
    a_rate,
    a_subscription,
    some_credits,
    some_units,
)
from tests.concurrency import mortal_subscriptions
from tests.concurrency.crashes import Verb, as_a_request
from tests.credits.paper import FEBRUARY, JANUARY, MARCH, MID_JANUARY
from tests.credits.pools import a_pool, a_pool_of_a_plan, consumed, granted
from workspace import acts
from workspace.actors import SYSTEM

HOUR = timedelta(hours=1)
NO_TRANSACTION = SimpleNamespace(atomic=lambda **options: nullcontext())

Arguments = dict[str, Any]


def a_pool_with_a_topup() -> Arguments:
    pool = a_pool(now=JANUARY)
    granted(pool, 100, now=JANUARY, expires_at=MARCH)
    return {"pool_id": pool.pk, "now": MID_JANUARY.isoformat()}


def a_pool_whose_month_is_over() -> Arguments:
    """It owes something, is due, and cannot pay 250 with what it will have."""
    pool = a_pool_of_a_plan(100, now=JANUARY)
    granted(pool, 10, now=JANUARY, expires_at=MARCH)
    consumed(pool, 30, now=MID_JANUARY)
    return {"pool_id": pool.pk, "now": FEBRUARY.isoformat()}


def consume(pool_id: int, now: str) -> None:
    at = datetime.fromisoformat(now)
    demand = Demand(Decimal(50 if at == MID_JANUARY else 250), "job-1", at)
    consumption.consume(pool_id=pool_id, demand=demand, actor=SYSTEM, now=at)


def consume_in_pieces(pool_id: int, now: str) -> None:
    """The twin: the same statements, and no transaction around them."""
    with mock.patch.object(acts, "transaction", NO_TRANSACTION):
        consume(pool_id, now)


def a_pool_that_owes() -> Arguments:
    pool = a_pool(now=JANUARY)
    consumed(pool, 30, now=JANUARY)
    return {"pool_id": pool.pk}


def grant_without_a_key(pool_id: int) -> None:
    """The twin: nothing tells a second attempt from a second grant."""
    gift = Gift(GrantType.PAID, Decimal(100), "Top-up")
    grants.grant(pool_id=pool_id, gift=gift, actor=SYSTEM, now=MID_JANUARY)


def grant(pool_id: int) -> None:
    as_a_request(lambda: grant_without_a_key(pool_id))


def a_grant_in_use() -> Arguments:
    pool = a_pool(now=JANUARY)
    grant = granted(pool, 100, now=JANUARY)
    consumed(pool, 30, now=JANUARY)
    return {"grant_id": str(grant.public_id)}


def void(grant_id: str) -> None:
    as_a_request(
        lambda: grants.void(
            grant_id=UUID(grant_id), reason="A mistake", actor=SYSTEM, now=MID_JANUARY
        )
    )


def edit(grant_id: str) -> None:
    """What is left of it expires sooner, and is burned later."""
    terms = replace(grants.edit_of(grants.find(grant_id), expires_at=FEBRUARY), priority=20)
    as_a_request(
        lambda: grants.edit(
            grant_id=UUID(grant_id), edit=terms, reason="Agreed", actor=SYSTEM, now=MID_JANUARY
        )
    )


def a_grant_to_be_paid() -> Arguments:
    """What the pool owes is settled with it."""
    pool = a_pool(now=JANUARY)
    consumed(pool, 30, now=JANUARY)
    gift = Gift(GrantType.PAID, Decimal(100), "Top-up", payment_pending=True)
    grant = grants.grant(pool_id=pool.pk, gift=gift, actor=SYSTEM, now=JANUARY)
    return {"grant_id": str(grant.public_id)}


def confirm_payment(grant_id: str) -> None:
    as_a_request(
        lambda: grants.confirm_payment(grant_id=UUID(grant_id), actor=SYSTEM, now=MID_JANUARY)
    )


def due_pools() -> Arguments:
    """Three, for two batches; one was used up, one overdrawn."""
    credit_type = a_credit_type(now=JANUARY)
    plan = a_published_plan(entitlements=[some_credits(credit_type, 100)], now=JANUARY)
    for place, used in enumerate([0, 100, 130]):
        start = JANUARY + place * HOUR
        subscription = a_subscription(plan=plan, now=start)
        if used:
            consumed(Pool.objects.get(customer=subscription.customer), used, now=MID_JANUARY)
    return {}


def sweep() -> None:
    resets.sweep(now=FEBRUARY + 3 * HOUR, seconds=60, batch=2)


def sweep_in_pieces() -> None:
    """The twin: each pool is locked and written without a transaction."""
    with mock.patch.object(acts, "transaction", NO_TRANSACTION):
        for pool in Pool.objects.due(FEBRUARY + 3 * HOUR).order_by("pk"):
            resets.write_one(pool_id=pool.pk, now=FEBRUARY + 3 * HOUR)


def a_customer_who_pays_for_images() -> Arguments:
    """From two pools: one suffices, one will owe."""
    ample, scarce = a_credit_type(now=JANUARY), a_credit_type("API Credits", now=JANUARY)
    feature = a_metered_feature(now=JANUARY)
    plan = a_published_plan(
        entitlements=[some_credits(ample, 100), some_credits(scarce, 25)],
        mappings=[a_rate(feature, ample, 10), a_rate(feature, scarce, 10)],
        now=JANUARY,
    )
    return {"customer_id": a_subscription(plan=plan, now=JANUARY).customer.public_id}


def report(customer_id: str) -> None:
    keys = ["1", "2", "3", "1"]  # the last is a repeat
    reported = [Event(customer_id, "image", key) for key in keys]
    events.report(events=reported, actor=SYSTEM, now=MID_JANUARY)


def two_customers_who_count_images() -> Arguments:
    """One has enough credits, one will owe; what both used before was an event."""
    credit_type, feature = a_credit_type(now=JANUARY), a_metered_feature(now=JANUARY)
    plan = a_published_plan(
        entitlements=[some_credits(credit_type, 100), some_units(feature, None)],
        mappings=[a_rate(feature, credit_type, 10)],
        now=JANUARY,
    )
    customers = [a_subscription(plan=plan, now=JANUARY).customer.public_id for _ in range(2)]
    reported = [Event(customer_id, "image", "0") for customer_id in customers]
    events.report(events=reported, actor=SYSTEM, now=JANUARY)
    return {"feature_id": feature.public_id, "customer_ids": customers}


def report_totals(feature_id: str, customer_ids: list[str]) -> None:
    """One says how many in all, one how many more; the last is a repeat."""
    first, second = customer_ids
    reports = [
        usage.Report(first, feature_id, 4, sets_total=True, key="1"),
        usage.Report(second, feature_id, 12, key="1"),
        usage.Report(first, feature_id, 4, sets_total=True, key="1"),
    ]
    usage.report(reports=reports, actor=SYSTEM, now=MID_JANUARY)


def a_bulk_change_of_three() -> Arguments:
    """Looked at and let go: one owes, one has something, one has no pool yet."""
    credit_type = a_credit_type(now=JANUARY)
    debtor, saver = (
        a_pool(credit_type=credit_type, now=JANUARY),
        a_pool(credit_type=credit_type, now=JANUARY),
    )
    consumed(debtor, 30, now=JANUARY)
    granted(saver, 10, now=JANUARY, expires_at=MARCH)
    chosen = [Aim(debtor.customer_id), Aim(saver.customer_id), Aim(a_customer(now=JANUARY).pk)]
    deed = Granting(credit_type_id=credit_type.public_id, amount=Decimal(100), name="Sorry")
    run = bulk.begin(
        deed=deed, aims=lambda: chosen, reason="r", chosen="c", actor=SYSTEM, now=JANUARY
    )
    credit_tasks.carry_out_bulk_changes(MID_JANUARY)
    bulk.start(run_id=run.pk, actor=SYSTEM, now=MID_JANUARY)
    return {}


def carry_out() -> None:
    credit_tasks.carry_out_bulk_changes(MID_JANUARY + HOUR)


VERBS = {
    "consume": Verb(a_pool_whose_month_is_over, consume),
    "consume what is there": Verb(a_pool_with_a_topup, consume),
    "grant": Verb(a_pool_that_owes, grant),
    "void": Verb(a_grant_in_use, void),
    "edit": Verb(a_grant_in_use, edit),
    "confirm payment": Verb(a_grant_to_be_paid, confirm_payment),
    "sweep": Verb(due_pools, sweep),
    "events": Verb(a_customer_who_pays_for_images, report),
    "usage": Verb(two_customers_who_count_images, report_totals),
    "bulk": Verb(a_bulk_change_of_three, carry_out),
    **mortal_subscriptions.VERBS,
}

TWINS = {
    "consume in pieces": Verb(a_pool_whose_month_is_over, consume_in_pieces),
    "sweep in pieces": Verb(due_pools, sweep_in_pieces),
    "grant without a key": Verb(a_pool_that_owes, grant_without_a_key),
}
