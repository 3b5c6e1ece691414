"""Updates for later (R13, R18): they count from their instant on, with no worker running."""

from datetime import timedelta

import pytest

from catalog.models import Behaviour, Cadence
from catalog.models.products import UsageReset
from catalog.publishing import Audience
from credits import verification
from subscriptions import tasks
from tests.builders import (
    a_credit_type,
    a_feature,
    a_metered_feature,
    a_new_version,
    a_product,
    a_published_addon,
    a_published_plan,
    a_rate,
    some_credits,
    some_units,
)
from tests.scenarios.story import Story, a_catalog, on

INCREMENT, OVERRIDE = Behaviour.INCREMENT, Behaviour.OVERRIDE
PERIOD, MONTH = "END_OF_BILLING_PERIOD", "END_OF_BILLING_MONTH"
MOMENT = timedelta(milliseconds=1)


def later(story: Story, subscription: str, when: str = PERIOD, **changes) -> None:
    story.change(subscription, scheduleStrategy=when, **changes)


class TestAtTheEndOfThePeriod:
    def test_more_is_granted_then_and_nothing_before(self, story):
        plan, [addon], credit_type = a_catalog(100, (50, INCREMENT))
        subscription = story.subscribe(plan)
        story.use(credit_type, 30)

        later(story, subscription, addons=[(addon, 2)])
        assert story.left(credit_type) == 70
        story.now = on(2026, 2, 1) - MOMENT
        assert story.left(credit_type) == 70
        story.now = on(2026, 2, 1)

        assert story.left(credit_type) == 200
        assert story.entries(credit_type)[2:] == [
            ("EXPIRED", -70),
            ("GRANTED", 100),
            ("GRANTED", 100),
        ]

    def test_less_is_granted_then(self, story):
        plan, [addon], credit_type = a_catalog(100, (50, INCREMENT))
        subscription = story.subscribe(plan, [(addon, 4)])

        later(story, subscription, addons=[(addon, 1)])
        story.now = on(2026, 2, 1)

        assert story.left(credit_type) == 150

    def test_the_subscription_says_so_before_and_after(self, story):
        plan, [addon], _ = a_catalog(100, (50, INCREMENT))
        subscription = story.subscribe(plan)

        later(story, subscription, addons=[(addon, 2)])
        before = story.get(f"subscriptions/{subscription}").data
        story.now = on(2026, 2, 1)
        after = story.get(f"subscriptions/{subscription}").data

        assert before["addons"] == []
        assert before["futureUpdates"] == [
            {
                "scheduledExecutionTime": "2026-02-01T10:00:00.000Z",
                "scheduleStatus": "SCHEDULED",
                "subscriptionScheduleType": "ADDON",
                "targetPackage": {"id": addon.public_id},
            }
        ]
        assert after["addons"] == [{"id": addon.public_id, "quantity": 2}]
        assert after["futureUpdates"] == []
        assert [price["addonId"] for price in after["prices"]] == [None, addon.public_id]

    def test_lists_find_what_has_taken_effect(self, story):
        plan, [addon], _ = a_catalog(100, (50, INCREMENT))
        subscription = story.subscribe(plan)
        later(story, subscription, addons=[(addon, 2)])

        story.now = on(2026, 2, 1)

        (row,) = story.get("subscriptions", customerId="acme").data
        assert row["addons"] == [{"id": addon.public_id, "quantity": 2}]

    def test_taking_it_back_leaves_everything_as_it_was(self, story):
        plan, [addon], credit_type = a_catalog(100, (500, OVERRIDE))
        subscription = story.subscribe(plan)
        later(story, subscription, addons=[(addon, 1)])

        answer = story.delete(f"subscriptions/{subscription}/future-update/schedule")
        story.now = on(2026, 2, 1)

        assert (answer.status, answer.data) == (200, {"id": subscription})
        assert story.left(credit_type) == 100
        again = story.delete(f"subscriptions/{subscription}/future-update/schedule")
        assert (again.status, again.body["code"]) == (409, "NoScheduledUpdate")

    def test_a_new_one_replaces_it(self, story):
        plan, [first, second], credit_type = a_catalog(100, (50, INCREMENT), (7, INCREMENT))
        subscription = story.subscribe(plan)

        later(story, subscription, addons=[(first, 1)])
        later(story, subscription, addons=[(second, 1)])

        (update,) = story.get(f"subscriptions/{subscription}").data["futureUpdates"]
        assert update["targetPackage"] == {"id": second.public_id}
        story.now = on(2026, 2, 1)
        assert story.left(credit_type) == 107

    def test_a_change_at_once_replaces_it(self, story):
        plan, [first, second], credit_type = a_catalog(100, (50, INCREMENT), (7, INCREMENT))
        subscription = story.subscribe(plan)

        later(story, subscription, addons=[(first, 1)])
        story.change(subscription, addons=[(second, 1)])

        assert story.get(f"subscriptions/{subscription}").data["futureUpdates"] == []
        story.now = on(2026, 2, 1)
        assert story.left(credit_type) == 107

    def test_what_is_so_already_only_takes_it_back(self, story):
        plan, [addon], credit_type = a_catalog(100, (50, INCREMENT))
        subscription = story.subscribe(plan)

        later(story, subscription, addons=[(addon, 1)])
        later(story, subscription, addons=[])

        assert story.get(f"subscriptions/{subscription}").data["futureUpdates"] == []
        story.now = on(2026, 2, 1)
        assert story.left(credit_type) == 100

    def test_it_is_refused_where_the_subscription_ends_before(self, story):
        plan, [addon], _ = a_catalog(100, (50, INCREMENT))
        subscription = story.subscribe(plan)
        story.post(f"subscriptions/{subscription}/cancel", {"cancellationTime": PERIOD})

        answer = story.patch(
            f"subscriptions/{subscription}",
            {"addons": [{"id": addon.public_id, "quantity": 1}], "scheduleStrategy": PERIOD},
        )

        assert (answer.status, answer.body["code"]) == (409, "EndsBefore")
        assert story.get(f"subscriptions/{subscription}").data["futureUpdates"] == []

    def test_a_cancelation_drops_it(self, story):
        plan, [addon], credit_type = a_catalog(100, (50, INCREMENT))
        subscription = story.subscribe(plan)
        later(story, subscription, addons=[(addon, 1)])

        story.post(f"subscriptions/{subscription}/cancel", {"cancellationTime": PERIOD})

        assert story.get(f"subscriptions/{subscription}").data["futureUpdates"] == []
        story.now = on(2026, 2, 1)
        assert story.left(credit_type) == 0

    def test_features_and_prices_of_use_follow_without_a_worker(self, story):
        credit_type, product = a_credit_type(), a_product()
        seats, images = a_feature("Seats"), a_metered_feature()
        addon = a_published_addon(
            product=product,
            entitlements=[some_units(seats, 3)],
            mappings=[a_rate(images, credit_type, 5)],
        )
        plan = a_published_plan(
            product=product,
            entitlements=[some_credits(credit_type, 100), some_units(seats, 5)],
            compatible_addons=[addon],
        )
        subscription = story.subscribe(plan)
        later(story, subscription, addons=[(addon, 1)])

        story.event("image", "before")
        story.now = on(2026, 2, 1)
        story.event("image", "after")

        path = "customers/acme/entitlements/check"
        assert story.get(path, featureId=seats.public_id).data["usageLimit"] == 8
        assert story.left(credit_type) == 95

    def test_a_worker_only_writes_it_down(self, story):
        plan, [addon], credit_type = a_catalog(100, (50, INCREMENT))
        subscription = story.subscribe(plan)
        later(story, subscription, addons=[(addon, 2)])

        story.now = on(2026, 2, 3)
        story.sweep()
        entries = story.entries(credit_type)
        assert tasks.write_down_updates(story.now) == 1
        assert tasks.write_down_updates(story.now) == 0

        assert story.entries(credit_type) == entries
        assert list(verification.verify_all(story.now)) == []
        story.now = on(2026, 3, 1)
        assert story.left(credit_type) == 200


