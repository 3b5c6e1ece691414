"""What the paywall answers, in the words of SDKs: said by types, published and held to.

What begins with two underscores is no name in a class, hence the calls.
"""

from decimal import Decimal
from typing import Annotated, Literal, TypedDict

from catalog.api.charges import TIERS_MODES
from catalog.models import (
    Behaviour,
    BillingCadence,
    BillingModel,
    BillingPeriod,
    Cadence,
    FeatureType,
    HiddenFrom,
    MeterType,
    PricingType,
    ResetPeriod,
    TrialEnd,
    TrialUnit,
)
from workspace.api.terms import one_of
from workspace.currencies import CURRENCIES

METER_TYPES = {
    MeterType.NONE: "None",
    MeterType.INCREMENTAL: "Incremental",
    MeterType.FLUCTUATING: "Fluctuating",
}
"""How SDKs call the kinds of meters."""

EdgeMeter = Annotated[str, one_of(METER_TYPES.values())]
EdgeCurrency = Annotated[str, one_of(sorted(CURRENCIES))]
"""A currency, in capitals as SDKs write it."""

Kind = Annotated[str, one_of(FeatureType.values)]
Period = Annotated[str, one_of(BillingPeriod.values)]
Places = list[Annotated[str, one_of(HiddenFrom.values)]]
Reset = Annotated[str, one_of(ResetPeriod.values)]
Pricing = Annotated[str, one_of(PricingType.values)]


class Nothing(TypedDict):
    """What never stands in a list that is always empty."""


EdgeMoneyShape = TypedDict(
    "EdgeMoneyShape",
    {"__typename": Literal["Money"], "amount": Decimal, "currency": EdgeCurrency},
)

EdgePlanNameShape = TypedDict(
    "EdgePlanNameShape", {"__typename": Literal["Plan"], "refId": str, "displayName": str}
)

PaywallUnitsShape = TypedDict(
    "PaywallUnitsShape", {"__typename": Literal["Units"], "singular": str, "plural": str}
)

PaywallCreditTypeShape = TypedDict(
    "PaywallCreditTypeShape",
    {
        "__typename": Literal["CustomCurrency"],
        "currencyId": str,
        "displayName": str,
        "symbol": str | None,
        "units": PaywallUnitsShape | None,
    },
)

PaywallFeatureShape = TypedDict(
    "PaywallFeatureShape",
    {
        "__typename": Literal["Feature"],
        "refId": str,
        "displayName": str,
        "description": str | None,
        "featureType": Kind,
        "meterType": EdgeMeter,
        "featureUnits": str | None,
        "featureUnitsPlural": str | None,
        "additionalMetaData": dict[str, str],
    },
)

PaywallRateShape = TypedDict(
    "PaywallRateShape",
    {
        "__typename": Literal["CreditRate"],
        "amount": Decimal,
        "currencyId": str,
        "customCurrencyId": str,
    },
)

PaywallTierShape = TypedDict(
    "PaywallTierShape",
    {
        "__typename": Literal["PriceTier"],
        "upTo": Decimal | None,
        "unitPrice": EdgeMoneyShape | None,
        "flatPrice": EdgeMoneyShape | None,
    },
)

PaywallPriceShape = TypedDict(
    "PaywallPriceShape",
    {
        "__typename": Literal["Price"],
        "billingModel": Annotated[str, one_of(BillingModel.values)],
        "billingPeriod": Period,
        "billingCadence": Annotated[str, one_of(BillingCadence.values)],
        "billingId": None,
        "billingCountryCode": str | None,
        "minUnitQuantity": Decimal | None,
        "maxUnitQuantity": Decimal | None,
        "price": EdgeMoneyShape | None,
        "creditRate": PaywallRateShape | None,
        "tiersMode": Annotated[str, one_of(TIERS_MODES)] | None,
        "tiers": list[PaywallTierShape] | None,
        "feature": PaywallFeatureShape | None,
        "blockSize": Decimal | None,
        "topUpCustomCurrencyId": str | None,
        "customCurrency": PaywallCreditTypeShape | None,
    },
)


class PaywallIncludedShape(TypedDict):
    """What entitlements to credits and to features have in common."""

    id: str
    behavior: Annotated[str, one_of(Behaviour.values)]
    description: str | None
    displayNameOverride: str | None
    hasSoftLimit: bool
    hiddenFromWidgets: Places
    isCustom: bool
    isGranted: bool
    order: float


OfCredits = TypedDict("OfCredits", {"__typename": Literal["PackageCreditEntitlement"]})
OfFeature = TypedDict("OfFeature", {"__typename": Literal["PackageFeatureEntitlement"]})


