"""What a change of a subscription writes into the schedules of a pool (R14, R18, R24–R32).

On paper: no database, and nothing is done yet. `test_changes` goes through the verbs.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from catalog.models import Cadence
from credits import planning, recurring
from credits.book import Ending, PoolState, ScheduleState
from credits.planning import Change, Span
from subscriptions.causes import Cause
from subscriptions.entitlements import CreditSource
from subscriptions.models import Subscription
from tests.credits.paper import (
    APRIL,
    FEBRUARY,
    JANUARY,
    LATE_JANUARY,
    MARCH,
    MID_JANUARY,
    NEXT_YEAR,
    a_grant,
    a_pool_at,
    a_schedule,
    an_addon,
)
from tests.credits.sources import a_plan_source, an_increment, an_override

MOMENT = timedelta(microseconds=1)
MID_MARCH = MARCH + timedelta(days=14)
EXPIRE, VOID, CARRY = Ending.EXPIRE, Ending.VOID, Ending.CARRY
HAND_OVER = Ending.HAND_OVER
PLAN, ADDON, OTHER_ADDON = 1, 2, 3

Plot = tuple[int, datetime, datetime | None, Ending]


def a_subscription(**fields: Any) -> Subscription:
    """A subscription since January, whose months begin on the first."""
    return Subscription(
        **{"pk": 1, "started_at": JANUARY, "billing_cycle_anchor": JANUARY, **fields}
    )


def a_running_pool(*held: Any) -> PoolState:
    """A pool as it is stored in the middle of January."""
    pool = a_pool_at(MID_JANUARY, *held)
    for grant in pool.grants:
        grant.changed = False
    for schedule in pool.schedules:
        schedule.changed = False
    return pool


def a_plan(amount: int = 100, **fields: Any) -> ScheduleState:
    """The schedule of a plan that runs until its subscription ends."""
    return a_schedule(amount, **{"source_id": PLAN, "ending": VOID, **fields})


def an_increment_of(amount: int = 50, **fields: Any) -> ScheduleState:
    """The same of an add-on."""
    return an_addon(amount, **{"source_id": ADDON, "ending": VOID, **fields})


def an_override_of(amount: int = 500, **fields: Any) -> ScheduleState:
    """The same of an add-on that overrides."""
    return an_increment_of(amount, is_override=True, **fields)


def plan(
    pool: PoolState,
    *sources: CreditSource,
    cause: Cause,
    resets: bool = False,
    held: set[int] | None = None,
    now: datetime = MID_JANUARY,
    **fields: Any,
) -> list[Plot]:
    """Write into the pool what a subscription with these sources gives; what it then says."""
    kept = {source.source_id for source in sources} if held is None else held
    change = Change(cause, resets, a_subscription(**fields), now, frozenset(kept))
    planning.plan(pool, [(change, recurring.in_force(sources))])
    return [
        (each.source_id, each.starts_at, each.ends_at, each.ending)
        for each in pool.schedules
        if not each.ended
    ]


class TestSpans:
    def test_last_until_the_subscription_ends(self):
        running, ending = a_subscription(), a_subscription(ends_at=APRIL)

        assert planning.spans(running, MARCH) == [Span(JANUARY, MARCH, None, VOID)]
        assert planning.spans(ending, MARCH) == [Span(JANUARY, MARCH, APRIL, VOID)]

    def test_begin_with_a_subscription_that_starts_later(self):
        """R18."""
        future = a_subscription(started_at=FEBRUARY, billing_cycle_anchor=FEBRUARY)

        assert planning.spans(future, JANUARY) == [Span(FEBRUARY, FEBRUARY, None, VOID)]

    def test_are_none_while_the_payment_is_pending(self):
        """R18."""
        assert planning.spans(a_subscription(payment_pending=True), JANUARY) == []

    @pytest.mark.parametrize("ends_at", [MARCH, MARCH - MOMENT])
    def test_are_none_from_the_end_on(self, ends_at):
        assert planning.spans(a_subscription(ends_at=ends_at), MARCH) == []

    def test_are_none_from_an_end_within_the_trial_on(self):
        canceled = a_subscription(trial_ends_at=APRIL, ends_at=MARCH)

        assert planning.spans(canceled, MARCH) == []

    def test_are_two_in_a_trial(self):
        """R25: a new period begins at the trial's end."""
        trial = a_subscription(trial_ends_at=MID_JANUARY, ends_at=APRIL)

        assert planning.spans(trial, JANUARY) == [
            Span(JANUARY, JANUARY, MID_JANUARY, EXPIRE),
            Span(MID_JANUARY, MID_JANUARY, APRIL, VOID),
        ]

    def test_count_from_a_later_anchor_after_the_trial(self):
        trial = a_subscription(trial_ends_at=MID_JANUARY, billing_cycle_anchor=FEBRUARY)

        assert planning.spans(trial, JANUARY)[1] == Span(FEBRUARY, MID_JANUARY, None, VOID)

    @pytest.mark.parametrize("now", [MID_JANUARY, LATE_JANUARY])
    def test_are_one_after_the_trial(self, now):
        converted = a_subscription(trial_ends_at=MID_JANUARY)

        assert planning.spans(converted, now) == [Span(MID_JANUARY, now, None, VOID)]

    def test_end_with_a_trial_that_does_not_convert(self):
        trial = a_subscription(trial_ends_at=MID_JANUARY, ends_at=MID_JANUARY)

        assert planning.spans(trial, JANUARY) == [Span(JANUARY, JANUARY, MID_JANUARY, EXPIRE)]

    def test_void_what_a_trial_gave_that_is_broken_off(self):
        """R32."""
        trial = a_subscription(trial_ends_at=LATE_JANUARY, ends_at=MID_JANUARY)

        assert planning.spans(trial, JANUARY) == [Span(JANUARY, JANUARY, MID_JANUARY, VOID)]


