import json
from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from credits import consumption
from credits.book import EntryType
from credits.consumption import Demand
from credits.models import Consumption, LedgerEntry, Pool
from subscriptions import customers
from tests.application import Application
from tests.builders import NOW, a_credit_type, a_customer, a_resource
from tests.credits.api.shapes import CONSUMPTION, REFUSAL, assert_shape
from workspace import keys
from workspace.actors import SYSTEM
from workspace.models import Activity, KeyKind


@pytest.fixture
def acme(application: Application) -> Application:
    """Acme holds 100 AI Credits, given away."""
    a_credit_type(public_id="ai")
    a_customer(public_id="acme")
    application.grant("acme", "ai", 100)
    return application


def rows(*amounts: object, customer: str = "acme", credit_type: str = "ai") -> dict:
    """A batch of demands with keys of their own."""
    return {
        "consumptions": [
            {
                "customerId": customer,
                "currencyId": credit_type,
                "amount": amount,
                "idempotencyKey": f"row-{number}",
            }
            for number, amount in enumerate(amounts)
        ]
    }


class TestConsume:
    def test_takes_credits_and_says_what_is_left(self, acme):
        answer = acme.consume("acme", "ai", 12.5, "k1", dimensions={"model": "l", "n": 2.5})

        assert answer.status == 200
        assert_shape(answer.data, CONSUMPTION)
        assert answer.data["amount"] == Decimal("12.5")
        assert answer.data["credit"]["currentUsage"] == Decimal("12.5")
        assert answer.data["credit"]["usageLimit"] == 100
        assert acme.balance("acme", "ai") == Decimal("87.5")

    def test_repeats_nothing_under_the_same_key(self, acme):
        """R40: whatever the amount; the answer is marked."""
        acme.consume("acme", "ai", 10, "k1")

        again = acme.consume("acme", "ai", 25, "k1")

        assert again.status == 200
        assert again.data["amount"] == 0
        assert again.data["credit"]["currentUsage"] == 10
        assert again.headers["Idempotency-Replayed"] == "true"
        assert acme.balance("acme", "ai") == 90
        repeated = "credit_consumption.repeated_differently"
        assert Activity.objects.filter(event=repeated).count() == 1

    def test_goes_below_zero_unless_it_is_strict(self, acme):
        """R37."""
        refused = acme.consume("acme", "ai", 101, "k1", strict=True)
        taken = acme.consume("acme", "ai", 101, "k1")

        assert refused.status == 409
        assert refused.body["code"] == "InsufficientCredits"
        assert refused.headers["x-should-retry"] == "false"
        assert taken.data["amount"] == 101
        assert acme.balance("acme", "ai") == -1

    def test_needs_neither_feature_nor_subscription_nor_grant(self, acme):
        """R39."""
        a_customer(public_id="new")

        acme.consume("new", "ai", 3, "k")

        assert acme.balance("new", "ai") == -3

    def test_keeps_the_time_of_the_use_beside_that_of_its_processing(self, acme):
        """R38."""
        answer = acme.consume("acme", "ai", 1, "k", createdAt="2025-12-31T23:00:00+02:00")

        consumed = Consumption.objects.get(key="k")
        assert answer.data["timestamp"] == "2025-12-31T21:00:00.000Z"
        assert consumed.used_at.isoformat() == "2025-12-31T21:00:00+00:00"
        assert consumed.recorded_at == NOW

    def test_takes_from_the_resource_it_names(self, acme):
        a_resource(customers.find("acme"), "project")

        acme.consume("acme", "ai", 5, "k", resourceId="project")
        acme.consume("acme", "ai", 6, "k", resourceId=None)

        assert acme.balance("acme", "ai", resourceId="project") == -5
        assert acme.balance("acme", "ai") == 94

    def test_answers_alike_under_the_same_header(self, acme):
        """End of R40."""
        body = rows(5)["consumptions"][0]

        first = acme.post("credits/consumption", body, idempotency_key="header")
        again = acme.post("credits/consumption", body, idempotency_key="header")
        other = acme.post("credits/consumption", {**body, "amount": 6}, idempotency_key="header")

        assert again.body == first.body
        assert again.headers["Idempotency-Replayed"] == "true"
        assert other.status == 422
        assert acme.balance("acme", "ai") == 95

    def test_takes_the_same_statements_however_long_the_history(self, acme):
        acme.consume("acme", "ai", 1, "first")
        with CaptureQueriesContext(connection) as few:
            acme.consume("acme", "ai", 1, "second")
        for number in range(5):
            acme.consume("acme", "ai", 1, f"k{number}")

        with CaptureQueriesContext(connection) as many:
            acme.consume("acme", "ai", 1, "last")

        assert len(many) == len(few)

    def test_takes_one_statement_more_than_the_verb_and_on_postgresql_none(self, acme):
        """The key comes along with what finds the pool, and there with all of it."""
        acme.consume("acme", "ai", 1, "first")
        path, now = "/api/v1/credits/consumption", acme.now
        pool = Pool.objects.get(customer__public_id="acme")
        with CaptureQueriesContext(connection) as verb:
            demand = Demand(Decimal(1), "second", now)
            consumption.consume(pool_id=pool.pk, demand=demand, actor=SYSTEM, now=now)

        with CaptureQueriesContext(connection) as posted:
            acme.post(path, rows(1)["consumptions"][0])

        assert len(posted) == len(verb) + (connection.vendor == "sqlite")

    @pytest.mark.skipif(connection.vendor == "sqlite", reason="has no functions")
    @pytest.mark.django_db(transaction=True)
    def test_is_one_statement_on_postgresql(self, acme):
        acme.consume("acme", "ai", 1, "notes that the key is used, for a minute")

        with CaptureQueriesContext(connection) as posted:
            acme.consume("acme", "ai", 1, "second")

        assert len(posted) == 1
        assert acme.balance("acme", "ai") == 98

    def test_is_written_down_with_who_asked(self, acme):
        """R52."""
        acme.consume("acme", "ai", 1, "k")

        who = ("API_KEY", "Application")
        assert Consumption.objects.values_list("actor_kind", "actor").get() == who
        entries = LedgerEntry.objects.filter(type=EntryType.CONSUMED)
        assert entries.values_list("actor_kind", "actor").get() == who

    def test_takes_nothing_for_keys_that_ask_too_often(self, acme, settings):
        """X8."""
        settings.STIPEND_RATE_LIMIT = "2/minute"

        statuses = [acme.consume("acme", "ai", 1, f"k{number}").status for number in range(4)]

        settings.STIPEND_RATE_LIMIT = ""
        assert statuses == [200, 200, 429, 429]
        assert acme.balance("acme", "ai") == 98

    @pytest.mark.parametrize(("scope", "status"), [("credits:write", 200), ("usage:write", 403)])
    def test_asks_how_far_the_key_reaches(self, acme, scope, status):
        """X3."""
        made = keys.create(name="Meter", kind=KeyKind.SCOPED, scopes=[scope], actor=SYSTEM, now=NOW)
        acme.client.defaults["HTTP_X_API_KEY"] = made.raw

        assert acme.consume("acme", "ai", 1, "k").status == status
        assert Pool.objects.get().balance == (99 if status == 200 else 100)

    def test_asks_for_a_key_before_anything_else(self, acme):
        """X1."""
        made = keys.create(name="Gone", kind=KeyKind.FULL, actor=SYSTEM, now=NOW)
        keys.revoke(key_id=made.key.pk, actor=SYSTEM, now=NOW)
        body = json.dumps(rows(1)["consumptions"][0])

        for sent in ("", "nonsense", acme.key[:-1], made.raw):
            acme.client.defaults["HTTP_X_API_KEY"] = sent
            for text in (body, "{", "[]", "", '{"amount":0}'):
                assert acme.send("credits/consumption", text).status == 401

        assert Pool.objects.get(customer__public_id="acme").balance == 100

    def test_is_refused_to_keys_that_only_read(self, acme):
        reading = Application(KeyKind.READ_ONLY)

        assert reading.consume("acme", "ai", 1, "k").status == 403
        assert reading.send("credits/consumption", "{").status == 403
        assert acme.balance("acme", "ai") == 100

    def test_is_refused_for_customers_and_credits_that_are_not_there(self, acme):
        a_customer(public_id="gone")
        customers.archive(customer_id="gone", actor=SYSTEM, now=NOW)

        codes = [
            acme.consume("nobody", "ai", 1, "k"),
            acme.consume("acme", "unheard-of", 1, "k"),
            acme.consume("acme", "ai", 1, "k", resourceId="nowhere"),
            acme.consume("gone", "ai", 1, "k"),
        ]

        assert [(answer.status, answer.body["code"]) for answer in codes] == [
            (404, "CustomerNotFound"),
            (404, "UnknownCreditType"),
            (404, "CustomerResourceNotFound"),
            (409, "CustomerIsArchived"),
        ]


