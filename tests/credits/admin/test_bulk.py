"""Bulk changes on screens: begun from a list or a file, seen before they are done, undone."""

import csv
from datetime import timedelta
from urllib.parse import urlencode

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from credits import tasks
from credits.models import BulkKind, BulkRun, BulkStatus, Grant
from subscriptions.models import Customer
from tests.builders import a_credit_type, a_customer, a_published_plan, a_subscription, some_credits
from tests.credits.admin.conftest import ADJUSTERS
from tests.credits.pools import START, a_pool, granted
from tests.workspace.admin.conftest import Visitor, words
from workspace.models import Role

ADD = "/admin/credits/bulkrun/add/"
LIST = "/admin/credits/bulkrun/"
CUSTOMERS = "/admin/subscriptions/customer/"
SUBSCRIPTIONS = "/admin/subscriptions/subscription/"
GRANTS = "/admin/credits/grant/"


@pytest.fixture
def acme(db, clock) -> Customer:
    return a_customer("Acme", public_id="acme", now=START)


@pytest.fixture
def globex(db, clock) -> Customer:
    return a_customer("Globex", public_id="globex", now=START)


@pytest.fixture
def ai(db):
    return a_credit_type("AI Credits", public_id="ai", now=START)


def a_gift(**fields: str) -> dict[str, str]:
    return {
        "kind": "GRANT",
        "credit_type": "ai",
        "amount": "100",
        "name": "Sorry",
        "reason": "An outage",
    } | fields


def begun(visitor: Visitor, query: str = "of=customers", **fields: str) -> BulkRun:
    answer = visitor.press(f"{ADD}?{query}", **a_gift(**fields))
    assert words(answer) == ["This is what would happen. Nothing is changed yet."], answer.context[
        "form"
    ].errors
    return BulkRun.objects.latest("pk")


def page_of(run: BulkRun, page: str = "change") -> str:
    return f"{LIST}{run.pk}/{page}/"


def ticked(visitor: Visitor, address: str, *keys: int, across: bool = False) -> str:
    """Where “Bulk change” leads."""
    answer = visitor.post(
        address,
        {
            "action": "change_many",
            "_selected_action": [str(key) for key in keys],
            "select_across": "1" if across else "0",
        },
    )
    assert answer.status_code == 302, answer
    return str(answer.headers["Location"])


class TestBeginPage:
    def test_shows_what_would_happen_to_all_that_the_filter_leaves(self, support, ai, acme, globex):
        granted(a_pool(acme, ai), 50)

        run = begun(support, "of=customers&q=acme")

        answer = support.get(page_of(run))
        [row] = answer.context["rows"]
        assert (row["customer"], row["what"]) == ("Acme", "AI Credits: +100 credits")
        assert row["balances"] == [{"name": "AI Credits", "before": "50", "after": "150"}]
        assert run.chosen == "1 customer matching “acme”"
        assert Grant.objects.count() == 1

    def test_takes_a_list_with_amounts(self, support, ai, acme, globex):
        text = b"\xef\xbb\xbfcustomer id;amount\nglobex;7\nacme\n"
        file = SimpleUploadedFile("list.csv", text)

        run = begun(support, "", file=file)  # type: ignore[arg-type]

        found = list(run.rows.values_list("line", "customer__public_id", "amount"))
        assert found == [(2, "globex", 7), (3, "acme", None)]
        assert run.chosen == "2 customers of a list"

    def test_says_what_is_wrong_with_which_line(self, support, ai, acme):
        fields = a_gift(pasted="acme\nnobody\nacme,1,north,2")

        answer = support.press(ADD, **fields)

        assert answer.context["form"].errors["pasted"] == [
            "2 lines of the list cannot be used, so nothing was taken.",
            "Line 2: There is no customer 'nobody'.",
            "Line 3: Write a customer ID, and beside it at most an amount and a resource ID.",
        ]
        assert not BulkRun.objects.exists()

    @pytest.mark.parametrize(
        ("fields", "field", "sentence"),
        [
            ({}, "file", "Choose a file, or paste a list."),
            ({"pasted": "\n"}, "pasted", "Nobody stands in this list."),
            ({"pasted": "acme", "amount": ""}, "amount", "Line 1 of the list has no amount: "),
            ({"pasted": "acme", "reason": ""}, "reason", "This field is required."),
            ({"pasted": "acme", "name": ""}, "name", "Enter a name."),
            ({"pasted": "acme", "kind": "EXTEND"}, "until", "Enter a date, or by how many days."),
            ({"pasted": "acme", "kind": "ADDON"}, "addon", "Choose an add-on."),
            ({"pasted": "acme", "kind": "DELETE"}, "kind", "Select a valid choice."),
        ],
    )
    def test_says_what_is_missing(self, visit, fields, field, sentence):
        a_credit_type("AI Credits", public_id="ai", now=START)
        a_customer(public_id="acme", now=START)

        answer = visit(Role.CUSTOMER_SUPPORT).press(ADD, **a_gift(**fields))

        assert answer.context["form"].errors[field][0].startswith(sentence)
        assert not BulkRun.objects.exists()

    def test_leaves_many_to_the_worker(self, support, ai, acme, monkeypatch):
        monkeypatch.setattr("credits.admin.bulk.AT_ONCE", 0)

        answer = support.press(f"{ADD}?of=customers", **a_gift())

        assert words(answer) == ["What would happen is being worked out in the background."]
        assert answer.context["is_running"]
        assert "workspace/again.js" in answer.content.decode()

    @pytest.mark.parametrize("name", ["customers", "subscriptions", "grants"])
    def test_is_sure_of_all_that_a_search_finds(self, support, acme, name, monkeypatch):
        """A list shows the nearest; a change of all of them must know all."""
        monkeypatch.setattr("subscriptions.searching.MOST_CUSTOMERS", 1)
        a_customer("Acme again", public_id="second", now=START)

        answer = support.get(f"{ADD}?of={name}&q=acme", follow=True)

        assert "Too many are found by “acme”" in words(answer)[-1]
        assert support.post(f"{ADD}?of={name}&q=acme", a_gift()).status_code == 302
        assert not BulkRun.objects.exists()

    @pytest.mark.parametrize("query", ["of=customers&id=x", "of=grants&nonsense__x=1"])
    def test_does_not_follow_an_address_made_up(self, support, ai, acme, query):
        answer = support.get(f"{ADD}?{query}", follow=True)

        assert answer.redirect_chain[-1][0] == LIST
        assert len(words(answer)) == 1

    def test_offers_only_what_the_role_may_do(self, visit, ai, acme):
        def offered(role: Role) -> list[str]:
            form = visit(role).get(ADD).context["form"]
            return [value for value, _ in form.fields["kind"].choices]

        assert offered(Role.CUSTOMER_SUPPORT) == list(BulkKind)
        assert offered(Role.PRODUCT_MANAGER) == [BulkKind.ADDON, BulkKind.MIGRATE]

    def test_is_forbidden_to_those_who_only_look(self, reader, ai, acme):
        assert reader.get(ADD).status_code == 403
        assert reader.post(f"{ADD}?of=customers", a_gift()).status_code == 403
        assert not BulkRun.objects.exists()

    def test_takes_a_kind_from_nobody_who_may_not(self, visit, ai, acme):
        answer = visit(Role.PRODUCT_MANAGER).press(f"{ADD}?of=customers", **a_gift())

        assert "kind" in answer.context["form"].errors
        assert not BulkRun.objects.exists()


