"""Figures beside their limits: rounds in turn, medians, spread, ratio, target."""

import json
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path


@dataclass
class Figure:
    """What the product reached, and the limit of the same work, round by round.

    `target` is what the ratio has to reach (`at_least`) or must not pass. Figures without a
    limit stand for themselves.
    """

    name: str
    unit: str
    product: Sequence[float]
    limit: Sequence[float] = ()
    target: float | None = None
    at_least: bool = True
    notes: str = ""

    @property
    def ratios(self) -> list[float]:
        """Product to limit, each within one round."""
        return [ours / theirs for ours, theirs in zip(self.product, self.limit, strict=False)]

    @property
    def ratio(self) -> float | None:
        """The median of the ratios."""
        return statistics.median(self.ratios) if self.limit else None

    @property
    def verdict(self) -> str:
        """Whether the target is met."""
        if self.target is None or self.ratio is None:
            return ""
        met = self.ratio >= self.target if self.at_least else self.ratio <= self.target
        return "met" if met else "missed"


@dataclass
class Table:
    """All figures of a run; each is printed as soon as it is there."""

    head: Mapping[str, str]
    figures: list[Figure] = field(default_factory=list)
    is_sound: bool = True
    """Whether `verify_ledger` found nothing wrong so far."""

    def print_head(self) -> None:
        """Say what is measured, and on what."""
        for name, value in self.head.items():
            print(f"{name + ':':<10} {value}")
        print()
        print(
            f"{'':<46} {'product':>26} {'limit':>26} {'unit':<8} {'ratio':>18} {'target':>8}",
            flush=True,
        )

    def add(self, figure: Figure) -> None:
        """Keep and print a figure."""
        self.figures.append(figure)
        ratio = _spread(figure.ratios, 2) if figure.limit else ""
        target = ""
        if figure.target is not None:
            target = f"{'≥' if figure.at_least else '≤'} {figure.target:g}"
        print(
            f"{figure.name:<46} {_spread(figure.product):>26} {_spread(figure.limit):>26} "
            f"{figure.unit:<8} {ratio:>18} {target:>8} {figure.verdict:<7} {figure.notes}".rstrip(),
            flush=True,
        )

    def note(self, text: str) -> None:
        """Print a remark below the figures it is about."""
        print(f"   {text}", flush=True)

    def save(self, path: Path) -> None:
        """Write everything as JSON."""
        rows = [
            asdict(figure) | {"ratio": figure.ratio, "verdict": figure.verdict}
            for figure in self.figures
        ]
        content = {"head": dict(self.head), "figures": rows}
        path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n")


def in_turn(
    rounds: int, contenders: Mapping[str, Callable[[], float]], *, between: Callable[[], None]
) -> dict[str, list[float]]:
    """Let each contender run once per round, so that a slow minute is everybody's.

    `between` runs before each of them.
    """
    results: dict[str, list[float]] = {name: [] for name in contenders}
    for turn in range(rounds):
        names = list(contenders)
        for name in names if turn % 2 == 0 else reversed(names):
            between()
            results[name].append(contenders[name]())
    return results


def percentile(values: Sequence[float], share: float) -> float:
    """The value that `share` of all values do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def _spread(values: Sequence[float], places: int | None = None) -> str:
    """Median, smallest and largest."""
    if not values:
        return ""

    def shown(value: float) -> str:
        wanted = places
        if wanted is None:
            wanted = 0 if value >= 100 else 1 if value >= 10 else 2
        return f"{value:,.{wanted}f}"

    middle = shown(statistics.median(values))
    if len(values) == 1:
        return middle
    return f"{middle} ({shown(min(values))}–{shown(max(values))})"
