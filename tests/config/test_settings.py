import os
import subprocess
import sys
from collections.abc import Mapping

import pytest
from django.conf import settings

STRONG_KEY = "a0b1c2d3e4f5g6h7i8j9-" * 3
# What docs/settings.md calls the least a production needs.
SAFE = {
    "SECRET_KEY": STRONG_KEY,
    "DATABASE_URL": "postgres://stipend@localhost/stipend",
    "ALLOWED_HOSTS": "stipend.example.com",
}


def run(environment: Mapping[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Python with nothing in its environment but this."""
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=settings.BASE_DIR,
        env={"PATH": os.environ["PATH"], "PYTHONWARNINGS": "error", **environment},
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )


def read(environment: Mapping[str, str], *names: str) -> list[str]:
    """The values that settings have in an environment, as Python writes them."""
    lines = "; ".join(f"print(repr(settings.{name}))" for name in names)
    result = run(environment, "-c", f"from config import settings; {lines}")
    assert result.stderr == ""
    return result.stdout.splitlines()


class TestStart:
    @pytest.mark.parametrize(
        ("changes", "sentence"),
        [
            ({"SECRET_KEY": ""}, "SECRET_KEY is missing; set it, or SECRET_KEY_FILE."),
            ({"SECRET_KEY": "short"}, "SECRET_KEY or one of SECRET_KEY_FALLBACKS is too weak"),
            ({"SECRET_KEY": "ab" * 50}, "SECRET_KEY or one of SECRET_KEY_FALLBACKS is too weak"),
            ({"SECRET_KEY_FALLBACKS": "old"}, "SECRET_KEY or one of SECRET_KEY_FALLBACKS is too"),
            ({"SECRET_KEY_FILE": "/nowhere"}, "The file that SECRET_KEY_FILE names cannot be read"),
            ({"DATABASE_URL": ""}, "DATABASE_URL is missing"),
            ({"DATABASE_URL": "mysql://a/b"}, "DATABASE_URL must begin with postgres:// or sqlite"),
            ({"DATABASE_URL": "postgres://u:p/w@h/n"}, "DATABASE_URL cannot be read"),
            ({"ALLOWED_HOSTS": ""}, "ALLOWED_HOSTS is missing"),
            ({"ALLOWED_HOSTS": "a.example,*"}, "ALLOWED_HOSTS contains *"),
            ({"DEBUG": "true"}, "DEBUG shows code and settings to visitors; unset it."),
            ({"STIPEND_MODE": "staging"}, "STIPEND_MODE is 'staging'; it must be one of"),
            ({"STIPEND_WORKSPACE_COLOUR": "pink"}, "STIPEND_WORKSPACE_COLOUR is 'pink'"),
            ({"STIPEND_RATE_LIMIT": "many"}, "STIPEND_RATE_LIMIT is 'many'"),
            ({"STIPEND_SWEEP_SECONDS": "0"}, "STIPEND_SWEEP_SECONDS is 0.0"),
            ({"STIPEND_SWEEP_SECONDS": "often"}, "STIPEND_SWEEP_SECONDS is of the wrong kind"),
            ({"STIPEND_WORKERS": "0"}, "STIPEND_WORKERS is 0"),
            ({"STIPEND_TRUSTED_PROXIES": "proxy"}, "STIPEND_TRUSTED_PROXIES is wrong"),
        ],
        ids=str,
    )
    def test_is_refused_with_one_sentence(self, changes: dict[str, str], sentence: str) -> None:
        result = run(SAFE | changes, "manage.py", "check")

        assert result.returncode == 1
        assert result.stdout == ""
        assert result.stderr.startswith(f"Stipend does not start: {sentence}")
        assert result.stderr.count("\n") == 1

    def test_is_refused_to_the_web_server_too(self) -> None:
        result = run({}, "-m", "gunicorn", "--config", "config/gunicorn.py", "config.wsgi")

        assert result.returncode == 1
        assert (
            result.stderr
            == "Stipend does not start: SECRET_KEY is missing; set it, or SECRET_KEY_FILE.\n"
        )

    def test_does_not_repeat_a_password(self) -> None:
        result = run(SAFE | {"DATABASE_URL": "postgres://u:hush/hush@h/n"}, "manage.py", "check")

        assert result.returncode == 1
        assert "hush" not in result.stderr

    def test_needs_nothing_but_the_mode_in_development(self) -> None:
        result = run({"STIPEND_MODE": "development"}, "manage.py", "check")

        assert result.returncode == 0, result.stderr


class TestDeploymentCheck:
    def test_is_content_with_the_documented_settings(self) -> None:
        result = run(SAFE, "manage.py", "check", "--deploy", "--fail-level", "WARNING")

        assert result.returncode == 0, result.stderr
        assert "no issues" in result.stdout


class TestSecretKey:
    def test_may_come_from_a_file(self, tmp_path) -> None:
        file = tmp_path / "key"
        file.write_text(f"${STRONG_KEY}\n")

        assert read(SAFE | {"SECRET_KEY": "", "SECRET_KEY_FILE": str(file)}, "SECRET_KEY") == [
            repr(f"${STRONG_KEY}")
        ]

    def test_may_have_predecessors(self) -> None:
        environment = SAFE | {"SECRET_KEY_FALLBACKS": f"{STRONG_KEY}1 {STRONG_KEY}2"}

        assert read(environment, "SECRET_KEY_FALLBACKS") == [
            repr([STRONG_KEY + "1", STRONG_KEY + "2"])
        ]


class TestDatabase:
    def test_is_durable_and_guarded_on_sqlite(self) -> None:
        (options,) = read(SAFE | {"DATABASE_URL": "sqlite:////data/it"}, "database['OPTIONS']")

        assert "'transaction_mode': 'IMMEDIATE'" in options
        assert "journal_mode=WAL" in options
        assert "synchronous=FULL" in options
        assert "recursive_triggers=ON" in options

    def test_keeps_connections_to_postgresql_and_never_waits_for_ever(self) -> None:
        (options, age) = read(SAFE, "database['OPTIONS']", "database['CONN_MAX_AGE']")

        assert age == "60"
        assert "statement_timeout=30s" in options
        assert "lock_timeout=10s" in options
        assert "'pool'" not in options

    def test_takes_options_of_the_driver_from_its_url(self) -> None:
        url = "postgres://stipend@localhost/stipend?sslmode=verify-full"

        (options,) = read(SAFE | {"DATABASE_URL": url}, "database['OPTIONS']")

        assert "'sslmode': 'verify-full'" in options
        assert "'connect_timeout': 5" in options


class TestCache:
    def test_lets_nobody_wait_who_could_go_on_without(self) -> None:
        """F15."""
        [caches] = read(SAFE | {"CACHE_URL": "redis://cache.example:6379/0"}, "CACHES")

        assert "'OPTIONS': {'socket_timeout': 0.2, 'socket_connect_timeout': 0.2}" in caches


class TestProduction:
    def test_sends_cookies_only_to_this_host_and_only_encrypted(self) -> None:
        assert read(
            SAFE,
            "SESSION_COOKIE_NAME",
            "SESSION_COOKIE_SECURE",
            "CSRF_COOKIE_NAME",
            "CSRF_COOKIE_SECURE",
        ) == ["'__Host-session'", "True", "'__Host-csrf'", "True"]


class TestTimes:
    def test_of_jobs_let_no_running_task_be_retried(self) -> None:
        """The clock of a retry starts when a task is pulled, and waits behind others."""
        jobs = settings.Q_CLUSTER

        assert jobs["retry"] >= jobs["timeout"] * (jobs["queue_limit"] / jobs["workers"] + 2)
