"""What the worker does for subscriptions. Tasks name no work: they look for it."""

import time
from datetime import datetime

from django.utils import timezone

from subscriptions import rollout, updates
from subscriptions.models import RolloutRun

BATCH = 200
TIME_BUDGET = 30  # seconds, well under the queue's timeout


def write_down_updates(now: datetime | None = None) -> int:
    """Write down scheduled updates that have taken effect, and say how many."""
    return updates.write_down_due(now or timezone.now())


def roll_out(now: datetime | None = None) -> int:
    """Move subscriptions along with published versions, for a while; say how many (R12).

    One transaction per subscription. Whatever is left, the next tick finds; running twice at
    once or stopping anywhere is harmless. One run in trouble does not hold up the others.
    """
    now = now or timezone.now()
    deadline = time.monotonic() + TIME_BUDGET
    runs = RolloutRun.objects.unfinished().select_related("version__package")
    return sum(_work_on(run, now, deadline) for run in runs.order_by("created_at", "pk"))


def _work_on(run: RolloutRun, now: datetime, deadline: float) -> int:
    """Move the subscriptions of one run until none is left or the time is over."""
    rollout.begin(run_id=run.pk)
    moved = 0
    while batch := rollout.next_batch(run, now, at_most=BATCH):
        before = moved
        for subscription_pk in batch:
            if time.monotonic() >= deadline:
                return moved
            moved += rollout.move(run=run, subscription_pk=subscription_pk, now=now)
        if moved == before:  # all of them are busy: the next tick tries again
            return moved
    rollout.conclude(run_id=run.pk, now=now)
    return moved
