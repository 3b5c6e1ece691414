"""Many at once on the same pools: exact sums, nothing twice; and the race without the lock."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from django.db import IntegrityError, connection

from credits import at_once as at_once_
from credits import burn_order, consumption, grants, pools, resets, timeline
from credits.book import EntryType, GrantType
from credits.consumption import Demand, Receipt
from credits.grants import Gift
from credits.models import Consumption, Grant, LedgerEntry, Pool
from tests.builders import a_credit_type, a_published_plan, a_subscription, some_credits
from tests.concurrency.threads import Meeting, at_once
from tests.credits.paper import FEBRUARY, JANUARY, MARCH, MID_JANUARY
from tests.credits.pools import a_pool, granted, stored
from workspace import functions
from workspace.actors import SYSTEM

pytestmark = [pytest.mark.concurrency, pytest.mark.django_db(transaction=True)]

WRITERS = 64
only_postgresql = pytest.mark.skipif(
    connection.vendor != "postgresql",
    reason="there a lock can be taken away; SQLite knows one writer at a time",
)


def use(pool: Pool | int, key: str, amount: int = 1, now: Any = MID_JANUARY) -> Receipt:
    return consumption.consume(
        pool_id=pool if isinstance(pool, int) else pool.pk,
        demand=Demand(Decimal(amount), key, now),
        actor=SYSTEM,
        now=now,
    )


def refusals(results: list[Any]) -> list[Exception]:
    return [result for result in results if isinstance(result, Exception)]


def step_by_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave nothing to the function of the database."""
    monkeypatch.setattr(at_once_, "is_possible", lambda: False)


