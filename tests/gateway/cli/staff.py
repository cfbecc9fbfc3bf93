"""People who sign in on the command line, and the gateway that their commands call."""

import asyncio
import logging
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import asyncpg
import pytest
import structlog
from typer.testing import CliRunner

from admin.access import passwords
from admin.access.rules import Role
from gateway.cli.main import app
from gateway.cli.staff.api import CODE, SESSION_FILE
from gateway.cli.staff.api import PASSWORD as PASSWORD_VARIABLE
from tests.admin.back_office import Office, open_office
from tests.engines import SECRET_KEY, Database, run_apart

PASSWORD = "cinq gorges de manioc"


@cache
def password_hash() -> str:
    """Of PASSWORD."""
    return passwords._HASHER.hash(PASSWORD)


async def hire(database_url: str, *emails: str, role: Role = Role.FINANCE, organiser: str | None = None) -> None:
    """Accounts with PASSWORD, active and in this role from now on. `organiser`: slug; None: the platform."""
    connection = await asyncpg.connect(database_url)
    try:
        await connection.executemany(
            "insert into staff (id, email, password_hash, role, organiser_id) values (gen_random_uuid(), $1, $2, $3,"
            " (select id from organisers where slug = $4))"
            " on conflict (email) do update set password_hash = excluded.password_hash, role = excluded.role",
            [(email, password_hash(), role.value, organiser) for email in emails],
        )
    finally:
        await connection.close()


@contextmanager
def back_office(database: Database, *, factor_wanted: bool = False, accounts: bool = False) -> Iterator[Office]:
    """The back office on a socket, in a thread of its own. `accounts`: those at operators of the environment."""
    # The gateway is another process elsewhere: what it logs is no part of a command's answer.
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    loop, ready, opened = asyncio.new_event_loop(), threading.Event(), []
    stop = asyncio.Event()

    async def serve() -> None:
        async with open_office(database.app_url, factor_wanted=factor_wanted, accounts=accounts) as office:
            opened.append(office)
            ready.set()
            await stop.wait()

    def run() -> None:
        asyncio.set_event_loop(loop)
        try:
            loop.run_until_complete(serve())
        finally:
            ready.set()
            loop.close()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        assert ready.wait(60)
        assert opened, "the back office did not start"
        yield opened[0]
    finally:
        if thread.is_alive():
            loop.call_soon_threadsafe(stop.set)
        thread.join(60)
        structlog.configure(**before)


@dataclass
class Shell:
    """Command lines as people type them, each person signed in on a machine of their own."""

    home: Path
    office: Office
    monkeypatch: pytest.MonkeyPatch
    who: str
    runner: CliRunner = field(default_factory=CliRunner)

    @property
    def url(self) -> str:
        return str(self.office.server.make_url("/")).rstrip("/")

    def config(self, who: str) -> Path:
        """Where a person's machine keeps the session."""
        return self.home / who / "spotlight" / SESSION_FILE

    def login(self, who: str, password: str = PASSWORD, code: str = "") -> tuple[int, str, str]:
        return self.ran(who, "login", "--url", self.url, "--email", who, **{PASSWORD_VARIABLE: password, CODE: code})

    def ran(self, who: str, *words: str, **environment: str) -> tuple[int, str, str]:
        """Exit status, output, errors."""
        with self.monkeypatch.context() as patch:
            for name, value in {"XDG_CONFIG_HOME": str(self.home / who), **environment}.items():
                patch.setenv(name, value)
            done = self.runner.invoke(app, list(words))
        assert done.exception is None or isinstance(done.exception, SystemExit), done.output
        return done.exit_code, done.stdout, done.stderr

    def __call__(self, line: str, *more: str, who: str | None = None) -> tuple[int, str, str]:
        """A command of a person who is signed in."""
        person = who or self.who
        if not self.config(person).exists():
            assert self.login(person)[0] == 0
        return self.ran(person, *line.split(), *more)


@contextmanager
def shell(
    home: Path,
    database: Database,
    redis_url: str,
    monkeypatch: pytest.MonkeyPatch,
    *people: str,
    environment: Mapping[str, str] | None = None,
) -> Iterator[Shell]:
    """A gateway, and people with accounts who type commands. The first one types where no other is named."""
    values = {
        "DATABASE_URL": database.app_url,
        "REDIS_URL": redis_url,
        "SPOTLIGHT_SECRET_KEY": SECRET_KEY,
        "SPOTLIGHT_ENV": "demo",
    }
    for name, value in {**values, **(environment or {})}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(home)
    run_apart(hire(database.superuser_url, *people))
    with back_office(database, accounts=bool(environment)) as office:
        yield Shell(home, office, monkeypatch, people[0])
