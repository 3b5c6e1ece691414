"""What time does to a pool, and what a change inside a period does (R18, R20–R32, R36)."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from credits import timeline
from credits.book import Ending, EntryType, GrantType, PoolState, ScheduleState, Stage
from tests.credits.paper import (
    APRIL,
    FEBRUARY,
    JANUARY,
    LATE_JANUARY,
    MARCH,
    MID_JANUARY,
    NEXT_YEAR,
    a_grant,
    a_pool,
    a_pool_at,
    a_schedule,
    a_scheduled_grant,
    an_addon,
    an_overdraft,
    figures,
    line,
    lines,
    switch,
    turned,
    use,
)

MOMENT = timedelta(microseconds=1)
GRANTED = EntryType.GRANTED
EXPIRED = EntryType.EXPIRED
VOIDED = EntryType.VOIDED
SOURCE = EntryType.TRANSFER_SOURCE
TARGET = EntryType.TRANSFER_TARGET


class TestAdvance:
    def test_leaves_the_pool_itself_untouched(self):
        pool = a_pool(a_schedule(5000), a_scheduled_grant(10, effective_at=FEBRUARY))
        before = figures(pool)

        timeline.advance(pool, APRIL)

        assert figures(pool) == before

    def test_returns_only_what_happened_on_the_way(self):
        pool = a_pool_at(JANUARY, a_schedule(100))
        use(pool, 40, MID_JANUARY)

        after, entries = timeline.advance(pool, FEBRUARY)

        assert lines(entries) == [line(EXPIRED, -60), line(GRANTED, 100)]
        assert lines(after.entries) == [line(EntryType.CONSUMED, -40), *lines(entries)]

    def test_does_what_is_due_at_the_last_instant(self):
        """R19: the period that begins at an instant is the one in force at it."""
        pool = a_pool_at(JANUARY, a_schedule(100))

        assert timeline.advance(pool, FEBRUARY - MOMENT)[1] == []
        assert lines(timeline.advance(pool, FEBRUARY)[1]) == [
            line(EXPIRED, -100),
            line(GRANTED, 100),
        ]

    def test_brings_a_pool_that_was_read_for_it(self):
        """In place, as a sweep does, with the same end."""
        pool = a_pool_at(JANUARY, a_schedule(100))
        after, entries = timeline.advance(pool, APRIL)

        timeline.bring(pool, APRIL)

        assert figures(pool) == figures(after)
        assert lines(pool.entries) == lines(entries)

    def test_does_nothing_in_a_pool_that_waits_for_nothing(self):
        pool = a_pool(a_grant(100, consumed=30))

        after, entries = timeline.advance(pool, NEXT_YEAR)

        assert entries == []
        assert figures(after) == figures(pool)

    def test_expires_what_is_left_and_issues_anew(self):
        """R21, first example: 5,000 granted, 3,200 used, plus a top-up that stays."""
        pool = a_pool_at(JANUARY, a_schedule(5000), a_grant(250, priority=20))
        use(pool, 3200, MID_JANUARY)

        after, entries = timeline.advance(pool, FEBRUARY)

        assert lines(entries) == [line(EXPIRED, -1800), line(GRANTED, 5000)]
        assert after.balance == 5250

    def test_settles_after_it_expired_and_issued(self):
        """R22: expire old, issue new, settle overdraft."""
        pool = a_pool_at(JANUARY, a_schedule(100), a_grant(50, priority=0, expires_at=FEBRUARY))
        use(pool, 180, MID_JANUARY)

        after, entries = timeline.advance(pool, FEBRUARY)

        assert lines(entries) == [line(GRANTED, 100), line(SOURCE, 30), line(TARGET, -30)]
        assert after.balance == 70
        assert after.overdraft is None

    def test_writes_a_reset_in_the_order_of_the_rule(self):
        """R22, with something left to expire beside what is owed to nobody."""
        due_together = a_scheduled_grant(40, effective_at=FEBRUARY, type=GrantType.PROMOTIONAL)
        pool = a_pool_at(JANUARY, a_schedule(100), due_together)

        _, entries = timeline.advance(pool, FEBRUARY)

        assert lines(entries) == [line(EXPIRED, -100), line(GRANTED, 100), line(GRANTED, 40)]
        assert {entry.effective_at for entry in entries} == {FEBRUARY}
        assert all(entry.by_time for entry in entries)

    def test_lets_several_take_effect_in_burn_order(self):
        last = a_scheduled_grant(3, effective_at=FEBRUARY)
        first = a_scheduled_grant(1, effective_at=FEBRUARY, priority=0)
        second = a_scheduled_grant(2, effective_at=FEBRUARY, expires_at=MARCH)
        pool = a_pool(last, first, second)

        _, entries = timeline.advance(pool, FEBRUARY)

        assert lines(entries) == [line(GRANTED, 1), line(GRANTED, 2), line(GRANTED, 3)]

    def test_issues_with_what_a_recurring_grant_is_known_by(self):
        """R23, and R52: the amount and the units by which it is explained later."""
        schedule = a_schedule(5000, name="Pro", units=3)

        pool = a_pool_at(JANUARY, schedule)

        [grant] = pool.grants
        assert grant.type == GrantType.RECURRING
        assert (grant.name, grant.amount, grant.priority) == ("Pro", 5000, 10)
        assert (grant.effective_at, grant.expires_at) == (JANUARY, FEBRUARY)
        assert (grant.period_starts_at, grant.period_ends_at) == (JANUARY, FEBRUARY)
        assert (grant.period_amount, grant.units, grant.mark_before) == (5000, 3, 0)
        assert grant.created_at == JANUARY
        assert grant.schedule is pool.schedules[0]
        assert pool.schedules[0].mark == 5000

    def test_issues_twelve_months_in_a_year_never_more_than_one_at_a_time(self):
        """R20, first example: yearly billing, 5,000 per month."""
        pool = a_pool(a_schedule(5000))

        months, balances = [], []
        for _ in range(12):
            at = timeline.next_change_at(pool)
            assert at is not None
            pool, _ = timeline.advance(pool, at)
            months.append(at.month)
            balances.append(pool.balance)

        assert months == list(range(1, 13))
        assert balances == [5000] * 12

    def test_issues_once_a_year_for_a_yearly_cadence(self):
        """R20, second example: monthly billing, 60,000 per year up front."""
        pool = a_pool(a_schedule(60_000, cadence="YEAR"))

        pool, entries = timeline.advance(pool, NEXT_YEAR - MOMENT)

        assert lines(entries) == [line(GRANTED, 60_000)]
        assert pool.grants[0].expires_at == NEXT_YEAR
        assert timeline.next_change_at(pool) == NEXT_YEAR

    def test_grants_what_is_scheduled_and_expires_what_has_a_date(self):
        """R47: states by time, not by jobs."""
        grant = a_scheduled_grant(100, effective_at=FEBRUARY, expires_at=MARCH)
        pool = a_pool(grant)

        assert timeline.advance(pool, FEBRUARY - MOMENT)[0].balance == 0
        assert timeline.advance(pool, FEBRUARY)[0].balance == 100
        assert timeline.advance(pool, MARCH - MOMENT)[0].balance == 100
        assert timeline.advance(pool, MARCH)[0].balance == 0

    def test_leaves_a_grant_alone_whose_payment_is_pending(self):
        pool = a_pool(a_scheduled_grant(100, payment_pending=True, effective_at=FEBRUARY))

        after, entries = timeline.advance(pool, MARCH)

        assert entries == []
        assert (after.balance, after.grants[0].stage) == (0, Stage.WAITING)

    def test_ends_a_grant_without_an_entry_whose_payment_never_came(self):
        grant = a_scheduled_grant(100, payment_pending=True, expires_at=FEBRUARY)
        pool = a_pool(grant)

        after, entries = timeline.advance(pool, FEBRUARY)

        assert entries == []
        assert after.grants[0].stage == Stage.CLOSED

    def test_settles_what_is_owed_when_a_scheduled_grant_takes_effect(self):
        """R36: new grants of any type settle first."""
        pool = a_pool(an_overdraft(15), a_scheduled_grant(50, effective_at=FEBRUARY))

        after, entries = timeline.advance(pool, FEBRUARY)

        assert lines(entries) == [line(GRANTED, 50), line(SOURCE, 15), line(TARGET, -15)]
        assert after.balance == 35

    @pytest.mark.parametrize(
        ("cadence", "days"),
        [
            ("MONTH", ["2026-01-31", "2026-02-28", "2026-03-31", "2026-04-30", "2026-05-31",
                       "2026-06-30"]),
            ("YEAR", ["2028-02-29", "2029-02-28", "2030-02-28", "2031-02-28", "2032-02-29"]),
        ],
    )  # fmt: skip
    def test_resets_on_the_last_day_of_what_is_shorter(self, cadence, days):
        """R19, first and second example."""
        instants = [datetime.fromisoformat(f"{day}T10:00:00+00:00") for day in days]
        pool = a_pool(a_schedule(100, starts_at=instants[0], cadence=cadence))

        after, entries = timeline.advance(pool, instants[-1])

        assert [entry.effective_at for entry in entries if entry.type == GRANTED] == instants
        assert after.balance == 100

    def test_starts_in_the_period_that_the_start_lies_in(self):
        """R24: a back-dated subscription gets the current period's grant only."""
        schedule = a_schedule(
            100,
            starts_at=MID_JANUARY,
            anchor_at=datetime(2025, 3, 5, 10).astimezone(JANUARY.tzinfo),
        )

        pool = a_pool_at(MID_JANUARY, schedule)

        [grant] = pool.grants
        assert grant.effective_at == MID_JANUARY
        assert grant.period_starts_at == JANUARY.replace(day=5)
        assert grant.expires_at == FEBRUARY.replace(day=5)

    def test_starts_at_its_instant_if_it_lies_ahead(self):
        """R18: scheduled starts take effect at their instant."""
        pool = a_pool(a_schedule(100, starts_at=FEBRUARY))

        assert timeline.advance(pool, FEBRUARY - MOMENT)[0].balance == 0
        after, entries = timeline.advance(pool, MARCH - MOMENT)
        assert [entry.effective_at for entry in entries] == [FEBRUARY]
        assert after.balance == 100

    def test_walks_every_missed_period_at_its_true_instant(self):
        """R24: seventy days without a worker."""
        pool = a_pool_at(JANUARY, a_schedule(100))
        use(pool, 130, MID_JANUARY)

        after, entries = timeline.advance(pool, MID_JANUARY + timedelta(days=70))

        assert [
            (entry.effective_at, *each) for entry, each in zip(entries, lines(entries), strict=True)
        ] == [
            (FEBRUARY, *line(GRANTED, 100)),
            (FEBRUARY, *line(SOURCE, 30)),
            (FEBRUARY, *line(TARGET, -30)),
            (MARCH, *line(EXPIRED, -70)),
            (MARCH, *line(GRANTED, 100)),
        ]
        assert after.balance == 100

    def test_gives_nothing_extra_after_an_outage_in_deficit(self):
        """R24: each missed period settles what it would have settled, and expires."""
        pool = a_pool_at(JANUARY, a_schedule(100))
        use(pool, 350, MID_JANUARY)

        owing, _ = timeline.advance(pool, MARCH)
        after, _ = timeline.advance(pool, APRIL)

        assert owing.balance == -50
        assert after.balance == 50

    def test_issues_nothing_for_credits_that_are_switched_off(self):
        pool = a_pool(a_schedule(100, is_granted=False))

        after, entries = timeline.advance(pool, MARCH)

        assert entries == []
        assert after.schedules[0].in_force

    def test_issues_the_least_there_is(self):
        pool = a_pool_at(JANUARY, a_schedule("0.000001"))

        assert pool.balance == Decimal("0.000001")

    def test_issues_nothing_for_an_amount_of_zero(self):
        """R17: 0 units, no grant."""
        assert timeline.advance(a_pool(a_schedule(0)), MARCH)[1] == []

    def test_writes_nothing_at_a_reset_with_nothing_left(self):
        """R52: what ends with nothing left ends without an entry."""
        pool = a_pool_at(JANUARY, a_schedule(100))
        use(pool, 100, MID_JANUARY)

        _, entries = timeline.advance(pool, FEBRUARY)

        assert lines(entries) == [line(GRANTED, 100)]

    def test_ends_without_a_new_grant_when_the_schedule_ends_with_its_period(self):
        """R32 at a period's end: what is left expires as always, nothing new comes."""
        pool = a_pool(a_schedule(100, ends_at=FEBRUARY, ending=Ending.VOID))

        after, entries = timeline.advance(pool, MARCH)

        assert lines(entries) == [line(GRANTED, 100), line(EXPIRED, -100)]
        assert after.balance == 0
        assert timeline.next_change_at(after) is None

    def test_voids_at_the_instant_of_a_cancellation_set_beforehand(self):
        """R18, R32: scheduled cancellations take effect whether or not a worker runs."""
        pool = a_pool(
            a_schedule(100, ends_at=MID_JANUARY, ending=Ending.VOID), a_grant(20, priority=20)
        )

        after, entries = timeline.advance(pool, APRIL)

        assert lines(entries) == [line(GRANTED, 100), line(VOIDED, -100)]
        assert [entry.effective_at for entry in entries] == [JANUARY, MID_JANUARY]
        assert after.balance == 20

    def test_forgets_schedules_whose_last_period_is_over(self):
        schedule = a_schedule(100, ends_at=MID_JANUARY, ending=Ending.VOID)
        pool = a_pool_at(MID_JANUARY, schedule)
        pool.schedules[0].changed = False
        pool.schedules.append(a_schedule(5, source_id=2, starts_at=FEBRUARY))

        after, _ = timeline.advance(pool, FEBRUARY)

        assert [each.source_id for each in after.schedules] == [2]

    def test_remembers_an_ended_schedule_while_its_period_lasts(self):
        """R31: the mark of what was left is needed if it comes back."""
        pool = a_pool_at(MID_JANUARY, a_schedule(100, ends_at=MID_JANUARY, ending=Ending.VOID))
        pool.schedules[0].changed = False

        after, _ = timeline.advance(pool, LATE_JANUARY)
        timeline.turn(after, LATE_JANUARY)

        assert [each.source_id for each in after.schedules] == [1]


