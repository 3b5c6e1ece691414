"""Consuming in one statement does, row by row, what the rules in Python do."""

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import DatabaseError, connection
from hypothesis import given
from hypothesis import strategies as st

from credits import at_once, burn_order, consumption
from credits.book import GrantType, Stage
from credits.consumption import Demand, InsufficientCredits, Receipt
from credits.models import Consumption, ConsumptionKind, Grant, LedgerEntry, Pool
from credits.models.grants import SPENT
from tests.credits.conftest import prove_the_books
from tests.credits.paper import FEBRUARY, JANUARY, LATE_JANUARY, MARCH, MID_JANUARY
from tests.credits.pools import a_pool, a_pool_of_a_plan, granted
from tests.properties.shop import forgotten
from workspace import functions
from workspace.actors import SYSTEM, Actor, ActorKind

__all__ = ["prove_the_books"]

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.skipif(connection.vendor != "postgresql", reason="PostgreSQL only"),
]

ALICE = Actor(ActorKind.USER, "1", "Alice")
EARLIER = JANUARY - timedelta(seconds=1)
GRANTS = st.lists(
    st.fixed_dictionaries(
        {
            "amount": st.sampled_from(["1", "2.5", "10", "0.000001"]),
            "type": st.sampled_from([GrantType.PAID, GrantType.PROMOTIONAL]),
            "priority": st.sampled_from([0, 10, 10, 20]),
            "expires_at": st.sampled_from([None, None, FEBRUARY, MARCH]),
            "effective_at": st.sampled_from([None, MID_JANUARY]),
            "now": st.sampled_from([EARLIER, JANUARY]),
        }
    ),
    min_size=1,
    max_size=6,
)
DEMANDS = st.lists(
    st.fixed_dictionaries(
        {
            "amount": st.sampled_from(["0", "0.000001", "1", "2.5", "3.5", "7"]),
            "key": st.sampled_from(["a", "b", "c", "d"]),
            "now": st.sampled_from([JANUARY, MID_JANUARY, FEBRUARY]),
        },
        optional={
            "used_at": st.sampled_from([EARLIER, JANUARY]),
            "kind": st.sampled_from(ConsumptionKind),
            "dimensions": st.sampled_from([{"model": "large"}, {"tokens": 7, "who": 'a "b" c'}]),
            "flags": st.sampled_from([(), ("tokens is not a number",)]),
            "reason": st.sampled_from(["", "Refund"]),
            "strict": st.booleans(),
            "actor": st.sampled_from([SYSTEM, ALICE]),
        },
    ),
    min_size=1,
    max_size=6,
)
"""The clock may go back from one to the next (R38)."""


def rows_of(pool: Pool) -> list[Any]:
    """Everything stored of a pool but what tells one pool from another."""
    told_apart = {"id", "public_id", "pool_id", "customer_id", "credit_type_id", "trace_id"}
    told_apart |= {"schedule_id", "subscription_id", "source_id"}
    positions: dict[Any, int] = {}

    def named(row: Any) -> dict[str, Any]:
        for column in ("grant_id", "consumption_id"):
            if row.get(column) is not None:
                row[column] = positions.setdefault((column, row[column]), len(positions))
        return {column: value for column, value in row.items() if column not in told_apart}

    return [
        [named(row) for row in model.objects.filter(**{path: pool.pk}).order_by("pk").values()]
        for model, path in (
            (Pool, "pk"),
            (Grant, "pool"),
            (Consumption, "pool"),
            (LedgerEntry, "pool"),
        )
    ]


def live(gifts: Any, demands: Any, *, recurs: bool, at_once_is_possible: bool) -> list[Any]:
    """The receipts, or refusals, and all rows of a pool that lives through this."""
    pool = a_pool_of_a_plan(3, now=EARLIER) if recurs else a_pool(now=EARLIER)
    for number, gift in enumerate(gifts):
        granted(pool, name=f"grant {number}", **gift)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(at_once, "is_possible", lambda: at_once_is_possible)
        return [[answer(pool, **demand) for demand in demands], *rows_of(pool)]


def answer(
    pool: Pool,
    *,
    amount: str,
    now: datetime,
    used_at: datetime | None = None,
    strict: bool = False,
    actor: Actor = SYSTEM,
    **fields: Any,
) -> Receipt | str:
    """What a demand is answered."""
    demand = Demand(Decimal(amount), used_at=used_at or now, **fields)
    try:
        return consumption.consume(
            pool_id=pool.pk, demand=demand, strict=strict, actor=actor, now=now
        )
    except InsufficientCredits as refusal:
        return refusal.message


def does_what_the_rules_do(gifts: Any, demands: Any, recurs: bool = False) -> None:
    """Burn order, shares, entries, remainders, totals, receipts and refusals are the same."""
    in_sql, in_python = (
        live(gifts, demands, recurs=recurs, at_once_is_possible=possible)
        for possible in (True, False)
    )
    assert in_sql == in_python


