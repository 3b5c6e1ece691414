"""The ledger: every change of a customer's pools (R52)."""

from decimal import Decimal
from typing import Annotated, Any, TypedDict

from rest_framework import serializers
from rest_framework.request import Request

from credits import reading
from credits.book import EntryType
from credits.models import Consumption, ConsumptionKind, LedgerEntry
from workspace.api.camel import CamelMixin
from workspace.api.fields import ChoiceField, CommaListField, PublicIdField, wire_instant
from workspace.api.responses import Response
from workspace.api.terms import Instant, one_of, speaks
from workspace.api.views import ApiView


class LedgerFilters(CamelMixin, serializers.Serializer[Any]):
    """Whose entries; without `resourceId` those of all resources and of none."""

    customer_id = PublicIdField()
    currency_id = PublicIdField(required=False)
    resource_id = PublicIdField(required=False)
    event_type = CommaListField(
        child=ChoiceField([kind.value for kind in EntryType]), required=False
    )


class EntryShape(TypedDict):
    """One change: a signed amount of one grant."""

    timestamp: Instant
    eventType: Annotated[str, one_of(EntryType)]
    amount: Decimal
    customerId: str
    resourceId: str | None
    creditCurrencyId: str
    creditGrantId: str
    featureId: str | None
    eventId: str | None


class EntryAnswer(serializers.BaseSerializer[LedgerEntry]):
    """One change as callers see it."""

    def to_representation(self, instance: LedgerEntry) -> EntryShape:
        """Every key of the contract."""
        pool, used = instance.pool, instance.consumption
        feature = used and used.feature
        return {
            "timestamp": wire_instant(instance.effective_at),
            "eventType": instance.type,
            "amount": instance.amount,
            "customerId": pool.customer.public_id,
            "resourceId": pool.resource.public_id if pool.resource else None,
            "creditCurrencyId": pool.credit_type.public_id,
            "creditGrantId": str(instance.grant.public_id),
            "featureId": feature.public_id if feature else None,
            "eventId": _key(used),
        }


def _key(used: Consumption | None) -> str | None:
    """The key that the caller gave to what was reported, where there was one."""
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

    @speaks(query=LedgerFilters, page=EntryAnswer)
    def get(self, request: Request) -> Response:
        """List entries. Those of one pool come in its order, which no two share."""
        query = self.read_query()
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
        return self.page_of(rows.select_related(*SHOWN_WITH), order=order)
