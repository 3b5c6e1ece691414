"""The nouns of the catalog, one file per family."""

from catalog.models.coupons import Coupon, CouponType
from catalog.models.credit_types import CreditType
from catalog.models.entitlements import (
    Behaviour,
    Cadence,
    CreditEntitlement,
    FeatureEntitlement,
    HiddenFrom,
    ResetPeriod,
)
from catalog.models.features import Aggregation, Feature, FeatureStatus, FeatureType, MeterType
from catalog.models.packages import (
    Addon,
    Package,
    PackageKind,
    PackageVersion,
    Plan,
    PricingType,
    TrialEnd,
    TrialUnit,
)
from catalog.models.prices import (
    BillingCadence,
    BillingModel,
    BillingPeriod,
    Charge,
    ConsumptionMapping,
    Currency,
    GrantCadence,
    OverageBilling,
)
from catalog.models.products import Product, UsageReset

__all__ = [
    "Addon",
    "Aggregation",
    "Behaviour",
    "BillingCadence",
    "BillingModel",
    "BillingPeriod",
    "Cadence",
    "Charge",
    "ConsumptionMapping",
    "Coupon",
    "CouponType",
    "CreditEntitlement",
    "CreditType",
    "Currency",
    "Feature",
    "FeatureEntitlement",
    "FeatureStatus",
    "FeatureType",
    "GrantCadence",
    "HiddenFrom",
    "MeterType",
    "OverageBilling",
    "Package",
    "PackageKind",
    "PackageVersion",
    "Plan",
    "PricingType",
    "Product",
    "ResetPeriod",
    "TrialEnd",
    "TrialUnit",
    "UsageReset",
]
