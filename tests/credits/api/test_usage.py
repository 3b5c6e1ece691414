from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from catalog.models import Aggregation, MeterType, Package, ResetPeriod
from credits.models import UsageRecord
from tests.application import Application
from tests.builders import (
    NOW,
    a_credit_type,
    a_customer,
    a_feature,
    a_formula,
    a_metered_feature,
    a_published_plan,
    a_rate,
    a_subscription,
    some_credits,
    some_units,
)
from tests.credits.api.shapes import ESTIMATE, HISTORY, REFUSAL, USAGE, assert_shape


@pytest.fixture
def plan(db: None) -> Package:
    """Images, metered per month, cost 10 AI Credits each; seats are counted and cost nothing."""
    ai = a_credit_type(public_id="ai")
    images = a_metered_feature(public_id="images", event_name="image")
    tokens = a_metered_feature(
        "Tokens",
        public_id="tokens",
        event_name="chat",
        aggregation=Aggregation.SUM,
        aggregation_field="n",
    )
    seats = a_feature("Seats", public_id="seats", meter_type=MeterType.FLUCTUATING)
    a_feature("Logo", public_id="unmetered")
    a_metered_feature(
        "Visitors",
        public_id="visitors",
        event_name="visit",
        aggregation=Aggregation.UNIQUE,
        aggregation_field="visitor",
    )
    return a_published_plan(
        entitlements=[
            some_credits(ai, 5000),
            some_units(images, 100, reset_period=ResetPeriod.MONTH),
            some_units(tokens, None),
            some_units(seats, 5),
        ],
        mappings=[a_rate(images, ai, 10), a_formula(tokens, ai, "weight * 2")],
    )


@pytest.fixture
def acme(application: Application, plan: Package) -> Application:
    a_subscription(a_customer(public_id="acme"), plan)
    return application


def report(acme: Application, *values: int, **fields: object) -> list[dict]:
    rows = [{"customerId": "acme", "featureId": "images", "value": v, **fields} for v in values]
    answer = acme.post("usage", {"usages": rows})
    assert answer.status == 201, answer.body
    for row in answer.data:
        assert_shape(row, USAGE)
    return answer.data


