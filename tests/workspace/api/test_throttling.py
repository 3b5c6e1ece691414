import pytest
import time_machine
from django.core.cache import cache
from django.core.cache.backends.locmem import LocMemCache

from tests.workspace.api.conftest import Caller
from workspace.api import throttling
from workspace.models import KeyKind

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.workspace.api.urls")]


@pytest.fixture(autouse=True)
def _empty_cache(monkeypatch):
    monkeypatch.setitem(throttling._left_alone, "until", 0.0)
    cache.clear()
    yield
    cache.clear()


class TestKeyRate:
    def test_limits_each_key_on_its_own(self, caller, settings):
        """X8."""
        settings.STIPEND_RATE_LIMIT = "2/minute"
        with time_machine.travel("2026-10-01T10:00:15Z", tick=False):
            answers = [caller.get("/api/v1/keys") for _ in range(3)]
            other = Caller().get("/api/v1/keys")

        assert [answer.status_code for answer in answers] == [200, 200, 429]
        assert answers[2]["Retry-After"] == "45"
        assert answers[2].json()["code"] == "TooManyRequests"
        assert other.status_code == 200

    def test_counts_what_the_key_may_not_do_too(self, settings):
        settings.STIPEND_RATE_LIMIT = "2/minute"
        reader = Caller(KeyKind.READ_ONLY)
        with time_machine.travel("2026-10-01T10:00:15Z", tick=False):
            answers = [reader.post("/api/v1/keys", {"name": "new"}) for _ in range(3)]

        assert [answer.status_code for answer in answers] == [403, 403, 429]

    def test_begins_again_with_the_next_minute(self, caller, settings):
        settings.STIPEND_RATE_LIMIT = "1/minute"
        for minute in ("10:00:59", "10:01:00"):
            with time_machine.travel(f"2026-10-01T{minute}Z", tick=False):
                assert caller.get("/api/v1/keys").status_code == 200

    def test_is_off_without_a_limit(self, caller, settings):
        settings.STIPEND_RATE_LIMIT = ""

        assert all(caller.get("/api/v1/keys").status_code == 200 for _ in range(5))

    def test_lets_everybody_on_without_a_cache(self, caller, settings, monkeypatch):
        """F15: and asks it again after a while only, since that takes time."""
        settings.STIPEND_RATE_LIMIT = "1/minute"
        asked = []

        def fail(*args, **kwargs):
            asked.append(args)
            raise ConnectionError

        monkeypatch.setattr(LocMemCache, "incr", fail)
        with time_machine.travel("2026-10-01T10:00:15Z", tick=False) as clock:
            first = [caller.get("/api/v1/keys").status_code for _ in range(3)]
            asked_first = len(asked)
            clock.shift(10)
            later = [caller.get("/api/v1/keys").status_code for _ in range(3)]

        assert first + later == [200] * 6
        assert (asked_first, len(asked)) == (1, 2)


class TestWaitAfterGuess:
    def test_slows_down_only_the_guesser(self, caller, client, settings):
        """X8."""
        settings.STIPEND_RATE_LIMIT = "2/minute"

        def guess(address: str) -> int:
            status: int = client.get(
                "/api/v1/keys", headers={"X-API-KEY": "wrong"}, REMOTE_ADDR=address
            ).status_code
            return status

        with time_machine.travel("2026-10-01T10:00:15Z", tick=False):
            guesses = [guess("192.0.2.1") for _ in range(3)]
            others = guess("192.0.2.2")
            answer = caller.get("/api/v1/keys", REMOTE_ADDR="192.0.2.1")

        assert guesses == [401, 401, 429]
        assert others == 401
        assert answer.status_code == 200
