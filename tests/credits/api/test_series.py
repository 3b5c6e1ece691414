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
    a_subscription,
    some_credits,
)
from tests.credits.api.shapes import CREDIT_USAGE, REFUSAL, assert_shape

PATH = "credits/usage"


@pytest.fixture
def acme(application: Application) -> Application:
    """Acme uses images for 10 AI Credits each, and takes credits directly."""
    ai = a_credit_type("AI Credits", public_id="ai", symbol="✦")
    images = a_metered_feature("Images", public_id="images", event_name="image")
    plan = a_published_plan(
        entitlements=[some_credits(ai, 5000)], mappings=[a_rate(images, ai, 10)]
    )
    a_subscription(a_customer(public_id="acme"), plan)
    for number, model in enumerate(("large", "small", "large")):
        application.now = NOW.replace(day=1 + number)
        event = {"customerId": "acme", "eventName": "image", "idempotencyKey": f"e{number}"}
        application.post("events", {"events": [{**event, "dimensions": {"model": model}}]})
    application.consume("acme", "ai", 7, "direct")
    application.now = NOW.replace(day=5)
    return application


class TestCreditUsage:
    def test_has_a_series_for_each_feature_and_one_without(self, acme):
        answer = acme.get(PATH, customerId="acme", currencyId="ai")

        assert answer.status == 200
        assert_shape(answer.data, CREDIT_USAGE)
        direct, by_images = answer.data["series"]
        assert (direct["featureId"], direct["totalCredits"]) == (None, 7)
        assert (by_images["featureId"], by_images["totalCredits"]) == ("images", 30)
        assert by_images["featureName"] == "Images"
        assert answer.data["currency"] == {
            "currencyId": "ai",
            "displayName": "AI Credits",
            "symbol": "✦",
            "singular": "credit",
            "plural": "credits",
        }
        assert (direct["eventCount"], by_images["eventCount"]) == (1, 3)
        assert sum(point["eventCount"] for point in by_images["points"]) == 3
        points = {point["timestamp"]: point["value"] for point in by_images["points"]}
        assert points["2026-01-02T00:00:00.000Z"] == 10
        assert points["2026-01-04T00:00:00.000Z"] == 0

    @pytest.mark.parametrize(
        ("time_range", "points", "total"),
        [("LAST_DAY", 25, 0), ("LAST_WEEK", 8, 37), ("LAST_MONTH", 32, 37), ("LAST_YEAR", 13, 37)],
    )
    def test_reaches_back_as_far_as_is_asked_for(self, acme, time_range, points, total):
        answer = acme.get(PATH, customerId="acme", currencyId="ai", timeRange=time_range)

        series = answer.data["series"]
        assert sum(each["totalCredits"] for each in series) == total
        assert all(len(each["points"]) == points for each in series)

    def test_begins_at_a_date_rather_than_at_a_range(self, acme):
        answer = acme.get(
            PATH,
            customerId="acme",
            currencyId="ai",
            timeRange="LAST_DAY",
            startDate="2026-01-02T00:00:00Z",
            endDate="2026-01-03T00:00:00Z",
        )

        assert [each["totalCredits"] for each in answer.data["series"]] == [10]

    def test_parts_series_by_dimension(self, acme):
        answer = acme.get(PATH, customerId="acme", currencyId="ai", groupBy="model,region")

        found = [
            ([tag["value"] for tag in each["tags"]], each["totalCredits"])
            for each in answer.data["series"]
        ]
        assert found == [(["", ""], 7), (["large", ""], 20), (["small", ""], 10)]

    def test_goes_from_page_to_page(self, acme):
        query = {"customerId": "acme", "currencyId": "ai", "groupBy": "model", "limit": 2}

        first = acme.get(PATH, **query).data
        second = acme.get(PATH, **query, after=first["pagination"]["next"]).data
        back = acme.get(PATH, **query, before=second["pagination"]["prev"]).data

        totals = [[each["totalCredits"] for each in page["series"]] for page in (first, second)]
        assert totals == [[7, 20], [10]]
        assert second["pagination"]["next"] is None
        assert back == first

    def test_refuses_cursors_of_other_questions(self, acme):
        query = {"customerId": "acme", "currencyId": "ai", "groupBy": "model", "limit": 2}
        cursor = acme.get(PATH, **query).data["pagination"]["next"]
        a_customer(public_id="globex")

        for asked in (
            {**query, "customerId": "globex", "after": cursor},
            {**query, "groupBy": "region", "after": cursor},
            {**query, "after": cursor, "before": cursor},
        ):
            answer = acme.get(PATH, **asked)

            assert (answer.status, answer.body["code"]) == (400, "InvalidCursor")

    def test_needs_a_currency_only_where_there_are_several(self, acme):
        alone = acme.get(PATH, customerId="acme")
        acme.grant("acme", a_credit_type().public_id, 1)

        several = acme.get(PATH, customerId="acme")

        assert alone.data["currency"]["currencyId"] == "ai"
        assert several.status == 400

    def test_is_empty_where_there_is_nothing(self, acme):
        a_customer(public_id="new")

        answer = acme.get(PATH, customerId="new", currencyId="ai")

        assert_shape(answer.data, CREDIT_USAGE)
        assert answer.data["series"] == []

    @pytest.mark.parametrize(
        "query",
        [
            {},
            {"customerId": "acme", "timeRange": "LAST_CENTURY"},
            {"customerId": "acme", "startDate": "2027-01-01T00:00:00Z"},
            {"customerId": "acme", "groupBy": "a,b,c,d"},
            {"customerId": "acme", "groupBy": "a b"},
            {"customerId": "acme", "groupBy": "ä"},
            {"customerId": "acme", "limit": "0"},
            {"customerId": "acme", "limit": "101"},
            {"customerId": "acme", "after": "nonsense"},
            {"customerId": "acme", "after": "c2VyaWVzLjE"},
        ],
    )
    def test_refuses_questions_that_make_no_sense(self, acme, query):
        answer = acme.get(PATH, **query)

        assert answer.status == 400
        assert_shape(answer.body, REFUSAL)

    def test_takes_the_same_statements_however_much_was_used(self, acme):
        query = {"customerId": "acme", "currencyId": "ai"}
        acme.get(PATH, **query)
        with CaptureQueriesContext(connection) as few:
            acme.get(PATH, **query)
        for number in range(5):
            acme.consume("acme", "ai", 1, f"more-{number}")

        with CaptureQueriesContext(connection) as many:
            acme.get(PATH, **query)

        assert len(many) == len(few)
        assert customers.find("acme").archived_at is None
