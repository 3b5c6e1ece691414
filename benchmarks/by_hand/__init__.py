"""The limits: the same durable work, written by hand for this schema and this data."""

from pathlib import Path

from django.db import connection


def install(*names: str) -> None:
    """Create functions in the current PostgreSQL database."""
    with connection.cursor() as cursor:
        for name in names:
            cursor.execute((Path(__file__).parent / f"{name}.sql").read_text())
