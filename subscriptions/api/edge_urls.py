"""Addresses that server SDKs read subscriptions from, below `/v1/`."""

from django.urls import path

from subscriptions.api import edge

urlpatterns = [
    path("c/<str:customer_id>/subscriptions.json", edge.EdgeSubscriptionsView.as_view()),
]
