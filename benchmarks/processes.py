"""Several processes that begin at the same moment, and what each of them brings back."""

import contextlib
import multiprocessing
import resource
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from threading import BrokenBarrierError
from typing import Any

from django.db import connections

from benchmarks import processor

LONGEST_WAIT = 3600


@dataclass(frozen=True)
class Done:
    """What one process did: its answer, how long it took, and its memory at the peak."""

    answer: Any
    seconds: float
    peak_megabytes: float


@dataclass(frozen=True)
class Finished:
    """What all of them did.

    `processor_seconds` counts the database's work, too, and not the warm-up; None where it
    cannot be known.
    """

    done: list[Done]
    processor_seconds: float | None


def together(
    count: int, work: Callable[[int], Any], *, warm_up: Callable[[int], Any] | None = None
) -> Finished:
    """Run `work(number)` in `count` processes, each with connections of its own.

    All begin when the last is through with its `warm_up`.
    """
    connections.close_all()
    context = multiprocessing.get_context("fork")
    gate = context.Barrier(count + 1)
    ready = context.Barrier(count + 1)
    results = context.SimpleQueue()

    def run(number: int) -> None:
        try:
            if warm_up is not None:
                warm_up(number)
            ready.wait(LONGEST_WAIT)
            gate.wait(LONGEST_WAIT)
            started = time.perf_counter()
            answer = work(number)
            seconds = time.perf_counter() - started
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            results.put(Done(answer, seconds, peak))
        except BaseException:
            ready.abort()
            gate.abort()
            results.put(traceback.format_exc())
        finally:
            connections.close_all()

    processes = [context.Process(target=run, args=(number,)) for number in range(count)]
    for process in processes:
        process.start()
    before = None
    with contextlib.suppress(BrokenBarrierError):
        ready.wait(LONGEST_WAIT)
        before = processor.used(and_living=[process.pid or 0 for process in processes])
        gate.wait(LONGEST_WAIT)
    done = [results.get() for _ in processes]
    for process in processes:
        process.join()
    for each in done:
        if isinstance(each, str):
            raise RuntimeError(f"A process failed:\n{each}")
    after = processor.used()
    if before is None or after is None:
        return Finished(done, None)
    return Finished(done, after - before)
