"""Bulk changes: many customers, one thing done to each, after a look at all of it.

A run is begun with its rows, looked at in a dry run, carried out when somebody has seen that,
and undone where nothing was spent. Each row is a transaction of its own that first claims the
row, so it happens once, however often it is delivered and wherever it stops (R40); a deed that
goes together does so for a batch of rows.
"""

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from itertools import islice
from typing import TypeVar

from django.db import connection
from django.db.models import F

from credits.bulk_deeds import Deed, NothingFits, Plan, Result
from credits.bulk_grants import Extending, Granting, Revoking
from credits.bulk_subscriptions import ChangingAddon, Migrating
from credits.models import BulkOutcome, BulkRow, BulkRun, BulkStatus
from credits.models.bulk import UNFINISHED, WORKING
from workspace import activity, runs
from workspace.actors import Actor
from workspace.acts import act, together
from workspace.errors import BadInput, Conflict, DomainError, UnknownObject
from workspace.models.runs import in_the_name_of

T = TypeVar("T")

logger = logging.getLogger(__name__)

MOST_ROWS = 100_000
LONGEST_REASON = 180
"""So much fits into the comment of a grant, with a word before it."""
CHUNK = 1000

DEEDS: Mapping[str, type[Deed]] = {
    deed.kind.value: deed for deed in (Granting, Revoking, Extending, ChangingAddon, Migrating)
}
NEXT = {BulkStatus.IN_PROGRESS: BulkOutcome.PLANNED, BulkStatus.UNDOING: BulkOutcome.SUCCEEDED}
"""Which rows are next, by what is being done."""
LOOKED_AT = ["subscription", "grant", "outcome", "what", "message", "planned", "finished_at"]
DONE = ["what", "done", "before", "grant", "changed_since_review"]
POINTED_AT = ("customer", "resource", "subscription", "grant")


class UnknownBulkChange(UnknownObject):
    """There is no such bulk change."""


class NothingChosen(BadInput):
    """Nobody was chosen."""


class TooManyChosen(BadInput):
    """More were chosen than a bulk change can take."""


class InvalidReason(BadInput):
    """Why it is done has to be said, in a sentence."""


class BulkChangeNotReady(Conflict):
    """Its dry run is not finished, or it was carried out or canceled already."""


class BulkChangeFinished(Conflict):
    """It is over."""


class BulkChangeNotPaused(Conflict):
    """It is not paused, or cannot be."""


class NothingFailed(Conflict):
    """No row failed, or it is not over."""


class NothingToUndo(Conflict):
    """Nothing was done, it cannot be undone, or it is not over."""


@dataclass(frozen=True, slots=True)
class Aim:
    """Somebody who was chosen, by inner keys; `line` is where they stood in a list.

    Without a subscription or grant, the dry run finds those of the customer that are meant.
    `resource_id` says into which pool credits are granted (R42).
    """

    customer_id: int
    subscription_id: int | None = None
    grant_id: int | None = None
    amount: Decimal | None = None
    line: int | None = None
    resource_id: int | None = None


def deed_of(run: BulkRun) -> Deed:
    """What a run does to each."""
    return DEEDS[run.kind].restored(run.terms)


@act
def begin(
    *,
    deed: Deed,
    aims: Callable[[], Iterable[Aim]],
    reason: str,
    chosen: str,
    actor: Actor,
    now: datetime,
) -> BulkRun:
    """Store whom a bulk change is about, all or none, and leave the dry run to `look`.

    `aims` answers everybody from the first, each time it is called; `chosen` says in words
    who that is.

    Raises:
        InvalidReason: it is empty, or too long.
        NothingChosen, TooManyChosen: nobody, or more than `MOST_ROWS`.
    """
    if not reason.strip() or len(reason) > LONGEST_REASON:
        raise InvalidReason(
            f"Say why this is done, in at most {LONGEST_REASON} characters.", field="reason"
        )
    run = BulkRun.objects.create(
        kind=deed.kind,
        terms=deed.stored(),
        reason=reason.strip(),
        chosen=chosen[:255],
        created_at=now,
        **in_the_name_of(actor),
    )
    number = 0
    for chunk in chunks(aims()):
        if number + len(chunk) > MOST_ROWS:
            raise TooManyChosen(f"At most {MOST_ROWS:,} customers can be changed at once.")
        BulkRow.objects.bulk_create(
            BulkRow(
                run=run,
                place=place,
                line=aim.line,
                customer_id=aim.customer_id,
                subscription_id=aim.subscription_id,
                grant_id=aim.grant_id,
                resource_id=aim.resource_id,
                amount=aim.amount,
            )
            for place, aim in enumerate(chunk, start=number + 1)
        )
        number += len(chunk)
    if not number:
        raise NothingChosen("Nobody was chosen.")
    _record("begun", run, actor, now, {"terms": run.terms, "chosen": run.chosen, "rows": number})
    return run


