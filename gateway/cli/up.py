"""`spotlight up`: the whole service as one foreground program."""

import asyncio
import errno
import os
import re
import secrets
import signal
import socket
import sys
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec
from itertools import combinations
from pathlib import Path
from typing import Final

from gateway.cli import running
from gateway.cli.demo_environment import ADMIN_EMAIL, DRAWN, MADE, PASSWORD, Place, demo_environment
from gateway.cli.passwords import drawn_password
from gateway.cli.supervisor import Child, EngineKeeper, Program, end_marked
from gateway.runtime.embedded.engine import Engine, EngineError, file_system_errors, hold
from gateway.runtime.embedded.postgres import OWNER_ROLE, Postgres, prepare_database
from gateway.runtime.embedded.valkey import Valkey
from gateway.runtime.settings import SettingsError, environment, load_settings
from gateway.storage.migrations import revisions
from leaderboard.witness.folder import Folder

_READY_SECONDS: Final = 180.0
_WITNESS_NAME: Final = "witness.demo.local"
_DEATHS_BEFORE_READY: Final = 4
# Stands in the environment of everything that we start, so that the next start finds what a killed one left.
_MARK: Final = "SPOTLIGHT_SUPERVISED_IN"


class UpError(Exception):
    """The service cannot be brought up; the text is one sentence for the operator."""


def require_sandbox() -> None:
    """Check that the simulated country is installed: the wheel leaves it out. Raises UpError."""
    if find_spec("sandbox") is None:
        raise UpError("the simulated country is not installed: it comes with the source only, so run `make run` there")


def read_place(inherited: Mapping[str, str]) -> Place:
    """Where to listen and where the data lies. Raises SettingsError."""
    host = inherited.get("HOST") or "127.0.0.1"
    place = Place(
        host=host,
        port=_port(inherited, "PORT", 8080),
        sandbox_port=_port(inherited, "SPOTLIGHT_SANDBOX_PORT", 8081),
        data_dir=Path(inherited.get("SPOTLIGHT_DATA_DIR") or running.DEFAULT_DATA_DIR).expanduser().resolve(),
        mail_port=_port_or_free(inherited, "SPOTLIGHT_SANDBOX_MAIL_PORT", host),
        # Who moves the gateway runs something else at the usual ports.
        witness_port=_port_or_free(inherited, "SPOTLIGHT_WITNESS_PORT", host, None if inherited.get("PORT") else 8082),
    )
    ports = {"PORT": place.port, "SPOTLIGHT_SANDBOX_PORT": place.sandbox_port}
    ports["SPOTLIGHT_WITNESS_PORT"] = place.witness_port
    for (one, port), (other, same) in combinations(ports.items(), 2):
        if port == same:
            raise SettingsError(f"{one} and {other} are both {port}: set one to another port")
    return place


def _port(inherited: Mapping[str, str], name: str, default: int) -> int:
    value = inherited.get(name) or str(default)
    if not (value.isascii() and value.isdigit() and 1 <= int(value) <= 65_535):
        raise SettingsError(f"{name}: {value!r} is not a port number from 1 to 65535")
    return int(value)


def _port_or_free(inherited: Mapping[str, str], name: str, host: str, default: int | None = None) -> int:
    """The port that is set, or else the default, or else one that no program uses."""
    if inherited.get(name) or default is not None:
        return _port(inherited, name, default or 0)
    return _free_port(host)


def _free_port(host: str) -> int:
    """A port that no program uses now; 0 where the host is no address of this machine, which is reported later."""
    try:
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
            probe.bind((host, 0))
            return int(probe.getsockname()[1])
    except OSError:
        return 0


