"""Histories of a stored customer: what may happen to its pools, and what makes sense when."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from random import Random

from hypothesis import strategies as st

from catalog.models import Behaviour
from catalog.models.products import UsageReset
from credits.book import GrantType
from tests.properties.histories import (
    ADDONS,
    DAY,
    LONG_WAITS,
    MOMENT,
    PACKAGES,
    PLANS,
    SHORT_WAITS,
    Act,
    Cancel,
    ChangePlan,
    Confirm,
    Edit,
    Give,
    Happen,
    Hold,
    MoveAnchor,
    MoveTrialEnd,
    Publish,
    Repeat,
    Report,
    Schedule,
    Subscribe,
    Sweep,
    TakeBack,
    Transfer,
    Use,
    UseSeveral,
    UseStrictly,
    Void,
)


@dataclass(frozen=True)
class StoredStep:
    """An act on one of the pools, so long after the one before; as `histories.Step`."""

    wait: timedelta | None
    place: int
    act: Act


@dataclass(frozen=True)
class StoredHistory:
    """How the two subscriptions begin, what a plan change does with use, and what follows.

    The first may begin with a trial, which may end it (`cancels`).
    """

    plans: tuple[int, int]
    trial: timedelta | None
    cancels: bool
    usage_reset: UsageReset
    steps: tuple[StoredStep, ...]


ROUND_AMOUNTS = [Decimal(amount) for amount in (1, 7, 30, 60, 100, 250, 1000)]
LASTING = [None, MOMENT, DAY, 31 * DAY, 200 * DAY]
OVERRIDES = [key for key, package in ADDONS.items() if package.behaviour == Behaviour.OVERRIDE]
"""A publication may let another of them win, at the next reset (R14)."""

WAITS = [None, None, *SHORT_WAITS, *LONG_WAITS]
"""As in `histories`: None is until something is due."""


def an_amount(of: Random) -> Decimal:
    return of.choice([*ROUND_AMOUNTS, Decimal(of.randint(1, 200_000_000)).scaleb(-6)])


def a_change(of: Random) -> Act:
    plan = of.choice(list(PLANS))
    plan_change = ChangePlan(plan, resets=False, restarts=of.random() < 0.5)
    held = Hold(of.choice(list(ADDONS)), of.randint(0, 3))
    later: ChangePlan | Hold = ChangePlan(plan, resets=False) if of.random() < 0.5 else held
    acts: list[Act] = [
        *[plan_change] * 3,
        *[held] * 3,
        *[Schedule(later)] * 3,
        *[Publish(of.choice(list(PACKAGES)), an_amount(of), for_all=of.random() < 0.7)] * 2,
        *[Hold(of.choice(OVERRIDES), of.randint(1, 2))] * 2,
        *[Publish(of.choice(OVERRIDES), an_amount(of))] * 2,
        *[Transfer()] * 2,
        TakeBack(),
        MoveAnchor(),
        MoveTrialEnd(of.choice([3 * DAY, 31 * DAY])),
        Cancel(of.choice([timedelta(0), 9 * DAY, None])),
        Subscribe(plan),
    ]
    return of.choice(acts)


def a_use(of: Random) -> Act:
    amounts = tuple(an_amount(of) for _ in range(of.randint(2, 4)))
    acts: list[Act] = [
        Use(amounts[0]),
        UseStrictly(amounts[0]),
        UseSeveral(amounts),
        Happen(len(amounts)),
        Repeat(),
        Report(of.randint(-3, 9), sets_total=False),
        Report(of.randint(0, 12), sets_total=True),
    ]
    return of.choice(acts)


def a_grant(of: Random) -> Act:
    type_ = of.choice([GrantType.PAID, GrantType.PROMOTIONAL])
    priority, after, lasting = of.choice([0, 10, 20]), of.choice(SHORT_WAITS), of.choice(LASTING)
    acts: list[Act] = [
        *[Give(an_amount(of), type_, priority, after, lasting)] * 2,
        Give(an_amount(of), GrantType.PAID, priority, after, lasting, is_unpaid=True),
        Confirm(of.randint(0, 3)),
        Edit(of.randint(0, 3), priority, after, lasting),
        Void(of.randint(0, 3)),
        Sweep(),
    ]
    return of.choice(acts)


def grown(seed: int, kept: list[bool]) -> StoredHistory:
    """A history of its own for every seed; of its steps, those that are kept."""
    of = Random(seed)
    plans = of.choice(list(PLANS)), of.choice(list(PLANS))
    trial = of.choice([None, None, 9 * DAY, 45 * DAY])
    cancels = trial is not None and of.random() < 0.4
    usage_reset = of.choice(list(UsageReset))
    steps = [
        StoredStep(
            of.choice(WAITS),
            of.choice([0, 0, 0, 0, 1, 2, 3]),
            of.choice([a_change, a_change, a_use, a_use, a_grant])(of),
        )
        for _ in kept
    ]
    return StoredHistory(
        plans,
        trial,
        cancels,
        usage_reset,
        tuple(step for step, is_kept in zip(steps, kept, strict=True) if is_kept),
    )


STORED_HISTORIES = st.builds(
    grown,
    st.integers(0, 2**64 - 1),
    st.lists(st.booleans(), min_size=30, max_size=30),
)
"""Hypothesis alone would repeat itself in so few examples; so it draws seeds, and shrinks."""


def a_step(act: Act, wait: timedelta = timedelta(0)) -> StoredStep:
    return StoredStep(wait, 0, act)


TOLD = StoredHistory(
    plans=(1, 2),
    trial=9 * DAY,
    cancels=True,
    usage_reset=UsageReset.NEVER_RESET,
    steps=(
        a_step(Report(9, sets_total=False)),
        a_step(Report(4, sets_total=True)),
        a_step(Use(Decimal(3)), wait=9 * DAY),
        a_step(Subscribe(1)),
        a_step(Give(Decimal(7), GrantType.PAID, 10, DAY, None, is_unpaid=True)),
        a_step(Use(Decimal(60)), wait=DAY),
        a_step(Transfer()),
        a_step(Schedule(Hold(4, 2))),
        a_step(Confirm(0), wait=31 * DAY),
        a_step(Hold(5, 1)),
        a_step(Publish(5, Decimal(400))),
    ),
)
"""One that does once what others seldom do in an order that tells."""


def fixed_histories(count: int) -> Iterator[StoredHistory]:
    """The same ones in every run, the told one first."""
    yield TOLD
    yield from (grown(seed, [True] * 20) for seed in range(count))
