from typing import Any

import pytest
import time_machine

from catalog import products
from catalog.models.products import EndSetup
from subscriptions import transfer
from tests.builders import (
    NOW,
    a_customer,
    a_product,
    a_published_addon,
    a_published_plan,
    a_subscription,
)
from tests.workspace.api.conftest import Caller
from workspace import customer_tokens
from workspace.actors import SYSTEM
from workspace.models import KeyKind

pytestmark = pytest.mark.django_db
PATH = "/v1/c/acme/subscriptions.json"


@pytest.fixture(autouse=True)
def _now():
    with time_machine.travel(NOW, tick=False):
        yield


def of(caller: Any, path: str = PATH, **options: Any) -> list[dict[str, Any]]:
    answer = caller.get(path, **options)
    assert answer.status_code == 200, answer.content
    found: list[dict[str, Any]] = answer.json()["data"]["getActiveSubscriptions"]
    return found


class TestEdgeSubscriptions:
    def test_shows_what_an_sdk_reads(self, caller):
        product = a_product("Studio", public_id="studio")
        extra = a_published_addon(public_id="extra", product=product, monthly=5)
        plan = a_published_plan(
            public_id="pro", product=product, monthly=49, compatible_addons=[extra]
        )
        customer = a_customer(public_id="acme", email="hello@acme.example")
        a_subscription(
            customer, plan, addons=[(extra, 2)], public_id="first", billing_period="MONTHLY"
        )

        [shown] = of(caller)

        assert (shown["subscriptionId"], shown["status"]) == ("first", "ACTIVE")
        assert shown["customer"]["customerId"] == "acme"
        assert (shown["plan"]["refId"], shown["plan"]["planId"]) == ("pro", "pro")
        assert shown["plan"]["product"]["refId"] == "studio"
        assert shown["addons"] == [
            {
                "__typename": "SubscriptionAddon",
                "quantity": 2,
                "addon": {"__typename": "Addon", "refId": "extra", "addonId": "extra"},
            }
        ]
        assert shown["prices"][0]["price"] == {
            "__typename": "Price",
            "billingPeriod": "MONTHLY",
            "price": {"__typename": "Money", "amount": 49, "currency": "USD"},
        }
        assert (shown["resource"], shown["endDate"], shown["trialEndDate"]) == (None, None, None)

    def test_shows_a_publishable_key_nothing_of_another_customer_who_pays(self, caller):
        """X5."""
        paying = a_customer(public_id="parent", email="bills@parent.example")
        subscription = a_subscription(a_customer(public_id="acme"), a_published_plan())
        transfer.delegate(
            subscription_id=subscription.public_id,
            customer_id=paying.public_id,
            actor=SYSTEM,
            now=NOW,
        )
        browser = Caller(KeyKind.PUBLISHABLE)
        token = customer_tokens.token("acme", customer_tokens.secret_of(browser.made.key.lookup))

        [for_the_customer] = of(browser, headers={"X-CUSTOMER-KEY": token})
        [for_a_server] = of(caller)

        assert for_the_customer == {**for_a_server, "payingCustomer": None}
        assert for_a_server["payingCustomer"]["customerId"] == "parent"

    def test_shows_trials_resources_and_where_a_subscription_goes_over_to(self, caller):
        product = a_product("Studio", public_id="studio", multiple_subscriptions=True)
        free = a_published_plan("Free", public_id="free", product=product)
        products.update(
            product_id=product.pk,
            end_setup=EndSetup.DOWNGRADE_TO_FREE,
            downgrade_plan=free,
            actor=SYSTEM,
            now=NOW,
        )
        plan = a_published_plan(
            public_id="pro",
            product=product,
            trial_length=14,
            trial_unit="DAY",
            trial_end="CONVERT_TO_PAID",
        )
        a_subscription(a_customer(public_id="acme"), plan, resource_id="project-1")

        [shown] = of(caller)

        assert shown["status"] == "IN_TRIAL"
        assert shown["trialConfiguration"]["trialEndBehavior"] == "CONVERT_TO_PAID"
        assert shown["resource"]["resourceId"] == "project-1"
        assert shown["plan"]["product"]["downgradePlan"] == {
            "__typename": "Plan",
            "refId": "free",
            "planId": "free",
            "displayName": "Free",
        }

    def test_shows_those_of_the_resources_that_are_named(self, caller):
        product = a_product(multiple_subscriptions=True)
        plan = a_published_plan(product=product)
        customer = a_customer(public_id="acme")
        for resource in ("a", "b", "c"):
            a_subscription(customer, plan, public_id=f"of-{resource}", resource_id=resource)

        shown = {
            query: sorted(row["subscriptionId"] for row in of(caller, PATH + query))
            for query in ("", "?resourceId=a", "?resourceIds=b&resourceIds=c", "?resourceId=x")
        }

        assert shown == {
            "": ["of-a", "of-b", "of-c"],
            "?resourceId=a": ["of-a"],
            "?resourceIds=b&resourceIds=c": ["of-b", "of-c"],
            "?resourceId=x": [],
        }

    def test_shows_only_what_runs(self, caller):
        customer = a_customer(public_id="acme")
        a_subscription(customer, public_id="first")
        caller.post("/api/v1/subscriptions/first/cancel", {"cancellationTime": "IMMEDIATE"})

        assert of(caller) == []
        assert caller.get("/v1/c/nobody/subscriptions.json").status_code == 404

    def test_costs_the_same_for_one_and_for_many(self, caller, django_assert_num_queries):
        customer = a_customer(public_id="acme")
        of(caller)  # which notes the last use of the key
        for public_id in ("first", "second", "third"):
            a_subscription(customer, a_published_plan(), public_id=public_id)
            with django_assert_num_queries(5):
                of(caller)
