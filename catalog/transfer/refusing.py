"""What a refusal of a file tells: in which line its reason stands."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from catalog.transfer.kinds import Entry
from catalog.transfer.reading import FileRefused
from workspace.errors import Busy, DomainError


@contextmanager
def at_line(entry: Entry, names: Mapping[str, str] | None = None) -> Iterator[None]:
    """Say of a refusal in which line its reason stands; `names` are those of the file."""
    try:
        yield
    except (FileRefused, Busy):
        raise
    except DomainError as error:
        name = (names or {}).get(error.field or "", error.field or "")
        raise FileRefused(error.message, line=entry.line_of(name)) from error


@contextmanager
def at_row(entry: Entry, name: str) -> Iterator[None]:
    """As `at_line`, for a list whose row at fault the refusal tells."""
    try:
        yield
    except (FileRefused, Busy):
        raise
    except DomainError as error:
        row: Entry = entry[name][next(iter(error.rows), 0)] if entry[name] else entry
        line = row.line_of(error.field or "") or entry.line_of(name)
        raise FileRefused(error.message, line=line) from error


def named(known: Mapping[str, Any], entry: Entry, name: str, noun: str) -> Any:
    """What a field names, of all that is `known`.

    Raises:
        FileRefused: nothing has this id.
    """
    found = known.get(entry[name])
    if found is None:
        raise FileRefused(f"There is no {noun} {entry[name]}.", line=entry.line_of(name))
    return found


def target_of(one: Entry) -> tuple[str, str]:
    """Whether an entitlement is of credits or of a feature, and the id of these."""
    name = "credits" if "credits" in one else "feature"
    return name, one[name]


def twin(rows: Sequence[Entry]) -> FileRefused:
    """The refusal of a package that includes something twice."""
    seen: dict[tuple[str, str], Entry] = {}
    for one in rows:
        first = seen.setdefault(target_of(one), one)
        if first is not one:
            name, public_id = target_of(one)
            return FileRefused(
                f"{public_id} is included twice, first in line {first.line}.",
                line=one.line_of(name),
            )
    raise AssertionError("there is a twin")
