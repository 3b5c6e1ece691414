from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection

if connection.vendor != "postgresql":
    pytest.skip("PostgreSQL only", allow_module_level=True)

from config.postgresql.base import DatabaseWrapper


@pytest.fixture
def kept(transactional_db: None) -> Iterator[DatabaseWrapper]:
    """A connection that one request used and the next one finds."""
    copied = connection.copy()
    assert isinstance(copied, DatabaseWrapper)
    copied.settings_dict = {**copied.settings_dict, "CONN_HEALTH_CHECKS": True}
    backend(copied)
    copied.close_if_unusable_or_obsolete()
    yield copied
    copied.close()


def backend(of: DatabaseWrapper) -> int:
    """The process of the server at the other end."""
    with of.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        found: int = cursor.fetchone()[0]
        return found


class TestDatabaseWrapper:
    def test_asks_a_silent_server_nothing(self, kept, monkeypatch):
        asked: list[Any] = []
        monkeypatch.setattr(kept, "is_usable", lambda: asked.append(1))
        before = kept.connection

        backend(kept)

        assert not asked
        assert kept.connection is before

    def test_connects_again_where_the_server_hung_up(self, kept):
        """F3."""
        gone = backend(kept)
        kept.close_if_unusable_or_obsolete()
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(%s, 5000)", [gone])

        assert backend(kept) != gone

    def test_keeps_one_that_only_had_something_to_say(self, kept):
        with kept.cursor() as cursor:
            cursor.execute("LISTEN news")
        before = backend(kept)
        kept.close_if_unusable_or_obsolete()
        with connection.cursor() as cursor:
            cursor.execute("NOTIFY news")

        assert backend(kept) == before

    def test_connects_again_where_we_hung_up(self, kept):
        kept.connection.close()

        assert backend(kept) > 0
