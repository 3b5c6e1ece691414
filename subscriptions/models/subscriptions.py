"""Subscriptions: a customer on a plan, with add-ons, for a time (R4, R18, R19)."""

from collections.abc import Iterable
from datetime import datetime
from functools import reduce
from operator import or_
from typing import Self

from django.db import models
from django.db.models import Q

from catalog.amounts import AmountField
from catalog.models import BillingPeriod, Cadence, ResetPeriod, TrialEnd
from workspace.ids import PublicIdField
from workspace.json import ExactEncoder


class Status(models.TextChoices):
    """Where a subscription stands at an instant; labels as the screens show them."""

    NOT_STARTED = "NOT_STARTED", "Scheduled"
    PAYMENT_PENDING = "PAYMENT_PENDING", "Pending payment"
    IN_TRIAL = "IN_TRIAL", "In trial"
    ACTIVE = "ACTIVE", "Active"
    CANCELED = "CANCELED", "Canceled"
    EXPIRED = "EXPIRED", "Expired"


class EndReason(models.TextChoices):
    """What the end of a subscription makes of it."""

    CANCELED = "CANCELED", "Canceled"
    EXPIRED = "EXPIRED", "Expired"


class CancelReason(models.TextChoices):
    """Why a subscription ends, in the words of the contract."""

    IMMEDIATE = "Immediate", "Canceled at once"
    SCHEDULED = "ScheduledCancellation", "Scheduled cancelation"
    CUSTOMER_ARCHIVED = "CustomerArchived", "Customer archived"
    TRIAL_ENDED = "TRIAL_ENDED", "Trial ended"
    EXPIRED = "EXPIRED", "Expired"


class PaymentCollectionMethod(models.TextChoices):
    """How the money is collected; kept for whoever bills."""

    CHARGE = "CHARGE", "Charge"
    INVOICE = "INVOICE", "Invoice"
    NONE = "NONE", "None"


class SubscriptionQuerySet(models.QuerySet["Subscription"]):
    """Answers about subscriptions; the conditions mirror `Subscription.status_at`."""

    def not_ended(self, now: datetime) -> Self:
        """Those that are running or will start."""
        return self.filter(Q(ends_at=None) | Q(ends_at__gt=now))

    def in_force(self, now: datetime) -> Self:
        """Those that entitle to something at `now`: ACTIVE or IN_TRIAL (R18)."""
        return self.not_ended(now).filter(started_at__lte=now, payment_pending=False)

    def with_any_status(self, statuses: Iterable[str], now: datetime) -> Self:
        """Those of which `status_at(now)` would say one of `statuses`."""
        ended = Q(ends_at__lte=now)
        trial = Q(trial_ends_at__gt=now)
        running = ~Q(ends_at__lte=now) & Q(payment_pending=False)
        conditions = {
            Status.CANCELED: ended & Q(end_reason=EndReason.CANCELED),
            Status.EXPIRED: ended & Q(end_reason=EndReason.EXPIRED),
            Status.PAYMENT_PENDING: ~ended & Q(payment_pending=True),
            Status.NOT_STARTED: running & Q(started_at__gt=now),
            Status.IN_TRIAL: running & Q(started_at__lte=now) & trial,
            Status.ACTIVE: running & Q(started_at__lte=now) & ~trial,
        }
        chosen = [conditions[Status(status)] for status in statuses]
        return self.filter(reduce(or_, chosen, Q(pk__in=[])))

    def due_for_update(self, now: datetime) -> Self:
        """Those whose scheduled update has taken effect and was not written down yet."""
        return self.filter(next_update_at__lte=now)


