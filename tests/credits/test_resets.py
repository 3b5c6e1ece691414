"""Finding pools that are due and writing down what time did to them (R22, R24)."""

from datetime import timedelta

import pytest
from django.db import connection

from credits import ledger, pools, resets, timeline
from credits.book import EntryType
from credits.models import LedgerEntry, Pool
from credits.resets import Sweep
from tests.builders import a_credit_type, a_published_plan, a_subscription, some_credits
from tests.credits.paper import APRIL, FEBRUARY, JANUARY, MARCH, MID_JANUARY, line
from tests.credits.pools import a_pool, consumed, granted, stored
from workspace.actors import SYSTEM
from workspace.acts import TooBusy

pytestmark = pytest.mark.django_db

MOMENT = timedelta(microseconds=1)


@pytest.fixture
def due_pools() -> list[Pool]:
    """Five pools to which one plan gives 100 per month, untouched since January."""
    credit_type = a_credit_type(now=JANUARY)
    plan = a_published_plan(entitlements=[some_credits(credit_type, 100)], now=JANUARY)
    for _ in range(5):
        a_subscription(plan=plan, now=JANUARY)
    return list(Pool.objects.order_by("pk"))


def balances() -> list[int]:
    return [
        int(balance) for balance in Pool.objects.order_by("pk").values_list("balance", flat=True)
    ]


class TestSweep:
    def test_writes_every_pool_that_is_due(self, due_pools):
        for pool in due_pools:
            consumed(pool, 30, now=MID_JANUARY)

        done = resets.sweep(now=FEBRUARY, seconds=60)

        assert done == Sweep(written=5, set_aside=0, more=False)
        assert balances() == [100] * 5
        assert {stored(pool).next_change_at for pool in due_pools} == {MARCH}

    def test_writes_nothing_twice(self, due_pools):
        resets.sweep(now=FEBRUARY, seconds=60)
        entries = LedgerEntry.objects.count()

        assert resets.sweep(now=FEBRUARY, seconds=60) == Sweep(0, 0, more=False)
        assert LedgerEntry.objects.count() == entries

    def test_writes_nothing_a_moment_too_early(self, due_pools):
        assert resets.sweep(now=FEBRUARY - MOMENT, seconds=60).written == 0

    def test_works_in_batches(self, due_pools, monkeypatch):
        sizes = []
        write = ledger.write

        def counting(locked_pools, **options):
            sizes.append(len(locked_pools))
            write(locked_pools, **options)

        monkeypatch.setattr(ledger, "write", counting)

        done = resets.sweep(now=FEBRUARY, seconds=60, batch=2)

        assert done.written == 5
        assert sizes == [2, 2, 1, 0]

    def test_lets_others_write_between_its_batches_where_only_one_can(self, due_pools, monkeypatch):
        """On SQLite: nobody is kept out until the end of a sweep."""
        gaps: list[float] = []
        monkeypatch.setattr("time.sleep", gaps.append)

        resets.sweep(now=FEBRUARY, seconds=60, batch=2)

        several_can = connection.features.has_select_for_update
        assert gaps == ([] if several_can else [resets.GAP_OF_ONLY_WRITER] * 2)

    def test_says_that_more_is_due_when_its_time_is_over(self, due_pools):
        assert resets.sweep(now=FEBRUARY, seconds=0) == Sweep(0, 0, more=True)

    def test_walks_through_missed_periods_at_their_true_instants(self, due_pools):
        """R24: recorded now, effective then."""
        pool = due_pools[0]
        consumed(pool, 30, now=MID_JANUARY)

        resets.sweep(now=APRIL, seconds=60)

        entries = LedgerEntry.objects.filter(pool=pool, number__gt=2).order_by("number")
        assert [(entry.effective_at, entry.type, entry.amount) for entry in entries] == [
            (FEBRUARY, "CREDITS_EXPIRED", -70),
            (FEBRUARY, "CREDITS_GRANTED", 100),
            (MARCH, "CREDITS_EXPIRED", -100),
            (MARCH, "CREDITS_GRANTED", 100),
            (APRIL, "CREDITS_EXPIRED", -100),
            (APRIL, "CREDITS_GRANTED", 100),
        ]
        assert {entry.recorded_at for entry in entries} == {APRIL}
        assert {entry.actor for entry in entries} == {"System"}

    def test_lets_no_pool_hold_up_the_others(self, due_pools, monkeypatch):
        bad = due_pools[2]
        break_pool(bad, monkeypatch)

        done = resets.sweep(now=FEBRUARY, seconds=60)

        assert done == Sweep(written=4, set_aside=1, more=False)
        assert stored(bad).set_aside_at == FEBRUARY
        assert stored(bad).set_aside_because == "ValueError: this pool is broken"
        assert stored(bad).next_change_at == FEBRUARY

    def test_leaves_busy_pools_for_the_next_time(self, due_pools, monkeypatch):
        break_pool(due_pools[2], monkeypatch, TooBusy("Too many changes at the same time."))

        done = resets.sweep(now=FEBRUARY, seconds=0.5)

        assert done.set_aside == 0
        assert stored(due_pools[2]).set_aside_at is None
        assert done.more

    def test_answers_right_before_it_came(self, due_pools):
        """R24: whatever reads a pool computes the same."""
        assert pools.standing(due_pools[0], APRIL).balance == 100
        assert LedgerEntry.objects.filter(pool=due_pools[0]).count() == 1

    def test_takes_as_many_statements_for_many_pools_as_for_one(
        self, due_pools, django_assert_max_num_queries
    ):
        with django_assert_max_num_queries(14):
            resets.write_batch(now=FEBRUARY, at_most=100)


def break_pool(pool: Pool, monkeypatch: pytest.MonkeyPatch, error: Exception | None = None) -> None:
    """Let everything fail that touches a pool."""
    bring = timeline.bring

    def failing(state, until):
        if state.pk == pool.pk:
            raise error or ValueError("this pool is broken")
        bring(state, until)

    monkeypatch.setattr(timeline, "bring", failing)


class TestTryAgain:
    def test_takes_up_a_pool_that_was_set_aside(self, due_pools, monkeypatch):
        with monkeypatch.context() as patch:
            break_pool(due_pools[0], patch)
            resets.sweep(now=FEBRUARY, seconds=60)

        resets.try_again(pool_id=due_pools[0].pk, actor=SYSTEM, now=FEBRUARY)

        assert resets.sweep(now=FEBRUARY, seconds=60) == Sweep(1, 0, more=False)
        assert stored(due_pools[0]).set_aside_because == ""
        assert stored(due_pools[0]).balance == 100


class TestWriteOne:
    def test_brings_one_pool_up_to_now(self, due_pools):
        resets.write_one(pool_id=due_pools[0].pk, now=FEBRUARY)

        assert [stored(pool).last_entry_number for pool in due_pools] == [3, 1, 1, 1, 1]

    def test_takes_what_was_bought_only_when_it_expires(self):
        """Resets never change what was bought (R21)."""
        pool = a_pool(now=JANUARY)
        granted(pool, 10, now=JANUARY, expires_at=MARCH)

        resets.write_one(pool_id=pool.pk, now=FEBRUARY)
        before = stored(pool).balance
        resets.write_one(pool_id=pool.pk, now=MARCH)

        assert before == 10
        entries = LedgerEntry.objects.filter(pool=pool).order_by("number")
        assert [(EntryType(entry.type), entry.amount) for entry in entries] == [
            line(EntryType.GRANTED, 10),
            line(EntryType.EXPIRED, -10),
        ]
