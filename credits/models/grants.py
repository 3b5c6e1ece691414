"""Grants: blocks of credits in a pool (R46–R49)."""

from datetime import datetime
from typing import Any, Self

from django.db import models
from django.db.models import F, Q

from catalog.amounts import AmountField
from credits.book import GrantType, ScheduleState, Stage
from workspace.ids import new_ordered_uuid


class GrantStatus(models.TextChoices):
    """Where a grant stands at an instant (R47)."""

    PAYMENT_PENDING = "PAYMENT_PENDING", "Payment pending"
    SCHEDULED = "SCHEDULED", "Scheduled"
    ACTIVE = "ACTIVE", "Active"
    EXPIRED = "EXPIRED", "Expired"
    VOIDED = "VOIDED", "Voided"


class GrantSource(models.TextChoices):
    """What a grant came from."""

    PLAN_ENTITLEMENT = "PLAN_ENTITLEMENT", "Plan"
    ADDON_ENTITLEMENT = "ADDON_ENTITLEMENT", "Add-on"
    PRICE = "PRICE", "Purchase"

    @classmethod
    def of(cls, schedule: ScheduleState) -> "GrantSource":
        """What a recurring grant of `schedule` came from (R23)."""
        return cls.ADDON_ENTITLEMENT if schedule.source_is_addon else cls.PLAN_ENTITLEMENT


SPENT = "SPENT"
"""The stage, in the database alone, of a used-up grant that never expires.

It is active (R47) and its totals stay in the pool, but nothing can happen to it any more,
so a pool is read without it, however many top-ups it ever had.
"""


class PlainName(models.Func):
    """The name in small letters, sorted by its characters, so that an index finds beginnings."""

    template = 'LOWER(%(expressions)s) COLLATE "C"'
    arity = 1
    output_field = models.CharField()

    def __init__(self) -> None:
        super().__init__("name")

    def as_sqlite(self, compiler: Any, connection: Any, **context: Any) -> Any:
        """SQLite sorts so by itself."""
        return self.as_sql(compiler, connection, template="LOWER(%(expressions)s)", **context)


BY_PEOPLE = [GrantType.PAID.value, GrantType.PROMOTIONAL.value]
"""The types of grants that people make (R46) and may edit (R49)."""


class GrantQuerySet(models.QuerySet["Grant"]):
    """Answers about grants."""

    def live(self) -> Self:
        """Those that can still pay, or whose end will change their pool."""
        return self.filter(stage__in=LIVE)

    def given_as(self, beginning: str) -> Self:
        """Those that were bought or given, with names that begin so, in any letters, by name."""
        lowest = beginning.lower()
        return (
            self.alias(plain=PlainName())
            .filter(type__in=BY_PEOPLE, plain__gte=lowest, plain__lt=f"{lowest}\U0010ffff")
            .order_by(PlainName().asc())
        )

    def active(self, now: datetime) -> Self:
        """Grants that count in a balance at `now` (R47)."""
        return self.filter(
            Q(expires_at=None) | Q(expires_at__gt=now),
            effective_at__lte=now,
            payment_pending=False,
            voided_at=None,
        )


LIVE = [Stage.WAITING.value, Stage.OPEN.value]


