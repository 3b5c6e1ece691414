from datetime import timedelta
from decimal import Decimal

import pytest

from catalog import drafts, entitlements, packages, publishing
from catalog.models import Behaviour
from catalog.publishing import Audience
from subscriptions import impacts, tasks, updates
from subscriptions.impacts import Effect, NothingToPreview
from subscriptions.models import (
    ImpactOutcome,
    ImpactReport,
    ImpactRow,
    RolloutResult,
    RolloutRun,
)
from subscriptions.rollout import OtherStateReviewed
from tests.builders import (
    NOW,
    a_credit_type,
    a_plan,
    a_product,
    a_published_addon,
    a_published_plan,
    a_subscription,
    reloaded,
    some_credits,
)
from workspace.actors import SYSTEM

pytestmark = pytest.mark.django_db

LATER = NOW + timedelta(days=3)


def a_shop(amount=5000):
    """A plan, with an add-on, that gives credits."""
    product, credit_type = a_product(), a_credit_type(public_id="ai")
    addon = a_published_addon(product=product, entitlements=[some_credits(credit_type, 100)])
    plan = a_published_plan(
        product=product,
        entitlements=[some_credits(credit_type, amount)],
        compatible_addons=[addon],
    )
    return plan, addon, credit_type


def edited(plan, credit_type, amount):
    """The draft of the plan, in which it gives another amount."""
    draft = drafts.open_draft(package_id=plan.pk, actor=SYSTEM, now=NOW)
    entitlements.change_credits(
        package_id=plan.pk, credit_type=credit_type, amount=Decimal(amount), actor=SYSTEM, now=NOW
    )
    draft.refresh_from_db()
    return draft


def a_report(plan, now=LATER):
    """A finished report on the plan's draft."""
    report = impacts.begin(package_id=plan.pk, actor=SYSTEM, now=now)
    tasks.preview_impacts(now)
    report.refresh_from_db()
    return report


def publish(plan, report, now=LATER):
    return publishing.publish(
        package_id=plan.pk,
        audience=Audience.ALL_CUSTOMERS,
        preview_id=report.pk,
        actor=SYSTEM,
        now=now,
    )


def an_effect(granted=0, before=0, after=0, cadence_before="MONTH", cadence_after="MONTH"):
    return Effect(
        credit_type_id=1,
        credit_type="ai",
        name="AI",
        granted=Decimal(granted),
        balance_before=Decimal(0),
        balance_after=Decimal(granted),
        recurring_before={cadence_before: Decimal(before)},
        recurring_after={cadence_after: Decimal(after)},
    )


class TestEffect:
    @pytest.mark.parametrize(
        ("effect", "outcome"),
        [
            (an_effect(1000, 5000, 6000), ImpactOutcome.GAINS_NOW),
            (an_effect(0, 5000, 6000), ImpactOutcome.GAINS_AT_RESET),
            (an_effect(0, 5000, 4000), ImpactOutcome.LOSES_AT_RESET),
            (an_effect(0, 5000, 5000), ImpactOutcome.UNCHANGED),
            (an_effect(0, 5000, 60000, "MONTH", "YEAR"), ImpactOutcome.CHANGES_AT_RESET),
            (an_effect(0, 5000, 59999, "MONTH", "YEAR"), ImpactOutcome.LOSES_AT_RESET),
        ],
    )
    def test_says_what_it_means_for_the_customer(self, effect, outcome):
        assert effect.outcome == outcome

    def test_counts_what_is_lost_per_year(self):
        assert an_effect(0, 5000, 4000).lost == 12000
        assert an_effect(0, 5000, 6000).lost == 0


class TestEffects:
    def test_retell_the_example_of_a_migration(self):
        """R14: 5,000 → 6,000 gives 1,000 now; 5,000 → 4,000 nothing before the next reset."""
        plan, _, credit_type = a_shop(5000)
        subscription = a_subscription(plan=plan)

        more = edited(plan, credit_type, 6000)
        [effect] = impacts.effects([subscription], more, LATER)[subscription.pk]
        assert (effect.granted, effect.balance_before, effect.balance_after) == (1000, 5000, 6000)
        assert effect.recurring_after == {"MONTH": 6000}

        drafts.discard(package_id=plan.pk, actor=SYSTEM, now=NOW)
        less = edited(plan, credit_type, 4000)
        [effect] = impacts.effects([subscription], less, LATER)[subscription.pk]
        assert (effect.granted, effect.balance_after) == (0, 5000)
        assert effect.recurring_after == {"MONTH": 4000}
        assert effect.outcome == ImpactOutcome.LOSES_AT_RESET

    def test_count_add_ons_by_their_quantity(self):
        """R15."""
        plan, addon, credit_type = a_shop()
        subscription = a_subscription(plan=plan, addons=[(addon, 3)])
        draft = edited(addon, credit_type, 150)

        [effect] = impacts.effects([subscription], draft, LATER)[subscription.pk]

        assert (effect.granted, effect.recurring_after) == (150, {"MONTH": 5450})

    def test_wait_for_the_reset_with_a_new_override(self):
        """R14, R16."""
        plan, addon, credit_type = a_shop()
        subscription = a_subscription(plan=plan, addons=[(addon, 1)])
        draft = drafts.open_draft(package_id=addon.pk, actor=SYSTEM, now=NOW)
        entitlements.change_credits(
            package_id=addon.pk,
            credit_type=credit_type,
            behaviour=Behaviour.OVERRIDE,
            actor=SYSTEM,
            now=NOW,
        )

        [effect] = impacts.effects([subscription], draft, LATER)[subscription.pk]

        assert (effect.granted, effect.balance_after) == (0, 5100)
        assert effect.recurring_after == {"MONTH": 100}

    def test_take_a_constant_number_of_queries(self, django_assert_num_queries):
        plan, addon, credit_type = a_shop()
        few = [a_subscription(plan=plan, addons=[(addon, 1)]) for _ in range(2)]
        many = [*few, *(a_subscription(plan=plan) for _ in range(8))]
        draft = edited(plan, credit_type, 6000)

        for subscriptions in (few, many):
            with django_assert_num_queries(10):
                impacts.effects(subscriptions, draft, LATER)


