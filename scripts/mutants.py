"""Change the engine line by line, and see whether the tests of the same room notice.

    python -m scripts.mutants [credits/book.py …]
    python -m scripts.mutants credits/planning.py::spans,Switch.between

mutmut makes the mutants, each with one small change, and runs against each the tests that
reach it. They work on a copy below `var/`, so the checkout stays as it is. A mutant that no test
notices has to stand in the table of `docs/proofs.md`, which says why it changes nothing.
"""

import ast
import json
import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parent.parent
EXPLAINED = ROOT / "docs" / "proofs.md"
BIN = Path(sys.executable).parent

ROOMS = {
    "subscriptions/periods.py": ["tests/subscriptions/test_periods.py"],
    "credits/book.py": ["tests/credits/test_book.py"],
    "credits/burn_order.py": ["tests/credits/test_burn_order.py"],
    "credits/recurring.py": ["tests/credits/test_recurring.py"],
    "credits/timeline.py": ["tests/credits/test_timeline.py"],
    "credits/changes.py": [
        "tests/credits/test_changes_on_paper.py",
        "tests/credits/test_changes.py",
    ],
    "credits/planning.py": [
        "tests/credits/test_planning.py",
        "tests/credits/test_changes.py",
    ],
    "credits/ledger.py": ["tests/credits/test_ledger.py"],
}
"""Which tests have to notice a mutant: those of its own room."""

# Asserts tell the type checker. A minute is given for what takes no time: on a busy machine,
# too, only mutants that never end reach it.
SETTINGS = """
[tool.mutmut]
source_paths = ["config", "workspace", "catalog", "subscriptions", "credits"]
only_mutate = ["{room}"]
do_not_mutate_patterns = ['^ +assert ']
also_copy = ["manage.py", "scripts", "templates", "var"]
pytest_add_cli_args = [
    "--ds=tests.in_memory", "--reuse-db", "-p", "scripts.mutants", "-p", "no:cacheprovider",
]
pytest_add_cli_args_test_selection = {tests}
timeout_constant = 6.0
timeout_multiplier = 10.0
"""
AT_ONCE = "2"
NOTICED = {"killed", "timeout"}

EXPLANATION = re.compile(r"^\| `(?P<place>[^`]+)` \| `(?P<line>[^`]+)` \| `(?P<becomes>[^`]+)` \|")
FATE = re.compile(r"^ +(\S+): (.+)$", re.MULTILINE)
MANGLED = re.compile(r"^(.+)\.x_?(\S+?)__mutmut_\d+$")


KILLERS = Path("killers.txt")
"""The tests that noticed a mutant, the last one last; beside the copy that they run on."""
RECENT = 4


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run first what will probably fail soon, as plugin of the tests.

    That is what noticed the mutants before, which were of the same lines; then what needs no
    database.
    """
    before = KILLERS.read_text(encoding="utf-8").splitlines() if KILLERS.exists() else []
    places = {name: place for place, name in enumerate(before[-RECENT:])}

    def order(item: pytest.Item) -> tuple[int, bool]:
        return -places.get(item.nodeid, -1), item.get_closest_marker("django_db") is not None

    items.sort(key=order)


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Remember what noticed a mutant."""
    if report.failed:
        with KILLERS.open("a", encoding="utf-8") as killers:
            killers.write(f"{report.nodeid}\n")


class Mutant(NamedTuple):
    """A changed line: in which function, what it was, what it became."""

    place: str
    line: str
    becomes: str


def main() -> int:
    """Make and run the mutants of the rooms given, or of all; 1 if one is not explained."""
    rooms = sys.argv[1:] or list(ROOMS)
    explained = set(read_explanations())
    survivors: set[Mutant] = set()
    for room in rooms:
        fates, alive = run(*room.split("::"))
        survivors.update(alive)
        told = ", ".join(f"{many} {fate}" for fate, many in Counter(fates).most_common())
        print(f"{room}: {len(fates)} mutants, {told}", flush=True)
    for mutant in sorted(survivors - explained):
        print(f"Not noticed, in {mutant.place}:\n  - {mutant.line}\n  + {mutant.becomes}")
    if set(rooms) == set(ROOMS):
        for mutant in sorted(explained - survivors):
            print(f"Explained, but not among the survivors: {mutant}")
    return 1 if survivors - explained else 0


