"""Transfer, delegation, changes of plan by provision, and what takes a billing provider."""

from datetime import timedelta

import pytest
import time_machine

from catalog import products
from catalog.models import Package, TrialEnd
from catalog.models.products import EndSetup
from subscriptions.models import Subscription
from subscriptions.provisioning import Trial
from tests.builders import NOW, a_customer, a_product, a_published_plan, a_subscription
from workspace.actors import SYSTEM
from workspace.api.fields import wire_instant


@pytest.fixture
def plan() -> Package:
    return a_published_plan("Small", monthly=10)


@pytest.fixture
def subscription(plan: Package) -> Subscription:
    return a_subscription(a_customer(public_id="acme"), plan)


def provision(caller, plan: Package, **fields):
    body = {"customerId": "acme", "planId": plan.public_id, **fields}
    return caller.post("/api/v1/subscriptions", body)


class TestTransfer:
    def test_answers_the_subscription(self, caller):
        plan = a_published_plan(product=a_product(multiple_subscriptions=True))
        subscription = a_subscription(plan=plan, resource_id="one")

        path = f"/api/v1/subscriptions/{subscription.public_id}/transfer"
        answer = caller.post(path, {"destinationResourceId": "two"})

        assert answer.status_code == 200
        assert answer.json()["data"]["resourceId"] == "two"

    @pytest.mark.parametrize("body", [{}, {"destinationResourceId": None}])
    def test_needs_a_resource(self, caller, subscription: Subscription, body):
        path = f"/api/v1/subscriptions/{subscription.public_id}/transfer"

        assert caller.post(path, body).status_code == 400

    def test_of_nothing_is_404(self, caller):
        path = "/api/v1/subscriptions/none/transfer"

        assert caller.post(path, {"destinationResourceId": "two"}).status_code == 404


class TestDelegate:
    def test_answers_the_subscription(self, caller, subscription: Subscription):
        a_customer("Parent", public_id="parent")

        path = f"/api/v1/subscriptions/{subscription.public_id}/delegate"
        answer = caller.post(path, {"targetCustomerId": "parent"})

        assert answer.status_code == 200
        assert answer.json()["data"]["payingCustomerId"] == "parent"

    def test_to_nobody_is_404(self, caller, subscription: Subscription):
        path = f"/api/v1/subscriptions/{subscription.public_id}/delegate"

        answer = caller.post(path, {"targetCustomerId": "nobody"})

        assert (answer.status_code, answer.json()["code"]) == (404, "CustomerNotFound")


class TestProvision:
    def test_of_another_plan_changes_the_plan(
        self, caller, subscription: Subscription, plan: Package
    ):
        large = a_published_plan("Large", product=plan.product, monthly=20)

        answer = provision(caller, large)

        data = answer.json()["data"]
        assert (answer.status_code, data["status"], data["isScheduled"]) == (201, "SUCCESS", False)
        assert data["id"] == subscription.public_id
        assert data["subscription"]["planId"] == large.public_id

    def test_of_a_lesser_plan_waits_for_the_period(
        self, caller, subscription: Subscription, plan: Package
    ):
        """R4."""
        tiny = a_published_plan("Tiny", product=plan.product, monthly=1)

        data = provision(caller, tiny).json()["data"]

        assert data["isScheduled"] is True
        assert data["subscription"]["planId"] == plan.public_id
        (update,) = data["subscription"]["futureUpdates"]
        assert update["subscriptionScheduleType"] == "DOWNGRADE"
        assert update["targetPackage"] == {"id": tiny.public_id}

    def test_in_a_trial_that_converts_changes_the_plan_of_the_trial(self, caller):
        """R25: the trial would become a second subscription beside a new one."""
        plan, until = a_published_plan("Small", monthly=10), NOW + timedelta(days=14)
        trial = a_subscription(a_customer(public_id="acme"), plan, trial=Trial(until))
        large = a_published_plan("Large", product=plan.product, monthly=20)

        with time_machine.travel(NOW):
            data = provision(caller, large).json()["data"]

        assert data["id"] == trial.public_id
        shown = data["subscription"]
        assert (shown["planId"], shown["status"]) == (large.public_id, "IN_TRIAL")
        assert shown["trialEndDate"] == wire_instant(until)

    def test_beside_a_trial_that_cancels_is_a_new_one(self, caller):
        """R4: one trial and one that is none."""
        plan = a_published_plan("Small", monthly=10)
        trial = Trial(NOW + timedelta(days=14), TrialEnd.CANCEL_SUBSCRIPTION)
        tried = a_subscription(a_customer(public_id="acme"), plan, trial=trial)
        large = a_published_plan("Large", product=plan.product, monthly=20)

        with time_machine.travel(NOW):
            data = provision(caller, large).json()["data"]

        assert data["id"] != tried.public_id
        assert data["subscription"]["status"] == "ACTIVE"

    def test_can_say_when(self, caller, subscription: Subscription, plan: Package):
        tiny = a_published_plan("Tiny", product=plan.product, monthly=1)

        data = provision(caller, tiny, scheduleStrategy="IMMEDIATE").json()["data"]

        assert data["subscription"]["planId"] == tiny.public_id

    def test_of_the_same_plan_is_refused(self, caller, subscription: Subscription, plan: Package):
        answer = provision(caller, plan)

        assert (answer.status_code, answer.json()["code"]) == (409, "SubscriptionExists")

    def test_under_an_id_of_its_own_is_a_new_one(
        self, caller, subscription: Subscription, plan: Package
    ):
        large = a_published_plan("Large", product=plan.product, monthly=20)

        answer = provision(caller, large, id="another")

        assert (answer.status_code, answer.json()["code"]) == (409, "SubscriptionExists")
        subscription.refresh_from_db()
        assert subscription.plan == plan


