"""Entities: what lies inside a customer, such as teams and users, and the limits on their use."""

from typing import Self

from django.db import models
from django.db.models import Q

from catalog.amounts import AmountField
from workspace.ids import PublicIdField


class EntityType(models.Model):
    """A kind of entity, such as "team" or "model".

    `attribution_keys` are the dimensions of use whose values name entities of this type.
    """

    public_id = PublicIdField("ID", unique=True)
    name = models.CharField(max_length=255)
    attribution_keys = models.JSONField(default=list, blank=True)
    created_at = models.DateTimeField(editable=False)
    updated_at = models.DateTimeField(editable=False)

    class Meta:
        verbose_name = "entity type"
        ordering = ["name", "pk"]

    def __str__(self) -> str:
        return self.name


class EntityQuerySet(models.QuerySet["Entity"]):
    """Answers about entities."""

    def active(self) -> Self:
        """Those not archived."""
        return self.filter(archived_at=None)


class Entity(models.Model):
    """A team, a user or the like of one customer; perhaps beneath another.

    What is used by an entity is used by all those above it too. It is never deleted.
    """

    customer = models.ForeignKey(
        "subscriptions.Customer", models.PROTECT, related_name="+", db_index=False
    )
    type = models.ForeignKey(EntityType, models.PROTECT, related_name="+")
    public_id = PublicIdField("ID")
    parent = models.ForeignKey(
        "self", models.PROTECT, null=True, blank=True, related_name="children"
    )
    metadata = models.JSONField(default=dict, blank=True)
    created_at = models.DateTimeField(editable=False)
    updated_at = models.DateTimeField(editable=False)
    archived_at = models.DateTimeField(null=True, editable=False)

    objects = EntityQuerySet.as_manager()

    class Meta:
        verbose_name_plural = "entities"
        ordering = ["-created_at", "-pk"]
        indexes = [
            models.Index(fields=["customer", "-created_at", "-id"], name="entity_of_customer")
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["customer", "public_id"], name="one_entity_per_customer_and_id"
            ),
            models.CheckConstraint(
                condition=Q(parent=None) | ~Q(parent=models.F("pk")),
                name="no_entity_is_beneath_itself",
            ),
        ]

    def __str__(self) -> str:
        return self.public_id


class Assignment(models.Model):
    """How much of a feature, or of a credit type, an entity may use within a cadence.

    `scope` holds the ids of entities that use must name as well for this limit to count,
    sorted; without any it counts always. `scope_digest` tells scopes apart in a constraint.
    `cadence` is an ISO 8601 duration of one unit, such as P1M; no `usage_limit` is no limit.
    """

    public_id = PublicIdField("ID", unique=True)
    entity = models.ForeignKey(Entity, models.PROTECT, related_name="assignments")
    feature = models.ForeignKey(
        "catalog.Feature", models.PROTECT, null=True, blank=True, related_name="+"
    )
    credit_type = models.ForeignKey(
        "catalog.CreditType", models.PROTECT, null=True, blank=True, related_name="+"
    )
    scope = models.JSONField(default=list, blank=True)
    scope_digest = models.CharField(max_length=64)
    usage_limit = AmountField(null=True, blank=True)
    cadence = models.CharField(max_length=8)
    created_at = models.DateTimeField(editable=False)
    updated_at = models.DateTimeField(editable=False)

    class Meta:
        ordering = ["-created_at", "-pk"]
        constraints = [
            models.CheckConstraint(
                condition=Q(feature=None, credit_type__isnull=False)
                | Q(feature__isnull=False, credit_type=None),
                name="an_assignment_is_of_a_feature_or_of_credits",
            ),
            models.UniqueConstraint(
                fields=["entity", "feature", "scope_digest"],
                name="one_assignment_per_entity_feature_and_scope",
            ),
            models.UniqueConstraint(
                fields=["entity", "credit_type", "scope_digest"],
                name="one_assignment_per_entity_credit_type_and_scope",
            ),
            models.CheckConstraint(
                condition=Q(usage_limit=None) | Q(usage_limit__gte=0),
                name="an_assigned_limit_is_not_negative",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.feature or self.credit_type} for {self.entity}"
