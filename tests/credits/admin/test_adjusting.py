from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from catalog import archiving
from catalog.models import CreditType
from credits import pools
from credits.book import EntryType, GrantType
from credits.models import Consumption, Grant, GrantStatus, LedgerEntry, Pool
from subscriptions import customers
from subscriptions.models import Customer
from tests.builders import a_credit_type, a_customer, a_resource
from tests.credits.admin.conftest import ADJUSTERS, ONLOOKERS
from tests.credits.pools import START, a_pool, a_pool_of_a_plan, consumed, granted, stored
from tests.workspace.admin.conftest import Visitor, words
from workspace.actors import SYSTEM
from workspace.models import Activity

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)


def address(customer: Customer) -> str:
    return f"/admin/credits/pool/customers/{customer.pk}/adjust-credits/"


def grant_of(credit_type: CreditType, /, **changes: str) -> dict[str, str]:
    """The form for a purchase of 1,000 credits, paid, from now on."""
    return {
        "adjustment": "GRANT",
        "credit_type": credit_type.public_id,
        "amount": "1,000",
        "name": "Manual top-up",
        "method": "PAID",
        "unit_cost": "0.02",
        "currency": "USD",
        "payment": "PAID",
        "schedule": "NOW",
        "priority": "10",
        "reason": "Order 4711",
        **changes,
    }


def subtraction_of(credit_type: CreditType, /, **changes: str) -> dict[str, str]:
    return grant_of(credit_type, adjustment="SUBTRACT", **changes)


def preview(visitor: Visitor, customer: Customer, form: dict[str, str]) -> Any:
    answer = visitor.post(address(customer), {**form, "refresh": "1"})
    assert answer.status_code == 200
    return answer.context


def confirm(visitor: Visitor, customer: Customer, form: dict[str, str]):
    """Look at the summary, then confirm it."""
    shown = preview(visitor, customer, form)
    sent = {**form, "once": shown["once"], "previewed": shown.get("previewed", "")}
    return visitor.post(address(customer), sent, follow=True)


def nothing_happened() -> bool:
    return not (Grant.objects.exists() or LedgerEntry.objects.exists())


