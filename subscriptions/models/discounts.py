"""Coupons that subscriptions have, and had."""

from datetime import datetime

from django.db import models
from django.db.models import F, Q

from subscriptions.models.subscriptions import Subscription


class DiscountStatus(models.TextChoices):
    """Where a coupon of a subscription stands, in the words of the contract."""

    ACTIVE = "ACTIVE", "Active"
    EXPIRED = "EXPIRED", "Expired"
    REMOVED = "REMOVED", "Removed"


class SubscriptionCoupon(models.Model):
    """A coupon of one subscription, from an instant on, for as long as the coupon says.

    It is kept for whoever bills; the prices of the subscription do not change. Another coupon
    takes its place, so that a subscription has one at a time.
    """

    subscription = models.ForeignKey(Subscription, models.CASCADE, related_name="coupons")
    coupon = models.ForeignKey("catalog.Coupon", models.PROTECT, related_name="+")
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField(null=True, blank=True)
    removed_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(editable=False)

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["subscription"],
                condition=Q(removed_at=None),
                name="one_coupon_per_subscription",
            ),
            models.CheckConstraint(
                condition=Q(ends_at=None) | Q(ends_at__gt=F("starts_at")),
                name="a_coupon_ends_after_its_start",
            ),
        ]

    def __str__(self) -> str:
        return str(self.coupon)

    def status_at(self, now: datetime) -> DiscountStatus:
        """What it is at `now`: what was over before it was removed, is over."""
        if self.ends_at is not None and self.ends_at <= (self.removed_at or now):
            return DiscountStatus.EXPIRED
        return DiscountStatus.ACTIVE if self.removed_at is None else DiscountStatus.REMOVED
