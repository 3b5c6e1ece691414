"""From when the periods of a feature's use are counted, as callers say it."""

from collections.abc import Mapping
from typing import Annotated, Any, TypedDict

from rest_framework import serializers

from catalog.models.entitlements import COUNTED_FROM, ResetPeriod
from workspace.api.camel import CamelMixin
from workspace.api.fields import ChoiceField
from workspace.api.terms import one_of

YEARLY, MONTHLY, WEEKLY = (
    tuple(COUNTED_FROM[period])
    for period in (ResetPeriod.YEAR, ResetPeriod.MONTH, ResetPeriod.WEEK)
)
CONFIGURATIONS: Mapping[str, str] = {
    ResetPeriod.MONTH: "monthly_reset_period_configuration",
    ResetPeriod.WEEK: "weekly_reset_period_configuration",
    ResetPeriod.YEAR: "yearly_reset_period_configuration",
}
"""Where a body says it, by the period that it is for."""


def configuration_for(period: str, body: Mapping[str, Any]) -> dict[str, str] | None:
    """What a body says for this period, as it is stored."""
    said = body.get(CONFIGURATIONS.get(period, ""))
    return {"accordingTo": said["according_to"]} if said else None


class YearlyReset(CamelMixin, serializers.Serializer[Any]):
    """From when years of use are counted."""

    according_to = ChoiceField(YEARLY)


class MonthlyReset(CamelMixin, serializers.Serializer[Any]):
    """From when months of use are counted."""

    according_to = ChoiceField(MONTHLY)


class WeeklyReset(CamelMixin, serializers.Serializer[Any]):
    """From when weeks of use are counted."""

    according_to = ChoiceField(WEEKLY)


class ResetShape(TypedDict):
    """From when periods of use are counted."""

    accordingTo: Annotated[str, one_of([*MONTHLY, *WEEKLY[1:]])]
