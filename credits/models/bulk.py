"""Bulk changes: one thing that is done to many customers, row by row."""

from typing import Self

from django.db import models
from django.db.models import Q

from catalog.amounts import AmountField
from workspace.json import ExactEncoder
from workspace.models.runs import Run


class BulkKind(models.TextChoices):
    """What is done to each."""

    GRANT = "GRANT", "Grant credits"
    VOID = "VOID", "Revoke grants"
    EXTEND = "EXTEND", "Extend grants"
    ADDON = "ADDON", "Change an add-on"
    MIGRATE = "MIGRATE", "Migrate to latest"


class BulkStatus(models.TextChoices):
    """How far a bulk change is. Nothing is changed before somebody has seen the dry run."""

    DRY_RUN = "DRY_RUN", "Dry run"
    READY = "READY", "Ready"
    IN_PROGRESS = "IN_PROGRESS", "In progress"
    COMPLETED = "COMPLETED", "Completed"
    PARTIALLY_FAILED = "PARTIALLY_FAILED", "Partially failed"
    FAILED = "FAILED", "Failed"
    CANCELED = "CANCELED", "Canceled"
    UNDOING = "UNDOING", "Being undone"
    UNDONE = "UNDONE", "Undone"


WORKING = [BulkStatus.DRY_RUN, BulkStatus.IN_PROGRESS, BulkStatus.UNDOING]
UNFINISHED = [*WORKING, BulkStatus.READY]


class BulkOutcome(models.TextChoices):
    """What came of one row."""

    WAITING = "WAITING", "Not looked at yet"
    PLANNED = "PLANNED", "Ready"
    SKIPPED = "SKIPPED", "Left out"
    SUCCEEDED = "SUCCEEDED", "Done"
    FAILED = "FAILED", "Failed"
    UNDONE = "UNDONE", "Undone"
    KEPT = "KEPT", "Not reversible"


class BulkRunQuerySet(models.QuerySet["BulkRun"]):
    """Answers about bulk changes."""

    def working(self) -> Self:
        """Those that have rows to work on, and are not paused."""
        return self.filter(status__in=WORKING, paused_at=None)


class BulkRun(Run):
    """One change of many customers, what was seen before it, and what became of it.

    `terms` says what exactly is done, `chosen` in words to whom. Rows are stored when it
    begins, so nobody joins or leaves them later. It acts for whoever said so last: who looks,
    carries it out, or undoes it.
    """

    kind = models.CharField(max_length=16, choices=BulkKind)
    terms = models.JSONField(encoder=ExactEncoder)
    reason = models.CharField(max_length=200)
    chosen = models.CharField(max_length=255)
    status = models.CharField(max_length=20, choices=BulkStatus, default=BulkStatus.DRY_RUN)
    paused_at = models.DateTimeField(null=True)
    reviewed_at = models.DateTimeField(null=True, help_text="When the dry run was finished.")

    objects = BulkRunQuerySet.as_manager()

    class Meta:
        verbose_name = "bulk change"
        ordering = ["-created_at", "-pk"]
        default_permissions = ["view"]
        indexes = [
            models.Index(
                fields=["id"], condition=Q(status__in=WORKING), name="working_bulk_changes"
            ),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(status__in=UNFINISHED, finished_at=None)
                | (~Q(status__in=UNFINISHED) & Q(finished_at__isnull=False)),
                name="a_bulk_change_has_a_status_or_an_end",
            ),
            models.CheckConstraint(
                condition=Q(paused_at=None) | Q(status__in=WORKING),
                name="only_work_is_paused",
            ),
        ]

    def __str__(self) -> str:
        return f"{BulkKind(self.kind).label}: {self.reason}"

    @property
    def activity_subject(self) -> tuple[str, str]:
        """Under which kind and id records remember it."""
        return ("bulk_change", str(self.pk))


class BulkRow(models.Model):
    """One thing that a bulk change does to one customer, and what came of it.

    `place` counts the customers that were chosen, `turn` what is done to one of them; `line`
    is where they stood in a list, `resource` whose pool is meant, if not their own. The dry run
    finds the `grant` or `subscription` that is meant, says `what` would be done and `planned`,
    the balances before and after by credit type; `done` says the same of what happened. `before`
    is what undoing needs to know.
    """

    run = models.ForeignKey(BulkRun, models.CASCADE, related_name="rows", db_index=False)
    place = models.PositiveIntegerField()
    turn = models.PositiveIntegerField(default=1)
    line = models.PositiveIntegerField(null=True)
    customer = models.ForeignKey("subscriptions.Customer", models.CASCADE, related_name="+")
    subscription = models.ForeignKey(
        "subscriptions.Subscription", models.CASCADE, null=True, related_name="+", db_index=False
    )
    grant = models.ForeignKey(
        "credits.Grant", models.CASCADE, null=True, related_name="+", db_index=False
    )
    resource = models.ForeignKey(
        "subscriptions.Resource", models.CASCADE, null=True, related_name="+", db_index=False
    )
    amount = AmountField(null=True)
    outcome = models.CharField(max_length=16, choices=BulkOutcome, default=BulkOutcome.WAITING)
    what = models.CharField(max_length=255, blank=True)
    message = models.CharField(max_length=255, blank=True)
    planned = models.JSONField(default=list, encoder=ExactEncoder)
    done = models.JSONField(default=list, encoder=ExactEncoder)
    before = models.JSONField(default=dict, encoder=ExactEncoder)
    changed_since_review = models.BooleanField(default=False)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["place", "turn"]
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(
                fields=["run", "place", "turn"], name="one_bulk_row_per_place_and_turn"
            ),
        ]
        indexes = [models.Index(fields=["run", "outcome", "id"], name="bulk_rows_by_outcome")]

    def __str__(self) -> str:
        return f"{self.place}: {self.outcome}"
