"""W3: many pools due at one instant."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import connection
from django.utils import timezone

from benchmarks import by_hand, filling, processes
from benchmarks.databases import Databases
from benchmarks.figures import Figure, Table, in_turn
from credits import resets
from credits.models import Pool
from subscriptions import periods

FOR_EVER = 24 * 3600.0
AFTER = timedelta(seconds=1)
MOST_MEGABYTES = 300.0


@dataclass(frozen=True)
class Sizes:
    """Numbers of due pools, each measured in so many rounds."""

    due: Sequence[int]
    rounds: int


def measure(databases: Databases, table: Table, sizes: Sizes) -> None:
    """Reset each number of pools by one worker, by two, and by hand."""
    medians = {}
    for turn, count in enumerate(sizes.due):
        if turn:
            databases.fresh()
        bench = _Bench(databases, table, count)
        medians[count] = bench.run(sizes.rounds)
    if len(medians) > 1:
        slowest, fastest = min(medians.values()), max(medians.values())
        sizes_measured = f"{min(medians):,} to {max(medians):,}"
        table.add(
            Figure(
                f"W3 slowest ÷ fastest, {sizes_measured}",
                "",
                [slowest / fastest],
                [1.0],
                0.8,
            )
        )


class _Bench:
    """Pools whose month is over again and again: each round resets all of them once more."""

    def __init__(self, databases: Databases, table: Table, count: int) -> None:
        self.databases, self.table, self.count = databases, table, count
        self.anchor = (timezone.now() - timedelta(days=10 * 366)).replace(microsecond=0)
        self.month = 0
        self.peaks: list[float] = []
        filling.stock(count, self.anchor)
        self.due = count + 1  # and their original
        if connection.vendor == "postgresql":
            by_hand.install("reset")

    def run(self, rounds: int) -> float:
        """Measure; the median of one worker, in pools per second."""
        # The first reset expires what was half used, the others what was not used at all.
        self._timed(lambda at: self._sweep(at, 1))()
        self.peaks.clear()
        contenders = {
            "one": self._timed(lambda at: self._sweep(at, 1)),
            "two": self._timed(lambda at: self._sweep(at, 2)),
            "limit": self._timed(self._by_hand),
        }
        results = in_turn(rounds, contenders, between=self.databases.settle)
        one, two, limit = results["one"], results["two"], results["limit"]
        self._add(f"W3 reset of {self.count:,}, one worker", one, limit, 1 / 3)
        self._add(f"W3 reset of {self.count:,}, two workers", two, limit, None)
        self.table.add(Figure("   two workers ÷ one", "pools/s", two, one, 1.6))
        allowed = [MOST_MEGABYTES] * len(self.peaks)
        peak = Figure("   memory of a worker", "MB", self.peaks, allowed, 1, at_least=False)
        self.table.add(peak)
        return sorted(one)[len(one) // 2]

    def _add(
        self, name: str, product: list[float], limit: list[float], target: float | None
    ) -> None:
        self.table.add(Figure(name, "pools/s", product, limit, target))

    def _timed(self, reset: Callable[[datetime], float]) -> Callable[[], float]:
        """Turn the month, reset, and see that nothing is due any more."""

        def once() -> float:
            self.month += 1
            at = periods.boundary(self.anchor, self.month) + AFTER
            assert Pool.objects.due(at).count() == self.due
            seconds = reset(at)
            assert not Pool.objects.due(at).exists()
            return self.due / seconds

        return once

    def _sweep(self, at: datetime, workers: int) -> float:
        done = processes.together(
            workers,
            lambda _: resets.sweep(now=at, seconds=FOR_EVER),
            warm_up=lambda _: resets.sweep(now=self.anchor, seconds=FOR_EVER),
        )
        assert not any(each.answer.set_aside for each in done), done
        self.peaks.append(max(each.peak_megabytes for each in done))
        return max(each.seconds for each in done)

    def _by_hand(self, at: datetime) -> float:
        started = time.perf_counter()
        with connection.cursor() as cursor:
            cursor.execute("SELECT reset_by_hand(%s)", [at])
            assert cursor.fetchone()[0] == self.due
        return time.perf_counter() - started
