"""Subscriptions of another system, over HTTP."""

import pytest

from subscriptions import tasks
from subscriptions.models import Subscription, SubscriptionImport
from tests.builders import NOW, a_customer, a_published_plan

PATH = "/api/v1/subscriptions/import"


@pytest.fixture
def rows(db) -> list[dict[str, object]]:
    a_customer(public_id="acme")
    a_published_plan(public_id="pro")
    return [{"id": "s1", "customerId": "acme", "planId": "pro", "startDate": NOW.isoformat()}]


class TestImport:
    def test_answers_the_task_and_starts_in_the_background(self, caller, rows):
        answer = caller.post(PATH, {"subscriptions": rows})

        assert answer.status_code == 201
        assert answer.json() == {"data": {"taskId": SubscriptionImport.objects.get().public_id}}
        assert not Subscription.objects.exists()
        tasks.import_subscriptions()
        subscription = Subscription.objects.get()
        assert (subscription.public_id, subscription.started_at) == ("s1", NOW)

    def test_names_the_rows_at_fault(self, caller, rows):
        rows.append({"id": "s2", "customerId": "nobody", "planId": "pro"})

        answer = caller.post(PATH, {"subscriptions": rows})

        assert (answer.status_code, answer.json()["code"]) == (400, "InvalidSubscriptions")
        assert answer.json()["errors"] == {
            "subscriptions[1]": ["There is no active customer nobody."]
        }
        assert not SubscriptionImport.objects.exists()

    @pytest.mark.parametrize(
        "body",
        [
            {},
            {"subscriptions": []},
            {"subscriptions": "s1"},
            {"subscriptions": [{"id": "s1"}]},
            {"subscriptions": [{"id": "s1", "customerId": "a", "planId": "b", "addons": [1]}]},
            {"subscriptions": [{"id": " ", "customerId": "a", "planId": "b"}]},
            {"subscriptions": [{"id": "s1", "customerId": "a", "planId": "b", "endDate": "soon"}]},
        ],
    )
    def test_refuses_bad_bodies(self, caller, body):
        assert caller.post(PATH, body).status_code == 400
        assert not SubscriptionImport.objects.exists()

    def test_refuses_a_billing_provider(self, caller, rows):
        answer = caller.post(PATH, {"subscriptions": rows, "integrationId": "stripe"})

        assert answer.status_code == 400
        assert not SubscriptionImport.objects.exists()
