"""Customers over HTTP: made, read, changed, archived."""

from typing import Any

from django.db.models import QuerySet
from rest_framework import serializers
from rest_framework.request import Request

from subscriptions import customers
from subscriptions.models import Customer, Resource
from workspace.api.camel import CamelMixin
from workspace.api.currencies import CurrencyField
from workspace.api.fields import (
    FIRST_YEAR,
    LAST_YEAR,
    InstantRangeField,
    MetadataField,
    PublicIdField,
    TextField,
    UtcDateTimeField,
)
from workspace.api.responses import Response
from workspace.api.views import ApiView

VENDORS = (
    "AUTH0",
    "ZUORA",
    "STRIPE",
    "HUBSPOT",
    "AWS_MARKETPLACE",
    "SNOWFLAKE",
    "SALESFORCE",
    "BIG_QUERY",
    "OPEN_FGA",
    "APP_STORE",
    "RECEIVED",
    "PREQUEL",
    "AIRWALLEX",
    "STRIPE_INVOICING",
)
"""The systems of others that a customer may be linked to."""

MOST_TAX_IDS = 100


class NullableText(TextField):
    """A text that may be cleared by null; "" inside, null outside."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(
            allow_null=True, allow_blank=True, required=False, **{"max_length": 255, **kwargs}
        )

    def to_representation(self, value: str) -> str | None:  # type: ignore[override]
        return value or None


class AddressBody(CamelMixin, serializers.Serializer[Any]):
    """Where somebody lives or receives invoices."""

    city = NullableText()
    country = NullableText()
    line1 = NullableText()
    line2 = NullableText()
    postal_code = NullableText()
    state = NullableText()


class TaxIdBody(serializers.Serializer[Any]):
    """A tax number."""

    type = TextField(max_length=64)
    value = TextField(max_length=255)


class StripeBody(CamelMixin, serializers.Serializer[Any]):
    """What is handed on to Stripe."""

    billing_address = AddressBody(required=False, allow_null=True)
    customer_name = NullableText()
    invoice_custom_fields = MetadataField(required=False, allow_null=True)
    metadata = MetadataField(required=False, allow_null=True)
    payment_method_id = NullableText()
    shipping_address = AddressBody(required=False, allow_null=True)
    tax_ids = serializers.ListField(
        child=TaxIdBody(), required=False, allow_null=True, max_length=MOST_TAX_IDS
    )


class ZuoraBody(CamelMixin, serializers.Serializer[Any]):
    """What is handed on to Zuora."""

    billing_address = AddressBody(required=False, allow_null=True)
    currency = CurrencyField(required=False, allow_null=True)
    metadata = MetadataField(required=False, allow_null=True)
    payment_method_id = NullableText()


class PassthroughBody(serializers.Serializer[Any]):
    """What is handed on to billing systems as it is."""

    stripe = StripeBody(required=False, allow_null=True)
    zuora = ZuoraBody(required=False, allow_null=True)


class PaymentMethodBody(CamelMixin, serializers.Serializer[Any]):
    """The payment method of a customer, as a billing system knows it."""

    billing_id = NullableText()
    card_expiry_month = serializers.IntegerField(
        required=False, allow_null=True, min_value=1, max_value=12
    )
    card_expiry_year = serializers.IntegerField(
        required=False, allow_null=True, min_value=FIRST_YEAR, max_value=LAST_YEAR
    )
    card_last4_digits = NullableText(max_length=4)
    type = serializers.ChoiceField(["CARD", "BANK", "CASH_APP"])


class IntegrationBody(CamelMixin, serializers.Serializer[Any]):
    """The record of another system that stands for the customer there."""

    id = TextField(max_length=255)
    synced_entity_id = TextField(max_length=255, allow_null=True, required=False)
    vendor_identifier = serializers.ChoiceField(VENDORS)


class CustomerChanges(CamelMixin, serializers.Serializer[Any]):
    """What may be said about a customer; null clears, absent leaves."""

    name = NullableText()
    email = serializers.EmailField(required=False, allow_null=True, allow_blank=True)
    billing_id = NullableText()
    billing_currency = CurrencyField(required=False, allow_null=True)
    coupon_id = NullableText()
    language = NullableText(max_length=64)
    timezone = NullableText(max_length=64)
    metadata = MetadataField(required=False)
    integrations = IntegrationBody(many=True, required=False)
    passthrough = PassthroughBody(required=False, allow_null=True)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Write empty texts for null; keep in the words of callers what is only handed on."""
        kept = {}
        for name, field in self.fields.items():
            source = field.source or name
            if source in attrs:
                kept[source] = self._kept(field, attrs[source])
        return kept

    def _kept(self, field: serializers.Field[Any, Any, Any, Any], value: Any) -> Any:
        if isinstance(field, serializers.BaseSerializer):
            return None if value is None else field.to_representation(value)
        return "" if value is None else value


