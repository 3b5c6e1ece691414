"""Rules that the database keeps even when our code does not.

They are triggers, on PostgreSQL and SQLite alike.

An app declares its triggers beside the model they guard and hands them to `register` in
`AppConfig.ready`. Every `migrate` installs what is missing or different, `manage.py check
--database default` and the start of web and worker fail when one is missing.

SQLite: Django alters a table by building a new one, which silently drops its triggers and
fails while triggers of other tables look into it. So they step aside before a migration and
return after it. A migration that must touch guarded rows on PostgreSQL does the same by
`with lifted(connection)`.
"""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from django.apps import AppConfig
from django.core.checks import CheckMessage, Error
from django.core.exceptions import ImproperlyConfigured
from django.db import connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

Operation = Literal["INSERT", "UPDATE", "DELETE", "TRUNCATE"]

# Any number will do, as long as nobody else locks it.
INSTALL_LOCK = 7_208_265_913


@dataclass(frozen=True)
class Trigger:
    """Refuse `operation` on `table` wherever `condition` is true; always, if it is empty.

    `condition` is SQL over `OLD` and `NEW` and may look into other tables; where the two
    databases need different words, a mapping from vendor to SQL; one that it does not name has
    no need of the trigger. `name` is a sentence, as with constraints, and unique. A refusal is
    an `IntegrityError` that holds `message`.

    A condition that looks into other rows sees nothing that others have not committed:
    whoever relies on it takes the lock that orders writers first.
    """

    name: str
    table: str
    operation: Operation
    message: str
    condition: str | Mapping[str, str] = field(default="", hash=False)

    def is_for(self, vendor: str) -> bool:
        """Whether the database needs the trigger."""
        return isinstance(self.condition, str) or vendor in self.condition

    def condition_for(self, vendor: str) -> str:
        if isinstance(self.condition, str):
            return self.condition
        return self.condition[vendor]


def append_only(table: str, message: str) -> list[Trigger]:
    """Rows of `table` may be added, but never changed or removed."""
    return [
        Trigger(f"{table}_is_never_changed", table, "UPDATE", message),
        Trigger(f"{table}_is_never_deleted", table, "DELETE", message),
        Trigger(f"{table}_is_never_emptied", table, "TRUNCATE", message),
    ]


def frozen_when(
    table: str, condition: str, message: str, *, name: str | None = None
) -> list[Trigger]:
    """Rows of `table` for which `condition`, over `OLD`, holds stay as they are."""
    name = name or f"{table}_is_frozen"
    return [
        Trigger(f"{name}_against_update", table, "UPDATE", message, condition),
        Trigger(f"{name}_against_delete", table, "DELETE", message, condition),
    ]


def frozen_with_parent(
    table: str,
    *,
    column: str,
    parent_table: str,
    parent_condition: str,
    message: str,
    name: str | None = None,
) -> list[Trigger]:
    """Rows of `table` stay as they are, and get no company, while their parent is frozen.

    The parent is the row of `parent_table` that `column` points at; it is frozen while
    `parent_condition` holds, where it is called `parent`, as in "parent.published_at IS NOT
    NULL". Moving a row from or to such a parent counts as a change.
    """
    name = name or f"{table}_is_frozen_with_{parent_table}"

    def parent_of(row: str) -> str:
        return (
            f'EXISTS (SELECT 1 FROM "{parent_table}" AS parent'
            f' WHERE parent."id" = {row}."{column}" AND ({parent_condition}))'
        )

    either = f"{parent_of('OLD')} OR {parent_of('NEW')}"
    return [
        Trigger(f"{name}_against_insert", table, "INSERT", message, parent_of("NEW")),
        Trigger(f"{name}_against_update", table, "UPDATE", message, either),
        Trigger(f"{name}_against_delete", table, "DELETE", message, parent_of("OLD")),
    ]


_registered: dict[str, Trigger] = {}


def register(*triggers: Trigger) -> None:
    """Make the triggers part of every database from the next `migrate` on."""
    for trigger in triggers:
        if len(trigger.name) > 63:
            raise ImproperlyConfigured(f"{trigger.name} is longer than the 63 of PostgreSQL.")
        if _registered.setdefault(trigger.name, trigger) != trigger:
            raise ImproperlyConfigured(f"Two triggers are called {trigger.name}.")


def registered() -> tuple[Trigger, ...]:
    """All triggers of all apps."""
    return tuple(_registered.values())


def missing(connection: BaseDatabaseWrapper) -> list[Trigger]:
    """Triggers that are absent, different from what is declared, or switched off.

    Tables that do not exist yet are migrate's business, not ours.
    """
    wanted = _wanted(connection)
    if not wanted:
        return []
    tables = set(connection.introspection.table_names())
    present = _present(connection)
    return [
        trigger
        for trigger in wanted
        if trigger.table in tables and present.get(trigger.name) != _mark(trigger, connection)
    ]


def install(connection: BaseDatabaseWrapper) -> None:
    """Create what is missing; harmless at any time, also from several hosts at once."""
    if not missing(connection):
        return
    with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [INSTALL_LOCK])
        for trigger in missing(connection):
            for statement in (*_drop(trigger, connection), *_create(trigger, connection)):
                cursor.execute(statement)


