"""Credits used over time."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, TypedDict

from rest_framework import serializers
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request

from catalog.models import CreditType
from credits import reading, series
from credits.api.fields import WholeTextField
from credits.dimensions import GROUPABLE
from credits.models import Pool
from credits.series import CreditSeries
from subscriptions import periods
from workspace.api import cursors
from workspace.api.camel import CamelMixin
from workspace.api.cursors import DEFAULT_LIMIT, LARGEST_LIMIT, LONGEST_CURSOR, PaginationShape
from workspace.api.fields import (
    ChoiceField,
    CommaListField,
    PublicIdField,
    TextField,
    UtcDateTimeField,
    wire_instant,
)
from workspace.api.responses import Response
from workspace.api.terms import Instant, speaks
from workspace.api.views import ApiView

MOST_KEYS = 3


class GroupByField(CommaListField):
    """Up to three dimensions, whose values part a series into several."""

    default_error_messages = {
        "many": f"Group by at most {MOST_KEYS} dimensions.",
        "key": "A dimension to group by has letters, digits, _, $ and -.",
    }

    def to_internal_value(self, data: Any) -> list[str]:
        if len(data) > MOST_KEYS:
            self.fail("many")
        if not all(isinstance(key, str) and GROUPABLE.fullmatch(key) for key in data):
            self.fail("key")
        return list(dict.fromkeys(data))

    def described(self, _: object) -> dict[str, Any]:
        """For the OpenAPI description."""
        key = {"type": "string", "pattern": f"^{GROUPABLE.pattern}$"}
        return {"type": "array", "items": key, "maxItems": MOST_KEYS}


class UsageFilters(CamelMixin, serializers.Serializer[Any]):
    """Of which credits, over which range. `startDate` wins over `timeRange`."""

    customer_id = PublicIdField()
    currency_id = PublicIdField(required=False)
    resource_id = PublicIdField(required=False)
    time_range = ChoiceField(
        ["LAST_DAY", "LAST_WEEK", "LAST_MONTH", "LAST_YEAR"], required=False, default="LAST_MONTH"
    )
    start_date = UtcDateTimeField(required=False)
    end_date = UtcDateTimeField(required=False)
    group_by = GroupByField(required=False, default=list)
    limit = WholeTextField(smallest=1, largest=LARGEST_LIMIT, required=False, default=DEFAULT_LIMIT)
    after = TextField(required=False, max_length=LONGEST_CURSOR)
    before = TextField(required=False, max_length=LONGEST_CURSOR)


class SeriesCurrencyShape(TypedDict):
    """The credit type that is shown."""

    currencyId: str
    displayName: str
    symbol: str | None
    singular: str | None
    plural: str | None


class TagShape(TypedDict):
    """A dimension that a series stands for."""

    key: str
    value: str


class UsedPointShape(TypedDict):
    """How much was used in a stretch of time."""

    timestamp: Instant
    value: Decimal
    eventCount: int


class CreditSeriesShape(TypedDict):
    """What one feature used, or one combination of dimensions."""

    featureId: str | None
    featureName: str | None
    tags: list[TagShape] | None
    totalCredits: Decimal
    eventCount: int
    points: list[UsedPointShape]


class CreditUsageShape(TypedDict):
    """Credits used over time."""

    currency: SeriesCurrencyShape | None
    series: list[CreditSeriesShape]
    pagination: PaginationShape


@dataclass(frozen=True, slots=True)
class Ranked:
    """A series with its place, the first with the largest rank; see `cursors.page_of_rows`."""

    series: CreditSeries
    rank: int


class CreditUsageView(ApiView):
    """`/credits/usage`."""

    @speaks(query=UsageFilters, answer=CreditUsageShape)
    def get(self, request: Request) -> Response:
        """A series per feature, and per combination of the dimensions asked for."""
        query = self.read_query()
        end = query.get("end_date", self.now)
        start = query.get("start_date") or _start(query["time_range"], end)
        if end <= start:
            raise ValidationError({"endDate": ["The range ends before it begins."]})
        pool_ids = reading.pools_of(
            customer_id=query["customer_id"],
            credit_type_id=query.get("currency_id"),
            resource_id=query.get("resource_id", reading.ANY),
            now=self.now,
        )
        credit_type = _credit_type(query.get("currency_id"), pool_ids)
        found = series.of_credits(pool_ids, start=start, end=end, keys=query["group_by"])
        page = cursors.page_of_rows(
            [Ranked(each, -place) for place, each in enumerate(found)],
            request=request._request,
            order=("rank",),
        )
        return self.answer(
            {
                "currency": credit_type and _currency(credit_type),
                "series": [_shape(ranked.series, query["group_by"]) for ranked in page.rows],
                "pagination": {"next": page.next, "prev": page.prev},
            }
        )


def tags_shape(keys: Sequence[str], tags: Sequence[str]) -> list[TagShape]:
    """The dimensions that a series stands for."""
    return [{"key": key, "value": value} for key, value in zip(keys, tags, strict=True)]


def _start(time_range: str, end: datetime) -> datetime:
    match time_range:
        case "LAST_DAY":
            return end - timedelta(days=1)
        case "LAST_WEEK":
            return end - timedelta(weeks=1)
        case "LAST_YEAR":
            return periods.boundary(end, -12)
    return periods.boundary(end, -1)


def _credit_type(public_id: str | None, pool_ids: Sequence[int]) -> CreditType | None:
    """The one credit type that is shown; None if the customer never had any.

    Raises:
        ValidationError: there are several, which do not add up.
    """
    rows = CreditType.objects.filter(
        pk__in=Pool.objects.filter(pk__in=pool_ids).values("credit_type")
    )
    if public_id is not None:
        return CreditType.objects.filter(public_id=public_id).order_by("archived_at").first()
    found = list(rows[:2])
    if len(found) > 1:
        raise ValidationError({"currencyId": ["This customer has several: name one."]})
    return found[0] if found else None


def _currency(credit_type: CreditType) -> SeriesCurrencyShape:
    return {
        "currencyId": credit_type.public_id,
        "displayName": credit_type.name,
        "symbol": credit_type.symbol or None,
        "singular": credit_type.unit_singular or None,
        "plural": credit_type.unit_plural or None,
    }


def _shape(each: CreditSeries, keys: Sequence[str]) -> CreditSeriesShape:
    """A series; newer clients than the contract's ask for `eventCount`, too."""
    return {
        "featureId": each.feature_id,
        "featureName": each.feature_name,
        "tags": tags_shape(keys, each.tags) if keys else None,
        "totalCredits": each.total,
        "eventCount": each.uses,
        "points": [
            {
                "timestamp": wire_instant(point.at),
                "value": point.amount,
                "eventCount": point.uses,
            }
            for point in each.points
        ],
    }