class TestTrial:
    """R25, written as two schedules: the trial's own, and what follows."""

    def a_trial(self, *, until: datetime, amount: int = 100):
        trial = a_schedule(amount, ends_at=until, ending=Ending.EXPIRE)
        paid = a_schedule(amount, starts_at=until)
        return a_pool(trial, paid)

    def test_gives_credits_that_expire_when_it_ends(self):
        pool, entries = timeline.advance(self.a_trial(until=MID_JANUARY), MID_JANUARY - MOMENT)

        assert lines(entries) == [line(GRANTED, 100)]
        assert pool.grants[0].expires_at == MID_JANUARY

    def test_gives_credits_that_expire_with_the_period_if_it_is_longer(self):
        pool, _ = timeline.advance(self.a_trial(until=MARCH - timedelta(days=5)), FEBRUARY)

        assert [grant.expires_at for grant in pool.grants] == [FEBRUARY, MARCH - timedelta(days=5)]

    def test_begins_a_new_period_at_its_end(self):
        pool, _ = timeline.advance(self.a_trial(until=MID_JANUARY), LATE_JANUARY)
        use(pool, 30, LATE_JANUARY)

        after, entries = timeline.advance(pool, MARCH - MOMENT)

        mid_february = FEBRUARY.replace(day=15)
        assert [entry.effective_at for entry in entries] == [mid_february, mid_february]
        assert lines(entries) == [line(EXPIRED, -70), line(GRANTED, 100)]
        assert after.grants[-1].expires_at == MARCH.replace(day=15)

    def test_converts_without_carrying_use_along(self):
        pool, _ = timeline.advance(self.a_trial(until=MID_JANUARY), JANUARY)
        use(pool, 60, JANUARY)

        after, entries = timeline.advance(pool, MID_JANUARY)

        assert lines(entries) == [line(EXPIRED, -40), line(GRANTED, 100)]
        assert after.balance == 100

    def test_expires_earlier_if_it_is_shortened(self):
        pool = a_pool_at(JANUARY, a_schedule(100, ends_at=MID_JANUARY, ending=Ending.EXPIRE))
        pool.schedules[0].ends_at = MID_JANUARY - timedelta(days=5)

        after, entries = timeline.advance(pool, LATE_JANUARY)

        assert lines(entries) == [line(EXPIRED, -100)]
        assert entries[0].effective_at == MID_JANUARY - timedelta(days=5)
        assert after.grants[0].expires_at == MID_JANUARY - timedelta(days=5)


