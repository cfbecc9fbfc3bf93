"""The unit of cost: one raw durable insert over HTTP, its server and PostgreSQL together."""

import itertools
import os
import subprocess
import sys
from collections.abc import Awaitable, Iterator
from pathlib import Path
from typing import Final

import asyncpg
import orjson

from gateway.runtime.embedded.postgres import SUPERUSER
from tests.bench.finale.processes import Part, since, spent
from tests.bench.finale.stage import Stage
from tests.bench.load import Load, OpenLoad, closed_loop, open_loop, request
from tests.bench.measure import Inexact
from tests.bench.world import answers
from tests.free_port import free_port

_DATABASE: Final = "floor"
_TABLE: Final = "create table floor_orders (id uuid primary key, code text, quantity int, phone text)"
_WARM_SECONDS: Final = 0.5
_SECONDS: Final = 2.0
# By the clock fewer come; processor time is counted in hundredths of a second.
_SECONDS_AT_A_RATE: Final = 5.0
_CONNECTIONS: Final = 64


class Floor:
    """A server that does nothing but insert, on the PostgreSQL of the stage, in a database of its own."""

    def __init__(self, stage: Stage) -> None:
        self._stage, self._port = stage, free_port()

    async def __aenter__(self) -> "Floor":
        superuser = await asyncpg.connect(self._stage.postgres.dsn("postgres", SUPERUSER))
        await superuser.execute(f"create database {_DATABASE}")
        await superuser.close()
        owner = await asyncpg.connect(self._stage.postgres.dsn(_DATABASE, SUPERUSER))
        await owner.execute(_TABLE)
        await owner.close()
        log = self._stage.country.home.parent / "floors.log"
        dsn = self._stage.postgres.dsn(_DATABASE, SUPERUSER)
        environment = {**os.environ, **self._stage.country.environment(), "DATABASE_URL": dsn}
        self._process = _start([sys.executable, "-m", "tests.bench.floors", str(self._port)], environment, log)
        await answers(f"http://127.0.0.1:{self._port}/bare", log)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(30)

    async def cost(self) -> float:
        """Processor milliseconds an insert, as fast as they go. Raises Inexact."""
        await self._insert(_WARM_SECONDS)
        return await self._cost_of(self._insert(_SECONDS))

    async def cost_at(self, rate: float) -> float:
        """Processor milliseconds an insert, so many a second by the clock. Raises Inexact."""
        seconds = _SECONDS_AT_A_RATE
        return await self._cost_of(open_loop("127.0.0.1", self._port, _orders(), rate=rate, seconds=seconds))

    async def _cost_of(self, load: Awaitable[Load | OpenLoad]) -> float:
        parts = {"server": Part(self._process.pid), "PostgreSQL": self._stage.parts["PostgreSQL"]}
        before = spent(parts)
        statuses = (await load).statuses
        if set(statuses) != {201}:
            raise Inexact(f"answers of the floor {statuses}")
        return 1000 * sum(since(before, parts).values()) / statuses[201]

    def _insert(self, seconds: float) -> Awaitable[Load]:
        return closed_loop("127.0.0.1", self._port, _orders(), seconds=seconds, connections=_CONNECTIONS)


def _start(command: list[str], environment: dict[str, str], log: Path) -> subprocess.Popen[bytes]:
    with log.open("ab") as out:
        return subprocess.Popen(command, env=environment, stdout=out, stderr=out)


def _orders() -> Iterator[bytes]:
    for caller in itertools.count():
        order = {"candidateCode": "07", "quantity": 1, "voterPhone": f"+22505{caller % 10**8:08d}"}
        yield request("POST", "/insert", orjson.dumps(order), Content_Type="application/json")
