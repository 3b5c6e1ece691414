"""The only writer of entries, remainders and balances (R52)."""

from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import transaction

from catalog.amounts import AmountField
from credits import ledger, pools, posting, timeline
from credits.book import Ending, GrantType, PoolState
from credits.ledger import TooManyCredits
from credits.models import Consumption, Grant, LedgerEntry, Pool, Schedule
from credits.pools import LockedPool
from subscriptions.models import Subscription
from tests.builders import a_credit_type, a_published_plan, a_subscription, some_credits
from tests.credits.paper import (
    APRIL,
    FEBRUARY,
    JANUARY,
    LATE_JANUARY,
    MARCH,
    MID_JANUARY,
    a_grant,
    a_schedule,
    a_scheduled_grant,
    an_addon,
)
from tests.credits.pools import a_pool, consumed, granted, stored
from workspace.actors import Actor, ActorKind

pytestmark = pytest.mark.django_db

ALICE = Actor(ActorKind.USER, "1", "Alice")
MILLIONTH = Decimal("0.000001")


def a_consumption(pool: Pool, amount: int | Decimal, *, reason: str = "") -> Consumption:
    """A demand whose key has been claimed, and nothing else yet."""
    return Consumption.objects.create(
        pool=pool,
        kind="DIRECT",
        key=f"key {amount}",
        amount=amount,
        used_at=JANUARY,
        recorded_at=JANUARY,
        actor_kind="USER",
        actor="Alice",
        reason=reason,
    )


