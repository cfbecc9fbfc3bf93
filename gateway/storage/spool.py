"""The second store: records on this machine's disk, for as long as PostgreSQL does not take them.

A segment is a file that is only appended to: a magic word, then records, each with its length and its
checksum. Who appends at the same moment shares one write and one fsync. A segment is locked by its
writer, so no process reads one that still grows; what a process left when it died is read by the next.
"""

import asyncio
import contextlib
import fcntl
import os
import struct
import threading
import time
import zlib
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import Final

from gateway.storage.coalescer import Coalescer

BYTES_MAX: Final = 256 * 1024 * 1024
SEGMENT_BYTES: Final = 8 * 1024 * 1024
MAGIC: Final = b"SPOOL1\r\n"
_FRAME: Final = struct.Struct(">II")
_SUFFIX, _UNNAMED, _REFUSED = ".spool", ".new", ".refused"
_NANO: Final = 1_000_000_000


class SpoolFull(Exception):
    """The spool or its disk is full. Nothing was kept."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """What a spool holds. `seconds`: age of the oldest segment, 0 without one. `refused`: segments with
    records that PostgreSQL will never take, or that are damaged; they are kept for a person."""

    records: int
    seconds: float
    refused: int


@dataclass(frozen=True, slots=True)
class Segment:
    """A closed segment, read. `whole`: every byte of it was a record, but for a torn end."""

    path: Path
    records: tuple[bytes, ...]
    whole: bool


class Spool:
    """Segments in one directory. `name`: what their file names begin with. Several processes may share it.

    `bytes_max`: what all segments together may take."""

    def __init__(
        self, directory: Path, name: str, *, bytes_max: int = BYTES_MAX, segment_bytes: int = SEGMENT_BYTES
    ) -> None:
        self._directory = directory
        self._name = name
        self._bytes_max = bytes_max
        self._segment_bytes = segment_bytes
        self._file: FileIO | None = None
        self._path = directory
        self._size = 0
        # Records of each segment that was seen, which is counted once.
        self._counted: dict[Path, int] = {}
        # Writing, closing and counting go on in threads.
        self._guard = threading.Lock()
        self._appends: Coalescer[bytes, None] = Coalescer(self._append, batch_max=1_000)

    async def append(self, record: bytes) -> None:
        """On the disk when it returns. Raises SpoolFull or OSError; then nothing was kept."""
        await self._appends.do(record)

    async def _append(self, records: list[bytes]) -> Sequence[BaseException | None]:
        try:
            await asyncio.to_thread(self._write, records)
        except (OSError, SpoolFull) as error:
            # One exception each: one that is raised twice gathers the tracebacks of both callers.
            return [type(error)(*error.args) for _ in records]
        return [None] * len(records)

    def _write(self, records: Sequence[bytes]) -> None:
        data = b"".join(_FRAME.pack(len(record), zlib.crc32(record)) + record for record in records)
        with self._guard:
            if sum(path.stat().st_size for path in self._segments()) + len(data) > self._bytes_max:
                raise SpoolFull(f"{self._directory} holds {self._bytes_max} bytes")
            file = self._file or self._begin()
            try:
                _write_all(file, data)
                os.fsync(file.fileno())
            except OSError:
                # Half a batch may be written, unanswered: it is cut off, and the next one begins a new file.
                with contextlib.suppress(OSError):
                    os.ftruncate(file.fileno(), self._size)
                self._close()
                raise
            self._size += len(data)
            self._counted[self._path] += len(records)
            if self._size >= self._segment_bytes:
                self._close()

    def _begin(self) -> FileIO:
        """A new segment. It gets its name once it is locked: no reader finds it before."""
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = self._directory / f"{self._name}-{time.time_ns():020d}-{os.getpid()}{_SUFFIX}"
        unnamed = path.with_suffix(_UNNAMED)
        descriptor = os.open(unnamed, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o600)
        file = FileIO(descriptor, "w")
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
            _write_all(file, MAGIC)
            unnamed.rename(path)
            _sync_directory(self._directory)
        except OSError:
            file.close()
            unnamed.unlink(missing_ok=True)
            path.unlink(missing_ok=True)
            raise
        self._file, self._path, self._size = file, path, len(MAGIC)
        self._counted[path] = 0
        return file

    def _close(self) -> None:
        if self._file is not None:
            with contextlib.suppress(OSError):
                self._file.close()
        self._file = None

    def _segments(self) -> list[Path]:
        """Oldest first."""
        return sorted(self._directory.glob(f"{self._name}-*{_SUFFIX}"))

    async def aclose(self) -> None:
        """Close the open segment. What is there stays."""
        await asyncio.to_thread(self._closed)

    def _closed(self) -> None:
        with self._guard:
            self._close()

    def waiting(self) -> Waiting:
        """What this spool holds now."""
        with self._guard:
            segments = self._segments()
            for gone in self._counted.keys() - set(segments):
                del self._counted[gone]
            for path in segments:
                if path not in self._counted:
                    self._counted[path] = len(_read(path).records)
            born = int(segments[0].stem.split("-")[-2]) if segments else 0
            refused = len(list(self._directory.glob(f"{self._name}-*{_REFUSED}")))
            age = (time.time_ns() - born) / _NANO if born else 0.0
            return Waiting(sum(self._counted.values()), age, refused)

    @property
    def empty(self) -> bool:
        """Whether there is no segment."""
        return not self._segments()

    def closed(self) -> Generator[Segment, None, None]:
        """Every segment that no process writes to, oldest first; our own is closed for it. Each is
        held for the reader until the next is asked for. Blocks on the disk."""
        self._closed()
        for path in self._segments():
            with contextlib.suppress(FileNotFoundError), path.open("rb") as file:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    continue  # another process writes to it, or reads it
                if path.exists():
                    yield _read(path)

    def remove(self, segment: Segment) -> None:
        """Delete a segment whose records are in PostgreSQL."""
        segment.path.unlink(missing_ok=True)

    def refuse(self, segment: Segment) -> None:
        """Keep a segment for a person; it is read no more."""
        segment.path.rename(segment.path.with_suffix(_REFUSED))


def _read(path: Path) -> Segment:
    """The records of a segment. A record that a crash cut off was never answered for."""
    data = path.read_bytes()
    if not data.startswith(MAGIC):
        return Segment(path, (), MAGIC.startswith(data))
    at, whole = len(MAGIC), True
    records = []
    while at + _FRAME.size <= len(data):
        length, checksum = _FRAME.unpack_from(data, at)
        record = data[at + _FRAME.size : at + _FRAME.size + length]
        at += _FRAME.size + length
        if len(record) < length:
            break
        if zlib.crc32(record) != checksum:
            # The last one may be torn too: blocks reach the disk in any order.
            whole = at >= len(data)
        else:
            records.append(record)
    return Segment(path, tuple(records), whole)


def _write_all(file: FileIO, data: bytes) -> None:
    """Without a buffer of our own, which a failed write would leave to be written when the file is closed."""
    left = memoryview(data)
    while left:
        left = left[file.write(left) :]


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