class Grant(models.Model):
    """One block of credits: so much, from when until when, how much of it is used.

    Only `credits.ledger` writes `consumed` and `stage`. What a grant is at an instant
    follows from its instants (`status_at`), not from jobs. A recurring grant is one step
    of its schedule's mark within one period; the overdraft has amount 0 and `consumed`
    is the deficit. `period_amount` is what its source gave per period when it was issued,
    all `units` of it together: those bought of a linked feature, or of an add-on (R15, R17).
    """

    public_id = models.UUIDField("ID", default=new_ordered_uuid, unique=True, editable=False)
    pool = models.ForeignKey("credits.Pool", models.PROTECT, related_name="grants", db_index=False)
    type = models.CharField(
        max_length=16, choices=[(kind.value, kind.value.capitalize()) for kind in GrantType]
    )
    source_type = models.CharField(max_length=20, choices=GrantSource, blank=True)
    schedule = models.ForeignKey(
        "credits.Schedule",
        models.PROTECT,
        null=True,
        related_name="grants",
        db_index=False,
    )
    subscription = models.ForeignKey(
        "subscriptions.Subscription",
        models.PROTECT,
        null=True,
        related_name="grants",
        db_index=False,
        db_constraint=False,
    )
    source = models.ForeignKey(
        "catalog.Package",
        models.PROTECT,
        null=True,
        related_name="+",
        db_index=False,
        db_constraint=False,
    )
    name = models.CharField(max_length=255)
    comment = models.CharField(max_length=200, blank=True)
    metadata = models.JSONField(default=dict, blank=True)
    amount = AmountField()
    consumed = AmountField(default=0)
    priority = models.PositiveIntegerField(default=10)
    cost_amount = AmountField(default=0)
    cost_currency = models.CharField(max_length=3, default="USD")
    effective_at = models.DateTimeField()
    expires_at = models.DateTimeField(null=True, blank=True)
    payment_pending = models.BooleanField(default=False)
    voided_at = models.DateTimeField(null=True, editable=False)
    void_reason = models.CharField(max_length=200, blank=True)
    stage = models.CharField(
        max_length=8,
        choices=[(stage, stage.capitalize()) for stage in (*Stage, SPENT)],
        default=Stage.WAITING.value,
        editable=False,
    )
    period_starts_at = models.DateTimeField(null=True, editable=False)
    period_ends_at = models.DateTimeField(null=True, editable=False)
    mark_before = AmountField(null=True, editable=False)
    period_amount = AmountField(null=True, editable=False)
    units = AmountField(null=True, editable=False)
    created_at = models.DateTimeField(editable=False)
    updated_at = models.DateTimeField(editable=False)

    objects = GrantQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at", "-pk"]
        indexes = [
            models.Index(fields=["pool", "id"], name="grants_of_a_pool"),
            models.Index(
                fields=["pool"], condition=Q(stage__in=LIVE), name="live_grants_of_a_pool"
            ),
            models.Index(PlainName(), condition=Q(type__in=BY_PEOPLE), name="given_grants_by_name"),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=[
                    "pool",
                    "subscription",
                    "source",
                    "period_starts_at",
                    "period_ends_at",
                    "mark_before",
                ],
                condition=Q(type=GrantType.RECURRING.value),
                name="one_grant_per_step_of_a_mark",
            ),
            models.UniqueConstraint(
                fields=["pool"],
                condition=Q(type=GrantType.OVERDRAFT.value, stage=Stage.OPEN.value),
                name="one_open_overdraft_per_pool",
            ),
            models.CheckConstraint(
                condition=Q(type=GrantType.OVERDRAFT.value, amount=0, consumed__gte=0)
                | (
                    ~Q(type=GrantType.OVERDRAFT.value)
                    & Q(amount__gt=0, consumed__gte=0, consumed__lte=F("amount"))
                ),
                name="no_more_is_consumed_than_granted",
            ),
            models.CheckConstraint(
                condition=Q(
                    type=GrantType.RECURRING.value,
                    period_starts_at__isnull=False,
                    period_ends_at__isnull=False,
                    period_ends_at__gt=F("period_starts_at"),
                    mark_before__isnull=False,
                )
                | ~Q(type=GrantType.RECURRING.value),
                name="a_recurring_grant_has_a_period",
            ),
            models.CheckConstraint(
                condition=Q(expires_at=None) | Q(expires_at__gt=F("effective_at")),
                name="a_grant_expires_after_it_takes_effect",
            ),
        ]
        permissions = [
            ("grant_credits", "Can grant and subtract credits"),
            ("void_grant", "Can revoke grants"),
        ]

    def __str__(self) -> str:
        return self.name

    def status_at(self, now: datetime) -> GrantStatus:
        """What this grant is at `now` (R47)."""
        if self.voided_at is not None:
            return GrantStatus.VOIDED
        if self.expires_at is not None and self.expires_at <= now:
            return GrantStatus.EXPIRED
        if self.payment_pending:
            return GrantStatus.PAYMENT_PENDING
        if self.effective_at > now:
            return GrantStatus.SCHEDULED
        return GrantStatus.ACTIVE
