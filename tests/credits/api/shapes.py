"""What answers look like to the letter: every key, and nothing beside."""

from decimal import Decimal
from typing import Any

from jsonschema import Draft202012Validator, FormatChecker
from jsonschema.validators import extend

Schema = dict[str, Any]


def is_number(checker: object, instance: object) -> bool:
    return isinstance(instance, int | Decimal) and not isinstance(instance, bool)


CHECKER = FormatChecker(formats=())


@CHECKER.checks("instant")
def is_instant(value: object) -> bool:
    return isinstance(value, str) and len(value) == 24 and value.endswith("Z")


Validator = extend(
    Draft202012Validator,
    type_checker=Draft202012Validator.TYPE_CHECKER.redefine("number", is_number),
)

TEXT: Schema = {"type": "string", "minLength": 1}
NUMBER: Schema = {"type": "number"}
WHOLE: Schema = {"type": "integer"}
FLAG: Schema = {"type": "boolean"}
INSTANT: Schema = {"type": "string", "format": "instant"}
NOTHING: Schema = {"type": "null"}


def or_null(schema: Schema) -> Schema:
    return {"anyOf": [schema, NOTHING]}


def one_of(*words: str) -> Schema:
    return {"enum": list(words)}


def several(schema: Schema) -> Schema:
    return {"type": "array", "items": schema}


def exactly(**properties: Schema) -> Schema:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


METADATA: Schema = {"type": "object", "additionalProperties": {"type": "string"}}

REASONS = one_of(
    *("FeatureNotFound", "CustomerNotFound", "CustomerIsArchived", "CustomerResourceNotFound"),
    *("NoActiveSubscription", "NoFeatureEntitlementInSubscription", "FeatureTypeMismatch"),
    *("RequestedUsageExceedingLimit", "RequestedValuesMismatch", "BudgetExceeded", "Unknown"),
    *("Revoked", "InsufficientCredits", "EntitlementNotFound"),
)

CREDIT_ENTITLEMENT = exactly(
    type=one_of("CREDIT"),
    isGranted=FLAG,
    accessDeniedReason=or_null(REASONS),
    currency=exactly(
        currencyId=TEXT,
        displayName=TEXT,
        description=or_null(TEXT),
        metadata=or_null(METADATA),
        unitPlural=or_null(TEXT),
        unitSingular=or_null(TEXT),
    ),
    currentUsage=NUMBER,
    usageLimit=NUMBER,
    usageUpdatedAt=INSTANT,
    entitlementUpdatedAt=or_null(INSTANT),
    usagePeriodEnd=or_null(INSTANT),
    validUntil=or_null(INSTANT),
    # Not in the contract, which leaves no other place for it (R43).
    hasSoftLimit=FLAG,
)

FEATURE_ENTITLEMENT = exactly(
    type=one_of("FEATURE"),
    isGranted=FLAG,
    accessDeniedReason=or_null(REASONS),
    currentUsage=or_null(NUMBER),
    entitlementUpdatedAt=or_null(INSTANT),
    feature=or_null(
        exactly(
            id=TEXT,
            displayName=TEXT,
            featureStatus=one_of("NEW", "SUSPENDED", "ACTIVE"),
            featureType=one_of("BOOLEAN", "NUMBER", "ENUM"),
        )
    ),
    hasUnlimitedUsage=or_null(FLAG),
    resetPeriod=or_null(one_of("YEAR", "MONTH", "WEEK", "DAY", "HOUR")),
    usageLimit=or_null(NUMBER),
    usagePeriodAnchor=or_null(INSTANT),
    usagePeriodEnd=or_null(INSTANT),
    usagePeriodStart=or_null(INSTANT),
    validUntil=or_null(INSTANT),
)

ENTITLEMENTS = exactly(
    accessDeniedReason=or_null(
        one_of("CustomerNotFound", "NoActiveSubscription", "CustomerIsArchived")
    ),
    entitlements=several({"anyOf": [CREDIT_ENTITLEMENT, FEATURE_ENTITLEMENT]}),
)

