"""Grants: listed, made, voided (R46–R48)."""

from decimal import Decimal
from typing import Annotated, Any, Literal, TypedDict

from rest_framework import serializers
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request

from catalog.api.amounts import AmountField
from credits import grants, pools, reading
from credits.api.fields import FlagField, WholeField
from credits.api.shapes import instant
from credits.book import GrantType
from credits.grants import HIGHEST_PRIORITY, LONGEST_COMMENT, Gift
from credits.models import Grant, GrantStatus
from credits.models.grants import BY_PEOPLE, GrantSource
from workspace.api.camel import CamelMixin
from workspace.api.currencies import Currency, CurrencyField
from workspace.api.fields import (
    ChoiceField,
    InstantRangeField,
    MetadataField,
    PublicIdField,
    TextField,
    UtcDateTimeField,
    wire_instant,
)
from workspace.api.responses import Response
from workspace.api.terms import Instant, one_of, speaks
from workspace.api.views import ApiView
from workspace.errors import BadInput

CHARGE, INVOICE, NONE = "CHARGE", "INVOICE", "NONE"


class NoPaymentProvider(BadInput):
    """Nobody is connected who could charge a customer."""


class CostBody(serializers.Serializer[Any]):
    """What a grant costs altogether, in whole currency units."""

    amount = AmountField(allow_zero=True)
    currency = CurrencyField()


class InvoiceAddressBody(CamelMixin, serializers.Serializer[Any]):
    """Where the invoice goes: for whoever writes it."""

    city = TextField(required=False, allow_blank=True, max_length=255)
    country = TextField(required=False, allow_blank=True, max_length=255)
    line1 = TextField(required=False, allow_blank=True, max_length=255)
    line2 = TextField(required=False, allow_blank=True, max_length=255)
    postal_code = TextField(required=False, allow_blank=True, max_length=255)
    state = TextField(required=False, allow_blank=True, max_length=255)


class BillingBody(CamelMixin, serializers.Serializer[Any]):
    """How the grant is billed; only whether it is paid already changes anything here."""

    billing_address = InvoiceAddressBody(required=False)
    invoice_days_until_due = WholeField(smallest=0, largest=3650, required=False)
    is_invoice_paid = FlagField(required=False, default=False)


