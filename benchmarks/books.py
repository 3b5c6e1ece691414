"""Whether a benchmark left the books right: a fast wrong answer is worth nothing."""

import io
import time

from benchmarks.figures import Table


def verify(table: Table) -> None:
    """Let `verify_ledger` recompute every pool of the current database."""
    from django.core.management import CommandError, call_command

    started = time.monotonic()
    output = io.StringIO()
    try:
        call_command("verify_ledger", "--all", stdout=output)
    except CommandError as refusal:
        table.is_sound = False
        table.note(f"verify_ledger: {refusal}\n{output.getvalue()[:4000]}")
    else:
        table.note(f"verify_ledger is clean, after {time.monotonic() - started:.0f} s")
