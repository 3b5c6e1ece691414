"""The database refuses what `exclusivity` should have refused before (R4)."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction

from subscriptions.models import Subscription
from tests.builders import (
    NOW,
    a_customer,
    a_product,
    a_published_plan,
    a_resource,
    a_subscription,
)
from workspace import triggers

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)
TABLE = Subscription._meta.db_table


def adapted(changes: dict[str, Any]) -> dict[str, Any]:
    """Values as Django writes them, instants in particular."""
    adapt = connection.ops.adapt_datetimefield_value
    return {
        column: adapt(value) if isinstance(value, datetime) else value
        for column, value in changes.items()
    }


def copied(subscription: Subscription, **changes: Any) -> None:
    """Insert another row like `subscription`, past all our code."""
    columns = [
        str(field.column) for field in Subscription._meta.concrete_fields if not field.primary_key
    ]
    changes = adapted({"public_id": f"{subscription.public_id}-copy", **changes})
    chosen = ["%s" if column in changes else column for column in columns]
    values = [changes[column] for column in columns if column in changes]
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {TABLE} ({', '.join(columns)})"
            f" SELECT {', '.join(chosen)} FROM {TABLE} WHERE id = %s",
            [*values, subscription.pk],
        )


def moved(subscription: Subscription, **changes: Any) -> None:
    """Update the row, past all our code."""
    assignments = ", ".join(f"{column} = %s" for column in changes)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE {TABLE} SET {assignments} WHERE id = %s",
            [*adapted(changes).values(), subscription.pk],
        )


def refused(write: Any, *args: Any, **kwargs: Any) -> bool:
    """Whether the database refuses the write with our sentence."""
    try:
        write(*args, **kwargs)
    except IntegrityError as error:
        return "already has such a subscription" in str(error)
    return False


class TestDatabase:
    def test_has_every_trigger(self):
        assert triggers.missing(connection) == []

    def test_refuses_a_second_subscription(self):
        assert refused(copied, a_subscription())

    def test_refuses_a_second_trial(self):
        plan = a_published_plan(trial_length=14, trial_unit="DAY", trial_end="CANCEL_SUBSCRIPTION")

        assert refused(copied, a_subscription(plan=plan))

    def test_allows_a_trial_beside_a_subscription(self):
        subscription = a_subscription()

        assert not refused(
            copied,
            subscription,
            trial_ends_at=NOW + DAY,
            trial_end="CANCEL_SUBSCRIPTION",
            ends_at=NOW + DAY,
            end_reason="EXPIRED",
        )

    def test_allows_other_customers(self):
        subscription = a_subscription()

        assert not refused(copied, subscription, customer_id=a_customer().pk)

    def test_tells_resources_apart(self):
        customer = a_customer()
        plan = a_published_plan(product=a_product(multiple_subscriptions=True))
        berlin = a_subscription(customer, plan, resource_id="berlin")

        assert refused(copied, berlin)
        assert not refused(copied, berlin, resource_id=a_resource(customer, "paris").pk)

    @pytest.mark.parametrize(
        ("start", "end", "is_refused"),
        [
            (NOW - 5 * DAY, NOW, False),
            (NOW - 5 * DAY, NOW + DAY, True),
            (NOW + 9 * DAY, NOW + 10 * DAY, True),
            (NOW + 10 * DAY, NOW + 11 * DAY, False),
            (NOW + 10 * DAY, None, False),
            (NOW - 5 * DAY, None, True),
            (NOW + DAY, NOW + DAY, False),
        ],
    )
    def test_compares_stretches(self, start: datetime, end: datetime | None, is_refused: bool):
        """A stretch is [start, end); an empty one overlaps nothing."""
        subscription = a_subscription(ends_at=NOW + 10 * DAY)
        reason = "CANCELED" if end else ""

        assert (
            refused(copied, subscription, started_at=start, ends_at=end, end_reason=reason)
            is is_refused
        )

    def test_refuses_to_move_an_end_into_the_next_one(self):
        customer, plan = a_customer(), a_published_plan()
        first = a_subscription(customer, plan, ends_at=NOW + 5 * DAY)
        a_subscription(customer, plan, started_at=NOW + 5 * DAY)

        assert refused(moved, first, ends_at=NOW + 6 * DAY)
        assert refused(moved, first, ends_at=None, end_reason="")
        assert not refused(moved, first, ends_at=NOW + 4 * DAY)

    @pytest.mark.parametrize(
        "changes",
        [
            {"end_reason": "CANCELED"},
            {"ends_at": NOW + DAY},
            {"trial_ends_at": NOW + DAY},
            {"trial_ends_at": NOW - DAY, "trial_end": "CONVERT_TO_PAID"},
        ],
    )
    def test_refuses_halves_of_ends_and_trials(self, changes: dict[str, Any]):
        with pytest.raises(IntegrityError):
            moved(a_subscription(), **changes)