class TestAnchorReset:
    def test_expires_what_recurs_and_starts_a_new_period(self):
        """R26."""
        plan = a_schedule(5000)
        pool = a_pool_at(JANUARY, plan, a_grant(100, priority=20))
        use(pool, 3200, MID_JANUARY)
        again = a_schedule(5000, starts_at=MID_JANUARY)

        gained = switch(pool, MID_JANUARY, end=pool.schedules[0], ending=Ending.EXPIRE, begin=again)

        assert gained == [line(EXPIRED, -1800), line(GRANTED, 5000)]
        assert pool.balance == 5100
        assert pool.schedules[-1].next_at == FEBRUARY.replace(day=15)

    def test_counts_the_new_period_from_a_mark_of_its_own(self):
        pool = a_pool_at(JANUARY, a_schedule(100))

        switch(
            pool,
            MID_JANUARY,
            end=pool.schedules[0],
            ending=Ending.EXPIRE,
            begin=a_schedule(100, starts_at=MID_JANUARY),
        )

        assert (pool.schedules[-1].mark, pool.grants[-1].mark_before) == (100, 0)

    def test_gives_once_what_begins_anew_at_the_instant_it_began(self):
        """R26 and the bound of R31: nothing of a period that took no time is lost or doubled."""
        pool = a_pool_at(JANUARY, a_schedule(100))

        gained = switch(
            pool,
            JANUARY,
            end=pool.schedules[0],
            ending=Ending.EXPIRE,
            begin=a_schedule(100, starts_at=JANUARY),
        )

        assert gained == [line(GRANTED, 100), line(VOIDED, -100)]
        assert pool.balance == 100