CONSUMPTION = exactly(
    amount=NUMBER,
    currencyId=TEXT,
    customerId=TEXT,
    resourceId=or_null(TEXT),
    timestamp=INSTANT,
    credit=or_null(
        exactly(
            currencyId=TEXT,
            currentUsage=NUMBER,
            usageLimit=NUMBER,
            timestamp=INSTANT,
            usagePeriodEnd=or_null(INSTANT),
        )
    ),
)

GRANT = exactly(
    id=TEXT,
    amount=NUMBER,
    comment=or_null(TEXT),
    consumedAmount=NUMBER,
    cost=exactly(amount=NUMBER, currency=TEXT),
    createdAt=INSTANT,
    currencyId=TEXT,
    customerId=TEXT,
    displayName=TEXT,
    effectiveAt=INSTANT,
    expireAt=or_null(INSTANT),
    grantType=one_of("PAID", "PROMOTIONAL", "RECURRING", "OVERDRAFT"),
    invoiceId=or_null(TEXT),
    latestInvoice=NOTHING,
    metadata=METADATA,
    paymentCollection=one_of("NOT_REQUIRED", "PROCESSING", "FAILED", "ACTION_REQUIRED"),
    priority=NUMBER,
    resourceId=or_null(TEXT),
    sourceType=or_null(one_of("PRICE", "PLAN_ENTITLEMENT", "ADDON_ENTITLEMENT")),
    status=one_of("PAYMENT_PENDING", "ACTIVE", "EXPIRED", "VOIDED", "SCHEDULED"),
    syncStates=NOTHING,
    updatedAt=INSTANT,
    voidedAt=or_null(INSTANT),
)

ENTRY = exactly(
    amount=NUMBER,
    creditCurrencyId=TEXT,
    creditGrantId=TEXT,
    customerId=TEXT,
    eventId=or_null(TEXT),
    eventType=one_of(
        *("CREDITS_GRANTED", "CREDITS_EXPIRED", "CREDITS_CONSUMED", "CREDITS_VOIDED"),
        *("CREDITS_UPDATED", "CREDITS_CONSUMPTION_TRANSFER_SOURCE"),
        "CREDITS_CONSUMPTION_TRANSFER_TARGET",
    ),
    featureId=or_null(TEXT),
    resourceId=or_null(TEXT),
    timestamp=INSTANT,
)

PAGINATION = exactly(next=or_null(TEXT), prev=or_null(TEXT))
TAGS = several(exactly(key=TEXT, value={"type": "string"}))

CREDIT_USAGE = exactly(
    currency=or_null(
        exactly(
            currencyId=TEXT,
            displayName=TEXT,
            plural=or_null(TEXT),
            singular=or_null(TEXT),
            symbol=or_null(TEXT),
        )
    ),
    pagination=PAGINATION,
    series=several(
        exactly(
            featureId=or_null(TEXT),
            featureName=or_null(TEXT),
            tags=or_null(TAGS),
            totalCredits=NUMBER,
            eventCount=NUMBER,
            points=several(exactly(timestamp=INSTANT, value=NUMBER, eventCount=NUMBER)),
        )
    ),
)

RECHARGE = exactly(
    id=or_null(TEXT),
    createdAt=or_null(INSTANT),
    currencyId=TEXT,
    customerId=TEXT,
    grantExpirationPeriod=one_of("1_MONTH", "1_YEAR"),
    isEnabled=FLAG,
    maxSpendLimit=or_null(NUMBER),
    targetBalance=NUMBER,
    thresholdType=one_of("CREDIT_AMOUNT", "DOLLAR_AMOUNT"),
    thresholdValue=NUMBER,
    updatedAt=or_null(INSTANT),
)

ESTIMATE = exactly(
    estimates=several(
        exactly(
            currencyId=TEXT,
            estimatedCost=NUMBER,
            currentBalance=NUMBER,
            balanceAfterEstimate=NUMBER,
            wouldOverdraft=FLAG,
            breakdown=several(
                exactly(
                    featureId=TEXT,
                    cost=NUMBER,
                    warningCode=or_null(one_of("UNSUPPORTED_AGGREGATION")),
                )
            ),
        )
    ),
    warnings=several(
        one_of(
            *("RESOURCE_SCOPED_SUBSCRIPTION_EXISTS", "FEATURE_NOT_FOUND"),
            "FEATURE_NOT_CREDIT_BASED",
        )
    ),
)

