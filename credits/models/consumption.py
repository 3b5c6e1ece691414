"""Consumption: what was asked of a pool, once per key (R39, R40)."""

from django.db import models
from django.db.models import Q

from catalog.amounts import AmountField
from workspace.actors import ActorKind


class ConsumptionKind(models.TextChoices):
    """How the use was reported."""

    DIRECT = "DIRECT", "Direct"
    EVENT = "EVENT", "Event"
    USAGE = "USAGE", "Usage report"


class Consumption(models.Model):
    """One demand on a pool: an amount, a key that makes it happen once, and what for.

    `key` is the caller's for direct consumption; for an event or a usage report it names
    what was reported. `used_at` is when the use happened, `recorded_at` when it was
    processed (R38). `mapping` is the rule that made a cost of `units`, by rate or by a
    formula over `dimensions` (R33, R34); both are empty where an amount was demanded.
    Never changed or deleted.
    """

    pool = models.ForeignKey("credits.Pool", models.PROTECT, related_name="+", db_index=False)
    kind = models.CharField(max_length=8, choices=ConsumptionKind)
    key = models.CharField(max_length=255)
    amount = AmountField()
    fingerprint = models.CharField(max_length=64, blank=True)
    feature = models.ForeignKey(
        "catalog.Feature", models.PROTECT, null=True, related_name="+", db_index=False
    )
    event = models.ForeignKey(
        "credits.UsageEvent", models.PROTECT, null=True, related_name="+", db_index=False
    )
    mapping = models.ForeignKey(
        "catalog.ConsumptionMapping", models.PROTECT, null=True, related_name="+", db_index=False
    )
    units = AmountField(null=True)
    dimensions = models.JSONField(default=dict)
    flags = models.JSONField(default=list)
    used_at = models.DateTimeField()
    recorded_at = models.DateTimeField()
    actor_kind = models.CharField(max_length=8, choices=ActorKind)
    actor = models.CharField(max_length=255)
    reason = models.CharField(max_length=200, blank=True)
    trace_id = models.CharField(max_length=32, blank=True)

    class Meta:
        ordering = ["pk"]
        indexes = [models.Index(fields=["pool", "used_at"], name="use_of_a_pool")]
        constraints = [
            models.UniqueConstraint(fields=["pool", "kind", "key"], name="one_consumption_per_key"),
            models.CheckConstraint(condition=Q(amount__gte=0), name="consumed_is_not_negative"),
        ]

    def __str__(self) -> str:
        return f"{self.amount} ({self.key})"
