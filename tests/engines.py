"""PostgreSQL and Valkey of one test run, and databases for its tests: cloned from a migrated template, and emptied
between tests, which costs a tenth of a clone."""

import asyncio
import shutil
import tempfile
from collections.abc import Callable, Collection, Coroutine, Iterator
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
from gateway.runtime.migrate import migrate
from gateway.runtime.settings import Settings
from tests.kept import KEPT

TEMPLATE: Final = "spotlight_template"
SECRET_KEY: Final = "a key for tests only, of the right length"
_REDIS_DATABASES: Final = 64
# How long a test waits for a connection while all are taken: the machine may be busy with others.
BUSY_SECONDS: Final = 30.0
# A database for each test is some 700 files, made and deleted: a disk gets slower at it by the minute, memory does not.
_MEMORY: Final = Path("/dev/shm")
_MEMORY_BYTES_MIN: Final = 4 << 30

# What tells that a schema, a right or a setting was changed: rows of the catalogs, and their newest transaction.
_CATALOGS: Final = (
    *("pg_attrdef", "pg_attribute", "pg_class", "pg_constraint", "pg_default_acl", "pg_event_trigger"),
    *("pg_extension", "pg_index", "pg_largeobject_metadata", "pg_namespace", "pg_policy", "pg_proc"),
    *("pg_rewrite", "pg_sequence", "pg_trigger", "pg_type"),
)
_CATALOGUED: Final = ", ".join(
    f"(select concat_ws(' ', '{name}', count(*), max(xmin::text::bigint)) from {name})" for name in _CATALOGS
)
_ALTERED: Final = f"""
    concat_ws(' ', {_CATALOGUED}, (select count(*) from pg_db_role_setting),
        (select datacl::text from pg_database where datname = current_database()))
"""
_END_OTHERS: Final = """
    select pg_terminate_backend(pid, 10000) from pg_stat_activity
    where datname = current_database() and pid <> pg_backend_pid() and backend_type = 'client backend'
    and pid <> all($1::int[])
"""
# A table that has grown beyond this is slow to read, though it is empty.
_TABLE_BYTES_MAX: Final = 1 << 20
_GROWN: Final = f"""
    exists (select from pg_class where relkind = 'r' and relnamespace = 'public'::regnamespace
    and pg_relation_size(oid) > {_TABLE_BYTES_MAX})
"""
_EMPTY: Final = """
    set session_replication_role = replica;
    do $$ declare each regclass; begin
        for each in select oid from pg_class
            where relkind = 'r' and relnamespace = 'public'::regnamespace and pg_relation_size(oid) > 0
        loop execute format('delete from %s', each); end loop;
    end $$;
"""
_FILLED: Final = """
    select oid::regclass::text from pg_class where relkind = 'r' and relnamespace = 'public'::regnamespace
    and pg_relation_size(oid) > 0
"""
_SEED_OF: Final = """
    select format('insert into {0} select * from jsonb_populate_recordset(null::{0}, %L)', jsonb_agg(t)) from {0} t
"""
_SEQUENCES: Final = """
    select string_agg(format('select setval(%L, %s, %L)', c.oid::regclass,
        coalesce(pg_sequence_last_value(c.oid), s.seqstart), pg_sequence_last_value(c.oid) is not null), '; ')
    from pg_class c join pg_sequence s on s.seqrelid = c.oid
"""

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


class _Superuser:
    """Connections of the superuser in a thread of their own: a new one for each statement would cost half of it."""

    def __init__(self, dsn: Callable[[str, str], str]) -> None:
        self._dsn = dsn
        self._thread = ThreadPoolExecutor(max_workers=1)
        self._runner = asyncio.Runner()
        self._connections: dict[str, asyncpg.Connection[Any]] = {}

    def run(self, database: str, work: Callable[["asyncpg.Connection[Any]"], Coroutine[Any, Any, T]]) -> T:
        """Do something with the connection to a database; one that a test ended is made anew."""

        async def connected() -> T:
            held = self._connections.get(database)
            if held is None or held.is_closed():
                held = self._connections[database] = await asyncpg.connect(self._dsn(database, SUPERUSER))
            return await work(held)

        return self._thread.submit(self._runner.run, connected()).result()

    def execute(self, statement: str) -> None:
        self.run("postgres", lambda connection: connection.execute(statement))

    def leave(self, database: str) -> None:
        """Close the connection to a database."""
        held = self._connections.pop(database, None)
        if held is not None:
            self._thread.submit(self._runner.run, held.close()).result()

    def close(self) -> None:
        for database in [*self._connections]:
            self.leave(database)
        self._thread.submit(self._runner.close).result()
        self._thread.shutdown()


