from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from catalog.models import Aggregation, Package
from credits.models import UsageEvent
from subscriptions import customers
from tests.application import Application
from tests.builders import (
    NOW,
    a_credit_type,
    a_customer,
    a_feature,
    a_formula,
    a_metered_feature,
    a_product,
    a_published_plan,
    a_rate,
    a_resource,
    a_subscription,
    some_credits,
    some_units,
)
from tests.credits.api.shapes import ESTIMATE, REFUSAL, assert_shape
from workspace.actors import SYSTEM
from workspace.models import Activity


@pytest.fixture
def plan(db: None) -> Package:
    """Images cost 10 AI Credits each, chats 2.5 per token in and 10 per token out."""
    ai = a_credit_type(public_id="ai")
    images = a_metered_feature(public_id="images", event_name="image")
    chats = a_metered_feature(
        "Chats",
        public_id="chats",
        event_name="chat",
        aggregation=Aggregation.SUM,
        aggregation_field="input",
    )
    a_feature(public_id="unmetered")
    return a_published_plan(
        entitlements=[some_credits(ai, 5000), some_units(images, None), some_units(chats, None)],
        mappings=[a_rate(images, ai, 10), a_formula(chats, ai, "2.5*input + 10*output")],
    )


@pytest.fixture
def acme(application: Application, plan: Package) -> Application:
    a_subscription(a_customer(public_id="acme"), plan)
    return application


def events(*names: str, **fields: object) -> dict:
    return {
        "events": [
            {
                "customerId": "acme",
                "eventName": name,
                "idempotencyKey": f"{name}-{number}",
                **fields,
            }
            for number, name in enumerate(names)
        ]
    }


