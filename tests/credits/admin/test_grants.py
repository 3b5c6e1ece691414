from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from credits import grants
from credits.book import EntryType
from credits.models import Grant, GrantStatus, LedgerEntry
from tests.credits.admin.conftest import ADJUSTERS, EVERYBODY, ONLOOKERS
from tests.credits.pools import START, a_pool, a_pool_of_a_plan, consumed, granted, stored
from tests.workspace.admin.conftest import words
from workspace.actors import SYSTEM
from workspace.models import Activity

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)
BUTTONS = ["edit-grant", "revoke", "confirm-payment"]


def address(grant: Grant, name: str = "change") -> str:
    return f"/admin/credits/grant/{grant.pk}/{name}/"


def edited(**changes: str) -> dict[str, str]:
    return {"name": "Top-up", "reason": "", "priority": "10", "metadata": "", **changes}


def fresh(grant: Grant) -> Grant:
    return Grant.objects.get(pk=grant.pk)


class TestGrantPage:
    @pytest.mark.parametrize("role", EVERYBODY)
    def test_is_open_to_everybody_who_works_here(self, visit, role):
        assert visit(role).get(address(granted(a_pool()))).status_code == 200

    def test_shows_the_grant_as_it_stands(self, reader, clock):
        pool = a_pool()
        grant = granted(pool, 1000, expires_at=START + DAY, comment="Order 4711")
        consumed(pool, 300)

        now = reader.get(address(grant)).context
        clock(START + DAY)
        later = reader.get(address(grant)).context

        assert (now["remaining"], now["amount"]) == ("700 credits", "1,000 credits")
        assert [badge.label for badge in now["badges"]] == ["Active"]
        assert [badge.label for badge in later["badges"]] == ["Expired"]

    def test_leads_to_its_pool(self, reader):
        grant = granted(a_pool())

        url = reader.get(address(grant)).context["credits_url"]

        assert reader.get(url).context["pool"] == grant.pool

    @pytest.mark.parametrize("role", ONLOOKERS)
    def test_has_no_buttons_for_onlookers(self, visit, role):
        context = visit(role).get(address(granted(a_pool()))).context

        assert (context["menu"], context["buttons"]) == ([], [])


class TestGrantAdmin:
    def test_finds_grants_by_name_and_customer(self, reader):
        grant = granted(a_pool(), name="Order 4711")
        granted(a_pool(), name="Another")

        found = reader.get("/admin/credits/grant/", {"q": "order"}).context["cl"].result_list

        assert list(found) == [grant]

    def test_has_no_form_that_changes_a_grant(self, visit):
        grant = granted(a_pool())
        administrator = visit(ADJUSTERS[0])

        answers = [
            administrator.get("/admin/credits/grant/add/"),
            administrator.post(address(grant, "edit"), {"amount": "5"}),
            administrator.post(address(grant, "delete"), {"post": "yes"}),
        ]

        assert [answer.status_code for answer in answers] == [403, 403, 403]
        assert fresh(grant).amount == 100

    def test_takes_as_many_queries_for_many_grants_as_for_few(self, reader):
        counts = []
        for number in (1, 12):
            for _ in range(number):
                granted(a_pool())
            with CaptureQueriesContext(connection) as queries:
                reader.get("/admin/credits/grant/")
            counts.append(len(queries))

        assert counts[0] == counts[1]

    @pytest.mark.parametrize("role", ONLOOKERS)
    @pytest.mark.parametrize("name", BUTTONS)
    def test_lets_onlookers_press_nothing(self, visit, role, name):
        grant = granted(a_pool(), payment_pending=True)
        visitor = visit(role)

        asked = visitor.get(address(grant, name))
        sent = visitor.post(address(grant, name), edited(name="Changed", reason="Why"))

        assert (asked.status_code, sent.status_code) == (403, 403)
        assert fresh(grant).status_at(START) == GrantStatus.PAYMENT_PENDING

    @pytest.mark.parametrize("name", BUTTONS)
    def test_changes_nothing_when_a_button_is_only_looked_at(self, support, name):
        grant = granted(a_pool(), payment_pending=True)

        support.get(address(grant, name))

        assert fresh(grant).status_at(START) == GrantStatus.PAYMENT_PENDING
        assert not LedgerEntry.objects.exists()