class TestStart:
    def test_writes_down_all_that_a_source_gives(self):
        pool = a_running_pool()
        source = an_increment(
            50, 3, name="Extra", cadence=Cadence.YEAR, has_soft_limit=True, is_granted=False
        )

        plan(pool, source, cause=Cause.START, pk=7, ends_at=APRIL)

        [schedule] = pool.schedules
        assert (schedule.pk, schedule.subscription_id, schedule.source_id) == (None, 7, ADDON)
        assert (schedule.source_is_addon, schedule.name) == (True, "Extra")
        assert (schedule.amount, schedule.cadence) == (150, Cadence.YEAR)
        assert (schedule.anchor_at, schedule.starts_at) == (JANUARY, MID_JANUARY)
        assert (schedule.ends_at, schedule.ending) == (APRIL, VOID)
        assert (schedule.is_override, schedule.is_granted) == (False, False)
        assert (schedule.has_soft_limit, schedule.changed) == (True, True)

    def test_knows_an_override(self):
        pool = a_running_pool()

        plan(pool, a_plan_source(), an_override(500), cause=Cause.START)

        assert [(each.source_id, each.is_override) for each in pool.schedules] == [(ADDON, True)]

    def test_lets_what_follows_a_trial_begin_with_its_end(self):
        """R25."""
        said = plan(
            a_running_pool(), a_plan_source(), cause=Cause.START, trial_ends_at=LATE_JANUARY
        )

        assert said == [
            (PLAN, MID_JANUARY, LATE_JANUARY, EXPIRE),
            (PLAN, LATE_JANUARY, None, VOID),
        ]

    def test_leaves_what_another_subscription_gives(self):
        other = a_plan(source_id=9, subscription_id=2)
        pool = a_running_pool(other)

        said = plan(pool, a_plan_source(), cause=Cause.START)

        assert said == [(9, JANUARY, None, VOID), (PLAN, MID_JANUARY, None, VOID)]
        assert not pool.schedules[0].changed


