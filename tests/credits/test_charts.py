from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from credits import charts
from credits.charts import DIRECT, OTHERS, Reach
from tests.builders import a_metered_feature
from tests.credits.pools import a_pool, consumed

NOW = datetime(2026, 3, 4, 15, 30, 20, tzinfo=UTC)


def instant(month: int, day: int, hour: int = 0, year: int = 2026) -> datetime:
    return datetime(year, month, day, hour, tzinfo=UTC)


class TestStepsOf:
    @pytest.mark.parametrize(
        ("reach", "count", "first", "last", "until"),
        [
            (Reach.DAY, 24, instant(3, 3, 16), instant(3, 4, 15), instant(3, 4, 16)),
            (Reach.WEEK, 7, instant(2, 26), instant(3, 4), instant(3, 5)),
            (Reach.MONTH, 30, instant(2, 3), instant(3, 4), instant(3, 5)),
            (Reach.YEAR, 12, instant(4, 1, year=2025), instant(3, 1), instant(4, 1)),
        ],
    )
    def test_ends_with_the_step_that_now_lies_in(self, reach, count, first, last, until):
        steps, end = charts.steps_of(reach, NOW)

        assert len(steps) == count
        assert (steps[0], steps[-1], end) == (first, last, until)


@pytest.mark.django_db
class TestOverTime:
    def test_counts_use_on_the_day_of_the_use(self):
        """R38: an event of yesterday, processed today."""
        pool = a_pool()
        consumed(pool, 10, now=NOW, used_at=NOW - timedelta(days=1))
        consumed(pool, 5, now=NOW)

        use = charts.over_time(pool, Reach.WEEK, now=NOW)

        (part,) = use.parts
        assert (part.name, part.amounts) == (DIRECT, (0, 0, 0, 0, 0, 10, 5))
        assert use.total == 15

    def test_puts_the_feature_that_was_used_most_first(self):
        pool, text, images = a_pool(), a_metered_feature("Text"), a_metered_feature("Images")
        consumed(pool, 1, feature=text, now=NOW)
        consumed(pool, 20, feature=images, now=NOW)
        consumed(pool, 3, now=NOW)

        use = charts.over_time(pool, Reach.DAY, now=NOW)

        assert [(each.name, each.total) for each in use.parts] == [
            ("Images", 20),
            (DIRECT, 3),
            ("Text", 1),
        ]

    def test_joins_the_smallest_of_many_features(self):
        pool = a_pool()
        for number in range(1, 9):
            consumed(pool, number, feature=a_metered_feature(f"F{number}"), now=NOW)

        use = charts.over_time(pool, Reach.YEAR, now=NOW)

        assert [each.name for each in use.parts] == ["F8", "F7", "F6", "F5", "F4", OTHERS]
        assert use.parts[-1].total == 6

    def test_leaves_out_what_is_too_long_ago(self):
        pool = a_pool()
        consumed(pool, 1, now=NOW, used_at=NOW - timedelta(days=30))

        assert charts.over_time(pool, Reach.MONTH, now=NOW).parts == ()

    def test_takes_one_query(self):
        pool = a_pool()
        consumed(pool, 1, now=NOW)

        with CaptureQueriesContext(connection) as queries:
            charts.over_time(pool, Reach.YEAR, now=NOW)

        assert len(queries) == 1
