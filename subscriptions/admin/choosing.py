"""Rows of a list are chosen for a bulk change, which the app that grants makes."""

from typing import Any, ClassVar

from django.contrib import admin
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.urls import reverse


class ChosenForBulk:
    """A list with “Bulk change” for ticked rows, or for all that search and filters leave.

    `bulk_name` is what the page of bulk changes calls the list; any of `bulk_permissions` is
    enough to get there.
    """

    bulk_name: ClassVar[str]
    bulk_permissions: ClassVar[tuple[str, ...]]
    actions: Any = ["change_many"]
    actions_selection_counter = True

    @admin.action(description="Bulk change", permissions=["change_many"])
    def change_many(self, request: HttpRequest, rows: QuerySet[Any]) -> HttpResponse:
        """Lead to the page that asks what is to be done."""
        is_all = request.POST.get("select_across") == "1"
        given = request.GET.copy() if is_all else QueryDict(mutable=True)
        if not is_all:
            given.setlist("id", request.POST.getlist(ACTION_CHECKBOX_NAME))
        return HttpResponseRedirect(self.bulk_url(given))

    def bulk_url(self, chosen: QueryDict, **options: str) -> str:
        """The page of bulk changes for what `chosen` names: ticked rows, or a filter."""
        given = QueryDict(mutable=True)
        given.update({"of": self.bulk_name, **options})
        for name, values in chosen.lists():
            given.setlist(name, values)
        return f"{reverse('admin:credits_bulkrun_add')}?{given.urlencode()}"

    def has_change_many_permission(self, request: HttpRequest) -> bool:
        """Whether this person may do any of it."""
        return any(request.user.has_perm(each) for each in self.bulk_permissions)
