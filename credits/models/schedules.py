"""Schedules: what each source gives a pool, and how much of it was given (R13, R27)."""

from django.db import models
from django.db.models import Q

from catalog.amounts import AmountField
from catalog.models import Cadence
from credits.book import Ending


class Schedule(models.Model):
    """One source of a subscription and what it gives one pool, from when until when.

    Everything known about the future stands here, so that a pool can be walked forward
    without asking anybody: later starts, changes, trial ends and cancellations are rows
    with later instants. `mark` is what was granted in the period [`period_starts_at`,
    `next_at`), `given_back` what changes voided of it (R27), and
    `used_elsewhere` what was used in that period in pools the subscription was moved from.
    `units` of the source give `amount` together; null where nobody noted them.

    What a scheduled update will do stands beside it and can be taken back: an earlier end in
    the `planned_…` columns, and rows that begin only by the update, marked `is_planned`.
    """

    pool = models.ForeignKey("credits.Pool", models.CASCADE, related_name="schedules")
    subscription = models.ForeignKey(
        "subscriptions.Subscription", models.PROTECT, related_name="schedules"
    )
    source = models.ForeignKey("catalog.Package", models.PROTECT, related_name="+", db_index=False)
    source_is_addon = models.BooleanField(default=False)
    name = models.CharField(max_length=255)
    amount = AmountField()
    units = AmountField(null=True)
    cadence = models.CharField(max_length=8, choices=Cadence)
    anchor_at = models.DateTimeField()
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField(null=True)
    ending = models.CharField(
        max_length=9, choices=[(ending.value, ending.value) for ending in Ending]
    )
    planned_end_at = models.DateTimeField(null=True)
    planned_ending = models.CharField(
        max_length=9, choices=[(ending.value, ending.value) for ending in Ending], blank=True
    )
    is_planned = models.BooleanField(default=False)
    is_override = models.BooleanField(default=False)
    is_granted = models.BooleanField(default=True)
    has_soft_limit = models.BooleanField(default=False)
    mark = AmountField(default=0)
    given_back = AmountField(default=0)
    used_elsewhere = AmountField(default=0)
    period_starts_at = models.DateTimeField(null=True)
    next_at = models.DateTimeField(null=True)
    ended = models.BooleanField(default=False)

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["subscription", "source", "pool"],
                condition=Q(ends_at=None, planned_end_at=None, is_planned=False),
                name="one_lasting_schedule_per_source",
            ),
            models.CheckConstraint(
                condition=Q(ends_at=None) | Q(ends_at__gte=models.F("starts_at")),
                name="a_schedule_ends_after_its_start",
            ),
            models.CheckConstraint(
                condition=Q(given_back__gte=0, mark__gte=models.F("given_back")),
                name="no_more_is_given_back_than_granted",
            ),
            models.CheckConstraint(
                condition=Q(planned_end_at=None, planned_ending="")
                | (Q(planned_end_at__isnull=False) & ~Q(planned_ending="")),
                name="a_planned_end_has_a_way_to_end",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name}: {self.amount} / {self.cadence}"
