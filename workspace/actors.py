"""Who acts: a person, an API key, or the system itself."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.db import models

if TYPE_CHECKING:
    from workspace.keys import KnownKey
    from workspace.models import User


class ActorKind(models.TextChoices):
    USER = "USER", "Person"
    API_KEY = "API_KEY", "API key"
    SYSTEM = "SYSTEM", "System"


@dataclass(frozen=True, slots=True)
class Actor:
    """Whoever causes a change, in the form in which records remember them.

    `identifier` finds them again; `name` is what people read, as it was at the time.
    """

    kind: ActorKind
    identifier: str
    name: str

    def __str__(self) -> str:
        return self.name


SYSTEM = Actor(ActorKind.SYSTEM, "system", "System")


def for_user(user: "User") -> Actor:
    """The actor that a signed-in person is."""
    return Actor(ActorKind.USER, str(user.pk), user.get_full_name() or user.get_username())


def for_key(key: "KnownKey") -> Actor:
    """The actor that an API key is. Never holds anything secret."""
    return Actor(ActorKind.API_KEY, key.lookup, key.name)
