"""The screen of all that happened, and the way from an entry to what it is about."""

from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponseRedirect
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.decorators import display
from unfold.paginator import InfinitePaginator

from workspace import activity
from workspace.admin.base import ObjectPage, ReadOnly, WorkspaceAdmin
from workspace.admin.home import visible_activity
from workspace.models import Activity
from workspace.templatetags.stipend import exact_instant

KNOWN_BY = ("public_id", "lookup", "pk")
"""By which of these an object is remembered, the first that it has."""


class SubjectPage(ObjectPage):
    """Leads to what an entry is about, which is looked for only when somebody asks."""

    name = "object"
    object: Activity

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        """Go there, or say that there is nowhere to go."""
        address = page_of(self.object.subject_kind, self.object.subject_id)
        if address is None:
            messages.error(request, "What this is about has no page, or is not there any more.")
            address = self.model_admin.object_url(self.object)
        return HttpResponseRedirect(address)


def page_of(kind: str, subject_id: str) -> str | None:
    """The address of what is remembered under this kind and id (see `activity.subject_of`)."""
    for model, model_admin in admin.site._registry.items():
        kinds = {str(model._meta.model_name), str(model._meta.verbose_name).replace(" ", "_")}
        if kind not in kinds or not isinstance(model_admin, WorkspaceAdmin):
            continue
        fields = {"pk", *(field.name for field in model._meta.get_fields())}
        known_by = next(name for name in KNOWN_BY if name in fields)
        if known_by == "pk" and not (subject_id.isascii() and subject_id.isdigit()):
            continue
        for found in model._default_manager.filter(**{known_by: subject_id}).order_by("-pk"):
            if activity.subject_of(found) == (kind, subject_id):
                return model_admin.object_url(found)
    return None


@admin.register(Activity)
class ActivityAdmin(ReadOnly, WorkspaceAdmin):
    """Everything that happened, newest first; for reading only (X20)."""

    pages = [SubjectPage]
    list_display = ["words", "time", "subject_kind", "object_column", "actor_name", "customer"]
    list_filter = ["actor_kind"]
    search_fields = ["=event", "=subject_id", "=customer", "=trace_id"]
    search_help_text = "An event such as Package published, object id, customer id or trace id"
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

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Activity], search_term: str
    ) -> tuple[QuerySet[Activity], bool]:
        """Also events by the words in which they are listed."""
        found, may_repeat = super().get_search_results(request, queryset, search_term)
        if said := activity.events_said(search_term):
            found = found | queryset.filter(event__in=said)
        return found, may_repeat

    @display(description="Event", ordering="event")
    def words(self, entry: Activity) -> str:
        """The event as people say it."""
        return entry.words

    @display(description="Object")
    def object_column(self, entry: Activity) -> SafeString:
        """What it happened to; leads there."""
        address = self.url_of(SubjectPage.name, entry.pk)
        return format_html('<a class="cx-link" href="{}">{}</a>', address, entry.subject_id)

    @display(description="Time")
    def time(self, entry: Activity) -> str:
        """When, to the second."""
        return exact_instant(entry.created_at)
