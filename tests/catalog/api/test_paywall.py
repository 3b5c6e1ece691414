from typing import Any

import pytest

from catalog import packages
from tests.builders import (
    NOW,
    a_credit_type,
    a_metered_feature,
    a_plan,
    a_product,
    a_published_addon,
    a_published_plan,
    a_rate,
    published,
    some_credits,
    some_units,
)
from workspace.actors import SYSTEM

pytestmark = pytest.mark.django_db


def paywall(caller: Any, path: str = "/v1/paywall.json") -> dict[str, Any]:
    answer = caller.get(path)
    assert answer.status_code == 200, answer.content
    shown: dict[str, Any] = answer.json()["data"]["paywall"]
    return shown


@pytest.fixture
def pro() -> None:
    ai, images = a_credit_type(public_id="ai"), a_metered_feature(public_id="images")
    product = a_product("Studio", public_id="studio")
    extra = a_published_addon(
        public_id="extra", product=product, monthly=5, entitlements=[some_credits(ai, 100)]
    )
    base = a_published_plan(
        public_id="base", product=product, monthly=9, entitlements=[some_units(images, 10)]
    )
    a_published_plan(
        public_id="pro",
        product=product,
        base_plan=base,
        monthly=49,
        yearly=490,
        entitlements=[some_credits(ai, 5_000)],
        mappings=[a_rate(images, ai, 10)],
        compatible_addons=[extra],
    )


class TestPaywall:
    def test_shows_what_is_for_sale(self, caller, pro):
        shown = paywall(caller, "/v1/p/studio/paywall.json?fetchAllCountriesPrices=undefined")

        assert [plan["refId"] for plan in shown["plans"]] == ["base", "pro"]
        plan = shown["plans"][1]
        assert plan["product"]["refId"] == "studio"
        assert plan["basePlan"]["refId"] == "base"
        [included] = plan["packageEntitlements"]
        assert (included["__typename"], included["amount"], included["cadence"]) == (
            "PackageCreditEntitlement",
            5000,
            "MONTH",
        )
        [inherited] = plan["inheritedPackageEntitlements"]
        assert (inherited["featureId"], inherited["usageLimit"]) == ("images", 10)
        assert plan["entitlements"] == []
        [older] = plan["inheritedEntitlements"]
        assert (older["__typename"], older["featureId"], older["usageLimit"]) == (
            "PackageEntitlement",
            "images",
            10,
        )
        assert shown["plans"][0]["entitlements"] == [older]
        assert [addon["refId"] for addon in plan["compatibleAddons"]] == ["extra"]
        prices = [
            (
                price["billingModel"],
                price["billingPeriod"],
                price["price"] and price["price"]["amount"],
            )
            for price in plan["prices"]
        ]
        assert prices == [
            ("FLAT_FEE", "MONTHLY", 49),
            ("FLAT_FEE", "ANNUALLY", 490),
            ("CREDIT_BASED", "MONTHLY", None),
        ]
        assert plan["prices"][2]["creditRate"]["amount"] == 10
        points = [
            (point["planId"], point["billingPeriod"], point["amount"])
            for point in shown["paywallCalculatedPricePoints"]
        ]
        assert points == [
            ("base", "MONTHLY", 9),
            ("pro", "MONTHLY", 49),
            ("pro", "ANNUALLY", 490),
        ]
        assert shown["currency"]["code"] == "USD"

    def test_shows_prices_in_steps(self, caller):
        product = a_product(public_id="studio")
        a_metered_feature(public_id="images")
        plan = a_plan(public_id="steps", product=product, monthly=None)
        steps = {
            "billingModel": "PER_UNIT",
            "featureId": "images",
            "tiersMode": "VOLUME",
            "pricePeriods": [
                {
                    "billingPeriod": "MONTHLY",
                    "tiers": [
                        {"upTo": 5, "unitPrice": {"amount": 3.5}},
                        {"flatPrice": {"amount": 1}},
                    ],
                }
            ],
        }
        charges = {"pricingType": "PAID", "pricingModels": [steps]}
        answer = caller.patch("/api/v1/plans/steps", {"charges": charges})
        assert answer.status_code == 200, answer.content
        published(plan)

        [plan] = paywall(caller)["plans"]

        [price] = plan["prices"]
        assert (price["tiersMode"], price["tiers"]) == (
            "VOLUME",
            [
                {
                    "__typename": "PriceTier",
                    "upTo": 5,
                    "unitPrice": {"__typename": "Money", "amount": 3.5, "currency": "USD"},
                    "flatPrice": None,
                },
                {
                    "__typename": "PriceTier",
                    "upTo": None,
                    "unitPrice": None,
                    "flatPrice": {"__typename": "Money", "amount": 1, "currency": "USD"},
                },
            ],
        )
        assert price["feature"]["meterType"] == "Incremental"

    def test_leaves_out_drafts_other_products_and_what_is_hidden(self, caller, pro):
        a_plan(public_id="draft")
        hidden = a_plan(public_id="hidden")
        packages.edit(package_id=hidden.pk, hidden_from=["PAYWALL"], actor=SYSTEM, now=NOW)
        published(hidden)

        def ids(query: str) -> list[str]:
            return [plan["refId"] for plan in paywall(caller, f"/v1/{query}")["plans"]]

        assert ids("paywall.json") == ["base", "pro"]
        assert ids("paywall.json?includeHiddenPlans=true") == ["base", "pro", "hidden"]
        assert caller.get("/v1/p/nothing/paywall.json").status_code == 404

    def test_costs_the_same_for_one_and_for_many(self, caller, pro, django_assert_num_queries):
        paywall(caller)  # which notes the last use of the key
        with django_assert_num_queries(11):
            paywall(caller)
        for _ in range(3):
            a_published_plan(entitlements=[some_credits(a_credit_type(), 5)])
        with django_assert_num_queries(11):
            paywall(caller)