@act
def look(*, run_id: int, now: datetime, at_most: int = runs.BATCH) -> bool:
    """Work out what would be done to the next customers; False if all were looked at."""
    run = BulkRun.objects.select_for_update().filter(pk=run_id).working().first()
    if run is None or run.status != BulkStatus.DRY_RUN:
        return False
    waiting = run.rows.filter(outcome=BulkOutcome.WAITING).select_related(*POINTED_AT)
    rows = list(waiting.order_by("pk")[:at_most])
    if not rows:
        run.status, run.reviewed_at = BulkStatus.READY, now
        run.save(update_fields=["status", "reviewed_at"])
        return False
    for row in rows:
        row.run = run
    deed = deed_of(run)
    rows = _aimed(deed, rows, now)
    found = [row for row in rows if row.outcome == BulkOutcome.WAITING]
    for row, plan in zip(found, deed.plans(found, now) if found else [], strict=True):
        _note_plan(row, plan, now)
    BulkRow.objects.bulk_update([row for row in rows if row.pk], LOOKED_AT)
    BulkRow.objects.bulk_create([row for row in rows if not row.pk], batch_size=CHUNK)
    return True


@act
def give_up(*, run_id: int, message: str, now: datetime) -> None:
    """End a run whose dry run cannot be finished; the activity says why."""
    run = _lock(run_id)
    if run.status == BulkStatus.DRY_RUN:
        _finish(run, BulkStatus.FAILED, now)
        _record("failed", run, run.actor, now, {"message": message})


@act
def start(*, run_id: int, actor: Actor, now: datetime) -> BulkRun:
    """Let the worker do what the dry run shows.

    Raises:
        UnknownBulkChange: there is none.
        BulkChangeNotReady: it was not looked at yet, or somebody was faster, or there is
            nothing to do.
    """
    run = _lock(run_id)
    if run.status != BulkStatus.READY:
        raise BulkChangeNotReady("This was carried out or canceled already, or is not ready yet.")
    planned = run.rows.filter(outcome=BulkOutcome.PLANNED).count()
    if not planned:
        raise BulkChangeNotReady("There is nothing to do: every row is left out.")
    _go(run, BulkStatus.IN_PROGRESS, actor)
    _record("started", run, actor, now, {"rows": planned})
    return run


def next_rows(run: BulkRun, *, at_most: int, after: int = 0) -> list[int]:
    """Inner keys of rows that are next in what the run is doing, those above `after`."""
    rows = run.rows.filter(outcome=NEXT[BulkStatus(run.status)], pk__gt=after).order_by("pk")
    return list(rows.values_list("pk", flat=True)[:at_most])


def work(*, run: BulkRun, row_id: int, now: datetime) -> bool:
    """Do, or undo, one row and note what came of it; False: try again later."""
    if run.status == BulkStatus.UNDOING:
        return runs.attempt(
            lambda: together(lambda: _undo(run, row_id, now)),
            lambda message: _note(
                row_id, BulkOutcome.SUCCEEDED, BulkOutcome.KEPT, message=message, now=now
            ),
        )
    return runs.attempt(
        lambda: together(lambda: _do(run, row_id, now)),
        lambda message: _note(
            row_id, BulkOutcome.PLANNED, BulkOutcome.FAILED, message=message, now=now
        ),
    )


def goes_together(run: BulkRun) -> bool:
    """Whether rows of the run are worked on a batch at a time."""
    return run.status == BulkStatus.IN_PROGRESS and deed_of(run).goes_together


def work_several(*, run: BulkRun, row_ids: Sequence[int], now: datetime) -> int:
    """Do rows in one transaction, and what is left of them one by one; say how many were tried."""
    try:
        done, left = together(lambda: _do_several(run, row_ids, now))
    except Exception:
        logger.warning("A batch of a bulk change failed; its rows are done one by one.")
        done, left = 0, list(row_ids)
    return done + sum(work(run=run, row_id=row_id, now=now) for row_id in left)


@act
def conclude(*, run_id: int, now: datetime) -> BulkStatus | None:
    """End what has nothing left to do; None if it has, or was over before."""
    run = _lock(run_id)
    if run.status not in NEXT or run.paused_at is not None or next_rows(run, at_most=1):
        return None
    status = BulkStatus.UNDONE if run.status == BulkStatus.UNDOING else _result(run)
    _finish(run, status, now)
    done = "undone" if status == BulkStatus.UNDONE else "carried_out"
    _record(done, run, run.actor, now, {"status": status})
    return status


