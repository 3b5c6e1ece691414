from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django_q.models import OrmQ

from workspace import worker
from workspace.worker import Pulse, Tick

pytestmark = pytest.mark.django_db

NOON = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


@pytest.fixture
def clock():
    """The host's clock, which the queue reads as well."""
    with time_machine.travel(NOON, tick=False) as traveller:
        yield traveller


def queued() -> list[dict[str, Any]]:
    """The tickets in the queue, oldest first."""
    return [row.task for row in OrmQ.objects.order_by("pk")]


def pull() -> None:
    """Do what a cluster does when it takes a ticket."""
    OrmQ.objects.update(lock=NOON + timedelta(days=1))


class TestTick:
    def test_posts_a_ticket_at_once(self, clock):
        Tick("credits.tasks.sweep", MINUTE).post_if_due(NOON)

        (ticket,) = queued()
        assert ticket["func"] == "credits.tasks.sweep"
        assert ticket["args"] == ()

    def test_posts_nothing_within_a_tick(self, clock):
        tick = Tick("credits.tasks.sweep", MINUTE)
        tick.post_if_due(NOON)
        pull()

        tick.post_if_due(NOON + timedelta(seconds=59))

        assert OrmQ.objects.filter(lock__lte=NOON + MINUTE).count() == 0

    def test_posts_nothing_while_a_ticket_waits(self, clock):
        tick = Tick("credits.tasks.sweep", MINUTE)
        tick.post_if_due(NOON)
        before = queued()

        tick.post_if_due(NOON + 2 * MINUTE)

        assert queued() == before

    def test_replaces_a_ticket_that_was_pulled(self, clock):
        """It may have killed its worker, and would come back for ever."""
        tick = Tick("credits.tasks.sweep", MINUTE)
        tick.post_if_due(NOON)
        (before,) = queued()
        pull()

        tick.post_if_due(NOON + MINUTE)

        (after,) = queued()
        assert after["id"] != before["id"]

    def test_survives_a_clock_that_steps_back(self, clock):
        """F9."""
        tick = Tick("credits.tasks.sweep", MINUTE)
        tick.post_if_due(NOON)
        pull()

        tick.post_if_due(NOON - timedelta(hours=1))

        assert OrmQ.objects.filter(lock=NOON).count() == 1


class TestPost:
    def test_writes_a_ticket_that_is_not_tried_again(self, clock):
        ticket = worker.post("credits.tasks.sweep", save=True)

        row = OrmQ.objects.get(pk=ticket)
        assert row.task["ack_failure"] is True
        assert row.lock == NOON

    def test_can_hold_a_ticket_back(self, clock):
        ticket = worker.post("credits.tasks.sweep", save=True, delay=MINUTE)

        assert not worker.is_waiting(ticket, NOON)
        assert worker.is_waiting(ticket, NOON + MINUTE)


class TestProbe:
    def test_ends_in_the_cluster_it_was_sent_to(self, clock, monkeypatch):
        monkeypatch.setenv(worker.CLUSTER_VARIABLE, "ours")

        worker.probe("ours", NOON + MINUTE)

        assert queued() == []

    def test_goes_back_from_another_cluster(self, clock, monkeypatch):
        monkeypatch.setenv(worker.CLUSTER_VARIABLE, "theirs")

        worker.probe("ours", NOON + MINUTE)

        (ticket,) = queued()
        assert ticket["func"] == "workspace.worker.probe"
        assert ticket["args"] == ("ours", NOON + MINUTE)

    def test_is_forgotten_when_it_expired(self, clock, monkeypatch):
        monkeypatch.setenv(worker.CLUSTER_VARIABLE, "theirs")

        worker.probe("ours", NOON)

        assert queued() == []


class TestPulse:
    @pytest.fixture
    def pulse(self):
        pulse = Pulse()
        yield pulse
        pulse.close()

    def test_is_felt_once_however_often_it_beats(self, pulse):
        worker.beat(pulse.sender)
        worker.beat(pulse.sender)

        assert pulse.was_felt()
        assert not pulse.was_felt()

    def test_never_waits_for_a_supervisor_that_does_not_look(self, pulse):
        for _ in range(70_000):  # a pipe holds 64 KiB
            worker.beat(pulse.sender)

        assert pulse.was_felt()
