"""Customers over HTTP: made, read, changed, imported, archived."""

from collections.abc import Mapping
from typing import Annotated, Any, TypedDict

from django.db.models import QuerySet
from rest_framework import serializers
from rest_framework.request import Request

from catalog.api.base import Whole
from subscriptions import customer_imports, customers, journeys, payment_methods
from subscriptions.customer_imports import MOST_AT_ONCE, Arrival
from subscriptions.customers import Link
from subscriptions.models import Customer, CustomerIntegration, Resource, Vendor
from workspace.api.camel import CamelMixin
from workspace.api.currencies import Currency, CurrencyField, wire_currency
from workspace.api.fields import (
    FIRST_YEAR,
    LAST_YEAR,
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

MOST_TAX_IDS = 100
MOST_INTEGRATIONS = 100
PAYMENT_METHODS = ["CARD", "BANK", "CASH_APP"]


class NullableText(TextField):
    """A text that may be cleared by null; "" inside, null outside."""

    def __init__(self, **kwargs: Any) -> None:
        defaults = {"allow_null": True, "allow_blank": True, "required": False, "max_length": 255}
        super().__init__(**defaults | kwargs)


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
    card_expiry_month = Whole(required=False, allow_null=True, min_value=1, max_value=12)
    card_expiry_year = Whole(
        required=False, allow_null=True, min_value=FIRST_YEAR, max_value=LAST_YEAR
    )
    card_last4_digits = NullableText(max_length=4)
    type = ChoiceField(PAYMENT_METHODS)


class IntegrationBody(CamelMixin, serializers.Serializer[Any]):
    """The record of another system that stands for the customer there."""

    id = PublicIdField()
    synced_entity_id = NullableText()
    vendor_identifier = ChoiceField(Vendor.values)


def link_of(body: dict[str, Any]) -> Link:
    """A link in the words of the verbs."""
    return Link(
        integration_id=body["id"],
        vendor=body["vendor_identifier"],
        synced_entity_id=body.get("synced_entity_id") or "",
    )


class LinksField(serializers.ListField):
    """All links of a customer."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(child=IntegrationBody(), max_length=MOST_INTEGRATIONS, **kwargs)

    def to_internal_value(self, data: Any) -> Any:
        return [link_of(body) for body in super().to_internal_value(data)]


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
    integrations = LinksField(required=False)
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


class IntegrationShape(TypedDict):
    """The record of another system that stands for a customer there."""

    id: str
    syncedEntityId: str | None
    vendorIdentifier: Annotated[str, one_of(Vendor.values)]


class PaymentMethodShape(TypedDict):
    """How a customer pays."""

    billingId: str | None
    cardExpiryMonth: int | None
    cardExpiryYear: int | None
    cardLast4Digits: str | None
    type: Annotated[str, one_of(PAYMENT_METHODS)]


class AddressShape(TypedDict):
    """Where somebody lives or receives invoices."""

    city: str | None
    country: str | None
    line1: str | None
    line2: str | None
    postalCode: str | None
    state: str | None


class TaxIdShape(TypedDict):
    """A tax number."""

    type: str
    value: str


class StripeShape(TypedDict, total=False):
    """What is handed on to Stripe."""

    billingAddress: AddressShape | None
    customerName: str | None
    invoiceCustomFields: dict[str, str] | None
    metadata: dict[str, str] | None
    paymentMethodId: str | None
    shippingAddress: AddressShape | None
    taxIds: list[TaxIdShape] | None


class ZuoraShape(TypedDict, total=False):
    """What is handed on to Zuora."""

    billingAddress: AddressShape | None
    currency: Currency | None
    metadata: dict[str, str] | None
    paymentMethodId: str | None


class PassthroughShape(TypedDict, total=False):
    """What is handed on to billing systems, as it was said."""

    stripe: StripeShape | None
    zuora: ZuoraShape | None


class CustomerShape(TypedDict):
    """A customer."""

    id: str
    name: str | None
    email: str | None
    billingId: str | None
    billingCurrency: Currency | None
    couponId: str | None
    language: str | None
    timezone: str | None
    metadata: dict[str, str]
    integrations: list[IntegrationShape]
    defaultPaymentMethod: PaymentMethodShape | None
    passthrough: PassthroughShape | None
    archivedAt: Instant | None
    createdAt: Instant
    updatedAt: Instant


class ResourceShape(TypedDict):
    """A resource of a customer."""

    id: str
    createdAt: Instant
    updatedAt: Instant


class ImportedShape(TypedDict):
    """The ids of customers that were not there before."""

    newCustomers: list[str]


class IntegrationAnswer(serializers.BaseSerializer[CustomerIntegration]):
    """A link as callers see it."""

    def to_representation(self, instance: CustomerIntegration) -> IntegrationShape:
        """What the contract says of a link, wherever it is shown."""
        return {
            "id": instance.public_id,
            "syncedEntityId": instance.synced_entity_id or None,
            "vendorIdentifier": instance.vendor,
        }


class CustomerAnswer(serializers.BaseSerializer[Customer]):
    """A customer as callers see them."""

    def to_representation(self, instance: Customer) -> CustomerShape:
        """Every key of the contract."""
        link = IntegrationAnswer()
        archived_at = instance.archived_at
        return {
            "id": instance.public_id,
            "name": instance.name or None,
            "email": instance.email or None,
            "billingId": instance.billing_id or None,
            "billingCurrency": wire_currency(instance.billing_currency),
            "couponId": instance.coupon_id or None,
            "language": instance.language or None,
            "timezone": instance.timezone or None,
            "metadata": instance.metadata,
            "integrations": [link.to_representation(row) for row in instance.integrations.all()],
            "defaultPaymentMethod": _payment_method(instance.payment_method),
            "passthrough": instance.passthrough,
            "archivedAt": None if archived_at is None else wire_instant(archived_at),
            "createdAt": wire_instant(instance.created_at),
            "updatedAt": wire_instant(instance.updated_at),
        }


class CustomerFilters(CamelMixin, serializers.Serializer[Any]):
    """Which customers are listed."""

    email = TextField(required=False)
    name = TextField(required=False)
    created_at = InstantRangeField(required=False)


def _payment_method(kept: Mapping[str, Any] | None) -> PaymentMethodShape | None:
    """How they pay, if it is known; where it comes from is kept beside it."""
    if kept is None:
        return None
    return {
        "billingId": kept.get("billingId"),
        "cardExpiryMonth": kept.get("cardExpiryMonth"),
        "cardExpiryYear": kept.get("cardExpiryYear"),
        "cardLast4Digits": kept.get("cardLast4Digits"),
        "type": kept["type"],
    }


class ResourceAnswer(serializers.BaseSerializer[Resource]):
    """A resource as callers see it. It never changes."""

    def to_representation(self, instance: Resource) -> ResourceShape:
        """Every key of the contract."""
        created_at = wire_instant(instance.created_at)
        return {"id": instance.public_id, "createdAt": created_at, "updatedAt": created_at}


class CustomersView(ApiView):
    """`/customers`."""

    @speaks(query=CustomerFilters, page=CustomerAnswer)
    def get(self, request: Request) -> Response:
        """List customers, archived ones included."""
        query = self.read_query()
        bounds = query.pop("created_at", {})
        rows: QuerySet[Customer] = Customer.objects.prefetch_related("integrations").filter(
            **query, **{f"created_at__{operator}": instant for operator, instant in bounds.items()}
        )
        return self.page_of(rows)

    @speaks(body=NewCustomer, answer=CustomerAnswer, status=201)
    def post(self, request: Request) -> Response:
        """Create a customer."""
        customer = journeys.begin(**self.read_body(), actor=self.actor, now=self.now)
        return self.answer(CustomerAnswer(customer).data)


class CustomerView(ApiView):
    """`/customers/{id}`."""

    @speaks(answer=CustomerAnswer)
    def get(self, request: Request, customer_id: str) -> Response:
        """Read a customer."""
        return self.answer(CustomerAnswer(customers.find(customer_id)).data)

    @speaks(body=CustomerChanges, answer=CustomerAnswer)
    def patch(self, request: Request, customer_id: str) -> Response:
        """Change what is known about a customer."""
        changes = self.read_body()
        customer = customers.update(
            customer_id=customer_id, **changes, actor=self.actor, now=self.now
        )
        return self.answer(CustomerAnswer(customer).data)


class ImportedCustomer(CamelMixin, serializers.Serializer[Any]):
    """What another system says about a customer."""

    id = PublicIdField(source="public_id")
    name = NullableText(required=True)
    email = serializers.EmailField(allow_null=True, allow_blank=True)
    billing_id = TextField(max_length=255, required=False, allow_blank=True)
    metadata = MetadataField(required=False)
    payment_method_id = TextField(max_length=255, required=False)
    salesforce_id = TextField(max_length=255, required=False)
    updated_at = UtcDateTimeField(required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Write empty texts for null."""
        return {name: "" if value is None else value for name, value in attrs.items()}


class ImportCustomersBody(CamelMixin, serializers.Serializer[Any]):
    """Many customers at once."""

    customers = serializers.ListField(
        child=ImportedCustomer(), min_length=1, max_length=MOST_AT_ONCE
    )
    integration_id = TextField(max_length=255, required=False, allow_blank=True)


class ImportCustomersView(ApiView):
    """`/customers/import`."""

    @speaks(body=ImportCustomersBody, answer=ImportedShape)
    def post(self, request: Request) -> Response:
        """Create and update customers, all or none; answers the ids of the new ones."""
        body = self.read_body()
        new = customer_imports.bring_in(
            arrivals=[Arrival(**arrival) for arrival in body["customers"]],
            integration_id=body.get("integration_id", ""),
            actor=self.actor,
            now=self.now,
        )
        return self.answer({"newCustomers": new})


class AttachBody(CamelMixin, serializers.Serializer[Any]):
    """A payment method that a billing system knows."""

    integration_id = TextField(max_length=255)
    payment_method_id = TextField(max_length=255)
    vendor_identifier = ChoiceField(Vendor.values, source="vendor")
    billing_currency = CurrencyField(required=False, allow_null=True)


class PaymentMethodView(ApiView):
    """`/customers/{id}/payment-method`."""

    @speaks(body=AttachBody, answer=CustomerAnswer)
    def post(self, request: Request, customer_id: str) -> Response:
        """Remember how a customer pays."""
        body = self.read_body()
        if "billing_currency" in body:
            body["billing_currency"] = body["billing_currency"] or ""
        customer = payment_methods.attach(
            customer_id=customer_id, **body, actor=self.actor, now=self.now
        )
        return self.answer(CustomerAnswer(customer).data)

    @speaks(answer=CustomerAnswer)
    def delete(self, request: Request, customer_id: str) -> Response:
        """Forget it."""
        customer = payment_methods.detach(customer_id=customer_id, actor=self.actor, now=self.now)
        return self.answer(CustomerAnswer(customer).data)


class ArchiveCustomerView(ApiView):
    """`/customers/{id}/archive`."""

    @speaks(answer=CustomerAnswer)
    def post(self, request: Request, customer_id: str) -> Response:
        """Archive a customer, whose subscriptions end at once."""
        customer = customers.archive(customer_id=customer_id, actor=self.actor, now=self.now)
        return self.answer(CustomerAnswer(customer).data)


class UnarchiveCustomerView(ApiView):
    """`/customers/{id}/unarchive`."""

    @speaks(answer=CustomerAnswer)
    def post(self, request: Request, customer_id: str) -> Response:
        """Bring a customer back."""
        customer = customers.unarchive(customer_id=customer_id, actor=self.actor, now=self.now)
        return self.answer(CustomerAnswer(customer).data)


class ResourcesView(ApiView):
    """`/customers/{id}/resources`."""

    @speaks(page=ResourceAnswer)
    def get(self, request: Request, customer_id: str) -> Response:
        """List the resources of a customer."""
        rows = Resource.objects.filter(customer=customers.find(customer_id))
        return self.page_of(rows)
