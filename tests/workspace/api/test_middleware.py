import pytest
from django.test import Client

from tests.workspace.api.conftest import Caller

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.workspace.api.urls")]


@pytest.fixture
def pages_fail(settings):
    """Everything behind the short way breaks."""
    at = settings.MIDDLEWARE.index("workspace.api.middleware.ApiMiddleware")
    before = settings.MIDDLEWARE[: at + 1]
    settings.MIDDLEWARE = [*before, "tests.workspace.api.test_middleware.fail"]


def fail(get_response):
    def middleware(request):
        raise AssertionError("Pages only.")

    return middleware


class TestApiMiddleware:
    def test_leads_past_what_pages_need(self, pages_fail):
        caller = Caller()

        assert caller.get("/api/v1/keys").status_code == 200
        assert caller.post("/api/v1/echo", {"a": 1}).json()["data"]["body"] == {"a": 1}
        assert caller.get("/v1/nothing").status_code == 404

    def test_leaves_everything_else_to_them(self, pages_fail):
        for path in ("/", "/page", "/apia/v1/keys"):
            with pytest.raises(AssertionError, match="Pages only"):
                Client().get(path)

    def test_answers_no_name_that_is_not_ours(self, settings):
        settings.ALLOWED_HOSTS = ["stipend.example"]
        caller = Caller()

        allowed = caller.get("/api/v1/keys", headers={"Host": "stipend.example"})
        refused = caller.get("/api/v1/keys", headers={"Host": "evil.example"})

        assert (allowed.status_code, refused.status_code) == (200, 400)
        assert refused.json()["code"] == "BadRequest"

    def test_keeps_the_headers_that_protect(self, caller):
        """X14."""
        headers = caller.get("/api/v1/keys").headers

        assert headers["Cache-Control"] == "no-store"
        assert headers["Content-Security-Policy"] == "default-src 'none'; frame-ancestors 'none'"
        assert headers["X-Frame-Options"] == "DENY"
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "same-origin"
        assert headers["Allow"] == "GET, POST, HEAD"
        assert len(headers["X-Trace-Id"]) == 32

    def test_says_how_long_an_answer_is(self, caller):
        answers = [
            caller.get("/api/v1/keys"),
            caller.get("/api/v1/nothing"),
            caller.post("/api/v1/keys", {"name": "new"}, headers={"Idempotency-Key": "k"}),
        ]

        for answer in answers:
            assert int(answer["Content-Length"]) == len(answer.content)

    def test_sets_no_cookie(self, admin_client):
        """X15."""
        assert not admin_client.get("/api/v1/keys").cookies
