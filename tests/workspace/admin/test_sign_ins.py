import pytest
from django.test import Client

from tests.workspace.admin.conftest import Visitor
from tests.workspace.builders import a_user
from workspace.models import Activity, Role

LOGIN = "/admin/login/"


def entries() -> list[tuple[str, str, str]]:
    """Event, object and actor of all that was recorded."""
    rows = Activity.objects.order_by("pk")
    return [(row.event, row.subject_id, row.actor_name) for row in rows]


@pytest.mark.django_db
class TestSignIns:
    def test_are_remembered_with_where_from(self):
        """X20."""
        user = a_user(username="ada")

        Client().post(LOGIN, {"username": "ada", "password": "correct horse battery"})

        assert entries() == [("user.signed_in", str(user.pk), "ada")]
        assert Activity.objects.get().payload == {"address": "127.0.0.1"}

    def test_are_remembered_when_they_fail(self):
        user = a_user(username="ada")

        Client().post(LOGIN, {"username": "ada", "password": "a wrong secret"})

        assert entries() == [("user.sign_in_failed", str(user.pk), "System")]

    def test_keep_neither_passwords_nor_names_that_nobody_has(self):
        """People type their password into the wrong field."""
        Client().post(LOGIN, {"username": "my-secret", "password": "another-secret"})

        assert entries() == [("user.sign_in_failed", "unknown", "System")]
        assert "secret" not in str(Activity.objects.values())

    def test_are_remembered_when_they_end(self):
        user = a_user(username="ada")
        client = Client()
        client.post(LOGIN, {"username": "ada", "password": "correct horse battery"})

        client.post("/admin/logout/")

        assert entries()[-1] == ("user.signed_out", str(user.pk), "ada")

    def test_take_strange_names(self):
        for name in ("\0", "x" * 10_000, "%", "", "\u202e"):
            answer = Client().post(LOGIN, {"username": name, "password": "x"})
            assert answer.status_code == 200

        assert all(event == "user.sign_in_failed" for event, _, _ in entries())


@pytest.mark.django_db
class TestDeniedAccessMiddleware:
    def test_remembers_who_was_turned_away_from_where(self):
        """X20."""
        user = a_user(Role.READ_ONLY, username="ada")

        assert Visitor(user).get("/admin/workspace/user/?q=private").status_code == 403

        assert entries() == [("access.denied", str(user.pk), "ada")]
        assert Activity.objects.get().payload == {
            "method": "GET", "path": "/admin/workspace/user/", "address": "127.0.0.1",
        }  # fmt: skip

    def test_remembers_nothing_of_those_who_may(self):
        Visitor(a_user()).get("/admin/workspace/user/")

        assert entries() == []

    def test_shows_denials_to_administrators_only(self, client):
        reader = Visitor(a_user(Role.READ_ONLY))
        reader.get("/admin/workspace/user/")

        assert "Access denied" not in reader.get("/admin/workspace/activity/").content.decode()
        administrator = Visitor(a_user())
        assert "Access denied" in administrator.get("/admin/workspace/activity/").content.decode()
