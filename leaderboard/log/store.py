"""What is published of logs. Nothing above the newest checkpoint is."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from leaderboard.log.tiles import ENTRIES, WIDTH, Tile, write_bundle
from leaderboard.log.tree import read_tiles

_NEWEST = text("""
select p.note, array(select g.line from log_cosignatures g where g.contest_id = p.contest_id and g.size = p.size
  order by g.made_at, g.name) as lines
from log_checkpoints p where p.contest_id = :contest order by p.size desc limit 1
""")
_SIZE = text("select size from log_checkpoints where contest_id = :contest order by size desc limit 1")
_BUNDLE = text("""
select leaf from log_leaves where contest_id = :contest and index >= :first and index < :end order by index
""")
_KEYS = text("select key from log_keys where contest_id = :contest order by since desc, key")
_RULES = text("select document from log_rules where contest_id = :contest and version = :version")


class PublicLogs:
    """Reads what everybody may read."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def checkpoint(self, contest: UUID) -> str | None:
        """The newest checkpoint with its cosignatures; None before the first one."""
        async with self._engine.connect() as connection:
            row = (await connection.execute(_NEWEST, {"contest": contest})).one_or_none()
        return None if row is None else "".join((row.note, *(f"{line}\n" for line in row.lines)))

    async def tile(self, contest: UUID, tile: Tile) -> bytes | None:
        """A tile or bundle; None where the newest checkpoint has it not."""
        async with self._engine.connect() as connection:
            size = (await connection.execute(_SIZE, {"contest": contest})).scalar_one_or_none()
            if size is None or not tile.within(size):
                return None
            if tile.level == ENTRIES:
                return await _bundle(connection, contest, tile)
            return (await read_tiles(connection, contest, (tile,)))(tile)

    async def keys(self, contest: UUID) -> Sequence[str]:
        """Every key that signed, the newest first."""
        async with self._engine.connect() as connection:
            return list((await connection.execute(_KEYS, {"contest": contest})).scalars())

    async def rules(self, contest: UUID, version: int) -> str | None:
        """The document of a version of the rules."""
        async with self._engine.connect() as connection:
            asked = {"contest": contest, "version": version}
            return (await connection.execute(_RULES, asked)).scalar_one_or_none()


async def _bundle(connection: AsyncConnection, contest: UUID, tile: Tile) -> bytes:
    first = tile.index * WIDTH
    asked = {"contest": contest, "first": first, "end": first + tile.width}
    return write_bundle(leaf.encode() for leaf in (await connection.execute(_BUNDLE, asked)).scalars())
