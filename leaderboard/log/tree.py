"""The tree of a log as it is kept: tiles that grow. They begin with the partial tiles of every smaller tree."""

from collections.abc import Callable, Iterable
from typing import Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.storage.rows import document, recordset
from leaderboard.log.merkle import HASH_BYTES, ReadSubtree
from leaderboard.log.tiles import ReadTile, Tile, edge_of, subtrees, tiles_read

_TILES: Final = text(f"""
select t.level, t.number, t.hashes from {recordset("level integer, number bigint")}
  join log_tiles t on t.contest_id = :contest and t.level = a.level and t.number = a.number
""")
_KEEP: Final = text(f"""
insert into log_tiles (contest_id, level, number, hashes)
select cast(:contest as uuid), level, number, hashes
from {recordset("level integer, number bigint, hashes bytea")}
on conflict (contest_id, level, number) do update set hashes = excluded.hashes
""")


class TreeBroken(Exception):
    """Tiles that a tree of this size has are missing, or too short."""


async def read_tiles(connection: AsyncConnection, contest: UUID, wanted: Iterable[Tile]) -> ReadTile:
    """These tiles. Reading from the result raises TreeBroken for one that is not there, or too short."""
    rows = [{"level": tile.level, "number": tile.index} for tile in wanted]
    found = await connection.execute(_TILES, {**document(rows), "contest": contest}) if rows else ()
    kept = {(row.level, row.number): bytes(row.hashes) for row in found}

    def read(tile: Tile) -> bytes:
        hashes = kept.get((tile.level, tile.index), b"")[: tile.width * HASH_BYTES]
        if len(hashes) < tile.width * HASH_BYTES:
            raise TreeBroken(f"tile {tile.path} of the log of contest {contest} is not there")
        return hashes

    return read


async def read_edge(connection: AsyncConnection, contest: UUID, size: int) -> ReadTile:
    """The tiles that appending to a tree of this size needs."""
    return await read_tiles(connection, contest, edge_of(size))


async def read_subtrees(
    connection: AsyncConnection, contest: UUID, size: int, prove: Callable[[ReadSubtree], object]
) -> ReadSubtree:
    """The hashes that a proof in a tree of this size is made of."""
    return subtrees(size, await read_tiles(connection, contest, tiles_read(size, prove)))


async def keep_tiles(connection: AsyncConnection, contest: UUID, made: Iterable[tuple[Tile, bytes]]) -> None:
    """Write tiles, new ones and those that grew."""
    rows = [{"level": tile.level, "number": tile.index, "hashes": hashes} for tile, hashes in made]
    if rows:
        await connection.execute(_KEEP, {**document(rows), "contest": contest})