USAGE = exactly(
    id=TEXT,
    createdAt=INSTANT,
    customerId=TEXT,
    featureId=TEXT,
    resourceId=or_null(TEXT),
    timestamp=INSTANT,
    value=WHOLE,
    currentUsage=or_null(NUMBER),
    nextResetDate=or_null(INSTANT),
    usagePeriodEnd=or_null(INSTANT),
    usagePeriodStart=or_null(INSTANT),
    credit=or_null(
        exactly(
            consumed=NUMBER,
            currencyId=TEXT,
            currentUsage=NUMBER,
            usageLimit=NUMBER,
            timestamp=INSTANT,
            usagePeriodEnd=or_null(INSTANT),
        )
    ),
)

HISTORY = exactly(
    markers=several(
        exactly(timestamp=INSTANT, type=one_of("PERIODIC_RESET", "SUBSCRIPTION_CHANGE_RESET"))
    ),
    series=several(
        exactly(
            tags=TAGS,
            points=several(exactly(isResetPoint=FLAG, timestamp=INSTANT, value=NUMBER)),
        )
    ),
)

EDGE_CREDITS = exactly(
    __typename=one_of("CreditEntitlement"),
    isGranted=FLAG,
    accessDeniedReason=or_null(REASONS),
    currency=exactly(
        __typename=one_of("EntitlementCurrency"),
        currencyId=TEXT,
        displayName=TEXT,
        description=or_null(TEXT),
        unitSingular=or_null(TEXT),
        unitPlural=or_null(TEXT),
        additionalMetaData=or_null(METADATA),
    ),
    usageLimit=NUMBER,
    currentUsage=NUMBER,
    hasSoftLimit=or_null(FLAG),
    usageUpdatedAt=INSTANT,
    entitlementUpdatedAt=INSTANT,
    usagePeriodEnd=or_null(INSTANT),
    validUntil=or_null(INSTANT),
)

EDGE_FEATURE = exactly(
    __typename=one_of("FeatureEntitlement"),
    isGranted=FLAG,
    accessDeniedReason=or_null(REASONS),
    usageLimit=or_null(NUMBER),
    hasUnlimitedUsage=FLAG,
    hasSoftLimit=or_null(FLAG),
    currentUsage=or_null(NUMBER),
    enumValues=or_null(several(TEXT)),
    entitlementUpdatedAt=or_null(INSTANT),
    usageUpdatedAt=or_null(INSTANT),
    usagePeriodAnchor=or_null(INSTANT),
    usagePeriodStart=or_null(INSTANT),
    usagePeriodEnd=or_null(INSTANT),
    resetPeriod=or_null(one_of("YEAR", "MONTH", "WEEK", "DAY", "HOUR")),
    resetPeriodConfiguration=or_null({"type": "object", "required": ["__typename"]}),
    feature=exactly(
        __typename=one_of("EntitlementFeature"),
        refId=TEXT,
        displayName=TEXT,
        description=or_null(TEXT),
        featureType=one_of("BOOLEAN", "NUMBER", "ENUM"),
        meterType=or_null(one_of("None", "Incremental", "Fluctuating")),
        featureUnits=or_null(TEXT),
        featureUnitsPlural=or_null(TEXT),
        unitTransformation=or_null({"type": "object"}),
    ),
    creditRate=or_null(exactly(__typename=one_of("CreditRate"), amount=NUMBER, currencyId=TEXT)),
    validUntil=or_null(INSTANT),
)

EDGE_STATE = exactly(
    __typename=one_of("EntitlementsState"),
    accessDeniedReason=or_null(
        one_of("CustomerNotFound", "NoActiveSubscription", "CustomerIsArchived")
    ),
    entitlements=several({}),
    entitlementsV2=several({"anyOf": [EDGE_CREDITS, EDGE_FEATURE]}),
)

REFUSAL = exactly(
    message=TEXT,
    code=TEXT,
    traceId=TEXT,
    errors={"type": "object", "additionalProperties": several(TEXT)},
)


def assert_shape(value: Any, schema: Schema) -> None:
    """Fail with the first place in `value` that is not as `schema` says."""
    Validator(schema, format_checker=CHECKER).validate(value)
