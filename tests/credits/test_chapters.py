"""Sums of chapters say what their entries say; chapters of these tests have few entries."""

import re
import time
from datetime import timedelta
from decimal import Decimal

import pytest
from django.conf import settings
from django.db import connection
from django.db.models import Q
from django.test.utils import CaptureQueriesContext

from credits import (
    chapters,
    charts,
    consumption,
    explanation,
    outlook,
    statements,
    summaries,
    tasks,
    verification,
)
from credits.book import EntryType
from credits.charts import Reach
from credits.consumption import Demand
from credits.explanation import Kind
from credits.models import ChapterSum, DimensionSum, LedgerEntry, Pool
from credits.models.ledger import EndsChapter
from credits.statements import Filter
from credits.verification import Rule
from tests.builders import a_metered_feature
from tests.credits.pools import START, a_pool_of_a_plan, consumed, granted, stored
from workspace.actors import Actor, ActorKind

pytestmark = pytest.mark.django_db

ALICE = Actor(ActorKind.USER, "1", "Alice")
LENGTH = 4
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
NOW = START + 10 * DAY


@pytest.fixture(autouse=True)
def _short_chapters(monkeypatch):
    monkeypatch.setattr(chapters, "CHAPTER", LENGTH)
    monkeypatch.setattr(chapters, "MOST_BY_DIMENSION", 4)
    monkeypatch.setattr(EndsChapter, "template", EndsChapter.template.replace("2000", str(LENGTH)))


@pytest.fixture
def pool() -> Pool:
    """26 entries in ten days: grants, use of two features and models, late, and by a person."""
    pool = a_pool_of_a_plan(5000)
    images, films = a_metered_feature("Images"), a_metered_feature("Films", event_name="film")
    for day in range(5):
        at = START + day * DAY + HOUR / 2
        large = {"model": "large", "tokens": day}
        small = {"model": "small", "tokens": 20 + day}
        consumed(pool, 10 + day, feature=images, now=at, dimensions=large)
        consumed(pool, 3, feature=films, now=at + HOUR, used_at=at - DAY, dimensions=small)
        consumed(pool, 1, now=at + 2 * HOUR, dimensions={"tokens": 10 + day})
        demand = Demand(Decimal(2), f"by hand {day}", at + 3 * HOUR, reason="Refund")
        consumption.consume(pool_id=pool.pk, demand=demand, actor=ALICE, now=at + 3 * HOUR)
        granted(pool, 100, now=at + 4 * HOUR, name=f"Order {day}")
    assert stored(pool).last_entry_number == 26
    return pool


def sum_up() -> int:
    return chapters.sum_up_due(until=time.monotonic() + 60)


class TestSumUpDue:
    def test_adds_up_full_chapters_once(self, pool):
        assert (sum_up(), sum_up()) == (6, 0)

        assert chapters.summed_up_to(pool.pk, 26) == 24
        amounts = LedgerEntry.objects.filter(pool=pool, number__lte=24).values_list("amount")
        sums = ChapterSum.objects.filter(pool=pool).values_list("amount", "entries")
        assert sum(amount for amount, _ in sums) == sum(amount for (amount,) in amounts)
        assert sum(entries for _, entries in sums) == 24

    def test_writes_nothing_for_a_chapter_that_another_worker_has_added_up(self, pool):
        sum_up()
        before = list(ChapterSum.objects.values())

        chapters.sum_up(pool_id=pool.pk, ends_with=LENGTH)

        assert list(ChapterSum.objects.values()) == before

    def test_passes_over_what_it_cannot_add_up_with_all_that_follows(self, pool, monkeypatch):
        other = a_pool_of_a_plan(50)
        for number in range(1, LENGTH):
            consumed(other, number, now=START + HOUR)
        sum_up_one = chapters.sum_up

        def fail(*, pool_id: int, ends_with: int) -> None:
            if (pool_id, ends_with) == (pool.pk, 2 * LENGTH):
                raise ArithmeticError
            sum_up_one(pool_id=pool_id, ends_with=ends_with)

        monkeypatch.setattr(chapters, "sum_up", fail)

        assert sum_up() == 2
        assert chapters.summed_up_to(pool.pk, 26) == LENGTH
        assert chapters.summed_up_to(other.pk, LENGTH) == LENGTH

    def test_stops_when_its_time_is_over(self, pool):
        assert chapters.sum_up_due(until=time.monotonic()) == 0
        assert not ChapterSum.objects.exists()


def everything(pool: Pool) -> list[object]:
    """What screens say of a pool, of all of its time and of parts of it."""
    row = stored(pool)
    state = summaries.on_paper(row, NOW)
    said: list[object] = []
    for since, until in (
        (START, NOW),
        (START + DAY, NOW - 6 * DAY),
        (START + 4 * DAY, START + 4 * DAY + 2 * HOUR),
        (START - DAY, START + HOUR),
    ):
        for as_known in (False, True):
            found = explanation.explain(state, since=since, until=until, as_known=as_known)
            said.append(found)
            for line in found.lines:
                shown = explanation.proofs(state, found, line, size=3)
                said.append([each.entry.number for each in shown.found])
                if shown.older:
                    more = explanation.proofs(state, found, line, size=3, before=shown.older)
                    said.append([each.entry.number for each in more.found])
        only = Filter(since=since, until=until)
        said.append(statements.statement(row, state, only=only))
    said += [
        charts.over_time(row, *charts.span(reach, NOW), dimension=dimension)
        for reach in Reach
        for dimension in ("", "model", "tokens", "region")
    ]
    said.append(outlook.habits(row, now=NOW))
    said.append(outlook.habits(row, now=START + DAY + HOUR / 2))
    return said