class PaywallCreditsShape(OfCredits, PaywallIncludedShape):
    """Credits that a plan or add-on gives in each cadence."""

    amount: Decimal | None
    cadence: Annotated[str, one_of(Cadence.values)]
    customCurrencyId: str
    customCurrency: PaywallCreditTypeShape
    dependencyFeature: PaywallFeatureShape | None


class PaywallUseShape(OfFeature, PaywallIncludedShape):
    """A feature that a plan or add-on includes, and how much of it."""

    featureId: str
    feature: PaywallFeatureShape
    usageLimit: int | None
    hasUnlimitedUsage: bool
    enumValues: list[str] | None
    resetPeriod: Reset | None


PaywallOlderShape = TypedDict(
    "PaywallOlderShape",
    {
        "__typename": Literal["PackageEntitlement"],
        "featureId": str,
        "feature": PaywallFeatureShape,
        "usageLimit": int | None,
        "hasUnlimitedUsage": bool,
        "hasSoftLimit": bool,
        "enumValues": list[str] | None,
        "resetPeriod": Reset | None,
        "displayNameOverride": str | None,
        "hiddenFromWidgets": Places,
        "isCustom": bool,
        "isGranted": bool,
    },
)
"""A feature that is included, as older SDKs read it; they know no credits."""


class PaywallPackageShape(TypedDict):
    """What plans and add-ons have in common."""

    id: str
    refId: str
    displayName: str
    description: str | None
    billingId: str | None
    additionalMetaData: dict[str, str]
    hiddenFromWidgets: Places
    pricingType: Pricing | None
    prices: list[PaywallPriceShape]
    overagePrices: list[PaywallPriceShape]
    entitlements: list[PaywallOlderShape]
    packageEntitlements: list[PaywallCreditsShape | PaywallUseShape]


OfPlan = TypedDict("OfPlan", {"__typename": Literal["Plan"]})
OfAddon = TypedDict("OfAddon", {"__typename": Literal["Addon"]})


class PaywallAddonShape(OfAddon, PaywallPackageShape):
    """An add-on that can be bought with a plan."""

    maxQuantity: int | None
    dependencies: list[Nothing]


PaywallSettingsShape = TypedDict(
    "PaywallSettingsShape",
    {"__typename": Literal["ProductSettings"], "downgradePlan": EdgePlanNameShape | None},
)

PaywallProductShape = TypedDict(
    "PaywallProductShape",
    {
        "__typename": Literal["Product"],
        "refId": str,
        "displayName": str,
        "description": str | None,
        "additionalMetaData": dict[str, str],
        "awsMarketplaceProductId": None,
        "productSettings": PaywallSettingsShape,
    },
)

PaywallTrialShape = TypedDict(
    "PaywallTrialShape",
    {
        "__typename": Literal["DefaultTrialConfig"],
        "duration": int,
        "units": Annotated[str, one_of(TrialUnit.values)],
        "budget": None,
        "trialEndBehavior": Annotated[str, one_of(TrialEnd.values)] | None,
    },
)


class PaywallPlanShape(OfPlan, PaywallPackageShape):
    """A plan that is for sale."""

    versionNumber: int
    product: PaywallProductShape
    basePlan: EdgePlanNameShape | None
    inheritedEntitlements: list[PaywallOlderShape]
    inheritedPackageEntitlements: list[PaywallCreditsShape | PaywallUseShape]
    compatibleAddons: list[PaywallAddonShape]
    compatiblePackageGroups: list[Nothing]
    defaultTrialConfig: PaywallTrialShape | None
    awsMarketplacePlanDimension: None


PaywallPricePointShape = TypedDict(
    "PaywallPricePointShape",
    {
        "__typename": Literal["PaywallPricePoint"],
        "planId": str,
        "additionalChargesMayApply": bool,
        "billingPeriod": Period,
        "amount": Decimal,
        "currency": EdgeCurrency,
        "billingCountryCode": str | None,
        "feature": None,
    },
)

PaywallCurrencyShape = TypedDict(
    "PaywallCurrencyShape",
    {"__typename": Literal["PaywallCurrency"], "code": EdgeCurrency, "symbol": str},
)

PaywallShape = TypedDict(
    "PaywallShape",
    {
        "__typename": Literal["Paywall"],
        "plans": list[PaywallPlanShape],
        "currency": PaywallCurrencyShape,
        "configuration": None,
        "customer": None,
        "activeSubscriptions": None,
        "resource": None,
        "paywallCalculatedPricePoints": list[PaywallPricePointShape],
    },
)


class PaywallAnswerShape(TypedDict):
    """What is for sale, as SDKs draw their price tables of it."""

    paywall: PaywallShape
