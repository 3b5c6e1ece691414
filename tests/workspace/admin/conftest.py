from collections.abc import Callable

import pytest
from django.test import Client

from tests.workspace.builders import a_user
from workspace.models import Role, User


class Visitor(Client):
    """A person at the admin, signed in."""

    def __init__(self, user: User) -> None:
        super().__init__()
        self.user = user
        self.force_login(user)

    def press(self, address: str, **fields: str):
        """Open the page of a button, fill its form and send it."""
        asked = self.get(address)
        assert asked.status_code == 200, asked
        return self.post(address, {"once": asked.context["once"], **fields}, follow=True)


@pytest.fixture
def visit(db) -> Callable[[Role], Visitor]:
    return lambda role: Visitor(a_user(role))


@pytest.fixture
def administrator(visit) -> Visitor:
    return visit(Role.ADMINISTRATOR)


def words(answer) -> list[str]:
    """The messages at the top of a page."""
    return [str(message) for message in answer.context["messages"]]
