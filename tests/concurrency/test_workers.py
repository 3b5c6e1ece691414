"""Two workers at once, as processes of their own: each grant that is due, once.

The twin, which takes the lock away, is in `test_pools`.
"""

import contextlib
import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connection
from django.db.models import Sum

from credits.book import EntryType, GrantType
from credits.models import Grant, LedgerEntry, Pool
from tests.builders import a_credit_type, a_published_plan, a_subscription, some_credits
from tests.concurrency.killing import on_database_of_test
from tests.credits.paper import FEBRUARY, JANUARY

pytestmark = [pytest.mark.concurrency, pytest.mark.django_db(transaction=True)]

POOLS = 300
BATCH = 10
"""Small, so that both find something to do."""

SWEEP = f"""
import sys, django
django.setup()
from datetime import datetime
from credits import resets
from credits.models import Pool
Pool.objects.exists()  # connected before the start
print("ready", flush=True)
sys.stdin.readline()
now = datetime.fromisoformat("{FEBRUARY.isoformat()}")
print(resets.sweep(now=now, seconds=60, batch={BATCH}).written)
"""


@pytest.mark.skipif(connection.vendor == "sqlite", reason="SQLite has one writer at a time.")
class TestSweep:
    def test_grants_once_with_two_processes_at_once(self):
        credit_type = a_credit_type(now=JANUARY)
        plan = a_published_plan(entitlements=[some_credits(credit_type, 100)], now=JANUARY)
        for _ in range(POOLS):
            a_subscription(plan=plan, now=JANUARY)

        written = self.sweep_in_processes(2)

        assert sum(written) == POOLS
        assert all(written)
        granted = Grant.objects.filter(type=GrantType.RECURRING, effective_at=FEBRUARY)
        assert granted.count() == granted.values("pool").distinct().count() == POOLS
        assert Pool.objects.aggregate(total=Sum("balance"))["total"] == POOLS * 100
        assert set(Pool.objects.values_list("last_entry_number", flat=True)) == {3}
        assert LedgerEntry.objects.filter(type=EntryType.EXPIRED).count() == POOLS

    def sweep_in_processes(self, count: int) -> list[int]:
        """How many pools each of them wrote; all start together."""
        with contextlib.ExitStack() as stack:
            workers = [
                stack.enter_context(
                    subprocess.Popen(
                        [sys.executable, "-c", SWEEP],
                        cwd=Path(settings.BASE_DIR),
                        env=on_database_of_test(),
                        stdin=subprocess.PIPE,
                        stdout=subprocess.PIPE,
                        text=True,
                    )
                )
                for _ in range(count)
            ]
            for worker in workers:
                assert worker.stdout is not None
                assert worker.stdout.readline() == "ready\n"
            for worker in workers:
                assert worker.stdin is not None
                worker.stdin.write("go\n")
                worker.stdin.flush()
            return [int(worker.communicate()[0]) for worker in workers]
