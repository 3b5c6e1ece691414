"""Addresses that server SDKs read entitlements from, below `/v1/`."""

from django.urls import path

from credits.api import checks

urlpatterns = [
    path("c/<str:customer_id>/entitlements-state.json", checks.EdgeStateView.as_view()),
    path("c/<str:customer_id>/entitlements.json", checks.EdgeListView.as_view()),
    path("config/client-sdk-configuration.json", checks.EdgeConfigurationView.as_view()),
    path("config/server-sdk-configuration.json", checks.EdgeConfigurationView.as_view()),
]
