"""What the embedded servers share: a data directory that one program uses at a time, with free space on its disk, and
how a server process is started, watched and ended."""

import contextlib
import ctypes
import errno
import fcntl
import hashlib
import os
import pwd
import re
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Final, TextIO, TypedDict

import psutil

_START_SECONDS: Final = 60.0
_PR_SET_PDEATHSIG: Final = 1
_Signals = Sequence[tuple[signal.Signals, float]]
_AT_ONCE: Final = ((signal.SIGKILL, 5.0),)
# Loaded before any fork: a child of a program with threads must not load libraries.
_LIBC: Final = ctypes.CDLL(None) if sys.platform == "linux" else None


class EngineError(Exception):
    """An engine or its data directory cannot be used; the text is one sentence for the operator."""


class Identity(TypedDict, total=False):
    """The user that a server runs as, as arguments of subprocess; empty: our own."""

    user: int
    group: int
    extra_groups: list[int]


@contextlib.contextmanager
def file_system_errors(path: Path) -> Iterator[None]:
    """Turn an OSError under `path` into an EngineError of one sentence."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise EngineError(f"The disk that holds {path} is full; free some space and start again.") from error
        where = error.filename or path
        raise EngineError(f"The data directory {path} cannot be used: {where}: {error.strerror or error}.") from error


def hold(home: Path, holder: str = "spotlight up") -> TextIO:
    """Take a data directory for this process for as long as the result stays open.

    `holder` is our name in the error of the next program that tries. Raises EngineError when it is taken or cannot be
    written.
    """
    with file_system_errors(home):
        home.mkdir(parents=True, exist_ok=True)
        lock = (home / "lock").open("a+", encoding="utf-8")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            other = lock.read().strip() or "another program"
            lock.close()
            raise EngineError(
                f"{home} is already in use by {other}; stop that one, or set SPOTLIGHT_DATA_DIR to another directory."
            ) from None
        lock.truncate(0)
        lock.write(f"{holder} (process {os.getpid()})")
        lock.flush()
    return lock


def unprivileged_user() -> Identity:
    """The user `nobody`: PostgreSQL refuses to run as root. Raises EngineError."""
    try:
        user = pwd.getpwnam("nobody")
    except KeyError:
        raise EngineError("PostgreSQL does not run as root and there is no user nobody; run as another user.") from None
    return Identity(user=user.pw_uid, group=user.pw_gid, extra_groups=[])


def open_to_all(path: Path) -> bool:
    """Whether every user may pass through `path`, or through what of it exists."""
    return all(not p.exists() or p.stat().st_mode & stat.S_IXOTH for p in (path, *path.parents))


def short_directory(home: Path, suffix: str) -> Path:
    """Where the socket goes: a socket's path may have 103 bytes at most."""
    key = hashlib.sha256(str(home).encode()).hexdigest()[:10]
    base = Path(tempfile.gettempdir()).resolve()
    if os.geteuid() == 0 and not open_to_all(base):
        base = Path("/tmp")  # noqa: S108 - the directory below is checked to be ours
    return base / f"spotlight-{os.getuid()}-{key}-{suffix}"


def private_directory(path: Path, identity: Identity) -> None:
    """Make a directory that only its user may enter; one that another user owns is refused."""
    path.mkdir(parents=True, exist_ok=True, mode=0o700)
    found = path.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid not in (os.geteuid(), identity.get("user")):
        raise EngineError(f"{path} belongs to another user; remove it and start again.")
    path.chmod(0o700)
    if identity:
        os.chown(path, identity["user"], identity["group"])


def need_room(path: Path, megabytes: int) -> None:
    """Raise EngineError unless the disk under `path` has so much free space."""
    free = shutil.disk_usage(path).free // 1_000_000
    if free < megabytes:
        raise EngineError(f"The disk that holds {path} is full: {free} MB free, {megabytes} MB needed.")


class Engine(ABC):
    """One server process. `start` is `prepare`, `launch` and waiting for `ready`."""

    name: str
    title: str
    data: Path
    run: Path
    log: Path
    stop_signals: _Signals

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

    def start(self) -> None:
        """Bring the server up and wait until it answers. Raises EngineError."""
        self.prepare()
        self.launch()
        self.wait_until_ready()

    def wait_until_ready(self) -> None:
        """Wait until the launched server answers. Raises EngineError."""
        end = time.monotonic() + _START_SECONDS
        while not self.ready():
            if not self.alive or time.monotonic() > end:
                raise self.failure()
            time.sleep(0.02)

    def stop(self) -> None:
        """End the server in good order, by force when it does not go."""
        self._end(self.stop_signals)

    def kill(self) -> None:
        """End the server at once; what it committed is kept."""
        self._end(_AT_ONCE)

    def _end(self, signals: _Signals) -> None:
        if self.process is not None:
            end_process(self.process, signals)
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
            end_process(member, _AT_ONCE)


def die_with_parent(sig: signal.Signals) -> Callable[[], None] | None:
    """What a child runs before its program so that it gets `sig` when its starter dies; None where unknown.

    Linux ties this to the thread that forked: start such a child from a thread that runs as long as it should.
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


def end_process(process: subprocess.Popen[bytes] | psutil.Process, signals: _Signals) -> None:
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
