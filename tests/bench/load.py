"""A closed-loop HTTP load that costs little itself: raw bytes out, lengths counted in."""

import asyncio
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
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


class _Connection(asyncio.Protocol):
    """One keep-alive connection with up to `depth` requests under way."""

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
        self._buffer += data
        came = 0
        while (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            head = self._buffer[:end].lower()
            at = head.find(b"content-length:")
            length = int(head[at + 15 : (head.find(b"\r\n", at) + len(head) + 1) % (len(head) + 1)]) if at >= 0 else 0
            if len(self._buffer) < end + 4 + length:
                break
            status = int(head[9:12])
            self._statuses[status] = self._statuses.get(status, 0) + 1
            self._buffer = self._buffer[end + 4 + length :]
            came += 1
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
    """Keep every connection busy for so long; answers still under way at the end are awaited."""
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
