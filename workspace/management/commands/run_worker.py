"""`manage.py run_worker`: the only way to start workers.

A django-q2 cluster can hang for ever: an idle worker that is killed takes the lock of the
internal queue with it, and even SIGTERM no longer ends the cluster. So it runs in a process
group of its own, has to prove that whole tasks come through, and is replaced when they do not.
"""

import contextlib
import logging
import os
import signal
import sys
import time
from datetime import timedelta
from functools import partial
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandParser
from django.db import (
    DatabaseError,
    InterfaceError,
    OperationalError,
    close_old_connections,
    connection,
)
from django.utils import timezone
from django_q.signals import post_execute

from workspace import functions, triggers, worker
from workspace.processes import ProcessGroup

logger = logging.getLogger(__name__)

STEP_SECONDS = 0.2
# A cluster that ends at once, perhaps for want of a table, is not started in a tight circle.
RESTART_PAUSE_SECONDS = 2.0


class Cluster(ProcessGroup):
    """One `qcluster`, and the signs of life it gives."""

    def __init__(self) -> None:
        self.name = worker.new_cluster()
        self.pulse = worker.Pulse()
        super().__init__(
            sys.executable,
            str(settings.BASE_DIR / "manage.py"),
            "run_worker",
            f"--pulse={self.pulse.sender}",
            env=os.environ | {worker.CLUSTER_VARIABLE: self.name},
            pass_fds=[self.pulse.sender],
        )

    def kill(self) -> None:
        """End the whole group at once; the queue hands its tasks to others."""
        super().kill()
        self.pulse.close()


class Watch:
    """Decides whether a cluster is alive; knows the monotonic clock, but no process.

    Acknowledged tasks prove it. After `probe_after` seconds without one a probe is sent, and
    another each time as many seconds have passed: a cluster that hangs on a second host can
    swallow two or three. After `patience` without an answer the cluster counts as dead. The
    patience has to exceed the longest task: with all workers busy, a probe waits.
    """

    def __init__(self, *, probe_after: float, patience: float, now: float) -> None:
        self.probe_after = probe_after
        self.patience = patience
        self.restart(now)

    def restart(self, now: float) -> None:
        """Forget the past: the cluster was alive just now, or could not prove it."""
        self.quiet_since = now
        self.asked_at: list[float] = []

    def needs_probe(self, now: float) -> bool:
        """Whether it is time to ask, or to ask again."""
        return now - max([self.quiet_since, *self.asked_at]) >= self.probe_after

    def note_probe(self, now: float) -> None:
        """Remember that the cluster was asked."""
        self.asked_at.append(now)

    def is_waiting(self) -> bool:
        """Whether an answer is due."""
        return bool(self.asked_at)

    def is_dead(self, now: float) -> bool:
        """Whether the first question stayed without an answer for too long."""
        return bool(self.asked_at) and now - self.asked_at[0] > self.patience


class Command(BaseCommand):
    """Keep one cluster of workers alive, and post the tickets that make it look for work."""

    help = "Runs the workers, and replaces them when they hang. SIGTERM lets tasks finish."

    def add_arguments(self, parser: CommandParser) -> None:
        """Times are seconds."""
        parser.add_argument("--probe-after", type=float, default=20, metavar="SECONDS")
        parser.add_argument("--patience", type=float, default=90, metavar="SECONDS")
        parser.add_argument("--pulse", type=int, help="Internal: be the cluster; beat here.")

    def handle(self, *, pulse: int | None, probe_after: float, patience: float, **_: Any) -> None:
        """Be the supervisor, or the cluster it started."""
        if pulse is not None:
            run_cluster(pulse)
            return
        with contextlib.suppress(OperationalError):  # the database may still be starting
            triggers.require(connection)
            functions.require(connection)
        Supervisor(probe_after=probe_after, patience=patience).run()


class Supervisor:
    """Starts, watches and replaces the cluster until a signal says stop."""

    def __init__(self, *, probe_after: float, patience: float) -> None:
        self.signals = 0
        self.watch = Watch(probe_after=probe_after, patience=patience, now=time.monotonic())
        tick = timedelta(seconds=settings.STIPEND_SWEEP_SECONDS)
        self.ticks = [worker.Tick(function, tick) for function in settings.STIPEND_SWEEPS]
        self.database_is_there = True
        self.cluster: Cluster

    def run(self) -> None:
        """Work until SIGTERM or SIGINT; a second one does not wait for running tasks."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self.count_signal)
        self.start()
        while not self.signals:
            time.sleep(STEP_SECONDS)
            self.step(time.monotonic())
        logger.info("stopping the workers")
        self.cluster.stop(settings.Q_CLUSTER["timeout"] + 10)

    def count_signal(self, *_: object) -> None:
        """Note that somebody wants an end, and insist the second time."""
        self.signals += 1
        if self.signals > 1:
            self.cluster.process.kill()

    def start(self) -> None:
        """Start a new cluster, which has nothing to prove yet."""
        self.cluster = Cluster()
        self.watch.restart(time.monotonic())

    def step(self, now: float) -> None:
        """Post what is due, and replace the cluster if it ended or hangs."""
        if self.cluster.pulse.was_felt():
            self.watch.restart(now)
        if not self.database_answers(now):
            # No task can come through: that is not the cluster's fault.
            self.watch.restart(now)
        if self.cluster.has_ended():
            self.replace("ended")
        elif self.watch.is_dead(now):
            self.replace("hangs")

    def replace(self, reason: str) -> None:
        """End what is left of the cluster, and start another."""
        logger.error("the cluster of workers %s; starting another", reason)
        self.cluster.kill()
        time.sleep(RESTART_PAUSE_SECONDS)
        self.start()

    def database_answers(self, now: float) -> bool:
        """Post what is due, and say whether the database was there for it."""
        try:
            close_old_connections()
            for tick in self.ticks:
                tick.post_if_due(timezone.now())
            if self.watch.needs_probe(now):
                self.post_probe()
                self.watch.note_probe(now)
            elif self.watch.is_waiting():
                # Look every time, so that no second of an outage counts against the cluster.
                with connection.cursor() as cursor:
                    cursor.execute("SELECT 1")
        except (DatabaseError, InterfaceError) as error:
            if self.database_is_there:
                logger.warning("the database does not answer (%s)", type(error).__name__)
            connection.close()
            self.database_is_there = False
        else:
            self.database_is_there = True
        return self.database_is_there

    def post_probe(self) -> None:
        """Ask the cluster for a sign of life, which nobody needs after our patience."""
        expires_at = timezone.now() + timedelta(seconds=self.watch.patience)
        worker.post_probe(self.cluster.name, expires_at)


def run_cluster(pulse: int) -> None:
    """Run django-q2's own command, and beat after every task that is acknowledged.

    `post_execute` comes from the process that stores results: the last link of the chain, so
    a beat proves that pulling, working and storing all do.
    """
    post_execute.connect(partial(lambda fd, **_: worker.beat(fd), pulse), weak=False)
    call_command("qcluster")
