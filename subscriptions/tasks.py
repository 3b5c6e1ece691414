"""What the worker does for subscriptions. Tasks name no work: they look for it."""

import time
from datetime import datetime

from django.utils import timezone

from subscriptions import rollout
from subscriptions.models import RolloutRun

BATCH = 200
TIME_BUDGET = 30  # seconds, well under the queue's timeout


def roll_out(now: datetime | None = None) -> int:
    """Move subscriptions along with published versions, for a while; say how many (R12).

    One transaction per subscription. Whatever is left, the next tick finds; running twice at
    once or stopping anywhere is harmless. One run in trouble does not hold up the others.
    """
    now = now or timezone.now()
    deadline = time.monotonic() + TIME_BUDGET
    moved = 0
    runs = RolloutRun.objects.unfinished().select_related("version__package")
    for run in runs.order_by("created_at", "pk"):
        rollout.begin(run_id=run.pk)
        while time.monotonic() < deadline:
            batch = rollout.next_batch(run, now, at_most=BATCH)
            tried = [rollout.move(run=run, subscription_pk=pk, now=now) for pk in batch]
            moved += sum(tried)
            if not any(tried):
                break
        rollout.conclude(run_id=run.pk, now=now)
    return moved
