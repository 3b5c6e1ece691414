"""Processes that end with the one that started them, and take their own children along."""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
from typing import Any

DIE_WITH_PARENT = 1  # PR_SET_PDEATHSIG of Linux


class ProcessGroup:
    """A command in a process group of its own, out of reach of the terminal's Ctrl-C."""

    def __init__(self, *command: str, **options: Any) -> None:
        self.process = subprocess.Popen(
            command,
            start_new_session=True,
            # Whoever supervises has one thread, so nothing can be half-done at the fork.
            preexec_fn=end_with_parent if sys.platform == "linux" else None,  # noqa: PLW1509
            **options,
        )

    def has_ended(self) -> bool:
        """Whether the main process is gone, which leaves its children without a master."""
        return self.process.poll() is not None

    def ask_to_end(self) -> None:
        """Let the main process finish what it does, and return at once."""
        self.process.terminate()

    def stop(self, seconds: float) -> None:
        """Let it finish for so many seconds, then end whatever is left."""
        self.ask_to_end()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(seconds)
        self.kill()

    def kill(self) -> None:
        """End the whole group at once."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


def end_with_parent() -> None:
    """Have the kernel ask this process to end when its parent is killed: no orphans."""
    ctypes.CDLL(None).prctl(DIE_WITH_PARENT, signal.SIGTERM)
