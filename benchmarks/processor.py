"""Processor time: ours, that of the processes we started, and the database server's.

Unlike the clock it hardly minds who else is using the machine. Linux only.
"""

import os
import resource
from collections.abc import Iterable
from pathlib import Path

from django.db import connection

TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


def used(*, and_living: Iterable[int] = ()) -> float | None:
    """Seconds since everything began; None where it cannot be known.

    Differences count. Processes that were started from here count when they have ended,
    unless they are named.
    """
    ours = _seconds(resource.RUSAGE_SELF) + _seconds(resource.RUSAGE_CHILDREN)
    ours += sum(of_process(process) for process in and_living)
    server = of_database()
    return None if server is None else ours + server


def of_family(process: int) -> float:
    """Seconds of a living process and of all living processes that it started."""
    children = _children(process)
    return of_process(process) + sum(_if_alive(child) for child in children)


def of_process(process: int) -> float:
    """Seconds that the threads of a living process have used, to the nanosecond."""
    threads = Path(f"/proc/{process}/task").glob("*/schedstat")
    return sum(int(thread.read_text().split()[0]) for thread in threads) / 1e9


def of_database() -> float | None:
    """Seconds of all processes of the PostgreSQL server, if it runs on this machine."""
    if connection.vendor == "sqlite":
        return 0.0
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        backend = cursor.fetchone()[0]
    try:
        postmaster = int(_fields(backend)[1])
        gone = sum(int(field) for field in _fields(postmaster)[13:15]) / TICKS_PER_SECOND
        return gone + of_family(postmaster)
    except OSError:
        return None


def _children(process: int) -> list[int]:
    named = Path(f"/proc/{process}/task/{process}/children").read_text()
    return [int(child) for child in named.split()]


def _if_alive(process: int) -> float:
    try:
        return of_process(process)
    except OSError:
        return 0.0


def _fields(process: int) -> list[str]:
    """What the kernel says about a process, after its name: state, parent and so on."""
    return Path(f"/proc/{process}/stat").read_text().rpartition(") ")[2].split()


def _seconds(who: int) -> float:
    usage = resource.getrusage(who)
    return usage.ru_utime + usage.ru_stime
