"""What a subscription would cost and grant, over HTTP; and that it comes true."""

from decimal import Decimal
from typing import Any

import pytest

from catalog.models import Behaviour
from catalog.models.products import UsageReset
from credits.models import Grant, Pool
from subscriptions.models import ScheduledUpdate, Subscription, SubscriptionCoupon
from tests.builders import (
    a_coupon,
    a_credit_type,
    a_product,
    a_published_addon,
    a_published_plan,
    some_credits,
)
from tests.scenarios.story import Story, a_catalog, on

PERIOD = "END_OF_BILLING_PERIOD"
FIRST = "2026-01-01T10:00:00.000Z"
NEXT = "2026-02-01T10:00:00.000Z"


@pytest.fixture
def story(db) -> Story:
    return Story()


def preview(story: Story, plan, addons=(), **fields: Any) -> Any:
    body = {
        "customerId": "acme",
        "planId": plan.public_id,
        "addons": [{"id": addon.public_id, "quantity": many} for addon, many in addons],
        **fields,
    }
    answer = story.post("subscriptions/preview", body)
    assert answer.status == 200, answer.body
    return answer.data


class TestOfANewSubscription:
    def test_says_what_is_paid_and_granted_and_stores_nothing(self, story):
        plan, [addon], credit_type = a_catalog(100, (50, Behaviour.INCREMENT))
        story.customer()

        said = preview(story, plan, [(addon, 2)])

        lines = [
            {
                "currency": "usd",
                "description": "Pro",
                "unitPrice": 49,
                "quantity": 1,
                "subTotal": 49,
            },
            {
                "currency": "usd",
                "description": "Extra",
                "unitPrice": 49,
                "quantity": 2,
                "subTotal": 98,
            },
        ]
        assert said["immediateInvoice"]["lines"] == lines
        assert said["immediateInvoice"]["total"] == said["recurringInvoice"]["total"] == 147
        assert said["billingPeriodRange"] == {"start": FIRST, "end": NEXT}
        assert (said["freeItems"], said["isPlanDowngrade"]) == ([], False)
        assert said["credits"] == [
            {
                "currencyId": credit_type.public_id,
                "displayName": "AI Credits",
                "takesEffectAt": FIRST,
                "balanceBefore": 0,
                "balanceAfter": 200,
                "granted": 200,
                "nextResetAt": NEXT,
                "grantedAtNextReset": 200,
            }
        ]
        assert not Subscription.objects.exists()
        assert not Pool.objects.exists()

    def test_that_starts_later_is_due_later(self, story):
        plan, _, _ = a_catalog(100)
        story.customer()

        said = preview(story, plan, startDate="2026-01-10T10:00:00Z")

        assert said["immediateInvoice"]["total"] == 0
        assert said["credits"][0]["takesEffectAt"] == "2026-01-10T10:00:00.000Z"
        assert said["credits"][0]["balanceAfter"] == 100

    def test_takes_off_what_the_coupon_does(self, story):
        plan, _, _ = a_catalog(100)
        coupon = a_coupon("Launch offer", percent_off="12.5")
        story.customer()

        said = preview(story, plan, appliedCoupon={"couponId": coupon.public_id})

        invoice = said["immediateInvoice"]
        assert (invoice["subTotal"], invoice["discount"], invoice["total"]) == (
            49,
            Decimal("6.13"),
            Decimal("42.87"),
        )
        assert said["recurringInvoice"]["total"] == Decimal("42.87")
        assert invoice["discountDetails"] == {
            "code": coupon.public_id,
            "fixedAmount": None,
            "percentage": 12.5,
        }
        assert invoice["discounts"] == [
            {"amount": Decimal("6.13"), "currency": "usd", "description": "Launch offer"}
        ]
        assert not SubscriptionCoupon.objects.exists()

    def test_knows_no_coupon_that_is_not_there(self, story):
        plan, _, _ = a_catalog(100)
        story.customer()
        body = {"customerId": "acme", "planId": plan.public_id, "appliedCoupon": {"couponId": "x"}}

        answer = story.post("subscriptions/preview", body)

        assert (answer.status, answer.body["code"]) == (400, "InvalidCoupon")

    def test_leaves_out_what_is_wanted_0_times(self, story):
        plan, [addon], _ = a_catalog(100, (50, Behaviour.INCREMENT))
        story.customer()

        assert preview(story, plan, [(addon, 0)])["credits"][0]["granted"] == 100

    def test_refuses_what_cannot_be(self, story):
        plan, _, _ = a_catalog(100)

        answer = story.post(
            "subscriptions/preview", {"customerId": "nobody", "planId": plan.public_id}
        )

        assert (answer.status, answer.body["code"]) == (404, "CustomerNotFound")


