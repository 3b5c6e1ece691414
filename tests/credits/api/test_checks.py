from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from catalog.entitlements import NewFeature
from catalog.models import FeatureType, ResetPeriod
from subscriptions import customers
from tests.application import Application
from tests.builders import (
    NOW,
    a_credit_type,
    a_customer,
    a_feature,
    a_metered_feature,
    a_published_plan,
    a_rate,
    a_resource,
    a_subscription,
    some_credits,
    some_units,
)
from tests.credits.api.shapes import (
    CREDIT_ENTITLEMENT,
    EDGE_STATE,
    ENTITLEMENTS,
    FEATURE_ENTITLEMENT,
    REFUSAL,
    assert_shape,
)
from workspace import keys
from workspace.actors import SYSTEM
from workspace.models import ApiKey, KeyKind


@pytest.fixture
def subscribed(application: Application) -> Application:
    """Acme has 5,000 AI Credits per month."""
    ai_credits = a_credit_type("AI Credits", public_id="ai-credits")
    plan = a_published_plan(entitlements=[some_credits(ai_credits, 5000)])
    a_subscription(a_customer("Acme", public_id="acme"), plan)
    return application


class TestCheckOfCredits:
    def test_says_what_is_left_and_when_it_resets(self, subscribed):
        subscribed.consume("acme", "ai-credits", 1250.5, "k1")

        answer = subscribed.get("customers/acme/entitlements/check", currencyId="ai-credits")

        assert answer.status == 200
        assert_shape(answer.data, CREDIT_ENTITLEMENT)
        assert answer.data["isGranted"] is True
        assert answer.data["accessDeniedReason"] is None
        assert answer.data["usageLimit"] == 5000
        assert answer.data["currentUsage"] == Decimal("1250.5")
        assert answer.data["usagePeriodEnd"] == "2026-02-01T10:00:00.000Z"
        assert answer.data["validUntil"] == "2026-02-01T10:00:00.000Z"
        assert answer.data["usageUpdatedAt"] == "2026-01-01T10:00:00.000Z"
        assert answer.data["currency"] == {
            "currencyId": "ai-credits",
            "displayName": "AI Credits",
            "description": None,
            "metadata": {},
            "unitSingular": "credit",
            "unitPlural": "credits",
        }

    @pytest.mark.parametrize(
        ("asked", "granted"),
        [("5000", True), ("5000.000001", False), ("0", True), ("4999.5", True)],
    )
    def test_compares_with_the_amount_that_is_asked_for(self, subscribed, asked, granted):
        """R44."""
        answer = subscribed.check("acme", "ai-credits", requestedUsage=asked)

        assert answer["isGranted"] is granted
        assert answer["accessDeniedReason"] == (None if granted else "InsufficientCredits")

    def test_says_no_for_reasons_of_its_own(self, subscribed):
        """R45."""
        a_customer(public_id="gone")
        customers.archive(customer_id="gone", actor=SYSTEM, now=NOW)

        def reason(customer: str, credit_type: str, **query: str) -> str:
            answer = subscribed.get(
                f"customers/{customer}/entitlements/check", currencyId=credit_type, **query
            )
            assert answer.status == 200
            assert_shape(answer.data, CREDIT_ENTITLEMENT)
            assert answer.data["isGranted"] is False
            assert answer.data["usageLimit"] == answer.data["currentUsage"] == 0
            return answer.data["accessDeniedReason"]

        assert reason("nobody", "ai-credits") == "CustomerNotFound"
        assert reason("gone", "ai-credits") == "CustomerIsArchived"
        assert reason("acme", "ai-credits", resourceId="x") == "CustomerResourceNotFound"
        assert reason("acme", "unheard-of") == "EntitlementNotFound"

    def test_does_not_take_a_pool_that_was_merely_opened_for_an_entitlement(self, subscribed):
        """R45: a refused consumption leaves nothing that an answer could show."""
        a_credit_type("Other", public_id="other")
        refused = subscribed.consume("acme", "other", 5, "k", strict=True)

        answer = subscribed.check("acme", "other")

        assert refused.status == 409
        assert answer["accessDeniedReason"] == "EntitlementNotFound"

    def test_goes_on_at_a_soft_limit_and_says_so(self, application):
        """R44."""
        plan = a_published_plan(
            entitlements=[
                some_credits(a_credit_type(public_id="soft"), 100, has_soft_limit=True),
            ]
        )
        a_subscription(a_customer(public_id="acme"), plan)
        application.consume("acme", "soft", 150, "k")

        answer = application.check("acme", "soft")

        assert answer["isGranted"] is True
        assert answer["hasSoftLimit"] is True
        assert answer["usageLimit"] - answer["currentUsage"] == -50

    def test_seals_the_credits_of_resources(self, subscribed):
        """R42."""
        a_resource(customers.find("acme"), "project-1")
        subscribed.grant("acme", "ai-credits", 7, resourceId="project-1")

        assert subscribed.balance("acme", "ai-credits") == 5000
        assert subscribed.balance("acme", "ai-credits", resourceId="project-1") == 7

    def test_is_one_statement_with_the_key(self, subscribed):
        subscribed.check("acme", "ai-credits")  # the key's use is written once a minute

        with CaptureQueriesContext(connection) as captured:
            subscribed.check("acme", "ai-credits", requestedUsage=5)

        assert len(captured) == 1

    def test_notes_that_the_key_was_used(self, subscribed):
        subscribed.now = NOW + timedelta(minutes=5)

        subscribed.check("acme", "ai-credits")

        assert ApiKey.objects.get().last_used_at == subscribed.now

    @pytest.mark.parametrize(
        "query",
        [
            {},
            {"currencyId": "ai-credits", "featureId": "seats"},
            {"currencyId": ""},
            {"currencyId": "a/b"},
            {"currencyId": "x" * 5000},
            {"currencyId": ["ai-credits", "other"]},
            {"currencyId": "ai-credits", "requestedUsage": "-1"},
            {"currencyId": "ai-credits", "requestedUsage": "many"},
            {"currencyId": "ai-credits", "requestedUsage": "0.0000001"},
            {"currencyId": "ai-credits", "requestedUsage": "1e3"},
            {"currencyId": "ai-credits", "requestedUsage": "NaN"},
            {"currencyId": "ai-credits", "requestedUsage": "١٢"},
            {"currencyId": "ai-credits", "requestedUsage": "1000000000000"},
            {"currencyId": "ai-credits", "requestedValues": "a,b"},
            {"currencyId": "ai-credits", "resourceId": "\0"},
        ],
    )
    def test_refuses_questions_that_make_no_sense(self, subscribed, query):
        answer = subscribed.get("customers/acme/entitlements/check", **query)

        assert answer.status == 400
        assert_shape(answer.body, REFUSAL)


