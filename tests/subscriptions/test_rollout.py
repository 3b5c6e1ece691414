from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from catalog import drafts, prices, publishing
from catalog.models import Package, PackageVersion
from catalog.publishing import Audience
from credits.models import Schedule
from subscriptions import cancellation, migration, rollout, tasks
from subscriptions.causes import Cause
from subscriptions.migration import NothingToMigrate
from subscriptions.models import (
    RolloutOutcome,
    RolloutResult,
    RolloutRun,
    RolloutStatus,
    Subscription,
    SubscriptionAddon,
)
from subscriptions.rollout import (
    NothingFailed,
    RolloutFinished,
    RolloutRunning,
    UnknownRollout,
)
from subscriptions.signals import subscription_changed
from tests.builders import (
    NOW,
    a_credit_type,
    a_new_version,
    a_product,
    a_published_addon,
    a_published_plan,
    a_subscription,
    reloaded,
    some_credits,
)
from workspace import runs
from workspace.actors import SYSTEM
from workspace.acts import TooBusy
from workspace.errors import Conflict

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)
LATER = NOW + 3 * DAY


def publish(package: Package, audience: Audience = Audience.ALL_CUSTOMERS) -> PackageVersion:
    return a_new_version(package, audience=audience, now=NOW + DAY)


def versions() -> list[int | None]:
    rows = Subscription.objects.order_by("pk").select_related("plan_version")
    return [subscription.plan_version.number for subscription in rows]


@pytest.fixture(autouse=True)
def _counts_that_are_kept() -> Iterator[None]:
    """After whatever a test did, every run knows how many results of each kind it has."""
    yield
    for run in RolloutRun.objects.all():
        outcomes = Counter(run.results.values_list("outcome", flat=True))
        differing = run.results.filter(changed_since_review=True).count()
        assert (run.moved, run.failed, run.differing) == (
            outcomes[RolloutOutcome.SUCCEEDED],
            outcomes[RolloutOutcome.FAILED],
            differing,
        )


class TestAnnounce:
    def test_leaves_a_run_for_all_customers(self):
        """R12: written in the transaction of the publication."""
        plan = a_published_plan()
        subscription = a_subscription(plan=plan)

        version = publish(plan)

        run = RolloutRun.objects.get()
        assert (run.version, run.package, run.status) == (version, plan, RolloutStatus.PENDING)
        subscription.refresh_from_db()
        assert subscription.plan_version == plan.live

    def test_leaves_nothing_for_new_customers(self):
        """R9."""
        plan = a_published_plan()
        a_subscription(plan=plan)

        publish(plan, Audience.NEW_CUSTOMERS)

        assert not RolloutRun.objects.exists()

    def test_ends_an_earlier_run_that_is_not_finished(self):
        plan = a_published_plan()
        a_subscription(plan=plan)

        publish(plan)
        publish(plan)

        statuses = list(RolloutRun.objects.order_by("pk").values_list("status", flat=True))
        assert statuses == [RolloutStatus.CANCELED, RolloutStatus.PENDING]


