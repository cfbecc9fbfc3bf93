"""P9: from an operator's callback to the screens of those who watch."""

import asyncio
import statistics
import time
from collections.abc import Iterator, Sequence
from typing import cast
from uuid import UUID

from sqlalchemy import text

from gateway.storage.redis_link import connect
from leaderboard.scores import ScoreFeed
from tests.bench.load import open_loop, request
from tests.bench.measure import Inexact, Result
from tests.bench.world import SERVER_CORE, Backlog, World, answers, spawn
from tests.free_port import free_port

VOTES_A_SECOND = 500
SECONDS = 5.0
ROUNDS = 3
VIEWERS = 1_000
# Those whose screens are timed, for each vote.
_TIMED_EVERY = 10
_PROOF = b'{"proof": true, "amount": 500, "status": "paid"}'
_ID = b"id: "


class Screen(asyncio.Protocol):
    """One viewer. `begun`: done when it shows something; `seen`: when each version was there, while it is timed."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._timed = True
        self.begun = asyncio.Event()
        self.seen: list[tuple[float, int]] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop has a class of its own
        self.transport.write(f"GET {self._path} HTTP/1.1\r\nHost: bench\r\nAccept: text/event-stream\r\n\r\n".encode())

    def data_received(self, data: bytes) -> None:
        at = data.rfind(_ID) if self._timed else -1
        if at >= 0:
            self.seen.append((time.perf_counter(), int(data[at + len(_ID) : data.index(b"\n", at)])))
            self.begun.set()

    def rest(self) -> None:
        """Read on without timing."""
        self._timed = False

    def shows(self, version: int) -> bool:
        return self.seen[-1][1] >= version


async def p9(world: World) -> list[Result]:
    """A callback that proves a payment, until its vote is on the screens of a thousand viewers: all votes are for one
    candidate, and come by the clock."""
    shots = [await _evening(world, number) for number in range(ROUNDS)]
    what = f"callback to {VIEWERS:,} screens, {VOTES_A_SECOND} votes a second, p99"
    detail = {
        "p99_seconds": [round(statistics.quantiles(waits, n=100)[98], 3) for waits in shots],
        "median_seconds": round(statistics.median(statistics.median(waits) for waits in shots), 3),
    }
    late = statistics.median(statistics.quantiles(waits, n=100)[98] for waits in shots)
    return [Result("P9", what, late, 1.5, 0.8, lower=True, unit=" s", detail=detail)]


async def _evening(world: World, number: int) -> list[float]:
    """Seconds from the moment when a callback was due, which is before its answer, until a viewer had its vote."""
    votes, queue, port = round(VOTES_A_SECOND * SECONDS), f"bench-live-{number}", free_port()
    async with world.fresh(1) as backlog:
        references = await backlog.place_orders(votes)
        async with backlog.rig.engine.begin() as connection:
            await connection.execute(text("update payments set status = 'pending'"))
        contest = backlog.rig.directory.by_slug(backlog.slug)
        assert contest is not None
        redis = connect(world.redis_url)
        # Other measurements had a contest of this name.
        await ScoreFeed(redis).forget(contest.id)
        await redis.aclose()
        settings = {**world.environment(backlog.app_url), "PORT": str(port), "SPOTLIGHT_QUEUE": queue}
        log = world.home / "live.log"
        gateway = spawn("gateway.cli.main", "serve", environment=settings, log=log, core=SERVER_CORE)
        try:
            await answers(f"http://127.0.0.1:{port}/readyz", log)
            async with backlog.worker(SPOTLIGHT_QUEUE=queue):
                screens = await gather(port, f"/api/contests/{backlog.slug}/leaderboard/events", VIEWERS)
                load = await open_loop(
                    "127.0.0.1", port, _calls(backlog, references), rate=VOTES_A_SECOND, seconds=SECONDS
                )
                # The clock may leave the last one out.
                paid = references[: load.sent]
                if load.statuses != {200: load.sent}:
                    raise Inexact(f"{load.sent} callbacks, answers {load.statuses}")
                deadline = time.monotonic() + 30
                while not all(screen.shows(load.sent) for screen in screens):
                    if time.monotonic() > deadline:
                        raise Inexact(f"{load.sent} votes paid, a screen has {min(one.seen[-1][1] for one in screens)}")
                    await asyncio.sleep(0.05)
                for screen in screens:
                    screen.transport.close()
            rows = await backlog.rig.rows("select payment_reference, seq from tally_entries")
        finally:
            gateway.terminate()
            gateway.wait(30)
        entries = {row.payment_reference: row.seq for row in rows}
        if len(entries) != load.sent:
            raise Inexact(f"{load.sent} paid, {len(entries)} counted")
        due = sorted((entries[reference], at) for reference, at in zip(paid, load.due, strict=True))
        return [wait for screen in screens[::_TIMED_EVERY] for wait in waits_of(due, screen.seen)]


def _calls(backlog: Backlog, references: Sequence[UUID]) -> Iterator[bytes]:
    for reference in references:
        path = f"/api/webhooks/{backlog.rig.provider.code}/{backlog.rig.vault.callback_token(reference)}"
        yield request("POST", path, _PROOF, Content_Type="application/json")


def waits_of(due: Sequence[tuple[int, float]], seen: Sequence[tuple[float, int]]) -> Iterator[float]:
    """For each vote by its number, how long until a screen had it."""
    arrivals = iter(seen)
    arrived, version = next(arrivals)
    for number, at in due:
        while version < number:
            arrived, version = next(arrivals)
        yield arrived - at


async def gather(port: int, path: str, count: int) -> list[Screen]:
    """Viewers of a stream, each of which has its first event."""
    loop = asyncio.get_running_loop()
    screens = []
    for number in range(count):
        source = (f"127.0.0.{2 + number // 500}", 0)
        _, screen = await loop.create_connection(lambda: Screen(path), "127.0.0.1", port, local_addr=source)
        screens.append(screen)
    await asyncio.gather(*(screen.begun.wait() for screen in screens))
    return screens
