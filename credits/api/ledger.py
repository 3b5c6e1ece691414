"""The ledger: every change of a customer's pools (R52)."""

from typing import Any

from rest_framework import serializers
from rest_framework.request import Request

from credits import reading
from credits.book import EntryType
from credits.models import ConsumptionKind, LedgerEntry
from workspace.api.camel import CamelMixin
from workspace.api.fields import AmountField, CommaListField, PublicIdField, UtcDateTimeField
from workspace.api.responses import Response
from workspace.api.views import ApiView


class LedgerFilters(CamelMixin, serializers.Serializer[Any]):
    """Whose entries; without `resourceId` those of all resources and of none."""

    customer_id = PublicIdField()
    currency_id = PublicIdField(required=False)
    resource_id = PublicIdField(required=False)
    event_type = CommaListField(
        child=serializers.ChoiceField([kind.value for kind in EntryType]), required=False
    )


class EntryAnswer(CamelMixin, serializers.ModelSerializer[LedgerEntry]):
    """One change: a signed amount of one grant."""

    timestamp = UtcDateTimeField(source="effective_at")
    event_type = serializers.CharField(source="type")
    amount = AmountField(signed=True)
    customer_id = serializers.CharField(source="pool.customer.public_id")
    resource_id = serializers.CharField(source="pool.resource.public_id", default=None)
    credit_currency_id = serializers.CharField(source="pool.credit_type.public_id")
    credit_grant_id = serializers.CharField(source="grant.public_id")
    feature_id = serializers.CharField(source="consumption.feature.public_id", default=None)
    event_id = serializers.SerializerMethodField()

    class Meta:
        model = LedgerEntry
        fields = [
            "timestamp",
            "event_type",
            "amount",
            "customer_id",
            "resource_id",
            "credit_currency_id",
            "credit_grant_id",
            "feature_id",
            "event_id",
        ]

    def get_event_id(self, entry: LedgerEntry) -> str | None:
        """The key that the caller gave to what was reported, where there was one."""
        used = entry.consumption
        if used is None:
            return None
        match used.kind:
            case ConsumptionKind.DIRECT:
                return used.key
            case ConsumptionKind.EVENT if used.event is not None:
                return used.event.key
        return None


SHOWN_WITH = (
    "pool__customer",
    "pool__resource",
    "pool__credit_type",
    "grant",
    "consumption__feature",
    "consumption__event",
)


class LedgerView(ApiView):
    """`/credits/ledger`."""

    def get(self, request: Request) -> Response:
        """List entries. Those of one pool come in its order, which no two share."""
        query = self.read_query(LedgerFilters)
        pool_ids = reading.pools_of(
            customer_id=query["customer_id"],
            credit_type_id=query.get("currency_id"),
            resource_id=query.get("resource_id", reading.ANY),
            now=self.now,
        )
        rows = LedgerEntry.objects.filter(pool_id__in=pool_ids)
        if query.get("event_type"):
            rows = rows.filter(type__in=query["event_type"])
        # Entries of a pool are numbered in the order of their ids, and found by number.
        order = ("number", "id") if len(pool_ids) == 1 else ("id",)
        return self.page_of(rows.select_related(*SHOWN_WITH), EntryAnswer, order=order)
