"""The servers that are measured: real engines, the real gateway, the real RQ worker, the floors."""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from uuid import NAMESPACE_DNS, UUID, uuid4, uuid5

import asyncpg
import httpx
import psutil
from redis import Redis
from rq import Queue
from rq.serializers import JSONSerializer
from sqlalchemy import text

from channels.messages.unfinished import WRITE_AFTER_SECONDS
from gateway.orders.place_order import place_order
from gateway.orders.rules import PlacedOrder
from gateway.runtime.demo import CONTEST, ORGANISER_ID, load_contest
from gateway.storage.engine import make_engine
from gateway.storage.redis_link import connect
from leaderboard.scores import ScoreFeed
from payments.collection.callbacks import IncomingCallback
from tests.bench.proof_provider import ProofProvider
from tests.engines import Database, Engines
from tests.free_port import free_port
from tests.rails import RAILS
from tests.rigs.rig import SECRET_KEY, Rig

# What is measured runs on one, what asks and what keeps for it on the other.
SERVER_CORE = 0
LOAD_CORE = 1
CROWD = "crowd"
CROWD_SIZE = 80
_SPACE = uuid5(NAMESPACE_DNS, "bench.spotlight")


def spawn(module: str, *arguments: str, environment: dict[str, str], log: Path, core: int) -> subprocess.Popen[bytes]:
    with log.open("ab") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", module, *arguments], env={**os.environ, **environment}, stdout=out, stderr=out
        )
    keep_to(core, process.pid)
    return process


def keep_to(core: int, pid: int = 0) -> None:
    """Run a process, and whatever it starts from now on, on one core; `pid` 0: this process."""
    if hasattr(os, "sched_setaffinity") and (os.cpu_count() or 1) > 1:
        os.sched_setaffinity(pid, {core})


