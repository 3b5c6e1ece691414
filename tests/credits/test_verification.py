"""The verifier finds every broken rule, and says where (design: the database as the last word).

Each test breaks one rule past the guards, which are lifted for it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from decimal import Decimal
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, models
from django.db.models import F
from django.test.utils import CaptureQueriesContext

from credits import verification
from credits.book import EntryType, GrantType
from credits.models import Consumption, Grant, LedgerEntry, Pool, Schedule
from credits.verification import Rule
from tests.builders import a_credit_type, a_customer, a_published_plan, a_subscription, some_credits
from tests.credits.conftest import THE_END
from tests.credits.paper import FEBRUARY, JANUARY, LATE_JANUARY, MARCH, MID_JANUARY
from tests.credits.pools import a_pool, consumed, granted, stored
from workspace import triggers

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)


@pytest.fixture(autouse=True)
def prove_the_books() -> None:
    """These tests break the books on purpose."""


@contextmanager
def unguarded(*tables: type[models.Model]) -> Iterator[None]:
    """Let the database accept what it refuses: no triggers, no conditions on the tables."""
    connection.check_constraints()
    with triggers.lifted(connection), connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute("PRAGMA ignore_check_constraints=ON")
        else:
            for table in tables:
                for constraint in table._meta.constraints:
                    cursor.execute(
                        f'ALTER TABLE "{table._meta.db_table}" '
                        f'DROP CONSTRAINT IF EXISTS "{constraint.name}"'
                    )
        for table in tables:
            for constraint in table._meta.constraints:
                if getattr(constraint, "condition", None) is not None:
                    cursor.execute(f'DROP INDEX IF EXISTS "{constraint.name}"')
        yield
        connection.check_constraints()
        if connection.vendor == "sqlite":
            cursor.execute("PRAGMA ignore_check_constraints=OFF")


def change(row: models.Model, **columns: Any) -> None:
    """Write columns of a row past every guard."""
    with unguarded(type(row)):
        type(row)._default_manager.filter(pk=row.pk).update(**columns)


def broken(pool: Pool) -> list[tuple[Rule, int | None]]:
    """The rules that are found broken in a pool, each with the number of the entry."""
    faults = list(verification.verify([pool.pk], THE_END))
    assert {fault.pool_id for fault in faults} <= {pool.pk}
    return [(fault.rule, fault.number) for fault in faults]


def entry(pool: Pool, number: int) -> LedgerEntry:
    return LedgerEntry.objects.get(pool=pool, number=number)


@pytest.fixture
def pool() -> Pool:
    """Granted 100 and 50, used 30 and 90: the second use took 70 and 20."""
    pool = a_pool(now=JANUARY)
    granted(pool, 100, now=JANUARY, expires_at=MARCH)
    granted(pool, 50, now=JANUARY)
    consumed(pool, 30, now=MID_JANUARY)
    consumed(pool, 90, now=LATE_JANUARY)
    return stored(pool)


@pytest.fixture
def owing_pool() -> Pool:
    """Used 30, then granted 100: the overdraft was settled by entries 3 and 4."""
    pool = a_pool(now=JANUARY)
    consumed(pool, 30, now=JANUARY)
    granted(pool, 100, now=MID_JANUARY)
    return stored(pool)


@pytest.fixture
def plan_pool() -> Pool:
    """A plan gives 100 per month; the second month has begun."""
    credit_type, customer = a_credit_type(now=JANUARY), a_customer(now=JANUARY)
    plan = a_published_plan(entitlements=[some_credits(credit_type, 100)], now=JANUARY)
    a_subscription(customer, plan, now=JANUARY)
    pool = Pool.objects.get(customer=customer)
    consumed(pool, 30, now=FEBRUARY)
    return stored(pool)


class TestVerify:
    def test_finds_nothing_in_books_that_are_right(self, pool, owing_pool, plan_pool):
        pools = [pool.pk, owing_pool.pk, plan_pool.pk]

        assert list(verification.verify(pools, THE_END)) == []

    def test_finds_a_missing_entry(self, pool):
        with unguarded(LedgerEntry):
            entry(pool, 2).delete()

        assert (Rule.GAPLESS, 3) in broken(pool)
        assert (Rule.CHAINED, 3) in broken(pool)

    def test_finds_a_missing_last_entry(self, pool):
        with unguarded(LedgerEntry):
            entry(pool, 5).delete()

        assert (Rule.LAST_ENTRY, None) in broken(pool)

    def test_finds_a_ledger_that_does_not_begin_at_one(self, pool):
        with unguarded(LedgerEntry):
            entry(pool, 1).delete()

        assert (Rule.GAPLESS, 2) in broken(pool)

    def test_finds_an_entry_that_does_not_follow_the_one_before(self, pool):
        change(
            entry(pool, 3),
            balance_before=F("balance_before") + 1_000_000,
            balance_after=F("balance_after") + 1_000_000,
        )

        assert broken(pool) == [(Rule.CHAINED, 3), (Rule.CHAINED, 4)]

    def test_finds_an_entry_that_does_not_add_up(self, pool):
        change(entry(pool, 3), amount=Decimal(-31))

        assert (Rule.ADDS_UP, 3) in broken(pool)
        assert (Rule.CONSUMPTION, 3) in broken(pool)
        assert (Rule.REPLAY, None) in broken(pool)

    def test_finds_an_entry_out_of_time(self, pool):
        change(entry(pool, 3), effective_at=JANUARY - DAY)

        assert broken(pool) == [(Rule.IN_TIME, 3)]

    @pytest.mark.parametrize(
        "type_", [EntryType.GRANTED, EntryType.UPDATED, EntryType.TRANSFER_SOURCE]
    )
    def test_finds_a_sign_that_does_not_fit(self, pool, type_):
        change(entry(pool, 3), type=type_)

        assert (Rule.SIGNED, 3) in broken(pool)

    def test_finds_an_update_that_moves(self, pool):
        change(entry(pool, 1), type=EntryType.UPDATED)

        assert (Rule.SIGNED, 1) in broken(pool)

    def test_finds_a_transfer_without_its_pair(self, owing_pool):
        change(entry(owing_pool, 4), type=EntryType.CONSUMED)

        assert (Rule.PAIRED, 4) in broken(owing_pool)

    def test_finds_a_transfer_that_does_not_sum_to_zero(self, owing_pool):
        last = entry(owing_pool, 4)

        change(last, amount=F("amount") - 1, balance_after=F("balance_after") - 1)

        assert (Rule.PAIRED, 4) in broken(owing_pool)

    def test_finds_a_transfer_at_the_end_that_never_arrived(self, owing_pool):
        with unguarded(LedgerEntry):
            entry(owing_pool, 4).delete()

        assert (Rule.PAIRED, 3) in broken(owing_pool)

    @pytest.mark.parametrize(
        "columns",
        [
            {"last_entry_number": 6},
            {"as_of": FEBRUARY},
            {"balance": Decimal(31), "granted": Decimal(151)},
        ],
        ids=["number", "time", "balance"],
    )
    def test_finds_a_pool_that_does_not_know_its_last_entry(self, pool, columns):
        change(pool, **columns)

        assert (Rule.LAST_ENTRY, None) in broken(pool)

    @pytest.mark.parametrize("column", ["balance", "granted", "consumed"])
    def test_finds_totals_that_are_not_those_of_the_grants(self, pool, column):
        change(pool, **{column: F(column) + 1})

        assert (Rule.TOTALS, None) in broken(pool)

    def test_finds_a_grant_whose_entries_say_otherwise(self, pool):
        grant = Grant.objects.filter(pool=pool).latest("pk")

        change(grant, consumed=F("consumed") + 1)

        assert broken(pool) == [(Rule.REPLAY, None), (Rule.TOTALS, None)]

    def test_finds_a_grant_that_is_larger_than_was_entered(self, pool):
        grant = Grant.objects.filter(pool=pool).latest("pk")

        change(grant, amount=F("amount") + 1)

        assert (Rule.OPENED_ONCE, None) in broken(pool)

    def test_finds_a_closed_grant_that_changed_afterwards(self, pool):
        grant = granted(pool, 10, now=LATE_JANUARY, expires_at=FEBRUARY)
        consumed(pool, 10, now=LATE_JANUARY)
        consumed(pool, 1, now=MARCH)

        change(grant, consumed=F("consumed") - 1)

        assert broken(pool) == [(Rule.REPLAY, None)]

    def test_finds_more_consumed_than_granted(self, pool):
        grant = Grant.objects.filter(pool=pool).latest("pk")

        change(grant, consumed=F("amount") + 1)

        assert (Rule.BOUNDS, None) in broken(pool)

    def test_finds_less_than_nothing_consumed(self, pool):
        change(Grant.objects.filter(pool=pool).latest("pk"), consumed=Decimal(-1))

        assert (Rule.BOUNDS, None) in broken(pool)

    def test_finds_an_entry_that_moves_the_grant_of_another_pool(self, pool, owing_pool):
        change(entry(pool, 5), grant_id=Grant.objects.filter(pool=owing_pool).latest("pk").pk)

        assert (Rule.REPLAY, 5) in broken(pool)

    def test_finds_two_open_overdrafts(self, owing_pool):
        consumed(owing_pool, 100, now=FEBRUARY)
        settled = Grant.objects.filter(pool=owing_pool, type=GrantType.OVERDRAFT).earliest("pk")

        change(settled, stage="OPEN", voided_at=None)

        assert (Rule.ONE_OVERDRAFT, None) in broken(owing_pool)

    @pytest.mark.parametrize(
        "columns",
        [
            {"stage": "CLOSED"},
            {"stage": "WAITING"},
            {"stage": "SPENT"},
            {"voided_at": LATE_JANUARY},
            {"payment_pending": True},
            {"effective_at": THE_END + DAY, "expires_at": None},
        ],
    )
    def test_finds_a_stage_that_does_not_agree_with_the_dates(self, pool, columns):
        change(Grant.objects.filter(pool=pool).latest("pk"), **columns)

        assert (Rule.STAGE, None) in broken(pool)

    def test_finds_a_consumption_without_entries(self, pool):
        with unguarded(Consumption):
            first = Consumption.objects.filter(pool=pool).earliest("pk")
            first.pk, first.key = None, "forgotten"
            first.save(force_insert=True)

        assert broken(pool) == [(Rule.CONSUMPTION, None)]

    def test_finds_a_consumption_of_another_amount(self, pool):
        change(Consumption.objects.filter(pool=pool).earliest("pk"), amount=Decimal(29))

        assert broken(pool) == [(Rule.CONSUMPTION, 3)]

    def test_finds_two_entries_on_one_grant_for_one_consumption(self, pool):
        change(entry(pool, 5), grant_id=entry(pool, 4).grant_id)

        assert (Rule.CONSUMPTION, 4) in broken(pool)

    def test_finds_a_consumption_entered_in_another_pool(self, pool, owing_pool):
        foreign = Consumption.objects.get(pool=owing_pool)

        change(entry(pool, 3), consumption_id=foreign.pk)

        assert (Rule.CONSUMPTION, 3) in broken(pool)
        assert (Rule.CONSUMPTION, None) in broken(pool)

    def test_finds_an_entry_without_its_consumption(self, pool):
        change(entry(pool, 3), consumption=None)

        assert (Rule.CONSUMPTION, 3) in broken(pool)

    @pytest.mark.skipif(connection.vendor == "sqlite", reason="the table itself refuses")
    def test_finds_a_key_that_took_effect_twice(self, pool):
        one, other = Consumption.objects.filter(pool=pool).order_by("pk")

        change(other, key=one.key)

        assert broken(pool) == [(Rule.ONE_EFFECT, None)]

    def test_finds_a_step_that_does_not_begin_at_the_mark(self, plan_pool):
        change(Grant.objects.filter(pool=plan_pool).latest("pk"), mark_before=Decimal(1))

        assert broken(plan_pool) == [(Rule.STEPS, None)]

    def test_finds_periods_that_overlap(self, plan_pool):
        change(Grant.objects.filter(pool=plan_pool).earliest("pk"), expires_at=FEBRUARY + DAY)

        assert broken(plan_pool) == [(Rule.PERIODS, None)]

    @pytest.mark.parametrize(
        "columns", [{"mark": Decimal(99)}, {"mark": Decimal(100), "given_back": Decimal(101)}]
    )
    def test_finds_a_mark_that_was_not_granted(self, plan_pool, columns):
        change(Schedule.objects.get(pool=plan_pool), **columns)

        assert broken(plan_pool) == [(Rule.MARK, None)]

    @pytest.mark.parametrize("noted", [None, MARCH + DAY])
    def test_finds_a_change_that_would_come_too_late(self, plan_pool, noted):
        change(plan_pool, next_change_at=noted)

        assert broken(plan_pool) == [(Rule.NEXT_CHANGE, None)]

    def test_allows_a_change_that_is_noted_too_early(self, plan_pool):
        change(plan_pool, next_change_at=FEBRUARY + DAY)

        assert broken(plan_pool) == []

    @pytest.mark.parametrize(
        "columns",
        [
            {"is_entitled": False},
            {"has_soft_limit": True},
            {"is_revoked": True},
            {"next_reset_at": None},
        ],
    )
    def test_finds_a_pool_that_says_otherwise_than_its_schedules(self, plan_pool, columns):
        change(plan_pool, **columns)

        assert broken(plan_pool) == [(Rule.OUTLOOK, None)]

    def test_changes_nothing(self, pool):
        change(entry(pool, 3), amount=Decimal(-31))
        before = list(LedgerEntry.objects.values()), list(Pool.objects.values())

        list(verification.verify([pool.pk], THE_END))

        assert (list(LedgerEntry.objects.values()), list(Pool.objects.values())) == before


class TestVerifyTriggers:
    def test_finds_every_guard_that_is_missing(self):
        connection.check_constraints()
        triggers.remove(connection)

        faults = list(verification.verify_triggers())

        assert {fault.rule for fault in faults} == {Rule.TRIGGERS}
        assert len(faults) == len(triggers.missing(connection))
        assert "ledger_entries_are_chained" in "".join(map(str, faults))
        triggers.install(connection)


class TestVerifyAll:
    def test_walks_through_all_pools_in_batches(self, pool, owing_pool, plan_pool):
        for each in (pool, owing_pool, plan_pool):
            change(each, has_soft_limit=True)

        faults = list(verification.verify_all(THE_END, batch=2))

        assert [fault.pool_id for fault in faults] == [pool.pk, owing_pool.pk, plan_pool.pk]

    def test_takes_as_many_statements_for_many_pools_as_for_one(self, pool):
        for _ in range(3):
            consumed(granted(a_pool(now=JANUARY), 5, now=JANUARY).pool, 1, now=JANUARY)
        pools = list(Pool.objects.values_list("pk", flat=True))

        with CaptureQueriesContext(connection) as for_one:
            list(verification.verify(pools[:1], THE_END))
        with CaptureQueriesContext(connection) as for_many:
            list(verification.verify(pools, THE_END))

        assert len(for_many) == len(for_one) < 20

    @pytest.mark.django_db(transaction=True)
    def test_reads_everything_from_one_moment(self):
        """However much is written meanwhile; and it keeps no transaction open."""
        pool = a_pool(now=JANUARY)
        granted(pool, 5, now=JANUARY)

        with CaptureQueriesContext(connection) as captured:
            assert list(verification.verify([pool.pk], THE_END)) == []

        statements = [query["sql"] for query in captured]
        assert statements[0] == "BEGIN"
        if connection.vendor == "postgresql":
            assert statements[1].endswith("REPEATABLE READ READ ONLY")
        else:
            assert statements[-1] == "ROLLBACK"
        assert connection.get_autocommit()


class TestFault:
    def test_says_pool_entry_and_rule(self, pool):
        change(entry(pool, 3), effective_at=JANUARY - DAY)

        [fault] = verification.verify([pool.pk], THE_END)

        assert str(fault) == (
            f"pool {pool.pk}, entry 3: 2025-12-31 10:00:00+00:00 is before "
            "2026-01-01 10:00:00+00:00. "
            "Broken rule: no entry is effective earlier than the one before."
        )


class TestVerifyLedger:
    def run(self, *arguments: str) -> str:
        output = StringIO()
        call_command("verify_ledger", *arguments, stdout=output)
        return output.getvalue()

    def test_says_that_every_rule_holds(self, pool):
        assert self.run("--all") == "Every rule holds.\n"
        assert self.run("--pool", str(pool.pk)) == "Every rule holds.\n"
        assert self.run("--customer", pool.customer.public_id) == "Every rule holds.\n"

    def test_fails_and_says_which_pool_breaks_which_rule(self, pool, owing_pool):
        change(owing_pool, has_soft_limit=True)
        output = StringIO()

        with pytest.raises(CommandError, match="Rules are broken in 1 places") as failure:
            call_command("verify_ledger", "--all", stdout=output)

        assert failure.value.returncode == 1
        assert output.getvalue().startswith(f"pool {owing_pool.pk}: The pool says")
        assert output.getvalue().count("\n") == 1

    def test_looks_at_the_pools_of_one_customer_only(self, pool, owing_pool):
        change(owing_pool, has_soft_limit=True)

        assert self.run("--customer", pool.customer.public_id) == "Every rule holds.\n"
        with pytest.raises(CommandError):
            self.run("--customer", owing_pool.customer.public_id)

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (["--pool", "999999999"], "There is no pool 999999999"),
            (["--customer", "nobody"], "There is no such customer"),
            ([], "required"),
            (["--all", "--pool", "1"], "not allowed"),
        ],
    )
    def test_refuses_what_it_cannot_find_or_understand(self, arguments, message):
        with pytest.raises(CommandError, match=message):
            self.run(*arguments)