@dataclass(frozen=True)
class _Template:
    """What an emptied database is compared with, and the statements that fill it again."""

    catalogs: str
    seed: str


async def _read(connection: "asyncpg.Connection[Any]") -> _Template:
    catalogs = await connection.fetchval(f"select {_ALTERED}")
    seeds = [await connection.fetchval(_SEED_OF.format(row[0])) for row in await connection.fetch(_FILLED)]
    return _Template(catalogs, "; ".join([*seeds, await connection.fetchval(_SEQUENCES)]))


async def _emptied(connection: "asyncpg.Connection[Any]", template: _Template, kept: Collection[int]) -> bool:
    """Whether a database is as the template again; not where more than rows and sequences changed, or much grew.
    `kept`: processes that need not end."""
    await connection.execute(_END_OTHERS, kept)
    if await connection.fetchval(f"select {_GROWN} or {_ALTERED} <> $1", template.catalogs):
        return False
    await connection.execute(_EMPTY + template.seed)
    return True


@dataclass
class Engines:
    """The servers that all tests share."""

    postgres: Postgres
    valkey: Valkey
    _numbers: "count[int]" = field(default_factory=count)
    _commands: _Superuser | None = None
    _template: _Template | None = None
    _empty: list[Database] = field(default_factory=list)

    def settings(self, database: str, redis_url: str | None = None, **more: str) -> Settings:
        """Settings of a demo on these servers; `more` by the names of the environment."""
        values: dict[str, Any] = {
            "DATABASE_URL": self.postgres.dsn(database),
            "SPOTLIGHT_OWNER_DATABASE_URL": self.postgres.dsn(database, OWNER_ROLE),
            "REDIS_URL": redis_url or self.valkey.url(),
            "SPOTLIGHT_SECRET_KEY": SECRET_KEY,
            "SPOTLIGHT_ENV": "demo",
            "SPOTLIGHT_DATA_DIR": str(self._files / database),
            **more,
        }
        return Settings.model_validate(values)

    def make_template(self) -> None:
        """The database that all others are clones of: migrated, with the demo contest."""

        async def make() -> None:
            await prepare_database(self.postgres, TEMPLATE)
            settings = self.settings(TEMPLATE)
            await migrate(settings)
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
        self._superuser.leave(name)
        KEPT.forget(name)
        self._execute(f"drop database {name} with (force)")

    def lend_database(self) -> Database:
        """A database as fresh as a clone, which the caller gives back with `return_database`."""
        if self._empty:
            return self._empty.pop()
        made = self.create_database()
        self._template = self._template or self._superuser.run(made.name, _read)
        return made

    def return_database(self, database: Database) -> None:
        """Empty a lent database for the next test; delete it where its schema was altered too."""
        template = self._template
        assert template is not None
        shutil.rmtree(self._files / database.name, ignore_errors=True)
        kept = KEPT.pids(database.name)
        if self._superuser.run(database.name, lambda connection: _emptied(connection, template, kept)):
            self._empty.append(database)
        else:
            self.drop_database(database.name)

    @property
    def _files(self) -> Path:
        return self.postgres.log.parents[1] / "data"

    @property
    def _superuser(self) -> _Superuser:
        self._commands = self._commands or _Superuser(self.postgres.dsn)
        return self._commands

    def _execute(self, statement: str) -> None:
        self._superuser.execute(statement)

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
    """Where files are kept in memory, if there is enough memory for the engines of all processes."""
    return _MEMORY if _MEMORY.is_dir() and shutil.disk_usage(_MEMORY).free >= _MEMORY_BYTES_MIN else None


@contextmanager
def temporary_home(prefix: str = "spotlight-test-", *, durable: bool = False) -> Iterator[Path]:
    """A directory for engines, which the server's own user may pass through; deleted afterwards. `durable`: on a disk,
    else in memory where there is enough."""
    home = Path(tempfile.mkdtemp(prefix=prefix, dir=None if durable else _roomy_memory())).resolve()
    home.chmod(0o711)
    try:
        yield home
    finally:
        shutil.rmtree(home, ignore_errors=True)


@contextmanager
def running_engines(*, durable: bool = False) -> Iterator[Engines]:
    """Both servers with their template, for as long as the block lasts. Nothing is kept.

    `durable`: commits reach the disk, and plans are made, as in production; for benchmarks."""
    careless = dict.fromkeys(("fsync", "synchronous_commit", "full_page_writes", "autovacuum"), "off")
    # A third of the server's time goes into plans for parameters, of tables that are all but empty.
    settings = {} if durable else {**careless, "plan_cache_mode": "force_generic_plan"}
    with temporary_home(durable=durable) as home:
        postgres, valkey = Postgres(home, **settings), Valkey(home)
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
