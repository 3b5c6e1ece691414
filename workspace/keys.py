"""API keys: made, recognised, replaced, revoked (X2–X4).

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
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from django.conf import settings
from django.db import DatabaseError, connection
from django.db.models import Q
from django.utils.encoding import force_bytes

from workspace import activity
from workspace.actors import Actor
from workspace.acts import act
from workspace.errors import BadInput, Conflict, Unauthenticated, UnknownObject
from workspace.models.keys import ApiKey, Area, KeyKind

logger = logging.getLogger(__name__)

DIGITS = string.digits + string.ascii_uppercase + string.ascii_lowercase
KIND_WORDS = {
    KeyKind.FULL: "full",
    KeyKind.READ_ONLY: "read",
    KeyKind.SCOPED: "scoped",
    KeyKind.PUBLISHABLE: "public",
}
READ, WRITE = "read", "write"
SCOPES = tuple(f"{area}:{reach}" for area in Area for reach in (READ, WRITE))
"""What a scoped key may be made for; who may write may read, too."""

GRACES = (timedelta(), timedelta(hours=1), timedelta(days=1), timedelta(days=3), timedelta(days=7))
"""How long a key may go on beside the one that replaces it (X4)."""

LOOKUP_LENGTH = 12
SECRET_LENGTH = 43  # of 62 different characters: 256 bits
CHECKSUM_LENGTH = 6

SHAPE = re.compile(
    rf"stipend_(?:{'|'.join(KIND_WORDS.values())})_(?P<lookup>[0-9A-Za-z]{{{LOOKUP_LENGTH}}})"
    rf"_[0-9A-Za-z]{{{SECRET_LENGTH}}}(?P<checksum>[0-9A-Za-z]{{{CHECKSUM_LENGTH}}})"
)

ASKER = "asker.name, asker.kind, asker.scopes"
"""What a statement that recognises a key selects for `WantedKey.known_as`."""

RECOGNISE = f'SELECT {ASKER} FROM "{ApiKey._meta.db_table}" AS asker WHERE {{condition}}'  # noqa: S608

# How exactly `last_used_at` tells the time.
USE_RESOLUTION = timedelta(minutes=1)


class UnknownKey(UnknownObject):
    """No API key has this id."""


class KeyNameMissing(BadInput):
    """A key without a name: nobody would dare to revoke it later."""


class ScopesMissing(BadInput):
    """A scoped key without scopes opens nothing, and other keys have none."""


class InvalidGrace(BadInput):
    """No key goes on for so long beside the one that replaces it."""


class KeyAlreadyRevoked(Conflict):
    """The key was revoked before."""


class KeyAlreadyReplaced(Conflict):
    """The key was replaced by another before."""


@dataclass(frozen=True, slots=True)
class WantedKey:
    """What a row must hold to be the key that was sent.

    There is one hash for each secret that may have been in use when the key was made, the
    current one first. The database compares them: how long that takes tells something about
    hashes at most, which nobody can choose without knowing the secret.
    """

    lookup: str
    hashes: tuple[str, ...]
    now: datetime

    @property
    def condition(self) -> str:
        """SQL by which a statement of one's own recognises the key, called `asker` there."""
        places = ", ".join(["%s"] * len(self.hashes))
        return (
            f"asker.lookup = %s AND asker.key_hash IN ({places}) AND asker.revoked_at IS NULL"
            " AND (asker.ends_at IS NULL OR asker.ends_at > %s)"
        )

    @property
    def parameters(self) -> tuple[Any, ...]:
        """What belongs into the places of `condition`."""
        now = connection.ops.adapt_datetimefield_value(self.now)
        return (self.lookup, *self.hashes, now)

    def known_as(self, name: str, kind: str, scopes: str) -> "KnownKey":
        """The key, once its row was found; that it was used is remembered (X2)."""
        note_use(self, self.now)
        return KnownKey(self.lookup, name, KeyKind(kind), frozenset(scopes.split()))


@dataclass(frozen=True, slots=True)
class KnownKey:
    """A key that was recognised: what a request needs to know of it."""

    lookup: str
    name: str
    kind: KeyKind
    scopes: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key just made. `raw` is the key itself, and this is the only time it is seen."""

    key: ApiKey
    raw: str

    def __repr__(self) -> str:
        return f"NewKey({self.key.lookup})"


def parse(raw: str, now: datetime) -> WantedKey:
    """What to look for in the database when someone sends `raw` as their key at `now`.

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
        now=now,
    )