class TestChoosing:
    def test_leads_from_ticked_customers(self, support, ai, acme, globex):
        address = ticked(support, CUSTOMERS, acme.pk)

        assert address == f"{ADD}?{urlencode({'of': 'customers', 'id': acme.pk})}"
        assert "1 customer, ticked one by one" in support.get(address).content.decode()

    def test_leads_from_all_that_search_and_filters_leave(self, support, ai, acme, globex):
        address = ticked(support, f"{CUSTOMERS}?q=glob&status=all", acme.pk, across=True)

        text = support.get(address).content.decode()

        assert "1 customer matching “glob”, status all" in text

    def test_leads_from_subscriptions(self, support, ai, acme):
        plan = a_published_plan(public_id="pro", entitlements=[some_credits(ai)], now=START)
        subscription = a_subscription(acme, plan, now=START)
        address = ticked(support, SUBSCRIPTIONS, subscription.pk)

        answer = support.press(address, kind="MIGRATE", when="period_end", reason="New prices")

        assert "It has the latest versions and prices already." in answer.content.decode()
        assert BulkRun.objects.get().terms["at_period_end"] is True

    def test_leads_from_grants(self, support, ai, acme):
        grant = granted(a_pool(acme, ai), 50, name="Sorry")
        granted(a_pool(acme, ai), 70, name="Else")
        address = ticked(support, f"{GRANTS}?q=Sorry", grant.pk, across=True)

        support.press(address, kind="VOID", reason="A mistake")

        [row] = BulkRun.objects.get().rows.all()
        assert (row.grant, row.what) == (grant, "“Sorry”: 50 of 50 credits are taken back")

    def test_is_offered_to_those_who_may(self, support, reader, ai, acme):
        assert "Bulk change" in support.get(CUSTOMERS).content.decode()
        assert "change_many" not in reader.get(CUSTOMERS).content.decode()
        assert "change_many" not in reader.get(GRANTS).content.decode()


