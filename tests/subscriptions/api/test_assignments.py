from typing import Any

import pytest

from subscriptions.models import Assignment
from tests.builders import a_credit_type, a_customer, a_metered_feature, some_entities
from tests.catalog.api.conftest import STRANGE_NUMBERS

pytestmark = pytest.mark.django_db

LIST = "/api/v1-beta/customers/acme/assignments"


def a_body(**changes: Any) -> dict[str, Any]:
    return {
        "entityId": "eng",
        "featureId": "images",
        "usageLimit": 10.5,
        "cadence": "P1M",
    } | changes


@pytest.fixture(autouse=True)
def acme(db):
    a_metered_feature(public_id="images")
    a_credit_type(public_id="ai")
    customer = a_customer(public_id="acme")
    some_entities(customer, "team", "eng", "ops")
    some_entities(customer, "user", "ada")
    return customer


class TestAssignments:
    def test_are_put_and_listed(self, caller):
        credit_body = {"entityId": "ada", "currencyId": "ai", "usageLimit": None, "cadence": "PT1H"}

        answer = caller.put(
            LIST,
            {
                "assignments": [
                    a_body(parentId="ops", scopeEntityIds=["ada"]),
                    credit_body,
                ]
            },
        )

        assert answer.status_code == 200
        first, second = answer.json()["data"]
        assert first.pop("createdAt") == first.pop("updatedAt")
        assert first == {
            "id": Assignment.objects.get(feature__isnull=False).public_id,
            "entityId": "eng",
            "parentId": "ops",
            "featureId": "images",
            "currencyId": None,
            "scopeEntityIds": ["ada"],
            "usageLimit": 10.5,
            "cadence": "P1M",
        }
        assert (second["currencyId"], second["usageLimit"]) == ("ai", None)
        assert [row["entityId"] for row in caller.get(LIST).json()["data"]] == ["ada", "eng"]

    def test_are_narrowed(self, caller):
        budget = {"entityId": "ada", "currencyId": "ai", "usageLimit": 1, "cadence": "P1D"}
        caller.put(LIST, {"assignments": [a_body(), a_body(entityId="ops"), budget]})

        def ids(query: str) -> list[str]:
            return [row["entityId"] for row in caller.get(LIST + query).json()["data"]]

        assert ids("?entityId=eng") == ["eng"]
        assert ids("?featureId=images") == ["ops", "eng"]
        assert ids("?currencyId=ai") == ["ada"]
        assert ids("?currencyId=ai&featureId=images") == []
        after = caller.get(LIST + "?limit=2").json()["pagination"]["next"]
        assert ids(f"?limit=2&after={after}") == ["eng"]
        assert caller.get(LIST + "?entityId=a%20b").status_code == 400

    @pytest.mark.parametrize(
        ("body", "field"),
        [
            ({}, "assignments[0].entityId"),
            (a_body(entityId="nobody"), "assignments[0]"),
            (a_body(featureId="nothing"), "assignments[0]"),
            (a_body(currencyId="ai"), "assignments[0]"),
            (a_body(usageLimit=-1), "assignments[0].usageLimit"),
            (a_body(usageLimit=0.0000001), "assignments[0].usageLimit"),
            (a_body(cadence="monthly"), "assignments[0]"),
            (a_body(cadence=5), "assignments[0].cadence"),
            (a_body(parentId="eng"), "assignments[0]"),
            (a_body(scopeEntityIds="ada"), "assignments[0].scopeEntityIds"),
            (a_body(scopeEntityIds=["ada"] * 21), "assignments[0].scopeEntityIds"),
            ({"entityId": "eng", "featureId": "images"}, "assignments[0]"),
        ],
    )
    def test_are_refused_with_the_field_at_fault(self, caller, body, field):
        answer = caller.put(LIST, {"assignments": [body]})

        assert answer.status_code == 400
        assert list(answer.json()["errors"]) == [field]
        assert not Assignment.objects.exists()

    @pytest.mark.parametrize("number", [n for n in STRANGE_NUMBERS if n != "0"])
    def test_refuse_strange_numbers(self, caller, number):
        body = (
            '{"assignments":[{"entityId":"eng","featureId":"images","cadence":"P1M",'
            f'"usageLimit":{number}}}]}}'
        )

        answer = caller.generic("PUT", LIST, body, "application/json")

        assert answer.status_code == 400
        assert not Assignment.objects.exists()

    def test_come_between_one_and_a_hundred(self, caller):
        assert caller.put(LIST, {"assignments": []}).status_code == 400
        assert caller.put(LIST, {"assignments": [a_body()] * 101}).status_code == 400

    def test_take_a_constant_number_of_queries(self, caller, acme, django_assert_num_queries):
        names = [f"team-{number}" for number in range(15)]
        some_entities(acme, "team", *names)
        caller.put(LIST, {"assignments": [a_body(entityId=name, parentId="ops") for name in names]})

        with django_assert_num_queries(3):
            assert len(caller.get(LIST).json()["data"]) == 15

    def test_are_changed_by_keys_that_may_write(self, reading_caller):
        """X3."""
        assert reading_caller.get(LIST).status_code == 200
        assert reading_caller.put(LIST, {}).status_code == 403

    def test_of_nobody_are_unknown(self, caller):
        elsewhere = LIST.replace("acme", "nobody")

        assert caller.get(elsewhere).status_code == 404
        assert caller.put(elsewhere, {"assignments": [a_body()]}).status_code == 404
