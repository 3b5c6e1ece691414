from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from credits import grants, resets, statements, summaries
from credits.book import EntryType
from credits.models import LedgerEntry, Pool
from credits.statements import Filter, Origin, Statement
from tests.builders import a_metered_feature
from tests.credits.pools import START, a_pool, a_pool_of_a_plan, consumed, granted, stored
from workspace.actors import SYSTEM

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)
RESET = START.replace(month=4, day=30)
NOTHING_HIDDEN = Filter()


def read(pool: Pool, now=START, only=NOTHING_HIDDEN, **options) -> Statement:
    row = stored(pool)
    return statements.statement(row, summaries.on_paper(row, now), only=only, **options)


def numbers(statement: Statement) -> list[int]:
    return [line.number for line in statement.lines]


class TestStatement:
    def test_begins_with_the_latest_entry(self):
        pool = a_pool()
        granted(pool, 100, name="Welcome")
        consumed(pool, 30)

        latest, first = read(pool).lines

        assert (latest.number, latest.label, latest.amount) == (2, "Consumed", -30)
        assert (latest.balance_before, latest.balance_after) == (100, 70)
        assert (latest.source, latest.grant) == ("Direct consumption", "Welcome")
        assert (first.label, first.source, first.amount) == ("Granted", "Manual top-up", 100)

    def test_names_the_feature_that_was_used(self):
        pool = a_pool()
        granted(pool)
        consumed(pool, 10, feature=a_metered_feature("AI Image Generation"))

        assert read(pool).lines[0].source == "AI Image Generation"

    def test_shows_what_time_did_and_nobody_has_written(self):
        """R21: −1,800 expired, +5,000 granted, at the first instant of the new period."""
        pool = a_pool_of_a_plan(5000)
        consumed(pool, 3200)

        lines = read(pool, RESET).lines

        assert [(line.number, line.type, line.amount, line.balance_after) for line in lines] == [
            (4, EntryType.GRANTED, 5000, 5000),
            (3, EntryType.EXPIRED, -1800, 0),
            (2, EntryType.CONSUMED, -3200, 1800),
            (1, EntryType.GRANTED, 5000, 5000),
        ]
        assert [line.recorded_at for line in lines[:2]] == [None, None]
        assert {line.effective_at for line in lines[:2]} == {RESET}

    def test_says_the_same_before_and_after_the_worker_wrote(self):
        pool = a_pool_of_a_plan(5000)
        consumed(pool, 5200)

        def told():
            return [
                (line.number, line.type, line.source, line.grant, line.amount, line.actor)
                for line in read(pool, RESET).lines
            ]

        before = told()
        resets.sweep(now=RESET, seconds=5)

        assert told() == before
        assert LedgerEntry.objects.filter(pool=pool).count() == len(before)

    def test_ignores_what_was_written_after_the_pool_was_read(self):
        pool = a_pool_of_a_plan(5000)
        row = stored(pool)
        state = summaries.on_paper(row, RESET)
        resets.sweep(now=RESET, seconds=5)

        found = statements.statement(row, state, only=NOTHING_HIDDEN)

        assert numbers(found) == [3, 2, 1]

    @pytest.mark.parametrize("is_written", [True, False])
    def test_finds_what_time_did_by_its_source(self, is_written):
        pool = a_pool_of_a_plan(5000)
        granted(pool, 10, expires_at=RESET)
        if is_written:
            resets.sweep(now=RESET, seconds=5)

        assert numbers(read(pool, RESET, Filter(origin=Origin.TOP_UP))) == [4, 2]
        assert numbers(read(pool, RESET, Filter(origin=Origin.PLAN))) == [5, 3, 1]
        assert numbers(read(pool, RESET, Filter(origin=Origin.ADDON))) == []
        assert numbers(read(pool, RESET, Filter(feature_id=1))) == []

    def test_pages_by_entry_number_both_ways(self):
        pool = a_pool()
        for _ in range(7):
            granted(pool, 1)

        newest = read(pool, size=3)
        older = read(pool, before=5, size=3)
        oldest = read(pool, before=2, size=3)
        back = read(pool, after=1, size=3)

        assert (numbers(newest), newest.has_newer, newest.has_older) == ([7, 6, 5], False, True)
        assert (numbers(older), older.has_newer, older.has_older) == ([4, 3, 2], True, True)
        assert (numbers(oldest), oldest.has_newer, oldest.has_older) == ([1], True, False)
        assert (numbers(back), back.has_newer, back.has_older) == ([4, 3, 2], True, True)

    def test_pages_across_what_is_not_written_yet(self):
        pool = a_pool_of_a_plan(5000)
        consumed(pool, 10)

        newest = read(pool, RESET, size=3)
        older = read(pool, RESET, before=2, size=3)

        assert (numbers(newest), numbers(older)) == ([4, 3, 2], [1])

    def test_shows_one_type_only(self):
        pool = a_pool_of_a_plan(5000)
        consumed(pool, 10)

        only = Filter(type=EntryType.GRANTED)

        assert numbers(read(pool, RESET, only)) == [4, 1]

    def test_shows_a_stretch_of_time_only(self):
        pool = a_pool_of_a_plan(5000)
        consumed(pool, 10, now=START + DAY)

        within = Filter(since=START + DAY, until=RESET)

        assert numbers(read(pool, RESET, within)) == [2]

    def test_tells_the_reason_of_a_person(self):
        pool = a_pool()
        grant = granted(pool)
        grants.void(grant_id=grant.public_id, reason="By mistake", actor=SYSTEM, now=START)

        latest = read(pool).lines[0]

        assert (latest.label, latest.reason) == ("Voided", "By mistake")

    def test_takes_one_query(self):
        pool = a_pool()
        for _ in range(5):
            granted(pool)
        row = stored(pool)
        state = summaries.on_paper(row, START)

        with CaptureQueriesContext(connection) as queries:
            statements.statement(row, state, only=NOTHING_HIDDEN)

        assert len(queries) == 1
