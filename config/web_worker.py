"""The processes of the web server: they refuse in JSON, and stop without cutting anybody off."""

import json
from socket import socket
from typing import Any

from gunicorn.http.errors import LimitRequestHeaders, LimitRequestLine, ParseException
from gunicorn.util import write_nonblock
from gunicorn.workers.gthread import ThreadWorker

from workspace.tracing import trace

REFUSALS: dict[type[Exception], tuple[int, str, str]] = {
    LimitRequestLine: (414, "URI Too Long", "The address is too long."),
    LimitRequestHeaders: (431, "Request Header Fields Too Large", "The headers are too large."),
    ParseException: (400, "Bad Request", "This request is not HTTP."),
}


class WebWorker(ThreadWorker):
    """gunicorn's worker with threads, where it would answer in HTML or drop connections."""

    def handle_error(self, req: Any, client: socket, addr: Any, exc: Exception) -> None:
        """Refuse what never reaches an application in the shape of all refusals (X7)."""
        known = next((kind for kind in REFUSALS if isinstance(exc, kind)), None)
        if known is None:
            super().handle_error(req, client, addr, exc)
            return
        status, reason, message = REFUSALS[known]
        code = reason.title().replace(" ", "")
        with trace() as trace_id:
            self.log.warning("%s: refused before any address was looked at.", reason)
        body = json.dumps({"message": message, "code": code, "traceId": trace_id, "errors": {}})
        write_nonblock(
            client,
            (
                f"HTTP/1.1 {status} {reason}\r\n"
                "Connection: close\r\n"
                "Content-Type: application/json\r\n"
                f"X-Trace-Id: {trace_id}\r\n"
                "Cache-Control: no-store\r\n"
                f"Content-Length: {len(body)}\r\n\r\n{body}"
            ).encode("ascii"),
        )

    def set_accept_enabled(self, enabled: bool) -> None:
        """When stopping, take in whoever waits at the door, then close it.

        gunicorn leaves it open and unattended until the last answer is out: connections
        made meanwhile would be cut, where a closed door sends them to another host.
        """
        super().set_accept_enabled(enabled)
        if not (enabled or self.alive):
            for listener in self.sockets:
                self._take_in(listener)
                listener.close()

    def _take_in(self, listener: socket) -> None:
        known = -1
        while self.nr_conns > known:
            known = self.nr_conns
            self.accept(listener)
