"""One consumption at a time over many pools and on one, and whole batches."""

import random
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db import connection
from django.utils import timezone

from benchmarks import by_hand, filling
from benchmarks.by_hand import sqlite
from benchmarks.clients import Load, load, load_by_hand
from benchmarks.databases import Databases
from benchmarks.figures import Figure, Table, in_turn
from credits import consumption
from credits.consumption import Demand
from workspace.actors import SYSTEM

ONE = Decimal(1)
PROCESSES = 4
BY_HAND_CLIENTS = 8
HOT_CLIENTS = 16

CONSUME = "SELECT consume_by_hand(:pool, 1000000, gen_random_uuid()::text)"
CONSUME_SEVERAL = (
    "SELECT consume_several_by_hand(:pool, array_agg(1000000::bigint),"
    " array_agg(gen_random_uuid()::text)) FROM generate_series(1, {batch})"
)


@dataclass(frozen=True)
class Sizes:
    """How much is measured, and how long."""

    pools: int
    seconds: float
    seconds_of_batches: float
    rounds: int


def measure(databases: Databases, table: Table, sizes: Sizes) -> None:
    """Fill a database and measure all kinds of consumption."""
    stock = filling.stock(sizes.pools, timezone.now())
    if connection.vendor == "postgresql":
        by_hand.install("consume", "consume_several")
    first, last = stock.ids[0], stock.ids[-1]
    bench = _Bench(databases, table, sizes)
    bench.compare(
        f"consume, spread over {stock.count:,} pools",
        _Work(first, last, PROCESSES, BY_HAND_CLIENTS, sizes.seconds),
        target=0.50,
    )
    bench.compare(
        f"   the same, {BY_HAND_CLIENTS} processes",
        _Work(first, last, BY_HAND_CLIENTS, BY_HAND_CLIENTS, sizes.seconds),
        target=0.50,
    )
    bench.compare(
        f"consume, one hot pool, {HOT_CLIENTS} clients",
        _Work(first, first, HOT_CLIENTS, HOT_CLIENTS, sizes.seconds),
        target=0.50,
        with_latencies=True,
    )
    for batch in (100, 1000):
        bench.compare(
            f"batches of {batch:,}",
            _Work(first, last, PROCESSES, BY_HAND_CLIENTS, sizes.seconds_of_batches, batch),
            target=0.60 if batch == 1000 else None,
        )


@dataclass(frozen=True)
class _Work:
    """Consumption on the pools from `first` to `last`, `batch` at a time."""

    first: int
    last: int
    product_clients: int
    limit_clients: int
    seconds: float
    batch: int = 1


@dataclass(frozen=True)
class _Bench:
    databases: Databases
    table: Table
    sizes: Sizes

    def compare(
        self, name: str, work: _Work, *, target: float | None, with_latencies: bool = False
    ) -> None:
        """Measure the product and the limit in turn."""
        loads: dict[str, list[Load]] = {"product": [], "limit": []}

        def measured(side: str, run: Callable[[_Work], Load]) -> Callable[[], float]:
            def once() -> float:
                loads[side].append(run(work))
                return loads[side][-1].per_second

            return once

        by_database = {"postgresql": self._postgres_limit, "sqlite": self._sqlite_limit}
        results = in_turn(
            self.sizes.rounds,
            {
                "product": measured("product", self._product),
                "limit": measured("limit", by_database[connection.vendor]),
            },
            between=self.databases.settle,
        )
        failures = sum(each.failures for each in loads["product"])
        notes = f"{failures} failures" if failures or with_latencies else ""
        self.table.add(
            Figure(name, "per s", results["product"], results["limit"], target, notes=notes)
        )
        product, limit = (
            [each.microseconds for each in loads[side] if each.microseconds is not None]
            for side in ("product", "limit")
        )
        most = None if target is None else 1 / target
        self.table.add(Figure("   processor time", "µs", product, limit, most, at_least=False))
        if with_latencies:
            self._add_latencies(loads)

    def _add_latencies(self, loads: dict[str, list[Load]]) -> None:
        for share, label in ((0.5, "median"), (0.99, "p99")):
            product, limit = (
                [each.milliseconds(share) for each in loads[side]] for side in ("product", "limit")
            )
            self.table.add(Figure(f"   {label}", "ms", product, limit))
        tails = [each.milliseconds(0.99) / each.milliseconds(0.5) for each in loads["product"]]
        self.table.add(Figure("   p99 ÷ median", "", tails, [1.0] * len(tails), 20, at_least=False))

    def _product(self, work: _Work) -> Load:
        def call(generator: random.Random) -> None:
            pool_id = generator.randint(work.first, work.last)
            now = timezone.now()
            demands = [Demand(ONE, _key(), now) for _ in range(work.batch)]
            if work.batch == 1:
                consumption.consume(pool_id=pool_id, demand=demands[0], actor=SYSTEM, now=now)
            else:
                consumption.consume_several(pool_id=pool_id, demands=demands, actor=SYSTEM, now=now)

        return load(
            work.product_clients,
            work.seconds,
            call,
            warm_up_calls=30 if work.batch == 1 else 6,
            weight=work.batch,
        )

    def _postgres_limit(self, work: _Work) -> Load:
        statement = CONSUME if work.batch == 1 else CONSUME_SEVERAL.format(batch=work.batch)
        variables = {"first": work.first, "last": work.last}
        return load_by_hand(
            work.limit_clients, work.seconds, statement, variables, weight=work.batch
        )

    def _sqlite_limit(self, work: _Work) -> Load:
        opened: list[sqlite3.Connection] = []

        def call(generator: random.Random) -> None:
            if not opened:
                opened.append(sqlite.connect(str(connection.settings_dict["NAME"])))
            pool_id = generator.randint(work.first, work.last)
            sqlite.consume(opened[0], pool_id, [(10**6, _key()) for _ in range(work.batch)])

        clients = work.product_clients  # one writes at a time, however many there are
        return load(clients, work.seconds, call, warm_up_calls=3, weight=work.batch)


_keys: Any = random.SystemRandom()


def _key() -> str:
    """A key nobody had; all processes draw from the system's randomness."""
    return str(UUID(int=_keys.getrandbits(128)))
