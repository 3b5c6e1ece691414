"""Cards of the home page: what was begun and not published."""

from typing import Any

from django.http import HttpRequest

from catalog.models import Addon, Plan
from workspace.admin import home
from workspace.admin.home import Card, bounded_count
from workspace.admin.pages import model_url


@home.card
def open_drafts(request: HttpRequest) -> list[Card]:
    """Plans and add-ons with an open draft."""
    kinds: list[tuple[str, str, Any]] = [
        ("Plans in draft", "catalog.view_plan", Plan),
        ("Add-ons in draft", "catalog.view_addon", Addon),
    ]
    return [
        _drafts(label, model)
        for label, permission, model in kinds
        if request.user.has_perm(permission)
    ]


def _drafts(label: str, model: Any) -> Card:
    url = f"{model_url(model, 'changelist')}?status=open"
    if not (count := bounded_count(model.objects.active().exclude(draft=None))):
        return Card(label, "None", "Everything is published.", url, order=40)
    return Card(label, count, "Not published yet", url, order=40)
