from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
import time_machine

from catalog import packages
from catalog.models import BillingModel, Package, PricingType
from catalog.prices import NewCharge
from subscriptions import customers, updates
from subscriptions.models import Subscription
from tests.builders import (
    NOW,
    a_credit_type,
    a_customer,
    a_feature,
    a_new_version,
    a_plan,
    a_product,
    a_published_addon,
    a_published_plan,
    a_subscription,
    published,
    some_credits,
    some_units,
)
from workspace.actors import SYSTEM

pytestmark = pytest.mark.django_db

KEYS = {
    "id",
    "billingId",
    "createdAt",
    "customerId",
    "paymentCollection",
    "planId",
    "pricingType",
    "startDate",
    "status",
    "addons",
    "billingCycleAnchor",
    "budget",
    "cancellationDate",
    "cancelReason",
    "coupons",
    "currentBillingPeriodEnd",
    "currentBillingPeriodStart",
    "effectiveEndDate",
    "endDate",
    "futureUpdates",
    "latestInvoice",
    "metadata",
    "minimumSpend",
    "payingCustomerId",
    "paymentCollectionMethod",
    "prices",
    "resourceId",
    "subscriptionEntitlements",
    "trial",
    "trialEndDate",
}


@pytest.fixture
def addon() -> Package:
    return a_published_addon(public_id="extra", monthly="9.5")


@pytest.fixture
def plan(addon: Package) -> Package:
    return a_published_plan(
        public_id="pro", product=addon.product, monthly=49, yearly=490, compatible_addons=[addon]
    )


@pytest.fixture
def body(plan: Package) -> dict[str, Any]:
    a_customer(public_id="acme")
    return {"customerId": "acme", "planId": "pro"}


