import logging
from datetime import timedelta

import pytest
from django.db import DatabaseError, connection
from django.db.models import QuerySet
from django.utils.crypto import salted_hmac

from tests.workspace.builders import NOW, a_key, an_actor
from workspace import keys
from workspace.actors import SYSTEM
from workspace.errors import Unauthenticated
from workspace.keys import (
    InvalidGrace,
    KeyAlreadyReplaced,
    KeyAlreadyRevoked,
    KeyNameMissing,
    KnownKey,
    ScopesMissing,
    UnknownKey,
)
from workspace.models import Activity, ApiKey, KeyKind

pytestmark = pytest.mark.django_db


class TestCreate:
    def test_makes_a_key_that_says_what_it_is(self):
        """X2."""
        full, reading = a_key(KeyKind.FULL), a_key(KeyKind.READ_ONLY)

        assert full.raw.startswith(f"stipend_full_{full.key.lookup}_")
        assert reading.raw.startswith(f"stipend_read_{reading.key.lookup}_")
        assert len(full.raw.rsplit("_", 1)[1]) == 43 + 6

    def test_stores_nothing_that_opens_anything(self):
        """X2: neither the row nor the activity holds the secret."""
        made = a_key()

        row = ApiKey.objects.values().get()
        secret = made.raw.rsplit("_", 1)[1]
        assert secret not in str(row)
        assert secret not in str(Activity.objects.values().get())
        assert secret not in repr(made)
        assert row["created_at"] == NOW

    def test_records_who_made_it(self):
        actor = an_actor()
        made = keys.create(name="  Billing ", kind=KeyKind.FULL, actor=actor, now=NOW)

        entry = Activity.objects.get()
        assert entry.event == "api_key.created"
        assert (entry.subject_kind, entry.subject_id) == ("apikey", made.key.lookup)
        assert entry.actor == actor
        assert entry.payload == {"name": "Billing", "kind": "FULL"}

    def test_wants_a_name(self):
        with pytest.raises(KeyNameMissing):
            keys.create(name="  ", kind=KeyKind.FULL, actor=an_actor(), now=NOW)

        assert not ApiKey.objects.exists()

    @pytest.mark.parametrize(
        ("kind", "scopes"),
        [
            (KeyKind.SCOPED, []),
            (KeyKind.SCOPED, ["credits:burn"]),
            (KeyKind.FULL, ["credits:read"]),
            (KeyKind.PUBLISHABLE, ["credits:read"]),
        ],
    )
    def test_wants_scopes_of_scoped_keys_alone(self, kind, scopes):
        """X3."""
        with pytest.raises(ScopesMissing):
            keys.create(name="Key", kind=kind, scopes=scopes, actor=SYSTEM, now=NOW)

        assert not ApiKey.objects.exists()


class TestAuthenticate:
    def test_recognises_a_key(self):
        made = a_key(KeyKind.READ_ONLY)

        known = keys.authenticate(made.raw, NOW)

        assert known == KnownKey(made.key.lookup, "Billing service", KeyKind.READ_ONLY)

    def test_asks_the_database_once(self, django_assert_num_queries):
        made = a_key()

        with django_assert_num_queries(1):
            keys.authenticate(made.raw, NOW)

    def test_refuses_what_is_no_key_without_asking(self, django_assert_num_queries):
        made = a_key()
        last = "a" if made.raw[-1] != "a" else "b"

        with django_assert_num_queries(0):
            for raw in ("", "x", made.raw[:-1], made.raw[:-1] + last, made.raw + " ", "é" * 80):
                with pytest.raises(Unauthenticated):
                    keys.authenticate(raw, NOW)

    def test_refuses_another_secret_for_the_same_row(self):
        made, other = a_key(), a_key()
        ApiKey.objects.filter(pk=made.key.pk).update(key_hash=other.key.key_hash)

        with pytest.raises(Unauthenticated):
            keys.authenticate(made.raw, NOW)

    def test_refuses_a_revoked_key_at_once(self):
        """X4."""
        made = a_key()
        keys.authenticate(made.raw, NOW)
        keys.revoke(key_id=made.key.pk, actor=an_actor(), now=NOW)

        with pytest.raises(Unauthenticated):
            keys.authenticate(made.raw, NOW)

    def test_needs_the_secret_key_it_was_made_with(self, settings):
        made = a_key()
        settings.SECRET_KEY = "another" * 10

        with pytest.raises(Unauthenticated):
            keys.authenticate(made.raw, NOW)

    def test_follows_a_change_of_the_secret_key(self, settings):
        """Used once while the old secret key is still named, a key outlives it."""
        made = a_key()
        settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
        settings.SECRET_KEY = "another" * 10
        keys.authenticate(made.raw, NOW)
        keys.write_uses()
        settings.SECRET_KEY_FALLBACKS = []

        assert keys.authenticate(made.raw, NOW).lookup == made.key.lookup


