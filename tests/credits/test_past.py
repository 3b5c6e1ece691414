from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from credits import grants, past, pools, resets, summaries
from credits.models import LedgerEntry, Pool
from credits.past import Holding
from tests.credits.pools import START, a_pool, a_pool_of_a_plan, consumed, granted, stored
from workspace.actors import SYSTEM

pytestmark = pytest.mark.django_db

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
RESET = START.replace(month=4, day=30)
NEXT_RESET = START.replace(month=5, day=31)


def balance(pool: Pool, at: datetime, known_at: datetime | None = None, *, now=NEXT_RESET):
    row = stored(pool)
    return past.balance(summaries.on_paper(row, now), at=at, known_at=known_at)


def held(pool: Pool, at: datetime, known_at: datetime | None = None, *, now=NEXT_RESET):
    row = stored(pool)
    return past.held(summaries.on_paper(row, now), at=at, known_at=known_at)


def a_holding(granted: int, consumed: int) -> Holding:
    return Holding(Decimal(granted), Decimal(consumed))


class TestBalance:
    def test_is_nothing_before_the_first_entry(self):
        pool = a_pool()
        granted(pool, 100)

        assert balance(pool, START - HOUR) == 0
        assert balance(pool, START) == 100

    def test_is_what_the_last_entry_up_to_then_left(self):
        pool = a_pool_of_a_plan(5000)
        consumed(pool, 3200, now=START + DAY)
        consumed(pool, 300, now=RESET + DAY)
        granted(pool, 50, now=RESET + DAY)

        after = {
            entry.effective_at: entry.balance_after
            for entry in LedgerEntry.objects.filter(pool=pool)
        }

        assert {at: balance(pool, at, now=RESET + DAY) for at in after} == after
        assert balance(pool, RESET - HOUR) == 1800
        assert balance(pool, RESET + HOUR) == 5000

    def test_counts_late_use_from_its_processing_on(self):
        """R38: used on the first day, reported on the third."""
        pool = a_pool()
        granted(pool, 100)
        consumed(pool, 30, now=START + 2 * DAY, used_at=START + HOUR)

        assert balance(pool, START + DAY) == 100
        assert balance(pool, START + 2 * DAY) == 70
        assert balance(pool, START + DAY, known_at=START + DAY) == 100

    def test_tells_what_was_true_in_an_outage_from_what_was_written(self):
        """R24: the reset happened at its instant; the book learnt of it two days later."""
        pool = a_pool_of_a_plan(5000)
        consumed(pool, 3200)
        resets.sweep(now=RESET + 2 * DAY, seconds=5)

        assert balance(pool, RESET + DAY) == 5000
        assert balance(pool, RESET + DAY, known_at=RESET + DAY) == 1800
        assert balance(pool, RESET + DAY, known_at=RESET + 2 * DAY) == 5000

    def test_knows_what_nobody_has_written_yet(self):
        pool = a_pool_of_a_plan(5000)
        consumed(pool, 3200)

        assert balance(pool, RESET + DAY) == 5000
        assert balance(pool, RESET + DAY, known_at=NEXT_RESET) == 1800

    def test_takes_one_query(self):
        pool = a_pool()
        granted(pool, 100)
        row = stored(pool)
        state = summaries.on_paper(row, START)

        with CaptureQueriesContext(connection) as queries:
            past.balance(state, at=START)

        assert len(queries) == 1


class TestHeld:
    def test_is_nothing_before_the_first_entry(self):
        pool = a_pool()
        granted(pool, 100)

        assert held(pool, START - HOUR) == a_holding(0, 0)

    def test_is_at_this_moment_what_the_pool_says(self):
        pool = a_pool_of_a_plan(5000)
        granted(pool, 100, expires_at=RESET)
        granted(pool, 20)
        consumed(pool, 5150)

        for now in (START, RESET, NEXT_RESET):
            standing = pools.standing(stored(pool), now)
            for written in (False, True):
                if written:
                    resets.sweep(now=now, seconds=5)
                found = held(pool, now, now=now)
                assert found == Holding(standing.granted, standing.consumed)
                assert found.balance == standing.balance

    def test_remembers_what_was_held_before_things_ended(self):
        pool = a_pool_of_a_plan(5000)
        gift = granted(pool, 100, now=START + HOUR)
        consumed(pool, 3200, now=START + DAY)
        grants.void(grant_id=gift.public_id, reason="", actor=SYSTEM, now=START + 2 * DAY)

        assert held(pool, START + HOUR) == a_holding(5100, 0)
        assert held(pool, START + DAY) == a_holding(5100, 3200)
        assert held(pool, START + 2 * DAY) == a_holding(5000, 3200)
        assert held(pool, RESET) == a_holding(5000, 0)

    def test_drops_a_used_up_grant_at_its_end_which_has_no_entry(self):
        """R52: what ends with nothing left ends without an entry."""
        pool = a_pool()
        granted(pool, 100, expires_at=START + 3 * DAY)
        granted(pool, 10)
        consumed(pool, 100, now=START + DAY)

        assert held(pool, START + 2 * DAY) == a_holding(110, 100)
        assert held(pool, START + 3 * DAY) == a_holding(10, 0)

    def test_keeps_a_used_up_grant_that_never_expires(self):
        pool = a_pool()
        granted(pool, 100)
        consumed(pool, 100)

        assert held(pool, START + DAY) == a_holding(100, 100)

    def test_counts_what_was_owed_until_it_was_settled(self):
        """R36: balance −15, then a grant of 50 pays."""
        pool = a_pool()
        granted(pool, 10)
        consumed(pool, 25, now=START + HOUR)
        granted(pool, 50, now=START + DAY)

        assert held(pool, START + HOUR) == a_holding(10, 25)
        assert held(pool, START + DAY) == a_holding(60, 25)

    def test_tells_what_was_known_in_an_outage(self):
        pool = a_pool_of_a_plan(5000)
        consumed(pool, 3200)
        resets.sweep(now=RESET + 2 * DAY, seconds=5)

        assert held(pool, RESET + DAY) == a_holding(5000, 0)
        assert held(pool, RESET + DAY, known_at=RESET + DAY) == a_holding(5000, 3200)

    def test_knows_no_end_that_was_decided_later(self):
        pool = a_pool()
        gift = granted(pool, 100)
        consumed(pool, 100)
        grants.void(grant_id=gift.public_id, reason="", actor=SYSTEM, now=START + 2 * DAY)

        assert held(pool, START + 3 * DAY) == a_holding(0, 0)
        assert held(pool, START + 3 * DAY, known_at=START + DAY) == a_holding(100, 100)

    def test_takes_two_queries_however_long_the_history(self):
        pool = a_pool()
        for _ in range(5):
            granted(pool, 100)
            consumed(pool, 30)
        row = stored(pool)
        state = summaries.on_paper(row, START)

        with CaptureQueriesContext(connection) as queries:
            past.held(state, at=START)

        assert len(queries) == 2