class TestConsumeBatch:
    def test_takes_all_rows(self, acme):
        a_customer(public_id="other")
        batch = rows(1, 2.5, 3)
        batch["consumptions"][2]["customerId"] = "other"

        answer = acme.post("credits/consumption/async", batch)

        assert (answer.status, answer.body) == (200, {"data": {}})
        assert acme.balance("acme", "ai") == Decimal("96.5")
        assert acme.balance("other", "ai") == -3

    def test_says_where_nothing_was_new(self, acme):
        """R40."""
        acme.post("credits/consumption/async", rows(1))

        again = acme.post("credits/consumption/async", rows(1))
        both = acme.post("credits/consumption/async", rows(1, 2))

        assert again.headers["Idempotency-Replayed"] == "true"
        assert "Idempotency-Replayed" not in both.headers

    def test_takes_twins_once(self, acme):
        """R40, within a batch and beyond it."""
        batch = rows(5, 7)
        batch["consumptions"][1]["idempotencyKey"] = "row-0"

        acme.post("credits/consumption/async", batch)
        acme.post("credits/consumption/async", batch)

        assert acme.balance("acme", "ai") == 95

    def test_takes_none_if_one_is_malformed_and_names_it(self, acme):
        answer = acme.post("credits/consumption/async", rows(1, 0, 2))

        assert answer.status == 400
        assert answer.body["errors"] == {"consumptions[1].amount": ["The amount must be above 0."]}
        assert acme.balance("acme", "ai") == 100

    def test_takes_none_if_one_names_what_is_not_there(self, acme):
        batch = rows(1, 2, 3)
        batch["consumptions"][2]["customerId"] = "nobody"

        answer = acme.post("credits/consumption/async", batch)

        assert answer.status == 404
        assert answer.body["code"] == "CustomerNotFound"
        assert list(answer.body["errors"]) == ["consumptions[2]"]
        assert acme.balance("acme", "ai") == 100

    @pytest.mark.parametrize("size", [0, 1001])
    def test_refuses_batches_of_no_rows_and_of_too_many(self, acme, size):
        answer = acme.post("credits/consumption/async", rows(*[1] * size))

        assert answer.status == 400
        assert acme.balance("acme", "ai") == 100

    def test_takes_a_thousand_rows(self, acme):
        answer = acme.post("credits/consumption/async", rows(*[0.01] * 1000))

        assert answer.status == 200
        assert acme.balance("acme", "ai") == 90

    def test_takes_the_same_statements_for_two_rows_and_for_twenty(self, acme):
        acme.post("credits/consumption/async", rows(1))
        counts = []
        for size in (2, 20):
            batch = rows(*[0.5] * size)
            for row in batch["consumptions"]:
                row["idempotencyKey"] += f"-{size}"
            with CaptureQueriesContext(connection) as captured:
                acme.post("credits/consumption/async", batch)
            counts.append(len(captured))

        assert counts[0] == counts[1]


