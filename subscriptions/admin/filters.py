"""Filters that several lists have."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from catalog.models import Package


class PlanFilter(admin.SimpleListFilter):
    """Rows by a plan that was published, whose public id the address names."""

    title = "plan"
    parameter_name = "plan"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        plans = Package.objects.plans().exclude(live=None).select_related("live")
        return sorted(((plan.public_id, plan.name) for plan in plans), key=lambda pair: pair[1])

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        if not self.value():
            return queryset
        plan = Package.objects.plans().filter(public_id=self.value()).first()
        return queryset.none() if plan is None else self.having(queryset, plan)

    def having(self, queryset: Any, plan: Package) -> Any:
        """The rows that have the plan."""
        raise NotImplementedError