def remove(connection: BaseDatabaseWrapper) -> None:
    """Take all our triggers away. For migrations and for emptying a test database."""
    present = _present(connection)
    with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
        for trigger in _wanted(connection):
            if trigger.name in present:
                for statement in _drop(trigger, connection):
                    cursor.execute(statement)


@contextlib.contextmanager
def lifted(connection: BaseDatabaseWrapper) -> Iterator[None]:
    """Take the triggers away and bring them back. For migrations that must."""
    remove(connection)
    try:
        yield
    finally:
        install(connection)


class TriggersMissing(ImproperlyConfigured):
    """The database does not keep its rules; nothing may be written to it."""


def require(connection: BaseDatabaseWrapper) -> None:
    """Let web and worker start only where every trigger is in place.

    Raises:
        TriggersMissing: naming those that are not.
    """
    names = ", ".join(trigger.name for trigger in missing(connection))
    if names:
        raise TriggersMissing(f"Missing database triggers: {names}. Run manage.py migrate.")


# What Django calls


def step_aside(*, using: str, plan: list[tuple[Any, bool]] | None = None, **kwargs: object) -> None:
    """Before a migration on SQLite, which rebuilds tables."""
    connection = connections[using]
    if plan and connection.vendor == "sqlite":
        remove(connection)


def return_to_duty(*, using: str, **kwargs: object) -> None:
    """After every migrate, whether or not it changed anything."""
    install(connections[using])


def check_triggers(
    *,
    app_configs: Sequence[AppConfig] | None,
    databases: Sequence[str] | None = None,
    **kwargs: object,
) -> list[CheckMessage]:
    """`manage.py check --database default`."""
    return [
        Error(
            f"The trigger {trigger.name} is missing from the database {alias!r}.",
            hint="Run manage.py migrate.",
            id="workspace.E001",
        )
        for alias in databases or []
        for trigger in missing(connections[alias])
    ]


# SQL


def _wanted(connection: BaseDatabaseWrapper) -> list[Trigger]:
    # SQLite knows no TRUNCATE: it deletes, row by row.
    known = {
        "postgresql": {"INSERT", "UPDATE", "DELETE", "TRUNCATE"},
        "sqlite": {"INSERT", "UPDATE", "DELETE"},
    }[connection.vendor]
    return [
        trigger
        for trigger in _registered.values()
        if trigger.operation in known and trigger.is_for(connection.vendor)
    ]


def _present(connection: BaseDatabaseWrapper) -> dict[str, str]:
    """What identifies each trigger in the database, by name; see `_mark`."""
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'")
        else:
            cursor.execute(
                """
                SELECT t.tgname, c.relname || ': ' || p.prosrc
                FROM pg_trigger t
                JOIN pg_class c ON c.oid = t.tgrelid
                JOIN pg_proc p ON p.oid = t.tgfoid
                WHERE NOT t.tgisinternal AND t.tgenabled IN ('O', 'A')
                  AND c.relnamespace = current_schema()::regnamespace
                """
            )
        return dict(cursor.fetchall())


def _mark(trigger: Trigger, connection: BaseDatabaseWrapper) -> str:
    """What `_present` finds where exactly this trigger is installed."""
    if connection.vendor == "sqlite":
        return _create(trigger, connection)[0]
    return f"{trigger.table}: {_function_body(trigger)}"


def _drop(trigger: Trigger, connection: BaseDatabaseWrapper) -> list[str]:
    if connection.vendor == "sqlite":
        return [f'DROP TRIGGER IF EXISTS "{trigger.name}"']
    # The function takes its trigger along, on whichever table that is.
    return [f'DROP FUNCTION IF EXISTS "{trigger.name}"() CASCADE']


def _create(trigger: Trigger, connection: BaseDatabaseWrapper) -> list[str]:
    if connection.vendor == "sqlite":
        condition = trigger.condition_for("sqlite")
        when = f" WHEN {condition}" if condition else ""
        return [
            f'CREATE TRIGGER "{trigger.name}" BEFORE {trigger.operation} ON "{trigger.table}"'
            f" FOR EACH ROW{when}"
            f" BEGIN SELECT RAISE(ABORT, {_quoted(trigger.message)}); END"
        ]
    each = "STATEMENT" if trigger.operation == "TRUNCATE" else "ROW"
    return [
        f'CREATE FUNCTION "{trigger.name}"() RETURNS trigger LANGUAGE plpgsql'
        f" AS {_quoted(_function_body(trigger))}",
        f'CREATE TRIGGER "{trigger.name}" BEFORE {trigger.operation} ON "{trigger.table}"'
        f' FOR EACH {each} EXECUTE FUNCTION "{trigger.name}"()',
    ]


def _function_body(trigger: Trigger) -> str:
    """The condition stands in the function, since a WHEN clause may not hold subselects."""
    allowed_row = {"DELETE": "OLD", "TRUNCATE": "NULL"}.get(trigger.operation, "NEW")
    condition = trigger.condition_for("postgresql") or "TRUE"
    return (
        f"/* before {trigger.operation} */ BEGIN IF ({condition}) THEN "
        f"RAISE EXCEPTION USING MESSAGE = {_quoted(trigger.message)}, "
        f"ERRCODE = 'integrity_constraint_violation', CONSTRAINT = {_quoted(trigger.name)}; "
        f"END IF; RETURN {allowed_row}; END"
    )


def _quoted(text: str) -> str:
    escaped = text.replace("'", "''")
    return f"'{escaped}'"
