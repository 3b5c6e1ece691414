import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from subscriptions import customers
from tests.application import Application
from tests.builders import (
    NOW,
    a_credit_type,
    a_customer,
    a_metered_feature,
    a_published_plan,
    a_rate,
    a_resource,
    a_subscription,
    some_credits,
)
from tests.credits.api.shapes import ENTRY, PAGINATION, RECHARGE, assert_shape


@pytest.fixture
def acme(application: Application) -> Application:
    a_credit_type(public_id="ai")
    a_customer(public_id="acme")
    return application


class TestLedger:
    def test_has_one_signed_entry_for_each_grant_that_is_touched(self, acme):
        """R35, R52."""
        acme.grant("acme", "ai", 20)
        acme.grant("acme", "ai", 50)

        acme.consume("acme", "ai", 85, "k")

        assert acme.ledger("acme", "ai") == [
            ("CREDITS_GRANTED", 20),
            ("CREDITS_GRANTED", 50),
            ("CREDITS_CONSUMED", -20),
            ("CREDITS_CONSUMED", -50),
            ("CREDITS_CONSUMED", -15),
        ]

    def test_names_grant_feature_and_key(self, acme):
        credit_type = a_credit_type(public_id="priced")
        images = a_metered_feature(public_id="images", event_name="image")
        plan = a_published_plan(
            entitlements=[some_credits(credit_type, 100)],
            mappings=[a_rate(images, credit_type, 10)],
        )
        a_subscription(customers.find("acme"), plan)
        event = {"customerId": "acme", "eventName": "image", "idempotencyKey": "event-1"}
        acme.post("events", {"events": [event]})
        acme.consume("acme", "priced", 1, "direct-1")

        answer = acme.get("credits/ledger", customerId="acme", currencyId="priced")

        for row in answer.body["data"]:
            assert_shape(row, ENTRY)
        direct, by_event, granted = answer.body["data"]
        assert (direct["eventId"], direct["featureId"]) == ("direct-1", None)
        assert (by_event["eventId"], by_event["featureId"]) == ("event-1", "images")
        assert (granted["eventId"], granted["featureId"]) == (None, None)
        grants = acme.get("credits/grants", customerId="acme", currencyId="priced")
        assert granted["creditGrantId"] == grants.body["data"][0]["id"]

    def test_shows_the_types_that_are_asked_for(self, acme):
        acme.grant("acme", "ai", 20)
        acme.consume("acme", "ai", 5, "k")

        answer = acme.get(
            "credits/ledger", customerId="acme", eventType="CREDITS_GRANTED,CREDITS_VOIDED"
        )
        refused = acme.get("credits/ledger", customerId="acme", eventType="CREDITS_INVENTED")

        assert [row["eventType"] for row in answer.body["data"]] == ["CREDITS_GRANTED"]
        assert refused.status == 400

    def test_shows_all_pools_or_the_one_that_is_asked_for(self, acme):
        a_resource(customers.find("acme"), "project")
        acme.grant("acme", "ai", 1)
        acme.grant("acme", "ai", 2, resourceId="project")

        everything = acme.get("credits/ledger", customerId="acme")
        of_project = acme.get("credits/ledger", customerId="acme", resourceId="project")

        assert [row["amount"] for row in everything.body["data"]] == [2, 1]
        assert [row["resourceId"] for row in of_project.body["data"]] == ["project"]

    def test_shows_what_time_did_while_no_worker_ran(self, acme):
        credit_type = a_credit_type(public_id="monthly")
        plan = a_published_plan(entitlements=[some_credits(credit_type, 10)])
        a_subscription(customers.find("acme"), plan)
        acme.now = NOW.replace(month=2)

        assert acme.ledger("acme", "monthly") == [
            ("CREDITS_GRANTED", 10),
            ("CREDITS_EXPIRED", -10),
            ("CREDITS_GRANTED", 10),
        ]

    def test_goes_from_page_to_page(self, acme):
        for number in range(1, 6):
            acme.grant("acme", "ai", number)
        for query in ({"customerId": "acme"}, {"customerId": "acme", "currencyId": "ai"}):
            seen, after = [], None
            while True:
                paging = {"limit": 2, **({"after": after} if after else {})}
                answer = acme.get("credits/ledger", **query, **paging)
                assert_shape(answer.body["pagination"], PAGINATION)
                seen += [row["amount"] for row in answer.body["data"]]
                after = answer.body["pagination"]["next"]
                if after is None:
                    break

            assert seen == [5, 4, 3, 2, 1]

    def test_refuses_the_cursor_of_another_list(self, acme):
        a_customer(public_id="other")
        for _ in range(3):
            acme.grant("acme", "ai", 1)
        cursor = acme.get("credits/ledger", customerId="acme", limit=1).body["pagination"]["next"]

        other = acme.get("credits/ledger", customerId="other", limit=1, after=cursor)
        grants = acme.get("credits/grants", customerId="acme", limit=1, after=cursor)

        assert (other.status, grants.status) == (400, 400)

    def test_takes_the_same_statements_for_one_and_for_many(self, acme):
        acme.grant("acme", "ai", 1)
        acme.get("credits/ledger", customerId="acme")
        with CaptureQueriesContext(connection) as few:
            acme.get("credits/ledger", customerId="acme")
        for number in range(10):
            acme.consume("acme", "ai", 1, f"k{number}")

        with CaptureQueriesContext(connection) as many:
            acme.get("credits/ledger", customerId="acme")

        assert len(many) == len(few)


class TestRecharge:
    def test_is_off_where_nothing_was_set(self, acme):
        answer = acme.get("credits/auto-recharge", customerId="acme", currencyId="ai")

        assert answer.status == 200
        assert_shape(answer.data, RECHARGE)
        assert answer.data["isEnabled"] is False

    def test_refuses_what_is_not_there(self, acme):
        path = "credits/auto-recharge"

        assert acme.get(path, customerId="nobody", currencyId="ai").status == 404
        assert acme.get(path, customerId="acme", currencyId="unheard-of").status == 404
        assert acme.get(path, customerId="acme").status == 400