class TestEditGrant:
    @pytest.mark.parametrize("role", ADJUSTERS)
    def test_changes_what_people_may_change(self, visit, role):
        grant = granted(a_pool())

        answer = visit(role).press(
            address(grant, "edit-grant"),
            **edited(
                name="Renamed",
                reason="On request",
                priority="1",
                expires_at="2026-05-01T00:00",
                metadata="order: 4711\nnote: a: b",
            ),
        )

        changed = fresh(grant)
        assert words(answer) == ["Renamed is saved."]
        assert (changed.name, changed.comment, changed.priority) == ("Renamed", "On request", 1)
        assert changed.expires_at == datetime(2026, 5, 1, tzinfo=UTC)
        assert changed.metadata == {"order": "4711", "note": "a: b"}
        entry = LedgerEntry.objects.get(type=EntryType.UPDATED)
        assert (entry.amount, entry.balance_after) == (0, 100)
        assert Activity.objects.filter(event="credit_grant.updated").count() == 1

    def test_leaves_an_instant_alone_that_was_not_touched(self, support):
        """Inputs show minutes; the expiry has seconds."""
        expires_at = START + DAY + timedelta(seconds=42, microseconds=7)
        grant = granted(a_pool(), expires_at=expires_at)

        form = support.get(address(grant, "edit-grant")).context["form"]
        shown = form["expires_at"].value().strftime("%Y-%m-%dT%H:%M")
        support.press(address(grant, "edit-grant"), **edited(name="New", expires_at=shown))

        assert (fresh(grant).name, fresh(grant).expires_at) == ("New", expires_at)

    def test_moves_the_start_of_a_scheduled_grant_only(self, support):
        scheduled = granted(a_pool(), effective_at=START + DAY)
        active = granted(a_pool())

        support.press(address(scheduled, "edit-grant"), **edited(effective_at="2026-04-20T10:00"))
        fields = support.get(address(active, "edit-grant")).context["form"].fields

        assert fresh(scheduled).effective_at.isoformat() == "2026-04-20T10:00:00+00:00"
        assert "effective_at" not in fields

    @pytest.mark.parametrize(
        ("field", "changes"),
        [
            ("name", {"name": ""}),
            ("priority", {"priority": "-1"}),
            ("expires_at", {"expires_at": "2026-03-31T09:59"}),
            ("metadata", {"metadata": "no colon"}),
            ("metadata", {"metadata": "a: 1\na: 2"}),
        ],
    )
    def test_names_the_input_at_fault(self, support, field, changes):
        grant = granted(a_pool())

        answer = support.press(address(grant, "edit-grant"), **edited(**changes))

        assert list(answer.context["form"].errors) == [field]
        assert not LedgerEntry.objects.filter(type=EntryType.UPDATED).exists()

    def test_is_refused_for_a_grant_that_was_voided_meanwhile(self, support):
        grant = granted(a_pool())
        once = support.get(address(grant, "edit-grant")).context["once"]
        grants.void(grant_id=grant.public_id, reason="Mistake", actor=SYSTEM, now=START)

        answer = support.post(address(grant, "edit-grant"), {**edited(name="New"), "once": once})

        assert answer.context["form"].non_field_errors() == [
            "This grant is over; it can no longer be edited."
        ]
        assert fresh(grant).name == "Top-up"

    def test_is_not_offered_for_recurring_grants(self, support):
        pool = a_pool_of_a_plan()

        answer = support.get(address(Grant.objects.get(pool=pool), "edit-grant"), follow=True)

        assert words(answer) == ["“Edit” is not possible for Pro now."]


