"""Rows as plain columns, there and back (credits.columns)."""

from datetime import timedelta
from decimal import Decimal
from uuid import UUID

import pytest
from django.core.exceptions import ValidationError
from django.db import connection

from credits.columns import Columns, fetch
from credits.models import Grant
from tests.credits.paper import FEBRUARY, JANUARY
from tests.credits.pools import a_pool, granted

pytestmark = pytest.mark.django_db

only_postgresql = pytest.mark.skipif(
    connection.vendor != "postgresql", reason="SQLite knows no arrays."
)

GRANTS = Columns(
    Grant,
    "id",
    "public_id",
    "schedule",
    "name",
    "amount",
    "mark_before",
    "payment_pending",
    "effective_at",
    "expires_at",
)
ID = UUID("0199a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b")
ROWS = [
    (1, ID, None, "", Decimal("0.000001"), None, True, JANUARY, None),
    (2, ID, 7, "NULL", Decimal("-1.5"), Decimal(0), False, JANUARY, FEBRUARY),
    (3, ID, 7, 'a "b" {c}, d\\e', Decimal(10**12), None, False, FEBRUARY, None),
]


class TestArrays:
    @only_postgresql
    def test_hand_rows_over_as_they_are(self):
        given = fetch(f"SELECT * FROM {GRANTS.given}", GRANTS.arrays(ROWS))

        assert GRANTS.read_all(given) == [list(row) for row in ROWS]

    @only_postgresql
    def test_hand_over_json_as_text(self):
        metadata = Columns(Grant, "id", "metadata")
        rows = [(1, {"a": 'x"y'}), (2, {}), (3, {})]

        given = fetch(
            f"SELECT id, metadata::text FROM {metadata.given}",
            metadata.arrays(rows),
        )

        assert given == [(1, '{"a": "x\\"y"}'), (2, "{}"), (3, "{}")]

    @only_postgresql
    def test_hand_over_no_rows(self):
        assert fetch(f"SELECT * FROM {GRANTS.given}", GRANTS.arrays([])) == []

    def test_refuse_a_seventh_decimal(self):
        amounts = Columns(Grant, "id", "amount")

        with pytest.raises(ValidationError, match="six decimal places"):
            amounts.arrays([(1, Decimal("0.1234567"))])
        with pytest.raises(ValidationError, match="six decimal places"):
            amounts.stored([(1, Decimal("0.1234567"))])


class TestRead:
    def test_gives_what_the_model_gives(self):
        grant = granted(a_pool(now=JANUARY), "1.5", now=JANUARY, expires_at=FEBRUARY)
        names = ["id", "amount", "mark_before", "payment_pending", "effective_at", "expires_at"]
        columns = Columns(Grant, *names)

        [row] = fetch(f"SELECT {columns.listed} FROM {columns.table}", [])

        assert columns.read(row) == [getattr(grant, name) for name in names]
        assert columns.read(row)[-1].utcoffset() == timedelta(0)
