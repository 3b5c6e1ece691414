from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.decorators import display
from unfold.paginator import InfinitePaginator

from workspace.admin.base import ReadOnly, WorkspaceAdmin
from workspace.admin.home import visible_activity
from workspace.models import Activity
from workspace.templatetags.stipend import exact_instant


@admin.register(Activity)
class ActivityAdmin(ReadOnly, WorkspaceAdmin):
    """Everything that happened, newest first; for reading only (X20)."""

    list_display = ["event", "time", "subject_kind", "subject_id", "actor_name", "customer"]
    list_filter = ["actor_kind"]
    search_fields = ["=event", "=subject_id", "=customer", "=trace_id"]
    search_help_text = "A whole event, object id, customer id or trace id"
    ordering = ["-created_at", "-id"]
    sortable_by = ()
    paginator = InfinitePaginator  # nobody needs to know how many, and counting takes long
    fields = [
        "event",
        "time",
        "subject_kind",
        "subject_id",
        "customer",
        "actor_name",
        "actor_kind",
        "trace_id",
        "payload",
    ]
    has_activity = False
    empty_title = "Nothing has happened yet"
    empty_text = "Every change from now on is listed here, with who made it and when."

    def get_queryset(self, request: HttpRequest) -> QuerySet[Activity]:
        entries: QuerySet[Activity] = visible_activity(request)
        return entries

    @display(description="Time")
    def time(self, entry: Any) -> str:
        return exact_instant(entry.created_at)
