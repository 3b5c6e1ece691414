"""Look of the admin: name, colours, sidebar."""

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest
from django.templatetags.static import static
from django.urls import reverse_lazy


def may(permission: str) -> Callable[[HttpRequest], bool]:
    """Whether the person who asks has a permission; decides what the sidebar shows."""
    return lambda request: request.user.has_perm(permission)


def screen(title: str, icon: str, model: str) -> dict[str, Any]:
    """A line of the sidebar, leading to the list of `model`, such as "catalog_plan"."""
    app_label, model_name = model.rsplit("_", 1)
    return {
        "title": title,
        "icon": icon,
        "link": reverse_lazy(f"admin:{model}_changelist"),
        "permission": may(f"{app_label}.view_{model_name}"),
    }


def name_of_page(request: HttpRequest) -> str:
    """The name of its address, such as "catalog_plan_changelist"."""
    match = request.resolver_match
    return (match and match.url_name) or ""


def is_about_customers(request: HttpRequest) -> bool:
    """Whether the page belongs to a customer; their credits have addresses of their own."""
    name = name_of_page(request)
    has_own_line = name.startswith(
        (
            "subscriptions_subscription_",
            "subscriptions_rolloutrun_",
            "subscriptions_subscriptionimport_",
            "credits_bulkrun_",
        )
    )
    return (
        name.startswith(("subscriptions_", "credits_"))
        and not has_own_line
        and name != "credits_pool_resets"
    )


def is_about_catalog_file(request: HttpRequest) -> bool:
    """Whether the catalog comes or goes as a file; the addresses are those of products."""
    return name_of_page(request) in ("catalog_product_transfer", "catalog_product_import")


def is_about_products(request: HttpRequest) -> bool:
    """Whether the page belongs to a product."""
    is_theirs = name_of_page(request).startswith("catalog_product_")
    return is_theirs and not is_about_catalog_file(request)


UNFOLD: dict[str, object] = {
    "SITE_TITLE": "Stipend",
    "SITE_HEADER": "Stipend",
    "SITE_ICON": lambda request: static("workspace/mark.svg"),
    "SITE_URL": None,
    "SITE_FAVICONS": [
        {
            "rel": "icon",
            "type": "image/svg+xml",
            "href": lambda request: static("workspace/mark.svg"),
        }
    ],
    "ENVIRONMENT": "workspace.admin.home.environment",
    "DASHBOARD_CALLBACK": "workspace.admin.home.dashboard",
    "STYLES": [
        lambda request: static("workspace/app.css"),
        lambda request: static("workspace/palette.css"),
    ],
    "SCRIPTS": [
        lambda request: static("workspace/keep.js"),
        lambda request: static("workspace/palette.js"),
        lambda request: static("workspace/tabs.js"),
    ],
    "SHOW_HISTORY": False,  # every object has its Activity tab
    "SHOW_VIEW_ON_SITE": False,
    "BORDER_RADIUS": "8px",
    "COLORS": {
        "primary": {
            "50": "oklch(96.2% .018 272.314)",
            "100": "oklch(93% .034 272.788)",
            "200": "oklch(87% .065 274.039)",
            "300": "oklch(78.5% .115 274.713)",
            "400": "oklch(67.3% .182 276.935)",
            "500": "oklch(58.5% .233 277.117)",
            "600": "oklch(51.1% .262 276.966)",
            "700": "oklch(45.7% .24 277.023)",
            "800": "oklch(39.8% .195 277.366)",
            "900": "oklch(35.9% .144 278.697)",
            "950": "oklch(25.7% .09 281.288)",
        },
    },
    "SIDEBAR": {
        "show_search": True,
        "navigation": [
            {
                "title": "Product Catalog",
                "items": [
                    screen("Products", "inventory_2", "catalog_product")
                    | {"active": is_about_products},
                    screen("Plans", "layers", "catalog_plan"),
                    screen("Add-ons", "extension", "catalog_addon"),
                    screen("Features", "tune", "catalog_feature"),
                    screen("Credits", "toll", "catalog_credittype"),
                    screen("Coupons", "sell", "catalog_coupon"),
                ],
            },
            {
                "title": "Customers",
                "items": [
                    screen("Customers", "groups", "subscriptions_customer")
                    | {"active": is_about_customers},
                    screen("Subscriptions", "event_repeat", "subscriptions_subscription"),
                    screen("Bulk changes", "dynamic_feed", "credits_bulkrun"),
                ],
            },
            {
                "title": "Operations",
                "separator": True,
                "items": [
                    {
                        "title": "Resets",
                        "icon": "update",
                        "link": reverse_lazy("admin:credits_pool_resets"),
                        "permission": may("credits.view_pool"),
                    },
                    screen("Rollouts", "rocket_launch", "subscriptions_rolloutrun"),
                    screen("Imports", "upload", "subscriptions_subscriptionimport"),
                    screen("API keys", "key", "workspace_apikey"),
                    screen("Activity", "history", "workspace_activity"),
                    screen("Users", "badge", "workspace_user"),
                    {
                        "title": "Catalog file",
                        "icon": "import_export",
                        "link": reverse_lazy("admin:catalog_product_transfer"),
                        "permission": may("catalog.view_product"),
                        "active": is_about_catalog_file,
                    },
                    screen("Tasks", "checklist", "django_q_task"),
                ],
            },
        ],
    },
}
