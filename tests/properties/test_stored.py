"""The product on its database and a simple model agree about every history, step by step.

Pools are read, the books verified and the past remembered after every step; a few histories by
default, and many with HYPOTHESIS_PROFILE=long.
"""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from credits import metering, past, pools
from tests.properties.stored import (
    STORED_HISTORIES,
    Shop,
    agree_with_the_models,
    agrees_with_the_models,
    fixed_histories,
)
from tests.properties.test_model import carry_nothing

pytestmark = pytest.mark.django_db

SLOWNESS = 4
"""How many histories on paper are tried in place of one that is stored."""


class TestProduct:
    def test_agrees_with_simple_models(self):
        tries = settings(max_examples=settings().max_examples // SLOWNESS)

        tries(given(st.just(Shop.opened()), STORED_HISTORIES)(agrees_with_the_models))()


# The controls: a mistake is noticed, wherever it is made


def charge_twice(patch: pytest.MonkeyPatch) -> None:
    cost = metering.cost

    def doubled(*arguments):
        charged = cost(*arguments)
        return replace(charged, amount=charged.amount * 2)

    patch.setattr(metering, "cost", doubled)


def read_only_what_is_written(patch: pytest.MonkeyPatch) -> None:
    def stale(rows, now):
        return {row.pk: pools._stored_standing(row) for row in rows}

    patch.setattr(pools, "standings", stale)


def forget_ends_without_an_entry(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(past.Account, "counted", lambda self, at: not self.is_over)


MISTAKES = [
    carry_nothing,
    charge_twice,
    forget_ends_without_an_entry,
    read_only_what_is_written,
]


class TestControls:
    @pytest.mark.parametrize("mistake", MISTAKES)
    def test_notice_a_mistake(self, mistake, monkeypatch):
        shop = Shop.opened()
        mistake(monkeypatch)

        with pytest.raises(AssertionError):
            agree_with_the_models(shop, fixed_histories(20))
