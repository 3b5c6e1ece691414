"""Many subscriptions come from another system at once."""

from datetime import timedelta

import pytest

from subscriptions import provisioning, subscription_imports, tasks
from subscriptions.models import (
    ImportOutcome,
    Status,
    Subscription,
    SubscriptionImport,
    SubscriptionImportRow,
)
from subscriptions.subscription_imports import (
    Arrival,
    InvalidSubscriptions,
    NothingFailed,
    UnknownImport,
)
from tests.builders import (
    NOW,
    a_customer,
    a_published_addon,
    a_published_plan,
    a_subscription,
)
from workspace.actors import SYSTEM
from workspace.errors import Busy
from workspace.models import Activity

pytestmark = pytest.mark.django_db

LATER = NOW + timedelta(days=3)


@pytest.fixture
def customers() -> list[str]:
    return [a_customer(public_id=name).public_id for name in ("acme", "globex")]


@pytest.fixture
def plan_id() -> str:
    addon = a_published_addon(public_id="extra")
    plan = a_published_plan(
        public_id="pro",
        product=addon.product,
        compatible_addons=[addon],
        trial_length=14,
        trial_unit="DAY",
        trial_end="CONVERT_TO_PAID",
    )
    return str(plan.public_id)


def an_arrival(public_id: str = "s1", customer_id: str = "acme", **fields) -> Arrival:
    return Arrival(public_id=public_id, customer_id=customer_id, plan_id="pro", **fields)


def hand_in(*arrivals: Arrival) -> SubscriptionImport:
    return subscription_imports.hand_in(arrivals=arrivals, actor=SYSTEM, now=NOW)


def outcomes(run: SubscriptionImport) -> list[str]:
    return list(run.rows.values_list("outcome", flat=True))


class TestHandIn:
    def test_stores_rows_and_starts_nothing(self, customers, plan_id):
        run = hand_in(an_arrival(), an_arrival("s2", "globex"))

        assert run.public_id.startswith("task-")
        assert outcomes(run) == [ImportOutcome.PENDING] * 2
        assert not Subscription.objects.exists()

    def test_refuses_all_where_some_name_nothing(self, customers, plan_id):
        arrivals = [
            an_arrival(),
            an_arrival("s2", "nobody"),
            Arrival(public_id="s3", customer_id="globex", plan_id="none"),
            an_arrival("s4", addons=[("none", 1)]),
            an_arrival(),
        ]

        with pytest.raises(InvalidSubscriptions) as refused:
            hand_in(*arrivals)

        assert refused.value.rows == {
            1: "There is no active customer nobody.",
            2: "There is no plan none on sale.",
            3: "There is no add-on none on sale.",
            4: "This is the subscription of row 1 again.",
        }
        assert not SubscriptionImportRow.objects.exists()

    def test_asks_as_many_queries_for_many_as_for_one(
        self, customers, plan_id, django_assert_num_queries
    ):
        with django_assert_num_queries(7):
            hand_in(an_arrival())
        with django_assert_num_queries(7):
            hand_in(*(an_arrival(f"many-{number}") for number in range(20)))


class TestBringIn:
    def test_starts_what_was_handed_in(self, customers, plan_id):
        run = hand_in(
            an_arrival(
                addons=[("extra", 1)],
                started_at=NOW - timedelta(days=40),
                metadata={"from": "elsewhere"},
            ),
            an_arrival("s2", "globex", billing_period="MONTHLY"),
        )

        assert tasks.import_subscriptions(NOW) == 2

        first = Subscription.objects.get(public_id="s1")
        assert (first.started_at, first.metadata) == (
            NOW - timedelta(days=40),
            {"from": "elsewhere"},
        )
        assert first.addons.get().quantity == 1
        assert first.status_at(NOW) == Status.ACTIVE
        assert outcomes(run) == [ImportOutcome.SUCCEEDED] * 2
        run.refresh_from_db()
        assert run.finished_at == NOW

    def test_twice_starts_nothing_twice(self, customers, plan_id):
        hand_in(an_arrival())
        tasks.import_subscriptions(NOW)
        again = hand_in(an_arrival())

        tasks.import_subscriptions(LATER)

        assert outcomes(again) == [ImportOutcome.KNOWN]
        assert Subscription.objects.count() == 1
        assert tasks.import_subscriptions(LATER) == 0

    def test_notes_what_fails_and_goes_on(self, customers, plan_id):
        other = a_subscription(public_id="s1")
        run = hand_in(
            an_arrival(),
            an_arrival("s2", ends_at=NOW - timedelta(days=1)),
            an_arrival("s3", "globex"),
        )

        tasks.import_subscriptions(NOW)

        assert outcomes(run) == [
            ImportOutcome.FAILED,
            ImportOutcome.FAILED,
            ImportOutcome.SUCCEEDED,
        ]
        messages = list(run.rows.values_list("message", flat=True))
        assert messages[0] == (
            f"The ID belongs to a subscription of {other.customer.public_id} "
            f"to {other.plan.public_id}."
        )
        assert messages[1].startswith("A subscription ends after it starts")

    def test_leaves_what_is_busy_for_later(self, customers, plan_id, monkeypatch):
        run = hand_in(an_arrival())

        def busy(**order: object) -> None:
            raise Busy("Too many changes at the same time.")

        with monkeypatch.context() as patch:
            patch.setattr(provisioning, "start", busy)
            assert tasks.import_subscriptions(NOW) == 0
        assert outcomes(run) == [ImportOutcome.PENDING]

        assert tasks.import_subscriptions(LATER) == 1
        assert outcomes(run) == [ImportOutcome.SUCCEEDED]


class TestRetry:
    def test_lets_only_what_failed_be_tried_again(self, customers, plan_id):
        run = hand_in(an_arrival(), an_arrival("s2"), an_arrival("s3", "globex"))
        tasks.import_subscriptions(NOW)
        assert outcomes(run) == [
            ImportOutcome.SUCCEEDED,
            ImportOutcome.FAILED,
            ImportOutcome.SUCCEEDED,
        ]
        Subscription.objects.filter(public_id="s1").update(ends_at=LATER, end_reason="CANCELED")

        assert subscription_imports.retry(run_id=run.pk, actor=SYSTEM, now=LATER) == 1

        assert outcomes(run)[1] == ImportOutcome.PENDING
        assert tasks.import_subscriptions(LATER + timedelta(days=1)) == 1
        assert outcomes(run) == [ImportOutcome.SUCCEEDED] * 3
        assert Subscription.objects.count() == 3
        [told] = Activity.objects.filter(event="subscription.import_retried")
        assert (told.subject_id, told.payload) == (run.public_id, {"rows": 1})

    def test_is_refused_while_it_runs_and_where_nothing_failed(self, customers, plan_id):
        run = hand_in(an_arrival())

        with pytest.raises(NothingFailed):
            subscription_imports.retry(run_id=run.pk, actor=SYSTEM, now=NOW)
        tasks.import_subscriptions(NOW)
        with pytest.raises(NothingFailed):
            subscription_imports.retry(run_id=run.pk, actor=SYSTEM, now=NOW)

        assert outcomes(run) == [ImportOutcome.SUCCEEDED]

    def test_is_refused_for_an_import_that_is_not_there(self, db):
        with pytest.raises(UnknownImport):
            subscription_imports.retry(run_id=1, actor=SYSTEM, now=NOW)
