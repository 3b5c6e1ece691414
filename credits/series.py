"""Use over time, for applications: credits by feature, and the use of one feature (R38).

What was used counts at the time of its use, not of its processing. Nothing here writes.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any, NamedTuple

from django.db.models import Count, Func, QuerySet, Sum
from django.db.models.functions import TruncDay, TruncHour, TruncMonth

from catalog.amounts import ZERO, rounded
from catalog.models import Aggregation, Feature
from credits import entitlements
from credits.dimensions import Tags, texts, with_tags
from credits.entitlements import Holder, Included
from credits.models import Consumption, UsageRecord
from subscriptions import periods
from workspace.errors import BadInput

MOST_STEPS = 1000


class RangeTooLong(BadInput):
    """More steps than anybody could look at."""


class Step(StrEnum):
    """How far the points of a series lie apart."""

    HOUR = "hour"
    DAY = "day"
    MONTH = "month"


TRUNCATE: dict[Step, type[Func]] = {
    Step.HOUR: TruncHour,
    Step.DAY: TruncDay,
    Step.MONTH: TruncMonth,
}


class CreditPoint(NamedTuple):
    """Credits used in the step that begins `at`, by how many consumptions."""

    at: datetime
    amount: Decimal
    uses: int


@dataclass(slots=True, frozen=True)
class CreditSeries:
    """Credits used for one feature, or without one, in consecutive steps.

    `tags` are the values of the dimensions that were asked for, "" where there is none.
    """

    feature_id: str | None
    feature_name: str | None
    tags: Tags
    points: tuple[CreditPoint, ...]

    @property
    def total(self) -> Decimal:
        """All of it."""
        return sum((point.amount for point in self.points), ZERO)

    @property
    def uses(self) -> int:
        """How many consumptions that were."""
        return sum(point.uses for point in self.points)


@dataclass(slots=True, frozen=True)
class HistoryPoint:
    """All use in the running period at an instant; a reset point is where one begins."""

    at: datetime
    used: Decimal
    is_reset: bool = False


@dataclass(slots=True, frozen=True)
class HistorySeries:
    """How the use of a feature grew, for one combination of tags."""

    tags: Tags
    points: tuple[HistoryPoint, ...]


def step_for(start: datetime, end: datetime) -> Step:
    """Hours for up to two days, days for up to a quarter, months beyond."""
    if end - start <= timedelta(days=2):
        return Step.HOUR
    return Step.DAY if end - start <= timedelta(days=92) else Step.MONTH


def steps_of(start: datetime, end: datetime) -> list[datetime]:
    """The beginnings of the steps that [start, end) touches, in UTC; see `step_for`.

    Raises:
        RangeTooLong: there are more than a thousand.
    """
    step = step_for(start, end)
    at = start.replace(minute=0, second=0, microsecond=0)
    if step != Step.HOUR:
        at = at.replace(hour=0)
    if step == Step.MONTH:
        at = at.replace(day=1)
    first = at
    steps: list[datetime] = []
    while at < end:
        if len(steps) >= MOST_STEPS:
            raise RangeTooLong("Choose a shorter range.", field="startDate")
        steps.append(at)
        match step:
            case Step.HOUR:
                at += timedelta(hours=1)
            case Step.DAY:
                at += timedelta(days=1)
            case Step.MONTH:
                at = periods.boundary(first, len(steps))
    return steps


def of_credits(
    pool_ids: Sequence[int], *, start: datetime, end: datetime, keys: Sequence[str] = ()
) -> list[CreditSeries]:
    """Credits used of the pools in [start, end), by feature and `keys`; in one query.

    Raises:
        RangeTooLong: the range holds more than a thousand steps.
    """
    steps = steps_of(start, end)
    tagged, names = with_tags(_consumed(pool_ids, start, end), "dimensions", keys)
    rows = (
        tagged.values_list("feature__public_id", "feature__name", *names, "step")
        .annotate(total=Sum("amount"), uses=Count("pk"))
        .order_by()
    )
    found: dict[tuple[Any, ...], dict[datetime, CreditPoint]] = defaultdict(dict)
    for feature_id, name, *tags, at, total, uses in rows:
        found[feature_id, name, texts(tags)][at] = CreditPoint(at, total, uses)
    series = [
        CreditSeries(
            feature_id,
            name,
            tags,
            tuple(points.get(at) or CreditPoint(at, ZERO, 0) for at in steps),
        )
        for (feature_id, name, tags), points in found.items()
    ]
    return sorted(series, key=lambda each: (each.feature_id or "", each.tags))


def _consumed(pool_ids: Sequence[int], start: datetime, end: datetime) -> QuerySet[Consumption]:
    """Uses of the pools in [start, end), with the beginning of the `step` they fall into."""
    found = Consumption.objects.filter(pool_id__in=pool_ids, used_at__gte=start, used_at__lt=end)
    return found.annotate(step=TRUNCATE[step_for(start, end)]("used_at", tzinfo=UTC))


def of_feature(
    holder: Holder,
    feature: Feature,
    *,
    start: datetime,
    end: datetime,
    keys: Sequence[str] = (),
) -> tuple[list[HistorySeries], list[datetime]]:
    """How the use of a feature grew in [start, end), and when it began again from zero.

    Periods are those that the subscriptions in force at `end` say.

    Raises:
        RangeTooLong: the range holds more than a thousand steps or resets.
    """
    included = entitlements.included(holder, end).get(feature.pk)
    first = included.window(start) if included else None
    resets = _resets(included, start, end) if included else []
    ends = [at for at in steps_of(start, end) if at > start]
    records = UsageRecord.objects.filter(
        customer=holder.customer,
        resource=holder.resource,
        feature=feature,
        occurred_at__lt=end,
    )
    if first is not None:
        records = records.filter(occurred_at__gte=first[0])
    tagged, names = with_tags(records, "event__dimensions", keys)
    rows: dict[Tags, list[tuple[Any, ...]]] = defaultdict(list)
    columns = ("occurred_at", "value", "text", "sets_total")
    for row in tagged.order_by("occurred_at", "pk").values_list(*columns, *names):
        rows[texts(row[len(columns) :])].append(tuple(row[: len(columns)]))
    if not keys:
        rows.setdefault((), [])
    marks = sorted({*ends, end, *resets})
    return [
        HistorySeries(tags, tuple(_points(feature, rows[tags], marks, set(resets))))
        for tags in sorted(rows)
    ], resets


def _resets(included: Included, start: datetime, end: datetime) -> list[datetime]:
    """When use began again from zero in [start, end); its very beginning is no reset."""
    resets: list[datetime] = []
    window = included.window(start)
    while window is not None and window[1] < end:
        if len(resets) > MOST_STEPS:
            raise RangeTooLong("Choose a shorter range.", field="startDate")
        resets.append(window[1])
        window = included.window(window[1])
    return [at for at in resets if at > included.started_at]


@dataclass(slots=True)
class _Tally:
    """The use of one period so far, by the feature's aggregation (R7, R39)."""

    aggregation: str
    smallest: Decimal = ZERO
    largest: Decimal = ZERO
    texts: set[str] = field(default_factory=set)
    total: Decimal = ZERO
    count: int = 0

    def add(self, value: Decimal, text: str, *, sets_total: bool) -> None:
        """Count one record."""
        self.smallest = min(self.smallest, value) if self.count else value
        self.largest = max(self.largest, value) if self.count else value
        self.total = value if sets_total else self.total + value
        self.texts.add(text)
        self.count += 1

    @property
    def used(self) -> Decimal:
        """What all records come to."""
        if not self.count:
            return ZERO
        match self.aggregation:
            case Aggregation.UNIQUE:
                return Decimal(len(self.texts - {""}))
            case Aggregation.MAX:
                return self.largest
            case Aggregation.MIN:
                return self.smallest
            case Aggregation.AVG:
                return rounded(self.total / self.count)
        return self.total


def _points(
    feature: Feature,
    rows: Sequence[tuple[Any, ...]],
    marks: Sequence[datetime],
    resets: set[datetime],
) -> Iterator[HistoryPoint]:
    """The use at each mark, which counts what came before it."""
    tally = _Tally(feature.aggregation)
    place = 0
    for mark in marks:
        while place < len(rows) and rows[place][0] < mark:
            _, value, text, sets_total = rows[place]
            tally.add(value, text, sets_total=sets_total)
            place += 1
        if mark in resets:
            tally = _Tally(feature.aggregation)
            yield HistoryPoint(mark, ZERO, is_reset=True)
        else:
            yield HistoryPoint(mark, tally.used)
