"""A publication while somebody subscribes (F13, R13)."""

import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, connections

from catalog.models import Package
from subscriptions import choices, exclusivity
from subscriptions.models import Subscription
from tests.builders import NOW, a_customer, a_new_version, a_published_plan, a_subscription

pytestmark = [pytest.mark.concurrency, pytest.mark.django_db(transaction=True)]

PATIENCE = 5  # seconds


@pytest.fixture
def paused(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[threading.Event, threading.Event]]:
    """Stops whoever subscribes after the version was chosen and before anything is written."""
    arrived, go_on = threading.Event(), threading.Event()
    check = exclusivity.check

    def pause(subscription: Subscription) -> None:
        check(subscription)
        arrived.set()
        go_on.wait(PATIENCE)

    monkeypatch.setattr(exclusivity, "check", pause)
    yield arrived, go_on
    go_on.set()


def begun(work: Callable[..., Any], *args: Any, **kwargs: Any) -> threading.Thread:
    """A thread with a connection of its own."""

    def run() -> None:
        try:
            work(*args, **kwargs)
        finally:
            connections.close_all()

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def race(plan: Package, arrived: threading.Event, go_on: threading.Event) -> None:
    """Publish a version while a subscription to the plan is being written."""
    tomorrow = NOW + timedelta(days=1)
    subscribing = begun(a_subscription, a_customer(), plan, started_at=tomorrow)
    assert arrived.wait(PATIENCE)
    publishing = begun(a_new_version, plan)
    publishing.join(1)  # over by then, unless it has to wait
    go_on.set()
    subscribing.join(PATIENCE)
    publishing.join(PATIENCE)


def test_no_start_is_left_on_a_version_that_was_replaced_meanwhile(paused):
    plan = a_published_plan()

    race(plan, *paused)

    plan.refresh_from_db()
    assert Subscription.objects.get().plan_version == plan.live


@pytest.mark.skipif(connection.vendor == "sqlite", reason="SQLite has one writer at a time.")
def test_without_holding_the_package_the_race_appears(paused, monkeypatch):
    monkeypatch.setattr(choices, "hold_packages", lambda package_ids: None)
    plan = a_published_plan()

    race(plan, *paused)

    plan.refresh_from_db()
    assert Subscription.objects.get().plan_version != plan.live