def authenticate(raw: str, now: datetime) -> KnownKey:
    """The key that `raw` is. Nothing is cached: a revoked key ends with its revocation.

    Raises:
        Unauthenticated: wrong, unknown or revoked; which of these is nobody's business.
    """
    wanted = parse(raw, now)
    with connection.cursor() as cursor:
        cursor.execute(RECOGNISE.format(condition=wanted.condition), wanted.parameters)
        row = cursor.fetchone()
    if row is None:
        raise unauthenticated()
    return wanted.known_as(*row)


def unauthenticated() -> Unauthenticated:
    """The one answer to everybody without a valid key."""
    return Unauthenticated("A valid API key is needed in the header X-API-KEY.")


@act
def create(
    *, name: str, kind: KeyKind, scopes: Collection[str] = (), actor: Actor, now: datetime
) -> NewKey:
    """Make a key and hand it over for the only time.

    `scopes`, of `SCOPES`, are for scoped keys alone.

    Raises:
        KeyNameMissing: `name` is blank.
        ScopesMissing: the kind and the scopes do not fit together.
    """
    name = name.strip()
    if not name:
        raise KeyNameMissing("Say what the key is for.", field="name")
    if (kind == KeyKind.SCOPED) != bool(scopes) or not set(SCOPES).issuperset(scopes):
        raise ScopesMissing("A scoped key, and no other, needs scopes.", field="scopes")
    made = _make(name=name, kind=kind, scopes=" ".join(sorted(scopes)), now=now)
    payload = {"name": name, "kind": kind.value} | ({"scopes": sorted(scopes)} if scopes else {})
    activity.record("api_key.created", subject=made.key, actor=actor, now=now, payload=payload)
    return made


@act
def rotate(*, key_id: int, grace: timedelta, actor: Actor, now: datetime) -> NewKey:
    """Replace a key by a new one like it; the old one goes on for `grace`, one of `GRACES`.

    Without a grace it is revoked: that ends it whatever the clock of a host says (X4, F9).

    Raises:
        UnknownKey: there is none with this id.
        InvalidGrace: `grace` is none of those.
        KeyAlreadyRevoked, KeyAlreadyReplaced: it ended, or will.
    """
    if grace not in GRACES:
        raise InvalidGrace("Choose one of the times that are offered.", field="grace")
    old = _locked(key_id)
    if old.ends_at is not None:
        raise KeyAlreadyReplaced(f"{old.name} was replaced before.")
    old.ends_at = now + grace
    old.revoked_at = None if grace else now
    old.save(update_fields=["ends_at", "revoked_at"])
    made = _make(name=old.name, kind=KeyKind(old.kind), scopes=old.scopes, now=now)
    payload = {"name": old.name, "replaced_by": made.key.lookup, "ends_at": old.ends_at}
    activity.record("api_key.rotated", subject=old, actor=actor, now=now, payload=payload)
    payload = {"name": old.name, "replaces": old.lookup}
    activity.record("api_key.created", subject=made.key, actor=actor, now=now, payload=payload)
    return made


def _make(*, name: str, kind: KeyKind, scopes: str, now: datetime) -> NewKey:
    lookup = _random(LOOKUP_LENGTH)
    readable = f"stipend_{KIND_WORDS[kind]}_{lookup}_{_random(SECRET_LENGTH)}"
    raw = readable + _checksum(readable)
    key = ApiKey.objects.create(
        name=name,
        kind=kind,
        lookup=lookup,
        scopes=scopes,
        key_hash=_hash(raw, settings.SECRET_KEY),
        created_at=now,
    )
    return NewKey(key, raw)


@act
def revoke(*, key_id: int, actor: Actor, now: datetime) -> ApiKey:
    """End a key for good, from this moment on, in every process (X4).

    Raises:
        UnknownKey: there is none with this id.
        KeyAlreadyRevoked: it was revoked before.
    """
    key = _locked(key_id)
    key.revoked_at = now
    key.save(update_fields=["revoked_at"])
    activity.record(
        "api_key.revoked", subject=key, actor=actor, now=now, payload={"name": key.name}
    )
    return key


def _locked(key_id: int) -> ApiKey:
    key = ApiKey.objects.select_for_update().filter(pk=key_id).first()
    if key is None:
        raise UnknownKey("This API key does not exist.")
    if key.revoked_at is not None:
        raise KeyAlreadyRevoked(f"{key.name} was revoked before.")
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
    for lookup in tuple(_unwritten):
        noted = _unwritten.pop(lookup, None)
        if noted is None:  # another thread was first
            continue
        wanted, used_at = noted
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
