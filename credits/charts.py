"""Credits used over time, as screens chart them: whole steps up to now, small ones joined."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum

from catalog.amounts import ZERO
from credits import chapters, dimensions, series
from credits.models import Pool
from credits.series import Step
from subscriptions import periods

TOP_PARTS = 5
DIRECT = "Without a feature"
OTHER_FEATURES, OTHER_VALUES = "Other features", "Other values"


class Reach(StrEnum):
    """How far back a chart goes."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    YEAR = "year"


@dataclass(slots=True, frozen=True)
class Part:
    """The use of one feature or one value of a dimension in each step of a chart."""

    name: str
    amounts: tuple[Decimal, ...]

    @property
    def total(self) -> Decimal:
        """All of it."""
        return sum(self.amounts, ZERO)


@dataclass(slots=True, frozen=True)
class UsageOverTime:
    """Credits used in consecutive steps; one lasts until the next one begins.

    `parts` are sorted by their total, the largest first, with the small ones joined.
    """

    step: Step
    steps: tuple[datetime, ...]
    parts: tuple[Part, ...]

    @property
    def total(self) -> Decimal:
        """All use in the whole range."""
        return sum((part.total for part in self.parts), ZERO)


def over_time(row: Pool, start: datetime, end: datetime, *, dimension: str = "") -> UsageOverTime:
    """What was used of a pool in [start, end), by feature or by a `dimension`.

    One query, in a long ledger three, or five by a dimension.

    Args:
        start: a full hour, like `end`.

    Raises:
        RangeTooLong: nobody could look at so many steps.
    """
    steps = tuple(series.steps_of(start, end))
    step = series.step_for(start, end)
    amounts: dict[str, dict[datetime, Decimal]] = defaultdict(lambda: dict.fromkeys(steps, ZERO))
    for name, at, amount in _use(row, start, end, dimension):
        amounts[name][at] += amount
    parts = [Part(name, tuple(stack.values())) for name, stack in amounts.items()]
    others = OTHER_VALUES if dimension else OTHER_FEATURES
    return UsageOverTime(step, steps, _largest([part for part in parts if part.total], others))


def _use(
    row: Pool, start: datetime, end: datetime, dimension: str
) -> Iterator[tuple[str, datetime, Decimal]]:
    """Names, steps and amounts, in no order; from sums of chapters as far as these go."""
    after = chapters.summed_up_to(row.pk, row.last_entry_number)
    truncate = series.TRUNCATE[series.step_for(start, end)]
    if dimension:
        for value, at, amount in dimensions.use(
            row.pk, dimension, after=after, start=start, end=end, truncate=truncate
        ):
            yield value or f"Without {dimension}", at, amount
    elif after:
        for used in chapters.use(row.pk, after=after, start=start, end=end, truncate=truncate):
            yield used.feature_name or DIRECT, used.at, used.amount
    else:
        for found in series.of_credits([row.pk], start=start, end=end):
            for at, amount, _ in found.points:
                yield found.feature_name or DIRECT, at, amount


def span(reach: Reach, now: datetime) -> tuple[datetime, datetime]:
    """The last 24 hours, 7 or 30 days, or 12 months in UTC, the current one included."""
    hour = now.replace(minute=0, second=0, microsecond=0)
    day = hour.replace(hour=0)
    match reach:
        case Reach.DAY:
            return hour - timedelta(hours=23), hour + timedelta(hours=1)
        case Reach.WEEK:
            return day - timedelta(days=6), day + timedelta(days=1)
        case Reach.MONTH:
            return day - timedelta(days=29), day + timedelta(days=1)
        case Reach.YEAR:
            month = day.replace(day=1)
            return periods.boundary(month, -11), periods.boundary(month, 1)


def _largest(parts: list[Part], others: str) -> tuple[Part, ...]:
    parts.sort(key=lambda part: (-part.total, part.name))
    if len(parts) <= TOP_PARTS + 1:
        return tuple(parts)
    rest = parts[TOP_PARTS:]
    sums = tuple(
        sum(amounts, ZERO) for amounts in zip(*(part.amounts for part in rest), strict=True)
    )
    return (*parts[:TOP_PARTS], Part(others, sums))
