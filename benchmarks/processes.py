"""Several processes that begin at the same moment, and what each of them brings back."""

import multiprocessing
import resource
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.db import connections

LONGEST_WAIT = 3600


@dataclass(frozen=True)
class Done:
    """What one process did: its answer, how long it took, and its memory at the peak."""

    answer: Any
    seconds: float
    peak_megabytes: float


def together(
    count: int, work: Callable[[int], Any], *, warm_up: Callable[[int], Any] | None = None
) -> list[Done]:
    """Run `work(number)` in `count` processes, each with connections of its own.

    All begin when the last is through with its `warm_up`.
    """
    connections.close_all()
    context = multiprocessing.get_context("fork")
    gate = context.Barrier(count)
    results = context.SimpleQueue()

    def run(number: int) -> None:
        try:
            if warm_up is not None:
                warm_up(number)
            gate.wait(LONGEST_WAIT)
            started = time.perf_counter()
            answer = work(number)
            seconds = time.perf_counter() - started
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            results.put(Done(answer, seconds, peak))
        except BaseException:
            gate.abort()
            results.put(traceback.format_exc())
        finally:
            connections.close_all()

    processes = [context.Process(target=run, args=(number,)) for number in range(count)]
    for process in processes:
        process.start()
    done = [results.get() for _ in processes]
    for process in processes:
        process.join()
    for each in done:
        if isinstance(each, str):
            raise RuntimeError(f"A process failed:\n{each}")
    return done
