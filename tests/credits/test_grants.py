"""Grants by people and applications (R46–R49)."""

from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from catalog import archiving
from credits import grants, pools
from credits.book import EntryType, GrantType
from credits.grants import (
    CreditGrantAlreadyVoided,
    CreditGrantCannotBeEdited,
    CreditGrantCannotBeVoided,
    CreditGrantNotFound,
    CreditTypeIsArchived,
    Edit,
    Gift,
    InvalidGrant,
    PaymentNotAwaited,
)
from credits.models import Grant, GrantStatus, LedgerEntry, Pool
from tests.credits.paper import (
    APRIL,
    FEBRUARY,
    JANUARY,
    LATE_JANUARY,
    MARCH,
    MID_JANUARY,
    Line,
    line,
)
from tests.credits.pools import a_pool, a_pool_of_a_plan, consumed, granted, stored
from workspace.actors import Actor, ActorKind
from workspace.models import Activity

pytestmark = pytest.mark.django_db

ALICE = Actor(ActorKind.USER, "1", "Alice")
GIFT = Gift(GrantType.PAID, Decimal(100), "Top-up")


def give(pool: Pool, now: datetime = JANUARY, **fields: Any) -> Grant:
    """A grant of 100 paid credits, in which some fields differ."""
    gift = replace(GIFT, **fields)
    return grants.grant(pool_id=pool.pk, gift=gift, actor=ALICE, now=now)


def void(grant: Grant, now: datetime = MID_JANUARY, reason: str = "fraud") -> Grant:
    return grants.void(grant_id=grant.public_id, reason=reason, actor=ALICE, now=now)


def edit(grant: Grant, now: datetime = MID_JANUARY, **fields: Any) -> Grant:
    """Edit a grant: fields that are not given stay."""
    wanted = Edit(
        **{
            "name": grant.name,
            "comment": grant.comment,
            "priority": grant.priority,
            "effective_at": grant.effective_at,
            "expires_at": grant.expires_at,
            "metadata": grant.metadata,
            **fields,
        }
    )
    return grants.edit(grant_id=grant.public_id, edit=wanted, actor=ALICE, now=now)


def lines(pool: Pool) -> list[Line]:
    entries = LedgerEntry.objects.filter(pool=pool).order_by("number")
    return [(EntryType(entry.type), entry.amount) for entry in entries]


def everything() -> list[Any]:
    return [list(model.objects.order_by("pk").values()) for model in (Pool, Grant, LedgerEntry)]


@pytest.fixture
def pool() -> Pool:
    return a_pool(now=JANUARY)


