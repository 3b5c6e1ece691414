import pytest

from catalog.models import Feature, FeatureType
from tests.builders import a_feature, a_published_plan, some_units
from tests.catalog.api.conftest import STRANGE_TEXTS

pytestmark = pytest.mark.django_db

LIST = "/api/v1/features"
COUNT_IMAGES = {
    "aggregation": {"function": "COUNT"},
    "filters": [
        {"conditions": [{"field": "eventName", "operation": "EQUALS", "value": "image"}]},
    ],
}


class TestFeatures:
    def test_creates_one(self, caller):
        """R7."""
        answer = caller.post(
            LIST,
            {
                "id": "images",
                "displayName": "Images",
                "featureType": "NUMBER",
                "meterType": "INCREMENTAL",
                "featureUnits": "image",
                "featureUnitsPlural": "images",
                "unitTransformation": {"divide": 1000, "round": "UP"},
            },
        )

        assert answer.status_code == 201
        body = answer.json()["data"]
        del body["createdAt"], body["updatedAt"]
        assert body == {
            "id": "images",
            "displayName": "Images",
            "description": None,
            "featureType": "NUMBER",
            "featureStatus": "ACTIVE",
            "meterType": "INCREMENTAL",
            "featureUnits": "image",
            "featureUnitsPlural": "images",
            "enumConfiguration": None,
            "unitTransformation": {
                "divide": 1000,
                "round": "UP",
                "featureUnits": None,
                "featureUnitsPlural": None,
            },
            "metadata": {},
        }

    def test_creates_a_list_of_values(self, caller):
        values = [{"value": "gold", "displayName": "Gold"}]

        answer = caller.post(
            LIST,
            {
                "id": "level",
                "displayName": "Level",
                "featureType": "ENUM",
                "enumConfiguration": values,
            },
        )

        assert answer.json()["data"]["enumConfiguration"] == values

    @pytest.mark.parametrize("name", STRANGE_TEXTS)
    def test_refuses_strange_names(self, caller, name):
        answer = caller.post(LIST, {"id": "f", "displayName": name, "featureType": "NUMBER"})

        assert answer.status_code == 400
        assert not Feature.objects.exists()

    @pytest.mark.parametrize(
        "fields",
        [
            {"featureType": "TEXT"},
            {"featureType": None},
            {"meterType": "SOMETIMES"},
            {"featureType": "BOOLEAN", "meterType": "INCREMENTAL"},
            {"unitTransformation": {"divide": 0, "round": "UP"}},
            {"unitTransformation": {"divide": "10"}},
            {"unitTransformation": {"divide": True}},
            {"enumConfiguration": [{"value": "a"}]},
            {"enumConfiguration": "a"},
            {"metadata": {"a": 1}},
        ],
    )
    def test_refuses_what_does_not_fit(self, caller, fields):
        body = {"id": "f", "displayName": "F", "featureType": "NUMBER", **fields}

        assert caller.post(LIST, body).status_code == 400
        assert not Feature.objects.exists()

    def test_narrows_the_list(self, caller):
        a_feature(public_id="seats")
        a_feature(public_id="calls", meter_type="FLUCTUATING")
        a_feature(public_id="export", type=FeatureType.BOOLEAN)

        def ids(query: str) -> set[str]:
            return {row["id"] for row in caller.get(f"{LIST}?{query}").json()["data"]}

        assert ids("featureType=BOOLEAN") == {"export"}
        assert ids("featureType=BOOLEAN,NUMBER") == {"seats", "calls", "export"}
        assert ids("meterType=None") == {"seats", "export"}
        assert ids("id=seats") == {"seats"}
        assert ids("status=SUSPENDED") == set()
        assert ids("createdAt[gte]=2026-01-02T00:00:00Z") == set()
        assert ids("createdAt[lt]=2026-01-02T00:00:00Z") == {"seats", "calls", "export"}


class TestOneFeature:
    def test_takes_a_meter(self, caller):
        """R7: a feature that was not metered becomes incremental."""
        a_feature(public_id="images")

        answer = caller.patch(f"{LIST}/images", {"meter": COUNT_IMAGES})

        assert answer.status_code == 200
        assert answer.json()["data"]["meterType"] == "INCREMENTAL"
        feature = Feature.objects.get()
        assert feature.aggregation == "COUNT"
        assert feature.meter_filters == COUNT_IMAGES["filters"]

    @pytest.mark.parametrize(
        "meter",
        [
            {},
            {"aggregation": {"function": "COUNT"}, "filters": []},
            {"aggregation": {"function": "MEDIAN"}, "filters": COUNT_IMAGES["filters"]},
            {"aggregation": {"function": "SUM"}, "filters": COUNT_IMAGES["filters"]},
            {"aggregation": {"function": "COUNT"}, "filters": [{"conditions": []}]},
            {
                "aggregation": {"function": "COUNT"},
                "filters": [{"conditions": [{"field": "a", "operation": "IN"}]}],
            },
        ],
    )
    def test_refuses_a_meter_that_counts_nothing(self, caller, meter):
        a_feature(public_id="images")

        answer = caller.patch(f"{LIST}/images", {"meter": meter})

        assert answer.status_code == 400
        assert any("meter" in name for name in answer.json()["errors"])
        assert Feature.objects.get().aggregation == ""

    def test_reads_and_changes(self, caller):
        a_feature(public_id="seats")

        caller.patch(f"{LIST}/seats", {"displayName": "Chairs"})

        assert caller.get(f"{LIST}/seats").json()["data"]["displayName"] == "Chairs"

    def test_does_not_know_strangers(self, caller):
        assert caller.get(f"{LIST}/nobody").status_code == 404
        assert caller.patch(f"{LIST}/nobody", {}).status_code == 404


class TestArchiveFeature:
    def test_retires_it_and_brings_it_back(self, caller):
        a_feature(public_id="seats")

        archived = caller.post(f"{LIST}/seats/archive").json()["data"]
        assert archived["featureStatus"] == "SUSPENDED"

        returned = caller.post(f"{LIST}/seats/unarchive").json()["data"]
        assert returned["featureStatus"] == "ACTIVE"

    def test_is_refused_while_packages_use_it(self, caller):
        a_published_plan(entitlements=[some_units(a_feature(public_id="seats"))])

        assert caller.post(f"{LIST}/seats/archive").status_code == 409
