"""Two acts on the same thing at the same moment: one after the other, in whichever order.

Each has a twin: without the lock both decide on the same figures, and one of them is wrong.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import IntegrityError, connection

from catalog import archiving
from catalog.models import CreditType
from credits import at_once as at_once_
from credits import changes, consumption, grants, pools, resets
from credits.book import EntryType, GrantType
from credits.consumption import Demand
from credits.grants import CreditGrantCannotBeEdited
from credits.models import Grant, LedgerEntry, Pool
from subscriptions import choices, finding, updates
from subscriptions.models import Subscription
from tests.builders import (
    a_credit_type,
    a_metered_feature,
    a_new_version,
    a_product,
    a_published_plan,
    a_subscription,
    some_credits,
    some_units,
)
from tests.concurrency.threads import PATIENCE, Meeting, at_once
from tests.credits.paper import FEBRUARY, JANUARY, MARCH, MID_JANUARY
from tests.credits.pools import a_pool, a_pool_of_a_plan, consumed, granted, stored
from workspace.actors import SYSTEM

pytestmark = [pytest.mark.concurrency, pytest.mark.django_db(transaction=True)]

only_postgresql = pytest.mark.skipif(
    connection.vendor != "postgresql",
    reason="there a lock can be taken away; SQLite knows one writer at a time",
)


def use(pool: Pool, amount: int, now: Any) -> None:
    demand = Demand(Decimal(amount), f"use of {pool.pk}", now)
    consumption.consume(pool_id=pool.pk, demand=demand, actor=SYSTEM, now=now)


def step_by_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave nothing to the function of the database, into which no test can look."""
    monkeypatch.setattr(at_once_, "is_possible", lambda: False)


def as_the_product_does(monkeypatch: pytest.MonkeyPatch) -> None:
    """Change nothing."""


def pools_meet(monkeypatch: pytest.MonkeyPatch) -> Meeting:
    """Let two acts see a pool brought up to now, before either writes, if locks let them."""
    meeting = Meeting()
    brought_up = pools._brought_up

    def patient(*arguments: Any, **options: Any) -> Any:
        locked = brought_up(*arguments, **options)
        if locked:
            meeting.wait()
        return locked

    monkeypatch.setattr(pools, "_brought_up", patient)
    return meeting


def unlock_pools(monkeypatch: pytest.MonkeyPatch) -> None:
    """Read pools without their row locks, however they are locked."""

    def read_rows(pool_ids: Any) -> Any:
        return pools._select_rows(pool_ids, locking=""), pools._live_grants(pool_ids)

    def read_due(now: Any, *, at_most: int) -> Any:
        ids = list(Pool.objects.due(now).order_by("pk").values_list("pk", flat=True)[:at_most])
        return pools.lock_several(ids, now, with_schedules=True)

    free = pools.LOCK_ONE.format(unmoved="pool.id = %s", locked="")
    monkeypatch.setitem(pools.LOCK_ONE_BY_VENDOR, "postgresql", free)
    monkeypatch.setattr(pools, "_lock_rows", read_rows)
    monkeypatch.setattr(pools, "lock_due", read_due)


@dataclass(frozen=True)
class Race:
    """Two acts on one or several pools, and what must be true after both in any order."""

    acts: tuple[Callable[[], object], Callable[[], object]]
    prove: Callable[[list[Any]], None]


def void_against_consume() -> Race:
    """What is consumed is consumed: of the grant if it was there, else it is owed (R36, R48)."""
    pool = a_pool(now=JANUARY)
    gift = granted(pool, 100, now=JANUARY)

    def void() -> None:
        grants.void(grant_id=gift.public_id, reason="", actor=SYSTEM, now=MID_JANUARY)

    def prove(results: list[Any]) -> None:
        assert results == [None, None]
        paid = Grant.objects.get(pk=gift.pk).consumed
        assert paid in (0, 30)
        assert stored(pool).balance == paid - 30
        assert LedgerEntry.objects.get(type=EntryType.VOIDED).amount == paid - 100

    return Race((void, lambda: use(pool, 30, MID_JANUARY)), prove)


