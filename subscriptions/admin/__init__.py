"""Screens of customers and subscriptions, one module per family."""

from subscriptions.admin import customers, rollouts, subscriptions

__all__ = ["customers", "rollouts", "subscriptions"]