class TestQuantity:
    """R27: seats and quantities change inside a period."""

    def after_setting(self, *amounts: int):
        pool = a_pool_at(JANUARY, an_addon(amounts[0]))
        gained = []
        for amount in amounts[1:]:
            pool.schedules[0].amount = Decimal(amount)
            gained.append(turned(pool, MID_JANUARY))
        return pool, gained

    def test_grants_the_difference_at_once_when_it_rises(self):
        """R27, first example: add-on 10,000 × 3 → × 5."""
        pool, gained = self.after_setting(30_000, 50_000)

        assert gained == [[line(GRANTED, 20_000)]]
        assert pool.balance == 50_000
        assert pool.grants[1].expires_at == FEBRUARY
        assert pool.grants[1].mark_before == 30_000

    def test_changes_nothing_until_the_reset_when_it_falls(self):
        """R27, first example: → × 2, next period 20,000."""
        pool, gained = self.after_setting(30_000, 50_000, 20_000)

        after, entries = timeline.advance(pool, FEBRUARY)

        assert gained[1] == []
        assert pool.balance == 50_000
        assert lines(entries) == [
            line(EXPIRED, -30_000),
            line(EXPIRED, -20_000),
            line(GRANTED, 20_000),
        ]
        assert after.balance == 20_000

    def test_grants_no_seat_twice(self):
        """R27, second example: seats 5 → 6 → 5 → 6."""
        pool, gained = self.after_setting(5000, 6000, 5000, 6000)

        assert gained == [[line(GRANTED, 1000)], [], []]
        assert pool.balance == 6000

    def test_counts_what_people_voided_as_given(self):
        """R27: what people void is not given back."""
        pool, _ = self.after_setting(5000)
        pool.close(pool.grants[0], VOIDED, MID_JANUARY)
        pool.schedules[0].amount = Decimal(6000)

        assert turned(pool, MID_JANUARY) == [line(GRANTED, 1000)]
        assert pool.balance == 1000

    def test_grants_a_published_increase_at_once(self):
        """R14, first example: plan 5,000 with 3,200 used, 6,000 published to all."""
        pool = a_pool_at(JANUARY, a_schedule(5000))
        use(pool, 3200, MID_JANUARY)
        pool.schedules[0].amount = Decimal(6000)

        assert turned(pool, MID_JANUARY) == [line(GRANTED, 1000)]
        assert pool.balance == 2800

    def test_keeps_a_published_decrease_for_the_reset(self):
        """R14, second example: 4,000 published to all."""
        pool = a_pool_at(JANUARY, a_schedule(5000))
        use(pool, 3200, MID_JANUARY)
        pool.schedules[0].amount = Decimal(4000)

        gained = turned(pool, MID_JANUARY)
        after, entries = timeline.advance(pool, FEBRUARY)

        assert gained == []
        assert pool.balance == 1800
        assert lines(entries) == [line(EXPIRED, -1800), line(GRANTED, 4000)]
        assert after.balance == 4000


class TestIncrement:
    def test_grants_in_full_until_the_reset_of_the_plan(self):
        """R28."""
        pool = a_pool_at(JANUARY, a_schedule(5000))

        gained = switch(
            pool, MID_JANUARY, begin=an_addon(10_000, starts_at=MID_JANUARY, anchor_at=JANUARY)
        )

        assert gained == [line(GRANTED, 10_000)]
        assert pool.balance == 15_000
        assert pool.grants[1].expires_at == FEBRUARY

    def test_loses_what_is_left_when_it_is_removed(self):
        """R32, for an add-on: the plan's credits stay."""
        pool = a_pool_at(JANUARY, a_schedule(5000), an_addon(10_000))
        use(pool, 7000, MID_JANUARY)

        gained = switch(pool, MID_JANUARY, end=pool.schedules[1])

        assert gained == [line(VOIDED, -8000)]
        assert pool.balance == 0

    def test_gives_back_only_what_was_left_when_it_returns(self):
        """Bound of R31, for an increment bought, removed and bought again."""
        pool = a_pool_at(JANUARY, an_addon(100))
        use(pool, 70, MID_JANUARY)
        switch(pool, MID_JANUARY, end=pool.schedules[0])

        gained = switch(
            pool, LATE_JANUARY, begin=an_addon(100, starts_at=LATE_JANUARY, anchor_at=JANUARY)
        )

        assert gained == [line(GRANTED, 30)]
        assert pool.grants[-1].mark_before == 100
        assert pool.balance == 30


class Override:
    """Plan of 100 with 60 used, and an override of 500."""

    def the_pool(self):
        pool = a_pool_at(JANUARY, a_schedule(100))
        use(pool, 60, MID_JANUARY)
        return pool

    def buy(self, pool, now=MID_JANUARY):
        [plan] = [each for each in pool.schedules if each.in_force and each.source == (1, 1)]
        return switch(
            pool,
            now,
            end=plan,
            ending=Ending.CARRY,
            begin=an_addon(500, starts_at=now, anchor_at=JANUARY, is_override=True),
        )

    def remove(self, pool, now=LATE_JANUARY):
        return switch(
            pool,
            now,
            end=running(pool, 2),
            ending=Ending.CARRY,
            begin=a_schedule(100, starts_at=now, anchor_at=JANUARY),
        )


