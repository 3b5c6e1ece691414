"""From use to cost: which features an event measures, and what that costs (R7, R33, R41)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from catalog.amounts import LIMIT, ZERO, rounded
from catalog.features import EVENT_NAME
from catalog.formulas import CostTooLarge, number, parse
from catalog.models import Aggregation, ConsumptionMapping, Feature
from subscriptions.entitlements import effective_mappings
from subscriptions.models import Customer, Subscription


@dataclass(slots=True, frozen=True)
class Cost:
    """What one use costs in one credit type; `flags` name what was missing or wrong."""

    amount: Decimal
    flags: tuple[str, ...] = ()


@dataclass(slots=True, frozen=True)
class Measure:
    """How much of a feature one event used: a number to sum or compare, a text to count."""

    feature: Feature
    value: Decimal
    text: str = ""
    flags: tuple[str, ...] = ()


def matches(feature: Feature, event_name: str, dimensions: Mapping[str, Any]) -> bool:
    """Whether an event counts for an event-based feature: one group of filters holds (R7)."""
    fields = {**dimensions, EVENT_NAME: event_name}
    return any(
        all(_holds(condition, fields) for condition in group.get("conditions", []))
        for group in feature.meter_filters
    )


def measure(feature: Feature, dimensions: Mapping[str, Any]) -> Measure:
    """What a matching event adds to `feature`; a missing or odd number is 0 and flagged."""
    if feature.aggregation == Aggregation.COUNT:
        return Measure(feature, Decimal(1))
    value = dimensions.get(feature.aggregation_field)
    if feature.aggregation == Aggregation.UNIQUE:
        return Measure(feature, ZERO, "" if value is None else str(value)[:255])
    found = number(value)
    if found is None or abs(found) >= LIMIT:
        return Measure(feature, ZERO, flags=(f"{feature.aggregation_field} is not a number",))
    return Measure(feature, rounded(found))


def mappings_in_force(
    customer: Customer, resource_id: int | None, now: datetime
) -> list[ConsumptionMapping]:
    """What use costs this customer, or this resource of it, at `now` (R33, R42).

    Where several subscriptions map the same feature to the same credit type, the one
    started first says what it costs.
    """
    subscriptions = Subscription.objects.filter(customer=customer, resource=resource_id)
    found: dict[tuple[int, int], ConsumptionMapping] = {}
    in_force = subscriptions.in_force(now).select_related("plan_version")
    for subscription in in_force.order_by("started_at", "pk"):
        for mapping in effective_mappings(subscription, now):
            found.setdefault((mapping.feature_id, mapping.credit_type_id), mapping)
    return list(found.values())


def cost(mapping: ConsumptionMapping, units: Decimal, dimensions: Mapping[str, Any]) -> Cost:
    """What `units` of the mapped feature cost, by rate or formula, at least 0 (R34).

    Raises:
        CostTooLarge: 10¹² credits or more, which is no amount (R46).
    """
    if mapping.formula:
        result = parse(mapping.formula).evaluate(dimensions)
        return Cost(result.amount, tuple(result.warnings))
    amount = max(units, ZERO) * (mapping.rate or ZERO)
    if amount >= LIMIT:
        raise CostTooLarge("The rate gives a cost of 1,000,000,000,000 credits or more.")
    return Cost(rounded(amount))


def _holds(condition: Mapping[str, Any], fields: Mapping[str, Any]) -> bool:
    actual = fields.get(condition["field"])
    match condition["operation"]:
        case "IS_NULL":
            return actual is None
        case "IS_NOT_NULL":
            return actual is not None
        case "IN":
            return actual is not None and _text(actual) in _texts(condition.get("values"))
        case "NOT_EQUALS":
            return actual is None or _text(actual) != _text(condition.get("value"))
        case operation:
            return actual is not None and _compares(operation, actual, condition.get("value"))


def _compares(operation: str, actual: Any, wanted: Any) -> bool:
    match operation:
        case "EQUALS":
            return _text(actual) == _text(wanted)
        case "CONTAINS":
            return _text(wanted) in _text(actual)
        case "STARTS_WITH":
            return _text(actual).startswith(_text(wanted))
        case "ENDS_WITH":
            return _text(actual).endswith(_text(wanted))
    left, right = number(actual), number(wanted)
    if left is None or right is None:
        return False
    return {
        "GREATER_THAN": left > right,
        "GREATER_THAN_OR_EQUAL": left >= right,
        "LESS_THAN": left < right,
        "LESS_THAN_OR_EQUAL": left <= right,
    }[operation]


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)


def _texts(values: Sequence[Any] | None) -> set[str]:
    return {_text(value) for value in values or ()}
