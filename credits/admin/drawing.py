"""A chart of use as a drawing: bars, grid lines and labels with their places."""

from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_CEILING, Decimal

from credits.charts import UsageOverTime
from credits.series import Step
from workspace.templatetags.stipend import credits as in_digits

WIDTH, HEIGHT = Decimal(1000), Decimal(200)
"""Of the drawing; it is stretched to the place it gets."""
GAP = Decimal("0.28")
"""Share of a step that stays empty between two bars."""
GRID_LINES = 4
MOST_LABELS = 8
DAYS_OF_A_WEEK = 7
MONTH_FORMAT = "%b ’%y"
"""As a label: "Dec 26" would be a day."""
NICE = [Decimal(tenths) / 10 for tenths in (10, 12, 16, 20, 24, 32, 40, 60, 80, 100)]


@dataclass(slots=True, frozen=True)
class Bar:
    """A piece of a stack, with what it says when pointed at."""

    x: str
    y: str
    width: str
    height: str
    colour: int
    title: str


@dataclass(slots=True, frozen=True)
class Mark:
    """A label beside the drawing, at so many percent of its side."""

    text: str
    at: str


@dataclass(slots=True, frozen=True)
class Key:
    """One line of the legend."""

    name: str
    total: str
    colour: int


@dataclass(slots=True, frozen=True)
class Row:
    """One step in the table that says the same as the chart."""

    step: str
    amounts: tuple[str, ...]
    total: str


@dataclass(slots=True, frozen=True)
class Drawing:
    """All of it, finished: a template only places what is here."""

    width: str
    height: str
    bars: tuple[Bar, ...]
    levels: tuple[Mark, ...]
    lines: tuple[str, ...]
    steps: tuple[Mark, ...]
    legend: tuple[Key, ...]
    rows: tuple[Row, ...]
    total: str
    summary: str


def draw(use: UsageOverTime) -> Drawing:
    """Stacked bars by feature or dimension, one stack per step."""
    stacks = list(zip(*(part.amounts for part in use.parts), strict=True))
    top = ceiling(max((sum(stack, Decimal(0)) for stack in stacks), default=Decimal(0)))
    names = [_name(at, use.step) for at in use.steps]
    labels = [part.name for part in use.parts]
    total = in_digits(use.total)
    return Drawing(
        width=coordinate(WIDTH),
        height=coordinate(HEIGHT),
        bars=tuple(_bars(stacks, names, labels, top)),
        levels=tuple(
            Mark(
                in_digits(top * part / GRID_LINES),
                coordinate(100 - Decimal(100) * part / GRID_LINES),
            )
            for part in range(GRID_LINES + 1)
        ),
        lines=tuple(
            coordinate(HEIGHT - HEIGHT * part / GRID_LINES) for part in range(GRID_LINES + 1)
        ),
        steps=tuple(_step_marks(use)),
        legend=tuple(
            Key(part.name, in_digits(part.total), colour)
            for colour, part in enumerate(use.parts, start=1)
        ),
        rows=tuple(
            Row(
                name,
                tuple(in_digits(amount) for amount in stack),
                in_digits(sum(stack, Decimal(0))),
            )
            for name, stack in zip(names, stacks, strict=False)
        )[::-1],
        total=total,
        summary=f"{total} used from {names[0]} to {names[-1]}",
    )


def ceiling(largest: Decimal) -> Decimal:
    """The smallest round number that the axis can end with: quarters of it are round too."""
    if largest <= 0:
        return Decimal(GRID_LINES)
    scale = Decimal(1).scaleb(largest.adjusted())
    return next(nice * scale for nice in NICE if nice * scale >= largest)


def _bars(
    stacks: list[tuple[Decimal, ...]], names: list[str], labels: list[str], top: Decimal
) -> list[Bar]:
    bars = []
    slot = WIDTH / max(len(names), 1)
    for place, (name, stack) in enumerate(zip(names, stacks, strict=False)):
        below = Decimal(0)
        for colour, (label, amount) in enumerate(zip(labels, stack, strict=True), start=1):
            if not amount:
                continue
            height = HEIGHT * amount / top
            below += height
            bars.append(
                Bar(
                    x=coordinate(slot * (place + GAP / 2)),
                    y=coordinate(HEIGHT - below),
                    width=coordinate(slot * (1 - GAP)),
                    height=coordinate(height),
                    colour=colour,
                    title=f"{name}: {label} {in_digits(amount)}",
                )
            )
    return bars


def _step_marks(use: UsageOverTime) -> list[Mark]:
    """As many labels as fit, each under the middle of its bar, the latest among them."""
    many = len(use.steps)
    every = int((Decimal(many) / MOST_LABELS).to_integral_value(ROUND_CEILING))
    day_format = "%a %-d" if many <= DAYS_OF_A_WEEK else "%-d %b"
    formats = {Step.HOUR: "%H:%M", Step.DAY: day_format, Step.MONTH: MONTH_FORMAT}
    return [
        Mark(
            format(at, formats[use.step]),
            coordinate(Decimal(100) * (place + Decimal("0.5")) / many),
        )
        for place, at in enumerate(use.steps)
        if (many - 1 - place) % every == 0
    ]


def _name(at: datetime, step: Step) -> str:
    """A step in full, such as "22 Nov 2026" or "22 Nov 2026, 14:00 UTC"."""
    match step:
        case Step.HOUR:
            return f"{at:%-d %b %Y, %H:%M} UTC"
        case Step.MONTH:
            return f"{at:%B %Y}"
    return f"{at:%-d %b %Y}"


def coordinate(value: Decimal) -> str:
    """A coordinate without exponent or zeros that say nothing."""
    text = f"{value:.3f}".rstrip("0").rstrip(".")
    return text or "0"
