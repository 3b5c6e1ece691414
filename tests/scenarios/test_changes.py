"""Changes inside a period (R27–R32)."""

import pytest

from catalog.models import Behaviour, CreditType, Package
from catalog.models.products import UsageReset
from tests.builders import (
    a_credit_type,
    a_feature,
    a_product,
    a_published_plan,
    some_credits,
    some_units,
)
from tests.scenarios.story import Story, a_catalog, a_plan_with, on

INCREMENT, OVERRIDE = Behaviour.INCREMENT, Behaviour.OVERRIDE
ALWAYS, NEVER = UsageReset.ALWAYS_RESET, UsageReset.NEVER_RESET
WITH_THE_PERIOD = UsageReset.BILLING_PERIOD_CHANGE


class TestQuantity:
    def test_up_gives_the_difference_now_and_down_waits(self, story):
        """R27, first example."""
        plan, [addon], credit_type = a_catalog(None, (10_000, INCREMENT))
        subscription = story.subscribe(plan, [(addon, 3)])

        story.change(subscription, addons=[(addon, 5)])
        assert story.left(credit_type) == 50_000
        story.change(subscription, addons=[(addon, 2)])
        assert story.left(credit_type) == 50_000
        story.now = on(2026, 2, 1)

        assert story.left(credit_type) == 20_000

    def test_up_down_and_up_gives_once(self, story):
        """R27, second example, with seats."""
        credit_type, seats = a_credit_type("AI Credits"), a_feature("Seats", public_id="seats")
        plan = a_published_plan(
            entitlements=[
                some_credits(credit_type, 1_000, linked_feature=seats),
                some_units(seats, 5),
            ]
        )
        subscription = story.subscribe(plan)

        for number in (6, 5, 6):
            bought = {"id": "seats", "type": "FEATURE", "usageLimit": number}
            story.change(subscription, entitlements=[bought])

        assert story.left(credit_type) == 6_000
        assert story.entries(credit_type) == [("GRANTED", 5_000), ("GRANTED", 1_000)]

    def test_of_an_add_on_up_down_and_up_gives_once(self, story):
        """R27, second example, with units of an add-on."""
        plan, [addon], credit_type = a_catalog(None, (1_000, INCREMENT))
        subscription = story.subscribe(plan, [(addon, 5)])

        for quantity in (6, 5, 6):
            story.change(subscription, addons=[(addon, quantity)])

        assert story.left(credit_type) == 6_000


class TestAddons:
    def test_that_increment_give_in_full_at_once(self, story):
        """R28."""
        plan, [addon], credit_type = a_catalog(100, (50, INCREMENT))
        subscription = story.subscribe(plan)
        story.now = on(2026, 1, 20)

        story.change(subscription, addons=[(addon, 2)])

        assert story.left(credit_type) == 200
        answer = story.check("acme", credit_type.public_id)
        assert answer["usagePeriodEnd"] == "2026-02-01T10:00:00.000Z"

    def test_that_override_take_the_consumption_along(self, story):
        """R29, first example."""
        plan, [addon], credit_type = a_catalog(100, (500, OVERRIDE))
        subscription = story.subscribe(plan)
        story.use(credit_type, 60)

        story.change(subscription, addons=[(addon, 1)])

        assert story.left(credit_type) == 440
        assert story.entries(credit_type)[2:] == [
            ("GRANTED", 500),
            ("CONSUMPTION_TRANSFER_SOURCE", 60),
            ("CONSUMPTION_TRANSFER_TARGET", -60),
            ("VOIDED", -100),
        ]

    def test_that_override_give_it_back_when_they_go(self, story):
        """R30, first and second example."""
        for used, left in ((60, 40), (400, 0)):
            plan, [addon], credit_type = a_catalog(100, (500, OVERRIDE))
            subscription = story.subscribe(plan, [(addon, 1)], customer=f"acme-{used}")
            story.consume(f"acme-{used}", credit_type.public_id, used, "k")

            story.change(subscription, addons=[])

            assert story.left(credit_type, f"acme-{used}") == left

    def test_that_override_and_come_back_give_what_is_left_of_them(self, story):
        """R31, eighth example: 500 with 400 used, removed, bought again gives 100."""
        plan, [addon], credit_type = a_catalog(100, (500, OVERRIDE))
        subscription = story.subscribe(plan, [(addon, 1)])
        story.use(credit_type, 400)

        story.change(subscription, addons=[])
        story.change(subscription, addons=[(addon, 1)])

        assert story.left(credit_type) == 100


