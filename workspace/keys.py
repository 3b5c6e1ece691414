"""API keys: made, recognised, revoked (X2, X4).

A key reads `stipend_full_<lookup>_<secret><checksum>`. The beginning tells people and
scanners what it is; `lookup` finds its row; the checksum tells a typing error from a
guess without asking the database. Stored is only a hash keyed by SECRET_KEY: a stolen
database opens nothing.
"""

import hashlib
import hmac
import logging
import re
import secrets
import string
import zlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache

from django.conf import settings
from django.db import DatabaseError, connection
from django.db.models import Q
from django.utils.encoding import force_bytes

from workspace import activity
from workspace.actors import Actor
from workspace.acts import act
from workspace.errors import BadInput, Conflict, Unauthenticated, UnknownObject
from workspace.models.keys import ApiKey, KeyKind

logger = logging.getLogger(__name__)

DIGITS = string.digits + string.ascii_uppercase + string.ascii_lowercase
KIND_WORDS = {KeyKind.FULL: "full", KeyKind.READ_ONLY: "read"}
LOOKUP_LENGTH = 12
SECRET_LENGTH = 43  # of 62 different characters: 256 bits
CHECKSUM_LENGTH = 6

SHAPE = re.compile(
    rf"stipend_(?:full|read)_(?P<lookup>[0-9A-Za-z]{{{LOOKUP_LENGTH}}})"
    rf"_[0-9A-Za-z]{{{SECRET_LENGTH}}}(?P<checksum>[0-9A-Za-z]{{{CHECKSUM_LENGTH}}})"
)

RECOGNISE = (
    "SELECT asker.name, asker.kind "  # noqa: S608 - a table of ours
    f'FROM "{ApiKey._meta.db_table}" AS asker WHERE {{condition}}'
)

# How exactly `last_used_at` tells the time.
USE_RESOLUTION = timedelta(minutes=1)


class UnknownKey(UnknownObject):
    """No API key has this id."""


class KeyNameMissing(BadInput):
    """A key without a name: nobody would dare to revoke it later."""


class KeyAlreadyRevoked(Conflict):
    """The key was revoked before."""


@dataclass(frozen=True, slots=True)
class WantedKey:
    """What a row must hold to be the key that was sent.

    There is one hash for each secret that may have been in use when the key was made, the
    current one first. The database compares them: how long that takes tells something about
    hashes at most, which nobody can choose without knowing the secret.
    """

    lookup: str
    hashes: tuple[str, ...]

    @property
    def condition(self) -> str:
        """SQL by which a statement of one's own recognises the key, called `asker` there."""
        places = ", ".join(["%s"] * len(self.hashes))
        return f"asker.lookup = %s AND asker.key_hash IN ({places}) AND asker.revoked_at IS NULL"

    @property
    def parameters(self) -> tuple[str, ...]:
        """What belongs into the places of `condition`."""
        return (self.lookup, *self.hashes)

    def known_as(self, name: str, kind: str, now: datetime) -> "KnownKey":
        """The key, once its row was found; that it was used is remembered (X2)."""
        note_use(self, now)
        return KnownKey(self.lookup, name, KeyKind(kind))


