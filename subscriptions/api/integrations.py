"""A customer's records in other systems over HTTP."""

from typing import Any

from rest_framework import serializers
from rest_framework.request import Request

from subscriptions import customers, integrations
from subscriptions.api.customers import IntegrationAnswer, IntegrationShape, NullableText, link_of
from subscriptions.models import CustomerIntegration, Vendor
from workspace.api.camel import CamelMixin
from workspace.api.fields import ChoiceField, CommaListField, PublicIdField, TextField
from workspace.api.responses import Response
from workspace.api.terms import speaks
from workspace.api.views import ApiView


class LinkBody(CamelMixin, serializers.Serializer[Any]):
    """A record that stands for the customer."""

    id = PublicIdField()
    synced_entity_id = TextField(max_length=255)
    vendor_identifier = ChoiceField(Vendor.values)


class RelinkBody(CamelMixin, serializers.Serializer[Any]):
    """Another record, or null while it is not known."""

    synced_entity_id = NullableText(required=True)


class IntegrationFilters(CamelMixin, serializers.Serializer[Any]):
    """Which links are listed."""

    vendor_identifier = CommaListField(child=ChoiceField(Vendor.values), required=False)


class LinkShape(IntegrationShape):
    """A link, with what was exchanged over it."""

    syncData: None


class OneIntegration(serializers.BaseSerializer[CustomerIntegration]):
    """A link on its own, with what was exchanged: nothing, because nothing is."""

    def to_representation(self, instance: CustomerIntegration) -> LinkShape:
        """Every key of the contract."""
        return {**IntegrationAnswer().to_representation(instance), "syncData": None}


class IntegrationsView(ApiView):
    """`/customers/{id}/integrations`."""

    @speaks(query=IntegrationFilters, page=OneIntegration)
    def get(self, request: Request, customer_id: str) -> Response:
        """List the links of a customer."""
        vendors = self.read_query().get("vendor_identifier")
        rows = CustomerIntegration.objects.filter(customer=customers.find(customer_id))
        if vendors:
            rows = rows.filter(vendor__in=vendors)
        return self.page_of(rows)

    @speaks(body=LinkBody, answer=OneIntegration, status=201)
    def post(self, request: Request, customer_id: str) -> Response:
        """Link the customer to a record."""
        row = integrations.link(
            customer_id=customer_id,
            link=link_of(self.read_body()),
            actor=self.actor,
            now=self.now,
        )
        return self.answer(OneIntegration(row).data)


class IntegrationView(ApiView):
    """`/customers/{id}/integrations/{integrationId}`."""

    @speaks(answer=OneIntegration)
    def get(self, request: Request, customer_id: str, integration_id: str) -> Response:
        """Read a link."""
        row = integrations.find(customers.find(customer_id), integration_id)
        return self.answer(OneIntegration(row).data)

    @speaks(body=RelinkBody, answer=OneIntegration)
    def patch(self, request: Request, customer_id: str, integration_id: str) -> Response:
        """Say that another record stands for the customer."""
        body = self.read_body()
        row = integrations.relink(
            customer_id=customer_id,
            integration_id=integration_id,
            synced_entity_id=body["synced_entity_id"] or "",
            actor=self.actor,
            now=self.now,
        )
        return self.answer(OneIntegration(row).data)

    @speaks(answer=OneIntegration)
    def delete(self, request: Request, customer_id: str, integration_id: str) -> Response:
        """Remove a link; the answer shows what it was."""
        row = integrations.unlink(
            customer_id=customer_id,
            integration_id=integration_id,
            actor=self.actor,
            now=self.now,
        )
        return self.answer(OneIntegration(row).data)
