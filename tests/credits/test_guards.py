"""Invariants attacked directly in SQL: the database refuses each, on both databases."""

from typing import Any

import pytest
from django.db import DataError, IntegrityError, connection, transaction

from catalog.amounts import AmountField
from credits import events
from credits.events import Event
from credits.guards import AMOUNTS
from credits.models import Consumption, Grant, LedgerEntry, Pool, Schedule, UsageEvent
from tests.builders import (
    a_credit_type,
    a_customer,
    a_metered_feature,
    a_published_plan,
    a_resource,
    a_subscription,
    some_credits,
)
from tests.credits.paper import FEBRUARY, JANUARY, MARCH, MID_JANUARY
from tests.credits.pools import a_pool, consumed, granted, stored
from workspace import triggers
from workspace.actors import SYSTEM

pytestmark = pytest.mark.django_db

MODELS = (Pool, Grant, LedgerEntry, Consumption, Schedule, UsageEvent)


def everything() -> list[Any]:
    return [list(model._default_manager.order_by("pk").values()) for model in MODELS]


def run(sql: str, *parameters: Any) -> None:
    """Execute a statement in a transaction of its own, with all that is checked at its end."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        connection.check_constraints()


def refusal(sql: str, *parameters: Any) -> str:
    """What the database says to a statement that it must refuse; nothing may have moved."""
    connection.check_constraints()  # nothing of the test's own transaction is left to check
    before = everything()

    with pytest.raises(IntegrityError) as refused:
        run(sql, *parameters)

    assert everything() == before
    return str(refused.value)


@pytest.fixture
def pool() -> Pool:
    """A plan gives 100 per month; 30 are used."""
    credit_type = a_credit_type(now=JANUARY)
    plan = a_published_plan(entitlements=[some_credits(credit_type, 100)], now=JANUARY)
    subscription = a_subscription(plan=plan, now=JANUARY)
    pool = Pool.objects.get(customer=subscription.customer)
    consumed(pool, 30, now=MID_JANUARY)
    return stored(pool)


@pytest.fixture
def owing_pool() -> Pool:
    """30 were used and nothing was granted."""
    pool = a_pool(now=JANUARY)
    consumed(pool, 30, now=JANUARY)
    return stored(pool)


class TestTriggers:
    def test_are_all_in_place(self):
        assert triggers.missing(connection) == []


class TestLedger:
    @pytest.mark.parametrize(
        "change",
        [
            "amount = amount + 1",
            "balance_after = 0",
            "grant_id = grant_id",
            "reason = 'nothing happened'",
            "pool_id = pool_id + 1",
        ],
    )
    def test_is_never_changed(self, pool, change):
        """Design 2."""
        assert "never changed" in refusal(f"UPDATE credits_ledgerentry SET {change}")

    def test_is_never_shortened(self, pool):
        assert "never changed" in refusal("DELETE FROM credits_ledgerentry WHERE number = 2")

    @pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has no TRUNCATE")
    @pytest.mark.parametrize(
        "tables", ["credits_ledgerentry", "credits_ledgerentry, credits_grant CASCADE"]
    )
    def test_is_never_emptied(self, pool, tables):
        assert "never changed" in refusal(f"TRUNCATE {tables}")

    @pytest.mark.skipif(connection.vendor != "sqlite", reason="PostgreSQL has no REPLACE")
    def test_is_not_replaced_either(self, pool):
        """REPLACE deletes without a word, unless recursive triggers are on."""
        copied = "INSERT OR REPLACE INTO credits_ledgerentry SELECT * FROM credits_ledgerentry"

        assert "never changed" in refusal(f"{copied} WHERE number = 2")

    def insert(self, pool: Pool, **columns: Any) -> str:
        """Try to add an entry after the second one; the given columns differ from a good one."""
        good = {
            "pool_id": pool.pk,
            "number": 3,
            "type": "CREDITS_CONSUMED",
            "amount": -1_000_000,
            "balance_before": 70_000_000,
            "balance_after": 69_000_000,
            "grant_id": Grant.objects.filter(pool=pool).values_list("pk", flat=True)[0],
            "effective_at": FEBRUARY,
            "recorded_at": FEBRUARY,
            "actor_kind": "SYSTEM",
            "actor": "System",
            "reason": "",
        }
        row = good | columns
        places = ", ".join(["%s"] * len(row))
        return refusal(
            f"INSERT INTO credits_ledgerentry ({', '.join(row)}) VALUES ({places})", *row.values()
        )

    @pytest.mark.parametrize(
        "columns",
        [
            {"number": 4},
            {"number": 2},
            {"number": 0},
            {"balance_before": 71_000_000, "balance_after": 70_000_000},
            {"effective_at": JANUARY},
        ],
        ids=["gap", "taken", "zero", "unchained", "too early"],
    )
    def test_goes_on_where_it_ended(self, pool, columns):
        """Design 3: gapless, chained, in time."""
        assert "follows the one before" in self.insert(pool, **columns)

    def test_has_one_entry_per_number(self, pool):
        """Even a second beginning is refused."""
        message = self.insert(
            pool, number=1, balance_before=0, balance_after=-1_000_000, effective_at=JANUARY
        )

        assert "number" in message

    def test_adds_up(self, pool):
        assert "an_entry_adds_up" in self.insert(pool, balance_after=69_000_001)

    def test_has_no_entry_that_moves_nothing(self, pool):
        """R52."""
        message = self.insert(pool, amount=0, balance_after=70_000_000)

        assert "only_updates_move_nothing" in message

    def test_begins_at_zero(self):
        pool, other = a_pool(now=JANUARY), a_pool(now=JANUARY)
        granted(other, 1, now=JANUARY)
        grant = Grant.objects.get().pk

        message = self.insert_first(pool, grant, before=5, after=6)

        assert "follows the one before" in message

    def insert_first(self, pool: Pool, grant: int, *, before: int, after: int) -> str:
        return refusal(
            "INSERT INTO credits_ledgerentry (pool_id, number, type, amount, balance_before,"
            " balance_after, grant_id, effective_at, recorded_at, actor_kind, actor, reason)"
            " VALUES (%s, 1, 'CREDITS_GRANTED', 1, %s, %s, %s, %s, %s, 'SYSTEM', 'System', '')",
            pool.pk,
            before,
            after,
            grant,
            JANUARY,
            JANUARY,
        )


class TestConsumptions:
    @pytest.mark.parametrize("change", ["amount = 0", "key = 'other'", "used_at = recorded_at"])
    def test_are_never_changed(self, pool, change):
        """Design 2."""
        assert "never changed" in refusal(f"UPDATE credits_consumption SET {change}")

    def test_are_never_deleted(self, pool):
        assert "never changed" in refusal("DELETE FROM credits_consumption")

    def test_happen_once_per_key(self, pool):
        """Design 8."""
        columns = [
            str(field.column)
            for field in Consumption._meta.concrete_fields
            if not field.primary_key
        ]
        listed = ", ".join(columns)

        message = refusal(
            f"INSERT INTO credits_consumption ({listed}) SELECT {listed} FROM credits_consumption"
        )

        assert "key" in message

    def test_are_never_negative(self, pool):
        message = refusal(
            "INSERT INTO credits_consumption (pool_id, kind, key, amount, fingerprint, dimensions,"
            " flags, used_at, recorded_at, actor_kind, actor, reason, trace_id)"
            " VALUES (%s, 'DIRECT', 'x', -1, '', '{}', '[]', %s, %s, 'SYSTEM', 'S', '', '')",
            pool.pk,
            JANUARY,
            JANUARY,
        )

        assert "consumed_is_not_negative" in message


class TestEvents:
    @pytest.fixture
    def event(self) -> UsageEvent:
        customer = a_customer(now=JANUARY)
        a_metered_feature(now=JANUARY)
        events.report(
            events=[Event(customer.public_id, "image", "1", occurred_at=JANUARY)],
            actor=SYSTEM,
            now=JANUARY,
        )
        return UsageEvent.objects.get()

    @pytest.mark.parametrize("change", ["key = 'other'", "occurred_at = recorded_at"])
    def test_are_never_changed(self, event, change):
        assert "never changed" in refusal(f"UPDATE credits_usageevent SET {change}")

    def test_are_never_deleted(self, event):
        assert "never changed" in refusal("DELETE FROM credits_usageevent")

    @pytest.mark.parametrize("with_resource", [False, True])
    def test_happen_once_per_key(self, event, with_resource):
        """Design 8: the five parts of R40."""
        columns = [
            str(field.column) for field in UsageEvent._meta.concrete_fields if not field.primary_key
        ]
        resource = a_resource(event.customer, now=JANUARY).pk if with_resource else None
        values = [str(resource) if column == "resource_id" else column for column in columns]
        copy = (
            f"INSERT INTO credits_usageevent ({', '.join(columns)})"
            f" SELECT {', '.join(values if resource else columns)} FROM credits_usageevent"
        )
        if resource:
            run(copy)  # of a resource it is another one

        assert "key" in refusal(copy)


class TestGrants:
    @pytest.mark.parametrize("consumed_", ["amount + 1", "-1"])
    def test_keep_consumed_between_zero_and_amount(self, pool, consumed_):
        """Design 5."""
        message = refusal(f"UPDATE credits_grant SET consumed = {consumed_}")

        assert "no_more_is_consumed_than_granted" in message

    def test_have_an_amount_unless_they_are_an_overdraft(self, pool, owing_pool):
        paid = refusal(
            "UPDATE credits_grant SET amount = 0, consumed = 0 WHERE type <> 'OVERDRAFT'"
        )
        overdraft = refusal("UPDATE credits_grant SET amount = 1 WHERE type = 'OVERDRAFT'")

        assert "no_more_is_consumed_than_granted" in paid
        assert "no_more_is_consumed_than_granted" in overdraft

    def test_have_one_open_overdraft_in_a_pool(self, owing_pool):
        """Design 5."""
        assert "pool_id" in copy_of_grant(type="OVERDRAFT")

    def test_are_never_deleted(self, pool):
        assert "voided, never deleted" in refusal("DELETE FROM credits_grant")

    def test_expire_after_they_take_effect(self, pool):
        message = refusal("UPDATE credits_grant SET expires_at = effective_at")

        assert "a_grant_expires_after_it_takes_effect" in message

    @pytest.mark.parametrize("column", ["period_starts_at", "period_ends_at", "mark_before"])
    def test_know_their_period_if_they_recur(self, pool, column):
        message = refusal(f"UPDATE credits_grant SET {column} = NULL WHERE type = 'RECURRING'")

        assert "a_recurring_grant_has_a_period" in message

    def test_are_one_step_of_a_mark(self, pool):
        """Design 7: the same step is never granted twice."""
        assert "mark_before" in copy_of_grant(type="RECURRING")

    @pytest.mark.parametrize(
        "columns",
        [
            {"period_starts_at": f"'{MID_JANUARY}'", "period_ends_at": f"'{MARCH}'"},
            {"period_ends_at": f"'{MARCH}'"},
        ],
        ids=["later", "longer"],
    )
    def test_never_overlap_with_another_period_of_their_source(self, pool, columns):
        """Design 7."""
        message = copy_of_grant(type="RECURRING", **columns)

        assert "overlaps this one" in message


def copy_of_grant(*, type: str, **changed: str) -> str:
    """Try to copy the grant of a type; `changed` columns, as SQL, differ."""
    columns = [
        str(field.column)
        for field in Grant._meta.concrete_fields
        if not field.primary_key and field.name != "public_id"
    ]
    values = [changed.get(column, column) for column in columns]
    other = "'00000000-0000-4000-8000-000000000000'"
    if connection.vendor == "sqlite":
        other = other.replace("-", "")
    return refusal(
        f"INSERT INTO credits_grant (public_id, {', '.join(columns)}) "
        f"SELECT {other}, {', '.join(values)} FROM credits_grant WHERE type = %s",
        type,
    )


class TestAmounts:
    """Design 1."""

    COLUMNS = [
        (table, column) for table, columns in AMOUNTS.items() for column in columns
        if table not in ("credits_ledgerentry", "credits_consumption")
    ]  # fmt: skip

    def test_are_all_known(self):
        stored = {
            (model._meta.db_table, field.column)
            for model in MODELS
            for field in model._meta.concrete_fields
            if isinstance(field, AmountField)
        }
        known = {(table, column) for table, columns in AMOUNTS.items() for column in columns}
        assert stored == known

    @pytest.mark.skipif(connection.vendor != "sqlite", reason="PostgreSQL's columns are whole")
    @pytest.mark.parametrize(
        "wrong", ["COALESCE({}, 0) + 0.5", "'a lot'", "9223372036854775807 + 1"]
    )
    @pytest.mark.parametrize(("table", "column"), COLUMNS)
    def test_are_whole(self, pool, table, column, wrong):
        message = refusal(f"UPDATE {table} SET {column} = {wrong.format(column)}")

        assert "whole number" in message

    @pytest.mark.skipif(connection.vendor != "sqlite", reason="PostgreSQL's columns are whole")
    @pytest.mark.parametrize("model", [LedgerEntry, Consumption, Grant, Pool, Schedule])
    def test_are_whole_in_new_rows(self, pool, model):
        table = model._meta.db_table
        [amount, *_] = AMOUNTS[table]
        columns = [str(field.column) for field in model._meta.concrete_fields]
        values = [f"{each} + 0.5" if each == amount else each for each in columns[1:]]

        listed, selected = ", ".join(columns[1:]), ", ".join(values)
        message = refusal(f"INSERT INTO {table} ({listed}) SELECT {selected} FROM {table}")

        assert "whole number" in message

    @pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has no such columns")
    def test_fit_into_64_bits(self, pool):
        before = everything()

        with pytest.raises(DataError, match="out of range"):
            run("UPDATE credits_grant SET amount = 9223372036854775807::numeric + 1")

        assert everything() == before


class TestPools:
    @pytest.mark.parametrize(
        "change",
        [
            "balance = balance + 1, granted = granted + 1",
            "balance = balance - 1, consumed = consumed + 1",
            "last_entry_number = last_entry_number + 1",
            "balance = 100000000, consumed = 0, last_entry_number = 1",
        ],
        ids=["more", "less", "no such entry", "back in time"],
    )
    def test_hold_what_the_ledger_says(self, pool, change):
        """Design 4."""
        assert "what its last entry left" in refusal(f"UPDATE credits_pool SET {change}")

    @pytest.mark.parametrize("column", ["granted", "consumed"])
    def test_hold_what_was_granted_less_what_was_consumed(self, pool, column):
        message = refusal(f"UPDATE credits_pool SET {column} = {column} + 1")

        assert "balance_is_granted_minus_consumed" in message

    def test_exist_once_per_customer_and_credit_type(self, pool):
        assert "customer_id" in copy_of_pool(pool)

    def test_are_kept_while_anything_is_in_them(self, pool):
        with pytest.raises(IntegrityError):
            run("DELETE FROM credits_pool WHERE id = %s", pool.pk)

        assert Pool.objects.filter(pk=pool.pk).exists()


def copy_of_pool(pool: Pool) -> str:
    columns = [str(field.column) for field in Pool._meta.concrete_fields if not field.primary_key]
    listed = ", ".join(columns)
    return refusal(
        f"INSERT INTO credits_pool ({listed}) SELECT {listed} FROM credits_pool WHERE id = %s",
        pool.pk,
    )


class TestSchedules:
    def test_give_back_no_more_than_they_gave(self, pool):
        message = refusal("UPDATE credits_schedule SET given_back = mark + 1")

        assert "no_more_is_given_back_than_granted" in message

    def test_end_after_their_start(self, pool):
        message = refusal("UPDATE credits_schedule SET ends_at = '2020-01-01 00:00:00'")

        assert "a_schedule_ends_after_its_start" in message

    def test_last_one_per_source(self, pool):
        columns = [
            str(field.column) for field in Schedule._meta.concrete_fields if not field.primary_key
        ]
        listed = ", ".join(columns)

        message = refusal(
            f"INSERT INTO credits_schedule ({listed}) SELECT {listed} FROM credits_schedule"
        )

        assert "source" in message
