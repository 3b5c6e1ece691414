"""PostgreSQL as Django knows it, asked no question before each request."""

import select
from typing import Any

from django.db.backends.postgresql import base
from psycopg import Connection


class DatabaseWrapper(base.DatabaseWrapper):
    """Looks whether the server has hung up, where Django would send `SELECT 1` and wait.

    A server that stops, restarts or drops us closes its end, and then our socket has
    something to read. One that is silent is taken for alive: if it turns out to be gone,
    the statement fails as it would have a moment after the question.
    """

    health_check_enabled: bool
    health_check_done: bool

    def close_if_health_check_failed(self) -> None:
        """Ask the server only if it said something while nobody was listening."""
        is_due = self.health_check_enabled and not self.health_check_done
        if is_due and self.connection is not None and _is_silent(self.connection):
            self.health_check_done = True
        super().close_if_health_check_failed()


def _is_silent(connection: Connection[Any]) -> bool:
    """Whether the connection is open, and nothing came that nobody read."""
    if connection.closed:
        return False
    poll = select.poll()
    poll.register(connection.fileno(), select.POLLIN)
    return not poll.poll(0)
