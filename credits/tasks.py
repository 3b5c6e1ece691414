"""What the worker runs. Tasks name no work: they look for rows that are due."""

from django.utils import timezone

from credits import resets

SWEEP_SECONDS = 20.0
"""Well under the time limit of a task."""


def sweep() -> str:
    """Write down what time did to pools since the last sweep, and say what was done."""
    done = resets.sweep(now=timezone.now(), seconds=SWEEP_SECONDS)
    return f"{done.written} pools written, {done.set_aside} set aside" + (
        ", more are due" if done.more else ""
    )
