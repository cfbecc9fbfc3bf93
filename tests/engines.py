"""PostgreSQL and Valkey of one test run, and fresh databases cloned from a migrated template."""

import asyncio
import shutil
import tempfile
from collections.abc import Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any, Final, TypeVar

import asyncpg
from redis import Redis

from gateway.runtime import operations
from gateway.runtime.embedded.postgres import APP_ROLE, OWNER_ROLE, SUPERUSER, Postgres, prepare_database
from gateway.runtime.embedded.valkey import Valkey
from gateway.runtime.settings import Settings

TEMPLATE: Final = "spotlight_template"
SECRET_KEY: Final = "a key for tests only, of the right length"
_REDIS_DATABASES: Final = 64
# How long a test waits for a connection while all are taken: the machine may be busy with others.
BUSY_SECONDS: Final = 30.0
# A database for each test is some 700 files, made and deleted: a disk gets slower at it by the minute, memory does not.
_MEMORY: Final = Path("/dev/shm")
_MEMORY_BYTES_MIN: Final = 4 << 30

T = TypeVar("T")


def run_apart(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine on an event loop of its own, whatever loop the caller's thread has."""
    with ThreadPoolExecutor(max_workers=1) as thread:
        return thread.submit(asyncio.run, work).result()


@dataclass(frozen=True)
class Database:
    """One fresh database: addresses as the service, as the owner of the tables, and as superuser."""

    name: str
    app_url: str
    owner_url: str
    superuser_url: str


class _Commands:
    """One connection of the superuser in a thread of its own: a new one for each database would cost a third more."""

    def __init__(self, url: str) -> None:
        self._thread = ThreadPoolExecutor(max_workers=1)
        self._runner = asyncio.Runner()
        self._connection = self._run(asyncpg.connect(url))

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        return self._thread.submit(self._runner.run, work).result()

    def execute(self, statement: str) -> None:
        self._run(self._connection.execute(statement))

    def close(self) -> None:
        self._run(self._connection.close())
        self._thread.submit(self._runner.close).result()
        self._thread.shutdown()


@dataclass
class Engines:
    """The servers that all tests share."""

    postgres: Postgres
    valkey: Valkey
    _numbers: "count[int]" = field(default_factory=count)
    _commands: "_Commands | None" = None

    def settings(self, database: str, redis_url: str | None = None, **more: str) -> Settings:
        """Settings of a demo on these servers; `more` by the names of the environment."""
        values: dict[str, Any] = {
            "DATABASE_URL": self.postgres.dsn(database),
            "SPOTLIGHT_OWNER_DATABASE_URL": self.postgres.dsn(database, OWNER_ROLE),
            "REDIS_URL": redis_url or self.valkey.url(),
            "SPOTLIGHT_SECRET_KEY": SECRET_KEY,
            "SPOTLIGHT_ENV": "demo",
            "SPOTLIGHT_DATA_DIR": str(self.postgres.log.parents[1] / "data" / database),
            **more,
        }
        return Settings.model_validate(values)

    def make_template(self) -> None:
        """The database that all others are clones of: migrated, with the demo contest."""

        async def make() -> None:
            await prepare_database(self.postgres, TEMPLATE)
            settings = self.settings(TEMPLATE)
            await operations.migrate(settings)
            await operations.load_demo(settings)

        run_apart(make())

    def create_database(self, template: str = TEMPLATE) -> Database:
        """A clone of the template; an empty database of the owner with `template="template0"`."""
        name = f"test_{next(self._numbers)}"
        self._execute(f"create database {name} template {template} owner {OWNER_ROLE} strategy file_copy")
        # Privileges on the database itself are not cloned.
        self._execute(f"revoke temporary on database {name} from public")
        dsn = self.postgres.dsn
        return Database(name, dsn(name, APP_ROLE), dsn(name, OWNER_ROLE), dsn(name, SUPERUSER))

    def drop_database(self, name: str) -> None:
        """Delete a database, ending its connections."""
        self._execute(f"drop database {name} with (force)")

    def _execute(self, statement: str) -> None:
        self._commands = self._commands or _Commands(self.postgres.dsn("postgres", SUPERUSER))
        self._commands.execute(statement)

    def close(self) -> None:
        """Close the connection that made the databases."""
        if self._commands is not None:
            self._commands.close()

    def empty_redis(self) -> str:
        """Address of an empty Redis database that no recent test has used."""
        url = self.valkey.url(1 + next(self._numbers) % (_REDIS_DATABASES - 1))
        with Redis.from_url(url) as client:
            client.flushdb()
        return url


def _roomy_memory() -> Path | None:
    """Where files are kept in memory, if there is enough memory for two processes' engines."""
    return _MEMORY if _MEMORY.is_dir() and shutil.disk_usage(_MEMORY).free >= _MEMORY_BYTES_MIN else None


@contextmanager
def temporary_home(prefix: str = "spotlight-test-", under: Path | None = None) -> Iterator[Path]:
    """A directory for engines, which the server's own user may pass through; deleted afterwards."""
    home = Path(tempfile.mkdtemp(prefix=prefix, dir=under)).resolve()
    home.chmod(0o711)
    try:
        yield home
    finally:
        shutil.rmtree(home, ignore_errors=True)


@contextmanager
def running_engines(*, durable: bool = False) -> Iterator[Engines]:
    """Both servers with their template, for as long as the block lasts. Nothing is kept.

    `durable`: commits reach the disk, as in production; for benchmarks."""
    careless = {} if durable else {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
    with temporary_home(under=None if durable else _roomy_memory()) as home:
        postgres, valkey = Postgres(home, **careless), Valkey(home)
        try:
            postgres.start()
            valkey.start()
            engines = Engines(postgres, valkey)
            engines.make_template()
            yield engines
            engines.close()
        finally:
            valkey.stop()
            postgres.stop()
            postgres.erase()