def running(pool, source_id):
    """The schedule of a source that is in force."""
    [schedule] = [each for each in pool.schedules if each.in_force and each.source_id == source_id]
    return schedule


class TestOverrideBought(Override):
    def test_takes_over_what_the_plan_had_paid(self):
        """R29, first example: +500, transfer 60, void −100; balance 440."""
        pool = self.the_pool()

        gained = self.buy(pool)

        assert gained == [
            line(GRANTED, 500),
            line(SOURCE, 60),
            line(TARGET, -60),
            line(VOIDED, -100),
        ]
        assert (pool.balance, pool.granted, pool.consumed) == (440, 500, 60)

    def test_leaves_what_it_cannot_take_over_where_it_is(self):
        """R29: consumption moves up to the new grant's amount."""
        pool = a_pool_at(JANUARY, a_schedule(1000))
        use(pool, 800, MID_JANUARY)

        gained = self.buy(pool)

        assert gained == [
            line(GRANTED, 500),
            line(SOURCE, 500),
            line(TARGET, -500),
            line(VOIDED, -700),
        ]
        assert pool.balance == 0
        assert pool.grants[0].consumed == 300

    def test_takes_over_from_plan_and_increments_in_burn_order(self):
        pool = a_pool_at(JANUARY, a_schedule(100), an_addon(50, source_id=3))
        use(pool, 120, MID_JANUARY)
        pool.schedules[1].ends_at, pool.schedules[1].ending = MID_JANUARY, Ending.CARRY

        gained = self.buy(pool)

        assert gained == [
            line(GRANTED, 500),
            line(SOURCE, 100),
            line(TARGET, -100),
            line(SOURCE, 20),
            line(TARGET, -20),
            line(VOIDED, -100),
            line(VOIDED, -50),
        ]
        assert pool.balance == 380

    def test_settles_what_was_owed_last(self):
        """R27: grant → move consumption → void → settle overdraft."""
        pool = a_pool_at(JANUARY, a_schedule(100))
        use(pool, 130, MID_JANUARY)

        gained = self.buy(pool)

        assert gained == [
            line(GRANTED, 500),
            line(SOURCE, 100),
            line(TARGET, -100),
            line(VOIDED, -100),
            line(SOURCE, 30),
            line(TARGET, -30),
        ]
        assert pool.balance == 370

    def test_takes_nothing_from_another_subscription(self):
        other = a_schedule(40, subscription_id=2, ends_at=MID_JANUARY, ending=Ending.CARRY)
        pool = a_pool_at(JANUARY, a_schedule(100), other)
        use(pool, 120, JANUARY)

        gained = self.buy(pool)

        assert gained == [
            line(GRANTED, 500),
            line(SOURCE, 100),
            line(TARGET, -100),
            line(VOIDED, -100),
            line(VOIDED, -20),
        ]
        assert pool.balance == 400

    def test_leaves_topped_up_credits_alone(self):
        pool = a_pool_at(JANUARY, a_schedule(100), a_grant(50, consumed=20, priority=0))

        gained = self.buy(pool)

        assert gained == [line(GRANTED, 500), line(VOIDED, -100)]
        assert pool.balance == 530


class TestOverrideRemoved(Override):
    def test_gives_the_plan_back_with_its_use(self):
        """R30, first example: 60 used of 500 → balance 40."""
        pool = self.the_pool()
        self.buy(pool)

        gained = self.remove(pool)

        assert gained == [
            line(GRANTED, 100),
            line(SOURCE, 60),
            line(TARGET, -60),
            line(VOIDED, -500),
        ]
        assert pool.balance == 40

    def test_drops_what_the_plan_cannot_take(self):
        """R30, second example: 400 used of 500 → balance 0, and no overdraft."""
        pool = self.the_pool()
        self.buy(pool)
        use(pool, 340, MID_JANUARY)

        gained = self.remove(pool)

        assert gained == [
            line(GRANTED, 100),
            line(SOURCE, 100),
            line(TARGET, -100),
            line(VOIDED, -200),
        ]
        assert (pool.balance, pool.overdraft) == (0, None)

    def test_gives_the_rest_when_it_is_bought_again(self):
        """R31, eighth example: override 500 with 400 used, removed, bought again: 100."""
        pool = self.the_pool()
        self.buy(pool)
        use(pool, 340, MID_JANUARY)
        self.remove(pool)

        gained = self.buy(pool, LATE_JANUARY)

        assert gained == [
            line(GRANTED, 200),
            line(SOURCE, 100),
            line(TARGET, -100),
            line(VOIDED, -100),
        ]
        assert pool.balance == 100


