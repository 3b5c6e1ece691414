"""Features over HTTP (R7)."""

from typing import Annotated, Any, Literal, TypedDict

from rest_framework import serializers
from rest_framework.request import Request

from catalog import archiving, features
from catalog.api.base import (
    CatalogView,
    ClearableText,
    ListQuery,
    Whole,
    choices_in_query,
    in_path,
    within,
)
from catalog.features import OPERATIONS, FeatureFields, UnknownFeature
from catalog.models import Aggregation, Feature, FeatureStatus, FeatureType, MeterType
from workspace.api.camel import CamelMixin
from workspace.api.fields import ChoiceField, MetadataField, PublicIdField, TextField, wire_instant
from workspace.api.responses import Response
from workspace.api.terms import Instant, one_of, speaks

MOST_VALUES = 500
MOST_FILTERS = 50


class EnumValueBody(CamelMixin, serializers.Serializer[Any]):
    """A value of a list, and how customers read it."""

    value = TextField(max_length=255)
    display_name = TextField(max_length=255)


class UnitTransformationBody(CamelMixin, serializers.Serializer[Any]):
    """How use is shown in other units, such as bytes in gigabytes."""

    divide = Whole(min_value=1, max_value=features.LARGEST_DIVISOR)
    round = ChoiceField(["UP", "DOWN"], required=False)
    feature_units = TextField(max_length=64, required=False)
    feature_units_plural = TextField(max_length=64, required=False)


class AggregationBody(serializers.Serializer[Any]):
    """How matching events become a number."""

    function = ChoiceField(Aggregation.values)
    field = TextField(max_length=255, required=False, allow_blank=True)


class ConditionBody(serializers.Serializer[Any]):
    """One test of an event."""

    field = TextField(max_length=255)
    operation = ChoiceField(list(OPERATIONS))
    value = TextField(max_length=1000, required=False, allow_blank=True)
    values = serializers.ListField(
        child=TextField(max_length=1000), required=False, max_length=MOST_VALUES
    )


class FilterBody(serializers.Serializer[Any]):
    """Conditions that must all hold."""

    conditions = serializers.ListField(
        child=ConditionBody(), allow_empty=False, max_length=MOST_FILTERS
    )


class MeterBody(serializers.Serializer[Any]):
    """Which events count, and how."""

    aggregation = AggregationBody()
    filters = serializers.ListField(child=FilterBody(), allow_empty=False, max_length=MOST_FILTERS)


class FeatureChanges(CamelMixin, serializers.Serializer[Any]):
    """What may be said about a feature; absent leaves."""

    display_name = TextField(source="name", max_length=255, required=False)
    description = ClearableText(max_length=255)
    enum_configuration = serializers.ListField(
        child=EnumValueBody(), required=False, max_length=MOST_VALUES
    )
    feature_units = ClearableText(source="unit_singular", max_length=64)
    feature_units_plural = ClearableText(source="unit_plural", max_length=64)
    metadata = MetadataField(required=False, allow_null=True)
    unit_transformation = UnitTransformationBody(required=False, allow_null=True)


class ChangedFeature(FeatureChanges):
    """Changes, which may bring a meter."""

    meter = MeterBody(required=False)


class NewFeature(FeatureChanges):
    """A feature with the id and type it will keep."""

    id = PublicIdField(source="public_id")
    display_name = TextField(source="name", max_length=255)
    feature_type = ChoiceField(FeatureType.values, source="type")
    feature_status = ChoiceField(FeatureStatus.values, source="status", required=False)
    meter_type = ChoiceField(MeterType.values, required=False)


class FeatureQuery(ListQuery):
    """What the list of features can be narrowed by."""

    feature_type = choices_in_query(*FeatureType.values)
    meter_type = choices_in_query(*MeterType.values)
    status = choices_in_query(*FeatureStatus.values)


class EnumValueShape(TypedDict):
    """A value of a list, and how customers read it."""

    value: str
    displayName: str


class UnitTransformationShape(TypedDict):
    """How use is shown in other units."""

    divide: int
    round: Literal["UP", "DOWN"]
    featureUnits: str | None
    featureUnitsPlural: str | None


class FeatureShape(TypedDict):
    """A feature."""

    id: str
    displayName: str
    description: str | None
    featureType: Annotated[str, one_of(FeatureType.values)]
    featureStatus: Annotated[str, one_of(FeatureStatus.values)]
    meterType: Annotated[str, one_of(MeterType.values)]
    featureUnits: str | None
    featureUnitsPlural: str | None
    enumConfiguration: list[EnumValueShape] | None
    unitTransformation: UnitTransformationShape | None
    metadata: dict[str, str]
    createdAt: Instant
    updatedAt: Instant


