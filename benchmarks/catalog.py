"""A large catalog, and a publication that concerns many subscriptions."""

import os
import random
import signal
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from django.db import connections
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from benchmarks import filling, processes
from benchmarks.databases import Databases
from benchmarks.figures import Figure, Table
from benchmarks.lists import HOST, Asked, PageTimes
from catalog import drafts, entitlements, publishing
from catalog.models import Package
from catalog.publishing import Audience
from credits import resets
from credits.models import Grant
from subscriptions import impacts, periods, tasks
from subscriptions.models import (
    ImpactReport,
    RolloutOutcome,
    RolloutResult,
    RolloutRun,
    RolloutStatus,
    Subscription,
)
from workspace.actors import SYSTEM
from workspace.models import User

MOST_MEGABYTES = 300.0
MORE = 1_000
"""So many credits each version gives more than the one before."""
A_PAGE, RESULTS = 25, 200
"""So many rows the page of plans shows, and that of a rollout."""
AFTER = timedelta(seconds=1)


@dataclass(frozen=True)
class Sizes:
    """Subscriptions that a publication concerns, and how large the catalog around them is."""

    subscriptions: int
    packages: int
    versions: int
    rounds: int


def measure(databases: Databases, table: Table, sizes: Sizes) -> None:
    """Preview, publish and roll out; ask for pages before and after; kill a worker on the way."""
    _Bench(databases, table, sizes).run()


