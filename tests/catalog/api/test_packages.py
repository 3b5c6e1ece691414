from decimal import Decimal

import pytest

from catalog import drafts, packages
from catalog.models import Package
from catalog.prices import NewMapping
from subscriptions.models import RolloutRun
from tests.builders import (
    NOW,
    a_credit_type,
    a_feature,
    a_metered_feature,
    a_plan,
    a_product,
    a_published_addon,
    a_published_plan,
    an_addon,
    reloaded,
    some_credits,
    some_units,
)
from tests.catalog.api.conftest import STRANGE_NUMBERS, STRANGE_TEXTS
from workspace.actors import SYSTEM

pytestmark = pytest.mark.django_db

PER_SEAT = {"billingModel": "PER_UNIT", "featureId": "seats"}
PLANS = "/api/v1/plans"
ADDONS = "/api/v1/addons"


def without_times(body: dict) -> dict:
    return {name: value for name, value in body.items() if name not in ("createdAt", "updatedAt")}


class TestPackages:
    def test_begins_a_plan(self, caller):
        """R8."""
        a_product(public_id="studio")

        answer = caller.post(
            PLANS,
            {
                "id": "pro",
                "displayName": "Pro",
                "productId": "studio",
                "pricingType": "PAID",
                "status": "DRAFT",
                "defaultTrialConfig": {
                    "duration": 14,
                    "units": "DAY",
                    "budget": {"limit": 10.5, "hasSoftLimit": True},
                },
                "metadata": {"a": "b"},
            },
        )

        assert answer.status_code == 201
        assert without_times(answer.json()["data"]) == {
            "id": "pro",
            "displayName": "Pro",
            "description": None,
            "billingId": None,
            "productId": "studio",
            "pricingType": "PAID",
            "status": "DRAFT",
            "versionNumber": 1,
            "isLatest": False,
            "entitlements": [],
            "metadata": {"a": "b"},
            "compatibleAddonIds": [],
            "defaultTrialConfig": {
                "duration": 14,
                "units": "DAY",
                "trialEndBehavior": "CONVERT_TO_PAID",
                "budget": {"limit": 10.5, "hasSoftLimit": True},
            },
            "parentPlanId": None,
        }

    def test_begins_an_addon(self, caller):
        """R6."""
        a_product(public_id="studio")

        answer = caller.post(
            ADDONS,
            {"id": "extra", "displayName": "Extra", "productId": "studio", "maxQuantity": 5},
        )

        assert without_times(answer.json()["data"]) == {
            "id": "extra",
            "displayName": "Extra",
            "description": None,
            "billingId": None,
            "productId": "studio",
            "pricingType": None,
            "status": "DRAFT",
            "versionNumber": 1,
            "isLatest": False,
            "entitlements": [],
            "metadata": {},
            "dependencies": [],
            "maxQuantity": 5,
        }

    @pytest.mark.parametrize("name", STRANGE_TEXTS)
    def test_refuses_strange_names(self, caller, name):
        a_product(public_id="studio")
        body = {"id": "pro", "displayName": name, "productId": "studio"}

        assert caller.post(PLANS, body).status_code == 400
        assert not Package.objects.exists()

    @pytest.mark.parametrize(
        ("fields", "field"),
        [
            ({"productId": "unknown"}, "productId"),
            ({"parentPlanId": "unknown"}, "parentPlanId"),
            ({"status": "PUBLISHED"}, "status"),
            ({"pricingType": "CHEAP"}, "pricingType"),
            ({"defaultTrialConfig": {"duration": 0, "units": "DAY"}}, "defaultTrialConfig"),
            ({"defaultTrialConfig": {"duration": 1.5, "units": "DAY"}}, "defaultTrialConfig"),
            ({"defaultTrialConfig": {"duration": "14", "units": "DAY"}}, "defaultTrialConfig"),
            ({"defaultTrialConfig": {"duration": 14}}, "defaultTrialConfig"),
        ],
    )
    def test_says_which_field_is_wrong(self, caller, fields, field):
        a_product(public_id="studio")
        body = {"id": "pro", "displayName": "Pro", "productId": "studio", **fields}

        answer = caller.post(PLANS, body)

        assert answer.status_code == 400
        assert next(iter(answer.json()["errors"])).split(".")[0] == field
        assert not Package.objects.exists()

    def test_lists_what_is_live_and_drafts_on_request(self, caller):
        """A draft affects nobody."""
        plan = a_published_plan("Pro", public_id="pro")
        drafts.open_draft(package_id=plan.pk, actor=SYSTEM, now=NOW)
        packages.edit(package_id=plan.pk, name="Max", actor=SYSTEM, now=NOW)
        a_plan("New", public_id="new")
        a_published_addon(public_id="extra")

        def shown(query: str = "") -> list[tuple[str, str, str]]:
            rows = caller.get(PLANS + query).json()["data"]
            return [(row["id"], row["displayName"], row["status"]) for row in rows]

        assert shown() == [("new", "New", "DRAFT"), ("pro", "Pro", "PUBLISHED")]
        assert shown("?status=PUBLISHED") == [("pro", "Pro", "PUBLISHED")]
        assert shown("?status=DRAFT") == [("new", "New", "DRAFT"), ("pro", "Max", "DRAFT")]
        assert shown("?status=ARCHIVED") == []
        assert shown(f"?productId={plan.product.public_id}") == [("pro", "Pro", "PUBLISHED")]

    def test_takes_a_constant_number_of_queries(self, caller, django_assert_max_num_queries):
        for number in range(8):
            plan = a_published_plan(
                f"Plan {number}",
                entitlements=[some_credits(a_credit_type()), some_units(a_feature())],
            )
            drafts.open_draft(package_id=plan.pk, actor=SYSTEM, now=NOW)

        with django_assert_max_num_queries(16):
            assert len(caller.get(PLANS).json()["data"]) == 8


