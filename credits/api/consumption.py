"""Credits taken directly, one demand at a time or up to a thousand (R39, R40)."""

from datetime import datetime
from decimal import Decimal
from typing import Any, TypedDict

from rest_framework import serializers
from rest_framework.request import Request

from catalog.api.amounts import AmountField
from credits import batches, callers, consumption, pools
from credits.api.fields import DimensionsField, FlagField, KeyField, rows_of
from credits.api.shapes import TakenShape, instant
from credits.callers import Question
from credits.consumption import Demand, Receipt
from workspace import keys
from workspace.api import throttling
from workspace.api.authentication import raw_key
from workspace.api.camel import CamelMixin
from workspace.api.fields import PublicIdField, UtcDateTimeField, wire_instant
from workspace.api.responses import Response
from workspace.api.terms import Instant, speaks
from workspace.api.views import ApiView
from workspace.keys import KnownKey, WantedKey


class DemandBody(CamelMixin, serializers.Serializer[Any]):
    """Some credits of a pool, once per key; `createdAt` is when the use took place (R38)."""

    customer_id = PublicIdField()
    currency_id = PublicIdField()
    resource_id = PublicIdField(required=False, allow_null=True, default=None)
    amount = AmountField()
    idempotency_key = KeyField()
    created_at = UtcDateTimeField(required=False)
    dimensions = DimensionsField(required=False, default=dict)


class ConsumptionBody(DemandBody):
    """A demand; `strict`: refuse it rather than go below zero (R37)."""

    strict = FlagField(required=False, default=False)


class BatchBody(serializers.Serializer[Any]):
    """Up to a thousand demands."""

    consumptions = rows_of(DemandBody)


def demand_of(body: dict[str, Any], now: datetime) -> Demand:
    """What a body demands."""
    return Demand(
        amount=body["amount"],
        key=body["idempotency_key"],
        used_at=body.get("created_at", now),
        dimensions=body["dimensions"],
    )


class LeftShape(TypedDict):
    """What is left: `usageLimit` less `currentUsage`."""

    currencyId: str
    usageLimit: Decimal
    currentUsage: Decimal
    usagePeriodEnd: Instant | None
    timestamp: Instant


class ConsumedShape(TypedDict):
    """What was taken now: nothing for a key seen before."""

    customerId: str
    currencyId: str
    resourceId: str | None
    amount: Decimal
    timestamp: Instant
    credit: LeftShape


class ConsumptionView(ApiView):
    """`/credits/consumption`.

    The hottest write of all. A demand that makes sense brings its key along into the
    statement that carries it out; for all others the key is looked at first (X1).
    """

    body: dict[str, Any] | None = None
    pool_id: int | None = None
    receipt: Receipt | None = None

    def admit(self) -> None:
        """Recognise the key, and take the credits if the same statement can."""
        # Whether a repeat under this header is one is asked before whether it makes sense.
        if self.request.method == "POST" and "HTTP_IDEMPOTENCY_KEY" not in self.request.META:
            wanted = keys.parse(raw_key(self.request), self.now)
            try:
                self.body = self.read_body()
            except Exception:
                super().admit()
                raise
            self.recognise(self._ask(wanted, self.body))
        super().admit()

    def _ask(self, wanted: WantedKey, body: dict[str, Any]) -> KnownKey:
        question = Question(wanted, **self._ids(body))
        if throttling.is_on():  # whoever asks too often takes nothing
            key, self.pool_id = callers.find(question)
        else:
            key, self.pool_id, self.receipt = consumption.consume_for_key(
                question, demand_of(body, self.now), self.now
            )
        return key

    def _ids(self, body: dict[str, Any]) -> dict[str, Any]:
        return {
            "customer_id": body["customer_id"],
            "credit_type_id": body["currency_id"],
            "resource_id": body["resource_id"],
        }

    @speaks(body=ConsumptionBody, answer=ConsumedShape)
    def post(self, request: Request) -> Response:
        """Take credits now, and say what is left. A key seen before takes nothing."""
        body = self.body or self.read_body()
        receipt = self.receipt or consumption.consume(
            pool_id=self.pool_id or pools.locate(**self._ids(body), now=self.now),
            demand=demand_of(body, self.now),
            strict=body["strict"],
            actor=self.actor,
            now=self.now,
        )
        return self.answer(self._shape(body, receipt), replayed=receipt.replayed)

    def _shape(self, body: dict[str, Any], receipt: Receipt) -> ConsumedShape:
        return {
            "customerId": body["customer_id"],
            "currencyId": body["currency_id"],
            "resourceId": body["resource_id"],
            "amount": receipt.consumed,
            "timestamp": wire_instant(body.get("created_at", self.now)),
            "credit": {
                "currencyId": body["currency_id"],
                "usageLimit": receipt.standing.granted,
                "currentUsage": receipt.standing.consumed,
                "usagePeriodEnd": instant(receipt.standing.next_reset_at),
                "timestamp": wire_instant(self.now),
            },
        }


class ConsumptionBatchView(ApiView):
    """`/credits/consumption/async`."""

    @speaks(body=BatchBody, answer=TakenShape)
    def post(self, request: Request) -> Response:
        """Take in all demands or, if one of them is at fault, none."""
        body = self.read_body()
        rows = [
            batches.Row(
                customer_id=row["customer_id"],
                credit_type_id=row["currency_id"],
                resource_id=row["resource_id"],
                demand=demand_of(row, self.now),
            )
            for row in body["consumptions"]
        ]
        new = batches.consume(rows=rows, actor=self.actor, now=self.now)
        return self.answer({}, replayed=not new)
