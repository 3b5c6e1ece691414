from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from types import SimpleNamespace

import pytest
from django.db import OperationalError

from tests.workspace.api.urls import LinesReader
from workspace.api.terms import Terms
from workspace.api.views import ApiView
from workspace.models import ApiKey, IdempotentAnswer

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.workspace.api.urls")]
KEYS = "/api/v1/keys"


def names():
    return sorted(ApiKey.objects.values_list("name", flat=True))


class TestApiView:
    def test_takes_no_body_for_an_empty_one(self, caller):
        """The official client sends none, and still says application/json."""
        for answer in (
            caller.send("/api/v1/echo", b""),
            caller.generic("POST", "/api/v1/echo"),
            caller.generic("POST", "/api/v1/echo", content_type="application/json"),
        ):
            assert answer.status_code == 200
            assert answer.json()["data"]["body"] == {}

    def test_hands_numbers_through_to_the_digit(self, caller):
        answer = caller.send("/api/v1/echo", b'{"a":123456789012345.678901,"b":10.0}')

        assert answer.content.startswith(b'{"data":{"body":{"a":123456789012345.678901,"b":10}')

    def test_is_never_stored_on_the_way(self, caller):
        assert caller.get(KEYS)["Cache-Control"] == "no-store"

    def test_reads_filters(self, caller):
        answer = caller.get("/api/v1/echo?status=A&status=B&createdAt[gte]=2026-10-01T10:00:00")

        assert answer.json()["data"]["filter"]["status"] == ["A", "B"]

    def test_ignores_parameters_that_nobody_knows_but_no_filters(self, caller):
        plain = caller.get("/api/v1/echo?colour=red&name=a")
        filters = [caller.get(f"/api/v1/echo?{query}") for query in ("at[gte]=1", "status[in]=A")]

        assert plain.json()["data"]["filter"] == {"name": "a"}
        for name, answer in zip(("at[gte]", "status[in]"), filters, strict=True):
            assert answer.status_code == 400
            assert answer.json()["errors"] == {
                name: ["There is no such filter. Those with brackets: createdAt[…]."]
            }

    def test_keeps_nothing_of_one_request_for_the_next(self, caller):
        paths = ["echo?name=a&status=A", "echo?name=%00", "echo?status=B", "echo"]

        answers = [caller.get(f"/api/v1/{path}").json() for path in paths]

        filters = [answer.get("data", {}).get("filter") for answer in answers]
        assert filters == [{"name": "a", "status": ["A"]}, None, {"status": ["B"]}, {}]

    def test_refuses_the_same_question_every_time(self, caller):
        answers = [caller.get("/api/v1/echo?status=C").json() for _ in range(2)]

        assert [answer["code"] for answer in answers] == ["InvalidInput"] * 2

    def test_reads_for_many_at_once(self):
        def read(number: int) -> list[Decimal]:
            view = ApiView()
            view.terms = Terms(body=LinesReader)
            body = {"lines": [{"unitAmount": number}] * 20}
            view.request = SimpleNamespace(method="POST", data=body)  # type: ignore[assignment]
            return [line["unit_amount"] for line in view.read_body()["lines"]]

        with ThreadPoolExecutor(8) as threads:
            found = list(threads.map(read, range(1, 200)))

        assert found == [[Decimal(number)] * 20 for number in range(1, 200)]

    def test_speaks_json_whatever_is_accepted(self, caller):
        answer = caller.get(KEYS, headers={"Accept": "text/html, application/xml"})

        assert answer["Content-Type"] == "application/json"


class TestIdempotencyKey:
    def post(self, caller, name="new", key="k-1", path=KEYS):
        return caller.post(path, {"name": name}, headers={"Idempotency-Key": key})

    def test_takes_effect_once_with_one_answer(self, caller):
        """R40, end."""
        first = self.post(caller)
        again = self.post(caller)

        assert (first.status_code, again.status_code) == (201, 201)
        assert again.content == first.content
        assert again["Idempotency-Replayed"] == "true"
        assert "Idempotency-Replayed" not in first
        assert names() == ["Billing service", "new"]

    def test_refuses_other_content_or_another_address(self, caller):
        """R40, end: 422."""
        self.post(caller)

        for answer in (
            self.post(caller, name="other"),
            self.post(caller, path="/api/v1/other-keys"),
            self.post(caller, path=f"{KEYS}?x=1"),
        ):
            assert answer.status_code == 422
            assert answer.json()["code"] == "IdempotencyKeyReused"
        assert names() == ["Billing service", "new"]

    def test_takes_other_spelling_for_the_same_content(self, caller):
        sent = [b'{"name": "new", "size": 1.50}', b'{"size":1.5,"name":"\\u006eew"}']

        answers = [caller.send(KEYS, body, **{"Idempotency-Key": "k"}) for body in sent]

        assert [answer.status_code for answer in answers] == [201, 201]
        assert names() == ["Billing service", "new"]

    def test_does_nothing_without_the_header(self, caller):
        for _ in range(2):
            caller.post(KEYS, {"name": "new"})

        assert names() == ["Billing service", "new", "new"]

    def test_keeps_a_refused_key_free(self, caller):
        assert self.post(caller, name="").status_code == 400
        assert self.post(caller, name="new").status_code == 201

    def test_refuses_an_impossible_key(self, caller):
        answer = self.post(caller, key="k" * 256)

        assert answer.status_code == 400
        assert answer.json()["code"] == "InvalidIdempotencyKey"
        assert names() == ["Billing service"]

    def test_stores_nothing_when_storing_the_answer_fails(self, caller, monkeypatch):
        """F1: change and answer are one."""

        def fail(*args, **kwargs):
            raise OperationalError("disk full")

        monkeypatch.setattr(IdempotentAnswer, "save", fail)

        assert self.post(caller).status_code == 503
        assert names() == ["Billing service"]

        monkeypatch.undo()

        assert self.post(caller).status_code == 201
        assert names() == ["Billing service", "new"]
