"""Consuming in one statement does, row by row, what the rules in Python do."""

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from hypothesis import given
from hypothesis import strategies as st

from credits import at_once, burn_order, consumption
from credits.book import GrantType
from credits.consumption import Demand
from credits.models import Consumption, Grant, LedgerEntry, Pool
from tests.credits.conftest import prove_the_books
from tests.credits.paper import FEBRUARY, JANUARY, MARCH, MID_JANUARY
from tests.credits.pools import a_pool, granted
from workspace import functions
from workspace.actors import SYSTEM

__all__ = ["prove_the_books"]

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.skipif(connection.vendor != "postgresql", reason="PostgreSQL only"),
]

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
    st.tuples(
        st.sampled_from(["0", "0.000001", "1", "2.5", "3.5", "7"]),
        st.sampled_from(["a", "b", "c", "d"]),
        st.sampled_from([JANUARY, MID_JANUARY, FEBRUARY]),
    ),
    min_size=1,
    max_size=6,
)


def rows_of(pool: Pool) -> list[Any]:
    """Everything stored of a pool but what tells one pool from another."""
    told_apart = ("id", "public_id", "pool_id", "customer_id", "credit_type_id", "trace_id")
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


def live(gifts: Any, demands: Any, *, at_once_is_possible: bool) -> list[Any]:
    """The receipts and all rows of a pool that lives through this."""
    pool = a_pool(now=EARLIER)
    for number, gift in enumerate(gifts):
        granted(pool, name=f"grant {number}", **gift)
    receipts, now = [], EARLIER
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(at_once, "is_possible", lambda: at_once_is_possible)
        for amount, key, at in demands:
            now = max(now, at)
            demand = Demand(Decimal(amount), key, at)
            receipts.append(
                consumption.consume(pool_id=pool.pk, demand=demand, actor=SYSTEM, now=now)
            )
    return [receipts, *rows_of(pool)]


def does_what_the_rules_do(gifts: Any, demands: Any) -> None:
    """Burn order, shares, entries, remainders, totals and receipts are the same."""
    in_sql, in_python = (
        live(gifts, demands, at_once_is_possible=possible) for possible in (True, False)
    )
    assert in_sql == in_python


class TestSpend:
    @given(GRANTS, DEMANDS)
    def test_does_what_the_rules_in_python_do(self, gifts, demands):
        does_what_the_rules_do(gifts, demands)


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


# Each turns one rank of the burn order around; two grants that differ in it alone.
MISTAKES = [
    ("priority", "priority DESC", {"priority": 0}),
    ("expires_at NULLS LAST", "expires_at NULLS FIRST", {"expires_at": MARCH}),
    ("type <> 'PROMOTIONAL'", "type = 'PROMOTIONAL'", {"type": GrantType.PROMOTIONAL}),
    ("effective_at", "effective_at DESC", {"effective_at": None}),
    ("created_at", "created_at DESC", {"now": EARLIER}),
    ("id", "id DESC", {}),
]


class TestControls:
    @pytest.fixture(autouse=True)
    def put_back(self) -> Iterator[None]:
        """The function as it should be."""
        yield
        functions.install(connection)

    @pytest.mark.parametrize(("right", "wrong", "difference"), MISTAKES)
    def test_notice_a_mistake(self, right, wrong, difference, monkeypatch):
        body = at_once.FUNCTION.body
        order = re.sub(rf"\b{re.escape(right)}", wrong, burn_order.IN_SQL)
        mistaken = replace(at_once.FUNCTION, body=body.replace(burn_order.IN_SQL, order))
        monkeypatch.setitem(functions._registered, mistaken.name, mistaken)
        functions.install(connection)

        reach, spend = ("0", "a", MID_JANUARY), ("1", "b", MID_JANUARY)

        with pytest.raises(AssertionError):
            does_what_the_rules_do([a_gift(), a_gift(**difference)], [reach, spend])

        monkeypatch.undo()
