from datetime import timedelta
from typing import Any

import pytest

from catalog.models import FeatureType
from subscriptions.models import PromotionalEntitlement
from subscriptions.promotions import Gift, give
from tests.builders import NOW, a_customer, a_feature
from workspace.actors import SYSTEM

pytestmark = pytest.mark.django_db

LIST = "/api/v1/customers/acme/promotional-entitlements"


def a_body(**changes: Any) -> dict[str, Any]:
    """Five seats for a month, with all twelve fields."""
    return {
        "featureId": "seats",
        "period": "1 month",
        "customEndDate": None,
        "usageLimit": 5,
        "hasUnlimitedUsage": None,
        "hasSoftLimit": None,
        "isVisible": None,
        "enumValues": None,
        "resetPeriod": None,
        "monthlyResetPeriodConfiguration": None,
        "weeklyResetPeriodConfiguration": None,
        "yearlyResetPeriodConfiguration": None,
    } | changes


@pytest.fixture(autouse=True)
def acme(db):
    a_feature(public_id="seats", description="People who may sign in")
    return a_customer(public_id="acme")


class TestPromotionalEntitlements:
    def test_gives_features_and_answers_with_a_list(self, caller):
        gifts = [
            a_body(
                usageLimit=7,
                hasSoftLimit=True,
                isVisible=False,
                resetPeriod="MONTH",
                monthlyResetPeriodConfiguration={"accordingTo": "StartOfTheMonth"},
            )
        ]

        answer = caller.post(LIST, {"promotionalEntitlements": gifts})

        assert answer.status_code == 201
        [row] = answer.json()["data"]
        start = row.pop("startDate")
        assert row.pop("endDate") > start == row.pop("createdAt") == row.pop("updatedAt")
        assert row == {
            "id": PromotionalEntitlement.objects.get().public_id,
            "featureId": "seats",
            "environmentId": "Stipend",
            "description": "People who may sign in",
            "period": "1 month",
            "status": "Active",
            "usageLimit": 7,
            "hasUnlimitedUsage": False,
            "hasSoftLimit": True,
            "enumValues": None,
            "resetPeriod": "MONTH",
            "resetPeriodConfiguration": {"accordingTo": "StartOfTheMonth"},
            "isVisible": False,
            "featureGroupIds": None,
        }

    def test_takes_null_for_nothing_special(self, caller):
        a_feature(public_id="sso", type=FeatureType.BOOLEAN)

        answer = caller.post(
            LIST,
            {
                "promotionalEntitlements": [
                    a_body(featureId="sso", usageLimit=None, period="lifetime")
                ]
            },
        )

        [row] = answer.json()["data"]
        assert (row["endDate"], row["usageLimit"], row["resetPeriod"]) == (None, None, None)
        assert (row["isVisible"], row["hasSoftLimit"]) == (True, False)

    @pytest.mark.parametrize("missing", list(a_body()))
    def test_wants_all_twelve_fields(self, caller, missing):
        body = a_body()
        del body[missing]

        answer = caller.post(LIST, {"promotionalEntitlements": [body]})

        assert answer.status_code == 400
        assert list(answer.json()["errors"]) == [f"promotionalEntitlements[0].{missing}"]
        assert not PromotionalEntitlement.objects.exists()

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("featureId", None),
            ("featureId", "a b"),
            ("period", None),
            ("period", "2 months"),
            ("customEndDate", "30 February"),
            ("usageLimit", -1),
            ("usageLimit", 1.5),
            ("usageLimit", "5"),
            ("usageLimit", 10**30),
            ("hasUnlimitedUsage", "yes"),
            ("isVisible", 1),
            ("enumValues", "gold"),
            ("resetPeriod", "DECADE"),
            ("monthlyResetPeriodConfiguration", {"accordingTo": "Never"}),
            ("monthlyResetPeriodConfiguration", {"accordingTo": "SubscriptionStart"}),
        ],
    )
    def test_says_which_field_is_wrong(self, caller, field, value):
        answer = caller.post(LIST, {"promotionalEntitlements": [a_body(**{field: value})]})

        assert answer.status_code == 400
        assert list(answer.json()["errors"]) == [f"promotionalEntitlements[0].{field}"]
        assert not PromotionalEntitlement.objects.exists()

    @pytest.mark.parametrize(
        ("gifts", "field"),
        [
            ([], "promotionalEntitlements"),
            ([a_body()] * 101, "promotionalEntitlements"),
            ("seats", "promotionalEntitlements"),
            ([a_body(), a_body()], "promotionalEntitlements[1]"),
            ([a_body(), a_body(featureId="other")], "promotionalEntitlements[1]"),
            ([a_body(featureId="other")], "featureId"),
            ([a_body(period="custom")], "customEndDate"),
            ([a_body(customEndDate="2100-01-01T00:00:00Z")], "customEndDate"),
            ([a_body(usageLimit=None)], "usageLimit"),
        ],
    )
    def test_gives_all_or_nothing(self, caller, gifts, field):
        answer = caller.post(LIST, {"promotionalEntitlements": gifts})

        assert answer.status_code == 400
        assert list(answer.json()["errors"]) == [field]
        assert not PromotionalEntitlement.objects.exists()

    def test_of_nobody_are_unknown(self, caller):
        elsewhere = LIST.replace("acme", "nobody")

        assert caller.get(elsewhere).status_code == 404
        assert caller.post(elsewhere, {"promotionalEntitlements": [a_body()]}).status_code == 404

    def test_lists_newest_first_by_status_and_creation(self, caller):
        for days, period in ((0, "1 week"), (1, "lifetime")):
            a_feature(public_id=f"feature-{days}")
            give(
                customer_id="acme",
                gifts=[Gift(feature_id=f"feature-{days}", period=period, usage_limit=1)],
                actor=SYSTEM,
                now=NOW + timedelta(days=days),
            )

        def shown(query: str = "") -> list[tuple[str, str]]:
            rows = caller.get(LIST + query).json()["data"]
            return [(row["featureId"], row["status"]) for row in rows]

        assert shown() == [("feature-1", "Active"), ("feature-0", "Expired")]
        assert shown("?status=Active") == [("feature-1", "Active")]
        assert shown("?status=Expired,Paused") == [("feature-0", "Expired")]
        assert shown("?status=Paused") == []
        assert shown("?createdAt[lt]=2026-01-02T00:00:00Z") == [("feature-0", "Expired")]
        first = caller.get(LIST + "?limit=1").json()["pagination"]["next"]
        assert shown(f"?limit=1&after={first}") == [("feature-0", "Expired")]
        assert caller.get(LIST + "?status=ACTIVE").status_code == 400

    def test_takes_a_constant_number_of_queries(self, caller, django_assert_num_queries):
        for number in range(10):
            a_feature(public_id=f"feature-{number}")
            caller.post(LIST, {"promotionalEntitlements": [a_body(featureId=f"feature-{number}")]})

        with django_assert_num_queries(3):
            assert len(caller.get(LIST).json()["data"]) == 10

    def test_are_for_keys_that_may_write(self, reading_caller):
        """X3."""
        assert reading_caller.get(LIST).status_code == 200
        assert reading_caller.post(LIST, {}).status_code == 403


class TestPromotionalEntitlement:
    def test_is_taken_back(self, caller):
        caller.post(LIST, {"promotionalEntitlements": [a_body()]})

        answer = caller.delete(f"{LIST}/seats")

        assert answer.status_code == 200
        row = answer.json()["data"]
        assert (row["featureId"], row["status"]) == ("seats", "Expired")
        assert row["endDate"] == row["updatedAt"]
        assert caller.delete(f"{LIST}/seats").status_code == 404

    @pytest.mark.parametrize("feature_id", ["nothing", "a%20b", "a" * 5000, "a%2Fb"])
    def test_knows_no_others(self, caller, feature_id):
        assert caller.delete(f"{LIST}/{feature_id}").status_code == 404
