"""Plans and Add-ons: the lists, the page of one, and its versions (R5, R6, R8)."""

from datetime import datetime
from itertools import groupby
from typing import Any

from django.contrib import admin
from django.db import models
from django.db.models.functions import Coalesce
from django.http import HttpRequest
from django.utils.safestring import SafeString
from unfold.decorators import display

from catalog import archiving, comparison, drafts, impact, wording
from catalog.admin import sections
from catalog.admin.details import (
    AddAddon,
    AddPlan,
    EditAddons,
    EditDependencies,
    EditDetails,
    EditTrial,
)
from catalog.admin.entitlements import (
    ChangeCredits,
    ChangeFeature,
    ExcludeCredits,
    ExcludeFeature,
    IncludeCredits,
    IncludeFeature,
    MoveEntitlement,
    PickEntitlement,
)
from catalog.admin.lists import ActiveFilter, code, updated
from catalog.admin.prices import (
    AddMapping,
    AddPrice,
    EditMapping,
    EditPrice,
    EditPrices,
    RemoveMapping,
    RemovePrice,
)
from catalog.admin.publishing import PublishPage
from catalog.admin.rows import badges_of, package_links, url_of, version_of
from catalog.models import (
    Addon,
    Package,
    PackageKind,
    PackageVersion,
    Plan,
    PricingType,
    Product,
)
from catalog.publishing import Audience
from workspace.actors import Actor
from workspace.admin.base import Badge, ObjectPage, WorkspaceAdmin, button

SHARED_DIALOGS = [
    EditDetails,
    PickEntitlement,
    IncludeCredits,
    IncludeFeature,
    ChangeCredits,
    ChangeFeature,
    ExcludeCredits,
    ExcludeFeature,
    MoveEntitlement,
    EditPrices,
    AddPrice,
    EditPrice,
    RemovePrice,
    AddMapping,
    EditMapping,
    RemoveMapping,
    PublishPage,
]


class PackagePage(ObjectPage):
    """A plan or add-on: its draft if one is open, else the live version, or the one asked for."""

    name = "change"
    label = "Overview"
    template_name = "admin/catalog/package/overview.html"
    object: Package

    def shown(self) -> PackageVersion:
        """The version the page shows: `?version=2`, `?version=live`, or the current one."""
        wanted = self.request.GET.get("version", "")
        if wanted == "live" and self.object.live is not None:
            return self.object.live
        if wanted.isascii() and wanted.isdigit() and len(wanted) < 10:
            found = self.object.versions.filter(number=int(wanted)).first()
            if found is not None:
                return found
        return self.object.current

    def content(self) -> dict[str, Any]:
        """All sections in finished values."""
        package, version = self.object, self.shown()
        version.package = package
        contents = comparison.load(version)
        rows = sections.entitlements(contents)
        may_change = self.user.has_perm("catalog.change_package")
        is_editable = may_change and version.pk == package.draft_id and not package.archived_at
        is_plan = package.kind == PackageKind.PLAN
        return {
            "package": package,
            "version": version,
            "is_draft": version.published_at is None,
            "is_old": version.pk not in (package.draft_id, package.live_id),
            "is_plan": is_plan,
            "is_editable": is_editable,
            "may_open": may_change and package.draft is None and not package.archived_at,
            "may_discard": may_change and package.draft is not None,
            "may_publish": package.draft is not None
            and not package.archived_at
            and self.user.has_perm("catalog.publish_package"),
            "urls": {name: url_of(package, name) for name in self.dialogs(is_plan=is_plan)},
            "facts": sections.facts(contents),
            "base": version.base_plan,
            "inherited": [row for row in rows if row.is_inherited],
            "own": [row for row in rows if not row.is_inherited],
            "prices": sections.prices(contents),
            "mappings": sections.mappings(contents),
            "trial": wording.trial(version),
            "addons": package_links(contents.addons),
            "takes_addons": version.pricing_type != PricingType.FREE,
            "dependencies": package_links(contents.dependencies),
        }

    @staticmethod
    def dialogs(*, is_plan: bool) -> list[str]:
        """The pages that the sections lead to."""
        common = ["details", "include", "prices", "add_price", "consumption", "move", "publish"]
        common += ["open_draft", "discard", "change", "versions"]
        return [*common, "trial", "addons"] if is_plan else [*common, "dependencies"]