class TestOnePackage:
    def test_shows_what_is_live(self, caller):
        plan = a_published_plan(public_id="pro", entitlements=[some_credits(a_credit_type())])
        drafts.open_draft(package_id=plan.pk, actor=SYSTEM, now=NOW)

        body = caller.get(f"{PLANS}/pro").json()["data"]

        assert (body["status"], body["versionNumber"], body["isLatest"]) == ("PUBLISHED", 1, True)
        assert [row["type"] for row in body["entitlements"]] == ["CREDIT"]

    def test_tells_plans_from_addons(self, caller):
        a_published_plan(public_id="pro")

        assert caller.get(f"{ADDONS}/pro").status_code == 404

    def test_changes_the_draft_with_all_prices(self, caller):
        """R8, R33."""
        a_credit_type(public_id="ai")
        a_metered_feature(public_id="images")
        a_feature(public_id="seats")
        addon = a_published_addon(public_id="extra")
        a_plan(public_id="pro", product=addon.product)

        answer = caller.patch(
            f"{PLANS}/pro",
            {
                "displayName": "Pro 2",
                "compatibleAddonIds": ["extra"],
                "charges": {
                    "pricingType": "PAID",
                    "minimumSpend": [{"billingPeriod": "MONTHLY", "minimum": {"amount": 10}}],
                    "pricingModels": [
                        {
                            "billingModel": "FLAT_FEE",
                            "pricePeriods": [
                                {
                                    "billingPeriod": "MONTHLY",
                                    "price": {"amount": 49.5, "currency": "eur"},
                                },
                                {"billingPeriod": "ANNUALLY", "price": {"amount": 490}},
                            ],
                        },
                        {
                            "billingModel": "CREDIT_BASED",
                            "featureId": "images",
                            "pricePeriods": [
                                {
                                    "billingPeriod": period,
                                    "creditRate": {"amount": 10, "currencyId": "ai"},
                                }
                                for period in ("MONTHLY", "ANNUALLY")
                            ],
                        },
                        {
                            "billingModel": "PER_UNIT",
                            "featureId": "seats",
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
                        },
                    ],
                    "overagePricingModels": [
                        {
                            "billingModel": "USAGE_BASED",
                            "featureId": "images",
                            "pricePeriods": [
                                {"billingPeriod": "MONTHLY", "price": {"amount": 0.01}}
                            ],
                        }
                    ],
                },
            },
        )

        assert answer.status_code == 200
        body = answer.json()["data"]
        assert (body["displayName"], body["compatibleAddonIds"]) == ("Pro 2", ["extra"])
        rows = caller.get(f"{PLANS}/pro/charges").json()["data"]
        by_model = {(row["billingModel"], row["billingPeriod"]): row for row in rows}
        assert by_model["FLAT_FEE", "MONTHLY"]["price"] == {"amount": 49.5, "currency": "eur"}
        assert by_model["FLAT_FEE", "ANNUALLY"]["price"] == {"amount": 490, "currency": "usd"}
        assert by_model["MINIMUM_SPEND", "MONTHLY"]["price"]["amount"] == 10
        assert by_model["CREDIT_BASED", "MONTHLY"]["creditRate"] == {
            "amount": 10,
            "currencyId": "ai",
            "costFormula": None,
        }
        assert by_model["PER_UNIT", "MONTHLY"]["tiers"] == [
            {"upTo": 5, "unitPrice": {"amount": 3.5, "currency": "usd"}, "flatPrice": None},
            {"upTo": None, "unitPrice": None, "flatPrice": {"amount": 1, "currency": "usd"}},
        ]
        assert len(rows) == 5
        [overage] = caller.get(f"{PLANS}/pro/overage-charges").json()["data"]
        assert (overage["featureId"], overage["price"]["amount"]) == ("images", 0.01)

    @pytest.mark.parametrize("before", [None, 5])
    def test_includes_what_is_free_before_overage_is_charged(self, caller, before):
        """Whether the draft includes the feature already or not."""
        images = a_metered_feature(public_id="images")
        held = [] if before is None else [some_units(images, before)]
        plan = a_plan(public_id="pro", entitlements=held)
        overage = {
            "billingModel": "USAGE_BASED",
            "featureId": "images",
            "entitlement": {
                "featureId": "images",
                "usageLimit": 100,
                "hasSoftLimit": True,
                "resetPeriod": "MONTH",
                "monthlyResetPeriodConfiguration": {"accordingTo": "StartOfTheMonth"},
            },
            "pricePeriods": [{"billingPeriod": "MONTHLY", "price": {"amount": 0.01}}],
        }
        base = {
            "billingModel": "FLAT_FEE",
            "pricePeriods": [{"billingPeriod": "MONTHLY", "price": {"amount": 49}}],
        }
        charges = {
            "pricingType": "PAID",
            "pricingModels": [base],
            "overagePricingModels": [overage],
        }

        answer = caller.patch(f"{PLANS}/pro", {"charges": charges})

        assert answer.status_code == 200, answer.json()
        included = plan.draft.feature_entitlements.get()
        assert (included.feature, included.usage_limit) == (images, 100)
        assert (included.has_soft_limit, included.reset_period) == (True, "MONTH")
        assert included.reset_configuration == {"accordingTo": "StartOfTheMonth"}
        assert plan.draft.charges.filter(is_overage=True).count() == 1

    def test_changes_nothing_where_what_is_free_is_unknown(self, caller):
        plan = a_plan(public_id="pro")
        overage = {
            "billingModel": "USAGE_BASED",
            "featureId": a_metered_feature(public_id="images").public_id,
            "entitlement": {"featureId": "unknown", "usageLimit": 100},
            "pricePeriods": [{"billingPeriod": "MONTHLY", "price": {"amount": 0.01}}],
        }
        charges = {"pricingType": "PAID", "overagePricingModels": [overage]}

        answer = caller.patch(f"{PLANS}/pro", {"charges": charges})

        assert answer.status_code == 400
        assert not plan.draft.charges.filter(is_overage=True).exists()

    @pytest.mark.parametrize("amount", [text for text in STRANGE_NUMBERS if text != "0"])
    def test_refuses_prices_that_are_none(self, caller, amount):
        a_plan(public_id="pro", monthly=49)
        period = f'{{"billingPeriod": "MONTHLY", "price": {{"amount": {amount}}}}}'
        model = f'{{"billingModel": "FLAT_FEE", "pricePeriods": [{period}]}}'
        body = f'{{"charges": {{"pricingType": "PAID", "pricingModels": [{model}]}}}}'

        answer = caller.generic("PATCH", f"{PLANS}/pro", body, "application/json")

        assert answer.status_code == 400
        assert reloaded(Package.objects.get()).draft.charges.get().amount == 49

    @pytest.mark.parametrize(
        ("model", "message"),
        [
            ({"billingModel": "FLAT_FEE"}, "A price “flat fee” needs an amount."),
            ({"billingModel": "PER_UNIT", "featureId": "seats"}, "“per unit” needs an amount."),
            ({"billingModel": "PER_UNIT", "price": {"amount": 1}}, "names the feature"),
            ({"billingModel": "USAGE_BASED", "price": {"amount": 1}}, "names the feature"),
            (
                {"billingModel": "FLAT_FEE", "tiers": [{"unitPrice": {"amount": 1}}]},
                "has no tiers",
            ),
            (
                {**PER_SEAT, "tiers": [{"upTo": 5, "unitPrice": {"amount": 1}}, {"upTo": 9}]},
                "Each tier needs a price.",
            ),
            (
                {
                    **PER_SEAT,
                    "tiers": [
                        {"upTo": 9, "unitPrice": {"amount": 2}},
                        {"upTo": 5, "unitPrice": {"amount": 1}},
                    ],
                },
                "Each tier ends above the one before it.",
            ),
            (
                {
                    **PER_SEAT,
                    "tiers": [
                        {"unitPrice": {"amount": 2}},
                        {"upTo": 5, "flatPrice": {"amount": 1}},
                    ],
                },
                "Only the last tier has no end.",
            ),
            (
                {
                    **PER_SEAT,
                    "tiers": [
                        {"upTo": 5, "unitPrice": {"amount": 2}},
                        {"unitPrice": {"amount": 1, "currency": "eur"}},
                    ],
                },
                "All tiers of a price are in one currency.",
            ),
            (
                {**PER_SEAT, "price": {"amount": 1}, "tiers": [{"unitPrice": {"amount": 1}}]},
                "an amount or tiers, not both",
            ),
            ({**PER_SEAT, "price": {"amount": 1}, "maxUnitQuantity": 0}, "1"),
            (
                {**PER_SEAT, "price": {"amount": 1}, "minUnitQuantity": 3, "maxUnitQuantity": 2},
                "not below the smallest",
            ),
            (
                {
                    "billingModel": "CREDIT_BASED",
                    "featureId": "images",
                    "price": {"amount": 1},
                    "creditRate": {"amount": 1, "currencyId": "ai"},
                },
                "a creditRate or a price, not both",
            ),
            (
                {
                    **PER_SEAT,
                    "price": {"amount": 1},
                    "resetPeriod": "MONTH",
                    "weeklyResetPeriodConfiguration": {"accordingTo": "EveryMonday"},
                },
                "The weekly reset configuration needs the reset period",
            ),
        ],
    )
    def test_refuses_prices_from_which_nobody_could_tell_what_to_pay(self, caller, model, message):
        a_credit_type(public_id="ai")
        a_metered_feature(public_id="images")
        a_feature(public_id="seats")
        plan = a_plan(public_id="pro")
        kept = {"price", "tiers", "creditRate"}
        period = {name: value for name, value in model.items() if name in kept}
        given = {name: value for name, value in model.items() if name not in kept}
        given["pricePeriods"] = [{"billingPeriod": "MONTHLY", **period}]

        answer = caller.patch(
            f"{PLANS}/pro", {"charges": {"pricingType": "PAID", "pricingModels": [given]}}
        )

        assert answer.status_code == 400
        assert message in str(answer.json())
        assert plan.draft.charges.count() == 1

    def test_refuses_two_base_prices_for_one_period_and_overage_in_credits(self, caller):
        a_credit_type(public_id="ai")
        a_metered_feature(public_id="images")
        plan = a_plan(public_id="pro")
        flat = {
            "billingModel": "FLAT_FEE",
            "pricePeriods": [{"billingPeriod": "MONTHLY", "price": {"amount": 1}}],
        }
        rate = {"amount": 1, "currencyId": "ai"}
        in_credits = {
            "billingModel": "CREDIT_BASED",
            "featureId": "images",
            "pricePeriods": [{"billingPeriod": "MONTHLY", "creditRate": rate}],
        }
        for charges, message in (
            ({"pricingModels": [flat, flat]}, "This base price is there twice."),
            ({"overagePricingModels": [in_credits]}, "Overage is charged in money"),
        ):
            answer = caller.patch(f"{PLANS}/pro", {"charges": {"pricingType": "PAID", **charges}})

            assert answer.status_code == 400
            assert message in str(answer.json())
        assert plan.draft.charges.count() == 1

    def test_keeps_when_use_starts_afresh_and_when_overage_is_billed(self, caller):
        a_feature(public_id="seats")
        plan = a_plan(public_id="pro")
        model = {
            **PER_SEAT,
            "resetPeriod": "MONTH",
            "monthlyResetPeriodConfiguration": {"accordingTo": "StartOfTheMonth"},
            "pricePeriods": [{"billingPeriod": "MONTHLY", "price": {"amount": 1}}],
        }

        answer = caller.patch(
            f"{PLANS}/pro",
            {
                "charges": {
                    "pricingType": "PAID",
                    "overageBillingPeriod": "MONTHLY",
                    "pricingModels": [model],
                }
            },
        )

        assert answer.status_code == 200
        draft = reloaded(plan).draft
        charge = draft.charges.get()
        assert draft.overage_billing_period == "MONTHLY"
        assert charge.reset_period == "MONTH"
        assert charge.reset_configuration == {"accordingTo": "StartOfTheMonth"}

    @pytest.mark.parametrize(
        "model",
        [
            {"billingModel": "CREDIT_BASED", "pricePeriods": []},
            {
                "billingModel": "CREDIT_BASED",
                "pricePeriods": [
                    {"billingPeriod": "MONTHLY", "creditRate": {"amount": 1, "currencyId": "ai"}}
                ],
            },
            {
                "billingModel": "CREDIT_BASED",
                "featureId": "unknown",
                "pricePeriods": [
                    {"billingPeriod": "MONTHLY", "creditRate": {"amount": 1, "currencyId": "ai"}}
                ],
            },
            {
                "billingModel": "CREDIT_BASED",
                "featureId": "images",
                "pricePeriods": [
                    {"billingPeriod": "MONTHLY", "creditRate": {"amount": 1, "currencyId": "x"}}
                ],
            },
            {
                "billingModel": "CREDIT_BASED",
                "featureId": "images",
                "pricePeriods": [
                    {"billingPeriod": "MONTHLY", "creditRate": {"amount": 1, "currencyId": "ai"}},
                    {"billingPeriod": "ANNUALLY", "creditRate": {"amount": 2, "currencyId": "ai"}},
                ],
            },
            {
                "billingModel": "CREDIT_BASED",
                "featureId": "images",
                "pricePeriods": [
                    {
                        "billingPeriod": "MONTHLY",
                        "creditRate": {"amount": 1, "currencyId": "ai", "costFormula": "1 +"},
                    }
                ],
            },
            {
                "billingModel": "CREDIT_BASED",
                "featureId": "seats",
                "pricePeriods": [
                    {"billingPeriod": "MONTHLY", "creditRate": {"amount": 1, "currencyId": "ai"}}
                ],
            },
        ],
        ids=[
            "no period",
            "no feature",
            "unknown",
            "no type",
            "two rates",
            "formula",
            "not counted",
        ],
    )
    def test_refuses_credit_rates_that_cost_nothing_sensible(self, caller, model):
        """R33, R34."""
        a_credit_type(public_id="ai")
        a_metered_feature(public_id="images")
        a_feature(public_id="seats")
        plan = a_plan(public_id="pro")

        answer = caller.patch(
            f"{PLANS}/pro", {"charges": {"pricingType": "PAID", "pricingModels": [model]}}
        )

        assert answer.status_code == 400
        assert next(iter(answer.json()["errors"])).startswith("charges")
        assert not plan.draft.mappings.exists()
        assert plan.draft.charges.count() == 1

    def test_needs_a_draft(self, caller):
        """R8."""
        a_published_plan(public_id="pro")

        answer = caller.patch(f"{PLANS}/pro", {"displayName": "Max"})

        assert (answer.status_code, answer.json()["code"]) == (409, "NoDraft")

    def test_clears_by_null(self, caller):
        addon = a_published_addon(public_id="extra")
        base = a_published_plan("Free", product=addon.product, pricing_type="FREE")
        plan = a_plan(
            public_id="pro",
            product=addon.product,
            base_plan=base,
            compatible_addons=[addon],
            trial_length=14,
            trial_unit="DAY",
            trial_end="CANCEL_SUBSCRIPTION",
        )

        body = caller.patch(
            f"{PLANS}/pro",
            {"parentPlanId": None, "compatibleAddonIds": None, "defaultTrialConfig": None},
        ).json()["data"]

        assert (body["parentPlanId"], body["compatibleAddonIds"]) == (None, [])
        assert body["defaultTrialConfig"] is None
        assert reloaded(plan).draft.base_plan is None

    def test_changes_dependencies_of_an_addon(self, caller):
        """R6."""
        first = a_published_addon("First", public_id="first")
        an_addon("Second", public_id="second", product=first.product)

        body = caller.patch(
            f"{ADDONS}/second", {"dependencies": ["first"], "maxQuantity": 3, "status": "DRAFT"}
        ).json()["data"]

        assert (body["dependencies"], body["maxQuantity"]) == (["first"], 3)


