"""What of the catalog the command palette finds, by any part of a name or an ID."""

from collections.abc import Callable
from typing import Any

from django.db.models import Q, QuerySet
from django.urls import reverse

from catalog.models import Addon, Coupon, CreditType, Feature, Package, Plan, Product
from workspace.admin import palette
from workspace.admin.palette import MOST_FOUND, Finder, Found


def _named(rows: Callable[[], QuerySet[Any]], *names: str) -> Finder:
    """A finder over `rows`, looking at the fields `names`; a catalog is small enough for that."""

    def find(typed: str) -> list[Found]:
        conditions = Q()
        for name in names:
            conditions |= Q(**{f"{name}__icontains": typed})
        found = rows().filter(conditions).order_by("pk")[:MOST_FOUND]
        return [Found(str(row), _url(row), _note(row)) for row in found]

    return find


def _url(row: Any) -> str:
    return reverse(f"admin:catalog_{row._meta.model_name}_change", args=[row.pk])


def _note(row: Any) -> str:
    return f"{row.public_id}, archived" if getattr(row, "archived_at", None) else row.public_id


def find_packages(model: type[Package]) -> Finder:
    """Plans or add-ons, by what they are called live or in a draft."""
    return _named(
        lambda: model.objects.select_related("live", "draft"),
        "live__name",
        "draft__name",
        "public_id",
    )


palette.finder("Plans", icon="layers", permission="catalog.view_plan")(find_packages(Plan))
palette.finder("Add-ons", icon="extension", permission="catalog.view_addon")(find_packages(Addon))
for _label, _icon, _model in (
    ("Products", "inventory_2", Product),
    ("Features", "tune", Feature),
    ("Credits", "toll", CreditType),
    ("Coupons", "sell", Coupon),
):
    palette.finder(_label, icon=_icon, permission=f"catalog.view_{_model._meta.model_name}")(
        _named(_model._default_manager.all, "name", "public_id")
    )
