import pytest

from catalog.archiving import archive_credit_type
from catalog.models import CreditType
from tests.builders import NOW, a_credit_type, a_published_addon, a_published_plan, some_credits
from tests.catalog.api.conftest import STRANGE_TEXTS
from workspace.actors import SYSTEM

pytestmark = pytest.mark.django_db

LIST = "/api/v1/credits/custom-currencies"


class TestCreditTypes:
    def test_creates_one(self, caller):
        """R2."""
        answer = caller.post(
            LIST,
            {
                "id": "ai-credits",
                "displayName": "AI Credits",
                "symbol": "✦",
                "description": "For images",
                "units": {"singular": "credit", "plural": "credits"},
                "metadata": {"team": "growth"},
            },
        )

        stored = CreditType.objects.get()
        assert answer.status_code == 201
        body = answer.json()["data"]
        created_at = body.pop("createdAt")
        assert created_at == body.pop("updatedAt")
        assert created_at.endswith("Z")
        assert body == {
            "id": "ai-credits",
            "displayName": "AI Credits",
            "symbol": "✦",
            "description": "For images",
            "units": {"singular": "credit", "plural": "credits"},
            "metadata": {"team": "growth"},
            "archivedAt": None,
        }
        assert stored.unit_plural == "credits"

    def test_sends_every_key_of_an_empty_one(self, caller):
        body = caller.post(LIST, {"id": "ai", "displayName": "AI"}).json()["data"]

        assert (body["symbol"], body["description"], body["units"]) == (None, None, None)
        assert body["metadata"] == {}

    @pytest.mark.parametrize("name", STRANGE_TEXTS)
    def test_refuses_strange_names(self, caller, name):
        answer = caller.post(LIST, {"id": "ai", "displayName": name})

        assert answer.status_code == 400
        assert answer.json()["message"]
        assert not CreditType.objects.exists()

    @pytest.mark.parametrize("public_id", ["", "a b", "-a", "a/b", "ä", "a" * 256, None, 5, {}])
    def test_refuses_ids_that_are_none(self, caller, public_id):
        """R1."""
        answer = caller.post(LIST, {"id": public_id, "displayName": "AI"})

        assert answer.status_code == 400
        assert list(answer.json()["errors"]) == ["id"]

    @pytest.mark.parametrize(
        "units", [{"singular": "credit"}, {"plural": "credits"}, {}, "credits", 5]
    )
    def test_wants_both_units(self, caller, units):
        """R2."""
        answer = caller.post(LIST, {"id": "ai", "displayName": "AI", "units": units})

        assert answer.status_code == 400
        assert not CreditType.objects.exists()

    def test_answers_a_taken_id_with_a_lasting_conflict(self, caller):
        a_credit_type(public_id="ai")

        answer = caller.post(LIST, {"id": "ai", "displayName": "AI"})

        assert answer.status_code == 409
        assert answer["x-should-retry"] == "false"
        assert list(answer.json()["errors"]) == ["id"]

    def test_lists_active_ones_unless_asked(self, caller):
        a_credit_type(public_id="active")
        old = a_credit_type(public_id="old")
        archive_credit_type(credit_type_id=old.pk, actor=SYSTEM, now=NOW)

        def ids(query: str = "") -> list[str]:
            return [row["id"] for row in caller.get(LIST + query).json()["data"]]

        assert ids() == ["active"]
        assert ids("?status=") == ["active"]
        assert ids("?status=ARCHIVED") == ["old"]
        assert sorted(ids("?status=ACTIVE,ARCHIVED")) == ["active", "old"]
        assert caller.get(LIST + "?status=OTHER").status_code == 400

    def test_pages_newest_first(self, caller):
        for number in range(3):
            a_credit_type(public_id=f"type-{number}")

        first = caller.get(LIST + "?limit=2").json()
        second = caller.get(LIST, {"limit": 2, "after": first["pagination"]["next"]}).json()

        assert [row["id"] for row in first["data"]] == ["type-2", "type-1"]
        assert [row["id"] for row in second["data"]] == ["type-0"]
        assert second["pagination"]["next"] is None

    def test_lets_read_only_keys_read_alone(self, reading_caller):
        assert reading_caller.get(LIST).status_code == 200
        assert reading_caller.post(LIST, {"id": "a", "displayName": "A"}).status_code == 403

    def test_needs_a_key(self, client):
        assert client.get(LIST).status_code == 401

    def test_has_no_other_methods(self, caller):
        assert caller.put(LIST, {}).status_code == 405
        assert caller.delete(LIST).status_code == 405


