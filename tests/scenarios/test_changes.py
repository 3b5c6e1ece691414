"""Changes inside a period (R27–R32), as far as applications make them."""

from catalog.models import Behaviour
from tests.scenarios.story import a_catalog, on

INCREMENT, OVERRIDE = Behaviour.INCREMENT, Behaviour.OVERRIDE


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
        """R27, second example."""
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
        """R29."""
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
        """R30."""
        for used, left in ((60, 40), (400, 0)):
            plan, [addon], credit_type = a_catalog(100, (500, OVERRIDE))
            subscription = story.subscribe(plan, [(addon, 1)], customer=f"acme-{used}")
            story.consume(f"acme-{used}", credit_type.public_id, used, "k")

            story.change(subscription, addons=[])

            assert story.left(credit_type, f"acme-{used}") == left

    def test_that_override_and_come_back_give_what_is_left_of_them(self, story):
        """Section 6, last example: 500 with 400 used, removed, bought again gives 100."""
        plan, [addon], credit_type = a_catalog(100, (500, OVERRIDE))
        subscription = story.subscribe(plan, [(addon, 1)])
        story.use(credit_type, 400)

        story.change(subscription, addons=[])
        story.change(subscription, addons=[(addon, 1)])

        assert story.left(credit_type) == 100


class TestCancellation:
    def test_voids_what_recurs_and_leaves_what_was_bought(self, story):
        """R32."""
        plan, _, credit_type = a_catalog(5_000)
        subscription = story.subscribe(plan)
        story.grant("acme", credit_type.public_id, 2_000, grantType="PAID", priority=20)
        story.use(credit_type, 2_000)

        story.post(f"subscriptions/{subscription}/cancel", {"cancellationTime": "IMMEDIATE"})

        assert story.entries(credit_type)[-1] == ("VOIDED", -3_000)
        assert story.left(credit_type) == 2_000
        assert story.check("acme", credit_type.public_id)["isGranted"] is True
