"""Which fields a catalog file has, how they are read, and how they are written.

One table for both directions. A value that is left out is its default, so that a file says
everything about what it names, and a field that says nothing new need not be written.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Protocol

import yaml
from django.core.exceptions import ValidationError

from catalog.models import (
    Aggregation,
    Behaviour,
    BillingCadence,
    BillingModel,
    BillingPeriod,
    Cadence,
    Currency,
    FeatureType,
    HiddenFrom,
    MeterType,
    OverageBilling,
    PricingType,
    ResetPeriod,
    TrialEnd,
    TrialUnit,
    UsageReset,
)
from catalog.models.products import CancellationTime, EndSetup, StartSetup
from catalog.transfer.reading import Fields, FileRefused, Items, Node, Scalar
from workspace.ids import is_public_id
from workspace.json import plain
from workspace.text import validate_text

FORMAT = "stipend_catalog"
NUMBER = re.compile(r"-?(0|[1-9][0-9]{0,18})(\.[0-9]{1,20})?", re.ASCII)
WHOLE = re.compile(r"-?(0|[1-9][0-9]{0,17})", re.ASCII)
CURRENCY_CODE = re.compile(r"[A-Z]{3}", re.ASCII)
LONGEST_LINE = 1000
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
class Amounts:
    """An amount for each currency."""

    def read(self, node: Node) -> dict[str, Decimal]:
        amounts = {}
        for currency, (line, value) in _fields(node).items():
            if not CURRENCY_CODE.fullmatch(currency):
                raise FileRefused(
                    f"“{currency[:80]}” is no currency; write its three capitals, such as USD.",
                    line=line,
                )
            amounts[currency] = Amount().read(value)
        return amounts

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


ID = Field("id", Id())
METADATA = Field("metadata", Texts(), {})
HIDDEN_FROM = Field("hidden_from", SetOf(Choice(HiddenFrom.values)), [])
NAME = Field("name", Text())
DESCRIPTION = Field("description", Text(), "")

CREDIT_TYPE = Shape(
    (
        ID,
        NAME,
        DESCRIPTION,
        Field("symbol", Text(), ""),
        Field("unit", Text(), ""),
        Field("units", Text(), ""),
        METADATA,
    )
)
EXACT = Text(is_trimmed=False)
CONDITION = Shape(
    (
        Field("field", EXACT),
        Field("operation", Text()),
        Field("value", EXACT, ""),
        Field("values", ListOf(EXACT), []),
    )
)
FILTER = Shape((Field("all_of", ListOf(CONDITION)),))
METER = Shape(
    (
        Field("type", Choice([MeterType.INCREMENTAL, MeterType.FLUCTUATING])),
        Field("aggregation", Choice(Aggregation.values), ""),
        Field("dimension", Text(), ""),
        Field("filters", ListOf(FILTER), []),
    )
)
SHOWN_UNITS = Shape(
    (
        Field("divide", Whole()),
        Field("round", Choice(["UP", "DOWN"]), ""),
        Field("unit", Text(), ""),
        Field("units", Text(), ""),
    )
)
FEATURE = Shape(
    (
        ID,
        NAME,
        Field("type", Choice(FeatureType.values)),
        DESCRIPTION,
        Field("unit", Text(), ""),
        Field("units", Text(), ""),
        Field("values", ListOf(Shape((Field("value", EXACT), Field("name", EXACT, "")))), []),
        Field("meter", METER, None),
        Field("shown_units", SHOWN_UNITS, None),
        METADATA,
    )
)
PRODUCT = Shape(
    (
        ID,
        NAME,
        DESCRIPTION,
        Field("multiple_subscriptions", Flag(), default=False),
        Field("start", Choice(StartSetup.values), StartSetup.PLAN_SELECTION.value),
        Field("start_plan", Id(), None),
        Field("end", Choice(EndSetup.values), EndSetup.CANCEL_SUBSCRIPTION.value),
        Field("downgrade_plan", Id(), None),
        Field(
            "cancellation",
            Choice(CancellationTime.values),
            CancellationTime.END_OF_BILLING_PERIOD.value,
        ),
        Field("prorate_at_period_end", Flag(), None),
        Field("usage_reset", Choice(UsageReset.values), UsageReset.ALWAYS_RESET.value),
        METADATA,
    )
)
COUPON = Shape(
    (
        ID,
        NAME,
        DESCRIPTION,
        Field("percent_off", Amount(), None),
        Field("amounts_off", Amounts(), {}),
        Field("duration_in_months", Whole(), None),
        METADATA,
    )
)
TERMS = (
    Field("granted", Flag(), default=True),
    Field("custom", Flag(), default=False),
    Field("soft_limit", Flag(), default=False),
    Field("behaviour", Choice(Behaviour.values), Behaviour.INCREMENT.value),
    Field("display_name", Text(), ""),
    DESCRIPTION,
    HIDDEN_FROM,
)
CREDITS = Shape(
    (
        Field("credits", Id()),
        Field("amount", Amount(), None),
        Field("cadence", Choice(Cadence.values), Cadence.MONTH.value, is_always_written=True),
        Field("per", Id(), None),
        *TERMS,
    )
)
INCLUDED_FEATURE = Shape(
    (
        Field("feature", Id()),
        Field("limit", Whole(), None),
        Field("unlimited", Flag(), default=False),
        Field("values", ListOf(EXACT), []),
        Field("reset_period", Choice(ResetPeriod.values), ""),
        Field("reset_according_to", Text(), ""),
        *TERMS,
    )
)
ENTITLEMENT = OneOf((CREDITS, INCLUDED_FEATURE))
CURRENCY = Field("currency", Text(), Currency.USD.value, is_always_written=True)
MONEY = Shape((Field("amount", Amount()), CURRENCY))
TIER = Shape(
    (
        Field("up_to", Amount(), None),
        Field("unit_price", MONEY, None),
        Field("flat_price", MONEY, None),
    )
)
PRICE = Shape(
    (
        Field("model", Choice(BillingModel.values), BillingModel.FLAT_FEE.value),
        Field("period", Choice(BillingPeriod.values)),
        Field("amount", Amount(), None),
        CURRENCY,
        Field("cadence", Choice(BillingCadence.values), BillingCadence.RECURRING.value),
        Field("country", Text(), ""),
        Field("feature", Id(), None),
        Field("credits", Id(), None),
        Field("tiers_mode", Choice(["VOLUME", "GRADUATED"]), ""),
        Field("tiers", ListOf(TIER), []),
        Field("block_size", Amount(), None),
        Field("minimum_quantity", Amount(), None),
        Field("maximum_quantity", Amount(), None),
        Field("credit_grant_cadence", Choice(["BEGINNING_OF_BILLING_PERIOD", "MONTHLY"]), ""),
        Field("reset_period", Choice(ResetPeriod.values), ""),
        Field("reset_according_to", Text(), ""),
        Field("overage", Flag(), default=False),
    )
)
CONSUMPTION = Shape(
    (
        Field("feature", Id()),
        Field("credits", Id()),
        Field("rate", Amount(), None),
        Field("formula", Text(), ""),
    )
)
INCLUDED = (
    HIDDEN_FROM,
    METADATA,
    Field("entitlements", ListOf(ENTITLEMENT), []),
    Field("prices", ListOf(PRICE), []),
    Field("consumption", ListOf(CONSUMPTION), []),
)
SALE = (
    ID,
    Field("product", Id()),
    NAME,
    DESCRIPTION,
    Field("billing_id", Text(), ""),
    Field("pricing", Choice(PricingType.values), ""),
    Field("overage_billing_period", Choice(OverageBilling.values), ""),
)
ADDON = Shape(
    (
        *SALE,
        Field("max_quantity", Whole(), None),
        Field("depends_on", SetOf(Id()), []),
        *INCLUDED,
    )
)
BUDGET = Shape((Field("limit", Amount()), Field("soft_limit", Flag(), default=False)))
TRIAL = Shape(
    (
        Field("length", Whole()),
        Field("unit", Choice(TrialUnit.values)),
        Field("end", Choice(TrialEnd.values)),
        Field("budget", BUDGET, None),
    )
)
PLAN = Shape(
    (
        *SALE,
        Field("base_plan", Id(), None),
        Field("trial", TRIAL, None),
        Field("compatible_addons", SetOf(Id()), []),
        *INCLUDED,
    )
)
SECTIONS: Mapping[str, Shape] = {
    "credit_types": CREDIT_TYPE,
    "features": FEATURE,
    "products": PRODUCT,
    "coupons": COUPON,
    "addons": ADDON,
    "plans": PLAN,
}
"""What a file holds, in the order in which it is written and taken in."""

Document = dict[str, dict[str, Entry]]
"""Section → id → entry."""

DOCUMENT = Shape(
    (
        Field(FORMAT, Choice(["1"])),
        *(Field(name, ListOf(shape), []) for name, shape in SECTIONS.items()),
    )
)


def document_of(node: Node) -> Document:
    """The catalog that a file describes.

    Raises:
        FileRefused: a field is unknown, missing or of the wrong kind, or an id is there twice.
    """
    given = DOCUMENT.read(node)
    document: Document = {}
    for section in SECTIONS:
        document[section] = {}
        for entry in given[section]:
            twin = document[section].setdefault(entry["id"], entry)
            if twin is not entry:
                raise FileRefused(
                    f"{entry['id']} is there twice, first in line {twin.line}.",
                    line=entry.line_of("id"),
                )
    return document


def text_of(document: Document) -> str:
    """A catalog as a file; equal catalogs give equal texts."""
    content: dict[str, Any] = {FORMAT: 1}
    for section, shape in SECTIONS.items():
        entries = document[section].values()
        if entries:
            content[section] = [
                shape.write(entry) for entry in sorted(entries, key=lambda entry: entry["id"])
            ]
    text: str = yaml.dump(
        content, Dumper=Dumper, sort_keys=False, allow_unicode=True, width=LONGEST_LINE
    )
    return text


class Dumper(yaml.SafeDumper):
    """Writes decimals in digits, long texts in lines, and lists indented."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, indentless=False)

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _written_number(dumper: yaml.SafeDumper, value: Decimal) -> Any:
    digits = plain(value)
    return dumper.represent_scalar(
        f"tag:yaml.org,2002:{'float' if '.' in digits else 'int'}", digits
    )


def _written_text(dumper: yaml.SafeDumper, value: str) -> Any:
    style = "|" if "\n" in value else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)


Dumper.add_representer(Decimal, _written_number)
Dumper.add_representer(str, _written_text)
