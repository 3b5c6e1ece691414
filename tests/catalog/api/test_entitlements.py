import pytest

from catalog.models import CreditEntitlement, FeatureType
from tests.builders import (
    a_credit_type,
    a_feature,
    a_plan,
    a_published_plan,
    an_addon,
    some_credits,
    some_units,
)
from tests.catalog.api.conftest import STRANGE_NUMBERS

pytestmark = pytest.mark.django_db

LIST = "/api/v1/plans/pro/entitlements"


def without_times(body: dict) -> dict:
    return {name: value for name, value in body.items() if name not in ("createdAt", "updatedAt")}


class TestEntitlements:
    def test_includes_credits_and_features(self, caller):
        a_credit_type(public_id="ai")
        seats = a_feature(public_id="seats")
        a_plan(public_id="pro", entitlements=[some_units(seats, 1)])
        a_feature(public_id="calls")

        answer = caller.post(
            LIST,
            {
                "entitlements": [
                    {
                        "type": "CREDIT",
                        "id": "ai",
                        "amount": 5000.25,
                        "cadence": "MONTH",
                        "dependencyFeatureId": "seats",
                        "hiddenFromWidgets": ["PAYWALL"],
                        "order": 7,
                    },
                    {
                        "type": "FEATURE",
                        "id": "calls",
                        "usageLimit": 100,
                        "resetPeriod": "MONTH",
                        "monthlyResetPeriodConfiguration": {"accordingTo": "StartOfTheMonth"},
                    },
                ]
            },
        )

        assert answer.status_code == 201
        credits_answer, feature_answer = map(without_times, answer.json()["data"])
        assert credits_answer == {
            "id": "ai",
            "type": "CREDIT",
            "amount": 5000.25,
            "cadence": "MONTH",
            "dependencyFeatureId": "seats",
            "behavior": "Increment",
            "description": None,
            "displayNameOverride": None,
            "hasSoftLimit": False,
            "hiddenFromWidgets": ["PAYWALL"],
            "isCustom": False,
            "isGranted": True,
            "order": 7,
        }
        assert feature_answer == {
            "id": "calls",
            "type": "FEATURE",
            "usageLimit": 100,
            "hasUnlimitedUsage": False,
            "resetPeriod": "MONTH",
            "resetPeriodConfiguration": {"accordingTo": "StartOfTheMonth"},
            "enumValues": None,
            "behavior": "Increment",
            "description": None,
            "displayNameOverride": None,
            "hasSoftLimit": False,
            "hiddenFromWidgets": [],
            "isCustom": False,
            "isGranted": True,
            "order": 8,
        }

    def test_lists_them_in_order_with_an_empty_pagination(self, caller):
        a_plan(
            public_id="pro",
            entitlements=[
                some_credits(a_credit_type(public_id="ai")),
                some_units(a_feature(public_id="seats")),
            ],
        )

        answer = caller.get(LIST).json()

        assert [row["id"] for row in answer["data"]] == ["ai", "seats"]
        assert answer["pagination"] == {"next": None, "prev": None}

    @pytest.mark.parametrize("amount", STRANGE_NUMBERS)
    def test_refuses_what_is_no_amount(self, caller, amount):
        a_credit_type(public_id="ai")
        a_plan(public_id="pro")
        body = (
            '{"entitlements": [{"type": "CREDIT", "id": "ai", "cadence": "MONTH",'
            f' "amount": {amount}}}]}}'
        )

        answer = caller.send(LIST, body.encode())

        assert answer.status_code == 400
        assert not CreditEntitlement.objects.exists()

    def test_keeps_every_digit(self, caller):
        a_credit_type(public_id="ai")
        a_plan(public_id="pro")
        body = (
            b'{"entitlements": [{"type": "CREDIT", "id": "ai", "cadence": "MONTH",'
            b' "amount": 123456789012.345678}]}'
        )

        answer = caller.send(LIST, body)

        assert b'"amount":123456789012.345678' in answer.content

    @pytest.mark.parametrize(
        "row",
        [
            {},
            {"type": "COUPON", "id": "ai"},
            {"type": "CREDIT", "id": "unknown", "amount": 1, "cadence": "MONTH"},
            {"type": "CREDIT", "id": "ai", "amount": 1},
            {"type": "CREDIT", "id": "ai", "cadence": "MONTH"},
            {"type": "CREDIT", "id": "ai", "amount": None, "cadence": "MONTH"},
            {"type": "CREDIT", "id": "ai", "amount": 1, "cadence": "WEEK"},
            {"type": "CREDIT", "id": "ai", "amount": 1, "cadence": "MONTH", "behavior": "Override"},
            {"type": "CREDIT", "id": "ai", "amount": 1, "cadence": "MONTH", "isCustom": True},
            {
                "type": "CREDIT",
                "id": "ai",
                "amount": 1,
                "cadence": "MONTH",
                "dependencyFeatureId": "export",
            },
            {"type": "FEATURE", "id": "ai", "usageLimit": 1},
            {"type": "FEATURE", "id": "seats", "usageLimit": -1},
            {"type": "FEATURE", "id": "seats", "usageLimit": "5"},
            {"type": "FEATURE", "id": "seats", "usageLimit": 1.5},
            {"type": "FEATURE", "id": "seats", "usageLimit": 2**53 + 1},
            "CREDIT",
            None,
        ],
    )
    def test_refuses_terms_that_do_not_fit(self, caller, row):
        """All or nothing."""
        a_credit_type(public_id="ai")
        a_feature(public_id="seats")
        a_feature("Export", public_id="export", type=FeatureType.BOOLEAN)
        a_credit_type(public_id="good")
        plan = a_plan(public_id="pro")
        good = {"type": "CREDIT", "id": "good", "amount": 1, "cadence": "MONTH"}

        answer = caller.post(LIST, {"entitlements": [good, row]})

        assert answer.status_code == 400
        assert not plan.draft.credit_entitlements.exists()

    def test_says_which_row_is_wrong(self, caller):
        a_credit_type(public_id="ai")
        a_plan(public_id="pro")
        row = {"type": "CREDIT", "id": "ai", "amount": 1, "cadence": "MONTH"}

        twins = caller.post(LIST, {"entitlements": [row, row]})
        wrong = caller.post(LIST, {"entitlements": [row, {**row, "amount": 0}]})

        assert (twins.status_code, wrong.status_code) == (409, 400)
        assert "[1]" in next(iter(twins.json()["errors"]))
        assert next(iter(wrong.json()["errors"])) == "entitlements[1].amount"

    @pytest.mark.parametrize("rows", [[], [{}] * 101, None, "x", {}])
    def test_wants_one_to_a_hundred_rows(self, caller, rows):
        a_plan(public_id="pro")

        assert caller.post(LIST, {"entitlements": rows}).status_code == 400

    def test_needs_a_draft(self, caller):
        """R8."""
        a_credit_type(public_id="ai")
        a_published_plan(public_id="pro")
        row = {"type": "CREDIT", "id": "ai", "amount": 1, "cadence": "MONTH"}

        assert caller.post(LIST, {"entitlements": [row]}).status_code == 409

    def test_takes_overrides_of_addons(self, caller):
        """R16."""
        a_credit_type(public_id="api")
        an_addon(public_id="big")

        answer = caller.post(
            "/api/v1/addons/big/entitlements",
            {
                "entitlements": [
                    {
                        "type": "CREDIT",
                        "id": "api",
                        "amount": 500_000,
                        "cadence": "MONTH",
                        "behavior": "Override",
                    }
                ]
            },
        )

        assert answer.json()["data"][0]["behavior"] == "Override"


