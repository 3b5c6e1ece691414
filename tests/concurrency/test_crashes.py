"""kill -9 at every statement: what was committed is there, nothing else, and nothing twice."""

from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest

from tests.concurrency.crashes import End, Law, Walk, in_this_process, walk
from tests.concurrency.killing import Nursery, nursery
from tests.concurrency.mortals import TWINS, VERBS

pytestmark = [pytest.mark.concurrency, pytest.mark.django_db(transaction=True)]

AT_LEAST = 4
"""Points of a verb that locks, writes, and commits once."""

AT_LEAST_AT_ONCE = 2
"""Points of a verb that the database may do in one statement: before it and after it."""


def at_least(name: str) -> int:
    return AT_LEAST_AT_ONCE if name == "consume what is there" else AT_LEAST


class TestLosingTheConnection:
    @pytest.mark.parametrize("name", VERBS)
    def test_loses_nothing_and_does_nothing_twice(self, name):
        walked = walk(VERBS[name], partial(in_this_process, VERBS[name]))

        assert walked.breaches == []
        assert walked.points >= at_least(name)

    @pytest.mark.parametrize("name", ["consume in pieces", "sweep in pieces"])
    def test_would_leave_half_without_a_transaction(self, name):
        """The twin: half of it is stored, the books are wrong and stay so."""
        walked = walk(TWINS[name], partial(in_this_process, TWINS[name]))

        assert walked.broken >= {Law.BOOKS, Law.AGAIN}

    def test_would_grant_twice_without_a_key(self):
        """The twin: right books, and a grant too many once the COMMIT has come through."""
        name = "grant without a key"

        walked = walk(TWINS[name], partial(in_this_process, TWINS[name]))

        assert [(law, point) for law, point, _ in walked.breaches] == [(Law.AGAIN, walked.points)]


@pytest.fixture(scope="module")
def nursery_of_mortals(django_db_setup: None) -> Iterator[Nursery]:
    with nursery() as found:
        yield found


class TestBeingKilled:
    def walked(self, name: str, born_in: Nursery) -> Walk:
        def victim(arguments: dict[str, Any], dies_at: int) -> End:
            return End(*born_in.run(name, arguments, dies_at))

        return walk((VERBS | TWINS)[name], victim)

    @pytest.mark.parametrize(
        "name",
        ["consume", "consume what is there", "grant", "void", "sweep", "migrate", "bulk"],
    )
    def test_loses_nothing_and_does_nothing_twice(self, name, nursery_of_mortals):
        walked = self.walked(name, nursery_of_mortals)

        assert walked.breaches == []
        assert walked.points >= at_least(name)

    def test_would_leave_half_without_a_transaction(self, nursery_of_mortals):
        """The twin."""
        walked = self.walked("consume in pieces", nursery_of_mortals)

        assert walked.broken >= {Law.BOOKS, Law.AGAIN}
