"""A publication for all while everybody does something else (F13, R12, R22, R27)."""

import random
from collections import Counter, defaultdict
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from catalog import drafts, entitlements, publishing
from catalog.publishing import Audience
from credits import resets
from credits.models import Grant, Schedule
from subscriptions import cancellation, impacts, tasks, updates
from subscriptions.models import RolloutResult, RolloutRun, Subscription
from tests.builders import (
    a_credit_type,
    a_customer,
    a_product,
    a_published_addon,
    a_published_plan,
    a_subscription,
    some_credits,
)
from tests.concurrency.threads import at_once
from workspace.actors import SYSTEM
from workspace.errors import Busy, DomainError

pytestmark = [
    pytest.mark.concurrency,
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("prove_the_books"),
]

THREADS, CUSTOMERS, ROUNDS = 32, 20, 3


class TestPublication:
    def test_leaves_every_subscription_on_one_version_and_gives_nothing_twice(self):
        """F13: 32 threads subscribe, change quantities, cancel, reset and roll out meanwhile."""
        began = timezone.now() - timedelta(days=40)
        product, credit_type = a_product(), a_credit_type()
        addon = a_published_addon(
            product=product, entitlements=[some_credits(credit_type, 10)], now=began
        )
        plan = a_published_plan(
            product=product,
            entitlements=[some_credits(credit_type, 1000)],
            compatible_addons=[addon],
            now=began,
        )
        customers = [a_customer(now=began) for _ in range(CUSTOMERS)]
        for customer in customers[: CUSTOMERS // 2]:
            a_subscription(customer, plan, addons=[(addon, 1)], now=began)
        drafts.open_draft(package_id=plan.pk, actor=SYSTEM, now=began)
        entitlements.change_credits(
            package_id=plan.pk,
            credit_type=credit_type,
            amount=Decimal(1500),
            actor=SYSTEM,
            now=began,
        )

        def storm(place: int) -> None:
            """Thread 0 publishes; all others do whatever comes next."""
            chance = random.Random(place)
            if place == 0:
                publishing.publish(
                    package_id=plan.pk,
                    audience=Audience.ALL_CUSTOMERS,
                    actor=SYSTEM,
                    now=timezone.now(),
                )
            for _ in range(ROUNDS):
                try:
                    act(chance)
                except (DomainError, Busy):
                    continue

        def act(chance: random.Random) -> None:
            now = timezone.now()
            customer = chance.choice(customers)
            running = Subscription.objects.filter(customer=customer).not_ended(now).first()
            what = chance.choice(["subscribe", "quantity", "quantity", "cancel", "reset", "roll"])
            if what == "reset":
                resets.sweep(now=now, seconds=2, batch=5)
            elif what == "roll":
                tasks.roll_out(now)
            elif running is None:
                a_subscription(customer, plan, addons=[(addon, 1)], now=now)
            elif what == "cancel":
                cancel: Any = {"subscription_id": running.public_id, "time": "IMMEDIATE"}
                cancellation.cancel(**cancel, actor=SYSTEM, now=now)
            else:
                quantity = chance.randint(1, 5)
                updates.update(
                    subscription_id=running.public_id,
                    addons=[(addon.public_id, quantity)],
                    actor=SYSTEM,
                    now=now,
                )

        failures = [each for each in at_once(THREADS, storm) if each is not None]
        now = timezone.now()
        tasks.roll_out(now)
        resets.sweep(now=now, seconds=30)

        assert failures == []
        run = RolloutRun.objects.get()
        assert run.status == "COMPLETED"
        results = Counter(RolloutResult.objects.values_list("subscription", flat=True))
        assert set(results.values()) <= {1}
        assert (run.moved, run.failed) == (len(results), 0)
        running = Subscription.objects.not_ended(now)
        assert running.exists()
        assert set(running.values_list("plan_version__number", flat=True)) == {2}
        self.check_what_was_given()

    def check_what_was_given(self) -> None:
        """No source gave more than its largest amount in one period, and each step once (R31).

        What a cancelation voided was given back; nothing was used meanwhile.
        """
        per_period: dict[tuple[Any, ...], Decimal] = defaultdict(Decimal)
        steps = set()
        for grant in Grant.objects.filter(type="RECURRING").select_related("schedule"):
            schedule: Schedule | None = grant.schedule
            assert schedule is not None
            key = (schedule.subscription_id, schedule.source_id, grant.period_starts_at)
            step = (*key, grant.mark_before)
            assert step not in steps
            steps.add(step)
            per_period[key] += grant.amount if grant.voided_at is None else grant.consumed
            most = 50 if schedule.source_is_addon else 1500
            assert per_period[key] <= most


class TestPreview:
    def test_looks_at_each_subscription_once_however_many_workers_there_are(self):
        """F5, F6."""
        plan = a_published_plan(entitlements=[some_credits(a_credit_type())])
        for _ in range(25):
            a_subscription(plan=plan)
        drafts.open_draft(package_id=plan.pk, actor=SYSTEM, now=timezone.now())
        report = impacts.begin(package_id=plan.pk, actor=SYSTEM, now=timezone.now())

        def work(place: int) -> None:
            while impacts.proceed(report_id=report.pk, now=timezone.now(), at_most=4):
                pass

        assert at_once(4, work) == [None] * 4

        report.refresh_from_db()
        assert (report.status, report.done, report.rows.count()) == ("COMPLETED", 25, 25)
