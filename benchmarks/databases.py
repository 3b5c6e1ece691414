"""A server of our own that waits for its disk, and a fresh database for each benchmark."""

import contextlib
import os
import platform
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from tests.with_postgres import find_binaries, postgres

# As durable as production: what is measured survives a power cut.
SERVER_OPTIONS = (
    "-c listen_addresses='' -c fsync=on -c synchronous_commit=on -c full_page_writes=on"
    " -c max_connections=100 -c shared_buffers=512MB"
    " -c max_wal_size=8GB -c checkpoint_timeout=30min"
)
SHOWN_SETTINGS = ("fsync", "synchronous_commit", "full_page_writes", "shared_buffers")


class Databases:
    """Databases with all tables and triggers, and nothing in them."""

    def __init__(self, url: str) -> None:
        self.url = url
        """Where the current database is; for processes that are started from here."""

    def fresh(self) -> None:
        """Begin again with an empty database; the one before is gone."""
        raise NotImplementedError

    def settle(self) -> None:
        """Let the database finish what earlier work left behind, so that nobody inherits it."""

    def described(self) -> str:
        """Version and settings, for the head of the table."""
        raise NotImplementedError


class PostgresDatabases(Databases):
    """On one PostgreSQL server: copies of a migrated template."""

    def __init__(self, server_url: str) -> None:
        self.server, _, self.maintenance = server_url.rpartition("/")
        super().__init__(f"{self.server}/template")
        self._administer("DROP DATABASE IF EXISTS template", "CREATE DATABASE template")

    def fresh(self) -> None:
        """Copy the template."""
        _leave()
        self._administer(
            "DROP DATABASE IF EXISTS benchmark", "CREATE DATABASE benchmark TEMPLATE template"
        )
        self.url = f"{self.server}/benchmark"
        _enter("benchmark")

    def settle(self) -> None:
        """Write what is dirty to the disk: the next round owes nothing to the last."""
        from django.db import connection

        with connection.cursor() as cursor:
            cursor.execute("CHECKPOINT")

    def described(self) -> str:
        """As above."""
        from django.db import connection

        with connection.cursor() as cursor:
            cursor.execute("SHOW server_version")
            version = cursor.fetchone()[0].partition(" ")[0]
            settings = []
            for name in SHOWN_SETTINGS:
                cursor.execute(f"SHOW {name}")
                settings.append(f"{name}={cursor.fetchone()[0]}")
        return f"PostgreSQL {version}: {', '.join(settings)}"

    def _administer(self, *statements: str) -> None:
        import environ
        import psycopg

        place = environ.Env.db_url_config(f"{self.server}/{self.maintenance}")
        with psycopg.connect(
            host=place["HOST"] or None,
            port=place["PORT"] or None,
            user=place["USER"] or None,
            password=place["PASSWORD"] or None,
            dbname=place["NAME"],
            autocommit=True,
        ) as connection:
            for statement in statements:
                connection.execute(statement)


class SQLiteDatabases(Databases):
    """Files in one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        super().__init__(f"sqlite:///{folder}/template.sqlite3")

    def fresh(self) -> None:
        """Copy the template."""
        _leave()
        for old in self.folder.glob("benchmark.sqlite3*"):
            old.unlink()
        shutil.copy(self.folder / "template.sqlite3", self.folder / "benchmark.sqlite3")
        self.url = f"sqlite:///{self.folder}/benchmark.sqlite3"
        _enter(str(self.folder / "benchmark.sqlite3"))

    def settle(self) -> None:
        """Move the write-ahead log into the file."""
        from django.db import connection

        with connection.cursor() as cursor:
            cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def described(self) -> str:
        """As above."""
        from django.db import connection

        with connection.cursor() as cursor:
            cursor.execute("SELECT sqlite_version()")
            version = cursor.fetchone()[0]
            cursor.execute("PRAGMA journal_mode")
            journal = cursor.fetchone()[0]
        return f"SQLite {version}: journal_mode={journal}, synchronous=FULL"


@contextlib.contextmanager
def opened(kind: str) -> Iterator[Databases]:
    """Start what is needed, migrate a template, and point Django at it."""
    os.environ["STIPEND_MODE"] = "development"
    os.environ["STIPEND_STATEMENT_TIMEOUT_SECONDS"] = "3600"  # a pass by hand is one statement
    os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
    os.environ.setdefault("SECRET_KEY", "for benchmarks only, and therefore known to everybody")
    os.environ.setdefault("STIPEND_LOG_LEVEL", "WARNING")
    with contextlib.ExitStack() as stack:
        databases: Databases
        if kind == "sqlite":
            folder = Path(tempfile.mkdtemp(prefix="benchmark-"))
            stack.callback(shutil.rmtree, folder, ignore_errors=True)
            databases = SQLiteDatabases(folder)
        else:
            databases = PostgresDatabases(stack.enter_context(postgres(SERVER_OPTIONS)))
        os.environ["DATABASE_URL"] = databases.url
        import django
        from django.core.management import call_command

        django.setup()
        call_command("migrate", verbosity=0)
        stack.callback(_leave)
        yield databases


def pgbench() -> str | None:
    """The program, if it is installed."""
    beside_initdb = find_binaries()[0] / "pgbench"
    if beside_initdb.exists():
        return str(beside_initdb)
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin/pgbench"))
    return str(installed[-1]) if installed else shutil.which("pgbench")


def machine() -> str:
    """Cores and Python."""
    return f"{os.cpu_count()} cores, Python {platform.python_version()}"


def milliseconds_of_a_durable_write() -> float:
    """What the disk below the databases asks for: no client commits faster than that."""
    taken = []
    with tempfile.NamedTemporaryFile() as file:
        for _ in range(50):
            started = time.perf_counter()
            file.write(bytes(8192))
            file.flush()
            os.fdatasync(file.fileno())
            taken.append(time.perf_counter() - started)
    return statistics.median(taken) * 1000


def commit() -> str:
    """What is being measured."""

    def git(*arguments: str) -> str:
        done = subprocess.run(["git", *arguments], capture_output=True, text=True, check=False)
        return done.stdout.strip()

    changes = " with uncommitted changes" if git("status", "--porcelain", "-uno") else ""
    return f"{git('rev-parse', '--short', 'HEAD') or 'unknown'}{changes}"


def _leave() -> None:
    from django.db import connections

    connections.close_all()


def _enter(name: str) -> None:
    from django.db import connection

    connection.settings_dict["NAME"] = name