class TestProvision:
    def test_subscribes(self, caller, body):
        answer = caller.post("/api/v1/subscriptions", body | {"id": "first"})

        assert answer.status_code == 201
        data = answer.json()["data"]
        assert data.keys() == {
            "id",
            "status",
            "subscription",
            "isScheduled",
            "entitlements",
            "checkoutBillingId",
            "checkoutUrl",
        }
        assert (data["id"], data["status"], data["isScheduled"]) == ("first", "SUCCESS", False)
        subscription = data["subscription"]
        assert subscription.keys() == KEYS
        assert subscription["status"] == "ACTIVE"
        assert subscription["pricingType"] == "PAID"
        assert subscription["paymentCollection"] == "NOT_REQUIRED"
        assert subscription["startDate"] == subscription["billingCycleAnchor"]
        assert subscription["currentBillingPeriodStart"] == subscription["startDate"]
        assert subscription["subscriptionEntitlements"] == []
        assert subscription["trial"] is None
        (price,) = subscription["prices"]
        assert (price["amount"], price["currency"], price["addonId"]) == (49, "usd", None)

    def test_names_the_field_of_a_customer_who_is_not_there(self, caller, body):
        answer = caller.post("/api/v1/subscriptions", body | {"payingCustomerId": "nobody"})

        assert answer.status_code == 404
        assert set(answer.json()["errors"]) == {"payingCustomerId"}

    def test_lets_nobody_pay_who_is_archived(self, caller, body):
        customers.archive(customer_id=a_customer(public_id="gone").public_id, actor=SYSTEM, now=NOW)

        answer = caller.post("/api/v1/subscriptions", body | {"payingCustomerId": "gone"})

        assert answer.status_code == 409
        assert set(answer.json()["errors"]) == {"payingCustomerId"}

    def test_understands_everything_it_supports(self, caller, body, addon: Package):
        a_customer(public_id="payer")
        answer = caller.post(
            "/api/v1/subscriptions",
            body
            | {
                "addons": [{"id": "extra", "quantity": 3}],
                "billingPeriod": "ANNUALLY",
                "billingId": "sub_1",
                "startDate": "2030-01-31T10:00:00Z",
                "cancellationDate": "2031-01-31T10:00:00",
                "metadata": {"a": "b"},
                "payingCustomerId": "payer",
                "paymentCollectionMethod": "INVOICE",
                "trialOverrideConfiguration": {
                    "isTrial": True,
                    "trialEndBehavior": "CONVERT_TO_PAID",
                    "trialEndDate": "2030-02-28T10:00:00+00:00",
                },
                "awaitPaymentConfirmation": True,
                "billingInformation": {"taxPercentage": 19},
                "checkoutOptions": {"cancelUrl": "https://x", "successUrl": "https://y"},
                "salesforceId": "s",
                "scheduleStrategy": "IMMEDIATE",
                "budget": None,
                "unknown": 1,
            },
        )

        assert answer.status_code == 201
        data = answer.json()["data"]["subscription"]
        assert data["addons"] == [{"id": "extra", "quantity": 3}]
        assert data["billingId"] == "sub_1"
        assert data["startDate"] == "2030-01-31T10:00:00.000Z"
        assert data["endDate"] == data["cancellationDate"] == "2031-01-31T10:00:00.000Z"
        assert data["cancelReason"] == "ScheduledCancellation"
        assert data["metadata"] == {"a": "b"}
        assert data["payingCustomerId"] == "payer"
        assert data["paymentCollectionMethod"] == "INVOICE"
        assert data["status"] == "NOT_STARTED"
        assert data["trial"] == {"trialEndBehavior": "CONVERT_TO_PAID"}
        assert data["trialEndDate"] == "2030-02-28T10:00:00.000Z"
        assert data["currentBillingPeriodStart"] is None
        assert [price["amount"] for price in data["prices"]] == [490, 9.5]
        assert answer.json()["data"]["isScheduled"] is True
        assert Subscription.objects.get().billing_period == "ANNUALLY"

    def test_sets_units_and_custom_credits(self, caller):
        """R17."""
        seats, credit_type = a_feature(public_id="seats"), a_credit_type(public_id="ai")
        a_published_plan(
            public_id="enterprise",
            pricing_type=PricingType.CUSTOM,
            entitlements=[some_credits(credit_type, None, is_custom=True), some_units(seats, 5)],
        )
        a_customer(public_id="acme")

        answer = caller.post(
            "/api/v1/subscriptions",
            {
                "customerId": "acme",
                "planId": "enterprise",
                "charges": [{"id": "seats", "quantity": 8, "type": "FEATURE"}],
                "entitlements": [
                    {"id": "ai", "type": "CREDIT", "amount": 0.000001, "cadence": "YEAR"}
                ],
            },
        )

        assert answer.json()["data"]["subscription"]["subscriptionEntitlements"] == [
            {"id": "ai", "type": "CREDIT"},
            {"id": "seats", "type": "FEATURE"},
        ]
        values = Subscription.objects.get().entitlements
        assert values.get(feature=seats).usage_limit == 8
        assert values.get(credit_type=credit_type).amount == Decimal("0.000001")

    def test_counts_the_units_of_a_plan_sold_per_unit(self, caller):
        seats = a_feature(public_id="seats")
        team = a_plan(public_id="team", entitlements=[some_units(seats, 1)])
        price = NewCharge(billing_model=BillingModel.PER_UNIT, amount=Decimal(9), feature=seats)
        packages.edit(package_id=team.pk, charges=[price], actor=SYSTEM, now=NOW)
        published(team)
        a_customer(public_id="acme")

        caller.post(
            "/api/v1/subscriptions", {"customerId": "acme", "planId": "team", "unitQuantity": 7}
        )

        assert Subscription.objects.get().entitlements.get().usage_limit == 7

    def test_shows_prices_in_tiers(self, caller):
        seats = a_feature(public_id="seats")
        team = a_plan(public_id="team", entitlements=[some_units(seats, 1)])
        tier = {"up_to": 5, "unit_price": {"amount": "9.5", "currency": "USD"}, "flat_price": None}
        price = NewCharge(
            billing_model=BillingModel.PER_UNIT, feature=seats, tiers=[tier], tiers_mode="GRADUATED"
        )
        packages.edit(package_id=team.pk, charges=[price], actor=SYSTEM, now=NOW)
        subscription = a_subscription(plan=published(team))

        data = caller.get(f"/api/v1/subscriptions/{subscription.public_id}").json()["data"]

        (shown,) = data["prices"]
        assert (shown["featureId"], shown["amount"]) == ("seats", None)
        assert shown["tiers"] == [
            {"upTo": 5, "unitPrice": {"amount": 9.5, "currency": "usd"}, "flatPrice": None}
        ]

    def test_refuses_an_id_that_is_taken(self, caller, body):
        caller.post("/api/v1/subscriptions", body | {"id": "first"})
        a_customer(public_id="other")

        answer = caller.post("/api/v1/subscriptions", body | {"id": "first", "customerId": "other"})

        assert answer.status_code == 409
        assert answer["x-should-retry"] == "false"
        assert Subscription.objects.count() == 1

    def test_refuses_a_second_subscription(self, caller, body):
        """R4."""
        caller.post("/api/v1/subscriptions", body)

        answer = caller.post("/api/v1/subscriptions", body)

        assert answer.status_code == 409
        assert answer.json()["code"] == "SubscriptionExists"

    @pytest.mark.parametrize(
        ("change", "status", "code"),
        [
            ({"customerId": "nobody"}, 404, "CustomerNotFound"),
            ({"planId": "nothing"}, 404, "PlanNotFound"),
            ({"addons": [{"id": "nothing", "quantity": 1}]}, 404, "AddonNotFound"),
            ({"addons": [{"id": "extra", "quantity": 0}]}, 400, "InvalidInput"),
            ({"addons": [{"id": "extra", "quantity": "2"}]}, 400, "InvalidInput"),
            ({"addons": [{"id": "extra", "quantity": True}]}, 400, "InvalidInput"),
            ({"addons": [{"id": "extra", "quantity": 1.5}]}, 400, "InvalidInput"),
            ({"addons": {"id": "extra"}}, 400, "InvalidInput"),
            ({"billingPeriod": "DAILY"}, 400, "InvalidInput"),
            ({"resourceId": "berlin"}, 400, "InvalidResource"),
            ({"startDate": "2026-02-30T00:00:00Z"}, 400, "InvalidInput"),
            ({"cancellationDate": "2020-01-01T00:00:00Z"}, 400, "InvalidEnd"),
            ({"entitlements": [{"id": "x", "type": "OTHER"}]}, 400, "InvalidInput"),
            ({"entitlements": ["x"]}, 400, "InvalidInput"),
            (
                {"entitlements": [{"id": "x", "type": "FEATURE", "usageLimit": 1}]},
                400,
                "InvalidValue",
            ),
            (
                {"entitlements": [{"id": "x", "type": "CREDIT", "amount": 0, "cadence": "MONTH"}]},
                400,
                "InvalidInput",
            ),
            ({"charges": [{"id": "x", "type": "CREDIT", "quantity": 1}]}, 400, "InvalidInput"),
            ({"appliedCoupon": {"couponId": "x"}}, 400, "InvalidCoupon"),
            ({"budget": {"limit": 5, "hasSoftLimit": False}}, 400, "InvalidInput"),
            ({"priceOverrides": [{"amount": 5}]}, 400, "InvalidInput"),
            ({"unitQuantity": 3}, 400, "InvalidValue"),
            ({"trialOverrideConfiguration": {"isTrial": "yes"}}, 400, "InvalidInput"),
            ({"trialOverrideConfiguration": {"isTrial": 1}}, 400, "InvalidInput"),
            (
                {"entitlements": [{"id": "x", "type": "FEATURE", "hasUnlimitedUsage": "true"}]},
                400,
                "InvalidInput",
            ),
        ],
    )
    def test_refuses_bad_input(self, caller, body, change, status: int, code: str):
        answer = caller.post("/api/v1/subscriptions", body | change)

        assert (answer.status_code, answer.json()["code"]) == (status, code)
        assert not Subscription.objects.exists()

    def test_names_what_is_at_fault_as_callers_know_it(self, caller, body):
        past = "2020-01-01T00:00:00Z"

        answer = caller.post("/api/v1/subscriptions", {**body, "cancellationDate": past})

        assert list(answer.json()["errors"]) == ["cancellationDate"]


