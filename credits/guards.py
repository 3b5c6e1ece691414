"""What the database refuses whatever our code says: the ledger only grows, gaplessly."""

from workspace import triggers
from workspace.triggers import Trigger

LEDGER = "credits_ledgerentry"
GRANTS = "credits_grant"

triggers.register(
    *triggers.append_only(LEDGER, "The ledger is never changed: post a further entry."),
    *triggers.append_only("credits_consumption", "Consumption is never changed."),
    *triggers.append_only("credits_usageevent", "Events are never changed."),
    Trigger(
        "ledger_entries_are_chained",
        LEDGER,
        "INSERT",
        "An entry follows the one before it: next number, its balance, no earlier time.",
        f"""NOT (
            (NEW.number = 1 AND NEW.balance_before = 0)
            OR EXISTS (
                SELECT 1 FROM {LEDGER} AS previous
                WHERE previous.pool_id = NEW.pool_id
                  AND previous.number = NEW.number - 1
                  AND previous.balance_after = NEW.balance_before
                  AND previous.effective_at <= NEW.effective_at
            )
        )""",
    ),
    Trigger(
        "recurring_periods_never_overlap",
        GRANTS,
        "INSERT",
        "This source has granted for a period that overlaps this one.",
        f"""NEW.type = 'RECURRING' AND EXISTS (
            SELECT 1 FROM {GRANTS} AS other
            WHERE other.pool_id = NEW.pool_id
              AND other.type = 'RECURRING'
              AND other.subscription_id = NEW.subscription_id
              AND other.source_id = NEW.source_id
              AND (other.period_starts_at <> NEW.period_starts_at
                   OR other.period_ends_at <> NEW.period_ends_at)
              AND other.effective_at < NEW.expires_at
              AND other.expires_at > NEW.effective_at
              AND other.voided_at IS NULL
              AND other.stage <> 'CLOSED'
        )""",
    ),
    Trigger(
        "grants_are_never_deleted",
        GRANTS,
        "DELETE",
        "A grant is voided, never deleted.",
    ),
)