class World:
    """Open servers. `gateway_port` and `floors_port` run on one core, everything else on another."""

    def __init__(self, engines: Engines, home: Path) -> None:
        self.engines = engines
        self.home = home
        self.gateway_port, self.floors_port = free_port(), free_port()
        self.processes: dict[int, subprocess.Popen[bytes]] = {}
        self.crowd_id = uuid5(_SPACE, CROWD)
        self.crowd_codes = [f"{number:02d}" for number in range(1, CROWD_SIZE + 1)]
        self._version = 0

    async def open(self) -> None:
        self.database = self.engines.create_database()
        self.database_url: str = self.database.app_url
        self.redis_url = self.engines.empty_redis()
        owner = await asyncpg.connect(self.database.owner_url)
        await owner.execute("create table floor_orders (id uuid primary key, code text, quantity int, phone text)")
        await owner.execute("create table floor_entries (seq bigint, code text, amount bigint)")
        await owner.execute("grant insert, select, truncate on floor_orders, floor_entries to spotlight_app")
        await owner.close()
        await load_extra_contest(self.database_url, CROWD, self.crowd_id, self.crowd_codes)
        environment = self.environment(self.database_url)
        gateway = spawn(
            "gateway.cli.main", "serve", environment=environment, log=self.home / "gateway.log", core=SERVER_CORE
        )
        floors = spawn(
            "tests.bench.floors",
            str(self.floors_port),
            environment=environment,
            log=self.home / "floors.log",
            core=SERVER_CORE,
        )
        self.processes = {self.gateway_port: gateway, self.floors_port: floors}
        await answers(f"http://127.0.0.1:{self.gateway_port}/readyz", self.home / "gateway.log")
        await answers(f"http://127.0.0.1:{self.floors_port}/bare", self.home / "floors.log")
        self._redis = connect(self.redis_url)
        self.feed = ScoreFeed(self._redis)

    def environment(self, database_url: str) -> dict[str, str]:
        return {
            "DATABASE_URL": database_url,
            "REDIS_URL": self.redis_url,
            "PORT": str(self.gateway_port),
            "SPOTLIGHT_SECRET_KEY": SECRET_KEY,
            "SPOTLIGHT_ENV": "demo",
            "SPOTLIGHT_DATA_DIR": str(self.home / "data"),
            "SPOTLIGHT_LOG_LEVEL": "warning",
            "SPOTLIGHT_RATE_LIMITS": "false",
            "SPOTLIGHT_QUEUE": "bench-gateway",
            "MTN_MOMO_BASE_URL": "http://127.0.0.1:9",
            "MTN_MOMO_SUBSCRIPTION_KEY": "bench",
            "MTN_MOMO_API_USER": str(uuid4()),
            "MTN_MOMO_API_KEY": "bench",
            "MTN_MOMO_TARGET_ENVIRONMENT": "mtnivorycoast",
        }

    async def close(self) -> None:
        await self._redis.aclose()
        for process in self.processes.values():
            process.terminate()
        for process in self.processes.values():
            process.wait(30)

    def process_on(self, port: int) -> psutil.Process:
        return psutil.Process(self.processes[port].pid)

    def next_version(self) -> int:
        self._version += 1
        return self._version

    async def count(self, table: str) -> int:
        connection = await asyncpg.connect(self.database_url)
        try:
            return int(await connection.fetchval(f"select count(*) from {table}"))
        finally:
            await connection.close()

    async def dialogues_noted(self) -> None:
        """Wait until the gateway has written down the dialogues that were not finished, which it does some
        seconds later: it belongs to no other goal."""
        noted, still = -1, 0
        while still <= WRITE_AFTER_SECONDS + 1:
            await asyncio.sleep(1)
            before, noted = noted, await self.count("unfinished_dialogues")
            still = still + 1 if noted == before else 0

    async def forget_orders(self) -> None:
        """Let no order be due any more."""
        owner = await asyncpg.connect(self.database.owner_url)
        try:
            await owner.execute("update payments set status = 'failed', next_check_at = null where status = 'created'")
            await owner.execute("vacuum payments")
        finally:
            await owner.close()

    async def forget_callbacks(self) -> None:
        """Let no callback wait to be judged."""
        owner = await asyncpg.connect(self.database.owner_url)
        try:
            await owner.execute("update callbacks set handled_at = now() where handled_at is null")
        finally:
            await owner.close()

    @asynccontextmanager
    async def fresh(self, candidates: int) -> AsyncIterator["Backlog"]:
        """A database of its own with one contest of so many candidates."""
        database = self.engines.create_database()
        backlog = await Backlog(self, database).open(candidates)
        try:
            yield backlog
        finally:
            await backlog.close()
            self.engines.drop_database(database.name)


