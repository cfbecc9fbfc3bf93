"""HTTP loads that cost little themselves: raw bytes out, lengths counted in.

Closed: as fast as answers come. Open: by the clock, whatever becomes of the answers.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import cast


@dataclass
class Load:
    """What came of a run. `statuses`: answers by status code."""

    seconds: float
    answers: int
    statuses: dict[int, int]

    @property
    def rate(self) -> float:
        return self.answers / self.seconds


def _answers(buffer: bytes) -> tuple[list[int], bytes]:
    """Statuses of the whole answers at the head of a buffer, and what is left of it."""
    statuses = []
    while (end := buffer.find(b"\r\n\r\n")) >= 0:
        head = buffer[:end].lower()
        at = head.find(b"content-length:")
        length = int(head[at + 15 : (head.find(b"\r\n", at) + len(head) + 1) % (len(head) + 1)]) if at >= 0 else 0
        if len(buffer) < end + 4 + length:
            break
        statuses.append(int(head[9:12]))
        buffer = buffer[end + 4 + length :]
    return statuses, buffer


class _Connection(asyncio.Protocol):
    """One keep-alive connection with up to `depth` requests in progress."""

    def __init__(
        self, requests: Iterator[bytes], depth: int, until: Callable[[], bool], statuses: dict[int, int]
    ) -> None:
        self._requests, self._depth, self._until, self._statuses = requests, depth, until, statuses
        self._buffer = b""
        self._open = 0
        self.answers = 0
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport = cast(asyncio.Transport, transport)  # uvloop has a class of its own
        self._transport = transport
        self._send(self._depth)

    def _send(self, count: int) -> None:
        batch = [next(self._requests) for _ in range(count)]
        self._open += count
        self._transport.write(b"".join(batch))

    def data_received(self, data: bytes) -> None:
        statuses, self._buffer = _answers(self._buffer + data)
        for status in statuses:
            self._statuses[status] = self._statuses.get(status, 0) + 1
        came = len(statuses)
        self.answers += came
        self._open -= came
        if self._until():
            if self._open == 0 and not self.done.done():
                self._transport.close()
                self.done.set_result(None)
        elif came:
            self._send(came)

    def connection_lost(self, error: Exception | None) -> None:
        if not self.done.done():
            self.done.set_exception(error or ConnectionError("the server hung up"))


async def closed_loop(
    host: str, port: int, requests: Iterator[bytes], *, seconds: float, connections: int = 32, depth: int = 1
) -> Load:
    """Keep every connection busy for so long; answers still open at the end are awaited."""
    loop = asyncio.get_running_loop()
    started = time.perf_counter()
    end = started + seconds
    statuses: dict[int, int] = {}
    clients = []
    for _ in range(connections):
        _, client = await loop.create_connection(
            lambda: _Connection(requests, depth, lambda: time.perf_counter() > end, statuses), host, port
        )
        clients.append(client)
    await asyncio.wait_for(asyncio.gather(*(client.done for client in clients)), seconds + 30)
    return Load(time.perf_counter() - started, sum(client.answers for client in clients), statuses)


def request(method: str, path: str, body: bytes = b"", **headers: str) -> bytes:
    """The bytes of one request."""
    lines = [f"{method} {path} HTTP/1.1", "Host: bench", f"Content-Length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


@dataclass
class OpenLoad:
    """What came of an open loop. `waits`: seconds from the moment a request was due to its answer; `due`: those moments
    by `time.perf_counter`, in the order of requests."""

    sent: int = 0
    due: list[float] = field(default_factory=list)
    statuses: dict[int, int] = field(default_factory=dict)
    waits: list[float] = field(default_factory=list)
    all_answered: asyncio.Event = field(default_factory=asyncio.Event)


class Line(asyncio.Protocol):
    """One keep-alive connection whose answers come in the order of its requests."""

    def __init__(self, load: OpenLoad) -> None:
        self._load = load
        self._buffer = b""
        self._due: deque[float] = deque()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop has a class of its own

    def send(self, due: float, raw: bytes) -> None:
        self._due.append(due)
        self.transport.write(raw)

    def data_received(self, data: bytes) -> None:
        statuses, self._buffer = _answers(self._buffer + data)
        now = time.perf_counter()
        for status in statuses:
            self._load.statuses[status] = self._load.statuses.get(status, 0) + 1
            self._load.waits.append(now - self._due.popleft())
        if len(self._load.waits) == self._load.sent:
            self._load.all_answered.set()


async def open_loop(
    host: str, port: int, requests: Iterator[bytes], *, rate: float, seconds: float, connections: int = 200
) -> OpenLoad:
    """Send so many a second whether or not the former are answered, and wait for the last answer."""
    loop = asyncio.get_running_loop()
    load = OpenLoad()
    lines = []
    for _ in range(connections):
        _, line = await loop.create_connection(lambda: Line(load), host, port)
        lines.append(line)
    started = time.perf_counter()
    while (elapsed := time.perf_counter() - started) < seconds:
        while load.sent < elapsed * rate:
            load.due.append(started + load.sent / rate)
            lines[load.sent % connections].send(load.due[-1], next(requests))
            load.sent += 1
        # Until the next one is due: looking more often takes from what is measured beside it.
        await asyncio.sleep(max(0.0005, started + load.sent / rate - time.perf_counter()))
    if len(load.waits) < load.sent:
        load.all_answered.clear()
        await asyncio.wait_for(load.all_answered.wait(), 30)
    for line in lines:
        line.transport.close()
    return load
