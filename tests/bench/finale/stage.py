"""The product and its simulated country on engines that tell what they were asked."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import asyncpg

from gateway.cli.up import answers
from gateway.runtime.embedded.postgres import DATABASE, OWNER_ROLE, SUPERUSER, Postgres, prepare_database
from gateway.runtime.embedded.valkey import Valkey
from tests.bench.finale.counters import Meters
from tests.bench.finale.processes import Part
from tests.country import Country, until
from tests.engines import temporary_home
from tests.free_port import free_port

# As many questions as an account may be allowed at most; the simulated operator is set to refuse none.
_ALLOWED: Final = "1000"
_COUNTING: Final = {"shared_preload_libraries": "pg_stat_statements", "pg_stat_statements.track_planning": "on"}
_STOP_SECONDS: Final = 40.0


@dataclass(frozen=True)
class Stage:
    """A running product. `parts`: its processes and engines; `others`: the rest of the world, on the same machine;
    `operator`: who takes the money and carries the texts, an address without a trailing slash."""

    country: Country
    operator: str
    postgres: Postgres
    parts: dict[str, Part]
    others: dict[str, Part]
    meters: Meters

    @property
    def database_url(self) -> str:
        """As the service."""
        return self.postgres.dsn()


@contextmanager
def staged(workers: int, *, lean: bool) -> Iterator[Stage]:
    """The product with so many worker processes, until the block ends. Nothing is kept. `lean`: with an operator that
    does only what a vote needs."""
    with temporary_home("spotlight-finale-", durable=True) as home:
        postgres, valkey = Postgres(home, **_COUNTING), Valkey(home)
        try:
            postgres.start()
            valkey.start()
            asyncio.run(_prepare(postgres))
            operator = f"http://127.0.0.1:{free_port()}" if lean else ""
            with (
                _country(home, postgres, valkey, operator) as country,
                _lean_operator(country, operator) as other,
                _more_workers(country, workers - 1) as more,
            ):
                yield _stage(country, postgres, valkey, more, operator or country.sandbox_url, other)
        finally:
            valkey.stop()
            postgres.stop()
            postgres.erase()


async def _prepare(postgres: Postgres) -> None:
    await prepare_database(postgres)
    # Beside the product's database, whose schema stays as it is.
    connection = await asyncpg.connect(postgres.dsn("postgres", SUPERUSER))
    await connection.execute("create extension if not exists pg_stat_statements")
    await connection.close()


@contextmanager
def _country(home: Path, postgres: Postgres, valkey: Valkey, operator: str) -> Iterator[Country]:
    country = Country(
        home / "data",
        **({"MTN_MOMO_BASE_URL": operator, "AFRICASTALKING_BASE_URL": operator} if operator else {}),
        DATABASE_URL=postgres.dsn(),
        SPOTLIGHT_OWNER_DATABASE_URL=postgres.dsn(user=OWNER_ROLE),
        REDIS_URL=valkey.url(),
        MTN_MOMO_STATUS_PER_SECOND=_ALLOWED,
        SPOTLIGHT_STREAMS_PER_ADDRESS="10000",
        SPOTLIGHT_FRAUD_RULES="true",
    ).start()
    try:
        country.control(mtn_momo={"autopay": True, "status": {"rate_limit_per_second": 0}})
        yield country
    finally:
        country.stop()


@contextmanager
def _lean_operator(country: Country, address: str) -> Iterator[Part | None]:
    """The lean operator at this address; none where that is empty."""
    if not address:
        yield None
        return
    ports = address.rpartition(":")[2], str(country.port)
    process = subprocess.Popen([sys.executable, "-m", "tests.bench.finale.lean", *ports])
    try:
        until(lambda: answers(f"{address}/requests"), "the lean operator")
        yield Part(process.pid)
    finally:
        process.terminate()
        process.wait(_STOP_SECONDS)


@contextmanager
def _more_workers(country: Country, count: int) -> Iterator[list[subprocess.Popen[bytes]]]:
    environment = {**os.environ, **country.environment()}
    command = [sys.executable, "-m", "gateway.cli.main", "worker"]
    started = []
    try:
        for number in range(count):
            with (country.home / "logs" / f"worker-{number + 2}.log").open("ab") as log:
                started.append(subprocess.Popen(command, env=environment, stdout=log, stderr=log))
        yield started
    finally:
        for process in started:
            process.send_signal(signal.SIGTERM)
        for process in started:
            process.wait(_STOP_SECONDS)


def _stage(
    country: Country,
    postgres: Postgres,
    valkey: Valkey,
    more: list[subprocess.Popen[bytes]],
    operator: str,
    lean: Part | None,
) -> Stage:
    pids = country.pids()
    assert postgres.process is not None
    assert valkey.process is not None
    parts = {
        "PostgreSQL": Part(postgres.process.pid),
        "worker": Part(pids["worker"]),
        **{f"worker {number}": Part(process.pid) for number, process in enumerate(more, 2)},
        "gateway": Part(pids["serve"]),
        "supervisor": Part(pids["up"], with_children=False),
        "Valkey": Part(valkey.process.pid),
    }
    others = {
        "sandbox": Part(pids["sandbox"]),
        **({"lean operator": lean} if lean else {}),
        "witness": Part(pids["witness"]),
        "load": Part(os.getpid(), with_children=False),
    }
    logs = [country.home / "logs" / f"{name}.log" for name in ("serve", "worker")]
    meters = Meters(postgres.dsn("postgres", SUPERUSER), DATABASE, valkey.url(), operator, logs)
    return Stage(country, operator, postgres, parts, others, meters)
