"""What acts of staff wrote of a contest: the evidence for changes of its rules."""

from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

_WRITTEN: Final = text("select document from contest_rules where contest_id = :contest order by version desc limit 1")
_ACTS: Final = text("""
select c->>'what' as what, c->>'before' as before, c->>'after' as after
from audit_log a cross join lateral jsonb_array_elements(
  case jsonb_typeof(a.detail->'changes') when 'array' then a.detail->'changes' else '[]' end) with ordinality e(c, n)
where a.contest_id = :contest order by a.id, e.n
""")


async def acts_of(connection: AsyncConnection, contest: UUID) -> list[tuple[str, str | None, str]]:
    """What acts of staff changed in a contest, in their order."""
    rows = await connection.execute(_ACTS, {"contest": contest})
    return [(row.what, row.before, row.after) for row in rows if row.what is not None]


async def written_rules(connection: AsyncConnection, contest: UUID) -> Mapping[str, Any]:
    """The newest version of the rules that an act wrote; empty where none did."""
    found = (await connection.execute(_WRITTEN, {"contest": contest})).scalar_one_or_none()
    return {} if found is None else found
