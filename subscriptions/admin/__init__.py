"""Screens of customers and subscriptions, one module per family."""

from subscriptions.admin import customers, promotions, rollouts, subscriptions

__all__ = ["customers", "promotions", "rollouts", "subscriptions"]
