"""Entitlements as callers see them, over the API and at the edge.

Plain dictionaries: these are the answers that are asked for thousands of times a second.
"""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Literal, NotRequired, TypedDict, cast

from catalog.api.features import UnitTransformationShape
from catalog.api.paywall_shapes import METER_TYPES, EdgeMeter
from catalog.models import (
    CreditType,
    Feature,
    FeatureStatus,
    FeatureType,
    MeterType,
    ResetPeriod,
)
from credits.access import Denial, NamedCredits
from credits.entitlements import CreditState, FeatureState, State
from credits.pools import Standing
from workspace.api.fields import wire_instant
from workspace.api.terms import Instant, one_of


class TakenShape(TypedDict):
    """Nothing: all of it was taken in."""


DenialReason = Annotated[str, one_of(Denial)]

NOTHING_AT_ALL = (
    Denial.CUSTOMER_NOT_FOUND,
    Denial.CUSTOMER_IS_ARCHIVED,
    Denial.NO_ACTIVE_SUBSCRIPTION,
)
"""Why a customer may use nothing."""


class CurrencyShape(TypedDict):
    """A credit type: the contract calls it custom currency."""

    currencyId: str
    displayName: str
    description: str | None
    metadata: dict[str, str] | None
    unitSingular: str | None
    unitPlural: str | None


class CheckedCreditsShape(TypedDict):
    """Whether credits may be used, and what is left: `usageLimit` less `currentUsage`."""

    type: Literal["CREDIT"]
    isGranted: bool
    accessDeniedReason: DenialReason | None
    currency: CurrencyShape
    usageLimit: Decimal
    currentUsage: Decimal
    hasSoftLimit: bool
    usageUpdatedAt: Instant
    entitlementUpdatedAt: Instant | None
    usagePeriodEnd: Instant | None
    validUntil: Instant | None


class NamedFeatureShape(TypedDict):
    """A feature, in short."""

    id: str
    displayName: str
    featureStatus: Annotated[str, one_of(FeatureStatus.values)]
    featureType: Annotated[str, one_of(FeatureType.values)]


class CheckedFeatureShape(TypedDict):
    """Whether a feature may be used, and how much of it was."""

    type: Literal["FEATURE"]
    isGranted: bool
    accessDeniedReason: DenialReason | None
    feature: NamedFeatureShape | None
    usageLimit: int | None
    hasUnlimitedUsage: bool
    currentUsage: Decimal | None
    resetPeriod: Annotated[str, one_of(ResetPeriod.values)] | None
    usagePeriodAnchor: Instant | None
    usagePeriodStart: Instant | None
    usagePeriodEnd: Instant | None
    entitlementUpdatedAt: Instant | None
    validUntil: Instant | None


CheckedShape = CheckedCreditsShape | CheckedFeatureShape


class CustomerEntitlementsShape(TypedDict):
    """Everything a customer may use, credits first."""

    accessDeniedReason: Annotated[str, one_of(NOTHING_AT_ALL)] | None
    entitlements: list[CheckedShape]


# What begins with two underscores is no name in a class.
EdgeCurrencyShape = TypedDict(
    "EdgeCurrencyShape",
    {
        "__typename": Literal["EntitlementCurrency"],
        "currencyId": str,
        "displayName": str,
        "description": str | None,
        "additionalMetaData": dict[str, str] | None,
        "unitSingular": str | None,
        "unitPlural": str | None,
    },
)

EdgeCreditsShape = TypedDict(
    "EdgeCreditsShape",
    {
        "__typename": Literal["CreditEntitlement"],
        "isGranted": bool,
        "accessDeniedReason": DenialReason | None,
        "currency": EdgeCurrencyShape,
        "usageLimit": Decimal,
        "currentUsage": Decimal,
        "hasSoftLimit": bool,
        "usageUpdatedAt": Instant,
        "entitlementUpdatedAt": Instant,
        "usagePeriodEnd": Instant | None,
        "validUntil": Instant | None,
    },
)

EdgeNamedFeatureShape = TypedDict(
    "EdgeNamedFeatureShape",
    {
        "__typename": Literal["EntitlementFeature"],
        "refId": str,
        "displayName": str,
        "description": str | None,
        "featureType": Annotated[str, one_of(FeatureType.values)],
        "meterType": EdgeMeter,
        "featureUnits": str | None,
        "featureUnitsPlural": str | None,
        "unitTransformation": UnitTransformationShape | None,
    },
)

