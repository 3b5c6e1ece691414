"""Answers of the API: JSON, and what it may be used for."""

from collections.abc import Mapping
from typing import Any

from django.http import HttpResponse

from workspace.json import dumps

JSON = "application/json"

# Never kept on the way, and in a browser neither a page nor part of one (X14).
HEADERS: Mapping[str, str] = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "X-Frame-Options": "DENY",
}


class Written(HttpResponse):
    """JSON that is text already; `replayed` if nothing of what was asked for was new (R40)."""

    def __init__(self, text: str, status: int = 200, *, replayed: bool = False) -> None:
        content = text.encode()
        headers = {**HEADERS, "Content-Type": JSON, "Content-Length": str(len(content))}
        if replayed:
            headers["Idempotency-Replayed"] = "true"
        super().__init__(content, status=status, headers=headers)


class Response(Written):
    """Data as JSON, written at once: nothing is left to be negotiated or rendered."""

    def __init__(self, data: Any, status: int = 200, *, replayed: bool = False) -> None:
        super().__init__(dumps(data), status, replayed=replayed)
