"""What the lists of the catalog share: filters, and columns that look alike."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from django.contrib import admin
from django.db import models
from django.http import HttpRequest
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from unfold.decorators import display

from catalog.admin.rows import url_of
from catalog.models import Package

MOST_NAMES = 3


class ActiveFilter(admin.SimpleListFilter):
    """Active rows unless the archived ones, or all, are asked for."""

    title = "status"
    parameter_name = "status"
    LABELS = {"active": "Active", "archived": "Archived", "all": "All"}

    def lookups(self, request: HttpRequest, model_admin: Any) -> Sequence[tuple[str, str]]:
        return list(self.LABELS.items())

    def chosen(self) -> str:
        """What was asked for; anything unknown is the default."""
        value = self.value()
        return value if value in self.LABELS else "active"

    def choices(self, changelist: Any) -> Iterator[Any]:
        for value, label in self.LABELS.items():
            yield {
                "selected": self.chosen() == value,
                "query_string": changelist.get_query_string({self.parameter_name: value}),
                "display": label,
            }

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        match self.chosen():
            case "archived":
                return self.archived(queryset)
            case "all":
                return queryset
        return self.active(queryset)

    def active(self, queryset: models.QuerySet[Any]) -> models.QuerySet[Any]:
        """Those that are shown by default."""
        return queryset.filter(archived_at=None)

    def archived(self, queryset: models.QuerySet[Any]) -> models.QuerySet[Any]:
        """Those that were put away."""
        return queryset.exclude(archived_at=None)


def code(text: str) -> SafeString:
    """An ID in a list."""
    return format_html('<code class="cx-id">{}</code>', text)


@display(description="Updated", ordering="updated_at")
def updated(row: Any) -> datetime:
    """When a row was changed last."""
    changed: datetime = row.updated_at
    return changed


def names(packages: Sequence[Package]) -> SafeString | str:
    """Links to packages in a list's cell: the first ones, and how many more."""
    if not packages:
        return "–"
    shown = format_html_join(
        ", ",
        '<a class="cx-link" href="{}">{}</a>',
        ((url_of(package), package.name) for package in packages[:MOST_NAMES]),
    )
    more = len(packages) - MOST_NAMES
    if more <= 0:
        return format_html("<span>{}</span>", shown)  # one thing, for lists that are cards
    return format_html(
        '<span>{} <span title="{}">+{}</span></span>',
        shown,
        ", ".join(package.name for package in packages[MOST_NAMES:]),
        more,
    )
