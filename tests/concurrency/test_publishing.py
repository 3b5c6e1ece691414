"""Publications at the same moment as other changes of the catalog (F13, R3, R8)."""

import threading
from collections.abc import Callable, Iterator, Sequence

import pytest
from django.db import connection, connections

from catalog import archiving, publishing
from catalog.archiving import CreditTypeInUse
from catalog.comparison import Contents
from catalog.drafts import NoDraft
from catalog.models import CreditType, Package
from catalog.publishing import Audience, Refusal
from tests.builders import NOW, a_credit_type, a_plan, reloaded, some_credits
from workspace.actors import SYSTEM
from workspace.errors import DomainError

pytestmark = [pytest.mark.concurrency, pytest.mark.django_db(transaction=True)]

PATIENCE = 5  # seconds


@pytest.fixture
def paused(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[threading.Event, threading.Event]]:
    """Stops whoever publishes after the draft was found ready and before anything is written."""
    arrived, go_on = threading.Event(), threading.Event()
    refusals = publishing.refusals

    def pause(contents: Contents) -> Sequence[Refusal]:
        found = refusals(contents)
        arrived.set()
        go_on.wait(PATIENCE)
        return found

    monkeypatch.setattr(publishing, "refusals", pause)
    yield arrived, go_on
    go_on.set()


def begun(work: Callable[[], object], refused: list[DomainError]) -> threading.Thread:
    """A thread with a connection of its own, which notes a refusal."""

    def run() -> None:
        try:
            work()
        except DomainError as error:
            refused.append(error)
        finally:
            connections.close_all()

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def publish(plan: Package) -> None:
    publishing.publish(package_id=plan.pk, audience=Audience.NEW_CUSTOMERS, actor=SYSTEM, now=NOW)


class TestPublish:
    def test_makes_one_version_when_two_people_press_at_once(self):
        """R8."""
        plan = a_plan()
        refused: list[DomainError] = []
        threads = [begun(lambda: publish(plan), refused) for _ in range(2)]
        for thread in threads:
            thread.join(PATIENCE)

        assert [type(error) for error in refused] == [NoDraft]
        assert reloaded(plan).live.number == 1

    def race_with_archiving(self, plan, credit_type, arrived, go_on) -> list[DomainError]:
        """Archive the credit type of a plan while the plan is being published."""
        refused: list[DomainError] = []
        publishing_it = begun(lambda: publish(plan), refused)
        assert arrived.wait(PATIENCE)
        archiving_it = begun(
            lambda: archiving.archive_credit_type(
                credit_type_id=credit_type.pk, actor=SYSTEM, now=NOW
            ),
            refused,
        )
        archiving_it.join(1)  # over by then, unless it has to wait
        go_on.set()
        publishing_it.join(PATIENCE)
        archiving_it.join(PATIENCE)
        return refused

    def test_lets_nobody_archive_what_it_names_meanwhile(self, paused):
        """R3."""
        credit_type = a_credit_type()
        plan = a_plan(entitlements=[some_credits(credit_type)])

        refused = self.race_with_archiving(plan, credit_type, *paused)

        assert [type(error) for error in refused] == [CreditTypeInUse]
        assert reloaded(plan).live is not None
        assert CreditType.objects.get().archived_at is None

    def test_would_sell_archived_credits_without_its_locks(self, paused, monkeypatch):
        """The twin: it shows that the lock is what keeps the rule."""
        if connection.vendor == "sqlite":
            pytest.skip("On SQLite every transaction locks the whole database.")
        monkeypatch.setattr(publishing, "_lock_named", lambda contents: None)
        credit_type = a_credit_type()
        plan = a_plan(entitlements=[some_credits(credit_type)])

        refused = self.race_with_archiving(plan, credit_type, *paused)

        assert refused == []
        assert reloaded(plan).live is not None
        assert CreditType.objects.get().archived_at is not None