class TestReport:
    def test_takes_what_events_cost(self, acme):
        """R34, first example: 7 images cost 70."""
        answer = acme.post("events", events(*["image"] * 7, "unheard-of"))

        assert (answer.status, answer.body) == (200, {"data": {}})
        assert acme.balance("acme", "ai") == 5000 - 70

    def test_says_where_nothing_was_new(self, acme):
        """R40."""
        first = acme.post("events", events("image"))
        again = acme.post("events", events("image"))
        both = acme.post("events", events("image", "image"))

        assert again.headers["Idempotency-Replayed"] == "true"
        assert "Idempotency-Replayed" not in {**first.headers, **both.headers}

    def test_evaluates_formulas_per_event(self, acme):
        """R34, second example."""
        acme.post("events", events("chat", dimensions={"input": 100, "output": 20}))

        assert acme.balance("acme", "ai") == 5000 - 450

    def test_costs_nothing_for_dimensions_that_are_missing_or_odd(self, acme):
        """R34."""
        acme.post("events", events("chat", dimensions={"input": "many", "output": 2.5}))

        assert acme.balance("acme", "ai") == 5000 - 25

    def test_takes_an_event_once(self, acme):
        """R40: the same timestamp, customer, resource, name and key."""
        a_customer(public_id="other")
        batch = events("image", timestamp="2026-01-01T09:00:00Z")
        acme.post("events", batch)
        acme.post("events", batch)
        assert acme.balance("acme", "ai") == 4990

        batch["events"][0]["timestamp"] = "2026-01-01T09:00:01Z"
        acme.post("events", batch)
        batch["events"][0]["customerId"] = "other"
        acme.post("events", batch)

        assert acme.balance("acme", "ai") == 4980
        assert UsageEvent.objects.count() == 3

    def test_flags_a_repeat_that_says_something_else(self, acme):
        """R40: the first one counts, and the difference is in the activity log."""
        batch = events("chat", dimensions={"input": 1})
        acme.post("events", batch)
        acme.post("events", batch)
        flagged = Activity.objects.filter(event="usage_event.repeated_differently")
        assert not flagged.exists()

        acme.post("events", events("chat", dimensions={"input": 2}))

        [flag] = flagged
        assert (flag.subject_kind, flag.subject_id, flag.customer) == ("customer", "acme", "acme")
        assert flag.payload == {"event": "chat", "key": "chat-0"}
        assert acme.balance("acme", "ai") == Decimal("4997.5")

    def test_takes_twins_within_a_batch_once(self, acme):
        batch = events("image", "image")
        batch["events"][1]["idempotencyKey"] = batch["events"][0]["idempotencyKey"]

        acme.post("events", batch)

        assert acme.balance("acme", "ai") == 4990

    def test_burns_only_the_pool_of_the_resource(self, application, plan):
        """R42."""
        ai = a_credit_type(public_id="per-project")
        images = a_metered_feature(public_id="pictures", event_name="picture")
        per_project = a_published_plan(
            product=a_product(multiple_subscriptions=True),
            entitlements=[some_credits(ai, 100), some_units(images, None)],
            mappings=[a_rate(images, ai, 10)],
        )
        a_subscription(a_customer(public_id="acme"), per_project, resource_id="project")

        application.post("events", events("picture", resourceId="project"))
        application.post("events", events("picture", resourceId=None))

        assert application.balance("acme", "per-project", resourceId="project") == 90
        assert application.balance("acme", "per-project") == 0

    def test_takes_none_if_one_names_what_is_not_there(self, acme):
        for fields, code in (
            ({"customerId": "nobody"}, "CustomerNotFound"),
            ({"resourceId": "nowhere"}, "CustomerResourceNotFound"),
        ):
            batch = events("image", "image", "image")
            batch["events"][2].update(fields)

            answer = acme.post("events", batch)

            assert (answer.status, answer.body["code"]) == (404, code)
            assert list(answer.body["errors"]) == ["events[2]"]
        assert acme.balance("acme", "ai") == 5000
        assert UsageEvent.objects.count() == 0

    @pytest.mark.parametrize(
        ("fields", "field"),
        [
            ({"customerId": ""}, "customerId"),
            ({"eventName": ""}, "eventName"),
            ({"eventName": None}, "eventName"),
            ({"eventName": "x" * 256}, "eventName"),
            ({"eventName": "a\nb"}, "eventName"),
            ({"idempotencyKey": " "}, "idempotencyKey"),
            ({"timestamp": "2026-02-30T00:00:00Z"}, "timestamp"),
            ({"dimensions": {"a": None}}, "dimensions"),
            ({"dimensions": {"model": "a\u202eb"}}, "dimensions"),
            ({"dimensions": {"\u200b": 1}}, "dimensions"),
            ({"eventName": "\u200b"}, "eventName"),
            ({"resourceId": "a/b"}, "resourceId"),
        ],
    )
    def test_takes_none_if_one_is_malformed_and_names_it(self, acme, fields, field):
        batch = events("image", "image")
        batch["events"][1].update(fields)

        answer = acme.post("events", batch)

        assert answer.status == 400
        assert_shape(answer.body, REFUSAL)
        assert list(answer.body["errors"]) == [f"events[1].{field}"]
        assert acme.balance("acme", "ai") == 5000

    def test_refuses_use_of_the_future_and_names_it(self, acme):
        """R38, F9: late is fine; a clock may be five minutes ahead, not more."""
        batch = events("image", "image", timestamp=NOW + timedelta(minutes=5))
        early = {**batch["events"][1], "timestamp": NOW + timedelta(minutes=6)}

        answer = acme.post("events", {"events": [batch["events"][0], early]})

        assert (answer.status, answer.body["code"]) == (400, "UsedInTheFuture")
        assert list(answer.body["errors"]) == ["events[1]"]
        assert UsageEvent.objects.count() == 0
        assert acme.balance("acme", "ai") == 5000
        assert acme.post("events", batch).status == 200

    @pytest.mark.parametrize("size", [0, 1001])
    def test_refuses_batches_of_no_rows_and_of_too_many(self, acme, size):
        assert acme.post("events", events(*["image"] * size)).status == 400

    def test_takes_a_thousand(self, acme):
        answer = acme.post("events", events(*["image"] * 1000))

        assert answer.status == 200
        assert acme.balance("acme", "ai") == 5000 - 10_000

    def test_takes_the_same_statements_for_two_and_for_twenty(self, acme):
        acme.post("events", events("image"))
        counts = []
        for size in (2, 20):
            batch = events(*["image"] * size)
            for row in batch["events"]:
                row["idempotencyKey"] += f"-{size}"
            with CaptureQueriesContext(connection) as captured:
                acme.post("events", batch)
            counts.append(len(captured))

        assert counts[0] == counts[1]


