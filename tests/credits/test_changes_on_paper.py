"""Steps of a change that need no database (R32, R42); `test_changes` goes through the verbs."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from credits import changes, timeline
from credits.book import Ending, PoolState, ScheduleState
from credits.models import Pool
from credits.pools import LockedPool
from subscriptions.models import Subscription
from tests.credits.paper import (
    FEBRUARY,
    JANUARY,
    MARCH,
    MID_JANUARY,
    a_pool,
    a_schedule,
    a_scheduled_grant,
    switch,
)

MOMENT = timedelta(microseconds=1)
PLAN, OTHER_PLAN = 1, 2


def locked(*schedules: ScheduleState, credit_type_id: int = 1) -> LockedPool:
    """A pool with these schedules alone."""
    state = PoolState(pk=1, schedules=list(schedules))
    return LockedPool(Pool(pk=1, credit_type_id=credit_type_id), state, knows_schedules=True)


def left(mark: int = 100, given_back: int = 70, **fields: Any) -> ScheduleState:
    """A schedule that has just ended elsewhere; 30 of its 100 were used."""
    return a_schedule(
        **{
            "mark": Decimal(mark),
            "given_back": Decimal(given_back),
            "period_starts_at": JANUARY,
            "next_at": FEBRUARY,
            "ends_at": MID_JANUARY,
            "ended": True,
            **fields,
        }
    )


def arriving(starts_at: datetime = MID_JANUARY, **fields: Any) -> ScheduleState:
    """The same source, where it goes on from the middle of the month."""
    return a_schedule(**{"starts_at": starts_at, "anchor_at": JANUARY, **fields})


def brought(here: LockedPool, *elsewhere: LockedPool) -> list[int]:
    """Bring use along; what each schedule here then counts as used elsewhere."""
    changes._bring_use_along(here, elsewhere, Subscription(pk=1), MID_JANUARY)
    return [int(schedule.used_elsewhere) for schedule in here.state.schedules]


class TestBringUseAlong:
    def test_counts_what_was_used_of_a_source(self):
        assert brought(locked(arriving()), locked(left())) == [30]

    def test_counts_what_was_used_before_that_in_another_pool(self):
        assert brought(locked(arriving()), locked(left(used_elsewhere=Decimal(5)))) == [35]

    def test_leaves_out_what_was_used_where_it_returns(self):
        """It is known here: the mark says so."""
        before = left(20, 12, ends_at=JANUARY)

        assert brought(locked(before, arriving()), locked(left(92, 70))) == [0, 14]

    def test_counts_nothing_where_more_was_used_before(self):
        before = left(100, 20, ends_at=JANUARY)

        assert brought(locked(before, arriving()), locked(left())) == [0, 0]

    def test_counts_a_credit(self):
        assert brought(locked(arriving()), locked(left(100, 99))) == [1]

    @pytest.mark.parametrize("amount", [Decimal("0.000001"), Decimal("0.5")])
    def test_counts_parts_of_a_credit(self, amount):
        here = locked(arriving())

        brought(here, locked(left(given_back=Decimal(100) - amount)))

        assert here.state.schedules[0].used_elsewhere == amount

    def test_counts_what_begins_just_now(self):
        later = arriving(starts_at=MID_JANUARY + MOMENT)

        assert brought(locked(later, arriving()), locked(left())) == [0, 30]

    def test_leaves_alone_what_runs_here(self):
        running = arriving(period_starts_at=JANUARY, next_at=FEBRUARY)

        assert brought(locked(running, arriving()), locked(left())) == [0, 30]

    def test_looks_into_every_pool_of_the_same_credit_type(self):
        others = locked(left(100, 1), credit_type_id=2), locked(left())

        assert brought(locked(arriving()), *others) == [30]
        assert brought(locked(arriving()), *reversed(others)) == [30]

    @pytest.mark.parametrize(
        "difference",
        [
            {"subscription_id": 2},
            {"ends_at": MID_JANUARY - MOMENT},
            {"ends_at": None},
            {"source_id": OTHER_PLAN},
            {"period_starts_at": FEBRUARY, "next_at": MARCH},
        ],
    )
    def test_counts_nothing_else(self, difference):
        something_else = left(100, 1, **difference)

        assert brought(locked(arriving()), locked(something_else)) == [0]
        assert brought(locked(arriving()), locked(something_else, left())) == [30]
        assert brought(locked(arriving()), locked(left(), something_else)) == [30]

    def test_tells_sources_apart(self):
        here = locked(arriving(), arriving(source_id=OTHER_PLAN))

        assert brought(here, locked(left(), left(100, 60, source_id=OTHER_PLAN))) == [30, 40]

    def test_counts_by_the_cadence_and_anchor_of_what_arrives(self):
        yearly = arriving(cadence="YEAR")
        moved = arriving(anchor_at=MID_JANUARY)

        assert brought(locked(yearly, moved), locked(left())) == [0, 0]


class TestGrantedTo:
    def test_counts_what_the_sources_of_one_subscription_granted(self):
        """Not what they took back, nor what others gave."""
        mine = a_schedule(100, source_id=PLAN, ending=Ending.VOID)
        other = a_schedule(70, source_id=OTHER_PLAN, ending=Ending.VOID, subscription_id=2)
        pool = a_pool(mine, other, a_scheduled_grant(30, effective_at=JANUARY))
        timeline.turn(pool, JANUARY)
        switch(pool, MID_JANUARY, end=mine)

        assert changes.granted_to(1, pool.entries) == 100
        assert changes.granted_to(2, pool.entries) == 70
        assert changes.granted_to(3, pool.entries) == 0