class TestRollOut:
    def test_moves_subscriptions_and_leaves_their_prices(self, told):
        """R10, R12, R14."""
        plan = a_published_plan(monthly=49)
        first, second = a_subscription(plan=plan), a_subscription(plan=plan)
        publish(plan)
        told.clear()

        tasks.roll_out(LATER)

        assert versions() == [2, 2]
        assert told == [
            ("changed", subscription.public_id, Cause.MIGRATION, False)
            for subscription in (first, second)
        ]
        first.refresh_from_db()
        assert first.prices[0]["amount"] == "49"
        run = RolloutRun.objects.get()
        assert (run.status, run.finished_at) == (RolloutStatus.COMPLETED, LATER)
        outcomes = set(run.results.values_list("outcome", flat=True))
        assert outcomes == {RolloutOutcome.SUCCEEDED}
        assert run.results.count() == 2

    def test_moves_the_versions_of_addons(self, told):
        product = a_product()
        addon = a_published_addon(product=product)
        plan = a_published_plan(product=product, compatible_addons=[addon])
        subscription = a_subscription(plan=plan, addons=[(addon, 2)])
        a_subscription(plan=plan)

        version = publish(addon)
        tasks.roll_out(LATER)

        assert subscription.addons.get().version == version
        assert RolloutResult.objects.count() == 1

    def test_moves_to_the_version_of_the_run_not_to_a_later_one(self):
        """R9: that one was for new customers."""
        plan = a_published_plan()
        subscription = a_subscription(plan=plan)
        publish(plan)
        publish(plan, Audience.NEW_CUSTOMERS)

        tasks.roll_out(LATER)

        subscription.refresh_from_db()
        assert subscription.plan_version.number == 2

    def test_leaves_what_has_ended_and_what_others_bought(self):
        plan, other = a_published_plan(), a_published_plan()
        ended = a_subscription(plan=plan)
        cancellation.cancel(
            subscription_id=ended.public_id, time="IMMEDIATE", actor=SYSTEM, now=NOW
        )
        a_subscription(plan=other)
        publish(plan)

        tasks.roll_out(LATER)

        assert versions() == [1, 1]
        assert RolloutRun.objects.get().status == RolloutStatus.COMPLETED
        assert not RolloutResult.objects.exists()

    def test_changes_nothing_when_run_twice(self, told):
        plan = a_published_plan()
        a_subscription(plan=plan)
        publish(plan)
        tasks.roll_out(LATER)
        told.clear()

        assert tasks.roll_out(LATER + DAY) == 0

        assert told == []
        assert RolloutRun.objects.get().finished_at == LATER

    def test_goes_on_where_it_was_interrupted(self, monkeypatch):
        plan = a_published_plan()
        for _ in range(3):
            a_subscription(plan=plan)
        publish(plan)
        run = RolloutRun.objects.get()
        rollout.begin(run_id=run.pk)
        (first, *_) = rollout.next_batch(run, LATER, at_most=3)
        rollout.move(run=run, subscription_pk=first, now=LATER)

        assert rollout.conclude(run_id=run.pk, now=LATER) is None
        assert tasks.roll_out(LATER) == 2

        assert versions() == [2, 2, 2]
        assert RolloutResult.objects.count() == 3

    def test_works_in_batches(self, monkeypatch):
        monkeypatch.setattr(runs, "BATCH", 2)
        plan = a_published_plan()
        for _ in range(5):
            a_subscription(plan=plan)
        publish(plan)

        assert tasks.roll_out(LATER) == 5

        assert versions() == [2] * 5

    def test_takes_a_constant_number_of_queries_for_a_batch(self, django_assert_num_queries):
        """However many subscriptions there are, and whatever they are granted."""
        credit_type, new = a_credit_type(), a_credit_type()
        plan = a_published_plan(entitlements=[some_credits(credit_type)])
        for _ in range(12):
            a_subscription(plan=plan)
        a_new_version(
            plan,
            entitlements=[some_credits(credit_type, 6000), some_credits(new, 7)],
            audience=Audience.ALL_CUSTOMERS,
            now=NOW + DAY,
        )
        run = RolloutRun.objects.get()
        first, *others = rollout.next_batch(run, LATER, at_most=12)
        with CaptureQueriesContext(connection) as alone:
            assert rollout.move_several(run=run, subscription_pks=[first], now=LATER) == 1

        # SQLite, which has no network to cross, adds the grants one by one.
        grants = 2 * 10 if connection.vendor == "sqlite" else 0
        with django_assert_num_queries(len(alone) + grants):
            assert rollout.move_several(run=run, subscription_pks=others, now=LATER) == 11

        assert versions() == [2] * 12
        granted = {credit_type.public_id: "1000", new.public_id: "7"}
        assert [result.granted for result in run.results.all()] == [granted] * 12

    def test_moves_a_subscription_once_though_two_workers_try(self, told):
        plan = a_published_plan()
        subscription = a_subscription(plan=plan)
        publish(plan)
        run = RolloutRun.objects.get()
        told.clear()

        for _ in range(2):
            assert rollout.move(run=run, subscription_pk=subscription.pk, now=LATER)

        assert len(told) == 1
        assert RolloutResult.objects.count() == 1


@pytest.fixture
def stubborn():
    """Refuses every change of the subscriptions whose id is in the set."""
    refused: dict[str, type[Exception]] = {}

    def refuse(subscriptions: Sequence[Subscription], **kwargs: Any) -> None:
        for subscription in subscriptions:
            if error := refused.get(subscription.public_id):
                raise error("No.")

    subscription_changed.connect(refuse, weak=False)
    yield refused
    subscription_changed.disconnect(refuse)


