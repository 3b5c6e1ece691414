"""A worker as in production: other processes, on the database of the test that starts it."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from django.conf import settings
from django.db import connection

STOP_SECONDS = 30


@contextlib.contextmanager
def running_worker(*options: str, tick_seconds: float = 0.5) -> Iterator[subprocess.Popen[bytes]]:
    """Run `manage.py run_worker`; leave no process of it behind, whatever happens.

    The test needs `transactional_db`: others see only what is committed.
    """
    supervisor = subprocess.Popen(
        [sys.executable, "manage.py", "run_worker", *options],
        cwd=settings.BASE_DIR,
        env=os.environ
        | {
            "DJANGO_SETTINGS_MODULE": "tests.settings",
            "DATABASE_URL": database_url(),
            "STIPEND_SWEEP_SECONDS": str(tick_seconds),
        },
    )
    try:
        yield supervisor
    finally:
        groups = [pid for pid, _ in children(supervisor.pid)]
        supervisor.terminate()
        try:
            supervisor.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            supervisor.kill()
            supervisor.wait()
        for group in groups:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(group, signal.SIGKILL)


def database_url() -> str:
    """The address of the database that this test uses."""
    database = connection.settings_dict
    if connection.vendor == "sqlite":
        return f"sqlite:///{database['NAME']}"
    if database["HOST"].startswith("/"):
        return f"postgres://{database['USER']}@/{database['HOST']}/{database['NAME']}"
    login = f"{database['USER']}:{database['PASSWORD']}@{database['HOST']}:{database['PORT']}"
    return f"postgres://{login}/{database['NAME']}"


def eventually(condition: Callable[[], object], *, seconds: float = 60) -> bool:
    """Whether the condition comes true in time; looks again and again."""
    give_up_at = time.monotonic() + seconds
    while time.monotonic() < give_up_at:
        if condition():
            return True
        time.sleep(0.1)
    return False


def is_alive(pid: int) -> bool:
    """Whether the process runs; one that ended and waits to be noticed does not."""
    return state_and_parent(pid)[0] not in ("gone", "Z")


def state_and_parent(pid: int) -> tuple[str, int]:
    """What the kernel says about a process."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except OSError:
        return "gone", 0
    return fields[0], int(fields[1])


def children(pid: int) -> list[tuple[int, str]]:
    """Number and title of each living child of a process."""
    pids = [int(folder.name) for folder in Path("/proc").glob("[0-9]*")]
    return [
        (child, title_of(child))
        for child in pids
        if is_alive(child) and state_and_parent(child)[1] == pid
    ]


def title_of(pid: int) -> str:
    """How the process calls itself."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode().strip()
    except OSError:
        return ""


def descendants(pid: int) -> list[tuple[int, str]]:
    """Number and title of each living process below another."""
    below = children(pid)
    return below + [process for child, _ in below for process in descendants(child)]