class TestKeyOfACheck:
    @pytest.mark.parametrize(
        "query", ["?currencyId=ai-credits", "?featureId=seats", "", "?currencyId="]
    )
    def test_is_asked_for_before_anything_else(self, subscribed, query):
        """X1."""
        path = f"/api/v1/customers/acme/entitlements/check{query}"
        subscribed.client.credentials()
        wrong = subscribed.key[:-1] + ("a" if subscribed.key[-1] != "a" else "b")
        other = keys.create(name="Gone", kind=KeyKind.FULL, actor=SYSTEM, now=NOW)
        keys.revoke(key_id=other.key.pk, actor=SYSTEM, now=NOW)

        for sent in ("", "nonsense", wrong, other.raw):
            subscribed.client.defaults["HTTP_X_API_KEY"] = sent
            answer = subscribed.get(path)

            assert answer.status == 401
            assert answer.body["code"] == "Unauthenticated"

    @pytest.mark.parametrize("method", ["post", "put", "patch", "delete"])
    def test_is_asked_for_by_methods_that_do_not_exist_too(self, subscribed, method):
        path = "/api/v1/customers/acme/entitlements/check?currencyId=ai-credits"

        allowed = getattr(subscribed.client, method)(path)
        subscribed.client.defaults["HTTP_X_API_KEY"] = ""
        refused = getattr(subscribed.client, method)(path)

        assert (allowed.status_code, refused.status_code) == (405, 401)

    def test_may_be_one_that_only_reads(self, subscribed):
        reading = Application(KeyKind.READ_ONLY)

        assert reading.balance("acme", "ai-credits") == 5000

    def test_counts_against_its_limit(self, subscribed, settings):
        """X8."""
        settings.STIPEND_RATE_LIMIT = "2/minute"
        path = "customers/acme/entitlements/check"

        statuses = [subscribed.get(path, currencyId="ai-credits").status for _ in range(3)]

        assert statuses == [200, 200, 429]


