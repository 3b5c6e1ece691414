"""Run benchmarks: `python -m benchmarks --help`."""

import argparse
import datetime
import sys
import time
from pathlib import Path

from benchmarks import books, databases
from benchmarks.figures import Table

NAMES = ("consume", "reset", "history", "web", "lists", "catalog")


def main() -> int:
    """Run the benchmarks named on the command line, or all; 1 if a database was left wrong."""
    options = _options()
    with databases.opened(options.database) as opened:
        table = Table(
            {
                "commit": databases.commit(),
                "database": opened.described(),
                "machine": databases.machine(),
                "disk": f"{databases.milliseconds_of_a_durable_write():.2f} ms for a durable write",
                "at": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
                "sizes": "full" if options.full else "quick",
            }
        )
        table.print_head()
        for name in options.names or NAMES:
            started = time.monotonic()
            opened.fresh()
            _run(name, opened, table, options)
            books.verify(table)
            table.note(f"{name} took {time.monotonic() - started:.0f} s")
    if options.json:
        table.save(options.json)
    return 0 if table.is_sound else 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=__doc__, allow_abbrev=False
    )
    parser.add_argument("names", nargs="*", choices=[*NAMES, []], help="default: all")
    parser.add_argument("--database", choices=["postgres", "sqlite"], default="postgres")
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--quick", action="store_true", help="small sizes; this is the default")
    size.add_argument("--full", action="store_true", help="the sizes of the targets; takes long")
    parser.add_argument("--pools", type=int, help="pools, each of a customer of its own")
    parser.add_argument("--due", type=int, nargs="+", help="due pools of a reset")
    parser.add_argument("--entries", type=int, help="entries of a long ledger")
    parser.add_argument("--seconds", type=float, help="length of one round")
    parser.add_argument("--rounds", type=int, help="rounds of each figure")
    parser.add_argument("--json", type=Path, help="write all figures into this file, too")
    return parser.parse_args()


def _run(name: str, opened: databases.Databases, table: Table, options: argparse.Namespace) -> None:
    # Models can be imported only now.
    from benchmarks import catalog, consume, history, lists, reset, web

    full = options.full
    rounds = options.rounds or (7 if full else 3)
    seconds = options.seconds or (10 if full else 2)
    pools = options.pools or (100_000 if full else 20_000)
    match name:
        case "consume":
            of_batches = options.seconds or (10 if full else 1)
            consume.measure(opened, table, consume.Sizes(pools, seconds, of_batches, rounds))
        case "reset":
            due = options.due or ([10_000, 100_000] if full else [2_000, 10_000])
            reset.measure(opened, table, reset.Sizes(due, rounds))
        case "history":
            entries = options.entries or (1_000_000 if full else 100_000)
            history.measure(opened, table, history.Sizes(entries, pools, rounds))
        case "web":
            web.measure(opened, table, web.Sizes(pools, seconds, rounds))
        case "lists":
            customers = options.pools or (1_000_000 if full else 20_000)
            entries = options.entries or (1_000_000 if full else 50_000)
            lists.measure(opened, table, lists.Sizes(customers, entries, rounds))
        case "catalog":
            subscriptions = options.pools or (100_000 if full else 2_000)
            packages, versions = (200, 50) if full else (20, 10)
            catalog.measure(opened, table, catalog.Sizes(subscriptions, packages, versions, rounds))


if __name__ == "__main__":
    sys.exit(main())