def check_port(host: str, port: int, variable: str) -> None:
    """Raise UpError unless a program may listen there now; the text names the variable to change."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
            probe.listen(1)
    except socket.gaierror:
        raise UpError(f"HOST: {host} is not an address of this machine") from None
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise UpError(
                f"port {port} on {host} is in use by another program; stop it, or set {variable} to a free port"
            ) from None
        if error.errno == errno.EADDRNOTAVAIL:
            raise UpError(f"HOST: {host} is not an address of this machine") from None
        raise UpError(f"port {port} on {host} cannot be used ({error.strerror}); set {variable} to another") from None


def secret_key(data_dir: Path) -> str:
    """The installation's own key, made at the first start and never again: phone numbers are stored under it.

    Raises EngineError.
    """
    path = data_dir / "secret_key"
    with file_system_errors(data_dir):
        if not path.exists():
            running.write_private(path, secrets.token_hex(32) + "\n")
        key = path.read_text(encoding="utf-8", errors="replace").strip()
    if not re.fullmatch("[0-9a-f]{64,}", key):
        raise EngineError(f"{path} is damaged; put back the key that this data was written with, from a backup.")
    return key


def say(line: str) -> None:
    """Print a line at once; a closed terminal is no reason to stop."""
    try:
        print(line, flush=True)
    except OSError:
        # Later prints and the interpreter's own flush at exit must not fail on the closed terminal again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def own_command(name: str) -> Sequence[str]:
    """Command line of one of our own commands, in this interpreter."""
    return sys.executable, "-m", "gateway.cli.main", name


class Installation:
    """Engines and programs of one installation, from the first start to the last end."""

    def __init__(
        self, place: Place, inherited: Mapping[str, str], command: Callable[[str], Sequence[str]] = own_command
    ) -> None:
        self.place, self._command = place, command
        self.postgres = None if inherited.get("DATABASE_URL") else Postgres(place.data_dir)
        self.valkey = None if inherited.get("REDIS_URL") else Valkey(place.data_dir)
        key = inherited.get("SPOTLIGHT_SECRET_KEY") or secret_key(place.data_dir)
        self.environment = demo_environment(place, self._servers(inherited), key, inherited)
        engines: list[Engine] = [engine for engine in (self.postgres, self.valkey) if engine]
        self.keepers = [EngineKeeper(engine, say, self._note_pids) for engine in engines]
        own_witness = self.environment["SPOTLIGHT_ENV"] == "demo" and not inherited.get("SPOTLIGHT_WITNESSES")
        self.witness = self._witness() if own_witness else None
        self.sandbox, self.gateway, self.worker = (self._child(name) for name in ("sandbox", "serve", "worker"))
        self._tasks: list[asyncio.Task[None]] = []
        self._interrupts = 0
        self._drawn: str | None = None

    def _servers(self, inherited: Mapping[str, str]) -> dict[str, str]:
        if self.postgres:
            database, owner = self.postgres.dsn(), self.postgres.dsn(user=OWNER_ROLE)
        else:
            database = inherited["DATABASE_URL"]
            owner = inherited.get("SPOTLIGHT_OWNER_DATABASE_URL") or database
        redis = self.valkey.url() if self.valkey else inherited["REDIS_URL"]
        return {"DATABASE_URL": database, "SPOTLIGHT_OWNER_DATABASE_URL": owner, "REDIS_URL": redis}

    def _witness(self) -> Child:
        """The demo's own witness, for which our worker asks. EngineError, FolderWrong."""
        directory = self.place.data_dir / "witness"
        with file_system_errors(self.place.data_dir):
            key = Folder(directory, _WITNESS_NAME).signer.key.text
        self.environment["SPOTLIGHT_WITNESSES"] = f"{key} {self.place.witness_url}"
        site = self.environment["SPOTLIGHT_PUBLIC_URL"]
        return self._child("witness", ("--dir", str(directory), "--host", self.place.host, "--site", site))

    def _child(self, name: str, options: Sequence[str] = (), **more: str) -> Child:
        everything = {
            **os.environ,
            **self.environment,
            **more,
            _MARK: str(self.place.data_dir),
            "PYTHONUNBUFFERED": "1",
        }
        program = Program(name, (*self._command(name), *options), everything)
        return Child(program, self.place.data_dir / "logs", say, self._note_pids)

    @property
    def _supervised(self) -> list[Child | EngineKeeper]:
        return [*self.keepers, *self.children]

    @property
    def children(self) -> tuple[Child, ...]:
        """The programs, in the order in which they start."""
        return self.sandbox, *self._witnesses, self.gateway, self.worker

    @property
    def _witnesses(self) -> tuple[Child, ...]:
        return (self.witness,) if self.witness else ()

    def _note_pids(self) -> None:
        named = [("up", os.getpid()), *((each.name, each.pid) for each in self._supervised)]
        try:
            running.write_pids(self.place.data_dir, {name: pid for name, pid in named if pid})
        except OSError as error:
            say(f"{self.place.data_dir / 'pids.json'} cannot be written ({error.strerror})")

    async def run(self) -> int:
        """Run until a signal comes; the exit status. Raises UpError, EngineError."""
        life = asyncio.create_task(self._live())
        loop = asyncio.get_running_loop()
        for sig in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(sig, self._interrupt, life)
        try:
            await life
        except asyncio.CancelledError:
            if not self._interrupts:
                raise
        finally:
            await self._end()
        return 0

    def _interrupt(self, life: "asyncio.Task[None]") -> None:
        self._interrupts += 1
        if self._interrupts == 1:
            say("stopping; press Ctrl-C again to end everything at once")
            life.cancel()
            return
        for each in reversed(self._supervised):
            each.kill()
        running.withdraw(self.place.data_dir)
        os._exit(130)

    async def _live(self) -> None:
        say("starting the simulated country")
        for child in (self.sandbox, *self._witnesses):  # they need no engine
            self._watch(child.keep(), child.name)
        for keeper in self.keepers:
            say(f"starting {keeper.name}")
            await keeper.start()
            self._watch(keeper.keep(), keeper.name)
        as_it_was = self.postgres is not None and await _found_complete(self.postgres)
        with file_system_errors(self.place.data_dir):
            running.announce(self.place.data_dir, self.environment)
        if not as_it_was:
            say("bringing the database up to date")
            await self._once("migrate")
            await self._load_demo()
        say("starting the gateway and a worker")
        for child in (self.gateway, self.worker):
            self._watch(child.keep(), child.name)
        await self._until_ready()
        self._show_addresses()
        if as_it_was:
            # Its contests are there; what a new version of it has more can wait.
            await self._load_demo()
            self._show_password()
        done, _ = await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            await task

    def _watch(self, work: "asyncio._CoroutineLike[None]", name: str) -> "asyncio.Task[None]":
        task = asyncio.create_task(work, name=name)
        self._tasks.append(task)
        return task

    async def _load_demo(self) -> None:
        if self.environment["SPOTLIGHT_ENV"] != "demo":
            return
        say("loading the demo contest")
        drawn = drawn_password()
        output = await self._once("demo", **{DRAWN: drawn})
        if any(line.startswith(MADE) for line in output):
            self._drawn = drawn

    async def _once(self, command: str, **more: str) -> Sequence[str]:
        """Run a command to its end, showing its output only when it fails; its last lines. `more`: for its
        environment alone."""
        child = self._child(command, **more)
        child.journal.quiet = True
        with file_system_errors(self.place.data_dir):
            child.journal.open()
        code = await child.run_once()
        if code != 0:
            output = "\n".join(child.journal.last) or "it gave no reason"
            raise UpError(f"`spotlight {command}` failed: {output}")
        return child.journal.last

    async def _until_ready(self) -> None:
        wanted = {
            self.sandbox.name: f"{self.place.sandbox_url}/healthz",
            self.gateway.name: f"{self.place.gateway_url}/readyz",
        }
        if self.witness:
            wanted[self.witness.name] = f"{self.place.witness_url}/"
        deadline = asyncio.get_running_loop().time() + _READY_SECONDS
        while wanted:
            for name, url in [*wanted.items()]:
                if await asyncio.to_thread(answers, url):
                    del wanted[name]
            self._give_up_on_dying()
            if asyncio.get_running_loop().time() > deadline:
                late = " and ".join(wanted)
                raise UpError(f"{late} did not answer within {_READY_SECONDS:g} s; see {self.place.data_dir / 'logs'}")
            await asyncio.sleep(0.05)

    def _give_up_on_dying(self) -> None:
        for child in self.children:
            if child.deaths >= _DEATHS_BEFORE_READY:
                output = " / ".join(line for line in list(child.journal.last)[-3:] if line)
                raise UpError(f"{child.name} died {child.deaths} times before it was ready: {output}")
        for task in self._tasks:
            if task.done():
                task.result()

    def _show_addresses(self) -> None:
        say(f"  public page   {self.place.gateway_url}/c/star")
        say(f"  handset       {self.place.sandbox_url}/")
        say(f"  mailbox       {self.place.sandbox_url}/mailbox")
        say(f"  back office   {self.place.gateway_url}/admin")
        self._show_password()
        if self.witness:
            say(f"  witness       {self.place.witness_url}/")
        say(f"  data          {self.place.data_dir}")
        say(f"ready {self.place.gateway_url}")

    def _show_password(self) -> None:
        if self._drawn:
            say(f"                {ADMIN_EMAIL}, password {self._drawn} (shown only now; or set {PASSWORD})")

    async def _end(self) -> None:
        """Programs first, the simulated country after those who call it, engines last."""
        await asyncio.gather(self.worker.stop(), self.gateway.stop())
        await asyncio.gather(*(child.stop() for child in self.children))
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for keeper in self.keepers:
            await keeper.stop()
        running.withdraw(self.place.data_dir)
        if self._interrupts:
            say("stopped")