class TestCheckOfAFeature:
    @pytest.fixture
    def acme(self, application):
        images = a_metered_feature("Images", public_id="images", event_name="image")
        seats = a_feature("Seats", public_id="seats")
        sso = a_feature("SSO", public_id="sso", type=FeatureType.BOOLEAN)
        region = a_feature(
            "Region",
            public_id="region",
            type=FeatureType.ENUM,
            enum_values=[
                {"value": "eu", "displayName": "EU"},
                {"value": "us", "displayName": "US"},
            ],
        )
        a_feature("Unsold", public_id="unsold")
        plan = a_published_plan(
            entitlements=[
                some_units(images, 3, reset_period=ResetPeriod.MONTH),
                some_units(seats, 5),
                NewFeature(sso, {}),
                NewFeature(region, {"enum_values": ["eu"]}),
            ]
        )
        a_subscription(a_customer(public_id="acme"), plan)
        return application

    def check(self, application: Application, feature: str, **query: str) -> dict:
        answer = application.get("customers/acme/entitlements/check", featureId=feature, **query)
        assert answer.status == 200
        assert_shape(answer.data, FEATURE_ENTITLEMENT)
        return answer.data

    def test_counts_what_was_used_in_the_running_period(self, acme):
        for number in range(2):
            acme.post("events", an_event(f"e{number}"))

        answer = self.check(acme, "images")

        assert answer["isGranted"] is True
        assert (answer["currentUsage"], answer["usageLimit"]) == (2, 3)
        assert answer["resetPeriod"] == "MONTH"
        assert answer["usagePeriodStart"] == "2026-01-01T10:00:00.000Z"
        assert answer["usagePeriodEnd"] == "2026-02-01T10:00:00.000Z"

    def test_says_no_above_the_limit(self, acme):
        acme.post("events", an_event("e"))

        assert self.check(acme, "images", requestedUsage="2")["isGranted"] is True
        refused = self.check(acme, "images", requestedUsage="3")

        assert refused["isGranted"] is False
        assert refused["accessDeniedReason"] == "RequestedUsageExceedingLimit"

    def test_starts_again_in_the_next_period(self, acme):
        for number in range(3):
            acme.post("events", an_event(f"e{number}"))
        before = self.check(acme, "images")
        acme.now = NOW.replace(month=2)

        after = self.check(acme, "images")

        assert (before["isGranted"], before["currentUsage"]) == (False, 3)
        assert (after["isGranted"], after["currentUsage"]) == (True, 0)

    def test_knows_features_that_are_simply_there(self, acme):
        assert self.check(acme, "sso")["isGranted"] is True
        assert self.check(acme, "sso", requestedUsage="1")["accessDeniedReason"] == (
            "FeatureTypeMismatch"
        )
        assert self.check(acme, "seats")["usageLimit"] == 5

    def test_holds_values_against_those_offered(self, acme):
        assert self.check(acme, "region", requestedValues="eu")["isGranted"] is True
        refused = self.check(acme, "region", requestedValues="eu,us")
        assert refused["accessDeniedReason"] == "RequestedValuesMismatch"

    def test_says_no_for_reasons_of_its_own(self, acme):
        a_customer(public_id="idle")
        assert self.check(acme, "unheard-of")["accessDeniedReason"] == "FeatureNotFound"
        assert self.check(acme, "unsold")["accessDeniedReason"] == (
            "NoFeatureEntitlementInSubscription"
        )
        idle = acme.get("customers/idle/entitlements/check", featureId="seats").data
        assert idle["accessDeniedReason"] == "NoActiveSubscription"
        nobody = acme.get("customers/nobody/entitlements/check", featureId="seats").data
        assert nobody["accessDeniedReason"] == "CustomerNotFound"
        assert self.check(acme, "seats", resourceId="nowhere")["accessDeniedReason"] == (
            "CustomerResourceNotFound"
        )
        assert self.check(acme, "seats", requestedValues="eu")["accessDeniedReason"] == (
            "FeatureTypeMismatch"
        )

    def test_says_no_to_what_is_switched_off(self, application):
        """R45."""
        seats = a_feature("Seats", public_id="seats")
        plan = a_published_plan(entitlements=[some_units(seats, 5, is_granted=False)])
        a_subscription(a_customer(public_id="acme"), plan)

        assert self.check(application, "seats")["accessDeniedReason"] == "Revoked"


class TestEntitlements:
    def test_lists_credits_and_features(self, everything):
        answer = everything.get("customers/acme/entitlements")

        assert answer.status == 200
        assert_shape(answer.data, ENTITLEMENTS)
        assert answer.data["accessDeniedReason"] is None
        assert [row["type"] for row in answer.data["entitlements"]] == ["CREDIT", "FEATURE"]

    def test_takes_the_same_statements_however_much_there_is(self, everything):
        path = "customers/acme/entitlements"
        everything.get(path)
        with CaptureQueriesContext(connection) as few:
            everything.get(path)
        for number in range(3):
            everything.grant("acme", a_credit_type(f"More {number}").public_id, 5)

        with CaptureQueriesContext(connection) as many:
            answer = everything.get(path)

        assert len(answer.data["entitlements"]) == 5
        assert len(many) == len(few)

    def test_answers_for_customers_that_have_nothing(self, everything):
        a_customer(public_id="idle")

        assert everything.get("customers/nobody/entitlements").data == {
            "accessDeniedReason": "CustomerNotFound",
            "entitlements": [],
        }
        assert everything.get("customers/idle/entitlements").data == {
            "accessDeniedReason": "NoActiveSubscription",
            "entitlements": [],
        }

    def test_answers_for_customers_and_resources_that_are_not_there_any_more(self, everything):
        a_customer(public_id="gone")
        everything.post("customers/gone/archive")

        nowhere = everything.get("customers/acme/entitlements", resourceId="nowhere").data
        gone = everything.get("customers/gone/entitlements").data

        assert nowhere == {"accessDeniedReason": "NoActiveSubscription", "entitlements": []}
        assert gone == {"accessDeniedReason": "CustomerIsArchived", "entitlements": []}


