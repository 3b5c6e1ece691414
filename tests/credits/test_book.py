"""Movements on paper keep entry, remainder, balance and totals together."""

from datetime import timedelta
from decimal import Decimal

import pytest

from credits.book import Ending, EntryType, GrantType, Stage
from tests.credits.paper import (
    APRIL,
    FEBRUARY,
    JANUARY,
    MARCH,
    MID_JANUARY,
    a_grant,
    a_pool,
    a_schedule,
    a_scheduled_grant,
    an_overdraft,
    figures,
    line,
    lines,
)

EARLIER = JANUARY - timedelta(hours=1)


class TestScheduleState:
    def test_is_in_force_from_its_first_period_to_its_end(self):
        schedule = a_schedule()

        assert not schedule.in_force
        schedule.next_at = FEBRUARY
        assert schedule.in_force
        schedule.ended = True
        assert not schedule.in_force

    def test_belongs_to_one_package_in_one_subscription(self):
        assert a_schedule(source_id=7).source == (1, 7)

    def test_grants_until_its_period_is_over(self):
        assert a_schedule(next_at=FEBRUARY).grants_until == FEBRUARY

    def test_grants_until_the_trial_ends_if_that_is_earlier(self):
        schedule = a_schedule(next_at=FEBRUARY, ends_at=MID_JANUARY, ending=Ending.EXPIRE)

        assert schedule.grants_until == MID_JANUARY

    def test_grants_until_the_period_ends_if_the_trial_is_longer(self):
        schedule = a_schedule(next_at=FEBRUARY, ends_at=MARCH, ending=Ending.EXPIRE)

        assert schedule.grants_until == FEBRUARY

    @pytest.mark.parametrize("ending", [Ending.VOID, Ending.CARRY])
    def test_grants_for_the_whole_period_if_its_end_voids(self, ending):
        schedule = a_schedule(next_at=FEBRUARY, ends_at=MID_JANUARY, ending=ending)

        assert schedule.grants_until == FEBRUARY

    def test_does_not_know_until_when_before_it_started(self):
        schedule = a_schedule(ends_at=MARCH, ending=Ending.EXPIRE)

        assert schedule.grants_until is None

    @pytest.mark.parametrize(
        ("planned_end_at", "ends_at", "over_at"),
        [
            (None, None, None),
            (FEBRUARY, None, FEBRUARY),
            (None, MARCH, MARCH),
            (FEBRUARY, MARCH, FEBRUARY),
            (APRIL, MARCH, MARCH),
        ],
    )
    def test_is_over_at_whichever_end_comes_first(self, planned_end_at, ends_at, over_at):
        schedule = a_schedule(planned_end_at=planned_end_at, ends_at=ends_at)

        assert schedule.over_at == over_at

    @pytest.mark.parametrize(
        ("planned_end_at", "ends_at", "ended"),
        [
            (FEBRUARY, None, (FEBRUARY, Ending.CARRY)),
            (FEBRUARY, MARCH, (FEBRUARY, Ending.CARRY)),
            (MARCH, MARCH, (MARCH, Ending.VOID)),
            (APRIL, MARCH, (MARCH, Ending.VOID)),
            (EARLIER, None, (JANUARY, Ending.CARRY)),
        ],
    )
    def test_finishes_as_the_end_says_that_came_first(self, planned_end_at, ends_at, ended):
        """No schedule ends before it starts."""
        schedule = a_schedule(
            starts_at=JANUARY,
            planned_end_at=planned_end_at,
            planned_ending=Ending.CARRY,
            ends_at=ends_at,
            ending=Ending.VOID,
        )

        schedule.finish()

        assert (schedule.ends_at, schedule.ending) == ended
        assert (schedule.planned_end_at, schedule.planned_ending) == (None, None)
        assert (schedule.ended, schedule.changed) == (True, True)

    def test_finishes_by_itself_where_no_update_waits(self):
        schedule = a_schedule(ends_at=MARCH, ending=Ending.EXPIRE)

        schedule.finish()

        assert (schedule.ends_at, schedule.ending) == (MARCH, Ending.EXPIRE)
        assert (schedule.ended, schedule.changed) == (True, True)

    def test_is_in_a_period(self):
        schedule = a_schedule(period_starts_at=JANUARY, next_at=FEBRUARY)

        assert schedule.period == (JANUARY, FEBRUARY)


class TestGrantState:
    def test_has_left_what_was_not_consumed(self):
        assert a_grant(100, consumed="30.5").remaining == Decimal("69.5")

    def test_has_less_than_nothing_left_as_an_overdraft(self):
        assert an_overdraft(15).remaining == -15


