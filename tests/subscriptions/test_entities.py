from datetime import timedelta

import pytest
from django.db.models import QuerySet

from catalog.checking import CreatedMeanwhile
from subscriptions import entities
from subscriptions.customers import UnknownCustomer
from subscriptions.entities import EntityTerms, InvalidEntities, TypeTerms, UnknownEntity
from subscriptions.models import Customer, Entity, EntityType
from tests.builders import NOW, a_customer, an_entity_type, some_entities
from workspace import activity
from workspace.actors import SYSTEM

pytestmark = pytest.mark.django_db

LATER = NOW + timedelta(days=1)


@pytest.fixture
def acme() -> Customer:
    return a_customer(public_id="acme")


def define(*types: TypeTerms) -> list[EntityType]:
    return entities.define_types(types=types, actor=SYSTEM, now=LATER)


def put(*terms: EntityTerms) -> list[Entity]:
    return entities.put(customer_id="acme", entities=terms, actor=SYSTEM, now=LATER)


def events_of(public_id: str = "acme") -> list[str]:
    return [entry.event for entry in activity.for_subject("customer", public_id)]


class TestDefineTypes:
    def test_creates_and_changes_in_the_order_given(self):
        an_entity_type("team", "teamId")

        stored = define(
            TypeTerms("user", "User", ["userId", "uid", "userId"]),
            TypeTerms("team", "Crew", ["teamId"]),
        )

        assert [(row.public_id, row.name, row.attribution_keys) for row in stored] == [
            ("user", "User", ["userId", "uid"]),
            ("team", "Crew", ["teamId"]),
        ]
        newest = activity.for_subject("entitytype", "team")[0]
        assert (newest.event, newest.payload) == ("entity_type.updated", {"name": ["Team", "Crew"]})

    def test_records_nothing_where_nothing_changes(self):
        an_entity_type("team", "teamId")

        define(TypeTerms("team", "Team", ["teamId"]))

        assert activity.for_subject("entitytype", "team").count() == 1

    @pytest.mark.parametrize(
        "wrong",
        [TypeTerms("user", " ", []), TypeTerms("team", "Team", []), TypeTerms("a b", "A", [])],
    )
    def test_stores_all_or_nothing(self, wrong):
        with pytest.raises(InvalidEntities) as refusal:
            define(TypeTerms("team", "Team", []), wrong)

        assert list(refusal.value.rows) == [1]
        assert not EntityType.objects.exists()

    def test_may_be_tried_again_when_somebody_else_creates_one_in_the_same_moment(
        self, monkeypatch
    ):
        an_entity_type("team")
        monkeypatch.setattr(QuerySet, "select_for_update", QuerySet.none)

        with pytest.raises(CreatedMeanwhile):
            define(TypeTerms("team", "Crew", ["crewId"]))

        assert EntityType.objects.get().name != "Crew"


class TestPut:
    def test_creates_entities_of_their_types(self, acme):
        team = an_entity_type("team", "teamId")

        [stored] = put(EntityTerms("eng", "team", {"floor": "3", "nothing": ""}))

        assert Entity.objects.get() == stored
        assert (stored.customer, stored.type, stored.metadata) == (acme, team, {"floor": "3"})
        assert events_of() == ["entity.created", "customer.created"]

    def test_merges_metadata_and_leaves_the_type(self, acme):
        an_entity_type("team", "teamId")
        put(EntityTerms("eng", "team", {"floor": "3", "lead": "Ada"}))

        [stored] = put(EntityTerms("eng", None, {"floor": "", "city": "Bern"}))

        assert (stored.type.public_id, stored.metadata) == ("team", {"lead": "Ada", "city": "Bern"})
        assert events_of()[0] == "entity.updated"

    def test_changes_the_type_if_it_is_given(self, acme):
        some_entities(acme, "team", "eng")
        an_entity_type("user", "userId")

        [stored] = put(EntityTerms("eng", "user"))

        assert stored.type.public_id == "user"
        newest = activity.for_subject("customer", "acme")[0]
        assert newest.payload["type"] == ["team", "user"]

    def test_records_nothing_where_nothing_changes(self, acme):
        some_entities(acme, "team", "eng")

        put(EntityTerms("eng", "team", {}))

        assert events_of() == ["entity.created", "customer.created"]

    @pytest.mark.parametrize(
        ("wrong", "message"),
        [
            (EntityTerms("new"), "needs an entityTypeId"),
            (EntityTerms("new", "planet"), "no entity type planet"),
            (EntityTerms("good", "team"), "comes twice"),
        ],
    )
    def test_stores_all_or_nothing(self, acme, wrong, message):
        an_entity_type("team", "teamId")

        with pytest.raises(InvalidEntities, match=message) as refusal:
            put(EntityTerms("good", "team"), wrong)

        assert list(refusal.value.rows) == [1]
        assert not Entity.objects.exists()

    def test_keeps_customers_apart(self, acme):
        some_entities(a_customer(), "team", "eng")

        put(EntityTerms("eng", "team"))

        assert Entity.objects.count() == 2

    def test_does_not_know_strangers(self):
        with pytest.raises(UnknownCustomer):
            put(EntityTerms("eng", "team"))


class TestArchive:
    def test_retires_all_of_them_and_is_harmless_when_repeated(self, acme):
        some_entities(acme, "team", "eng", "ops")

        for now in (NOW, LATER):
            done = entities.archive(
                customer_id="acme", ids=["ops", "eng", "ops"], actor=SYSTEM, now=now
            )

        assert done == ["ops", "eng"]
        assert set(Entity.objects.values_list("archived_at", flat=True)) == {NOW}
        assert events_of().count("entity.archived") == 2

    def test_retires_nobody_if_one_is_unknown(self, acme):
        some_entities(acme, "team", "eng")

        with pytest.raises(InvalidEntities) as refusal:
            entities.archive(customer_id="acme", ids=["eng", "ops"], actor=SYSTEM, now=LATER)

        assert list(refusal.value.rows) == [1]
        assert Entity.objects.get().archived_at is None


class TestUnarchive:
    def test_brings_them_back(self, acme):
        some_entities(acme, "team", "eng")
        entities.archive(customer_id="acme", ids=["eng"], actor=SYSTEM, now=NOW)

        entities.unarchive(customer_id="acme", ids=["eng"], actor=SYSTEM, now=LATER)

        assert Entity.objects.get().archived_at is None
        assert events_of()[0] == "entity.unarchived"


class TestFind:
    def test_knows_the_entities_of_the_customer_alone(self, acme):
        [eng] = some_entities(acme, "team", "eng")
        some_entities(a_customer(), "team", "theirs")

        assert entities.find(acme, "eng") == eng
        for public_id in ("theirs", "a\0b", ""):
            with pytest.raises(UnknownEntity):
                entities.find(acme, public_id)