class TestPayment:
    def test_lets_a_waiting_subscription_begin(self, caller):
        subscription = a_subscription(payment_pending=True)
        path = f"/api/v1/subscriptions/{subscription.public_id}/invoice/paid"

        answer = caller.post(path)

        assert answer.json() == {"data": {"id": subscription.public_id}}
        again = caller.post(path)
        assert (again.status_code, again.json()["code"]) == (409, "NoPaymentPending")


class TestBillingProvider:
    @pytest.mark.parametrize(
        ("method", "path", "code"),
        [
            ("post", "usage/charge", "NoBillingProvider"),
            ("post", "usage/sync", "NoBillingProvider"),
            ("delete", "future-update/pending-payment", "NoUpdatePendingPayment"),
        ],
    )
    def test_is_not_pretended(self, caller, subscription: Subscription, method, path, code):
        url = f"/api/v1/subscriptions/{subscription.public_id}/{path}"

        answer = getattr(caller, method)(url)

        assert (answer.status_code, answer.json()["code"]) == (409, code)
        assert answer.headers["x-should-retry"] == "false"
        assert getattr(caller, method)(f"/api/v1/subscriptions/none/{path}").status_code == 404


class TestCancel:
    @pytest.fixture
    def subscription(self, plan: Package) -> Subscription:
        free = a_published_plan("Free", public_id="free", product=plan.product, pricing_type="FREE")
        products.update(
            product_id=plan.product_id,
            end_setup=EndSetup.DOWNGRADE_TO_FREE,
            downgrade_plan=free,
            actor=SYSTEM,
            now=NOW,
        )
        return a_subscription(a_customer(public_id="acme"), plan)

    def test_goes_over_to_the_plan_of_the_product(self, caller, subscription: Subscription):
        """R4."""
        path = f"/api/v1/subscriptions/{subscription.public_id}/cancel"

        data = caller.post(path, {"cancellationAction": "DEFAULT"}).json()["data"]

        assert data["cancellationDate"] is None
        assert data["futureUpdates"][0]["targetPackage"] == {"id": "free"}

    def test_can_revoke(self, caller, subscription: Subscription):
        path = f"/api/v1/subscriptions/{subscription.public_id}/cancel"

        data = caller.post(path, {"cancellationAction": "REVOKE_ENTITLEMENTS"}).json()["data"]

        assert data["cancellationDate"] is not None
        assert data["futureUpdates"] == []

    def test_knows_two_actions(self, caller, subscription: Subscription):
        path = f"/api/v1/subscriptions/{subscription.public_id}/cancel"

        assert caller.post(path, {"cancellationAction": "EXPLODE"}).status_code == 400
