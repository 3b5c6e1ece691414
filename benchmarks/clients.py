"""Clients that work as fast as they can for some seconds: of the product, and by hand."""

import os
import random
import re
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from django.db import connection

from benchmarks import processes, processor
from benchmarks.databases import pgbench
from benchmarks.figures import percentile

CORES = os.cpu_count() or 1


@dataclass
class Load:
    """What some clients got done together."""

    per_second: float
    microseconds: float | None
    """Processor time of each piece of work, of clients and database together."""
    failures: int = 0
    latencies: list[float] = field(default_factory=list)

    def milliseconds(self, share: float) -> float:
        """The time that `share` of all calls do not exceed."""
        return percentile(self.latencies, share) * 1000


def repeat(call: Callable[[], object], seconds: float) -> tuple[list[float], int]:
    """Do it again and again; how long each took, and how many raised."""
    latencies, failures = [], 0
    clock = time.perf_counter
    now = clock()
    end = now + seconds
    while now < end:
        started = now
        try:
            call()
        except Exception:
            failures += 1
            now = clock()
        else:
            now = clock()
            latencies.append(now - started)
    return latencies, failures


def load(
    count: int,
    seconds: float,
    call: Callable[[random.Random], object],
    *,
    warm_up_calls: int = 30,
    weight: int = 1,
) -> Load:
    """Let `count` processes repeat `call`, which does `weight` pieces of work.

    A call that raises is a failure and does not count.
    """
    generators = [random.Random(number) for number in range(count)]

    def warm_up(number: int) -> None:
        for _ in range(warm_up_calls):
            call(generators[number])

    finished = processes.together(
        count, lambda number: repeat(lambda: call(generators[number]), seconds), warm_up=warm_up
    )
    done = finished.done
    pieces = sum(len(each.answer[0]) for each in done) * weight
    return Load(
        per_second=sum(len(each.answer[0]) * weight / each.seconds for each in done),
        microseconds=_each(finished.processor_seconds, pieces),
        failures=sum(each.answer[1] for each in done),
        latencies=[latency for each in done for latency in each.answer[0]],
    )


def load_by_hand(
    count: int, seconds: float, statement: str, variables: Mapping[str, int], *, weight: int = 1
) -> Load:
    """Let `count` clients of pgbench repeat `statement`, prepared.

    `variables` are known to it as `:name`; `:pool` is drawn from `first` to `last`.
    """
    program = pgbench()
    if program is None:
        return _load_by_psycopg(seconds, statement, variables, weight=weight)
    place = connection.settings_dict
    with tempfile.TemporaryDirectory() as folder:
        before = processor.used()
        script = Path(folder) / "script.sql"
        script.write_text(f"\\set pool random(:first, :last)\n{statement};\n")
        done = subprocess.run(
            [
                *(program, "--no-vacuum", "--protocol=prepared", f"--file={script}"),
                *(f"--client={count}", f"--jobs={CORES}", f"--time={max(1, round(seconds))}"),
                *("--log", f"--log-prefix={folder}/log"),
                *(f"--define={name}={value}" for name, value in variables.items()),
                *_named("host", place["HOST"]),
                *_named("port", place["PORT"]),
                *_named("username", place["USER"]),
                place["NAME"],
            ],
            env=os.environ | {"PGPASSWORD": place["PASSWORD"]},
            capture_output=True,
            text=True,
            check=False,
        )
        after = processor.used()
        used = None if before is None or after is None else after - before
        if done.returncode:
            raise RuntimeError(f"pgbench failed:\n{done.stderr}")
        latencies = [
            int(line.split(" ", 3)[2]) / 1_000_000
            for log in Path(folder).glob("log.*")
            for line in log.read_text().splitlines()
        ]
    found = re.search(r"tps = ([\d.]+)", done.stdout)
    failed = re.search(r"failed transactions: (\d+)", done.stdout)
    assert found is not None, done.stdout
    return Load(
        per_second=float(found[1]) * weight,
        microseconds=_each(used, len(latencies) * weight),
        failures=int(failed[1]) if failed else 0,
        latencies=latencies,
    )


def _load_by_psycopg(
    seconds: float, statement: str, variables: Mapping[str, int], *, weight: int
) -> Load:
    """The same without pgbench: slower, since its clients are Python."""
    text = re.sub(r"(?<!:):(\w+)", r"%(\1)s", statement)

    def call(generator: random.Random) -> None:
        pool = generator.randint(variables["first"], variables["last"])
        with connection.cursor() as cursor:
            cursor.execute(text, {**variables, "pool": pool})

    return load(4, seconds, call, weight=weight)


def _each(seconds: float | None, pieces: int) -> float | None:
    """Microseconds for each piece of work."""
    return None if seconds is None else seconds / pieces * 1e6


def _named(option: str, value: object) -> Iterable[str]:
    return [f"--{option}={value}"] if value else []
