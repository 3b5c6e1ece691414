"""Entitlements as callers see them, over the API and at the edge.

Plain dictionaries: these are the answers that are asked for thousands of times a second.
"""

from datetime import datetime
from typing import Any

from catalog.models import CreditType, Feature, MeterType
from credits.access import Denial, NamedCredits
from credits.entitlements import CreditState, FeatureState, State
from credits.pools import Standing
from workspace.api.fields import wire_instant

Shape = dict[str, Any]


def instant(at: datetime | None) -> str | None:
    """An instant, or null where there is none."""
    return None if at is None else wire_instant(at)


def credit_entitlement(
    standing: Standing,
    denial: Denial | None,
    *,
    credit_type: CreditType | NamedCredits | None,
    asked_for: str,
    now: datetime,
) -> Shape:
    """Whether credits may be used, and what is left: `usageLimit` - `currentUsage` (R43, R44).

    `asked_for` names the credit type where there is none of that id.
    """
    return {
        "type": "CREDIT",
        "isGranted": denial is None,
        "accessDeniedReason": denial,
        "currency": {
            "currencyId": asked_for,
            "displayName": asked_for if credit_type is None else credit_type.name,
            "description": (credit_type and credit_type.description) or None,
            "metadata": credit_type and credit_type.metadata,
            "unitSingular": (credit_type and credit_type.unit_singular) or None,
            "unitPlural": (credit_type and credit_type.unit_plural) or None,
        },
        "usageLimit": standing.granted,
        "currentUsage": standing.consumed,
        "hasSoftLimit": standing.has_soft_limit,
        "usageUpdatedAt": wire_instant(standing.as_of or now),
        "entitlementUpdatedAt": instant(standing.as_of),
        "usagePeriodEnd": instant(standing.next_reset_at),
        "validUntil": instant(standing.next_change_at),
    }


def feature_entitlement(state: FeatureState) -> Shape:
    """Whether a feature may be used, and how much of it was."""
    start, end = state.window or (None, None)
    return {
        "type": "FEATURE",
        "isGranted": state.denial is None,
        "accessDeniedReason": state.denial,
        "feature": state.feature and _feature(state.feature),
        "usageLimit": state.usage_limit,
        "hasUnlimitedUsage": state.has_unlimited_usage,
        "currentUsage": state.used,
        "resetPeriod": state.reset_period or None,
        "usagePeriodAnchor": instant(state.anchor),
        "usagePeriodStart": instant(start),
        "usagePeriodEnd": instant(end),
        "entitlementUpdatedAt": instant(state.updated_at),
        "validUntil": instant(state.valid_until),
    }


def entitlements(state: State, now: datetime) -> Shape:
    """Everything a customer may use."""
    return {
        "accessDeniedReason": state.denial,
        "entitlements": [
            *(_credits(each, now) for each in state.credits),
            *(feature_entitlement(each) for each in state.features),
        ],
    }


def edge_state(state: State, now: datetime) -> Shape:
    """Everything a customer may use, as SDKs read it to decide for themselves.

    They know the two kinds apart by `__typename`, and call metadata `additionalMetaData`.
    """
    return {
        "__typename": "EntitlementsState",
        "accessDeniedReason": state.denial,
        "entitlements": [],
        "entitlementsV2": [
            *(_edge_credits(each, now) for each in state.credits),
            *(_edge_feature(each, now) for each in state.features),
        ],
    }


def _credits(state: CreditState, now: datetime) -> Shape:
    return credit_entitlement(
        state.standing,
        state.denial,
        credit_type=state.credit_type,
        asked_for=state.credit_type.public_id,
        now=now,
    )


def _feature(feature: Feature) -> Shape:
    return {
        "id": feature.public_id,
        "displayName": feature.name,
        "featureStatus": feature.status,
        "featureType": feature.type,
    }


def _edge_credits(state: CreditState, now: datetime) -> Shape:
    shape = _credits(state, now)
    shape.pop("type")
    currency = shape.pop("currency")
    currency["additionalMetaData"] = currency.pop("metadata")
    currency["__typename"] = "EntitlementCurrency"
    shape["entitlementUpdatedAt"] = shape["usageUpdatedAt"]
    return {"__typename": "CreditEntitlement", "currency": currency, **shape}


METER_TYPES = {
    MeterType.NONE: "None",
    MeterType.INCREMENTAL: "Incremental",
    MeterType.FLUCTUATING: "Fluctuating",
}

RESET_CONFIGURATIONS = {
    "MONTH": ("MonthlyResetPeriodConfig", "monthlyAccordingTo"),
    "WEEK": ("WeeklyResetPeriodConfig", "weeklyAccordingTo"),
    "YEAR": ("YearlyResetPeriodConfig", "yearlyAccordingTo"),
}
"""By reset period, how SDKs call its configuration."""


def _edge_feature(state: FeatureState, now: datetime) -> Shape:
    assert state.feature is not None, "what is included exists"
    feature = state.feature
    shape = feature_entitlement(state)
    shape.pop("type")
    return {
        "__typename": "FeatureEntitlement",
        **shape,
        "hasSoftLimit": state.has_soft_limit,
        "enumValues": list(state.enum_values) or None,
        "usageUpdatedAt": wire_instant(now),
        "resetPeriodConfiguration": _reset_configuration(state),
        "creditRate": _credit_rate(state),
        "feature": {
            "__typename": "EntitlementFeature",
            "refId": feature.public_id,
            "displayName": feature.name,
            "description": feature.description or None,
            "featureType": feature.type,
            "meterType": METER_TYPES[MeterType(feature.meter_type)],
            "featureUnits": feature.unit_singular or None,
            "featureUnitsPlural": feature.unit_plural or None,
            "unitTransformation": feature.unit_transformation,
        },
    }


def _reset_configuration(state: FeatureState) -> Shape | None:
    according_to = (state.reset_configuration or {}).get("accordingTo")
    if according_to is None or state.reset_period not in RESET_CONFIGURATIONS:
        return None
    kind, name = RESET_CONFIGURATIONS[state.reset_period]
    return {"__typename": kind, name: according_to}


def _credit_rate(state: FeatureState) -> Shape | None:
    """What one unit costs in credits; null too where a formula says it."""
    mapping = state.mapping
    if mapping is None or mapping.rate is None:
        return None
    return {
        "__typename": "CreditRate",
        "amount": mapping.rate,
        "currencyId": mapping.credit_type.public_id,
    }
