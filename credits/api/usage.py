"""Usage reports, what they would cost, and how use grew (R39–R41)."""

from decimal import Decimal
from typing import Any, Literal, TypedDict

from rest_framework import serializers
from rest_framework.request import Request

from catalog.features import UnknownFeature
from catalog.models import Feature
from credits import estimates, series, usage
from credits.api.events import EstimateShape, estimate_shape
from credits.api.fields import DimensionsField, KeyField, WholeField, rows_of
from credits.api.series import GroupByField, TagShape, tags_shape
from credits.api.shapes import instant
from credits.entitlements import Holder
from credits.usage import Report, Reported
from subscriptions import customers
from workspace.api.camel import CamelMixin
from workspace.api.fields import ChoiceField, PublicIdField, UtcDateTimeField, wire_instant
from workspace.api.responses import Response
from workspace.api.terms import Instant, speaks
from workspace.api.views import ApiView
from workspace.errors import BadInput

DELTA, SET = "DELTA", "SET"


class InvalidRange(BadInput):
    """A range that ends before it begins."""


class UsageBody(CamelMixin, serializers.Serializer[Any]):
    """How much of a feature was used: added to the use before, or the new total."""

    customer_id = PublicIdField()
    feature_id = PublicIdField()
    resource_id = PublicIdField(required=False, allow_null=True, default=None)
    value = WholeField()
    update_behavior = ChoiceField([DELTA, SET], required=False, default=DELTA)
    dimensions = DimensionsField(required=False, default=dict)


class ReportBody(UsageBody):
    """A report; a key makes it happen once."""

    idempotency_key = KeyField(required=False, allow_null=True, default=None)
    created_at = UtcDateTimeField(required=False, default=None)


class ReportsBody(serializers.Serializer[Any]):
    """Up to a thousand reports."""

    usages = rows_of(ReportBody)


class HistoryFilters(CamelMixin, serializers.Serializer[Any]):
    """Over which range, up to now by default."""

    start_date = UtcDateTimeField()
    end_date = UtcDateTimeField(required=False)
    resource_id = PublicIdField(required=False)
    group_by = GroupByField(required=False)


class SpentShape(TypedDict):
    """What a report cost now: nothing for a repeat."""

    currencyId: str
    consumed: Decimal
    usageLimit: Decimal
    currentUsage: Decimal
    usagePeriodEnd: Instant | None
    timestamp: Instant


class ReportedShape(TypedDict):
    """A report as it was taken in."""

    id: str
    customerId: str
    resourceId: str | None
    featureId: str
    value: int
    currentUsage: Decimal
    usagePeriodStart: Instant | None
    usagePeriodEnd: Instant | None
    nextResetDate: Instant | None
    timestamp: Instant
    createdAt: Instant
    credit: SpentShape | None


class HistoryPointShape(TypedDict):
    """How much had been used at an instant."""

    timestamp: Instant
    value: Decimal
    isResetPoint: bool


class HistorySeriesShape(TypedDict):
    """How use grew, altogether or of one combination of dimensions."""

    tags: list[TagShape]
    points: list[HistoryPointShape]


class MarkerShape(TypedDict):
    """When use began again from zero."""

    timestamp: Instant
    type: Literal["PERIODIC_RESET"]


class HistoryShape(TypedDict):
    """How the use of a feature grew."""

    series: list[HistorySeriesShape]
    markers: list[MarkerShape]


class UsageView(ApiView):
    """`/usage`."""

    @speaks(body=ReportsBody, answer=list[ReportedShape], status=201)
    def post(self, request: Request) -> Response:
        """Take in all reports or, if one of them is at fault, none."""
        body = self.read_body()
        reports = [
            Report(
                customer_id=row["customer_id"],
                feature_id=row["feature_id"],
                value=row["value"],
                sets_total=row["update_behavior"] == SET,
                key=row["idempotency_key"] or "",
                resource_id=row["resource_id"],
                occurred_at=row["created_at"],
                dimensions=row["dimensions"],
            )
            for row in body["usages"]
        ]
        reported = usage.report(reports=reports, actor=self.actor, now=self.now)
        return self.answer(
            [self._shape(each) for each in reported],
            replayed=all(each.replayed for each in reported),
        )

    def _shape(self, reported: Reported) -> ReportedShape:
        start, end = reported.window or (None, None)
        return {
            "id": str(reported.record.pk),
            "customerId": reported.report.customer_id,
            "resourceId": reported.report.resource_id,
            "featureId": reported.report.feature_id,
            "value": int(reported.record.value),
            "currentUsage": reported.used,
            "usagePeriodStart": instant(start),
            "usagePeriodEnd": instant(end),
            "nextResetDate": instant(end),
            "timestamp": wire_instant(reported.record.occurred_at),
            "createdAt": wire_instant(reported.record.recorded_at),
            "credit": self._credit(reported),
        }

    def _credit(self, reported: Reported) -> SpentShape | None:
        """What it cost now, which is nothing for a repeat; null where nothing is charged."""
        paid = reported.paid
        if paid is None:
            return None
        return {
            "currencyId": paid.credit_type.public_id,
            "consumed": paid.receipt.consumed,
            "usageLimit": paid.receipt.standing.granted,
            "currentUsage": paid.receipt.standing.consumed,
            "usagePeriodEnd": instant(paid.receipt.standing.next_reset_at),
            "timestamp": wire_instant(self.now),
        }


class UsageEstimateView(ApiView):
    """`/usage/estimate`."""

    @speaks(body=UsageBody, answer=EstimateShape)
    def post(self, request: Request) -> Response:
        """Say what a report would cost, with nothing recorded."""
        body = self.read_body()
        estimate = estimates.of_usage(
            customer_id=body["customer_id"],
            resource_id=body["resource_id"],
            feature_id=body["feature_id"],
            value=body["value"],
            sets_total=body["update_behavior"] == SET,
            dimensions=body["dimensions"],
            now=self.now,
        )
        return self.answer(estimate_shape(estimate))


class UsageHistoryView(ApiView):
    """`/usage/{customerId}/history/{featureId}`."""

    @speaks(query=HistoryFilters, answer=HistoryShape)
    def get(self, request: Request, customer_id: str, feature_id: str) -> Response:
        """How the use of a feature grew, and when it began again from zero."""
        query = self.read_query()
        end = query.get("end_date", self.now)
        if end <= query["start_date"]:
            raise InvalidRange("The range ends before it begins.", field="end_date")
        customer = customers.find(customer_id)
        resource_id = query.get("resource_id")
        resource = customers.find_resource(customer, resource_id) if resource_id else None
        feature = Feature.objects.filter(public_id=feature_id).first()
        if feature is None:
            raise UnknownFeature("There is no such feature.")
        keys = query.get("group_by", [])
        found, resets = series.of_feature(
            Holder(customer, resource), feature, start=query["start_date"], end=end, keys=keys
        )
        return self.answer(
            {
                "series": [
                    {
                        "tags": tags_shape(keys, each.tags),
                        "points": [
                            {
                                "timestamp": wire_instant(point.at),
                                "value": point.used,
                                "isResetPoint": point.is_reset,
                            }
                            for point in each.points
                        ],
                    }
                    for each in found
                ],
                "markers": [
                    {"timestamp": wire_instant(at), "type": "PERIODIC_RESET"} for at in resets
                ],
            }
        )