class TestRetrieve:
    def test_reads_one_with_its_own_values(self, caller):
        seats = a_feature(public_id="seats")
        plan = a_published_plan(entitlements=[some_units(seats, 5)])
        subscription = a_subscription(plan=plan)
        caller.patch(
            f"/api/v1/subscriptions/{subscription.public_id}",
            {"entitlements": [{"id": "seats", "type": "FEATURE", "usageLimit": 6}]},
        )

        data = caller.get(f"/api/v1/subscriptions/{subscription.public_id}").json()["data"]

        assert data.keys() == KEYS
        assert data["subscriptionEntitlements"] == [{"id": "seats", "type": "FEATURE"}]

    def test_knows_no_others(self, caller):
        answer = caller.get("/api/v1/subscriptions/nothing")

        assert answer.status_code == 404
        assert answer.json()["code"] == "SubscriptionNotFound"


class TestUpdate:
    def test_replaces_the_addons(self, caller, plan: Package, addon: Package):
        subscription = a_subscription(plan=plan, addons=[(addon, 2)])
        path = f"/api/v1/subscriptions/{subscription.public_id}"

        more = caller.patch(path, {"addons": [{"id": "extra", "quantity": 5}]})
        none = caller.patch(path, {"addons": []})

        assert more.json()["data"]["addons"] == [{"id": "extra", "quantity": 5}]
        assert none.json()["data"]["addons"] == []

    def test_leaves_what_is_absent(self, caller, plan: Package, addon: Package):
        subscription = a_subscription(plan=plan, addons=[(addon, 2)], metadata={"a": "b"})

        answer = caller.patch(f"/api/v1/subscriptions/{subscription.public_id}", {})

        data = answer.json()["data"]
        assert data["addons"] == [{"id": "extra", "quantity": 2}]
        assert data["metadata"] == {"a": "b"}

    def test_sets_units_beside_others(self, caller):
        seats, rooms = a_feature(public_id="seats"), a_feature("Rooms", public_id="rooms")
        plan = a_published_plan(entitlements=[some_units(seats), some_units(rooms)])
        subscription = a_subscription(plan=plan)
        path = f"/api/v1/subscriptions/{subscription.public_id}"

        caller.patch(path, {"charges": [{"id": "seats", "quantity": 6, "type": "FEATURE"}]})
        caller.patch(path, {"charges": [{"id": "rooms", "quantity": 2, "type": "FEATURE"}]})

        limits = {row.feature: row.usage_limit for row in subscription.entitlements.all()}
        assert limits == {seats: 6, rooms: 2}

    def test_begins_a_new_period(self, caller):
        """R26."""
        subscription = a_subscription()
        path = f"/api/v1/subscriptions/{subscription.public_id}"

        same = caller.patch(path, {"billingCycleAnchor": "UNCHANGED"}).json()["data"]
        moved = caller.patch(path, {"billingCycleAnchor": "NOW"}).json()["data"]

        assert same["billingCycleAnchor"] == "2026-01-01T10:00:00.000Z"
        assert moved["billingCycleAnchor"] > same["billingCycleAnchor"]

    def test_cancels_and_keeps(self, caller):
        subscription = a_subscription()
        path = f"/api/v1/subscriptions/{subscription.public_id}"

        canceled = caller.patch(path, {"cancellationDate": "2040-01-01T00:00:00Z"}).json()["data"]
        kept = caller.patch(path, {"cancellationDate": None}).json()["data"]

        assert canceled["cancellationDate"] == "2040-01-01T00:00:00.000Z"
        assert kept["cancellationDate"] is None

    @pytest.mark.parametrize(
        "change",
        [
            {"scheduleStrategy": "TOMORROW"},
            {"billingPeriod": "ANNUALLY"},
            {"appliedCoupon": {"couponId": "x"}},
            {"promotionCode": "x"},
            {"budget": {"limit": 5, "hasSoftLimit": False}},
            {"minimumSpend": {"amount": 5}},
            {"priceOverrides": [{"amount": 5}]},
            {"addons": "extra"},
            {"metadata": None},
            {"trialEndDate": "soon"},
        ],
    )
    def test_refuses_what_it_cannot_do(self, caller, change):
        subscription = a_subscription()

        answer = caller.patch(f"/api/v1/subscriptions/{subscription.public_id}", change)

        assert answer.status_code == 400
        (field,) = change
        assert field in answer.json()["errors"]
        subscription.refresh_from_db()
        assert subscription.updated_at == NOW

    def test_refuses_what_has_ended(self, caller):
        subscription = a_subscription(ends_at=NOW + timedelta(days=1))

        answer = caller.patch(f"/api/v1/subscriptions/{subscription.public_id}", {"addons": []})

        assert answer.status_code == 409


