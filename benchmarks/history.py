"""What the past costs: a consumption and a check in a pool with few entries, and with many."""

import sqlite3
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from uuid import uuid4

from django.db import connection
from django.utils import timezone

from benchmarks import by_hand, filling
from benchmarks.by_hand import sqlite
from benchmarks.databases import Databases
from benchmarks.figures import Figure, Table
from credits import access, consumption
from credits.consumption import Demand
from credits.models import Pool
from workspace.actors import SYSTEM

AT_ONCE = 1_000
CALLS = 300
WARM_UP = 30
SHORT = 10


@dataclass(frozen=True)
class Sizes:
    """Entries of the long ledger, and how often everything is measured."""

    entries: int
    rounds: int


def measure(databases: Databases, table: Table, sizes: Sizes) -> None:
    """Fill two ledgers and compare; a `limit` here is the same work in the short one."""
    short, long = (filling.a_pool(timezone.now()) for _ in range(2))
    _use(short, SHORT)
    _use(long, sizes.entries)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    for name, work in (("consume", _consume), ("check", _check)):
        longer, shorter = [], []
        for _ in range(sizes.rounds):
            databases.settle()
            medians = _medians(work, long, short)
            longer.append(medians[0])
            shorter.append(medians[1])
        title = f"{name}, {sizes.entries:,} entries beside {SHORT}"
        table.add(Figure(title, "ms", longer, shorter, 1.1, at_least=False))


def _medians(work: Callable[[Pool], object], *ledgers: Pool) -> list[float]:
    """The usual time of one call for each pool, in milliseconds; they take turns call by call."""
    taken: list[list[float]] = [[] for _ in ledgers]
    for turn in range(WARM_UP + CALLS):
        for pool, times in zip(ledgers, taken, strict=True):
            started = time.perf_counter()
            work(pool)
            if turn >= WARM_UP:
                times.append(time.perf_counter() - started)
    return [statistics.median(times) * 1000 for times in taken]


def _use(pool: Pool, entries: int) -> None:
    """Consume until the ledger has so many entries."""
    wanted = entries - Pool.objects.get(pk=pool.pk).last_entry_number
    if connection.vendor == "postgresql":
        by_hand.install("consume_several")
    while wanted > 0:
        count = min(wanted, AT_ONCE)
        keys = [str(uuid4()) for _ in range(count)]
        if connection.vendor == "sqlite":
            _use_on_sqlite(pool.pk, keys)
        else:
            with connection.cursor() as cursor:
                statement = "SELECT consume_several_by_hand(%s, %s::bigint[], %s::text[])"
                cursor.execute(statement, [pool.pk, [1] * count, keys])
        wanted -= count


def _use_on_sqlite(pool_id: int, keys: list[str]) -> None:
    opened: sqlite3.Connection = sqlite.connect(str(connection.settings_dict["NAME"]))
    sqlite.consume(opened, pool_id, [(1, key) for key in keys])
    opened.close()


def _consume(pool: Pool) -> None:
    now = timezone.now()
    demand = Demand(Decimal(1), str(uuid4()), now)
    consumption.consume(pool_id=pool.pk, demand=demand, actor=SYSTEM, now=now)


def _check(pool: Pool) -> None:
    decision = access.check(
        customer_id=pool.customer.public_id,
        credit_type_id=pool.credit_type.public_id,
        resource_id=None,
        amount=Decimal(1),
        now=timezone.now(),
    )
    assert decision.is_granted