def write(
    pool: Pool,
    move: Callable[[PoolState], Any],
    *,
    now: datetime = JANUARY,
    with_schedules: bool = True,
    reason: str = "",
) -> LockedPool:
    """Lock the pool, move something on paper and write it down."""
    with transaction.atomic():
        locked = pools.lock(pool.pk, now, with_schedules=with_schedules)
        move(locked.state)
        ledger.write([locked], actor=ALICE, now=now, reason=reason)
    return locked


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
        assert set(LedgerEntry.objects.values_list("reason", flat=True)) == {""}

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

    def test_puts_nothing_aside_that_can_still_change(self, pool):
        """What is not used up, what will expire, what is owed, and what has ended."""
        granted(pool, 10, expires_at=MARCH, priority=0, now=JANUARY)
        consumed(pool, 60, now=JANUARY)
        assert [grant.stage for grant in Grant.objects.order_by("pk")] == ["OPEN", "OPEN"]

        consumed(pool, 80, now=JANUARY)
        consumed(pool, 5, now=MARCH)

        assert [(grant.type, grant.stage) for grant in Grant.objects.order_by("pk")] == [
            ("PAID", "SPENT"),
            ("PAID", "CLOSED"),
            ("OVERDRAFT", "OPEN"),
        ]

    @pytest.mark.parametrize("total", ["balance", "granted", "consumed"])
    def test_refuses_more_than_the_columns_can_hold(self, pool, total):
        before = list(Pool.objects.values()), list(LedgerEntry.objects.values())

        def overflow(state: PoolState) -> None:
            setattr(state, total, AmountField.LARGEST + MILLIONTH)

        with pytest.raises(TooManyCredits, match="cannot hold more than 9,000,000,000,000") as no:
            write(pool, overflow)

        assert no.value.field == "amount"
        assert (list(Pool.objects.values()), list(LedgerEntry.objects.values())) == before

    def test_refuses_more_debts_than_the_columns_can_hold(self):
        """An overdraft may grow as large as a balance, and no larger."""
        pool = a_pool(now=JANUARY)
        most = Decimal(AmountField.LARGEST)
        claim = a_consumption(pool, most)

        write(pool, lambda state: state.overdraw(most, JANUARY, cause=claim))

        assert stored(pool).balance == -AmountField.LARGEST
        with pytest.raises(TooManyCredits):
            write(pool, lambda state: state.overdraw(MILLIONTH, JANUARY))
        assert stored(pool).balance == -AmountField.LARGEST

    def test_names_the_consumption_and_its_reason(self, pool):
        """R50: a person's reason stands with each entry."""
        claim = a_consumption(pool, 30, reason="Refund")

        def spend(state: PoolState) -> None:
            state.spend(state.open_grants[0], Decimal(30), JANUARY, cause=claim)
            state.note_update(state.open_grants[0], JANUARY)

        write(pool, spend, reason="Edited")

        entries = LedgerEntry.objects.filter(number__gt=1).order_by("number")
        assert [
            (entry.type, entry.consumption_id, entry.actor_kind, entry.actor, entry.reason)
            for entry in entries
        ] == [
            ("CREDITS_CONSUMED", claim.pk, "USER", "Alice", "Refund"),
            ("CREDITS_UPDATED", None, "USER", "Alice", "Edited"),
        ]

    def test_stores_a_grant_as_it_stands_on_paper(self, pool):
        gift = a_scheduled_grant(
            70,
            type=GrantType.PROMOTIONAL,
            name="Welcome",
            priority=3,
            effective_at=FEBRUARY,
            expires_at=MARCH,
            created_at=JANUARY,
            payment_pending=True,
            details={
                "source_type": "PROMOTIONAL",
                "comment": "for Alice",
                "metadata": {"order": "7"},
                "cost_amount": Decimal("3.5"),
                "cost_currency": "EUR",
            },
        )

        write(pool, lambda state: state.grants.append(marked(gift)), now=MID_JANUARY)

        row = Grant.objects.latest("pk")
        assert gift.pk == row.pk
        assert columns_of(row) == {
            "pool_id": pool.pk,
            "type": "PROMOTIONAL",
            "source_type": "PROMOTIONAL",
            "schedule_id": None,
            "subscription_id": None,
            "source_id": None,
            "name": "Welcome",
            "comment": "for Alice",
            "metadata": {"order": "7"},
            "amount": 70,
            "consumed": 0,
            "priority": 3,
            "cost_amount": Decimal("3.5"),
            "cost_currency": "EUR",
            "effective_at": FEBRUARY,
            "expires_at": MARCH,
            "payment_pending": True,
            "voided_at": None,
            "void_reason": "",
            "stage": "WAITING",
            "period_starts_at": None,
            "period_ends_at": None,
            "mark_before": None,
            "period_amount": None,
            "units": None,
            "created_at": JANUARY,
            "updated_at": MID_JANUARY,
        }

    def test_stores_an_overdraft_with_nothing_but_what_is_owed(self):
        pool = a_pool(now=JANUARY)
        claim = a_consumption(pool, 15)

        write(
            pool,
            lambda state: state.overdraw(Decimal(15), JANUARY, cause=claim),
            with_schedules=False,
        )

        row = columns_of(Grant.objects.get())
        assert (row["type"], row["stage"]) == ("OVERDRAFT", "OPEN")
        assert (row["amount"], row["consumed"]) == (0, 15)
        assert (row["source_type"], row["comment"], row["metadata"]) == ("", "", {})
        assert (row["cost_amount"], row["cost_currency"]) == (0, "USD")

    def test_writes_nothing_where_the_database_adds_fewer_grants(self, pool, monkeypatch):
        monkeypatch.setattr(posting, "add_grants", lambda rows: [])

        with pytest.raises(ValueError, match="shorter"):
            write(pool, lambda state: state.open(a_scheduled_grant(5), JANUARY))

        assert LedgerEntry.objects.count() == 1
        assert stored(pool).balance == 100

    def test_stores_what_recurs_with_the_source_it_comes_from(self, subscribed):
        """R23."""
        pool, subscription = subscribed
        sources = [
            a_schedule(100, subscription_id=subscription.pk, source_id=subscription.plan_id),
            an_addon(50, subscription_id=subscription.pk, source_id=a_published_plan().pk),
        ]

        write(pool, lambda state: turned(state, sources, JANUARY))

        rows = [columns_of(row) for row in Grant.objects.order_by("pk")]
        schedules = Schedule.objects.order_by("pk")
        assert [row["source_type"] for row in rows] == ["PLAN_ENTITLEMENT", "ADDON_ENTITLEMENT"]
        assert [row["schedule_id"] for row in rows] == [row.pk for row in schedules]
        assert [row["source_id"] for row in rows] == [source.source_id for source in sources]
        for row in rows:
            assert row["subscription_id"] == subscription.pk
            assert (row["period_starts_at"], row["period_ends_at"]) == (JANUARY, FEBRUARY)
            assert (row["mark_before"], row["type"]) == (0, "RECURRING")
        assert [row["period_amount"] for row in rows] == [each.amount for each in sources]
        assert [row["units"] for row in rows] == [each.units for each in sources]

    def test_stores_a_schedule_as_it_stands_on_paper(self, subscribed):
        pool, subscription = subscribed
        on_paper = a_schedule(
            100,
            subscription_id=subscription.pk,
            source_id=subscription.plan_id,
            source_is_addon=True,
            name="Pro",
            units=Decimal(4),
            cadence="YEAR",
            anchor_at=JANUARY - timedelta(days=3),
            starts_at=JANUARY,
            ends_at=MARCH,
            ending=Ending.CARRY,
            planned_end_at=FEBRUARY,
            planned_ending=Ending.HAND_OVER,
            is_planned=True,
            is_override=True,
            has_soft_limit=True,
            used_elsewhere=Decimal(10),
        )

        written = write(pool, lambda state: turned(state, [on_paper], JANUARY)).state.schedules

        row = Schedule.objects.get()
        assert columns_of(row) == {
            "pool_id": pool.pk,
            "subscription_id": subscription.pk,
            "source_id": subscription.plan_id,
            "source_is_addon": True,
            "name": "Pro",
            "amount": 100,
            "units": 4,
            "cadence": "YEAR",
            "anchor_at": JANUARY - timedelta(days=3),
            "starts_at": JANUARY,
            "ends_at": MARCH,
            "ending": "CARRY",
            "planned_end_at": FEBRUARY,
            "planned_ending": "HAND_OVER",
            "is_planned": True,
            "is_override": True,
            "is_granted": True,
            "has_soft_limit": True,
            "mark": 90,
            "given_back": 0,
            "used_elsewhere": 10,
            "period_starts_at": JANUARY - timedelta(days=3),
            "next_at": datetime(2026, 12, 29, 10, tzinfo=JANUARY.tzinfo),
            "ended": False,
        }
        assert [(each.pk, each.changed) for each in written] == [(row.pk, False)]

    def test_writes_over_a_schedule_that_changed(self, subscribed):
        pool, subscription = subscribed
        first = a_schedule(
            100,
            subscription_id=subscription.pk,
            source_id=subscription.plan_id,
            is_granted=False,
            ends_at=APRIL,
        )
        write(pool, lambda state: turned(state, [first], JANUARY))
        assert not Schedule.objects.get().is_granted

        def end(state: PoolState) -> None:
            [schedule] = state.schedules
            schedule.name, schedule.amount, schedule.is_granted = "Plus", Decimal(130), True
            timeline.turn(state, MID_JANUARY)
            schedule.ends_at, schedule.ending = LATE_JANUARY, Ending.VOID
            schedule.planned_end_at, schedule.planned_ending = FEBRUARY, Ending.CARRY
            schedule.changed = True

        write(pool, end, now=MID_JANUARY)
        row = columns_of(Schedule.objects.get())
        assert (row["planned_end_at"], row["planned_ending"]) == (FEBRUARY, "CARRY")
        assert stored(pool).next_change_at == LATE_JANUARY
        write(pool, lambda state: None, now=LATE_JANUARY)

        row = columns_of(Schedule.objects.get())
        assert (row["name"], row["amount"], row["is_granted"]) == ("Plus", 130, True)
        assert (row["ends_at"], row["ending"], row["ended"]) == (LATE_JANUARY, "VOID", True)
        assert (row["planned_end_at"], row["planned_ending"]) == (None, "")
        assert (row["mark"], row["given_back"]) == (130, 130)
        assert stored(pool).next_reset_at is None

    def test_lets_what_ends_make_room_for_what_lasts(self, subscribed):
        """One lasting schedule per source: the old one has its end first."""
        pool, subscription = subscribed
        source = {"subscription_id": subscription.pk, "source_id": subscription.plan_id}
        write(pool, lambda state: turned(state, [a_schedule(100, **source)], JANUARY))

        def replace(state: PoolState) -> None:
            [old] = state.schedules
            old.ends_at, old.ending, old.changed = MID_JANUARY, Ending.VOID, True
            new = a_schedule(200, starts_at=MID_JANUARY, anchor_at=JANUARY, **source)
            turned(state, [new], MID_JANUARY)

        write(pool, replace, now=MID_JANUARY)

        rows = [
            (row.ends_at, row.mark, row.given_back, row.ended)
            for row in Schedule.objects.order_by("pk")
        ]
        assert rows == [(MID_JANUARY, 100, 100, True), (None, 300, 100, False)]
        assert stored(pool).balance == 200

    def test_stores_a_schedule_that_is_over_at_once(self, subscribed):
        pool, subscription = subscribed
        over = a_schedule(
            100,
            subscription_id=subscription.pk,
            source_id=subscription.plan_id,
            ends_at=JANUARY,
        )

        write(pool, lambda state: turned(state, [over], JANUARY))

        assert Schedule.objects.get().ended
        assert stored(pool).next_change_at is None

    def test_lets_a_settled_overdraft_make_room_for_the_next(self):
        """At most one is open in a pool."""
        pool = a_pool(now=JANUARY)
        consumed(pool, 5, now=JANUARY)
        claim = a_consumption(pool, 3)

        def settle_and_overdraw(state: PoolState) -> None:
            state.open(a_scheduled_grant(5), JANUARY)
            timeline.settle(state, JANUARY)
            state.overdraw(Decimal(3), JANUARY, cause=claim)

        write(pool, settle_and_overdraw)

        grants = Grant.objects.order_by("pk")
        assert [(row.type, row.stage, row.consumed) for row in grants] == [
            ("OVERDRAFT", "CLOSED", 0),
            ("PAID", "SPENT", 5),
            ("OVERDRAFT", "OPEN", 3),
        ]
        assert grants[0].voided_at == JANUARY
        assert stored(pool).balance == -3

    def test_writes_nothing_again(self, pool):
        """What was written is not news any more."""
        claim = a_consumption(pool, 10)
        with transaction.atomic():
            locked = pools.lock(pool.pk, JANUARY)
            grant = locked.state.open_grants[0]
            locked.state.spend(grant, Decimal(10), JANUARY, cause=claim)
            ledger.write([locked], actor=ALICE, now=JANUARY)
            ledger.write([locked], actor=ALICE, now=MID_JANUARY)

        assert LedgerEntry.objects.count() == 2
        assert Grant.objects.get().updated_at == JANUARY
        assert stored(pool).last_entry_number == 2

    def test_lets_a_replay_of_the_ledger_give_the_balance(self, plan_pool):
        """R52, after three months of use."""
        for month, amount in ((JANUARY, 30), (FEBRUARY, 150), (MARCH, 20)):
            consumed(plan_pool, amount, now=month)

        amounts = LedgerEntry.objects.values_list("amount", flat=True)
        assert sum(amounts) == stored(plan_pool).balance == 30