class TestReport:
    def test_adds_to_the_use_and_takes_what_it_costs(self, acme):
        """R39: a DELTA above 0 costs units × rate."""
        first, second = report(acme, 3, 4)

        assert (first["currentUsage"], second["currentUsage"]) == (3, 7)
        assert (first["credit"]["consumed"], second["credit"]["consumed"]) == (30, 40)
        assert second["credit"]["currentUsage"] == 70
        assert second["credit"]["usageLimit"] == 5000
        assert second["usagePeriodEnd"] == "2026-02-01T10:00:00.000Z"
        assert acme.balance("acme", "ai") == 4930

    def test_gives_no_credits_back_when_use_falls(self, acme):
        """R39."""
        report(acme, 5)

        [row] = report(acme, -2)

        assert (row["currentUsage"], row["credit"]["consumed"]) == (3, 0)
        assert acme.balance("acme", "ai") == 4950

    def test_sets_the_use_and_takes_what_its_rise_costs(self, acme):
        """R39: a SET costs its rise."""
        report(acme, 5)

        raised, fallen, raised_again = report(acme, 8, 2, 3, updateBehavior="SET")

        used = [row["currentUsage"] for row in (raised, fallen, raised_again)]
        assert used == [8, 2, 3]
        consumed = [row["credit"]["consumed"] for row in (raised, fallen, raised_again)]
        assert consumed == [30, 0, 10]
        assert acme.balance("acme", "ai") == 5000 - 50 - 40

    def test_evaluates_a_formula_once_over_the_dimensions_of_the_report(self, acme):
        """R39."""
        [row] = report(acme, 7, featureId="tokens", dimensions={"weight": 4.5})
        [free] = report(acme, -7, featureId="tokens", dimensions={"weight": 4.5})

        assert (row["credit"]["consumed"], free["credit"]["consumed"]) == (9, 0)

    def test_happens_once_under_a_key(self, acme):
        """R40."""
        [first] = report(acme, 3, idempotencyKey="k")

        [again] = report(acme, 4, idempotencyKey="k")

        assert again["id"] == first["id"]
        assert (again["value"], again["currentUsage"]) == (3, 3)
        assert again["credit"]["consumed"] == 0
        assert acme.balance("acme", "ai") == 4970

    def test_says_where_nothing_was_new(self, acme):
        """R40."""
        row = {"customerId": "acme", "featureId": "images", "value": 3}
        old, new = [{**row, "idempotencyKey": key} for key in ("old", "new")]
        acme.post("usage", {"usages": [old]})

        again = acme.post("usage", {"usages": [old]})
        both = acme.post("usage", {"usages": [old, new]})

        assert again.headers["Idempotency-Replayed"] == "true"
        assert "Idempotency-Replayed" not in both.headers

    def test_takes_twins_within_a_batch_once(self, acme):
        first, twin = report(acme, 3, 3, idempotencyKey="k")

        assert (first["credit"]["consumed"], twin["credit"]["consumed"]) == (30, 0)

    def test_costs_nothing_where_nothing_is_charged(self, acme):
        [row] = report(acme, 4, featureId="seats", updateBehavior="SET")

        assert (row["currentUsage"], row["credit"]) == (4, None)
        assert row["usagePeriodStart"] is None

    def test_starts_again_in_the_next_period(self, acme):
        report(acme, 5)
        acme.now = NOW.replace(month=2)

        [row] = report(acme, 2, updateBehavior="SET")

        assert (row["currentUsage"], row["credit"]["consumed"]) == (2, 20)

    def test_keeps_the_order_of_the_rows(self, acme):
        a_customer(public_id="other")
        rows = [
            {"customerId": customer, "featureId": "images", "value": value}
            for value, customer in enumerate(("acme", "other", "acme", "other"))
        ]

        answer = acme.post("usage", {"usages": rows})

        assert [row["value"] for row in answer.data] == [0, 1, 2, 3]
        assert [row["currentUsage"] for row in answer.data] == [0, 1, 2, 4]

    @pytest.mark.parametrize(
        ("fields", "status", "code"),
        [
            ({"customerId": "nobody"}, 404, "CustomerNotFound"),
            ({"featureId": "unheard-of"}, 404, "UnknownFeature"),
            ({"featureId": "unmetered"}, 400, "FeatureNotMetered"),
            ({"featureId": "visitors"}, 400, "CountedByEvents"),
            ({"resourceId": "nowhere"}, 404, "CustomerResourceNotFound"),
        ],
    )
    def test_takes_none_if_one_names_what_is_not_there(self, acme, fields, status, code):
        rows = [{"customerId": "acme", "featureId": "images", "value": 1} for _ in range(3)]
        rows[1].update(fields)

        answer = acme.post("usage", {"usages": rows})

        assert (answer.status, answer.body["code"]) == (status, code)
        assert list(answer.body["errors"]) == ["usages[1]"]
        assert acme.balance("acme", "ai") == 5000
        assert UsageRecord.objects.count() == 0

    @pytest.mark.parametrize(
        ("fields", "field"),
        [
            ({"value": 1.5}, "value"),
            ({"value": "1"}, "value"),
            ({"value": True}, "value"),
            ({"value": None}, "value"),
            ({"value": 10**13}, "value"),
            ({"updateBehavior": "ADD"}, "updateBehavior"),
            ({"idempotencyKey": ""}, "idempotencyKey"),
            ({"createdAt": "soon"}, "createdAt"),
            ({"dimensions": []}, "dimensions"),
        ],
    )
    def test_takes_none_if_one_is_malformed_and_names_it(self, acme, fields, field):
        rows = [{"customerId": "acme", "featureId": "images", "value": 1} for _ in range(2)]
        rows[1].update(fields)

        answer = acme.post("usage", {"usages": rows})

        assert answer.status == 400
        assert_shape(answer.body, REFUSAL)
        assert list(answer.body["errors"]) == [f"usages[1].{field}"]
        assert acme.balance("acme", "ai") == 5000

    @pytest.mark.parametrize("feature", ["images", "seats"])
    def test_never_brings_use_below_zero(self, acme, feature):
        report(acme, 5, featureId=feature)
        row = {"customerId": "acme", "featureId": feature}

        [to_zero] = report(acme, -5, featureId=feature)
        below = acme.post("usage", {"usages": [{**row, "value": 3}, {**row, "value": -4}]})
        total = acme.post(
            "usage",
            {"usages": [{**row, "value": 1}, {**row, "value": -1, "updateBehavior": "SET"}]},
        )

        assert to_zero["currentUsage"] == 0
        assert (below.status, below.body["code"]) == (400, "UseBelowZero")
        assert "was used 3 times: a report cannot take off 4" in below.body["message"]
        assert list(below.body["errors"]) == ["usages[1]"]
        assert (total.status, total.body["code"]) == (400, "UseBelowZero")
        assert list(total.body["errors"]) == ["usages[1]"]
        assert UsageRecord.objects.count() == 2

    def test_records_nothing_of_anybody_when_one_report_is_at_fault(self, acme, plan):
        a_subscription(a_customer(public_id="globex"), plan)
        rows = [
            {"customerId": "acme", "featureId": "images", "value": 3},
            {"customerId": "globex", "featureId": "images", "value": -1},
        ]

        answer = acme.post("usage", {"usages": rows})

        assert (answer.status, answer.body["code"]) == (400, "UseBelowZero")
        assert list(answer.body["errors"]) == ["usages[1]"]
        assert UsageRecord.objects.count() == 0
        assert acme.balance("acme", "ai") == 5000

    def test_never_brings_the_use_of_an_earlier_period_below_zero(self, acme):
        """R38: a late report counts in the period that it is of."""
        report(acme, 5)
        january, acme.now = acme.now, acme.now + timedelta(days=40)
        report(acme, 7)
        row = {"customerId": "acme", "featureId": "images", "createdAt": january}

        allowed = acme.post("usage", {"usages": [{**row, "value": -5}]})
        refused = acme.post("usage", {"usages": [{**row, "value": -1}]})

        assert (allowed.status, refused.status) == (201, 400)
        assert allowed.data[0]["currentUsage"] == 7

    def test_refuses_use_of_the_future_and_names_it(self, acme):
        """R38, F9."""
        rows = [
            {"customerId": "acme", "featureId": "images", "value": 1, "createdAt": NOW + ahead}
            for ahead in (timedelta(minutes=5), timedelta(minutes=6))
        ]

        answer = acme.post("usage", {"usages": rows})

        assert (answer.status, answer.body["code"]) == (400, "UsedInTheFuture")
        assert list(answer.body["errors"]) == ["usages[1]"]
        assert UsageRecord.objects.count() == 0
        assert acme.post("usage", {"usages": rows[:1]}).status == 201

    def test_refuses_what_would_cost_more_than_any_amount(self, acme):
        """R46, F17."""
        row = {"customerId": "acme", "featureId": "images", "value": 10**12}

        answer = acme.post("usage", {"usages": [row]})

        assert (answer.status, answer.body["code"]) == (400, "CostTooLarge")
        assert UsageRecord.objects.count() == 0