def by_model(pool: Pool) -> dict[str, Decimal]:
    use = charts.over_time(stored(pool), *charts.span(Reach.MONTH, NOW), dimension="model")
    return {part.name: part.total for part in use.parts}


class TestReaders:
    @pytest.mark.parametrize("summed", [4, 12, 24])
    def test_say_the_same_with_sums_as_without(self, pool, summed):
        before = everything(pool)
        for ends_with in range(LENGTH, summed + 1, LENGTH):
            chapters.sum_up(pool_id=pool.pk, ends_with=ends_with)

        assert everything(pool) == before

    def test_believe_the_sums(self, pool):
        """So the test above compares what was read in different ways."""
        sum_up()
        ChapterSum.objects.filter(type=EntryType.CONSUMED).update(amount=Decimal(-1000))
        row = stored(pool)
        state = summaries.on_paper(row, NOW)

        found = explanation.explain(state, since=START, until=NOW)

        used = sum(line.amount for line in found.lines if line.key.kind == Kind.USED)
        assert used < -5000
        assert charts.over_time(row, *charts.span(Reach.MONTH, NOW)).total > 5000
        assert by_model(row)["Without model"] > 5000
        assert outlook.habits(row, now=NOW).use.amount > 5000
        [fault, *_] = verification.verify([pool.pk], NOW)
        assert (fault.rule, fault.pool_id) == (Rule.CHAPTERS, pool.pk)
        ChapterSum.objects.all().delete()

    def test_believe_the_sums_by_dimension(self, pool):
        sum_up()
        DimensionSum.objects.filter(value="small").update(amount=Decimal(-1))

        assert by_model(pool) == {"large": 60, "small": 5, "Without model": 25}
        faults = list(verification.verify([pool.pk], NOW))
        assert {(fault.rule, fault.pool_id) for fault in faults} == {(Rule.CHAPTERS, pool.pk)}
        assert "up to entry 4 " in faults[0].detail
        DimensionSum.objects.all().delete()
        ChapterSum.objects.all().delete()

    def test_add_entries_one_by_one_only_beyond_the_sums(self, pool):
        sum_up()

        with CaptureQueriesContext(connection) as queries:
            totals = list(chapters.totals(pool.pk, after=1, until=26))

        assert sum(total.entries for total in totals) == 25
        assert len(queries) == 4
        assert '"number" <= 4' in queries[2]["sql"]
        assert '"number" > 24' in queries[3]["sql"]


def latest(pool: Pool, kind: EntryType, *, at_most: int, until: int) -> tuple[list[int], object]:
    """Numbers of the entries found; and above which bounds each look at entries went."""
    only = Q(type=kind.value)
    rows = LedgerEntry.objects.filter(only, pool=pool)
    with CaptureQueriesContext(connection) as queries:
        found = chapters.latest(
            rows, pool_id=pool.pk, only=only, at_most=at_most, after=0, until=until
        )
    looked = [query["sql"] for query in queries if "ledgerentry" in query["sql"]]
    bounds = [re.findall(r'"number" > (\d+)', sql) for sql in looked]
    return [entry.number for entry in found], bounds


class TestLatest:
    def test_looks_only_where_sums_say_that_something_is_found(self, pool):
        """26 is beyond the sums; orders are 6, 11, 16, 21 and 26."""
        sum_up()

        found = latest(pool, EntryType.GRANTED, at_most=3, until=26)

        assert found == ([26, 21, 16], [["24"], ["20", "12"]])

    def test_takes_the_last_only_of_a_chapter_that_holds_many(self, pool):
        """From 17 to 24 all but 21 are use."""
        sum_up()

        found = latest(pool, EntryType.CONSUMED, at_most=5, until=24)

        assert found == ([24, 23, 22, 20, 19], [["24"], ["20"], ["16"]])


class TestTask:
    def test_is_run_by_the_worker_and_says_how_many(self, pool):
        assert "credits.tasks.sum_up_chapters" in settings.STIPEND_SWEEPS
        assert tasks.sum_up_chapters() == "6 chapters added up"


class TestBounds:
    def test_lie_at_most_a_chapter_beyond_what_is_asked_for(self, pool):
        since, until = START + DAY, START + 2 * DAY

        where = chapters.bounds(pool.pk, 26, since=since, until=until)

        found = list(LedgerEntry.objects.filter(where, pool=pool).order_by("number"))
        within = [entry.number for entry in found if since <= entry.effective_at < until]
        assert within == [7, 8, 9, 10, 11]
        assert len(found) <= len(within) + 2 * LENGTH
