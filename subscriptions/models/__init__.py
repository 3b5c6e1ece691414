"""The nouns of this app: customers with their resources, subscriptions, and rollouts."""

from subscriptions.models.customers import Customer, CustomerIntegration, Resource, Vendor
from subscriptions.models.entities import Assignment, Entity, EntityType
from subscriptions.models.promotions import (
    PromotionalEntitlement,
    PromotionPeriod,
    PromotionStatus,
)
from subscriptions.models.rollouts import RolloutOutcome, RolloutResult, RolloutRun, RolloutStatus
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
    "EndReason",
    "Entity",
    "EntityType",
    "PaymentCollectionMethod",
    "PromotionPeriod",
    "PromotionStatus",
    "PromotionalEntitlement",
    "Resource",
    "RolloutOutcome",
    "RolloutResult",
    "RolloutRun",
    "RolloutStatus",
    "ScheduledAddon",
    "ScheduledUpdate",
    "Status",
    "Subscription",
    "SubscriptionAddon",
    "SubscriptionEntitlement",
    "UpdateKind",
    "UpdateStatus",
    "Vendor",
]
