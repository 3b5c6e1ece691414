"""What size costs: one consumption and one check beside a long past, and among many customers."""

import sqlite3
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from uuid import uuid4

from django.db import connection
from django.utils import timezone

from benchmarks import books, by_hand, filling
from benchmarks.by_hand import sqlite
from benchmarks.databases import Databases
from benchmarks.figures import Figure, Table
from credits import access, consumption, pools
from credits.consumption import Demand
from credits.models import Pool
from workspace.actors import SYSTEM

AT_ONCE = 1_000
CALLS = 300
WARM_UP = 30
SHORT = 10
FEW = 100


@dataclass(frozen=True)
class Sizes:
    """Entries of the long ledger, customers among many, and how often all is measured."""

    entries: int
    pools: int
    rounds: int


def measure(databases: Databases, table: Table, sizes: Sizes) -> None:
    """Compare; a `limit` here is the same work where there is little."""
    _beside_entries(databases, table, sizes)
    books.verify(table)
    databases.fresh()
    _among_customers(databases, table, sizes)


def _beside_entries(databases: Databases, table: Table, sizes: Sizes) -> None:
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


def _among_customers(databases: Databases, table: Table, sizes: Sizes) -> None:
    now = timezone.now()
    pool = filling.a_pool(now)
    works = {"check": _check, "find the pool": _find}
    few: dict[str, list[float]] = {}
    many: dict[str, list[float]] = {}
    for results, copies in ((few, FEW), (many, sizes.pools - FEW)):
        filling.copy_customer(pool.customer, copies, first=1 if results is few else FEW + 1)
        databases.settle()
        for name, work in works.items():
            results[name] = [_medians(work, pool)[0] for _ in range(sizes.rounds)]
    for name in works:
        title = f"{name}, among {sizes.pools:,} customers beside {FEW}"
        table.add(Figure(title, "ms", many[name], few[name], 1.5, at_least=False))


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


def _find(pool: Pool) -> None:
    found = pools.locate(
        customer_id=pool.customer.public_id,
        credit_type_id=pool.credit_type.public_id,
        resource_id=None,
        now=timezone.now(),
    )
    assert found == pool.pk
