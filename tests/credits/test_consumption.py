"""Spend credits, once per key, into the overdraft if need be (R35–R40, R50)."""

from decimal import Decimal
from typing import Any

import pytest

from catalog.amounts import AmountField
from credits import at_once, consumption, pools
from credits.book import EntryType, GrantType
from credits.consumption import Demand, InsufficientCredits, Receipt
from credits.ledger import TooManyCredits
from credits.models import Consumption, ConsumptionKind, Grant, LedgerEntry, Pool
from tests.credits.paper import FEBRUARY, JANUARY, LATE_JANUARY, MARCH, MID_JANUARY, line
from tests.credits.pools import a_pool, a_pool_of_a_plan, granted, stored
from workspace.actors import SYSTEM, Actor, ActorKind
from workspace.models import Activity

pytestmark = pytest.mark.django_db

ALICE = Actor(ActorKind.USER, "1", "Alice")


def consume(
    pool: Pool,
    amount: int | str,
    key: str = "first",
    *,
    strict: bool = False,
    now: Any = JANUARY,
    actor: Actor = SYSTEM,
    **fields: Any,
) -> Receipt:
    demand = Demand(Decimal(amount), key, **{"used_at": now, **fields})
    return consumption.consume(pool_id=pool.pk, demand=demand, strict=strict, actor=actor, now=now)


def lines(pool: Pool) -> list[Any]:
    entries = LedgerEntry.objects.filter(pool=pool).order_by("number")
    return [(EntryType(entry.type), entry.amount) for entry in entries]


def everything() -> list[Any]:
    """All rows that a consumption could touch."""
    return [
        list(model.objects.order_by("pk").values())
        for model in (Pool, Grant, LedgerEntry, Consumption)
    ]


@pytest.fixture
def pool() -> Pool:
    """Granted 100."""
    pool = a_pool(now=JANUARY)
    granted(pool, 100, now=JANUARY)
    return stored(pool)


