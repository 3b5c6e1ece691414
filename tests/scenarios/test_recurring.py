"""How much recurs (R15–R17), and what reaches running subscriptions (R14)."""

import pytest

from catalog.models import Behaviour, PricingType
from catalog.publishing import Audience
from tests.builders import (
    a_credit_type,
    a_feature,
    a_new_version,
    a_product,
    a_published_addon,
    a_published_plan,
    some_credits,
    some_units,
)
from tests.scenarios.story import Story, a_catalog, a_plan_with, on

INCREMENT, OVERRIDE = Behaviour.INCREMENT, Behaviour.OVERRIDE


class TestEffectiveAmount:
    @pytest.mark.parametrize(
        ("plan_amount", "addons", "effective"),
        [
            (50_000, [(10_000, INCREMENT, 3)], 80_000),
            (100, [(50, INCREMENT, 4), (25, INCREMENT, 2)], 350),
            (100, [(500, OVERRIDE, 1)], 500),
            (100, [(500, OVERRIDE, 2)], 1_000),
            (100, [(500, OVERRIDE, 1), (300, OVERRIDE, 2), (50, INCREMENT, 4)], 600),
            (None, [(50, INCREMENT, 2)], 100),
            (None, [(500, OVERRIDE, 1)], 500),
        ],
    )
    def test_is_that_of_the_table(self, story, plan_amount, addons, effective):
        """R17, first to seventh example: the table."""
        plan, made, credit_type = a_catalog(
            plan_amount, *[(amount, behaviour) for amount, behaviour, _ in addons]
        )
        quantities = [quantity for _, _, quantity in addons]

        story.subscribe(plan, list(zip(made, quantities, strict=True)))

        assert story.left(credit_type) == effective

    def test_counts_the_units_that_were_bought(self, story):
        """R17, eighth example: 1,000 per seat, 5 seats."""
        credit_type, seats = a_credit_type(), a_feature("Seats", public_id="seats")
        plan = a_published_plan(
            entitlements=[
                some_credits(credit_type, 1_000, linked_feature=seats),
                some_units(seats, 5),
            ]
        )

        story.subscribe(plan)

        assert story.left(credit_type) == 5_000

    @pytest.mark.parametrize("limit", [None, 0])
    def test_is_nothing_without_a_number_of_units(self, story, limit):
        """R17: unlimited or 0 units give no grant."""
        credit_type, seats = a_credit_type(), a_feature("Seats")
        plan = a_published_plan(
            entitlements=[
                some_credits(credit_type, 1_000, linked_feature=seats),
                some_units(seats, limit),
            ]
        )

        story.subscribe(plan)

        assert story.left(credit_type) == 0

    def test_takes_units_from_the_subscription_if_it_has_its_own(self, story):
        """R17: the feature's limit in the subscription."""
        credit_type, seats = a_credit_type(), a_feature("Seats", public_id="seats")
        plan = a_published_plan(
            pricing_type=PricingType.CUSTOM,
            entitlements=[
                some_credits(credit_type, 1_000, linked_feature=seats),
                some_units(seats, 5),
            ],
        )

        story.subscribe(plan, entitlements=[{"id": "seats", "type": "FEATURE", "usageLimit": 8}])

        assert story.left(credit_type) == 8_000

    def test_does_not_multiply_what_an_add_on_brings_twice(self, story):
        """R17: the units of an add-on have its quantity in them."""
        credit_type, seats, product = a_credit_type(), a_feature("Seats"), a_product()
        addon = a_published_addon(
            product=product,
            entitlements=[
                some_credits(credit_type, 100, linked_feature=seats),
                some_units(seats, 2),
            ],
        )
        plan = a_published_plan(product=product, compatible_addons=[addon])

        story.subscribe(plan, [(addon, 3)])

        assert story.left(credit_type) == 600


class TestPublication:
    def subscribed(self, story: Story):
        plan, credit_type = a_plan_with(5_000)
        story.subscribe(plan)
        story.use(credit_type, 3_200)
        story.now = on(2026, 1, 15)
        return plan, credit_type

    def publish(self, story: Story, plan, credit_type, amount: int) -> None:
        a_new_version(
            plan,
            entitlements=[some_credits(credit_type, amount)],
            audience=Audience.ALL_CUSTOMERS,
            now=story.now,
        )
        story.roll_out()

    def test_gives_the_difference_of_a_rise_at_once(self, story):
        """R14, first example."""
        plan, credit_type = self.subscribed(story)

        self.publish(story, plan, credit_type, 6_000)

        assert story.entries(credit_type)[-1] == ("GRANTED", 1_000)
        assert story.left(credit_type) == 2_800
        story.now = on(2026, 2, 1)
        assert story.left(credit_type) == 6_000

    def test_takes_nothing_back_at_a_fall_before_the_next_reset(self, story):
        """R14, second example."""
        plan, credit_type = self.subscribed(story)

        self.publish(story, plan, credit_type, 4_000)

        assert story.left(credit_type) == 1_800
        story.now = on(2026, 2, 1)
        assert story.left(credit_type) == 4_000

    def test_reaches_nobody_if_it_is_for_new_customers(self, story):
        """R9, R14."""
        plan, credit_type = self.subscribed(story)

        a_new_version(plan, entitlements=[some_credits(credit_type, 9_000)], now=story.now)
        story.roll_out()
        story.now = on(2026, 2, 1)

        assert story.left(credit_type) == 5_000
