"""Two updates of one subscription at the same moment."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import IntegrityError, connection

from catalog.models import Package
from subscriptions import customers, finding, updates
from subscriptions.models import ScheduledUpdate, Subscription, UpdateStatus
from subscriptions.updates import When
from tests.builders import (
    NOW,
    a_credit_type,
    a_published_addon,
    a_published_plan,
    a_subscription,
    some_credits,
)
from tests.concurrency.threads import Meeting, at_once
from workspace.actors import SYSTEM

pytestmark = [pytest.mark.concurrency, pytest.mark.django_db(transaction=True)]

PERIOD_END = NOW.replace(month=2)


@pytest.fixture
def subscription() -> Subscription:
    credit_type = a_credit_type()
    addon: Package = a_published_addon(
        public_id="extra", entitlements=[some_credits(credit_type, 10)], max_quantity=None
    )
    plan = a_published_plan(
        product=addon.product,
        entitlements=[some_credits(credit_type, 100)],
        compatible_addons=[addon],
    )
    return a_subscription(plan=plan)


@pytest.fixture
def meeting(monkeypatch: pytest.MonkeyPatch) -> Meeting:
    """Where both have found nothing scheduled, and neither has written."""
    meeting = Meeting()
    effective_at = updates.effective_at

    def pause(subscription: Subscription, when: str, now: datetime) -> datetime:
        meeting.wait()
        return effective_at(subscription, when, now)

    monkeypatch.setattr(updates, "effective_at", pause)
    return meeting


def schedule_both(subscription: Subscription) -> list[Any]:
    """Two people choose different quantities for the end of the period."""
    return at_once(
        2,
        lambda place: updates.update(
            subscription_id=subscription.public_id,
            when=When.END_OF_BILLING_PERIOD,
            addons=[("extra", place + 1)],
            actor=SYSTEM,
            now=NOW,
        ),
    )


def test_the_later_one_replaces_the_earlier(subscription, meeting):
    results = schedule_both(subscription)

    assert not meeting.happened
    assert [type(result) for result in results] == [Subscription, Subscription]
    statuses = sorted(ScheduledUpdate.objects.values_list("status", flat=True))
    assert statuses == [UpdateStatus.CANCELED, UpdateStatus.SCHEDULED]
    assert updates.write_down_due(PERIOD_END) == 1


@pytest.mark.skipif(connection.vendor == "sqlite", reason="SQLite has one writer at a time.")
def test_without_the_locks_both_find_nothing_scheduled(subscription, meeting, monkeypatch):
    """The database then refuses the second."""
    meeting.must_happen()
    monkeypatch.setattr(customers, "lock", customers.find)
    monkeypatch.setattr(
        finding,
        "lock_row",
        lambda pk, now: Subscription.objects.select_related(
            "customer", "paying_customer", "product", "resource", "plan", "plan_version"
        ).get(pk=pk),
    )

    results = schedule_both(subscription)

    assert meeting.happened
    assert sorted(type(result).__name__ for result in results) == [
        IntegrityError.__name__,
        Subscription.__name__,
    ]


def test_written_down_by_two_workers_it_takes_effect_once(subscription):
    updates.update(
        subscription_id=subscription.public_id,
        when=When.END_OF_BILLING_PERIOD,
        addons=[("extra", 2)],
        actor=SYSTEM,
        now=NOW,
    )

    later = PERIOD_END + timedelta(days=1)
    results = at_once(2, lambda place: updates.write_down_due(later))

    assert all(isinstance(result, int) for result in results)
    assert subscription.addons.get().quantity == 2
    assert ScheduledUpdate.objects.get().status == UpdateStatus.DONE
