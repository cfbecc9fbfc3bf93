"""Photos of candidates are kept: the squares first, then the row that names them; last the squares before are deleted.

What fails in between leaves squares that no row names; `sweep` deletes them.
"""

import secrets
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from gateway.contests.contest import Picture
from gateway.contests.pictures.photo_store import Portrayed, read_addresses, read_portrayed, write_photo
from gateway.contests.pictures.resize_apart import Resizer
from gateway.storage.audit_log import note
from gateway.storage.engine import scoped
from gateway.storage.pictures import Pictures
from gateway.values.scope import Scope

# Younger squares may be those of a photo whose row is only being written.
ORPHAN_AGE: Final = timedelta(hours=1)
_NAME_BYTES: Final = 16
_log = structlog.get_logger(__name__)


class UnknownCandidate(Exception):
    """There is no such candidate within the scope."""


class Photos:
    """What is done with candidates' photos."""

    def __init__(self, engine: AsyncEngine, pictures: Pictures, resizer: Resizer) -> None:
        self._engine = engine
        self._pictures = pictures
        self._resizer = resizer

    async def portrayed(self, scope: Scope, slug: str) -> list[Portrayed]:
        """The candidates of a contest with their photos, by code; empty where there is no such contest."""
        async with scoped(self._engine, scope) as connection:
            return await read_portrayed(connection, scope, slug)

    async def candidate(self, scope: Scope, slug: str, code: str) -> Portrayed:
        """A candidate. Raises UnknownCandidate."""
        for one in await self.portrayed(scope, slug):
            if one.code == code:
                return one
        raise UnknownCandidate(f"{slug} {code}")

    async def keep(self, scope: Scope, slug: str, code: str, data: bytes, actor: str) -> Picture:
        """Make this a candidate's photo, in place of the one there was. Raises UnknownCandidate, PhotoRefused,
        OSError; then nothing is changed."""
        candidate = await self.candidate(scope, slug, code)
        photo = await self.make(candidate.organiser_id, data)
        await self._write(scope, candidate, slug, photo, actor)
        return photo

    async def make(self, organiser_id: UUID, data: bytes) -> Picture:
        """The squares of a file, which no row names yet. Raises PhotoRefused, OSError."""
        resized = await self._resizer.resize(data)
        stem = f"{organiser_id.hex}/{secrets.token_urlsafe(_NAME_BYTES)}"
        for side, body in resized.by_width.items():
            await self._pictures.put(_key(stem, side), body)
        return Picture(self._pictures.address(stem), tuple(resized.by_width), resized.blur)

    async def remove(self, scope: Scope, slug: str, code: str, actor: str) -> None:
        """A candidate has no uploaded photo any more. Raises UnknownCandidate."""
        candidate = await self.candidate(scope, slug, code)
        if candidate.photo is not None:
            await self._write(scope, candidate, slug, None, actor)

    async def _write(self, scope: Scope, candidate: Portrayed, slug: str, photo: Picture | None, actor: str) -> None:
        async with scoped(self._engine, scope) as connection:
            former = await write_noted(
                connection, candidate.id, photo, (candidate.contest_id, slug, candidate.code), actor
            )
        await self.forget(former)

    async def forget(self, photo: Picture | None) -> None:
        """Delete the squares of a photo that no row names any more."""
        stem = None if photo is None else self._pictures.stem(photo.address)
        if photo is not None and stem is not None:
            try:
                await self._pictures.delete([_key(stem, side) for side in photo.sides])
            except OSError as error:
                _log.warning("photo_deleted_later", error=type(error).__name__)

    async def sweep(self) -> int:
        """Delete the squares that no candidate's row names; how many. Raises OSError."""
        before = datetime.now(UTC) - ORPHAN_AGE
        old = [held.key async for held in self._pictures.held() if held.since < before]
        async with self._engine.connect() as connection:
            named = {self._pictures.stem(address) for address in await read_addresses(connection)}
        orphans = [key for key in old if key.rpartition("-")[0] not in named]
        await self._pictures.delete(orphans)
        if orphans:
            _log.info("photos_swept", files=len(orphans))
        return len(orphans)


async def write_noted(
    connection: AsyncConnection, candidate_id: UUID, photo: Picture | None, of: tuple[UUID, str, str], actor: str
) -> Picture | None:
    """Write the photo of a candidate, or that there is none, with its line in the audit log; the photo that it had.
    `of`: id and slug of the contest, and the code."""
    contest_id, slug, code = of
    former = await write_photo(connection, candidate_id, photo)
    before, after = ("none" if one is None else one.address for one in (former, photo))
    change = {"what": f"candidate {code} photo", "before": before, "after": after}
    detail = {"changes": [change]}
    await note(connection, actor=actor, act="candidate.photo", subject=slug, detail=detail, contest=contest_id)
    return former


def _key(stem: str, side: int) -> str:
    return f"{stem}-{side}.webp"