class TestPlanChange:
    """R31: from a plan of 100 with 60 used to one of 500."""

    def the_pool(self, amount: int = 100, used: int = 60):
        pool = a_pool_at(JANUARY, a_schedule(amount, source_id=amount))
        use(pool, used, MID_JANUARY)
        return pool

    def change(self, pool, *, old: int, new: int, ending: Ending):
        return switch(
            pool,
            LATE_JANUARY,
            end=running(pool, old),
            ending=ending,
            begin=a_schedule(new, source_id=new, starts_at=LATE_JANUARY, anchor_at=JANUARY),
        )

    @pytest.mark.parametrize(
        ("old", "used", "new", "ending", "balance"),
        [
            (100, 60, 500, Ending.VOID, 500),
            (100, 60, 500, Ending.CARRY, 440),
            (500, 460, 100, Ending.VOID, 100),
            (500, 460, 100, Ending.CARRY, 0),
        ],
    )
    def test_gives_what_the_setting_says(self, old, used, new, ending, balance):
        """R31, first to fifth example: VOID is ALWAYS_RESET, CARRY is NEVER_RESET."""
        pool = self.the_pool(old, used)

        self.change(pool, old=old, new=new, ending=ending)

        assert pool.balance == balance

    def test_voids_the_rest_and_grants_in_full_with_always_reset(self):
        pool = self.the_pool()

        gained = self.change(pool, old=100, new=500, ending=Ending.VOID)

        assert gained == [line(GRANTED, 500), line(VOIDED, -40)]
        assert pool.grants[-1].expires_at == FEBRUARY

    def test_carries_use_along_with_never_reset(self):
        pool = self.the_pool()

        gained = self.change(pool, old=100, new=500, ending=Ending.CARRY)

        assert gained == [
            line(GRANTED, 500),
            line(SOURCE, 60),
            line(TARGET, -60),
            line(VOIDED, -100),
        ]

    def test_gives_what_was_not_used_when_a_plan_comes_back(self):
        """R31, sixth example: 100 (60 used) → 500 (460 used) → 100 → 500, ALWAYS_RESET."""
        pool = self.the_pool()
        self.change(pool, old=100, new=500, ending=Ending.VOID)
        use(pool, 460, LATE_JANUARY)

        self.change(pool, old=500, new=100, ending=Ending.VOID)
        back = pool.balance
        self.change(pool, old=100, new=500, ending=Ending.VOID)

        assert (back, pool.balance) == (40, 40)

    def test_gives_less_when_use_is_carried(self):
        """R31, seventh example, NEVER_RESET: 0, then 40."""
        pool = self.the_pool()
        self.change(pool, old=100, new=500, ending=Ending.CARRY)
        use(pool, 400, LATE_JANUARY)

        self.change(pool, old=500, new=100, ending=Ending.CARRY)
        back = pool.balance
        self.change(pool, old=100, new=500, ending=Ending.CARRY)

        assert (back, pool.balance) == (0, 40)

    def test_forgets_the_marks_with_the_next_period(self):
        pool = self.the_pool()
        self.change(pool, old=100, new=500, ending=Ending.VOID)

        pool, _ = timeline.advance(pool, FEBRUARY)
        february = FEBRUARY + timedelta(days=3)
        switch(
            pool,
            february,
            end=running(pool, 500),
            begin=a_schedule(100, source_id=100, starts_at=february, anchor_at=JANUARY),
        )

        assert pool.balance == 100

    @pytest.mark.parametrize("ending", [Ending.VOID, Ending.CARRY])
    def test_counts_what_the_same_plan_gave_a_moment_ago(self, ending):
        """Bound of R31, where a source makes way for itself: 200 − 60 used."""
        pool = self.the_pool()
        again = a_schedule(200, source_id=100, starts_at=LATE_JANUARY, anchor_at=JANUARY)

        switch(pool, LATE_JANUARY, end=running(pool, 100), ending=ending, begin=again)

        assert pool.balance == 140

    def test_counts_a_year_from_a_mark_of_its_own(self):
        """A year that begins with the month is another period."""
        pool = self.the_pool()
        yearly = a_schedule(
            1200, source_id=100, cadence="YEAR", starts_at=LATE_JANUARY, anchor_at=JANUARY
        )

        switch(pool, LATE_JANUARY, end=running(pool, 100), begin=yearly)

        assert pool.balance == 1200
        assert (pool.grants[-1].period_starts_at, pool.grants[-1].period_ends_at) == (
            JANUARY,
            NEXT_YEAR,
        )

    def test_counts_what_the_same_plan_could_not_take_along(self):
        """Bound of R31: of 200, 150 are used; down to 100 and up again, 50 are left."""
        pool = self.the_pool(200, 150)
        less = a_schedule(100, source_id=200, starts_at=LATE_JANUARY, anchor_at=JANUARY)
        switch(pool, LATE_JANUARY, end=running(pool, 200), ending=Ending.CARRY, begin=less)

        less.amount = Decimal(200)
        gained = turned(pool, LATE_JANUARY)

        assert gained == [line(GRANTED, 50)]
        assert pool.balance == 50


class TestHandOver:
    """An update that waits: the same source goes on with other terms (R27)."""

    def the_pool(self, new: int = 200, **fields: Any) -> PoolState:
        """A plan of 100, of which 60 are used, that gives `new` from late January on."""
        old = a_schedule(
            100, planned_end_at=LATE_JANUARY, planned_ending=Ending.HAND_OVER, **fields
        )
        then = a_schedule(new, starts_at=LATE_JANUARY, anchor_at=JANUARY, is_planned=True)
        pool = a_pool_at(JANUARY, old, then)
        use(pool, 60, MID_JANUARY)
        return pool

    def test_gives_the_difference_and_voids_nothing(self):
        pool, entries = timeline.advance(self.the_pool(), LATE_JANUARY)

        assert lines(entries) == [line(GRANTED, 100)]
        assert pool.balance == 140
        assert [(each.mark, each.given_back) for each in pool.schedules] == [(100, 0), (200, 0)]

    def test_gives_nothing_more_where_less_is_to_come(self):
        pool, entries = timeline.advance(self.the_pool(30), FEBRUARY)

        assert lines(entries) == [line(EXPIRED, -40), line(GRANTED, 30)]
        assert pool.balance == 30

    def test_hands_over_what_was_given_too(self):
        """R32: what ends the one voids what both gave."""
        pool, _ = timeline.advance(self.the_pool(), LATE_JANUARY)

        gained = switch(pool, LATE_JANUARY, end=pool.schedules[-1])

        assert gained == [line(VOIDED, -40), line(VOIDED, -100)]
        assert pool.balance == 0

    @pytest.mark.parametrize(
        ("ends_at", "reset_at"), [(None, FEBRUARY), (MARCH, FEBRUARY), (FEBRUARY, None)]
    )
    def test_leaves_the_reset_where_it_was(self, ends_at, reset_at):
        pool = self.the_pool(ends_at=ends_at, ending=Ending.VOID)

        assert timeline.next_reset_at(pool) == reset_at
        assert timeline.next_change_at(pool) == LATE_JANUARY


