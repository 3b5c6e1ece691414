"""Credits used over time, as screens chart them: whole steps up to now, small ones joined."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum

from catalog.amounts import ZERO
from credits import series
from credits.models import Pool
from subscriptions import periods

TOP_FEATURES = 5
DIRECT = "Without a feature"
OTHERS = "Other features"


class Reach(StrEnum):
    """How far back a chart goes, and with it how wide its bars are."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    YEAR = "year"


@dataclass(slots=True, frozen=True)
class Part:
    """The use of one feature, or of what has none, in each step of a chart."""

    name: str
    amounts: tuple[Decimal, ...]

    @property
    def total(self) -> Decimal:
        """All of it."""
        return sum(self.amounts, ZERO)


@dataclass(slots=True, frozen=True)
class UsageOverTime:
    """Credits used in consecutive steps; a step lasts until the next one begins.

    `parts` are sorted by their total, the largest first, with the small ones joined.
    """

    steps: tuple[datetime, ...]
    until: datetime
    parts: tuple[Part, ...]

    @property
    def total(self) -> Decimal:
        """All use in the whole range."""
        return sum((part.total for part in self.parts), ZERO)


def over_time(row: Pool, reach: Reach, *, now: datetime) -> UsageOverTime:
    """What was used of a pool in the range that ends with the step `now` lies in; one query."""
    steps, until = steps_of(reach, now)
    parts = [
        Part(found.feature_name or DIRECT, tuple(amount for _, amount in found.points))
        for found in series.of_credits([row.pk], start=steps[0], end=until)
    ]
    return UsageOverTime(steps, until, _largest([part for part in parts if part.total]))


def steps_of(reach: Reach, now: datetime) -> tuple[tuple[datetime, ...], datetime]:
    """The beginnings of the steps, and the end of the last one.

    24 hours, 7 or 30 days, or 12 months in UTC, the current one included.
    """
    hour = now.replace(minute=0, second=0, microsecond=0)
    day = hour.replace(hour=0)
    match reach:
        case Reach.DAY:
            starts = [hour + timedelta(hours=number) for number in range(-23, 2)]
        case Reach.WEEK:
            starts = [day + timedelta(days=number) for number in range(-6, 2)]
        case Reach.MONTH:
            starts = [day + timedelta(days=number) for number in range(-29, 2)]
        case Reach.YEAR:
            starts = [periods.boundary(day.replace(day=1), number) for number in range(-11, 2)]
    return tuple(starts[:-1]), starts[-1]


def _largest(parts: list[Part]) -> tuple[Part, ...]:
    parts.sort(key=lambda part: (-part.total, part.name))
    if len(parts) <= TOP_FEATURES + 1:
        return tuple(parts)
    rest = parts[TOP_FEATURES:]
    sums = tuple(
        sum(amounts, ZERO) for amounts in zip(*(part.amounts for part in rest), strict=True)
    )
    return (*parts[:TOP_FEATURES], Part(OTHERS, sums))
