"""The nouns of this app: customers, their resources and subscriptions, rollouts, previews."""

from subscriptions.models.customers import (
    Customer,
    CustomerIntegration,
    CustomerWord,
    Resource,
    Vendor,
)
from subscriptions.models.discounts import DiscountStatus, SubscriptionCoupon
from subscriptions.models.entities import Assignment, Entity, EntityType
from subscriptions.models.impacts import ImpactOutcome, ImpactReport, ImpactRow, ImpactStatus
from subscriptions.models.imports import (
    ImportOutcome,
    SubscriptionImport,
    SubscriptionImportRow,
)
from subscriptions.models.promotions import (
    PromotionalEntitlement,
    PromotionPeriod,
    PromotionStatus,
)
from subscriptions.models.rollouts import (
    RolloutKind,
    RolloutOutcome,
    RolloutResult,
    RolloutRun,
    RolloutStatus,
)
from subscriptions.models.scheduled import (
    ScheduledAddon,
    ScheduledUpdate,
    UpdateKind,
    UpdateStatus,
)
from subscriptions.models.subscriptions import (
    CancelReason,
    EndReason,
    PaymentCollectionMethod,
    Status,
    Subscription,
    SubscriptionAddon,
    SubscriptionEntitlement,
)

__all__ = [
    "Assignment",
    "CancelReason",
    "Customer",
    "CustomerIntegration",
    "CustomerWord",
    "DiscountStatus",
    "EndReason",
    "Entity",
    "EntityType",
    "ImpactOutcome",
    "ImpactReport",
    "ImpactRow",
    "ImpactStatus",
    "ImportOutcome",
    "PaymentCollectionMethod",
    "PromotionPeriod",
    "PromotionStatus",
    "PromotionalEntitlement",
    "Resource",
    "RolloutKind",
    "RolloutOutcome",
    "RolloutResult",
    "RolloutRun",
    "RolloutStatus",
    "ScheduledAddon",
    "ScheduledUpdate",
    "Status",
    "Subscription",
    "SubscriptionAddon",
    "SubscriptionCoupon",
    "SubscriptionEntitlement",
    "SubscriptionImport",
    "SubscriptionImportRow",
    "UpdateKind",
    "UpdateStatus",
    "Vendor",
]
