import pytest

from catalog.models import Package, Product
from tests.builders import a_product, a_published_plan
from tests.catalog.api.conftest import STRANGE_TEXTS

pytestmark = pytest.mark.django_db

LIST = "/api/v1/products"


class TestProducts:
    def test_creates_one(self, caller):
        """R4."""
        answer = caller.post(
            LIST, {"id": "studio", "displayName": "Studio", "multipleSubscriptions": True}
        )

        assert answer.status_code == 201
        body = answer.json()["data"]
        del body["createdAt"], body["updatedAt"]
        assert body == {
            "id": "studio",
            "displayName": "Studio",
            "description": None,
            "metadata": {},
            "multipleSubscriptions": True,
            "status": "PUBLISHED",
            "productSettings": {
                "subscriptionStartSetup": "PLAN_SELECTION",
                "subscriptionStartPlanId": None,
                "subscriptionEndSetup": "CANCEL_SUBSCRIPTION",
                "downgradePlanId": None,
                "subscriptionCancellationTime": "END_OF_BILLING_PERIOD",
                "prorateAtEndOfBillingPeriod": None,
            },
        }

    @pytest.mark.parametrize("name", STRANGE_TEXTS)
    def test_refuses_strange_names(self, caller, name):
        assert caller.post(LIST, {"id": "p", "displayName": name}).status_code == 400
        assert not Product.objects.exists()

    @pytest.mark.parametrize("flag", ["true", 1, None, "yes"])
    def test_takes_no_word_for_a_flag(self, caller, flag):
        body = {"id": "p", "displayName": "P", "multipleSubscriptions": flag}

        assert caller.post(LIST, body).status_code == 400

    def test_narrows_the_list(self, caller):
        a_product(public_id="live")
        a_product(public_id="old")
        caller.post(f"{LIST}/old/archive")

        def ids(query: str) -> set[str]:
            return {row["id"] for row in caller.get(f"{LIST}?{query}").json()["data"]}

        assert ids("") == {"live", "old"}
        assert ids("status=PUBLISHED") == {"live"}
        assert ids("status=ARCHIVED") == {"old"}

    def test_takes_a_constant_number_of_queries(self, caller, django_assert_max_num_queries):
        for _ in range(5):
            a_product()

        with django_assert_max_num_queries(5):
            caller.get(LIST)


class TestOneProduct:
    def test_changes_the_journey(self, caller):
        """R4."""
        plan = a_published_plan(public_id="free", pricing_type="FREE")

        answer = caller.patch(
            f"{LIST}/{plan.product.public_id}",
            {
                "productSettings": {
                    "subscriptionStartSetup": "FREE_PLAN",
                    "subscriptionStartPlanId": "free",
                    "subscriptionEndSetup": "DOWNGRADE_TO_FREE",
                    "downgradePlanId": "free",
                    "subscriptionCancellationTime": "IMMEDIATE",
                },
                "usageResetCutoffRule": {"behavior": "NEVER_RESET"},
            },
        )

        assert answer.status_code == 200
        assert answer.json()["data"]["productSettings"]["downgradePlanId"] == "free"
        assert Product.objects.get().usage_reset == "NEVER_RESET"

    @pytest.mark.parametrize(
        "settings",
        [
            {"subscriptionStartSetup": "FREE_PLAN"},
            {
                "subscriptionStartSetup": "FREE_PLAN",
                "subscriptionStartPlanId": "unknown",
                "subscriptionEndSetup": "CANCEL_SUBSCRIPTION",
                "subscriptionCancellationTime": "IMMEDIATE",
            },
            {
                "subscriptionStartSetup": "FREE_PLAN",
                "subscriptionEndSetup": "CANCEL_SUBSCRIPTION",
                "subscriptionCancellationTime": "IMMEDIATE",
            },
        ],
    )
    def test_refuses_a_journey_that_leads_nowhere(self, caller, settings):
        a_product(public_id="studio")

        answer = caller.patch(f"{LIST}/studio", {"productSettings": settings})

        assert answer.status_code == 400
        assert Product.objects.get().start_setup == "PLAN_SELECTION"

    def test_has_no_reading_of_one(self, caller):
        """X27: only the contract's operations."""
        a_product(public_id="studio")

        assert caller.get(f"{LIST}/studio").status_code == 405


class TestArchiveProduct:
    def test_takes_plans_along_and_brings_them_back(self, caller):
        """R4."""
        plan = a_published_plan()
        address = f"{LIST}/{plan.product.public_id}"

        assert caller.post(f"{address}/archive").json()["data"]["status"] == "ARCHIVED"
        assert not Package.objects.on_sale().exists()

        assert caller.post(f"{address}/unarchive").json()["data"]["status"] == "PUBLISHED"
        assert Package.objects.on_sale().get() == plan


class TestDuplicateProduct:
    def test_answers_with_the_copy(self, caller):
        """R8."""
        product = a_product("Studio", public_id="studio", description="Old")
        a_published_plan("Pro", public_id="pro", product=product)

        answer = caller.post(
            f"{LIST}/studio/duplicate", {"targetId": "copy", "displayName": "Copy"}
        )

        assert answer.status_code == 201
        body = answer.json()["data"]
        assert (body["id"], body["displayName"], body["description"]) == ("copy", "Copy", "Old")
        assert body["status"] == "PUBLISHED"
        plans = caller.get("/api/v1/plans?productId=copy").json()["data"]
        assert [(plan["id"], plan["status"]) for plan in plans] == [("copy-pro", "DRAFT")]

    def test_takes_null_for_no_description(self, caller):
        a_product(public_id="studio", description="Old")

        body = caller.post(
            f"{LIST}/studio/duplicate", {"targetId": "copy", "description": None}
        ).json()["data"]

        assert body["description"] is None

    @pytest.mark.parametrize(
        ("body", "status", "field"),
        [
            ({}, 400, "targetId"),
            ({"targetId": None}, 400, "targetId"),
            ({"targetId": "a b"}, 400, "targetId"),
            ({"targetId": "copy", "displayName": ""}, 400, "displayName"),
            ({"targetId": "copy", "displayName": None}, 400, "displayName"),
            ({"targetId": "copy", "description": "x" * 256}, 400, "description"),
            ({"targetId": "studio"}, 409, "targetId"),
        ],
    )
    def test_says_which_field_is_wrong(self, caller, body, status, field):
        a_product(public_id="studio")

        answer = caller.post(f"{LIST}/studio/duplicate", body)

        assert answer.status_code == status
        assert list(answer.json()["errors"]) == [field]
        assert Product.objects.count() == 1

    def test_does_not_know_strangers(self, caller):
        answer = caller.post(f"{LIST}/nobody/duplicate", {"targetId": "copy"})

        assert answer.status_code == 404
