"""Every list as a table for spreadsheets: its columns, filter and order, all of its rows."""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from html import unescape
from itertools import islice
from typing import Any

from django.contrib.admin.exceptions import DisallowedModelAdminLookup
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.utils import label_for_field, lookup_field
from django.core.exceptions import ObjectDoesNotExist
from django.db import models
from django.http import HttpRequest, HttpResponseRedirect, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.utils.html import strip_tags
from django.utils.safestring import SafeString
from django.utils.text import capfirst

from workspace import activity, sheets
from workspace.admin.pages import ObjectPage

AT_ONCE = 500
"""Rows in memory, however many are exported."""


class ExportPage(ObjectPage):
    """Hands out a list as CSV, and remembers who took it (X17, X20).

    By POST, since it writes down that it happened; filter and order stand in the address, as
    they do on the list.
    """

    name = "export"
    is_about_one = False
    http_method_names = ["post"]

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Stream all rows."""
        if any("\0" in value for values in request.GET.lists() for value in values[1]):
            return HttpResponseRedirect(self.model_admin.list_url())
        try:
            shown = self.model_admin.get_changelist_instance(request)
        except (IncorrectLookupParameters, DisallowedModelAdminLookup):
            return HttpResponseRedirect(self.model_admin.list_url())
        columns = [column for column in shown.list_display if not getattr(column, "is_menu", False)]
        columns = [column for column in columns if column != "action_checkbox"]
        plural = str(self.model_admin.opts.verbose_name_plural)
        activity.record(
            "list.exported",
            subject=(str(self.model_admin.opts.model_name), plural),
            actor=self.actor,
            now=self.now,
            payload={"query": dict(request.GET.lists())},
        )
        name = f"{plural.replace(' ', '-')}-{self.now:%Y-%m-%d}.csv"
        return StreamingHttpResponse(
            sheets.lines(self._rows(columns, shown.queryset)),
            content_type="text/csv; charset=utf-8",
            headers={"Content-Disposition": f'attachment; filename="{name}"'},
        )

    def _rows(self, columns: list[Any], rows: models.QuerySet[Any]) -> Iterator[list[str]]:
        admin: Any = self.model_admin
        yield [capfirst(str(label_for_field(column, admin.model, admin))) for column in columns]
        left = rows.iterator(AT_ONCE)
        while some := list(islice(left, AT_ONCE)):
            admin.complete(some)
            for row in some:
                yield [_cell(column, row, admin) for column in columns]


def _cell(column: Any, row: Any, admin: Any) -> str:
    """What the list shows in a column, as plain text."""
    try:
        field, _, value = lookup_field(column, row, admin)
    except ObjectDoesNotExist:
        return ""
    if field is not None and getattr(field, "flatchoices", None):
        value = dict(field.flatchoices).get(value, value)
    elif field is not None and field.is_relation:
        value = getattr(row, field.name)
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case datetime():
            return value.astimezone(UTC).isoformat()
        case date():
            return value.isoformat()
        case SafeString():
            return unescape(strip_tags(value))
    return str(value)
