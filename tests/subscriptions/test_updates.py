from datetime import timedelta

import pytest

from catalog.models import Package, PricingType, TrialEnd
from catalog.models.products import UsageReset
from subscriptions import cancellation, updates
from subscriptions.causes import Cause
from subscriptions.choices import FeatureValue, IncompatibleAddon
from subscriptions.finding import SubscriptionEnded
from subscriptions.models import Status, Subscription
from subscriptions.updates import (
    InvalidTrialEnd,
    NoPaymentPending,
    NotInTrial,
    OtherProduct,
)
from tests.builders import (
    NOW,
    a_customer,
    a_feature,
    a_new_version,
    a_product,
    a_published_addon,
    a_published_plan,
    a_subscription,
    some_units,
)
from workspace import activity
from workspace.actors import SYSTEM

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)
LATER = NOW + 3 * DAY


def update(subscription: Subscription, **changes) -> Subscription:
    return updates.update(
        subscription_id=subscription.public_id, actor=SYSTEM, now=LATER, **changes
    )


def quantities(subscription: Subscription) -> dict[str, int]:
    rows = subscription.addons.select_related("addon")
    return {row.addon.public_id: row.quantity for row in rows}


@pytest.fixture
def addon() -> Package:
    return a_published_addon("Extra", public_id="extra", monthly=9)


@pytest.fixture
def plan(addon: Package) -> Package:
    other = a_published_addon("Other", public_id="other", product=addon.product)
    return a_published_plan(product=addon.product, compatible_addons=[addon, other])


