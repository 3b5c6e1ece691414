"""Addresses of credits, use and access, below `/api/v1/`."""

from django.urls import path

from credits.api import checks, consumption, events, grants, ledger, recharge, series, usage

# Tried in this order, so what is asked most stands first.
urlpatterns = [
    path("customers/<str:customer_id>/entitlements/check", checks.CheckView.as_view()),
    path("credits/consumption", consumption.ConsumptionView.as_view()),
    path("credits/consumption/async", consumption.ConsumptionBatchView.as_view()),
    path("customers/<str:customer_id>/entitlements", checks.EntitlementsView.as_view()),
    path("credits/grants", grants.GrantsView.as_view()),
    path("credits/grants/<str:grant_id>/void", grants.VoidGrantView.as_view()),
    path("credits/ledger", ledger.LedgerView.as_view()),
    path("credits/usage", series.CreditUsageView.as_view()),
    path("credits/auto-recharge", recharge.RechargeView.as_view()),
    path("events", events.EventsView.as_view()),
    path("events/estimate", events.EventEstimateView.as_view()),
    path("usage", usage.UsageView.as_view()),
    path("usage/estimate", usage.UsageEstimateView.as_view()),
    path("usage/<str:customer_id>/history/<str:feature_id>", usage.UsageHistoryView.as_view()),
]
