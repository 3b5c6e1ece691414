"""Imports on screens: how far they are, and what came of every row."""

import pytest

from subscriptions import subscription_imports, tasks
from subscriptions.models import SubscriptionImport
from subscriptions.subscription_imports import Arrival
from tests.builders import NOW, a_customer, a_published_plan
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

        assert "Finished" in reader.get(IMPORTS).content.decode()
        answer = reader.get(f"{IMPORTS}{run.pk}/change/")

        assert [row.subscription_id for row in answer.context["rows"]] == ["s2", "s1"]
        figures = [answer.context[name] for name in ("imported", "failed", "left")]
        assert figures == [1, 1, 0]

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
