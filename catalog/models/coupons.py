"""Coupons: discounts that subscriptions and customers name."""

from decimal import Decimal
from typing import Self

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q

from catalog.amounts import AmountField, to_micros
from workspace.ids import PublicIdField
from workspace.json import ExactEncoder

WHOLE = 100  # per cent
LONGEST_DURATION = 1200  # months


def validate_percentage(percentage: Decimal) -> None:
    """Refuse what takes nothing off, or more than there is.

    Raises:
        ValidationError: with a sentence that says what to enter instead.
    """
    if not percentage.is_finite() or not 0 < percentage <= WHOLE:
        raise ValidationError("Enter a percentage above 0, and at most 100.")
    to_micros(percentage)


class CouponType(models.TextChoices):
    """Whether a coupon takes off a share of a price, or an amount."""

    PERCENTAGE = "PERCENTAGE", "Percentage"
    FIXED = "FIXED", "Fixed amount"


class CouponQuerySet(models.QuerySet["Coupon"]):
    """Answers about coupons."""

    def active(self) -> Self:
        """Those that may be given to somebody."""
        return self.filter(archived_at=None)


class Coupon(models.Model):
    """A discount: a percentage, or an amount for each currency, for some months or for good.

    `amounts_off` has a currency in capitals and an exact decimal text for each amount.
    """

    public_id = PublicIdField("ID", unique=True)
    name = models.CharField(max_length=255)
    description = models.CharField(max_length=255, blank=True)
    type = models.CharField(max_length=16, choices=CouponType, editable=False)
    percent_off = AmountField(null=True, blank=True, validators=[validate_percentage])
    amounts_off = models.JSONField(default=dict, blank=True, encoder=ExactEncoder)
    duration_in_months = models.PositiveIntegerField(
        null=True,
        blank=True,
        validators=[MinValueValidator(1), MaxValueValidator(LONGEST_DURATION)],
        help_text="Empty: for good.",
    )
    metadata = models.JSONField(default=dict, blank=True)
    created_at = models.DateTimeField(editable=False)
    updated_at = models.DateTimeField(editable=False)
    archived_at = models.DateTimeField(null=True, editable=False)

    objects = CouponQuerySet.as_manager()

    class Meta:
        ordering = ["name", "pk"]
        constraints = [
            models.CheckConstraint(
                condition=Q(type=CouponType.FIXED, percent_off=None)
                | Q(
                    type=CouponType.PERCENTAGE,
                    percent_off__isnull=False,
                    percent_off__gt=0,
                    percent_off__lte=WHOLE,
                ),
                name="a_coupon_takes_off_a_percentage_or_amounts",
                violation_error_message="Enter either a percentage or amounts.",
            ),
            models.CheckConstraint(
                condition=Q(duration_in_months=None) | Q(duration_in_months__gte=1),
                name="a_coupon_lasts_a_month_or_more",
            ),
        ]
        permissions = [("archive_coupon", "Can archive and unarchive coupons")]

    def __str__(self) -> str:
        return self.name

    @property
    def amounts(self) -> dict[str, Decimal]:
        """What a coupon of fixed amounts takes off: currency → amount, in order of currency."""
        return {currency: Decimal(text) for currency, text in sorted(self.amounts_off.items())}
