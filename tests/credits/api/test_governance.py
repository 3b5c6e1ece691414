from decimal import Decimal
from typing import Any

import pytest

from catalog.models import ResetPeriod
from subscriptions import assignments
from subscriptions.assignments import AssignmentTerms
from tests.application import Application
from tests.builders import (
    NOW,
    a_credit_type,
    a_customer,
    a_metered_feature,
    a_published_plan,
    a_subscription,
    some_credits,
    some_entities,
    some_units,
)
from workspace.actors import SYSTEM

CHECK = "/api/v1-beta/customers/acme/entitlements/check"
GOVERNANCE = "/api/v1-beta/customers/acme/governance"


@pytest.fixture
def acme(application: Application) -> Application:
    """Acme may have 10 images and 100 credits; Ada 2 images, her team 5 images and 20 credits."""
    images = a_metered_feature("Images", public_id="images", event_name="image")
    ai = a_credit_type(public_id="ai")
    plan = a_published_plan(
        entitlements=[
            some_units(images, 10, reset_period=ResetPeriod.MONTH),
            some_credits(ai, 100),
        ]
    )
    customer = a_customer(public_id="acme")
    a_subscription(customer, plan)
    some_entities(customer, "team", "eng")
    some_entities(customer, "user", "ada", "bob")
    assign("eng", 5, feature_id="images")
    assign("ada", 2, feature_id="images", parent_id="eng")
    assign("eng", 20, credit_type_id="ai")
    return application


def assign(entity_id: str, limit: int | None, **said: Any) -> None:
    assignments.put(
        customer_id="acme",
        assignments=[
            AssignmentTerms(
                entity_id=entity_id,
                usage_limit=None if limit is None else Decimal(limit),
                cadence="P1M",
                **said,
            )
        ],
        actor=SYSTEM,
        now=NOW,
    )


def use(application: Application, key: str, **dimensions: str) -> None:
    event = {
        "customerId": "acme",
        "eventName": "image",
        "idempotencyKey": key,
        "dimensions": dimensions,
    }
    assert application.post("events", {"events": [event]}).status in {200, 201}


class TestBetaCheck:
    def test_says_what_the_check_says_where_nobody_is_named(self, acme):
        for asked in ({"featureId": "images"}, {"currencyId": "ai"}, {"featureId": "nothing"}):
            plain = acme.get("customers/acme/entitlements/check", **asked)
            beta = acme.get(CHECK, **asked)

            assert beta.status == 200
            assert beta.data == {**plain.data, "chains": None}

    def test_shows_the_limits_on_the_way(self, acme):
        use(acme, "e1", userId="ada")

        answer = acme.get(CHECK, **{"featureId": "images", "dimensions[userId]": "ada"})

        assert (answer.data["isGranted"], answer.data["usageLimit"]) == (True, 10)
        assert answer.data["chains"] == [
            [
                {
                    "entityId": "ada",
                    "scopeEntityIds": [],
                    "usageLimit": 2,
                    "currentUsage": 1,
                    "isGranted": True,
                },
                {
                    "entityId": "eng",
                    "scopeEntityIds": [],
                    "usageLimit": 5,
                    "currentUsage": 1,
                    "isGranted": True,
                },
            ]
        ]

    @pytest.mark.parametrize(("wanted", "granted"), [("1", True), ("2", False)])
    def test_refuses_what_a_limit_on_the_way_does_not_permit(self, acme, wanted, granted):
        use(acme, "e1", userId="ada")

        answer = acme.get(
            CHECK,
            **{"featureId": "images", "dimensions[userId]": "ada", "requestedUsage": wanted},
        )

        assert answer.data["isGranted"] is granted
        assert answer.data["accessDeniedReason"] == (None if granted else "BudgetExceeded")
        [[ada, eng]] = answer.data["chains"]
        assert (ada["isGranted"], eng["isGranted"]) == (granted, True)

    def test_refuses_credits_beyond_a_limit(self, acme):
        acme.consume("acme", "ai", 20, "k1", dimensions={"teamId": "eng"})

        answer = acme.get(CHECK, **{"currencyId": "ai", "dimensions[teamId]": "eng"})

        assert answer.data["accessDeniedReason"] == "BudgetExceeded"
        assert answer.data["usageLimit"] - answer.data["currentUsage"] == 80
        [[eng]] = answer.data["chains"]
        assert (eng["usageLimit"], eng["currentUsage"]) == (20, 20)

    def test_keeps_the_reason_of_the_check(self, acme):
        for number in range(10):
            use(acme, f"e{number}")

        answer = acme.get(CHECK, **{"featureId": "images", "dimensions[userId]": "ada"})

        assert answer.data["accessDeniedReason"] == "RequestedUsageExceedingLimit"

    def test_lets_those_pass_who_have_no_limit(self, acme):
        answer = acme.get(CHECK, **{"featureId": "images", "dimensions[userId]": "bob"})

        assert (answer.data["isGranted"], answer.data["chains"]) == (True, [[]])

    def test_has_no_chains_for_customers_who_are_not_known(self, acme):
        answer = acme.get(
            CHECK.replace("acme", "nobody"),
            **{"featureId": "images", "dimensions[userId]": "ada"},
        )

        assert answer.data["accessDeniedReason"] == "CustomerNotFound"
        assert answer.data["chains"] is None

    @pytest.mark.parametrize(
        "query",
        [
            {},
            {"featureId": "images", "currencyId": "ai"},
            {"featureId": "images", "requestedUsage": "x"},
            {"featureId": "images", "dimensions[userId]": "a\u202eb"},
            {"currencyId": "ai", "dimensions[userId]": "x" * 256},
            {"featureId": "images"} | {f"dimensions[d{number}]": "x" for number in range(51)},
        ],
    )
    def test_refuses_questions_that_make_no_sense(self, acme, query):
        assert acme.get(CHECK, **query).status == 400

    @pytest.mark.parametrize("query", [{"featureId": "images"}, {"currencyId": "ai"}])
    def test_asks_for_a_key(self, acme, query):
        """X1."""
        acme.client.credentials(HTTP_X_API_KEY="")
        acme.client.defaults["HTTP_X_API_KEY"] = ""

        assert acme.get(CHECK, **query).status == 401


