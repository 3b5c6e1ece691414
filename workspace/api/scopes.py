"""How far a key reaches: which area an address belongs to, and who may do what there (X3, X5)."""

from rest_framework.permissions import SAFE_METHODS
from rest_framework.request import Request

from workspace import customer_tokens
from workspace.errors import Forbidden
from workspace.keys import READ, WRITE, KnownKey
from workspace.models import Area, KeyKind

ADDRESSES = (
    ("v1/config/", None),
    ("v1/", Area.ACCESS),
    ("api/v1/credits/custom-currencies", Area.CATALOG),
    ("api/v1/credits/", Area.CREDITS),
    ("api/v1/customers/<str:customer_id>/entitlements", Area.ACCESS),
    ("api/v1/customers", Area.CUSTOMERS),
    ("api/v1/subscriptions", Area.SUBSCRIPTIONS),
    ("api/v1/events", Area.USAGE),
    ("api/v1/usage", Area.USAGE),
    ("api/v1/data-export/", Area.EXPORTS),
    ("api/v1/addons", Area.CATALOG),
    ("api/v1/coupons", Area.CATALOG),
    ("api/v1/features", Area.CATALOG),
    ("api/v1/plans", Area.CATALOG),
    ("api/v1/products", Area.CATALOG),
    ("api/v1-beta/customers/<str:customer_id>/entitlements", Area.ACCESS),
    ("api/v1-beta/", Area.CUSTOMERS),
)
"""Which area is behind an address, the first that fits; None: every key may try itself there."""

FOR_CUSTOMERS = (Area.ACCESS, Area.CREDITS, Area.USAGE)
"""What a publishable key may read of the customer who is proved."""

OF_ALL = ("v1/paywall.json", "v1/p/<str:product_id>/paywall.json")
"""What it may read for nobody in particular: what is for sale."""


class ReadOnlyKey(Forbidden):
    """The key may look, but not touch."""


class OutOfScope(Forbidden):
    """The key was not made for this part of the API."""


class NotThisCustomer(Forbidden):
    """A publishable key, without proof for the customer it asks about."""


def area_of(route: str) -> Area | None:
    """The area that the pattern of an address belongs to.

    Raises:
        OutOfScope: none; only keys with full access get there.
    """
    for start, area in ADDRESSES:
        if route.startswith(start):
            return area
    raise OutOfScope("This key does not open this address. Use one with full access.")


def is_of_one_customer(key: object) -> bool:
    """Whether this key reads of the customer who is proved, and of nobody else (X5)."""
    return isinstance(key, KnownKey) and key.kind == KeyKind.PUBLISHABLE


def check(key: KnownKey, request: Request) -> None:
    """Let a key pass to where it may go.

    Raises:
        ReadOnlyKey, OutOfScope, NotThisCustomer: it may not go there.
    """
    is_reading = request.method in SAFE_METHODS
    match key.kind:
        case KeyKind.FULL:
            return
        case KeyKind.READ_ONLY:
            if not is_reading:
                raise ReadOnlyKey("This key may only read. Use one with full access to change.")
        case KeyKind.SCOPED:
            _check_scope(key, request, is_reading=is_reading)
        case KeyKind.PUBLISHABLE:
            if not is_reading:
                raise ReadOnlyKey("A publishable key may only read.")
            _check_customer(key, request)


def _check_scope(key: KnownKey, request: Request, *, is_reading: bool) -> None:
    area = area_of(_route(request))
    if area is None:
        return
    reaches = (READ, WRITE) if is_reading else (WRITE,)
    if key.scopes.isdisjoint(f"{area}:{reach}" for reach in reaches):
        raise OutOfScope(f"This key has no scope {area}:{reaches[0]}. Use one that has it.")


def _check_customer(key: KnownKey, request: Request) -> None:
    route = _route(request)
    if route in OF_ALL or (area := area_of(route)) is None:
        return
    if area not in FOR_CUSTOMERS:
        raise OutOfScope("A publishable key reads access, credits and usage of one customer only.")
    match = request.resolver_match
    asked_for = (match and match.kwargs.get("customer_id")) or request.GET.get("customerId")
    proved = customer_tokens.customer_of(request.META.get("HTTP_X_CUSTOMER_KEY", ""), key.lookup)
    if proved is None or proved != asked_for:
        raise NotThisCustomer(
            "Send the signed token of the customer that is asked for in X-CUSTOMER-KEY."
        )


def _route(request: Request) -> str:
    match = request.resolver_match
    return match.route if match else ""
