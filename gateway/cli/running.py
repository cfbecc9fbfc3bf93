"""How commands find the installation that `spotlight up` runs in this checkout."""

import asyncio
import contextlib
import json
import os
import pwd
from collections.abc import Awaitable, Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

import psutil

if TYPE_CHECKING:
    from gateway.runtime.container import Container
    from gateway.runtime.settings import Settings

T = TypeVar("T")

DEFAULT_DATA_DIR: Final = ".spotlight"
_UP_FILE: Final = "up.json"
_PIDS_FILE: Final = "pids.json"
_CLOCK_SECONDS: Final = 60


class NothingRuns(Exception):
    """No installation runs here and the environment names none; the text gives the remedy."""


def write_private(path: Path, text: str) -> None:
    """Put `text` in a file that only its owner reads; readers see the old or the new text, never a half.

    Raises OSError.
    """
    part = path.with_name(f"{path.name}.part")
    with contextlib.suppress(FileNotFoundError):
        part.unlink()
    with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as out:
        out.write(text)
        out.flush()
        os.fsync(out.fileno())
    part.replace(path)


def announce(data_dir: Path, environment: Mapping[str, str]) -> None:
    """Write for other commands that this process runs an installation, and its environment. Raises OSError."""
    me = psutil.Process()
    announcement = {"pid": me.pid, "started": me.create_time(), "environment": dict(environment)}
    write_private(data_dir / _UP_FILE, json.dumps(announcement, indent=2) + "\n")


def write_pids(data_dir: Path, pids: Mapping[str, int]) -> None:
    """Write the processes that run, by name. Raises OSError."""
    write_private(data_dir / _PIDS_FILE, json.dumps(dict(pids), indent=2) + "\n")


def withdraw(data_dir: Path) -> None:
    """Delete what `announce` and `write_pids` wrote."""
    for name in (_UP_FILE, _PIDS_FILE):
        (data_dir / name).unlink(missing_ok=True)


def apply_running_environment(*, required: bool = True) -> Path | None:
    """Take over the environment of the running installation where ours names no database; its data directory.

    Values that are set here win. Where there is neither a database nor an installation, raises NothingRuns,
    or changes nothing when that is not `required`.
    """
    from gateway.runtime.settings import environment

    if environment().get("DATABASE_URL"):
        return None
    found = find_installation()
    if found is not None:
        directory, announced = found
        for name, value in announced.items():
            os.environ.setdefault(name, value)
        return directory
    if not required:
        return None
    raise NothingRuns("nothing runs here: start `make run` in this checkout first, or set DATABASE_URL and REDIS_URL")


def find_installation() -> tuple[Path, dict[str, str]] | None:
    """The data directory and the environment of the installation that runs here; None where none does.

    Raises NothingRuns for one that cannot be read.
    """
    from gateway.runtime.settings import environment

    for directory in _candidates(environment()):
        announced = _announced(directory / _UP_FILE)
        if announced is not None:
            return directory, announced
    return None


def running_settings() -> "Settings":
    """The settings of the running installation, or those of the environment. NothingRuns, SettingsError."""
    from gateway.runtime.settings import load_settings

    apply_running_environment()
    return load_settings()


def in_container(work: "Callable[[Container], Awaitable[T]]") -> T:
    """Read or write in the running installation, in the time that reports take. Raises NothingRuns, SettingsError."""
    from gateway.runtime.container import REPORT_TIMEOUT_MS, open_command

    async def run() -> T:
        async with open_command(running_settings(), statement_timeout_ms=REPORT_TIMEOUT_MS) as container:
            return await work(container)

    return asyncio.run(run())


def _candidates(environment: Mapping[str, str]) -> Iterator[Path]:
    """The named data directory, or else the nearest one at or above the working directory."""
    named = environment.get("SPOTLIGHT_DATA_DIR")
    if named:
        yield Path(named).expanduser().resolve()
        return
    here = Path.cwd()
    for directory in (here, *here.parents):
        yield directory / DEFAULT_DATA_DIR


def _announced(path: Path) -> dict[str, str] | None:
    """The environment in an announcement whose process still runs; None otherwise. Raises NothingRuns."""
    try:
        with path.open(encoding="utf-8") as file:
            owner = os.fstat(file.fileno()).st_uid
            if owner != os.geteuid():
                raise NothingRuns(f"{path} belongs to {_user(owner)}: run this command as that user")
            announcement = json.load(file)
    except FileNotFoundError:
        return None
    except PermissionError:
        raise NothingRuns(f"{path} cannot be read: run this command as the user who started `make run`") from None
    except ValueError:
        raise NothingRuns(f"{path} is damaged: stop `make run` and start it again") from None
    try:
        # The system's idea of when a process started moves a little when the clock is set.
        alive = abs(psutil.Process(announcement["pid"]).create_time() - announcement["started"]) < _CLOCK_SECONDS
    except psutil.NoSuchProcess:
        return None
    return dict(announcement["environment"]) if alive else None


def _user(number: int) -> str:
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return f"user {number}"
