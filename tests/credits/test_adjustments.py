from datetime import timedelta
from decimal import Decimal

import pytest

from credits import adjustments, pools, summaries
from credits.adjustments import Outcome, Share
from credits.book import GrantType, PoolState
from credits.grants import Gift, InvalidGrant
from credits.models import Grant, LedgerEntry, Pool
from tests.credits.pools import START, a_pool, a_pool_of_a_plan, consumed, granted, stored

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)
RESET = START.replace(month=4, day=30)


def paper(pool: Pool, now=START) -> PoolState:
    return summaries.on_paper(stored(pool), now)


def gift(amount: int | str = 50, **fields) -> Gift:
    return Gift(**{"type": GrantType.PAID, "amount": Decimal(amount), "name": "New", **fields})


class TestOfGrant:
    def test_says_the_balance_before_and_after(self):
        pool = a_pool()
        granted(pool, 100)

        found = adjustments.of_grant(paper(pool), gift(50), now=START)

        assert (found.balance_before, found.balance_after, found.at) == (100, 150, START)

    def test_says_where_the_grant_stands_in_the_burn_order(self):
        pool = a_pool()
        granted(pool, name="First", priority=1)
        granted(pool, name="Last", priority=20)

        found = adjustments.of_grant(paper(pool), gift(), now=START)

        assert (found.place, found.paying, found.next_before) == (2, 3, "First")

    def test_says_what_settles_the_overdraft(self):
        """R36: −15 and a grant of 50 make 35."""
        pool = a_pool()
        consumed(pool, 15)

        found = adjustments.of_grant(paper(pool), gift(50), now=START)

        assert (found.balance_before, found.balance_after, found.settled) == (-15, 35, 15)
        assert found.place == 1

    def test_gives_no_place_to_what_the_overdraft_eats_up(self):
        """R36: −15 and a grant of 10 make −5."""
        pool = a_pool()
        consumed(pool, 15)

        found = adjustments.of_grant(paper(pool), gift(10), now=START)

        assert (found.balance_after, found.place, found.paying) == (-5, None, 0)

    def test_looks_at_the_day_on_which_a_later_grant_takes_effect(self):
        pool = a_pool_of_a_plan(5000)
        consumed(pool, 3200)

        later = gift(50, effective_at=RESET)
        found = adjustments.of_grant(paper(pool), later, now=START)

        assert (found.balance_before, found.balance_after, found.at) == (5000, 5050, RESET)
        assert (found.place, found.paying, found.next_before) == (2, 2, "Pro")

    def test_tells_what_a_pending_grant_will_do_once_it_is_paid(self):
        found = adjustments.of_grant(PoolState(pk=0), gift(50, payment_pending=True), now=START)

        assert (found.balance_before, found.balance_after) == (0, 50)

    def test_multiplies_the_unit_cost(self):
        found = adjustments.of_grant(
            PoolState(pk=0), gift(300, unit_cost=Decimal("0.02")), now=START
        )

        assert found.cost == 6

    def test_refuses_what_could_not_be_granted(self):
        with pytest.raises(InvalidGrant):
            adjustments.of_grant(PoolState(pk=0), gift(0), now=START)

    def test_is_what_happens(self):
        pool = a_pool_of_a_plan(100)
        consumed(pool, 130)
        granted(pool, 10, priority=1)

        found = adjustments.of_grant(paper(pool), gift(90), now=START)
        grant = granted(pool, 90, name="New")

        assert pools.standing(stored(pool), START).balance == found.balance_after
        assert summaries.grant_line(stored_grant(grant), START).place == found.place

    def test_writes_nothing(self):
        pool = a_pool()

        adjustments.of_grant(paper(pool), gift(), now=START)

        assert (Grant.objects.count(), LedgerEntry.objects.count()) == (0, 0)


def stored_grant(grant: Grant) -> Grant:
    return Grant.objects.select_related("pool").get(pk=grant.pk)


class TestOfSubtraction:
    def test_says_who_pays(self):
        """R35: the gift first, then what expires last."""
        pool = a_pool()
        granted(pool, 20, name="Gift", priority=1)
        granted(pool, 50, name="Top-up")

        found = adjustments.of_subtraction(paper(pool), Decimal(30), now=START)

        assert found == Outcome(
            at=START,
            balance_before=Decimal(70),
            balance_after=Decimal(40),
            shares=(Share("Gift", Decimal(20)), Share("Top-up", Decimal(10))),
        )

    def test_says_what_nobody_can_pay(self):
        pool = a_pool()
        granted(pool, 10)

        found = adjustments.of_subtraction(paper(pool), Decimal(25), now=START)

        assert found.balance_after == -15
        assert found.shares[-1] == Share("Overdraft", Decimal(15), is_overdraft=True)

    def test_leaves_the_pool_on_paper_as_it_was(self):
        pool = a_pool()
        granted(pool, 10)
        state = paper(pool)

        adjustments.of_subtraction(state, Decimal(25), now=START)

        assert (state.balance, state.entries, state.overdraft) == (10, [], None)