class TestSpend:
    @given(GRANTS, DEMANDS, st.booleans())
    def test_does_what_the_rules_in_python_do(self, gifts, demands, recurs):
        does_what_the_rules_do(gifts, demands, recurs)


def a_gift(**fields: Any) -> dict[str, Any]:
    return {
        "amount": "1",
        "type": GrantType.PAID,
        "priority": 10,
        "expires_at": None,
        "effective_at": MID_JANUARY,
        "now": JANUARY,
        **fields,
    }


def a_demand(key: str, amount: str = "1", now: datetime = MID_JANUARY) -> dict[str, Any]:
    return {"amount": amount, "key": key, "now": now, "actor": ALICE, "reason": "Refund"}


REACH = a_demand("a", "0")
"""Brings the pool up to now, so that nothing is due."""

# Each turns one rank of the burn order around; two grants that differ in it alone.
OTHER_ORDERS = [
    ("priority", "priority DESC", {"priority": 0}),
    ("expires_at NULLS LAST", "expires_at NULLS FIRST", {"expires_at": MARCH}),
    ("type <> 'PROMOTIONAL'", "type = 'PROMOTIONAL'", {"type": GrantType.PROMOTIONAL}),
    ("effective_at", "effective_at DESC", {"effective_at": None}),
    ("created_at", "created_at DESC", {"now": EARLIER}),
    ("id", "id DESC", {}),
]

WAITING = {"effective_at": FEBRUARY, "priority": 0}
EXPIRING = {"expires_at": FEBRUARY}

# Each leaves out a condition, or writes something else; with one more grant, what notices it.
OTHER_DEEDS = [
    ("OR pool.next_change_at <= given_recorded_at", "", EXPIRING, [a_demand("b", now=FEBRUARY)]),
    ("given_amount > pool.balance", "false", {}, [a_demand("b", "7")]),
    ("ON CONFLICT DO NOTHING", "", {}, [a_demand("a")]),
    (f"AND stage = '{Stage.OPEN}'", "", WAITING, [a_demand("b")]),
    (f"THEN '{SPENT}'", f"THEN '{Stage.OPEN}'", {}, [a_demand("b")]),
    (
        "updated_at = given_recorded_at",
        "updated_at = updated_at",
        {},
        [a_demand("b", now=LATE_JANUARY)],
    ),
    (
        "greatest(given_recorded_at, pool.as_of)",
        "given_recorded_at",
        {"effective_at": None},
        [a_demand("b"), a_demand("c", "0.5", now=JANUARY)],
    ),
    ("least(unpaid, paying.remaining)", "paying.remaining", {}, [a_demand("b", "0.5")]),
    ("given_actor_kind, given_actor,", "'SYSTEM', given_actor,", {}, [a_demand("b")]),
    ("given_actor, given_reason", "given_actor, ''", {}, [a_demand("b")]),
    ("paying.id, claimed", "paying.id, NULL", {}, [a_demand("b")]),
    ("pool.consumed + given_amount", "pool.consumed", {}, [a_demand("b")]),
]


class TestControls:
    @pytest.fixture(autouse=True)
    def put_back(self) -> Iterator[None]:
        """The function as it should be."""
        yield
        functions.install(connection)

    @pytest.mark.parametrize(("right", "wrong", "difference"), OTHER_ORDERS)
    def test_notice_another_burn_order(self, right, wrong, difference, monkeypatch):
        order = re.sub(rf"\b{re.escape(right)}", wrong, burn_order.IN_SQL)
        self.mistake(burn_order.IN_SQL, order, monkeypatch)

        with pytest.raises(AssertionError):
            does_what_the_rules_do([a_gift(), a_gift(**difference)], [REACH, a_demand("b")])

        monkeypatch.undo()

    @pytest.mark.parametrize(
        ("right", "wrong", "difference", "demands"),
        OTHER_DEEDS,
        ids=[deed[0] for deed in OTHER_DEEDS],
    )
    def test_notice_another_deed(self, right, wrong, difference, demands, monkeypatch):
        self.mistake(right, wrong, monkeypatch)

        with forgotten(), pytest.raises((AssertionError, DatabaseError)):
            does_what_the_rules_do([a_gift(), a_gift(**difference)], [REACH, *demands])

        monkeypatch.undo()

    def mistake(self, right: str, wrong: str, monkeypatch: pytest.MonkeyPatch) -> None:
        """Install the function with something else in it."""
        body = at_once.FUNCTION.body
        assert right in body
        mistaken = replace(at_once.FUNCTION, body=body.replace(right, wrong))
        monkeypatch.setitem(functions._registered, mistaken.name, mistaken)
        functions.install(connection)
