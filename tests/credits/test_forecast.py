from datetime import timedelta
from decimal import Decimal

import pytest

from credits import forecast, timeline
from credits.book import EntryType, GrantType
from credits.forecast import NO_USE, Forecast, Gap, Use
from tests.credits.paper import (
    APRIL,
    FEBRUARY,
    JANUARY,
    MARCH,
    NEXT_YEAR,
    a_grant,
    a_pool,
    a_pool_at,
    a_schedule,
    a_scheduled_grant,
    an_addon,
    an_overdraft,
)

DAY = timedelta(days=1)
TEN_A_DAY = Use(Decimal(10))


def ahead(*held, until=APRIL, use: Use = NO_USE, now=JANUARY) -> Forecast:
    return forecast.forecast(a_pool_at(now, *held), now=now, until=until, use=use)


class TestForecast:
    def test_does_what_time_does(self):
        pool = a_pool_at(
            JANUARY,
            a_schedule(100, ends_at=MARCH),
            an_addon(50, cadence="YEAR"),
            a_grant(30, expires_at=JANUARY + 9 * DAY, type=GrantType.PROMOTIONAL),
            a_scheduled_grant(7, effective_at=FEBRUARY + DAY),
        )

        found = forecast.forecast(pool, now=JANUARY, until=NEXT_YEAR)

        assert [(each.type, each.amount, each.effective_at) for each in found.entries] == [
            (each.type, each.amount, each.effective_at)
            for each in timeline.advance(pool, NEXT_YEAR)[1]
        ]
        assert (found.used, found.closing) == (0, timeline.advance(pool, NEXT_YEAR)[0].balance)

    def test_leaves_the_pool_as_it_is(self):
        pool = a_pool_at(JANUARY, a_schedule(100))

        forecast.forecast(pool, now=JANUARY, until=NEXT_YEAR, use=TEN_A_DAY)

        assert (pool.balance, pool.entries, len(pool.grants)) == (100, [], 1)
        assert pool.schedules[0].next_at == FEBRUARY

    def test_says_to_the_instant_when_nothing_is_left(self):
        found = ahead(a_grant(105), use=TEN_A_DAY)

        assert found.gaps == (Gap(JANUARY + 10.5 * DAY, None),)
        assert (found.used, found.closing) == (105, 0)

    def test_begins_anew_with_the_next_period(self):
        """100 a month at 10 a day last ten days, and 31 and 28 days have 310 and 280."""
        found = ahead(a_schedule(100), use=TEN_A_DAY, until=MARCH)

        assert found.gaps == (
            Gap(JANUARY + 10 * DAY, FEBRUARY),
            Gap(FEBRUARY + 10 * DAY, MARCH),
        )
        assert (found.used, found.refused, found.days_without) == (200, 310 + 280 - 200, 21 + 18)
        assert found.closing == 100

    def test_owes_what_is_used_under_a_soft_limit(self):
        found = ahead(a_schedule(100, has_soft_limit=True), use=TEN_A_DAY, until=FEBRUARY)

        [reset] = found.happenings
        assert (reset.used, reset.balance_before, reset.balance_after) == (310, -210, -110)
        assert (found.used, found.refused, found.closing) == (310, 0, -110)

    def test_settles_what_is_owed_with_what_comes(self):
        found = ahead(an_overdraft(30), a_scheduled_grant(100, effective_at=FEBRUARY))

        assert found.gaps == (Gap(JANUARY, FEBRUARY),)
        assert found.closing == 70

    def test_uses_up_what_expires_before_it_does(self):
        found = ahead(
            a_grant(100, expires_at=JANUARY + 5 * DAY), a_grant(1000), use=TEN_A_DAY, until=FEBRUARY
        )

        [expiry] = found.happenings
        assert (expiry.at, expiry.used) == (JANUARY + 5 * DAY, 50)
        assert [(each.type, each.amount) for each in expiry.entries] == [(EntryType.EXPIRED, -50)]
        assert (found.total(EntryType.EXPIRED), found.closing) == (50, 1000 - 260)

    def test_has_a_point_at_every_midnight_and_two_at_a_change(self):
        found = ahead(a_schedule(100), until=FEBRUARY, use=TEN_A_DAY)

        instants = [at for at, _ in found.points]
        assert instants == sorted(instants)
        assert sum(at.hour == 0 for at in instants) == 31
        assert [balance for at, balance in found.points if at == FEBRUARY] == [0, 100]

    def test_is_a_gap_from_an_expiry_on(self):
        found = ahead(a_grant(100, expires_at=FEBRUARY))

        assert found.gaps == (Gap(FEBRUARY, None),)

    def test_of_nothing_is_nothing(self):
        found = forecast.forecast(a_pool(), now=JANUARY, until=FEBRUARY)

        assert (found.happenings, found.gaps, found.closing) == ((), (Gap(JANUARY, None),), 0)


class TestUse:
    @pytest.mark.parametrize(
        ("use", "elapsed", "amount"),
        [
            (Use(), DAY, "0"),
            (Use(Decimal(10)), DAY / 4, "2.5"),
            (Use(Decimal(10), 30 * DAY), 3 * DAY, "1"),
            (Use(Decimal(1), 3 * DAY), DAY, "0.333333"),
            (Use(Decimal(1), 3 * DAY), 3 * DAY, "1"),
        ],
    )
    def test_grows_evenly_in_whole_millionths(self, use, elapsed, amount):
        assert use.within(elapsed) == Decimal(amount)

    def test_is_told_by_the_day(self):
        assert Use(Decimal(300), 30 * DAY).per_day == 10
