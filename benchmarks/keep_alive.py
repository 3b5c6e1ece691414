"""A client that keeps many connections busy and costs little itself.

One process waits for all sockets at once; each sends its next request as soon as the last
is answered.
"""

import select
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from benchmarks import processes
from benchmarks.figures import percentile

Address = tuple[str, int]


@dataclass
class Answered:
    """What came back."""

    per_second: float
    latencies: list[float]
    refused: int = 0
    example: str = ""

    def milliseconds(self, share: float) -> float:
        """The time that `share` of all requests do not exceed."""
        return percentile(self.latencies, share) * 1000


@dataclass
class _Connection:
    socket: socket.socket
    sent_at: float = 0.0
    received: bytearray = field(default_factory=bytearray)


def ask_in_a_process(
    address: Address, request: Callable[[], bytes], connections: int, *, seconds: float
) -> Answered:
    """As `ask`, in a process of its own."""
    finished = processes.together(1, lambda _: ask(address, request, connections, seconds=seconds))
    answered: Answered = finished.done[0].answer
    return answered


def ask(
    address: Address, request: Callable[[], bytes], connections: int, *, seconds: float
) -> Answered:
    """Send requests over `connections` kept alive; only those answered with 200 count."""
    waiting: dict[int, _Connection] = {}
    poll = select.epoll()
    latencies: list[float] = []
    refused, example = 0, ""
    started = time.perf_counter()
    end = started + seconds
    for _ in range(connections):
        _open(address, request, waiting, poll)
    while waiting:
        for number, _ in poll.poll():
            open_connection = waiting[number]
            data = open_connection.socket.recv(65536)
            open_connection.received += data
            now = time.perf_counter()
            if data and not _is_whole(open_connection.received):
                continue
            if open_connection.received.startswith(b"HTTP/1.1 200"):
                latencies.append(now - open_connection.sent_at)
            else:
                refused += 1
                example = open_connection.received.decode(errors="replace")[:400]
            closes = not data or b"connection: close" in open_connection.received.lower()
            open_connection.received.clear()
            if closes or now >= end:
                poll.unregister(number)
                waiting.pop(number).socket.close()
                if now < end:
                    _open(address, request, waiting, poll)
            else:
                open_connection.sent_at = now
                open_connection.socket.sendall(request())
    return Answered(len(latencies) / (time.perf_counter() - started), latencies, refused, example)


def _open(
    address: Address,
    request: Callable[[], bytes],
    waiting: dict[int, _Connection],
    poll: select.epoll,
) -> None:
    opened = _Connection(socket.create_connection(address))
    opened.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    waiting[opened.socket.fileno()] = opened
    poll.register(opened.socket.fileno(), select.EPOLLIN)
    opened.sent_at = time.perf_counter()
    opened.socket.sendall(request())


def _is_whole(received: bytearray) -> bool:
    """Whether head and body are there."""
    head, found, body = received.partition(b"\r\n\r\n")
    if not found:
        return False
    _, named, rest = head.lower().partition(b"content-length:")
    return bool(named) and len(body) >= int(rest.split(b"\r\n", 1)[0])
