"""Use of metered features: events as they came, and what they measured (R7, R39, R40)."""

from django.db import models
from django.db.models import Q

from catalog.amounts import AmountField


class UsageEvent(models.Model):
    """One event that an application reported. Never changed or deleted.

    The same timestamp, customer, resource, name and key are the same event (R40).
    `given_timestamp` is the timestamp as it was sent, empty if it was left out, so a
    repeat without one is recognised although each arrival has its own `occurred_at`.
    """

    customer = models.ForeignKey(
        "subscriptions.Customer", models.PROTECT, related_name="+", db_index=False
    )
    resource = models.ForeignKey(
        "subscriptions.Resource", models.PROTECT, null=True, related_name="+", db_index=False
    )
    name = models.CharField(max_length=255)
    key = models.CharField(max_length=255)
    given_timestamp = models.CharField(max_length=32, blank=True)
    occurred_at = models.DateTimeField()
    dimensions = models.JSONField(default=dict)
    recorded_at = models.DateTimeField()
    fingerprint = models.CharField(max_length=64, blank=True)

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["customer", "key", "name", "given_timestamp"],
                condition=Q(resource=None),
                name="one_global_event_per_key",
            ),
            models.UniqueConstraint(
                fields=["customer", "key", "name", "given_timestamp", "resource"],
                condition=Q(resource__isnull=False),
                name="one_event_per_key_and_resource",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.key})"


class UsageRecord(models.Model):
    """How much of a feature one event or report used: what aggregations are made from.

    `value` is the number that is summed or compared; `text` the value that UNIQUE counts.
    `sets_total` marks a report that set the total instead of adding to it (R39).
    """

    customer = models.ForeignKey(
        "subscriptions.Customer", models.PROTECT, related_name="+", db_index=False
    )
    resource = models.ForeignKey(
        "subscriptions.Resource", models.PROTECT, null=True, related_name="+", db_index=False
    )
    feature = models.ForeignKey("catalog.Feature", models.PROTECT, related_name="+", db_index=False)
    event = models.ForeignKey(UsageEvent, models.PROTECT, null=True, related_name="records")
    key = models.CharField(max_length=255, blank=True)
    value = AmountField(default=0)
    text = models.CharField(max_length=255, blank=True)
    sets_total = models.BooleanField(default=False)
    occurred_at = models.DateTimeField()
    recorded_at = models.DateTimeField()

    class Meta:
        ordering = ["pk"]
        indexes = [
            models.Index(fields=["customer", "feature", "occurred_at"], name="use_of_a_feature"),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["customer", "feature", "key"],
                condition=~Q(key="") & Q(resource=None),
                name="one_global_report_per_key",
            ),
            models.UniqueConstraint(
                fields=["customer", "feature", "resource", "key"],
                condition=~Q(key="") & Q(resource__isnull=False),
                name="one_report_per_key_and_resource",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.value} of {self.feature_id}"
