from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from credits.admin import drawing
from credits.charts import Part, UsageOverTime
from credits.series import Step

MONDAY = datetime(2026, 3, 2, tzinfo=UTC)


def use(*amounts: tuple[str, ...]) -> UsageOverTime:
    """Use of as many features as there are tuples, day by day."""
    steps = tuple(MONDAY + timedelta(days=number) for number in range(len(amounts[0])))
    parts = tuple(
        Part(f"Feature {number}", tuple(Decimal(amount) for amount in each))
        for number, each in enumerate(amounts, start=1)
    )
    return UsageOverTime(Step.DAY, steps, parts)


class TestDraw:
    def test_stacks_the_features_of_a_day(self):
        drawn = drawing.draw(use(("50",), ("25",)))

        below, above = drawn.bars
        assert (below.y, below.height, below.colour) == ("75", "125", 1)
        assert (above.y, above.height, above.colour) == ("12.5", "62.5", 2)
        assert above.title == "2 Mar 2026: Feature 2 25"

    def test_leaves_out_what_was_not_used(self):
        drawn = drawing.draw(use(("50", "0")))

        assert len(drawn.bars) == 1

    def test_labels_the_levels_with_separators(self):
        drawn = drawing.draw(use(("12345",)))

        assert [level.text for level in drawn.levels] == ["0", "4,000", "8,000", "12,000", "16,000"]

    def test_says_the_same_as_a_table_with_the_latest_first(self):
        drawn = drawing.draw(use(("50", "1.5"), ("25", "0")))

        assert [(row.step, row.amounts, row.total) for row in drawn.rows] == [
            ("3 Mar 2026", ("1.5", "0"), "1.5"),
            ("2 Mar 2026", ("50", "25"), "75"),
        ]
        assert drawn.summary == "76.5 used from 2 Mar 2026 to 3 Mar 2026"

    def test_labels_the_latest_step_and_not_too_many(self):
        drawn = drawing.draw(use(tuple("1" for _ in range(30))))

        assert [step.text for step in drawn.steps][-1] == "31 Mar"
        assert len(drawn.steps) <= 8

    def test_draws_nothing_where_nothing_was_used(self):
        empty = UsageOverTime(Step.DAY, (MONDAY,), ())

        drawn = drawing.draw(empty)

        assert (drawn.bars, drawn.legend, drawn.rows) == ((), (), ())


class TestCeiling:
    @pytest.mark.parametrize(
        ("largest", "expected"),
        [
            ("0", "4"),
            ("1", "1"),
            ("75", "80"),
            ("100", "100"),
            ("101", "120"),
            ("230", "240"),
            ("999999999999", "1000000000000"),
            ("0.000003", "0.0000032"),
        ],
    )
    def test_is_the_next_round_number(self, largest, expected):
        assert drawing.ceiling(Decimal(largest)) == Decimal(expected)