def a_ladder(usage_reset: str) -> tuple[Any, Any, Any]:
    """A small and a large plan of one product."""
    credit_type, product = a_credit_type("AI Credits"), a_product(usage_reset=usage_reset)
    small = a_published_plan(
        product=product, entitlements=[some_credits(credit_type, 100)], monthly=10
    )
    large = a_published_plan(
        product=product, entitlements=[some_credits(credit_type, 500)], monthly=40
    )
    return small, large, credit_type


class TestOfAChange:
    def test_takes_off_what_the_coupon_of_the_subscription_does(self, story):
        small, large, _ = a_ladder(UsageReset.ALWAYS_RESET)
        coupon = a_coupon(amounts_off={"USD": Decimal(15)})
        story.subscribe(small, appliedCoupon={"couponId": coupon.public_id})

        invoice = preview(story, large)["recurringInvoice"]

        assert (invoice["subTotal"], invoice["discount"], invoice["total"]) == (40, 15, 25)
        assert invoice["discountDetails"]["fixedAmount"] == 15

    @pytest.mark.parametrize(
        ("usage_reset", "after"), [(UsageReset.ALWAYS_RESET, 500), (UsageReset.NEVER_RESET, 440)]
    )
    def test_of_plan_is_what_then_happens(self, story, usage_reset, after):
        """R31: 100 with 60 used becomes 500 or 440."""
        small, large, credit_type = a_ladder(usage_reset)
        story.subscribe(small)
        story.use(credit_type, 60)

        said = preview(story, large)["credits"][0]
        story.subscribe(large)

        assert (said["balanceBefore"], said["balanceAfter"]) == (40, after)
        assert (said["granted"], said["grantedAtNextReset"]) == (500, 500)
        assert story.left(credit_type) == after

    def test_for_later_is_what_then_happens(self, story):
        """R4: a downgrade waits for the end of the period."""
        small, large, credit_type = a_ladder(UsageReset.ALWAYS_RESET)
        subscription = story.subscribe(large)
        story.use(credit_type, 60)

        said = preview(story, small)
        assert not ScheduledUpdate.objects.exists()
        story.subscribe(small)

        assert (said["isPlanDowngrade"], said["hasScheduledUpdates"]) == (True, False)
        assert said["takesEffectAt"] == NEXT
        (figures,) = said["credits"]
        assert (figures["balanceBefore"], figures["balanceAfter"]) == (440, 100)
        assert figures["nextResetAt"] == "2026-03-01T10:00:00.000Z"
        assert story.get(f"subscriptions/{subscription}").data["futureUpdates"]
        story.now = on(2026, 2, 1)
        assert story.left(credit_type) == figures["balanceAfter"]

    def test_of_addons_is_what_then_happens(self, story):
        """R29: override 500 over 100 with 60 used."""
        plan, [addon], credit_type = a_catalog(100, (500, Behaviour.OVERRIDE))
        subscription = story.subscribe(plan)
        story.use(credit_type, 60)
        grants = Grant.objects.count()

        said = preview(story, plan, [(addon, 1)])["credits"][0]
        assert Grant.objects.count() == grants
        story.change(subscription, addons=[(addon, 1)])

        assert (said["balanceBefore"], said["balanceAfter"], said["granted"]) == (40, 440, 500)
        assert story.left(credit_type) == Decimal(440)

    def test_names_what_is_given_no_more(self, story):
        credit_type, product = a_credit_type("AI Credits"), a_product()
        addon = a_published_addon(product=product, entitlements=[some_credits(credit_type, 50)])
        plan = a_published_plan(product=product, compatible_addons=[addon])
        story.subscribe(plan, [(addon, 1)])

        said = preview(story, plan)["credits"][0]

        assert (said["balanceBefore"], said["balanceAfter"]) == (50, 0)
        assert (said["nextResetAt"], said["grantedAtNextReset"]) == (None, 0)
