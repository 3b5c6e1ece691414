"""Functions that PostgreSQL keeps for us, where many statements in one save the way.

An app declares them beside the verb that calls them. As with triggers, every `migrate`
installs what is missing or different, `manage.py check --database default` and the start of
web and worker fail when one is missing. SQLite has no such functions, and no way to save.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.apps import AppConfig
from django.core.checks import CheckMessage, Error
from django.core.exceptions import ImproperlyConfigured
from django.db import connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from workspace.triggers import INSTALL_LOCK


@dataclass(frozen=True)
class Function:
    """A function in PL/pgSQL over `table`; `arguments`, `returns` and `body` as it is created."""

    name: str
    table: str
    arguments: str
    returns: str
    body: str

    @property
    def source(self) -> str:
        """The body as the database keeps it, with all that tells it from another."""
        return f"/* ({self.arguments}) {self.returns} */ {self.body}"


_registered: dict[str, Function] = {}


def register(function: Function) -> Function:
    """Make the function part of every PostgreSQL database from the next `migrate` on."""
    if _registered.setdefault(function.name, function) != function:
        raise ImproperlyConfigured(f"Two functions are called {function.name}.")
    return function


def missing(connection: BaseDatabaseWrapper) -> list[Function]:
    """Functions that are absent or different from what is declared.

    Tables that do not exist yet are migrate's business, not ours.
    """
    if connection.vendor != "postgresql" or not _registered:
        return []
    tables = set(connection.introspection.table_names())
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT proname, prosrc FROM pg_proc "
            "WHERE proname = ANY(%s) AND pronamespace = current_schema()::regnamespace",
            [list(_registered)],
        )
        present = dict(cursor.fetchall())
    return [
        function
        for function in _registered.values()
        if function.table in tables and present.get(function.name) != function.source
    ]


def install(connection: BaseDatabaseWrapper) -> None:
    """Create what is missing; harmless at any time, also from several hosts at once."""
    if not missing(connection):
        return
    with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [INSTALL_LOCK])
        for function in missing(connection):
            cursor.execute(f'DROP FUNCTION IF EXISTS "{function.name}"')
            cursor.execute(
                f'CREATE FUNCTION "{function.name}"({function.arguments})'
                f" RETURNS {function.returns} LANGUAGE plpgsql"
                f" AS $function${function.source}$function$"
            )


class FunctionsMissing(ImproperlyConfigured):
    """The database lacks what our statements call."""


def require(connection: BaseDatabaseWrapper) -> None:
    """Let web and worker start only where every function is in place.

    Raises:
        FunctionsMissing: naming those that are not.
    """
    names = ", ".join(function.name for function in missing(connection))
    if names:
        raise FunctionsMissing(f"Missing database functions: {names}. Run manage.py migrate.")


# What Django calls


def install_after_migrate(*, using: str, **kwargs: object) -> None:
    """After every migrate, whether or not it changed anything."""
    install(connections[using])


def check_functions(
    *,
    app_configs: Sequence[AppConfig] | None,
    databases: Sequence[str] | None = None,
    **kwargs: Any,
) -> list[CheckMessage]:
    """`manage.py check --database default`."""
    return [
        Error(
            f"The function {function.name} is missing from the database {alias!r}.",
            hint="Run manage.py migrate.",
            id="workspace.E002",
        )
        for alias in databases or []
        for function in missing(connections[alias])
    ]