class TestEstimate:
    def estimate(self, acme: Application, **fields: object) -> dict:
        answer = acme.post("events/estimate", {"customerId": "acme", "eventName": "chat", **fields})
        assert answer.status == 200
        assert_shape(answer.data, ESTIMATE)
        return answer.data

    def test_says_what_an_event_would_cost(self, acme):
        """R41."""
        estimate = self.estimate(acme, dimensions={"input": 100, "output": 20})

        assert estimate == {
            "estimates": [
                {
                    "currencyId": "ai",
                    "estimatedCost": 450,
                    "currentBalance": 5000,
                    "balanceAfterEstimate": 4550,
                    "wouldOverdraft": False,
                    "breakdown": [{"featureId": "chats", "cost": 450, "warningCode": None}],
                }
            ],
            "warnings": [],
        }

    def test_stores_nothing(self, acme):
        self.estimate(acme, dimensions={"input": 100})

        assert UsageEvent.objects.count() == 0
        assert acme.balance("acme", "ai") == 5000

    def test_says_that_it_would_overdraw(self, acme):
        estimate = self.estimate(acme, dimensions={"output": 500.1})

        assert estimate["estimates"][0]["wouldOverdraft"] is True
        assert estimate["estimates"][0]["balanceAfterEstimate"] == -1

    def test_costs_what_the_event_then_costs(self, acme):
        dimensions = {"input": 0, "output": 3.333333}
        estimate = self.estimate(acme, dimensions=dimensions)

        acme.post("events", events("chat", dimensions=dimensions))

        expected = estimate["estimates"][0]["balanceAfterEstimate"]
        assert acme.balance("acme", "ai") == expected == Decimal("4966.66667")

    def test_warns_of_events_that_nobody_meters(self, acme):
        assert self.estimate(acme, eventName="unheard-of") == {
            "estimates": [],
            "warnings": ["FEATURE_NOT_FOUND"],
        }

    def test_warns_of_events_that_cost_nothing(self, acme):
        a_metered_feature("Clicks", event_name="click")

        assert self.estimate(acme, eventName="click")["warnings"] == ["FEATURE_NOT_CREDIT_BASED"]

    def test_warns_if_only_a_resource_has_a_subscription(self, application, plan):
        ai = a_credit_type()
        per_project = a_published_plan(
            product=a_product(multiple_subscriptions=True), entitlements=[some_credits(ai)]
        )
        a_subscription(a_customer(public_id="acme"), per_project, resource_id="project")

        warnings = self.estimate(application)["warnings"]

        assert "RESOURCE_SCOPED_SUBSCRIPTION_EXISTS" in warnings

    def test_refuses_customers_that_are_not_there(self, acme):
        a_resource(customers.find("acme"), "project")
        body = {"customerId": "nobody", "eventName": "chat"}
        assert acme.post("events/estimate", body).status == 404
        body = {"customerId": "acme", "eventName": "chat", "resourceId": "nowhere"}
        assert acme.post("events/estimate", body).status == 404
        customers.archive(customer_id="acme", actor=SYSTEM, now=NOW)
        body = {"customerId": "acme", "eventName": "chat"}
        assert acme.post("events/estimate", body).status == 409