class TestOpenGrants:
    def test_are_those_that_count_but_not_the_overdraft(self):
        counts = a_grant()
        pool = a_pool(counts, a_scheduled_grant(), a_grant(stage=Stage.CLOSED), an_overdraft(5))

        assert pool.open_grants == [counts]


class TestOverdraft:
    def test_is_the_open_one(self):
        settled, open_ = an_overdraft(0), an_overdraft(5)
        settled.stage = Stage.CLOSED

        assert a_pool(a_grant(), settled, open_).overdraft is open_

    def test_is_none_without_a_deficit(self):
        settled = an_overdraft(0)
        settled.stage = Stage.CLOSED

        assert a_pool(a_grant(), settled).overdraft is None


class TestOpen:
    def test_adds_the_amount_to_the_balance(self):
        """R47: CREDITS_GRANTED is written when a grant becomes active."""
        grant = a_scheduled_grant(50)
        pool = a_pool(a_grant(100, consumed=30), grant)

        pool.open(grant, FEBRUARY)

        assert (pool.balance, pool.granted, pool.consumed) == (120, 150, 30)
        assert lines(pool.entries) == [line(EntryType.GRANTED, 50)]
        assert (grant.stage, grant.changed) == (Stage.OPEN, True)
        assert pool.grants.count(grant) == 1

    def test_takes_in_a_grant_the_pool_did_not_know(self):
        known, grant = a_grant(), a_scheduled_grant(50)
        pool = a_pool(known)

        pool.open(grant, JANUARY)

        assert pool.grants == [known, grant]


class TestSpend:
    def test_takes_the_amount_from_grant_and_balance(self):
        grant = a_grant(100)
        pool = a_pool(grant)

        pool.spend(grant, Decimal("40.000001"), JANUARY)

        assert grant.consumed == Decimal("40.000001")
        assert (pool.balance, pool.granted) == (Decimal("59.999999"), 100)
        assert pool.consumed == Decimal("40.000001")
        assert lines(pool.entries) == [line(EntryType.CONSUMED, "-40.000001")]
        assert grant.changed

    def test_is_never_the_doing_of_time(self):
        grant = a_grant(100)
        pool = a_pool(grant)

        pool.spend(grant, Decimal(1), JANUARY)

        assert not pool.entries[0].by_time


class TestOverdraw:
    def test_opens_an_overdraft_of_amount_zero(self):
        """R36, first example: balance 10, cost 25."""
        grant = a_grant(10)
        pool = a_pool(grant)
        pool.spend(grant, Decimal(10), JANUARY)

        pool.overdraw(Decimal(15), JANUARY)

        assert pool.overdraft is not None
        assert (pool.overdraft.amount, pool.overdraft.consumed) == (0, 15)
        assert (pool.overdraft.type, pool.overdraft.name) == (GrantType.OVERDRAFT, "Overdraft")
        assert (pool.balance, pool.granted, pool.consumed) == (-15, 10, 25)
        assert lines(pool.entries) == [line(EntryType.CONSUMED, -10), line(EntryType.CONSUMED, -15)]

    def test_adds_to_the_overdraft_that_is_open(self):
        pool = a_pool(an_overdraft(5))

        pool.overdraw(Decimal(15), JANUARY)

        assert len(pool.grants) == 1
        assert (pool.balance, pool.grants[0].consumed) == (-20, 20)

    def test_does_not_reopen_one_that_was_settled(self):
        settled = an_overdraft(0)
        settled.stage = Stage.CLOSED
        pool = a_pool(settled)

        pool.overdraw(Decimal(3), JANUARY)

        assert [grant.consumed for grant in pool.grants] == [0, 3]
        assert pool.overdraft is pool.grants[1]

    def test_dates_the_overdraft_no_earlier_than_the_entry_before(self):
        """R38: made when the clock says, effective when the ledger can say so."""
        grant = a_grant(10)
        pool = a_pool(grant)
        pool.spend(grant, Decimal(10), JANUARY)

        pool.overdraw(Decimal(15), EARLIER)

        assert pool.overdraft is not None
        assert (pool.overdraft.created_at, pool.overdraft.effective_at) == (EARLIER, JANUARY)