def two_plans(usage_reset: UsageReset) -> tuple[Package, Package, CreditType]:
    """Plans of 100 and 500 of one product, which says what a plan change does with use."""
    credit_type, product = a_credit_type("AI Credits"), a_product(usage_reset=usage_reset)
    small, _ = a_plan_with(100, product=product, credit_type=credit_type)
    large, _ = a_plan_with(500, product=product, credit_type=credit_type)
    return small, large, credit_type


class TestPlan:
    @pytest.mark.parametrize(
        ("usage_reset", "left"), [(ALWAYS, 500), (NEVER, 440), (WITH_THE_PERIOD, 440)]
    )
    def test_up_gives_what_the_product_says(self, story, usage_reset, left):
        """R31, first to third example: 100 with 60 used, then 500."""
        small, large, credit_type = two_plans(usage_reset)
        subscription = story.subscribe(small)
        story.use(credit_type, 60)

        story.move(subscription, large)

        assert story.left(credit_type) == left
        story.now = on(2026, 2, 1)
        assert story.left(credit_type) == 500

    def test_up_with_a_new_anchor_resets_where_the_product_says_so(self, story):
        """R31: BILLING_PERIOD_CHANGE carries nothing into a period that begins now."""
        small, large, credit_type = two_plans(WITH_THE_PERIOD)
        subscription = story.subscribe(small)
        story.use(credit_type, 60)
        story.now = on(2026, 1, 15)

        story.move(subscription, large, billingCycleAnchor="NOW")

        assert story.left(credit_type) == 500
        answer = story.check("acme", credit_type.public_id)
        assert answer["usagePeriodEnd"] == "2026-02-15T10:00:00.000Z"

    @pytest.mark.parametrize(
        ("usage_reset", "left"), [(ALWAYS, 100), (NEVER, 0), (WITH_THE_PERIOD, 0)]
    )
    def test_down_gives_what_the_product_says(self, story, usage_reset, left):
        """R31, fourth and fifth example: 500 with 460 used, then 100."""
        small, large, credit_type = two_plans(usage_reset)
        subscription = story.subscribe(large)
        story.use(credit_type, 460)

        story.move(subscription, small)

        assert story.left(credit_type) == left

    @pytest.mark.parametrize(
        ("usage_reset", "used_of_large", "left"), [(ALWAYS, 460, [40, 40]), (NEVER, 400, [0, 40])]
    )
    def test_that_comes_back_gives_what_was_not_used(
        self, story: Story, usage_reset, used_of_large, left
    ):
        """R31, sixth and seventh example: 100 (60 used), 500 (460 used), 100 and 500 again."""
        small, large, credit_type = two_plans(usage_reset)
        subscription = story.subscribe(small)
        story.use(credit_type, 60)
        story.move(subscription, large)
        story.use(credit_type, used_of_large)

        balances = []
        for plan in (small, large):
            story.move(subscription, plan)
            balances.append(story.left(credit_type))

        assert balances == left


class TestCancellation:
    def test_voids_what_recurs_and_leaves_what_was_bought(self, story):
        """R32, first example."""
        plan, _, credit_type = a_catalog(5_000)
        subscription = story.subscribe(plan)
        story.grant("acme", credit_type.public_id, 2_000, grantType="PAID", priority=20)
        story.use(credit_type, 2_000)

        story.post(f"subscriptions/{subscription}/cancel", {"cancellationTime": "IMMEDIATE"})

        assert story.entries(credit_type)[-1] == ("VOIDED", -3_000)
        assert story.left(credit_type) == 2_000
        assert story.check("acme", credit_type.public_id)["isGranted"] is True