class TestPublications:
    """R13: scheduled updates use the version that is latest when they take effect."""

    def test_before_it_takes_effect_count(self, story):
        plan, [addon], credit_type = a_catalog(100, (50, INCREMENT))
        subscription = story.subscribe(plan)
        later(story, subscription, addons=[(addon, 1)])

        story.now = on(2026, 1, 20)
        a_new_version(addon, entitlements=[some_credits(credit_type, 80)], now=story.now)
        story.now = on(2026, 2, 1)

        assert story.left(credit_type) == 180

    def test_afterwards_do_not_though_nothing_was_written_down(self, story):
        plan, [addon], credit_type = a_catalog(100, (50, INCREMENT))
        subscription = story.subscribe(plan)
        later(story, subscription, addons=[(addon, 1)])

        story.now = on(2026, 2, 2)
        a_new_version(addon, entitlements=[some_credits(credit_type, 80)], now=story.now)
        story.now = on(2026, 3, 1)

        assert story.left(credit_type) == 150

    def test_of_the_plan_it_leaves_come_and_it_stays(self, story):
        plan, [addon], credit_type = a_catalog(100, (50, INCREMENT))
        subscription = story.subscribe(plan)
        later(story, subscription, addons=[(addon, 1)])

        a_new_version(
            plan, entitlements=[some_credits(credit_type, 130)], audience=Audience.ALL_CUSTOMERS
        )
        story.roll_out()
        assert story.left(credit_type) == 130
        story.now = on(2026, 2, 1)

        assert story.left(credit_type) == 180

    def test_can_be_waited_for_by_a_migration(self, story):
        """R10, R14: migrate to the latest at the end of the period."""
        plan, _, credit_type = a_catalog(100)
        subscription = story.subscribe(plan)
        a_new_version(plan, entitlements=[some_credits(credit_type, 40)])

        body = {"subscriptionMigrationTime": PERIOD}
        answer = story.post(f"subscriptions/{subscription}/migrate", body)

        assert answer.status == 200
        (update,) = answer.data["futureUpdates"]
        assert update["subscriptionScheduleType"] == "MIGRATE_TO_LATEST"
        assert story.left(credit_type) == 100
        story.now = on(2026, 2, 1)
        assert story.left(credit_type) == 40


