import contextlib
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from types import SimpleNamespace

import pytest
from gunicorn.config import Config
from gunicorn.workers.gthread import ThreadWorker

from config.web_worker import WebWorker

HELLO = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"


class Server:
    """gunicorn as production runs it, around an application that is quick."""

    def __init__(self, *options: str) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.address = probe.getsockname()
        command = [sys.executable, "-m", "gunicorn", "--config", "config/gunicorn.py"]
        self.process = subprocess.Popen(
            [*command, "--log-level", "critical", *options, "tests.config.quick"],
            env={**os.environ, "STIPEND_BIND": "{}:{}".format(*self.address)},
        )
        for _ in range(100):
            with contextlib.suppress(OSError), self.connected():
                return
            time.sleep(0.1)
        raise AssertionError("gunicorn did not start.")

    def connected(self) -> socket.socket:
        return socket.create_connection(self.address, timeout=10)

    def ask(self, request: bytes) -> tuple[bytes, bytes]:
        """Head and body of an answer, on a connection of its own."""
        with self.connected() as connection:
            connection.sendall(request)
            return read(connection)


def read(connection: socket.socket) -> tuple[bytes, bytes]:
    """Head and body of the next answer; both empty if there is none."""
    received = b""
    while b"\r\n\r\n" not in received:
        data = connection.recv(65536)
        if not data:
            return b"", b""
        received += data
    head, _, body = received.partition(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
    while len(body) < length and (data := connection.recv(65536)):
        body += data
    return head, body


def knock_until_it_ends(server: Server) -> tuple[int, int]:
    """How many of those who come while it stops are refused, and how many answered."""
    refused, answered = 0, 0
    while server.process.poll() is None:
        try:
            head, body = server.ask(HELLO)
        except ConnectionRefusedError:
            refused += 1
            time.sleep(0.01)
        else:
            assert (head[:12], body) == (b"HTTP/1.1 200", b"hello")
            answered += 1
    return refused, answered


@pytest.fixture
def server() -> Iterator[Server]:
    started = Server()
    yield started
    started.process.kill()
    started.process.wait()


class TestWebWorker:
    @pytest.mark.parametrize(
        ("request_", "status", "code"),
        [
            (b"GET /%s HTTP/1.1\r\n\r\n" % (b"a" * 9000), b"414", "UriTooLong"),
            (b"GET / HTTP/1.1\r\nX: %s\r\n\r\n" % (b"a" * 9000), b"431", None),
            (b"nonsense\r\n\r\n", b"400", "BadRequest"),
            (b"GET / HTTP/1.1\r\nBad Name: x\r\n\r\n", b"400", "BadRequest"),
        ],
    )
    def test_refuses_in_json(self, server, request_, status, code):
        head, body = server.ask(request_)

        refusal = json.loads(body)
        assert head.startswith(b"HTTP/1.1 %s " % status)
        assert b"Content-Type: application/json" in head
        assert set(refusal) == {"message", "code", "traceId", "errors"}
        assert refusal["code"] == (code or "RequestHeaderFieldsTooLarge")
        assert len(refusal["traceId"]) == 32
        assert b"X-Trace-Id: %s\r\n" % refusal["traceId"].encode() in head

    def test_ends_at_once_where_nobody_waits(self, server):
        """F23."""
        server.process.terminate()

        assert server.process.wait(5) == 0

    def test_cuts_nobody_off_while_stopping(self, server):
        """F23: whoever gets in is answered; the others are refused and go elsewhere."""
        with server.connected() as kept, server.connected() as slow:
            kept.sendall(HELLO)
            read(kept)
            slow.sendall(HELLO.replace(b"/ ", b"/slow "))
            time.sleep(0.2)

            server.process.terminate()
            refused, answered = knock_until_it_ends(server)
            last = read(slow)[1]

        assert refused > answered
        assert last == b"hello"
        assert server.process.returncode == 0

    def test_goes_on_after_a_body_that_nobody_read(self, server):
        body = b"a" * 3_000_000
        with server.connected() as kept:
            kept.sendall(b"POST / HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
            first = read(kept)[1]
            kept.sendall(HELLO)

            assert (first, read(kept)[1]) == (b"hello", b"hello")

    def test_gives_every_request_of_a_connection_time_of_its_own(self, monkeypatch):
        monkeypatch.setattr(ThreadWorker, "enqueue_req", lambda self, conn: None)
        worker = WebWorker.__new__(WebWorker)
        worker.cfg = Config()
        near, far = socket.socketpair()
        with near, far:
            connection = SimpleNamespace(parser=None, sock=near, client=None)
            worker.enqueue_req(connection)
            far.sendall(HELLO)
            next(connection.parser)
            used_up = connection.parser.unreader.ends_at

            worker.enqueue_req(connection)

        assert used_up is not None
        assert connection.parser.unreader.ends_at is None


@pytest.fixture
def narrow_server() -> Iterator[Server]:
    """Of one thread, which waits for nobody long."""
    impatient = ("--worker-class", "tests.config.quick.Impatient")
    started = Server(*impatient, "--workers", "1", "--threads", "1")
    yield started
    started.process.kill()
    started.process.wait()


class TestTakeLeave:
    def test_holds_nobody_up_for_those_who_stay(self, narrow_server):
        """F21: gunicorn would wait for each of them, and answer nobody for 12 seconds."""
        with contextlib.ExitStack() as open_ends:
            staying = [open_ends.enter_context(narrow_server.connected()) for _ in range(6)]
            for each in staying:
                each.sendall(b"nonsense\r\n\r\n")

            heads = [read(each)[0] for each in staying]
            answer = narrow_server.ask(HELLO)[1]

        assert all(head.startswith(b"HTTP/1.1 400 ") for head in heads)
        assert answer == b"hello"


class TestPatientUnreader:
    @pytest.mark.parametrize(
        "half",
        [
            b"GET / HTTP/1.1\r\nHost: loc",
            b"POST /read HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nhalf",
            b"POST /read HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nha",
        ],
        ids=["head", "body", "chunk"],
    )
    def test_lets_nobody_keep_a_thread_who_sends_half_a_request(self, narrow_server, half):
        """F21."""
        with narrow_server.connected() as slow:
            slow.sendall(half)

            assert narrow_server.ask(HELLO)[1] == b"hello"
            assert slow.recv(100) == b""
