"""Updates that are scheduled: what a subscription will be, from when on."""

from django.db import models
from django.db.models import Q

from catalog.models import BillingPeriod
from subscriptions.causes import Cause
from workspace.json import ExactEncoder


class UpdateStatus(models.TextChoices):
    """What became of a scheduled update."""

    SCHEDULED = "SCHEDULED", "Scheduled"
    DONE = "DONE", "Done"
    CANCELED = "CANCELED", "Canceled"


class UpdateKind(models.TextChoices):
    """What an update changes, in the words of the contract."""

    PLAN = "PLAN", "Plan"
    DOWNGRADE = "DOWNGRADE", "Downgrade"
    BILLING_PERIOD = "BILLING_PERIOD", "Billing period"
    ADDON = "ADDON", "Add-ons"
    UNIT_AMOUNT = "UNIT_AMOUNT", "Units"
    RECURRING_CREDITS = "RECURRING_CREDITS", "Custom credits"
    MIGRATE_TO_LATEST = "MIGRATE_TO_LATEST", "Migration to the latest version"


class ScheduledUpdate(models.Model):
    """What becomes of a subscription at `takes_effect_at`, whether or not a worker runs.

    `plan_version` is None where the plan and its version stay; else it is the latest, and
    publications move it along until the update takes effect (R13). Its add-ons and `values`
    are whole lists. `cause` and `resets` say what becomes of credits then. Price and period
    follow from the rest.
    """

    subscription = models.ForeignKey(
        "subscriptions.Subscription", models.CASCADE, related_name="scheduled_updates"
    )
    status = models.CharField(max_length=16, choices=UpdateStatus, default=UpdateStatus.SCHEDULED)
    takes_effect_at = models.DateTimeField()
    kinds = models.JSONField(default=list)
    plan_version = models.ForeignKey(
        "catalog.PackageVersion", models.PROTECT, null=True, related_name="+"
    )
    billing_period = models.CharField(max_length=16, choices=BillingPeriod, blank=True)
    values = models.JSONField(default=list, encoder=ExactEncoder)
    cause = models.CharField(max_length=16, choices=[(cause, cause) for cause in Cause])
    resets = models.BooleanField(default=False)
    actor_kind = models.CharField(max_length=16)
    actor_id = models.CharField(max_length=255)
    actor_name = models.CharField(max_length=255)
    created_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-created_at", "-pk"]
        default_permissions = ["view"]
        constraints = [
            models.UniqueConstraint(
                fields=["subscription"],
                condition=Q(status=UpdateStatus.SCHEDULED),
                name="one_scheduled_update_per_subscription",
            ),
            models.CheckConstraint(
                condition=Q(status=UpdateStatus.SCHEDULED, finished_at=None)
                | (~Q(status=UpdateStatus.SCHEDULED) & Q(finished_at__isnull=False)),
                name="an_update_is_scheduled_or_finished",
            ),
        ]

    def __str__(self) -> str:
        return f"Update of {self.subscription} on {self.takes_effect_at:%-d %b %Y}"


class ScheduledAddon(models.Model):
    """An add-on that a subscription will have, in a quantity.

    `version` is None where it has it already and in what version it has it then; else as that
    of the plan.
    """

    update = models.ForeignKey(ScheduledUpdate, models.CASCADE, related_name="addons")
    addon = models.ForeignKey("catalog.Package", models.PROTECT, related_name="+")
    version = models.ForeignKey(
        "catalog.PackageVersion", models.PROTECT, null=True, related_name="+"
    )
    quantity = models.PositiveIntegerField()

    class Meta:
        ordering = ["pk"]
        default_permissions = ["view"]
        constraints = [
            models.UniqueConstraint(
                fields=["update", "addon"], name="one_scheduled_quantity_per_addon"
            ),
            models.CheckConstraint(
                condition=Q(quantity__gte=1), name="scheduled_quantity_is_positive"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.addon} × {self.quantity}"
