"""One consumption in one statement, as the rules in Python would have it (R35–R40)."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import ProgrammingError, connection, transaction

from credits import at_once, consumption
from credits.consumption import Demand
from credits.models import Consumption, ConsumptionKind, Grant, LedgerEntry, Pool
from tests.builders import a_feature
from tests.credits.paper import FEBRUARY, JANUARY, MID_JANUARY
from tests.credits.pools import a_pool, a_pool_of_a_plan, granted, stored
from workspace import tracing
from workspace.actors import Actor, ActorKind

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.skipif(connection.vendor != "postgresql", reason="PostgreSQL only"),
]

ALICE = Actor(ActorKind.USER, "1", "Alice")
EARLIER = JANUARY - timedelta(seconds=1)


def at_once_only(pool: Pool, demand: Demand, *, now: Any = MID_JANUARY) -> Any:
    """What the function says, and nothing else is tried."""
    return at_once.spend(consumption._row(pool.pk, demand, actor=ALICE, now=now))


def a_demand(amount: int | str, key: str = "first", **fields: Any) -> Demand:
    return Demand(Decimal(amount), key, **{"used_at": JANUARY, **fields})


def everything() -> list[Any]:
    return [list(model.objects.order_by("pk").values()) for model in
            (Pool, Grant, LedgerEntry, Consumption)]  # fmt: skip


class TestSpend:
    def test_says_what_the_pool_holds_afterwards(self):
        pool = a_pool_of_a_plan(100, now=JANUARY)

        standing = at_once_only(pool, a_demand("30.000001"))

        again = stored(pool)
        assert standing.balance == again.balance == Decimal("69.999999")
        assert (standing.granted, standing.consumed) == (100, Decimal("30.000001"))
        assert (standing.as_of, standing.next_change_at) == (MID_JANUARY, FEBRUARY)
        assert (standing.next_reset_at, standing.is_entitled) == (FEBRUARY, True)
        assert (standing.has_soft_limit, standing.is_revoked) == (False, False)

    def test_writes_all_that_was_said_of_the_demand(self):
        pool = a_pool(now=JANUARY)
        granted(pool, 10, now=JANUARY)
        feature = a_feature(now=JANUARY)
        demand = a_demand(
            3,
            kind=ConsumptionKind.USAGE,
            dimensions={"model": 'lar"ge', "tokens": Decimal("1.5")},
            feature_id=feature.pk,
            units=Decimal("0.3"),
            flags=["missing"],
            reason="Refund",
        )

        with tracing.trace("0123456789abcdef0123456789abcdef"):
            at_once_only(pool, demand)

        row: dict[str, Any] = {**Consumption.objects.values().get()}
        assert row.pop("id")
        assert row == {
            "pool_id": pool.pk,
            "kind": "USAGE",
            "key": "first",
            "amount": 3,
            "fingerprint": demand.fingerprint,
            "feature_id": feature.pk,
            "event_id": None,
            "mapping_id": None,
            "units": Decimal("0.3"),
            "dimensions": {"model": 'lar"ge', "tokens": "1.5"},
            "flags": ["missing"],
            "used_at": JANUARY,
            "recorded_at": MID_JANUARY,
            "actor_kind": "USER",
            "actor": "Alice",
            "reason": "Refund",
            "trace_id": "0123456789abcdef0123456789abcdef",
        }

    def test_writes_no_earlier_time_than_the_entry_before(self):
        """R38: the clock went backwards."""
        pool = a_pool(now=JANUARY)
        granted(pool, 10, now=MID_JANUARY)

        at_once_only(pool, a_demand(3), now=JANUARY)

        entry = LedgerEntry.objects.latest("number")
        assert (entry.effective_at, entry.recorded_at) == (MID_JANUARY, JANUARY)
        assert stored(pool).as_of == MID_JANUARY

    @pytest.mark.parametrize(
        ("amount", "key", "now"),
        [
            ("0", "new", MID_JANUARY),
            ("-1", "new", MID_JANUARY),
            ("70.000001", "new", MID_JANUARY),
            ("1", "first", MID_JANUARY),
            ("1", "new", FEBRUARY),
        ],
        ids=["nothing", "less than nothing", "overdraft", "key that came before", "reset is due"],
    )
    def test_leaves_all_else_untouched(self, amount, key, now):
        pool = a_pool_of_a_plan(100, now=JANUARY)
        at_once_only(pool, a_demand(30))
        before = everything()

        assert at_once_only(pool, a_demand(amount, key), now=now) is None

        assert everything() == before

    def test_leaves_pools_that_do_not_exist(self):
        pool = a_pool(now=JANUARY)
        pool.pk += 1

        assert at_once_only(pool, a_demand(1)) is None


class TestSpendOfBrokenBooks:
    @pytest.fixture(autouse=True)
    def prove_the_books(self) -> None:
        """These books are broken on purpose."""

    def test_refuses_a_balance_that_no_grant_holds(self):
        pool = a_pool(now=JANUARY)
        granted(pool, 10, now=JANUARY)
        Grant.objects.update(consumed=5)
        before = everything()

        with pytest.raises(ProgrammingError, match="no rows"), transaction.atomic():
            at_once_only(pool, a_demand(8))

        assert everything() == before
