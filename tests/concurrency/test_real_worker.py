"""A worker as in production issues what is due; killed, it leaves it to the next one (R22, R24)."""

import contextlib
import os
import signal
from datetime import timedelta

import pytest
from django.utils import timezone
from django_q.models import Success

from credits import verification
from credits.book import GrantType
from credits.models import Grant, Pool
from subscriptions import periods
from tests.builders import a_credit_type, a_published_plan, a_subscription, some_credits
from tests.real_worker import descendants, eventually, running_worker

pytestmark = [pytest.mark.concurrency, pytest.mark.django_db(transaction=True)]

MONTHLY = 100
DAYS = 70
"""Long enough ago that two resets were missed."""


def due_pools(count: int) -> list[Pool]:
    """Pools of monthly plans that began 70 days ago, and that nobody has looked at since."""
    then = timezone.now() - timedelta(days=DAYS)
    credit_type = a_credit_type(now=then)
    plan = a_published_plan(entitlements=[some_credits(credit_type, MONTHLY)], now=then)
    for _ in range(count):
        a_subscription(plan=plan, now=then)
    return list(Pool.objects.filter(credit_type=credit_type))


def are_up_to_date() -> bool:
    """Whether no pool is due any more."""
    return not Pool.objects.due(timezone.now()).exists()


def sweeps() -> int:
    """How many sweeps have succeeded."""
    return Success.objects.filter(func="credits.tasks.sweep").count()


def issued(pool: Pool) -> int:
    """How many recurring grants the pool had."""
    return Grant.objects.filter(pool=pool, type=GrantType.RECURRING).count()


def missed(pool: Pool) -> int:
    """How many resets passed since the pool was made."""
    starts = periods.following(pool.created_at, "MONTH", pool.created_at, 4)
    return sum(start <= timezone.now() for start in starts)


class TestWorker:
    def test_issues_due_grants_within_two_ticks(self):
        with running_worker(tick_seconds=0.5):
            assert eventually(sweeps)
            [pool] = due_pools(1)
            before = sweeps()

            assert eventually(lambda: sweeps() >= before + 2)

            assert are_up_to_date()
        assert issued(pool) == missed(pool) + 1
        pool.refresh_from_db()
        assert pool.balance == MONTHLY

    def test_leaves_nothing_half_done_when_it_is_killed(self):
        pools = due_pools(25)

        with running_worker(tick_seconds=0.2) as supervisor:
            assert eventually(lambda: sweeps() or Pool.objects.filter(last_entry_number__gt=1))
            for pid, _ in [(supervisor.pid, ""), *descendants(supervisor.pid)]:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            supervisor.wait()
        wholly_done_or_untouched = {issued(pool) for pool in pools}
        assert wholly_done_or_untouched <= {1, missed(pools[0]) + 1}
        assert list(verification.verify_all(timezone.now())) == []

        with running_worker(tick_seconds=0.2):
            assert eventually(are_up_to_date)

        assert {issued(pool) for pool in pools} == {missed(pools[0]) + 1}
        assert list(verification.verify_all(timezone.now())) == []