class TestQuantity:
    def test_lets_a_running_schedule_say_what_is_new(self):
        """R27."""
        pool = a_running_pool(a_plan(100))
        source = a_plan_source(
            130, name="Pro Plus", is_granted=False, has_soft_limit=True, source_id=PLAN
        )

        plan(pool, source, cause=Cause.QUANTITY, ends_at=APRIL)

        [schedule] = pool.schedules
        assert (schedule.amount, schedule.name) == (130, "Pro Plus")
        assert (schedule.is_granted, schedule.has_soft_limit) == (False, True)
        assert (schedule.ends_at, schedule.ending, schedule.changed) == (APRIL, VOID, True)
        assert (schedule.starts_at, schedule.mark) == (JANUARY, 100)

    def test_lets_what_was_given_live_as_long_as_a_trial(self):
        """R25: earlier of period end and trial end; other credits live as they did."""
        trial = a_plan(ends_at=LATE_JANUARY, ending=EXPIRE)
        other = an_increment_of(subscription_id=2)
        pool = a_running_pool(trial, other, a_grant(5, expires_at=APRIL))
        sooner = LATE_JANUARY - timedelta(days=2)

        plan(pool, a_plan_source(), cause=Cause.TRIAL, trial_ends_at=sooner)

        assert [(grant.amount, grant.expires_at, grant.changed) for grant in pool.grants] == [
            (5, APRIL, False),
            (100, sooner, True),
            (50, FEBRUARY, False),
        ]

    def test_counts_units_anew(self):
        """R17: what a grant will say it was given for."""
        pool = a_running_pool(a_plan(100, units=Decimal(1)))

        plan(pool, a_plan_source(100, quantity=3), cause=Cause.QUANTITY)

        assert pool.schedules[0].units == 3

    def test_leaves_grants_alone_that_live_as_long_as_before(self):
        pool = a_running_pool(a_plan(100))

        plan(pool, a_plan_source(130), cause=Cause.QUANTITY)

        assert not pool.grants[0].changed

    def test_keeps_for_the_reset_what_a_migration_put_off(self):
        """R14: the yearly amount begins where the monthly one ends."""
        pool = a_running_pool(a_plan(ends_at=FEBRUARY, ending=EXPIRE))
        pool.schedules.append(a_plan(source_id=ADDON, starts_at=FEBRUARY, pk=8))

        said = plan(pool, a_plan_source(), an_increment(70), cause=Cause.QUANTITY)

        assert said == [(PLAN, JANUARY, None, VOID), (ADDON, FEBRUARY, None, VOID)]
        assert [each.amount for each in pool.schedules if each.source_id == ADDON] == [100, 70]

    def test_keeps_another_cadence_of_an_override_for_the_reset(self):
        """R14, with nothing beside the override."""
        pool = a_running_pool(an_override_of(ends_at=FEBRUARY, ending=EXPIRE))
        pool.schedules.append(an_override_of(6000, cadence="YEAR", starts_at=FEBRUARY, pk=8))

        said = plan(pool, an_override(7000, cadence=Cadence.YEAR), cause=Cause.QUANTITY)

        assert said == [(ADDON, JANUARY, FEBRUARY, EXPIRE), (ADDON, FEBRUARY, None, VOID)]
        assert pool.schedules[-1].amount == 7000

    def test_keeps_a_removal_for_the_reset_of_what_is_still_held(self):
        """R14."""
        pool = a_running_pool(a_plan(), an_increment_of(ends_at=FEBRUARY, ending=EXPIRE))

        said = plan(pool, a_plan_source(200), cause=Cause.QUANTITY, held={PLAN, ADDON})

        assert said == [(PLAN, JANUARY, None, VOID), (ADDON, JANUARY, FEBRUARY, EXPIRE)]
        assert pool.schedules[1].changed

    def test_keeps_a_removal_for_the_reset_that_carries_use_along(self):
        """R14: a new override suspends, at the reset, what is paid for by the year."""
        pool = a_running_pool(a_plan(ends_at=FEBRUARY, ending=CARRY, cadence="YEAR"))
        pool.schedules.append(an_override_of(starts_at=FEBRUARY, pk=8))

        said = plan(
            pool, a_plan_source(200), an_override(500), cause=Cause.QUANTITY, held={PLAN, ADDON}
        )

        assert said == [(PLAN, JANUARY, FEBRUARY, CARRY), (ADDON, FEBRUARY, None, VOID)]

    def test_keeps_what_is_included_no_more_for_the_end_that_comes_before_the_reset(self):
        """R14, R32."""
        pool = a_running_pool(a_plan(), an_increment_of(ends_at=LATE_JANUARY))

        said = plan(
            pool, a_plan_source(), cause=Cause.QUANTITY, held={PLAN, ADDON}, ends_at=LATE_JANUARY
        )

        assert said[1] == (ADDON, JANUARY, LATE_JANUARY, VOID)

    def test_voids_at_once_what_is_held_no_more(self):
        """R32."""
        pool = a_running_pool(a_plan(), an_increment_of(ends_at=FEBRUARY, ending=EXPIRE))

        said = plan(pool, a_plan_source(), cause=Cause.ADDONS, held={PLAN})

        assert said[1] == (ADDON, JANUARY, MID_JANUARY, VOID)

    @pytest.mark.parametrize(
        ("ends_at", "said"),
        [
            (LATE_JANUARY, (LATE_JANUARY, VOID)),
            (FEBRUARY, (FEBRUARY, EXPIRE)),
            (MARCH, (FEBRUARY, EXPIRE)),
            (None, (FEBRUARY, EXPIRE)),
        ],
    )
    def test_lets_nothing_that_waits_outlive_the_subscription(self, ends_at, said):
        """R32."""
        pool = a_running_pool(an_increment_of(ends_at=FEBRUARY, ending=EXPIRE))

        plan(pool, cause=Cause.END, held={ADDON}, ends_at=ends_at)

        [schedule] = pool.schedules
        assert (schedule.ends_at, schedule.ending) == said

    def test_ends_at_the_reset_what_a_migration_removes_though_all_ends_some_day(self):
        """R14."""
        pool = a_running_pool(a_plan(ends_at=APRIL), an_increment_of(ends_at=APRIL))

        said = plan(pool, a_plan_source(), cause=Cause.MIGRATION, held={PLAN, ADDON}, ends_at=APRIL)

        assert said == [(PLAN, JANUARY, APRIL, VOID), (ADDON, JANUARY, FEBRUARY, EXPIRE)]

    def test_lets_another_cadence_begin_at_once_though_all_ends_some_day(self):
        """Where a customer agrees on another value, there is nothing to wait for."""
        pool = a_running_pool(a_plan(ends_at=APRIL))

        said = plan(pool, a_plan_source(cadence=Cadence.YEAR), cause=Cause.QUANTITY, ends_at=APRIL)

        assert said == [(PLAN, JANUARY, MID_JANUARY, VOID), (PLAN, MID_JANUARY, APRIL, VOID)]

    def test_lets_nothing_that_waits_outlive_the_trial(self):
        """R25: what waited for the end of a trial waits for its new end, not for what follows."""
        pool = a_running_pool(an_increment_of(ends_at=FEBRUARY, ending=EXPIRE, anchor_at=APRIL))

        said = plan(pool, cause=Cause.TRIAL, held={ADDON}, trial_ends_at=LATE_JANUARY)

        assert said == [(ADDON, JANUARY, LATE_JANUARY, EXPIRE)]

    def test_lets_nothing_wait_for_what_leaves(self):
        """R30: what an override was to make way for grants again as soon as it is removed."""
        pool = a_running_pool(an_override_of(ends_at=FEBRUARY, ending=EXPIRE))
        pool.schedules.append(a_plan(starts_at=FEBRUARY, pk=8))

        said = plan(pool, a_plan_source(), cause=Cause.ADDONS)

        assert said == [(ADDON, JANUARY, MID_JANUARY, CARRY), (PLAN, MID_JANUARY, None, VOID)]

    def test_lets_nothing_wait_for_a_subscription_that_is_over(self):
        """R32."""
        pool = a_running_pool(an_increment_of(ends_at=FEBRUARY, ending=EXPIRE))

        said = plan(pool, cause=Cause.END, held={ADDON}, ends_at=MID_JANUARY)

        assert said == [(ADDON, JANUARY, MID_JANUARY, VOID)]