def edit_against_sweep() -> Race:
    """An expiry is put off in its last moment, or it is too late (R47, R49)."""
    pool = a_pool(now=JANUARY)
    gift = granted(pool, 100, now=JANUARY, expires_at=FEBRUARY)
    wanted = grants.Edit(
        name="Top-up",
        comment="",
        priority=10,
        effective_at=gift.effective_at,
        expires_at=MARCH,
        metadata={},
    )

    def edit() -> None:
        now = FEBRUARY - timedelta.resolution
        grants.edit(grant_id=gift.public_id, edit=wanted, actor=SYSTEM, now=now)

    def prove(results: list[Any]) -> None:
        resets.sweep(now=FEBRUARY, seconds=30)
        kept, balance = Grant.objects.get(pk=gift.pk).expires_at == MARCH, stored(pool).balance
        assert (kept, balance) in ((True, 100), (False, 0))
        assert kept is (results[0] is None)
        assert kept or type(results[0]) is CreditGrantCannotBeEdited

    return Race((edit, lambda: resets.write_batch(now=FEBRUARY, at_most=10)), prove)


def anchor_against_sweep() -> Race:
    """A new billing cycle begins at the very instant of a reset: one month's credits (R26)."""
    pool = a_pool_of_a_plan(100, now=JANUARY)
    consumed(pool, 40, now=MID_JANUARY)
    subscription = Subscription.objects.get(customer=pool.customer)

    def move() -> None:
        updates.update(
            subscription_id=subscription.public_id,
            billing_cycle_anchor=FEBRUARY,
            actor=SYSTEM,
            now=FEBRUARY,
        )

    def prove(results: list[Any]) -> None:
        assert not any(isinstance(result, Exception) for result in results)
        assert stored(pool).balance == 100
        issued = Grant.objects.filter(type=GrantType.RECURRING, voided_at=None)
        assert issued.filter(expires_at__gt=FEBRUARY).count() == 1

    return Race((move, lambda: resets.write_batch(now=FEBRUARY, at_most=10)), prove)


def change_of_several_pools_against_use() -> Race:
    """All pools of a subscription begin anew together; use counts before or after (R26)."""
    types = [a_credit_type(now=JANUARY) for _ in range(2)]
    included = [some_credits(credit_type, 100) for credit_type in types]
    subscription = a_subscription(
        plan=a_published_plan(entitlements=included, now=JANUARY), now=JANUARY
    )
    both = list(Pool.objects.order_by("pk"))

    def move() -> None:
        updates.update(
            subscription_id=subscription.public_id,
            billing_cycle_anchor=MID_JANUARY,
            actor=SYSTEM,
            now=MID_JANUARY,
        )

    def use_both() -> None:
        for pool in reversed(both):
            use(pool, 30, MID_JANUARY)

    def prove(results: list[Any]) -> None:
        assert not any(isinstance(result, Exception) for result in results)
        assert {stored(pool).balance for pool in both} <= {70, 100}
        assert set(Grant.objects.order_by("pk").values_list("consumed", flat=True)) <= {0, 30}

    return Race((move, use_both), prove)


RACES = {
    race.__name__: race
    for race in (
        void_against_consume,
        edit_against_sweep,
        anchor_against_sweep,
        change_of_several_pools_against_use,
    )
}


class TestPools:
    @pytest.mark.parametrize("name", RACES)
    @pytest.mark.parametrize("prepare", [step_by_step, as_the_product_does])
    def test_let_one_act_at_a_time_decide(self, name, prepare, monkeypatch):
        race = RACES[name]()
        prepare(monkeypatch)
        meeting = pools_meet(monkeypatch)

        results = at_once(2, lambda place: race.acts[place]())

        assert not meeting.happened
        monkeypatch.undo()
        race.prove([None if isinstance(result, int) else result for result in results])

    @only_postgresql
    @pytest.mark.parametrize("name", RACES)
    def test_would_race_without_their_locks(self, name, monkeypatch):
        """The twin: both decide on the same figures; the database refuses the second entry.

        Or it finds them waiting in a circle: one tries again, and may then be too late.
        """
        race = RACES[name]()
        step_by_step(monkeypatch)
        meeting = pools_meet(monkeypatch)
        meeting.must_happen()
        unlock_pools(monkeypatch)

        results = at_once(2, lambda place: race.acts[place]())

        assert meeting.happened
        refused = {type(result) for result in results if isinstance(result, Exception)}
        assert refused <= {IntegrityError, CreditGrantCannotBeEdited}