class TestGovernance:
    def entities(self, application: Application, **query: str) -> list[str]:
        answer = application.get(GOVERNANCE, **query)
        assert answer.status == 200
        return [row["entityId"] for row in answer.body["data"]]

    def test_shows_who_used_how_much(self, acme):
        use(acme, "e1", userId="ada")

        answer = acme.get(GOVERNANCE, featureIds="images")

        assert answer.status == 200
        assert answer.body["pagination"] == {"next": None, "prev": None}
        assert answer.body["data"][0] == {
            "entityId": "ada",
            "entityTypeId": "user",
            "parentId": "eng",
            "scopeEntityIds": [],
            "featureId": "images",
            "currencyId": None,
            "cadence": "P1M",
            "usageLimit": 2,
            "currentUsage": 1,
            "utilization": Decimal("0.5"),
            "usagePeriodStart": "2026-01-01T00:00:00.000Z",
            "usagePeriodEnd": "2026-02-01T00:00:00.000Z",
        }

    def test_shows_the_bare_tree_if_nothing_is_asked_for(self, acme):
        answer = acme.get(GOVERNANCE, sortBy="id", order="asc")

        rows = answer.body["data"]
        assert [(row["entityId"], row["parentId"]) for row in rows] == [
            ("ada", "eng"),
            ("bob", None),
            ("eng", None),
        ]
        nothing = ("cadence", "usageLimit", "currentUsage", "utilization", "featureId")
        assert all(row[name] is None for row in rows for name in nothing)

    @pytest.mark.parametrize(
        ("query", "found"),
        [
            ({"featureIds": "images"}, ["ada", "eng"]),
            ({"featureIds": "images", "order": "asc"}, ["eng", "ada"]),
            ({"featureIds": "images", "sortBy": "usageLimit"}, ["eng", "ada"]),
            ({"featureIds": "images", "sortBy": "id"}, ["eng", "ada"]),
            ({"featureIds": "images", "sortBy": "createdAt"}, ["ada", "eng"]),
            ({"featureIds": "images", "entityTypeIds": "team"}, ["eng"]),
            ({"featureIds": "images", "entityIdSearch": "AD"}, ["ada"]),
            ({"featureIds": "images", "entityIdSearch": "%"}, []),
            ({"featureIds": "images", "minUtilization": "0.5"}, ["ada"]),
            ({"featureIds": "images", "scope": "scoped"}, []),
            ({"featureIds": "images", "scope": "nodeWide"}, ["ada", "eng"]),
            ({"currencyIds": "ai"}, ["eng"]),
            ({"featureIds": "images", "currencyIds": "ai"}, ["ada", "eng", "eng"]),
            ({"featureIds": "nothing"}, []),
        ],
    )
    def test_is_filtered_and_sorted(self, acme, query, found):
        use(acme, "e1", userId="ada")

        assert self.entities(acme, **query) == found

    def test_takes_repeated_parameters_too(self, acme):
        answer = acme.client.get(f"{GOVERNANCE}?currencyIds=ai&currencyIds=other")

        assert [row["entityId"] for row in answer.json()["data"]] == ["eng"]

    def test_comes_in_pages(self, acme):
        first = acme.get(GOVERNANCE, featureIds="images", limit="1").body
        after = first["pagination"]["next"]
        second = acme.get(GOVERNANCE, featureIds="images", limit="1", after=after).body

        assert [row["entityId"] for row in (*first["data"], *second["data"])] == ["ada", "eng"]
        assert second["pagination"]["next"] is None

    @pytest.mark.parametrize(
        "query",
        [
            {"sortBy": "colour"},
            {"order": "up"},
            {"scope": "some"},
            {"minUtilization": "x"},
            {"featureIds": "a b"},
            {"limit": "0"},
            {"after": "x"},
        ],
    )
    def test_refuses_strange_questions(self, acme, query):
        assert acme.get(GOVERNANCE, **query).status == 400

    def test_of_nobody_is_unknown(self, acme):
        assert acme.get(GOVERNANCE.replace("acme", "nobody")).status == 404
