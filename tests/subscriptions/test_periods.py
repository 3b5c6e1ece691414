"""The calendar of periods (R19), against a calendar counted by hand."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from subscriptions import periods

MOMENT = timedelta(microseconds=1)
LENGTHS = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
END_OF_JANUARY = datetime(2026, 1, 31, 10, 0, tzinfo=UTC)


def hours_of(year: int) -> Iterator[datetime]:
    """Every hour of every day of a year."""
    hour = datetime(year, 1, 1, tzinfo=UTC)
    while hour.year == year:
        yield hour
        hour += timedelta(hours=1)


def is_leap(year: int) -> bool:
    return year % 400 == 0 or (year % 4 == 0 and year % 100 != 0)


def counted_by_hand(anchor: datetime, months: int) -> list[datetime]:
    """The starts of `months` monthly periods, walking month by month with a table of lengths."""
    year, month = anchor.year, anchor.month
    starts = []
    for _ in range(months):
        length = 29 if month == 2 and is_leap(year) else LENGTHS[month - 1]
        day = anchor.day if anchor.day <= length else length
        clock = (anchor.hour, anchor.minute, anchor.second, anchor.microsecond)
        starts.append(datetime(year, month, day, *clock, tzinfo=UTC))
        year, month = (year + 1, 1) if month == 12 else (year, month + 1)
    return starts


class TestBoundary:
    def test_clamps_to_the_last_day_and_never_drifts(self):
        """R19, first example."""
        resets = [periods.boundary(END_OF_JANUARY, months) for months in range(1, 6)]

        assert resets == [
            datetime(2026, 2, 28, 10, 0, tzinfo=UTC),
            datetime(2026, 3, 31, 10, 0, tzinfo=UTC),
            datetime(2026, 4, 30, 10, 0, tzinfo=UTC),
            datetime(2026, 5, 31, 10, 0, tzinfo=UTC),
            datetime(2026, 6, 30, 10, 0, tzinfo=UTC),
        ]

    def test_returns_to_29_february_in_every_leap_year(self):
        """R19, second example."""
        leap_day = datetime(2028, 2, 29, tzinfo=UTC)

        resets = [periods.boundary(leap_day, 12 * years) for years in range(1, 5)]

        assert resets == [
            datetime(2029, 2, 28, tzinfo=UTC),
            datetime(2030, 2, 28, tzinfo=UTC),
            datetime(2031, 2, 28, tzinfo=UTC),
            datetime(2032, 2, 29, tzinfo=UTC),
        ]

    def test_knows_that_2100_is_no_leap_year(self):
        leap_day = datetime(2096, 2, 29, tzinfo=UTC)

        assert periods.boundary(leap_day, 12 * 4) == datetime(2100, 2, 28, tzinfo=UTC)
        assert periods.boundary(leap_day, 12 * 8) == datetime(2104, 2, 29, tzinfo=UTC)

    def test_keeps_the_last_microsecond_of_a_day(self):
        anchor = datetime(2026, 1, 31, 23, 59, 59, 999_999, tzinfo=UTC)

        february = datetime(2026, 2, 28, 23, 59, 59, 999_999, tzinfo=UTC)
        assert periods.boundary(anchor, 1) == february

    def test_counts_backwards_too(self):
        assert periods.boundary(END_OF_JANUARY, -2) == datetime(2025, 11, 30, 10, 0, tzinfo=UTC)
        assert periods.boundary(END_OF_JANUARY, -12) == datetime(2025, 1, 31, 10, 0, tzinfo=UTC)

    def test_is_the_anchor_itself_after_no_months(self):
        assert periods.boundary(END_OF_JANUARY, 0) == END_OF_JANUARY

    @pytest.mark.parametrize("year", [2027, 2028], ids=["common", "leap"])
    def test_agrees_with_a_calendar_counted_by_hand(self, year):
        """Every anchor day and hour of the year, 48 periods each."""
        for anchor in hours_of(year):
            starts = [periods.boundary(anchor, months) for months in range(48)]

            assert starts == counted_by_hand(anchor, 48)


class TestContaining:
    @pytest.mark.parametrize("year", [2027, 2028], ids=["common", "leap"])
    def test_is_right_to_the_microsecond_at_every_boundary(self, year):
        """Every anchor day of the year at its last microsecond, 48 periods each."""
        for day in range(365 + is_leap(year)):
            anchor = datetime(year, 1, 1, 23, 59, 59, 999_999, tzinfo=UTC) + timedelta(days=day)
            starts = counted_by_hand(anchor, 49)

            for start, end in pairwise(starts):
                assert periods.containing(anchor, "MONTH", start) == (start, end)
                assert periods.containing(anchor, "MONTH", end - MOMENT) == (start, end)

    @pytest.mark.parametrize("cadence", ["YEAR", "ANNUALLY"])
    def test_counts_a_year_as_twelve_months(self, cadence):
        for day in range(366):
            anchor = datetime(2028, 1, 1, 10, tzinfo=UTC) + timedelta(days=day)
            starts = counted_by_hand(anchor, 49)[::12]

            for start, end in pairwise(starts):
                assert periods.containing(anchor, cadence, start) == (start, end)
                assert periods.containing(anchor, cadence, end - MOMENT) == (start, end)

    def test_takes_the_start_in_and_leaves_the_end_out(self):
        """R19: a period is [start, end)."""
        end = datetime(2026, 2, 28, 10, 0, tzinfo=UTC)

        assert periods.containing(END_OF_JANUARY, "MONTHLY", end - MOMENT)[1] == end
        assert periods.containing(END_OF_JANUARY, "MONTHLY", end)[0] == end

    def test_finds_periods_before_the_anchor(self):
        instant = datetime(2025, 12, 5, tzinfo=UTC)

        assert periods.containing(END_OF_JANUARY, "MONTH", instant) == (
            datetime(2025, 11, 30, 10, 0, tzinfo=UTC),
            datetime(2025, 12, 31, 10, 0, tzinfo=UTC),
        )
        assert periods.containing(END_OF_JANUARY, "YEAR", instant) == (
            datetime(2025, 1, 31, 10, 0, tzinfo=UTC),
            datetime(2026, 1, 31, 10, 0, tzinfo=UTC),
        )

    def test_finds_the_period_of_an_instant_far_away(self):
        instant = datetime(2126, 3, 1, 9, 59, tzinfo=UTC)

        assert periods.containing(END_OF_JANUARY, "MONTH", instant) == (
            datetime(2126, 2, 28, 10, 0, tzinfo=UTC),
            datetime(2126, 3, 31, 10, 0, tzinfo=UTC),
        )


class TestFollowing:
    def test_lists_the_next_period_starts(self):
        starts = periods.following(END_OF_JANUARY, "MONTH", END_OF_JANUARY, 3)

        assert starts == [
            datetime(2026, 2, 28, 10, 0, tzinfo=UTC),
            datetime(2026, 3, 31, 10, 0, tzinfo=UTC),
            datetime(2026, 4, 30, 10, 0, tzinfo=UTC),
        ]

    def test_goes_on_from_the_middle_of_a_period(self):
        middle = datetime(2027, 3, 15, tzinfo=UTC)

        assert periods.following(END_OF_JANUARY, "MONTH", middle, 2) == [
            datetime(2027, 3, 31, 10, 0, tzinfo=UTC),
            datetime(2027, 4, 30, 10, 0, tzinfo=UTC),
        ]
        assert periods.following(END_OF_JANUARY, "YEAR", middle, 2) == [
            datetime(2028, 1, 31, 10, 0, tzinfo=UTC),
            datetime(2029, 1, 31, 10, 0, tzinfo=UTC),
        ]

    def test_lists_nothing_if_nothing_is_asked_for(self):
        assert periods.following(END_OF_JANUARY, "MONTH", END_OF_JANUARY, 0) == []
