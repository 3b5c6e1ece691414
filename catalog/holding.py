"""Rows that must stay what they are until a transaction is over; a step of verbs."""

from collections.abc import Iterable

from django.db import connection, models


def hold(model: type[models.Model], ids: Iterable[int]) -> None:
    """Let nobody publish or archive these rows before this transaction is over.

    A shared lock, in primary-key order: those who hold rows do not wait for each other. On
    SQLite a transaction has the database for itself.
    """
    wanted = sorted(set(ids))
    if wanted and connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(
                f'SELECT 1 FROM "{model._meta.db_table}" WHERE id = ANY(%s) ORDER BY id'  # noqa: S608
                " FOR KEY SHARE",
                [wanted],
            )
