"""Entities of customers and their types over HTTP (beta)."""

from typing import Any, TypedDict

from rest_framework import serializers
from rest_framework.request import Request

from subscriptions import customers, entities
from subscriptions.entities import MOST_AT_ONCE, EntityTerms, TypeTerms
from subscriptions.models import Entity, EntityType
from workspace.api.camel import CamelMixin
from workspace.api.fields import ChoiceField, MetadataField, PublicIdField, TextField, wire_instant
from workspace.api.responses import Response
from workspace.api.terms import Instant, speaks
from workspace.api.views import ApiView

MOST_KEYS = 20


def several(child: serializers.Field[Any, Any, Any, Any]) -> serializers.ListField:
    """As many as one call may hold."""
    return serializers.ListField(child=child, min_length=1, max_length=MOST_AT_ONCE)


class TypeBody(CamelMixin, serializers.Serializer[Any]):
    """A type of entities."""

    id = PublicIdField(source="public_id")
    display_name = TextField(source="name", max_length=255)
    attribution_keys = serializers.ListField(child=TextField(max_length=255), max_length=MOST_KEYS)


class TypesBody(serializers.Serializer[Any]):
    """Types of entities, all or none."""

    types = several(TypeBody())


class EntityBody(CamelMixin, serializers.Serializer[Any]):
    """An entity; a new one says its type."""

    id = PublicIdField(source="public_id")
    entity_type_id = PublicIdField(source="type_id", required=False)
    metadata = MetadataField(required=False)


class EntitiesBody(serializers.Serializer[Any]):
    """Entities, all or none."""

    entities = several(EntityBody())


class IdsBody(serializers.Serializer[Any]):
    """Entities by their ids."""

    ids = several(PublicIdField())


class EntityFilters(CamelMixin, serializers.Serializer[Any]):
    """Which entities are listed."""

    entity_type_id = PublicIdField(required=False)
    include_archived = ChoiceField(["true", "false"], required=False)


class EntityTypeShape(TypedDict):
    """A type of entities."""

    id: str
    displayName: str
    attributionKeys: list[str]
    createdAt: Instant
    updatedAt: Instant


class EntityShape(TypedDict):
    """An entity."""

    id: str
    entityTypeId: str
    metadata: dict[str, str]
    archivedAt: Instant | None
    createdAt: Instant
    updatedAt: Instant


class IdsShape(TypedDict):
    """Those that were changed."""

    ids: list[str]


class TypeAnswer(serializers.BaseSerializer[EntityType]):
    """A type of entities as callers see it."""

    def to_representation(self, instance: EntityType) -> EntityTypeShape:
        """Every key of the contract."""
        return {
            "id": instance.public_id,
            "displayName": instance.name,
            "attributionKeys": instance.attribution_keys,
            "createdAt": wire_instant(instance.created_at),
            "updatedAt": wire_instant(instance.updated_at),
        }


class EntityAnswer(serializers.BaseSerializer[Entity]):
    """An entity as callers see it."""

    def to_representation(self, instance: Entity) -> EntityShape:
        """Every key of the contract."""
        return {
            "id": instance.public_id,
            "entityTypeId": instance.type.public_id,
            "metadata": instance.metadata,
            "archivedAt": wire_instant(instance.archived_at) if instance.archived_at else None,
            "createdAt": wire_instant(instance.created_at),
            "updatedAt": wire_instant(instance.updated_at),
        }


class EntityTypesView(ApiView):
    """`/entity-types`."""

    @speaks(page=TypeAnswer)
    def get(self, request: Request) -> Response:
        """List the types of entities."""
        return self.page_of(EntityType.objects.all())

    @speaks(body=TypesBody, answer=list[EntityTypeShape])
    def put(self, request: Request) -> Response:
        """Create and change types."""
        types = [TypeTerms(**body) for body in self.read_body()["types"]]
        stored = entities.define_types(types=types, actor=self.actor, now=self.now)
        return self.answer([TypeAnswer().to_representation(row) for row in stored])


class EntitiesView(ApiView):
    """`/customers/{id}/entities`."""

    @speaks(query=EntityFilters, page=EntityAnswer)
    def get(self, request: Request, customer_id: str) -> Response:
        """List the entities of a customer; archived ones if they are asked for."""
        query = self.read_query()
        rows = Entity.objects.filter(customer=customers.find(customer_id)).select_related("type")
        if query.get("include_archived") != "true":
            rows = rows.active()
        if "entity_type_id" in query:
            rows = rows.filter(type__public_id=query["entity_type_id"])
        return self.page_of(rows)

    @speaks(body=EntitiesBody, answer=list[EntityShape])
    def put(self, request: Request, customer_id: str) -> Response:
        """Create and change entities."""
        terms = [EntityTerms(**body) for body in self.read_body()["entities"]]
        stored = entities.put(
            customer_id=customer_id, entities=terms, actor=self.actor, now=self.now
        )
        return self.answer([EntityAnswer().to_representation(row) for row in stored])


class EntityView(ApiView):
    """`/customers/{id}/entities/{entityId}`."""

    @speaks(answer=EntityAnswer)
    def get(self, request: Request, customer_id: str, entity_id: str) -> Response:
        """Read an entity."""
        entity = entities.find(customers.find(customer_id), entity_id)
        return self.answer(EntityAnswer(entity).data)


class ArchiveEntitiesView(ApiView):
    """`/customers/{id}/entities/archive`."""

    @speaks(body=IdsBody, answer=IdsShape)
    def post(self, request: Request, customer_id: str) -> Response:
        """Retire entities."""
        ids = entities.archive(
            customer_id=customer_id,
            ids=self.read_body()["ids"],
            actor=self.actor,
            now=self.now,
        )
        return self.answer({"ids": ids})


class UnarchiveEntitiesView(ApiView):
    """`/customers/{id}/entities/unarchive`."""

    @speaks(body=IdsBody, answer=IdsShape)
    def post(self, request: Request, customer_id: str) -> Response:
        """Bring entities back."""
        ids = entities.unarchive(
            customer_id=customer_id,
            ids=self.read_body()["ids"],
            actor=self.actor,
            now=self.now,
        )
        return self.answer({"ids": ids})
