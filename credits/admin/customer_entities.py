"""A customer's tab Entities: teams, users and the like, and what each used of its limits (beta)."""

from typing import Any
from urllib.parse import urlencode

from credits import governance
from credits.admin.words import percent_of, tone_of
from credits.governance import Line
from subscriptions.models import Customer, Entity
from workspace.admin.base import ObjectPage
from workspace.templatetags.stipend import credits as in_digits

A_PAGE = 25
HUNDRED = 100
CADENCES = {"D": "day", "W": "week", "M": "month", "Y": "year"}


class EntitiesPage(ObjectPage):
    """Tab Entities: what lies inside the customer, and what was used of what it may."""

    name = "entities"
    address = "entities"
    url_name = "entities"
    label = "Entities"
    permission = "credits.view_pool"
    template_name = "admin/credits/customer_entities.html"
    object: Customer

    def content(self) -> dict[str, Any]:
        """Entities in the order of their ids, a page at a time; constantly many queries."""
        wanted = self.request.GET.get("q", "").strip().replace("\0", "")
        page = self._page()
        rows = Entity.objects.filter(customer=self.object, public_id__istartswith=wanted)
        rows = rows.select_related("type", "parent").order_by("archived_at", "public_id", "pk")
        found = list(rows[(page - 1) * A_PAGE : page * A_PAGE + 1])
        lines = governance.lines_of(self.object, found[:A_PAGE], now=self.now)
        return {
            "wanted": wanted,
            "rows": [self._row(line) for line in lines],
            "newer": self._here(wanted, page - 1) if page > 1 else "",
            "older": self._here(wanted, page + 1) if len(found) > A_PAGE else "",
        }

    def _page(self) -> int:
        text = self.request.GET.get("page", "")
        return int(text) or 1 if text.isascii() and text.isdigit() and len(text) < 6 else 1

    def _here(self, wanted: str, page: int) -> str:
        return f"?{urlencode({'q': wanted, 'page': page})}"

    def _row(self, line: Line) -> dict[str, Any]:
        share = line.utilization
        percent = None if share is None else share * HUNDRED
        return {
            "line": line,
            "entity": line.entity,
            "what": _what(line),
            "scope": ", ".join(line.assignment.scope) if line.assignment else "",
            "limit": "Unlimited" if line.limit is None else in_digits(line.limit),
            "percent": percent,
            "percent_label": percent_of(percent),
            "tone": tone_of(percent),
            "cadence": _cadence(line),
            "ends_at": line.window[1] if line.window else None,
        }


def _what(line: Line) -> str:
    """What is assigned: the name of a feature, or of a credit type."""
    if line.assignment is None:
        return ""
    return str(line.assignment.feature or line.assignment.credit_type)


def _cadence(line: Line) -> str:
    """Such as "month" or "3 days"; shorter ones as they are written."""
    if line.assignment is None:
        return ""
    cadence = line.assignment.cadence
    unit = CADENCES.get(cadence[-1])
    if unit is None or cadence[1] == "T":
        return cadence
    count = int(cadence[1:-1])
    return unit if count == 1 else f"{count} {unit}s"
