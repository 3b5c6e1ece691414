"""Verbs that die: before and after every statement, and before and after every COMMIT.

After one statement is before the next: for the database that is one point.
"""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import count
from typing import Any

from django.db import connection

from credits import verification
from tests.concurrency.stored import stored
from tests.credits.conftest import THE_END
from tests.credits.paper import MID_JANUARY
from workspace import acts
from workspace.acts import Answer

NEVER = 0


class Crash(BaseException):
    """The process is gone: no `except Exception` notices."""


@dataclass(frozen=True)
class Verb:
    """Something that must survive a crash.

    `prepare` stores what it needs and says with which arguments, plain enough for JSON,
    `run` is called: the first time, and after a crash.
    """

    prepare: Callable[[], dict[str, Any]]
    run: Callable[..., object]


def as_a_request(run: Callable[[], object]) -> Answer:
    """As a face calls a verb that has no key of its own: once per `Idempotency-Key`."""

    def answer() -> Answer:
        run()
        return Answer(200, "done")

    return acts.once(answer, principal="tests", key="the same", fingerprint="", now=MID_JANUARY)


class Fuse:
    """Counts the points that a verb passes, and at one of them calls `die`."""

    def __init__(
        self, burns_at: int, die: Callable[[], object], on_commit: Callable[[], object]
    ) -> None:
        self.burns_at, self.die, self.on_commit = burns_at, die, on_commit
        self.passed = 0

    def __call__(self, execute: Any, *arguments: Any) -> Any:
        self._point()
        result = execute(*arguments)
        if connection.get_autocommit():  # a statement on its own is its own COMMIT
            self.on_commit()
        return result

    @contextlib.contextmanager
    def laid(self) -> Iterator[None]:
        """Count what the connection of this thread does."""
        connection.ensure_connection()
        commit = connection._commit  # type: ignore[attr-defined]

        def commit_between_points() -> None:
            self._point()
            commit()
            self.on_commit()

        connection._commit = commit_between_points  # type: ignore[attr-defined]
        try:
            with connection.execute_wrapper(self):
                yield
                self._point()
        finally:
            del connection._commit  # type: ignore[attr-defined]

    def _point(self) -> None:
        self.passed += 1
        if self.passed == self.burns_at:
            self.die()


@dataclass(frozen=True)
class End:
    """How a run ended: whether it came to its own end, and after how many COMMITs."""

    survived: bool
    commits: int


Victim = Callable[[dict[str, Any], int], End]
"""Runs a verb with its arguments, to die at a point."""


def lose_connection() -> None:
    """For the database as if the process had died."""
    connection.close()
    raise Crash


def in_this_process(verb: Verb, arguments: dict[str, Any], dies_at: int) -> End:
    """The verb loses its connection, and nobody above it cleans up."""
    commits: list[None] = []
    fuse = Fuse(dies_at, lose_connection, lambda: commits.append(None))
    with contextlib.suppress(Crash), fuse.laid():
        verb.run(**arguments)
        return End(survived=True, commits=len(commits))
    return End(survived=False, commits=len(commits))


class Law(StrEnum):
    """What is true whenever something died."""

    WHOLE = "all that was committed is stored, and nothing else"
    BOOKS = "the books are right"
    AGAIN = "the same once more ends as if nothing had happened"


@dataclass
class Walk:
    """The points at which a verb died, and which laws it broke there."""

    points: int = 0
    breaches: list[tuple[Law, int, str]] = field(default_factory=list)

    @property
    def broken(self) -> set[Law]:
        return {law for law, _, _ in self.breaches}


def walk(verb: Verb, victim: Victim) -> Walk:
    """Let the verb die at its first point, its second, …, until it lives; look each time."""
    arguments = verb.prepare()
    store = stored()
    try:
        return _walk(verb, arguments, victim, store)
    finally:
        store.put_back()
        store.close()


def _walk(
    verb: Verb,
    arguments: dict[str, Any],
    victim: Victim,
    store: Any,
) -> Walk:
    committed = [(store.look(), store.next_numbers())]
    undisturbed = Fuse(
        NEVER, lose_connection, lambda: committed.append((store.look(), store.next_numbers()))
    )
    with undisturbed.laid():
        verb.run(**arguments)
    whole = store.look()
    walked = Walk()
    proven: set[tuple[str, ...]] = set()

    def expect(law: Law, point: int, wrong: str) -> None:
        if wrong:
            walked.breaches.append((law, point, wrong))

    def prove(rows: list[str], point: int) -> None:
        """The same rows need one proof only."""
        if tuple(rows) not in proven:
            wrong = faults()
            expect(Law.BOOKS, point, wrong)
            if not wrong:
                proven.add(tuple(rows))

    for point in count(1):
        store.put_back()
        end = victim(arguments, point)
        store.wait_for_the_dead()
        found = store.look()
        if end.survived:
            expect(Law.AGAIN, point, difference(found, whole))
            break
        walked.points = point
        expected, numbers = committed[end.commits]
        expect(Law.WHOLE, point, difference(found, expected))
        prove(found, point)
        store.give_out_again(numbers)
        expect(Law.AGAIN, point, failure(verb, arguments))
        found = store.look()
        expect(Law.AGAIN, point, difference(found, whole))
        prove(found, point)
    return walked


def difference(found: list[str], expected: list[str]) -> str:
    """The rows that are too many or missing; empty if none."""
    if found == expected:
        return ""
    too_many = [row for row in found if row not in expected]
    missing = [row for row in expected if row not in found]
    return f"too many: {too_many}, missing: {missing}"


def faults() -> str:
    """What is wrong with the books; empty if nothing."""
    return " ".join(str(fault) for fault in verification.verify_all(THE_END))


def failure(verb: Verb, arguments: dict[str, Any]) -> str:
    """Run the verb; what it refused, empty if nothing."""
    try:
        verb.run(**arguments)
    except Exception as error:
        return repr(error)
    return ""