class TestBelongs:
    def handed_over(self, **fields: Any) -> ScheduleState:
        """A schedule of January that went on as another."""
        return a_schedule(
            **{"ended": True, "ending": Ending.HAND_OVER, "next_at": FEBRUARY, **fields}
        )

    @pytest.mark.parametrize("starts_at", [JANUARY, LATE_JANUARY])
    def test_knows_what_its_giver_handed_over(self, starts_at):
        grant = a_grant(schedule=self.handed_over())

        assert timeline.belongs(grant, a_schedule(starts_at=starts_at, next_at=FEBRUARY))

    @pytest.mark.parametrize(
        "fields",
        [
            {"ended": False},
            {"ending": Ending.VOID},
            {"source_id": 2},
            {"starts_at": FEBRUARY},
            {"next_at": MARCH},
        ],
        ids=["running", "voiding", "another source", "a later one", "another period"],
    )
    def test_knows_what_others_gave(self, fields):
        grant = a_grant(schedule=self.handed_over(**fields))

        assert not timeline.belongs(grant, a_schedule(starts_at=LATE_JANUARY, next_at=FEBRUARY))

    def test_knows_its_own_and_what_nobody_gave(self):
        schedule = a_schedule()

        assert timeline.belongs(a_grant(schedule=schedule), schedule)
        assert not timeline.belongs(a_grant(), schedule)


class TestUsedElsewhere:
    """A subscription was moved to another resource, and its use with it."""

    def test_is_not_given_again_in_the_period(self):
        pool = a_pool_at(JANUARY, a_schedule(100, used_elsewhere=Decimal(30)))
        given = pool.balance

        after, _ = timeline.advance(pool, FEBRUARY)

        assert (given, after.balance) == (70, 100)

    def test_stays_with_the_source_when_it_comes_again(self):
        """Bound of R31: never more than its amount, wherever it was."""
        pool = a_pool_at(JANUARY, a_schedule(100, used_elsewhere=Decimal(30)))
        again = a_schedule(100, starts_at=MID_JANUARY, anchor_at=JANUARY)

        switch(pool, MID_JANUARY, end=pool.schedules[0], begin=again)

        assert pool.balance == 70
        assert again.used_elsewhere == 30

    def test_counts_what_was_given_and_did_not_come_back(self):
        schedule = a_schedule(
            100, mark=Decimal(100), given_back=Decimal(40), used_elsewhere=Decimal(7)
        )

        assert timeline.net_of(schedule) == 67

    def test_counts_what_the_source_gave_here_in_the_same_period(self):
        january: dict[str, Any] = {"period_starts_at": JANUARY, "next_at": FEBRUARY}
        pool = a_pool(
            a_schedule(mark=Decimal(100), given_back=Decimal(60), **january),
            a_schedule(mark=Decimal(150), given_back=Decimal(90), **january),
            a_schedule(mark=Decimal(500), period_starts_at=FEBRUARY, next_at=MARCH),
            a_schedule(mark=Decimal(600), source_id=2, **january),
        )

        assert timeline.net_given(pool, (1, 1), (JANUARY, FEBRUARY)) == 60
        assert timeline.net_given(pool, (1, 3), (JANUARY, FEBRUARY)) == 0


class TestEntries:
    def test_of_what_schedules_do_are_the_doing_of_time(self):
        """Carried, voided, settled: somebody changed the schedule, and time did the rest."""
        pool = a_pool_at(JANUARY, a_schedule(100))
        use(pool, 130, MID_JANUARY)
        known = len(pool.entries)
        begin = an_addon(500, starts_at=LATE_JANUARY, anchor_at=JANUARY)

        switch(pool, LATE_JANUARY, end=pool.schedules[0], ending=Ending.CARRY, begin=begin)

        entries = pool.entries[known:]
        assert [(entry.type, entry.by_time) for entry in entries] == [
            (GRANTED, True),
            (SOURCE, True),
            (TARGET, True),
            (VOIDED, True),
            (SOURCE, True),
            (TARGET, True),
        ]


class TestCancellation:
    def test_voids_what_recurs_and_leaves_what_was_bought(self):
        """R32, first example: recurring 3,000 left and paid 2,000."""
        pool = a_pool_at(JANUARY, a_schedule(5000), a_grant(2000, priority=20))
        use(pool, 2000, MID_JANUARY)

        gained = switch(pool, LATE_JANUARY, end=pool.schedules[0])

        assert gained == [line(VOIDED, -3000)]
        assert pool.balance == 2000
        assert timeline.advance(pool, APRIL)[1] == []

    def test_voids_every_step_of_the_mark(self):
        pool = a_pool_at(JANUARY, a_schedule(5000))
        pool.schedules[0].amount = Decimal(6000)
        timeline.turn(pool, MID_JANUARY)

        gained = switch(pool, LATE_JANUARY, end=pool.schedules[0])

        assert gained == [line(VOIDED, -5000), line(VOIDED, -1000)]
        assert pool.schedules[0].given_back == 6000


class TestTurn:
    def test_marks_what_has_to_be_written_although_it_gave_nothing(self):
        """A period begins, and turns, also where credits are switched off."""
        schedule = a_schedule(100, is_granted=False)
        pool = a_pool(schedule)

        timeline.turn(pool, JANUARY)
        started, schedule.changed = schedule.changed, False
        timeline.turn(pool, MID_JANUARY)
        in_between = schedule.changed
        timeline.turn(pool, FEBRUARY)

        assert [started, in_between, schedule.changed] == [True, False, True]
        assert (schedule.period_starts_at, schedule.next_at) == (FEBRUARY, MARCH)

    def test_marks_what_has_to_be_written_because_it_gave(self):
        pool = a_pool_at(JANUARY, a_schedule(100))
        [schedule] = pool.schedules
        schedule.amount, schedule.changed = Decimal(130), False

        timeline.turn(pool, MID_JANUARY)

        assert (schedule.changed, schedule.mark) == (True, 130)

    def test_does_nothing_twice(self):
        pool = a_pool_at(FEBRUARY, a_schedule(100), a_scheduled_grant(5, effective_at=FEBRUARY))
        before = figures(pool)

        assert turned(pool, FEBRUARY) == []
        assert figures(pool) == before

    def test_does_nothing_between_two_changes(self):
        pool = a_pool_at(JANUARY, a_schedule(100), a_grant(5, expires_at=MARCH))
        before = figures(pool)

        assert turned(pool, MID_JANUARY) == []
        assert figures(pool) == before


