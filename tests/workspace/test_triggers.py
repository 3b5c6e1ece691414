import pytest
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command
from django.core.management.base import SystemCheckError
from django.db import IntegrityError, connection, models, transaction
from django.test.utils import isolate_apps

from workspace import triggers
from workspace.models.activity import TRIGGERS as OF_ACTIVITY
from workspace.triggers import (
    Trigger,
    TriggersMissing,
    append_only,
    frozen_when,
    frozen_with_parent,
)

# One trigger of each form, over two tables of a small catalog.
VERSION, LINE, PERIOD = "test_version", "test_line", "test_period"
DECLARED = [
    *append_only("test_entry", "Entries stay."),
    *frozen_when(VERSION, "OLD.published_at IS NOT NULL", "Published versions stay."),
    *frozen_with_parent(
        LINE,
        column="version_id",
        parent_table=VERSION,
        parent_condition="parent.published_at IS NOT NULL",
        message="Lines of published versions stay.",
    ),
    Trigger(
        "test_periods_do_not_overlap",
        PERIOD,
        "INSERT",
        "Periods do not overlap; that's it.",
        {
            "sqlite": f"EXISTS (SELECT 1 FROM {PERIOD} p"
            " WHERE p.starts < NEW.ends AND NEW.starts < p.ends)",
            "postgresql": f"EXISTS (SELECT 1 FROM {PERIOD} p"
            " WHERE int4range(p.starts, p.ends) && int4range(NEW.starts, NEW.ends))",
        },
    ),
]
TABLES = [
    "CREATE TABLE test_entry (id integer PRIMARY KEY, amount integer)",
    f"CREATE TABLE {VERSION} (id integer PRIMARY KEY, published_at integer, name text)",
    f"CREATE TABLE {LINE} (id integer PRIMARY KEY, version_id integer, amount integer)",
    f"CREATE TABLE {PERIOD} (id integer PRIMARY KEY, starts integer, ends integer)",
]


def sql(statement):
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)


def rows(table):
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT * FROM {table} ORDER BY id")
        return [tuple(row) for row in cursor.fetchall()]


@pytest.fixture
def guarded(db, monkeypatch):
    """The tables above, with a row each, and their triggers."""
    monkeypatch.setattr(triggers, "_registered", {})
    for statement in TABLES:
        sql(statement)
    sql("INSERT INTO test_entry VALUES (1, 10)")
    sql(f"INSERT INTO {VERSION} VALUES (1, 2026, 'published'), (2, NULL, 'draft')")
    sql(f"INSERT INTO {LINE} VALUES (1, 1, 10), (2, 2, 20)")
    sql(f"INSERT INTO {PERIOD} VALUES (1, 10, 20)")
    triggers.register(*DECLARED)
    triggers.install(connection)


@pytest.mark.usefixtures("guarded")
class TestTrigger:
    @pytest.mark.parametrize(
        "statement",
        [
            "UPDATE test_entry SET amount = 11",
            "DELETE FROM test_entry",
            f"UPDATE {VERSION} SET name = 'x' WHERE id = 1",
            f"UPDATE {VERSION} SET published_at = NULL WHERE id = 1",
            f"DELETE FROM {VERSION} WHERE id = 1",
            f"INSERT INTO {LINE} VALUES (3, 1, 30)",
            f"UPDATE {LINE} SET amount = 11 WHERE id = 1",
            f"UPDATE {LINE} SET version_id = 2 WHERE id = 1",
            f"UPDATE {LINE} SET version_id = 1 WHERE id = 2",
            f"DELETE FROM {LINE} WHERE id = 1",
            f"INSERT INTO {PERIOD} VALUES (2, 19, 30)",
            f"INSERT INTO {PERIOD} VALUES (2, 0, 11)",
        ],
    )
    def test_refuses(self, statement):
        before = [rows(table) for table in ("test_entry", VERSION, LINE, PERIOD)]

        with pytest.raises(IntegrityError, match=r"stay|overlap"):
            sql(statement)

        assert [rows(table) for table in ("test_entry", VERSION, LINE, PERIOD)] == before

    @pytest.mark.parametrize(
        "statement",
        [
            "INSERT INTO test_entry VALUES (2, 10)",
            f"UPDATE {VERSION} SET published_at = 2026 WHERE id = 2",
            f"DELETE FROM {VERSION} WHERE id = 2",
            f"INSERT INTO {LINE} VALUES (3, 2, 30)",
            f"UPDATE {LINE} SET amount = 11 WHERE id = 2",
            f"DELETE FROM {LINE} WHERE id = 2",
            f"INSERT INTO {PERIOD} VALUES (2, 20, 30)",
        ],
    )
    def test_lets_pass(self, statement):
        before = [rows(table) for table in ("test_entry", VERSION, LINE, PERIOD)]

        sql(statement)

        assert [rows(table) for table in ("test_entry", VERSION, LINE, PERIOD)] != before

    @pytest.mark.skipif(connection.vendor != "postgresql", reason="PostgreSQL only")
    def test_refuses_to_empty_an_append_only_table(self):
        with pytest.raises(IntegrityError, match="stay"):
            sql("TRUNCATE test_entry")


