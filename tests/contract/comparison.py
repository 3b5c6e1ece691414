"""Where two OpenAPI documents say different things, and whether a client would notice.

A request may be taken more generously than the contract says, an answer must be what the
contract says or narrower: a key that is always there, a value that is never null.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

Schema = Mapping[str, Any]

METHODS = ("get", "post", "put", "patch", "delete")


class Document:
    """An OpenAPI document, its references resolved when they are met."""

    def __init__(self, text: Mapping[str, Any]) -> None:
        self.text = text
        self.operations = {
            f"{method.upper()} {re.sub(r'{[^}]*}', '{}', path)}": operation
            for path, methods in text["paths"].items()
            for method, operation in methods.items()
            if method in METHODS
        }

    def resolved(self, schema: Schema) -> Schema:
        """The thing itself, where there is a reference to it."""
        while "$ref" in schema:
            target: Any = self.text
            for name in schema["$ref"].removeprefix("#/").split("/"):
                target = target[name]
            schema = target
        return schema

    def parameters(self, operation: Schema) -> dict[str, Schema]:
        """Parameters of an operation as "query limit"; those of the path by their place."""
        found, place = {}, 0
        for parameter in map(self.resolved, operation.get("parameters", [])):
            name = parameter["name"]
            if parameter["in"] == "path":
                name, place = str(place), place + 1
            found[f"{parameter['in']} {name}"] = parameter
        return found

    def body(self, operation: Schema) -> Schema | None:
        """What an operation reads."""
        body = operation.get("requestBody")
        return body and body["content"]["application/json"]["schema"]

    def answer(self, operation: Schema) -> Schema | None:
        """What an operation answers where it succeeds."""
        for status, response in operation["responses"].items():
            if status.startswith("2"):
                schema: Schema = response["content"]["application/json"]["schema"]
                return schema
        return None

    def variants(self, schema: Schema) -> tuple[list[Schema], bool]:
        """What a value may be besides null, and whether it may be null."""
        schema = self.resolved(schema)
        for word in ("anyOf", "oneOf"):
            if word in schema:
                found = [self.variants(each) for each in schema[word]]
                kinds = [kind for each, _ in found for kind in each]
                return kinds, any(is_nullable for _, is_nullable in found)
        types = schema.get("type", [])
        types = [types] if isinstance(types, str) else [*types]
        is_nullable = "null" in types
        rest = [kind for kind in types if kind != "null"]
        if types and not rest:
            return [], True
        return [{**schema, "type": rest}], is_nullable


def differences(ours: Document, theirs: Document) -> Iterator[str]:
    """All that a client made from `theirs` could notice, and all that is of our own."""
    for name in sorted({*ours.operations, *theirs.operations}):
        if name not in ours.operations:
            yield f"{name}: missing"
        elif name not in theirs.operations:
            yield f"{name}: our own"
        else:
            yield from Pair(ours, theirs, name).differences()


class Pair:
    """One operation in both documents."""

    def __init__(self, ours: Document, theirs: Document, name: str) -> None:
        self.ours, self.theirs, self.name = ours, theirs, name
        self.mine, self.other = ours.operations[name], theirs.operations[name]

    def differences(self) -> Iterator[str]:
        """What differs in parameters, body and answer."""
        yield from self._parameters()
        yield from self._part("body", self.ours.body(self.mine), self.theirs.body(self.other))
        yield from self._part("answer", self.ours.answer(self.mine), self.theirs.answer(self.other))

    def _part(self, part: str, mine: Schema | None, other: Schema | None) -> Iterator[str]:
        if mine is None and other is None:
            return
        if mine is None or other is None:
            yield f"{self.name} {part}: {'missing' if mine is None else 'our own'}"
            return
        yield from self._compare(part, mine, other, asks=part == "body")

    def _parameters(self) -> Iterator[str]:
        mine, other = self.ours.parameters(self.mine), self.theirs.parameters(self.other)
        for name in sorted({*mine, *other}):
            where = f"{name}"
            if name not in mine or name not in other:
                yield f"{self.name} {where}: {'our own' if name in mine else 'missing'}"
                continue
            needed = mine[name].get("required", False), other[name].get("required", False)
            yield from self._required(where, *needed, asks=True)
            yield from self._compare(where, mine[name]["schema"], other[name]["schema"], asks=True)

    def _required(self, where: str, mine: bool, other: bool, *, asks: bool) -> Iterator[str]:
        if asks and mine != other:
            yield f"{self.name} {where}: {'required' if mine else 'optional'}"
        elif not asks and other and not mine:
            yield f"{self.name} {where}: optional"

    def _compare(self, where: str, mine: Schema, other: Schema, *, asks: bool) -> Iterator[str]:
        my_kinds, my_null = self.ours.variants(mine)
        kinds, null = self.theirs.variants(other)
        if asks and null and not my_null:
            yield f"{self.name} {where}: null is refused"
        if my_null and not null:
            yield f"{self.name} {where}: null"
        if not my_kinds or not kinds:
            if asks and kinds:
                yield f"{self.name} {where}: only null"
            return
        by_word, their_words = _by_word(self.ours, my_kinds), _by_word(self.theirs, kinds)
        if {*by_word} != {*their_words}:
            if len(by_word) == len(their_words) == 1:
                by_word = dict(zip(their_words, by_word.values(), strict=True))
            elif asks or not {*by_word} <= {*their_words}:
                yield f"{self.name} {where}: kinds {sorted(by_word)} for {sorted(their_words)}"
        for word in sorted({*by_word} & {*their_words}):
            place = f"{where}<{word}>" if word and len(their_words) > 1 else where
            yield from self._kind(place, by_word[word], their_words[word], asks=asks)

    def _kind(self, where: str, mine: Schema, other: Schema, *, asks: bool) -> Iterator[str]:
        my_types, types = {*mine["type"]}, {*other["type"]}
        narrow, wide = (types, my_types) if asks else (my_types, types)
        if narrow and wide and not {_widest(kind, wide) for kind in narrow} <= wide:
            yield f"{self.name} {where}: {_said(my_types)} for {_said(types)}"
        yield from self._words(where, mine.get("enum"), other.get("enum"), asks=asks)
        if "items" in mine and "items" in other:
            yield from self._compare(f"{where}[]", mine["items"], other["items"], asks=asks)
        yield from self._properties(where, mine, other, asks=asks)

    def _words(self, where: str, mine: Any, other: Any, *, asks: bool) -> Iterator[str]:
        my_words, words = {*(mine or [])} - {None}, {*(other or [])} - {None}
        if asks and mine and (not other or words - my_words):
            yield f"{self.name} {where}: without {sorted(words - my_words) or 'other words'}"
        if other and (not mine or my_words - words):
            yield f"{self.name} {where}: also {sorted(my_words - words) or 'other words'}"

    def _properties(self, where: str, mine: Schema, other: Schema, *, asks: bool) -> Iterator[str]:
        my_properties, properties = mine.get("properties", {}), other.get("properties", {})
        for name in sorted({*my_properties, *properties}):
            place = f"{where}.{name}"
            if name not in properties:
                yield f"{self.name} {place}: our own"
            elif name not in my_properties:
                yield f"{self.name} {place}: missing"
            else:
                needed = (name in part.get("required", []) for part in (mine, other))
                yield from self._required(place, *needed, asks=asks)
                yield from self._compare(place, my_properties[name], properties[name], asks=asks)


def _by_word(document: Document, kinds: list[Schema]) -> dict[str, Schema]:
    """The kinds of a value by what tells them apart; those that nothing tells apart are one."""
    found: dict[str, Schema] = {}
    for kind in kinds:
        word = _word(document, kind)
        found[word] = _either(found[word], kind) if word in found else kind
    return found


def _either(one: Schema, other: Schema) -> Schema:
    words = {"enum": [*one["enum"], *other["enum"]]} if "enum" in one and "enum" in other else {}
    first, second = one.get("properties", {}), other.get("properties", {})
    shared = {name: {"anyOf": [first[name], second[name]]} for name in {*first} & {*second}}
    return {
        **{name: value for name, value in one.items() if name != "enum"},
        **words,
        "properties": {**first, **second, **shared},
        "required": [*{*one.get("required", [])} & {*other.get("required", [])}],
    }


def _word(document: Document, kind: Schema) -> str:
    """What tells the kinds of a value apart: the one word that its `type` may have, or its type."""
    named = kind.get("properties", {}).get("type")
    words = document.resolved(named).get("enum", []) if named else []
    return words[0] if len(words) == 1 else "/".join(kind["type"])


def _widest(kind: str, wide: set[str]) -> str:
    return "number" if kind == "integer" and "number" in wide else kind


def _said(types: set[str]) -> str:
    return "/".join(sorted(types)) or "anything"