class TestOneEntitlement:
    def test_changes_credits(self, caller):
        a_plan(public_id="pro", entitlements=[some_credits(a_credit_type(public_id="ai"), 5000)])

        answer = caller.patch(f"{LIST}/ai", {"type": "CREDIT", "amount": 6000})

        body = answer.json()["data"]
        assert (body["amount"], body["cadence"]) == (6000, "MONTH")

    def test_changes_a_feature_to_unlimited_and_back(self, caller):
        a_plan(public_id="pro", entitlements=[some_units(a_feature(public_id="seats"), 5)])

        def change(**terms: object) -> tuple[object, object]:
            body = caller.patch(f"{LIST}/seats", {"type": "FEATURE", **terms}).json()["data"]
            return body["usageLimit"], body["hasUnlimitedUsage"]

        assert change(hasUnlimitedUsage=True) == (None, True)
        assert change(usageLimit=7) == (7, False)

    @pytest.mark.parametrize(
        ("target", "body", "status"),
        [
            ("ai", {}, 400),
            ("ai", {"type": "FEATURE"}, 404),
            ("unknown", {"type": "CREDIT"}, 404),
            ("ai", {"type": "CREDIT", "amount": 0}, 400),
            ("ai", {"type": "CREDIT", "amount": None}, 400),
            ("ai", {"type": "CREDIT", "order": "1.5"}, 400),
            ("ai", {"type": "CREDIT", "order": True}, 400),
            ("ai", {"type": "CREDIT", "dependencyFeatureId": "unknown"}, 400),
        ],
    )
    def test_refuses_what_it_cannot_do(self, caller, target, body, status):
        a_plan(public_id="pro", entitlements=[some_credits(a_credit_type(public_id="ai"), 5000)])

        answer = caller.patch(f"{LIST}/{target}", body)

        assert answer.status_code == status
        assert CreditEntitlement.objects.get().amount == 5000

    def test_takes_it_out_and_shows_what_it_was(self, caller):
        plan = a_plan(
            public_id="pro",
            entitlements=[
                some_credits(a_credit_type(public_id="ai"), 5000),
                some_units(a_feature(public_id="seats")),
            ],
        )

        assert caller.delete(f"{LIST}/ai").json()["data"]["amount"] == 5000
        assert caller.delete(f"{LIST}/seats").json()["data"]["type"] == "FEATURE"
        assert caller.delete(f"{LIST}/ai").status_code == 404
        assert not plan.draft.credit_entitlements.exists()

    def test_needs_a_draft(self, caller):
        """R8."""
        plan = a_published_plan(
            public_id="pro", entitlements=[some_credits(a_credit_type(public_id="ai"))]
        )

        assert caller.delete(f"{LIST}/ai").status_code == 409
        assert plan.live.credit_entitlements.exists()
