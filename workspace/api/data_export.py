"""Destinations of data exports over HTTP: stored and shown, and nothing pretended."""

from typing import Any, TypedDict

from rest_framework import serializers
from rest_framework.request import Request

from workspace import data_export
from workspace.api.camel import CamelMixin
from workspace.api.fields import PublicIdField, TextField, wire_instant
from workspace.api.responses import Response
from workspace.api.terms import Instant, speaks
from workspace.api.views import ApiView

MOST_MODELS = 100


def model_names(**kwargs: Any) -> serializers.ListField:
    """Models of data by their ids."""
    return serializers.ListField(child=TextField(max_length=255), max_length=MOST_MODELS, **kwargs)


class DestinationBody(CamelMixin, serializers.Serializer[Any]):
    """A destination to be remembered."""

    destination_id = PublicIdField()
    destination_type = TextField(max_length=64, source="type")
    enabled_models = model_names(required=False)


class ModelsBody(CamelMixin, serializers.Serializer[Any]):
    """Which models a destination wants."""

    enabled_models = model_names()
    integration_id = TextField(max_length=255)


class SyncBody(CamelMixin, serializers.Serializer[Any]):
    """Which destination to export to; without, all."""

    destination_id = TextField(max_length=255, required=False)


class TokenBody(CamelMixin, serializers.Serializer[Any]):
    """Where a vendor's dialog would be shown, and for what."""

    application_origin = TextField(max_length=255)
    destination_type = TextField(max_length=64, required=False)
    enabled_models = model_names(required=False)


class DestinationShape(TypedDict):
    """A destination. Nobody exports to it yet, so there is nothing to say of that."""

    destinationId: str
    type: str
    enabledModels: list[str] | None
    connectedAt: Instant
    connectionStatus: None
    lastSyncStatus: None


class DestinationsShape(TypedDict):
    """All destinations."""

    destinations: list[DestinationShape]


class ModelShape(TypedDict):
    """A model of data."""

    id: str
    displayName: str


class GroupShape(TypedDict):
    """Models that belong together."""

    id: str
    displayName: str
    models: list[ModelShape]


class ModelsShape(TypedDict):
    """What could be exported."""

    groups: list[GroupShape]


class DestinationsView(ApiView):
    """What the addresses of destinations share."""

    def all(self) -> Response:
        """All destinations, as every operation answers."""
        shown: list[DestinationShape] = [
            {
                "destinationId": destination.public_id,
                "type": destination.type,
                "enabledModels": destination.enabled_models,
                "connectedAt": wire_instant(destination.created_at),
                "connectionStatus": None,
                "lastSyncStatus": None,
            }
            for destination in data_export.destinations()
        ]
        return self.answer({"destinations": shown})


class ConnectView(DestinationsView):
    """`/data-export/destinations`."""

    @speaks(body=DestinationBody, answer=DestinationsShape, status=201)
    def post(self, request: Request) -> Response:
        """Remember a destination."""
        body = self.read_body()
        data_export.connect(**body, actor=self.actor, now=self.now)
        return self.all()


class DestinationView(DestinationsView):
    """`/data-export/destinations/{destinationId}`."""

    @speaks(body=ModelsBody, answer=DestinationsShape)
    def patch(self, request: Request, destination_id: str) -> Response:
        """Say which models it wants."""
        body = self.read_body()
        data_export.choose_models(
            destination_id=destination_id, **body, actor=self.actor, now=self.now
        )
        return self.all()

    @speaks(answer=DestinationsShape)
    def delete(self, request: Request, destination_id: str) -> Response:
        """Forget it."""
        data_export.disconnect(destination_id=destination_id, actor=self.actor, now=self.now)
        return self.all()


class ModelsView(ApiView):
    """`/data-export/models`."""

    @speaks(answer=ModelsShape)
    def get(self, request: Request) -> Response:
        """The models of data that destinations may choose."""
        groups: list[GroupShape] = [
            {
                "id": group.public_id,
                "displayName": group.name,
                "models": [
                    {"id": public_id, "displayName": name}
                    for public_id, name in group.models.items()
                ],
            }
            for group in data_export.groups()
        ]
        return self.answer({"groups": groups})


class TokenView(ApiView):
    """`/data-export/scoped-token`."""

    @speaks(body=TokenBody)
    def post(self, request: Request) -> Response:
        """Refuse: there is no vendor."""
        self.read_body()
        data_export.mint_token()


class SyncView(ApiView):
    """`/data-export/sync`."""

    @speaks(body=SyncBody)
    def post(self, request: Request) -> Response:
        """Refuse: there is no warehouse."""
        data_export.export(self.read_body().get("destination_id"))
