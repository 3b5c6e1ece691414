"""Features are created and changed here (R7); `archiving` retires them."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NotRequired, TypedDict, Unpack

from django.core.exceptions import ValidationError

from catalog.checking import InvalidField, changed_fields, clean_text, store_new
from catalog.models import (
    Aggregation,
    ConsumptionMapping,
    Feature,
    FeatureEntitlement,
    FeatureType,
    MeterType,
)
from workspace import activity
from workspace.actors import Actor
from workspace.acts import act
from workspace.errors import Conflict, UnknownObject

EVENT_NAME = "eventName"
"""The field of a condition that stands for the event's own name."""

NEEDS_NO_VALUE = {"IS_NULL", "IS_NOT_NULL"}
NEEDS_VALUES = {"IN"}
OPERATIONS = {
    "EQUALS": "is",
    "NOT_EQUALS": "is not",
    "GREATER_THAN": "is greater than",
    "GREATER_THAN_OR_EQUAL": "is at least",
    "LESS_THAN": "is less than",
    "LESS_THAN_OR_EQUAL": "is at most",
    "CONTAINS": "contains",
    "STARTS_WITH": "starts with",
    "ENDS_WITH": "ends with",
    "IN": "is one of",
    "IS_NULL": "is missing",
    "IS_NOT_NULL": "is present",
}
MOST_CONDITIONS = 50
LARGEST_DIVISOR = 10**12
"""By which use may be divided at most to be shown in other units."""

COUNTED = {Aggregation.COUNT, Aggregation.SUM}
"""The aggregations whose use may cost credits (R33)."""


class UnknownFeature(UnknownObject):
    """There is no such feature."""


class FeatureCostsCredits(Conflict):
    """Packages charge credits for the feature by the meter it has (R33)."""


class FeatureIncluded(Conflict):
    """Packages include values of the feature that would no longer exist."""


class Condition(TypedDict):
    """One test of an event: `field` is a dimension, or `eventName`."""

    field: str
    operation: str
    value: NotRequired[str]
    values: NotRequired[list[str]]


class FilterGroup(TypedDict):
    """Conditions that must all hold."""

    conditions: list[Condition]


class FeatureFields(TypedDict, total=False):
    """What can be changed about a feature; what is absent stays as it is."""

    name: str
    description: str
    meter_type: str
    aggregation: str
    aggregation_field: str
    meter_filters: list[FilterGroup]
    unit_singular: str
    unit_plural: str
    unit_transformation: dict[str, Any] | None
    enum_values: list[dict[str, str]]
    metadata: dict[str, str]


def event_filters(event_name: str, conditions: Sequence[Condition] = ()) -> list[FilterGroup]:
    """The meter filters for events called `event_name` that also meet `conditions`."""
    named: Condition = {"field": EVENT_NAME, "operation": "EQUALS", "value": event_name}
    return [{"conditions": [named, *conditions]}]


def in_other_units(
    divide: int, *, rounding: str = "UP", unit: str | None = None, units: str | None = None
) -> dict[str, Any]:
    """How use is shown in other units, such as bytes in gigabytes: every key of the contract."""
    return {
        "divide": divide,
        "round": rounding,
        "featureUnits": unit or None,
        "featureUnitsPlural": units or None,
    }


def event_name_of(feature: Feature) -> str:
    """The name its meter listens to; empty if it has none, or more than one group."""
    if len(feature.meter_filters) != 1:
        return ""
    conditions = feature.meter_filters[0]["conditions"]
    names = [
        condition["value"]
        for condition in conditions
        if condition["field"] == EVENT_NAME and condition["operation"] == "EQUALS"
    ]
    return names[0] if len(names) == 1 else ""


def lock(feature_id: int) -> Feature:
    """The feature, locked until the end of the transaction.

    Raises:
        UnknownFeature: there is none.
    """
    row = Feature.objects.select_for_update().filter(pk=feature_id).first()
    if row is None:
        raise UnknownFeature("There is no such feature.")
    return row


@act
def create(
    *,
    public_id: str,
    type: str,
    status: str | None = None,
    actor: Actor,
    now: datetime,
    **fields: Unpack[FeatureFields],
) -> Feature:
    """Add a capability (R7). Its ID and type stay for good.

    Raises:
        InvalidField: a text is missing or too long, or meter and type do not fit.
        IdTaken: another feature has this ID.
    """
    feature = Feature(public_id=public_id, type=type, created_at=now, updated_at=now, **fields)
    if status is not None:
        feature.status = status
    check_meter(feature)
    store_new(feature, taken=f"Another feature has the ID {public_id} already.")
    activity.record(
        "feature.created",
        subject=feature,
        actor=actor,
        now=now,
        payload={"name": feature.name, "type": feature.type},
    )
    return feature


