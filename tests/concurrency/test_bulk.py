"""Several workers at one bulk change: every row once (R40)."""

import pytest
from django.utils import timezone

from credits import bulk, tasks
from credits.bulk_subscriptions import Migrating
from credits.models import BulkOutcome, BulkRun, BulkStatus, Grant
from tests.builders import (
    a_credit_type,
    a_customer,
    a_new_version,
    a_published_plan,
    a_subscription,
    some_credits,
)
from tests.concurrency.threads import at_once
from tests.credits.test_bulk import a_gift
from workspace import runs
from workspace.actors import SYSTEM

pytestmark = [
    pytest.mark.concurrency,
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("prove_the_books"),
]

CUSTOMERS, WORKERS = 25, 4


def work(place: int) -> None:
    """What each worker does."""
    tasks.carry_out_bulk_changes(timezone.now())


class TestWorkers:
    def test_look_at_do_and_undo_every_row_once(self):
        now = timezone.now()
        a_credit_type(public_id="ai", now=now)
        chosen = [bulk.Aim(a_customer(now=now).pk) for _ in range(CUSTOMERS)]
        run = bulk.begin(
            deed=a_gift(), aims=lambda: chosen, reason="r", chosen="c", actor=SYSTEM, now=now
        )

        def outcomes() -> set[str]:
            return set(run.rows.values_list("outcome", flat=True))

        assert at_once(WORKERS, work) == [None] * WORKERS
        assert outcomes() == {BulkOutcome.PLANNED}

        bulk.start(run_id=run.pk, actor=SYSTEM, now=now)
        assert at_once(WORKERS, work) == [None] * WORKERS
        tasks.carry_out_bulk_changes(now)  # whatever was busy
        assert outcomes() == {BulkOutcome.SUCCEEDED}
        assert Grant.objects.count() == CUSTOMERS

        bulk.undo(run_id=run.pk, actor=SYSTEM, now=now)
        assert at_once(WORKERS, work) == [None] * WORKERS
        tasks.carry_out_bulk_changes(now)
        assert outcomes() == {BulkOutcome.UNDONE}
        assert BulkRun.objects.get().status == BulkStatus.UNDONE
        assert not Grant.objects.filter(voided_at=None).exists()

    def test_migrate_every_subscription_once(self, monkeypatch):
        """In batches, of which workers take what nobody else is at."""
        monkeypatch.setattr(runs, "BATCH", 8)
        now = timezone.now()
        credit_type = a_credit_type(now=now)
        plan = a_published_plan(entitlements=[some_credits(credit_type, 100)], now=now)
        chosen = [
            bulk.Aim(a_subscription(a_customer(now=now), plan, now=now).customer_id)
            for _ in range(CUSTOMERS)
        ]
        a_new_version(plan, entitlements=[some_credits(credit_type, 150)], now=now)
        run = bulk.begin(
            deed=Migrating(), aims=lambda: chosen, reason="r", chosen="c", actor=SYSTEM, now=now
        )
        tasks.carry_out_bulk_changes(now)

        bulk.start(run_id=run.pk, actor=SYSTEM, now=now)
        assert at_once(WORKERS, work) == [None] * WORKERS
        tasks.carry_out_bulk_changes(timezone.now())

        assert set(run.rows.values_list("outcome", "changed_since_review")) == {
            (BulkOutcome.SUCCEEDED, False)
        }
        assert BulkRun.objects.get().status == BulkStatus.COMPLETED
        assert sorted(Grant.objects.values_list("amount", flat=True)) == (
            [50] * CUSTOMERS + [100] * CUSTOMERS
        )