class TestParse:
    def test_says_what_a_statement_needs(self):
        made = a_key()

        wanted = keys.parse(made.raw, NOW)

        found = ApiKey.objects.filter(lookup=wanted.lookup, key_hash__in=wanted.hashes)
        assert found.get() == made.key

    @pytest.mark.parametrize("fallbacks", [[], ["older" * 10, "oldest" * 10]])
    def test_gives_a_condition_for_statements_of_ones_own(self, settings, fallbacks):
        made, revoked, _ = a_key(), a_key(), a_key()
        keys.revoke(key_id=revoked.key.pk, actor=an_actor(), now=NOW)
        settings.SECRET_KEY_FALLBACKS = fallbacks

        found = []
        for raw in (made.raw, revoked.raw):
            wanted = keys.parse(raw, NOW)
            with connection.cursor() as cursor:
                cursor.execute(
                    f"SELECT asker.id FROM workspace_apikey AS asker WHERE {wanted.condition}",
                    wanted.parameters,
                )
                found += cursor.fetchall()

        assert found == [(made.key.pk,)]

    def test_hashes_as_django_does(self, settings):
        """Keys of older installations stay valid."""
        made = a_key()

        [key_hash] = keys.parse(made.raw, NOW).hashes

        expected = salted_hmac("workspace.keys", made.raw, algorithm="sha256").hexdigest()
        assert key_hash == expected == made.key.key_hash


class TestRevoke:
    def test_is_final(self):
        made, actor = a_key(), an_actor()

        keys.revoke(key_id=made.key.pk, actor=actor, now=NOW)

        assert ApiKey.objects.get().revoked_at == NOW
        assert Activity.objects.filter(event="api_key.revoked").get().actor == actor
        with pytest.raises(KeyAlreadyRevoked):
            keys.revoke(key_id=made.key.pk, actor=actor, now=NOW + timedelta(days=1))
        assert ApiKey.objects.get().revoked_at == NOW

    def test_refuses_what_does_not_exist(self):
        with pytest.raises(UnknownKey):
            keys.revoke(key_id=1, actor=an_actor(), now=NOW)


