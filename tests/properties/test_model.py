"""The engine and a second, simple model agree about every history, step by step."""

from collections import defaultdict
from datetime import datetime
from typing import Any

import pytest
from hypothesis import given

from credits import recurring, timeline
from credits.book import EntryType, PoolState, ScheduleState
from subscriptions import periods
from tests.properties.histories import (
    HISTORIES,
    Customer,
    History,
    live,
    source_of,
)
from tests.properties.model import Model, micros
from tests.properties.test_laws import control


def held_by(customer: Customer) -> dict[int, int]:
    """What is left of each source, as `Model.held`."""
    held: dict[int, int] = defaultdict(int)
    for grant in customer.pool.open_grants:
        held[source_of(grant)] += micros(grant.remaining)
    if customer.pool.overdraft is not None:
        held[-1] = micros(customer.pool.overdraft.consumed)
    return {source: amount for source, amount in held.items() if amount}


def agrees_with_the_model(history: History) -> None:
    """After every step the engine holds what the model holds, source by source."""
    model = Model.of(history)

    def watch(customer: Customer, step: Any) -> None:
        model.reach(customer.now)
        model.take(step.act)
        assert held_by(customer) == model.held
        assert micros(customer.pool.balance) == model.balance

    live(history, watch)


class TestEngine:
    @given(HISTORIES)
    def test_agrees_with_a_simple_model(self, history):
        agrees_with_the_model(history)


def carry_nothing(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(timeline, "_carry", lambda pool, ending, starting, at: None)


def count_no_marks(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(timeline, "_in_the_same_period", lambda pool, schedule: [])


def drift_after_a_short_month(patch: pytest.MonkeyPatch) -> None:
    boundary = periods.boundary

    def from_the_last_one(anchor: datetime, months: int) -> datetime:
        return boundary(anchor.replace(day=min(anchor.day, 28)), months)

    patch.setattr(periods, "boundary", from_the_last_one)


def give_nothing_back(patch: pytest.MonkeyPatch) -> None:
    def forgetful(pool: PoolState, schedule: ScheduleState, at: datetime) -> None:
        for grant in timeline._given_by(pool, schedule):
            pool.close(grant, EntryType.VOIDED, at, by_time=True)

    patch.setattr(timeline, "_take_back", forgetful)


def prefer_the_last_override(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(recurring, "_strongest", lambda overrides: overrides[-1])


MISTAKES = [
    carry_nothing,
    count_no_marks,
    drift_after_a_short_month,
    give_nothing_back,
    prefer_the_last_override,
]


class TestControls:
    @pytest.mark.parametrize("mistake", MISTAKES)
    def test_notice_a_mistake(self, mistake, monkeypatch):
        mistake(monkeypatch)

        with pytest.raises(AssertionError):
            control(agrees_with_the_model, HISTORIES)