@pytest.fixture
def subscribed() -> tuple[Pool, Subscription]:
    """A subscription that gives nothing, and an empty pool of its customer."""
    subscription = a_subscription(plan=a_published_plan(now=JANUARY), now=JANUARY)
    return a_pool(subscription.customer, now=JANUARY), subscription


def turned(state: PoolState, schedules: list[Any], now: datetime) -> None:
    """The pool with these schedules too, and what they do at `now`."""
    state.schedules += schedules
    timeline.turn(state, now)


def marked(grant: Any) -> Any:
    """The grant, to be written."""
    grant.changed = True
    return grant


def columns_of(row: Grant | Schedule) -> dict[str, Any]:
    """All columns of a row but its ids."""
    names = [field.attname for field in row._meta.concrete_fields]
    return {name: getattr(row, name) for name in names if name not in ("id", "public_id")}


class TestClaimAndWrite:
    """What is handed over to PostgreSQL; that it does it, tests of consumption tell there."""

    @pytest.fixture
    def locked(self) -> LockedPool:
        """A pool of 100 from which 30 were taken on paper, for a reason."""
        grant = a_grant(100, pk=8)
        state = PoolState(pk=5, granted=Decimal(100), balance=Decimal(100), last_entry_number=4)
        state.grants.append(grant)
        cause = SimpleNamespace(pk=None, reason="Refund")
        state.spend(grant, Decimal(30), MID_JANUARY, cause=cause)
        return LockedPool(Pool(pk=5), state, knows_schedules=False)

    @pytest.mark.parametrize("is_new", [True, False])
    def test_hands_over_what_one_demand_did(self, locked, monkeypatch, is_new):
        handed_over = []

        def note(claim: Any, **rows: Any) -> bool:
            handed_over.append((claim, rows))
            return is_new

        monkeypatch.setattr(posting, "claim_and_post", note)

        assert ledger.claim_and_write(locked, ("claim",), actor=ALICE, now=LATE_JANUARY) == is_new

        remainder = (8, Decimal(30), "OPEN", None, JANUARY, None, LATE_JANUARY)
        entry = (5, 5, "CREDITS_CONSUMED", -30, 100, 70, 8, MID_JANUARY, LATE_JANUARY)
        assert handed_over == [
            (
                ("claim",),
                {
                    "grants": [remainder],
                    "balance": (5, 70, 100, 30, 5, MID_JANUARY),
                    "entries": [(*entry, "USER", "Alice", "Refund")],
                },
            )
        ]

    def test_refuses_more_than_the_columns_can_hold(self, locked, monkeypatch):
        monkeypatch.setattr(posting, "claim_and_post", None)
        locked.state.consumed = AmountField.LARGEST + MILLIONTH

        with pytest.raises(TooManyCredits):
            ledger.claim_and_write(locked, ("claim",), actor=ALICE, now=LATE_JANUARY)

    def test_is_for_postgresql_and_for_nothing_but_demands(self, locked, monkeypatch):
        def can(vendor: str = "postgresql") -> bool:
            monkeypatch.setattr(ledger, "connection", SimpleNamespace(vendor=vendor))
            return ledger.can_claim_and_write(locked)

        assert can()
        assert not can("sqlite")
        locked.knows_schedules = True
        assert not can()
        locked.knows_schedules = False
        locked.state.note_update(locked.state.grants[0], MID_JANUARY)
        assert not can()
        locked.state.entries.pop()
        assert can()
        locked.state.overdraw(Decimal(1), MID_JANUARY, cause=object())
        assert not can()