class TestEstimate:
    def estimate(self, acme: Application, **fields: object) -> dict:
        body = {"customerId": "acme", "featureId": "images", "value": 7}
        answer = acme.post("usage/estimate", {**body, **fields})
        assert answer.status == 200
        assert_shape(answer.data, ESTIMATE)
        return answer.data

    def test_says_what_a_report_would_cost(self, acme):
        """R41."""
        [estimate] = self.estimate(acme)["estimates"]

        assert estimate["estimatedCost"] == 70
        assert estimate["balanceAfterEstimate"] == 4930
        assert UsageRecord.objects.count() == 0

    def test_says_what_the_rise_of_a_total_would_cost(self, acme):
        report(acme, 5)

        risen = self.estimate(acme, updateBehavior="SET")
        fallen = self.estimate(acme, updateBehavior="SET", value=4)

        assert risen["estimates"][0]["estimatedCost"] == 20
        assert fallen["estimates"][0]["estimatedCost"] == 0

    @pytest.mark.parametrize(
        ("feature", "warning"),
        [("unheard-of", "FEATURE_NOT_FOUND"), ("seats", "FEATURE_NOT_CREDIT_BASED")],
    )
    def test_warns_of_features_that_cost_nothing(self, acme, feature, warning):
        assert self.estimate(acme, featureId=feature) == {"estimates": [], "warnings": [warning]}

    @pytest.mark.parametrize(
        ("fields", "message"),
        [
            ({"value": -1, "updateBehavior": "SET"}, "The use of images cannot be set below 0."),
            ({"value": -4}, "AI Image Generation was used 3 times: a report cannot take off 4."),
        ],
    )
    def test_refuses_what_a_report_would_be_refused_for(self, acme, fields, message):
        report(acme, 3)
        body = {"customerId": "acme", "featureId": "images", **fields}

        answer = acme.post("usage/estimate", body)

        assert (answer.status, answer.body["code"]) == (400, "UseBelowZero")
        assert answer.body["errors"] == {"value": [message]}

    def test_costs_nothing_where_it_takes_off_what_was_used(self, acme):
        report(acme, 3)

        assert self.estimate(acme, value=-3)["estimates"][0]["estimatedCost"] == 0


