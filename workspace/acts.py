"""One transaction for one act.

Tried again when the database asks for it, and once only per `Idempotency-Key` (end of R40).
"""

import functools
import random
import sqlite3
import time
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from typing import ParamSpec, TypeVar

from django.db import OperationalError, connection, transaction

from workspace.errors import BadInput, Busy
from workspace.models.answers import IdempotentAnswer

TRIES = 5
LONGEST_PAUSE = 0.8  # seconds
MEMORY_OF_KEYS = timedelta(hours=24)

# Serialization failure, deadlock, lock not available.
PASSING_STATES = {"40001", "40P01", "55P03"}
PASSING_CODES = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}

P = ParamSpec("P")
R = TypeVar("R")


class TooBusy(Busy):
    """Others kept the rows we need for too long."""


class InvalidIdempotencyKey(BadInput):
    """An `Idempotency-Key` that is empty or too long."""


class IdempotencyKeyReused(BadInput):
    """The key was used for a request with other content (R40)."""


class Scope(Enum):
    """How far into its transaction the running code is."""

    OUTSIDE = 0
    ONCE = 1  # inside `once` or `together`, between acts
    ACT = 2


_scope: ContextVar[Scope] = ContextVar("scope", default=Scope.OUTSIDE)


def act(verb: Callable[P, R]) -> Callable[P, R]:
    """Make `verb` one transaction, tried again at most five times.

    A verb that a face calls is an act; acts never call acts. Inside `once` an act is a
    step of that one's transaction and leaves nothing behind if it fails.

    Raises:
        TooBusy: the last try, too, met a lock or a conflict. Nothing was changed.
    """
    return _act(verb, _transact)


def act_of_one_statement(verb: Callable[P, R]) -> Callable[P, R]:
    """As `act`, for a verb that sends one statement only.

    The database makes every statement a transaction, so BEGIN and COMMIT, half of the way
    there and back, are left out.

    Raises:
        TooBusy: as with any act.
    """
    return _act(verb, _send)


def _act(
    verb: Callable[P, R], carry_out: "Callable[[Callable[[], R], Scope], R]"
) -> Callable[P, R]:
    @functools.wraps(verb)
    def whole(*args: P.args, **kwargs: P.kwargs) -> R:
        match _scope.get():
            case Scope.OUTSIDE:
                return carry_out(lambda: verb(*args, **kwargs), Scope.ACT)
            case Scope.ONCE:
                with transaction.atomic():
                    return _within(Scope.ACT, lambda: verb(*args, **kwargs))
            case Scope.ACT:
                raise RuntimeError(f"{verb.__qualname__} is an act and was called inside one.")

    return whole


def together(run: Callable[[], R]) -> R:
    """Make the acts that `run` calls one transaction: all of them happen, or nothing does.

    Inside `once` they are part of that one's transaction.

    Raises:
        TooBusy: as with any act.
    """
    match _scope.get():
        case Scope.OUTSIDE:
            return _transact(run, Scope.ONCE)
        case Scope.ONCE:
            with transaction.atomic():
                return run()
        case Scope.ACT:
            raise RuntimeError("Acts were put together inside an act.")


@dataclass(frozen=True, slots=True)
class Answer:
    """What a face answered: a status and a text, remembered to the letter."""

    status: int
    body: str
    replayed: bool = False


def once(
    run: Callable[[], Answer],
    *,
    principal: str,
    key: str,
    fingerprint: str,
    now: datetime,
) -> Answer:
    """Answer a request by `run`, or by what was answered when `key` came first (R40).

    The key is claimed first and the answer is stored last in one transaction with all
    changes that `run` makes, so either all of it happened or nothing. A second request
    arriving meanwhile waits for the first. Keys belong to a `principal`, are remembered
    for 24 hours, and `fingerprint` tells whether the content is the same.

    A refusal changes nothing and is not remembered: the key is free for another try.

    Raises:
        InvalidIdempotencyKey: empty or longer than 255 characters.
        IdempotencyKeyReused: the key belongs to a request with other content.
        TooBusy: as with any act.
    """
    if not 1 <= len(key) <= 255 or not key.isprintable():
        raise InvalidIdempotencyKey(
            "An Idempotency-Key has 1 to 255 printable characters.", field="Idempotency-Key"
        )

    def claim_run_store() -> Answer:
        claimed = _claim(principal=principal, key=key, fingerprint=fingerprint, now=now)
        if claimed.status is not None:
            return Answer(claimed.status, claimed.body, replayed=True)
        answer = run()
        claimed.status, claimed.body = answer.status, answer.body
        claimed.save(update_fields=["status", "body"])
        return answer

    return _transact(claim_run_store, Scope.ONCE)


def forget_answers(*, now: datetime, at_most: int = 10_000) -> int:
    """Delete up to `at_most` answers whose 24 hours are over; say how many (R40)."""
    expired = IdempotentAnswer.objects.filter(created_at__lt=now - MEMORY_OF_KEYS)
    oldest = expired.order_by("created_at").values_list("pk", flat=True)[:at_most]
    deleted, _ = IdempotentAnswer.objects.filter(pk__in=list(oldest)).delete()
    return deleted


def _claim(*, principal: str, key: str, fingerprint: str, now: datetime) -> IdempotentAnswer:
    """The locked row of `key`: with a status if it was answered, else ours to answer."""
    rows = IdempotentAnswer.objects.select_for_update()
    claimed, is_new = rows.get_or_create(
        principal=principal, key=key, defaults={"fingerprint": fingerprint, "created_at": now}
    )
    if is_new:
        return claimed
    if claimed.created_at <= now - MEMORY_OF_KEYS:
        claimed.fingerprint, claimed.created_at = fingerprint, now
        claimed.status, claimed.body = None, ""
        claimed.save()
    elif claimed.fingerprint != fingerprint:
        raise IdempotencyKeyReused(
            "This Idempotency-Key was used for a request with other content.",
            field="Idempotency-Key",
        )
    return claimed


def _within(scope: Scope, run: Callable[[], R]) -> R:
    token = _scope.set(scope)
    try:
        return run()
    finally:
        _scope.reset(token)


def _transact(run: Callable[[], R], scope: Scope) -> R:
    def transaction_of_many_statements() -> R:
        with transaction.atomic(durable=True):
            return _within(scope, run)

    return _try_again(transaction_of_many_statements)


def _send(run: Callable[[], R], scope: Scope) -> R:
    if connection.in_atomic_block:  # a test's, or one that an act refuses to stand in
        return _transact(run, scope)
    return _try_again(lambda: _within(scope, run))


def _try_again(run: Callable[[], R]) -> R:
    for tried in range(1, TRIES + 1):
        try:
            return run()
        except OperationalError as error:
            if not is_passing(error):
                raise
            if tried < TRIES:
                # Anything between nothing and a doubling limit, so that rivals part ways.
                pause = random.uniform(0, min(LONGEST_PAUSE, 0.05 * 2**tried))  # noqa: S311
                time.sleep(pause)
    raise TooBusy("Too many changes at the same time. Please try again.")


def is_passing(error: OperationalError) -> bool:
    """Whether the database refused only because others were in the way."""
    cause = error.__cause__
    if isinstance(cause, sqlite3.Error):
        # The low byte is the primary code; the rest tells variants apart.
        return getattr(cause, "sqlite_errorcode", 0) & 0xFF in PASSING_CODES
    return getattr(cause, "sqlstate", None) in PASSING_STATES