@pytest.mark.usefixtures("guarded")
class TestMissing:
    def test_is_empty_after_installing(self):
        assert triggers.missing(connection) == []

    def test_names_what_was_dropped(self):
        wanted = DECLARED[0]
        for statement in triggers._drop(wanted, connection):
            sql(statement)

        assert triggers.missing(connection) == [wanted]

    def test_names_what_is_declared_differently(self, monkeypatch):
        changed = Trigger("test_entry_is_never_changed", "test_entry", "UPDATE", "Other words.")
        monkeypatch.setitem(triggers._registered, changed.name, changed)

        assert triggers.missing(connection) == [changed]

    @pytest.mark.skipif(connection.vendor != "postgresql", reason="PostgreSQL only")
    def test_names_what_was_switched_off(self):
        sql("ALTER TABLE test_entry DISABLE TRIGGER test_entry_is_never_changed")

        assert [trigger.name for trigger in triggers.missing(connection)] == [
            "test_entry_is_never_changed"
        ]

    def test_leaves_out_what_only_another_database_needs(self):
        elsewhere = Trigger("test_only_elsewhere", "test_entry", "INSERT", "No.", {"other": "TRUE"})
        triggers.register(elsewhere)

        triggers.install(connection)

        assert triggers.missing(connection) == []
        assert "test_only_elsewhere" not in triggers._present(connection)

    def test_leaves_tables_that_do_not_exist_to_migrate(self):
        triggers.register(*append_only("not_there", "Never."))

        assert triggers.missing(connection) == []


@pytest.mark.usefixtures("guarded")
class TestInstall:
    def test_may_be_repeated(self, django_assert_max_num_queries):
        with django_assert_max_num_queries(2):
            triggers.install(connection)

        assert triggers.missing(connection) == []

    def test_replaces_what_is_declared_differently(self, monkeypatch):
        changed = Trigger("test_entry_is_never_changed", "test_entry", "UPDATE", "Other words.")
        monkeypatch.setitem(triggers._registered, changed.name, changed)

        triggers.install(connection)

        assert triggers.missing(connection) == []
        with pytest.raises(IntegrityError, match="Other words"):
            sql("UPDATE test_entry SET amount = 11")


@pytest.mark.usefixtures("guarded")
class TestLifted:
    def test_lets_a_migration_touch_guarded_rows(self):
        with triggers.lifted(connection):
            sql("UPDATE test_entry SET amount = 11")

        assert rows("test_entry") == [(1, 11)]
        assert triggers.missing(connection) == []


class TestRegister:
    def test_refuses_two_of_one_name(self, monkeypatch):
        monkeypatch.setattr(triggers, "_registered", {})
        triggers.register(*append_only("test_entry", "Entries stay."))
        triggers.register(*append_only("test_entry", "Entries stay."))

        with pytest.raises(ImproperlyConfigured, match="Two triggers"):
            triggers.register(*append_only("test_entry", "Other words."))

    def test_refuses_names_that_postgresql_would_cut(self):
        with pytest.raises(ImproperlyConfigured, match="longer"):
            triggers.register(Trigger("n" * 64, "test_entry", "UPDATE", "No."))


@pytest.mark.usefixtures("guarded")
class TestRequire:
    def test_is_content_with_all_in_place(self):
        triggers.require(connection)

    def test_refuses_to_start_without(self):
        triggers.remove(connection)

        with pytest.raises(TriggersMissing, match="test_entry_is_never_changed"):
            triggers.require(connection)


@pytest.mark.django_db
class TestCheckTriggers:
    def test_is_quiet_after_migrate(self):
        call_command("check", databases=["default"])

    def test_fails_without(self):
        triggers.remove(connection)

        with pytest.raises(SystemCheckError, match=r"workspace\.E001"):
            call_command("check", databases=["default"])

    def test_lets_migrate_repair_what_is_missing(self):
        """Also after an update that declares new triggers on old tables."""
        triggers.remove(connection)

        call_command("migrate", verbosity=0, skip_checks=False)

        assert triggers.missing(connection) == []


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif(connection.vendor != "sqlite", reason="SQLite only")
class TestStepAside:
    """SQLite rebuilds a table to alter it."""

    def test_lets_a_table_be_rebuilt_that_triggers_of_others_look_into(self, monkeypatch):
        with isolate_apps("workspace"):

            class Version(models.Model):
                published_at = models.IntegerField(null=True)

                class Meta:
                    app_label = "workspace"
                    db_table = VERSION

                def __str__(self):
                    return "a version"

        monkeypatch.setattr(triggers, "_registered", {})
        sql(TABLES[2])
        with connection.schema_editor() as editor:
            editor.create_model(Version)
        triggers.register(*DECLARED[3:8])
        triggers.install(connection)
        longer = models.BigIntegerField(null=True)
        longer.set_attributes_from_name("published_at")

        triggers.step_aside(using="default", plan=[("a migration", False)])
        with connection.schema_editor() as editor:
            editor.alter_field(Version, Version._meta.get_field("published_at"), longer)
        gone = [trigger.name for trigger in triggers.missing(connection)]
        triggers.return_to_duty(using="default")

        assert len(gone) == 5
        assert triggers.missing(connection) == []
        sql(f"DROP TABLE {LINE}")
        sql(f"DROP TABLE {VERSION}")

    def test_stays_where_nothing_is_migrated(self):
        triggers.step_aside(using="default", plan=[])

        assert triggers.missing(connection) == []

    def test_guards_activity(self):
        assert set(OF_ACTIVITY) <= set(triggers.registered())