@act
def update(
    *, feature_id: int, actor: Actor, now: datetime, **changes: Unpack[FeatureFields]
) -> Feature:
    """Change a feature, its values or its meter (R7).

    A meter of events makes a feature incremental that was not metered, unless it says more.

    Raises:
        UnknownFeature: there is none.
        InvalidField: as in `create`.
        FeatureCostsCredits: packages map it to credits, which needs events that are
            counted or summed (R33).
        FeatureIncluded: a package includes a value that is to be removed.
    """
    feature = lock(feature_id)
    if changes.get("aggregation") and not feature.is_metered:
        changes.setdefault("meter_type", MeterType.INCREMENTAL)
    changed = changed_fields(feature, changes)
    check_meter(feature)
    if not changed:
        return feature
    if feature.aggregation not in COUNTED and "aggregation" in changed:
        _refuse_if_mapped(feature)
    if "enum_values" in changed:
        _refuse_if_value_included(feature)
    feature.updated_at = now
    feature.save(update_fields=[*changed, "updated_at"])
    activity.record("feature.updated", subject=feature, actor=actor, now=now, payload=changed)
    return feature


def check_meter(feature: Feature) -> None:
    """Refuse a meter or values that do not fit the feature's type (R7).

    Raises:
        InvalidField: naming the field.
    """
    is_number = feature.type == FeatureType.NUMBER
    if feature.is_metered and not is_number:
        raise InvalidField("Only features of type number are metered.", field="meter_type")
    if feature.is_event_based and not feature.is_metered:
        raise InvalidField("Choose how the feature is metered.", field="meter_type")
    if feature.is_event_based:
        _check_aggregation(feature)
    _check_enum_values(feature)


def _check_aggregation(feature: Feature) -> None:
    if feature.aggregation != Aggregation.COUNT and not feature.aggregation_field:
        raise InvalidField(
            "Name the dimension of the event to aggregate.", field="aggregation_field"
        )
    if not feature.meter_filters:
        raise InvalidField("Say which events count.", field="meter_filters")
    conditions = [condition for group in feature.meter_filters for condition in group["conditions"]]
    if not all(group["conditions"] for group in feature.meter_filters):
        raise InvalidField("Each filter needs a condition.", field="meter_filters")
    if len(conditions) > MOST_CONDITIONS:
        raise InvalidField(f"Use at most {MOST_CONDITIONS} conditions.", field="meter_filters")
    for condition in conditions:
        _check_condition(condition)


def _check_condition(condition: Condition) -> None:
    """Refuse a condition that no event could be held against."""
    values = condition.get("values") or []
    value = condition.get("value") or ""
    try:
        for text in (condition["field"], value, *values):
            clean_text(text)
    except ValidationError as error:
        raise InvalidField(error.messages[0], field="meter_filters") from error
    if not condition["field"].strip():
        raise InvalidField("Each condition needs a field.", field="meter_filters")
    operation = condition["operation"]
    if operation not in OPERATIONS:
        raise InvalidField(f"There is no operation {operation}.", field="meter_filters")
    if operation in NEEDS_VALUES:
        if not values:
            raise InvalidField("“is one of” needs values.", field="meter_filters")
    elif operation not in NEEDS_NO_VALUE and not value:
        raise InvalidField(
            f"“{condition['field']} {OPERATIONS[operation]}” needs a value.",
            field="meter_filters",
        )


def _check_enum_values(feature: Feature) -> None:
    values = [choice.get("value", "") for choice in feature.enum_values]
    if feature.type != FeatureType.ENUM:
        if values:
            raise InvalidField("Only a list has values.", field="enum_values")
        return
    if not all(value.strip() for value in values):
        raise InvalidField("A value may not be empty.", field="enum_values")
    if len(set(values)) < len(values):
        raise InvalidField("Enter each value once.", field="enum_values")
    try:
        for choice in feature.enum_values:
            clean_text(choice["value"] + choice.get("displayName", ""))
    except ValidationError as error:
        raise InvalidField(error.messages[0], field="enum_values") from error


def _refuse_if_mapped(feature: Feature) -> None:
    mapping = ConsumptionMapping.objects.filter(feature=feature).select_related("version").first()
    if mapping is not None:
        raise FeatureCostsCredits(
            f"{mapping.version.name} charges credits for this feature, so its events must be "
            "counted or summed.",
            field="aggregation",
        )


def _refuse_if_value_included(feature: Feature) -> None:
    remaining = {choice["value"] for choice in feature.enum_values}
    included = FeatureEntitlement.objects.filter(feature=feature).select_related("version")
    for entitlement in included:
        for value in entitlement.enum_values:
            if value not in remaining:
                raise FeatureIncluded(
                    f"{entitlement.version.name} includes the value {value}.",
                    field="enum_values",
                )