AMOUNTS = [
    *("0", "-0", "-1", "0.0000001", "1e-7", "1e400", "NaN", "Infinity", "-Infinity"),
    *('"1"', "true", "null", "[1]", '{"a":1}', '"١"', "01", "0x10", "1_000", "1" * 400),
    *("1000000000000", "9007199254740993.5", "1" + "0" * 30, '""', "1.5e", "+1"),
]


def body_with(amount: str) -> str:
    """A demand whose amount is written exactly so."""
    fields = '"customerId":"acme","currencyId":"ai","idempotencyKey":"k"'
    return f'{{{fields},"amount":{amount}}}'


class TestBadInput:
    """Refused in JSON, with nothing moved."""

    @pytest.mark.parametrize("amount", AMOUNTS)
    def test_amounts(self, acme, amount):
        body = body_with(amount)

        for path, text in (
            ("credits/consumption", body),
            ("credits/consumption/async", f'{{"consumptions":[{body}]}}'),
        ):
            answer = acme.send(path, text)

            assert answer.status == 400, amount
            assert_shape(answer.body, REFUSAL)
        assert acme.balance("acme", "ai") == 100

    @pytest.mark.parametrize("amount", ["123456789012.654321", "0.000001", "1e2", "1.10"])
    def test_exact_amounts_are_taken_exactly(self, acme, amount):
        answer = acme.send("credits/consumption", body_with(amount))

        assert answer.data["amount"] == Decimal(amount)
        assert acme.balance("acme", "ai") == 100 - Decimal(amount)

    @pytest.mark.parametrize("field", ["customerId", "currencyId", "idempotencyKey"])
    @pytest.mark.parametrize(
        "text",
        [None, 1, True, [], {}, "", " ", "a\0b", "\ud800", "a\u202eb", "x" * 100_000, "\r\nX: y"],
    )
    def test_texts(self, acme, field, text):
        body = rows(1)["consumptions"][0]

        wrong = acme.post("credits/consumption", {**body, field: text})
        missing = acme.post(
            "credits/consumption", {name: body[name] for name in body if name != field}
        )

        assert wrong.status == missing.status == 400
        assert_shape(wrong.body, REFUSAL)
        assert acme.balance("acme", "ai") == 100

    @pytest.mark.parametrize(
        "text",
        [
            "../../etc",
            "'; DROP TABLE x; --",
            "{{7*7}}",
            "<script>",
            "%00",
            "a/b",
            "ä",
            "-a",
            "😀" * 300,
        ],
    )
    def test_ids(self, acme, text):
        assert acme.consume(text, "ai", 1, "k").status == 400
        assert acme.consume("acme", text, 1, "k").status == 400
        assert acme.consume("acme", "ai", 1, "k", resourceId=text).status == 400
        assert acme.balance("acme", "ai") == 100

    @pytest.mark.parametrize("key", ["../../etc", "'; DROP TABLE x; --", "{{7*7}}", "<b>", "%00"])
    def test_keys_may_be_anything_that_shows(self, acme, key):
        answer = acme.consume("acme", "ai", 1, f"{key}😀")

        assert answer.status == 200

    @pytest.mark.parametrize(
        "date",
        [
            *("2026-02-30T10:00:00Z", "2026-01-01T25:00:00Z", "2026-01-01T10:00:00+99:00"),
            *("0000-01-01T00:00:00Z", "99999-01-01T00:00:00Z", "-2026-01-01T00:00:00Z"),
            *("2026-W01-1", "2026-01-01", "yesterday", "", 1767261600, True, None, []),
        ],
    )
    def test_dates(self, acme, date):
        answer = acme.consume("acme", "ai", 1, "k", createdAt=date)

        assert answer.status == 400
        assert acme.balance("acme", "ai") == 100

    def test_dates_to_come(self, acme):
        """R38, F9: late is fine; a clock may be five minutes ahead, not more."""
        ahead = {"createdAt": NOW + timedelta(minutes=6)}
        batch = rows(1, 1)
        batch["consumptions"][1] |= ahead

        one = acme.consume("acme", "ai", 1, "k", **ahead)
        several = acme.post("credits/consumption/async", batch)

        assert (one.status, one.body["code"]) == (400, "UsedInTheFuture")
        assert list(one.body["errors"]) == ["createdAt"]
        assert (several.status, several.body["code"]) == (400, "UsedInTheFuture")
        assert list(several.body["errors"]) == ["consumptions[1]"]
        assert acme.balance("acme", "ai") == 100
        just = NOW + timedelta(minutes=5)
        assert acme.consume("acme", "ai", 1, "k", createdAt=just).status == 200

    @pytest.mark.parametrize(
        "dimensions",
        [
            *([], "a", 1, None, {"a": None}, {"a": []}, {"a": {}}, {"": 1}, {"x" * 256: 1}),
            *({"a": "a\u202eb"}, {"a": "a\0b"}, {"a": "\u200b"}, {"\u200b": 1}),
            *({"a": "x" * 1025}, {f"d{n}": n for n in range(101)}, {"a": 10**40}, {"a\n": 1}),
        ],
    )
    def test_dimensions(self, acme, dimensions):
        answer = acme.consume("acme", "ai", 1, "k", dimensions=dimensions)

        assert answer.status == 400
        assert acme.balance("acme", "ai") == 100

    @pytest.mark.parametrize("strict", [1, "true", None, [], 0])
    def test_flags(self, acme, strict):
        assert acme.consume("acme", "ai", 1, "k", strict=strict).status == 400

    @pytest.mark.parametrize(
        "text",
        [
            *("", "nonsense", "[]", "null", '"text"', "1", "{", '{"a":1,"a":2}', "<xml/>"),
            *('{"amount":' * 3, "[" * 100_000, '{"amount":' + "9" * 50_000 + "}", "\ufeff{}"),
        ],
    )
    def test_bodies(self, acme, text):
        for path in ("credits/consumption", "credits/consumption/async", "events", "usage"):
            answer = acme.send(path, text)

            assert answer.status == 400
            assert_shape(answer.body, REFUSAL)
        assert acme.balance("acme", "ai") == 100

    def test_a_body_that_is_too_large(self, acme):
        answer = acme.send("credits/consumption", '{"a":"' + "x" * 3_000_000 + '"}')

        assert answer.status == 413

    @pytest.mark.parametrize(
        "path",
        [
            *("credits/consumption", "credits/consumption/async", "events", "usage"),
            *("events/estimate", "usage/estimate", "credits/grants/x/void"),
        ],
    )
    @pytest.mark.parametrize("method", ["get", "put", "patch", "delete"])
    def test_methods(self, acme, path, method):
        response = getattr(acme.client, method)(f"/api/v1/{path}")

        assert response.status_code == 405
        assert_shape(response.json(), REFUSAL)

    def test_never_writes_anything(self, acme):
        before = LedgerEntry.objects.count()

        acme.post("credits/consumption/async", rows(1, "2"))
        acme.post("credits/consumption/async", {"consumptions": {}})
        acme.post("credits/consumption/async", {"consumptions": [1]})

        assert LedgerEntry.objects.count() == before