class TestAdjustPage:
    @pytest.mark.parametrize("role", ADJUSTERS)
    def test_is_open_to_those_who_may(self, visit, role):
        pool = a_pool()

        assert visit(role).get(address(pool.customer)).status_code == 200

    @pytest.mark.parametrize("role", ONLOOKERS)
    def test_is_closed_to_the_others(self, visit, role):
        pool = a_pool()
        visitor = visit(role)

        asked = visitor.get(address(pool.customer))
        sent = visitor.post(address(pool.customer), grant_of(pool.credit_type))

        assert (asked.status_code, sent.status_code) == (403, 403)
        assert nothing_happened()

    def test_begins_with_the_pool_one_came_from(self, support):
        customer, credit_type = a_customer(), a_credit_type()
        a_credit_type("API Credits")
        a_resource(customer, "berlin")

        form = support.get(
            address(customer), {"credit_type": credit_type.public_id, "resource": "berlin"}
        ).context["form"]

        assert form["credit_type"].value() == credit_type.public_id
        assert form["resource"].value() == "berlin"

    def test_asks_for_no_resource_where_there_is_none(self, support):
        form = support.get(address(a_pool().customer)).context["form"]

        assert "resource" not in form.fields

    def test_asks_for_a_credit_type_first(self, support):
        answer = support.get(address(a_customer()), follow=True)

        assert words(answer) == ["Create a credit type first: Product Catalog → Credits."]

    def test_shows_what_a_grant_would_do_and_does_nothing(self, support):
        pool = a_pool_of_a_plan(5000)
        entries = LedgerEntry.objects.count()

        shown = preview(support, pool.customer, grant_of(pool.credit_type))

        outcome = shown["outcome"]
        assert (outcome.balance_before, outcome.balance_after) == (5000, 6000)
        assert (outcome.place, outcome.paying, outcome.next_before) == (2, 2, "Pro")
        assert shown["cost"] == "20 USD"
        assert LedgerEntry.objects.count() == entries

    def test_shows_it_before_a_reason_is_given(self, support):
        pool = a_pool()

        shown = preview(support, pool.customer, grant_of(pool.credit_type, reason=""))

        assert shown["outcome"].balance_after == 1000

    def test_does_nothing_that_was_not_shown(self, support):
        pool = a_pool()
        form = grant_of(pool.credit_type)
        shown = preview(support, pool.customer, form)

        unseen = support.post(address(pool.customer), form)
        other = support.post(
            address(pool.customer),
            {**form, "amount": "9,000", "once": shown["once"], "previewed": shown["previewed"]},
        )

        assert unseen.context["outcome"].balance_after == 1000
        assert other.context["outcome"].balance_after == 9000
        assert nothing_happened()

    def test_grants_what_was_shown(self, support):
        pool = a_pool()

        answer = confirm(support, pool.customer, grant_of(pool.credit_type))

        grant = Grant.objects.get()
        assert words(answer) == ["Manual top-up: 1,000 credits granted."]
        assert answer.context["balance"] == "1,000"
        assert (grant.type, grant.amount, grant.name) == ("PAID", 1000, "Manual top-up")
        assert (grant.cost_amount, grant.cost_currency, grant.comment) == (20, "USD", "Order 4711")
        entry = LedgerEntry.objects.get()
        assert (entry.amount, entry.reason, entry.actor) == (
            1000,
            "Order 4711",
            support.user.get_username(),
        )
        assert Activity.objects.filter(event="credit_grant.created").count() == 1

    def test_grants_once_however_often_it_is_sent(self, support):
        pool = a_pool()
        form = grant_of(pool.credit_type)
        shown = preview(support, pool.customer, form)
        sent = {**form, "once": shown["once"], "previewed": shown["previewed"]}

        answers = [support.post(address(pool.customer), sent, follow=True) for _ in range(3)]

        assert Grant.objects.count() == 1
        assert words(answers[2]) == ["This was done before: Manual top-up: 1,000 credits granted."]

    def test_makes_a_pool_for_a_customer_without_a_subscription(self, support):
        customer, credit_type = a_customer(), a_credit_type()

        confirm(support, customer, grant_of(credit_type))

        pool = Pool.objects.get(customer=customer, credit_type=credit_type, resource=None)
        assert pool.balance == 1000

    def test_grants_to_a_resource(self, support):
        customer, credit_type = a_customer(), a_credit_type()
        resource = a_resource(customer, "berlin")

        answer = confirm(support, customer, grant_of(credit_type, resource="berlin"))

        assert Pool.objects.get().resource == resource
        assert answer.context["pool"].resource == resource

    def test_refuses_the_resource_of_another_customer(self, support):
        customer, credit_type = a_customer(), a_credit_type()
        a_resource(customer, "own")
        a_resource(a_customer(), "foreign")

        answer = confirm(support, customer, grant_of(credit_type, resource="foreign"))

        assert "resource" in answer.context["form"].errors
        assert nothing_happened()

    def test_gives_a_promotion_for_nothing(self, support):
        pool = a_pool()

        form = grant_of(pool.credit_type, method="PROMOTIONAL", payment="PENDING")
        confirm(support, pool.customer, form)

        grant = Grant.objects.get()
        assert (grant.type, grant.cost_amount, grant.payment_pending) == ("PROMOTIONAL", 0, False)

    def test_lets_a_purchase_wait_for_its_payment(self, support):
        pool = a_pool()

        form = grant_of(pool.credit_type, payment="PENDING")
        shown = preview(support, pool.customer, form)
        confirm(support, pool.customer, form)

        assert (shown["awaits_payment"], shown["outcome"].balance_after) == (True, 1000)
        assert Grant.objects.get().status_at(START) == GrantStatus.PAYMENT_PENDING
        assert stored(pool).balance == 0

    def test_schedules_a_grant(self, support):
        pool = a_pool()
        form = grant_of(
            pool.credit_type,
            schedule="LATER",
            effective_at="2026-04-10T08:30",
            expires_at="2026-05-10T08:30",
        )

        shown = preview(support, pool.customer, form)
        answer = confirm(support, pool.customer, form)

        grant = Grant.objects.get()
        assert shown["is_later"]
        assert grant.effective_at.isoformat() == "2026-04-10T08:30:00+00:00"
        assert grant.expires_at == datetime(2026, 5, 10, 8, 30, tzinfo=UTC)
        assert words(answer) == [
            "Manual top-up: 1,000 credits will be given on 10 Apr 2026, 08:30 UTC."
        ]

    def test_settles_what_the_pool_owes(self, support):
        pool = a_pool()
        consumed(pool, 15)

        shown = preview(support, pool.customer, grant_of(pool.credit_type, amount="10"))

        outcome = shown["outcome"]
        assert (outcome.balance_after, outcome.settled, outcome.place) == (-5, 10, None)

    def test_subtracts_with_a_reason(self, support):
        pool = a_pool()
        granted(pool, 5000)

        answer = confirm(support, pool.customer, subtraction_of(pool.credit_type))

        entry = LedgerEntry.objects.get(type=EntryType.CONSUMED)
        assert words(answer) == ["1,000 credits subtracted. The balance is 4,000 now."]
        assert (entry.amount, entry.reason, entry.balance_after) == (-1000, "Order 4711", 4000)
        assert entry.actor == support.user.get_username()

    def test_subtracts_once_however_often_it_is_sent(self, support):
        pool = a_pool()
        form = subtraction_of(pool.credit_type)
        shown = preview(support, pool.customer, form)
        sent = {**form, "once": shown["once"], "previewed": shown["previewed"]}

        for _ in range(3):
            support.post(address(pool.customer), sent)

        assert Consumption.objects.count() == 1
        assert stored(pool).balance == -1000

    def test_warns_of_a_deficit(self, support):
        pool = a_pool()
        granted(pool, 400, name="Gift", type=GrantType.PROMOTIONAL)

        shown = preview(support, pool.customer, subtraction_of(pool.credit_type))

        assert shown["outcome"].balance_after == -600
        assert [(share.name, share.amount) for share in shown["outcome"].shares] == [
            ("Gift", 400),
            ("Overdraft", 600),
        ]

    @pytest.mark.parametrize(
        "amount",
        ["0", "-1", "1e5", "1,5", "١٢", "1.0000001", "1000000000000", "NaN", "Infinity", "x", ""],
    )
    @pytest.mark.parametrize("adjustment", ["GRANT", "SUBTRACT"])
    def test_refuses_what_is_no_amount(self, support, amount, adjustment):
        pool = a_pool()

        form = grant_of(pool.credit_type, amount=amount, adjustment=adjustment)
        answer = confirm(support, pool.customer, form)

        assert "amount" in answer.context["form"].errors
        assert nothing_happened()

    @pytest.mark.parametrize(
        ("field", "changes"),
        [
            ("name", {"name": " "}),
            ("name", {"name": "x" * 256}),
            ("reason", {"reason": ""}),
            ("reason", {"reason": "x" * 201}),
            ("priority", {"priority": "-1"}),
            ("priority", {"priority": "99999999999"}),
            ("unit_cost", {"unit_cost": "-1"}),
            ("currency", {"currency": "dollars"}),
            ("effective_at", {"schedule": "LATER"}),
            ("effective_at", {"schedule": "LATER", "effective_at": "2026-02-30T10:00"}),
            ("expires_at", {"expires_at": "2026-03-30T10:00"}),
            ("expires_at", {"expires_at": "99999-01-01T10:00"}),
            ("credit_type", {"credit_type": "unknown"}),
            ("adjustment", {"adjustment": "STEAL"}),
            ("method", {"method": "RECURRING"}),
        ],
    )
    def test_names_the_input_at_fault(self, support, field, changes):
        pool = a_pool()

        answer = confirm(support, pool.customer, grant_of(pool.credit_type, **changes))

        assert list(answer.context["form"].errors) == [field]
        assert nothing_happened()

    def test_says_in_the_summary_what_is_wrong(self, support):
        pool = a_pool()

        form = grant_of(pool.credit_type, expires_at="2026-03-30T10:00")

        assert preview(support, pool.customer, form)["problem"].startswith("Let the grant expire")

    def test_refuses_more_of_an_archived_credit_type(self, support):
        """R3: what is there can be used up, nothing new is granted."""
        pool = a_pool()
        granted(pool, 5000)
        archiving.archive_credit_type(credit_type_id=pool.credit_type_id, actor=SYSTEM, now=START)

        refused = confirm(support, pool.customer, grant_of(pool.credit_type))
        confirm(support, pool.customer, subtraction_of(pool.credit_type))

        assert "credit_type" in refused.context["form"].errors
        assert stored(pool).balance == 4000

    def test_refuses_to_adjust_an_archived_customer(self, support):
        customer, credit_type = a_customer(), a_credit_type()
        form = grant_of(credit_type)
        shown = preview(support, customer, form)
        customers.archive(customer_id=customer.public_id, actor=SYSTEM, now=START)

        sent = {**form, "once": shown["once"], "previewed": shown["previewed"]}
        answer = support.post(address(customer), sent)

        assert answer.status_code == 200
        assert answer.context["form"].non_field_errors()
        assert nothing_happened()

    def test_grants_although_the_balance_changed_since_it_was_shown(self, support):
        pool = a_pool()
        form = grant_of(pool.credit_type)
        shown = preview(support, pool.customer, form)
        consumed(pool, 300)

        sent = {**form, "once": shown["once"], "previewed": shown["previewed"]}
        support.post(address(pool.customer), sent)

        assert pools.standing(stored(pool), START).balance == Decimal(700)