class TestGrant:
    def test_adds_credits_at_once(self, pool):
        """R46, R47."""
        grant = give(pool)

        assert stored(pool).balance == 100
        assert lines(pool) == [line(EntryType.GRANTED, 100)]
        assert grant.status_at(JANUARY) == GrantStatus.ACTIVE
        assert (grant.type, grant.priority, grant.source_type) == ("PAID", 10, "PRICE")
        assert (grant.effective_at, grant.created_at) == (JANUARY, JANUARY)

    def test_settles_what_is_owed_first(self, pool):
        """R36: −15, grant 50 → balance 35, overdraft voided."""
        consumed(pool, 15, now=JANUARY)

        give(pool, amount=Decimal(50))

        assert stored(pool).balance == 35
        assert lines(pool)[1:] == [
            line(EntryType.GRANTED, 50),
            line(EntryType.TRANSFER_SOURCE, 15),
            line(EntryType.TRANSFER_TARGET, -15),
        ]
        assert Grant.objects.get(type=GrantType.OVERDRAFT).voided_at == JANUARY

    def test_is_used_up_by_a_larger_debt(self, pool):
        """R36: −15, grant 10 → balance −5."""
        consumed(pool, 15, now=JANUARY)

        grant = give(pool, amount=Decimal(10))

        assert stored(pool).balance == -5
        assert grant.consumed == 10
        assert Grant.objects.get(type=GrantType.OVERDRAFT).stage == "OPEN"

    def test_gives_nothing_of_an_archived_type(self, pool):
        """R3."""
        archiving.archive_credit_type(credit_type_id=pool.credit_type_id, actor=ALICE, now=JANUARY)
        before = everything()

        with pytest.raises(CreditTypeIsArchived, match="AI Credits is archived"):
            give(pool)

        assert everything() == before

    def test_waits_for_its_date(self, pool):
        """R47: SCHEDULED, then ACTIVE, by dates and not by jobs."""
        grant = give(pool, effective_at=FEBRUARY)

        assert lines(pool) == []
        assert grant.status_at(MID_JANUARY) == GrantStatus.SCHEDULED
        assert grant.status_at(FEBRUARY) == GrantStatus.ACTIVE
        assert pools.standing(stored(pool), FEBRUARY).balance == 100
        assert stored(pool).next_change_at == FEBRUARY

    def test_expires_at_its_date(self, pool):
        grant = give(pool, expires_at=FEBRUARY)

        assert grant.status_at(FEBRUARY) == GrantStatus.EXPIRED
        assert pools.standing(stored(pool), FEBRUARY).balance == 0

    def test_waits_for_its_payment(self, pool):
        grant = give(pool, payment_pending=True)

        assert grant.status_at(JANUARY) == GrantStatus.PAYMENT_PENDING
        assert pools.standing(stored(pool), APRIL).balance == 0
        assert lines(pool) == []

    def test_is_effective_now_where_a_past_date_is_given(self, pool):
        assert give(pool, effective_at=JANUARY - timedelta(days=1)).effective_at == JANUARY

    def test_costs_amount_times_unit_cost(self, pool):
        """R46: in whole currency units."""
        paid = give(pool, unit_cost=Decimal("0.05"), currency="EUR")
        agreed = give(pool, unit_cost=Decimal("0.05"), cost=Decimal(4))
        free = give(pool, type=GrantType.PROMOTIONAL)

        assert [g.cost_amount for g in (paid, agreed, free)] == [5, 4, 0]
        assert paid.cost_currency == "EUR"

    def test_remembers_who_granted_and_why(self, pool):
        grant = give(pool, comment="Sorry for the outage", metadata={"ticket": "17"})

        entry = LedgerEntry.objects.get()
        assert (entry.actor, entry.reason) == ("Alice", "Sorry for the outage")
        assert grant.metadata == {"ticket": "17"}
        [record] = Activity.objects.filter(event="credit_grant.created")
        assert (record.subject_id, record.actor_name) == (str(grant.public_id), "Alice")

    @pytest.mark.parametrize(
        ("fields", "message"),
        [
            ({"amount": Decimal(0)}, "greater than 0"),
            ({"amount": Decimal(-1)}, "greater than 0"),
            ({"amount": Decimal("NaN")}, "greater than 0"),
            ({"amount": Decimal(10**12)}, "below 1,000,000,000,000"),
            ({"amount": Decimal("0.0000001")}, "six decimal places"),
            ({"type": GrantType.RECURRING}, "Only PAID and PROMOTIONAL"),
            ({"type": GrantType.OVERDRAFT}, "Only PAID and PROMOTIONAL"),
            ({"name": "  "}, "Enter a name"),
            ({"name": "x" * 256}, "below 256"),
            ({"comment": "x" * 201}, "200 characters"),
            ({"priority": -1}, "0 or more"),
            ({"priority": 2**31}, "0 or more"),
            ({"expires_at": JANUARY}, "later than now"),
            ({"expires_at": FEBRUARY, "effective_at": FEBRUARY}, "later than it takes effect"),
            ({"cost": Decimal(-1)}, "negative"),
            ({"type": GrantType.PROMOTIONAL, "unit_cost": Decimal(1)}, "cost nothing"),
            ({"type": GrantType.PROMOTIONAL, "payment_pending": True}, "cost nothing"),
        ],
    )
    def test_refuses_what_is_not_allowed(self, pool, fields, message):
        """R46."""
        before = everything()

        with pytest.raises(InvalidGrant, match=message):
            give(pool, **fields)

        assert everything() == before

    def test_allows_all_that_is_allowed(self, pool):
        """R46, at the edges."""
        give(pool, amount=Decimal("999999999999.999999"), priority=0, comment="x" * 200)
        give(pool, amount=Decimal("0.000001"), priority=2**31 - 1, name="x" * 255)

        assert stored(pool).balance == Decimal(10**12)

    def test_takes_few_statements(self, pool, django_assert_max_num_queries):
        give(pool)

        with django_assert_max_num_queries(12):
            give(pool)


