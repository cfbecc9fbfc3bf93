"""Pictures by key: one small interface, and the folder that is used unless another store is set.

A key is a path of our own making, such as `0f3c…/Xw2…-320.webp`; the same key never gets other bytes. Its stem is what
stands before the last dash: an address is built of it.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Protocol

CONTENT_TYPE: Final = "image/webp"
OWN_ADDRESSES: Final = "/media/"


class PicturesUnavailable(OSError):
    """The store did not answer as it should. What was asked for may or may not have happened."""


@dataclass(frozen=True, slots=True)
class Held:
    """A picture that a store holds, and since when."""

    key: str
    since: datetime


class Pictures(Protocol):
    """Where pictures are kept. Each method raises OSError."""

    def address(self, stem: str) -> str:
        """What a browser asks for the pictures of this stem, but for `-<side>.webp`."""
        ...

    def stem(self, address: str) -> str | None:
        """The stem of which `address` made this; None for an address of another store."""
        ...

    async def put(self, key: str, body: bytes) -> None:
        """Keep a picture: readable by everybody who knows the key."""
        ...

    async def get(self, key: str) -> bytes | None:
        """The picture; None when there is none. Asked where `address` is one of ours."""
        ...

    async def delete(self, keys: Iterable[str]) -> None:
        """Forget these; those that are not there are no error."""
        ...

    def held(self) -> AsyncIterator[Held]:
        """Everything there is, in any order."""
        ...

    async def aclose(self) -> None:
        """Close connections."""
        ...


def own_stem(address: str) -> str | None:
    """The stem in an address of ours; None in any other."""
    return address.removeprefix(OWN_ADDRESSES) if address.startswith(OWN_ADDRESSES) else None


class FolderPictures:
    """Pictures as files below one folder, which all processes of the service share."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def address(self, stem: str) -> str:
        """Ours."""
        return OWN_ADDRESSES + stem

    def stem(self, address: str) -> str | None:
        """What follows ours."""
        return own_stem(address)

    async def put(self, key: str, body: bytes) -> None:
        """On the disk under its name as a whole or not at all."""
        path = self._path(key)
        try:
            await asyncio.to_thread(self._put, path, body)
        except OSError as error:
            raise PicturesUnavailable(f"{type(error).__name__}: {error.strerror}") from error

    def _put(self, path: Path, body: bytes) -> None:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        unnamed = path.with_suffix(".new")
        with unnamed.open("wb") as file:
            file.write(body)
            file.flush()
            os.fsync(file.fileno())
        unnamed.rename(path)

    async def get(self, key: str) -> bytes | None:
        """Read it."""
        try:
            return await asyncio.to_thread(self._path(key).read_bytes)
        except FileNotFoundError:
            return None

    async def delete(self, keys: Iterable[str]) -> None:
        """Unlink them."""
        for path in map(self._path, keys):
            await asyncio.to_thread(path.unlink, missing_ok=True)

    async def held(self) -> AsyncIterator[Held]:
        """Every file, those that were not written to their end among them."""
        for path in await asyncio.to_thread(self._files):
            try:
                seconds = path.stat().st_mtime
            except FileNotFoundError:  # another process deleted it meanwhile
                continue
            yield Held(path.relative_to(self._folder).as_posix(), datetime.fromtimestamp(seconds, UTC))

    async def aclose(self) -> None:
        """There are none."""

    def _files(self) -> list[Path]:
        return [path for path in self._folder.rglob("*") if path.is_file()]

    def _path(self, key: str) -> Path:
        path = self._folder / key
        if ".." in path.parts or path == self._folder or self._folder not in path.parents:
            raise PicturesUnavailable(f"no key: {key!r}")
        return path
