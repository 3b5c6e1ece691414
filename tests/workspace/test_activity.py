from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import IntegrityError, connection, transaction

from tests.workspace.builders import NOW, a_key, a_user
from workspace import activity
from workspace.actors import SYSTEM, ActorKind
from workspace.acts import act
from workspace.errors import Conflict
from workspace.models import Activity
from workspace.tracing import trace

pytestmark = pytest.mark.django_db


def record(event="plan.updated", subject=("plan", "pro"), now=NOW, **more):
    activity.record(event, subject=subject, actor=SYSTEM, now=now, **more)


class TestRecord:
    def test_remembers_who_did_what_to_which_object_when(self):
        """R53, X20."""
        with trace("ab" * 16):
            record(payload={"before": Decimal("1E+1"), "at": NOW}, customer="acme")

        stored = Activity.objects.get()
        assert stored.event == "plan.updated"
        assert (stored.subject_kind, stored.subject_id) == ("plan", "pro")
        assert stored.customer == "acme"
        assert stored.actor == SYSTEM
        assert stored.trace_id == "ab" * 16
        assert stored.payload == {"before": "10", "at": "2026-10-01T10:00:00Z"}
        assert stored.created_at == NOW

    def test_names_an_object_by_kind_and_number_if_it_has_no_public_id(self):
        user = a_user()

        record(subject=user)

        assert list(activity.for_subject("user", str(user.pk)))

    def test_names_an_object_as_it_wants_to_be_named(self):
        key = a_key().key

        assert activity.subject_of(key) == ("apikey", key.lookup)

    def test_goes_with_a_transaction_that_fails(self):
        @act
        def verb() -> None:
            record()
            raise Conflict("No.")

        with pytest.raises(Conflict):
            verb()

        assert not Activity.objects.exists()


class TestForSubject:
    def test_shows_one_object_newest_first(self):
        record("first", now=NOW)
        record("second", now=NOW + timedelta(seconds=1))
        record("third", now=NOW + timedelta(seconds=1))
        record("of another", subject=("plan", "basic"))
        record("of another kind", subject=("addon", "pro"))

        events = [entry.event for entry in activity.for_subject("plan", "pro")]

        assert events == ["third", "second", "first"]


class TestActivity:
    def test_refuses_to_be_changed(self):
        """X20: append-only, by the word of the database."""
        record()

        with pytest.raises(IntegrityError, match="never changed"), transaction.atomic():
            Activity.objects.update(actor_kind=ActorKind.USER)
        with pytest.raises(IntegrityError, match="never changed"), transaction.atomic():
            Activity.objects.all().delete()
        with pytest.raises(IntegrityError, match="never changed"), transaction.atomic():
            Activity.objects.get().save()

        assert Activity.objects.get().actor_kind == ActorKind.SYSTEM

    @pytest.mark.skipif(connection.vendor != "postgresql", reason="PostgreSQL only")
    def test_refuses_to_be_emptied(self):
        record()

        with pytest.raises(IntegrityError, match="never changed"), transaction.atomic():
            connection.cursor().execute("TRUNCATE workspace_activity")

        assert Activity.objects.count() == 1

    @pytest.mark.skipif(connection.vendor != "sqlite", reason="SQLite only")
    def test_refuses_to_be_replaced(self):
        """REPLACE deletes without a DELETE; `recursive_triggers` makes it fire."""
        record()

        with pytest.raises(IntegrityError, match="never changed"), transaction.atomic():
            connection.cursor().execute(
                "REPLACE INTO workspace_activity SELECT * FROM workspace_activity"
            )