class TestHistory:
    def test_shows_how_use_grew_and_began_again(self, acme):
        report(acme, 5)
        acme.now = NOW.replace(day=20)
        report(acme, 2)
        acme.now = NOW.replace(month=2, day=3)
        report(acme, 1)
        acme.now = NOW.replace(month=2, day=4)

        answer = acme.get("usage/acme/history/images", startDate="2026-01-19T00:00:00Z")

        assert answer.status == 200
        assert_shape(answer.data, HISTORY)
        assert answer.data["markers"] == [
            {"timestamp": "2026-02-01T10:00:00.000Z", "type": "PERIODIC_RESET"}
        ]
        [series] = answer.data["series"]
        points = {point["timestamp"]: point["value"] for point in series["points"]}
        assert points["2026-01-20T00:00:00.000Z"] == 5
        assert points["2026-01-21T00:00:00.000Z"] == 7
        assert points["2026-02-01T00:00:00.000Z"] == 7
        assert points["2026-02-02T00:00:00.000Z"] == 0
        assert points["2026-02-04T00:00:00.000Z"] == 1
        resets = [point["timestamp"] for point in series["points"] if point["isResetPoint"]]
        assert resets == ["2026-02-01T10:00:00.000Z"]

    def test_does_not_take_the_beginning_for_a_reset(self, acme):
        acme.now = NOW.replace(day=2)

        answer = acme.get("usage/acme/history/images", startDate="2025-12-20T00:00:00Z")

        assert answer.data["markers"] == []

    def test_parts_use_by_dimension(self, acme):
        for model in ("large", "small", "large"):
            event = {
                "customerId": "acme",
                "eventName": "image",
                "idempotencyKey": f"{model}-{UsageRecord.objects.count()}",
                "dimensions": {"model": model},
            }
            acme.post("events", {"events": [event]})
        acme.now = NOW.replace(day=2)

        answer = acme.get(
            "usage/acme/history/images", startDate="2026-01-01T00:00:00Z", groupBy="model"
        )

        totals = {
            series["tags"][0]["value"]: series["points"][-1]["value"]
            for series in answer.data["series"]
        }
        assert totals == {"large": 2, "small": 1}

    @pytest.mark.parametrize(
        "query",
        [
            {},
            {"startDate": "never"},
            {"startDate": "2026-03-01T00:00:00Z"},
            {"startDate": "2026-01-01T00:00:00Z", "endDate": "2025-01-01T00:00:00Z"},
            {"startDate": "2025-12-01T00:00:00Z", "groupBy": "a,b,c,d"},
            {"startDate": "2025-12-01T00:00:00Z", "groupBy": "a b"},
        ],
    )
    def test_refuses_ranges_that_make_no_sense(self, acme, query):
        answer = acme.get("usage/acme/history/images", **query)

        assert answer.status == 400
        assert_shape(answer.body, REFUSAL)

    def test_refuses_what_is_not_there(self, acme):
        query = {"startDate": "2025-12-01T00:00:00Z"}

        assert acme.get("usage/nobody/history/images", **query).status == 404
        assert acme.get("usage/acme/history/unheard-of", **query).status == 404
        assert acme.get("usage/acme/history/images", resourceId="x", **query).status == 404

    def test_takes_the_same_statements_however_much_was_used(self, acme):
        query = {"startDate": "2025-12-01T00:00:00Z"}
        acme.get("usage/acme/history/images", **query)
        with CaptureQueriesContext(connection) as few:
            acme.get("usage/acme/history/images", **query)
        report(acme, 1, 2, 3)

        with CaptureQueriesContext(connection) as many:
            acme.get("usage/acme/history/images", **query)

        assert len(many) == len(few)