class Subscription(models.Model):
    """One customer's use of one plan, and when it begins, is billed and ends.

    What it is at an instant follows from its instants alone (`status_at`), so it starts,
    converts and ends on time whether or not a worker runs (R18). From `next_update_at` on,
    a scheduled update stands for plan, add-ons and values (`subscriptions.terms`).
    """

    public_id = PublicIdField("ID", unique=True)
    customer = models.ForeignKey(
        "subscriptions.Customer", models.PROTECT, related_name="subscriptions"
    )
    paying_customer = models.ForeignKey(
        "subscriptions.Customer", models.PROTECT, null=True, blank=True, related_name="+"
    )
    resource = models.ForeignKey(
        "subscriptions.Resource",
        models.PROTECT,
        null=True,
        blank=True,
        related_name="subscriptions",
    )
    product = models.ForeignKey("catalog.Product", models.PROTECT, related_name="+")
    plan = models.ForeignKey("catalog.Package", models.PROTECT, related_name="subscriptions")
    plan_version = models.ForeignKey(
        "catalog.PackageVersion", models.PROTECT, related_name="subscriptions"
    )
    billing_period = models.CharField(max_length=16, choices=BillingPeriod, blank=True)
    billing_cycle_anchor = models.DateTimeField()
    anchor_time_zone = models.CharField(max_length=64, default="UTC", editable=False)
    started_at = models.DateTimeField()
    payment_pending = models.BooleanField(default=False)
    trial_ends_at = models.DateTimeField(null=True, blank=True)
    trial_end = models.CharField(max_length=24, choices=TrialEnd, blank=True)
    ends_at = models.DateTimeField(null=True, blank=True)
    end_reason = models.CharField(max_length=16, choices=EndReason, blank=True)
    cancel_reason = models.CharField(max_length=32, choices=CancelReason, blank=True)
    next_update_at = models.DateTimeField(null=True, editable=False)
    billing_id = models.CharField(max_length=255, blank=True)
    payment_collection_method = models.CharField(
        max_length=16, choices=PaymentCollectionMethod, blank=True
    )
    prices = models.JSONField(
        default=list,
        blank=True,
        encoder=ExactEncoder,
        help_text="The prices it was sold at; a publication never moves them (R10).",
    )
    metadata = models.JSONField(default=dict, blank=True)
    created_at = models.DateTimeField(editable=False)
    updated_at = models.DateTimeField(editable=False)

    objects = SubscriptionQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at", "-pk"]
        indexes = [
            models.Index(fields=["customer", "-started_at"], name="subscription_of_customer"),
            models.Index(fields=["-created_at", "-id"], name="subscription_newest_first"),
            models.Index(fields=["started_at"], name="subscriptions_by_start"),
            models.Index(fields=["ends_at"], name="subscriptions_by_end"),
            models.Index(
                fields=["-created_at", "-id"],
                condition=Q(ends_at__isnull=False),
                name="subscriptions_with_an_end",
            ),
            models.Index(
                fields=["-created_at", "-id"],
                condition=Q(payment_pending=True),
                name="subscriptions_awaiting_payment",
            ),
            models.Index(
                fields=["trial_ends_at"],
                condition=Q(trial_ends_at__isnull=False),
                name="subscriptions_by_trial_end",
            ),
            models.Index(
                fields=["next_update_at"],
                condition=Q(next_update_at__isnull=False),
                name="subscriptions_by_next_update",
            ),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(ends_at=None, end_reason="")
                | (Q(ends_at__isnull=False) & ~Q(end_reason="")),
                name="an_end_has_a_reason",
            ),
            models.CheckConstraint(
                condition=Q(trial_ends_at=None, trial_end="")
                | (Q(trial_ends_at__gt=models.F("started_at")) & ~Q(trial_end="")),
                name="a_trial_ends_after_its_start",
            ),
        ]

    def __str__(self) -> str:
        return self.public_id

    def status_at(self, now: datetime) -> Status:
        """What this subscription is at `now` (R18)."""
        if self.ends_at is not None and self.ends_at <= now:
            return Status(self.end_reason)
        if self.payment_pending:
            return Status.PAYMENT_PENDING
        if self.started_at > now:
            return Status.NOT_STARTED
        if self.trial_ends_at is not None and now < self.trial_ends_at:
            return Status.IN_TRIAL
        return Status.ACTIVE

    def is_cancelation_pending(self, now: datetime) -> bool:
        """Whether somebody canceled it, with an end that is not reached."""
        is_canceled = self.end_reason == EndReason.CANCELED
        return is_canceled and self.ends_at is not None and self.ends_at > now

    @property
    def is_legacy(self) -> bool:
        """Whether it stands on an earlier version of its plan than the latest."""
        return self.plan_version_id != self.plan.live_id

    def has_ended(self, now: datetime) -> bool:
        """Whether it is over for good."""
        return self.ends_at is not None and self.ends_at <= now


class SubscriptionAddon(models.Model):
    """An add-on of a subscription, in a quantity. The first attached wins a tie (R16)."""

    subscription = models.ForeignKey(Subscription, models.CASCADE, related_name="addons")
    addon = models.ForeignKey("catalog.Package", models.PROTECT, related_name="attachments")
    version = models.ForeignKey("catalog.PackageVersion", models.PROTECT, related_name="+")
    quantity = models.PositiveIntegerField(default=1)
    attached_at = models.DateTimeField()

    class Meta:
        ordering = ["attached_at", "pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["subscription", "addon"], name="one_attachment_per_addon"
            ),
            models.CheckConstraint(
                condition=Q(quantity__gte=1), name="attached_quantity_is_positive"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.addon} × {self.quantity}"


class SubscriptionEntitlement(models.Model):
    """A value set for one subscription: a feature's limit, or a custom credit amount.

    Exactly one of `feature` and `credit_type`. `amount` and `cadence` belong to credits,
    `usage_limit` and `has_unlimited_usage` to features: for a linked feature this is the
    number of units bought (R17). What is empty beside them is as the packages say.
    """

    subscription = models.ForeignKey(Subscription, models.CASCADE, related_name="entitlements")
    feature = models.ForeignKey("catalog.Feature", models.PROTECT, null=True, related_name="+")
    credit_type = models.ForeignKey(
        "catalog.CreditType", models.PROTECT, null=True, related_name="+"
    )
    usage_limit = models.BigIntegerField(null=True)
    has_unlimited_usage = models.BooleanField(default=False)
    has_soft_limit = models.BooleanField(null=True)
    reset_period = models.CharField(max_length=8, choices=ResetPeriod, blank=True)
    reset_configuration = models.JSONField(null=True)
    amount = AmountField(null=True)
    cadence = models.CharField(max_length=8, choices=Cadence, blank=True)

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["subscription", "feature"], name="one_value_per_subscription_and_feature"
            ),
            models.UniqueConstraint(
                fields=["subscription", "credit_type"],
                name="one_value_per_subscription_and_credit_type",
            ),
            models.CheckConstraint(
                condition=Q(feature=None, credit_type__isnull=False)
                | Q(feature__isnull=False, credit_type=None),
                name="a_value_is_for_a_feature_or_for_credits",
            ),
            models.CheckConstraint(
                condition=Q(usage_limit=None) | Q(usage_limit__gte=0),
                name="bought_units_are_not_negative",
            ),
            models.CheckConstraint(
                condition=Q(amount=None, cadence="") | (Q(amount__gt=0) & ~Q(cadence="")),
                name="a_custom_amount_is_positive_and_has_a_cadence",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.feature or self.credit_type}"
