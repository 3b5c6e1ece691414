from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from credits import consumption, explanation, grants, past, resets, summaries
from credits.book import GrantType
from credits.consumption import Demand
from credits.explanation import Explanation, Key, Kind
from credits.models import Pool
from tests.builders import a_metered_feature
from tests.credits.pools import START, a_pool, a_pool_of_a_plan, consumed, granted, stored
from workspace.actors import SYSTEM, Actor, ActorKind

pytestmark = pytest.mark.django_db

ALICE = Actor(ActorKind.USER, "1", "Alice")
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
MOMENT = timedelta.resolution
RESET = START.replace(month=4, day=30)
NEXT_RESET = START.replace(month=5, day=31)


def explained(
    pool: Pool, since: datetime, until: datetime, *, now: datetime | None = None, **options: bool
) -> Explanation:
    state = summaries.on_paper(stored(pool), now or until)
    return explanation.explain(state, since=since, until=until, **options)


def lines(found: Explanation) -> list[tuple[str, Decimal, int]]:
    return [(line.key.kind.value, line.amount, line.count) for line in found.lines]


def taken(pool: Pool, amount: int, *, now: datetime) -> None:
    """Credits that a person took away."""
    demand = Demand(Decimal(amount), f"person {now}", now, reason="Refund")
    consumption.consume(pool_id=pool.pk, demand=demand, actor=ALICE, now=now)


@pytest.fixture
def pool() -> Pool:
    """5,000 a month; 1,000 for good and 250 for ten days; 4,438 used, 300 taken, 200 voided.

    After the reset: 5,000 anew, and 60 more are used.
    """
    pool = a_pool_of_a_plan(5000)
    images, films = a_metered_feature("Images"), a_metered_feature("Films", event_name="film")
    granted(pool, 1000, name="Order 4711", now=START + DAY)
    free = {"type": GrantType.PROMOTIONAL, "priority": 20, "expires_at": START + 10 * DAY}
    granted(pool, 250, name="Gift", now=START + DAY, **free)
    consumed(pool, 4000, feature=images, now=START + 2 * DAY)
    consumed(pool, 400, feature=films, now=START + 3 * DAY)
    consumed(pool, 38, now=START + 3 * DAY)
    taken(pool, 300, now=START + 4 * DAY)
    spare = granted(pool, 200, name="Mistake", now=START + 5 * DAY)
    grants.void(grant_id=spare.public_id, reason="A mistake", actor=ALICE, now=START + 6 * DAY)
    consumed(pool, 60, feature=images, now=RESET + DAY)
    return pool


class TestExplain:
    def test_says_what_came_and_what_went(self, pool):
        """5,000 + 1,000 + 250 + 200 − 4,438 − 300 − 250 expired − 200 voided = 1,262."""
        found = explained(pool, START, RESET)

        assert (found.opening, found.closing) == (0, 1262)
        assert lines(found) == [
            ("granted", 5000, 1),
            ("granted", 1000, 1),
            ("granted", 250, 1),
            ("granted", 200, 1),
            ("used", -4000, 1),
            ("used", -400, 1),
            ("used", -38, 1),
            ("taken", -300, 1),
            ("expired", -250, 1),
            ("voided", -200, 1),
        ]
        assert [line.feature for line in found.lines if line.key.kind == Kind.USED] == [
            "Images",
            "Films",
            "",
        ]

    def test_begins_with_what_was_left_and_counts_the_reset_at_its_instant(self, pool):
        found = explained(pool, RESET, RESET + 2 * DAY)

        assert (found.opening, found.closing) == (1262, 5940)
        assert lines(found) == [("granted", 5000, 1), ("used", -60, 1), ("expired", -262, 1)]

    def test_counts_what_nobody_has_written_down_yet(self):
        pool = a_pool_of_a_plan(5000)
        consumed(pool, 3200, now=START + DAY)

        before = explained(pool, RESET, RESET + DAY)
        resets.sweep(now=RESET + DAY, seconds=5)

        assert lines(before) == [("granted", 5000, 1), ("expired", -1800, 1)]
        assert lines(explained(pool, RESET, RESET + DAY)) == lines(before)

    def test_tells_what_was_known_in_an_outage_from_what_was_true(self):
        """R24: the reset was written two days late, and so it was known."""
        pool = a_pool_of_a_plan(5000)
        consumed(pool, 3200)
        resets.sweep(now=RESET + 2 * DAY, seconds=5)
        now = RESET + 3 * DAY

        true = explained(pool, RESET, RESET + DAY, now=now)
        known = explained(pool, RESET, RESET + DAY, now=now, as_known=True)
        later = explained(pool, RESET + DAY, now, now=now, as_known=True)

        assert (true.opening, true.closing, len(true.lines)) == (1800, 5000, 2)
        assert (known.opening, known.closing, known.lines) == (1800, 1800, ())
        assert (later.opening, later.closing) == (1800, 5000)
        assert lines(later) == lines(true)

    def test_knows_nothing_that_is_not_written(self):
        pool = a_pool_of_a_plan(5000)

        known = explained(pool, RESET, RESET + DAY, as_known=True)

        assert (known.opening, known.closing, known.lines) == (5000, 5000, ())

    def test_shows_that_moving_consumption_changes_nothing(self):
        """R36: 25 owed, then 50 granted: 25 are left."""
        pool = a_pool()
        consumed(pool, 25)
        granted(pool, 50, now=START + HOUR)

        found = explained(pool, START, START + DAY)

        assert lines(found) == [("granted", 50, 1), ("used", -25, 1), ("moved", 0, 2)]
        assert found.closing == 25

    def test_counts_edits_which_move_nothing(self):
        pool = a_pool()
        gift = granted(pool, 50)
        edit = grants.Edit(
            name="Thanks",
            comment="",
            priority=1,
            effective_at=gift.effective_at,
            expires_at=None,
            metadata={},
        )
        grants.edit(grant_id=gift.public_id, edit=edit, actor=ALICE, now=START + HOUR)

        assert lines(explained(pool, START, START + DAY)) == [("granted", 50, 1), ("edited", 0, 1)]

    def test_joins_earlier_grants_where_there_are_many(self):
        pool = a_pool()
        for number in range(explanation.MOST_GRANTS + 3):
            granted(pool, 10 + number)

        found = explained(pool, START, START + DAY)

        singles = [line for line in found.lines if line.key.kind == Kind.GRANTED]
        assert [line.amount for line in singles] == [13 + number for number in range(20)]
        assert lines(found)[20:] == [("earlier", 10 + 11 + 12, 3)]

    def test_has_no_lines_where_nothing_moved(self, pool):
        found = explained(pool, START - DAY, START)

        assert (found.opening, found.closing, found.lines) == (0, 0, ())

    def test_agrees_with_the_past_at_every_instant(self, pool):
        instants = [START + number * 6 * HOUR for number in range(4 * 65)]
        state = summaries.on_paper(stored(pool), NEXT_RESET + 9 * DAY)

        for at in instants:
            found = explanation.explain(state, since=START + HOUR, until=at + MOMENT)
            if at > START + HOUR:
                assert found.closing == past.balance(state, at=at)
                moved = sum(line.amount for line in found.lines)
                assert found.opening + moved == found.closing

    def test_takes_four_queries_however_much_moved(self, pool):
        for _ in range(explanation.MOST_GRANTS + 5):
            granted(pool, 10, now=RESET + DAY)
            consumed(pool, 5, feature=a_metered_feature(), now=RESET + DAY)
        state = summaries.on_paper(stored(pool), NEXT_RESET)

        with CaptureQueriesContext(connection) as queries:
            explanation.explain(state, since=START, until=NEXT_RESET)

        assert len(queries) == 4