class TestUpdate:
    def test_buys_addons(self, plan: Package, addon: Package, told):
        """R28."""
        subscription = a_subscription(plan=plan)

        updated = update(subscription, addons=[("extra", 2)])

        row = updated.addons.get()
        assert (row.addon, row.version, row.quantity) == (addon, addon.live, 2)
        assert row.attached_at == LATER
        assert told[-1] == ("changed", subscription.public_id, Cause.ADDONS, False)
        assert [price["addonId"] for price in updated.prices] == [None, "extra"]

    def test_replaces_the_whole_list(self, plan: Package, addon: Package, told):
        subscription = a_subscription(plan=plan, addons=[(addon, 2)])

        updated = update(subscription, addons=[("other", 1)])

        assert quantities(updated) == {"other": 1}
        assert told[-1].cause == Cause.ADDONS
        assert [price["addonId"] for price in updated.prices] == [None, "other"]

    def test_removes_addons(self, plan: Package, addon: Package, told):
        """R32."""
        subscription = a_subscription(plan=plan, addons=[(addon, 2)])

        updated = update(subscription, addons=[])

        assert quantities(updated) == {}
        assert told[-1].cause == Cause.ADDONS

    def test_changes_quantities(self, plan: Package, addon: Package, told):
        """R27."""
        subscription = a_subscription(plan=plan, addons=[(addon, 3)])

        updated = update(subscription, addons=[("extra", 5)])

        row = updated.addons.get()
        assert (row.quantity, row.attached_at) == (5, NOW)
        assert told[-1].cause == Cause.QUANTITY

    def test_keeps_version_and_price_of_what_is_attached(self, plan: Package, addon: Package):
        """R10."""
        subscription = a_subscription(plan=plan, addons=[(addon, 1)])
        a_new_version(addon, now=NOW)

        updated = update(subscription, addons=[("extra", 4)])

        assert updated.addons.get().version == addon.live
        assert updated.prices[1]["amount"] == "9"

    def test_tells_nothing_where_nothing_changes(self, plan: Package, addon: Package, told):
        subscription = a_subscription(plan=plan, addons=[(addon, 3)])

        update(subscription, addons=[("extra", 3)], entitlements=[], metadata={"a": "b"})

        assert [said.what for said in told] == ["started"]

    def test_buys_units(self, told):
        """R27: seats up."""
        seats = a_feature()
        plan = a_published_plan(entitlements=[some_units(seats, 5)])
        subscription = a_subscription(plan=plan)
        value = FeatureValue(feature_id=seats.public_id, usage_limit=6)

        updated = update(subscription, entitlements=[value])

        assert updated.entitlements.get().usage_limit == 6
        assert told[-1].cause == Cause.QUANTITY

    def test_replaces_units_of_the_same_feature_only(self):
        seats, rooms = a_feature(), a_feature("Rooms")
        plan = a_published_plan(entitlements=[some_units(seats, 5), some_units(rooms, 1)])
        values = [
            FeatureValue(feature_id=feature.public_id, usage_limit=6) for feature in (seats, rooms)
        ]
        subscription = a_subscription(plan=plan, entitlements=values)

        updated = update(
            subscription, units=[FeatureValue(feature_id=rooms.public_id, usage_limit=9)]
        )

        limits = {row.feature_id: row.usage_limit for row in updated.entitlements.all()}
        assert limits == {seats.pk: 6, rooms.pk: 9}

    def test_drops_values_that_went_with_their_addon(self, told):
        product, seats = a_product(), a_feature()
        addon = a_published_addon(product=product, entitlements=[some_units(seats, 2)])
        plan = a_published_plan(product=product, compatible_addons=[addon])
        subscription = a_subscription(
            plan=plan,
            addons=[(addon, 1)],
            entitlements=[FeatureValue(feature_id=seats.public_id, usage_limit=9)],
        )

        updated = update(subscription, addons=[])

        assert not updated.entitlements.exists()
        assert told[-1].cause == Cause.ADDONS

    def test_begins_a_new_period(self, told):
        """R26."""
        updated = update(a_subscription(), billing_cycle_anchor=LATER)

        assert updated.billing_cycle_anchor == LATER
        assert told[-1].cause == Cause.ANCHOR

    def test_names_the_weightiest_cause(self, plan: Package, told):
        subscription = a_subscription(plan=plan)

        update(subscription, addons=[("extra", 1)], billing_cycle_anchor=LATER)

        assert [said.cause for said in told if said.what == "changed"] == [Cause.ANCHOR]

    def test_moves_the_end_of_a_trial(self, told):
        """R25."""
        plan = a_published_plan(
            trial_length=14, trial_unit="DAY", trial_end=TrialEnd.CONVERT_TO_PAID
        )
        subscription = a_subscription(plan=plan)

        updated = update(subscription, trial_ends_at=LATER + 30 * DAY)

        assert updated.trial_ends_at == updated.billing_cycle_anchor == LATER + 30 * DAY
        assert updated.status_at(LATER + 29 * DAY) == Status.IN_TRIAL
        assert told[-1].cause == Cause.TRIAL

    def test_moves_the_end_with_a_trial_that_cancels(self):
        plan = a_published_plan(
            trial_length=14, trial_unit="DAY", trial_end=TrialEnd.CANCEL_SUBSCRIPTION
        )

        updated = update(a_subscription(plan=plan), trial_ends_at=LATER + 30 * DAY)

        assert updated.ends_at == LATER + 30 * DAY

    def test_refuses_to_move_what_is_over(self):
        with pytest.raises(NotInTrial):
            update(a_subscription(), trial_ends_at=LATER + DAY)

    def test_brings_a_cancelation_forward_with_a_trial_that_cancels(self):
        """R5: nothing outlives such a trial."""
        plan = a_published_plan(
            trial_length=14, trial_unit="DAY", trial_end=TrialEnd.CANCEL_SUBSCRIPTION
        )
        subscription = update(a_subscription(plan=plan), ends_at=NOW + 10 * DAY)

        assert update(subscription, trial_ends_at=NOW + 5 * DAY).ends_at == NOW + 5 * DAY

    def test_refuses_a_trial_that_would_have_ended(self):
        plan = a_published_plan(
            trial_length=14, trial_unit="DAY", trial_end=TrialEnd.CONVERT_TO_PAID
        )

        with pytest.raises(InvalidTrialEnd):
            update(a_subscription(plan=plan), trial_ends_at=LATER)

    def test_cancels_on_a_date_and_takes_it_back(self, told):
        subscription = a_subscription()

        canceled = update(subscription, ends_at=LATER + DAY)
        kept = update(subscription, ends_at=None)

        assert canceled.is_cancelation_pending(LATER)
        assert kept.ends_at is None
        assert [said.what for said in told] == ["started", "ended", "changed"]

    def test_refuses_what_has_ended(self, plan: Package):
        subscription = a_subscription(plan=plan)
        cancellation.cancel(
            subscription_id=subscription.public_id, time="IMMEDIATE", actor=SYSTEM, now=NOW
        )

        with pytest.raises(SubscriptionEnded):
            update(subscription, addons=[("extra", 1)])

        assert quantities(subscription) == {}

    def test_leaves_everything_as_it_was_when_refused(self, plan: Package, addon: Package, told):
        stranger = a_published_addon(product=addon.product)
        subscription = a_subscription(plan=plan, addons=[(addon, 2)])

        with pytest.raises(IncompatibleAddon):
            update(
                subscription,
                addons=[("extra", 5), (stranger.public_id, 1)],
                billing_cycle_anchor=LATER,
            )

        subscription.refresh_from_db()
        assert quantities(subscription) == {"extra": 2}
        assert subscription.billing_cycle_anchor == NOW
        assert [said.what for said in told] == ["started"]

    def test_is_recorded(self, plan: Package, addon: Package):
        subscription = a_subscription(plan=plan, addons=[(addon, 2)])

        update(subscription, addons=[("other", 1)])

        (entry, *_) = activity.for_subject("subscription", subscription.public_id)
        assert entry.event == "subscription.updated"
        assert entry.payload["addons"] == {"extra": [2, 0], "other": [0, 1]}
        assert entry.customer == subscription.customer.public_id


