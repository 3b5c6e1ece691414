"""One id that ties together everything a request or a task caused."""

import contextlib
import logging
import re
import secrets
from collections.abc import Callable, Iterator
from contextvars import ContextVar

from django.http import HttpRequest, HttpResponse
from django.utils.log import log_response

# W3C Trace Context; version ff and ids of zeros alone are forbidden there.
TRACEPARENT = re.compile(
    r"(?!ff)[0-9a-f]{2}-(?!0{32})(?P<trace_id>[0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}"
)

_trace_id: ContextVar[str | None] = ContextVar("trace_id", default=None)


def new_trace_id() -> str:
    """A fresh trace id: 32 hexadecimal digits."""
    return secrets.token_hex(16)


def current_trace_id() -> str:
    """The trace id of what is going on now; a new one where nobody began a trace."""
    trace_id = _trace_id.get()
    if trace_id is None:
        trace_id = new_trace_id()
        _trace_id.set(trace_id)
    return trace_id


@contextlib.contextmanager
def trace(trace_id: str | None = None) -> Iterator[str]:
    """Begin a trace, with a new id unless one is handed over, and end it again."""
    chosen = trace_id or new_trace_id()
    token = _trace_id.set(chosen)
    try:
        yield chosen
    finally:
        _trace_id.reset(token)


class TraceMiddleware:
    """Give every request a trace id and every answer the header `X-Trace-Id`.

    From outside only a well-formed `traceparent` is accepted, so that nobody can write
    text of their own into our records.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        sent = TRACEPARENT.fullmatch(request.META.get("HTTP_TRACEPARENT", ""))
        with trace(sent["trace_id"] if sent else None) as trace_id:
            response = self.get_response(request)
            response["X-Trace-Id"] = trace_id
            if response.status_code >= 400:
                # Django would do so when the trace is over, and does it only once.
                log_response(
                    "%s: %s",
                    response.reason_phrase,
                    request.path,
                    response=response,
                    request=request,
                )
            return response


class TraceIdFilter(logging.Filter):
    """Write the trace id into log records, as `trace_id`; "-" where there is none."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.trace_id = _trace_id.get() or "-"
        return True
