"""Limits of entities over HTTP (beta)."""

from decimal import Decimal
from typing import Any, TypedDict

from rest_framework import serializers
from rest_framework.request import Request

from catalog.api.amounts import AmountField
from subscriptions import assignments, customers
from subscriptions.api.entities import several
from subscriptions.assignments import AssignmentTerms
from subscriptions.models import Assignment
from workspace.api.camel import CamelMixin
from workspace.api.fields import PublicIdField, TextField, wire_instant
from workspace.api.responses import Response
from workspace.api.terms import Instant, speaks
from workspace.api.views import ApiView

MOST_IN_SCOPE = 20


class AssignmentBody(CamelMixin, serializers.Serializer[Any]):
    """How much an entity may use of a feature or of a credit type."""

    entity_id = PublicIdField()
    feature_id = PublicIdField(required=False)
    currency_id = PublicIdField(required=False, source="credit_type_id")
    scope_entity_ids = serializers.ListField(
        child=PublicIdField(), required=False, max_length=MOST_IN_SCOPE, source="scope"
    )
    usage_limit = AmountField(allow_zero=True, allow_null=True, required=False)
    cadence = TextField(max_length=8, required=False)
    parent_id = PublicIdField(required=False, allow_null=True)


class AssignmentsBody(serializers.Serializer[Any]):
    """Assignments, all or none."""

    assignments = several(AssignmentBody())


class AssignmentFilters(CamelMixin, serializers.Serializer[Any]):
    """Which assignments are listed."""

    entity_id = PublicIdField(required=False)
    feature_id = PublicIdField(required=False)
    currency_id = PublicIdField(required=False)


class AssignmentShape(TypedDict):
    """How much an entity may use of a feature or of a credit type."""

    id: str
    entityId: str
    parentId: str | None
    featureId: str | None
    currencyId: str | None
    scopeEntityIds: list[str]
    usageLimit: Decimal | None
    cadence: str
    createdAt: Instant
    updatedAt: Instant


class AssignmentAnswer(serializers.BaseSerializer[Assignment]):
    """An assignment as callers see it."""

    def to_representation(self, instance: Assignment) -> AssignmentShape:
        """Every key of the contract."""
        entity = instance.entity
        return {
            "id": instance.public_id,
            "entityId": entity.public_id,
            "parentId": entity.parent.public_id if entity.parent else None,
            "featureId": instance.feature.public_id if instance.feature else None,
            "currencyId": instance.credit_type.public_id if instance.credit_type else None,
            "scopeEntityIds": instance.scope,
            "usageLimit": instance.usage_limit,
            "cadence": instance.cadence,
            "createdAt": wire_instant(instance.created_at),
            "updatedAt": wire_instant(instance.updated_at),
        }


class AssignmentsView(ApiView):
    """`/customers/{id}/assignments`."""

    @speaks(query=AssignmentFilters, page=AssignmentAnswer)
    def get(self, request: Request, customer_id: str) -> Response:
        """List the limits of a customer's entities."""
        query = self.read_query()
        rows = Assignment.objects.filter(entity__customer=customers.find(customer_id))
        narrowed = {
            column: query[name]
            for name, column in (
                ("entity_id", "entity__public_id"),
                ("feature_id", "feature__public_id"),
                ("currency_id", "credit_type__public_id"),
            )
            if name in query
        }
        rows = rows.filter(**narrowed)
        return self.page_of(rows.select_related("entity__parent", "feature", "credit_type"))

    @speaks(body=AssignmentsBody, answer=list[AssignmentShape])
    def put(self, request: Request, customer_id: str) -> Response:
        """Create and change limits."""
        terms = [AssignmentTerms(**body) for body in self.read_body()["assignments"]]
        stored = assignments.put(
            customer_id=customer_id, assignments=terms, actor=self.actor, now=self.now
        )
        return self.answer([AssignmentAnswer().to_representation(row) for row in stored])
