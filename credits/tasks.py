"""What the worker runs. Tasks name no work: they look for rows that are due."""

import time
from datetime import datetime

from django.utils import timezone

from credits import bulk, chapters, resets
from credits.models import BulkRun, BulkStatus
from workspace import runs

SWEEP_SECONDS = 20.0
"""Well under the time limit of a task."""


def sweep() -> str:
    """Write down what time did to pools since the last sweep, and say what was done."""
    done = resets.sweep(now=timezone.now(), seconds=SWEEP_SECONDS)
    return f"{done.written} pools written, {done.set_aside} set aside" + (
        ", more are due" if done.more else ""
    )


def sum_up_chapters() -> str:
    """Add up chapters of ledgers that are full, and say how many; readers manage without."""
    return f"{chapters.sum_up_due(until=runs.deadline())} chapters added up"


def carry_out_bulk_changes(now: datetime | None = None) -> int:
    """Look at, do and undo rows of bulk changes, for a while; say how many rows were tried.

    Whatever is left, the next tick finds; running twice at once or stopping anywhere is
    harmless.
    """
    now = now or timezone.now()
    deadline = runs.deadline()
    return sum(_work_on(run, now, deadline) for run in BulkRun.objects.working().order_by("pk"))


def _work_on(run: BulkRun, now: datetime, deadline: float) -> int:
    """Work on one run until nothing is left or the time is over."""
    if run.status == BulkStatus.DRY_RUN:
        while time.monotonic() < deadline and _look(run, now):
            pass
        return 0

    def next_batch(after: int) -> list[int]:
        return bulk.next_rows(run, at_most=runs.BATCH, after=after)

    if bulk.goes_together(run):
        worked = runs.work_off_together(
            next_batch,
            lambda row_ids: bulk.work_several(run=run, row_ids=row_ids, now=now),
            until=deadline,
        )
    else:
        worked = runs.work_off(
            next_batch,
            lambda row_id: bulk.work(run=run, row_id=row_id, now=now),
            until=deadline,
        )
    if worked.looked_at_all:
        bulk.conclude(run_id=run.pk, now=now)
    return worked.tried


def _look(run: BulkRun, now: datetime) -> bool:
    """Look at the next rows of a run; where that goes wrong, the run ends and others go on."""
    more = False

    def look() -> None:
        nonlocal more
        more = bulk.look(run_id=run.pk, now=now)

    runs.attempt(look, lambda message: bulk.give_up(run_id=run.pk, message=message, now=now))
    return more
