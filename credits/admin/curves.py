"""A forecast as a drawing: the balance as a line over time, and when there is none."""

from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_CEILING, Decimal

from credits.admin.drawing import (
    GRID_LINES,
    HEIGHT,
    MONTH_FORMAT,
    WIDTH,
    Mark,
    ceiling,
    coordinate,
)
from credits.forecast import Forecast
from subscriptions import periods
from workspace.templatetags.stipend import credits as in_digits

MONTHS = 12


@dataclass(slots=True, frozen=True)
class Curve:
    """A line; `colour` is that of a series. The first one is what was asked for."""

    name: str
    path: str
    colour: int


@dataclass(slots=True, frozen=True)
class Stretch:
    """A part of the width, as left edge and width."""

    x: str
    width: str


@dataclass(slots=True, frozen=True)
class Drawing:
    """All of it, finished: a template only places what is here."""

    width: str
    height: str
    curves: tuple[Curve, ...]
    gaps: tuple[Stretch, ...]
    levels: tuple[Mark, ...]
    lines: tuple[str, ...]
    zero: str
    steps: tuple[Mark, ...]


def draw(named: dict[str, Forecast]) -> Drawing:
    """The forecasts by name, all over the same time; gaps are those of the first."""
    forecasts = list(named.values())
    first = forecasts[0]
    balances = [balance for each in forecasts for _, balance in each.points]
    step = ceiling(max(map(abs, balances))) / GRID_LINES
    above = max(_steps_to(max(balances), step), 1)
    below = _steps_to(-min(balances), step)
    scale = _Scale(first, top=above * step, bottom=-below * step)
    levels = [number * step for number in range(-below, above + 1)]
    return Drawing(
        width=coordinate(WIDTH),
        height=coordinate(HEIGHT),
        curves=tuple(
            Curve(name, scale.path(each), colour)
            for colour, (name, each) in enumerate(named.items(), start=1)
        ),
        gaps=tuple(
            Stretch(scale.x(gap.since), scale.width(gap.since, gap.until or first.until))
            for gap in first.gaps
        ),
        levels=tuple(Mark(in_digits(level), "") for level in levels),
        lines=tuple(scale.y(level) for level in levels),
        zero=scale.y(Decimal(0)),
        steps=tuple(_months(first, scale)),
    )


def _steps_to(balance: Decimal, step: Decimal) -> int:
    return max(int((balance / step).to_integral_value(ROUND_CEILING)), 0)


def _months(first: Forecast, scale: "_Scale") -> list[Mark]:
    """A label where every second month begins."""
    midnight = first.since.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    starts = [periods.boundary(midnight, number) for number in range(1, MONTHS + 1, 2)]
    return [Mark(format(at, MONTH_FORMAT), scale.percent(at)) for at in starts if at <= first.until]


class _Scale:
    """From instants and balances to places in the drawing."""

    def __init__(self, first: Forecast, *, top: Decimal, bottom: Decimal) -> None:
        self._since, self._length = first.since, first.until - first.since
        self._top, self._range = top, top - bottom

    def _share(self, at: datetime) -> Decimal:
        return Decimal((at - self._since) / self._length)

    def x(self, at: datetime) -> str:
        return coordinate(WIDTH * self._share(at))

    def percent(self, at: datetime) -> str:
        return coordinate(100 * self._share(at))

    def width(self, since: datetime, until: datetime) -> str:
        return coordinate(WIDTH * (self._share(until) - self._share(since)))

    def y(self, balance: Decimal) -> str:
        return coordinate(HEIGHT * (self._top - balance) / self._range)

    def path(self, each: Forecast) -> str:
        return "M" + " L".join(f"{self.x(at)} {self.y(balance)}" for at, balance in each.points)
