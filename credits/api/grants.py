"""Grants: listed, made, voided (R46–R48)."""

from typing import Any

from rest_framework import serializers
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request

from credits import grants, pools, reading
from credits.api.fields import FlagField, WholeField
from credits.book import GrantType
from credits.grants import BY_PEOPLE, HIGHEST_PRIORITY, LONGEST_COMMENT, Gift
from credits.models import Grant, GrantStatus
from workspace.api.camel import CamelMixin
from workspace.api.currencies import CurrencyField, wire_currency
from workspace.api.fields import (
    AmountField,
    InstantRangeField,
    MetadataField,
    PublicIdField,
    TextField,
    UtcDateTimeField,
)
from workspace.api.responses import Response
from workspace.api.views import ApiView
from workspace.errors import BadInput

CHARGE, INVOICE, NONE = "CHARGE", "INVOICE", "NONE"


class NoPaymentProvider(BadInput):
    """Nobody is connected who could charge a customer."""


class CostBody(serializers.Serializer[Any]):
    """What a grant costs altogether, in whole currency units."""

    amount = AmountField(allow_zero=True)
    currency = CurrencyField()


class AddressBody(CamelMixin, serializers.Serializer[Any]):
    """Where the invoice goes: for whoever writes it."""

    city = TextField(required=False, allow_blank=True, max_length=255)
    country = TextField(required=False, allow_blank=True, max_length=255)
    line1 = TextField(required=False, allow_blank=True, max_length=255)
    line2 = TextField(required=False, allow_blank=True, max_length=255)
    postal_code = TextField(required=False, allow_blank=True, max_length=255)
    state = TextField(required=False, allow_blank=True, max_length=255)


class BillingBody(CamelMixin, serializers.Serializer[Any]):
    """How the grant is billed; only whether it is paid already changes anything here."""

    billing_address = AddressBody(required=False)
    invoice_days_until_due = WholeField(smallest=0, largest=3650, required=False)
    is_invoice_paid = FlagField(required=False, default=False)


class GrantBody(CamelMixin, serializers.Serializer[Any]):
    """What is granted to whom, and how it is paid."""

    customer_id = PublicIdField()
    currency_id = PublicIdField()
    resource_id = PublicIdField(required=False, allow_null=True, default=None)
    grant_type = serializers.ChoiceField([kind.value for kind in BY_PEOPLE])
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
    payment_collection_method = serializers.ChoiceField(
        [CHARGE, INVOICE, NONE], required=False, default=NONE
    )
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


class GrantAnswer(CamelMixin, serializers.ModelSerializer[Grant]):
    """A grant as it stands at `now` of the context."""

    id = serializers.CharField(source="public_id")
    customer_id = serializers.CharField(source="pool.customer.public_id")
    currency_id = serializers.CharField(source="pool.credit_type.public_id")
    resource_id = serializers.CharField(source="pool.resource.public_id", default=None)
    display_name = serializers.CharField(source="name")
    comment = serializers.SerializerMethodField()
    grant_type = serializers.CharField(source="type")
    source_type = serializers.SerializerMethodField()
    status = serializers.SerializerMethodField()
    amount = AmountField()
    consumed_amount = AmountField(source="consumed")
    cost = serializers.SerializerMethodField()
    effective_at = UtcDateTimeField()
    expire_at = UtcDateTimeField(source="expires_at")
    voided_at = UtcDateTimeField()
    created_at = UtcDateTimeField()
    updated_at = UtcDateTimeField()
    payment_collection = serializers.SerializerMethodField()
    invoice_id = serializers.ReadOnlyField(default=None)
    latest_invoice = serializers.ReadOnlyField(default=None)
    sync_states = serializers.ReadOnlyField(default=None)

    class Meta:
        model = Grant
        fields = [
            "id",
            "customer_id",
            "currency_id",
            "resource_id",
            "display_name",
            "comment",
            "grant_type",
            "source_type",
            "status",
            "amount",
            "consumed_amount",
            "priority",
            "cost",
            "metadata",
            "effective_at",
            "expire_at",
            "voided_at",
            "created_at",
            "updated_at",
            "payment_collection",
            "invoice_id",
            "latest_invoice",
            "sync_states",
        ]

    def get_comment(self, grant: Grant) -> str | None:
        """Null where there is none."""
        return grant.comment or None

    def get_source_type(self, grant: Grant) -> str | None:
        """Null for what was given away, and for overdrafts."""
        return grant.source_type or None

    def get_status(self, grant: Grant) -> str:
        """What it is now (R47)."""
        return grant.status_at(self.context["now"])

    def get_cost(self, grant: Grant) -> dict[str, Any]:
        """All of it, in whole units."""
        return {"amount": grant.cost_amount, "currency": wire_currency(grant.cost_currency)}

    def get_payment_collection(self, grant: Grant) -> str:
        """Whether somebody still has to pay."""
        is_pending = self.get_status(grant) == GrantStatus.PAYMENT_PENDING
        return "PROCESSING" if is_pending else "NOT_REQUIRED"


class GrantsView(ApiView):
    """`/credits/grants`."""

    def get(self, request: Request) -> Response:
        """List the grants of a customer, those of every type and status."""
        query = self.read_query(GrantFilters)
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
        return self.page_of(
            rows.select_related(*grants.SHOWN_WITH), GrantAnswer, context={"now": self.now}
        )

    def post(self, request: Request) -> Response:
        """Grant credits. Only an `Idempotency-Key` protects against granting twice."""
        body = self.read_body(GrantBody)
        gift = gift_of(body)
        pool_id = pools.locate(
            customer_id=body["customer_id"],
            credit_type_id=body["currency_id"],
            resource_id=body["resource_id"],
            now=self.now,
        )
        grant = grants.grant(pool_id=pool_id, gift=gift, actor=self.actor, now=self.now)
        return self.answer(GrantAnswer(grant, context={"now": self.now}).data, status=201)


class VoidGrantView(ApiView):
    """`/credits/grants/{id}/void`."""

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
