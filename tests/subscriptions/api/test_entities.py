from typing import Any

import pytest

from subscriptions.models import Entity, EntityType
from tests.builders import a_customer, an_entity_type, some_entities

pytestmark = pytest.mark.django_db

BETA = "/api/v1-beta"
LIST = f"{BETA}/customers/acme/entities"


@pytest.fixture(autouse=True)
def acme(db):
    return a_customer(public_id="acme")


class TestEntityTypes:
    PATH = f"{BETA}/entity-types"

    def test_are_put_and_listed(self, caller):
        types = [{"id": "team", "displayName": "Team", "attributionKeys": ["teamId"]}]

        answer = caller.put(self.PATH, {"types": types})

        assert answer.status_code == 200
        [row] = answer.json()["data"]
        assert row.pop("createdAt") == row.pop("updatedAt")
        assert row == types[0]
        listed = caller.get(self.PATH).json()
        assert [row["id"] for row in listed["data"]] == ["team"]
        assert listed["pagination"] == {"next": None, "prev": None}

    @pytest.mark.parametrize(
        ("types", "field"),
        [
            (None, "types"),
            ([], "types"),
            ([{"id": "t", "displayName": "T", "attributionKeys": []}] * 101, "types"),
            ([{"id": "t", "displayName": "T", "attributionKeys": []}] * 2, "types[1]"),
            ([{"displayName": "T", "attributionKeys": []}], "types[0].id"),
            ([{"id": "t", "attributionKeys": []}], "types[0].displayName"),
            ([{"id": "t", "displayName": "T"}], "types[0].attributionKeys"),
            ([{"id": "t", "displayName": "T", "attributionKeys": "x"}], "types[0].attributionKeys"),
            (
                [{"id": "t", "displayName": "T", "attributionKeys": [""]}],
                "types[0].attributionKeys[0]",
            ),
            (
                [{"id": "t", "displayName": "a\u202eb", "attributionKeys": []}],
                "types[0].displayName",
            ),
            ([5], "types[0]"),
        ],
    )
    def test_are_refused_with_the_field_at_fault(self, caller, types, field):
        answer = caller.put(self.PATH, {"types": types})

        assert answer.status_code == 400
        assert field in answer.json()["errors"]
        assert not EntityType.objects.exists()

    def test_are_changed_by_keys_that_may_write(self, reading_caller, client):
        """X1, X3."""
        assert reading_caller.get(self.PATH).status_code == 200
        assert reading_caller.put(self.PATH, {"types": []}).status_code == 403
        assert client.get(self.PATH).status_code == 401


class TestEntities:
    def test_are_put_and_read(self, caller):
        an_entity_type("team", "teamId")
        body = {"id": "eng", "entityTypeId": "team", "metadata": {"floor": "3"}}

        answer = caller.put(LIST, {"entities": [body]})

        assert answer.status_code == 200
        [row] = answer.json()["data"]
        assert caller.get(f"{LIST}/eng").json() == {"data": row}
        assert row.pop("createdAt") == row.pop("updatedAt")
        assert row == {**body, "archivedAt": None}

    @pytest.mark.parametrize(
        ("entities", "field"),
        [
            ([], "entities"),
            ([{"id": "eng"}], "entities[0]"),
            ([{"id": "eng", "entityTypeId": "planet"}], "entities[0]"),
            ([{"id": "a/b", "entityTypeId": "team"}], "entities[0].id"),
            ([{"id": "eng", "entityTypeId": None}], "entities[0].entityTypeId"),
            (
                [{"id": "eng", "entityTypeId": "team", "metadata": {"a": 5}}],
                "entities[0].metadata.a",
            ),
            ([{"id": "eng", "entityTypeId": "team"}] * 2, "entities[1]"),
            ([{"id": "eng", "entityTypeId": "team"}] * 101, "entities"),
        ],
    )
    def test_are_refused_with_the_field_at_fault(self, caller, entities, field):
        an_entity_type("team", "teamId")

        answer = caller.put(LIST, {"entities": entities})

        assert answer.status_code == 400
        assert field in answer.json()["errors"]
        assert not Entity.objects.exists()

    def test_are_archived_brought_back_and_listed(self, caller, acme):
        some_entities(acme, "team", "eng", "ops")
        some_entities(acme, "user", "ada")

        def ids(query: str = "") -> list[str]:
            return [row["id"] for row in caller.get(LIST + query).json()["data"]]

        archived = caller.post(f"{LIST}/archive", {"ids": ["ops"]})

        assert archived.status_code == 200
        assert archived.json() == {"data": {"ids": ["ops"]}}
        assert ids() == ids("?includeArchived=false") == ["ada", "eng"]
        assert ids("?includeArchived=true") == ["ada", "ops", "eng"]
        assert ids("?entityTypeId=team") == ["eng"]
        assert caller.get(f"{LIST}/ops").json()["data"]["archivedAt"] is not None
        assert caller.post(f"{LIST}/unarchive", {"ids": ["ops"]}).json()["data"] == {"ids": ["ops"]}
        assert ids() == ["ada", "ops", "eng"]
        assert caller.get(LIST + "?includeArchived=maybe").status_code == 400

    @pytest.mark.parametrize("verb", ["archive", "unarchive"])
    @pytest.mark.parametrize("ids", [None, [], ["nobody"], ["a/b"], "eng", ["eng"] * 101])
    def test_are_not_archived_by_bad_ids(self, caller, verb: str, ids: Any):
        assert caller.post(f"{LIST}/{verb}", {"ids": ids}).status_code == 400

    def test_take_a_constant_number_of_queries(self, caller, acme, django_assert_num_queries):
        some_entities(acme, "team", *(f"team-{number}" for number in range(15)))
        caller.get(LIST)

        with django_assert_num_queries(3):
            assert len(caller.get(LIST).json()["data"]) == 15

    @pytest.mark.parametrize("entity_id", ["nobody", "a%20b", "a" * 5000, "a%2Fb"])
    def test_of_others_are_unknown(self, caller, entity_id):
        assert caller.get(f"{LIST}/{entity_id}").status_code == 404

    def test_of_nobody_are_unknown(self, caller):
        elsewhere = LIST.replace("acme", "nobody")

        assert caller.get(elsewhere).status_code == 404
        assert caller.put(elsewhere, {"entities": [{"id": "eng"}]}).status_code == 404
        assert caller.post(f"{elsewhere}/archive", {"ids": ["eng"]}).status_code == 404

    def test_have_no_other_methods(self, caller):
        assert caller.post(LIST, {}).status_code == 405
        assert caller.get(f"{BETA}/nothing").json()["code"] == "NotFound"