class FeatureAnswer(serializers.BaseSerializer[Feature]):
    """A feature as callers see it."""

    def to_representation(self, instance: Feature) -> FeatureShape:
        """Every key of the contract."""
        return {
            "id": instance.public_id,
            "displayName": instance.name,
            "description": instance.description or None,
            "featureType": instance.type,
            "featureStatus": instance.status,
            "meterType": instance.meter_type,
            "featureUnits": instance.unit_singular or None,
            "featureUnitsPlural": instance.unit_plural or None,
            "enumConfiguration": instance.enum_values or None,
            "unitTransformation": instance.unit_transformation,
            "metadata": instance.metadata,
            "createdAt": wire_instant(instance.created_at),
            "updatedAt": wire_instant(instance.updated_at),
        }


class FeatureView(CatalogView):
    """What the addresses of features share."""

    def find(self, public_id: str) -> Feature:
        """The feature that an address names."""
        found: Feature = in_path(Feature.objects.all(), public_id, UnknownFeature, "feature")
        return found

    def shown(self, feature: Feature) -> Response:
        """A feature in its envelope."""
        return self.answer(FeatureAnswer(feature).data)


class Features(FeatureView):
    """The list; new ones."""

    @speaks(query=FeatureQuery, page=FeatureAnswer)
    def get(self, request: Request) -> Response:
        """A page of features."""
        query = self.read_query()
        rows = within(Feature.objects.all(), query)
        for name, field in (
            ("feature_type", "type"),
            ("meter_type", "meter_type"),
            ("status", "status"),
        ):
            if query.get(name):
                rows = rows.filter(**{f"{field}__in": query[name]})
        return self.page_of(rows)

    @speaks(body=NewFeature, answer=FeatureAnswer, status=201)
    def post(self, request: Request) -> Response:
        """Create one (R7)."""
        body = self.read_body()
        kept = {name: body.pop(name) for name in ("public_id", "type", "status") if name in body}
        return self.shown(
            features.create(**kept, **fields_of(body), actor=self.actor, now=self.now)
        )


class OneFeature(FeatureView):
    """One feature."""

    @speaks(answer=FeatureAnswer)
    def get(self, request: Request, feature_id: str) -> Response:
        """Read it."""
        return self.shown(self.find(feature_id))

    @speaks(body=ChangedFeature, answer=FeatureAnswer)
    def patch(self, request: Request, feature_id: str) -> Response:
        """Change it, or give it a meter (R7)."""
        body = self.read_body()
        return self.shown(
            features.update(
                feature_id=self.find(feature_id).pk,
                **fields_of(body),
                actor=self.actor,
                now=self.now,
            )
        )


class ArchiveFeature(FeatureView):
    """Its retirement."""

    @speaks(answer=FeatureAnswer)
    def post(self, request: Request, feature_id: str) -> Response:
        """Archive it."""
        return self.shown(
            archiving.archive_feature(
                feature_id=self.find(feature_id).pk, actor=self.actor, now=self.now
            )
        )


class UnarchiveFeature(FeatureView):
    """Its return."""

    @speaks(answer=FeatureAnswer)
    def post(self, request: Request, feature_id: str) -> Response:
        """Bring it back."""
        return self.shown(
            archiving.unarchive_feature(
                feature_id=self.find(feature_id).pk, actor=self.actor, now=self.now
            )
        )


def fields_of(body: dict[str, Any]) -> FeatureFields:
    """A body in the words of the verbs."""
    fields: dict[str, Any] = {}
    for name, value in body.items():
        match name:
            case "metadata":
                fields["metadata"] = value or {}
            case "enum_configuration":
                fields["enum_values"] = [
                    {"value": row["value"], "displayName": row["display_name"]} for row in value
                ]
            case "unit_transformation":
                fields["unit_transformation"] = value and _transformation(value)
            case "meter":
                fields["aggregation"] = value["aggregation"]["function"]
                fields["aggregation_field"] = value["aggregation"].get("field", "")
                fields["meter_filters"] = [
                    {"conditions": [dict(condition) for condition in group["conditions"]]}
                    for group in value["filters"]
                ]
            case _:
                fields[name] = value
    return fields  # type: ignore[return-value]


def _transformation(value: dict[str, Any]) -> dict[str, Any]:
    """Rounding is up unless it says otherwise."""
    return features.in_other_units(
        value["divide"],
        rounding=value.get("round", "UP"),
        unit=value.get("feature_units"),
        units=value.get("feature_units_plural"),
    )
