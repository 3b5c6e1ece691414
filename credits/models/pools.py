"""Pools: one balance per customer, credit type and resource (R42, R43)."""

from datetime import datetime
from typing import Self

from django.db import models
from django.db.models import F, Q

from catalog.amounts import AmountField


class PoolQuerySet(models.QuerySet["Pool"]):
    """Answers about pools."""

    def due(self, now: datetime) -> Self:
        """Those that time has changed and nobody has written down yet."""
        return self.filter(next_change_at__lte=now, set_aside_at=None)


class Pool(models.Model):
    """The credits of one type that a customer, or one resource of it, may spend.

    The row is brought up to now before anything is decided (`credits.pools.lock`), and is
    right by itself while `now < next_change_at`. Totals are those of the active grants;
    `consumed` holds the overdraft too, so `granted - consumed = balance`. The limit and
    reset columns say what the schedules in force say (R44, R45).
    """

    customer = models.ForeignKey(
        "subscriptions.Customer", models.PROTECT, related_name="pools", db_index=False
    )
    credit_type = models.ForeignKey("catalog.CreditType", models.PROTECT, related_name="pools")
    resource = models.ForeignKey(
        "subscriptions.Resource", models.PROTECT, null=True, related_name="pools"
    )
    balance = AmountField(default=0)
    granted = AmountField(default=0)
    consumed = AmountField(default=0)
    last_entry_number = models.BigIntegerField(default=0)
    as_of = models.DateTimeField(null=True)
    next_change_at = models.DateTimeField(null=True)
    next_reset_at = models.DateTimeField(null=True)
    is_entitled = models.BooleanField(default=False)
    has_soft_limit = models.BooleanField(default=False)
    is_revoked = models.BooleanField(default=False)
    set_aside_at = models.DateTimeField(null=True)
    set_aside_because = models.TextField(blank=True)
    created_at = models.DateTimeField()

    objects = PoolQuerySet.as_manager()

    class Meta:
        ordering = ["pk"]
        indexes = [
            models.Index(
                fields=["next_change_at"],
                condition=Q(next_change_at__isnull=False),
                name="pools_by_next_change",
            ),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["customer", "credit_type"],
                condition=Q(resource=None),
                name="one_global_pool_per_customer_and_credit_type",
            ),
            # Without a condition, though global pools mean nothing to it: a lookup that knows
            # customer and credit type, but not whether there is a resource, needs a whole index.
            models.UniqueConstraint(
                fields=["customer", "credit_type", "resource"],
                name="one_pool_per_customer_credit_type_and_resource",
            ),
            models.CheckConstraint(
                condition=Q(balance=F("granted") - F("consumed")),
                name="balance_is_granted_minus_consumed",
            ),
            models.CheckConstraint(condition=Q(granted__gte=0), name="granted_is_not_negative"),
        ]

    def __str__(self) -> str:
        return f"pool {self.pk}"
