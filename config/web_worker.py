"""The processes of the web server.

They refuse in JSON, wait for nobody without end, and stop without cutting anybody off.
"""

import contextlib
import json
import time
from socket import SHUT_RD, SHUT_WR, socket
from typing import Any

from gunicorn.http.errors import LimitRequestHeaders, LimitRequestLine, NoMoreData, ParseException
from gunicorn.http.parser import RequestParser
from gunicorn.http.unreader import SocketUnreader
from gunicorn.util import write_nonblock
from gunicorn.workers.gthread import TConn, ThreadWorker

from workspace.tracing import trace

REFUSALS: dict[type[Exception], tuple[int, str, str]] = {
    LimitRequestLine: (414, "URI Too Long", "The address is too long."),
    LimitRequestHeaders: (431, "Request Header Fields Too Large", "The headers are too large."),
    ParseException: (400, "Bad Request", "This request is not HTTP."),
}

DRAIN_SECONDS, DRAIN_MOST = 5, 16 * 1024 * 1024
LEAVE_SECONDS = 0.5  # an answer has long arrived by then


class PatientUnreader(SocketUnreader):
    """Reads what a client sends, who has `patience` seconds for a whole request.

    gunicorn waits for ever once a request has begun, and a thread with it: as many clients as
    there are threads, who send half of one each, would stop the server (F21).
    """

    def __init__(self, sock: socket, patience: float) -> None:
        super().__init__(sock)
        self.patience = patience
        self.ends_at: float | None = None

    def chunk(self, size_hint: int | None = None) -> bytes:
        """What comes next.

        Raises:
            NoMoreData: nothing came in time; whoever reads takes the client for gone.
        """
        now = time.monotonic()
        if self.ends_at is None:
            self.ends_at = now + self.patience
        before = self.sock.gettimeout()
        left = max(self.ends_at - now, 0.001)
        self.sock.settimeout(left if before is None else min(left, before))
        try:
            received: bytes = super().chunk(size_hint)
        except TimeoutError as error:
            raise NoMoreData(b"") from error
        finally:
            self.sock.settimeout(before)
        return received


def take_leave(sock: socket) -> None:
    """Let the last answer arrive, so that nothing is left to wait for when `sock` is closed.

    gunicorn waits in the one thread that looks after all connections, and for 2 seconds if the
    client does not close its end: a few who stay would hold up everybody (F21).
    """
    ends_at = time.monotonic() + LEAVE_SECONDS
    with contextlib.suppress(OSError):
        sock.shutdown(SHUT_WR)
        while (left := ends_at - time.monotonic()) > 0:
            sock.settimeout(left)
            if not sock.recv(65536):
                break
    with contextlib.suppress(OSError):
        sock.shutdown(SHUT_RD)


class WebWorker(ThreadWorker):
    """gunicorn's worker with threads, where it would answer in HTML, wait, or drop connections."""

    patience = 20.0  # seconds; 2 MB take 16 at 1 Mbit/s

    def enqueue_req(self, conn: TConn) -> None:
        """Have a request read and answered; its client's time begins when a thread reads it."""
        if not self.cfg.is_ssl:  # gunicorn itself wraps those sockets, and a proxy does so here
            if conn.parser is None:
                conn.parser = RequestParser(self.cfg, conn.sock, conn.client)
                conn.parser.unreader = PatientUnreader(conn.sock, self.patience)
            conn.parser.unreader.ends_at = None
        super().enqueue_req(conn)

    def handle(self, conn: TConn) -> Any:
        """Answer a request, in a thread of its own; false if it was the connection's last."""
        goes_on = super().handle(conn)
        if not goes_on and not self.cfg.is_ssl:
            take_leave(conn.sock)
        return goes_on

    def _keepalive_after(self, conn: TConn, keepalive: bool) -> bool:
        """Read a body that nobody wanted to its end, or the next request would be lost.

        The answer has said that the connection goes on, and gunicorn reads no more than 64 KB.
        """
        if keepalive and not self.cfg.is_ssl:
            conn.parser.finish_body(deadline=time.monotonic() + DRAIN_SECONDS, max_bytes=DRAIN_MOST)
        return bool(super()._keepalive_after(conn, keepalive))

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
