"""The calendar of periods: counted from the anchor, in UTC, never drifting (R19)."""

from calendar import monthrange
from datetime import datetime

MONTHS = {"MONTH": 1, "YEAR": 12, "MONTHLY": 1, "ANNUALLY": 12}
"""Months in one period, by cadence of credits and by billing period."""
SHORTEST_MONTH = 28


def boundary(anchor: datetime, months: int) -> datetime:
    """The instant `months` months after `anchor`, clamped to the month's last day.

    Always computed from the anchor itself: 31 January gives 28 February and then
    31 March. `months` may be negative.
    """
    year, month = divmod(anchor.year * 12 + anchor.month - 1 + months, 12)
    day = anchor.day
    if day > SHORTEST_MONTH:
        day = min(day, monthrange(year, month + 1)[1])
    return anchor.replace(year=year, month=month + 1, day=day)


def containing(anchor: datetime, cadence: str, instant: datetime) -> tuple[datetime, datetime]:
    """The period [start, end) of `cadence` that `instant` lies in.

    Args:
        anchor: the instant from which periods are counted, aware, UTC.
        cadence: MONTH or YEAR, or a billing period MONTHLY or ANNUALLY.
        instant: any instant, before or after the anchor.
    """
    step = MONTHS[cadence]
    passed = (instant.year - anchor.year) * 12 + instant.month - anchor.month
    number = passed // step
    start = boundary(anchor, number * step)
    if start > instant:
        return boundary(anchor, (number - 1) * step), start
    return start, boundary(anchor, (number + 1) * step)


def following(anchor: datetime, cadence: str, start: datetime, count: int) -> list[datetime]:
    """The next `count` period starts after `start`."""
    step = MONTHS[cadence]
    first, _ = containing(anchor, cadence, start)
    passed = (first.year - anchor.year) * 12 + first.month - anchor.month
    return [boundary(anchor, passed + step * number) for number in range(1, count + 1)]