class TestPreview:
    def test_says_what_a_grant_would_do_and_stores_nothing(self, pool):
        consumed(pool, 15, now=JANUARY)
        before = everything()
        [state] = pools.load([stored(pool)], with_schedules=True)

        after = grants.preview(state, replace(GIFT, amount=Decimal(50)), now=MID_JANUARY)

        assert (state.balance, after.balance) == (-15, 35)
        assert everything() == before


class TestConfirmPayment:
    def test_lets_the_grant_take_effect(self, pool):
        """R47."""
        grant = give(pool, payment_pending=True)

        confirmed = grants.confirm_payment(grant_id=grant.public_id, actor=ALICE, now=MID_JANUARY)

        assert confirmed.status_at(MID_JANUARY) == GrantStatus.ACTIVE
        assert confirmed.effective_at == MID_JANUARY
        assert stored(pool).balance == 100

    def test_keeps_a_later_date(self, pool):
        grant = give(pool, payment_pending=True, effective_at=FEBRUARY)

        confirmed = grants.confirm_payment(grant_id=grant.public_id, actor=ALICE, now=MID_JANUARY)

        assert confirmed.status_at(MID_JANUARY) == GrantStatus.SCHEDULED
        assert (stored(pool).balance, stored(pool).next_change_at) == (0, FEBRUARY)

    def test_refuses_what_waits_for_nothing(self, pool):
        grant = give(pool)
        before = everything()

        with pytest.raises(PaymentNotAwaited):
            grants.confirm_payment(grant_id=grant.public_id, actor=ALICE, now=MID_JANUARY)

        assert everything() == before

    def test_refuses_a_second_confirmation(self, pool):
        grant = give(pool, payment_pending=True)
        grants.confirm_payment(grant_id=grant.public_id, actor=ALICE, now=MID_JANUARY)

        with pytest.raises(PaymentNotAwaited):
            grants.confirm_payment(grant_id=grant.public_id, actor=ALICE, now=MID_JANUARY)

        assert stored(pool).balance == 100

    @pytest.mark.parametrize("how", ["voided", "expired"])
    def test_refuses_what_is_over(self, pool, how):
        grant = give(pool, payment_pending=True, expires_at=MID_JANUARY)
        if how == "voided":
            void(grant, now=JANUARY)

        with pytest.raises(PaymentNotAwaited):
            grants.confirm_payment(grant_id=grant.public_id, actor=ALICE, now=LATE_JANUARY)

        assert stored(pool).balance == 0


