"""How the values of a catalog file are read, and how they are written."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Protocol

from django.core.exceptions import ValidationError

from catalog.transfer.reading import Fields, FileRefused, Items, Node, Scalar
from workspace.currencies import CURRENCIES
from workspace.ids import is_public_id
from workspace.text import validate_text

NUMBER = re.compile(r"-?(0|[1-9][0-9]{0,18})(\.[0-9]{1,20})?", re.ASCII)
WHOLE = re.compile(r"-?(0|[1-9][0-9]{0,17})", re.ASCII)
REQUIRED: Any = object()


class Entry(dict[str, Any]):
    """The values of one object, every field filled in; equal if the values are.

    `line` is where it begins in the file and `lines` where its fields stand; both are empty
    for what comes from the database.
    """

    def __init__(
        self, values: Mapping[str, Any], *, line: int = 0, lines: Mapping[str, int] | None = None
    ) -> None:
        super().__init__(values)
        self.line = line
        self.lines = dict(lines or {})

    def line_of(self, name: str) -> int:
        """Where a field stands, or else the object."""
        return self.lines.get(name, self.line)


class Kind(Protocol):
    """How a value is read from a file, and written into one."""

    def read(self, node: Node) -> Any:
        """The value.

        Raises:
            FileRefused: it is of another kind.
        """

    def write(self, value: Any) -> Any:
        """The value in terms of YAML."""


@dataclass(frozen=True)
class Text:
    """A text, however it is quoted; without the spaces around it unless they belong to it."""

    is_trimmed: bool = True

    def read(self, node: Node) -> str:
        text = _scalar(node, "a text").text
        try:
            validate_text(text)
        except ValidationError as error:
            raise FileRefused(error.messages[0], line=node.line) from None
        return text.strip() if self.is_trimmed else text

    def write(self, value: str) -> str:
        return value


@dataclass(frozen=True)
class Id:
    """What identifies an object (R1)."""

    def read(self, node: Node) -> str:
        text = _scalar(node, "an id").text
        if not is_public_id(text):
            raise FileRefused(f"“{text[:80]}” is no id.", line=node.line)
        return text

    def write(self, value: str) -> str:
        return value


@dataclass(frozen=True)
class Choice:
    """One of several words."""

    words: Sequence[str]

    def read(self, node: Node) -> str:
        text = _scalar(node, "a word").text
        if text not in self.words:
            known = ", ".join(self.words)
            raise FileRefused(f"“{text[:80]}” is none of {known}.", line=node.line)
        return text

    def write(self, value: str) -> str:
        return str(value)


@dataclass(frozen=True)
class Flag:
    """true or false."""

    def read(self, node: Node) -> bool:
        scalar = _scalar(node, "true or false")
        if not scalar.is_plain or scalar.text not in ("true", "false"):
            raise FileRefused(f"Write true or false, not “{scalar.text[:80]}”.", line=node.line)
        return scalar.text == "true"

    def write(self, value: bool) -> bool:
        return value


@dataclass(frozen=True)
class Whole:
    """A number without decimals."""

    def read(self, node: Node) -> int:
        text = _scalar(node, "a whole number").text
        if not WHOLE.fullmatch(text):
            raise FileRefused(f"“{text[:80]}” is no whole number.", line=node.line)
        return int(text)

    def write(self, value: int) -> int:
        return value


@dataclass(frozen=True)
class Amount:
    """A number, digit for digit; never a float."""

    def read(self, node: Node) -> Decimal:
        text = _scalar(node, "a number").text
        if not NUMBER.fullmatch(text):
            raise FileRefused(
                f"“{text[:80]}” is no number; write digits, with a point before decimals.",
                line=node.line,
            )
        return Decimal(text)

    def write(self, value: Decimal) -> Decimal:
        return value


@dataclass(frozen=True)
class ListOf:
    """A list of values of one kind."""

    kind: Kind

    def read(self, node: Node) -> list[Any]:
        return [self.kind.read(value) for value in _items(node)]

    def write(self, value: Iterable[Any]) -> list[Any]:
        return [self.kind.write(item) for item in value]


@dataclass(frozen=True)
class SetOf:
    """Values of one kind whose order says nothing."""

    kind: Kind

    def read(self, node: Node) -> list[Any]:
        values = []
        for item in _items(node):
            value = self.kind.read(item)
            if value in values:
                raise FileRefused(f"“{value}” is there twice.", line=item.line)
            values.append(value)
        return sorted(values)

    def write(self, value: Iterable[Any]) -> list[Any]:
        return [self.kind.write(item) for item in sorted(value)]


@dataclass(frozen=True)
class Texts:
    """Texts by name (R2)."""

    def read(self, node: Node) -> dict[str, str]:
        return {
            Text().read(Scalar(line, name, is_plain=True)): Text().read(value)
            for name, (line, value) in _fields(node).items()
        }

    def write(self, value: Mapping[str, str]) -> dict[str, str]:
        return dict(sorted(value.items()))


@dataclass(frozen=True)
class CurrencyCode:
    """A currency that money may be in, in capitals."""

    def read(self, node: Node) -> str:
        text = _scalar(node, "a currency").text
        if text not in CURRENCIES:
            raise FileRefused(
                f"“{text[:80]}” is no currency; write its three capitals, such as USD.",
                line=node.line,
            )
        return text

    def write(self, value: str) -> str:
        return value


@dataclass(frozen=True)
class Amounts:
    """An amount for each currency."""

    def read(self, node: Node) -> dict[str, Decimal]:
        return {
            CurrencyCode().read(Scalar(line, currency, is_plain=True)): Amount().read(value)
            for currency, (line, value) in _fields(node).items()
        }

    def write(self, value: Mapping[str, Decimal]) -> dict[str, Decimal]:
        return dict(sorted(value.items()))


@dataclass(frozen=True)
class Field:
    """A field of a shape. `is_always_written` even where it has its default."""

    name: str
    kind: Kind
    default: Any = REQUIRED
    is_always_written: bool = False


@dataclass(frozen=True)
class Shape:
    """An object with these fields, in the order in which they are written."""

    fields: tuple[Field, ...]
    names: frozenset[str] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "names", frozenset(each.name for each in self.fields))

    def read(self, node: Node) -> Entry:
        given = _fields(node)
        for name, (line, _) in given.items():
            if name not in self.names:
                known = ", ".join(each.name for each in self.fields)
                raise FileRefused(
                    f"There is no field “{name[:80]}” here; there are {known}.", line=line
                )
        values = {}
        for each in self.fields:
            _, value = given.get(each.name, (node.line, None))
            is_missing = value is None or (isinstance(value, Scalar) and value.is_nothing)
            if not is_missing and value is not None:
                values[each.name] = each.kind.read(value)
            elif each.default is REQUIRED:
                raise FileRefused(f"“{each.name}” is missing.", line=node.line)
            else:
                values[each.name] = each.default
        lines = {name: line for name, (line, _) in given.items()}
        return Entry(values, line=node.line, lines=lines)

    def write(self, value: Mapping[str, Any]) -> dict[str, Any]:
        return {
            each.name: each.kind.write(value[each.name])
            for each in self.fields
            if value[each.name] is not None
            and (each.is_always_written or value[each.name] != each.default)
        }

    def filled(self, **values: Any) -> Entry:
        """An entry with these values, and the defaults of all others."""
        return Entry({each.name: values.get(each.name, each.default) for each in self.fields})


@dataclass(frozen=True)
class OneOf:
    """An object of the shape whose first field it has."""

    shapes: tuple[Shape, ...]

    def read(self, node: Node) -> Entry:
        given = _fields(node)
        found = [shape for shape in self.shapes if shape.fields[0].name in given]
        if len(found) != 1:
            names = " or ".join(f"“{shape.fields[0].name}”" for shape in self.shapes)
            raise FileRefused(f"Say one of {names}.", line=node.line)
        return found[0].read(node)

    def write(self, value: Mapping[str, Any]) -> dict[str, Any]:
        return self.shape_of(value).write(value)

    def shape_of(self, value: Mapping[str, Any]) -> Shape:
        """The shape that an entry has."""
        return next(shape for shape in self.shapes if shape.fields[0].name in value)


def _scalar(node: Node, what: str) -> Scalar:
    if not isinstance(node, Scalar):
        raise FileRefused(f"Here stands {what}, not {_noun(node)}.", line=node.line)
    return node


def _items(node: Node) -> tuple[Node, ...]:
    if not isinstance(node, Items):
        raise FileRefused(f"Here stands a list, not {_noun(node)}.", line=node.line)
    return node.values


def _fields(node: Node) -> dict[str, tuple[int, Node]]:
    if not isinstance(node, Fields):
        raise FileRefused(f"Here stand fields, not {_noun(node)}.", line=node.line)
    return node.pairs


def _noun(node: Node) -> str:
    names = {Scalar: "a single value", Items: "a list", Fields: "fields"}
    return names[type(node)]
