"""Run benchmarks: `python -m benchmarks --help`."""

import argparse
import datetime
import io
import sys
import time
from pathlib import Path

from benchmarks import databases
from benchmarks.figures import Figure, Table

NAMES = ("consume", "reset")


def main() -> int:
    """Run the benchmarks named on the command line, or all; 1 if a database was left wrong."""
    options = _options()
    with databases.opened(options.database) as opened:
        table = Table(
            {
                "commit": databases.commit(),
                "database": opened.described(),
                "machine": databases.machine(),
                "at": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
                "sizes": "full" if options.full else "quick",
            }
        )
        table.print_head()
        sound = True
        for name in options.names or NAMES:
            started = time.monotonic()
            opened.fresh()
            _run(name, opened, table, options)
            sound = _verified(name, table) and sound
            print(f"{'':<46} ({name}: {time.monotonic() - started:.0f} s)", flush=True)
    if options.json:
        table.save(options.json)
    return 0 if sound else 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=__doc__, allow_abbrev=False
    )
    parser.add_argument("names", nargs="*", choices=[*NAMES, []], help="default: all")
    parser.add_argument("--database", choices=["postgres", "sqlite"], default="postgres")
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--quick", action="store_true", help="small sizes; this is the default")
    size.add_argument("--full", action="store_true", help="the sizes of the targets; half an hour")
    parser.add_argument("--pools", type=int, help="pools that consumption is spread over")
    parser.add_argument("--due", type=int, nargs="+", help="due pools of a reset")
    parser.add_argument("--seconds", type=float, help="length of one round")
    parser.add_argument("--rounds", type=int, help="rounds of each figure")
    parser.add_argument("--json", type=Path, help="write all figures into this file, too")
    return parser.parse_args()


def _run(name: str, opened: databases.Databases, table: Table, options: argparse.Namespace) -> None:
    # Models can be imported only now.
    from benchmarks import consume, reset

    full = options.full
    rounds = options.rounds or (7 if full else 3)
    seconds = options.seconds or (10 if full else 3)
    pools = options.pools or (100_000 if full else 20_000)
    match name:
        case "consume":
            consume.measure(opened, table, consume.Sizes(pools, seconds, rounds))
        case "reset":
            due = options.due or ([10_000, 100_000] if full else [2_000, 10_000])
            reset.measure(opened, table, reset.Sizes(due, rounds))


def _verified(name: str, table: Table) -> bool:
    """Whether `verify_ledger` finds nothing wrong after a benchmark."""
    from django.core.management import CommandError, call_command, get_commands

    if "verify_ledger" not in get_commands():
        return True
    output = io.StringIO()
    try:
        call_command("verify_ledger", "--all", stdout=output, stderr=output)
    except (CommandError, SystemExit) as refusal:
        table.add(Figure(f"   {name}: verify_ledger", "", [1], notes=f"WRONG: {refusal}"))
        print(output.getvalue(), file=sys.stderr)
        return False
    print(f"{'':<46} (verify_ledger is clean)")
    return True


if __name__ == "__main__":
    sys.exit(main())
