"""Addresses of entities and their limits, below `/api/v1-beta/`."""

from django.urls import path

from subscriptions.api import assignments, entities

customer = "customers/<str:customer_id>"

urlpatterns = [
    path("entity-types", entities.EntityTypesView.as_view()),
    path(f"{customer}/entities", entities.EntitiesView.as_view()),
    path(f"{customer}/entities/archive", entities.ArchiveEntitiesView.as_view()),
    path(f"{customer}/entities/unarchive", entities.UnarchiveEntitiesView.as_view()),
    path(f"{customer}/entities/<str:entity_id>", entities.EntityView.as_view()),
    path(f"{customer}/assignments", assignments.AssignmentsView.as_view()),
]