def unlocked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Read pools without their row lock."""
    step_by_step(monkeypatch)
    free = pools.LOCK_ONE.format(unmoved="pool.id = %s", locked="")
    monkeypatch.setitem(pools.LOCK_ONE_BY_VENDOR, "postgresql", free)


def meet_before_writing(monkeypatch: pytest.MonkeyPatch) -> Meeting:
    """Let two threads decide on the same figures, if the lock lets them."""
    meeting = Meeting()
    split = burn_order.split

    def patient(*arguments: Any) -> Any:
        shares = split(*arguments)
        meeting.wait()
        return shares

    monkeypatch.setattr(burn_order, "split", patient)
    return meeting


class TestConsume:
    def test_is_exact_with_many_writers_on_one_pool(self):
        pool = a_pool(now=JANUARY)
        granted(pool, 50, now=JANUARY, expires_at=MARCH)
        granted(pool, 50, now=JANUARY)

        def work(place: int) -> None:
            for round_ in range(3):
                use(pool, f"{place}/{round_}")

        assert refusals(at_once(WRITERS, work)) == []
        assert stored(pool).balance == 100 - WRITERS * 3
        assert LedgerEntry.objects.filter(type=EntryType.CONSUMED).count() == WRITERS * 3
        assert Grant.objects.get(type=GrantType.OVERDRAFT).consumed == WRITERS * 3 - 100

    def test_is_exact_with_many_writers_on_many_pools(self):
        many = [a_pool(now=JANUARY) for _ in range(8)]
        for pool in many:
            granted(pool, 100, now=JANUARY)

        def work(place: int) -> None:
            for number in range(4):
                use(many[(place + number) % 8], f"{place}/{number}")

        assert refusals(at_once(WRITERS, work)) == []
        assert {stored(pool).balance for pool in many} == {100 - WRITERS * 4 // 8}

    def test_takes_turns_with_grants(self):
        """A grant settles what is owed at its moment, whoever came before (R36)."""
        pool = a_pool(now=JANUARY)

        def work(place: int) -> None:
            if place % 2:
                gift = Gift(GrantType.PAID, Decimal(3), "Top-up")
                grants.grant(pool_id=pool.pk, gift=gift, actor=SYSTEM, now=MID_JANUARY)
            else:
                use(pool, str(place), 2)

        assert refusals(at_once(32, work)) == []
        assert stored(pool).balance == 16 * 3 - 16 * 2

    def test_takes_a_key_once_however_many_bring_it(self):
        """R40."""
        pool = a_pool(now=JANUARY)
        granted(pool, 100, now=JANUARY)

        results = at_once(50, lambda place: use(pool, "the same", 7))

        assert refusals(results) == []
        assert sorted(result.consumed for result in results) == [0] * 49 + [7]
        assert sum(result.replayed for result in results) == 49
        assert {result.standing.balance for result in results} == {93}
        assert LedgerEntry.objects.filter(type=EntryType.CONSUMED).count() == 1
        assert Consumption.objects.count() == 1

    def test_takes_as_often_as_keys_differ(self):
        """The twin: what keeps a storm to one effect is the key alone."""
        pool = a_pool(now=JANUARY)
        granted(pool, 100, now=JANUARY)

        results = at_once(10, lambda place: use(pool, f"number {place}", 7))

        assert [result.consumed for result in results] == [7] * 10
        assert stored(pool).balance == 30

    @only_postgresql
    def test_lets_nobody_decide_on_figures_that_are_about_to_change(self, monkeypatch):
        pool = a_pool(now=JANUARY)
        granted(pool, 10, now=JANUARY)
        meeting = meet_before_writing(monkeypatch)
        step_by_step(monkeypatch)

        results = at_once(2, lambda place: use(pool, str(place), 8))

        assert not meeting.happened
        assert refusals(results) == []
        assert stored(pool).balance == -6

    @only_postgresql
    def test_would_race_without_the_lock(self, monkeypatch):
        """The twin: two decide on the same 10 credits; the chained ledger refuses the second."""
        pool = a_pool(now=JANUARY)
        granted(pool, 10, now=JANUARY)
        meeting = meet_before_writing(monkeypatch)
        meeting.must_happen()
        unlocked(monkeypatch)

        results = at_once(2, lambda place: use(pool, str(place), 8))

        assert meeting.happened
        assert [type(error) for error in refusals(results)] == [IntegrityError]
        assert stored(pool).balance == 2

    @only_postgresql
    @pytest.mark.parametrize("is_possible", [True, False])
    def test_reads_grants_as_they_are_after_the_wait_for_the_lock(self, is_possible, monkeypatch):
        """Whoever waited for the row sees what the other did to its grants."""
        pool = a_pool(now=JANUARY)
        for _ in range(3):
            granted(pool, 10, now=JANUARY)
        monkeypatch.setattr(at_once_, "is_possible", lambda: is_possible)

        results = at_once(24, lambda place: use(pool, str(place), 1))

        assert refusals(results) == []
        consumed = Grant.objects.order_by("pk").values_list("consumed", flat=True)
        assert list(consumed) == [10, 10, 4]


class TestConsumeWithOneLook:
    @pytest.fixture(autouse=True)
    def prove_the_books(self) -> None:
        """This twin breaks the books."""

    @only_postgresql
    def test_would_read_stale_grants_if_it_trusted_its_first_look(self, monkeypatch):
        """The twin: without asking whether the row moved, remainders are of before the wait."""
        pool = a_pool(now=JANUARY)
        for _ in range(3):
            granted(pool, 10, now=JANUARY)
        trusting = pools.LOCK_ONE.format(unmoved="pool.id = %s", locked="FOR NO KEY UPDATE OF pool")
        monkeypatch.setitem(pools.LOCK_ONE_BY_VENDOR, "postgresql", trusting)
        step_by_step(monkeypatch)

        at_once(24, lambda place: use(pool, str(place), 1))

        used = sum(Grant.objects.values_list("consumed", flat=True))
        assert used != stored(pool).consumed


@only_postgresql
class TestConsumeAtOnce:
    """The function of the database, which takes a rest after its look at the pool."""

    @pytest.fixture
    def sluggish(self, monkeypatch):
        def install(locked: str) -> None:
            body = at_once_.BODY.format(locked=f"{locked}; PERFORM pg_sleep(0.3)")
            changed = replace(at_once_.FUNCTION, body=body)
            monkeypatch.setitem(functions._registered, changed.name, changed)
            functions.install(connection)

        yield install
        monkeypatch.undo()
        functions.install(connection)

    def test_lets_nobody_decide_on_figures_that_are_about_to_change(self, sluggish):
        pool = a_pool(now=JANUARY)
        granted(pool, 10, now=JANUARY)
        sluggish("FOR NO KEY UPDATE")

        results = at_once(2, lambda place: use(pool, str(place), 8))

        assert refusals(results) == []
        assert stored(pool).balance == -6

    def test_would_race_without_the_lock(self, sluggish):
        """The twin: the chained ledger refuses the second."""
        pool = a_pool(now=JANUARY)
        granted(pool, 10, now=JANUARY)
        sluggish("")

        results = at_once(2, lambda place: use(pool, str(place), 8))

        assert [type(error) for error in refusals(results)] == [IntegrityError]
        assert stored(pool).balance == 2


def due_pools(count: int) -> list[Pool]:
    """Pools to which one plan gives 100 per month, whose month is over."""
    credit_type = a_credit_type(now=JANUARY)
    plan = a_published_plan(entitlements=[some_credits(credit_type, 100)], now=JANUARY)
    for _ in range(count):
        a_subscription(plan=plan, now=JANUARY)
    return list(Pool.objects.order_by("pk"))


class TestSweep:
    def test_resets_every_pool_once_with_several_workers(self):
        pools_ = due_pools(24)

        results = at_once(4, lambda place: resets.sweep(now=FEBRUARY, seconds=30, batch=5))

        assert refusals(results) == []
        assert sum(result.written for result in results) == 24
        assert sum(result.set_aside for result in results) == 0
        assert {stored(pool).last_entry_number for pool in pools_} == {3}
        assert {stored(pool).balance for pool in pools_} == {100}

    def test_takes_turns_with_those_who_spend_at_the_boundary(self):
        """Whoever comes first resets the pool; every use counts in the new month."""
        pools_ = due_pools(6)

        def work(place: int) -> None:
            if place < 2:
                resets.sweep(now=FEBRUARY, seconds=30, batch=2)
            else:
                for pool in pools_:
                    use(pool, str(place), 5, now=FEBRUARY)

        assert refusals(at_once(10, work)) == []
        assert {stored(pool).balance for pool in pools_} == {60}
        assert {stored(pool).last_entry_number for pool in pools_} == {3 + 8}

    @only_postgresql
    def test_would_reset_twice_without_the_lock(self, monkeypatch):
        """The twin: two workers take the same pools; the database refuses the second grant."""
        due_pools(3)
        meeting = Meeting()
        meeting.must_happen()

        def lock_nothing(now: Any, *, at_most: int) -> list[Any]:
            rows = list(Pool.objects.due(now).order_by("pk")[:at_most])
            states = pools.load(rows, with_schedules=True)
            meeting.wait()
            return [
                pools.LockedPool(row, timeline.advance(state, now)[0], True)
                for row, state in zip(rows, states, strict=True)
            ]

        monkeypatch.setattr(pools, "lock_due", lock_nothing)

        results = at_once(2, lambda place: resets.write_batch(now=FEBRUARY, at_most=10))

        assert meeting.happened
        assert [type(error) for error in refusals(results)] == [IntegrityError]
        assert set(Pool.objects.values_list("last_entry_number", flat=True)) == {3}
