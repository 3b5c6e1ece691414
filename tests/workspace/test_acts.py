import sqlite3
from datetime import timedelta
from threading import Barrier, Thread

import pytest
from django.db import OperationalError, connection, transaction
from django.test.utils import CaptureQueriesContext

from tests.workspace.builders import NOW
from workspace import acts
from workspace.acts import (
    Answer,
    IdempotencyKeyReused,
    InvalidIdempotencyKey,
    TooBusy,
    act,
    act_of_one_statement,
    once,
)
from workspace.errors import Conflict
from workspace.models import IdempotentAnswer, User


class DriverError(Exception):
    def __init__(self, sqlstate: str) -> None:
        self.sqlstate = sqlstate


def a_database_error(cause: Exception) -> OperationalError:
    error = OperationalError("the database says no")
    error.__cause__ = cause
    return error


def a_sqlite_error(code: int) -> OperationalError:
    cause = sqlite3.OperationalError("database is locked")
    cause.sqlite_errorcode = code
    return a_database_error(cause)


@act
def add_user(*, name: str) -> str:
    User.objects.create(username=name)
    return f"{name} is here"


PASSING = [
    a_database_error(DriverError("40001")),
    a_database_error(DriverError("40P01")),
    a_database_error(DriverError("55P03")),
    a_sqlite_error(sqlite3.SQLITE_BUSY),
    a_sqlite_error(sqlite3.SQLITE_LOCKED),
    a_sqlite_error(sqlite3.SQLITE_BUSY_SNAPSHOT),
]


@pytest.fixture
def pauses(monkeypatch):
    taken: list[float] = []
    monkeypatch.setattr("time.sleep", taken.append)
    return taken


class Failing:
    """A verb that adds a user and then fails, `times` times."""

    def __init__(self, times: int, error: Exception) -> None:
        self.times, self.error, self.calls = times, error, 0

    @act
    def __call__(self, *, name: str) -> str:
        self.calls += 1
        User.objects.create(username=name)
        if self.calls <= self.times:
            raise self.error
        return f"{name} is here"


@pytest.mark.django_db
class TestAct:
    def test_hands_back_what_the_verb_says(self):
        assert add_user(name="ada") == "ada is here"
        assert User.objects.count() == 1

    def test_leaves_nothing_behind_when_the_verb_refuses(self):
        with pytest.raises(Conflict):
            Failing(1, Conflict("No."))(name="ada")

        assert not User.objects.exists()

    @pytest.mark.parametrize("error", PASSING, ids=str)
    def test_tries_again_what_others_were_in_the_way_of(self, error, pauses):
        """F14."""
        verb = Failing(4, error)

        assert verb(name="ada") == "ada is here"
        assert verb.calls == 5
        assert len(pauses) == 4
        assert all(0 <= pause <= acts.LONGEST_PAUSE for pause in pauses)
        assert User.objects.count() == 1

    def test_gives_up_after_five_tries(self, pauses):
        verb = Failing(5, PASSING[0])

        with pytest.raises(TooBusy):
            verb(name="ada")

        assert verb.calls == 5
        assert not User.objects.exists()

    @pytest.mark.parametrize("code", [sqlite3.SQLITE_FULL, sqlite3.SQLITE_READONLY])
    def test_does_not_try_again_what_will_fail_again(self, code, pauses):
        verb = Failing(1, a_sqlite_error(code))

        with pytest.raises(OperationalError):
            verb(name="ada")

        assert verb.calls == 1

    def test_refuses_an_act_inside_an_act(self):
        @act
        def outer() -> None:
            add_user(name="ada")

        with pytest.raises(RuntimeError, match="inside one"):
            outer()

        assert not User.objects.exists()


@pytest.mark.django_db(transaction=True)
class TestActOutsideATest:
    def test_refuses_to_run_inside_a_transaction(self):
        """A verb whose effect could still be rolled back by its caller would be a lie."""
        with pytest.raises(RuntimeError, match="durable"), transaction.atomic():
            add_user(name="ada")


@act_of_one_statement
def count_users() -> int:
    return User.objects.count()


@pytest.mark.django_db(transaction=True)
class TestActOfOneStatement:
    def test_sends_nothing_but_the_statement(self):
        with CaptureQueriesContext(connection) as queries:
            assert count_users() == 0

        assert len(queries) == 1

    def test_is_tried_again_as_any_act(self, pauses):
        failures = [PASSING[0]] * 4

        @act_of_one_statement
        def verb() -> str:
            if failures:
                raise failures.pop()
            return "done"

        assert verb() == "done"
        assert len(pauses) == 4

    def test_refuses_to_run_inside_a_transaction(self):
        with pytest.raises(RuntimeError, match="durable"), transaction.atomic():
            count_users()

    def test_refuses_to_run_inside_an_act(self):
        with pytest.raises(RuntimeError, match="inside one"):
            act(count_users)()


def ask(run, *, key="k-1", fingerprint="same", now=NOW, principal="API_KEY:one"):
    return once(run, principal=principal, key=key, fingerprint=fingerprint, now=now)


def adding(name, status=201):
    """A view: runs one act and answers."""

    def run() -> Answer:
        add_user(name=name)
        return Answer(status, f'{{"name":"{name}"}}')

    return run