class TestPackageDraft:
    def test_opens_and_throws_away(self, caller):
        """R8."""
        plan = a_published_plan(public_id="pro")

        opened = caller.post(f"{PLANS}/pro/draft")
        assert opened.status_code == 201
        assert (opened.json()["data"]["status"], opened.json()["data"]["versionNumber"]) == (
            "DRAFT",
            2,
        )
        assert caller.post(f"{PLANS}/pro/draft").status_code == 409

        assert caller.delete(f"{PLANS}/pro/draft").json() == {"data": {"id": "pro"}}
        assert reloaded(plan).draft is None
        assert caller.delete(f"{PLANS}/pro/draft").status_code == 409


class TestPublishPackage:
    def test_publishes(self, caller):
        """R9."""
        plan = a_plan(public_id="pro")

        answer = caller.post(f"{PLANS}/pro/publish", {"migrationType": "ALL_CUSTOMERS"})

        assert answer.status_code == 200
        assert answer.json() == {"data": {"taskId": str(RolloutRun.objects.get().pk)}}
        assert reloaded(plan).live.audience == "ALL_CUSTOMERS"

    @pytest.mark.parametrize("body", [{}, {"migrationType": "SOME"}, {"migrationType": None}])
    def test_wants_an_audience(self, caller, body):
        a_plan(public_id="pro")

        assert caller.post(f"{PLANS}/pro/publish", body).status_code == 400

    def test_says_what_is_missing(self, caller):
        """R11."""
        a_plan(public_id="pro", monthly=None)

        answer = caller.post(f"{PLANS}/pro/publish", {"migrationType": "NEW_CUSTOMERS"})

        assert (answer.status_code, answer.json()["code"]) == (409, "NotPublishable")
        assert "Set a monthly or a yearly price" in answer.json()["message"]

    def test_takes_effect_once_per_key(self, caller):
        """R40, end."""
        plan = a_plan(public_id="pro")

        answers = [
            caller.post(
                f"{PLANS}/pro/publish",
                {"migrationType": "NEW_CUSTOMERS"},
                headers={"Idempotency-Key": "k"},
            )
            for _ in range(2)
        ]

        assert [answer.status_code for answer in answers] == [200, 200]
        assert reloaded(plan).versions.count() == 1


