"""Addresses of limits and what is left of them, below `/api/v1-beta/`."""

from django.urls import path

from credits.api import governance

urlpatterns = [
    path("customers/<str:customer_id>/entitlements/check", governance.BetaCheckView.as_view()),
    path("customers/<str:customer_id>/governance", governance.GovernanceView.as_view()),
]
