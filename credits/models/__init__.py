"""The nouns of credits: pools, schedules, grants, the ledger, consumption, use, bulk changes."""

from credits.models.bulk import BulkKind, BulkOutcome, BulkRow, BulkRun, BulkStatus
from credits.models.consumption import Consumption, ConsumptionKind
from credits.models.grants import Grant, GrantSource, GrantStatus
from credits.models.ledger import ChapterSum, DimensionSum, LedgerEntry
from credits.models.pools import Pool
from credits.models.schedules import Schedule
from credits.models.usage import UsageEvent, UsageRecord

__all__ = [
    "BulkKind",
    "BulkOutcome",
    "BulkRow",
    "BulkRun",
    "BulkStatus",
    "ChapterSum",
    "Consumption",
    "ConsumptionKind",
    "DimensionSum",
    "Grant",
    "GrantSource",
    "GrantStatus",
    "LedgerEntry",
    "Pool",
    "Schedule",
    "UsageEvent",
    "UsageRecord",
]
