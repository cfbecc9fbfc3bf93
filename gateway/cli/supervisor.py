"""Keeps programs and engines running: starts them, forwards their output, restarts them, ends them."""

import asyncio
import contextlib
import os
import signal
import time
from asyncio.subprocess import DEVNULL, STDOUT
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import psutil

from gateway.runtime.embedded.engine import Engine, EngineError, die_with_parent

Say = Callable[[str], None]

STOP_SECONDS: Final = 35.0
_LOOK_SECONDS: Final = 0.1
_KILL_ROUNDS: Final = 100
_LOG_BYTES_MAX: Final = 20_000_000


@dataclass(frozen=True)
class Program:
    """One child: its short name, its command line and its whole environment."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]


@dataclass
class Backoff:
    """How long to wait before the next start: not at all once, then 1 s doubling to 15 s; forgotten after a life
    of 30 s."""

    first: float = 1.0
    longest: float = 15.0
    forget: float = 30.0
    _next: float = field(default=0.0, init=False)

    def after(self, life: float) -> float:
        """Seconds to wait after a life of so many seconds."""
        wait = 0.0 if life >= self.forget else self._next
        self._next = min(max(wait * 2, self.first), self.longest)
        return wait


def end_session(leader: int) -> None:
    """Kill every process of a session, until no new one appears.

    A session holds more than a process group: a child may have opened a group of its own.
    """
    for _ in range(_KILL_ROUNDS):
        members = _session(leader)
        for pid in members:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if not members:
            return
        time.sleep(0.01)


def _session(leader: int) -> list[int]:
    members = []
    for pid in psutil.pids():
        with contextlib.suppress(ProcessLookupError, PermissionError, psutil.NoSuchProcess):
            if os.getsid(pid) == leader and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
                members.append(pid)
    return members


def end_marked(name: str, value: str, seconds: float = 5.0) -> int:
    """End every process whose environment has `name=value`: SIGTERM, after `seconds` SIGKILL. Returns how many."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if process.pid != os.getpid() and process.environ().get(name) == value:
                found.append(process)
    for process in found:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.terminate()
    _, stubborn = psutil.wait_procs(found, timeout=seconds)
    for process in stubborn:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(stubborn, timeout=seconds)
    return len(found)


class Journal:
    """Shows a child's output on the terminal, with its name, and keeps it in a file."""

    def __init__(self, name: str, path: Path, say: Say) -> None:
        self.last: deque[str] = deque(maxlen=12)
        self.quiet = False
        self._name, self._path, self._say = name, path, say
        self._rest = b""
        self._full = False

    def open(self) -> None:
        """Prepare the file for a new run of the installation. Raises OSError."""
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        if self._path.exists() and self._path.stat().st_size > _LOG_BYTES_MAX:
            self._path.replace(self._path.with_suffix(".log.1"))

    def take(self, data: bytes) -> None:
        """Pass on what the child wrote."""
        self._keep(data)
        *lines, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > 65_536:
            lines, self._rest = [*lines, self._rest], b""
        for line in lines:
            self._show(line)

    def finish(self) -> None:
        """Pass on a last line that did not end."""
        if self._rest:
            self._show(self._rest)
        self._rest = b""

    def _show(self, line: bytes) -> None:
        text = line.decode(errors="replace").rstrip()
        self.last.append(text)
        if not self.quiet:
            self._say(f"{self._name:<8}| {text}")

    def _keep(self, data: bytes) -> None:
        try:
            with self._path.open("ab") as out:
                out.write(data)
            self._full = False
        except OSError as error:
            if not self._full:
                self._say(f"{self._name}: {self._path} cannot be written ({error.strerror}); shown here only")
            self._full = True


class _Kept:
    """What is started again whenever it died."""

    def __init__(self, name: str, backoff: Backoff, say: Say, changed: Callable[[], None]) -> None:
        self.name = name
        self.backoff = backoff
        self._say, self._changed = say, changed

    async def _wait_after(self, reason: str, started: float) -> None:
        """Wait before the next start. `started`: when the life began that ended now."""
        wait = self.backoff.after(time.monotonic() - started)
        self._say(f"{self.name} died ({reason}); starting it again{f' in {wait:g} s' if wait else ''}")
        await asyncio.sleep(wait)


