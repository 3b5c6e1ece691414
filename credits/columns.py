"""Rows read and written as plain columns, where model instances would cost too much.

One `Columns` names some columns of a model's table, makes SQL of them for PostgreSQL and
SQLite, and converts values exactly as the model's own fields would. No rule lives here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from functools import cached_property
from typing import Any

from django.db import connection, models

from catalog.amounts import PLACES, AmountField, to_micros

Row = Sequence[Any]
Convert = Callable[[Any], Any]

BINARY = 1
"""As psycopg calls it, which is not there where SQLite is enough."""

TYPES = {
    "BigAutoField": "bigint",
    "BigIntegerField": "bigint",
    "BooleanField": "boolean",
    "CharField": "text",
    "DateTimeField": "timestamptz",
    "ForeignKey": "bigint",
    "JSONField": "jsonb",
    "PositiveIntegerField": "bigint",
    "TextField": "text",
    "UUIDField": "uuid",
}


SPECIAL = re.compile(r'["\\]')
"""What has a meaning of its own within an element of an array."""


class Columns:
    """Some columns of a model's table. The first is the key by which updates find rows."""

    def __init__(self, model: type[models.Model], *names: str) -> None:
        self.model = model
        self.table = f'"{model._meta.db_table}"'
        self.fields = [_column(model, name) for name in names]
        self.attributes = [field.attname for field in self.fields]
        self.names = [f'"{field.column}"' for field in self.fields]
        self.listed = ", ".join(self.names)

    def of(self, alias: str) -> str:
        """SQL: the columns of the table under another name, for a SELECT."""
        return ", ".join(f"{alias}.{name}" for name in self.names)

    def read(self, row: Row) -> list[Any]:
        """Values as Python knows them, from a row that the database returned."""
        return self.read_all([row])[0]

    def read_all(self, rows: Iterable[Row]) -> list[list[Any]]:
        """As `read`, for many rows."""
        return _converted(rows, self._readers)

    def instance(self, row: Row) -> Any:
        """An instance of the model with these columns loaded; None if its key is null."""
        return None if row[0] is None else self.instances([row])[0]

    def instances(self, rows: Iterable[Row]) -> list[Any]:
        """As `instance`, for many rows that have keys."""
        load, alias = self.model.from_db, connection.alias
        return [load(alias, self.attributes, values) for values in self.read_all(rows)]

    def stored(self, rows: Iterable[Row]) -> list[list[Any]]:
        """The rows with values as the database stores them."""
        return _converted(rows, self._writers)

    def given(self, rows: Sequence[Row]) -> tuple[str, list[Any]]:
        """SQL for PostgreSQL: the rows as a table called `given`, and its parameters.

        Columns are handed over as arrays; one in which all rows agree travels once. Of a
        single row nothing is left but scalars, whose plan the database keeps.
        """
        once: list[tuple[str, Any]] = []
        each: list[tuple[str, str, str]] = []
        columns = list(zip(*rows, strict=True)) or [()] * len(self.fields)
        alike = [bool(rows) and values.count(values[0]) == len(rows) for values in columns]
        if len(rows) > 1 and all(alike):
            alike[0] = False  # else nothing would say how many there are
        for place, values in enumerate(columns):
            name, kind, convert = self.names[place], self._types[place], self._writers[place]
            if alike[place]:
                once.append((f"%s::{kind} AS {name}", _scalar(values[0], convert)))
            else:
                each.append((name, f"%s::{kind}[]", _array(values, convert)))
        selected, scalars = [sql for sql, _ in once], [value for _, value in once]
        if not each:
            return f"(SELECT {', '.join(selected)}) AS given", scalars
        names, places, arrays = zip(*each, strict=True)
        return (
            f"(SELECT {', '.join([*selected, 'each.*'])} "  # noqa: S608 - our own columns
            f"FROM unnest({', '.join(places)}) AS each ({', '.join(names)})) AS given",
            [*scalars, *arrays],
        )

    @cached_property
    def arguments(self) -> str:
        """SQL for PostgreSQL: one row as the arguments of a function, `given_<column>` each."""
        return ", ".join(
            f"given_{field.column} {kind}"
            for field, kind in zip(self.fields, self._types, strict=True)
        )

    @cached_property
    def names_of_arguments(self) -> str:
        """SQL: the values of `arguments`, within the function."""
        return ", ".join(f"given_{field.column}" for field in self.fields)

    def update_many(self, rows: Sequence[Row]) -> tuple[str, list[Any]]:
        """SQL for PostgreSQL, and parameters: write the rows over those of the same key."""
        key, *others = self.names
        changes = ", ".join(f"{name} = given.{name}" for name in others)
        given, parameters = self.given(rows)
        return (
            f"UPDATE {self.table} SET {changes} FROM {given} "  # noqa: S608
            f"WHERE {self.table}.{key} = given.{key}",
            parameters,
        )

    def insert_many(self, rows: Sequence[Row]) -> tuple[str, list[Any]]:
        """SQL for PostgreSQL, and parameters: add the rows in their order."""
        given, parameters = self.given(rows)
        return (
            f"INSERT INTO {self.table} ({self.listed}) SELECT {self.listed} FROM {given}",  # noqa: S608
            parameters,
        )

    @cached_property
    def update_one(self) -> str:
        """SQL for SQLite: write one row; its key comes last."""
        key, *others = self.names
        changes = ", ".join(f"{name} = %s" for name in others)
        return f"UPDATE {self.table} SET {changes} WHERE {key} = %s"  # noqa: S608

    @cached_property
    def insert_one(self) -> str:
        """SQL for SQLite: add one row."""
        places = ", ".join(["%s"] * len(self.names))
        return f"INSERT INTO {self.table} ({self.listed}) VALUES ({places})"  # noqa: S608

    @cached_property
    def _types(self) -> list[str]:
        return [TYPES[field.get_internal_type()] for field in self.fields]

    @cached_property
    def _readers(self) -> list[Convert | None]:
        return [_reader(field, connection.vendor) for field in self.fields]

    @cached_property
    def _writers(self) -> list[Convert | None]:
        return [_writer(field, connection.vendor) for field in self.fields]


