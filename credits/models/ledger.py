"""The ledger: every change of every pool, for ever (R52)."""

from django.db import models
from django.db.models import F, Q

from catalog.amounts import AmountField
from credits.book import EntryType
from workspace.actors import ActorKind


class LedgerEntry(models.Model):
    """One change of a pool: signed amount, balance before and after, and by whom.

    Entries of a pool are numbered without gaps and chained: each begins with the balance
    the one before ended with. `effective_at` is when it changed the pool, `recorded_at`
    when it was written (R38). Never changed or deleted; only `credits.ledger` adds.
    """

    pool = models.ForeignKey("credits.Pool", models.PROTECT, related_name="+", db_index=False)
    number = models.BigIntegerField()
    type = models.CharField(max_length=40, choices=[(kind.value, kind.value) for kind in EntryType])
    amount = AmountField()
    balance_before = AmountField()
    balance_after = AmountField()
    grant = models.ForeignKey("credits.Grant", models.PROTECT, related_name="+", db_index=False)
    consumption = models.ForeignKey(
        "credits.Consumption", models.PROTECT, null=True, related_name="entries", db_index=False
    )
    effective_at = models.DateTimeField()
    recorded_at = models.DateTimeField()
    actor_kind = models.CharField(max_length=8, choices=ActorKind)
    actor = models.CharField(max_length=255)
    reason = models.CharField(max_length=200, blank=True)

    class Meta:
        ordering = ["pool_id", "number"]
        verbose_name_plural = "ledger entries"
        constraints = [
            models.UniqueConstraint(fields=["pool", "number"], name="one_entry_per_number"),
            models.CheckConstraint(
                condition=Q(balance_after=F("balance_before") + F("amount")),
                name="an_entry_adds_up",
            ),
            models.CheckConstraint(
                condition=~Q(amount=0) | Q(type=EntryType.UPDATED.value),
                name="only_updates_move_nothing",
            ),
            models.CheckConstraint(condition=Q(number__gte=1), name="entries_count_from_one"),
        ]

    def __str__(self) -> str:
        return f"entry {self.number}"