class TestOneCreditType:
    def test_changes_what_is_given(self, caller):
        a_credit_type(public_id="ai", description="Old", symbol="✦")

        body = caller.patch(f"{LIST}/ai", {"displayName": "New", "symbol": ""}).json()["data"]

        assert (body["displayName"], body["symbol"], body["description"]) == ("New", None, "Old")

    def test_takes_null_for_nothing(self, caller):
        a_credit_type(public_id="ai", description="Old", metadata={"a": "b"})

        body = caller.patch(f"{LIST}/ai", {"description": None, "metadata": None}).json()["data"]

        assert (body["description"], body["metadata"]) == (None, {})

    def test_ignores_what_cannot_be_changed(self, caller):
        """X6."""
        a_credit_type(public_id="ai")

        body = caller.patch(f"{LIST}/ai", {"id": "other", "archivedAt": "2026-01-01"}).json()

        assert (body["data"]["id"], body["data"]["archivedAt"]) == ("ai", None)

    @pytest.mark.parametrize("public_id", ["nobody", "a" * 5000, "%00", "a%2Fb", "a.b|c@d", "%F0"])
    def test_does_not_know_strangers(self, caller, public_id):
        answer = caller.patch(f"{LIST}/{public_id}", {"displayName": "x"})

        assert answer.status_code == 404
        assert answer["Content-Type"] == "application/json"

    def test_finds_ids_with_every_character_they_may_have(self, caller):
        """R1."""
        a_credit_type(public_id="a.b|c@d_e-f")

        assert caller.patch(f"{LIST}/a.b%7Cc%40d_e-f", {"displayName": "x"}).status_code == 200

    def test_means_the_active_one_of_two(self, caller):
        """R3."""
        old = a_credit_type("Old", public_id="ai")
        archive_credit_type(credit_type_id=old.pk, actor=SYSTEM, now=NOW)
        a_credit_type("Active", public_id="ai")

        caller.patch(f"{LIST}/ai", {"description": "here"})

        assert CreditType.objects.get(description="here").name == "Active"


class TestArchiveCreditType:
    def test_retires_it_and_brings_it_back(self, caller):
        """R3."""
        a_credit_type(public_id="ai")

        archived = caller.post(f"{LIST}/ai/archive").json()["data"]
        assert archived["archivedAt"] is not None

        returned = caller.post(f"{LIST}/ai/unarchive").json()["data"]
        assert returned["archivedAt"] is None

    def test_is_refused_while_packages_use_it(self, caller):
        """R3."""
        credit_type = a_credit_type(public_id="ai")
        a_published_plan("Pro", entitlements=[some_credits(credit_type)])

        answer = caller.post(f"{LIST}/ai/archive")

        assert answer.status_code == 409
        assert "plan Pro" in answer.json()["message"]
        assert answer.json()["code"] == "CreditTypeInUse"


class TestUnarchiveCreditType:
    def test_is_refused_when_an_active_type_has_the_id(self, caller):
        """R3."""
        old = a_credit_type(public_id="ai")
        archive_credit_type(credit_type_id=old.pk, actor=SYSTEM, now=NOW)
        a_credit_type(public_id="ai")

        assert caller.post(f"{LIST}/ai/unarchive").status_code == 409


class TestAssociatedEntities:
    def test_names_plans_and_addons(self, caller):
        """R3."""
        credit_type = a_credit_type(public_id="ai")
        a_published_plan("Pro", public_id="pro", entitlements=[some_credits(credit_type)])
        a_published_addon("Extra", public_id="extra", entitlements=[some_credits(credit_type)])

        assert caller.get(f"{LIST}/ai/associated-entities").json() == {
            "data": [
                {"id": "extra", "displayName": "Extra", "type": "ADDON"},
                {"id": "pro", "displayName": "Pro", "type": "PLAN"},
            ]
        }
