from typing import Any

import pytest

from catalog import archiving, products
from catalog.checking import IdTaken
from catalog.models import Package, Product
from catalog.models.products import StartSetup
from subscriptions import journeys
from subscriptions.models import Customer, Status, Subscription
from tests.builders import (
    NOW,
    a_customer,
    a_product,
    a_published_plan,
)
from workspace.actors import SYSTEM

pytestmark = pytest.mark.django_db

FOURTEEN_DAYS: dict[str, Any] = {
    "trial_length": 14,
    "trial_unit": "DAY",
    "trial_end": "CONVERT_TO_PAID",
}


def a_first_plan(setup: StartSetup, product: Product | None = None, **options: Any) -> Package:
    """A plan that new customers of its product begin with."""
    plan = a_published_plan(product=product or a_product(), **options)
    products.update(
        product_id=plan.product_id, start_setup=setup, start_plan=plan, actor=SYSTEM, now=NOW
    )
    return plan


class TestBegin:
    """R4."""

    def test_subscribes_to_the_free_plan(self, told):
        plan = a_first_plan(StartSetup.FREE_PLAN, pricing_type="FREE", **FOURTEEN_DAYS)

        customer = a_customer()

        subscription = customer.subscriptions.get()
        assert subscription.plan == plan
        assert subscription.status_at(NOW) == Status.ACTIVE
        assert [each.what for each in told] == ["started"]

    def test_begins_the_trial_of_the_plan(self):
        a_first_plan(StartSetup.TRIAL_PERIOD, **FOURTEEN_DAYS)

        subscription = a_customer().subscriptions.get()

        assert subscription.status_at(NOW) == Status.IN_TRIAL

    def test_begins_with_each_product(self):
        plans = {a_first_plan(StartSetup.FREE_PLAN), a_first_plan(StartSetup.FREE_PLAN)}

        assert {each.plan for each in a_customer().subscriptions.all()} == plans

    def test_is_not_retroactive(self):
        a_customer()

        a_first_plan(StartSetup.FREE_PLAN)

        assert not Subscription.objects.exists()

    def test_leaves_it_to_the_customer_where_products_say_so(self):
        plan = a_first_plan(StartSetup.FREE_PLAN)
        products.update(
            product_id=plan.product_id,
            start_setup=StartSetup.PLAN_SELECTION,
            actor=SYSTEM,
            now=NOW,
        )

        assert not a_customer().subscriptions.exists()

    def test_needs_a_resource_where_there_are_several(self):
        product = a_product(multiple_subscriptions=True)
        a_first_plan(StartSetup.FREE_PLAN, product)

        assert not a_customer().subscriptions.exists()

    def test_begins_no_trial_of_a_plan_without_one(self):
        a_first_plan(StartSetup.TRIAL_PERIOD)

        assert not a_customer().subscriptions.exists()

    def test_begins_nothing_that_is_archived(self):
        plan = a_first_plan(StartSetup.FREE_PLAN)
        archiving.archive_product(product_id=plan.product_id, actor=SYSTEM, now=NOW)

        assert not a_customer().subscriptions.exists()

    def test_begins_nothing_where_the_id_is_taken(self):
        a_customer(public_id="acme")
        a_first_plan(StartSetup.FREE_PLAN)

        with pytest.raises(IdTaken):
            journeys.begin(public_id="acme", actor=SYSTEM, now=NOW)

        assert Customer.objects.count() == 1
        assert not Subscription.objects.exists()
