"""Work of many rows, done one by one in the background."""

import logging
from collections.abc import Sequence

import pytest
from django.db import OperationalError

from workspace import runs
from workspace.actors import SYSTEM
from workspace.errors import Busy, Conflict
from workspace.models.runs import Run, in_the_name_of
from workspace.runs import Worked


class RowOfTrouble:
    """Does its work by raising `error`, if it has one; remembers what was noted."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.noted: list[str] = []

    def work(self) -> None:
        if self.error is not None:
            raise self.error

    def attempt(self) -> bool:
        return runs.attempt(self.work, self.noted.append)


class TestAttempt:
    def test_does_the_work_and_notes_nothing(self):
        row = RowOfTrouble()

        assert row.attempt()

        assert row.noted == []

    def test_notes_what_the_domain_refuses(self):
        row = RowOfTrouble(Conflict("It is over." + "!" * 300))

        assert row.attempt()

        assert row.noted == ["It is over." + "!" * 244]

    def test_notes_what_nobody_expected_and_logs_it(self, caplog):
        row = RowOfTrouble(ZeroDivisionError("secret"))

        with caplog.at_level(logging.ERROR):
            assert row.attempt()

        assert row.noted[0].startswith("Something went wrong on our side; trace id ")
        assert caplog.messages == ["A row of a run failed."]

    @pytest.mark.parametrize("error", [Busy("Wait."), OperationalError("locked")])
    def test_leaves_what_is_busy_for_later(self, error):
        row = RowOfTrouble(error)

        assert not row.attempt()

        assert row.noted == []


class TestWorkOff:
    def batches(self, after: int) -> Sequence[int]:
        return [key for key in range(1, 8) if key > after][:3]

    def test_works_on_every_row_once_and_counts_what_was_tried(self):
        worked: list[int] = []

        def work(key: int) -> bool:
            worked.append(key)
            return key != 4  # which is busy

        assert runs.work_off(self.batches, work, until=runs.deadline()) == Worked(6, True)

        assert worked == [1, 2, 3, 4, 5, 6, 7]

    def test_leaves_the_rest_when_the_time_is_over(self):
        assert runs.work_off(self.batches, lambda key: True, until=0) == Worked(0, False)


class TestRun:
    def test_acts_in_the_name_of_whoever_said_so(self):
        class Painting(Run):
            class Meta:
                app_label = "workspace"
                managed = False

        assert Painting(**in_the_name_of(SYSTEM)).actor == SYSTEM