class TestCancel:
    @pytest.mark.parametrize("body", [{"cancellationTime": "IMMEDIATE"}, {"prorate": True}])
    def test_ends_now_or_as_the_product_says(self, caller, body):
        subscription = a_subscription(
            plan=a_published_plan(product=a_product(cancellation_time="IMMEDIATE"))
        )

        answer = caller.post(f"/api/v1/subscriptions/{subscription.public_id}/cancel", body)

        data = answer.json()["data"]
        assert answer.status_code == 200
        assert (data["status"], data["cancelReason"]) == ("CANCELED", "Immediate")
        assert data["endDate"] == data["cancellationDate"]

    def test_takes_no_body_at_all(self, caller):
        subscription = a_subscription()

        answer = caller.post(f"/api/v1/subscriptions/{subscription.public_id}/cancel")

        data = answer.json()["data"]
        assert (data["status"], data["cancelReason"]) == ("ACTIVE", "ScheduledCancellation")
        assert data["cancellationDate"] == data["currentBillingPeriodEnd"]

    def test_ends_on_a_date(self, caller):
        subscription = a_subscription()

        answer = caller.post(
            f"/api/v1/subscriptions/{subscription.public_id}/cancel",
            {"cancellationTime": "SPECIFIC_DATE", "endDate": "2040-01-01T00:00:00Z"},
        )

        assert answer.json()["data"]["endDate"] == "2040-01-01T00:00:00.000Z"

    def test_needs_the_date(self, caller):
        subscription = a_subscription()

        answer = caller.post(
            f"/api/v1/subscriptions/{subscription.public_id}/cancel",
            {"cancellationTime": "SPECIFIC_DATE"},
        )

        assert answer.status_code == 400
        assert "endDate" in answer.json()["errors"]