class TestRun:
    def test_is_carried_out_and_undone(self, support, ai, acme, globex):
        run = begun(support)

        asked = support.get(page_of(run, "start")).content.decode()
        assert "2 rows are done in the background, 0 rows left out." in asked
        assert "Afterwards it can be undone where nothing was spent." in asked
        support.press(page_of(run, "start"))
        tasks.carry_out_bulk_changes(START)
        answer = support.get(page_of(run))
        assert [row["outcome"] for row in answer.context["rows"]] == ["Done", "Done"]
        assert answer.context["cards"] == [("Done", "2", "?outcome=SUCCEEDED")]

        support.press(page_of(run, "undo"))
        tasks.carry_out_bulk_changes(START)
        assert BulkRun.objects.get().status == BulkStatus.UNDONE
        assert Grant.objects.filter(voided_at=None).count() == 0

    def test_is_paused_resumed_and_canceled(self, support, ai, acme):
        run = begun(support)
        support.press(page_of(run, "start"))

        answer = support.press(page_of(run, "pause"))
        assert answer.context["lead"].startswith("It is paused")
        assert not answer.context["is_running"]
        tasks.carry_out_bulk_changes(START)
        support.press(page_of(run, "resume"))
        answer = support.press(page_of(run, "cancel"))
        tasks.carry_out_bulk_changes(START)

        assert words(answer) == ["It is canceled."]
        assert not Grant.objects.exists()

    def test_tries_failed_ones_again(self, support, ai, acme):
        run = begun(support)
        support.press(page_of(run, "start"))
        Customer.objects.update(archived_at=START)
        tasks.carry_out_bulk_changes(START)
        Customer.objects.update(archived_at=None)

        support.press(page_of(run, "retry"))
        tasks.carry_out_bulk_changes(START)

        assert BulkRun.objects.get().status == BulkStatus.COMPLETED
        assert Grant.objects.count() == 1

    def test_carries_out_once_when_two_press_the_button(self, visit, ai, acme):
        first, second = visit(Role.CUSTOMER_SUPPORT), visit(Role.ADMINISTRATOR)
        run = begun(first)
        asked = second.get(page_of(run, "start"))
        first.press(page_of(run, "start"))

        answer = second.post(page_of(run, "start"), {"once": asked.context["once"]})

        assert answer.context["form"].non_field_errors() == [
            "This was carried out or canceled already, or is not ready yet."
        ]

    @pytest.mark.parametrize("name", ["start", "pause", "resume", "retry", "undo", "cancel"])
    def test_may_be_looked_at_but_not_touched_by_others(self, visit, support, ai, acme, name):
        """Whoever may not do it to one customer may not do it to many."""
        run = begun(support)

        for role in (Role.READ_ONLY, Role.PRODUCT_MANAGER):
            visitor = visit(role)
            assert "Carry out" not in visitor.get(page_of(run)).content.decode()
            assert visitor.get(page_of(run, name)).status_code == 403
            assert visitor.post(page_of(run, name)).status_code == 403
        run.refresh_from_db()
        assert run.status == BulkStatus.READY

    @pytest.mark.parametrize("role", ADJUSTERS)
    def test_offers_what_can_be_done_now(self, visit, ai, acme, role):
        visitor = visit(role)
        text = visitor.get(page_of(begun(visitor))).content.decode()

        assert "Carry out" in text
        assert "Cancel bulk change" in text
        assert "Undo" not in text

    def test_finds_rows_by_result_and_customer(self, support, ai, acme, globex):
        run = begun(support)

        def found(query: str) -> list[str]:
            rows = support.get(f"{page_of(run)}?{query}").context["rows"]
            return [row["customer"] for row in rows]

        assert found("q=glob") == ["Globex"]
        assert found("q=%00") == found("outcome=nonsense") == ["Acme", "Globex"]
        assert found("outcome=SKIPPED") == []

    def test_takes_as_many_queries_for_many_as_for_one(
        self, support, ai, acme, django_assert_num_queries
    ):
        run = begun(support)
        for _ in range(5):
            a_customer(now=START)
        many = begun(support)
        support.get(page_of(run))

        with django_assert_num_queries(7):
            support.get(page_of(run))
        with django_assert_num_queries(7):
            support.get(page_of(many))
        support.get(LIST)
        with django_assert_num_queries(4):
            support.get(LIST)

    def test_hands_out_its_rows_as_a_harmless_table(self, support, ai, clock):
        a_customer("=1+1", public_id="evil", now=START)
        run = begun(support)

        answer = support.get(page_of(run, "csv"))

        text = b"".join(answer.streaming_content).decode()
        [head, row] = csv.reader(text.splitlines())
        assert head[:4] == ["Row", "Customer ID", "Customer", "Resource ID"]
        assert row == [
            "1", "evil", "'=1+1", "", "AI Credits: +100 credits", "Ready", "ai", "0", "100",
            "", "", "",
        ]  # fmt: skip

    def test_says_where_they_come_from(self, reader):
        assert "No bulk changes yet" in reader.get(LIST).content.decode()

    def test_extends_by_days(self, support, ai, acme):
        granted(a_pool(acme, ai), 50, expires_at=START + timedelta(days=5))

        support.press(f"{ADD}?of=customers", kind="EXTEND", days="30", reason="Holidays")

        [row] = BulkRun.objects.get().rows.all()
        assert row.what.startswith("“Top-up” expires 5 May 2026")
