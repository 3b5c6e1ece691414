"""Every operation of the API, as the addresses of the installation name them."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.urls import URLPattern, URLResolver, get_resolver

from tests.builders import (
    a_coupon,
    a_credit_type,
    a_customer,
    a_metered_feature,
    a_product,
    a_published_addon,
    a_published_plan,
    a_rate,
    a_subscription,
    some_credits,
    some_units,
)
from workspace.api.views import ApiView, UnknownRoute

METHODS = ("get", "post", "put", "patch", "delete")
IDS = {
    "addons": "extra",
    "plans": "pro",
    "customer_id": "acme",
    "feature_id": "images",
    "target_id": "ai",
    "currency_id": "ai",
    "coupon_id": "summer",
    "product_id": "studio",
    "subscription_id": "first",
    "grant_id": "welcome",
    "integration_id": "crm",
    "entity_id": "eng",
    "destination_id": "lake",
}
"""What stands for an id in an address."""


@dataclass(frozen=True)
class Operation:
    """A method of an address; `path` has ids in it, `route` its pattern."""

    method: str
    route: str

    @property
    def path(self) -> str:
        kind = "addons" if "/addons/" in self.route else "plans"
        names = {**IDS, "package_id": IDS[kind]}
        return "/" + re.sub(r"<str:(\w+)>", lambda match: names[match[1]], self.route)

    @property
    def changes(self) -> bool:
        return self.method != "GET"

    def __str__(self) -> str:
        return f"{self.method} /{self.route}"


def operations() -> list[Operation]:
    """All of them."""
    return [
        Operation(method.upper(), route)
        for route, view in _views(get_resolver("config.urls").url_patterns, "")
        for method in METHODS
        if hasattr(view, method)
    ]


def routes() -> dict[str, set[str]]:
    """By pattern of an address, the methods that it has."""
    found: dict[str, set[str]] = {}
    for each in operations():
        found.setdefault(each.route, set()).add(each.method)
    return found


def _views(
    patterns: list[URLPattern | URLResolver], start: str
) -> Iterator[tuple[str, type[ApiView]]]:
    for each in patterns:
        route = start + str(each.pattern)
        if isinstance(each, URLResolver):
            yield from _views(each.url_patterns, route)
            continue
        view = getattr(each.callback, "cls", None)
        if view and issubclass(view, ApiView) and view is not UnknownRoute:
            # Of a plan or of an add-on: the view is told which by its arguments.
            yield route, view


PROMOTION = {
    "featureId": "images",
    "period": "1 month",
    "customEndDate": None,
    "usageLimit": 10,
    "hasUnlimitedUsage": None,
    "hasSoftLimit": None,
    "enumValues": None,
    "resetPeriod": None,
    "isVisible": None,
    "monthlyResetPeriodConfiguration": None,
    "weeklyResetPeriodConfiguration": None,
    "yearlyResetPeriodConfiguration": None,
}
COUPON = {
    "id": "winter",
    "name": "Winter",
    "percentOff": 10,
    "amountsOff": None,
    "description": None,
    "durationInMonths": None,
    "metadata": None,
}
DEMAND = {"customerId": "acme", "currencyId": "ai", "amount": 1.5, "idempotencyKey": "k-1"}
USE = {"customerId": "acme", "featureId": "images", "value": 2}
EVENT = {"customerId": "acme", "eventName": "image", "idempotencyKey": "k-1"}
GRANT = {
    "customerId": "acme",
    "currencyId": "ai",
    "amount": 5,
    "displayName": "Welcome",
    "grantType": "PROMOTIONAL",
}
CREDITS = {"type": "CREDIT", "id": "ai", "amount": 5, "cadence": "MONTH"}
PACKAGE = {"displayName": "Basic", "productId": "studio", "pricingType": "FREE"}
ORDER = {"customerId": "globex", "planId": "pro"}
ARRIVAL = {**ORDER, "id": "arrival"}
LINK = {"id": "crm", "syncedEntityId": "42", "vendorIdentifier": "HUBSPOT"}
PAYMENT = {"integrationId": "x", "paymentMethodId": "pm_1", "vendorIdentifier": "STRIPE"}
TEAM = {"id": "team", "displayName": "Team", "attributionKeys": ["teamId"]}
LIMIT = {"entityId": "eng", "currencyId": "ai", "usageLimit": 5, "cadence": "P1M"}

STEPS: list[tuple[str, str, dict[str, Any]]] = [
    ("POST", "credits/custom-currencies", {"id": "tokens", "displayName": "Tokens"}),
    ("PATCH", "credits/custom-currencies/tokens", {"displayName": "Our tokens"}),
    ("POST", "credits/custom-currencies/tokens/archive", {}),
    ("POST", "credits/custom-currencies/tokens/unarchive", {}),
    ("POST", "features", {"id": "logo", "displayName": "Logo", "featureType": "BOOLEAN"}),
    ("PATCH", "features/logo", {"description": "Your own"}),
    ("POST", "features/logo/archive", {}),
    ("POST", "features/logo/unarchive", {}),
    ("POST", "products", {"id": "labs", "displayName": "Labs"}),
    ("PATCH", "products/labs", {"description": "New things"}),
    ("POST", "products/labs/duplicate", {"targetId": "labs-2"}),
    ("POST", "products/labs-2/archive", {}),
    ("POST", "products/labs-2/unarchive", {}),
    ("POST", "coupons", COUPON),
    ("PATCH", "coupons/winter", {"name": "Cold winter"}),
    ("POST", "coupons/winter/archive", {}),
    ("POST", "plans", {"id": "basic", **PACKAGE}),
    ("PATCH", "plans/basic", {"description": "To begin with"}),
    ("POST", "plans/basic/entitlements", {"entitlements": [CREDITS]}),
    ("PATCH", "plans/basic/entitlements/ai", {"type": "CREDIT", "amount": 6}),
    ("DELETE", "plans/basic/entitlements/ai", {}),
    ("POST", "plans/basic/publish", {"migrationType": "NEW_CUSTOMERS"}),
    ("POST", "plans/basic/draft", {}),
    ("DELETE", "plans/basic/draft", {}),
    ("POST", "plans/basic/archive", {}),
    ("POST", "addons", {"id": "more", **PACKAGE}),
    ("PATCH", "addons/more", {"description": "More of it"}),
    ("POST", "addons/more/entitlements", {"entitlements": [CREDITS]}),
    ("PATCH", "addons/more/entitlements/ai", {"type": "CREDIT", "amount": 6}),
    ("DELETE", "addons/more/entitlements/ai", {}),
    ("POST", "addons/more/publish", {"migrationType": "NEW_CUSTOMERS"}),
    ("POST", "addons/more/draft", {}),
    ("DELETE", "addons/more/draft", {}),
    ("POST", "addons/more/archive", {}),
    ("POST", "customers", {"id": "initech", "name": "Initech"}),
    ("PATCH", "customers/initech", {"email": "hello@initech.example"}),
    ("POST", "customers/import", {"customers": [{"id": "u-1", "name": "U", "email": None}]}),
    ("POST", "customers/acme/integrations", LINK),
    ("PATCH", "customers/acme/integrations/crm", {"syncedEntityId": "43"}),
    ("DELETE", "customers/acme/integrations/crm", {}),
    ("POST", "customers/acme/payment-method", PAYMENT),
    ("DELETE", "customers/acme/payment-method", {}),
    ("POST", "customers/acme/promotional-entitlements", {"promotionalEntitlements": [PROMOTION]}),
    ("DELETE", "customers/acme/promotional-entitlements/images", {}),
    ("POST", "subscriptions/preview", ORDER),
    ("POST", "subscriptions", ORDER),
    ("POST", "subscriptions/import", {"subscriptions": [ARRIVAL]}),
    ("PATCH", "subscriptions/first", {"metadata": {"a": "b"}}),
    ("POST", "subscriptions/first/delegate", {"targetCustomerId": "globex"}),
    ("POST", "subscriptions/first/migrate", {}),
    ("POST", "credits/grants", GRANT),
    ("POST", "credits/grants/welcome/void", {}),
    ("POST", "credits/consumption", DEMAND),
    ("POST", "credits/consumption/async", {"consumptions": [{**DEMAND, "idempotencyKey": "k-2"}]}),
    ("POST", "events", {"events": [EVENT]}),
    ("POST", "events/estimate", {"customerId": "acme", "eventName": "image"}),
    ("POST", "usage", {"usages": [USE]}),
    ("POST", "usage/estimate", USE),
    ("POST", "subscriptions/movable/transfer", {"destinationResourceId": "project"}),
    ("POST", "subscriptions/first/cancel", {"cancellationTime": "IMMEDIATE"}),
    ("POST", "data-export/destinations", {"destinationId": "lake", "destinationType": "s3"}),
    ("PATCH", "data-export/destinations/lake", {"enabledModels": [], "integrationId": "x"}),
    ("DELETE", "data-export/destinations/lake", {}),
    ("PUT", "/api/v1-beta/entity-types", {"types": [TEAM]}),
    (
        "PUT",
        "/api/v1-beta/customers/acme/entities",
        {"entities": [{"id": "eng", "entityTypeId": "team"}]},
    ),
    ("PUT", "/api/v1-beta/customers/acme/assignments", {"assignments": [LIMIT]}),
    ("POST", "/api/v1-beta/customers/acme/entities/archive", {"ids": ["eng"]}),
    ("POST", "/api/v1-beta/customers/acme/entities/unarchive", {"ids": ["eng"]}),
    ("POST", "customers/initech/archive", {}),
    ("POST", "customers/initech/unarchive", {}),
]
"""Every operation that changes something and can succeed, each made possible by those before."""

REFUSED: list[tuple[str, str, dict[str, Any]]] = [
    ("POST", "subscriptions/first/invoice/paid", {}),
    ("POST", "subscriptions/first/usage/charge", {}),
    ("POST", "subscriptions/first/usage/sync", {}),
    ("DELETE", "subscriptions/first/future-update/schedule", {}),
    ("DELETE", "subscriptions/first/future-update/pending-payment", {}),
    ("POST", "data-export/scoped-token", {"applicationOrigin": "https://example.com"}),
    ("POST", "data-export/sync", {}),
]
"""The others: what takes a provider that nobody has, or something that nobody waits for."""


def address(path: str) -> str:
    """The whole address of a step."""
    return path if path.startswith("/") else f"/api/v1/{path}"


def a_world() -> None:
    """A catalog, Acme with a subscription, and Globex."""
    ai = a_credit_type(public_id="ai")
    images = a_metered_feature(public_id="images")
    product = a_product(public_id="studio")
    extra = a_published_addon(public_id="extra", product=product)
    plan = a_published_plan(
        public_id="pro",
        product=product,
        entitlements=[some_credits(ai, 5_000), some_units(images, None)],
        compatible_addons=[extra],
        mappings=[a_rate(images, ai, 10)],
    )
    a_coupon(public_id="summer")
    a_subscription(a_customer(public_id="acme"), plan, public_id="first")
    globex = a_customer("Globex", public_id="globex")
    rooms = a_product("Rooms", public_id="rooms", multiple_subscriptions=True)
    room = a_published_plan("Room", public_id="room", product=rooms)
    a_subscription(globex, room, public_id="movable", resource_id="here")
