import pytest
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command
from django.core.management.base import SystemCheckError
from django.db import connection, transaction

from workspace import functions
from workspace.functions import Function, FunctionsMissing

TWICE = Function(
    name="test_twice",
    table="workspace_user",
    arguments="given_number bigint",
    returns="bigint",
    body="BEGIN RETURN 2 * given_number; END",
)
only_postgresql = pytest.mark.skipif(connection.vendor != "postgresql", reason="PostgreSQL only")


def ask(statement):
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchone()[0] if cursor.description else None


@pytest.fixture
def twice(db, monkeypatch):
    """A function of ours, in place, and no other."""
    monkeypatch.setattr(functions, "_registered", {})
    functions.register(TWICE)
    functions.install(connection)


class TestRegister:
    def test_refuses_two_of_one_name(self, monkeypatch):
        monkeypatch.setattr(functions, "_registered", {})
        other = Function("test_twice", "workspace_user", "", "bigint", "BEGIN RETURN 2; END")
        functions.register(TWICE)
        functions.register(TWICE)

        with pytest.raises(ImproperlyConfigured, match="Two functions"):
            functions.register(other)


@only_postgresql
@pytest.mark.usefixtures("twice")
class TestInstall:
    def test_brings_what_can_be_called(self):
        assert ask("SELECT test_twice(21)") == 42

    def test_may_be_repeated(self, django_assert_max_num_queries):
        with django_assert_max_num_queries(2):
            functions.install(connection)

        assert functions.missing(connection) == []

    def test_replaces_what_has_other_arguments(self, monkeypatch):
        longer = Function("test_twice", "workspace_user", "a bigint, b bigint", "bigint",
                          "BEGIN RETURN a + b; END")  # fmt: skip
        monkeypatch.setitem(functions._registered, "test_twice", longer)

        functions.install(connection)

        assert ask("SELECT test_twice(40, 2)") == 42
        assert ask("SELECT count(*) FROM pg_proc WHERE proname = 'test_twice'") == 1


@only_postgresql
@pytest.mark.usefixtures("twice")
class TestMissing:
    def test_names_what_was_dropped(self):
        ask("DROP FUNCTION test_twice")

        assert functions.missing(connection) == [TWICE]

    def test_names_what_does_something_else(self):
        ask(
            "CREATE OR REPLACE FUNCTION test_twice(given_number bigint) RETURNS bigint"
            " LANGUAGE plpgsql AS 'BEGIN RETURN 3 * given_number; END'"
        )

        assert functions.missing(connection) == [TWICE]

    def test_leaves_tables_that_do_not_exist_to_migrate(self):
        functions.register(Function("test_none", "not_there", "", "bigint", "BEGIN RETURN 1; END"))

        assert functions.missing(connection) == []


class TestMissingOnSQLite:
    @pytest.mark.skipif(connection.vendor != "sqlite", reason="SQLite only")
    def test_asks_for_none(self, twice):
        assert functions.missing(connection) == []


@only_postgresql
@pytest.mark.usefixtures("twice")
class TestRequire:
    def test_is_content_with_all_in_place(self):
        functions.require(connection)

    def test_refuses_to_start_without(self):
        ask("DROP FUNCTION test_twice")

        with pytest.raises(FunctionsMissing, match="test_twice"):
            functions.require(connection)


@only_postgresql
@pytest.mark.usefixtures("twice")
class TestCheckFunctions:
    def test_fails_without_and_lets_migrate_repair_it(self):
        ask("DROP FUNCTION test_twice")

        with pytest.raises(SystemCheckError, match=r"workspace\.E002"):
            call_command("check", databases=["default"])
        call_command("migrate", verbosity=0)

        assert functions.missing(connection) == []
