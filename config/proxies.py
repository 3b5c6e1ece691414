"""Decides whom to believe about the address and scheme of a request (X22)."""

from collections.abc import Callable
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address

from django.conf import settings
from django.http import HttpRequest, HttpResponse

FORWARDED = [
    "HTTP_FORWARDED",
    "HTTP_X_FORWARDED_FOR",
    "HTTP_X_FORWARDED_HOST",
    "HTTP_X_FORWARDED_PORT",
    "HTTP_X_FORWARDED_PROTO",
    "HTTP_X_REAL_IP",
]


class TrustedProxyMiddleware:
    """Takes `X-Forwarded-For` and `-Proto` from trusted proxies, and drops them from others.

    Afterwards `REMOTE_ADDR` is the client as the last trusted proxy saw it: limits and the
    audit log may read it without a thought.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        sender = request.META.get("REMOTE_ADDR", "")
        if is_trusted(sender):
            hops = request.META.get("HTTP_X_FORWARDED_FOR", "").split(",")
            request.META["REMOTE_ADDR"] = client_address(sender, [hop.strip() for hop in hops])
        else:
            for name in FORWARDED:
                request.META.pop(name, None)
        return self.get_response(request)


def client_address(sender: str, hops: list[str]) -> str:
    """Walk from the nearest hop outwards, as far as each is a trusted proxy.

    What stands further left was written by the client and may be anything.
    """
    address = sender
    for hop in reversed(hops):
        if not is_address(hop):
            break
        address = hop
        if not is_trusted(hop):
            break
    return address


def is_address(text: str) -> bool:
    """Whether this is an IP address, and not a name, a port or an attempt."""
    return _address(text) is not None


def is_trusted(address: str) -> bool:
    """Whether the settings name this address as a proxy of ours."""
    known = _address(address)
    return known is not None and any(
        known in network for network in settings.STIPEND_TRUSTED_PROXIES
    )


@lru_cache(maxsize=1024)
def _address(text: str) -> IPv4Address | IPv6Address | None:
    """Read an address once: a proxy sends its own with every request."""
    try:
        return ip_address(text)
    except ValueError:
        return None
