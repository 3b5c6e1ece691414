"""Issue and reset (R18–R26)."""

from datetime import timedelta

import pytest

from catalog.models import Cadence, PricingType, TrialEnd, TrialUnit
from subscriptions import cancellation
from tests.builders import a_credit_type, a_published_plan, some_credits
from tests.scenarios.story import Story, a_plan_with, on
from workspace.actors import SYSTEM


class TestIssue:
    def test_begins_with_the_subscription(self, story):
        """R18: what has not started gives nothing."""
        plan, credit_type = a_plan_with(100)
        story.subscribe(plan, startDate="2026-01-10T10:00:00Z")

        assert story.check("acme", credit_type.public_id)["isGranted"] is False
        story.now = on(2026, 1, 10)
        assert story.left(credit_type) == 100

    def test_ends_with_the_subscription(self, story):
        """R18, R32: a cancellation takes effect at its instant, with no worker."""
        plan, credit_type = a_plan_with(100)
        subscription = story.subscribe(plan)
        story.post(
            f"subscriptions/{subscription}/cancel", {"cancellationTime": "END_OF_BILLING_PERIOD"}
        )

        story.now = on(2026, 2, 1) - timedelta(microseconds=1)
        assert story.left(credit_type) == 100
        story.now = on(2026, 2, 1)
        assert story.left(credit_type) == 0

    def test_gives_a_free_plan_like_any_other(self, story):
        """R18."""
        plan, credit_type = a_plan_with(500, pricing_type=PricingType.FREE)
        story.subscribe(plan)

        story.now = on(2026, 3, 1)

        assert story.left(credit_type) == 500


class TestCalendar:
    @pytest.mark.parametrize(
        "reset",
        [on(2026, 2, 28), on(2026, 3, 31), on(2026, 4, 30), on(2026, 5, 31), on(2026, 6, 30)],
    )
    def test_clamps_to_the_end_of_months_without_drifting(self, db, reset):
        """R19, first example: anchor 31 January, 10:00."""
        story = Story(on(2026, 1, 31))
        plan, credit_type = a_plan_with(100)
        story.subscribe(plan)
        story.now = reset - timedelta(microseconds=1)
        story.use(credit_type, 30)

        before = story.left(credit_type)
        story.now = reset

        assert [before, story.left(credit_type)] == [70, 100]

    @pytest.mark.parametrize(
        "reset", [on(2029, 2, 28), on(2030, 2, 28), on(2031, 2, 28), on(2032, 2, 29)]
    )
    def test_knows_leap_years(self, db, reset):
        """R19, second example: yearly from 29 February 2028."""
        story = Story(on(2028, 2, 29))
        plan, credit_type = a_plan_with(100, terms={"cadence": Cadence.YEAR})
        story.subscribe(plan)
        story.now = reset - timedelta(microseconds=1)
        story.use(credit_type, 30)

        before = story.left(credit_type)
        story.now = reset

        assert [before, story.left(credit_type)] == [70, 100]

    def test_counts_credits_in_months_while_years_are_billed(self, story):
        """R20, first example: 12 grants, never more than 5,000 at once."""
        plan, credit_type = a_plan_with(5_000, yearly=990)
        story.subscribe(plan, billingPeriod="ANNUALLY")

        for month in range(1, 13):
            story.now = on(2026, month, 20)
            assert story.left(credit_type) == 5_000

        grants = [kind for kind, _ in story.entries(credit_type) if kind == "GRANTED"]
        assert len(grants) == 12

    def test_keeps_a_yearly_grant_alive_through_twelve_invoices(self, story):
        """R20, second example."""
        plan, credit_type = a_plan_with(60_000, terms={"cadence": Cadence.YEAR})
        story.subscribe(plan, billingPeriod="MONTHLY")

        for month in range(1, 13):
            story.now = on(2026, month, 20)
            story.use(credit_type, 5_000)

        assert story.left(credit_type) == 0
        assert story.entries(credit_type)[0] == ("GRANTED", 60_000)
        assert len(story.entries(credit_type)) == 13


