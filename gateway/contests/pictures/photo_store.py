"""Statements of candidates' uploaded photos."""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import select, text, true, update
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.contests.contest import CandidateStatus, Picture, called
from gateway.contests.directory import picture_of
from gateway.storage.schema.contests import candidates, contests
from gateway.values.scope import Scope


@dataclass(frozen=True, slots=True)
class Portrayed:
    """A candidate and the photo there is. `photo_url`: an address elsewhere, which stands while there is no `photo`."""

    id: UUID
    contest_id: UUID
    organiser_id: UUID
    code: str
    name: str
    status: CandidateStatus
    photo: Picture | None
    photo_url: str | None

    @property
    def called(self) -> str:
        """How staff read of them."""
        return called(self.code, self.name)


async def read_portrayed(connection: AsyncConnection, scope: Scope, slug: str) -> list[Portrayed]:
    """The candidates of a contest within a scope, by code; empty where there is no such contest."""
    statement = (
        select(candidates, contests.c.organiser_id)
        .join(contests, contests.c.id == candidates.c.contest_id)
        .where(contests.c.slug == slug, true() if scope is None else contests.c.organiser_id == scope)
        .order_by(candidates.c.code)
    )
    return [
        Portrayed(
            row.id,
            row.contest_id,
            row.organiser_id,
            row.code,
            row.name,
            CandidateStatus(row.status),
            picture_of(row),
            row.photo_url,
        )
        for row in await connection.execute(statement)
    ]


async def write_photo(connection: AsyncConnection, candidate_id: UUID, photo: Picture | None) -> Picture | None:
    """Write the photo of a candidate, or that there is none; the photo that it had. Waits for others who write it."""
    held = (await connection.execute(select(candidates).where(candidates.c.id == candidate_id).with_for_update())).one()
    await connection.execute(update(candidates).where(candidates.c.id == candidate_id).values(columns_of(photo)))
    return picture_of(held)


def columns_of(photo: Picture | None) -> dict[str, object]:
    """A photo as columns of a row."""
    return {
        "photo": None if photo is None else photo.address,
        "photo_sides": [] if photo is None else list(photo.sides),
        "photo_blur": None if photo is None else photo.blur,
    }


_ADDRESSES = text("""
select photo from candidates where photo is not null
union all select logo from brands where logo is not null
union all select banner from brands where banner is not null
union all select photo from candidate_corrections where photo is not null
""")


async def read_addresses(connection: AsyncConnection) -> frozenset[str]:
    """Addresses of all photos that any candidate has or asks for, and of all logos and banners."""
    return frozenset((await connection.execute(_ADDRESSES)).scalars())