class VersionsPage(ObjectPage):
    """All versions of a package, newest first."""

    name = "versions"
    label = "Versions"
    template_name = "admin/catalog/package/versions.html"
    object: Package

    def content(self) -> dict[str, Any]:
        """A line for each version; a constant number of queries."""
        package = self.object
        versions = list(package.versions.exclude(published_at=None).order_by("-number"))
        holders = next(iter(impact.holders(package, now=self.now)), None)
        numbers = holders.numbers if holders is not None else {}
        may_migrate = holders is not None and self.user.has_perm(holders.permission)
        return {
            "package": package,
            "page_url": url_of(package),
            "compare_url": url_of(package, "compare"),
            "migrate_url": holders.migrate_url if holders and numbers and may_migrate else "",
            "versions": [
                {
                    "number": version.number,
                    "before": (version.number or 0) - 1,
                    "name": version.name,
                    "published_at": version.published_at,
                    "published_by": version.published_by,
                    "audience": Audience(version.audience).label,
                    "is_live": version.pk == package.live_id,
                    "holders": numbers.get(version.pk, 0),
                }
                for version in versions
            ],
        }


class ComparePage(ObjectPage):
    """Any two versions of a package, or a version and the draft, side by side (R9)."""

    name = "compare"
    title = "Compare versions"
    template_name = "admin/catalog/package/compare.html"
    object: Package

    def content(self) -> dict[str, Any]:
        """The differences; an unknown version is the one nearest to what is meant."""
        versions = list(self.object.versions.order_by("number"))
        drafts_last = sorted(versions, key=lambda version: version.number or len(versions) + 1)
        names = {str(version.number or "draft"): version for version in drafts_last}
        keys = list(names)
        after = self._chosen("to", keys, keys[-1])
        before = self._chosen("from", keys, keys[max(keys.index(after) - 1, 0)])
        for version in (names[before], names[after]):
            version.package = self.object
        changes = comparison.compare(comparison.load(names[before]), comparison.load(names[after]))
        return {
            "choices": [
                (key, "Draft" if key == "draft" else f"Version {key}") for key in reversed(keys)
            ],
            "before": before,
            "after": after,
            "versions_url": url_of(self.object, "versions"),
            "sections": [
                (section, list(rows))
                for section, rows in groupby(changes, key=lambda change: change.section)
            ],
        }

    def _chosen(self, name: str, keys: list[str], default: str) -> str:
        wanted = self.request.GET.get(name, "")
        return wanted if wanted in keys else default


class PackageStateFilter(ActiveFilter):
    """Published, drafts, with unpublished changes, or archived."""

    LABELS = {
        "active": "Active",
        "published": "Published",
        "drafts": "Drafts",
        "changed": "With unpublished changes",
        "open": "With an open draft",
        "archived": "Archived",
        "all": "All",
    }

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        """The packages of the chosen state."""
        active = self.active(queryset)
        match self.chosen():
            case "published":
                return active.exclude(live=None)
            case "drafts":
                return active.filter(live=None)
            case "changed":
                return active.exclude(live=None).exclude(draft=None)
            case "open":
                return active.exclude(draft=None)
        return super().queryset(request, queryset)


class ProductFilter(admin.SimpleListFilter):
    """Packages of one product; an unknown one is ignored."""

    title = "product"
    parameter_name = "product"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [
            (public_id, name)
            for public_id, name in Product.objects.values_list("public_id", "name")
        ]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        known = {value for value, _ in self.lookup_choices}
        if self.value() in known:
            return queryset.filter(product__public_id=self.value())
        return queryset


