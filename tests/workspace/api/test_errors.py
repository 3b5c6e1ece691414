import pytest
from django.core.handlers.wsgi import LimitedStream

from workspace.models import User

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.workspace.api.urls")]


def refusal(answer, status, code):
    """The body of a refusal, after checking its shape."""
    body = answer.json()
    assert (answer.status_code, body["code"]) == (status, code), body
    assert set(body) == {"message", "code", "traceId", "errors"}
    assert body["message"]
    assert body["traceId"] == answer["X-Trace-Id"]
    assert answer["Content-Type"] == "application/json"
    assert answer["Cache-Control"] == "no-store"
    assert not User.objects.filter(username="half-way").exists()
    return body


class TestHandle:
    def test_names_the_field_as_callers_know_it(self, caller):
        body = refusal(caller.post("/api/v1/fail/bad"), 400, "BadInput")

        assert body["errors"] == {"unitCost": ["Too small."]}

    def test_names_the_rows_of_a_batch(self, caller):
        body = refusal(caller.post("/api/v1/fail/rows"), 400, "BadInput")

        assert body["errors"] == {"usages[1]": ["Low."], "usages[3]": ["High."]}

    def test_tells_clients_not_to_repeat_a_lasting_conflict(self, caller):
        answer = caller.post("/api/v1/fail/conflict")

        refusal(answer, 409, "SubscriptionExists")
        assert answer["x-should-retry"] == "false"

    def test_tells_clients_when_to_come_back(self, caller):
        answer = caller.post("/api/v1/fail/busy")

        refusal(answer, 503, "Busy")
        assert answer["Retry-After"] == "1"

    def test_answers_503_while_the_database_is_away(self, caller, caplog):
        """F3."""
        answer = caller.post("/api/v1/fail/database")

        body = refusal(answer, 503, "Busy")
        assert answer["Retry-After"]
        assert "secret" not in str(body)
        assert "secret.internal" in caplog.text

    def test_answers_408_to_a_body_that_does_not_arrive(self, caller, monkeypatch):
        """F21."""

        def fail(stream: object, size: int) -> bytes:
            raise OSError

        monkeypatch.setattr(LimitedStream, "read", fail)

        refusal(caller.send("/api/v1/keys", b'{"name": "new"}'), 408, "RequestTimeout")

    def test_keeps_a_bug_to_itself(self, caller, caplog):
        """X7."""
        caller.raise_request_exception = False

        body = refusal(caller.post("/api/v1/fail/bug"), 500, "InternalError")

        assert "secret" not in str(body)
        assert "secret detail" in caplog.text

    def test_names_fields_deep_inside(self, caller):
        body = refusal(
            caller.post("/api/v1/lines", {"lines": [{"unitAmount": 1}, {"unitAmount": 0}, {}]}),
            400,
            "InvalidInput",
        )

        assert body["errors"] == {
            "lines[1].unitAmount": ["The amount must be above 0."],
            "lines[2].unitAmount": ["This field is required."],
        }
        assert body["message"] == "lines[1].unitAmount: The amount must be above 0."

    @pytest.mark.parametrize("length", [1000, 100_000])
    def test_repeats_no_more_of_a_long_text_than_people_read(self, caller, length):
        answer = caller.get("/api/v1/echo", {"status": "x" * length})

        body = refusal(answer, 400, "InvalidInput")
        assert body["message"].endswith('x" is not a valid choice.')
        assert len(answer.content) < 1000

    @pytest.mark.parametrize("body", ["[]", '"x"', "1", "null"])
    def test_refuses_a_body_that_is_no_object(self, caller, body):
        refusal(caller.send("/api/v1/keys", body.encode()), 400, "InvalidInput")

    def test_refuses_a_body_that_is_no_json(self, caller):
        refusal(caller.send("/api/v1/keys", b"{"), 400, "MalformedBody")

    @pytest.mark.parametrize(
        "content_type",
        ["text/plain", "application/xml", "application/x-www-form-urlencoded", "", "x", "*/*"],
    )
    def test_refuses_other_content(self, caller, content_type):
        refusal(caller.send("/api/v1/keys", b"a=1", content_type), 415, "UnsupportedMediaType")

    @pytest.mark.parametrize(
        "content_type", ["Application/JSON", "application/json ; charset=utf-8"]
    )
    def test_takes_json_however_it_is_spelt(self, caller, content_type):
        assert caller.send("/api/v1/echo", b'{"a":1}', content_type).status_code == 200

    def test_refuses_large_bodies(self, caller):
        """X8."""
        body = b'{"name": "%s"}' % (b"a" * 3_000_000)

        refusal(caller.send("/api/v1/keys", body), 413, "BodyTooLarge")

    def test_refuses_methods_outside_the_contract(self, caller):
        for send in (caller.put, caller.patch, caller.delete, caller.options):
            refusal(send("/api/v1/keys"), 405, "MethodNotAllowed")

    def test_answers_unknown_routes_in_json(self, caller):
        for address in ("/api/v1/nothing", "/api/", "/v1/x/y", "/api/v1/keys/", "/api/v1/k%00"):
            refusal(caller.get(address), 404, "NotFound")
            refusal(caller.post(address), 404, "NotFound")


class TestServerError:
    def test_speaks_json_where_the_api_lives(self, rf):
        from workspace.api.errors import bad_request, server_error

        assert server_error(rf.get("/api/v1/keys")).status_code == 500
        assert server_error(rf.get("/api/v1/keys"))["Content-Type"] == "application/json"
        assert bad_request(rf.get("/v1/x"), Exception())["Content-Type"] == "application/json"
        assert server_error(rf.get("/admin/"))["Content-Type"].startswith("text/html")
