"""What a version includes: credits and features."""

from collections.abc import Mapping

from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import Q

from catalog.amounts import LIMIT as AMOUNT_LIMIT
from catalog.amounts import AmountField, validate_amount


class Cadence(models.TextChoices):
    """How often a recurring grant is issued; independent of the billing period (R20)."""

    MONTH = "MONTH", "month"
    YEAR = "YEAR", "year"


class Behaviour(models.TextChoices):
    """Whether an add-on's credits add to the plan's or replace them (R16)."""

    INCREMENT = "Increment", "Increment plan limit"
    OVERRIDE = "Override", "Override plan limit"


class HiddenFrom(models.TextChoices):
    """Where an entitlement is not shown to customers."""

    PAYWALL = "PAYWALL", "Pricing table"
    CUSTOMER_PORTAL = "CUSTOMER_PORTAL", "Customer portal"
    CHECKOUT = "CHECKOUT", "Checkout"


class ResetPeriod(models.TextChoices):
    """How often the measured use of a feature starts again from zero."""

    YEAR = "YEAR", "Year"
    MONTH = "MONTH", "Month"
    WEEK = "WEEK", "Week"
    DAY = "DAY", "Day"
    HOUR = "HOUR", "Hour"


SUBSCRIPTION_START = {"SubscriptionStart": "the start of the subscription"}
WEEKDAYS = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")
COUNTED_FROM: Mapping[str, Mapping[str, str]] = {
    ResetPeriod.YEAR: SUBSCRIPTION_START,
    ResetPeriod.MONTH: {**SUBSCRIPTION_START, "StartOfTheMonth": "the first"},
    ResetPeriod.WEEK: {**SUBSCRIPTION_START, **{f"Every{day}": day for day in WEEKDAYS}},
}
"""From when such periods may be counted, by the words of the contract, and how people say it.

Days and hours are those of the clock.
"""


class Entitlement(models.Model):
    """The fields that every entitlement of a version has."""

    is_granted = models.BooleanField("granted", default=True)
    is_custom = models.BooleanField(
        "custom", default=False, help_text="The value is set per subscription (custom plans only)."
    )
    has_soft_limit = models.BooleanField(
        "soft limit", default=False, help_text="Access goes on when nothing is left."
    )
    behaviour = models.CharField(max_length=16, choices=Behaviour, default=Behaviour.INCREMENT)
    display_name_override = models.CharField("display name", max_length=255, blank=True)
    description = models.CharField(max_length=255, blank=True)
    position = models.FloatField("order", default=0)
    hidden_from = models.JSONField(default=list, blank=True)
    created_at = models.DateTimeField(editable=False)
    updated_at = models.DateTimeField(editable=False)

    class Meta:
        abstract = True


class CreditEntitlement(Entitlement):
    """Recurring credits that come with a version: so many per month or year.

    `amount` is credits per cadence, per unit of `linked_feature` if there is one (R17),
    and empty only when the value is set per subscription.
    """

    version = models.ForeignKey(
        "catalog.PackageVersion", models.CASCADE, related_name="credit_entitlements"
    )
    credit_type = models.ForeignKey(
        "catalog.CreditType", models.PROTECT, related_name="entitlements"
    )
    amount = AmountField(null=True, blank=True, validators=[validate_amount])
    cadence = models.CharField(max_length=8, choices=Cadence, default=Cadence.MONTH)
    linked_feature = models.ForeignKey(
        "catalog.Feature", models.PROTECT, null=True, blank=True, related_name="+"
    )

    class Meta:
        ordering = ["position", "pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["version", "credit_type"],
                name="one_credit_entitlement_per_type",
                violation_error_message="This credit type is included already.",
            ),
            models.CheckConstraint(
                condition=Q(amount=None, is_custom=True)
                | Q(amount__isnull=False, amount__gt=0, amount__lt=AMOUNT_LIMIT),
                name="entitled_amount_is_positive",
                violation_error_message="Enter an amount greater than 0 and below 10¹², "
                "or mark it as custom.",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.credit_type}: {self.amount} / {self.cadence}"


class FeatureEntitlement(Entitlement):
    """A feature that comes with a version: on, up to a limit, or with chosen values."""

    version = models.ForeignKey(
        "catalog.PackageVersion", models.CASCADE, related_name="feature_entitlements"
    )
    feature = models.ForeignKey("catalog.Feature", models.PROTECT, related_name="entitlements")
    usage_limit = models.BigIntegerField(null=True, blank=True, validators=[MinValueValidator(0)])
    has_unlimited_usage = models.BooleanField("unlimited", default=False)
    enum_values = models.JSONField(default=list, blank=True)
    reset_period = models.CharField(max_length=8, choices=ResetPeriod, blank=True)
    reset_configuration = models.JSONField(null=True, blank=True)

    class Meta:
        ordering = ["position", "pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["version", "feature"],
                name="one_feature_entitlement_per_feature",
                violation_error_message="This feature is included already.",
            ),
        ]

    def __str__(self) -> str:
        return str(self.feature)
