"""Values of a file's entries under the names that verbs have for them."""

from typing import Any

from catalog import features
from catalog.models import MeterType
from catalog.transfer import shapes
from catalog.transfer.kinds import Entry


def entitlement_terms(one: Entry, place: int) -> Any:
    """What both kinds of entitlement say; the order of the file is the order of customers."""
    return {
        "is_granted": one["granted"],
        "is_custom": one["custom"],
        "has_soft_limit": one["soft_limit"],
        "behaviour": one["behaviour"],
        "display_name_override": one["display_name"],
        "description": one["description"],
        "hidden_from": one["hidden_from"],
        "position": float(place),
    }


def feature_fields(entry: Entry) -> Any:
    """What a feature is made of."""
    meter = entry["meter"] or shapes.METER.filled(type=MeterType.NONE)
    shown = entry["shown_units"]
    return {
        "name": entry["name"],
        "description": entry["description"],
        "unit_singular": entry["unit"],
        "unit_plural": entry["units"],
        "enum_values": [
            {"value": choice["value"], "displayName": choice["name"]} for choice in entry["values"]
        ],
        "meter_type": meter["type"],
        "aggregation": meter["aggregation"],
        "aggregation_field": meter["dimension"],
        "meter_filters": [
            {"conditions": [_condition(condition) for condition in group["all_of"]]}
            for group in meter["filters"]
        ],
        "unit_transformation": shown
        and features.in_other_units(
            shown["divide"],
            rounding=shown["round"] or "UP",
            unit=shown["unit"],
            units=shown["units"],
        ),
        "metadata": entry["metadata"],
    }


def _condition(condition: Entry) -> dict[str, Any]:
    """A condition as it is stored: without what its operation does not need."""
    return {name: value for name, value in condition.items() if value not in ("", [])}


def trial_fields(trial: Entry | None) -> dict[str, Any]:
    """The trial of a plan, or that it has none."""
    if trial is None:
        return {"trial_length": None, "trial_unit": "", "trial_end": "", "trial_budget": None}
    budget = trial["budget"]
    return {
        "trial_length": trial["length"],
        "trial_unit": trial["unit"],
        "trial_end": trial["end"],
        "trial_budget": budget
        and {"limit": budget["limit"], "has_soft_limit": budget["soft_limit"]},
    }


def reset_configuration(word: str) -> dict[str, str] | None:
    """From when periods of use are counted, as it is stored."""
    return {"accordingTo": word} if word else None


def money(given: Entry | None) -> dict[str, Any] | None:
    """An amount of a tier."""
    return given and {"amount": given["amount"], "currency": given["currency"]}
