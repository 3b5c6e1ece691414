from datetime import UTC, datetime, timedelta
from decimal import Decimal

from credits.admin import curves
from credits.forecast import Forecast, Gap

SINCE = datetime(2026, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)


def a_forecast(*balances: int | str, gaps: tuple[Gap, ...] = ()) -> Forecast:
    """A balance a day, over one hundred days."""
    points = tuple((SINCE + number * DAY, Decimal(each)) for number, each in enumerate(balances))
    return Forecast(SINCE, SINCE + 100 * DAY, points, (), gaps, Decimal(0), Decimal(0))


class TestDraw:
    def test_goes_from_point_to_point(self):
        drawing = curves.draw({"Live catalog": a_forecast(100, 50, 0)})

        [curve] = drawing.curves
        assert (curve.name, curve.path, curve.colour) == (
            "Live catalog",
            "M0 0 L10 100 L20 200",
            1,
        )
        assert (drawing.width, drawing.height, drawing.zero) == ("1000", "200", "200")

    def test_has_levels_from_the_lowest_to_the_highest(self):
        drawing = curves.draw({"Live catalog": a_forecast(100, -30)})

        assert [level.text for level in drawing.levels] == [
            "−50", "−25", "0", "25", "50", "75", "100"
        ]  # fmt: skip
        assert (drawing.lines[0], drawing.lines[-1]) == ("200", "0")
        assert drawing.curves[0].path == "M0 0 L10 173.333"

    def test_fits_all_that_are_compared(self):
        drawing = curves.draw({"Draft": a_forecast(100, 200), "Live catalog": a_forecast(100, 100)})

        assert [curve.path for curve in drawing.curves] == ["M0 100 L10 0", "M0 100 L10 100"]

    def test_shades_where_nothing_is_left(self):
        gaps = (Gap(SINCE + 10 * DAY, SINCE + 20 * DAY), Gap(SINCE + 90 * DAY, None))

        drawing = curves.draw({"Live catalog": a_forecast(1, gaps=gaps)})

        assert [(gap.x, gap.width) for gap in drawing.gaps] == [("100", "100"), ("900", "100")]

    def test_names_every_second_month(self):
        drawing = curves.draw({"Live catalog": a_forecast(1)})

        assert [(step.text, step.at) for step in drawing.steps] == [
            ("Feb ’26", "31"),
            ("Apr ’26", "90"),
        ]

    def test_draws_a_pool_without_anything(self):
        drawing = curves.draw({"Live catalog": a_forecast(0, 0)})

        assert drawing.curves[0].path == "M0 200 L10 200"
