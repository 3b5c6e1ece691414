"""Which address leads where."""

from typing import Any

from django.contrib import admin
from django.urls import include, path, re_path, reverse_lazy
from django.views.generic import RedirectView
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView

from workspace.api.views import UnknownRoute

api = [
    path("", include("catalog.api.urls")),
    path("", include("subscriptions.api.urls")),
    path("", include("credits.api.urls")),
]

# The description of the API is no secret; everything it describes asks for a key.
OPEN_TO_ALL: dict[str, Any] = {"authentication_classes": [], "permission_classes": []}

urlpatterns = [
    path("", RedirectView.as_view(url=reverse_lazy("admin:index"))),
    path("admin/", admin.site.urls),
    path("api/schema", SpectacularAPIView.as_view(**OPEN_TO_ALL), name="schema"),
    path("api/docs", SpectacularSwaggerSplitView.as_view(**OPEN_TO_ALL)),
    path("api/v1/", include(api)),
    path("v1/", include("credits.api.edge_urls")),
    # Whatever else looks like the API answers as it does.
    re_path(r"^(?:api|v1)/", UnknownRoute.as_view()),
]

handler400 = "workspace.api.errors.bad_request"
handler500 = "workspace.api.errors.server_error"
