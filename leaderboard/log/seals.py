"""The keys under which entries of a log are sealed, as staff read them, and their release."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from pydantic import Field
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.http.endpoint import ApiModel
from leaderboard.log.store import SEALED

_SEALS: Final = text(f"""
select k.began_at, encode(k.sha256, 'hex') as sha256, k.released_at, k.asked_by, k.agreed_by,
  {SEALED.format(end="coalesce(k.opened_index, h.size)")} as entries
from log_seals k join log_heads h on h.contest_id = k.contest_id where k.contest_id = :contest order by k.number desc
""")
_RELEASE: Final = text("""
update log_seals set released_at = now(), asked_by = :asked_by, agreed_by = :agreed_by
where contest_id = :contest and opened_index is null and released_at is null
""")


class Seal(ApiModel):
    """Entries of the public log that are encrypted under one key."""

    began_at: datetime = Field(description="When the log stated the hash of the key.")
    sha256: str = Field(description="Of the key, in hexadecimal, as the log has it.")
    entries: int = Field(description="How many entries are encrypted under it.")
    released_at: datetime | None = Field(description="When two persons announced; the log has the key since.")
    asked_by: str | None
    agreed_by: str | None


async def seals_of(connection: AsyncConnection, contest: UUID) -> Sequence[Seal]:
    """Those of a contest, the latest first."""
    rows = await connection.execute(_SEALS, {"contest": contest})
    return [Seal.model_validate(row._asdict()) for row in rows]


async def release(connection: AsyncConnection, contest: UUID, asked_by: str, agreed_by: str) -> None:
    """Let the log publish the key, where one is in use."""
    await connection.execute(_RELEASE, {"contest": contest, "asked_by": asked_by, "agreed_by": agreed_by})