@only_postgresql
class TestPlanChanges:
    """Two people put a subscription on the same plan at the same moment (R31)."""

    def race(self, monkeypatch: pytest.MonkeyPatch, meeting: Meeting) -> list[Exception]:
        credit_type, product = a_credit_type(now=JANUARY), a_product(now=JANUARY)
        small, large = (
            a_published_plan(
                product=product, entitlements=[some_credits(credit_type, amount)], now=JANUARY
            )
            for amount in (100, 500)
        )
        subscription = a_subscription(plan=small, now=JANUARY)
        choose = choices.choose_billing_period

        def patient(*arguments: Any) -> Any:
            meeting.wait()
            return choose(*arguments)

        monkeypatch.setattr(choices, "choose_billing_period", patient)
        results = at_once(
            2,
            lambda place: updates.update(
                subscription_id=subscription.public_id,
                plan_id=large.public_id,
                actor=SYSTEM,
                now=MID_JANUARY,
            ),
        )
        return [result for result in results if isinstance(result, Exception)]

    def test_happen_one_after_the_other(self, monkeypatch):
        meeting = Meeting()

        refused = self.race(monkeypatch, meeting)

        assert not meeting.happened
        assert refused == []
        assert Pool.objects.get().balance == 500

    def test_would_both_happen_without_the_locks(self, monkeypatch):
        """The twin: both find the old plan. Marks still keep the credits from coming twice."""
        rows = Subscription.objects.select_related("customer", "product", "plan", "plan_version")
        monkeypatch.setattr(finding, "lock_customer_of", lambda id_, now: finding.find(id_).pk)
        monkeypatch.setattr(finding, "lock_row", lambda pk, now: rows.get(pk=pk))

        meeting = Meeting()
        meeting.must_happen()

        refused = self.race(monkeypatch, meeting)

        assert meeting.happened
        assert refused == []
        assert Pool.objects.get().balance == 500


@only_postgresql
class TestArchiving:
    """A credit type is archived while a subscription on an older version begins to give it."""

    def race(self, monkeypatch: pytest.MonkeyPatch, *, patience: float = 1) -> None:
        credit_type = a_credit_type(now=JANUARY)
        plan = a_published_plan(entitlements=[some_credits(credit_type, 100)], now=JANUARY)
        subscription = a_subscription(plan=plan, payment_pending=True, now=JANUARY)
        a_new_version(plan, entitlements=[some_units(a_metered_feature())], now=JANUARY)
        decided, archived = threading.Event(), threading.Event()
        lock_pools = changes._lock_pools

        def lock_late(*arguments: Any) -> Any:
            decided.set()
            archived.wait(patience)  # it has to wait until we are done
            return lock_pools(*arguments)

        def begin_to_give() -> None:
            updates.confirm_payment(
                subscription_id=subscription.public_id, actor=SYSTEM, now=MID_JANUARY
            )

        def archive() -> None:
            decided.wait(PATIENCE)
            archiving.archive_credit_type(
                credit_type_id=credit_type.pk, actor=SYSTEM, now=MID_JANUARY
            )
            archived.set()

        monkeypatch.setattr(changes, "_lock_pools", lock_late)
        results = at_once(2, lambda place: (begin_to_give, archive)[place]())
        assert not any(isinstance(result, Exception) for result in results)
        assert CreditType.objects.get().archived_at is not None
        resets.sweep(now=FEBRUARY, seconds=30)

    def test_ends_what_began_in_the_same_moment_at_its_next_reset(self, monkeypatch):
        """R3."""
        self.race(monkeypatch)

        assert Pool.objects.get().balance == 0
        assert Pool.objects.get().next_reset_at is None

    def test_would_go_on_granting_without_holding_the_credit_type(self, monkeypatch):
        """The twin."""
        monkeypatch.setattr(changes, "hold", lambda model, ids: None)

        self.race(monkeypatch, patience=PATIENCE)

        assert Pool.objects.get().balance == 100
