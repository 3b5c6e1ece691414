"""Rollouts: a published version on its way to the subscriptions that have an older one (R12)."""

from typing import Self

from django.db import models
from django.db.models import Q


class RolloutStatus(models.TextChoices):
    """How far a rollout is."""

    PENDING = "PENDING", "Pending"
    IN_PROGRESS = "IN_PROGRESS", "In progress"
    COMPLETED = "COMPLETED", "Completed"
    PARTIALLY_FAILED = "PARTIALLY_FAILED", "Partially failed"
    FAILED = "FAILED", "Failed"
    CANCELED = "CANCELED", "Canceled"


UNFINISHED = [RolloutStatus.PENDING, RolloutStatus.IN_PROGRESS]


class RolloutOutcome(models.TextChoices):
    """What came of one subscription."""

    SUCCEEDED = "SUCCEEDED", "Succeeded"
    FAILED = "FAILED", "Failed"


class RolloutQuerySet(models.QuerySet["RolloutRun"]):
    """Answers about rollouts."""

    def unfinished(self) -> Self:
        """Those that still have to look for subscriptions."""
        return self.filter(status__in=UNFINISHED)


class RolloutRun(models.Model):
    """One publication for all customers, and what became of it.

    Written by the publication itself; the work is found by looking for subscriptions on
    older versions, so a run that is interrupted or doubled goes on where it was.
    """

    version = models.OneToOneField("catalog.PackageVersion", models.PROTECT, related_name="rollout")
    package = models.ForeignKey("catalog.Package", models.PROTECT, related_name="rollouts")
    status = models.CharField(max_length=20, choices=RolloutStatus, default=RolloutStatus.PENDING)
    actor_kind = models.CharField(max_length=16)
    actor_id = models.CharField(max_length=255)
    actor_name = models.CharField(max_length=255)
    created_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)

    objects = RolloutQuerySet.as_manager()

    class Meta:
        verbose_name = "rollout"
        ordering = ["-created_at", "-pk"]
        default_permissions = ["view"]
        permissions = [("cancel_rolloutrun", "Can cancel rollouts")]
        constraints = [
            models.UniqueConstraint(
                fields=["package"],
                condition=Q(status__in=UNFINISHED),
                name="one_unfinished_rollout_per_package",
            ),
            models.CheckConstraint(
                condition=Q(status__in=UNFINISHED, finished_at=None)
                | (~Q(status__in=UNFINISHED) & Q(finished_at__isnull=False)),
                name="a_rollout_has_a_status_or_an_end",
            ),
        ]

    def __str__(self) -> str:
        return f"Rollout of {self.version}"

    @property
    def activity_subject(self) -> tuple[str, str]:
        """Under which kind and id records remember it."""
        return ("rollout", str(self.pk))


class RolloutResult(models.Model):
    """What a rollout did to one subscription; a failure says why."""

    run = models.ForeignKey(RolloutRun, models.CASCADE, related_name="results")
    subscription = models.ForeignKey(
        "subscriptions.Subscription", models.CASCADE, related_name="rollout_results"
    )
    outcome = models.CharField(max_length=16, choices=RolloutOutcome)
    message = models.CharField(max_length=255, blank=True)
    created_at = models.DateTimeField()

    class Meta:
        ordering = ["pk"]
        default_permissions = ["view"]
        constraints = [
            models.UniqueConstraint(
                fields=["run", "subscription"], name="one_result_per_rollout_and_subscription"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.subscription}: {self.get_outcome_display()}"