class TestSettle:
    def test_lets_a_new_grant_pay_what_is_owed(self):
        """R36, first example: −15, grant 50 → balance 35, overdraft voided."""
        overdraft, grant = an_overdraft(15), a_scheduled_grant(50)
        pool = a_pool(overdraft, grant)
        pool.open(grant, FEBRUARY)

        timeline.settle(pool, FEBRUARY)

        assert lines(pool.entries[1:]) == [line(SOURCE, 15), line(TARGET, -15)]
        assert (pool.balance, pool.granted, pool.consumed) == (35, 50, 15)
        assert (overdraft.consumed, overdraft.stage) == (0, Stage.CLOSED)
        assert overdraft.voided_at == FEBRUARY

    def test_uses_up_a_grant_that_is_too_small(self):
        """R36, second example: −15, grant 10 → grant used up, balance −5."""
        overdraft, grant = an_overdraft(15), a_grant(10)
        pool = a_pool(overdraft, grant)

        timeline.settle(pool, FEBRUARY)

        assert pool.balance == -5
        assert grant.remaining == 0
        assert (overdraft.consumed, overdraft.stage) == (5, Stage.OPEN)

    def test_takes_several_grants_in_burn_order(self):
        late, soon = a_grant(10, expires_at=MARCH), a_grant(10, expires_at=FEBRUARY)
        pool = a_pool(an_overdraft(15), late, soon)

        timeline.settle(pool, JANUARY)

        assert (soon.consumed, late.consumed) == (10, 5)

    def test_changes_nothing_without_an_overdraft(self):
        pool = a_pool(a_grant(10))
        before = figures(pool)

        timeline.settle(pool, FEBRUARY)

        assert figures(pool) == before

    def test_says_whether_time_or_somebody_did_it(self):
        pools = [a_pool(an_overdraft(5), a_grant(10)) for _ in range(2)]

        timeline.settle(pools[0], FEBRUARY)
        timeline.settle(pools[1], FEBRUARY, by_time=False)

        assert [entry.by_time for entry in pools[0].entries] == [True, True]
        assert [entry.by_time for entry in pools[1].entries] == [False, False]


class TestNextChangeAt:
    def test_is_the_earliest_of_all_that_is_to_come(self):
        pool = a_pool(
            a_grant(expires_at=APRIL),
            a_scheduled_grant(effective_at=MARCH),
            a_schedule(starts_at=FEBRUARY),
        )

        assert timeline.next_change_at(pool) == FEBRUARY

    @pytest.mark.parametrize(
        "held",
        [
            a_grant(),
            a_grant(stage=Stage.CLOSED, expires_at=FEBRUARY),
            a_scheduled_grant(payment_pending=True),
            an_overdraft(5),
            a_schedule(ended=True, next_at=FEBRUARY, ends_at=MID_JANUARY),
        ],
        ids=["lasting", "over", "unpaid", "overdraft", "ended"],
    )
    def test_is_never_for_what_time_does_not_touch(self, held):
        assert timeline.next_change_at(a_pool(held)) is None

    def test_is_the_end_of_a_schedule_if_it_comes_before_the_reset(self):
        pool = a_pool(a_schedule(next_at=FEBRUARY, ends_at=MID_JANUARY))

        assert timeline.next_change_at(pool) == MID_JANUARY

    def test_is_the_expiry_of_a_grant_that_waits_for_its_payment(self):
        pool = a_pool(a_scheduled_grant(payment_pending=True, expires_at=MARCH))

        assert timeline.next_change_at(pool) == MARCH


class TestGrantsAgain:
    def test_is_no_more_true_of_what_has_ended(self):
        assert timeline.grants_again(a_schedule(next_at=FEBRUARY))
        assert not timeline.grants_again(a_schedule(next_at=FEBRUARY, ended=True))


class TestNextResetAt:
    def test_is_the_earliest_period_end_in_force(self):
        monthly = a_schedule(next_at=FEBRUARY)
        yearly = an_addon(cadence="YEAR", next_at=NEXT_YEAR)

        assert timeline.next_reset_at(a_pool(yearly, monthly)) == FEBRUARY

    def test_is_where_a_trial_is_followed_by_what_was_bought(self):
        """R25."""
        trial = a_schedule(next_at=FEBRUARY, ends_at=MID_JANUARY)
        bought = a_schedule(anchor_at=MID_JANUARY, starts_at=MID_JANUARY)

        assert timeline.next_reset_at(a_pool(trial, bought)) == MID_JANUARY

    def test_is_where_an_update_lets_another_source_begin(self):
        old = a_schedule(next_at=FEBRUARY, planned_end_at=LATE_JANUARY, planned_ending=Ending.CARRY)
        new = a_schedule(source_id=2, starts_at=LATE_JANUARY, is_planned=True)

        assert timeline.next_reset_at(a_pool(old)) is None
        assert timeline.next_reset_at(a_pool(old, new)) == LATE_JANUARY

    @pytest.mark.parametrize(
        "schedule",
        [
            a_schedule(next_at=FEBRUARY, ends_at=FEBRUARY),
            a_schedule(next_at=FEBRUARY, ended=True),
            a_schedule(next_at=FEBRUARY, is_granted=False),
        ],
        ids=["ends with its period", "ended", "switched off"],
    )
    def test_is_none_for_what_will_issue_nothing(self, schedule):
        assert timeline.next_reset_at(a_pool(schedule)) is None
