"""Checks and consumption through the web server, beside a static answer."""

import contextlib
import os
import random
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from urllib.parse import quote
from uuid import uuid4

from django.db import connection
from django.utils import timezone

from benchmarks import by_hand, filling, keep_alive, processor
from benchmarks.clients import load_by_hand
from benchmarks.consume import BY_HAND_CLIENTS, CONSUME
from benchmarks.databases import Databases
from benchmarks.figures import Figure, Table, in_turn
from benchmarks.filling import Stock
from benchmarks.keep_alive import Answered
from workspace import keys
from workspace.actors import SYSTEM
from workspace.models import KeyKind

CONNECTIONS = 16
HOST = "127.0.0.1"


@dataclass(frozen=True)
class Sizes:
    """Customers, length of a round, number of rounds."""

    pools: int
    seconds: float
    rounds: int


def measure(databases: Databases, table: Table, sizes: Sizes) -> None:
    """Start the product and a static twin on the same web server, and ask both in turn."""
    stock = filling.stock(sizes.pools, timezone.now())
    key = keys.create(name="Benchmark", kind=KeyKind.FULL, actor=SYSTEM, now=timezone.now()).raw
    requests = _Requests(stock, key)
    with (
        _server("config.settings", databases.url) as product,
        _server("benchmarks.static_settings", databases.url) as static,
    ):
        check = _Measured(product, requests.check, sizes.seconds)
        consume = _Measured(product, requests.consume, sizes.seconds)
        plain = _Measured(static, requests.check, sizes.seconds)
        contenders: dict[str, Callable[[], float]] = {
            "static": plain,
            "check": check,
            "consume": consume,
        }
        if connection.vendor == "postgresql":
            by_hand.install("consume")
            contenders["by hand"] = lambda: _consumed_by_hand(stock, sizes.seconds)
        results = in_turn(sizes.rounds, contenders, between=databases.settle)
    at = f", {CONNECTIONS} connections"
    static_rates = results["static"]
    table.add(
        Figure(f"check over HTTP{at}", "per s", results["check"], static_rates, 0.25,
               notes=check.failures)
    )  # fmt: skip
    _add_processor_time(table, check, plain, most=4)
    _add_latencies(table, check, plain, most=10)
    table.add(
        Figure("consume over HTTP, by the static answer", "per s", results["consume"],
               static_rates, notes=consume.failures)
    )  # fmt: skip
    if by_hand_rates := results.get("by hand"):
        title = "consume over HTTP, by the function"
        table.add(Figure(title, "per s", results["consume"], by_hand_rates, 0.25))
    _add_processor_time(table, consume, plain)
    _add_latencies(table, consume, plain, most=25)


def _add_processor_time(
    table: Table, product: "_Measured", static: "_Measured", most: float | None = None
) -> None:
    ours, theirs = product.microseconds, static.microseconds
    table.add(Figure("   processor time", "µs", ours, theirs, most, at_least=False))


def _add_latencies(table: Table, product: "_Measured", static: "_Measured", most: float) -> None:
    table.add(Figure("   median", "ms", product.milliseconds(0.5), static.milliseconds(0.5)))
    slowest = product.milliseconds(0.99)
    table.add(Figure("   p99", "ms", slowest, static.milliseconds(0.99)))
    table.add(
        Figure(f"   p99 ÷ {most:g} ms", "ms", slowest, [most] * len(slowest), 1, at_least=False)
    )


@dataclass(frozen=True)
class _Server:
    """A web server that was started here: where it listens, and its first process."""

    port: int
    process: int


class _Requests:
    """Requests about customers drawn at random."""

    def __init__(self, stock: Stock, key: str) -> None:
        self.stock = stock
        self.headers = f"Host: {HOST}\r\nX-API-KEY: {key}\r\nAccept: application/json\r\n"
        self.random = random.Random(os.getpid())

    def check(self) -> bytes:
        """May this customer use one more credit?"""
        currency = quote(self.stock.credit_type_id)
        path = (
            f"/api/v1/customers/{self._customer()}/entitlements/check"
            f"?currencyId={currency}&requestedUsage=1"
        )
        return f"GET {path} HTTP/1.1\r\n{self.headers}\r\n".encode()

    def consume(self) -> bytes:
        """One credit, under a key of its own."""
        body = (
            f'{{"customerId":"{self._customer()}","currencyId":"{self.stock.credit_type_id}",'
            f'"amount":1,"idempotencyKey":"{uuid4()}"}}'
        )
        return (
            f"POST /api/v1/credits/consumption HTTP/1.1\r\n{self.headers}"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}"
        ).encode()

    def _customer(self) -> str:
        return f"{self.stock.customer_id}-{self.random.randint(1, self.stock.count)}"


class _Measured:
    """Requests to one server; call it for a round, then ask how long they took."""

    def __init__(self, server: _Server, request: Callable[[], bytes], seconds: float) -> None:
        self.server, self.request, self.seconds = server, request, seconds
        self.rounds: list[Answered] = []
        self.microseconds: list[float] = []

    def __call__(self) -> float:
        """Requests answered with 200, per second."""
        keep_alive.ask_in_a_process(
            (HOST, self.server.port), self.request, CONNECTIONS, seconds=0.5
        )
        before = self._processor_time()
        answered = keep_alive.ask_in_a_process(
            (HOST, self.server.port), self.request, CONNECTIONS, seconds=self.seconds
        )
        after = self._processor_time()
        self.rounds.append(answered)
        if before is not None and after is not None:
            self.microseconds.append((after - before) / len(answered.latencies) * 1e6)
        return answered.per_second

    def _processor_time(self) -> float | None:
        """Of web server and database; the client has its own."""
        database = processor.of_database()
        return None if database is None else database + processor.of_family(self.server.process)

    def milliseconds(self, share: float) -> list[float]:
        """Per round."""
        return [each.milliseconds(share) for each in self.rounds]

    @property
    def failures(self) -> str:
        """Answers other than 200, with an example."""
        refused = sum(each.refused for each in self.rounds)
        if not refused:
            return ""
        example = next(each.example for each in self.rounds if each.example)
        return f"{refused} refused, such as: {example}"


def _consumed_by_hand(stock: Stock, seconds: float) -> float:
    variables = {"first": stock.ids[0], "last": stock.ids[-1]}
    return load_by_hand(BY_HAND_CLIENTS, seconds, CONSUME, variables).per_second


@contextlib.contextmanager
def _server(settings: str, database_url: str) -> Iterator[_Server]:
    """Start the web server as in production, on a free port; stop it in the end."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port = probe.getsockname()[1]
    environment = os.environ | {
        "DJANGO_SETTINGS_MODULE": settings,
        "DATABASE_URL": database_url,
        "STIPEND_BIND": f"{HOST}:{port}",
    }
    command = [sys.executable, "-m", "gunicorn", "--config", "config/gunicorn.py"]
    process = subprocess.Popen([*command, "--log-level", "warning", "config.wsgi"], env=environment)
    try:
        _wait_for(port, process)
        yield _Server(port, process.pid)
    finally:
        process.terminate()
        process.wait(60)


def _wait_for(port: int, process: "subprocess.Popen[bytes]") -> None:
    for _ in range(300):
        if process.poll() is not None:
            raise RuntimeError("The web server did not start.")
        with contextlib.suppress(OSError), socket.create_connection((HOST, port), 1):
            return
        time.sleep(0.1)
    raise RuntimeError("The web server does not answer.")
