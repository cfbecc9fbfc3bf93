"""A thousand viewers of one stream, in one process that only counts and times."""

import asyncio
import statistics
import time
from dataclasses import dataclass, field
from typing import cast

import httpx
import orjson

from leaderboard.scores import ContestScores
from tests.bench.world import CROWD, World

VIEWERS = 1_000
CHANGES = 6
BETWEEN_SECONDS = 1.0


@dataclass
class Shot:
    """One measurement. Microseconds of server time a delivery; milliseconds at the 99th percentile."""

    viewers: int
    product_us: float
    floor_us: float
    late_ms: float
    others_ms: float
    kilobytes: float


@dataclass
class _Crowd:
    """Who watches, and when each change reached them."""

    mark: bytes
    arrived: dict[int, list[float]] = field(default_factory=dict)
    connections: "list[_Viewer]" = field(default_factory=list)


class _Viewer(asyncio.Protocol):
    def __init__(self, crowd: _Crowd, path: str) -> None:
        self._crowd, self._path = crowd, path
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport = cast(asyncio.Transport, transport)  # uvloop has a class of its own
        self.transport = transport
        transport.write(f"GET {self._path} HTTP/1.1\r\nHost: bench\r\nAccept: text/event-stream\r\n\r\n".encode())

    def data_received(self, data: bytes) -> None:
        at = data.find(self._crowd.mark)
        if at >= 0:
            end = data.find(b"\n", at)
            change = int(data[at + len(self._crowd.mark) : end])
            self._crowd.arrived.setdefault(change, []).append(time.perf_counter())


async def _gather(port: int, path: str, mark: bytes) -> _Crowd:
    loop, crowd = asyncio.get_running_loop(), _Crowd(mark)
    for number in range(VIEWERS):
        source = (f"127.0.0.{2 + number // 500}", 0)
        _, viewer = await loop.create_connection(lambda: _Viewer(crowd, path), "127.0.0.1", port, local_addr=source)
        crowd.connections.append(viewer)
    await asyncio.sleep(1.0)
    return crowd


def _leave(crowd: _Crowd) -> None:
    for viewer in crowd.connections:
        if viewer.transport:
            viewer.transport.close()


async def _time_others(url: str, until: asyncio.Event) -> list[float]:
    """What another request takes meanwhile: one each 20 ms, by the clock and not by the answer."""
    taken: list[float] = []

    async def ask(client: httpx.AsyncClient) -> None:
        started = time.perf_counter()
        await client.get(url)
        taken.append(time.perf_counter() - started)

    async with httpx.AsyncClient() as client, asyncio.TaskGroup() as asking:
        while not until.is_set():
            asking.create_task(ask(client))
            await asyncio.sleep(0.02)
    return taken


async def watch(world: World) -> Shot:
    """Measure the product and one bare loop with the same frames."""
    process = world.process_on(world.gateway_port)
    memory = process.memory_info().rss
    crowd = await _gather(world.gateway_port, f"/api/contests/{CROWD}/leaderboard/events", b"id: ")
    kilobytes = (process.memory_info().rss - memory) / VIEWERS / 1000
    done = asyncio.Event()
    others = asyncio.create_task(_time_others(f"http://127.0.0.1:{world.gateway_port}/healthz", done))
    late, frame = [], b""
    before = sum(process.cpu_times()[:2])
    for _ in range(CHANGES):
        version = world.next_version()
        votes = {code: version * 1_000 + place for place, code in enumerate(world.crowd_codes)}
        frame = orjson.dumps({"version": version, "totalVotes": sum(votes.values()), "changed": list(votes.items())})
        sent_at = time.perf_counter()
        await world.feed.publish(ContestScores(world.crowd_id, CROWD, version, votes), ())
        await asyncio.sleep(BETWEEN_SECONDS)
        arrivals = crowd.arrived.get(version, [])
        if len(arrivals) != VIEWERS:
            raise AssertionError(f"{len(arrivals)} of {VIEWERS} viewers saw change {version}")
        late += [arrival - sent_at for arrival in arrivals]
    product_us = (sum(process.cpu_times()[:2]) - before) / (CHANGES * VIEWERS) * 1e6
    done.set()
    waits = await others
    _leave(crowd)
    return Shot(
        VIEWERS,
        product_us,
        await _floor(world, frame),
        _p99(late) * 1000,
        _p99(waits) * 1000,
        kilobytes,
    )


async def _floor(world: World, frame: bytes) -> float:
    process = world.process_on(world.floors_port)
    crowd = await _gather(world.floors_port, "/stream", b"id: ")
    done = asyncio.Event()
    # The product was asked other things meanwhile, so the floor is asked as much.
    others = asyncio.create_task(_time_others(f"http://127.0.0.1:{world.floors_port}/bare", done))
    before = sum(process.cpu_times()[:2])
    async with httpx.AsyncClient() as client:
        for change in range(CHANGES):
            body = b"id: %d\nevent: leaderboard:update\ndata: %b\n\n" % (change, frame)
            await client.post(f"http://127.0.0.1:{world.floors_port}/push", content=body)
            await asyncio.sleep(BETWEEN_SECONDS)
    spent = sum(process.cpu_times()[:2]) - before
    done.set()
    await others
    if any(len(crowd.arrived.get(change, [])) != VIEWERS for change in range(CHANGES)):
        raise AssertionError("the floor lost a viewer")
    _leave(crowd)
    return float(spent / (CHANGES * VIEWERS) * 1e6)


def _p99(values: list[float]) -> float:
    return float(statistics.quantiles(values, n=100)[98])
