"""Where the time goes: `python -m benchmarks.profile consume reset rollout`, and others.

`benchmarks.profiled` has them all by name.

Processor time is told apart from waiting, ours from the database's, so the answer holds on
a busy machine, too. Needs PostgreSQL on this machine, and Linux.
"""

import argparse
import cProfile
import io
import pstats
import re
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from benchmarks import databases, processor


def main() -> int:
    """Profile what the command line names."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.profile", description=__doc__)
    parser.add_argument("names", nargs="*", default=["consume", "batches", "reset"])
    parser.add_argument("--pools", type=int, default=5_000)
    parser.add_argument("--batch", type=int, default=1_000)
    parser.add_argument("--functions", type=int, default=30, help="how many are listed")
    options = parser.parse_args()
    with databases.opened("postgres") as opened:
        print(f"{databases.commit()} · {opened.described()} · {databases.machine()}")
        for name in options.names:
            opened.fresh()
            _profile(name, options)
    return 0


def _profile(name: str, options: argparse.Namespace) -> None:
    from benchmarks import profiled

    work = getattr(profiled, name)(options.pools, options.batch)
    print(f"\n{name}: {work.unit}\n")
    for _ in range(work.warm_up):
        work.product()
    _report("product", work.product, work.calls, work.weight)
    if work.by_hand is not None:
        for _ in range(work.warm_up):
            work.by_hand()
        _report("by hand", work.by_hand, work.calls, work.weight)
    _statements(work.product, work.calls, work.weight)
    _functions(work.product, work.calls, work.weight, options.functions)


def _report(title: str, call: Callable[[], object], calls: int, weight: int) -> None:
    """Wall clock and processor time of both sides, in microseconds for each piece of work."""
    backend = _backend()
    settled(backend)
    before = processor.of_process(backend)
    ours, wall = time.process_time(), time.perf_counter()
    for _ in range(calls):
        call()
    ours, wall = time.process_time() - ours, time.perf_counter() - wall
    theirs = processor.of_process(backend) - before
    pieces = calls * weight
    print(
        f"  {title:<8} {wall / pieces * 1e6:>9,.0f} µs wall"
        f" = {ours / pieces * 1e6:>8,.0f} Python + {theirs / pieces * 1e6:>8,.0f} database"
        f" + {(wall - ours - theirs) / pieces * 1e6:>8,.0f} waiting"
    )


def _statements(call: Callable[[], object], calls: int, weight: int) -> None:
    """How often each statement is sent, and how long its answer takes."""
    from django.db import connection

    counts: Counter[str] = Counter()
    seconds: dict[str, float] = defaultdict(float)

    def note(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        started = time.perf_counter()
        try:
            return execute(sql, params, many, context)
        finally:
            named = re.sub(r"\s+", " ", sql.strip())
            counts[named] += 1
            seconds[named] += time.perf_counter() - started

    wrapper: AbstractContextManager[None] = connection.execute_wrapper(note)
    with wrapper:
        started = time.perf_counter()
        for _ in range(calls):
            call()
        whole = time.perf_counter() - started
    pieces = calls * weight
    print("\n  µs each, statements by the clock; BEGIN and COMMIT are in the rest")
    for sql, total in sorted(seconds.items(), key=lambda item: -item[1])[:12]:
        shown = sql if len(sql) < 100 else f"{sql[:60]} … {sql[-36:]}"
        print(f"  {total / pieces * 1e6:>9,.1f} {counts[sql] / calls:>7.2f} per call  {shown}")
    print(f"  {(whole - sum(seconds.values())) / pieces * 1e6:>9,.1f} {'':>17} the rest")


def _functions(call: Callable[[], object], calls: int, weight: int, most: int) -> None:
    """Python's functions by their own time."""
    profiler = cProfile.Profile(time.process_time)
    profiler.enable()
    for _ in range(calls):
        call()
    profiler.disable()
    pieces = calls * weight
    for order, title in (("tottime", "own time"), ("cumulative", "with all they call")):
        output = io.StringIO()
        stats = pstats.Stats(profiler, stream=output)
        rows = sorted(
            stats.stats.items(),  # type: ignore[attr-defined]
            key=lambda item: item[1][2] if order == "tottime" else item[1][3],
            reverse=True,
        )
        print(f"\n  Python's functions by {title}: µs and calls each (a profiler doubles them)")
        for (path, line, function), (_, count, own, with_calls, _) in rows[:most]:
            taken = own if order == "tottime" else with_calls
            place = f"{'/'.join(Path(path).parts[-2:])}:{line} " if line else ""
            print(f"  {taken / pieces * 1e6:>9,.1f} {count / pieces:>8.2f}  {place}{function}")


def settled(backend: int) -> None:
    """Wait until the process has slept for a moment, so that no earlier work is counted."""
    last = -1.0
    while (used := processor.of_process(backend)) != last:
        last = used
        time.sleep(0.05)


def _backend() -> int:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        return int(cursor.fetchone()[0])


if __name__ == "__main__":
    sys.exit(main())