class TestRotate:
    @pytest.mark.parametrize("grace", keys.GRACES, ids=str)
    def test_lets_the_old_key_go_on_for_the_grace(self, grace):
        """X4."""
        old = keys.create(
            name="Billing", kind=KeyKind.SCOPED, scopes=["credits:write"], actor=SYSTEM, now=NOW
        )

        new = keys.rotate(key_id=old.key.pk, grace=grace, actor=SYSTEM, now=NOW)

        known = keys.authenticate(new.raw, NOW)
        assert (known.name, known.kind, known.scopes) == (
            "Billing",
            KeyKind.SCOPED,
            {"credits:write"},
        )
        if grace:
            known = keys.authenticate(old.raw, NOW + grace - timedelta.resolution)
            assert known.lookup == old.key.lookup
        with pytest.raises(Unauthenticated):
            keys.authenticate(old.raw, NOW + grace)

    def test_ends_it_on_every_clock_without_a_grace(self):
        """X4, F9: on a host whose clock is behind, too."""
        old = a_key()

        keys.rotate(key_id=old.key.pk, grace=timedelta(), actor=SYSTEM, now=NOW)

        with pytest.raises(Unauthenticated):
            keys.authenticate(old.raw, NOW - timedelta(minutes=5))

    def test_happens_once(self):
        old = a_key()
        keys.rotate(key_id=old.key.pk, grace=timedelta(days=7), actor=SYSTEM, now=NOW)

        with pytest.raises(KeyAlreadyReplaced):
            keys.rotate(key_id=old.key.pk, grace=timedelta(), actor=SYSTEM, now=NOW)

        assert ApiKey.objects.count() == 2
        assert keys.authenticate(old.raw, NOW).lookup == old.key.lookup

    def test_can_be_cut_short(self):
        """X4: revocation is final, whatever grace is left."""
        old = a_key()
        keys.rotate(key_id=old.key.pk, grace=timedelta(days=7), actor=SYSTEM, now=NOW)

        keys.revoke(key_id=old.key.pk, actor=SYSTEM, now=NOW)

        with pytest.raises(Unauthenticated):
            keys.authenticate(old.raw, NOW)

    def test_refuses_other_graces_and_revoked_keys(self):
        old = a_key()

        with pytest.raises(InvalidGrace):
            keys.rotate(key_id=old.key.pk, grace=timedelta(days=30), actor=SYSTEM, now=NOW)
        assert keys.authenticate(old.raw, NOW).lookup == old.key.lookup
        keys.revoke(key_id=old.key.pk, actor=SYSTEM, now=NOW)
        with pytest.raises(KeyAlreadyRevoked):
            keys.rotate(key_id=old.key.pk, grace=timedelta(), actor=SYSTEM, now=NOW)
        assert ApiKey.objects.count() == 1


class TestWriteUses:
    def test_writes_at_most_once_a_minute(self, django_assert_num_queries):
        """X2."""
        made = a_key()
        keys.authenticate(made.raw, NOW)
        with django_assert_num_queries(1):
            keys.write_uses()
        keys.authenticate(made.raw, NOW + timedelta(seconds=59))
        with django_assert_num_queries(0):
            keys.write_uses()

        assert ApiKey.objects.get().last_used_at == NOW

        keys.authenticate(made.raw, NOW + timedelta(seconds=60))
        keys.write_uses()

        assert ApiKey.objects.get().last_used_at == NOW + timedelta(seconds=60)

    def test_never_goes_back(self):
        made = a_key()
        for seconds in (120, 0):
            keys.authenticate(made.raw, NOW + timedelta(seconds=seconds))
            keys.write_uses()

        assert ApiKey.objects.get().last_used_at == NOW + timedelta(seconds=120)

    def test_leaves_alone_what_another_thread_has_taken(
        self, monkeypatch, django_assert_num_queries
    ):
        class TakenMeanwhile(dict):
            def pop(self, key, default=None):
                return super().pop(key) and default

        made = a_key()
        monkeypatch.setattr(keys, "_unwritten", TakenMeanwhile())
        keys.authenticate(made.raw, NOW)

        with django_assert_num_queries(0):
            keys.write_uses()

        assert ApiKey.objects.get().last_used_at is None

    def test_survives_a_database_that_does_not(self, monkeypatch, caplog):
        made = a_key()
        keys.authenticate(made.raw, NOW)

        def fail(*args, **kwargs):
            raise DatabaseError

        monkeypatch.setattr(QuerySet, "update", fail)
        with caplog.at_level(logging.WARNING):
            keys.write_uses()

        assert made.key.lookup in caplog.text
        assert made.raw not in caplog.text