class TestConsume:
    def test_takes_credits_and_says_what_is_left(self, pool):
        receipt = consume(pool, "30.000001")

        assert receipt.consumed == Decimal("30.000001")
        assert receipt.standing.balance == Decimal("69.999999")
        assert not receipt.replayed
        assert stored(pool).balance == Decimal("69.999999")
        assert Grant.objects.get().consumed == Decimal("30.000001")

    def test_writes_one_entry_per_grant_touched(self, pool):
        """R35, with the example's grants: B 20, A 40; then A 10, C 100, overdraft 15."""
        pool = a_pool(now=JANUARY)
        granted(pool, 50, priority=1, expires_at=MARCH, name="A", now=JANUARY)
        promotional = GrantType.PROMOTIONAL
        granted(pool, 20, type=promotional, priority=1, expires_at=MARCH, name="B", now=JANUARY)
        granted(pool, 100, type=promotional, priority=2, expires_at=FEBRUARY, name="C", now=JANUARY)

        consume(pool, 60)
        consume(pool, 125, key="second")

        entries = LedgerEntry.objects.filter(pool=pool, type=EntryType.CONSUMED)
        assert [(entry.grant.name, entry.amount) for entry in entries.order_by("number")] == [
            ("B", -20),
            ("A", -40),
            ("A", -10),
            ("C", -100),
            ("Overdraft", -15),
        ]

    def test_records_who_did_it_when_and_what_for(self, pool):
        """R38: its own time is kept beside the time of processing."""
        consume(pool, 10, now=MID_JANUARY, used_at=JANUARY, actor=ALICE, reason="Refund")

        entry = LedgerEntry.objects.latest("number")
        assert (entry.effective_at, entry.recorded_at) == (MID_JANUARY, MID_JANUARY)
        assert (entry.actor_kind, entry.actor, entry.reason) == ("USER", "Alice", "Refund")
        demand = entry.consumption
        assert demand is not None
        assert (demand.used_at, demand.recorded_at) == (JANUARY, MID_JANUARY)
        assert (demand.amount, demand.key, demand.kind) == (10, "first", "DIRECT")

    def test_goes_into_the_overdraft_where_grants_end(self):
        """R36: balance 10, cost 25 → −15."""
        pool = a_pool(now=JANUARY)
        granted(pool, 10, now=JANUARY)

        receipt = consume(pool, 25)

        assert (receipt.consumed, receipt.standing.balance) == (25, -15)
        overdraft = Grant.objects.get(type=GrantType.OVERDRAFT)
        assert (overdraft.amount, overdraft.consumed, overdraft.stage) == (0, 15, "OPEN")

    def test_adds_to_the_overdraft_that_is_there(self):
        pool = a_pool(now=JANUARY)
        consume(pool, 5)

        receipt = consume(pool, 7, key="second")

        assert receipt.standing.balance == -12
        assert Grant.objects.get().consumed == 12

    def test_owes_anew_what_was_settled_at_the_same_moment(self):
        """A grant that is due pays the old debt first, then its rest, then comes a new debt."""
        pool = a_pool(now=JANUARY)
        consume(pool, 5)
        granted(pool, 10, now=JANUARY, effective_at=MID_JANUARY)

        receipt = consume(pool, 20, key="second", now=LATE_JANUARY)

        assert receipt.standing.balance == -15
        assert list(
            Grant.objects.filter(type=GrantType.OVERDRAFT)
            .order_by("pk")
            .values_list("stage", "consumed")
        ) == [("CLOSED", 0), ("OPEN", 15)]

    def test_does_what_is_due_before_it_takes_anything(self):
        """R24: the period turned on time although nobody wrote it down."""
        pool = a_pool_of_a_plan(100, now=JANUARY)
        consume(pool, 60, now=JANUARY)

        receipt = consume(pool, 30, key="second", now=FEBRUARY)

        assert receipt.standing.balance == 70
        assert lines(pool)[-3:] == [
            line(EntryType.EXPIRED, -40),
            line(EntryType.GRANTED, 100),
            line(EntryType.CONSUMED, -30),
        ]
        assert stored(pool).next_change_at == MARCH

    def test_changes_nothing_for_a_key_that_came_before(self, pool):
        """R40: whatever its amount, it reports 0 consumed with the current balance."""
        consume(pool, 30)
        before = everything()

        receipts = [consume(pool, 30, now=FEBRUARY), consume(pool, 55, now=FEBRUARY)]

        assert [(r.consumed, r.standing.balance, r.replayed) for r in receipts] == [
            (0, 70, True),
            (0, 70, True),
        ]
        assert everything() == before

    def test_flags_a_repeat_with_other_content(self, pool):
        """R40."""
        consume(pool, 30)

        consume(pool, 55, now=FEBRUARY)

        [flag] = Activity.objects.filter(event="credit_consumption.repeated_differently")
        assert flag.payload == {"key": "first", "first": "30", "repeat": "55"}
        assert flag.customer == pool.customer.public_id

    @pytest.mark.parametrize("again", ["30", "30.0", "30.000000"])
    def test_does_not_flag_the_same_amount_in_other_digits(self, pool, again):
        consume(pool, "30.0", dimensions={"model": "large"})

        consume(pool, again, dimensions={"model": "large"})

        assert not Activity.objects.filter(event__startswith="credit_consumption").exists()

    def test_flags_a_repeat_with_other_dimensions(self, pool):
        consume(pool, 30, dimensions={"model": "large"})

        consume(pool, 30, dimensions={"model": "small"})

        assert Activity.objects.filter(event__startswith="credit_consumption").count() == 1

    def test_knows_keys_by_pool_and_kind(self, pool):
        other = a_pool(now=JANUARY)
        consume(pool, 30)

        receipts = [consume(other, 30), consume(pool, 30, kind=ConsumptionKind.USAGE)]

        assert [receipt.consumed for receipt in receipts] == [30, 30]

    def test_writes_down_what_is_due_even_with_a_key_that_came_before(self):
        pool = a_pool_of_a_plan(100, now=JANUARY)
        consume(pool, 60)

        receipt = consume(pool, 60, now=FEBRUARY)

        assert (receipt.consumed, receipt.standing.balance) == (0, 100)

    def test_refuses_what_the_pool_cannot_pay_if_it_is_strict(self, pool):
        """R37: refuse with InsufficientCredits, record nothing."""
        before = everything()

        with pytest.raises(InsufficientCredits, match="100 credits are left, 101 were asked for"):
            consume(pool, 101, strict=True)

        assert everything() == before

    def test_gives_a_refused_key_another_try(self, pool):
        with pytest.raises(InsufficientCredits):
            consume(pool, 101, strict=True)
        granted(pool, 1, now=JANUARY)

        assert consume(pool, 101, strict=True).consumed == 101

    def test_gives_all_that_is_left_if_it_is_strict(self, pool):
        assert consume(pool, 100, strict=True).standing.balance == 0

    def test_answers_a_strict_repeat_although_nothing_is_left(self, pool):
        consume(pool, 100, strict=True)

        receipt = consume(pool, 100, strict=True)

        assert (receipt.consumed, receipt.replayed) == (0, True)

    def test_records_even_under_a_hard_limit(self):
        """R37: consumption is recorded, whatever the limit says."""
        pool = a_pool_of_a_plan(100, now=JANUARY)

        assert consume(pool, 130).standing.balance == -30

    def test_takes_nothing_for_nothing(self, pool):
        before = stored(pool).last_entry_number

        receipt = consume(pool, 0)

        assert (receipt.consumed, receipt.standing.balance) == (0, 100)
        assert stored(pool).last_entry_number == before

    def test_refuses_a_debt_that_no_column_can_hold(self, pool):
        largest = AmountField.LARGEST
        consume(pool, str(largest - 1))
        before = everything()

        with pytest.raises(TooManyCredits):
            consume(pool, 1000, key="second")

        assert everything() == before

    def test_refuses_a_pool_that_does_not_exist(self):
        with pytest.raises(pools.UnknownPool):
            consumption.consume(
                pool_id=999_999_999,
                demand=Demand(Decimal(1), "first", JANUARY),
                actor=SYSTEM,
                now=JANUARY,
            )

    def test_takes_few_statements_however_long_the_history(
        self, pool, django_assert_max_num_queries
    ):
        for number in range(20):
            consume(pool, 1, key=f"before {number}")

        at_most = 1 if at_once.is_possible() else 6
        with django_assert_max_num_queries(at_most + SAVEPOINTS):
            consume(pool, 1)

    def test_takes_few_statements_for_an_overdraft_that_is_there(
        self, django_assert_max_num_queries
    ):
        pool = a_pool(now=JANUARY)
        consume(pool, 5)

        with django_assert_max_num_queries(6 + SAVEPOINTS):
            consume(pool, 1, key="second")


