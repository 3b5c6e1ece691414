"""The only writer of entries, remainders and balances (R52)."""

from datetime import timedelta

import pytest
from django.db import transaction

from catalog.amounts import AmountField
from credits import ledger, pools
from credits.ledger import TooManyCredits
from credits.models import Grant, LedgerEntry, Pool, Schedule
from tests.builders import a_credit_type, a_published_plan, a_subscription, some_credits
from tests.credits.paper import FEBRUARY, JANUARY, MARCH, MID_JANUARY, a_scheduled_grant
from tests.credits.pools import a_pool, consumed, granted, stored
from workspace.actors import SYSTEM, Actor, ActorKind

pytestmark = pytest.mark.django_db

ALICE = Actor(ActorKind.USER, "1", "Alice")


@pytest.fixture
def pool() -> Pool:
    pool = a_pool(now=JANUARY)
    granted(pool, 100, now=JANUARY)
    return stored(pool)


@pytest.fixture
def plan_pool() -> Pool:
    """A plan gives 100 per month."""
    plan = a_published_plan(
        entitlements=[some_credits(a_credit_type(now=JANUARY), 100)], now=JANUARY
    )
    subscription = a_subscription(plan=plan, now=JANUARY)
    return stored(Pool.objects.get(customer=subscription.customer))


class TestWrite:
    def test_writes_nothing_where_nothing_happened(self, pool):
        before = Pool.objects.values().get(), list(Grant.objects.values())

        with transaction.atomic():
            ledger.write([pools.lock(pool.pk, MID_JANUARY)], actor=ALICE, now=MID_JANUARY)

        assert LedgerEntry.objects.count() == 1
        assert (Pool.objects.values().get(), list(Grant.objects.values())) == before

    def test_numbers_on_from_the_last_entry(self, pool):
        consumed(pool, 10, now=JANUARY)
        consumed(pool, 10, now=MID_JANUARY)

        entries = LedgerEntry.objects.order_by("number")
        assert [(e.number, e.balance_before, e.balance_after) for e in entries] == [
            (1, 0, 100),
            (2, 100, 90),
            (3, 90, 80),
        ]
        assert stored(pool).last_entry_number == 3
        assert stored(pool).as_of == MID_JANUARY

    def test_keeps_two_times(self, plan_pool):
        """R38: when it changed the pool, and when it was written."""
        late = FEBRUARY + timedelta(days=3)

        consumed(plan_pool, 10, now=late)

        entries = LedgerEntry.objects.filter(number__gt=1).order_by("number")
        assert [(entry.effective_at, entry.recorded_at) for entry in entries] == [
            (FEBRUARY, late),
            (FEBRUARY, late),
            (late, late),
        ]

    def test_says_what_time_did_and_what_somebody_did(self, plan_pool):
        with transaction.atomic():
            locked = pools.lock(plan_pool.pk, FEBRUARY, with_schedules=True)
            locked.state.note_update(locked.state.open_grants[-1], FEBRUARY)
            ledger.write([locked], actor=ALICE, now=FEBRUARY, reason="Because")

        entries = LedgerEntry.objects.filter(number__gt=1).order_by("number")
        assert [(entry.type, entry.actor, entry.reason) for entry in entries] == [
            ("CREDITS_EXPIRED", "System", ""),
            ("CREDITS_GRANTED", "System", ""),
            ("CREDITS_UPDATED", "Alice", "Because"),
        ]

    def test_writes_several_pools_at_once(self, pool, plan_pool, django_assert_max_num_queries):
        both = [pool.pk, plan_pool.pk]
        with transaction.atomic():
            locked = pools.lock_several(both, FEBRUARY)
            for each in locked:
                [*_, grant] = each.state.open_grants
                each.state.note_update(grant, FEBRUARY)

            with django_assert_max_num_queries(8):
                ledger.write(locked, actor=ALICE, now=FEBRUARY)

        assert [stored(each).last_entry_number for each in (pool, plan_pool)] == [2, 4]

    def test_notes_when_time_will_change_the_pool_next(self, plan_pool):
        """The pool is right by itself until then."""
        assert plan_pool.next_change_at == FEBRUARY
        assert plan_pool.next_reset_at == FEBRUARY

        granted(plan_pool, 5, now=JANUARY, expires_at=MID_JANUARY)

        assert stored(plan_pool).next_change_at == MID_JANUARY
        assert stored(plan_pool).next_reset_at == FEBRUARY

    def test_remembers_the_mark_with_what_it_granted(self, plan_pool):
        schedule, grant = Schedule.objects.get(), Grant.objects.get()

        assert (schedule.mark, schedule.period_starts_at, schedule.next_at) == (
            100,
            JANUARY,
            FEBRUARY,
        )
        assert (grant.mark_before, grant.period_starts_at, grant.period_ends_at) == (
            0,
            JANUARY,
            FEBRUARY,
        )
        assert (grant.schedule, grant.subscription_id) == (schedule, schedule.subscription_id)

    def test_puts_a_used_up_grant_without_an_end_aside(self, pool):
        """A pool is read without what nothing can happen to any more."""
        consumed(pool, 100, now=JANUARY)

        assert Grant.objects.get().stage == "SPENT"
        assert (stored(pool).granted, stored(pool).consumed) == (100, 100)

    def test_refuses_more_than_the_columns_can_hold(self, pool):
        before = list(Pool.objects.values()), list(LedgerEntry.objects.values())

        def overflow() -> None:
            with transaction.atomic():
                locked = pools.lock(pool.pk, MID_JANUARY)
                locked.state.open(a_scheduled_grant(AmountField.LARGEST), MID_JANUARY)
                ledger.write([locked], actor=SYSTEM, now=MID_JANUARY)

        with pytest.raises(TooManyCredits, match="cannot hold more than 9,000,000,000,000"):
            overflow()

        assert (list(Pool.objects.values()), list(LedgerEntry.objects.values())) == before

    def test_lets_a_replay_of_the_ledger_give_the_balance(self, plan_pool):
        """R52, after three months of use."""
        for month, amount in ((JANUARY, 30), (FEBRUARY, 150), (MARCH, 20)):
            consumed(plan_pool, amount, now=month)

        amounts = LedgerEntry.objects.values_list("amount", flat=True)
        assert sum(amounts) == stored(plan_pool).balance == 30
