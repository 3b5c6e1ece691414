import pytest

from tests.workspace.builders import NOW, a_key, a_user
from workspace import keys
from workspace.actors import Actor, ActorKind, for_key, for_user


@pytest.mark.django_db
class TestForUser:
    def test_remembers_the_person_by_number_and_name(self):
        user = a_user(first_name="Ada", last_name="Lovelace")

        assert for_user(user) == Actor(ActorKind.USER, str(user.pk), "Ada Lovelace")

    def test_takes_the_user_name_of_people_without_one(self):
        assert for_user(a_user(username="ada")).name == "ada"


@pytest.mark.django_db
class TestForKey:
    def test_holds_nothing_secret(self):
        """X2."""
        made = a_key(name="Billing service")

        actor = for_key(keys.authenticate(made.raw, NOW))

        assert actor == Actor(ActorKind.API_KEY, made.key.lookup, "Billing service")
        assert made.raw[-49:] not in repr(actor)
