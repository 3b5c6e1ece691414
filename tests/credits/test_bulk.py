"""One thing done to many customers: looked at, carried out, undone (R46–R49)."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from unittest import mock

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from catalog import archiving
from catalog.models import CreditType
from credits import bulk, grants, tasks
from credits.book import GrantType
from credits.bulk import Aim
from credits.bulk_deeds import Deed
from credits.bulk_grants import Extending, Granting, Revoking
from credits.bulk_subscriptions import AddonMode, ChangingAddon, Migrating
from credits.models import BulkOutcome, BulkRow, BulkRun, BulkStatus, Grant, LedgerEntry, Pool
from subscriptions import cancellation, updates
from subscriptions import customers as customer_verbs
from subscriptions.models import Customer, Subscription, SubscriptionAddon
from tests.builders import (
    a_credit_type,
    a_customer,
    a_new_version,
    a_published_addon,
    a_published_plan,
    a_resource,
    a_subscription,
    some_credits,
)
from tests.credits.pools import START, a_pool, consumed, granted, stored
from workspace.actors import SYSTEM, Actor, ActorKind
from workspace.errors import Busy
from workspace.models import Activity
from workspace.templatetags.stipend import instant

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)
TOMORROW = START + DAY
LATER = START + 2 * DAY
IN_JUNE = datetime.fromisoformat("2026-06-01T00:00:00.123456+00:00")
SUPPORT = Actor(ActorKind.USER, "7", "Sue Port")


def a_gift(amount: int | None = 100, **terms: Any) -> Granting:
    given = None if amount is None else Decimal(amount)
    return Granting(**{"credit_type_id": "ai", "amount": given, "name": "Sorry", **terms})


def begun(deed: Deed, *aims: Customer | Aim, **options: Any) -> BulkRun:
    found = [aim if isinstance(aim, Aim) else Aim(aim.pk) for aim in aims]
    given: dict[str, Any] = {"reason": "An outage", "chosen": "Some", **options}
    return bulk.begin(deed=deed, aims=lambda: found, actor=SYSTEM, now=START, **given)


def looked_at(deed: Deed, *aims: Customer | Aim) -> BulkRun:
    run = begun(deed, *aims)
    tasks.carry_out_bulk_changes(START)
    return fresh(run)


def carried_out(run: BulkRun, now: datetime = TOMORROW) -> BulkRun:
    bulk.start(run_id=run.pk, actor=SUPPORT, now=now)
    tasks.carry_out_bulk_changes(now)
    return fresh(run)


def undone(run: BulkRun, now: datetime = LATER) -> BulkRun:
    bulk.undo(run_id=run.pk, actor=SUPPORT, now=now)
    tasks.carry_out_bulk_changes(now)
    return fresh(run)


def fresh(run: BulkRun) -> BulkRun:
    return BulkRun.objects.get(pk=run.pk)


def outcomes(run: BulkRun) -> list[str]:
    return list(run.rows.values_list("outcome", flat=True))


def messages(run: BulkRun) -> list[str]:
    return list(run.rows.values_list("message", flat=True))


def balances(rows: list[dict[str, str]]) -> list[tuple[str, str]]:
    return [(each["before"], each["after"]) for each in rows]


@pytest.fixture
def ai(db):
    return a_credit_type("AI Credits", public_id="ai", now=START)


@pytest.fixture
def acme(db) -> Customer:
    return a_customer("Acme", public_id="acme", now=START)


@pytest.fixture
def globex(db) -> Customer:
    return a_customer("Globex", public_id="globex", now=START)


class TestBegin:
    def test_stores_whom_it_is_about_and_changes_nothing(self, ai, acme, globex):
        run = begun(a_gift(), Aim(acme.pk, amount=Decimal(7), line=2), Aim(globex.pk, line=3))

        assert (run.status, run.kind, run.reason) == (BulkStatus.DRY_RUN, "GRANT", "An outage")
        rows = list(run.rows.values_list("place", "line", "customer", "amount", "outcome"))
        assert rows == [
            (1, 2, acme.pk, Decimal(7), BulkOutcome.WAITING),
            (2, 3, globex.pk, None, BulkOutcome.WAITING),
        ]
        assert not Grant.objects.exists()
        [told] = Activity.objects.filter(event="bulk_change.begun")
        assert (told.payload["rows"], told.payload["reason"]) == (2, "An outage")

    @pytest.mark.parametrize("reason", ["", "  ", "x" * 181])
    def test_wants_a_reason(self, ai, acme, reason):
        with pytest.raises(bulk.InvalidReason):
            begun(a_gift(), acme, reason=reason)

        assert not BulkRun.objects.exists()

    def test_wants_somebody(self, ai):
        with pytest.raises(bulk.NothingChosen):
            begun(a_gift())

        assert not BulkRun.objects.exists()

    def test_refuses_too_many_and_stores_none_of_them(self, ai, acme, monkeypatch):
        monkeypatch.setattr(bulk, "CHUNK", 2)
        monkeypatch.setattr(bulk, "MOST_ROWS", 3)

        with pytest.raises(bulk.TooManyChosen, match="At most 3 customers"):
            begun(a_gift(), *[acme] * 4)

        assert not BulkRow.objects.exists()

    def test_takes_ten_thousand_a_chunk_at_a_time(self, ai, acme, django_assert_max_num_queries):
        read: list[int] = []

        def aims() -> Iterator[Aim]:
            for number in range(10_000):
                # No more than the next chunk was asked for before the last one is stored.
                if number % bulk.CHUNK == 0:
                    read.append(BulkRow.objects.count())
                yield Aim(acme.pk)

        with django_assert_max_num_queries(10 * (5 + 2 * 10)):
            run = bulk.begin(
                deed=a_gift(), aims=aims, reason="r", chosen="c", actor=SYSTEM, now=START
            )

        assert run.rows.count() == 10_000
        assert read == list(range(0, 10_000, bulk.CHUNK))


class TestLook:
    def test_says_what_would_be_done_and_changes_nothing(self, ai, acme, globex):
        granted(a_pool(acme, ai), 50)
        consumed(a_pool(globex, ai), 30)
        entries = LedgerEntry.objects.count()

        run = looked_at(a_gift(), acme, globex)

        assert (run.status, run.reviewed_at) == (BulkStatus.READY, START)
        assert outcomes(run) == [BulkOutcome.PLANNED] * 2
        assert [row.what for row in run.rows.all()] == ["AI Credits: +100 credits"] * 2
        assert [balances(row.planned) for row in run.rows.all()] == [
            [("50", "150")],
            [("-30", "70")],
        ]
        assert LedgerEntry.objects.count() == entries

    def test_counts_what_time_has_done_and_nobody_wrote_down(self, ai, acme):
        granted(a_pool(acme, ai), 50, expires_at=START + DAY / 2)
        run = begun(a_gift(), acme)

        tasks.carry_out_bulk_changes(TOMORROW)

        assert balances(run.rows.get().planned) == [("0", "100")]

    def test_says_why_somebody_is_left_out(self, ai, acme, globex):
        customer_verbs.archive(customer_id="globex", actor=SYSTEM, now=START)

        run = looked_at(
            a_gift(None), Aim(acme.pk), Aim(globex.pk), Aim(acme.pk, amount=Decimal(10**12))
        )

        assert outcomes(run) == [BulkOutcome.SKIPPED] * 3
        assert messages(run) == [
            "Nobody said how much.",
            "Customer globex is archived. Unarchive it first.",
            "Enter an amount below 1,000,000,000,000.",
        ]

    def test_grants_to_the_pool_that_is_meant(self, ai, acme):
        """R42."""
        north = a_resource(acme, "north")
        granted(a_pool(acme, ai), 40)
        granted(a_pool(acme, ai, north), 5)
        run = looked_at(a_gift(), Aim(acme.pk), Aim(acme.pk, resource_id=north.pk))
        seen = [balances(row.planned) for row in run.rows.all()]

        carried_out(run)

        assert seen == [[("40", "140")], [("5", "105")]]
        assert [balances(row.done) for row in run.rows.all()] == seen
        assert [row.what for row in run.rows.all()] == [
            "AI Credits: +100 credits",
            "AI Credits: +100 credits for north",
        ]
        assert not run.rows.filter(changed_since_review=True).exists()
        pools = Pool.objects.order_by("balance").values_list("resource__public_id", "balance")
        assert list(pools) == [("north", 105), (None, 140)]

    def test_grants_nothing_of_an_archived_credit_type(self, ai, acme):
        run = begun(a_gift(), acme)
        archiving.archive_credit_type(credit_type_id=ai.pk, actor=SYSTEM, now=START)

        tasks.carry_out_bulk_changes(START)

        assert messages(run) == ["Nothing more of these credits is granted."]

    def test_finds_every_grant_that_is_meant(self, ai, acme, globex):
        pool = a_pool(acme, ai)
        granted(pool, 10, name="Sorry")
        granted(pool, 20, name="Sorry")
        granted(pool, 40, name="Else")

        run = looked_at(Revoking(name="Sorry"), acme, globex)

        rows = list(run.rows.values_list("place", "turn", "what", "message"))
        assert rows == [
            (1, 1, "“Sorry”: 10 of 10 credits are taken back", ""),
            (1, 2, "“Sorry”: 20 of 20 credits are taken back", ""),
            (2, 1, "", "They have no grant that is meant."),
        ]
        assert [balances(row.planned) for row in run.rows.all()] == [
            [("70", "60")],
            [("60", "40")],
            [],
        ]

    def test_goes_on_from_batch_to_batch(self, ai, acme, monkeypatch):
        pool = a_pool(acme, ai)
        chosen = [Aim(acme.pk, grant_id=granted(pool, 10).pk) for _ in range(5)]
        run = begun(Revoking(), *chosen)

        while bulk.look(run_id=run.pk, now=START, at_most=2):
            pass

        assert fresh(run).status == BulkStatus.READY
        assert [balances(row.planned)[0] for row in run.rows.all()] == [
            ("50", "40"),
            ("40", "30"),
            ("30", "20"),
            ("20", "10"),
            ("10", "0"),
        ]

    @pytest.mark.parametrize("deed", [a_gift(), Revoking(), Extending(days=3)])
    def test_asks_as_much_for_many_as_for_two(self, ai, deed, django_assert_num_queries):
        def chosen(number: int) -> BulkRun:
            found = [a_customer(now=START) for _ in range(number)]
            for customer in found:
                granted(a_pool(customer, ai), 10, expires_at=LATER)
            return begun(deed, *found)

        two, many = chosen(2), chosen(12)
        with CaptureQueriesContext(connection) as asked:
            bulk.look(run_id=two.pk, now=START)
        with django_assert_num_queries(len(asked)):
            bulk.look(run_id=many.pk, now=START)

    def test_that_goes_wrong_holds_up_nobody_else(self, ai, acme, globex):
        wrong, right = begun(a_gift(), acme), begun(Revoking(), globex)

        with mock.patch.object(Granting, "plans", side_effect=ZeroDivisionError):
            tasks.carry_out_bulk_changes(START)

        assert [fresh(run).status for run in (wrong, right)] == ["FAILED", "READY"]
        assert outcomes(wrong) == [BulkOutcome.WAITING]
        [told] = Activity.objects.filter(event="bulk_change.failed")
        assert told.payload["message"].startswith("Something went wrong on our side")


class TestStart:
    def test_grants_at_the_instant_that_was_chosen(self, ai, acme, globex):
        """R47: the balances are those of that instant, before and after it was done."""
        granted(a_pool(acme, ai), 50, expires_at=IN_JUNE - DAY)
        granted(a_pool(globex, ai), 30)

        run = looked_at(a_gift(effective_at=IN_JUNE), acme, globex)
        carried_out(run)

        rows = list(run.rows.order_by("place"))
        assert [balances(row.planned) for row in rows] == [[("0", "100")], [("30", "130")]]
        assert [balances(row.done) for row in rows] == [balances(row.planned) for row in rows]
        assert not any(row.changed_since_review for row in rows)
        assert {row.what for row in rows} == {
            "AI Credits: +100 credits, from 1 Jun 2026, 00:00 UTC"
        }
        given = Grant.objects.filter(name="Sorry")
        assert [grant.status_at(LATER) for grant in given] == ["SCHEDULED"] * 2
        assert {grant.effective_at for grant in given} == {IN_JUNE}

    def test_grants_at_once_what_should_have_started_by_then(self, ai, acme):
        run = looked_at(a_gift(effective_at=START + DAY / 2), acme)

        carried_out(run)

        [grant] = Grant.objects.filter(name="Sorry")
        assert grant.effective_at == TOMORROW

    def test_grants_what_was_seen(self, ai, acme, globex):
        run = carried_out(looked_at(a_gift(), Aim(acme.pk, amount=Decimal(5)), Aim(globex.pk)))

        assert (run.status, run.finished_at) == (BulkStatus.COMPLETED, TOMORROW)
        assert outcomes(run) == [BulkOutcome.SUCCEEDED] * 2
        assert {pool.customer: pool.balance for pool in Pool.objects.all()} == {
            acme: 5,
            globex: 100,
        }
        first = run.rows.first()
        assert first is not None
        assert first.grant is not None
        assert (first.grant.name, first.grant.comment, first.grant.type) == (
            "Sorry",
            "An outage",
            GrantType.PROMOTIONAL,
        )
        assert (balances(first.done), first.changed_since_review) == ([("0", "5")], False)
        entry = LedgerEntry.objects.first()
        assert entry is not None
        assert entry.actor == SUPPORT.name

    def test_marks_who_changed_since_the_dry_run(self, ai, acme, globex):
        pool = a_pool(acme, ai)
        run = looked_at(a_gift(), acme, globex)
        granted(pool, 7)

        run = carried_out(run)

        assert [row.changed_since_review for row in run.rows.all()] == [True, False]
        assert stored(pool).balance == 107

    def test_is_refused_before_the_dry_run_and_twice(self, ai, acme):
        run = begun(a_gift(), acme)
        with pytest.raises(bulk.BulkChangeNotReady):
            bulk.start(run_id=run.pk, actor=SYSTEM, now=START)
        tasks.carry_out_bulk_changes(START)
        carried_out(run)

        with pytest.raises(bulk.BulkChangeNotReady):
            bulk.start(run_id=run.pk, actor=SYSTEM, now=LATER)

        assert Grant.objects.count() == 1

    def test_is_refused_where_nothing_would_be_done(self, ai, acme):
        run = looked_at(Revoking(), acme)

        with pytest.raises(bulk.BulkChangeNotReady, match="nothing to do"):
            bulk.start(run_id=run.pk, actor=SYSTEM, now=START)

    def test_of_what_is_not_there_is_refused(self, db):
        with pytest.raises(bulk.UnknownBulkChange):
            bulk.start(run_id=1, actor=SYSTEM, now=START)


class TestWork:
    def test_twice_does_nothing_twice(self, ai, acme):
        run = looked_at(a_gift(), acme)
        bulk.start(run_id=run.pk, actor=SYSTEM, now=START)
        run = fresh(run)
        [row_id] = bulk.next_rows(run, at_most=5)

        assert bulk.work(run=run, row_id=row_id, now=START)
        assert bulk.work(run=run, row_id=row_id, now=LATER)

        assert Grant.objects.count() == 1
        assert run.rows.get().finished_at == START

    def test_notes_what_fails_and_goes_on(self, ai, acme, globex):
        run = looked_at(a_gift(), acme, globex)
        customer_verbs.archive(customer_id="acme", actor=SYSTEM, now=START)

        run = carried_out(run)

        assert run.status == BulkStatus.PARTIALLY_FAILED
        assert outcomes(run) == [BulkOutcome.FAILED, BulkOutcome.SUCCEEDED]
        assert messages(run)[0] == "Customer acme is archived. Unarchive it first."
        assert Grant.objects.count() == 1

    def test_leaves_what_is_busy_for_later(self, ai, acme):
        run = looked_at(a_gift(), acme)
        bulk.start(run_id=run.pk, actor=SYSTEM, now=START)
        with mock.patch.object(grants, "grant", side_effect=Busy("Wait.")):
            tasks.carry_out_bulk_changes(START)
        assert (outcomes(run), fresh(run).status) == (["PLANNED"], BulkStatus.IN_PROGRESS)

        tasks.carry_out_bulk_changes(TOMORROW)

        assert (outcomes(run), fresh(run).status) == (["SUCCEEDED"], BulkStatus.COMPLETED)


class TestPause:
    def test_lets_everything_rest_until_it_is_resumed(self, ai, acme):
        run = looked_at(a_gift(), acme)
        bulk.start(run_id=run.pk, actor=SYSTEM, now=START)
        stale = fresh(run)
        bulk.pause(run_id=run.pk, actor=SYSTEM, now=START)

        tasks.carry_out_bulk_changes(START)
        bulk.work(run=stale, row_id=run.rows.get().pk, now=START)

        assert not Grant.objects.exists()
        with pytest.raises(bulk.BulkChangeNotPaused):
            bulk.pause(run_id=run.pk, actor=SYSTEM, now=START)
        bulk.resume(run_id=run.pk, actor=SYSTEM, now=START)
        tasks.carry_out_bulk_changes(START)
        assert fresh(run).status == BulkStatus.COMPLETED
        with pytest.raises(bulk.BulkChangeNotPaused):
            bulk.resume(run_id=run.pk, actor=SYSTEM, now=START)


class TestCancel:
    def test_leaves_the_rest_alone_and_what_was_done_as_it_is(self, ai, acme, globex):
        run = looked_at(a_gift(), acme, globex)
        bulk.start(run_id=run.pk, actor=SYSTEM, now=START)
        run = fresh(run)
        bulk.work(run=run, row_id=bulk.next_rows(run, at_most=1)[0], now=START)

        bulk.cancel(run_id=run.pk, actor=SYSTEM, now=LATER)
        tasks.carry_out_bulk_changes(LATER)

        assert outcomes(run) == [BulkOutcome.SUCCEEDED, BulkOutcome.PLANNED]
        assert fresh(run).status == BulkStatus.CANCELED
        with pytest.raises(bulk.BulkChangeFinished):
            bulk.cancel(run_id=run.pk, actor=SYSTEM, now=LATER)
        assert undone(run).status == BulkStatus.UNDONE
        assert outcomes(run) == [BulkOutcome.UNDONE, BulkOutcome.PLANNED]

    def test_of_an_undoing_goes_back_to_how_it_ended(self, ai, acme):
        run = carried_out(looked_at(a_gift(), acme))
        bulk.undo(run_id=run.pk, actor=SYSTEM, now=LATER)

        bulk.cancel(run_id=run.pk, actor=SYSTEM, now=LATER)

        assert fresh(run).status == BulkStatus.COMPLETED
        assert outcomes(run) == [BulkOutcome.SUCCEEDED]


class TestRetry:
    def test_tries_only_what_failed(self, ai, acme, globex):
        run = looked_at(a_gift(), acme, globex)
        customer_verbs.archive(customer_id="acme", actor=SYSTEM, now=START)
        run = carried_out(run)
        customer_verbs.unarchive(customer_id="acme", actor=SYSTEM, now=LATER)

        assert bulk.retry(run_id=run.pk, actor=SYSTEM, now=LATER) == 1
        tasks.carry_out_bulk_changes(LATER)

        assert outcomes(run) == [BulkOutcome.SUCCEEDED] * 2
        assert fresh(run).status == BulkStatus.COMPLETED
        assert Grant.objects.count() == 2
        with pytest.raises(bulk.NothingFailed):
            bulk.retry(run_id=run.pk, actor=SYSTEM, now=LATER)


class TestUndo:
    def test_takes_back_where_nothing_was_spent(self, ai, acme, globex):
        run = carried_out(looked_at(a_gift(), acme, globex))
        consumed(a_pool(globex, ai), 40, now=TOMORROW)

        run = undone(run)

        assert run.status == BulkStatus.UNDONE
        assert outcomes(run) == [BulkOutcome.UNDONE, BulkOutcome.KEPT]
        assert messages(run) == ["", "40 of 100 were used."]
        assert {pool.customer: pool.balance for pool in Pool.objects.all()} == {
            acme: 0,
            globex: 60,
        }
        assert Grant.objects.get(pool__customer=acme).void_reason == "Undone: An outage"

    def test_does_not_take_back_what_settled_a_debt(self, ai, acme):
        consumed(a_pool(acme, ai), 30)

        run = undone(carried_out(looked_at(a_gift(), acme)))

        assert messages(run) == ["30 of 100 were used."]

    def test_says_what_was_revoked_by_hand(self, ai, acme):
        run = carried_out(looked_at(a_gift(), acme))
        grant = Grant.objects.get()
        grants.void(grant_id=grant.public_id, reason="Hand", actor=SYSTEM, now=TOMORROW)

        assert messages(undone(run)) == ["This grant is voided already."]

    def test_lets_grants_expire_when_they_did(self, ai, acme, globex):
        for customer in (acme, globex):
            granted(a_pool(customer, ai), 10, expires_at=IN_JUNE)
        run = carried_out(looked_at(Extending(days=10), acme, globex))
        assert set(Grant.objects.values_list("expires_at", flat=True)) == {IN_JUNE + 10 * DAY}
        again = Grant.objects.get(pool__customer=globex)
        edit = grants.edit_of(again, expires_at=None)
        grants.edit(grant_id=again.public_id, edit=edit, actor=SYSTEM, now=LATER)

        run = undone(run)

        assert outcomes(run) == [BulkOutcome.UNDONE, BulkOutcome.KEPT]
        assert messages(run)[1] == "Its expiry was changed again meanwhile."
        assert Grant.objects.get(pool__customer=acme).expires_at == IN_JUNE

    def test_does_not_let_grants_expire_in_the_past(self, ai, acme):
        granted(a_pool(acme, ai), 10, expires_at=IN_JUNE)
        run = carried_out(looked_at(Extending(days=10), acme))

        run = undone(run, now=IN_JUNE + DAY)

        assert messages(run)[0].startswith("Without this it would have expired on 1 Jun 2026")
        assert Grant.objects.get().expires_at == IN_JUNE + 10 * DAY

    def test_is_refused_where_it_cannot_be(self, ai, acme):
        granted(a_pool(acme, ai), 10)
        run = looked_at(Revoking(), acme)

        with pytest.raises(bulk.NothingToUndo, match="stays revoked"):
            bulk.undo(run_id=run.pk, actor=SYSTEM, now=LATER)
        gift = looked_at(a_gift(), acme)
        with pytest.raises(bulk.NothingToUndo, match="not over yet"):
            bulk.undo(run_id=gift.pk, actor=SYSTEM, now=LATER)
        undone(carried_out(gift))
        with pytest.raises(bulk.NothingToUndo, match="all of it is undone"):
            bulk.undo(run_id=gift.pk, actor=SYSTEM, now=LATER)


class TestRevoking:
    def test_takes_back_what_is_left(self, ai, acme):
        pool = a_pool(acme, ai)
        granted(pool, 100, name="Sorry")
        granted(pool, 10, type=GrantType.PROMOTIONAL, name="Other")
        consumed(pool, 40)

        run = carried_out(looked_at(Revoking(type="PAID", credit_type_id="ai"), acme))

        [row] = run.rows.all()
        assert row.what == "“Sorry”: 70 of 100 credits are taken back"
        assert (balances(row.done), row.changed_since_review) == ([("70", "0")], False)
        assert Grant.objects.get(name="Sorry").void_reason == "An outage"

    def test_leaves_out_what_is_used_up_or_over(self, ai, acme):
        pool = a_pool(acme, ai)
        chosen = [
            granted(pool, 10, expires_at=LATER, priority=0),
            granted(pool, 10, expires_at=START + DAY / 2),
        ]
        consumed(pool, 10)
        run = begun(Revoking(), *(Aim(acme.pk, grant_id=grant.pk) for grant in chosen))

        tasks.carry_out_bulk_changes(TOMORROW)

        assert messages(run) == [
            "Nothing is left of it.",
            "This grant has expired; nothing is left to void.",
        ]

    def test_does_not_give_what_waits(self, ai, acme):
        granted(a_pool(acme, ai), 10, effective_at=IN_JUNE)

        run = carried_out(looked_at(Revoking(), acme))

        assert run.rows.get().what == "“Top-up”: 10 credits are not given"
        assert Grant.objects.get().voided_at == TOMORROW


class TestExtending:
    def test_lets_grants_expire_later(self, ai, acme):
        granted(a_pool(acme, ai), 10, expires_at=IN_JUNE)

        run = carried_out(looked_at(Extending(until=IN_JUNE + DAY), acme))

        [row] = run.rows.all()
        assert row.what == (
            "“Top-up” expires 2 Jun 2026, 00:00 UTC instead of 1 Jun 2026, 00:00 UTC"
        )
        assert (balances(row.done), row.changed_since_review) == ([("10", "10")], False)
        assert Grant.objects.get().expires_at == IN_JUNE + DAY
        assert LedgerEntry.objects.get(type="CREDITS_UPDATED").reason == "An outage"

    def test_leaves_out_what_lasts_longer(self, ai, acme):
        pool = a_pool(acme, ai)
        granted(pool, 10)
        granted(pool, 10, expires_at=IN_JUNE)

        run = looked_at(Extending(until=IN_JUNE), acme)

        assert messages(run) == [
            "It never expires.",
            "It expires on 1 Jun 2026, 00:00 UTC already.",
        ]


class TestChangingAddon:
    @pytest.fixture
    def extra(self, ai):
        return a_published_addon(
            "Extra", public_id="extra", entitlements=[some_credits(ai, 10)], now=START
        )

    @pytest.fixture
    def pro(self, ai, extra):
        return a_published_plan(
            "Pro",
            public_id="pro",
            product=extra.product,
            entitlements=[some_credits(ai, 100)],
            compatible_addons=[extra],
            now=START,
        )

    def deed(self, mode: AddonMode, quantity: int = 0) -> ChangingAddon:
        return ChangingAddon(
            addon_id="extra", addon_name="Extra", mode=mode, quantity=quantity, plan_id="pro"
        )

    def test_adds_it_to_those_who_have_none(self, acme, globex, pro, extra):
        a_subscription(acme, pro, now=START)
        a_subscription(globex, pro, addons=[(extra, 1)], now=START)

        run = looked_at(self.deed(AddonMode.ADD, 3), acme, globex)
        assert messages(run) == ["", "It has 1 of it already."]
        assert balances(run.rows.all()[0].planned) == [("100", "130")]
        run = carried_out(run)

        row = run.rows.all()[0]
        assert (row.what, balances(row.done)) == ("Extra: 0 → 3", [("100", "130")])
        assert not row.changed_since_review
        assert list(SubscriptionAddon.objects.values_list("quantity", flat=True)) == [1, 3]

    def test_changes_how_many_there_are(self, acme, globex, pro, extra):
        """R27: more at once, less at the reset."""
        a_subscription(acme, pro, addons=[(extra, 1)], now=START)
        a_subscription(globex, pro, addons=[(extra, 5)], now=START)

        run = carried_out(looked_at(self.deed(AddonMode.SET, 2), acme, globex))

        rows = list(run.rows.all())
        assert [row.what for row in rows] == ["Extra: 1 → 2", "Extra: 5 → 2"]
        assert [balances(row.done) for row in rows] == [[("110", "120")], []]
        assert [row.changed_since_review for row in rows] == [False, False]

    def test_removes_it(self, acme, globex, pro, extra):
        a_subscription(acme, pro, addons=[(extra, 1)], now=START)
        a_subscription(globex, pro, now=START)

        run = carried_out(looked_at(self.deed(AddonMode.REMOVE), acme, globex))

        assert messages(run) == ["", "It has none of it."]
        assert balances(run.rows.all()[0].done) == [("110", "100")]
        assert not SubscriptionAddon.objects.exists()

    def test_says_what_scheduled_update_it_replaces(self, acme, pro, extra):
        subscription = a_subscription(acme, pro, now=START)
        updates.update(
            subscription_id=subscription.public_id,
            addons=[("extra", 9)],
            when=updates.When.END_OF_BILLING_PERIOD,
            actor=SYSTEM,
            now=START,
        )

        run = looked_at(self.deed(AddonMode.ADD, 1), acme)

        assert run.rows.get().what == (
            "Extra: 0 → 1; replaces the update of 30 Apr 2026, 10:00 UTC"
        )

    def test_leaves_out_who_may_not_have_it(self, acme, globex, pro, extra, ai):
        other = a_published_plan(public_id="other", entitlements=[some_credits(ai)], now=START)
        a_subscription(acme, other, now=START)
        deed = ChangingAddon(addon_id="extra", addon_name="Extra", mode="ADD", quantity=1)

        run = looked_at(deed, acme, globex)

        assert outcomes(run) == [BulkOutcome.SKIPPED] * 2
        assert messages(run)[1] == "They have no subscription that is meant."


class TestMigrating:
    def test_moves_those_who_are_behind(self, ai, acme, globex):
        pro = a_published_plan("Pro", entitlements=[some_credits(ai, 100)], now=START)
        a_subscription(acme, pro, now=START)
        a_new_version(pro, entitlements=[some_credits(ai, 150)], now=START)
        a_subscription(globex, pro, now=START)

        run = looked_at(Migrating(), acme, globex)
        assert messages(run) == ["", "It has the latest versions and prices already."]
        run = carried_out(run)

        row = run.rows.all()[0]
        assert (row.what, balances(row.planned)) == ("Pro v1 → v2", [("100", "150")])
        assert (balances(row.done), row.changed_since_review) == ([("100", "150")], False)
        assert set(Subscription.objects.values_list("plan_version__number", flat=True)) == {2}

    def behind(self, ai: CreditType, name: str, *customers: Customer) -> list[Subscription]:
        """Subscriptions to a plan of 100, of which the latest version gives 150."""
        plan = a_published_plan(name, entitlements=[some_credits(ai, 100)], now=START)
        found = [a_subscription(customer, plan, now=START) for customer in customers]
        a_new_version(plan, entitlements=[some_credits(ai, 150)], now=START)
        return found

    def test_asks_as_much_for_many_as_for_two(self, ai):
        counts = []
        for size in (2, 6):
            customers = [a_customer(now=START) for _ in range(size)]
            self.behind(ai, f"Of {size}", *customers)
            run = looked_at(Migrating(), *customers)
            bulk.start(run_id=run.pk, actor=SUPPORT, now=TOMORROW)
            run = fresh(run)
            with CaptureQueriesContext(connection) as sent:
                bulk.work_several(run=run, row_ids=bulk.next_rows(run, at_most=9), now=TOMORROW)
            counts.append(len(sent))
            assert run.rows.filter(outcome=BulkOutcome.SUCCEEDED).count() == size

        # SQLite, which has no network to cross, adds the grants one by one.
        grants = 4 if connection.vendor == "sqlite" else 0
        assert counts[1] == counts[0] + grants

    def test_lets_what_a_customer_has_twice_follow_upon_each_other(self, ai, acme):
        self.behind(ai, "First", acme)
        self.behind(ai, "Second", acme)

        run = carried_out(looked_at(Migrating(), acme))

        assert [balances(row.done) for row in run.rows.all()] == [
            [("200", "250")],
            [("250", "300")],
        ]
        assert [row.changed_since_review for row in run.rows.all()] == [False, True]
        assert Pool.objects.get(customer=acme).balance == 300

    def test_says_of_each_what_changed_since_the_dry_run(self, ai, acme, globex):
        initech = a_customer("Initech", now=START)
        _, ended, _ = self.behind(ai, "Pro", acme, globex, initech)
        run = looked_at(Migrating(), acme, globex, initech)
        cancellation.cancel(
            subscription_id=ended.public_id, time="IMMEDIATE", actor=SYSTEM, now=START
        )
        consumed(Pool.objects.get(customer=initech), 30, now=START)

        run = carried_out(run)

        assert run.status == BulkStatus.PARTIALLY_FAILED
        assert outcomes(run) == [BulkOutcome.SUCCEEDED, BulkOutcome.FAILED, BulkOutcome.SUCCEEDED]
        same, over, other = run.rows.all()
        assert (balances(same.done), same.changed_since_review) == ([("100", "150")], False)
        assert over.message.endswith("has ended.")
        assert (balances(other.done), other.changed_since_review) == ([("70", "120")], True)

    def test_goes_one_by_one_where_a_batch_fails(self, ai, acme, globex, monkeypatch):
        self.behind(ai, "Pro", acme, globex)
        run = looked_at(Migrating(), acme, globex)
        failing = mock.Mock(side_effect=ZeroDivisionError)
        monkeypatch.setattr("subscriptions.migration.migrate_locked", failing)

        run = carried_out(run)

        assert failing.called
        assert [balances(row.done) for row in run.rows.all()] == [[("100", "150")]] * 2
        assert run.status == BulkStatus.COMPLETED

    def test_waits_for_the_end_of_each_billing_period(self, ai, acme, globex):
        """R10, R13: no balance moves before."""
        pro = a_published_plan("Pro", entitlements=[some_credits(ai, 100)], now=START)
        waiting, ending = (
            a_subscription(acme, pro, now=START),
            a_subscription(globex, pro, now=START),
        )
        a_new_version(pro, entitlements=[some_credits(ai, 150)], now=START)
        cancellation.cancel(
            subscription_id=ending.public_id, time="END_OF_BILLING_PERIOD", actor=SYSTEM, now=START
        )

        run = looked_at(Migrating(at_period_end=True), acme, globex)
        assert "before this would take effect" in messages(run)[1]
        run = carried_out(run)

        row = run.rows.all()[0]
        waiting.refresh_from_db()
        at = instant(waiting.next_update_at)
        assert (row.what, row.planned, row.done) == (f"Pro v1 → v2 on {at}", [], [])
        assert (row.changed_since_review, waiting.plan_version.number) == (False, 1)


class TestDeed:
    @pytest.mark.parametrize(
        "deed",
        [
            a_gift(),
            a_gift(None, expires_at=IN_JUNE, unit_cost=Decimal("0.000001")),
            Revoking(name="x"),
            Extending(until=IN_JUNE),
            Migrating(plan_id="pro", at_period_end=True),
        ],
    )
    def test_is_the_same_after_it_was_stored(self, ai, acme, deed):
        run = begun(deed, acme)

        assert bulk.deed_of(fresh(run)) == deed

    def test_is_known_from_before_it_had_a_choice(self):
        assert Migrating.restored({"plan_id": "pro"}) == Migrating(plan_id="pro")
