"""Features: what a product can do, and how its use is measured (R7)."""

from typing import Self

from django.db import models

from workspace.ids import PublicIdField


class FeatureType(models.TextChoices):
    """What an entitlement to the feature says: yes or no, how many, or which."""

    BOOLEAN = "BOOLEAN", "Boolean"
    NUMBER = "NUMBER", "Number"
    ENUM = "ENUM", "List of values"


class MeterType(models.TextChoices):
    """Whether use is measured, and whether it only grows within a period."""

    NONE = "None", "Not metered"
    INCREMENTAL = "INCREMENTAL", "Incremental"
    FLUCTUATING = "FLUCTUATING", "Fluctuating"


class Aggregation(models.TextChoices):
    """How the matching events of a period become one number."""

    COUNT = "COUNT", "Count of events"
    SUM = "SUM", "Sum of a dimension"
    MAX = "MAX", "Maximum of a dimension"
    MIN = "MIN", "Minimum of a dimension"
    AVG = "AVG", "Average of a dimension"
    UNIQUE = "UNIQUE", "Number of different values of a dimension"


class FeatureStatus(models.TextChoices):
    """A feature is active, or new where its creator said so, and suspended once archived."""

    NEW = "NEW", "New"
    ACTIVE = "ACTIVE", "Active"
    SUSPENDED = "SUSPENDED", "Archived"


class FeatureQuerySet(models.QuerySet["Feature"]):
    """Answers about features."""

    def active(self) -> Self:
        """Those that packages may name."""
        return self.exclude(status=FeatureStatus.SUSPENDED)

    def event_based(self) -> Self:
        """Those metered from events."""
        return self.exclude(aggregation="")


class Feature(models.Model):
    """A capability of the product; metered by events, by reports, or not at all (R7).

    An event-based feature has an `aggregation` and `meter_filters`: a list of groups
    `{"conditions": [{"field", "operation", "value", "values"}]}`. An event matches when
    all conditions of at least one group hold; the event's own name is the field
    `eventName`. A metered feature without aggregation is calculated: the application
    reports its value.
    """

    public_id = PublicIdField("ID", unique=True)
    name = models.CharField(max_length=255)
    description = models.CharField(max_length=255, blank=True)
    type = models.CharField(max_length=16, choices=FeatureType)
    meter_type = models.CharField(max_length=16, choices=MeterType, default=MeterType.NONE)
    aggregation = models.CharField(max_length=8, choices=Aggregation, blank=True)
    aggregation_field = models.CharField(max_length=255, blank=True)
    meter_filters = models.JSONField(default=list, blank=True)
    unit_singular = models.CharField("unit (one)", max_length=64, blank=True)
    unit_plural = models.CharField("units (many)", max_length=64, blank=True)
    unit_transformation = models.JSONField(null=True, blank=True)
    enum_values = models.JSONField(default=list, blank=True)
    metadata = models.JSONField(default=dict, blank=True)
    status = models.CharField(
        max_length=16, choices=FeatureStatus, default=FeatureStatus.ACTIVE, editable=False
    )
    created_at = models.DateTimeField(editable=False)
    updated_at = models.DateTimeField(editable=False)

    objects = FeatureQuerySet.as_manager()

    class Meta:
        ordering = ["name", "pk"]
        permissions = [("archive_feature", "Can archive and unarchive features")]

    def __str__(self) -> str:
        return self.name

    @property
    def is_event_based(self) -> bool:
        """Whether events, rather than reports, say how much was used."""
        return bool(self.aggregation)

    @property
    def is_metered(self) -> bool:
        """Whether use of the feature is measured at all."""
        return self.meter_type != MeterType.NONE
