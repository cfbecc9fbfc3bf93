"""The unit of cost: one raw durable insert over HTTP, its server and PostgreSQL together."""

import itertools
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import asyncpg
import orjson

from gateway.runtime.embedded.postgres import SUPERUSER
from tests.bench.finale.processes import Part, since, spent
from tests.bench.finale.stage import Stage
from tests.bench.load import closed_loop, request
from tests.bench.measure import Inexact
from tests.bench.world import answers
from tests.free_port import free_port

_DATABASE: Final = "floor"
_TABLE: Final = "create table floor_orders (id uuid primary key, code text, quantity int, phone text)"
_WARM_SECONDS: Final = 0.5
_SECONDS: Final = 2.0
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
        parts = {"server": Part(self._process.pid), "PostgreSQL": self._stage.parts["PostgreSQL"]}
        await self._insert(_WARM_SECONDS)
        before = spent(parts)
        done = await self._insert(_SECONDS)
        return 1000 * sum(since(before, parts).values()) / done

    async def _insert(self, seconds: float) -> int:
        load = await closed_loop("127.0.0.1", self._port, _orders(), seconds=seconds, connections=_CONNECTIONS)
        if set(load.statuses) != {201}:
            raise Inexact(f"answers of the floor {load.statuses}")
        return load.answers


def _start(command: list[str], environment: dict[str, str], log: Path) -> subprocess.Popen[bytes]:
    with log.open("ab") as out:
        return subprocess.Popen(command, env=environment, stdout=out, stderr=out)


def _orders() -> Iterator[bytes]:
    for caller in itertools.count():
        order = {"candidateCode": "07", "quantity": 1, "voterPhone": f"+22505{caller % 10**8:08d}"}
        yield request("POST", "/insert", orjson.dumps(order), Content_Type="application/json")