def run(room: str, functions: str = "") -> tuple[list[str], list[Mutant]]:
    """Make and run the mutants of one room: what became of each, and those nobody noticed.

    Of all its functions, or of those named, with commas between them.
    """
    folder = ROOT / "var" / "mutants" / Path(room).stem
    copy_checkout(folder)
    turn_properties_into_methods(folder / room)
    with (folder / "pyproject.toml").open("a", encoding="utf-8") as settings:
        settings.write(SETTINGS.format(room=room, tests=json.dumps(ROOMS[room])))
    chosen = [mangled(room, name) for name in functions.split(",") if name]
    mutmut(folder, "run", "--max-children", AT_ONCE, *(f"{name}__mutmut_*" for name in chosen))
    found = FATE.findall(mutmut(folder, "results", "--all", "1"))
    fates = {
        name: fate
        for name, fate in found
        if not chosen or name.rpartition("__mutmut_")[0] in chosen
    }
    alive = [seen(folder, name) for name, fate in fates.items() if fate not in NOTICED]
    return list(fates.values()), alive


def copy_checkout(folder: Path) -> None:
    """Copy every file that is or could be committed."""
    shutil.rmtree(folder, ignore_errors=True)
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, check=True, capture_output=True, text=True,
    )  # fmt: skip
    for name in listed.stdout.splitlines():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, folder / name)


def turn_properties_into_methods(path: Path) -> None:
    """Write `@property` as an assignment after the method: mutmut passes by what is decorated."""
    lines = path.read_text(encoding="utf-8").splitlines()
    for method in sorted(properties(ast.parse("\n".join(lines))), key=lambda found: -found.lineno):
        [decorator] = method.decorator_list
        lines.insert(method.end_lineno or 0, f"    {method.name} = property({method.name})")
        del lines[decorator.lineno - 1]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def properties(module: ast.Module) -> Iterator[ast.FunctionDef]:
    """Yield the properties of a module's classes."""
    for node in ast.walk(module):
        if not isinstance(node, ast.FunctionDef):
            continue
        if [ast.unparse(each) for each in node.decorator_list] == ["property"]:
            yield node


def mutmut(folder: Path, *arguments: str) -> str:
    """Run mutmut in a copy of the checkout, on a database in memory; give what it says."""
    environment = {name: value for name, value in os.environ.items() if name != "DATABASE_URL"}
    finished = subprocess.run(
        [BIN / "mutmut", *arguments], cwd=folder, env=environment, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    if finished.returncode:
        sys.exit(finished.stdout[-5000:] + finished.stderr[-5000:])
    return finished.stdout


def mangled(room: str, name: str) -> str:
    """What mutmut calls a function, or a method such as `Switch.between`."""
    owner, _, method = name.rpartition(".")
    inner = f"xǁ{owner}ǁ{method}" if owner else f"x_{name}"
    return f"{room.removesuffix('.py').replace('/', '.')}.{inner}"


def seen(folder: Path, name: str) -> Mutant:
    """What a mutant changed, from the difference that mutmut shows."""
    changes: dict[str, list[str]] = {"-": [], "+": []}
    for line in mutmut(folder, "show", name).splitlines():
        if line[:1] in changes and line[:3] not in ("---", "+++"):
            changes[line[0]].append(line[1:].strip())
    place = MANGLED.sub(r"\1.\2", name).replace("ǁ", ".").replace("..", ".")
    return Mutant(place, " ".join(changes["-"]), " ".join(changes["+"]) or "nothing")


def read_explanations() -> Iterator[Mutant]:
    """Yield the mutants of the table in `docs/proofs.md`."""
    for line in EXPLAINED.read_text(encoding="utf-8").splitlines():
        if found := EXPLANATION.match(line):
            yield Mutant(**found.groupdict())


if __name__ == "__main__":
    sys.exit(main())
