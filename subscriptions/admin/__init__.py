"""Screens of customers and subscriptions, one module per family."""

from subscriptions.admin import (
    customers,
    impacts,
    imports,
    palette,
    promotions,
    rollouts,
    subscriptions,
)

__all__ = [
    "customers",
    "impacts",
    "imports",
    "palette",
    "promotions",
    "rollouts",
    "subscriptions",
]