class TestMigrate:
    def test_moves_to_the_latest_version(self, caller, plan: Package):
        """R10."""
        subscription = a_subscription(plan=plan)
        version = a_new_version(plan)

        answer = caller.post(f"/api/v1/subscriptions/{subscription.public_id}/migrate")

        assert answer.status_code == 200
        subscription.refresh_from_db()
        assert subscription.plan_version == version

    def test_can_wait_for_the_end_of_the_period(self, caller, plan: Package):
        subscription = a_subscription(plan=plan)
        a_new_version(plan)

        answer = caller.post(
            f"/api/v1/subscriptions/{subscription.public_id}/migrate",
            {"subscriptionMigrationTime": "END_OF_BILLING_PERIOD"},
        )

        assert answer.status_code == 200
        (update,) = answer.json()["data"]["futureUpdates"]
        assert update["subscriptionScheduleType"] == "MIGRATE_TO_LATEST"
        assert update["targetPackage"] == {"id": plan.public_id}
        subscription.refresh_from_db()
        assert subscription.plan_version == plan.live

    @pytest.mark.parametrize("time", ["END_OF_BILLING_MONTH", "soon"])
    def test_refuses_other_times(self, caller, time: str):
        subscription = a_subscription()

        answer = caller.post(
            f"/api/v1/subscriptions/{subscription.public_id}/migrate",
            {"subscriptionMigrationTime": time},
        )

        assert answer.status_code == 400