class TestAddons:
    def test_lets_an_increment_begin_now(self):
        """R28: same reset date as the plan."""
        pool = a_running_pool(a_plan())

        said = plan(pool, a_plan_source(), an_increment(50), cause=Cause.ADDONS)

        assert said == [(PLAN, JANUARY, None, VOID), (ADDON, MID_JANUARY, None, VOID)]
        assert pool.schedules[1].anchor_at == JANUARY

    def test_voids_an_increment_that_goes(self):
        """R32."""
        pool = a_running_pool(a_plan(), an_increment_of())

        said = plan(pool, a_plan_source(), cause=Cause.ADDONS)

        assert said == [(PLAN, JANUARY, None, VOID), (ADDON, JANUARY, MID_JANUARY, VOID)]

    def test_lets_an_override_take_over(self):
        """R29."""
        pool = a_running_pool(a_plan(), an_increment_of(source_id=OTHER_ADDON))

        said = plan(
            pool,
            a_plan_source(),
            an_increment(50, source_id=OTHER_ADDON),
            an_override(500),
            cause=Cause.ADDONS,
        )

        assert said == [
            (PLAN, JANUARY, MID_JANUARY, CARRY),
            (OTHER_ADDON, JANUARY, MID_JANUARY, CARRY),
            (ADDON, MID_JANUARY, None, VOID),
        ]

    def test_lets_an_override_give_back(self):
        """R30."""
        pool = a_running_pool(an_override_of())

        said = plan(pool, a_plan_source(), cause=Cause.ADDONS)

        assert said == [(ADDON, JANUARY, MID_JANUARY, CARRY), (PLAN, MID_JANUARY, None, VOID)]

    def test_lets_an_override_take_over_at_once_what_a_migration_put_off(self):
        """R29 does not wait for R14."""
        pool = a_running_pool(a_plan(ends_at=FEBRUARY, ending=EXPIRE))
        pool.schedules.append(a_plan(120, source_id=OTHER_ADDON, starts_at=FEBRUARY, pk=8))

        said = plan(
            pool,
            a_plan_source(),
            an_increment(120, source_id=OTHER_ADDON),
            an_override(500),
            cause=Cause.ADDONS,
        )

        assert said == [(PLAN, JANUARY, MID_JANUARY, CARRY), (ADDON, MID_JANUARY, None, VOID)]

    def test_takes_back_what_was_to_begin(self):
        """Rows that are stored end where they start; others were never there."""
        pool = a_running_pool()
        stored, unstored = a_plan(starts_at=FEBRUARY, pk=8), an_increment_of(starts_at=FEBRUARY)
        pool.schedules += [stored, unstored]

        assert plan(pool, cause=Cause.END, ends_at=MID_JANUARY) == []
        assert pool.schedules == [stored]
        assert (stored.ends_at, stored.ended, stored.changed) == (FEBRUARY, True, True)


