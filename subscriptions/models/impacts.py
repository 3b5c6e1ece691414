"""What a publication would do to every subscription, worked out before it is made (R9, R14)."""

from typing import Self

from django.db import models

from catalog.amounts import AmountField
from workspace.json import ExactEncoder


class ImpactStatus(models.TextChoices):
    """How far a report is."""

    PENDING = "PENDING", "Pending"
    IN_PROGRESS = "IN_PROGRESS", "In progress"
    COMPLETED = "COMPLETED", "Completed"


class ImpactOutcome(models.TextChoices):
    """What a publication means for one subscription: what happens first, counts."""

    GAINS_NOW = "GAINS_NOW", "Gains now"
    GAINS_AT_RESET = "GAINS_AT_RESET", "Gains at reset"
    LOSES_AT_RESET = "LOSES_AT_RESET", "Loses at reset"
    CHANGES_AT_RESET = "CHANGES_AT_RESET", "Other cadence at reset"
    UNCHANGED = "UNCHANGED", "Unchanged"


class ImpactReportQuerySet(models.QuerySet["ImpactReport"]):
    """Answers about reports."""

    def unfinished(self) -> Self:
        """Those that still have subscriptions to look at."""
        return self.exclude(status=ImpactStatus.COMPLETED)


class ImpactReport(models.Model):
    """The impact of publishing one state of a draft for all customers, as of `computed_at`.

    `revision` and `base_version_id` say which state. `cursor` is the last subscription looked
    at, in the order of their keys; `granted` what would be granted at once, by credit type, in
    digits. A report is only a memory: whatever changed since, the rollout handles by the rules.
    """

    version = models.ForeignKey("catalog.PackageVersion", models.CASCADE, related_name="reports")
    revision = models.PositiveIntegerField()
    base_version_id = models.BigIntegerField(null=True)
    status = models.CharField(max_length=16, choices=ImpactStatus, default=ImpactStatus.PENDING)
    total = models.PositiveIntegerField()
    done = models.PositiveIntegerField(default=0)
    customers = models.PositiveIntegerField(default=0)
    cursor = models.BigIntegerField(default=0)
    granted = models.JSONField(default=dict)
    actor_name = models.CharField(max_length=255)
    computed_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)

    objects = ImpactReportQuerySet.as_manager()

    class Meta:
        verbose_name = "impact preview"
        ordering = ["-computed_at", "-pk"]
        default_permissions = ["view"]

    def __str__(self) -> str:
        return f"Impact of {self.version}"


class ImpactRow(models.Model):
    """What a publication would do to one subscription.

    `granted` is the largest amount of one credit type that it would get at once, `lost` the
    largest that it would lose per year from the next reset on: they order the top movers.
    `effects` has a line per credit type.
    """

    report = models.ForeignKey(ImpactReport, models.CASCADE, related_name="rows")
    subscription = models.ForeignKey("subscriptions.Subscription", models.CASCADE, related_name="+")
    outcome = models.CharField(max_length=16, choices=ImpactOutcome)
    granted = AmountField(default=0)
    lost = AmountField(default=0)
    effects = models.JSONField(default=list, encoder=ExactEncoder)

    class Meta:
        ordering = ["pk"]
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(
                fields=["report", "subscription"], name="one_row_per_report_and_subscription"
            ),
        ]
        indexes = [
            models.Index(fields=["report", "outcome", "id"], name="impact_by_outcome"),
            models.Index(fields=["report", "-granted"], name="impact_by_granted"),
            models.Index(fields=["report", "-lost"], name="impact_by_lost"),
        ]

    def __str__(self) -> str:
        return f"{self.subscription_id}: {self.outcome}"