class TestBegin:
    def test_leaves_a_report_to_the_worker(self):
        plan, _, credit_type = a_shop()
        a_subscription(plan=plan)
        draft = edited(plan, credit_type, 6000)

        report = impacts.begin(package_id=plan.pk, actor=SYSTEM, now=LATER)

        assert (report.version, report.revision, report.total) == (draft, draft.revision, 1)
        assert not ImpactRow.objects.exists()

    def test_replaces_earlier_reports_on_the_draft(self):
        plan, _, credit_type = a_shop()
        edited(plan, credit_type, 6000)
        impacts.begin(package_id=plan.pk, actor=SYSTEM, now=LATER)

        second = impacts.begin(package_id=plan.pk, actor=SYSTEM, now=LATER)

        assert ImpactReport.objects.get() == second

    def test_refuses_what_nobody_can_have(self):
        plan = a_plan()

        with pytest.raises(NothingToPreview):
            impacts.begin(package_id=plan.pk, actor=SYSTEM, now=LATER)

        assert not ImpactReport.objects.exists()


class TestProceed:
    def test_goes_on_where_it_was_and_adds_up(self):
        plan, _, credit_type = a_shop()
        for _ in range(5):
            a_subscription(plan=plan)
        edited(plan, credit_type, "6000.5")
        report = impacts.begin(package_id=plan.pk, actor=SYSTEM, now=LATER)

        going_on = [impacts.proceed(report_id=report.pk, now=LATER, at_most=2) for _ in range(5)]

        report.refresh_from_db()
        assert going_on == [True, True, True, False, False]
        assert (report.status, report.done, report.customers) == ("COMPLETED", 5, 5)
        assert report.granted == {"ai": "5002.5"}
        assert set(report.rows.values_list("outcome", "granted")) == {
            ("GAINS_NOW", Decimal("1000.5"))
        }

    def test_ends_when_the_draft_is_discarded(self):
        plan, _, credit_type = a_shop()
        edited(plan, credit_type, 6000)
        report = impacts.begin(package_id=plan.pk, actor=SYSTEM, now=LATER)
        drafts.discard(package_id=plan.pk, actor=SYSTEM, now=LATER)

        assert not impacts.proceed(report_id=report.pk, now=LATER)


class TestOfDraft:
    def test_knows_only_the_draft_as_it_is(self):
        plan, _, credit_type = a_shop()
        edited(plan, credit_type, 6000)
        report = a_report(plan)
        assert impacts.of_draft(reloaded(plan).draft) == report

        packages.edit(package_id=plan.pk, name="Pro Max", actor=SYSTEM, now=LATER)

        assert impacts.of_draft(reloaded(plan).draft) is None


class TestPublication:
    def test_is_bound_to_what_was_reviewed(self):
        """R9: the run remembers the preview, and its results are those that it showed."""
        plan, _, credit_type = a_shop()
        a_subscription(plan=plan)
        edited(plan, credit_type, 6000)
        report = a_report(plan)

        version = publish(plan, report)
        tasks.roll_out(LATER)

        run = RolloutRun.objects.get()
        assert version.task_id == str(run.pk)
        assert (run.report, run.total, run.status) == (report, 1, "COMPLETED")
        result = RolloutResult.objects.get()
        assert (result.granted, result.changed_since_review) == ({"ai": "1000"}, False)

    def test_lists_who_changed_meanwhile_and_handles_them_by_the_rules(self):
        plan, addon, credit_type = a_shop()
        changed, same = a_subscription(plan=plan), a_subscription(plan=plan)
        edited(plan, credit_type, 6000)
        report = a_report(plan)
        updates.update(
            subscription_id=changed.public_id,
            addons=[(addon.public_id, 1)],
            actor=SYSTEM,
            now=LATER + timedelta(hours=1),
        )
        late = a_subscription(plan=plan, now=LATER + timedelta(hours=1))

        publish(plan, report, LATER + timedelta(hours=2))
        tasks.roll_out(LATER + timedelta(hours=2))

        results = RolloutResult.objects.all()
        assert {row.subscription_id: row.changed_since_review for row in results} == {
            changed.pk: True,
            same.pk: False,
            late.pk: True,
        }
        assert {row.outcome for row in results} == {"SUCCEEDED"}
        run = RolloutRun.objects.get()
        assert (run.moved, run.failed, run.differing) == (3, 0, 2)

    def test_is_refused_with_the_preview_of_another_state(self):
        plan, _, credit_type = a_shop()
        edited(plan, credit_type, 6000)
        report = a_report(plan)
        packages.edit(package_id=plan.pk, name="Pro Max", actor=SYSTEM, now=LATER)

        with pytest.raises(OtherStateReviewed):
            publish(plan, report)

        assert reloaded(plan).live.number == 1

    def test_is_refused_with_a_preview_that_is_not_finished(self):
        plan, _, credit_type = a_shop()
        a_subscription(plan=plan)
        edited(plan, credit_type, 6000)
        report = impacts.begin(package_id=plan.pk, actor=SYSTEM, now=LATER)

        with pytest.raises(OtherStateReviewed):
            publish(plan, report)

        assert reloaded(plan).live.number == 1