class TestPlanChange:
    @pytest.mark.parametrize(("resets", "ending"), [(True, VOID), (False, CARRY)])
    def test_ends_the_old_plan_as_the_product_says(self, resets, ending):
        """R31."""
        pool = a_running_pool(a_plan())

        said = plan(pool, a_plan_source(500, source_id=5), cause=Cause.PLAN_CHANGE, resets=resets)

        assert said == [(PLAN, JANUARY, MID_JANUARY, ending), (5, MID_JANUARY, None, VOID)]

    def test_voids_add_ons_that_the_new_plan_does_not_take(self):
        """R32: what the product says is said of plans."""
        pool = a_running_pool(a_plan(), an_increment_of())

        said = plan(pool, a_plan_source(500, source_id=5), cause=Cause.PLAN_CHANGE)

        assert said[1] == (ADDON, JANUARY, MID_JANUARY, VOID)

    def test_lets_an_override_give_back_to_the_new_plan(self):
        """R30, with R31."""
        pool = a_running_pool(an_override_of())

        said = plan(pool, a_plan_source(500, source_id=5), cause=Cause.PLAN_CHANGE, resets=True)

        assert said == [(ADDON, JANUARY, MID_JANUARY, CARRY), (5, MID_JANUARY, None, VOID)]

    def test_begins_an_override_afresh_that_stays_while_the_anchor_moves(self):
        """R26: nothing takes over from it, so nothing is carried."""
        pool = a_running_pool(an_override_of())

        said = plan(
            pool,
            a_plan_source(500, source_id=5),
            an_override(500),
            cause=Cause.PLAN_CHANGE,
            billing_cycle_anchor=MID_JANUARY,
        )

        assert said == [(ADDON, JANUARY, MID_JANUARY, VOID), (ADDON, MID_JANUARY, None, VOID)]

    def test_waits_for_no_reset(self):
        """R31: the new plan gives at once what an earlier migration had put off."""
        pool = a_running_pool(an_increment_of(ends_at=FEBRUARY, ending=EXPIRE))
        pool.schedules.append(a_plan(source_id=5, starts_at=FEBRUARY, pk=8))

        said = plan(pool, a_plan_source(500, source_id=5), cause=Cause.PLAN_CHANGE, held={5, ADDON})

        assert said == [(ADDON, JANUARY, MID_JANUARY, VOID), (5, MID_JANUARY, None, VOID)]


class TestAnchor:
    def test_lets_everything_expire_and_begin_anew(self):
        """R26."""
        pool = a_running_pool(a_plan(), an_increment_of())

        said = plan(
            pool,
            a_plan_source(),
            an_increment(50),
            cause=Cause.ANCHOR,
            billing_cycle_anchor=MID_JANUARY,
        )

        assert said == [
            (PLAN, JANUARY, MID_JANUARY, EXPIRE),
            (ADDON, JANUARY, MID_JANUARY, EXPIRE),
            (PLAN, MID_JANUARY, None, VOID),
            (ADDON, MID_JANUARY, None, VOID),
        ]
        assert {each.anchor_at for each in pool.schedules[2:]} == {MID_JANUARY}

    def test_waits_for_no_reset(self):
        """R26: what a migration had put off begins with the new period."""
        pool = a_running_pool(a_plan(ends_at=FEBRUARY, ending=EXPIRE))
        pool.schedules.append(a_plan(1200, cadence="YEAR", starts_at=FEBRUARY, pk=8))

        said = plan(
            pool,
            a_plan_source(1200, cadence=Cadence.YEAR),
            cause=Cause.ANCHOR,
            billing_cycle_anchor=MID_JANUARY,
        )

        assert said == [
            (PLAN, JANUARY, MID_JANUARY, EXPIRE),
            (PLAN, MID_JANUARY, None, VOID),
        ]