class GrantBody(CamelMixin, serializers.Serializer[Any]):
    """What is granted to whom, and how it is paid."""

    customer_id = PublicIdField()
    currency_id = PublicIdField()
    resource_id = PublicIdField(required=False, allow_null=True, default=None)
    grant_type = ChoiceField(BY_PEOPLE)
    amount = AmountField()
    display_name = TextField(max_length=255)
    comment = TextField(
        multiline=True, required=False, allow_blank=True, default="", max_length=LONGEST_COMMENT
    )
    priority = WholeField(smallest=0, largest=HIGHEST_PRIORITY, required=False, default=10)
    effective_at = UtcDateTimeField(required=False)
    expire_at = UtcDateTimeField(required=False)
    cost = CostBody(required=False)
    metadata = MetadataField(required=False, default=dict)
    payment_collection_method = ChoiceField([CHARGE, INVOICE, NONE], required=False, default=NONE)
    await_payment_confirmation = FlagField(required=False, default=True)
    billing_information = BillingBody(required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Only what is paid for has a price."""
        cost = attrs.get("cost")
        if attrs["grant_type"] == GrantType.PROMOTIONAL and cost and cost["amount"]:
            raise ValidationError({"cost": ["Promotional credits cost nothing."]})
        return attrs


class GrantFilters(CamelMixin, serializers.Serializer[Any]):
    """Whose grants; without `resourceId` only those of no resource."""

    customer_id = PublicIdField()
    currency_id = PublicIdField(required=False)
    resource_id = PublicIdField(required=False)
    created_at = InstantRangeField(required=False)


class GrantCostShape(TypedDict):
    """What a grant costs altogether."""

    amount: Decimal
    currency: Currency


class GrantShape(TypedDict):
    """Credits of a pool. Invoices are written elsewhere."""

    id: str
    customerId: str
    currencyId: str
    resourceId: str | None
    displayName: str
    comment: str | None
    grantType: Annotated[str, one_of(GrantType)]
    sourceType: Annotated[str, one_of(GrantSource.values)] | None
    status: Annotated[str, one_of(GrantStatus.values)]
    amount: Decimal
    consumedAmount: Decimal
    priority: int
    cost: GrantCostShape
    metadata: dict[str, str]
    effectiveAt: Instant
    expireAt: Instant | None
    voidedAt: Instant | None
    createdAt: Instant
    updatedAt: Instant
    paymentCollection: Literal["NOT_REQUIRED", "PROCESSING"]
    invoiceId: None
    latestInvoice: None
    syncStates: None


class GrantAnswer(serializers.BaseSerializer[Grant]):
    """A grant as it stands at `now` of the context (R47)."""

    def to_representation(self, instance: Grant) -> GrantShape:
        """Every key of the contract."""
        status = instance.status_at(self.context["now"])
        pool = instance.pool
        return {
            "id": str(instance.public_id),
            "customerId": pool.customer.public_id,
            "currencyId": pool.credit_type.public_id,
            "resourceId": pool.resource.public_id if pool.resource else None,
            "displayName": instance.name,
            "comment": instance.comment or None,
            "grantType": instance.type,
            "sourceType": instance.source_type or None,
            "status": status,
            "amount": instance.amount,
            "consumedAmount": instance.consumed,
            "priority": instance.priority,
            "cost": {
                "amount": instance.cost_amount,
                "currency": instance.cost_currency.lower(),
            },
            "metadata": instance.metadata,
            "effectiveAt": wire_instant(instance.effective_at),
            "expireAt": instant(instance.expires_at),
            "voidedAt": instant(instance.voided_at),
            "createdAt": wire_instant(instance.created_at),
            "updatedAt": wire_instant(instance.updated_at),
            "paymentCollection": (
                "PROCESSING" if status == GrantStatus.PAYMENT_PENDING else "NOT_REQUIRED"
            ),
            "invoiceId": None,
            "latestInvoice": None,
            "syncStates": None,
        }


class GrantsView(ApiView):
    """`/credits/grants`."""

    @speaks(query=GrantFilters, page=GrantAnswer)
    def get(self, request: Request) -> Response:
        """List the grants of a customer, those of every type and status."""
        query = self.read_query()
        pool_ids = reading.pools_of(
            customer_id=query["customer_id"],
            credit_type_id=query.get("currency_id"),
            resource_id=query.get("resource_id"),
            now=self.now,
        )
        bounds = {
            f"created_at__{operator}": instant
            for operator, instant in query.get("created_at", {}).items()
        }
        rows = Grant.objects.filter(pool_id__in=pool_ids, **bounds)
        return self.page_of(rows.select_related(*grants.SHOWN_WITH), context={"now": self.now})

    @speaks(body=GrantBody, answer=GrantAnswer, status=201)
    def post(self, request: Request) -> Response:
        """Grant credits. Only an `Idempotency-Key` protects against granting twice."""
        body = self.read_body()
        gift = gift_of(body)
        pool_id = pools.locate(
            customer_id=body["customer_id"],
            credit_type_id=body["currency_id"],
            resource_id=body["resource_id"],
            now=self.now,
        )
        grant = grants.grant(pool_id=pool_id, gift=gift, actor=self.actor, now=self.now)
        return self.answer(GrantAnswer(grant, context={"now": self.now}).data)


class VoidGrantView(ApiView):
    """`/credits/grants/{id}/void`."""

    @speaks(answer=GrantAnswer)
    def post(self, request: Request, grant_id: str) -> Response:
        """Take back what is left."""
        found = grants.find(grant_id)
        grant = grants.void(grant_id=found.public_id, reason="", actor=self.actor, now=self.now)
        return self.answer(GrantAnswer(grant, context={"now": self.now}).data)


def gift_of(body: dict[str, Any]) -> Gift:
    """What a body grants.

    No payment provider is connected, so there is nobody to wait for: a paid grant is active
    at once, unless an invoice was asked for whose payment somebody will confirm.

    Raises:
        NoPaymentProvider: the customer was to be charged.
    """
    method = body["payment_collection_method"]
    if method == CHARGE:
        raise NoPaymentProvider(
            "No payment provider is connected, so nobody can be charged. Use INVOICE or NONE.",
            field="payment_collection_method",
        )
    is_paid = body.get("billing_information", {}).get("is_invoice_paid", False)
    cost = body.get("cost", {})
    return Gift(
        type=GrantType(body["grant_type"]),
        amount=body["amount"],
        name=body["display_name"],
        comment=body["comment"],
        priority=body["priority"],
        effective_at=body.get("effective_at"),
        expires_at=body.get("expire_at"),
        cost=cost.get("amount"),
        currency=cost.get("currency", "USD"),
        payment_pending=(
            body["grant_type"] == GrantType.PAID
            and method == INVOICE
            and body["await_payment_confirmation"]
            and not is_paid
        ),
        metadata=body["metadata"],
    )
