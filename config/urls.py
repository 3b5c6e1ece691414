"""Which address leads where."""

from typing import Any

from django.contrib import admin
from django.http import Http404
from django.urls import include, path, re_path, reverse_lazy
from django.views.defaults import page_not_found
from django.views.generic import RedirectView
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView

from workspace.admin import palette
from workspace.api.views import UnknownRoute

# The description of the API is no secret; everything it describes asks for a key.
OPEN_TO_ALL: dict[str, Any] = {"authentication_classes": [], "permission_classes": []}

HOME = reverse_lazy("admin:index")
APPS = sorted({model._meta.app_label for model in admin.site._registry})

# No address of ours holds a NUL, and PostgreSQL cannot look for one.
nowhere = [
    re_path(r"^(?:api|v1)/[^\0]*\0", UnknownRoute.as_view()),
    re_path(r"\0", page_not_found, {"exception": Http404()}),
]

urlpatterns = [
    *nowhere,
    # Tried in this order, so what is asked most stands first.
    path("api/v1/", include("credits.api.urls")),
    path("api/v1/", include("catalog.api.urls")),
    path("api/v1/", include("subscriptions.api.urls")),
    path("api/v1/", include("workspace.api.urls")),
    path("api/v1-beta/", include("credits.api.beta_urls")),
    path("api/v1-beta/", include("subscriptions.api.beta_urls")),
    path("v1/", include("credits.api.edge_urls")),
    path("v1/", include("subscriptions.api.edge_urls")),
    path("v1/", include("catalog.api.edge_urls")),
    path("api/schema", SpectacularAPIView.as_view(**OPEN_TO_ALL), name="schema"),
    path("api/docs", SpectacularSwaggerSplitView.as_view(**OPEN_TO_ALL)),
    path("", RedirectView.as_view(url=HOME)),
    # In place of Unfold's: quick, and never from a cache that outlives a change of role.
    path("admin/search/", admin.site.admin_view(palette.search)),
    # Django has a page for each app there; ours has the sidebar.
    re_path(rf"^admin/(?:{'|'.join(APPS)})/$", RedirectView.as_view(url=HOME)),
    path("admin/", admin.site.urls),
    # Whatever else looks like the API answers as it does.
    re_path(r"^(?:api|v1)(?:/|$)", UnknownRoute.as_view()),
]

handler400 = "workspace.api.errors.bad_request"
handler500 = "workspace.api.errors.server_error"