class PackageAdmin(WorkspaceAdmin):
    """What the screens of plans and add-ons share."""

    list_display = [
        "name_column",
        "id_column",
        "product",
        "pricing",
        "version",
        "state",
        "changes",
        updated,
    ]
    list_filter = [PackageStateFilter, ProductFilter]
    list_select_related = ["live", "draft", "product"]
    search_fields = ["public_id", "live__name", "draft__name"]
    search_help_text = "Search by name or ID"
    ordering = ["-created_at", "-pk"]

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Package]:
        """With the versions that every screen shows."""
        rows: models.QuerySet[Package] = super().get_queryset(request)
        return rows.select_related("live", "draft", "product")

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Drafts are discarded, packages archived; nothing is deleted."""
        return False

    def object_title(self, obj: Package) -> str:
        """The name that is being edited, or what is live."""
        return obj.current.name

    def badges(self, obj: Package) -> list[Badge]:
        """Its status, and the version that is live."""
        live = [Badge(f"Version {obj.live.number}")] if obj.live else []
        return [*badges_of(obj), *live]

    def _edit_link(self, request: HttpRequest, obj: Any, current: str) -> list[Any]:
        """Editing begins with opening a draft, which has a button of its own."""
        return []

    @display(description="Name", ordering=Coalesce("live__name", "draft__name"))
    def name_column(self, obj: Package) -> str:
        """What customers see, or the draft's name."""
        return obj.name

    @display(description="ID", ordering="public_id")
    def id_column(self, obj: Package) -> SafeString:
        """The ID."""
        return code(obj.public_id)

    @display(description="Type", ordering=Coalesce("live__pricing_type", "draft__pricing_type"))
    def pricing(self, obj: Package) -> str:
        """Free, paid or custom."""
        return (obj.live or obj.current).get_pricing_type_display()

    @display(description="Version", ordering="live__number")
    def version(self, obj: Package) -> str:
        """The number of the live version."""
        return version_of(obj)

    @display(
        description="Status",
        label={"Published": "success", "Draft": "info", "Archived": "default"},
    )
    def state(self, obj: Package) -> str:
        """Draft, published or archived."""
        return badges_of(obj)[0].label

    @display(description="Changes", label={"Unpublished changes": "warning"})
    def changes(self, obj: Package) -> str | None:
        """Whether a draft waits to be published."""
        badges = badges_of(obj)
        return badges[1].label if len(badges) > 1 else None

    @button(
        "Edit",
        permission="catalog.change_package",
        icon="edit",
        is_available=lambda package: package.draft_id is None and package.archived_at is None,
        description="Opens a draft that begins as a copy of the live version. Nobody is "
        "affected before you publish it.",
        confirm_label="Open draft",
    )
    def open_draft(self, package: Package, actor: Actor, now: datetime) -> str:
        """Open a draft (R8)."""
        drafts.open_draft(package_id=package.pk, actor=actor, now=now)
        return f"You are editing a draft of {package.name}."

    @button(
        "Discard draft",
        permission="catalog.change_package",
        icon="delete",
        is_dangerous=True,
        is_in_lists=False,
        is_available=lambda package: package.draft_id is not None,
        description=lambda package: (
            f"All changes since version {package.live.number} are lost."
            if package.live
            else f"{package.name} was never published: it disappears altogether."
        ),
    )
    def discard(self, package: Package, actor: Actor, now: datetime) -> str:
        """Throw the draft away (R8)."""
        drafts.discard(package_id=package.pk, actor=actor, now=now)
        return f"The draft of {package.name} is discarded."

    @button(
        "Archive",
        permission="catalog.archive_package",
        icon="archive",
        is_dangerous=True,
        is_available=lambda package: package.live_id is not None and package.archived_at is None,
        description="It cannot be bought any more. Subscriptions that run go on.",
    )
    def archive(self, package: Package, actor: Actor, now: datetime) -> str:
        """Take it off sale."""
        archiving.archive_package(package_id=package.pk, actor=actor, now=now)
        return f"{package.name} is archived."

    @button(
        "Unarchive",
        permission="catalog.archive_package",
        icon="unarchive",
        is_available=lambda package: package.archived_at is not None,
        description="It can be bought again.",
    )
    def unarchive(self, package: Package, actor: Actor, now: datetime) -> str:
        """Sell it again."""
        archiving.unarchive_package(package_id=package.pk, actor=actor, now=now)
        return f"{package.name} is on sale again."


@admin.register(Plan)
class PlanAdmin(PackageAdmin):
    """Product Catalog → Plans."""

    pages = [
        PackagePage,
        VersionsPage,
        ComparePage,
        AddPlan,
        *SHARED_DIALOGS,
        EditTrial,
        EditAddons,
    ]
    add_label = "Add plan"
    empty_title = "No plans yet"
    empty_text = "A plan is what customers subscribe to: what it includes, and what it costs."


@admin.register(Addon)
class AddonAdmin(PackageAdmin):
    """Product Catalog → Add-ons."""

    pages = [PackagePage, VersionsPage, ComparePage, AddAddon, *SHARED_DIALOGS, EditDependencies]
    add_label = "Add add-on"
    empty_title = "No add-ons yet"
    empty_text = "An add-on extends a plan: more credits, more seats, or something new."