class TestFailures:
    """R12: a result per subscription; one in trouble does not hold up the others."""

    def test_are_noted_and_leave_the_subscription_as_it_was(self, stubborn):
        plan = a_published_plan()
        bad, _ = a_subscription(plan=plan), a_subscription(plan=plan)
        stubborn[bad.public_id] = Conflict
        publish(plan)

        tasks.roll_out(LATER)

        assert versions() == [1, 2]
        run = RolloutRun.objects.get()
        assert run.status == RolloutStatus.PARTIALLY_FAILED
        failure = run.results.get(outcome=RolloutOutcome.FAILED)
        assert (failure.subscription, failure.message) == (bad, "No.")

    def test_of_all_are_a_failure(self, stubborn):
        plan = a_published_plan()
        stubborn[a_subscription(plan=plan).public_id] = Conflict
        publish(plan)

        tasks.roll_out(LATER)

        assert RolloutRun.objects.get().status == RolloutStatus.FAILED

    def test_that_pass_are_tried_again(self, stubborn):
        plan = a_published_plan()
        busy = a_subscription(plan=plan)
        stubborn[busy.public_id] = TooBusy
        publish(plan)

        assert tasks.roll_out(LATER) == 0
        assert RolloutRun.objects.get().status == RolloutStatus.IN_PROGRESS
        stubborn.clear()
        assert tasks.roll_out(LATER + DAY) == 1

        assert RolloutRun.objects.get().status == RolloutStatus.COMPLETED

    def test_nobody_foresaw_are_noted_too(self, stubborn):
        plan = a_published_plan()
        bad, _ = a_subscription(plan=plan), a_subscription(plan=plan)
        stubborn[bad.public_id] = ZeroDivisionError
        publish(plan)

        tasks.roll_out(LATER)

        assert versions() == [1, 2]
        assert RolloutRun.objects.get().status == RolloutStatus.PARTIALLY_FAILED


class TestCancel:
    def test_leaves_the_rest_where_it_is(self):
        plan = a_published_plan()
        a_subscription(plan=plan)
        publish(plan)
        run = RolloutRun.objects.get()

        rollout.cancel(run_id=run.pk, actor=SYSTEM, now=LATER)
        tasks.roll_out(LATER)

        assert versions() == [1]
        run.refresh_from_db()
        assert run.status == RolloutStatus.CANCELED

    def test_comes_too_late_when_it_is_over(self):
        plan = a_published_plan()
        publish(plan)
        tasks.roll_out(LATER)

        with pytest.raises(RolloutFinished):
            rollout.cancel(run_id=RolloutRun.objects.get().pk, actor=SYSTEM, now=LATER)

    def test_knows_no_others(self):
        with pytest.raises(UnknownRollout):
            rollout.cancel(run_id=1, actor=SYSTEM, now=LATER)


class TestRetry:
    @pytest.fixture
    def failed(self, monkeypatch):
        """A run of which one of two subscriptions failed."""
        plan = a_published_plan()
        first, _ = a_subscription(plan=plan), a_subscription(plan=plan)
        publish(plan)
        stand_on = rollout._stand_on

        def trip(locked: Sequence[Subscription], *arguments: Any) -> dict[int, int | None]:
            if first in locked:
                raise Conflict("No.")
            return stand_on(locked, *arguments)

        with monkeypatch.context() as patch:
            patch.setattr(rollout, "_stand_on", trip)
            tasks.roll_out(LATER)
        return RolloutRun.objects.get()

    def test_tries_only_what_failed_once_more(self, failed):
        """R12."""
        assert (failed.status, versions()) == (RolloutStatus.PARTIALLY_FAILED, [1, 2])

        rollout.retry(run_id=failed.pk, actor=SYSTEM, now=LATER)
        tasks.roll_out(LATER)

        failed.refresh_from_db()
        assert (failed.status, versions()) == (RolloutStatus.COMPLETED, [2, 2])
        assert RolloutResult.objects.count() == 2

    def test_refuses_what_did_not_fail(self, failed):
        rollout.retry(run_id=failed.pk, actor=SYSTEM, now=LATER)

        with pytest.raises(NothingFailed):
            rollout.retry(run_id=failed.pk, actor=SYSTEM, now=LATER)
        with pytest.raises(UnknownRollout):
            rollout.retry(run_id=failed.pk + 1, actor=SYSTEM, now=LATER)

    def test_refuses_beside_another_rollout_of_the_package(self, failed):
        publish(failed.package)

        with pytest.raises(RolloutRunning):
            rollout.retry(run_id=failed.pk, actor=SYSTEM, now=LATER)

        assert RolloutResult.objects.filter(outcome=RolloutOutcome.FAILED).count() == 1