class TestMigration:
    """R14: increases at once, everything else at the next reset."""

    def test_lets_a_running_schedule_say_the_new_amount(self):
        pool = a_running_pool(a_plan(100))

        said = plan(pool, a_plan_source(130), cause=Cause.MIGRATION)

        assert said == [(PLAN, JANUARY, None, VOID)]
        assert pool.schedules[0].amount == 130

    def test_lets_what_is_new_begin_now(self):
        said = plan(
            a_running_pool(a_plan()), a_plan_source(), an_increment(50), cause=Cause.MIGRATION
        )

        assert said == [(PLAN, JANUARY, None, VOID), (ADDON, MID_JANUARY, None, VOID)]

    def test_lets_another_cadence_begin_at_the_reset(self):
        pool = a_running_pool(a_plan())

        said = plan(pool, a_plan_source(1200, cadence=Cadence.YEAR), cause=Cause.MIGRATION)

        assert said == [(PLAN, JANUARY, FEBRUARY, EXPIRE), (PLAN, FEBRUARY, None, VOID)]
        assert [each.cadence for each in pool.schedules] == ["MONTH", "YEAR"]

    def test_lets_another_behaviour_begin_at_the_reset(self):
        pool = a_running_pool(an_increment_of(500))

        said = plan(pool, an_override(500), cause=Cause.MIGRATION)

        assert said == [(ADDON, JANUARY, FEBRUARY, EXPIRE), (ADDON, FEBRUARY, None, VOID)]
        assert [each.is_override for each in pool.schedules] == [False, True]

    def test_lets_what_is_removed_end_at_the_reset(self):
        pool = a_running_pool(a_plan(), an_increment_of(cadence="YEAR"))

        assert plan(pool, cause=Cause.MIGRATION) == [
            (PLAN, JANUARY, FEBRUARY, EXPIRE),
            (ADDON, JANUARY, NEXT_YEAR, EXPIRE),
        ]

    @pytest.mark.parametrize("ends_at", [LATE_JANUARY, FEBRUARY])
    def test_lets_what_is_removed_end_with_a_subscription_that_ends_before(self, ends_at):
        """R32: voided, as the subscription's end does it."""
        pool = a_running_pool(an_increment_of(ends_at=ends_at))

        said = plan(pool, cause=Cause.MIGRATION, ends_at=ends_at)

        assert said == [(ADDON, JANUARY, ends_at, VOID)]

    def test_lets_what_is_removed_end_at_the_reset_of_a_subscription_that_ends_later(self):
        pool = a_running_pool(an_increment_of(ends_at=MARCH))

        said = plan(pool, cause=Cause.MIGRATION, ends_at=MARCH)

        assert said == [(ADDON, JANUARY, FEBRUARY, EXPIRE)]

    def test_lets_a_new_override_begin_at_the_first_reset(self):
        """What is paid for by the year ends with the month then, and carries its use."""
        pool = a_running_pool(
            an_increment_of(1200, source_id=OTHER_ADDON, cadence="YEAR"), a_plan()
        )

        said = plan(
            pool,
            a_plan_source(),
            an_increment(1200, source_id=OTHER_ADDON, cadence=Cadence.YEAR),
            an_override(500),
            cause=Cause.MIGRATION,
        )

        assert said == [
            (OTHER_ADDON, JANUARY, FEBRUARY, CARRY),
            (PLAN, JANUARY, FEBRUARY, EXPIRE),
            (ADDON, FEBRUARY, None, VOID),
        ]

    def test_lets_a_new_override_begin_now_where_nothing_runs(self):
        said = plan(a_running_pool(), an_override(500), cause=Cause.MIGRATION)

        assert said == [(ADDON, MID_JANUARY, None, VOID)]

    def test_lets_sources_return_at_the_reset_when_an_override_goes(self):
        pool = a_running_pool(an_override_of())

        said = plan(pool, a_plan_source(), cause=Cause.MIGRATION)

        assert said == [(ADDON, JANUARY, FEBRUARY, EXPIRE), (PLAN, FEBRUARY, None, VOID)]

    def test_leaves_out_what_would_begin_after_the_subscription(self):
        pool = a_running_pool(an_override_of())

        said = plan(pool, a_plan_source(), cause=Cause.MIGRATION, ends_at=FEBRUARY)

        assert said == [(ADDON, JANUARY, FEBRUARY, EXPIRE)]

    def test_changes_an_override_that_stays_an_override_at_once(self):
        pool = a_running_pool(an_override_of(500))

        said = plan(pool, a_plan_source(), an_override(600), cause=Cause.MIGRATION)

        assert said == [(ADDON, JANUARY, None, VOID)]
        assert pool.schedules[0].amount == Decimal(600)


