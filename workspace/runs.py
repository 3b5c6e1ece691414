"""Work of many rows, done one by one in the background: imports, rollouts, bulk changes.

A run names its rows, a row is one transaction. Whatever is left the next tick finds, so a run
can stop anywhere and be worked on twice; one row in trouble does not hold up the others (F8).
"""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from django.db import InterfaceError, OperationalError

from workspace.errors import Busy, DomainError
from workspace.tracing import current_trace_id

logger = logging.getLogger(__name__)

BATCH = 200
TIME_BUDGET = 30  # seconds, well under the queue's timeout
LONGEST_MESSAGE = 255


def attempt(work: Callable[[], object], note_failure: Callable[[str], object]) -> bool:
    """Do the work of one row, or note why it failed; False if it must be tried again later.

    `note_failure` gets a sentence of at most `LONGEST_MESSAGE` characters.
    """
    try:
        work()
    except (Busy, OperationalError, InterfaceError):
        return False
    except DomainError as error:
        note_failure(error.message[:LONGEST_MESSAGE])
    except Exception:
        logger.exception("A row of a run failed.")
        note_failure(f"Something went wrong on our side; trace id {current_trace_id()}.")
    return True


def deadline() -> float:
    """When a task that begins now has to leave the rest to the next one."""
    return time.monotonic() + TIME_BUDGET


@dataclass(frozen=True, slots=True)
class Worked:
    """How many rows were tried, and whether all were looked at before the time was over."""

    tried: int
    looked_at_all: bool


def work_off_together(
    next_batch: Callable[[int], Sequence[int]],
    work: Callable[[Sequence[int]], int],
    *,
    until: float,
) -> Worked:
    """As `work_off`, for rows that are worked on a batch at a time; `work` counts them."""
    tried = last = 0
    while batch := next_batch(last):
        if time.monotonic() >= until:
            return Worked(tried, looked_at_all=False)
        tried += work(batch)
        last = batch[-1]
    return Worked(tried, looked_at_all=True)


def work_off(
    next_batch: Callable[[int], Sequence[int]],
    work: Callable[[int], bool],
    *,
    until: float,
) -> Worked:
    """Work on rows in the order of their keys until none is left, or the time is over.

    `next_batch` answers the keys above the one it is given. What was busy is passed over.
    """
    tried = last = 0
    while batch := next_batch(last):
        for key in batch:
            if time.monotonic() >= until:
                return Worked(tried, looked_at_all=False)
            tried += work(key)
        last = batch[-1]
    return Worked(tried, looked_at_all=True)
