"""People and keys for the tests of this room."""

from datetime import UTC, datetime
from itertools import count
from typing import Any

from workspace import keys
from workspace.actors import SYSTEM, Actor, for_user
from workspace.keys import NewKey
from workspace.models import KeyKind, Role, User

NOW = datetime(2026, 10, 1, 10, 0, tzinfo=UTC)

numbers = count(1)


def a_user(role: Role = Role.ADMINISTRATOR, **fields: Any) -> User:
    """A person who can sign in with the password "correct horse battery"."""
    username = str(fields.pop("username", f"person-{next(numbers)}"))
    return User.objects.create_user(username, password="correct horse battery", role=role, **fields)


def an_actor() -> Actor:
    return for_user(a_user())


def a_key(kind: KeyKind = KeyKind.FULL, name: str = "Billing service") -> NewKey:
    return keys.create(name=name, kind=kind, actor=SYSTEM, now=NOW)