class TestBeginMigration:
    def test_brings_versions_and_prices_to_all_who_have_a_plan(self):
        """R10."""
        plan = a_published_plan(monthly=49)
        first, second = a_subscription(plan=plan), a_subscription(plan=plan)
        for monthly in (59, 69):
            a_new_version(plan, now=NOW + DAY)
            drafts.open_draft(package_id=plan.pk, actor=SYSTEM, now=NOW + DAY)
            prices.set_base_prices(
                package_id=plan.pk,
                monthly=Decimal(monthly),
                yearly=None,
                actor=SYSTEM,
                now=NOW + DAY,
            )
            publishing.publish(
                package_id=plan.pk, audience=Audience.NEW_CUSTOMERS, actor=SYSTEM, now=NOW + DAY
            )

        run = rollout.begin_migration(package_id=plan.pk, actor=SYSTEM, now=LATER)
        tasks.roll_out(LATER)

        run.refresh_from_db()
        assert (run.total, run.status, versions()) == (2, RolloutStatus.COMPLETED, [5, 5])
        for subscription in (first, second):
            subscription.refresh_from_db()
            assert subscription.prices[0]["amount"] == "69"
        assert run.results.count() == 2

    def test_moves_only_those_on_the_chosen_versions(self):
        plan = a_published_plan()
        a_subscription(plan=plan)
        a_new_version(plan, now=NOW)
        a_subscription(plan=reloaded(plan))
        a_new_version(plan, now=NOW)

        rollout.begin_migration(package_id=plan.pk, from_numbers=[2], actor=SYSTEM, now=LATER)
        tasks.roll_out(LATER)

        assert versions() == [1, 3]

    def test_waits_for_the_end_of_each_billing_period(self):
        """R10, R13."""
        plan = a_published_plan()
        subscription = a_subscription(plan=plan)
        a_new_version(plan, now=NOW)

        rollout.begin_migration(package_id=plan.pk, at_period_end=True, actor=SYSTEM, now=LATER)
        tasks.roll_out(LATER)
        assert versions() == [1]

        subscription.refresh_from_db()
        assert subscription.next_update_at is not None
        tasks.write_down_updates(subscription.next_update_at)
        assert versions() == [2]

    def test_takes_a_constant_number_of_queries_for_a_batch(self, django_assert_num_queries):
        """However many there are, and whatever they have."""
        credit_type, product = a_credit_type(), a_product()
        addon = a_published_addon(product=product, monthly=9)
        plan = a_published_plan(
            product=product,
            entitlements=[some_credits(credit_type)],
            compatible_addons=[addon],
        )
        for number in range(12):
            a_subscription(plan=plan, addons=[(addon, 1 + number % 3)])
        a_new_version(addon, now=NOW + DAY)
        newer = a_new_version(plan, entitlements=[some_credits(credit_type, 6000)], now=NOW + DAY)
        run = rollout.begin_migration(package_id=plan.pk, actor=SYSTEM, now=LATER)
        first, *others = rollout.next_batch(run, LATER, at_most=12)
        with CaptureQueriesContext(connection) as alone:
            assert rollout.move_several(run=run, subscription_pks=[first], now=LATER) == 1

        # SQLite, which has no network to cross, adds the grants one by one.
        grants = 10 if connection.vendor == "sqlite" else 0
        with django_assert_num_queries(len(alone) + grants):
            assert rollout.move_several(run=run, subscription_pks=others, now=LATER) == 11

        assert set(Subscription.objects.values_list("plan_version", flat=True)) == {newer.pk}
        assert set(SubscriptionAddon.objects.values_list("version__number", flat=True)) == {2}
        granted = {credit_type.public_id: "1000"}
        assert [result.granted for result in run.results.all()] == [granted] * 12

    def test_leaves_those_alone_who_have_the_latest_of_everything(self, told):
        plan = a_published_plan()
        subscription = a_subscription(plan=plan)
        run = rollout.begin_migration(package_id=plan.pk, actor=SYSTEM, now=LATER)
        told.clear()

        tasks.roll_out(LATER)

        assert told == []
        assert run.results.get().outcome == RolloutOutcome.SUCCEEDED
        before = subscription.updated_at
        subscription.refresh_from_db()
        assert subscription.updated_at == before

    def test_leaves_to_the_next_sweep_who_got_a_package_that_is_not_held(self, monkeypatch):
        """R13: it could be published between the look at it and the end of the migration."""
        product = a_product()
        addon = a_published_addon(product=product)
        plan = a_published_plan(product=product, compatible_addons=[addon])
        a_subscription(plan=plan)
        late = a_subscription(plan=plan)
        a_new_version(plan, compatible_addons=[addon], now=NOW + DAY)
        rollout.begin_migration(package_id=plan.pk, actor=SYSTEM, now=LATER)
        hold = migration.hold_packages_of

        def hold_and_see_an_addon_bought(pks: Sequence[int]) -> frozenset[int]:
            held = hold(pks)
            SubscriptionAddon.objects.get_or_create(
                subscription=late,
                addon=addon,
                defaults={"version": reloaded(addon).live, "attached_at": LATER},
            )
            return held

        monkeypatch.setattr(migration, "hold_packages_of", hold_and_see_an_addon_bought)
        tasks.roll_out(LATER)
        assert versions() == [2, 1]

        tasks.roll_out(LATER)
        assert versions() == [2, 2]

    def test_notes_a_failure_and_goes_on(self, monkeypatch):
        plan = a_published_plan()
        first, _ = a_subscription(plan=plan), a_subscription(plan=plan)
        a_new_version(plan, now=NOW)
        run = rollout.begin_migration(package_id=plan.pk, actor=SYSTEM, now=LATER)
        migrate = migration.migrate_locked

        def trip(locked: Sequence[Subscription], **options: Any) -> Any:
            if first in locked:
                raise Conflict("No.")
            return migrate(locked, **options)

        monkeypatch.setattr(migration, "migrate_locked", trip)
        tasks.roll_out(LATER)

        run.refresh_from_db()
        assert (run.status, versions()) == (RolloutStatus.PARTIALLY_FAILED, [1, 2])
        assert run.results.get(subscription=first).message == "No."

    def test_notes_who_ends_before_the_period_does_and_goes_on(self):
        plan = a_published_plan()
        first, _ = a_subscription(plan=plan), a_subscription(plan=plan)
        a_new_version(plan, now=NOW)
        cancellation.cancel(
            subscription_id=first.public_id, time="END_OF_BILLING_PERIOD", actor=SYSTEM, now=NOW
        )
        run = rollout.begin_migration(
            package_id=plan.pk, at_period_end=True, actor=SYSTEM, now=LATER
        )

        tasks.roll_out(LATER)

        run.refresh_from_db()
        assert run.status == RolloutStatus.PARTIALLY_FAILED
        assert "ends on" in run.results.get(subscription=first).message

    def test_stops_when_canceled(self):
        plan = a_published_plan()
        subscription = a_subscription(plan=plan)
        a_new_version(plan, now=NOW)
        run = rollout.begin_migration(package_id=plan.pk, actor=SYSTEM, now=LATER)
        rollout.cancel(run_id=run.pk, actor=SYSTEM, now=LATER)

        rollout.move(run=run, subscription_pk=subscription.pk, now=LATER)

        assert versions() == [1]
        assert not RolloutResult.objects.exists()

    def test_refuses_beside_another_rollout_and_without_anybody(self):
        plan = a_published_plan()
        with pytest.raises(NothingToMigrate):
            rollout.begin_migration(package_id=plan.pk, actor=SYSTEM, now=LATER)
        a_subscription(plan=plan)
        publish(plan)

        with pytest.raises(RolloutRunning):
            rollout.begin_migration(package_id=plan.pk, actor=SYSTEM, now=LATER)

        assert RolloutRun.objects.count() == 1


class TestClocks:
    """F9: hosts do not agree what time it is."""

    def test_let_a_publication_find_what_began_by_a_clock_that_is_ahead(self):
        credit_type = a_credit_type()
        plan = a_published_plan(entitlements=[some_credits(credit_type, 5000)])
        subscription = a_subscription(plan=plan, now=NOW + 2 * DAY)

        a_new_version(
            plan,
            entitlements=[some_credits(credit_type, 6000)],
            audience=Audience.ALL_CUSTOMERS,
            now=NOW + DAY,
        )

        assert versions() == [2]
        schedules = Schedule.objects.filter(subscription=subscription, ended=False)
        assert [schedule.amount for schedule in schedules] == [6000]

    def test_leave_to_the_next_sweep_what_changed_after_this_one_read_its_clock(self):
        plan = a_published_plan()
        a_subscription(plan=plan)
        publish(plan)
        Subscription.objects.update(updated_at=LATER + DAY)

        tasks.roll_out(LATER)
        assert (versions(), RolloutResult.objects.count()) == ([1], 0)
        assert RolloutRun.objects.get().status == RolloutStatus.IN_PROGRESS

        tasks.roll_out(LATER + DAY)
        assert versions() == [2]
