"""Many pools due at one instant."""

import random
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from uuid import uuid4

from django.db import connection
from django.utils import timezone

from benchmarks import books, by_hand, clients, filling, processes, processor
from benchmarks.by_hand import sqlite
from benchmarks.databases import Databases
from benchmarks.figures import Figure, Table, in_turn, percentile
from credits import consumption, resets
from credits.consumption import Demand
from credits.models import Pool
from subscriptions import periods
from workspace.actors import SYSTEM

Used = tuple[float, float | None]
"""Seconds by the clock, and of the processor."""

FOR_EVER = 24 * 3600.0
AFTER = timedelta(seconds=1)
MOST_MEGABYTES = 300.0
OTHER_POOLS = 1_000
SECONDS = 3.0


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
            books.verify(table)
            databases.fresh()
        bench = _Bench(databases, table, count)
        medians[count] = bench.run(sizes.rounds)
    if len(medians) > 1:
        title = f"slowest ÷ fastest, {min(medians):,} to {max(medians):,}"
        ratio = min(medians.values()) / max(medians.values())
        table.add(Figure(title, "", [ratio], [1.0], 0.8))


class _Bench:
    """Pools whose month is over again and again: each round resets all of them once more."""

    def __init__(self, databases: Databases, table: Table, count: int) -> None:
        self.databases, self.table, self.count = databases, table, count
        self.anchor = (timezone.now() - timedelta(days=10 * 366)).replace(microsecond=0)
        self.month = 0
        self.peaks: list[float] = []
        self.used: dict[str, list[float]] = defaultdict(list)
        filling.stock(count, self.anchor)
        self.due = count + 1  # and their original
        if connection.vendor == "postgresql":
            by_hand.install("reset")

    def run(self, rounds: int) -> float:
        """Measure; the median of one worker, in pools per second."""
        # The first reset expires what was half used, the others what was not used at all.
        self._timed("first", lambda at: self._sweep(at, 1))()
        self.peaks.clear()
        contenders = {
            "one": self._timed("one", lambda at: self._sweep(at, 1)),
            "two": self._timed("two", lambda at: self._sweep(at, 2)),
            "limit": self._timed("limit", self._by_hand),
        }
        results = in_turn(rounds, contenders, between=self.databases.settle)
        one, two, limit = results["one"], results["two"], results["limit"]
        self._add(f"reset of {self.count:,}, one worker", one, limit, 1 / 3)
        each = Figure("   processor time", "µs", self.used["one"], self.used["limit"], 3)
        each.at_least = False
        self.table.add(each)
        self._add(f"reset of {self.count:,}, two workers", two, limit, None)
        self.table.add(Figure("   two workers ÷ one", "pools/s", two, one, 1.6))
        allowed = [MOST_MEGABYTES] * len(self.peaks)
        peak = Figure("   memory of a worker", "MB", self.peaks, allowed, 1, at_least=False)
        self.table.add(peak)
        self._consume_meanwhile(rounds)
        return statistics.median(one)

    def _consume_meanwhile(self, rounds: int) -> None:
        """How the slowest consumption fares while a worker resets the other pools."""
        others = filling.stock(OTHER_POOLS, timezone.now())
        generator = random.Random(1)

        def consume() -> None:
            now = timezone.now()
            demand = Demand(Decimal(1), str(uuid4()), now)
            pool_id = generator.choice(others.ids)
            consumption.consume(pool_id=pool_id, demand=demand, actor=SYSTEM, now=now)

        def slowest(*, with_sweep: bool) -> float:
            finished = processes.together(
                2 if with_sweep else 1,
                lambda number: self._sweep_on() if number else clients.repeat(consume, SECONDS),
                warm_up=lambda _: clients.repeat(consume, SECONDS / 10),
            )
            if with_sweep:
                self.month += next(
                    each.answer for each in finished.done if isinstance(each.answer, int)
                )
            latencies, failures = next(
                each.answer for each in finished.done if not isinstance(each.answer, int)
            )
            assert not failures
            return percentile(latencies, 0.99) * 1000

        results = in_turn(
            rounds,
            {
                "alone": lambda: slowest(with_sweep=False),
                "meanwhile": lambda: slowest(with_sweep=True),
            },
            between=self.databases.settle,
        )
        title = "   p99 of a consumption meanwhile, and alone"
        meanwhile, alone = results["meanwhile"], results["alone"]
        self.table.add(Figure(title, "ms", meanwhile, alone, 2, at_least=False))

    def _sweep_on(self) -> int:
        """Sweep one month after the other until time is over; the number of months begun."""
        end = time.monotonic() + SECONDS
        months = 0
        while (left := end - time.monotonic()) > 0:
            done = resets.sweep(now=self._end_of(self.month + months + 1), seconds=left)
            months += not done.more
        resets.sweep(now=self._end_of(self.month + months), seconds=FOR_EVER)
        return months

    def _end_of(self, month: int) -> datetime:
        return periods.boundary(self.anchor, month) + AFTER

    def _add(
        self, name: str, product: list[float], limit: list[float], target: float | None
    ) -> None:
        self.table.add(Figure(name, "pools/s", product, limit, target))

    def _timed(self, name: str, reset: Callable[[datetime], Used]) -> Callable[[], float]:
        """Turn the month, reset, and see that nothing is due any more."""

        def once() -> float:
            self.month += 1
            at = self._end_of(self.month)
            assert Pool.objects.due(at).count() == self.due
            seconds, used = reset(at)
            if used is not None:
                self.used[name].append(used / self.due * 1e6)
            assert not Pool.objects.due(at).exists()
            return self.due / seconds

        return once

    def _sweep(self, at: datetime, workers: int) -> Used:
        finished = processes.together(
            workers,
            lambda _: resets.sweep(now=at, seconds=FOR_EVER),
            warm_up=lambda _: resets.sweep(now=self.anchor, seconds=FOR_EVER),
        )
        assert not any(each.answer.set_aside for each in finished.done), finished
        self.peaks.append(max(each.peak_megabytes for each in finished.done))
        return max(each.seconds for each in finished.done), finished.processor_seconds

    def _by_hand(self, at: datetime) -> Used:
        before = processor.used()
        started = time.perf_counter()
        rows = self._reset_by_hand(at)
        seconds = time.perf_counter() - started
        assert rows == self.due, rows
        after = processor.used()
        return seconds, None if before is None or after is None else after - before

    def _reset_by_hand(self, at: datetime) -> int:
        if connection.vendor == "sqlite":
            opened = sqlite.connect(str(connection.settings_dict["NAME"]))
            rows = sqlite.reset(opened, at, periods.boundary(self.anchor, self.month + 1))
            opened.close()
            return rows
        with connection.cursor() as cursor:
            cursor.execute("SELECT reset_by_hand(%s)", [at])
            return int(cursor.fetchone()[0])
