import pytest
from django.db import OperationalError, connection
from django.test import Client


class TestHealthMiddleware:
    def test_says_that_the_process_lives_without_a_look_at_anything(
        self, db, django_assert_num_queries
    ):
        with django_assert_num_queries(0):
            answer = Client().get("/livez")

        assert (answer.status_code, answer.json()) == (200, {"status": "ok"})
        assert answer["Cache-Control"] == "no-store"

    def test_says_that_it_can_work_after_one_question(self, db, django_assert_num_queries):
        with django_assert_num_queries(1):
            answer = Client().get("/readyz")

        assert (answer.status_code, answer.json()) == (200, {"status": "ok"})

    def test_wants_no_requests_while_the_database_is_away(self, db, monkeypatch):
        """F3."""

        def fail(*args: object) -> None:
            raise OperationalError("host=secret.internal refused")

        with monkeypatch.context() as patch:
            patch.setattr(connection, "cursor", fail)
            alive, ready = Client().get("/livez"), Client().get("/readyz")

        assert (alive.status_code, ready.status_code) == (200, 503)
        assert ready["Retry-After"] == "1"
        assert ready.json()["code"] == "Busy"
        assert ready.json()["traceId"] == ready["X-Trace-Id"]
        assert "secret" not in ready.content.decode()

    @pytest.mark.parametrize("path", ["/livez", "/readyz"])
    def test_answers_under_any_name_and_in_plain_text(self, db, settings, path):
        settings.ALLOWED_HOSTS = ["stipend.example"]
        settings.SECURE_SSL_REDIRECT = True

        assert Client().get(path, headers={"Host": "10.0.0.7"}).status_code == 200

    @pytest.mark.parametrize("path", ["/livez", "/readyz"])
    def test_takes_nothing(self, db, path):
        assert Client().head(path).status_code == 200
        assert Client().post(path).status_code == 405
        assert Client().get(f"{path}/").status_code == 404