RESET_CONFIGURATIONS = {
    "MONTH": ("MonthlyResetPeriodConfig", "monthlyAccordingTo"),
    "WEEK": ("WeeklyResetPeriodConfig", "weeklyAccordingTo"),
    "YEAR": ("YearlyResetPeriodConfig", "yearlyAccordingTo"),
}
"""By reset period, how SDKs call its configuration."""

EdgeResetShape = TypedDict(
    "EdgeResetShape",
    {
        "__typename": Annotated[str, one_of(kind for kind, _ in RESET_CONFIGURATIONS.values())],
        "monthlyAccordingTo": NotRequired[str],
        "weeklyAccordingTo": NotRequired[str],
        "yearlyAccordingTo": NotRequired[str],
    },
)

EdgeCreditRateShape = TypedDict(
    "EdgeCreditRateShape",
    {"__typename": Literal["CreditRate"], "amount": Decimal, "currencyId": str},
)


class EdgeUseShape(TypedDict):
    """What SDKs of all generations read of a feature."""

    isGranted: bool
    accessDeniedReason: DenialReason | None
    feature: EdgeNamedFeatureShape
    usageLimit: int | None
    hasUnlimitedUsage: bool
    hasSoftLimit: bool
    currentUsage: Decimal | None
    enumValues: list[str] | None
    resetPeriod: Annotated[str, one_of(ResetPeriod.values)] | None
    resetPeriodConfiguration: EdgeResetShape | None
    creditRate: EdgeCreditRateShape | None
    usagePeriodAnchor: Instant | None
    usagePeriodStart: Instant | None
    usagePeriodEnd: Instant | None
    usageUpdatedAt: Instant
    entitlementUpdatedAt: Instant | None


OfFeature = TypedDict("OfFeature", {"__typename": Literal["FeatureEntitlement"]})
OfOlder = TypedDict("OfOlder", {"__typename": Literal["Entitlement"]})


class EdgeFeatureShape(OfFeature, EdgeUseShape):
    """Whether a feature may be used, and how much of it was."""

    validUntil: Instant | None


class EdgeOlderShape(OfOlder, EdgeUseShape):
    """The same for older SDKs; `validUntil` counts milliseconds."""

    customerId: str
    resourceId: str | None
    requestedUsage: None
    requestedValues: None
    nextResetDate: Instant | None
    validUntil: int | None


class EdgeListShape(TypedDict):
    """The features a customer may use, as older SDKs read them."""

    entitlements: list[EdgeOlderShape]


EdgeStateShape = TypedDict(
    "EdgeStateShape",
    {
        "__typename": Literal["EntitlementsState"],
        "accessDeniedReason": Annotated[str, one_of(NOTHING_AT_ALL)] | None,
        "entitlements": list[EdgeOlderShape],
        "entitlementsV2": list[EdgeCreditsShape | EdgeFeatureShape],
    },
)


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
) -> CheckedCreditsShape:
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
            "metadata": None if credit_type is None else credit_type.metadata,
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