class TestList:
    @pytest.fixture
    def subscriptions(self) -> dict[str, Subscription]:
        product = a_product(multiple_subscriptions=True)
        plan = a_published_plan(public_id="team", product=product)
        acme = a_customer(public_id="acme")
        ended = datetime(2026, 1, 5, tzinfo=UTC)
        free = a_published_plan(public_id="free", pricing_type=PricingType.FREE)
        return {
            "berlin": a_subscription(acme, plan, resource_id="berlin", public_id="berlin"),
            "paris": a_subscription(
                acme, plan, resource_id="paris", public_id="paris", ends_at=ended
            ),
            "free": a_subscription(
                plan=free, public_id="free", started_at=datetime(2090, 1, 1, tzinfo=UTC)
            ),
        }

    @pytest.mark.parametrize(
        ("query", "found"),
        [
            ("", {"berlin", "paris", "free"}),
            ("customerId=acme", {"berlin", "paris"}),
            ("customerId=nobody", set()),
            ("planId=free", {"free"}),
            ("resourceId=paris", {"paris"}),
            ("pricingType=FREE,CUSTOM", {"free"}),
            ("status=ACTIVE", {"berlin"}),
            ("status=CANCELED,NOT_STARTED", {"paris", "free"}),
            ("status=", {"berlin", "paris", "free"}),
            ("createdAt[gt]=2026-01-01T10:00:00Z", set()),
        ],
    )
    def test_filters(self, caller, subscriptions, query: str, found: set[str]):
        answer = caller.get(f"/api/v1/subscriptions?{query}")

        assert {row["id"] for row in answer.json()["data"]} == found

    @pytest.mark.parametrize(
        "query", ["status=HAPPY", "pricingType=CHEAP", "customerId=a%20b", "limit=1000"]
    )
    def test_refuses_bad_queries(self, caller, query: str):
        assert caller.get(f"/api/v1/subscriptions?{query}").status_code == 400

    def test_leaves_entitlements_out(self, caller, subscriptions):
        rows = caller.get("/api/v1/subscriptions").json()["data"]

        assert all(row.keys() == KEYS for row in rows)
        assert all(row["subscriptionEntitlements"] is None for row in rows)

    def test_takes_as_many_queries_for_many_as_for_one(
        self, caller, plan: Package, addon: Package, django_assert_num_queries
    ):
        def subscribe() -> None:
            """With an update that is scheduled."""
            updates.update(
                subscription_id=a_subscription(plan=plan, addons=[(addon, 1)]).public_id,
                when=updates.When.END_OF_BILLING_PERIOD,
                addons=[(addon.public_id, 2)],
                actor=SYSTEM,
                now=NOW,
            )

        subscribe()
        with time_machine.travel(NOW, tick=False):
            caller.get("/api/v1/subscriptions")  # the key's last use is noted once
            with django_assert_num_queries(8):
                caller.get("/api/v1/subscriptions")
            for _ in range(5):
                subscribe()

            with django_assert_num_queries(8):
                rows = caller.get("/api/v1/subscriptions").json()["data"]
        assert [len(row["futureUpdates"]) for row in rows] == [1] * 6


class TestKeys:
    @pytest.mark.parametrize(
        "path", ["/api/v1/customers", "/api/v1/subscriptions", "/api/v1/subscriptions/x"]
    )
    def test_are_asked_for_first(self, client, path: str, db):
        """X1."""
        assert client.get(path).status_code == 401