async def _found_complete(postgres: Postgres) -> bool:
    """Prepare the database; whether its schema is the newest and its contests are there. Each start asks, and the
    commands that see to both take seconds."""
    import asyncpg

    await prepare_database(postgres)
    connection = await asyncpg.connect(postgres.dsn(user=OWNER_ROLE))
    try:
        if not await connection.fetchval("select to_regclass('public.alembic_version') is not null"):
            return False
        found = await connection.fetchval("select array_agg(version_num) from public.alembic_version")
        return found == [max(revisions())] and bool(await connection.fetchval("select exists (select from contests)"))
    finally:
        await connection.close()


def answers(url: str) -> bool:
    """Whether a GET of `url` is answered with 200 within two seconds; a proxy is never asked."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=2) as response:
            return bool(response.status == 200)
    except OSError:
        return False


def up(command: Callable[[str], Sequence[str]] = own_command) -> int:
    """Bring everything up and stay; the exit status. `command` gives each program's command line.

    Raises SettingsError, UpError, EngineError.
    """
    require_sandbox()
    inherited = environment()
    place = read_place(inherited)
    with hold(place.data_dir):
        left = end_marked(_MARK, str(place.data_dir))
        if left:
            say(f"ended {left} processes that a killed `spotlight up` had left behind")
        check_port(place.host, place.port, "PORT")
        check_port(place.host, place.sandbox_port, "SPOTLIGHT_SANDBOX_PORT")
        check_port(place.host, place.mail_port, "SPOTLIGHT_SANDBOX_MAIL_PORT")
        check_port(place.host, place.witness_port, "SPOTLIGHT_WITNESS_PORT")
        installation = Installation(place, inherited, command)
        os.environ.update(installation.environment)
        load_settings()
        return asyncio.run(installation.run())
