"""The directory that holds an installation's data: used by one program at a time, with free space on its disk."""

import contextlib
import errno
import fcntl
import hashlib
import os
import pwd
import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO, TypedDict


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
