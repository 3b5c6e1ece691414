"""The page behind "Stipend": figures that lead to where they come from.

Other apps add theirs by decorating a function with `card`; nothing here knows them.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django_q.models import Failure

from workspace.admin.lists import FARTHEST
from workspace.models import Activity
from workspace.models.activity import ActivityQuerySet


@dataclass(frozen=True, slots=True)
class Card:
    """One figure. `order` says where it stands; equal ones as they were declared."""

    label: str
    value: str
    note: str = ""
    url: str = ""
    order: int = 100


Source = Callable[[HttpRequest], "Card | Sequence[Card] | None"]
_sources: list[Source] = []


def card(source: Source) -> Source:
    """Show what `source` returns on the home page: a card, several, or None.

    None is for those whose business it is not. A page with a million rows behind it is as
    quick as an empty one: count with `bounded_count`.
    """
    _sources.append(source)
    return source


def dashboard(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """What the home page shows (`DASHBOARD_CALLBACK`)."""
    context["cards"] = sorted(_cards(request), key=lambda shown: shown.order)
    if request.user.has_perm("workspace.view_activity"):
        context["recent"] = visible_activity(request).newest_first()[:8]
    return context


def _cards(request: HttpRequest) -> Iterator[Card]:
    for source in _sources:
        match source(request):
            case None:
                pass
            case Card() as one:
                yield one
            case several:
                yield from several


def bounded_count(rows: QuerySet[Any]) -> str:
    """How many there are, such as "1,204", "> 10,000"; empty where there are none."""
    count = rows.order_by()[: FARTHEST + 1].count()
    if count > FARTHEST:
        return f"> {FARTHEST:,}"
    return f"{count:,}" if count else ""


@card
def failed_jobs(request: HttpRequest) -> Card | None:
    """Jobs that failed, for those who can do something about it."""
    if not request.user.has_perm("django_q.view_task"):
        return None
    url = reverse("admin:django_q_task_changelist") + "?outcome=failed"
    if not (count := bounded_count(Failure.objects.all())):
        return Card("Failed jobs", "None", "All jobs were done.", url, order=30)
    return Card("Failed jobs", count, "Each says why", url, order=30)


def visible_activity(request: HttpRequest) -> ActivityQuerySet:
    """What this person may read of the activity: about people and keys, administrators only."""
    entries: ActivityQuerySet = Activity.objects.all()
    if request.user.has_perm("workspace.view_user"):
        return entries
    return entries.exclude(subject_kind__in=("user", "apikey"))


def environment(request: HttpRequest) -> list[str]:
    """The name of the workspace and its colour, for the label in the header."""
    return [settings.STIPEND_WORKSPACE_NAME, settings.STIPEND_WORKSPACE_COLOUR]