class TestArchivePackage:
    def test_takes_it_off_sale(self, caller):
        a_published_plan(public_id="pro")

        assert caller.post(f"{PLANS}/pro/archive").json()["data"]["status"] == "ARCHIVED"

    def test_refuses_drafts(self, caller):
        """R8."""
        a_plan(public_id="pro")

        assert caller.post(f"{PLANS}/pro/archive").status_code == 409


class TestPackageCharges:
    def test_pages_prices_and_mappings_in_one_list(self, caller):
        plan = a_plan(public_id="pro", monthly=49, yearly=490)
        packages.edit(
            package_id=plan.pk,
            mappings=[
                NewMapping(
                    feature=a_metered_feature(), credit_type=a_credit_type(), rate=Decimal("0.5")
                )
            ],
            actor=SYSTEM,
            now=NOW,
        )

        first = caller.get(f"{PLANS}/pro/charges?limit=2").json()
        second = caller.get(
            f"{PLANS}/pro/charges", {"limit": 2, "after": first["pagination"]["next"]}
        ).json()
        back = caller.get(
            f"{PLANS}/pro/charges", {"limit": 2, "before": second["pagination"]["prev"]}
        ).json()

        rows = first["data"] + second["data"]
        assert [row["billingModel"] for row in rows] == ["CREDIT_BASED", "FLAT_FEE", "FLAT_FEE"]
        assert second["pagination"]["next"] is None
        assert back["data"] == first["data"]
        assert set(rows[0]) == {
            "id",
            "billingCadence",
            "billingCountryCode",
            "billingId",
            "billingModel",
            "billingPeriod",
            "blockSize",
            "createdAt",
            "creditGrantCadence",
            "creditRate",
            "crmId",
            "crmLinkUrl",
            "featureId",
            "maxUnitQuantity",
            "minUnitQuantity",
            "price",
            "tiers",
            "tiersMode",
            "topUpCustomCurrencyId",
            "usedInSubscriptions",
        }

    @pytest.mark.parametrize("query", ["limit=0", "limit=101", "after=broken", "after=a&before=b"])
    def test_refuses_broken_pages(self, caller, query):
        a_plan(public_id="pro")

        assert caller.get(f"{PLANS}/pro/charges?{query}").status_code == 400
