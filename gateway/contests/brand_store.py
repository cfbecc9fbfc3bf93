"""Statements of brands: of organisers, and of contests that have something of their own."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Row, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.contests.brand import Brand, BrandPart, BrandPicture
from gateway.storage.schema.contests import brands, contests, organisers
from gateway.values.scope import OneContest, Scope


@dataclass(frozen=True, slots=True)
class BrandOwner:
    """Whose brand it is: a contest's, or of an organiser for all its contests. `slug`, `name`: the contest's or the
    organiser's; `organiser_slug`, `organiser_name`: whose contest it is."""

    organiser_id: UUID
    contest_id: UUID | None
    slug: str
    name: str
    organiser_slug: str
    organiser_name: str

    @property
    def id(self) -> UUID:
        """Of the brand."""
        return self.contest_id or self.organiser_id


async def find_contest(connection: AsyncConnection, scope: Scope, slug: str) -> BrandOwner | None:
    """The contest of this slug within a scope."""
    asked = (contests.c.id, contests.c.name, organisers.c.id, organisers.c.slug, organisers.c.name)
    statement = select(*asked).join(organisers).where(contests.c.slug == slug)
    if scope is not None:
        statement = statement.where(contests.c.organiser_id == scope)
    if isinstance(scope, OneContest):
        statement = statement.where(contests.c.id == scope.contest)
    found = (await connection.execute(statement)).one_or_none()
    if found is None:
        return None
    contest_id, name, organiser_id, organiser_slug, organiser_name = found
    return BrandOwner(organiser_id, contest_id, slug, name, organiser_slug, organiser_name)


async def find_organiser(connection: AsyncConnection, scope: Scope, slug: str) -> BrandOwner | None:
    """The organiser of this slug within a scope."""
    statement = select(organisers).where(organisers.c.slug == slug)
    if scope is not None:
        statement = statement.where(organisers.c.id == scope)
    found = (await connection.execute(statement)).one_or_none()
    return None if found is None else BrandOwner(found.id, None, slug, found.name, slug, found.name)


async def slug_of(connection: AsyncConnection, organiser_id: UUID) -> str:
    """The slug of an organiser that is there."""
    return str(
        (await connection.execute(select(organisers.c.slug).where(organisers.c.id == organiser_id))).scalar_one()
    )


async def read_brands(connection: AsyncConnection, of: Collection[UUID] | None) -> Mapping[UUID, Brand]:
    """Brands by the id of their contest or organiser. `of`: of these organisers and their contests alone; None: all."""
    statement = select(brands)
    if of is not None:
        statement = statement.where(brands.c.organiser_id.in_(of))
    return {row.id: _brand(row) for row in await connection.execute(statement)}


async def lock_brand(connection: AsyncConnection, owner: BrandOwner) -> Brand:
    """The brand that is there, which nobody else changes until the end of this transaction."""
    row = {"id": owner.id, "organiser_id": owner.organiser_id, "contest_id": owner.contest_id}
    await connection.execute(upsert(brands).values(row).on_conflict_do_nothing())
    return _brand((await connection.execute(select(brands).where(brands.c.id == owner.id).with_for_update())).one())


async def write_colours(connection: AsyncConnection, owner: BrandOwner, accent: str, accent_dark: str) -> None:
    """Write the colours of a brand that is locked."""
    values = {"accent": accent, "accent_dark": accent_dark}
    await connection.execute(update(brands).where(brands.c.id == owner.id).values(values))


async def write_picture(
    connection: AsyncConnection, owner: BrandOwner, part: BrandPart, picture: BrandPicture | None
) -> None:
    """Write a picture of a brand that is locked, or that there is none."""
    values: dict[str, Any] = {
        part.value: None if picture is None else picture.address,
        f"{part.value}_widths": [] if picture is None else list(picture.widths),
        f"{part.value}_height": 0 if picture is None else picture.height,
    }
    if part is BrandPart.LOGO:
        values["logo_needs_white"] = picture is not None and picture.needs_white
    await connection.execute(update(brands).where(brands.c.id == owner.id).values(values))


async def is_used(connection: AsyncConnection, address: str) -> bool:
    """Whether any brand names this picture: copies of a contest name the same."""
    used = select(func.count()).select_from(brands).where(or_(brands.c.logo == address, brands.c.banner == address))
    return bool((await connection.execute(used)).scalar_one())


async def copy_brand(connection: AsyncConnection, source: UUID, contest_id: UUID) -> None:
    """A new contest has what another one has of its own. The source is not changed until the end of this
    transaction."""
    held = (await connection.execute(select(brands).where(brands.c.id == source).with_for_update())).one_or_none()
    if held is not None:
        row = {**held._mapping, "id": contest_id, "contest_id": contest_id}
        # Its colours may be there already, by its document.
        written = upsert(brands).values(row).on_conflict_do_update(index_elements=["id"], set_=row)
        await connection.execute(written)


def _brand(row: Row[Any]) -> Brand:
    logo = banner = None
    if row.logo is not None:
        logo = BrandPicture(row.logo, tuple(row.logo_widths), row.logo_height, row.logo_needs_white)
    if row.banner is not None:
        banner = BrandPicture(row.banner, tuple(row.banner_widths), row.banner_height)
    return Brand(row.accent, row.accent_dark, logo, banner)
