import pytest

from catalog import features
from catalog.checking import IdTaken, InvalidField
from catalog.entitlements import NewFeature
from catalog.features import (
    Condition,
    FeatureCostsCredits,
    FeatureIncluded,
    event_filters,
    event_name_of,
)
from catalog.models import Aggregation, Feature, FeatureType, MeterType
from tests.builders import (
    NOW,
    a_credit_type,
    a_feature,
    a_metered_feature,
    a_plan,
    a_rate,
)
from workspace import activity
from workspace.actors import SYSTEM

pytestmark = pytest.mark.django_db

PLAN_NAMES = [{"value": "gold", "displayName": "Gold"}, {"value": "silver", "displayName": ""}]


class TestEventFilters:
    def test_begin_with_the_name_of_the_event(self):
        """R7."""
        large: Condition = {"field": "size", "operation": "EQUALS", "value": "large"}

        assert event_filters("image", [large]) == [
            {"conditions": [{"field": "eventName", "operation": "EQUALS", "value": "image"}, large]}
        ]


class TestEventNameOf:
    def test_finds_the_name_in_the_filters(self):
        assert event_name_of(a_metered_feature(event_name="image")) == "image"

    def test_is_empty_without_a_meter(self):
        assert event_name_of(a_feature()) == ""


class TestCreate:
    def test_stores_a_feature_metered_by_events(self):
        """R7."""
        feature = features.create(
            public_id="images",
            name="AI Image Generation",
            type=FeatureType.NUMBER,
            meter_type=MeterType.INCREMENTAL,
            aggregation=Aggregation.SUM,
            aggregation_field="count",
            meter_filters=event_filters("image"),
            actor=SYSTEM,
            now=NOW,
        )

        stored = Feature.objects.get()
        assert stored == feature
        assert stored.is_event_based
        assert stored.is_metered
        assert [row.event for row in activity.for_subject("feature", "images")] == [
            "feature.created"
        ]

    @pytest.mark.parametrize(
        ("fields", "field"),
        [
            ({"type": "BOOLEAN", "meter_type": "INCREMENTAL"}, "meter_type"),
            ({"aggregation": "COUNT", "meter_filters": event_filters("x")}, "meter_type"),
            ({"meter_type": "INCREMENTAL", "aggregation": "COUNT"}, "meter_filters"),
            (
                {
                    "meter_type": "INCREMENTAL",
                    "aggregation": "SUM",
                    "meter_filters": event_filters("x"),
                },
                "aggregation_field",
            ),
            (
                {
                    "meter_type": "INCREMENTAL",
                    "aggregation": "COUNT",
                    "meter_filters": event_filters(""),
                },
                "meter_filters",
            ),
            (
                {
                    "meter_type": "INCREMENTAL",
                    "aggregation": "COUNT",
                    "meter_filters": [
                        {"conditions": [{"field": "a", "operation": "EVAL", "value": "1"}]}
                    ],
                },
                "meter_filters",
            ),
            (
                {
                    "meter_type": "INCREMENTAL",
                    "aggregation": "COUNT",
                    "meter_filters": [
                        {"conditions": [{"field": "a", "operation": "IN", "values": []}]}
                    ],
                },
                "meter_filters",
            ),
            (
                {
                    "meter_type": "INCREMENTAL",
                    "aggregation": "COUNT",
                    "meter_filters": [{"conditions": []}],
                },
                "meter_filters",
            ),
            ({"type": "ENUM", "enum_values": [{"value": "a"}, {"value": "a"}]}, "enum_values"),
            ({"type": "ENUM", "enum_values": [{"value": " "}]}, "enum_values"),
            ({"enum_values": PLAN_NAMES}, "enum_values"),
            ({"type": "SOMETHING"}, "type"),
            ({"name": ""}, "name"),
        ],
    )
    def test_refuses_what_does_not_fit_together(self, fields: dict[str, object], field: str):
        """R7."""
        given = {"public_id": "f", "name": "F", "type": "NUMBER", **fields}

        with pytest.raises(InvalidField) as refusal:
            features.create(actor=SYSTEM, now=NOW, **given)  # type: ignore[arg-type]

        assert refusal.value.field == field
        assert not Feature.objects.exists()

    def test_refuses_a_second_use_of_an_id(self):
        """R1."""
        a_feature(public_id="seats")

        with pytest.raises(IdTaken):
            a_feature(public_id="seats")


class TestUpdate:
    def test_keeps_what_is_not_given(self):
        feature = a_metered_feature(description="Pictures")

        features.update(feature_id=feature.pk, name="Images", actor=SYSTEM, now=NOW)

        stored = Feature.objects.get()
        assert (stored.name, stored.description) == ("Images", "Pictures")
        assert event_name_of(stored) == "image"

    def test_refuses_an_aggregation_that_cannot_cost_credits_once_it_does(self):
        """R33."""
        feature = a_metered_feature(aggregation_field="n")
        a_plan(mappings=[a_rate(feature, a_credit_type())])

        with pytest.raises(FeatureCostsCredits, match="Pro"):
            features.update(
                feature_id=feature.pk, aggregation=Aggregation.MAX, actor=SYSTEM, now=NOW
            )

        assert Feature.objects.get().aggregation == Aggregation.COUNT

    def test_refuses_to_drop_a_value_that_a_package_includes(self):
        feature = a_feature(type=FeatureType.ENUM, enum_values=PLAN_NAMES)
        a_plan(entitlements=[NewFeature(feature, {"enum_values": ["gold"]})])

        with pytest.raises(FeatureIncluded, match="gold"):
            features.update(
                feature_id=feature.pk, enum_values=PLAN_NAMES[1:], actor=SYSTEM, now=NOW
            )

        assert Feature.objects.get().enum_values == PLAN_NAMES
