"""Tickets: what the supervisor `run_worker` sends through the queue, and how it is answered.

The schedules of django-q2 are switched off. One row with unreadable arguments in their table
stops all of them, whoever can edit that table can run any function, and they cannot tick
faster than a minute. Instead every supervisor posts a ticket for each of
`settings.STIPEND_SWEEPS` once per tick. A ticket names no work: the sweep looks for rows that
are due, so a ticket that is lost, late or doubled changes nothing.
"""

import contextlib
import os
from datetime import datetime, timedelta
from uuid import uuid4

from django.utils import timezone
from django_q.brokers.orm import ORM
from django_q.models import OrmQ
from django_q.tasks import async_task

# Names the cluster that a process belongs to; the supervisor sets it for its own.
CLUSTER_VARIABLE = "STIPEND_CLUSTER"

PAUSE_BETWEEN_HOSTS = timedelta(seconds=0.5)


class TicketBroker(ORM):
    """The queue in the database, which can hold a row back, and remembers the one it wrote."""

    def __init__(self, delay: timedelta) -> None:
        super().__init__()
        self.delay = delay
        self.written = 0

    def enqueue(self, task: str) -> int:
        """Write the row, and keep its number."""
        lock = timezone.now() + self.delay
        self.written = OrmQ.objects.create(key=self.list_key, payload=task, lock=lock).pk
        return self.written


def post(function: str, *args: object, save: bool, delay: timedelta = timedelta(0)) -> int:
    """Queue one ticket for `function`, a dotted name; answer the number of its row.

    A ticket that fails is not tried again: the next tick brings another. Only with `save` its
    success is kept among the results.
    """
    broker = TicketBroker(delay)
    async_task(function, *args, broker=broker, ack_failure=True, save=save)
    return broker.written


def is_waiting(ticket: int, now: datetime) -> bool:
    """Whether no cluster has pulled the ticket yet."""
    return bool(OrmQ.objects.filter(pk=ticket, lock__lte=now).exists())


def withdraw(ticket: int) -> None:
    """Take a ticket out of the queue.

    One that a worker is busy with runs to its end. One that killed its worker would otherwise
    come back for ever: django-q2 counts only attempts that end.
    """
    OrmQ.objects.filter(pk=ticket).delete()


class Tick:
    """Posts one ticket per tick for one function, and never piles them up."""

    def __init__(self, function: str, every: timedelta) -> None:
        self.function = function
        self.every = every
        self.ticket: int | None = None
        self.due_at: datetime | None = None

    def post_if_due(self, now: datetime) -> None:
        """Post a ticket unless the last one is younger than a tick, or still waits to be pulled.

        Waiting tickets keep their place in the queue, so that a backlog cannot starve them.
        """
        if self.due_at and now < self.due_at <= now + self.every:
            return
        if self.ticket is None or not is_waiting(self.ticket, now):
            if self.ticket is not None:
                withdraw(self.ticket)
            self.ticket = post(self.function, save=True)
        self.due_at = now + self.every


def new_cluster() -> str:
    """Make up a name for a cluster that is about to start."""
    return uuid4().hex


def post_probe(cluster: str, expires_at: datetime, delay: timedelta = timedelta(0)) -> int:
    """Queue a probe that `cluster` has to answer, if it is alive."""
    return post(f"{__name__}.probe", cluster, expires_at, save=False, delay=delay)


def probe(cluster: str, expires_at: datetime) -> None:
    """Do nothing, in a worker of `cluster`: that it got so far is the answer.

    All hosts share one queue. A probe that another host pulled goes back, or a healthy host
    would answer for one that hangs; the expiry ends that game when nobody takes it.
    """
    is_addressee = os.environ.get(CLUSTER_VARIABLE) == cluster
    if not is_addressee and timezone.now() < expires_at:
        post_probe(cluster, expires_at, delay=PAUSE_BETWEEN_HOSTS)


class Pulse:
    """A pipe from a cluster to its supervisor: one byte for every task that was acknowledged.

    A pipe rather than a row, because a busy cluster need not be asked, and writing a row for
    every task would cost more than most tasks.
    """

    def __init__(self) -> None:
        self.receiver, self.sender = os.pipe()
        os.set_blocking(self.receiver, False)
        os.set_blocking(self.sender, False)

    def was_felt(self) -> bool:
        """Whether a task was acknowledged since the last call."""
        felt = False
        with contextlib.suppress(BlockingIOError):
            while os.read(self.receiver, 4096):
                felt = True
        return felt

    def close(self) -> None:
        """Give both ends back."""
        os.close(self.receiver)
        os.close(self.sender)


def beat(sender: int) -> None:
    """Send one byte; nobody needs a second one where the pipe is full, or its reader gone."""
    with contextlib.suppress(BlockingIOError, BrokenPipeError):
        os.write(sender, b".")
