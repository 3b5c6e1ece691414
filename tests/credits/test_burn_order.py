"""Who pays first (R35)."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import permutations

import pytest

from credits import burn_order
from credits.book import GrantType
from credits.burn_order import Share
from tests.credits.paper import APRIL, FEBRUARY, JANUARY, MARCH, a_grant

AUGUST = datetime(2026, 8, 15, tzinfo=UTC)
SEPTEMBER = datetime(2026, 9, 1, tzinfo=UTC)
MOMENT = timedelta(microseconds=1)


class TestRank:
    def test_puts_the_lower_priority_number_first(self):
        first = a_grant(priority=0, expires_at=None)
        second = a_grant(priority=1, expires_at=FEBRUARY, type=GrantType.PROMOTIONAL)

        assert burn_order.rank(first) < burn_order.rank(second)

    def test_puts_the_sooner_expiry_first_at_equal_priority(self):
        first = a_grant(expires_at=FEBRUARY)
        second = a_grant(expires_at=FEBRUARY + MOMENT, type=GrantType.PROMOTIONAL)

        assert burn_order.rank(first) < burn_order.rank(second)

    def test_takes_never_as_the_last_expiry(self):
        first = a_grant(expires_at=datetime(9999, 12, 31, tzinfo=UTC))
        second = a_grant(expires_at=None, type=GrantType.PROMOTIONAL)

        assert burn_order.rank(first) < burn_order.rank(second)

    @pytest.mark.parametrize("other", [GrantType.PAID, GrantType.RECURRING])
    def test_puts_promotional_before_others_at_equal_expiry(self, other):
        first = a_grant(type=GrantType.PROMOTIONAL, effective_at=MARCH)
        second = a_grant(type=other, effective_at=JANUARY)

        assert burn_order.rank(first) < burn_order.rank(second)

    def test_makes_no_difference_between_paid_and_recurring(self):
        paid = a_grant(type=GrantType.PAID)
        recurring = a_grant(type=GrantType.RECURRING)

        assert burn_order.rank(paid) == burn_order.rank(recurring)

    def test_puts_the_earlier_effective_first_at_equal_kind(self):
        first = a_grant(effective_at=JANUARY, created_at=MARCH)
        second = a_grant(effective_at=JANUARY + MOMENT, created_at=JANUARY)

        assert burn_order.rank(first) < burn_order.rank(second)

    def test_puts_the_earlier_created_first_last_of_all(self):
        first = a_grant(created_at=JANUARY)
        second = a_grant(created_at=JANUARY + MOMENT)

        assert burn_order.rank(first) < burn_order.rank(second)


class TestOrdered:
    def test_gives_one_order_whatever_the_order_of_arrival(self):
        grants = [
            a_grant(priority=1, expires_at=SEPTEMBER, type=GrantType.PROMOTIONAL),
            a_grant(priority=1, expires_at=SEPTEMBER, effective_at=JANUARY),
            a_grant(priority=1, expires_at=SEPTEMBER, effective_at=FEBRUARY),
            a_grant(priority=1),
            a_grant(priority=2, expires_at=AUGUST),
        ]

        for arrival in permutations(grants):
            assert burn_order.ordered(arrival) == grants

    def test_keeps_the_order_of_making_among_equals(self):
        twins = [a_grant(name="first"), a_grant(name="second"), a_grant(name="third")]

        assert burn_order.ordered(twins) == twins


class TestSplit:
    def the_grants_of_the_example(self):
        paid = a_grant(50, priority=1, expires_at=SEPTEMBER)
        promotional = a_grant(20, priority=1, expires_at=SEPTEMBER, type=GrantType.PROMOTIONAL)
        later = a_grant(100, priority=2, expires_at=AUGUST, type=GrantType.PROMOTIONAL)
        return paid, promotional, later

    def test_lets_promotional_credits_pay_first_at_equal_expiry(self):
        """R35, first example: 60 are needed."""
        paid, promotional, later = self.the_grants_of_the_example()

        shares, unpaid = burn_order.split(Decimal(60), [paid, promotional, later])

        assert shares == [Share(promotional, Decimal(20)), Share(paid, Decimal(40))]
        assert unpaid == 0

    def test_leaves_what_nobody_can_pay_to_the_overdraft(self):
        """R35, second example: another 125 are needed."""
        paid, promotional, later = self.the_grants_of_the_example()
        promotional.consumed, paid.consumed = Decimal(20), Decimal(40)

        shares, unpaid = burn_order.split(Decimal(125), [paid, promotional, later])

        assert shares == [Share(paid, Decimal(10)), Share(later, Decimal(100))]
        assert unpaid == 15

    def test_moves_nothing_itself(self):
        grant = a_grant(100, consumed=30)

        burn_order.split(Decimal(50), [grant])

        assert grant.consumed == 30
        assert not grant.changed

    def test_takes_all_that_is_left_to_the_last_millionth(self):
        first = a_grant("0.000001", expires_at=FEBRUARY)
        second = a_grant("0.1", expires_at=APRIL)

        shares, unpaid = burn_order.split(Decimal("0.100002"), [second, first])

        assert shares == [Share(first, Decimal("0.000001")), Share(second, Decimal("0.1"))]
        assert unpaid == Decimal("0.000001")

    def test_touches_no_grant_for_nothing(self):
        shares, unpaid = burn_order.split(Decimal(0), [a_grant(100)])

        assert (shares, unpaid) == ([], 0)

    def test_passes_by_what_is_used_up(self):
        empty = a_grant(100, consumed=100, expires_at=FEBRUARY)
        full = a_grant(100, expires_at=MARCH)

        shares, unpaid = burn_order.split(Decimal(1), [empty, full])

        assert shares == [Share(full, Decimal(1))]
        assert unpaid == 0

    def test_stops_at_the_grant_that_pays_the_rest(self):
        first = a_grant(100, expires_at=FEBRUARY)
        second = a_grant(100, expires_at=MARCH)

        shares, unpaid = burn_order.split(Decimal(100), [first, second])

        assert shares == [Share(first, Decimal(100))]
        assert unpaid == 0

    def test_owes_everything_without_grants(self):
        assert burn_order.split(Decimal(7), []) == ([], Decimal(7))