class TestPreview:
    def test_writes_nothing(self, plan: Package, addon: Package, told):
        subscription = a_subscription(plan=plan, addons=[(addon, 2)])

        preview = updates.preview(
            subscription_id=subscription.public_id,
            addons=[("extra", 9)],
            entitlements=[],
            now=LATER,
        )

        assert [row.quantity for row in preview.addons] == [9]
        assert quantities(subscription) == {"extra": 2}
        assert [said.what for said in told] == ["started"]


def change_plan(subscription: Subscription, plan: Package, **changes) -> Subscription:
    return update(subscription, plan_id=plan.public_id, **changes)


class TestUpdateOfPlans:
    """R31: what becomes of use is told with the change."""

    @pytest.mark.parametrize(
        ("usage_reset", "restart_period", "resets"),
        [
            (UsageReset.ALWAYS_RESET, False, True),
            (UsageReset.NEVER_RESET, False, False),
            (UsageReset.NEVER_RESET, True, False),
            (UsageReset.BILLING_PERIOD_CHANGE, False, False),
            (UsageReset.BILLING_PERIOD_CHANGE, True, True),
        ],
    )
    def test_tells_whether_use_starts_afresh(
        self, usage_reset: str, restart_period: bool, resets: bool, told
    ):
        product = a_product(usage_reset=usage_reset)
        old, new = (a_published_plan(name, product=product) for name in ("Small", "Large"))
        subscription = a_subscription(plan=old)

        anew = {"billing_cycle_anchor": LATER} if restart_period else {}

        changed = change_plan(subscription, new, **anew)

        assert (changed.plan, changed.plan_version) == (new, new.live)
        assert changed.billing_cycle_anchor == (LATER if restart_period else NOW)
        assert told[-1] == ("changed", subscription.public_id, Cause.PLAN_CHANGE, resets)

    def test_with_another_billing_period_starts_afresh(self, told):
        product = a_product(usage_reset=UsageReset.BILLING_PERIOD_CHANGE)
        old = a_published_plan("Small", product=product)
        new = a_published_plan("Large", product=product, yearly=490)

        changed = change_plan(a_subscription(plan=old), new, billing_period="ANNUALLY")

        assert changed.billing_period == "ANNUALLY"
        assert [price["amount"] for price in changed.prices] == ["490"]
        assert told[-1].resets is True

    def test_keeps_addons_that_fit(self, plan: Package, addon: Package):
        new = a_published_plan(product=plan.product, compatible_addons=[addon])
        subscription = a_subscription(plan=plan, addons=[(addon, 2)])

        assert quantities(change_plan(subscription, new)) == {"extra": 2}

    def test_refuses_while_an_addon_does_not_fit(self, plan: Package, addon: Package):
        new = a_published_plan(product=plan.product, pricing_type=PricingType.FREE)
        subscription = a_subscription(plan=plan, addons=[(addon, 2)])

        with pytest.raises(IncompatibleAddon):
            change_plan(subscription, new)

        assert change_plan(subscription, new, addons=[]).plan == new

    def test_refuses_plans_of_other_products(self):
        with pytest.raises(OtherProduct):
            change_plan(a_subscription(), a_published_plan())

    def test_to_the_same_plan_changes_nothing(self, told):
        plan = a_published_plan()
        subscription = a_subscription(plan=plan)
        told.clear()

        assert change_plan(subscription, plan).plan == plan
        assert told == []


class TestConfirmPayment:
    def test_lets_the_subscription_give(self, told):
        """R18."""
        subscription = a_subscription(payment_pending=True)

        paid = updates.confirm_payment(
            subscription_id=subscription.public_id, actor=SYSTEM, now=LATER
        )

        assert paid.status_at(LATER) == Status.ACTIVE
        assert told[-1].cause == Cause.PAYMENT

    def test_refuses_what_is_paid(self):
        subscription = a_subscription(a_customer())

        with pytest.raises(NoPaymentPending):
            updates.confirm_payment(subscription_id=subscription.public_id, actor=SYSTEM, now=LATER)
