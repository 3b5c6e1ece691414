"""The database refuses two subscriptions where there may be one (R4).

The condition takes no lock of its own: whoever starts or extends a subscription locks the
customer's row first, so writers for one customer come one after the other.
"""

from workspace.triggers import Trigger

TABLE = "subscriptions_subscription"
MESSAGE = "This customer already has such a subscription to the product at that time."


def _overlap(start: str, end: str, exists: str) -> str:
    """SQL: another row of the same customer, product and resource overlaps [start, end)."""
    new = {"start": start.format(row="NEW"), "end": end.format(row="NEW")}
    old = {"start": start.format(row="other"), "end": end.format(row="other")}
    return f"""({exists.format(row="NEW")})
        AND ({new["end"]} IS NULL OR {new["start"]} < {new["end"]})
        AND EXISTS (
            SELECT 1 FROM {TABLE} AS other
            WHERE other.customer_id = NEW.customer_id
              AND other.product_id = NEW.product_id
              AND COALESCE(other.resource_id, 0) = COALESCE(NEW.resource_id, 0)
              AND other.id <> COALESCE(NEW.id, 0)
              AND ({exists.format(row="other")})
              AND ({old["end"]} IS NULL OR {old["start"]} < {old["end"]})
              AND ({old["end"]} IS NULL OR {new["start"]} < {old["end"]})
              AND ({new["end"]} IS NULL OR {old["start"]} < {new["end"]})
        )"""


REGULAR = _overlap(
    "COALESCE({row}.trial_ends_at, {row}.started_at)",
    "{row}.ends_at",
    "{row}.trial_ends_at IS NULL OR {row}.trial_end = 'CONVERT_TO_PAID'",
)
TRIAL = _overlap(
    "{row}.started_at",
    "CASE WHEN {row}.ends_at < {row}.trial_ends_at THEN {row}.ends_at ELSE {row}.trial_ends_at END",
    "{row}.trial_ends_at IS NOT NULL",
)

TRIGGERS = [
    Trigger("one_subscription_at_a_time_on_insert", TABLE, "INSERT", MESSAGE, REGULAR),
    Trigger("one_subscription_at_a_time_on_update", TABLE, "UPDATE", MESSAGE, REGULAR),
    Trigger("one_trial_at_a_time_on_insert", TABLE, "INSERT", MESSAGE, TRIAL),
    Trigger("one_trial_at_a_time_on_update", TABLE, "UPDATE", MESSAGE, TRIAL),
]
