"""Pools: one balance per customer, credit type and resource (R42, R43)."""

from datetime import datetime
from typing import Self

from django.apps import apps
from django.db import models
from django.db.models import ExpressionWrapper, F, Q

from catalog.amounts import AmountField
from credits.book import GrantType, Stage


class PoolQuerySet(models.QuerySet["Pool"]):
    """Answers about pools."""

    def due(self, now: datetime) -> Self:
        """Those that time has changed and nobody has written down yet."""
        return self.filter(next_change_at__lte=now, set_aside_at=None)

    def overdrawn(self) -> Self:
        """Those that owe credits, as was written down last: they have an open overdraft (R36)."""
        overdrafts = apps.get_model("credits", "Grant").objects.filter(
            type=GrantType.OVERDRAFT.value, stage=Stage.OPEN.value
        )
        return self.filter(pk__in=overdrafts.values("pool"))

    def low(self) -> Self:
        """Those with at most a fifth of what was granted left, but no debt.

        By no index: one would have to be written with every consumption.
        """
        five_times = ExpressionWrapper(F("balance") * 5, output_field=AmountField())
        return self.filter(balance__gte=0, granted__gt=0, granted__gte=five_times)


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
            models.Index(
                fields=["-set_aside_at"],
                condition=Q(set_aside_at__isnull=False),
                name="pools_set_aside",
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
