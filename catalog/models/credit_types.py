"""Credit types: the units in which consumption is counted (R2, R3)."""

from typing import Self

from django.db import models
from django.db.models import Q

from workspace.ids import PublicIdField


class CreditTypeQuerySet(models.QuerySet["CreditType"]):
    """Answers about credit types."""

    def active(self) -> Self:
        """Those that packages may name and grants may use (R3)."""
        return self.filter(archived_at=None)


class CreditType(models.Model):
    """A unit of consumption, such as "AI credit". Not money; types never mix (R2)."""

    public_id = PublicIdField("ID")
    name = models.CharField(max_length=64)
    symbol = models.CharField(max_length=64, blank=True)
    description = models.CharField(max_length=255, blank=True)
    unit_singular = models.CharField("unit (one)", max_length=64, blank=True)
    unit_plural = models.CharField("units (many)", max_length=64, blank=True)
    metadata = models.JSONField(default=dict, blank=True)
    created_at = models.DateTimeField(editable=False)
    updated_at = models.DateTimeField(editable=False)
    archived_at = models.DateTimeField(null=True, editable=False)

    objects = CreditTypeQuerySet.as_manager()

    class Meta:
        verbose_name = "credit type"
        ordering = ["name", "pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["public_id"],
                condition=Q(archived_at=None),
                name="one_active_credit_type_per_id",
                violation_error_message="An active credit type has this ID already.",
            ),
            models.CheckConstraint(
                condition=(Q(unit_singular="") & Q(unit_plural=""))
                | (~Q(unit_singular="") & ~Q(unit_plural="")),
                name="credit_type_units_come_in_pairs",
                violation_error_message="Fill in both units (one, many) or neither.",
            ),
        ]
        permissions = [("archive_credittype", "Can archive and unarchive credit types")]

    def __str__(self) -> str:
        return self.name
