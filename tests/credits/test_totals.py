from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from catalog.models import Aggregation, Feature
from credits import totals
from credits.models import UsageRecord
from subscriptions.models import Customer
from tests.builders import a_customer, a_metered_feature

ANCHOR = datetime(2026, 1, 31, 10, 0, tzinfo=UTC)
NOW = datetime(2026, 3, 4, 15, 30, 20, tzinfo=UTC)  # a Wednesday


def instant(month: int, day: int, hour: int = 0, year: int = 2026) -> datetime:
    return datetime(year, month, day, hour, tzinfo=UTC)


class TestWindow:
    @pytest.mark.parametrize(
        ("reset_period", "according_to", "expected"),
        [
            ("YEAR", "", (instant(1, 31, 10), instant(1, 31, 10, year=2027))),
            ("MONTH", "SubscriptionStart", (instant(2, 28, 10), instant(3, 31, 10))),
            ("MONTH", "StartOfTheMonth", (instant(3, 1), instant(4, 1))),
            ("WEEK", "SubscriptionStart", (instant(2, 28, 10), instant(3, 7, 10))),
            ("WEEK", "EveryWednesday", (instant(3, 4), instant(3, 11))),
            ("WEEK", "EveryThursday", (instant(2, 26), instant(3, 5))),
            ("DAY", "", (instant(3, 4), instant(3, 5))),
            ("HOUR", "", (instant(3, 4, 15), instant(3, 4, 16))),
        ],
    )
    def test_is_the_period_that_now_lies_in(self, reset_period, according_to, expected):
        configuration = {"accordingTo": according_to} if according_to else None

        assert totals.window(reset_period, configuration, anchor=ANCHOR, now=NOW) == expected

    def test_is_none_for_what_never_starts_again(self):
        assert totals.window("", None, anchor=ANCHOR, now=NOW) is None

    def test_starts_with_its_first_instant(self):
        found = totals.window("WEEK", None, anchor=ANCHOR, now=ANCHOR + timedelta(weeks=1))

        assert found == (ANCHOR + timedelta(weeks=1), ANCHOR + timedelta(weeks=2))


def used(customer: Customer, feature: Feature, value: int, at: datetime, **fields) -> UsageRecord:
    return UsageRecord.objects.create(
        customer=customer,
        feature=feature,
        value=Decimal(value),
        occurred_at=at,
        recorded_at=at,
        **fields,
    )


def total(customer: Customer, feature: Feature, since: datetime | None = ANCHOR) -> Decimal:
    return totals.used_by_feature(
        customer_id=customer.pk, resource_id=None, since={feature: since}, until=NOW
    )[feature.pk]


@pytest.mark.django_db
class TestUsedByFeature:
    @pytest.mark.parametrize(
        ("aggregation", "expected"),
        [
            (Aggregation.COUNT, 9),
            (Aggregation.SUM, 9),
            (Aggregation.MIN, 1),
            (Aggregation.MAX, 5),
            (Aggregation.AVG, 3),
            (Aggregation.UNIQUE, 2),
        ],
    )
    def test_aggregates_as_the_feature_says(self, aggregation, expected):
        customer = a_customer()
        feature = a_metered_feature(aggregation=aggregation, aggregation_field="size")
        for value, text in ((1, "a"), (3, "b"), (5, "a")):
            used(customer, feature, value, instant(3, 1), text=text)

        assert total(customer, feature) == expected

    def test_leaves_out_what_was_used_before_and_by_others(self):
        customer, feature = a_customer(), a_metered_feature()
        used(customer, feature, 1, ANCHOR)
        used(customer, feature, 10, ANCHOR - timedelta(seconds=1))
        used(customer, feature, 100, NOW)
        used(a_customer(), feature, 1000, instant(3, 1))

        assert total(customer, feature) == 1
        assert total(customer, feature, since=None) == 11

    def test_counts_from_the_last_report_that_set_the_total(self):
        """R39: SET replaces what was there, later DELTAs add to it."""
        customer, feature = a_customer(), a_metered_feature()
        used(customer, feature, 7, instant(2, 2))
        used(customer, feature, 20, instant(2, 3), sets_total=True)
        used(customer, feature, 50, instant(2, 4), sets_total=True)
        used(customer, feature, 3, instant(2, 5))

        assert total(customer, feature) == 53

    def test_is_zero_for_what_was_never_used(self):
        assert total(a_customer(), a_metered_feature()) == 0

    def test_takes_three_queries_for_any_number_of_features(self):
        customer = a_customer()
        features = [a_metered_feature() for _ in range(4)]
        for feature in features:
            used(customer, feature, 5, instant(3, 1), sets_total=True)

        with CaptureQueriesContext(connection) as queries:
            found = totals.used_by_feature(
                customer_id=customer.pk,
                resource_id=None,
                since=dict.fromkeys(features, ANCHOR),
                until=NOW,
            )

        assert len(queries) == 3
        assert list(found.values()) == [5, 5, 5, 5]