class TestVoid:
    def test_takes_back_what_is_left(self, pool):
        """R48: 1,000 granted, 300 used: −700, consumed stays 300."""
        grant = give(pool, amount=Decimal(1000))
        consumed(pool, 300, now=JANUARY)

        voided = void(grant)

        assert lines(pool)[-1] == line(EntryType.VOIDED, -700)
        assert stored(pool).balance == 0
        assert (voided.consumed, voided.voided_at) == (300, MID_JANUARY)
        assert voided.void_reason == "fraud"
        assert voided.status_at(MID_JANUARY) == GrantStatus.VOIDED

    def test_remembers_who_and_why(self, pool):
        grant = give(pool)

        void(grant)

        entry = LedgerEntry.objects.latest("number")
        assert (entry.actor, entry.reason) == ("Alice", "fraud")
        [record] = Activity.objects.filter(event="credit_grant.voided")
        assert record.payload["reason"] == "fraud"

    def test_writes_no_entry_where_nothing_is_left(self, pool):
        """R52."""
        grant = give(pool)
        consumed(pool, 100, now=JANUARY)

        voided = void(grant)

        assert len(lines(pool)) == 2
        assert voided.status_at(MID_JANUARY) == GrantStatus.VOIDED
        assert (stored(pool).granted, stored(pool).consumed) == (0, 0)

    @pytest.mark.parametrize(
        "fields", [{"effective_at": FEBRUARY}, {"payment_pending": True}], ids=["later", "unpaid"]
    )
    def test_takes_back_what_has_not_begun(self, pool, fields):
        grant = give(pool, **fields)

        void(grant)

        assert lines(pool) == []
        assert pools.standing(stored(pool), APRIL).balance == 0
        assert stored(pool).next_change_at is None

    def test_voids_recurring_credits_until_the_reset(self):
        pool = a_pool_of_a_plan(100, now=JANUARY)

        void(Grant.objects.get())

        assert stored(pool).balance == 0
        assert pools.standing(stored(pool), FEBRUARY).balance == 100

    def test_refuses_twice(self, pool):
        """R48."""
        grant = give(pool)
        void(grant)
        before = everything()

        with pytest.raises(CreditGrantAlreadyVoided):
            void(grant, now=LATE_JANUARY)

        assert everything() == before

    def test_refuses_an_overdraft(self, pool):
        """R48."""
        consumed(pool, 15, now=JANUARY)
        before = everything()

        with pytest.raises(CreditGrantCannotBeVoided, match="grant credits to settle it"):
            void(Grant.objects.get())

        assert everything() == before

    def test_refuses_what_expired_even_if_nobody_wrote_it_down(self, pool):
        """R47: VOIDED from any but EXPIRED."""
        grant = give(pool, expires_at=MID_JANUARY)
        before = everything()

        with pytest.raises(CreditGrantCannotBeVoided, match="expired"):
            void(grant, now=MID_JANUARY)

        assert everything() == before

    def test_refuses_too_long_a_reason(self, pool):
        grant = give(pool)
        before = everything()

        with pytest.raises(InvalidGrant):
            void(grant, reason="x" * 201)

        assert everything() == before