class TestProofs:
    def proofs(self, pool: Pool, kind: Kind, **options: int) -> explanation.Proofs:
        state = summaries.on_paper(stored(pool), RESET + 2 * DAY)
        found = explanation.explain(state, since=START, until=RESET + 2 * DAY)
        line = next(line for line in found.lines if line.key.kind == kind)
        return explanation.proofs(state, found, line, **options)

    def test_are_the_entries_that_a_line_adds_up(self, pool):
        [recent, first] = self.proofs(pool, Kind.USED).found

        assert (first.entry.amount, recent.entry.amount) == (-4000, -60)
        assert (first.entry.balance_before, first.entry.balance_after) == (6250, 2250)
        assert first.reason.sentence == "4,000 for Images. The rule was not kept at that time."

    def test_are_told_apart_by_who_took_the_credits(self, pool):
        [proof] = self.proofs(pool, Kind.TAKEN).found

        assert (proof.entry.amount, proof.entry.actor, proof.reason.rule) == (-300, "Alice", "R50")

    def test_come_in_pages(self):
        pool = a_pool()
        for _ in range(5):
            consumed(pool, 10)

        first = self.proofs(pool, Kind.USED, size=2)
        assert first.older is not None
        second = self.proofs(pool, Kind.USED, size=2, before=first.older)
        assert second.older is not None
        third = self.proofs(pool, Kind.USED, size=2, before=second.older)

        numbers = [proof.entry.number for page in (first, second, third) for proof in page.found]
        assert (numbers, third.older) == ([5, 4, 3, 2, 1], None)

    def test_of_earlier_grants_leave_out_those_with_a_line(self):
        pool = a_pool()
        for _ in range(explanation.MOST_GRANTS + 3):
            granted(pool, 10)

        found = self.proofs(pool, Kind.EARLIER)

        assert [proof.entry.number for proof in found.found] == [3, 2, 1]

    def test_may_not_be_written_down_yet(self):
        pool = a_pool_of_a_plan(5000)

        [proof] = self.proofs(pool, Kind.EXPIRED).found

        assert (proof.entry.pk, proof.entry.number, proof.entry.amount) == (None, 2, -5000)
        assert (proof.entry.actor, proof.reason.rule) == (SYSTEM.name, "R21")

    def test_take_two_queries_however_many(self):
        pool = a_pool()
        for _ in range(6):
            consumed(pool, 10)
            granted(pool, 20)
        state = summaries.on_paper(stored(pool), START)
        found = explanation.explain(state, since=START, until=START + DAY)

        for line in found.lines:
            with CaptureQueriesContext(connection) as queries:
                explanation.proofs(state, found, line)
            assert len(queries) <= 2


class TestKey:
    @pytest.mark.parametrize("key", [Key(Kind.USED), Key(Kind.USED, 12), Key(Kind.EXPIRED)])
    def test_is_read_as_it_was_written(self, key):
        assert Key.parse(str(key)) == key

    @pytest.mark.parametrize("text", ["", "-", "used-", "used-x", "nonsense", "used--1", "used-²"])
    def test_is_nothing_else(self, text):
        assert Key.parse(text) is None
