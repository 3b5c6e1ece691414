from collections.abc import Iterator

import pytest
from django.db import connections
from django.test import TransactionTestCase

from workspace import keys, triggers


@pytest.fixture(autouse=True, scope="session")
def _triggers_let_tests_empty_the_database() -> Iterator[None]:
    """A test with transactions of its own empties all tables at its end, which triggers
    refuse. The flush is followed by `post_migrate`, which installs them again."""
    tear_down = TransactionTestCase._fixture_teardown

    def without_triggers(test: TransactionTestCase) -> None:
        for alias in test._databases_names(include_mirrors=False):
            triggers.remove(connections[alias])
        tear_down(test)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TransactionTestCase, "_fixture_teardown", without_triggers)
        yield


@pytest.fixture(autouse=True)
def _no_use_noted_before() -> None:
    keys._noted_at.clear()
    keys._unwritten.clear()
