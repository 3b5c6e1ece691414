"""Find pools that are due, in batches, and write down what time did to them (R22, R24).

Late is harmless: whatever reads a pool computes the same. Twice is harmless too: a pool
that was brought up to now is not due any more.
"""

import time
from dataclasses import dataclass
from datetime import datetime

from django.db import connection

from credits import ledger, pools
from credits.models import Pool
from workspace import activity
from workspace.actors import SYSTEM, Actor
from workspace.acts import act
from workspace.errors import Busy

BATCH = 400
"""Whoever spends from one of these pools meanwhile waits until all are written: 0.1 s."""

# SQLite lets one connection write at a time. Those that wait look again now and then, so a
# sweep that left no gap between its batches would keep them out until its end.
BATCH_OF_ONLY_WRITER = 50
GAP_OF_ONLY_WRITER = 0.015  # seconds, about what such a batch takes


@dataclass(slots=True, frozen=True)
class Sweep:
    """What a sweep did: pools written, pools set aside, and whether some are still due."""

    written: int
    set_aside: int
    more: bool


def sweep(*, now: datetime, seconds: float, batch: int | None = None) -> Sweep:
    """Bring due pools up to `now` for at most about `seconds`, batch by batch.

    Several sweeps may run at once; each takes pools the others do not hold. A pool that
    cannot be written is set aside and reported, and holds up no other.
    """
    started = time.monotonic()
    is_only_writer = not connection.features.has_select_for_update
    if batch is None:
        batch = BATCH_OF_ONLY_WRITER if is_only_writer else BATCH
    written = set_aside = 0
    while time.monotonic() - started < seconds:
        try:
            count = write_batch(now=now, at_most=batch)
        except Exception:
            done, bad = _one_by_one(now=now, at_most=batch)
            count = done + bad
            written, set_aside = written + done, set_aside + bad
        else:
            written += count
        if count == 0:
            break
        if is_only_writer and count == batch:
            time.sleep(GAP_OF_ONLY_WRITER)
    return Sweep(written, set_aside, more=Pool.objects.due(now).exists())


@act
def write_batch(*, now: datetime, at_most: int) -> int:
    """Bring up to `at_most` due pools up to `now` in one transaction; say how many."""
    locked = pools.lock_due(now, at_most=at_most)
    ledger.write(locked, actor=SYSTEM, now=now)
    return len(locked)


@act
def write_one(*, pool_id: int, now: datetime) -> None:
    """Bring one pool up to `now`."""
    ledger.write([pools.lock(pool_id, now, with_schedules=True)], actor=SYSTEM, now=now)


@act
def set_aside(*, pool_id: int, because: str, now: datetime) -> None:
    """Leave a pool out of sweeps until somebody looks at it; say why."""
    Pool.objects.filter(pk=pool_id).update(set_aside_at=now, set_aside_because=because[:2000])


@act
def try_again(*, pool_id: int, actor: Actor, now: datetime) -> None:
    """Let sweeps take up a pool that was set aside."""
    pool = Pool.objects.select_related("customer", "credit_type").get(pk=pool_id)
    Pool.objects.filter(pk=pool_id).update(set_aside_at=None, set_aside_because="")
    activity.record(
        "credit_pool.taken_up_again",
        subject=("customer", pool.customer.public_id),
        actor=actor,
        now=now,
        payload={"creditType": pool.credit_type.public_id, "because": pool.set_aside_because},
        customer=pool.customer.public_id,
    )


def _one_by_one(*, now: datetime, at_most: int) -> tuple[int, int]:
    """After a batch failed: write each pool alone, and set aside those that fail."""
    due = Pool.objects.due(now).order_by("next_change_at").values_list("pk", flat=True)
    written = bad = 0
    for pool_id in list(due[:at_most]):
        try:
            write_one(pool_id=pool_id, now=now)
            written += 1
        except Busy:
            continue
        except Exception as error:
            set_aside(pool_id=pool_id, because=f"{type(error).__name__}: {error}", now=now)
            bad += 1
    return written, bad
