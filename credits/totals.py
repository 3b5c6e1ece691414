"""How much of features was used since their use was last set back to zero (R7, R39)."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from functools import reduce
from operator import or_
from typing import Any

from django.db.models import Count, Max, Min, OuterRef, Q, QuerySet, Subquery, Sum

from catalog.amounts import ZERO, rounded
from catalog.models import Aggregation, Feature, ResetPeriod
from credits.models import UsageRecord
from subscriptions import periods

WEEKDAYS = (
    "EveryMonday",
    "EveryTuesday",
    "EveryWednesday",
    "EveryThursday",
    "EveryFriday",
    "EverySaturday",
    "EverySunday",
)
START_OF_THE_MONTH = "StartOfTheMonth"


def window(
    reset_period: str,
    configuration: Mapping[str, str] | None,
    *,
    anchor: datetime,
    now: datetime,
) -> tuple[datetime, datetime] | None:
    """The period [start, end) in which use counts at `now`; None if it never starts again.

    Years, months and weeks count from `anchor` unless the configuration says otherwise;
    days and hours are those of the clock in UTC.
    """
    according_to = (configuration or {}).get("accordingTo", "")
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    match reset_period:
        case ResetPeriod.YEAR:
            return periods.containing(anchor, "YEAR", now)
        case ResetPeriod.MONTH if according_to == START_OF_THE_MONTH:
            return periods.containing(midnight.replace(day=1), "MONTH", now)
        case ResetPeriod.MONTH:
            return periods.containing(anchor, "MONTH", now)
        case ResetPeriod.WEEK if according_to in WEEKDAYS:
            days = (midnight.weekday() - WEEKDAYS.index(according_to)) % 7
            return _span(midnight - timedelta(days=days), timedelta(weeks=1))
        case ResetPeriod.WEEK:
            week = timedelta(weeks=1)
            return _span(anchor + (now - anchor) // week * week, week)
        case ResetPeriod.DAY:
            return _span(midnight, timedelta(days=1))
        case ResetPeriod.HOUR:
            hour = now.replace(minute=0, second=0, microsecond=0)
            return _span(hour, timedelta(hours=1))
    return None


def used_by_feature(
    *,
    customer_id: int,
    resource_id: int | None,
    since: Mapping[Feature, datetime | None],
    until: datetime,
) -> dict[int, Decimal]:
    """By primary key, how much of each feature was used from its instant on, before `until`.

    Each by its own aggregation (R7); a report that set the total counts from then on, and
    what came before it does not (R39). At most three queries, however many features.
    """
    if not since:
        return {}
    records = UsageRecord.objects.filter(
        _any_of(
            Q(feature=feature) if start is None else Q(feature=feature, occurred_at__gte=start)
            for feature, start in since.items()
        ),
        Q(resource_id=resource_id),
        customer_id=customer_id,
        occurred_at__lt=until,
    )
    rows = (
        records.order_by()
        .values("feature")
        .annotate(
            count=Count("pk"),
            sum=Sum("value"),
            largest=Max("value"),
            smallest=Min("value"),
            distinct=Count("text", distinct=True, filter=~Q(text="")),
            sets=Count("pk", filter=Q(sets_total=True)),
        )
    )
    by_feature = {row["feature"]: row for row in rows}
    totals = {}
    set_features = []
    for feature in since:
        row = by_feature.get(feature.pk)
        totals[feature.pk] = _aggregate(feature, row) if row else ZERO
        if row and row["sets"] and feature.aggregation not in NOT_SUMMED:
            set_features.append(feature.pk)
    return totals | _since_last_set(records, set_features)


NOT_SUMMED = (Aggregation.UNIQUE, Aggregation.MAX, Aggregation.MIN, Aggregation.AVG)


def _aggregate(feature: Feature, row: Mapping[str, Any]) -> Decimal:
    match feature.aggregation:
        case Aggregation.UNIQUE:
            return Decimal(row["distinct"])
        case Aggregation.MAX:
            return Decimal(row["largest"])
        case Aggregation.MIN:
            return Decimal(row["smallest"])
        case Aggregation.AVG:
            return rounded(Decimal(row["sum"]) / row["count"])
    return Decimal(row["sum"])


def _since_last_set(records: QuerySet[UsageRecord], feature_ids: list[int]) -> dict[int, Decimal]:
    """What was set last, with all that was added to it since."""
    if not feature_ids:
        return {}
    sets = records.filter(feature=OuterRef("pk"), sets_total=True)
    last = sets.order_by("-occurred_at", "-pk").values("pk")[:1]
    features = Feature.objects.filter(pk__in=feature_ids)
    last_sets = dict(features.annotate(last=Subquery(last)).values_list("pk", "last"))
    counting = records.filter(
        _any_of(
            Q(pk=set_id) | Q(feature=feature_id, sets_total=False, pk__gt=set_id)
            for feature_id, set_id in last_sets.items()
        )
    )
    return dict(counting.order_by().values_list("feature").annotate(total=Sum("value")))


def _any_of(conditions: Iterable[Q]) -> Q:
    return reduce(or_, conditions)


def _span(start: datetime, length: timedelta) -> tuple[datetime, datetime]:
    return start, start + length
