"""The page behind "Stipend": figures that lead to where they come from.

Other apps add theirs by decorating a function with `card`; nothing here knows them.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.http import HttpRequest

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


Source = Callable[[HttpRequest], Card | None]
_sources: list[Source] = []


def card(source: Source) -> Source:
    """Show what `source` returns on the home page; None where it is nobody's business."""
    _sources.append(source)
    return source


def dashboard(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """What the home page shows (`DASHBOARD_CALLBACK`)."""
    cards = [shown for source in _sources if (shown := source(request)) is not None]
    context["cards"] = sorted(cards, key=lambda shown: shown.order)
    if request.user.has_perm("workspace.view_activity"):
        context["recent"] = visible_activity(request).newest_first()[:8]
    return context


def visible_activity(request: HttpRequest) -> ActivityQuerySet:
    """What this person may read of the activity: about people and keys, administrators only."""
    entries: ActivityQuerySet = Activity.objects.all()
    if request.user.has_perm("workspace.view_user"):
        return entries
    return entries.exclude(subject_kind__in=("user", "apikey"))


def environment(request: HttpRequest) -> list[str]:
    """The name of the workspace and its colour, for the label in the header."""
    return [settings.STIPEND_WORKSPACE_NAME, settings.STIPEND_WORKSPACE_COLOUR]
