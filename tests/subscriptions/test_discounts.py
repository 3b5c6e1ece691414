from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.db import IntegrityError, transaction

from catalog.archiving import archive_coupon
from subscriptions import discounts, updates
from subscriptions.discounts import Discount, InvalidCoupon
from subscriptions.models import DiscountStatus, Subscription, SubscriptionCoupon
from tests.builders import NOW, a_coupon, a_subscription
from workspace import activity
from workspace.actors import SYSTEM

pytestmark = pytest.mark.django_db

LATER = NOW + timedelta(days=40)


def give(
    subscription: Subscription, coupon_id: str, *, now: datetime = NOW, **terms: datetime
) -> None:
    updates.update(
        subscription_id=subscription.public_id,
        coupon=Discount(coupon_id, **terms),
        actor=SYSTEM,
        now=now,
    )


def statuses(now: datetime) -> list[tuple[str, str]]:
    rows = SubscriptionCoupon.objects.select_related("coupon")
    return [(row.coupon.public_id, row.status_at(now).value) for row in rows]


class TestStart:
    def test_takes_a_coupon_from_the_start_on(self):
        """R19."""
        a_coupon(public_id="launch", duration_in_months=1)
        start = datetime(2026, 1, 31, 10, tzinfo=UTC)

        subscription = a_subscription(started_at=start, coupon=Discount("launch"))

        row = SubscriptionCoupon.objects.get()
        assert row.subscription == subscription
        assert (row.starts_at, row.ends_at) == (start, datetime(2026, 2, 28, 10, tzinfo=UTC))
        entry = activity.for_subject("subscription", subscription.public_id).get()
        assert entry.payload["coupon"] == [None, "launch"]

    def test_counts_from_now_for_one_that_began_before(self):
        a_coupon(public_id="launch")

        a_subscription(started_at=NOW - timedelta(days=90), coupon=Discount("launch"))

        assert SubscriptionCoupon.objects.get().starts_at == NOW

    def test_starts_nothing_without_a_coupon_that_can_be_given(self):
        old = a_coupon(public_id="old")
        archive_coupon(coupon_id=old.pk, actor=SYSTEM, now=NOW)

        for coupon_id in ("old", "nothing"):
            with pytest.raises(InvalidCoupon):
                a_subscription(coupon=Discount(coupon_id))

        assert not Subscription.objects.exists()


class TestApply:
    def test_replaces_the_one_before(self):
        a_coupon(public_id="launch")
        a_coupon(public_id="autumn", duration_in_months=3)
        subscription = a_subscription(coupon=Discount("launch"))

        give(subscription, "autumn", now=LATER)

        assert statuses(LATER) == [("launch", "REMOVED"), ("autumn", "ACTIVE")]
        newest = activity.for_subject("subscription", subscription.public_id)[0]
        assert newest.payload["coupon"] == ["launch", "autumn"]

    def test_changes_nothing_while_the_same_lasts(self):
        a_coupon(public_id="launch", duration_in_months=2)
        subscription = a_subscription(coupon=Discount("launch"))

        give(subscription, "launch", now=LATER)
        give(subscription, "launch", now=LATER, starts_at=NOW)

        assert SubscriptionCoupon.objects.count() == 1

    def test_gives_it_again_once_it_is_over(self):
        a_coupon(public_id="launch", duration_in_months=1)
        subscription = a_subscription(coupon=Discount("launch"))

        give(subscription, "launch", now=LATER)

        assert statuses(LATER) == [("launch", "EXPIRED"), ("launch", "ACTIVE")]

    def test_counts_from_a_date_of_its_own(self):
        a_coupon(public_id="launch", duration_in_months=1)
        subscription = a_subscription()

        give(subscription, "launch", starts_at=LATER)

        row = SubscriptionCoupon.objects.get()
        # 10 February, and a month on.
        assert (row.starts_at, row.ends_at) == (LATER, datetime(2026, 3, 10, 10, tzinfo=UTC))

    def test_leaves_the_subscription_as_it_is_if_it_is_refused(self):
        a_coupon(public_id="launch")
        subscription = a_subscription(coupon=Discount("launch"))

        with pytest.raises(InvalidCoupon):
            updates.update(
                subscription_id=subscription.public_id,
                coupon=Discount("nothing"),
                metadata={"a": "b"},
                actor=SYSTEM,
                now=LATER,
            )

        subscription.refresh_from_db()
        assert subscription.metadata == {}
        assert statuses(LATER) == [("launch", "ACTIVE")]

    def test_is_kept_to_one_at_a_time_by_the_database(self):
        coupon = a_coupon(public_id="launch")
        subscription = a_subscription(coupon=Discount("launch"))

        with pytest.raises(IntegrityError), transaction.atomic():
            SubscriptionCoupon.objects.create(
                subscription=subscription, coupon=coupon, starts_at=NOW, created_at=NOW
            )


class TestStatusAt:
    def test_follows_from_its_instants(self):
        a_coupon(public_id="launch", duration_in_months=1)
        a_subscription(coupon=Discount("launch"))
        row = SubscriptionCoupon.objects.get()
        assert row.ends_at is not None

        assert row.status_at(row.ends_at - timedelta(microseconds=1)) == DiscountStatus.ACTIVE
        assert row.status_at(row.ends_at) == DiscountStatus.EXPIRED
        row.removed_at = NOW + timedelta(days=1)
        assert row.status_at(LATER) == DiscountStatus.REMOVED
        row.removed_at = LATER
        assert row.status_at(LATER) == DiscountStatus.EXPIRED


class TestPreviewed:
    def test_is_the_coupon_that_there_is_unless_another_is_asked_for(self):
        launch, autumn = a_coupon(public_id="launch"), a_coupon(public_id="autumn")
        subscription = a_subscription(coupon=Discount("launch"))

        held = discounts.previewed(subscription, None, at=LATER, now=NOW)
        asked = discounts.previewed(subscription, Discount("autumn"), at=LATER, now=NOW)

        assert (held, asked) == (launch, autumn)
        assert statuses(NOW) == [("launch", "ACTIVE")]

    def test_is_none_that_is_over_or_yet_to_come(self):
        a_coupon(public_id="launch", duration_in_months=1)
        a_coupon(public_id="autumn")
        subscription = a_subscription(coupon=Discount("launch"))

        over = discounts.previewed(subscription, None, at=LATER, now=NOW)
        to_come = discounts.previewed(subscription, Discount("autumn", LATER), at=NOW, now=NOW)

        assert (over, to_come) == (None, None)


class TestTakenOff:
    @pytest.mark.parametrize(
        ("total", "currency", "off"),
        [("49", "USD", "5.5"), ("3", "USD", "3"), ("49", "EUR", "0")],
    )
    def test_is_the_amount_in_the_currency_and_no_more_than_all(self, total, currency, off):
        coupon = a_coupon(amounts_off={"USD": Decimal("5.5")})

        assert discounts.taken_off(coupon, Decimal(total), currency) == Decimal(off)

    @pytest.mark.parametrize(("total", "off"), [("49", "6.13"), ("0.04", "0.01"), ("0", "0")])
    def test_is_the_share_in_whole_hundredths(self, total, off):
        coupon = a_coupon(percent_off="12.5")

        assert discounts.taken_off(coupon, Decimal(total), "USD") == Decimal(off)
