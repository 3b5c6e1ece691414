from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from credits import charts
from credits.charts import DIRECT, OTHER_FEATURES, OTHER_VALUES, Reach
from credits.series import Step
from tests.builders import a_metered_feature
from tests.credits.pools import a_pool, consumed

NOW = datetime(2026, 3, 4, 15, 30, 20, tzinfo=UTC)


def instant(month: int, day: int, hour: int = 0, year: int = 2026) -> datetime:
    return datetime(year, month, day, hour, tzinfo=UTC)


class TestSpan:
    @pytest.mark.parametrize(
        ("reach", "start", "end"),
        [
            (Reach.DAY, instant(3, 3, 16), instant(3, 4, 16)),
            (Reach.WEEK, instant(2, 26), instant(3, 5)),
            (Reach.MONTH, instant(2, 3), instant(3, 5)),
            (Reach.YEAR, instant(4, 1, year=2025), instant(4, 1)),
        ],
    )
    def test_ends_with_the_step_that_now_lies_in(self, reach, start, end):
        assert charts.span(reach, NOW) == (start, end)


def over(pool, reach: Reach, **options):
    return charts.over_time(pool, *charts.span(reach, NOW), **options)


@pytest.mark.django_db
class TestOverTime:
    @pytest.mark.parametrize(
        ("reach", "step", "count"),
        [
            (Reach.DAY, Step.HOUR, 24),
            (Reach.WEEK, Step.DAY, 7),
            (Reach.MONTH, Step.DAY, 30),
            (Reach.YEAR, Step.MONTH, 12),
        ],
    )
    def test_takes_steps_that_fit_the_range(self, reach, step, count):
        use = over(a_pool(), reach)

        assert (use.step, len(use.steps)) == (step, count)

    def test_counts_use_on_the_day_of_the_use(self):
        """R38: an event of yesterday, processed today."""
        pool = a_pool()
        consumed(pool, 10, now=NOW, used_at=NOW - timedelta(days=1))
        consumed(pool, 5, now=NOW)

        use = over(pool, Reach.WEEK)

        (part,) = use.parts
        assert (part.name, part.amounts) == (DIRECT, (0, 0, 0, 0, 0, 10, 5))
        assert use.total == 15

    def test_puts_the_feature_that_was_used_most_first(self):
        pool, text, images = a_pool(), a_metered_feature("Text"), a_metered_feature("Images")
        consumed(pool, 1, feature=text, now=NOW)
        consumed(pool, 20, feature=images, now=NOW)
        consumed(pool, 3, now=NOW)

        use = over(pool, Reach.DAY)

        assert [(each.name, each.total) for each in use.parts] == [
            ("Images", 20),
            (DIRECT, 3),
            ("Text", 1),
        ]

    def test_stacks_by_a_dimension_whatever_the_feature(self):
        pool = a_pool()
        consumed(pool, 1, feature=a_metered_feature("Text"), now=NOW, dimensions={"model": "large"})
        consumed(pool, 20, now=NOW, dimensions={"model": "large"})
        consumed(pool, 3, now=NOW, dimensions={"region": "eu"})

        use = over(pool, Reach.DAY, dimension="model")

        assert [(each.name, each.total) for each in use.parts] == [
            ("large", 21),
            ("Without model", 3),
        ]

    @pytest.mark.parametrize(("dimension", "others"), [("", OTHER_FEATURES), ("n", OTHER_VALUES)])
    def test_joins_the_smallest_of_many(self, dimension, others):
        pool = a_pool()
        for number in range(1, 9):
            consumed(
                pool,
                number,
                feature=a_metered_feature(f"F{number}"),
                now=NOW,
                dimensions={"n": f"F{number}"},
            )

        use = over(pool, Reach.YEAR, dimension=dimension)

        assert [each.name for each in use.parts] == ["F8", "F7", "F6", "F5", "F4", others]
        assert use.parts[-1].total == 6

    def test_leaves_out_what_is_too_long_ago(self):
        pool = a_pool()
        consumed(pool, 1, now=NOW, used_at=NOW - timedelta(days=30))

        assert over(pool, Reach.MONTH).parts == ()

    def test_takes_one_query(self):
        pool = a_pool()
        consumed(pool, 1, now=NOW)

        with CaptureQueriesContext(connection) as queries:
            over(pool, Reach.YEAR)

        assert len(queries) == 1
