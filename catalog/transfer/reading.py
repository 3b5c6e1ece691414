"""A YAML text becomes values that know their lines; whatever a catalog does not need is refused.

Scalars stay the texts that were written: what they mean, the shape of the file says. So no
number passes through a float and no plan is called `False` because its id is `no`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml

from workspace.errors import BadInput

LARGEST = 1024 * 1024  # bytes
DEEPEST = 20
MOST_VALUES = 200_000
LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
NOTHING = frozenset({"", "~", "null", "Null", "NULL"})


class FileRefused(BadInput):
    """The file cannot be taken; nothing was changed. `line` counts from 1."""

    def __init__(self, message: str, *, line: int | None = None) -> None:
        super().__init__(f"Line {line}: {message}" if line else message, field="file")
        self.line = line


@dataclass(frozen=True)
class Scalar:
    """A text as it was written; `is_plain` without quotes."""

    line: int
    text: str
    is_plain: bool

    @property
    def is_nothing(self) -> bool:
        """Whether it says that there is no value."""
        return self.is_plain and self.text in NOTHING


@dataclass(frozen=True)
class Items:
    """A list."""

    line: int
    values: tuple["Node", ...]


@dataclass(frozen=True)
class Fields:
    """A mapping: name → the line it stands in, and its value."""

    line: int
    pairs: dict[str, tuple[int, "Node"]]


Node = Scalar | Items | Fields


def decoded(content: bytes) -> str:
    """The text of a file.

    Raises:
        FileRefused: it is too large, or no UTF-8 without a byte order mark.
    """
    if len(content) > LARGEST:
        raise FileRefused(f"The file is larger than {LARGEST // 1024:,} KB.")
    if content.startswith((b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")):
        raise FileRefused(
            "The file begins with a byte order mark; save it as UTF-8 without one.", line=1
        )
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise FileRefused("This is not UTF-8; save the file in that encoding.", line=line) from None


def read(text: str) -> Node:
    """The only document in `text`.

    Raises:
        FileRefused: it is no YAML, or holds anchors, references, tags, twin names, several
            documents, or more than any catalog does.
    """
    try:
        return _document(_Events(text))
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise FileRefused("There is a character that cannot be seen.", line=line) from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise FileRefused(
            f"This is not YAML: {error.problem or 'it cannot be understood'}.",
            line=mark.line + 1 if mark else None,
        ) from None


class _Events:
    """The events of a text, one after the other, with what is refused wherever it stands."""

    def __init__(self, text: str) -> None:
        self.events: Iterator[Any] = iter(yaml.parse(text, Loader=LOADER))
        self.values = 0

    def next(self) -> Any:
        event = next(self.events)
        line = event.start_mark.line + 1
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise FileRefused("Anchors (&) and references (*) are not used here.", line=line)
        if getattr(event, "tag", None):
            raise FileRefused(f"Tags such as {event.tag[:40]} are not used here.", line=line)
        self.values += 1
        if self.values > MOST_VALUES:
            raise FileRefused("The file holds more values than any catalog.", line=line)
        return event


def _document(events: _Events) -> Node:
    events.next()  # the stream begins
    event = events.next()
    if isinstance(event, yaml.StreamEndEvent):
        raise FileRefused("The file is empty.", line=1)
    document = _node(events, events.next(), 0)
    events.next()  # the document ends
    event = events.next()
    if not isinstance(event, yaml.StreamEndEvent):
        line = event.start_mark.line + 1
        raise FileRefused("A second document begins here; a catalog is one.", line=line)
    return document


def _node(events: _Events, event: Any, depth: int) -> Node:
    line = event.start_mark.line + 1
    if depth > DEEPEST:
        raise FileRefused(f"Values are nested more than {DEEPEST} levels deep.", line=line)
    if isinstance(event, yaml.ScalarEvent):
        return Scalar(line, event.value, is_plain=event.style in (None, ""))
    if isinstance(event, yaml.SequenceStartEvent):
        values = []
        while not isinstance(event := events.next(), yaml.SequenceEndEvent):
            values.append(_node(events, event, depth + 1))
        return Items(line, tuple(values))
    return Fields(line, _pairs(events, depth))


def _pairs(events: _Events, depth: int) -> dict[str, tuple[int, Node]]:
    pairs: dict[str, tuple[int, Node]] = {}
    while not isinstance(event := events.next(), yaml.MappingEndEvent):
        line = event.start_mark.line + 1
        if not isinstance(event, yaml.ScalarEvent):
            raise FileRefused("The name of a field is a text.", line=line)
        if event.value in pairs:
            first = pairs[event.value][0]
            raise FileRefused(
                f"“{event.value[:80]}” is there twice, first in line {first}.", line=line
            )
        pairs[event.value] = (line, _node(events, events.next(), depth + 1))
    return pairs