class Backlog:
    """Paid orders whose proofs are stored and not yet judged, and a worker to count them."""

    def __init__(self, world: World, database: Database) -> None:
        self.world, self.app_url, self.superuser_url = world, database.app_url, database.superuser_url
        self.rig = Rig(self.app_url, ProofProvider())

    async def open(self, candidates: int) -> "Backlog":
        self.slug = f"bench{candidates}"
        self.codes = [f"{number:03d}" if candidates > 99 else f"{number:02d}" for number in range(1, candidates + 1)]
        if candidates > 99:
            self.codes = [f"{number + 99:03d}" for number in range(1, candidates + 1)]
        await load_extra_contest(self.app_url, self.slug, uuid5(_SPACE, self.slug), self.codes)
        await self.rig.open()
        return self

    async def close(self) -> None:
        await self.rig.close()

    async def place_orders(self, size: int) -> list[UUID]:
        """Orders of so many numbers, not yet due; their references."""
        contest = self.rig.directory.by_slug(self.slug)
        assert contest is not None

        at = await self.rig.now()

        async def one(number: int) -> UUID:
            code = self.codes[number % len(self.codes)]
            vote_request = self.rig.vote_request(number=f"+22505{number:08d}", code=code, key=str(number))
            order = await place_order(
                replace(vote_request, contest=contest),
                orders=self.rig.orders,
                doorbell=self.rig.doorbell,
                rails=RAILS,
                clock=lambda: at,
            )
            assert isinstance(order, PlacedOrder), order
            return order.payment_reference

        references: list[UUID] = []
        while len(references) < size:
            # More at once are refused as a flood.
            numbers = range(len(references), min(size, len(references) + 5_000))
            references += await asyncio.gather(*(one(number) for number in numbers))
        async with self.rig.engine.begin() as connection:
            await connection.execute(text("update payments set next_check_at = now() + interval '1 hour'"))
        return references

    async def store_proofs(self, size: int) -> None:
        references = await self.place_orders(size)
        async with self.rig.engine.begin() as connection:
            await connection.execute(text("update payments set status = 'pending'"))
        body = b'{"proof": true, "amount": 500, "status": "paid"}'
        await asyncio.gather(
            *(
                self.rig.callbacks.store(
                    IncomingCallback(
                        self.rig.provider.code, self.rig.vault.callback_token(reference), "POST", {}, body, "127.0.0.1"
                    )
                )
                for reference in references
            )
        )

    @asynccontextmanager
    async def worker(self, *arguments: str, **settings: str) -> AsyncIterator[Callable[[str], None]]:
        """A real worker that is ready; what it yields rings for a kind of work."""
        queue = f"bench-{uuid4().hex[:8]}"
        environment = {**self.world.environment(self.app_url), "SPOTLIGHT_QUEUE": queue, **settings}
        log = self.world.home / "worker.log"
        ready = self.world.home / f"{queue}.ready"
        worker = spawn(
            "tests.bench.proof_worker", str(ready), *arguments, environment=environment, log=log, core=SERVER_CORE
        )
        try:
            deadline = time.monotonic() + 30
            while not ready.exists():
                if worker.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"the worker did not start: {_end_of(log)}")
                await asyncio.sleep(0.02)
            doorbell = Queue(queue, connection=Redis.from_url(self.world.redis_url), serializer=JSONSerializer)
            yield lambda kind: _ring(doorbell, kind)
        finally:
            worker.terminate()
            worker.wait(40)

    async def work_off(self, size: int) -> tuple[int, float]:
        """Ring once, and wait until everything is counted."""
        async with self.worker() as ring:
            started = time.perf_counter()
            ring("callbacks")
            counted = 0
            while counted < size and time.perf_counter() - started < 60:
                await asyncio.sleep(0.02)
                # Numbers of the tally, not its rows: counting those would be a part of what is measured.
                counted = await self.rig.one("select sum(next_seq - 1) from contest_heads")
            seconds = time.perf_counter() - started
            return await self.rig.one("select count(*) from tally_entries"), seconds


async def load_extra_contest(app_url: str, slug: str, contest_id: UUID, codes: list[str]) -> None:
    contest = {
        **CONTEST,
        "id": contest_id,
        "organiser_id": ORGANISER_ID,
        "slug": slug,
        "name": slug,
        "service_code": f"*{abs(hash(slug)) % 9000 + 1000}#",
        "short_code": slug,
        "keyword": slug.upper(),
        "opens_at": datetime(2026, 1, 1, tzinfo=UTC),
    }
    ranking = [
        {
            "id": uuid5(contest_id, code),
            "contest_id": contest_id,
            "code": code,
            "name": f"Candidate {code}",
            "status": "approved",
        }
        for code in codes
    ]
    engine = make_engine(app_url, pool_size=1)
    async with engine.begin() as connection:
        await load_contest(connection, contest, ranking)
    await engine.dispose()


def _ring(queue: Queue, kind: str) -> None:
    queue.enqueue("gateway.runtime.worker.answer_doorbell", kind, result_ttl=0)


def _end_of(log: Path) -> str:
    return log.read_text()[-2000:]


async def answers(url: str, log: Path) -> None:
    """Wait until a server answers 200; the error shows the end of its log."""
    deadline = time.monotonic() + 40
    async with httpx.AsyncClient() as client:
        while time.monotonic() < deadline:
            try:
                if (await client.get(url)).status_code == 200:
                    return
            except httpx.HTTPError:
                await asyncio.sleep(0.05)
            await asyncio.sleep(0.02)
    raise RuntimeError(f"{url} does not answer: {_end_of(log)}")
