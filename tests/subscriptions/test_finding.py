from datetime import UTC, datetime, timedelta

from catalog.models import BillingPeriod
from subscriptions import finding
from subscriptions.models import Subscription

START = datetime(2026, 1, 31, 10, tzinfo=UTC)
DAY = timedelta(days=1)


def a_row(**fields) -> Subscription:
    """A subscription on paper."""
    defaults = {
        "started_at": START,
        "billing_cycle_anchor": START,
        "billing_period": BillingPeriod.MONTHLY,
    }
    return Subscription(**(defaults | fields))


class TestBillingPeriodAt:
    def test_counts_from_the_anchor(self):
        """R19."""
        period = finding.billing_period_at(a_row(), datetime(2026, 3, 1, tzinfo=UTC))

        assert period == (
            datetime(2026, 2, 28, 10, tzinfo=UTC),
            datetime(2026, 3, 31, 10, tzinfo=UTC),
        )

    def test_is_the_trial_during_a_trial(self):
        """R25."""
        row = a_row(trial_ends_at=START + 14 * DAY, billing_cycle_anchor=START + 14 * DAY)

        assert finding.billing_period_at(row, START) == (START, START + 14 * DAY)
        start, _ = finding.billing_period_at(row, START + 14 * DAY)
        assert start == START + 14 * DAY

    def test_is_the_first_one_before_the_start(self):
        start, _ = finding.billing_period_at(a_row(), START - 90 * DAY)

        assert start == START