def _converted(rows: Iterable[Row], converters: Sequence[Convert | None]) -> list[list[Any]]:
    found = [list(row) for row in rows]
    for place, convert in enumerate(converters):
        if convert is not None:
            for row in found:
                if row[place] is not None:
                    row[place] = convert(row[place])
    return found


def _column(model: type[models.Model], name: str) -> models.Field[Any, Any]:
    field = model._meta.get_field(name)
    assert isinstance(field, models.Field), f"{name} is a column of its own"
    return field


def fetch(sql: str, parameters: Sequence[Any]) -> list[Row]:
    """All rows that a statement returns, of columns other than JSON.

    PostgreSQL sends them in binary: to read one instant of a text costs Python 3 µs.
    """
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.cursor.format = BINARY
        cursor.execute(sql, parameters)
        return cursor.fetchall()


def among(name: str, ids: Collection[int]) -> tuple[str, list[Any]]:
    """SQL that a column has one of these ids, and its parameters.

    On PostgreSQL the text is the same for any number, so that it is prepared once.
    """
    if connection.vendor == "postgresql":
        return f"{name} = ANY(%s::bigint[])", [_array(tuple(ids), None)]
    return f"{name} IN ({', '.join(['%s'] * len(ids))})", list(ids)


def _scalar(value: Any, convert: Convert | None) -> Any:
    """One value as a parameter; numbers as text, or each size would be a statement of its own."""
    if value is not None and convert is not None:
        value = convert(value)
    return str(value) if type(value) is int else value


def _array(values: Row, convert: Convert | None) -> str:
    """An array as PostgreSQL reads it; an adapter's care for every element costs ten times.

    What stands in a column is alike in many rows, so each different value is converted once.
    """
    kinds = set(map(type, values))
    if kinds == {int}:
        return "{" + ",".join(map(str, values)) + "}"
    if kinds == {str} and convert is None and not SPECIAL.search("".join(values)):
        return '{"' + '","'.join(values) + '"}'
    if convert is _json:  # of values that no set can hold
        values, convert = [_json(value) for value in values], None
    texts = {value: _element(value, convert) for value in set(values)}
    return "{" + ",".join([texts[value] for value in values]) + "}"


def _element(value: Any, convert: Convert | None) -> str:
    if value is None:
        return "NULL"
    if convert is not None:
        value = convert(value)
    if isinstance(value, int):
        return str(value)
    text = str(value).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"'


def _reader(field: models.Field[Any, Any], vendor: str) -> Convert | None:
    """What turns a database value into the field's; None where they are the same."""
    if isinstance(field, AmountField):
        return lambda micros: Decimal(micros).scaleb(-6)
    if isinstance(field, models.JSONField):
        return json.loads
    if vendor == "sqlite":
        if isinstance(field, models.DateTimeField):
            return _utc
        if isinstance(field, models.BooleanField):
            return bool
    return None


def _utc(value: datetime | str) -> datetime:
    """An instant as SQLite gives it back: in UTC without saying so, a text if computed."""
    instant = datetime.fromisoformat(value) if isinstance(value, str) else value
    return instant.replace(tzinfo=UTC)


def _writer(field: models.Field[Any, Any], vendor: str) -> Convert | None:
    """What turns a field's value into the database's; None where they are the same."""
    if isinstance(field, AmountField):
        return _micros
    if isinstance(field, models.JSONField):
        return _json
    if vendor == "sqlite" and isinstance(field, models.DateTimeField):
        return connection.ops.adapt_datetimefield_value
    if vendor == "sqlite" and isinstance(field, models.UUIDField):
        return lambda value: value.hex
    return None


def _json(value: Any) -> str | None:
    return None if value is None else json.dumps(value)


def _micros(amount: Decimal) -> int:
    """Millionths of an amount; a seventh decimal is refused as the field refuses it."""
    scaled = amount.scaleb(PLACES)
    micros = int(scaled)
    return micros if micros == scaled else to_micros(amount)
