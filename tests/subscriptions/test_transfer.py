"""A subscription goes to another resource, or somebody else pays for it (R32, R42)."""

from datetime import timedelta

import pytest

from catalog.models import CreditType, Package
from credits import pools, verification
from credits.models import Pool
from subscriptions import cancellation, transfer
from subscriptions.causes import Cause
from subscriptions.customers import CustomerIsArchived, UnknownCustomer
from subscriptions.exclusivity import SubscriptionExists
from subscriptions.finding import SubscriptionEnded
from subscriptions.models import Subscription
from subscriptions.provisioning import InvalidResource
from tests.builders import (
    NOW,
    a_credit_type,
    a_customer,
    a_product,
    a_published_plan,
    a_subscription,
    some_credits,
)
from tests.credits.pools import consumed
from workspace import activity
from workspace.actors import SYSTEM

pytestmark = pytest.mark.django_db

LATER = NOW + timedelta(days=3)
NEXT_PERIOD = NOW.replace(month=2)


@pytest.fixture
def credit_type() -> CreditType:
    return a_credit_type()


@pytest.fixture
def plan(credit_type: CreditType) -> Package:
    product = a_product(multiple_subscriptions=True)
    return a_published_plan(product=product, entitlements=[some_credits(credit_type, 100)])


@pytest.fixture
def subscription(plan: Package) -> Subscription:
    return a_subscription(a_customer(), plan, resource_id="one")


def move(subscription: Subscription, resource_id: str, now=LATER) -> Subscription:
    return transfer.transfer(
        subscription_id=subscription.public_id, resource_id=resource_id, actor=SYSTEM, now=now
    )


def pool_of(subscription: Subscription, resource_id: str) -> Pool:
    return Pool.objects.get(customer=subscription.customer, resource__public_id=resource_id)


def left(subscription: Subscription, *resource_ids: str, now=LATER) -> list[int]:
    rows = [pool_of(subscription, resource_id) for resource_id in resource_ids]
    return [int(pools.standing(row, now).balance) for row in rows]


def use(subscription: Subscription, resource_id: str, amount: int) -> None:
    consumed(pool_of(subscription, resource_id), amount, now=LATER)


class TestTransfer:
    def test_takes_what_is_left_of_the_period_along(self, subscription: Subscription, told):
        use(subscription, "one", 30)

        moved = move(subscription, "two")

        assert moved.resource is not None
        assert moved.resource.public_id == "two"
        assert left(subscription, "one", "two") == [0, 70]
        assert left(subscription, "one", "two", now=NEXT_PERIOD) == [0, 100]
        assert told[-1].cause == Cause.TRANSFER
        assert list(verification.verify_all(LATER)) == []

    def test_there_and_back_grants_nothing_twice(self, subscription: Subscription):
        use(subscription, "one", 30)

        move(subscription, "two")
        use(subscription, "two", 20)
        move(subscription, "one")
        assert left(subscription, "one", "two") == [50, 0]
        use(subscription, "one", 10)
        move(subscription, "two")

        assert left(subscription, "one", "two") == [0, 40]
        assert left(subscription, "one", "two", now=NEXT_PERIOD) == [0, 100]
        assert list(verification.verify_all(LATER)) == []

    def test_of_what_has_not_started_moves_the_start(self, plan: Package):
        subscription = a_subscription(
            a_customer(), plan, resource_id="one", started_at=NOW + timedelta(days=10)
        )

        move(subscription, "two")

        assert left(subscription, "one", "two", now=NEXT_PERIOD) == [0, 100]

    def test_to_where_it_is_changes_nothing(self, subscription: Subscription, told):
        move(subscription, "one")

        assert left(subscription, "one") == [100]
        assert told == []

    def test_is_remembered(self, subscription: Subscription):
        move(subscription, "two")

        latest = activity.for_subject("subscription", subscription.public_id)[0]
        assert (latest.event, latest.payload) == (
            "subscription.transferred",
            {"resource": ["one", "two"]},
        )

    def test_is_refused_where_such_a_subscription_runs(
        self, subscription: Subscription, plan: Package
    ):
        a_subscription(subscription.customer, plan, resource_id="two")

        with pytest.raises(SubscriptionExists):
            move(subscription, "two")

        assert left(subscription, "one", "two") == [100, 100]

    def test_is_refused_where_the_product_takes_no_resource(self):
        subscription = a_subscription()

        with pytest.raises(InvalidResource):
            move(subscription, "two")

        assert not subscription.customer.resources.exists()

    def test_is_refused_after_the_end(self, subscription: Subscription):
        cancellation.expire(subscription_id=subscription.public_id, actor=SYSTEM, now=LATER)

        with pytest.raises(SubscriptionEnded):
            move(subscription, "two")

        assert not subscription.customer.resources.filter(public_id="two").exists()


class TestDelegate:
    def delegate(self, subscription: Subscription, customer_id: str) -> Subscription:
        return transfer.delegate(
            subscription_id=subscription.public_id,
            customer_id=customer_id,
            actor=SYSTEM,
            now=LATER,
        )

    def test_lets_another_customer_pay(self, subscription: Subscription, told):
        parent = a_customer("Parent")

        delegated = self.delegate(subscription, parent.public_id)

        assert delegated.paying_customer == parent
        assert left(subscription, "one") == [100]
        assert told == []
        latest = activity.for_subject("subscription", subscription.public_id)[0]
        assert latest.event == "subscription.delegated"

    def test_to_its_own_customer_takes_that_back(self, subscription: Subscription):
        self.delegate(subscription, a_customer("Parent").public_id)

        back = self.delegate(subscription, subscription.customer.public_id)

        assert back.paying_customer is None

    def test_refuses_those_who_cannot_pay(self, subscription: Subscription):
        archived = a_customer(archived_at=NOW)

        with pytest.raises(UnknownCustomer):
            self.delegate(subscription, "nobody")
        with pytest.raises(CustomerIsArchived):
            self.delegate(subscription, archived.public_id)

        subscription.refresh_from_db()
        assert subscription.paying_customer is None
