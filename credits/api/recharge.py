"""Automatic top-up of a pool, as it is set (R51)."""

from decimal import Decimal
from typing import Any, Literal, TypedDict

from rest_framework import serializers
from rest_framework.request import Request

from credits import reading
from workspace.api.camel import CamelMixin
from workspace.api.fields import PublicIdField
from workspace.api.responses import Response
from workspace.api.terms import Instant, speaks
from workspace.api.views import ApiView


class RechargeFilters(CamelMixin, serializers.Serializer[Any]):
    """Of which pool."""

    customer_id = PublicIdField()
    currency_id = PublicIdField()


class RechargeShape(TypedDict):
    """How a pool is topped up: not at all."""

    id: None
    customerId: str
    currencyId: str
    isEnabled: bool
    thresholdType: Literal["CREDIT_AMOUNT", "DOLLAR_AMOUNT"]
    thresholdValue: Decimal
    targetBalance: Decimal
    maxSpendLimit: Decimal | None
    grantExpirationPeriod: Literal["1_MONTH", "1_YEAR"]
    createdAt: Instant | None
    updatedAt: Instant | None


class RechargeView(ApiView):
    """`/credits/auto-recharge`."""

    @speaks(query=RechargeFilters, answer=RechargeShape)
    def get(self, request: Request) -> Response:
        """What holds where nothing was set: no automatic top-up."""
        query = self.read_query()
        reading.pools_of(
            customer_id=query["customer_id"],
            credit_type_id=query["currency_id"],
            resource_id=None,
            now=self.now,
        )
        return self.answer(
            {
                "id": None,
                "customerId": query["customer_id"],
                "currencyId": query["currency_id"],
                "isEnabled": False,
                "thresholdType": "CREDIT_AMOUNT",
                "thresholdValue": 0,
                "targetBalance": 0,
                "maxSpendLimit": None,
                "grantExpirationPeriod": "1_YEAR",
                "createdAt": None,
                "updatedAt": None,
            }
        )
