"""Pools are opened, locked, brought up to now, and say what is in them (R42, R43)."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from credits import pools, resets
from tests.credits.pools import START, a_pool_of_a_plan, stored

pytestmark = pytest.mark.django_db

AT_RESET = datetime(2026, 4, 30, 10, 0, tzinfo=UTC)


class TestStanding:
    def test_is_right_at_the_boundary_before_anybody_wrote_it_down(self):
        pool = a_pool_of_a_plan(5000)

        assert pools.standing(pool, AT_RESET).balance == Decimal(5000)
        assert stored(pool).last_entry_number == 1

    def test_is_right_when_a_worker_writes_while_it_is_read(self):
        """The row was read before the reset, grants and schedules are read after it."""
        pool = a_pool_of_a_plan(5000)
        read_before = stored(pool)
        resets.sweep(now=AT_RESET, seconds=5)

        found = pools.standing(read_before, AT_RESET)

        assert found == pools.standing(stored(pool), AT_RESET)
        assert found.balance == Decimal(5000)


class TestLoad:
    def test_gives_up_when_a_pool_keeps_changing(self, monkeypatch):
        pool = a_pool_of_a_plan(5000)

        with monkeypatch.context() as patch:
            patch.setattr(pools, "_same", lambda row, stored: False)
            with pytest.raises(pools.PoolsKeepChanging):
                pools.standing(pool, AT_RESET)


class TestLock:
    def test_refuses_a_pool_that_is_not_there(self):
        with pytest.raises(pools.UnknownPool):
            pools.lock(987654321, START)