class TestEdgeState:
    def test_says_what_the_check_says(self, everything):
        everything.consume("acme", "ai-credits", 10, "k")

        answer = everything.get("/v1/c/acme/entitlements-state.json")

        state = answer.data["entitlementsState"]
        assert answer.status == 200
        assert_shape(state, EDGE_STATE)
        held, feature = state["entitlementsV2"]
        assert held["currency"]["currencyId"] == "ai-credits"
        assert held["usageLimit"] - held["currentUsage"] == 4990
        assert held["isGranted"] is True
        assert feature["feature"]["refId"] == "images"
        assert feature["creditRate"]["amount"] == 10

    def test_is_an_empty_list_with_a_reason_for_unknown_customers(self, everything):
        answer = everything.get("/v1/c/nobody/entitlements-state.json")

        assert answer.status == 200
        assert answer.data["entitlementsState"]["entitlementsV2"] == []
        assert answer.data["entitlementsState"]["accessDeniedReason"] == "CustomerNotFound"

    def test_has_no_reason_while_there_are_credits_without_a_subscription(self, everything):
        a_customer(public_id="topped-up")
        everything.grant("topped-up", "ai-credits", 20)

        state = everything.get("/v1/c/topped-up/entitlements-state.json").data["entitlementsState"]

        assert state["accessDeniedReason"] is None
        assert [row["usageLimit"] for row in state["entitlementsV2"]] == [20]

    def test_knows_features_alone_for_older_sdks(self, everything):
        state = everything.get("/v1/c/acme/entitlements-state.json").data["entitlementsState"]

        [entry] = everything.get("/v1/c/acme/entitlements.json").data["entitlements"]

        assert state["entitlements"] == [entry]
        _, feature = state["entitlementsV2"]
        own = ("__typename", "validUntil")
        assert {**entry, **{name: feature[name] for name in own}} == {
            **feature,
            "customerId": "acme",
            "resourceId": None,
            "requestedUsage": None,
            "requestedValues": None,
            "nextResetDate": feature["usagePeriodEnd"],
        }
        assert everything.get("/v1/c/nobody/entitlements.json").data == {"entitlements": []}

    def test_is_that_of_a_resource_if_one_is_named(self, everything):
        a_resource(customers.find("acme"), "project")
        everything.grant("acme", "ai-credits", 3, resourceId="project")

        answer = everything.get("/v1/c/acme/entitlements-state.json", resourceId="project")

        entries = answer.data["entitlementsState"]["entitlementsV2"]
        assert [row["usageLimit"] for row in entries] == [3]

    @pytest.mark.parametrize(
        "path",
        [
            "/v1/c/acme/entitlements-state.json",
            "/v1/c/acme/entitlements.json",
            "/v1/config/server-sdk-configuration.json",
            "/v1/config/client-sdk-configuration.json",
        ],
    )
    def test_asks_for_a_key(self, everything, path):
        everything.client.defaults["HTTP_X_API_KEY"] = "wrong"

        assert everything.get(path).status == 401

    def test_comes_with_a_configuration_by_which_sdks_try_their_key(self, everything):
        answer = everything.get("/v1/config/server-sdk-configuration.json")

        assert answer.status == 200
        assert "sdkConfiguration" in answer.data


@pytest.fixture
def everything(application: Application) -> Application:
    """Acme has credits, and images that cost 10 each."""
    ai_credits = a_credit_type("AI Credits", public_id="ai-credits")
    images = a_metered_feature("Images", public_id="images", event_name="image")
    plan = a_published_plan(
        entitlements=[some_credits(ai_credits, 5000), some_units(images, None)],
        mappings=[a_rate(images, ai_credits, 10)],
    )
    a_subscription(a_customer(public_id="acme"), plan)
    return application


def an_event(key: str, **fields: object) -> dict:
    event = {"customerId": "acme", "eventName": "image", "idempotencyKey": key}
    return {"events": [{**event, **fields}]}
