"""Promotional entitlements: features given to one customer outside any plan."""

from collections.abc import Iterable
from datetime import datetime
from functools import reduce
from operator import or_
from typing import Self

from django.db import models
from django.db.models import F, Q

from catalog.models import FeatureEntitlement, ResetPeriod
from workspace.ids import PublicIdField


class PromotionPeriod(models.TextChoices):
    """For how long a feature is given, in the words of the contract."""

    WEEK = "1 week", "1 week"
    MONTH = "1 month", "1 month"
    HALF_YEAR = "6 month", "6 months"
    YEAR = "1 year", "1 year"
    LIFETIME = "lifetime", "For good"
    CUSTOM = "custom", "Until a date"


class PromotionStatus(models.TextChoices):
    """Where a promotional entitlement stands; nothing of ours pauses one."""

    ACTIVE = "Active", "Active"
    EXPIRED = "Expired", "Expired"
    PAUSED = "Paused", "Paused"


class PromotionalEntitlementQuerySet(models.QuerySet["PromotionalEntitlement"]):
    """Answers about promotional entitlements; mirrors `status_at`."""

    def in_force(self, now: datetime) -> Self:
        """Those that give something at `now`."""
        return self.filter(Q(ends_at=None) | Q(ends_at__gt=now), starts_at__lte=now)

    def with_any_status(self, statuses: Iterable[str], now: datetime) -> Self:
        """Those of which `status_at(now)` would say one of `statuses`."""
        expired = Q(ends_at__lte=now)
        nobody = Q(pk__in=[])
        conditions = {
            PromotionStatus.ACTIVE: Q(ends_at=None) | Q(ends_at__gt=now),
            PromotionStatus.EXPIRED: expired,
            PromotionStatus.PAUSED: nobody,
        }
        return self.filter(
            reduce(or_, (conditions[PromotionStatus(status)] for status in statuses), nobody)
        )


class PromotionalEntitlement(models.Model):
    """A feature that one customer has beside what they bought, from an instant to another.

    What it is at an instant follows from `ends_at` alone. Revoking one, or giving the feature
    anew, moves its end; a customer never has two of one feature at a time, because whoever
    gives or revokes locks the customer first.
    """

    public_id = PublicIdField("ID", unique=True)
    customer = models.ForeignKey("subscriptions.Customer", models.PROTECT, related_name="+")
    feature = models.ForeignKey("catalog.Feature", models.PROTECT, related_name="+")
    period = models.CharField(max_length=16, choices=PromotionPeriod)
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField(null=True, blank=True)
    usage_limit = models.BigIntegerField(null=True, blank=True)
    has_unlimited_usage = models.BooleanField("unlimited", default=False)
    has_soft_limit = models.BooleanField("soft limit", default=False)
    enum_values = models.JSONField(default=list, blank=True)
    reset_period = models.CharField(max_length=8, choices=ResetPeriod, blank=True)
    reset_configuration = models.JSONField(null=True, blank=True)
    is_visible = models.BooleanField("visible", default=True)
    created_at = models.DateTimeField(editable=False)
    updated_at = models.DateTimeField(editable=False)

    objects = PromotionalEntitlementQuerySet.as_manager()

    class Meta:
        verbose_name = "promotional entitlement"
        ordering = ["-created_at", "-pk"]
        indexes = [
            models.Index(fields=["customer", "-created_at", "-id"], name="promotion_of_customer")
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(ends_at=None) | Q(ends_at__gte=F("starts_at")),
                name="a_promotion_ends_after_its_start",
            ),
            models.CheckConstraint(
                condition=Q(usage_limit=None) | Q(usage_limit__gte=0, has_unlimited_usage=False),
                name="a_promotion_has_a_limit_or_none",
            ),
        ]
        permissions = [("revoke_promotionalentitlement", "Can revoke promotional entitlements")]

    def __str__(self) -> str:
        return str(self.feature)

    def status_at(self, now: datetime) -> PromotionStatus:
        """Whether it still gives something at `now`."""
        if self.ends_at is not None and self.ends_at <= now:
            return PromotionStatus.EXPIRED
        return PromotionStatus.ACTIVE

    @property
    def terms(self) -> FeatureEntitlement:
        """What it gives, as a plan would include it; not stored."""
        return FeatureEntitlement(
            feature=self.feature,
            usage_limit=self.usage_limit,
            has_unlimited_usage=self.has_unlimited_usage,
            has_soft_limit=self.has_soft_limit,
            enum_values=self.enum_values,
            reset_period=self.reset_period,
            reset_configuration=self.reset_configuration,
        )