@act
def pause(*, run_id: int, actor: Actor, now: datetime) -> BulkRun:
    """Let it rest where it is; rows that are being worked on are finished.

    Raises:
        UnknownBulkChange, BulkChangeNotPaused.
    """
    run = _lock(run_id)
    if run.status not in WORKING or run.paused_at is not None:
        raise BulkChangeNotPaused("This is not running.")
    run.paused_at = now
    run.save(update_fields=["paused_at"])
    _record("paused", run, actor, now, {"status": run.status})
    return run


@act
def resume(*, run_id: int, actor: Actor, now: datetime) -> BulkRun:
    """Let it go on.

    Raises:
        UnknownBulkChange, BulkChangeNotPaused.
    """
    run = _lock(run_id)
    if run.paused_at is None:
        raise BulkChangeNotPaused("This is not paused.")
    run.paused_at = None
    run.save(update_fields=["paused_at"])
    _record("resumed", run, actor, now, {"status": run.status})
    return run


@act
def cancel(*, run_id: int, actor: Actor, now: datetime) -> BulkRun:
    """Stop it: what was done stays, and can be undone; what was not is left alone.

    Raises:
        UnknownBulkChange, BulkChangeFinished.
    """
    run = _lock(run_id)
    if run.status not in UNFINISHED:
        raise BulkChangeFinished("This is over.")
    was_undoing = run.status == BulkStatus.UNDOING
    left = run.rows.filter(outcome=BulkOutcome.PLANNED).exists()
    status = _result(run) if was_undoing and not left else BulkStatus.CANCELED
    _finish(run, status, now)
    _record("canceled", run, actor, now, {"undoing": was_undoing})
    return run


@act
def retry(*, run_id: int, actor: Actor, now: datetime) -> int:
    """Try once more what failed; answers how many rows.

    Raises:
        UnknownBulkChange, NothingFailed.
    """
    run = _lock(run_id)
    failed = run.rows.filter(outcome=BulkOutcome.FAILED)
    if run.status not in (BulkStatus.PARTIALLY_FAILED, BulkStatus.FAILED) or not failed.exists():
        raise NothingFailed("Nothing failed, or this is not over yet.")
    number = failed.update(outcome=BulkOutcome.PLANNED, message="", finished_at=None)
    _go(run, BulkStatus.IN_PROGRESS, actor)
    _record("retried", run, actor, now, {"rows": number})
    return number


@act
def undo(*, run_id: int, actor: Actor, now: datetime) -> int:
    """Take back what was done, where nothing was spent; answers how many rows are tried.

    Raises:
        UnknownBulkChange, NothingToUndo.
    """
    run = _lock(run_id)
    if DEEDS[run.kind].irreversible_because:
        raise NothingToUndo(DEEDS[run.kind].irreversible_because)
    if run.status in UNFINISHED:
        raise NothingToUndo("This is not over yet. Cancel it first.")
    run.rows.filter(outcome=BulkOutcome.KEPT).update(outcome=BulkOutcome.SUCCEEDED, message="")
    number = run.rows.filter(outcome=BulkOutcome.SUCCEEDED).count()
    if not number:
        raise NothingToUndo("Nothing was done, or all of it is undone.")
    _go(run, BulkStatus.UNDOING, actor)
    _record("undo_started", run, actor, now, {"rows": number})
    return number


def _aimed(deed: Deed, rows: Sequence[BulkRow], now: datetime) -> list[BulkRow]:
    """The rows pointing at what is meant; new ones where that is more than one of somebody."""
    bare = [row for row in rows if deed.aims_at and getattr(row, deed.aims_at) is None]
    if not bare:
        return list(rows)
    targets = deed.targets([row.customer_id for row in bare], now)
    added = []
    for row in bare:
        found = targets.get(row.customer_id, [])
        if not found:
            _note_plan(row, NothingFits(f"They have no {deed.aims_at} that is meant."), now)
        for turn, target in enumerate(found, start=1):
            aimed = row
            if turn > 1:
                aimed = BulkRow(
                    run=row.run, place=row.place, turn=turn, line=row.line, customer=row.customer
                )
                added.append(aimed)
            setattr(aimed, deed.aims_at, target)
    return sorted((*rows, *added), key=lambda row: (row.place, row.turn))


def _note_plan(row: BulkRow, plan: Plan, now: datetime) -> None:
    if isinstance(plan, DomainError):
        row.outcome, row.finished_at = BulkOutcome.SKIPPED, now
        row.message = plan.message[: runs.LONGEST_MESSAGE]
    else:
        row.outcome = BulkOutcome.PLANNED
        row.what, row.planned = plan.what[:255], plan.balances