class NewCustomer(CustomerChanges):
    """What a new customer is."""

    id = PublicIdField(source="public_id")
    default_payment_method = PaymentMethodBody(
        source="payment_method", required=False, allow_null=True
    )


class CustomerAnswer(CamelMixin, serializers.ModelSerializer[Customer]):
    """A customer as callers see them."""

    id = serializers.CharField(source="public_id")
    name = NullableText()
    email = NullableText()
    billing_id = NullableText()
    billing_currency = CurrencyField()
    coupon_id = NullableText()
    language = NullableText()
    timezone = NullableText()
    default_payment_method = serializers.JSONField(source="payment_method")
    archived_at = UtcDateTimeField()
    created_at = UtcDateTimeField()
    updated_at = UtcDateTimeField()

    class Meta:
        model = Customer
        fields = [
            "id",
            "name",
            "email",
            "billing_id",
            "billing_currency",
            "coupon_id",
            "language",
            "timezone",
            "metadata",
            "integrations",
            "default_payment_method",
            "passthrough",
            "archived_at",
            "created_at",
            "updated_at",
        ]


class CustomerFilters(CamelMixin, serializers.Serializer[Any]):
    """Which customers are listed."""

    email = TextField(required=False)
    name = TextField(required=False)
    created_at = InstantRangeField(required=False)


class ResourceAnswer(CamelMixin, serializers.ModelSerializer[Resource]):
    """A resource as callers see it. It never changes."""

    id = serializers.CharField(source="public_id")
    created_at = UtcDateTimeField()
    updated_at = UtcDateTimeField(source="created_at")

    class Meta:
        model = Resource
        fields = ["id", "created_at", "updated_at"]


class CustomersView(ApiView):
    """`/customers`."""

    def get(self, request: Request) -> Response:
        """List customers, archived ones included."""
        query = self.read_query(CustomerFilters)
        bounds = query.pop("created_at", {})
        rows: QuerySet[Customer] = Customer.objects.filter(
            **query, **{f"created_at__{operator}": instant for operator, instant in bounds.items()}
        )
        return self.page_of(rows, CustomerAnswer)

    def post(self, request: Request) -> Response:
        """Create a customer."""
        customer = customers.create(**self.read_body(NewCustomer), actor=self.actor, now=self.now)
        return self.answer(CustomerAnswer(customer).data, 201)


class CustomerView(ApiView):
    """`/customers/{id}`."""

    def get(self, request: Request, customer_id: str) -> Response:
        """Read a customer."""
        return self.answer(CustomerAnswer(customers.find(customer_id)).data)

    def patch(self, request: Request, customer_id: str) -> Response:
        """Change what is known about a customer."""
        changes = self.read_body(CustomerChanges)
        customer = customers.update(
            customer_id=customer_id, **changes, actor=self.actor, now=self.now
        )
        return self.answer(CustomerAnswer(customer).data)


class ArchiveCustomerView(ApiView):
    """`/customers/{id}/archive`."""

    def post(self, request: Request, customer_id: str) -> Response:
        """Archive a customer, whose subscriptions end at once."""
        customer = customers.archive(customer_id=customer_id, actor=self.actor, now=self.now)
        return self.answer(CustomerAnswer(customer).data)


class UnarchiveCustomerView(ApiView):
    """`/customers/{id}/unarchive`."""

    def post(self, request: Request, customer_id: str) -> Response:
        """Bring a customer back."""
        customer = customers.unarchive(customer_id=customer_id, actor=self.actor, now=self.now)
        return self.answer(CustomerAnswer(customer).data)


class ResourcesView(ApiView):
    """`/customers/{id}/resources`."""

    def get(self, request: Request, customer_id: str) -> Response:
        """List the resources of a customer."""
        rows = Resource.objects.filter(customer=customers.find(customer_id))
        return self.page_of(rows, ResourceAnswer)
