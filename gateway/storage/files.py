"""Files that only those may read who are let to them: one small interface, and the folder that is used unless a bucket
is set.

A key is a path of our own making, such as `0f3c…/2`; the same key never gets other bytes.
"""

import asyncio
import os
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

READ_BYTES: Final = 256 * 1024
UNFINISHED: Final = ".new"
"""Behind the key of a file that is being written, or never was to its end."""


class FilesUnavailable(OSError):
    """The store did not answer as it should. What was asked for may or may not have happened."""


@dataclass(frozen=True, slots=True)
class Stored:
    """A file that is there: its size in bytes, and its content in parts."""

    size: int
    parts: AsyncGenerator[bytes, None]


class Files(Protocol):
    """Where files are kept. Each method raises OSError."""

    async def put(self, key: str, parts: AsyncIterator[bytes]) -> int:
        """Keep a file while its parts are made; its size in bytes. What cannot be finished is not there."""
        ...

    async def get(self, key: str) -> Stored | None:
        """The file; None when there is none."""
        ...

    async def delete(self, keys: Iterable[str]) -> None:
        """Forget these; those that are not there are no error."""
        ...

    async def keys(self) -> Sequence[str]:
        """Of everything there is, in any order; behind a key may stand `UNFINISHED`."""
        ...


class FolderFiles:
    """Files below one folder, which all processes of the service share and no other user of the machine may read."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def put(self, key: str, parts: AsyncIterator[bytes]) -> int:
        """On the disk under its name as a whole or not at all."""
        path, size = self._folder / key, 0
        unfinished = path.with_name(path.name + UNFINISHED)
        try:
            descriptor = await asyncio.to_thread(_create, unfinished)
            try:
                with os.fdopen(descriptor, "wb") as file:
                    async for part in parts:
                        size += await asyncio.to_thread(file.write, part)
                    file.flush()
                    await asyncio.to_thread(os.fsync, file.fileno())
                unfinished.rename(path)
            finally:
                unfinished.unlink(missing_ok=True)
        except OSError as error:
            raise FilesUnavailable(f"{type(error).__name__}: {error.strerror}") from error
        return size

    async def get(self, key: str) -> Stored | None:
        """Open it."""
        try:
            file = await asyncio.to_thread((self._folder / key).open, "rb")
        except FileNotFoundError:
            return None

        async def parts() -> AsyncGenerator[bytes, None]:
            with file:
                while part := await asyncio.to_thread(file.read, READ_BYTES):
                    yield part

        return Stored(os.fstat(file.fileno()).st_size, parts())

    async def delete(self, keys: Iterable[str]) -> None:
        """Unlink them, and the folders that they leave empty."""
        for key in keys:
            await asyncio.to_thread(self._delete, self._folder / key)

    async def keys(self) -> Sequence[str]:
        """Every file below the folder."""
        return await asyncio.to_thread(self._keys)

    def _keys(self) -> Sequence[str]:
        return [path.relative_to(self._folder).as_posix() for path in self._folder.rglob("*") if path.is_file()]

    def _delete(self, path: Path) -> None:
        path.unlink(missing_ok=True)
        try:
            path.parent.rmdir()
        except OSError:
            return  # another file is in it, or it is gone


def _create(path: Path) -> int:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