def a_yearly_catalog(usage_reset: str = UsageReset.ALWAYS_RESET):
    """Yearly credits under yearly billing, so that a billing month ends inside a period."""
    credit_type, product = a_credit_type(), a_product(usage_reset=usage_reset)

    def yearly(amount: int, **terms):
        return [some_credits(credit_type, amount, Cadence.YEAR, **terms)]

    increment = a_published_addon(
        product=product, entitlements=yearly(50), max_quantity=None, yearly=10
    )
    override = a_published_addon(
        product=product, entitlements=yearly(500, behaviour=OVERRIDE), yearly=10
    )
    small = a_published_plan(
        product=product,
        entitlements=yearly(100),
        yearly=99,
        compatible_addons=[increment, override],
    )
    large = a_published_plan(
        product=product,
        entitlements=yearly(1_000),
        yearly=999,
        compatible_addons=[increment, override],
    )
    return credit_type, small, large, increment, override


CHANGES = {
    "up": (2, {"increment": 5}),
    "down": (4, {"increment": 1}),
    "bought": (0, {"increment": 2}),
    "removed": (3, {}),
    "override bought": (3, {"increment": 3, "override": 1}),
    "override removed": ("override", {"increment": 1}),
}


@pytest.mark.parametrize("used", [0, 60, 130])
@pytest.mark.parametrize("change", CHANGES)
class TestInsideAPeriod:
    """At the end of a billing month, inside a yearly period: as if done by hand at that instant."""

    def test_it_is_what_the_same_change_made_then_would_be(self, story, change, used):
        credit_type, plan, _, increment, override = a_yearly_catalog()
        packages = {"increment": increment, "override": override}
        before, wanted = CHANGES[change]
        held = [(override, 1)] if before == "override" else [(increment, before)] * bool(before)
        after = [(packages[name], quantity) for name, quantity in wanted.items()]
        changed = {}
        for name in ("ahead", "by-hand"):
            changed[name] = story.subscribe(plan, held, customer=name, billingPeriod="ANNUALLY")
            story.consume(name, credit_type.public_id, used, f"{name}-1")

        later(story, changed["ahead"], MONTH, addons=after)
        story.now = on(2026, 2, 1)
        story.change(changed["by-hand"], addons=after)
        tasks.write_down_updates(story.now)

        assert balances(story, credit_type) == [story.left(credit_type, "by-hand")] * 2
        for subscription in changed.values():
            story.change(subscription, addons=[(increment, 6)])
        assert balances(story, credit_type) == [story.left(credit_type, "by-hand")] * 2
        story.now = on(2027, 1, 1)
        assert balances(story, credit_type) == [400, 400]
        assert list(verification.verify_all(story.now)) == []


def balances(story: Story, credit_type) -> list:
    return [story.left(credit_type, name) for name in ("ahead", "by-hand")]


class TestNextReset:
    def test_stays_where_it_is_while_only_an_amount_changes(self, story):
        credit_type, plan, _, increment, _ = a_yearly_catalog()
        subscription = story.subscribe(plan, [(increment, 2)], billingPeriod="ANNUALLY")

        later(story, subscription, MONTH, addons=[(increment, 1)])

        answer = story.check("acme", credit_type.public_id)
        assert answer["usagePeriodEnd"] == "2027-01-01T10:00:00.000Z"