SAVEPOINTS = 2
"""What the transaction around each test adds: a savepoint and its release."""


class TestConsumeSeveral:
    def consume(self, pool: Pool, *demands: tuple[int, str]) -> list[Receipt]:
        wanted = [Demand(Decimal(amount), key, JANUARY) for amount, key in demands]
        return consumption.consume_several(
            pool_id=pool.pk, demands=wanted, actor=SYSTEM, now=JANUARY
        )

    def test_takes_one_after_the_other(self, pool):
        receipts = self.consume(pool, (60, "a"), (30, "b"), (30, "c"))

        assert [receipt.consumed for receipt in receipts] == [60, 30, 30]
        assert lines(pool)[1:] == [
            line(EntryType.CONSUMED, -60),
            line(EntryType.CONSUMED, -30),
            line(EntryType.CONSUMED, -10),
            line(EntryType.CONSUMED, -20),
        ]
        assert stored(pool).balance == -20

    def test_takes_a_key_once_within_a_batch_and_between_batches(self, pool):
        self.consume(pool, (10, "a"))

        receipts = self.consume(pool, (10, "a"), (20, "b"), (25, "b"))

        assert [receipt.consumed for receipt in receipts] == [0, 20, 0]
        assert [receipt.replayed for receipt in receipts] == [True, False, True]
        assert stored(pool).balance == 70

    def test_lets_each_entry_name_its_own_demand(self, pool):
        self.consume(pool, (60, "a"), (60, "b"))

        entries = LedgerEntry.objects.filter(consumption__isnull=False).order_by("number")
        assert list(entries.values_list("consumption__key", "amount")) == [
            ("a", -60),
            ("b", -40),
            ("b", -20),
        ]

    def test_takes_as_many_statements_for_many_as_for_few(
        self, pool, django_assert_max_num_queries
    ):
        with django_assert_max_num_queries(8 + SAVEPOINTS):
            self.consume(pool, *[(1, f"key {number}") for number in range(400)])

        assert stored(pool).balance == -300


class TestDemand:
    def test_has_one_fingerprint_whatever_the_order_of_dimensions(self):
        one = Demand(Decimal(1), "a", JANUARY, dimensions={"x": 1, "y": 2})
        other = Demand(Decimal(1), "b", FEBRUARY, dimensions={"y": 2, "x": 1})

        assert one.fingerprint == other.fingerprint
