"""Usage events: taken in, or estimated (R39–R41)."""

from decimal import Decimal
from typing import Annotated, Any, Literal, TypedDict

from rest_framework import serializers
from rest_framework.request import Request

from credits import estimates, events
from credits.api.fields import DimensionsField, KeyField, rows_of
from credits.api.shapes import TakenShape
from credits.estimates import Estimate
from credits.events import Event
from workspace.api.camel import CamelMixin
from workspace.api.fields import PublicIdField, TextField, UtcDateTimeField
from workspace.api.responses import Response
from workspace.api.terms import one_of, speaks
from workspace.api.views import ApiView


class EventBody(CamelMixin, serializers.Serializer[Any]):
    """Something that happened in the application, once per key."""

    customer_id = PublicIdField()
    resource_id = PublicIdField(required=False, allow_null=True, default=None)
    event_name = TextField(max_length=255)
    idempotency_key = KeyField()
    timestamp = UtcDateTimeField(required=False, default=None)
    dimensions = DimensionsField(required=False, default=dict)


class EventsBody(serializers.Serializer[Any]):
    """Up to a thousand events."""

    events = rows_of(EventBody)


class EventEstimateBody(CamelMixin, serializers.Serializer[Any]):
    """An event that might happen."""

    customer_id = PublicIdField()
    resource_id = PublicIdField(required=False, allow_null=True, default=None)
    event_name = TextField(max_length=255)
    dimensions = DimensionsField(required=False, default=dict)


class CostShape(TypedDict):
    """What one feature would cost."""

    featureId: str
    cost: Decimal
    warningCode: Literal["UNSUPPORTED_AGGREGATION"] | None


class CreditCostShape(TypedDict):
    """What use would cost of one credit type."""

    currencyId: str
    estimatedCost: Decimal
    currentBalance: Decimal
    balanceAfterEstimate: Decimal
    wouldOverdraft: bool
    breakdown: list[CostShape]


class EstimateShape(TypedDict):
    """What use would cost, a row per credit type."""

    estimates: list[CreditCostShape]
    warnings: list[Annotated[str, one_of(estimates.Warning)]]


class EventsView(ApiView):
    """`/events`."""

    @speaks(body=EventsBody, answer=TakenShape)
    def post(self, request: Request) -> Response:
        """Take in all events or, if one of them is at fault, none."""
        body = self.read_body()
        reported = [
            Event(
                customer_id=event["customer_id"],
                name=event["event_name"],
                key=event["idempotency_key"],
                resource_id=event["resource_id"],
                occurred_at=event["timestamp"],
                dimensions=event["dimensions"],
            )
            for event in body["events"]
        ]
        new = events.report(events=reported, actor=self.actor, now=self.now)
        return self.answer({}, replayed=not new)


class EventEstimateView(ApiView):
    """`/events/estimate`."""

    @speaks(body=EventEstimateBody, answer=EstimateShape)
    def post(self, request: Request) -> Response:
        """Say what an event would cost, with nothing recorded."""
        body = self.read_body()
        estimate = estimates.of_event(
            customer_id=body["customer_id"],
            resource_id=body["resource_id"],
            name=body["event_name"],
            dimensions=body["dimensions"],
            now=self.now,
        )
        return self.answer(estimate_shape(estimate))


def estimate_shape(estimate: Estimate) -> EstimateShape:
    """What use would cost, a row per credit type."""
    return {
        "estimates": [
            {
                "currencyId": each.credit_type.public_id,
                "estimatedCost": each.cost,
                "currentBalance": each.balance,
                "balanceAfterEstimate": each.balance_after,
                "wouldOverdraft": each.balance_after < 0,
                "breakdown": [
                    {
                        "featureId": line.feature.public_id,
                        "cost": line.cost,
                        "warningCode": None if line.is_supported else "UNSUPPORTED_AGGREGATION",
                    }
                    for line in each.lines
                ],
            }
            for each in estimate.credits
        ],
        "warnings": list(estimate.warnings),
    }