def _do(run: BulkRun, row_id: int, now: datetime) -> None:
    """One row: claimed, done and noted, or nothing of it."""
    if not _claim(run.pk, row_id, BulkStatus.IN_PROGRESS, BulkOutcome.SUCCEEDED, now):
        return
    row = _row(run, row_id)
    result = deed_of(run).do(row, run.reason, actor=run.actor, now=now)
    _note_result(row, result)
    row.save(update_fields=DONE)


def _do_several(run: BulkRun, row_ids: Sequence[int], now: datetime) -> tuple[int, list[int]]:
    """As `_do`, of those that the deed can do together: how many, and which it left.

    What another worker is at is neither.
    """
    if not BulkRun.objects.working().filter(pk=run.pk, status=BulkStatus.IN_PROGRESS).exists():
        return 0, []
    skips = connection.features.has_select_for_update_skip_locked
    free = BulkRow.objects.select_for_update(of=("self",), skip_locked=skips)
    planned = free.filter(pk__in=row_ids, outcome=BulkOutcome.PLANNED)
    rows = list(planned.select_related(*POINTED_AT).order_by("pk"))
    results = deed_of(run).do_several(rows, actor=run.actor, now=now)
    done = BulkRow.objects.filter(pk__in=results)
    done.update(outcome=BulkOutcome.SUCCEEDED, finished_at=now, done=F("planned"))
    for row in rows:
        if row.pk in results:
            _note_result(row, results[row.pk])
    BulkRow.objects.bulk_update([row for row in rows if row.changed_since_review], DONE)
    return len(results), [row.pk for row in rows if row.pk not in results]


def _note_result(row: BulkRow, result: Result) -> None:
    what = result.what[:255]
    row.changed_since_review = (what, result.balances) != (row.what, row.planned)
    row.what, row.done, row.before = what, result.balances, result.before or {}
    if result.grant_id is not None:
        row.grant_id = result.grant_id


def _undo(run: BulkRun, row_id: int, now: datetime) -> None:
    if _claim(run.pk, row_id, BulkStatus.UNDOING, BulkOutcome.UNDONE, now):
        reason = f"Undone: {run.reason}"
        deed_of(run).undo(_row(run, row_id), reason, actor=run.actor, now=now)


@act
def _claim(
    run_id: int, row_id: int, status: BulkStatus, outcome: BulkOutcome, now: datetime
) -> bool:
    """Note the outcome first; False if another worker did, or nobody works on the run now."""
    if not BulkRun.objects.working().filter(pk=run_id, status=status).exists():
        return False
    rows = BulkRow.objects.filter(pk=row_id, outcome=NEXT[status])
    return rows.update(outcome=outcome, finished_at=now) == 1


@act
def _note(
    row_id: int, before: BulkOutcome, after: BulkOutcome, *, message: str, now: datetime
) -> None:
    rows = BulkRow.objects.filter(pk=row_id, outcome=before)
    rows.update(outcome=after, message=message, finished_at=now)


def _row(run: BulkRun, row_id: int) -> BulkRow:
    row = BulkRow.objects.select_related(*POINTED_AT).get(pk=row_id)
    row.run = run
    return row


def _lock(run_id: int) -> BulkRun:
    run = BulkRun.objects.select_for_update().filter(pk=run_id).first()
    if run is None:
        raise UnknownBulkChange("There is no such bulk change.")
    return run


def _go(locked_run: BulkRun, status: BulkStatus, actor: Actor) -> None:
    """Let the worker take it up, in the name of `actor`."""
    locked_run.status, locked_run.finished_at = status, None
    for name, value in in_the_name_of(actor).items():
        setattr(locked_run, name, value)
    locked_run.save()


def _finish(locked_run: BulkRun, status: BulkStatus, now: datetime) -> None:
    locked_run.status, locked_run.finished_at, locked_run.paused_at = status, now, None
    locked_run.save(update_fields=["status", "finished_at", "paused_at"])


def _result(run: BulkRun) -> BulkStatus:
    """How a run ended, by what came of its rows."""
    outcomes = set(run.rows.values_list("outcome", flat=True).order_by("outcome").distinct())
    if BulkOutcome.FAILED not in outcomes:
        return BulkStatus.COMPLETED
    done = {BulkOutcome.SUCCEEDED, BulkOutcome.UNDONE, BulkOutcome.KEPT}
    return BulkStatus.PARTIALLY_FAILED if done & outcomes else BulkStatus.FAILED


def _record(
    what: str, run: BulkRun, actor: Actor, now: datetime, payload: dict[str, object]
) -> None:
    activity.record(
        f"bulk_change.{what}",
        subject=run,
        actor=actor,
        now=now,
        payload={"kind": run.kind, "reason": run.reason, **payload},
    )


def chunks(many: Iterable[T]) -> Iterator[list[T]]:
    """So many at a time as go into one statement, in their order."""
    rest = iter(many)
    while chunk := list(islice(rest, CHUNK)):
        yield chunk
