"""Yes or no, and why not (R44, R45); what callers are told is tested through the API."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from credits import access
from credits.access import NOTHING, Denial
from credits.pools import Standing
from tests.credits.paper import JANUARY

MILLIONTH = Decimal("0.000001")


def holding(balance: int | str | Decimal, **fields: Any) -> Standing:
    """What a pool holds to which somebody gave."""
    exact = Decimal(balance)
    return replace(NOTHING, balance=exact, granted=exact, as_of=JANUARY, **fields)


class TestDecide:
    def test_allows_all_that_is_left(self):
        """R45, first example: balance 100, ask 100."""
        assert access.decide(holding(100), Decimal(100)) is None

    @pytest.mark.parametrize("asked", [Decimal(150), 100 + MILLIONTH])
    def test_refuses_more_than_is_left(self, asked):
        """R45, second example: ask 150 under a hard limit."""
        assert access.decide(holding(100), asked) == Denial.INSUFFICIENT_CREDITS

    def test_allows_more_than_is_left_under_a_soft_limit(self):
        """R45, second example: ask 150 under a soft limit."""
        assert access.decide(holding(100, has_soft_limit=True), Decimal(150)) is None

    @pytest.mark.parametrize("asked", [None, Decimal(0)])
    def test_refuses_where_nothing_is_left_and_nothing_is_asked_for(self, asked):
        """R45, third example: balance 0, no amount; 0 is no amount (R44)."""
        assert access.decide(holding(0), asked) == Denial.INSUFFICIENT_CREDITS
        assert access.decide(holding(-MILLIONTH), asked) == Denial.INSUFFICIENT_CREDITS

    @pytest.mark.parametrize("asked", [None, Decimal(0)])
    def test_allows_the_last_millionth_where_nothing_is_asked_for(self, asked):
        """R44: a balance above 0 is enough."""
        assert access.decide(holding(MILLIONTH), asked) is None

    @pytest.mark.parametrize("has_soft_limit", [True, False])
    @pytest.mark.parametrize("balance", [0, -5])
    def test_calls_what_is_switched_off_revoked(self, balance, has_soft_limit):
        """R45: in place of InsufficientCredits, and whatever the limit."""
        switched_off = holding(balance, is_revoked=True, has_soft_limit=has_soft_limit)

        assert access.decide(switched_off, None) == Denial.REVOKED

    def test_lets_what_is_left_be_used_although_it_is_switched_off(self):
        """R45: revoked only when the balance is 0 or less."""
        switched_off = holding(100, is_revoked=True)

        assert access.decide(switched_off, Decimal(100)) is None
        assert access.decide(switched_off, Decimal(101)) == Denial.INSUFFICIENT_CREDITS


class TestIsUntouched:
    def test_tells_a_pool_that_was_merely_opened(self):
        """R45: no entitlement, and nothing ever given or taken."""
        assert access.is_untouched(NOTHING)

    def test_knows_an_entitlement_that_gives_nothing(self):
        assert not access.is_untouched(replace(NOTHING, is_entitled=True))

    def test_knows_a_pool_that_was_used_up(self):
        assert not access.is_untouched(holding(0))
