import pytest

from catalog import features
from catalog.features import Condition, event_filters, event_name_of
from catalog.models import Feature, FeatureStatus
from tests.builders import NOW, a_feature, a_metered_feature, a_published_plan, some_units
from tests.workspace.admin.conftest import words
from workspace.actors import SYSTEM

pytestmark = pytest.mark.django_db

LIST = "/admin/catalog/feature/"
IMAGES = {
    "name": "AI Image Generation",
    "public_id": "images",
    "type": "NUMBER",
    "meter": "events",
    "meter_type": "INCREMENTAL",
    "event_name": "image",
    "aggregation": "COUNT",
}


class TestAddFeature:
    def add(self, administrator, **fields):
        return administrator.press(f"{LIST}add/", **{**IMAGES, **fields})

    def test_composes_the_filters_of_the_meter(self, administrator):
        """R7."""
        self.add(
            administrator,
            filter_field_0="size",
            filter_operation_0="IN",
            filter_value_0="large, huge",
            filter_field_1="user",
            filter_operation_1="IS_NOT_NULL",
        )

        assert Feature.objects.get().meter_filters == [
            {
                "conditions": [
                    {"field": "eventName", "operation": "EQUALS", "value": "image"},
                    {"field": "size", "operation": "IN", "values": ["large", "huge"]},
                    {"field": "user", "operation": "IS_NOT_NULL"},
                ]
            }
        ]

    def test_shows_use_in_other_units(self, administrator):
        shown = {"shown_divided": "1024", "shown_rounded": "DOWN", "shown_units": "KB"}
        self.add(administrator, **shown)

        feature = Feature.objects.get()
        assert feature.unit_transformation == {
            "divide": 1024,
            "round": "DOWN",
            "featureUnits": None,
            "featureUnitsPlural": "KB",
        }
        form = administrator.get(f"{LIST}{feature.pk}/edit/").context["form"]
        assert {name: str(form[name].value()) for name in shown} == shown
        overview = administrator.get(f"{LIST}{feature.pk}/change/")
        assert ("Shown", "by 1,024, rounded down, in KB") in overview.context["facts"]

    def test_makes_a_switch(self, administrator):
        answer = self.add(administrator, type="BOOLEAN")

        assert words(answer) == ["AI Image Generation is created."]
        assert not Feature.objects.get().is_metered

    def test_makes_a_list_of_values(self, administrator):
        self.add(administrator, type="ENUM", enum_values="gold = Gold support\n\nsilver\n")

        assert Feature.objects.get().enum_values == [
            {"value": "gold", "displayName": "Gold support"},
            {"value": "silver", "displayName": "silver"},
        ]

    def test_makes_a_feature_that_the_application_reports(self, administrator):
        self.add(administrator, meter="reported", meter_type="FLUCTUATING")

        feature = Feature.objects.get()
        assert feature.is_metered
        assert not feature.is_event_based

    @pytest.mark.parametrize(
        ("fields", "field"),
        [
            ({"event_name": ""}, "event_name"),
            ({"aggregation": "SUM"}, "aggregation_field"),
            ({"filter_value_0": "large"}, "filter_field_0"),
            ({"type": "ENUM"}, "enum_values"),
            ({"aggregation": "MEDIAN"}, "aggregation"),
        ],
    )
    def test_says_what_is_wrong_beside_the_field(self, administrator, fields, field):
        answer = self.add(administrator, **fields)

        assert field in answer.context["form"].errors
        assert not Feature.objects.exists()


class TestEditFeature:
    def test_begins_with_what_is_stored_and_changes_nothing_by_itself(self, administrator):
        large: Condition = {"field": "size", "operation": "IN", "values": ["large", "huge"]}
        feature = a_metered_feature()
        features.update(
            feature_id=feature.pk,
            meter_filters=event_filters("image", [large]),
            actor=SYSTEM,
            now=NOW,
        )
        feature.refresh_from_db()
        page = f"{LIST}{feature.pk}/edit/"
        form = administrator.get(page).context["form"]
        shown = {field.name: field.value() for field in form if field.value() is not None}

        administrator.press(page, **shown)

        stored = Feature.objects.get()
        assert stored.meter_filters == feature.meter_filters
        assert stored.type == feature.type
        assert event_name_of(stored) == "image"

    def test_does_not_change_the_type(self, administrator):
        feature = a_feature()

        administrator.press(f"{LIST}{feature.pk}/edit/", name="Seats", type="BOOLEAN", meter="none")

        assert Feature.objects.get().type == "NUMBER"


class TestFeatureAdmin:
    def test_takes_a_constant_number_of_queries(self, administrator, django_assert_max_num_queries):
        for number in range(12):
            a_published_plan(entitlements=[some_units(a_feature(f"Feature {number}"))])

        with django_assert_max_num_queries(13):
            assert len(administrator.get(LIST).context["cl"].result_list) == 12

    def test_archives_and_brings_back(self, administrator):
        feature = a_feature()

        administrator.press(f"{LIST}{feature.pk}/archive/")
        assert Feature.objects.get().status == FeatureStatus.SUSPENDED

        administrator.press(f"{LIST}{feature.pk}/unarchive/")
        assert Feature.objects.get().status == FeatureStatus.ACTIVE

    def test_shows_the_meter_in_words(self, administrator):
        feature = a_metered_feature()

        answer = administrator.get(f"{LIST}{feature.pk}/change/")

        assert "event is image" in answer.content.decode()
