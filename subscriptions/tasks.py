"""What the worker does for subscriptions. Tasks name no work: they look for it."""

import time
from datetime import datetime

from django.utils import timezone

from subscriptions import impacts, rollout, subscription_imports, updates
from subscriptions.models import ImpactReport, RolloutRun, SubscriptionImport
from workspace import runs


def write_down_updates(now: datetime | None = None) -> int:
    """Write down scheduled updates that have taken effect, and say how many."""
    return updates.write_down_due(now or timezone.now())


def import_subscriptions(now: datetime | None = None) -> int:
    """Start subscriptions that were handed in, for a while; say how many rows were tried.

    One transaction per row. Whatever is left, the next tick finds; running twice at once or
    stopping anywhere is harmless.
    """
    now = now or timezone.now()
    deadline = runs.deadline()
    unfinished = SubscriptionImport.objects.unfinished().order_by("pk")
    return sum(
        _bring_in(run_id, now, deadline) for run_id in unfinished.values_list("pk", flat=True)
    )


def roll_out(now: datetime | None = None) -> int:
    """Move subscriptions along with published versions, for a while; say how many (R12).

    One transaction for a batch, or for one subscription that is to migrate later.
    Whatever is left, the next tick finds; running twice at once or stopping anywhere is
    harmless. One run in trouble does not hold up the others.
    """
    now = now or timezone.now()
    deadline = runs.deadline()
    unfinished = RolloutRun.objects.unfinished().select_related("version__package")
    return sum(_move(run, now, deadline) for run in unfinished.order_by("created_at", "pk"))


def preview_impacts(now: datetime | None = None) -> int:
    """Work out what publications would do, for a while; say how many batches were looked at.

    A batch is a transaction, and a report remembers how far it is.
    """
    now = now or timezone.now()
    deadline = runs.deadline()
    batches = 0
    for report_id in ImpactReport.objects.unfinished().order_by("pk").values_list("pk", flat=True):
        while time.monotonic() < deadline and impacts.proceed(report_id=report_id, now=now):
            batches += 1
    return batches


def _bring_in(run_id: int, now: datetime, deadline: float) -> int:
    """Start the subscriptions of one import until none is left or the time is over."""
    worked = runs.work_off(
        lambda after: subscription_imports.next_rows(run_id, at_most=runs.BATCH, after=after),
        lambda row_id: subscription_imports.bring_in(row_id=row_id, now=now),
        until=deadline,
    )
    if worked.looked_at_all:
        subscription_imports.conclude(run_id=run_id, now=now)
    return worked.tried


def _move(run: RolloutRun, now: datetime, deadline: float) -> int:
    """Move the subscriptions of one run until none is left or the time is over."""
    rollout.begin(run_id=run.pk)

    def next_batch(after: int) -> list[int]:
        return rollout.next_batch(run, now, at_most=runs.BATCH, after=after)

    if run.at_period_end:
        worked = runs.work_off(
            next_batch,
            lambda pk: rollout.move(run=run, subscription_pk=pk, now=now),
            until=deadline,
        )
    else:
        worked = runs.work_off_together(
            next_batch,
            lambda pks: rollout.move_several(run=run, subscription_pks=pks, now=now),
            until=deadline,
        )
    if worked.looked_at_all:  # what was busy is still there, and the next tick tries it again
        rollout.conclude(run_id=run.pk, now=now)
    return worked.tried
