import pytest

from tests.workspace.builders import NOW, an_actor
from workspace import keys
from workspace.models import ApiKey

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.workspace.api.urls")]


class TestApiKeyAuthentication:
    def test_lets_a_key_in(self, caller):
        answer = caller.post("/api/v1/echo", {})

        assert answer.status_code == 200
        assert answer.json()["data"]["actor"] == "Billing service"

    @pytest.mark.parametrize(
        "raw", [None, "", "wrong", "stipend_full_abc", "é", "a" * 5000, "' OR 1=1"]
    )
    def test_refuses_everybody_else(self, client, raw):
        """X1."""
        headers = {} if raw is None else {"X-API-KEY": raw}

        answer = client.get("/api/v1/keys", headers=headers)

        assert answer.status_code == 401
        assert answer["WWW-Authenticate"].startswith("ApiKey")
        assert answer["Content-Type"] == "application/json"
        assert answer.json()["code"] == "Unauthenticated"
        assert answer.json()["message"]

    def test_comes_before_anything_else(self, client):
        """X1: neither body, type, method, route, paging nor Accept is looked at."""
        for answer in (
            client.post("/api/v1/keys", b"{", content_type="application/json"),
            client.post("/api/v1/keys", b"x" * 3_000_000, content_type="text/xml"),
            client.delete("/api/v1/keys"),
            client.options("/api/v1/keys"),
            client.get("/api/v1/nothing-here"),
            client.get("/v1/nothing-here"),
            client.get("/api/v1/keys?limit=-1"),
            client.get("/api/v1/keys", headers={"Accept": "text/html"}),
            client.post("/api/v1/keys", headers={"Idempotency-Key": ""}),
        ):
            assert answer.status_code == 401

    def test_is_no_place_for_a_key_in_the_address(self, client, caller):
        assert client.get("/api/v1/keys", {"X-API-KEY": caller.made.raw}).status_code == 401

    def test_ends_with_the_key(self, caller):
        """X4."""
        keys.revoke(key_id=caller.made.key.pk, actor=an_actor(), now=NOW)

        assert caller.get("/api/v1/keys").status_code == 401

    def test_notes_the_last_use_after_the_answer(self, caller):
        caller.get("/api/v1/keys")

        assert ApiKey.objects.get().last_used_at is not None

    def test_ignores_a_signed_in_person(self, admin_client):
        """X15: cookies mean nothing to the API."""
        assert admin_client.get("/api/v1/keys").status_code == 401


class TestKeyScope:
    def test_lets_read_only_keys_read(self, reading_caller):
        assert reading_caller.get("/api/v1/keys").status_code == 200
        assert reading_caller.head("/api/v1/keys").status_code == 200

    def test_lets_them_change_nothing(self, reading_caller):
        """X3."""
        for send in (
            reading_caller.post,
            reading_caller.put,
            reading_caller.patch,
            reading_caller.delete,
        ):
            answer = send("/api/v1/keys", {"name": "another"})
            assert answer.status_code == 403
            assert answer.json()["code"] == "ReadOnlyKey"

        assert ApiKey.objects.count() == 1