class _Bench:
    """A plan that many have; each publication gives 1,000 credits more."""

    def __init__(self, databases: Databases, table: Table, sizes: Sizes) -> None:
        self.databases, self.table, self.sizes = databases, table, sizes
        # All of it happens in the last weeks, so that a period can end on the way.
        self.anchor = timezone.now() - timedelta(days=45)
        self.now = self.anchor + timedelta(days=1)
        self.pool = filling.a_pool(self.anchor)
        self.plan = Package.objects.get(subscriptions__customer=self.pool.customer)
        self.person = Client(headers={"host": HOST})
        self.person.force_login(User.objects.create_superuser("benchmark", password=None))

    def run(self) -> None:
        """Measure everything."""
        filling.copy_package(self.plan, A_PAGE, 1, self.now)
        filling.copy_customer(self.pool.customer, RESULTS)
        self._review()
        self._publish()
        self._roll_out()
        self._open_draft()
        few = {name: PageTimes(ask, self.sizes.rounds) for name, ask in self._pages().items()}
        self._discard()
        self.now += AFTER

        packages, versions = self.sizes.packages, self.sizes.versions
        filling.copy_package(self.plan, packages, versions, self.now, first=A_PAGE + 1)
        while self.plan.versions.count() < self.sizes.versions:
            self._open_draft()
            self._publish(Audience.NEW_CUSTOMERS)
        filling.copy_customer(
            self.pool.customer, self.sizes.subscriptions - RESULTS, first=RESULTS + 1
        )
        self.databases.settle()
        self._measure_publication()
        self._open_draft()
        for name, ask in self._pages().items():
            many = PageTimes(ask, self.sizes.rounds)
            self.table.add(many.beside(few[name], name))
        self._discard()
        self._kill_on_the_way()

    # What is measured

    def _measure_publication(self) -> None:
        """Preview, rollout, and a reset of the same pools, each in a process of its own."""
        count = Subscription.objects.count()
        finished = processes.together(1, lambda _: self._review())
        self._add_rate("preview", "rows/s", count, finished)
        started = time.perf_counter()
        self._publish()
        taken = [(time.perf_counter() - started) * 1000]
        self.table.add(Figure("   the publication itself", "ms", taken))
        rolled_out = processes.together(1, lambda _: self._roll_out())
        self._check(count)
        self.now = periods.boundary(self.anchor, 1) + AFTER
        reset = processes.together(1, lambda _: resets.sweep(now=self.now, seconds=3600))
        assert reset.done[0].answer.written == count, reset
        limit = [count / reset.done[0].seconds]
        self._add_rate("rollout, and a reset of the same pools", "1/s", count, rolled_out, limit)
        if rolled_out.processor_seconds is not None and reset.processor_seconds is not None:
            used = [rolled_out.processor_seconds / count * 1e6]
            allowed = [reset.processor_seconds / count * 1e6]
            self.table.add(Figure("   processor time", "µs", used, allowed, at_least=False))

    def _add_rate(
        self,
        name: str,
        unit: str,
        count: int,
        finished: processes.Finished,
        limit: list[float] | None = None,
    ) -> None:
        (done,) = finished.done
        self.table.add(Figure(name, unit, [count / done.seconds], limit or ()))
        peak = Figure("   memory", "MB", [done.peak_megabytes], [MOST_MEGABYTES], 1, at_least=False)
        self.table.add(peak)

    def _kill_on_the_way(self) -> None:
        """Publish once more, and kill the worker twice before it is done."""
        count = Subscription.objects.count()
        self.now += AFTER
        self._open_draft()
        self._publish()
        chance = random.Random(1)
        for share in (1 / 3, 2 / 3):
            self._killed_after(int(count * share) + chance.randrange(50))
        self._roll_out()
        self._check(count)
        self.table.note(f"a rollout of {count:,} went on after kill -9, twice; results add up")

    def _killed_after(self, results: int) -> None:
        """Let a worker begin, and kill it as soon as there are so many results."""
        connections.close_all()
        worker = os.fork()
        if worker == 0:
            connections.close_all()
            self._roll_out()
            os._exit(0)
        run = RolloutRun.objects.order_by("-pk")[0]
        while RolloutResult.objects.filter(run=run).count() < results:
            assert os.waitpid(worker, os.WNOHANG) == (0, 0), "the worker was done before"
            time.sleep(0.01)
        os.kill(worker, signal.SIGKILL)
        os.waitpid(worker, 0)
        assert RolloutRun.objects.get(pk=run.pk).status == RolloutStatus.IN_PROGRESS

    def _check(self, count: int) -> None:
        """Everybody stands on the last version, has one result, and was granted more once."""
        run = RolloutRun.objects.order_by("-pk")[0]
        self.plan.refresh_from_db()
        assert run.status == RolloutStatus.COMPLETED, run.status
        assert (run.total, run.version_id) == (count, self.plan.live_id)
        on_it = Subscription.objects.filter(plan_version=self.plan.live_id)
        assert on_it.count() == Subscription.objects.count() == count
        outcomes = Counter(run.results.values_list("outcome", flat=True))
        assert outcomes == {RolloutOutcome.SUCCEEDED: count}, outcomes
        since = Grant.objects.filter(type="RECURRING", created_at__gte=run.created_at)
        assert since.count() == count, since.count()
        assert since.values("subscription").distinct().count() == count

    # What happens to the catalog

    def _open_draft(self) -> None:
        """Open a draft that gives more than what is live."""
        drafts.open_draft(package_id=self.plan.pk, actor=SYSTEM, now=self.now)
        self.plan.refresh_from_db()
        assert self.plan.draft is not None
        before = self.plan.draft.credit_entitlements.get().amount
        assert before is not None
        entitlements.change_credits(
            package_id=self.plan.pk,
            credit_type=self.pool.credit_type,
            amount=before + MORE,
            actor=SYSTEM,
            now=self.now,
        )

    def _discard(self) -> None:
        drafts.discard(package_id=self.plan.pk, actor=SYSTEM, now=self.now)
        self.plan.refresh_from_db()

    def _review(self) -> int:
        """Begin a preview of a draft, and work it out."""
        self._open_draft()
        report = impacts.begin(package_id=self.plan.pk, actor=SYSTEM, now=self.now)
        while tasks.preview_impacts(self.now):
            pass
        return report.pk

    def _publish(self, audience: Audience = Audience.ALL_CUSTOMERS) -> None:
        self.plan.refresh_from_db()
        report = ImpactReport.objects.filter(version=self.plan.draft).first()
        publishing.publish(
            package_id=self.plan.pk,
            audience=audience,
            preview_id=report.pk if report else None,
            actor=SYSTEM,
            now=self.now,
        )

    def _roll_out(self) -> None:
        """Do what the worker does, without waiting between its ticks."""
        while RolloutRun.objects.unfinished().exists():
            tasks.roll_out(self.now)

    def _pages(self) -> Mapping[str, Asked]:
        """Screens of the catalog, by name."""

        def screen(name: str, *arguments: int, **query: str) -> Asked:
            address = reverse(f"admin:{name}", args=arguments)
            return lambda: self.person.get(address, query).status_code

        run = RolloutRun.objects.order_by("-pk")[0]
        assert run.report_id is not None
        return {
            "plans": screen("catalog_plan_changelist"),
            "plan": screen("catalog_plan_change", self.plan.pk),
            "versions of a plan": screen("catalog_plan_versions", self.plan.pk),
            "comparison of two versions": screen("catalog_plan_compare", self.plan.pk),
            "review & publish": screen("catalog_plan_publish", self.plan.pk),
            "impact preview": screen("subscriptions_impactreport_change", run.report_id),
            "rollouts": screen("subscriptions_rolloutrun_changelist"),
            "rollout": screen("subscriptions_rolloutrun_change", run.pk),
            "subscriptions": screen("subscriptions_subscription_changelist"),
        }
