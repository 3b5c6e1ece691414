"""What every test needs from the database."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.core.management.commands import flush
from django.db import connections

from workspace import triggers


@pytest.fixture(autouse=True, scope="session")
def flush_past_the_triggers() -> Iterator[None]:
    """Let transactional tests empty their tables, which the triggers rightly refuse.

    The `migrate` signal at the end of `flush` brings the triggers back.
    """
    flush_tables = flush.Command.handle

    def handle(self: flush.Command, **options: Any) -> None:
        triggers.remove(connections[options["database"]])
        flush_tables(self, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(flush.Command, "handle", handle)
        yield
