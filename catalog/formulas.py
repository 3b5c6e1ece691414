"""What an event costs: formulas over its dimensions, parsed and evaluated (R34).

    formula = term (("+" | "-") term)*
    term    = factor (("*" | "/") factor)*
    factor  = "-" factor | number | name | "(" formula ")"

Pure: no database, no clock, and never Python's own `eval`. Arithmetic is exact (fractions);
rounding happens once, at the end. What a formula may hold is limited, so that parsing and
evaluating take a known, short time whatever people or applications send.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Any, NoReturn

from catalog.amounts import LIMIT, PER_CREDIT, PLACES
from workspace.errors import BadInput

LONGEST = 2000
DEEPEST = 50
MOST_OPERATIONS = 100
MOST_DIGITS = 30
"""Digits of a number in a formula, and before or after the point of a dimension."""

TOKEN = re.compile(
    r"(?P<number>(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+))"
    r"|(?P<name>[A-Za-z_][A-Za-z0-9_.]*)"
    r"|(?P<sign>[-+*/()])"
)
TEXT_NUMBER = re.compile(r"-?[0-9]{1,30}(\.[0-9]{1,30})?")
SPACES = " \t\r\n"


class InvalidFormula(BadInput):
    """A formula that cannot be read. `position` counts characters from 0."""

    def __init__(self, message: str, *, position: int) -> None:
        super().__init__(f"{message} (character {position + 1})", field="formula")
        self.position = position


class CostTooLarge(BadInput):
    """A formula gives 10¹² credits or more for one event, which is no amount (R46)."""


@dataclass(frozen=True)
class Cost:
    """What an event costs in credits, and what was odd about it, in sentences."""

    amount: Decimal
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Number:
    """A number that stands in the formula."""

    value: Fraction


@dataclass(frozen=True)
class Name:
    """A dimension of the event."""

    name: str


@dataclass(frozen=True)
class Negative:
    """The opposite of a part."""

    part: "Node"


@dataclass(frozen=True)
class Operation:
    """Two parts and what is done to them: one of + - * /."""

    sign: str
    left: "Node"
    right: "Node"


Node = Number | Name | Negative | Operation


class DividedByZeroError(ArithmeticError):
    """Part of a formula is divided by 0; the event then costs 0 (R34)."""


@dataclass(frozen=True)
class Formula:
    """A formula that was read; `parse` makes them."""

    text: str
    root: Node

    @property
    def names(self) -> frozenset[str]:
        """The dimensions that the formula looks at."""
        return frozenset(_names(self.root))

    def evaluate(self, dimensions: Mapping[str, Any]) -> Cost:
        """What an event with these `dimensions` costs (R34).

        A dimension that is missing or no number is 0 and flagged; a division by zero makes
        the event cost 0 and is flagged. Rounded half-up to six places, and at least 0.

        Raises:
            CostTooLarge: the result is no amount any more.
        """
        warnings: list[str] = []
        values = {}
        for name in sorted(self.names):
            values[name] = _value_of(name, dimensions, warnings)
        try:
            exact = _value(self.root, values)
        except DividedByZeroError:
            warnings.append("The formula divides by zero, so the cost is 0.")
            return Cost(Decimal(0), tuple(warnings))
        if exact >= int(LIMIT):
            raise CostTooLarge("The formula gives a cost of 1,000,000,000,000 credits or more.")
        return Cost(_round_half_up(max(exact, Fraction(0))), tuple(warnings))


def parse(text: str) -> Formula:
    """Read a formula.

    Raises:
        InvalidFormula: with the position of the first character that makes no sense.
    """
    if len(text) > LONGEST:
        raise InvalidFormula(f"Use at most {LONGEST} characters.", position=LONGEST)
    return Formula(text, _Parser(text).whole())


@dataclass(frozen=True)
class _Token:
    kind: str  # number, name, sign or end
    text: str
    position: int


class _Parser:
    """One pass over the tokens, one method per line of the grammar."""

    def __init__(self, text: str) -> None:
        self.tokens = list(_tokens(text))
        self.next = 0
        self.depth = 0
        self.operations = 0

    def whole(self) -> Node:
        node = self.formula()
        if self.token.kind != "end":
            self.refuse("Expected an operator")
        return node

    def formula(self) -> Node:
        node = self.term()
        while self.token.text in ("+", "-"):
            node = Operation(self.operator(), node, self.term())
        return node

    def term(self) -> Node:
        node = self.factor()
        while self.token.text in ("*", "/"):
            node = Operation(self.operator(), node, self.factor())
        return node

    def factor(self) -> Node:
        self.depth += 1
        if self.depth > DEEPEST:
            self.refuse(f"Nest at most {DEEPEST} levels")
        node = self.part()
        self.depth -= 1
        return node

    def part(self) -> Node:
        token = self.token
        if token.kind == "number":
            return Number(Fraction(self.take().text.rstrip(".")))
        if token.kind == "name":
            return Name(self.take().text)
        if token.text == "-":
            self.take()
            return Negative(self.factor())
        if token.text == "(":
            self.take()
            node = self.formula()
            if self.token.text != ")":
                self.refuse("Expected )")
            self.take()
            return node
        return self.refuse("Expected a number, a dimension or (")

    def operator(self) -> str:
        self.operations += 1
        if self.operations > MOST_OPERATIONS:
            self.refuse(f"Use at most {MOST_OPERATIONS} operators")
        return self.take().text

    @property
    def token(self) -> _Token:
        return self.tokens[self.next]

    def take(self) -> _Token:
        token = self.token
        self.next += 1
        return token

    def refuse(self, message: str) -> NoReturn:
        found = self.token.text or "the end"
        raise InvalidFormula(f"{message}, found {found[:20]}.", position=self.token.position)


def _tokens(text: str) -> Iterator[_Token]:
    position = _skip_space(text, 0)
    while position < len(text):
        match = TOKEN.match(text, position)
        if match is None:
            raise InvalidFormula(f"Cannot read {text[position]!r}.", position=position)
        kind, found = str(match.lastgroup), match.group()
        if kind == "number" and len(found) > MOST_DIGITS:
            raise InvalidFormula(f"Use at most {MOST_DIGITS} digits.", position=position)
        yield _Token(kind, found, position)
        position = _skip_space(text, match.end())
    yield _Token("end", "", len(text))


def _skip_space(text: str, position: int) -> int:
    while position < len(text) and text[position] in SPACES:
        position += 1
    return position


def _names(node: Node) -> Iterator[str]:
    """Every name in the tree; a chain of operators may be long, so no recursion."""
    waiting = [node]
    while waiting:
        match waiting.pop():
            case Name(name):
                yield name
            case Negative(part):
                waiting.append(part)
            case Operation(_, left, right):
                waiting += [left, right]


def _value(node: Node, values: Mapping[str, Fraction]) -> Fraction:
    """The value of a part. Left-leaning chains are walked in a loop, not by recursion."""
    chain: list[Operation] = []
    while isinstance(node, Operation):
        chain.append(node)
        node = node.left
    match node:
        case Number(value):
            result = value
        case Name(name):
            result = values[name]
        case Negative(part):
            result = -_value(part, values)
    for operation in reversed(chain):
        result = _combined(operation.sign, result, _value(operation.right, values))
    return result


def _combined(sign: str, left: Fraction, right: Fraction) -> Fraction:
    match sign:
        case "+":
            return left + right
        case "-":
            return left - right
        case "*":
            return left * right
    if right == 0:
        raise DividedByZeroError
    return left / right


def _value_of(name: str, dimensions: Mapping[str, Any], warnings: list[str]) -> Fraction:
    """The number that a dimension holds; 0 and a warning if it holds none."""
    if name not in dimensions or dimensions[name] is None:
        warnings.append(f"The event has no {name}; 0 was used.")
        return Fraction(0)
    found = number(dimensions[name])
    if found is None:
        warnings.append(f"{name} is not a number; 0 was used.")
        return Fraction(0)
    return Fraction(found)


def number(value: Any) -> Decimal | None:
    """`value` as a finite number of a sane size, if it is one, or text that says one plainly.

    Whoever reads a dimension as a number reads it by this, so a text counts the same in a
    formula, in a sum and in a filter.
    """
    if isinstance(value, str):
        value = Decimal(value) if TEXT_NUMBER.fullmatch(value) else None
    elif isinstance(value, float):
        value = Decimal(repr(value))
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        return None
    found = Decimal(value)
    if not found.is_finite() or len(found.as_tuple().digits) > 2 * MOST_DIGITS:
        return None
    return None if found and abs(found.adjusted()) > MOST_DIGITS else found


def _round_half_up(exact: Fraction) -> Decimal:
    """`exact`, not negative, rounded half-up to six places."""
    micros = (2 * exact.numerator * PER_CREDIT + exact.denominator) // (2 * exact.denominator)
    return Decimal(micros).scaleb(-PLACES)