class TestMoveConsumption:
    def test_moves_between_grants_and_leaves_the_balance(self):
        """R52: transfer pairs sum to 0."""
        source, target = a_grant(100, consumed=60), a_grant(500)
        pool = a_pool(source, target)

        pool.move_consumption(source, target, Decimal(60), JANUARY)

        assert (source.consumed, target.consumed) == (0, 60)
        assert (pool.balance, pool.granted, pool.consumed) == (540, 600, 60)
        assert lines(pool.entries) == [
            line(EntryType.TRANSFER_SOURCE, 60),
            line(EntryType.TRANSFER_TARGET, -60),
        ]
        assert source.changed
        assert target.changed

    def test_adds_to_what_the_target_has_paid(self):
        source, target = a_grant(100, consumed=60), a_grant(500, consumed=7)
        pool = a_pool(source, target)

        pool.move_consumption(source, target, Decimal(20), JANUARY)

        assert (source.consumed, target.consumed) == (40, 27)
        assert (pool.balance, pool.consumed) == (533, 67)


class TestClose:
    def test_takes_what_was_left_out_of_the_balance(self):
        """R48, first example: 1,000 granted, 300 used; −700, and consumed stays 300."""
        grant = a_grant(1000, consumed=300)
        pool = a_pool(grant, a_grant(50))

        remaining = pool.close(grant, EntryType.VOIDED, FEBRUARY)

        assert remaining == 700
        assert (pool.balance, pool.granted, pool.consumed) == (50, 50, 0)
        assert lines(pool.entries) == [line(EntryType.VOIDED, -700)]
        assert grant.consumed == 300
        assert (grant.stage, grant.voided_at, grant.expires_at) == (Stage.CLOSED, FEBRUARY, None)

    def test_writes_nothing_when_nothing_was_left(self):
        """R52: what ends with nothing left ends without an entry."""
        grant = a_grant(100, consumed=100)
        pool = a_pool(grant)

        remaining = pool.close(grant, EntryType.EXPIRED, FEBRUARY)

        assert remaining == 0
        assert pool.entries == []
        assert (pool.balance, pool.granted, pool.consumed) == (0, 0, 0)
        assert grant.changed

    def test_moves_nothing_for_a_grant_that_never_counted(self):
        grant = a_scheduled_grant(100, effective_at=MARCH)
        pool = a_pool(grant)

        remaining = pool.close(grant, EntryType.VOIDED, FEBRUARY)

        assert remaining == 0
        assert pool.entries == []
        assert pool.balance == 0
        assert grant.stage == Stage.CLOSED

    def test_brings_an_expiry_forward_that_came_early(self):
        grant = a_grant(100, expires_at=MARCH)
        pool = a_pool(grant)

        pool.close(grant, EntryType.EXPIRED, FEBRUARY)

        assert (grant.expires_at, grant.voided_at) == (FEBRUARY, None)

    def test_keeps_the_expiry_of_a_grant_that_expires_on_time(self):
        grant = a_grant(100, expires_at=FEBRUARY)
        pool = a_pool(grant)

        pool.close(grant, EntryType.EXPIRED, FEBRUARY)

        assert grant.expires_at == FEBRUARY

    def test_keeps_the_expiry_of_a_grant_that_expires_after_a_later_entry(self):
        """R38: the entry waits for the one before it, the expiry does not."""
        grant, other = a_grant(100, expires_at=FEBRUARY), a_grant(100)
        pool = a_pool(grant, other)
        pool.spend(other, Decimal(1), MARCH)

        pool.close(grant, EntryType.EXPIRED, FEBRUARY)

        assert grant.expires_at == FEBRUARY
        assert pool.entries[-1].effective_at == MARCH

    def test_gives_an_end_to_what_would_never_have_expired(self):
        grant = a_grant(100)

        a_pool(grant).close(grant, EntryType.EXPIRED, FEBRUARY)

        assert grant.expires_at == FEBRUARY


class TestNoteUpdate:
    def test_is_the_only_entry_that_moves_nothing(self):
        """R49: CREDITS_UPDATED with amount 0."""
        grant = a_grant(100)
        pool = a_pool(grant)

        pool.note_update(grant, FEBRUARY)

        assert lines(pool.entries) == [line(EntryType.UPDATED, 0)]
        assert pool.balance == 100
        assert grant.changed


