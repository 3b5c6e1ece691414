"""Processes that run a verb until they are killed, as `kill -9` does it.

    python -m tests.concurrency.killing

starts Django once and then, for every line of its input, a process of its own.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import traceback
from collections.abc import Iterator
from typing import IO, Any

import django
from django.conf import settings

from tests.real_worker import database_url

COMMITTED, ENDED = "committed", "ended"


class Nursery:
    """Gives birth to processes that die at a point."""

    def __init__(self, orders: IO[str], answers: IO[str]) -> None:
        self.orders, self.answers = orders, answers

    def run(self, name: str, arguments: dict[str, Any], dies_at: int) -> tuple[bool, int]:
        """Whether the verb of that name survived, and how often it committed."""
        self.orders.write(json.dumps([name, arguments, dies_at]) + "\n")
        self.orders.flush()
        commits = 0
        while (answer := self.answers.readline().split())[:1] == [COMMITTED]:
            commits += 1
        assert answer[:1] == [ENDED], "somebody else died"
        status = int(answer[1])
        assert status in (0, -signal.SIGKILL), f"{name} failed at {dies_at}"
        return status == 0, commits


def on_database_of_test() -> dict[str, str]:
    """The environment of a process that sees what the test has committed."""
    return os.environ | {
        "DJANGO_SETTINGS_MODULE": "tests.settings",
        "DATABASE_URL": database_url(),
    }


@contextlib.contextmanager
def nursery() -> Iterator[Nursery]:
    """A nursery on the database of the test; see `tests.real_worker`."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.concurrency.killing"],
        cwd=settings.BASE_DIR,
        env=on_database_of_test(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    with process:
        yield Nursery(process.stdin, process.stdout)
        process.stdin.close()


def main() -> None:
    """Bear a child for each order, and say how it ended."""
    django.setup()
    from tests.concurrency import mortals  # noqa: F401 - children find it loaded

    for order in sys.stdin:
        child = os.fork()
        if not child:
            live(*json.loads(order))
        _, status = os.waitpid(child, 0)
        say(f"{ENDED} {os.waitstatus_to_exitcode(status)}")


def live(name: str, arguments: dict[str, Any], dies_at: int) -> None:
    """Run the verb, and end this process in one way or the other."""
    from tests.concurrency.crashes import Fuse
    from tests.concurrency.mortals import TWINS, VERBS

    try:
        fuse = Fuse(dies_at, lambda: os.kill(os.getpid(), signal.SIGKILL), lambda: say(COMMITTED))
        with fuse.laid():
            (VERBS | TWINS)[name].run(**arguments)
    except BaseException:
        traceback.print_exc()
        os._exit(1)
    os._exit(0)


def say(line: str) -> None:
    """Past all buffers, which a killed process would take along."""
    os.write(1, f"{line}\n".encode())


if __name__ == "__main__":
    main()