class TestRevoke:
    @pytest.mark.parametrize("role", ADJUSTERS)
    def test_takes_back_what_is_left(self, visit, role):
        """R48: 1,000 granted, 300 used, −700."""
        pool = a_pool()
        grant = granted(pool, 1000)
        consumed(pool, 300)

        answer = visit(role).press(address(grant, "revoke"), reason="Wrong customer")

        entry = LedgerEntry.objects.get(type=EntryType.VOIDED)
        assert words(answer) == ["Top-up is revoked."]
        assert (entry.amount, entry.reason) == (-700, "Wrong customer")
        assert (fresh(grant).consumed, fresh(grant).void_reason) == (300, "Wrong customer")
        assert stored(pool).balance == 0

    def test_says_beforehand_what_it_takes(self, support):
        pool = a_pool()
        grant = granted(pool, 1000)
        consumed(pool, 300)

        question = support.get(address(grant, "revoke")).context["question"]

        assert question == (
            "700 credits that Acme has left are taken away. 300 credits that were used stay used."
        )

    def test_wants_a_reason(self, support):
        grant = granted(a_pool())

        answer = support.press(address(grant, "revoke"), reason=" ")

        assert list(answer.context["form"].errors) == ["reason"]
        assert fresh(grant).voided_at is None

    def test_leads_back_to_where_one_came_from(self, support):
        pool = a_pool()
        grant = granted(pool)
        tab = f"/admin/credits/pool/customers/{pool.customer_id}/credits/?grants=all"

        answer = support.press(address(grant, "revoke"), reason="Mistake", next=tab)

        assert answer.redirect_chain == [(tab, 302)]

    def test_voids_once(self, support):
        grant = granted(a_pool())
        once = support.get(address(grant, "revoke")).context["once"]

        for _ in range(2):
            support.post(address(grant, "revoke"), {"once": once, "reason": "Mistake"})
        stale = support.post(address(grant, "revoke"), {"once": "another", "reason": "Mistake"})

        assert stale.context["form"].non_field_errors() == ["This grant is voided already."]
        assert LedgerEntry.objects.filter(type=EntryType.VOIDED).count() == 1

    def test_is_refused_for_a_grant_that_expired_meanwhile(self, support, clock):
        grant = granted(a_pool(), expires_at=START + DAY)
        once = support.get(address(grant, "revoke")).context["once"]
        clock(START + DAY)

        answer = support.post(address(grant, "revoke"), {"once": once, "reason": "Late"})

        assert answer.context["form"].non_field_errors() == [
            "This grant has expired; nothing is left to void."
        ]
        assert fresh(grant).voided_at is None

    def test_is_not_offered_for_an_overdraft(self, support):
        pool = a_pool()
        consumed(pool, 15)

        answer = support.get(address(Grant.objects.get(), "revoke"), follow=True)

        assert words(answer) == ["“Revoke” is not possible for Overdraft now."]


class TestConfirmPayment:
    @pytest.mark.parametrize("role", ADJUSTERS)
    def test_lets_the_grant_take_effect(self, visit, role):
        pool = a_pool()
        grant = granted(pool, 1000, payment_pending=True)

        answer = visit(role).press(address(grant, "confirm-payment"))

        assert words(answer) == ["Top-up is paid."]
        assert fresh(grant).status_at(START) == GrantStatus.ACTIVE
        assert stored(pool).balance == 1000

    def test_says_what_happens_and_when(self, support):
        now = granted(a_pool(), 1000, payment_pending=True)
        later = granted(a_pool(), 1000, payment_pending=True, effective_at=START + DAY)

        questions = [
            support.get(address(grant, "confirm-payment")).context["question"]
            for grant in (now, later)
        ]

        assert questions == [
            "The payment has arrived. 1,000 credits are given at once.",
            "The payment has arrived. 1,000 credits are given on 1 Apr 2026, 10:00 UTC.",
        ]

    def test_is_refused_when_somebody_was_faster(self, support):
        pool = a_pool()
        grant = granted(pool, 1000, payment_pending=True)
        once = support.get(address(grant, "confirm-payment")).context["once"]
        grants.confirm_payment(grant_id=grant.public_id, actor=SYSTEM, now=START)

        answer = support.post(address(grant, "confirm-payment"), {"once": once})

        assert answer.context["form"].non_field_errors() == [
            "This grant is not waiting for a payment."
        ]
        assert stored(pool).balance == 1000
