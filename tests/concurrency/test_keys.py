"""A key ends in every process with the transaction that ends it (X4)."""

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.conf import settings
from django.utils import timezone

from tests.concurrency.killing import on_database_of_test
from workspace import keys
from workspace.actors import SYSTEM
from workspace.models import KeyKind

PROGRAM = """
import sys, django
django.setup()
from django.test import Client
DEMAND = {"customerId": "x", "currencyId": "x", "amount": 1, "idempotencyKey": "x"}
for line in sys.stdin:
    client = Client(SERVER_NAME="localhost", headers={"X-API-KEY": line.strip()})
    answers = [
        client.get("/api/v1/customers/x/entitlements/check?currencyId=x"),
        client.post("/api/v1/credits/consumption", DEMAND, "application/json"),
        client.get("/api/v1/customers"),
    ]
    print(*[answer.status_code for answer in answers], flush=True)
"""
"""Asks by each of the three ways on which a key is recognised."""


class WebProcess:
    """A process of its own, that answers requests on a connection of its own."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM],
            cwd=settings.BASE_DIR,
            env=on_database_of_test(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def ask(self, raw: str) -> str:
        """The three statuses."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{raw}\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()


@contextlib.contextmanager
def web_processes() -> Iterator[list[WebProcess]]:
    started = [WebProcess(), WebProcess()]
    try:
        yield started
    finally:
        for each in started:
            each.process.kill()
            each.process.communicate()


@pytest.mark.django_db(transaction=True)
class TestEnd:
    def test_is_known_everywhere_at_once(self):
        revoked, replaced = (
            keys.create(name="Key", kind=KeyKind.FULL, actor=SYSTEM, now=timezone.now())
            for _ in range(2)
        )
        with web_processes() as processes:
            before = [each.ask(made.raw) for each in processes for made in (revoked, replaced)]

            keys.revoke(key_id=revoked.key.pk, actor=SYSTEM, now=timezone.now())
            successor = keys.rotate(
                key_id=replaced.key.pk, grace=timedelta(), actor=SYSTEM, now=timezone.now()
            )

            after = [each.ask(made.raw) for each in processes for made in (revoked, replaced)]
            new = [each.ask(successor.raw) for each in processes]
        assert before == ["200 404 200"] * 4
        assert after == ["401 401 401"] * 4
        assert new == ["200 404 200"] * 2