class TestEdit:
    def test_changes_what_may_be_changed(self, pool):
        """R49."""
        grant = give(pool)

        edited = edit(
            grant,
            name="Bonus",
            comment="Better",
            priority=0,
            expires_at=MARCH,
            metadata={"a": "b"},
        )

        assert (edited.name, edited.comment, edited.priority) == ("Bonus", "Better", 0)
        assert (edited.expires_at, edited.metadata) == (MARCH, {"a": "b"})
        assert stored(pool).next_change_at == MARCH

    def test_writes_an_entry_that_moves_nothing(self, pool):
        """R49: CREDITS_UPDATED with amount 0."""
        grant = give(pool)

        edit(grant, name="Bonus")

        assert lines(pool)[-1] == line(EntryType.UPDATED, 0)
        assert LedgerEntry.objects.latest("number").actor == "Alice"
        assert stored(pool).balance == 100

    def test_changes_who_pays_first(self, pool):
        first, second = give(pool), give(pool)

        edit(second, priority=1)
        consumed(pool, 30, now=MID_JANUARY)

        first.refresh_from_db()
        second.refresh_from_db()
        assert (first.consumed, second.consumed) == (0, 30)

    def test_moves_the_start_of_a_scheduled_grant(self, pool):
        grant = give(pool, effective_at=MARCH)

        edit(grant, effective_at=FEBRUARY)

        assert stored(pool).next_change_at == FEBRUARY
        assert pools.standing(stored(pool), FEBRUARY).balance == 100

    def test_lets_a_scheduled_grant_begin_now(self, pool):
        grant = give(pool, effective_at=MARCH)

        edited = edit(grant, effective_at=MID_JANUARY)

        assert edited.status_at(MID_JANUARY) == GrantStatus.ACTIVE
        assert stored(pool).balance == 100

    def test_refuses_another_start_of_an_active_grant(self, pool):
        grant = give(pool)
        before = everything()

        with pytest.raises(CreditGrantCannotBeEdited, match="while the grant is scheduled"):
            edit(grant, effective_at=MID_JANUARY)

        assert everything() == before

    def test_gives_a_used_up_grant_an_end(self, pool):
        grant = give(pool)
        consumed(pool, 100, now=JANUARY)

        edit(grant, expires_at=FEBRUARY)

        assert pools.standing(stored(pool), FEBRUARY).granted == 0

    def test_keeps_a_used_up_grant_active_without_an_end(self, pool):
        """R47: being empty is not a status."""
        grant = give(pool, expires_at=FEBRUARY)
        consumed(pool, 100, now=JANUARY)

        edited = edit(grant, expires_at=None)

        assert edited.status_at(APRIL) == GrantStatus.ACTIVE
        assert pools.standing(stored(pool), APRIL).granted == 100

    @pytest.mark.parametrize(
        ("fields", "message"),
        [
            ({"name": ""}, "Enter a name"),
            ({"comment": "x" * 201}, "200"),
            ({"priority": -1}, "0 or more"),
            ({"expires_at": MID_JANUARY}, "later than now"),
            ({"expires_at": JANUARY}, "later than it takes effect"),
        ],
    )
    def test_refuses_what_is_not_allowed(self, pool, fields, message):
        """R46."""
        grant = give(pool)
        before = everything()

        with pytest.raises(InvalidGrant, match=message):
            edit(grant, **fields)

        assert everything() == before

    def test_refuses_recurring_credits(self):
        """R49."""
        a_pool_of_a_plan(100, now=JANUARY)
        before = everything()

        with pytest.raises(CreditGrantCannotBeEdited, match="Recurring"):
            edit(Grant.objects.get(), name="Mine")

        assert everything() == before

    def test_refuses_an_overdraft(self, pool):
        consumed(pool, 15, now=JANUARY)

        with pytest.raises(CreditGrantCannotBeEdited, match="overdrafts"):
            edit(Grant.objects.get(), name="Mine")

    @pytest.mark.parametrize("how", ["voided", "expired"])
    def test_refuses_what_is_over(self, pool, how):
        """R49."""
        grant = give(pool, expires_at=MID_JANUARY)
        if how == "voided":
            void(grant, now=JANUARY)
        before = everything()

        with pytest.raises(CreditGrantCannotBeEdited, match="over"):
            edit(grant, now=LATE_JANUARY, expires_at=MARCH)

        assert everything() == before


class TestFind:
    def test_finds_a_grant_by_its_public_id(self, pool):
        grant = give(pool)

        assert grants.find(str(grant.public_id)) == grant

    @pytest.mark.parametrize("unknown", [UUID(int=1), str(UUID(int=1)), "nonsense", ""])
    def test_refuses_what_names_none(self, unknown):
        with pytest.raises(CreditGrantNotFound):
            grants.find(unknown)


class TestGrantQuerySet:
    def test_knows_the_active_grants_by_dates(self, pool):
        """R47: only ACTIVE counts."""
        active = give(pool)
        give(pool, effective_at=FEBRUARY)
        give(pool, payment_pending=True)
        give(pool, expires_at=MID_JANUARY)
        void(give(pool), now=JANUARY)

        assert list(Grant.objects.active(MID_JANUARY)) == [active]

    def test_reads_a_pool_without_grants_that_are_used_up_for_good(self, pool):
        spent, rest = granted(pool, 10, now=JANUARY), granted(pool, 10, now=JANUARY)

        consumed(pool, 15, now=JANUARY)

        assert list(Grant.objects.live()) == [rest]
        assert list(Grant.objects.active(APRIL).order_by("pk")) == [spent, rest]