class Child(_Kept):
    """One program, kept running until `stop`."""

    def __init__(self, program: Program, logs: Path, say: Say, changed: Callable[[], None]) -> None:
        super().__init__(program.name, Backoff(), say, changed)
        self.deaths = 0
        self._program = program
        self.journal = Journal(program.name, logs / f"{program.name}.log", say)
        self._process: asyncio.subprocess.Process | None = None
        self._stopping = False

    @property
    def pid(self) -> int | None:
        """Its process while it runs."""
        return self._process.pid if self._process and self._process.returncode is None else None

    async def keep(self) -> None:
        """Run the program again and again; returns after `stop`."""
        self.journal.open()
        while not self._stopping:
            started = time.monotonic()
            try:
                reason = describe_exit(await self.run_once())
            except OSError as error:
                reason = f"it could not be started: {error}"
            if self._stopping:
                return
            self.deaths += 1
            await self._wait_after(reason, started)

    async def run_once(self) -> int:
        """One life of the program; its exit status. Whatever it started is ended with it."""
        # A pipe of our own: asyncio would call the program alive for as long as a child of it holds its output open.
        reading, writing = os.pipe()
        reader = asyncio.create_task(self._read(reading))
        try:
            self._process = process = await asyncio.create_subprocess_exec(
                *self._program.command,
                stdin=DEVNULL,
                stdout=writing,
                stderr=STDOUT,
                env=dict(self._program.environment),
                start_new_session=True,
                preexec_fn=die_with_parent(signal.SIGTERM),
            )
        finally:
            os.close(writing)
        self._changed()
        try:
            code = await process.wait()
        finally:
            end_session(process.pid)
        self._changed()
        await asyncio.wait([reader], timeout=2)
        reader.cancel()
        self.journal.finish()
        return code

    async def _read(self, descriptor: int) -> None:
        stream = asyncio.StreamReader()
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(stream), os.fdopen(descriptor, "rb", buffering=0)
        )
        try:
            while data := await stream.read(65_536):
                self.journal.take(data)
        finally:
            transport.close()

    async def stop(self, seconds: float = STOP_SECONDS) -> None:
        """Ask it to end, and end it by force when it has not after so many seconds."""
        self._stopping = True
        process = self._process
        if process is None or process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        try:
            await asyncio.wait_for(asyncio.shield(process.wait()), seconds)
        except TimeoutError:
            self._say(f"{self.name} did not end within {seconds:g} s; ending it by force")
            self.kill()
            await process.wait()

    def kill(self) -> None:
        """End it and all that it started, at once."""
        self._stopping = True
        if self._process is not None and self._process.returncode is None:
            end_session(self._process.pid)


class EngineKeeper(_Kept):
    """One embedded engine, kept running until `stop`."""

    def __init__(self, engine: Engine, say: Say, changed: Callable[[], None]) -> None:
        super().__init__(engine.name, Backoff(first=0.1), say, changed)
        self._engine = engine

    @property
    def pid(self) -> int | None:
        """Its process while it runs."""
        return self._engine.process.pid if self._engine.process and self._engine.alive else None

    async def start(self) -> None:
        """Bring it up and wait until it answers. Raises EngineError."""
        await asyncio.to_thread(self._engine.prepare)
        # Not in a thread: the server is tied to the life of the thread that forks it.
        self._engine.launch()
        self._changed()
        await asyncio.to_thread(self._engine.wait_until_ready)

    async def keep(self) -> None:
        """Start it again whenever it died; runs until cancelled."""
        while True:
            started = time.monotonic()
            while self._engine.alive:  # noqa: ASYNC110 - a process that died sets no event
                await asyncio.sleep(_LOOK_SECONDS)
            code = self._engine.process.returncode if self._engine.process else 0
            self._changed()
            await self._wait_after(describe_exit(code), started)
            try:
                await self.start()
                self._say(f"{self.name} is back")
            except EngineError as error:
                self._say(f"{self.name}: {error}")

    async def stop(self) -> None:
        """End it in good order."""
        await asyncio.to_thread(self._engine.stop)

    def kill(self) -> None:
        """End it at once; it recovers at its next start."""
        self._engine.kill()


def describe_exit(code: int | None) -> str:
    """An exit status in words."""
    if code is None or code >= 0:
        return f"exit status {code}"
    try:
        return f"by {signal.Signals(-code).name}"
    except ValueError:
        return f"by signal {-code}"