@pytest.mark.django_db
class TestOnce:
    def test_answers_a_repeat_as_it_answered_first(self):
        """R40, end."""
        first = ask(adding("ada"))
        again = ask(adding("grace"))

        assert first == Answer(201, '{"name":"ada"}')
        assert again == Answer(201, '{"name":"ada"}', replayed=True)
        assert [user.username for user in User.objects.all()] == ["ada"]

    def test_refuses_other_content(self):
        """R40, end."""
        ask(adding("ada"))

        with pytest.raises(IdempotencyKeyReused):
            ask(adding("grace"), fingerprint="other")

        assert User.objects.count() == 1

    def test_keeps_principals_apart(self):
        ask(adding("ada"))

        answer = ask(adding("grace"), principal="API_KEY:two")

        assert not answer.replayed
        assert User.objects.count() == 2

    def test_remembers_for_a_day(self):
        ask(adding("ada"))

        almost = ask(adding("b"), now=NOW + timedelta(hours=24, microseconds=-1))
        later = ask(adding("c"), fingerprint="other", now=NOW + timedelta(hours=24))
        again = ask(adding("d"), fingerprint="other", now=NOW + timedelta(hours=25))

        assert almost.replayed
        assert not later.replayed
        assert again.replayed
        assert again.body == '{"name":"c"}'
        assert User.objects.count() == 2

    def test_holds_several_acts_together(self):
        def run() -> Answer:
            adding("ada")()
            adding("grace")()
            raise Conflict("No.")

        with pytest.raises(Conflict):
            ask(run)

        assert not User.objects.exists()
        assert not IdempotentAnswer.objects.exists()

    def test_undoes_an_act_that_failed_and_was_forgiven(self):
        def run() -> Answer:
            with pytest.raises(Conflict):
                Failing(1, Conflict("No."))(name="ada")
            return adding("grace")()

        ask(run)

        assert [user.username for user in User.objects.all()] == ["grace"]

    def test_holds_an_act_of_one_statement(self):
        """It is undone with the rest."""

        @act_of_one_statement
        def rename() -> int:
            return User.objects.update(username="grace")

        def run() -> Answer:
            rename()
            raise Conflict("No.")

        add_user(name="ada")

        with pytest.raises(Conflict):
            ask(run)

        assert [user.username for user in User.objects.all()] == ["ada"]

    def test_forgets_a_refusal(self):
        """Nothing happened, so the key may be used for the corrected request."""

        def refused() -> Answer:
            raise Conflict("No.")

        with pytest.raises(Conflict):
            ask(refused, fingerprint="wrong")

        assert not ask(adding("ada"), fingerprint="right").replayed

    def test_tries_the_whole_again(self, pauses):
        verb = Failing(2, PASSING[0])

        def run() -> Answer:
            return Answer(200, verb(name="ada"))

        assert ask(run).body == "ada is here"
        assert verb.calls == 3
        assert User.objects.count() == 1

    @pytest.mark.parametrize("key", ["", "k" * 256, "a\nb", "a\0b"])
    def test_refuses_impossible_keys(self, key):
        with pytest.raises(InvalidIdempotencyKey):
            ask(adding("ada"), key=key)

        assert not User.objects.exists()


@pytest.mark.django_db
class TestTogether:
    def test_makes_several_acts_one(self):
        def add_two_and_fail() -> None:
            add_user(name="one")
            add_user(name="two")
            raise Conflict("No.")

        with pytest.raises(Conflict):
            acts.together(add_two_and_fail)

        assert not User.objects.exists()
        assert acts.together(lambda: add_user(name="one")) == "one is here"
        assert User.objects.count() == 1

    def test_is_a_part_of_what_is_done_once(self):
        def run() -> Answer:
            return Answer(200, acts.together(lambda: add_user(name="one")))

        answer = once(run, principal="p", key="k", fingerprint="f", now=NOW)

        assert answer.body == "one is here"

    def test_refuses_to_run_inside_an_act(self):
        @act
        def outer() -> str:
            return acts.together(lambda: add_user(name="one"))

        with pytest.raises(RuntimeError, match="inside an act"):
            outer()


@pytest.mark.django_db(transaction=True)
class TestOnceAtTheSameMoment:
    def test_takes_effect_once(self):
        """Two identical requests on two connections."""
        ready, answers = Barrier(2), []

        def request(name: str) -> None:
            try:
                ready.wait()
                answers.append(ask(adding(name)))
            finally:
                connection.close()

        threads = [Thread(target=request, args=[name]) for name in ("ada", "grace")]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert sorted(answer.replayed for answer in answers) == [False, True]
        assert answers[0].body == answers[1].body
        assert User.objects.count() == 1


@pytest.mark.django_db
class TestForgetAnswers:
    def test_deletes_what_is_over(self):
        for hours, key in ((0, "old"), (1, "older than a day"), (2, "young")):
            ask(adding(key), key=key, now=NOW + timedelta(hours=hours))

        deleted = acts.forget_answers(now=NOW + timedelta(hours=25, microseconds=1))

        assert deleted == 2
        assert [answer.key for answer in IdempotentAnswer.objects.all()] == ["young"]

    def test_stops_where_it_is_told(self):
        for key in ("a", "b", "c"):
            ask(adding(key), key=key)

        assert acts.forget_answers(now=NOW + timedelta(days=2), at_most=2) == 2
        assert IdempotentAnswer.objects.count() == 1
