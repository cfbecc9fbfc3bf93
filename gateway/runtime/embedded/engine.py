"""What the embedded servers have in common: how a server process is started, watched and ended."""

import contextlib
import ctypes
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Final, Protocol

import psutil

from gateway.runtime.embedded.data_directory import EngineError, Identity, file_system_errors

_START_SECONDS: Final = 60.0
_PR_SET_PDEATHSIG: Final = 1
# Loaded before any fork: a child of a program with threads must not load libraries.
_LIBC: Final = ctypes.CDLL(None) if sys.platform == "linux" else None


class Process(Protocol):
    """What subprocess.Popen and psutil.Process have in common."""

    def send_signal(self, sig: int, /) -> None:
        """Signal it."""

    def wait(self, timeout: float | None = None) -> int | None:
        """Wait so many seconds for its end."""


class Engine(ABC):
    """One server process. `start` is `prepare`, `launch` and waiting for `ready`."""

    name: str
    title: str
    data: Path
    run: Path
    log: Path
    stop_signals: Sequence[tuple[signal.Signals, float]]

    def __init__(self) -> None:
        self.process: subprocess.Popen[bytes] | None = None
        self._log_start = 0

    @abstractmethod
    def prepare(self) -> None:
        """Everything before the server runs: directories, first creation, leftovers. Raises EngineError."""

    @abstractmethod
    def launch(self) -> None:
        """Start the server process, which ends with the calling thread's process. Raises EngineError."""

    @abstractmethod
    def ready(self) -> bool:
        """Whether it answers now."""

    @property
    def alive(self) -> bool:
        """Whether the process that we launched is still there."""
        return self.process is not None and self.process.poll() is None

    def start(self, seconds: float = _START_SECONDS) -> None:
        """Bring the server up and wait until it answers. Raises EngineError."""
        self.prepare()
        self.launch()
        end = time.monotonic() + seconds
        while not self.ready():
            if not self.alive or time.monotonic() > end:
                raise self.failure()
            time.sleep(0.02)

    def stop(self) -> None:
        """End the server in good order, by force when it does not go."""
        if self.process is not None:
            end_process(self.process, self.stop_signals)
        shutil.rmtree(self.run, ignore_errors=True)

    def kill(self) -> None:
        """End the server at once; what it committed is kept."""
        if self.process is not None:
            end_process(self.process, ((signal.SIGKILL, 5.0),))
        shutil.rmtree(self.run, ignore_errors=True)

    def failure(self) -> EngineError:
        """Why the launched server did not start or ended, from the end of its log."""
        with contextlib.suppress(OSError), self.log.open("rb") as log:
            log.seek(self._log_start)
            words = log.read()[-4000:].decode(errors="replace")
            if "No space left on device" in words:
                return EngineError(f"The disk that holds {self.data} is full; {self.title} cannot run until it is not.")
            telling = [line.strip() for line in words.splitlines() if re.search("FATAL|PANIC|ERROR|HINT|#|Fatal", line)]
            lines = telling or words.strip().splitlines()
            if lines:
                return EngineError(
                    f"{self.title} does not run on {self.data}: {' '.join(lines[-3:]).rstrip('.')}; if files are "
                    f"damaged, move that directory away or restore a backup (more in {self.log})."
                )
        return EngineError(f"{self.title} does not run on {self.data} and gave no reason; see {self.log}.")

    def _spawn(self, arguments: Sequence[str | Path], identity: Identity) -> None:
        with file_system_errors(self.data):
            self.log.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            with self.log.open("ab") as out:
                self._log_start = out.tell()
                self.process = subprocess.Popen(  # noqa: S603 - our own binary, our own arguments
                    [str(argument) for argument in arguments],
                    stdin=subprocess.DEVNULL,
                    stdout=out,
                    stderr=out,
                    cwd=self.data,
                    env=engine_environment(),
                    start_new_session=True,
                    preexec_fn=die_with_parent(signal.SIGINT),
                    **identity,
                )

    def _end_leftovers(self, program: str) -> None:
        """A killed launcher may have left its server: end what still runs in our data directory."""
        found = running_in(program, self.data)
        for leader in found:
            if not any(leader.ppid() == other.pid for other in found if other.is_running()):
                end_process(leader, self.stop_signals)
        for member in found:
            end_process(member, ((signal.SIGKILL, 5.0),))


def die_with_parent(sig: signal.Signals) -> Callable[[], None] | None:
    """What a child runs before its program so that it gets `sig` when its starter dies; None where unknown.

    Linux ties this to the thread that forked: start such a child from a thread that lives as long as it should.
    """
    if _LIBC is None:
        return None
    libc, parent = _LIBC, os.getpid()

    def before_exec() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, int(sig))
        if os.getppid() != parent:
            os._exit(1)

    return before_exec


def package(name: str, variable: str) -> Path:
    """The directory of a package, without importing it: its import has side effects."""
    spec = find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        raise EngineError(f"The embedded engines are not installed ({name}); set {variable} to a server of your own.")
    return Path(spec.submodule_search_locations[0])


def engine_environment() -> dict[str, str]:
    """Our environment without settings that are meant for another PostgreSQL."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PG")}


def running_in(program: str, directory: Path) -> list[psutil.Process]:
    """Processes of this program in this working directory, also those that another process started."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.name() == program and process.cwd() == str(directory):
                found.append(process)
    return found


def end_process(process: Process, signals: Sequence[tuple[signal.Signals, float]]) -> None:
    """Send each signal in turn, waiting so many seconds after it, until the process is gone."""
    for sig, seconds in signals:
        try:
            process.send_signal(sig)
            process.wait(timeout=seconds)
        except (subprocess.TimeoutExpired, psutil.TimeoutExpired):
            continue
        except psutil.NoSuchProcess:
            return
        return
