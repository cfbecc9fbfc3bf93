"""Brands are kept: a picture's files first, then the row that names them; last the files before are deleted.

What fails in between leaves files that no row names; the sweep of photos deletes them.
"""

import secrets
from collections.abc import Awaitable, Callable
from typing import Final

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from gateway.contests.brand import NO_BRAND, Brand, BrandPart, BrandPicture, read_colours
from gateway.contests.brand_store import (
    BrandOwner,
    find_contest,
    find_organiser,
    is_used,
    lock_brand,
    read_brands,
    slug_of,
    write_colours,
    write_picture,
)
from gateway.contests.pictures.resize_apart import Resizer
from gateway.contests.pictures.resizing import Shape
from gateway.storage.audit_log import note
from gateway.storage.engine import scoped
from gateway.storage.pictures import Pictures
from gateway.values.scope import Scope

_NAME_BYTES: Final = 16
_log = structlog.get_logger(__name__)
Find = Callable[[AsyncConnection, Scope, str], Awaitable[BrandOwner | None]]
OF_CONTEST: Final[Find] = find_contest
OF_ORGANISER: Final[Find] = find_organiser


class UnknownOwner(Exception):
    """There is no such contest or organiser within the scope."""


class Brands:
    """What is done with brands."""

    def __init__(self, engine: AsyncEngine, pictures: Pictures, resizer: Resizer) -> None:
        self._engine = engine
        self._pictures = pictures
        self._resizer = resizer

    async def read(self, find: Find, scope: Scope, slug: str) -> tuple[BrandOwner, Brand, Brand]:
        """Whose brand it is, what of it is its own, and what stands in for what it lacks. Raises UnknownOwner."""
        async with scoped(self._engine, scope) as connection:
            owner = await _owner(connection, find, scope, slug)
            held = await read_brands(connection, [owner.organiser_id])
        default = NO_BRAND if owner.contest_id is None else held.get(owner.organiser_id, NO_BRAND)
        return owner, held.get(owner.id, NO_BRAND), default

    async def organiser(self, scope: Scope) -> str | None:
        """The slug of a person's own organiser; None at the platform."""
        if scope is None:
            return None
        async with scoped(self._engine, scope) as connection:
            return await slug_of(connection, scope)

    async def set_colours(self, find: Find, scope: Scope, slug: str, typed: tuple[str, str], actor: str) -> None:
        """Make these the colours, both empty: none. Raises UnknownOwner, ColoursRefused; then nothing is changed."""
        async with scoped(self._engine, scope) as connection:
            owner = await _owner(connection, find, scope, slug)
            accent, accent_dark = read_colours(*typed)
            held = await lock_brand(connection, owner)
            await write_colours(connection, owner, accent, accent_dark)
            for what, before, after in (
                ("accent", held.accent, accent),
                ("accent_dark", held.accent_dark, accent_dark),
            ):
                if before != after:
                    await _note(connection, owner, actor, what, before, after)

    async def keep(self, find: Find, scope: Scope, slug: str, part: BrandPart, data: bytes, actor: str) -> None:
        """Make this the logo or banner, in place of the one there was. Raises UnknownOwner, PhotoRefused, OSError; then
        nothing is changed."""
        async with scoped(self._engine, scope) as connection:
            owner = await _owner(connection, find, scope, slug)
        made = await self._resizer.resize(data, Shape(part.value))
        stem = f"{owner.organiser_id.hex}/{secrets.token_urlsafe(_NAME_BYTES)}"
        for width, body in made.by_width.items():
            await self._pictures.put(f"{stem}-{width}.webp", body)
        picture = BrandPicture(self._pictures.address(stem), tuple(made.by_width), made.height, made.needs_white)
        await self._write(scope, owner, part, picture, actor)

    async def remove(self, find: Find, scope: Scope, slug: str, part: BrandPart, actor: str) -> None:
        """There is no logo or banner any more. Raises UnknownOwner."""
        async with scoped(self._engine, scope) as connection:
            owner = await _owner(connection, find, scope, slug)
        await self._write(scope, owner, part, None, actor)

    async def file(self, picture: BrandPicture, width: int) -> bytes | None:
        """A picture's file for so many pixels of a page; None where it is not ours any more. Raises OSError."""
        stem = self._pictures.stem(picture.address)
        return None if stem is None else await self._pictures.get(f"{stem}-{picture.size_for(width)}.webp")

    async def _write(
        self, scope: Scope, owner: BrandOwner, part: BrandPart, picture: BrandPicture | None, actor: str
    ) -> None:
        async with scoped(self._engine, scope) as connection:
            held = await lock_brand(connection, owner)
            former = held.logo if part is BrandPart.LOGO else held.banner
            if former is None and picture is None:
                return
            await write_picture(connection, owner, part, picture)
            before, after = ("" if one is None else one.address for one in (former, picture))
            await _note(connection, owner, actor, part.value, before, after)
            left = former is not None and not await is_used(connection, former.address)
        stem = self._pictures.stem(former.address) if former is not None and left else None
        if former is not None and stem is not None:
            try:
                await self._pictures.delete([f"{stem}-{width}.webp" for width in former.widths])
            except OSError as error:
                _log.warning("photo_deleted_later", error=type(error).__name__)


async def _owner(connection: AsyncConnection, find: Find, scope: Scope, slug: str) -> BrandOwner:
    owner = await find(connection, scope, slug)
    if owner is None:
        raise UnknownOwner(slug)
    return owner


async def _note(connection: AsyncConnection, owner: BrandOwner, actor: str, what: str, before: str, after: str) -> None:
    change = {"what": what, "before": before or "none", "after": after or "none"}
    act = "organiser.brand" if owner.contest_id is None else "contest.brand"
    await note(
        connection, actor=actor, act=act, subject=owner.slug, detail={"changes": [change]}, contest=owner.contest_id
    )
