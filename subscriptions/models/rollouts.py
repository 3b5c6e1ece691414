"""Rollouts: a published version on its way to the subscriptions that have an older one (R12)."""

from typing import Self

from django.db import models
from django.db.models import Q

from workspace.json import ExactEncoder
from workspace.models.runs import Run


class RolloutStatus(models.TextChoices):
    """How far a rollout is."""

    PENDING = "PENDING", "Pending"
    IN_PROGRESS = "IN_PROGRESS", "In progress"
    COMPLETED = "COMPLETED", "Completed"
    PARTIALLY_FAILED = "PARTIALLY_FAILED", "Partially failed"
    FAILED = "FAILED", "Failed"
    CANCELED = "CANCELED", "Canceled"


class RolloutKind(models.TextChoices):
    """Where a rollout comes from, and so whether prices move with it (R10)."""

    PUBLICATION = "PUBLICATION", "Publication for all customers"
    MIGRATION = "MIGRATION", "Migration to the latest version"


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


class RolloutRun(Run):
    """One publication for all customers, or one migration of many, and what became of it.

    The work of a publication is found by looking for subscriptions on older versions, that of a
    migration by looking for those without a result, so a run that is interrupted or doubled goes
    on where it was. `from_numbers` are the versions from which a migration moves; empty: from
    any. `total` is how many there were when it began; of the results, `moved` and `failed` are how
    many there are, `differing` how many were not what the review had shown, kept with every batch
    so that nobody counts them.
    """

    version = models.ForeignKey("catalog.PackageVersion", models.PROTECT, related_name="rollouts")
    kind = models.CharField(
        max_length=16, choices=RolloutKind, default=RolloutKind.PUBLICATION, editable=False
    )
    from_numbers = models.JSONField(default=list)
    at_period_end = models.BooleanField(default=False)
    total = models.PositiveIntegerField(default=0)
    moved = models.PositiveIntegerField(default=0, editable=False)
    failed = models.PositiveIntegerField(default=0, editable=False)
    differing = models.PositiveIntegerField(default=0, editable=False)
    package = models.ForeignKey("catalog.Package", models.PROTECT, related_name="rollouts")
    status = models.CharField(max_length=20, choices=RolloutStatus, default=RolloutStatus.PENDING)
    report = models.ForeignKey(
        "subscriptions.ImpactReport",
        models.SET_NULL,
        null=True,
        related_name="rollouts",
        help_text="What was reviewed before the publication.",
    )

    objects = RolloutQuerySet.as_manager()

    class Meta:
        verbose_name = "rollout"
        ordering = ["-created_at", "-pk"]
        default_permissions = ["view"]
        permissions = [
            ("cancel_rolloutrun", "Can cancel rollouts"),
            ("retry_rolloutrun", "Can try failed parts of rollouts again"),
            ("begin_rolloutrun", "Can preview publications and migrate many subscriptions"),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["version"],
                condition=Q(kind="PUBLICATION"),
                name="one_rollout_per_publication",
            ),
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
        if self.kind == RolloutKind.MIGRATION:
            return f"Migration to {self.version}"
        return f"Rollout of {self.version}"

    @property
    def activity_subject(self) -> tuple[str, str]:
        """Under which kind and id records remember it."""
        return ("rollout", str(self.pk))

    @property
    def left(self) -> int:
        """How many of those there were at first have no result; none, once it is over."""
        return max(self.total - self.moved - self.failed, 0) if self.finished_at is None else 0


class RolloutResult(models.Model):
    """What a rollout did to one subscription; a failure says why."""

    run = models.ForeignKey(RolloutRun, models.CASCADE, related_name="results")
    subscription = models.ForeignKey(
        "subscriptions.Subscription", models.CASCADE, related_name="rollout_results"
    )
    outcome = models.CharField(max_length=16, choices=RolloutOutcome)
    message = models.CharField(max_length=255, blank=True)
    granted = models.JSONField(
        default=dict, encoder=ExactEncoder, help_text="Credits granted at once, by credit type."
    )
    changed_since_review = models.BooleanField(
        default=False, help_text="It was not what the review had shown: handled by the rules."
    )
    created_at = models.DateTimeField()

    class Meta:
        ordering = ["pk"]
        default_permissions = ["view"]
        constraints = [
            models.UniqueConstraint(
                fields=["run", "subscription"], name="one_result_per_rollout_and_subscription"
            ),
        ]
        indexes = [
            models.Index(
                fields=["run", "outcome", "-changed_since_review", "id"],
                name="failures_of_rollouts_first",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.subscription}: {self.get_outcome_display()}"