def feature_entitlement(state: FeatureState) -> CheckedFeatureShape:
    """Whether a feature may be used, and how much of it was."""
    start, end = state.window or (None, None)
    return {
        "type": "FEATURE",
        "isGranted": state.denial is None,
        "accessDeniedReason": state.denial,
        "feature": None if state.feature is None else _feature(state.feature),
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


def entitlements(state: State, now: datetime) -> CustomerEntitlementsShape:
    """Everything a customer may use."""
    return {
        "accessDeniedReason": state.denial,
        "entitlements": [
            *(_credits(each, now) for each in state.credits),
            *(feature_entitlement(each) for each in state.features),
        ],
    }


def edge_state(
    state: State, *, customer_id: str, resource_id: str | None, now: datetime
) -> EdgeStateShape:
    """Everything a customer may use, as SDKs read it to decide for themselves.

    They know the two kinds apart by `__typename`, and call metadata `additionalMetaData`.
    """
    return {
        "__typename": "EntitlementsState",
        "accessDeniedReason": state.denial,
        "entitlements": edge_list(state, customer_id=customer_id, resource_id=resource_id, now=now),
        "entitlementsV2": [
            *(_edge_credits(each, now) for each in state.credits),
            *(_edge_feature(each, now) for each in state.features),
        ],
    }


def edge_list(
    state: State, *, customer_id: str, resource_id: str | None, now: datetime
) -> list[EdgeOlderShape]:
    """The features a customer may use, as older SDKs read them; they know no credits."""
    return [
        {
            "__typename": "Entitlement",
            **_edge_use(each, now),
            "customerId": customer_id,
            "resourceId": resource_id,
            "requestedUsage": None,
            "requestedValues": None,
            "nextResetDate": instant(each.window[1]) if each.window else None,
            "validUntil": _milliseconds(each.valid_until),
        }
        for each in state.features
    ]


def _milliseconds(at: datetime | None) -> int | None:
    return None if at is None else round(at.timestamp() * 1000)


def _credits(state: CreditState, now: datetime) -> CheckedCreditsShape:
    return credit_entitlement(
        state.standing,
        state.denial,
        credit_type=state.credit_type,
        asked_for=state.credit_type.public_id,
        now=now,
    )


def _feature(feature: Feature) -> NamedFeatureShape:
    return {
        "id": feature.public_id,
        "displayName": feature.name,
        "featureStatus": feature.status,
        "featureType": feature.type,
    }


def _edge_credits(state: CreditState, now: datetime) -> EdgeCreditsShape:
    shape = _credits(state, now)
    currency = shape["currency"]
    return {
        "__typename": "CreditEntitlement",
        "currency": {
            "__typename": "EntitlementCurrency",
            "currencyId": currency["currencyId"],
            "displayName": currency["displayName"],
            "description": currency["description"],
            "additionalMetaData": currency["metadata"],
            "unitSingular": currency["unitSingular"],
            "unitPlural": currency["unitPlural"],
        },
        "isGranted": shape["isGranted"],
        "accessDeniedReason": shape["accessDeniedReason"],
        "usageLimit": shape["usageLimit"],
        "currentUsage": shape["currentUsage"],
        "hasSoftLimit": shape["hasSoftLimit"],
        "usageUpdatedAt": shape["usageUpdatedAt"],
        "entitlementUpdatedAt": shape["usageUpdatedAt"],
        "usagePeriodEnd": shape["usagePeriodEnd"],
        "validUntil": shape["validUntil"],
    }


def _edge_feature(state: FeatureState, now: datetime) -> EdgeFeatureShape:
    return {
        "__typename": "FeatureEntitlement",
        **_edge_use(state, now),
        "validUntil": instant(state.valid_until),
    }


def _edge_use(state: FeatureState, now: datetime) -> EdgeUseShape:
    assert state.feature is not None, "what is included exists"
    feature = state.feature
    shape = feature_entitlement(state)
    return {
        "isGranted": shape["isGranted"],
        "accessDeniedReason": shape["accessDeniedReason"],
        "usageLimit": shape["usageLimit"],
        "hasUnlimitedUsage": shape["hasUnlimitedUsage"],
        "currentUsage": shape["currentUsage"],
        "resetPeriod": shape["resetPeriod"],
        "usagePeriodAnchor": shape["usagePeriodAnchor"],
        "usagePeriodStart": shape["usagePeriodStart"],
        "usagePeriodEnd": shape["usagePeriodEnd"],
        "entitlementUpdatedAt": shape["entitlementUpdatedAt"],
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


def _reset_configuration(state: FeatureState) -> EdgeResetShape | None:
    according_to = (state.reset_configuration or {}).get("accordingTo")
    if according_to is None or state.reset_period not in RESET_CONFIGURATIONS:
        return None
    kind, name = RESET_CONFIGURATIONS[state.reset_period]
    shape: Any = {"__typename": kind, name: according_to}
    return cast("EdgeResetShape", shape)


def _credit_rate(state: FeatureState) -> EdgeCreditRateShape | None:
    """What one unit costs in credits; null too where a formula says it."""
    mapping = state.mapping
    if mapping is None or mapping.rate is None:
        return None
    return {
        "__typename": "CreditRate",
        "amount": mapping.rate,
        "currencyId": mapping.credit_type.public_id,
    }