class TestEntries:
    def test_say_which_grant_they_moved_and_when(self):
        first, second = a_grant(100), a_scheduled_grant(50)
        pool = a_pool(first)

        pool.open(second, JANUARY)
        pool.spend(first, Decimal(30), MID_JANUARY)
        pool.move_consumption(first, second, Decimal(30), FEBRUARY)
        pool.note_update(first, MARCH)
        pool.close(first, EntryType.VOIDED, APRIL)

        assert [(entry.grant, entry.effective_at) for entry in pool.entries] == [
            (second, JANUARY),
            (first, MID_JANUARY),
            (first, FEBRUARY),
            (second, FEBRUARY),
            (first, MARCH),
            (first, APRIL),
        ]

    def test_are_the_doing_of_somebody_unless_it_is_said_to_be_of_time(self):
        pools = [a_pool(a_grant(100, consumed=5)) for _ in range(2)]

        for pool, said in zip(pools, ({}, {"by_time": True}), strict=True):
            source, target = pool.grants[0], a_scheduled_grant(100)
            pool.open(target, JANUARY, **said)
            pool.move_consumption(source, target, Decimal(5), JANUARY, **said)
            pool.close(source, EntryType.VOIDED, JANUARY, **said)

        assert [entry.by_time for entry in pools[0].entries] == [False] * 4
        assert [entry.by_time for entry in pools[1].entries] == [True] * 4

    def test_name_the_consumption_that_caused_them(self):
        grant, cause = a_grant(10), object()
        pool = a_pool(grant)

        pool.spend(grant, Decimal(10), JANUARY, cause=cause)
        pool.overdraw(Decimal(5), JANUARY, cause=cause)
        pool.overdraw(Decimal(5), JANUARY)

        assert [entry.cause for entry in pool.entries] == [cause, cause, None]

    def test_begin_with_the_balance_the_one_before_ended_with(self):
        grant = a_grant(100)
        pool = a_pool(grant)

        pool.spend(grant, Decimal(30), JANUARY)
        pool.spend(grant, Decimal(20), JANUARY)
        pool.close(grant, EntryType.VOIDED, FEBRUARY)

        chain = [(entry.balance_before, entry.balance_after) for entry in pool.entries]
        assert chain == [(100, 70), (70, 50), (50, 0)]

    def test_are_never_earlier_than_the_one_before(self):
        """R38: the clock of another host may be behind."""
        grant = a_grant(100)
        pool = a_pool(grant)

        pool.spend(grant, Decimal(1), JANUARY)
        pool.spend(grant, Decimal(1), EARLIER)
        pool.spend(grant, Decimal(1), FEBRUARY)

        times = [entry.effective_at for entry in pool.entries]
        assert times == [JANUARY, JANUARY, FEBRUARY]
        assert pool.as_of == FEBRUARY

    def test_date_a_void_no_earlier_than_the_entry_before(self):
        grant, other = a_grant(100), a_grant(100)
        pool = a_pool(grant, other)
        pool.spend(other, Decimal(1), FEBRUARY)

        pool.close(grant, EntryType.VOIDED, JANUARY)

        assert grant.voided_at == FEBRUARY


class TestNotBefore:
    def test_is_the_instant_itself_in_a_pool_without_entries(self):
        assert a_pool().not_before(JANUARY) == JANUARY


class TestCopy:
    def test_shares_nothing_that_moves(self):
        schedule = a_schedule(next_at=FEBRUARY)
        grant = a_grant(100, schedule=schedule)
        pool = a_pool(grant, schedule)
        pool.spend(grant, Decimal(10), JANUARY)
        before = figures(pool)

        other = pool.copy()
        other.spend(other.grants[0], Decimal(5), JANUARY)
        other.schedules[0].mark += 5
        other.schedules.append(a_schedule(source_id=9))
        other.grants.append(a_grant())

        assert figures(pool) == before

    def test_keeps_each_grant_with_its_schedule(self):
        schedule = a_schedule()
        pool = a_pool(a_grant(schedule=schedule), schedule)

        other = pool.copy()

        assert other.grants[0].schedule is other.schedules[0]
        assert other.schedules[0] is not schedule

    def test_keeps_each_entry_with_its_grant(self):
        first, second = a_grant(100), a_grant(100)
        pool = a_pool(first, second)
        pool.spend(second, Decimal(1), JANUARY)
        pool.spend(first, Decimal(1), JANUARY)

        other = pool.copy()

        assert [entry.grant for entry in other.entries] == [other.grants[1], other.grants[0]]
        assert first not in other.grants

    def test_keeps_an_entry_of_a_grant_the_pool_no_longer_lists(self):
        grant = a_grant(100)
        pool = a_pool(grant)
        pool.close(grant, EntryType.VOIDED, JANUARY)
        pool.grants.remove(grant)

        assert [entry.grant for entry in pool.copy().entries] == [grant]

    def test_keeps_a_schedule_the_pool_no_longer_lists(self):
        over = a_schedule(ended=True)
        pool = a_pool(a_grant(schedule=over, expires_at=APRIL))

        assert pool.copy().grants[0].schedule is over
