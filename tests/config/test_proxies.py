from ipaddress import ip_network

import pytest
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory

from config.proxies import TrustedProxyMiddleware

CLIENT, PROXY, INNER_PROXY = "203.0.113.7", "10.0.0.1", "10.0.0.2"


@pytest.fixture(autouse=True)
def _trusted(settings) -> None:
    settings.STIPEND_TRUSTED_PROXIES = [ip_network("10.0.0.0/8"), ip_network("fd00::/8")]
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")


def seen(sender: str, **headers: str) -> HttpRequest:
    """The request, as a view sees it."""
    request = RequestFactory().get("/", REMOTE_ADDR=sender, headers=headers)
    TrustedProxyMiddleware(lambda _: HttpResponse())(request)
    return request


class TestTrustedProxyMiddleware:
    @pytest.mark.parametrize(
        ("sender", "forwarded", "address"),
        [
            (PROXY, CLIENT, CLIENT),
            (PROXY, f"1.1.1.1, {CLIENT}", CLIENT),
            (PROXY, f"{CLIENT}, {INNER_PROXY}", CLIENT),
            (PROXY, f"1.1.1.1, {CLIENT}, {INNER_PROXY}", CLIENT),
            ("fd00::1", "2001:db8::7", "2001:db8::7"),
            (PROXY, "", PROXY),
            (PROXY, INNER_PROXY, INNER_PROXY),
            (PROXY, f"{CLIENT}, <script>", PROXY),
            (CLIENT, "1.1.1.1", CLIENT),
            ("", "1.1.1.1", ""),
        ],
    )
    def test_believes_addresses_as_far_as_proxies_are_trusted(
        self, sender: str, forwarded: str, address: str
    ) -> None:
        request = seen(sender, x_forwarded_for=forwarded)

        assert request.META["REMOTE_ADDR"] == address

    def test_believes_a_trusted_proxy_that_the_request_was_encrypted(self) -> None:
        assert seen(PROXY, x_forwarded_proto="https").is_secure()

    def test_believes_nobody_else(self) -> None:
        request = seen(CLIENT, x_forwarded_proto="https", forwarded="proto=https")

        assert not request.is_secure()
        assert "HTTP_FORWARDED" not in request.META
