"""Imports: subscriptions of another system on their way into this one, row by row."""

from typing import Self

from django.db import models
from django.db.models import Q

from workspace.ids import PublicIdField
from workspace.json import ExactEncoder
from workspace.models.runs import Run


class ImportOutcome(models.TextChoices):
    """What came of one row."""

    PENDING = "PENDING", "Waiting"
    SUCCEEDED = "SUCCEEDED", "Imported"
    KNOWN = "KNOWN", "Was there already"
    FAILED = "FAILED", "Failed"


class ImportQuerySet(models.QuerySet["SubscriptionImport"]):
    """Answers about imports."""

    def unfinished(self) -> Self:
        """Those with rows that nobody has tried yet."""
        return self.filter(finished_at=None)


class SubscriptionImport(Run):
    """Many subscriptions that were handed in at once; the worker starts one after the other."""

    public_id = PublicIdField("ID", unique=True)

    objects = ImportQuerySet.as_manager()

    class Meta:
        verbose_name = "import"
        ordering = ["-created_at", "-pk"]
        default_permissions = ["view"]
        indexes = [
            models.Index(fields=["id"], condition=Q(finished_at=None), name="unfinished_imports")
        ]

    def __str__(self) -> str:
        return self.public_id


class SubscriptionImportRow(models.Model):
    """One subscription of an import: what was said about it, and what came of it."""

    run = models.ForeignKey(SubscriptionImport, models.CASCADE, related_name="rows")
    place = models.PositiveIntegerField()
    subscription_id = models.CharField(max_length=255)
    order = models.JSONField(encoder=ExactEncoder)
    outcome = models.CharField(max_length=16, choices=ImportOutcome, default=ImportOutcome.PENDING)
    message = models.CharField(max_length=255, blank=True)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["place"]
        default_permissions = ["view"]
        constraints = [
            models.UniqueConstraint(fields=["run", "place"], name="one_import_row_per_place"),
            models.CheckConstraint(
                condition=Q(outcome=ImportOutcome.PENDING, finished_at=None)
                | (~Q(outcome=ImportOutcome.PENDING) & Q(finished_at__isnull=False)),
                name="an_import_row_waits_or_is_finished",
            ),
        ]

    def __str__(self) -> str:
        return self.subscription_id
