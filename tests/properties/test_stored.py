"""The product on its database and a simple model agree about every history, step by step.

Pools are read, the books verified and the past remembered after every step; a few histories by
default, and many with HYPOTHESIS_PROFILE=long.
"""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catalog.models import TrialEnd
from credits import changes, metering, past, planning, pools, timeline, usage
from credits.book import Stage
from subscriptions import provisioning
from tests.properties.shop import Shop
from tests.properties.stored import agree_with_the_models, agrees_with_the_models
from tests.properties.stored_histories import STORED_HISTORIES, fixed_histories
from tests.properties.test_model import carry_nothing

pytestmark = pytest.mark.django_db

SLOWNESS = 4
"""How many histories on paper are tried in place of one that is stored."""

AT_MOST = 250
"""Stored ones take two seconds of a processor each."""


class TestProduct:
    def test_agrees_with_simple_models(self):
        tries = settings(max_examples=min(settings().max_examples // SLOWNESS, AT_MOST))

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


def change_nothing_later(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(planning, "_foresee", lambda pool, allowances, change: None)


def forget_what_was_used_elsewhere(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(changes, "_bring_use_along", lambda *pools_and_subscription: None)


def let_unpaid_credits_count(patch: pytest.MonkeyPatch) -> None:
    def takes_effect(grant, at):
        return grant.stage == Stage.WAITING and grant.effective_at <= at

    patch.setattr(timeline, "_takes_effect", takes_effect)


def live_beyond_trials(patch: pytest.MonkeyPatch) -> None:
    set_trial = provisioning.set_trial

    def convert(subscription, trial):
        set_trial(subscription, replace(trial, end=TrialEnd.CONVERT_TO_PAID))

    patch.setattr(provisioning, "set_trial", convert)


def keep_overrides_as_they_were(patch: pytest.MonkeyPatch) -> None:
    adjust = planning._adjust

    def careless(pool, schedule, allowance, span):
        if not schedule.is_override:
            adjust(pool, schedule, allowance, span)

    patch.setattr(planning, "_adjust", careless)


def charge_totals_in_full(patch: pytest.MonkeyPatch) -> None:
    demand = usage._demand

    def unaware(row, record, mapping, rise):
        return demand(row, record, mapping, record.value if record.sets_total else rise)

    patch.setattr(usage, "_demand", unaware)


def charge_falls(patch: pytest.MonkeyPatch) -> None:
    demand = usage._demand

    def dear(row, record, mapping, rise):
        return demand(row, record, mapping, abs(rise))

    patch.setattr(usage, "_demand", dear)


MISTAKES = [
    carry_nothing,
    change_nothing_later,
    charge_falls,
    charge_totals_in_full,
    charge_twice,
    forget_ends_without_an_entry,
    forget_what_was_used_elsewhere,
    keep_overrides_as_they_were,
    let_unpaid_credits_count,
    live_beyond_trials,
    read_only_what_is_written,
]


class TestControls:
    @pytest.mark.parametrize("mistake", MISTAKES)
    def test_notice_a_mistake(self, mistake, monkeypatch):
        shop = Shop.opened()
        mistake(monkeypatch)

        with pytest.raises(AssertionError):
            agree_with_the_models(shop, fixed_histories(20))
