"""Addresses that SDKs read what is for sale from, below `/v1/`."""

from django.urls import path

from catalog.api import paywall

urlpatterns = [
    path("paywall.json", paywall.PaywallView.as_view()),
    path("p/<str:product_id>/paywall.json", paywall.PaywallView.as_view()),
]
