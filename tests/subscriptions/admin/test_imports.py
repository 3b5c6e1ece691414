"""Imports on screens: how far they are, and what came of every row."""

import pytest

from subscriptions import subscription_imports, tasks
from subscriptions.models import SubscriptionImport
from subscriptions.subscription_imports import Arrival
from tests.builders import NOW, a_customer, a_published_plan
from tests.workspace.admin.conftest import words
from workspace.actors import SYSTEM

IMPORTS = "/admin/subscriptions/subscriptionimport/"


@pytest.fixture
def run(db) -> SubscriptionImport:
    a_customer(public_id="acme")
    a_published_plan(public_id="pro")
    arrivals = [
        Arrival(public_id=public_id, customer_id="acme", plan_id="pro")
        for public_id in ("s1", "s2")
    ]
    return subscription_imports.hand_in(arrivals=arrivals, actor=SYSTEM, now=NOW)


class TestImports:
    def test_are_listed_and_shown_with_their_rows(self, reader, run):
        tasks.import_subscriptions(NOW)

        assert "Partially failed" in reader.get(IMPORTS).text
        answer = reader.get(f"{IMPORTS}{run.pk}/change/")

        assert [row.subscription_id for row in answer.context["rows"]] == ["s2", "s1"]
        figures = [answer.context[name] for name in ("imported", "failed", "left")]
        assert figures == [1, 1, 0]

    @pytest.mark.parametrize(
        ("plan", "label"), [("pro", "Finished"), ("nothing", "Failed"), ("", "In progress")]
    )
    def test_say_how_they_ended(self, reader, run, plan, label):
        if plan == "nothing":
            run.rows.update(order={**run.rows.first().order, "plan_id": plan})
        if plan == "pro":
            run.rows.filter(subscription_id="s2").delete()
        if plan:
            tasks.import_subscriptions(NOW)

        [badge] = reader.get(f"{IMPORTS}{run.pk}/change/").context["badges"]

        assert badge.label == label

    def test_are_downloaded_with_what_came_of_every_row(self, reader, run):
        tasks.import_subscriptions(NOW)
        page = reader.get(f"{IMPORTS}{run.pk}/change/")

        answer = reader.get(page.context["csv_url"])

        head, *lines = answer.getvalue().decode().splitlines()
        assert head == "Row,Subscription,Customer,Plan,Result,Remark,Time"
        assert [line.split(",")[:5] for line in lines] == [
            ["1", "s1", "acme", "pro", "Imported"],
            ["2", "s2", "acme", "pro", "Failed"],
        ]
        assert answer["Content-Disposition"] == f'attachment; filename="import-{run.pk}.csv"'

    def test_show_how_far_they_are(self, reader, run):
        answer = reader.get(f"{IMPORTS}{run.pk}/change/")

        assert (answer.context["left"], answer.context["is_running"]) == (2, True)

    def test_say_where_they_come_from(self, reader, db):
        assert "No imports yet" in reader.get(IMPORTS).content.decode()

    def test_take_as_many_queries_for_many_as_for_one(self, reader, run, django_assert_num_queries):
        reader.get(IMPORTS)
        with django_assert_num_queries(4):
            reader.get(IMPORTS)
        for number in range(5):
            arrival = Arrival(public_id=f"more-{number}", customer_id="acme", plan_id="pro")
            subscription_imports.hand_in(arrivals=[arrival], actor=SYSTEM, now=NOW)

        with django_assert_num_queries(4):
            reader.get(IMPORTS)


class TestRetry:
    def test_lets_support_try_failed_ones_again(self, support, run):
        tasks.import_subscriptions(NOW)
        page = f"{IMPORTS}{run.pk}/change/"
        assert "Try failed ones again" in support.get(page).content.decode()

        answer = support.press(f"{IMPORTS}{run.pk}/retry/")

        assert words(answer) == ["What failed is tried again in the background."]
        assert (answer.context["left"], answer.context["is_running"]) == (1, True)

    def test_is_forbidden_to_those_who_only_look(self, reader, run):
        tasks.import_subscriptions(NOW)

        assert reader.post(f"{IMPORTS}{run.pk}/retry/").status_code == 403
        assert "Try failed" not in reader.get(f"{IMPORTS}{run.pk}/change/").content.decode()
        assert run.rows.filter(outcome="FAILED").count() == 1

    def test_says_what_is_stale(self, support, run):
        tasks.import_subscriptions(NOW)
        asked = support.get(f"{IMPORTS}{run.pk}/retry/")
        support.press(f"{IMPORTS}{run.pk}/retry/")

        answer = support.post(f"{IMPORTS}{run.pk}/retry/", {"once": asked.context["once"]})

        assert answer.context["form"].non_field_errors() == [
            "Nothing failed, or the import is not over yet."
        ]
