"""What the database refuses whatever our code says: the ledger only grows, gaplessly.

A balance is what the last entry of its pool left, so it is written after its entries.
"""

from workspace import triggers
from workspace.triggers import Trigger

LEDGER = "credits_ledgerentry"
GRANTS = "credits_grant"
POOLS = "credits_pool"

AMOUNTS = {
    POOLS: ["balance", "granted", "consumed"],
    GRANTS: ["amount", "consumed", "cost_amount", "mark_before", "period_amount", "units"],
    LEDGER: ["amount", "balance_before", "balance_after"],
    "credits_consumption": ["amount", "units"],
    "credits_schedule": ["amount", "units", "mark", "given_back", "used_elsewhere"],
}
"""Columns that hold millionths, of a credit and of what it was given or taken for."""


def _whole_amounts(table: str, operation: triggers.Operation) -> Trigger:
    """SQLite would store half a millionth, and what does not fit into 64 bits as a double."""
    wrong = [f"typeof(NEW.{column}) NOT IN ('integer', 'null')" for column in AMOUNTS[table]]
    return Trigger(
        f"amounts_of_{table}_are_whole_on_{operation.lower()}",
        table,
        operation,
        "An amount is a whole number of millionths.",
        {"sqlite": " OR ".join(wrong)},
    )


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
        "a_pool_holds_what_its_ledger_says",
        POOLS,
        "UPDATE",
        "A pool holds what its last entry left.",
        f"""(NEW.balance <> OLD.balance OR NEW.last_entry_number <> OLD.last_entry_number)
        AND NOT (
            NEW.last_entry_number >= OLD.last_entry_number
            AND EXISTS (
                SELECT 1 FROM {LEDGER} AS last
                WHERE last.pool_id = NEW.id
                  AND last.number = NEW.last_entry_number
                  AND last.balance_after = NEW.balance
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
    *(_whole_amounts(table, "INSERT") for table in AMOUNTS),
    *(_whole_amounts(table, "UPDATE") for table in AMOUNTS),
)
