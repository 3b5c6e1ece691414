"""Addresses of what belongs to the workspace, below `/api/v1/`."""

from django.urls import path

from workspace.api import data_export

urlpatterns = [
    path("data-export/destinations", data_export.ConnectView.as_view()),
    path("data-export/destinations/<str:destination_id>", data_export.DestinationView.as_view()),
    path("data-export/models", data_export.ModelsView.as_view()),
    path("data-export/scoped-token", data_export.TokenView.as_view()),
    path("data-export/sync", data_export.SyncView.as_view()),
]
