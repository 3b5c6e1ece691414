"""Prices of a version, and what the use of a feature costs in credits (R10, R33)."""

from django.db import models
from django.db.models import Q

from catalog.amounts import AmountField, validate_price
from catalog.models.entitlements import ResetPeriod
from workspace.json import ExactEncoder


class BillingModel(models.TextChoices):
    """How a charge is counted."""

    FLAT_FEE = "FLAT_FEE", "Flat fee"
    PER_UNIT = "PER_UNIT", "Per unit"
    USAGE_BASED = "USAGE_BASED", "By use"
    MINIMUM_SPEND = "MINIMUM_SPEND", "Minimum spend"
    CREDIT_BASED = "CREDIT_BASED", "In credits"


class BillingPeriod(models.TextChoices):
    """How often a subscription is billed."""

    MONTHLY = "MONTHLY", "Monthly"
    ANNUALLY = "ANNUALLY", "Yearly"


class BillingCadence(models.TextChoices):
    """Whether a charge comes back."""

    RECURRING = "RECURRING", "Recurring"
    ONE_OFF = "ONE_OFF", "Once"


class OverageBilling(models.TextChoices):
    """When use beyond what is included is billed."""

    ON_SUBSCRIPTION_RENEWAL = "ON_SUBSCRIPTION_RENEWAL", "With the renewal"
    MONTHLY = "MONTHLY", "Every month"


class GrantCadence(models.TextChoices):
    """How often credits that were bought are granted."""

    BEGINNING_OF_BILLING_PERIOD = "BEGINNING_OF_BILLING_PERIOD", "Up front, for the billing period"
    MONTHLY = "MONTHLY", "Every month"


class Currency(models.TextChoices):
    """The money currencies offered on screens; the API accepts any of the contract."""

    USD = "USD", "USD"
    EUR = "EUR", "EUR"
    GBP = "GBP", "GBP"
    CHF = "CHF", "CHF"
    JPY = "JPY", "JPY"
    CAD = "CAD", "CAD"
    AUD = "AUD", "AUD"


class Charge(models.Model):
    """One price of a version, in whole currency units (49 is 49.00)."""

    version = models.ForeignKey("catalog.PackageVersion", models.CASCADE, related_name="charges")
    billing_model = models.CharField(
        max_length=16, choices=BillingModel, default=BillingModel.FLAT_FEE
    )
    billing_period = models.CharField(
        max_length=16, choices=BillingPeriod, default=BillingPeriod.MONTHLY
    )
    billing_cadence = models.CharField(
        max_length=16, choices=BillingCadence, default=BillingCadence.RECURRING
    )
    amount = AmountField(null=True, blank=True, validators=[validate_price])
    currency = models.CharField(max_length=3, default=Currency.USD)
    billing_country_code = models.CharField(max_length=2, blank=True)
    feature = models.ForeignKey(
        "catalog.Feature", models.PROTECT, null=True, blank=True, related_name="+"
    )
    credit_type = models.ForeignKey(
        "catalog.CreditType", models.PROTECT, null=True, blank=True, related_name="+"
    )
    tiers_mode = models.CharField(max_length=16, blank=True)
    tiers = models.JSONField(default=list, blank=True, encoder=ExactEncoder)
    block_size = AmountField(null=True, blank=True, validators=[validate_price])
    minimum_quantity = AmountField(null=True, blank=True, validators=[validate_price])
    maximum_quantity = AmountField(null=True, blank=True, validators=[validate_price])
    credit_grant_cadence = models.CharField(max_length=32, choices=GrantCadence, blank=True)
    reset_period = models.CharField(max_length=8, choices=ResetPeriod, blank=True)
    reset_configuration = models.JSONField(null=True, blank=True)
    is_overage = models.BooleanField(default=False)
    created_at = models.DateTimeField(editable=False)

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.CheckConstraint(
                condition=Q(amount=None) | Q(amount__gte=0),
                name="price_is_not_negative",
                violation_error_message="Enter a price of 0 or more.",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.amount} {self.currency} ({self.get_billing_period_display()})"


class ConsumptionMapping(models.Model):
    """What one unit of a metered feature costs in credits: a rate, or a formula (R33, R34).

    `rate` is credits per unit; `formula`, if given, replaces it and is evaluated per
    event over the event's dimensions.
    """

    version = models.ForeignKey("catalog.PackageVersion", models.CASCADE, related_name="mappings")
    feature = models.ForeignKey("catalog.Feature", models.PROTECT, related_name="mappings")
    credit_type = models.ForeignKey("catalog.CreditType", models.PROTECT, related_name="mappings")
    rate = AmountField(null=True, blank=True, validators=[validate_price])
    formula = models.CharField(max_length=2000, blank=True)
    created_at = models.DateTimeField(editable=False)

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["version", "feature", "credit_type"],
                name="one_mapping_per_feature_and_credit_type",
                violation_error_message="This feature is mapped to that credit type already.",
            ),
            models.CheckConstraint(
                condition=Q(rate__isnull=False, rate__gte=0) | (Q(rate=None) & ~Q(formula="")),
                name="mapping_has_a_rate_or_formula",
                violation_error_message="Enter a rate of 0 or more, or a formula.",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.feature} → {self.credit_type}"