class TestScheduledUpdate:
    """What an update will do stands beside what is given today, until it is taken back."""

    def foresee(
        self,
        pool: PoolState,
        *later: CreditSource,
        cause: Cause = Cause.QUANTITY,
        today: list[CreditSource] | None = None,
        resets: bool = False,
        held: set[int] | None = None,
        at: datetime = FEBRUARY,
        **fields: Any,
    ) -> list[tuple[int, datetime, datetime | None, Ending | None, bool]]:
        """Plan an update: of each source its start, planned end, its ending, if it is new."""
        sources = [a_plan_source()] if today is None else today
        changed = a_subscription(**fields)

        def change(cause: Cause, at: datetime, included: Sequence[CreditSource]) -> Change:
            kept = {source.source_id for source in included} if held is None else held
            return Change(cause, resets, changed, at, frozenset(kept))

        planning.plan(
            pool,
            [
                (change(Cause.QUANTITY, MID_JANUARY, sources), recurring.in_force(sources)),
                (change(cause, at, later), recurring.in_force(later)),
            ],
        )
        return [
            (
                each.source_id,
                each.starts_at,
                each.planned_end_at,
                each.planned_ending,
                each.is_planned,
            )
            for each in pool.schedules
            if not each.ended
        ]

    def test_lets_a_source_go_on_with_another_amount(self):
        """R27."""
        pool = a_running_pool(a_plan(100))

        said = self.foresee(pool, a_plan_source(130))

        assert said == [
            (PLAN, JANUARY, FEBRUARY, HAND_OVER, False),
            (PLAN, FEBRUARY, None, None, True),
        ]
        assert [(each.amount, each.ends_at) for each in pool.schedules] == [
            (100, None),
            (130, None),
        ]
        assert pool.schedules[0].changed

    @pytest.mark.parametrize(
        "terms", [{"name": "Plus"}, {"is_granted": False}, {"has_soft_limit": True}]
    )
    def test_lets_a_source_go_on_with_other_terms(self, terms):
        pool = a_running_pool(a_plan(100, name="Pro"))

        said = self.foresee(pool, a_plan_source(100, **terms))

        assert [each[3:] for each in said] == [(HAND_OVER, False), (None, True)]

    def test_leaves_alone_what_says_all_that_already(self):
        pool = a_running_pool(a_plan(100, name="Pro"))

        said = self.foresee(pool, a_plan_source(100))

        assert said == [(PLAN, JANUARY, None, None, False)]

    def test_leaves_what_ends_before_it(self):
        """R32."""
        pool = a_running_pool(a_plan(100, name="Pro"))

        said = self.foresee(pool, a_plan_source(130), ends_at=LATE_JANUARY)

        assert said == [(PLAN, JANUARY, None, None, False)]
        assert pool.schedules[0].ends_at == LATE_JANUARY

    def test_lets_sources_come_and_go(self):
        """R28, R32."""
        pool = a_running_pool(a_plan(100, name="Pro"), an_increment_of(50))

        said = self.foresee(
            pool,
            a_plan_source(100),
            an_increment(20, source_id=OTHER_ADDON),
            cause=Cause.ADDONS,
            today=[a_plan_source(100), an_increment(50)],
        )

        assert said == [
            (PLAN, JANUARY, None, None, False),
            (ADDON, JANUARY, FEBRUARY, VOID, False),
            (OTHER_ADDON, FEBRUARY, None, None, True),
        ]

    @pytest.mark.parametrize(("resets", "ending"), [(True, VOID), (False, CARRY)])
    def test_changes_the_plan_as_the_product_says(self, resets, ending):
        """R31."""
        pool = a_running_pool(a_plan(100))

        said = self.foresee(
            pool, a_plan_source(500, source_id=5), cause=Cause.PLAN_CHANGE, resets=resets
        )

        assert said == [
            (PLAN, JANUARY, FEBRUARY, ending, False),
            (5, FEBRUARY, None, None, True),
        ]

    def test_lets_another_cadence_begin_with_it(self):
        pool = a_running_pool(a_plan(100))

        said = self.foresee(pool, a_plan_source(1200, cadence=Cadence.YEAR))

        assert said == [
            (PLAN, JANUARY, FEBRUARY, VOID, False),
            (PLAN, FEBRUARY, None, None, True),
        ]

    def test_lets_a_migration_begin_with_the_period_it_waits_for(self):
        """R14: at the reset, which is the instant of the update."""
        pool = a_running_pool(a_plan(100))

        said = self.foresee(pool, a_plan_source(1200, cadence=Cadence.YEAR), cause=Cause.MIGRATION)

        assert said == [
            (PLAN, JANUARY, FEBRUARY, EXPIRE, False),
            (PLAN, FEBRUARY, None, None, True),
        ]

    def test_lets_a_migration_wait_for_the_reset_of_a_year(self):
        """R14."""
        pool = a_running_pool(a_plan(1200, cadence="YEAR"))

        said = self.foresee(
            pool,
            a_plan_source(100),
            cause=Cause.MIGRATION,
            today=[a_plan_source(1200, cadence=Cadence.YEAR)],
        )

        assert said == [
            (PLAN, JANUARY, NEXT_YEAR, EXPIRE, False),
            (PLAN, NEXT_YEAR, None, None, True),
        ]

    @pytest.mark.parametrize(("at", "reset_at"), [(MARCH, MARCH), (MID_MARCH, APRIL)])
    def test_lets_a_migration_wait_for_the_reset_that_is_next_by_then(self, at, reset_at):
        """R14: what runs today has had other resets until then."""
        pool = a_running_pool(a_plan(100))

        said = self.foresee(
            pool, a_plan_source(1200, cadence=Cadence.YEAR), cause=Cause.MIGRATION, at=at
        )

        assert said == [
            (PLAN, JANUARY, reset_at, EXPIRE, False),
            (PLAN, reset_at, None, None, True),
        ]

    @pytest.mark.parametrize(("at", "reset_at"), [(MARCH, MARCH), (MID_MARCH, APRIL)])
    def test_lets_a_migration_wait_for_the_reset_of_what_has_yet_to_begin(self, at, reset_at):
        """R14."""
        said = self.foresee(
            a_running_pool(),
            a_plan_source(1200, cadence=Cadence.YEAR),
            cause=Cause.MIGRATION,
            at=at,
            started_at=FEBRUARY,
            billing_cycle_anchor=FEBRUARY,
        )

        assert said == [
            (PLAN, FEBRUARY, reset_at, EXPIRE, False),
            (PLAN, reset_at, None, None, True),
        ]

    def test_lets_an_override_of_a_migration_begin_at_the_first_reset(self):
        """R14: at the end of the year, although the update takes effect in February."""
        pool = a_running_pool(a_plan(1200, cadence="YEAR"))
        yearly = a_plan_source(1200, cadence=Cadence.YEAR)

        said = self.foresee(pool, yearly, an_override(500), cause=Cause.MIGRATION, today=[yearly])

        assert said == [
            (PLAN, JANUARY, NEXT_YEAR, EXPIRE, False),
            (ADDON, NEXT_YEAR, None, None, True),
        ]

    def test_leaves_a_removal_to_the_reset_that_an_earlier_migration_chose(self):
        """R14: it ends then by itself, so the update has nothing to end."""
        pool = a_running_pool(
            a_plan(100), an_increment_of(cadence="YEAR", ends_at=NEXT_YEAR, ending=EXPIRE)
        )

        said = self.foresee(pool, a_plan_source(100), held={PLAN, ADDON})

        assert said == [(PLAN, JANUARY, None, None, False), (ADDON, JANUARY, None, None, False)]
        assert (pool.schedules[1].ends_at, pool.schedules[1].ending) == (NEXT_YEAR, EXPIRE)

    def test_leaves_a_removal_to_its_reset_beside_an_override_that_begins_with_it(self):
        """R14: the override was put off, so it is not new, and suspends nothing at once."""
        pool = a_running_pool(a_plan(1200, cadence="YEAR", ends_at=MARCH, ending=CARRY))
        pool.schedules.append(an_override_of(500, starts_at=MARCH, pk=8))

        said = self.foresee(pool, an_override(600), today=[an_override(500)], held={PLAN, ADDON})

        assert said == [
            (PLAN, JANUARY, None, None, False),
            (ADDON, MARCH, FEBRUARY, VOID, False),
            (ADDON, MARCH, None, None, True),
        ]

    def test_carries_no_use_for_an_override_that_is_over_by_then(self):
        """R32: a migration lets it end in February; in March the increment just goes."""
        pool = a_running_pool(an_override_of(500, ends_at=FEBRUARY, ending=EXPIRE))
        increment = an_increment(50, source_id=OTHER_ADDON)
        pool.schedules += [
            a_plan(100, starts_at=FEBRUARY, pk=8),
            an_increment_of(50, source_id=OTHER_ADDON, starts_at=FEBRUARY, pk=9),
        ]

        said = self.foresee(
            pool,
            a_plan_source(100),
            cause=Cause.ADDONS,
            today=[a_plan_source(100), increment],
            held={PLAN, ADDON, OTHER_ADDON},
            at=MARCH,
        )

        assert said == [
            (ADDON, JANUARY, None, None, False),
            (PLAN, FEBRUARY, None, None, False),
            (OTHER_ADDON, FEBRUARY, MARCH, VOID, False),
        ]

    def test_waits_for_no_reset_of_an_override_that_is_over_by_then(self):
        """R14: it ends with the very instant of the update, within its year."""
        pool = a_running_pool(an_override_of(500, cadence="YEAR", ends_at=FEBRUARY, ending=CARRY))
        pool.schedules.append(a_plan(100, starts_at=FEBRUARY, pk=8))

        said = self.foresee(pool, a_plan_source(130), cause=Cause.MIGRATION, held={PLAN, ADDON})

        assert said == [
            (ADDON, JANUARY, None, None, False),
            (PLAN, FEBRUARY, FEBRUARY, VOID, False),
            (PLAN, FEBRUARY, None, None, True),
        ]

    @pytest.mark.parametrize("started_at", [FEBRUARY, MARCH])
    def test_takes_the_place_of_what_would_begin_with_or_after_it(self, started_at):
        """A start in February or March that an update of February changes."""
        pool = a_running_pool()

        said = self.foresee(
            pool,
            a_plan_source(130),
            today=[a_plan_source(100)],
            started_at=started_at,
            billing_cycle_anchor=started_at,
        )

        assert said == [
            (PLAN, started_at, FEBRUARY, VOID, False),
            (PLAN, started_at, None, None, True),
        ]

    def test_says_anew_what_follows_a_trial_that_goes_on_unchanged(self):
        """R25."""
        pool = a_running_pool(a_plan(100, name="Pro", ends_at=MARCH, ending=EXPIRE))

        said = self.foresee(pool, a_plan_source(100), trial_ends_at=MARCH)

        assert said == [
            (PLAN, JANUARY, None, None, False),
            (PLAN, MARCH, FEBRUARY, VOID, False),
            (PLAN, MARCH, None, None, True),
        ]

    def test_changes_a_trial_and_what_follows_it(self):
        """R25, R27: the trial hands over to the update; what follows begins when it would have."""
        pool = a_running_pool(a_plan(100, ends_at=MARCH, ending=EXPIRE))

        said = self.foresee(pool, a_plan_source(130), trial_ends_at=MARCH)

        assert said == [
            (PLAN, JANUARY, FEBRUARY, HAND_OVER, False),
            (PLAN, MARCH, FEBRUARY, VOID, False),
            (PLAN, FEBRUARY, None, None, True),
            (PLAN, MARCH, None, None, True),
        ]
        assert [each.ends_at for each in pool.schedules] == [MARCH, None, MARCH, None]

    def test_is_taken_back_by_the_next_change(self):
        pool = a_running_pool(a_plan(100))
        self.foresee(pool, a_plan_source(500, source_id=5), cause=Cause.PLAN_CHANGE)
        pool.schedules[0].changed = False

        said = plan(pool, a_plan_source(100), cause=Cause.QUANTITY)

        assert said == [(PLAN, JANUARY, None, VOID)]
        assert pool.schedules[0].planned_end_at is None
        assert pool.schedules[0].planned_ending is None
        assert pool.schedules[0].changed
