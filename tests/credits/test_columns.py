"""Rows as plain columns, there and back (credits.columns)."""

from datetime import timedelta
from decimal import Decimal
from typing import Any
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


def handed_over(columns: Columns, rows: list[Any], selected: str = "") -> list[Any]:
    """The rows as the database got them."""
    given, parameters = columns.given(rows)
    return fetch(f"SELECT {selected or columns.listed} FROM {given}", parameters)


@only_postgresql
class TestGiven:
    @pytest.mark.parametrize("count", [1, 2, 3])
    def test_hands_rows_over_as_they_are(self, count):
        given = handed_over(GRANTS, ROWS[:count])

        assert GRANTS.read_all(given) == [list(row) for row in ROWS[:count]]

    def test_sends_once_what_all_rows_agree_on(self):
        _, parameters = GRANTS.given(ROWS[1:])

        assert parameters.count(ID) == 1
        assert sum(isinstance(value, str) and value[:1] == "{" for value in parameters) == 6

    def test_says_the_same_for_numbers_of_any_size(self):
        """Else each size would be a statement of its own to prepare."""
        small, large = (GRANTS.given([(pk, *ROWS[0][1:])]) for pk in (1, 10**12))

        assert small[0] == large[0]
        assert list(map(type, small[1])) == list(map(type, large[1]))

    def test_keeps_rows_that_are_all_alike(self):
        given = handed_over(GRANTS, [ROWS[0]] * 2)

        assert GRANTS.read_all(given) == [list(ROWS[0])] * 2

    def test_hands_json_over_as_text(self):
        metadata = Columns(Grant, "id", "metadata")
        rows = [(1, {"a": 'x"y'}), (2, {}), (3, {})]

        given = handed_over(metadata, rows, "id, metadata::text")

        assert given == [(1, '{"a": "x\\"y"}'), (2, "{}"), (3, "{}")]

    def test_hands_no_rows_over(self):
        assert handed_over(GRANTS, []) == []

    def test_refuses_a_seventh_decimal(self):
        amounts = Columns(Grant, "id", "amount")

        with pytest.raises(ValidationError, match="six decimal places"):
            amounts.given([(1, Decimal("0.1234567"))])


class TestStored:
    def test_refuses_a_seventh_decimal(self):
        amounts = Columns(Grant, "id", "amount")

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