@dataclass(frozen=True, slots=True)
class KnownKey:
    """A key that was recognised: what a request needs to know of it."""

    lookup: str
    name: str
    kind: KeyKind


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key just made. `raw` is the key itself, and this is the only time it is seen."""

    key: ApiKey
    raw: str

    def __repr__(self) -> str:
        return f"NewKey({self.key.lookup})"


def parse(raw: str) -> WantedKey:
    """What to look for in the database when someone sends `raw` as their key.

    Raises:
        Unauthenticated: no key of ours looks like this.
    """
    shape = SHAPE.fullmatch(raw)
    if shape is None or shape["checksum"] != _checksum(raw[:-CHECKSUM_LENGTH]):
        raise unauthenticated()
    return WantedKey(
        lookup=shape["lookup"],
        hashes=tuple(
            _hash(raw, secret) for secret in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)
        ),
    )


def authenticate(raw: str, now: datetime) -> KnownKey:
    """The key that `raw` is. Nothing is cached: a revoked key ends with its revocation.

    Raises:
        Unauthenticated: wrong, unknown or revoked; which of these is nobody's business.
    """
    wanted = parse(raw)
    with connection.cursor() as cursor:
        cursor.execute(RECOGNISE.format(condition=wanted.condition), wanted.parameters)
        row = cursor.fetchone()
    if row is None:
        raise unauthenticated()
    name, kind = row
    return wanted.known_as(name, kind, now)


def unauthenticated() -> Unauthenticated:
    """The one answer to everybody without a valid key."""
    return Unauthenticated("A valid API key is needed in the header X-API-KEY.")


@act
def create(*, name: str, kind: KeyKind, actor: Actor, now: datetime) -> NewKey:
    """Make a key and hand it over for the only time.

    Raises:
        KeyNameMissing: `name` is blank.
    """
    name = name.strip()
    if not name:
        raise KeyNameMissing("Say what the key is for.", field="name")
    lookup = _random(LOOKUP_LENGTH)
    readable = f"stipend_{KIND_WORDS[kind]}_{lookup}_{_random(SECRET_LENGTH)}"
    raw = readable + _checksum(readable)
    key = ApiKey.objects.create(
        name=name,
        kind=kind,
        lookup=lookup,
        key_hash=_hash(raw, settings.SECRET_KEY),
        created_at=now,
    )
    activity.record(
        "api_key.created",
        subject=key,
        actor=actor,
        now=now,
        payload={"name": name, "kind": kind.value},
    )
    return NewKey(key, raw)


@act
def revoke(*, key_id: int, actor: Actor, now: datetime) -> ApiKey:
    """End a key for good, from this moment on, in every process (X4).

    Raises:
        UnknownKey: there is none with this id.
        KeyAlreadyRevoked: it was revoked before.
    """
    key = ApiKey.objects.select_for_update().filter(pk=key_id).first()
    if key is None:
        raise UnknownKey("This API key does not exist.")
    if key.revoked_at is not None:
        raise KeyAlreadyRevoked(f"{key.name} was revoked before.")
    key.revoked_at = now
    key.save(update_fields=["revoked_at"])
    activity.record(
        "api_key.revoked", subject=key, actor=actor, now=now, payload={"name": key.name}
    )
    return key


# When a key was last used: noted in memory, written after the answer is on its way.

_noted_at: dict[str, datetime] = {}
_unwritten: dict[str, tuple[WantedKey, datetime]] = {}


def note_use(wanted: WantedKey, now: datetime) -> None:
    """Remember that a valid key was used; costs no statement (X2)."""
    noted_at = _noted_at.get(wanted.lookup)
    if noted_at is None or abs(now - noted_at) >= USE_RESOLUTION:
        _noted_at[wanted.lookup] = now
        _unwritten[wanted.lookup] = (wanted, now)


def write_uses(**kwargs: object) -> None:
    """Write down what was noted, at most once a minute for each key and process.

    Called when an answer has been sent, so that nobody waits for it. A key made with an
    older SECRET_KEY is on this occasion bound to the current one.
    """
    while _unwritten:
        _, (wanted, used_at) = _unwritten.popitem()
        used_before = Q(last_used_at=None) | Q(last_used_at__lt=used_at)
        try:
            ApiKey.objects.filter(used_before, lookup=wanted.lookup).update(
                last_used_at=used_at, key_hash=wanted.hashes[0]
            )
        except DatabaseError:
            logger.warning("The last use of key %s could not be written.", wanted.lookup)


def _random(length: int) -> str:
    return "".join(secrets.choice(DIGITS) for _ in range(length))


def _checksum(text: str) -> str:
    number = zlib.crc32(text.encode())
    digits = []
    for _ in range(CHECKSUM_LENGTH):
        number, digit = divmod(number, len(DIGITS))
        digits.append(DIGITS[digit])
    return "".join(reversed(digits))


def _hash(raw: str, secret: str | bytes) -> str:
    return hmac.digest(_hash_key(secret), raw.encode(), "sha256").hex()


@cache
def _hash_key(secret: str | bytes) -> bytes:
    """What `salted_hmac` would derive from the secret for every single key."""
    return hashlib.sha256(b"workspace.keys" + force_bytes(secret)).digest()