class TestReset:
    def test_lets_nothing_roll_over(self, story):
        """R21, first example."""
        plan, credit_type = a_plan_with(5_000)
        story.subscribe(plan)
        story.grant("acme", credit_type.public_id, 200, grantType="PAID", priority=20)
        story.use(credit_type, 3_200)

        story.now = on(2026, 2, 1)

        assert story.left(credit_type) == 5_200
        assert story.entries(credit_type)[-2:] == [("EXPIRED", -1_800), ("GRANTED", 5_000)]

    def test_settles_the_overdraft_last(self, story):
        """R22, R36."""
        plan, credit_type = a_plan_with(100)
        story.subscribe(plan)
        story.use(credit_type, 130)

        story.now = on(2026, 2, 1)

        assert story.left(credit_type) == 70
        assert story.entries(credit_type)[-3:] == [
            ("GRANTED", 100),
            ("CONSUMPTION_TRANSFER_SOURCE", 30),
            ("CONSUMPTION_TRANSFER_TARGET", -30),
        ]

    def test_makes_grants_of_the_plan_that_expire_with_the_period(self, story):
        """R23."""
        plan, credit_type = a_plan_with(100)
        story.subscribe(plan)

        answer = story.get("credits/grants", customerId="acme")

        [grant] = answer.body["data"]
        assert (grant["grantType"], grant["sourceType"]) == ("RECURRING", "PLAN_ENTITLEMENT")
        assert grant["priority"] == 10
        assert grant["effectiveAt"] == "2026-01-01T10:00:00.000Z"
        assert grant["expireAt"] == "2026-02-01T10:00:00.000Z"
        assert grant["currencyId"] == credit_type.public_id

    def test_gives_a_back_dated_subscription_the_current_period_only(self, story):
        """R24."""
        plan, credit_type = a_plan_with(100)
        story.subscribe(plan, startDate="2025-09-15T10:00:00Z")

        assert story.entries(credit_type) == [("GRANTED", 100)]
        answer = story.check("acme", credit_type.public_id)
        assert answer["usagePeriodEnd"] == "2026-01-15T10:00:00.000Z"

    def test_makes_up_for_an_outage_period_by_period(self, story):
        """R24: nobody gets an extra credit, and every entry has its true time."""
        plan, credit_type = a_plan_with(100)
        story.subscribe(plan)
        story.use(credit_type, 250)
        story.now = on(2026, 4, 20)

        unswept = story.check("acme", credit_type.public_id)
        story.sweep()

        assert story.check("acme", credit_type.public_id) == unswept
        # 250 used, 100 given each month: settled on 1 February and on 1 March.
        assert story.left(credit_type) == 100
        answer = story.get("credits/ledger", customerId="acme", limit=100)
        times = [row["timestamp"][:10] for row in reversed(answer.body["data"])]
        assert times == sorted(times)
        assert set(times) == {"2026-01-01", "2026-02-01", "2026-03-01", "2026-04-01"}


class TestTrial:
    def test_gives_credits_that_expire_with_it(self, story):
        """R25: the earlier of period end and trial end."""
        plan, credit_type = a_plan_with(
            100, trial_length=14, trial_unit=TrialUnit.DAY, trial_end=TrialEnd.CANCEL_SUBSCRIPTION
        )
        story.subscribe(plan)

        answer = story.get("credits/grants", customerId="acme")
        assert answer.body["data"][0]["expireAt"] == "2026-01-15T10:00:00.000Z"
        story.now = on(2026, 1, 15)
        assert story.left(credit_type) == 0
        assert story.check("acme", credit_type.public_id)["isGranted"] is False

    def test_begins_a_new_period_when_it_converts(self, story):
        """R25."""
        plan, credit_type = a_plan_with(
            100, trial_length=14, trial_unit=TrialUnit.DAY, trial_end=TrialEnd.CONVERT_TO_PAID
        )
        story.subscribe(plan)
        story.use(credit_type, 40)

        story.now = on(2026, 1, 15)

        assert story.left(credit_type) == 100
        answer = story.check("acme", credit_type.public_id)
        assert answer["usagePeriodEnd"] == "2026-02-15T10:00:00.000Z"

    def test_longer_than_a_period_resets_within_it(self, story):
        """R25."""
        plan, credit_type = a_plan_with(
            100, trial_length=2, trial_unit=TrialUnit.MONTH, trial_end=TrialEnd.CONVERT_TO_PAID
        )
        story.subscribe(plan)
        story.use(credit_type, 40)

        story.now = on(2026, 2, 1)

        assert story.left(credit_type) == 100


class TestAnchor:
    def test_set_to_now_expires_the_period_and_begins_a_new_one(self, story):
        """R26."""
        plan, credit_type = a_plan_with(100)
        subscription = story.subscribe(plan)
        story.use(credit_type, 40)
        story.now = on(2026, 1, 20)

        story.change(subscription, billingCycleAnchor="NOW")

        assert story.left(credit_type) == 100
        assert story.entries(credit_type)[-2:] == [("EXPIRED", -60), ("GRANTED", 100)]
        answer = story.check("acme", credit_type.public_id)
        assert answer["usagePeriodEnd"] == "2026-02-20T10:00:00.000Z"


class TestScheduledCancellation:
    def test_can_be_taken_back(self, story):
        """R18."""
        credit_type = a_credit_type()
        plan = a_published_plan(entitlements=[some_credits(credit_type, 100)])
        subscription = story.subscribe(plan)
        story.post(
            f"subscriptions/{subscription}/cancel", {"cancellationTime": "END_OF_BILLING_PERIOD"}
        )

        cancellation.keep(subscription_id=subscription, actor=SYSTEM, now=story.now)
        story.now = on(2026, 2, 1)

        assert story.left(credit_type) == 100
