"""A customer's tab Entitlement usage: how much is used of everything they may use."""

from typing import Any

from credits import entitlement_usage
from credits.admin.words import credits_url, limit_of, percent_of, tone_of
from credits.entitlement_usage import UsageLine
from subscriptions.models import Customer, Resource
from workspace.admin.base import ObjectPage


class UsagePage(ObjectPage):
    """Tab Entitlement usage: what is used of everything the customer may use."""

    name = "usage"
    address = "entitlement-usage"
    url_name = "usage"
    label = "Entitlement usage"
    permission = "credits.view_pool"
    template_name = "admin/credits/customer_usage.html"
    object: Customer

    def content(self) -> dict[str, Any]:
        """One line per entitlement, of the whole customer or one resource."""
        resources = list(self.object.resources.order_by("public_id"))
        wanted = self.request.GET.get("resource")
        resource = next((each for each in resources if each.public_id == wanted), None)
        lines = entitlement_usage.lines(self.object, resource=resource, now=self.now)
        return {
            "resources": [
                ("", "Whole customer", resource is None),
                *((each.public_id, each.public_id, each == resource) for each in resources),
            ]
            if resources
            else [],
            "rows": [self._row(line, resource) for line in lines],
        }

    def _row(self, line: UsageLine, resource: Resource | None) -> dict[str, Any]:
        url = ""
        if line.credit_type is not None:
            url = credits_url(self.object, line.credit_type, resource)
        return {
            "line": line,
            "url": url,
            "limit": limit_of(line),
            "percent": percent_of(line.percent),
            "tone": tone_of(line.percent),
        }
