"""Use by dimension, and what chapters say of it."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from credits import dimensions
from credits.models import Consumption, DimensionSum, LedgerEntry, Pool
from tests.credits.pools import a_pool, a_pool_of_a_plan, consumed

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 3, 4, 15, 30, 20, tzinfo=UTC)
HOUR = timedelta(hours=1)


class TestLatest:
    def test_are_those_of_the_latest_use_that_can_be_asked_for(self):
        pool = a_pool()
        consumed(pool, 1, now=NOW, dimensions={"model": "large", 'no"good': 1})
        consumed(pool, 1, now=NOW, dimensions={"endpoint": "/v2"})
        consumed(a_pool(), 1, now=NOW, dimensions={"another": "pool"})

        assert dimensions.latest(pool) == ["endpoint", "model"]

    def test_are_none_without_use(self):
        assert dimensions.latest(a_pool()) == []


@pytest.fixture
def pool() -> Pool:
    """Five uses of two models in two hours, each of a number of tokens of its own."""
    pool = a_pool_of_a_plan(5000, now=NOW)
    for number in range(5):
        model = "small" if number % 2 else "large"
        at = NOW + number // 4 * HOUR
        consumed(pool, 10 + number, now=at, dimensions={"model": model, "tokens": number})
    return pool


def sums(pool: Pool, *, at_most: int) -> list[tuple[str, str, int | None, int]]:
    """Key, value, hours since the first hour, amount."""
    first = NOW.replace(minute=0, second=0)
    return [
        (
            row.key,
            row.value,
            None if row.used_in is None else (row.used_in - first) // HOUR,
            int(row.amount),
        )
        for row in dimensions.sums(LedgerEntry.objects.filter(pool=pool), at_most=at_most)
    ]


MODELS = [("model", "large", 0, -22), ("model", "large", 1, -14), ("model", "small", 0, -24)]
TOKENS = [("tokens", str(number), number // 4, -10 - number) for number in range(5)]
LEFT_OVER = (DimensionSum.LEFT_OVER, "", None, 0)


class TestSums:
    def test_are_by_value_and_hour(self, pool):
        assert sums(pool, at_most=8) == [*MODELS, *TOKENS]

    @pytest.mark.parametrize("at_most", [3, 7])
    def test_leave_over_what_has_many_values(self, pool, at_most):
        assert sums(pool, at_most=at_most) == [*MODELS, LEFT_OVER]

    def test_leave_over_everything_where_there_is_no_room(self, pool):
        assert sums(pool, at_most=2) == [LEFT_OVER]

    def test_are_of_those_dimensions_that_most_uses_have(self, pool, monkeypatch):
        monkeypatch.setattr(dimensions, "MOST_SUMMED", 1)
        consumed(pool, 1, now=NOW, dimensions={"model": "large"})

        assert [row[0] for row in sums(pool, at_most=100)] == ["model"] * 3 + [LEFT_OVER[0]]

    def test_are_none_without_dimensions(self):
        pool = a_pool_of_a_plan(5000, now=NOW)
        consumed(pool, 1, now=NOW)

        assert sums(pool, at_most=100) == []


class TestAreSummed:
    @pytest.fixture
    def chapters(self, pool):
        """Of two chapters the second leaves something over."""
        DimensionSum.objects.bulk_create(
            DimensionSum(pool=pool, ends_with=ends_with, place=place, key=key)
            for ends_with, keys in {4: ["model", "region"], 8: ["model", ""]}.items()
            for place, key in enumerate(keys)
        )

    @pytest.mark.usefixtures("chapters")
    @pytest.mark.parametrize(
        ("key", "after", "expected"),
        [("model", 8, True), ("region", 4, True), ("region", 8, False), ("tokens", 4, True)],
    )
    def test_unless_a_chapter_without_them_leaves_something_over(self, pool, key, after, expected):
        assert dimensions.are_summed(pool.pk, key, after=after) is expected


class TestWithTags:
    @pytest.mark.parametrize(
        ("value", "text"),
        [("large", "large"), ("", ""), (5, "5"), (Decimal("1.5"), "1.5"), (True, "true")],
    )
    def test_tells_values_as_texts(self, value, text):
        consumed(a_pool(), 1, now=NOW, dimensions={"model": value})

        rows, [tag] = dimensions.with_tags(Consumption.objects.all(), "dimensions", ["model"])

        assert dimensions.texts(list(rows.values_list(tag, flat=True))) == (text,)

    @pytest.mark.parametrize("key", ["model", "2024", "-1", "$a", "_", "a-b"])
    def test_finds_every_dimension_that_can_be_asked_for(self, key):
        pool = a_pool()
        consumed(pool, 1, now=NOW, dimensions={key: "large"})

        rows, [tag] = dimensions.with_tags(Consumption.objects.all(), "dimensions", [key])

        assert rows.values_list(tag, flat=True).get() == "large"
