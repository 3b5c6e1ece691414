"""Products: a line of plans and add-ons with one customer journey (R4)."""

from typing import Self

from django.db import models

from workspace.ids import PublicIdField


class StartSetup(models.TextChoices):
    """How a customer's first subscription begins."""

    PLAN_SELECTION = "PLAN_SELECTION", "Customer chooses a plan"
    FREE_PLAN = "FREE_PLAN", "Free plan"
    TRIAL_PERIOD = "TRIAL_PERIOD", "Trial"


class EndSetup(models.TextChoices):
    """What follows when a subscription ends."""

    CANCEL_SUBSCRIPTION = "CANCEL_SUBSCRIPTION", "Revoke access"
    DOWNGRADE_TO_FREE = "DOWNGRADE_TO_FREE", "Downgrade to a plan"


class CancellationTime(models.TextChoices):
    """When a cancellation takes effect unless its request says otherwise."""

    END_OF_BILLING_PERIOD = "END_OF_BILLING_PERIOD", "At the end of the billing period"
    IMMEDIATE = "IMMEDIATE", "At once"
    SPECIFIC_DATE = "SPECIFIC_DATE", "On a date"


class DowngradeTime(models.TextChoices):
    """When a change to a lesser plan takes effect unless its request says otherwise."""

    END_OF_BILLING_PERIOD = "END_OF_BILLING_PERIOD", "At the end of the billing period"
    IMMEDIATE = "IMMEDIATE", "At once"


class UsageReset(models.TextChoices):
    """What a plan change does with credits already used (R31)."""

    ALWAYS_RESET = "ALWAYS_RESET", "Always start afresh"
    NEVER_RESET = "NEVER_RESET", "Carry use over"
    BILLING_PERIOD_CHANGE = "BILLING_PERIOD_CHANGE", "Start afresh when the billing period changes"


class ProductQuerySet(models.QuerySet["Product"]):
    """Answers about products."""

    def active(self) -> Self:
        """Those that are sold."""
        return self.filter(archived_at=None)


class Product(models.Model):
    """A product line: its plans and add-ons, and how customers go through it (R4)."""

    public_id = PublicIdField("ID", unique=True)
    name = models.CharField(max_length=255)
    description = models.CharField(max_length=255, blank=True)
    metadata = models.JSONField(default=dict, blank=True)
    multiple_subscriptions = models.BooleanField(
        default=False,
        help_text="One subscription per resource instead of one per customer. "
        "Fixed after the first subscription.",
    )
    start_setup = models.CharField(
        max_length=24, choices=StartSetup, default=StartSetup.PLAN_SELECTION
    )
    start_plan = models.ForeignKey(
        "catalog.Package", models.PROTECT, null=True, blank=True, related_name="+"
    )
    end_setup = models.CharField(
        max_length=24, choices=EndSetup, default=EndSetup.CANCEL_SUBSCRIPTION
    )
    downgrade_plan = models.ForeignKey(
        "catalog.Package", models.PROTECT, null=True, blank=True, related_name="+"
    )
    downgrade_time = models.CharField(
        max_length=24, choices=DowngradeTime, default=DowngradeTime.END_OF_BILLING_PERIOD
    )
    cancellation_time = models.CharField(
        max_length=24, choices=CancellationTime, default=CancellationTime.END_OF_BILLING_PERIOD
    )
    prorate_at_period_end = models.BooleanField(null=True, blank=True)
    usage_reset = models.CharField(
        max_length=24, choices=UsageReset, default=UsageReset.ALWAYS_RESET
    )
    created_at = models.DateTimeField(editable=False)
    updated_at = models.DateTimeField(editable=False)
    archived_at = models.DateTimeField(null=True, editable=False)

    objects = ProductQuerySet.as_manager()

    class Meta:
        ordering = ["name", "pk"]
        permissions = [("archive_product", "Can archive and unarchive products")]

    def __str__(self) -> str:
        return self.name
