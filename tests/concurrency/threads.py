"""Several things at once, each on a connection of its own."""

import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from django.db import connections

PATIENCE = 60
"""Seconds after which a test gives up rather than hang."""


def at_once(count: int, work: Callable[[int], Any]) -> list[Any]:
    """Call `work` with 0 … count - 1 in as many threads, all starting together.

    Returns:
        What each call returned, or the exception that it raised.
    """
    start = threading.Barrier(count, timeout=PATIENCE)
    results: list[Any] = [None] * count

    def run(place: int) -> None:
        try:
            start.wait()
            results[place] = work(place)
        except Exception as error:
            results[place] = error
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=[place]) for place in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    return results


class Meeting:
    """A place in the code where two threads wait for each other once, if both can get there.

    Where a lock lets in only one of them, it goes on alone after a second.
    """

    def __init__(self) -> None:
        self.barrier = threading.Barrier(2)
        self.seconds = 1
        self.happened = False

    def must_happen(self) -> None:
        """Wait as long as it takes: no lock keeps the two apart, only a slow machine."""
        self.seconds = PATIENCE

    def wait(self) -> None:
        if self.happened:
            return
        with suppress(threading.BrokenBarrierError):
            self.barrier.wait(self.seconds)
            self.happened = True
