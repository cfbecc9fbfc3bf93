"""What is published of logs. Nothing above the newest checkpoint is."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from leaderboard.log.tiles import ENTRIES, WIDTH, Tile, write_bundle
from leaderboard.log.tree import read_tiles
from leaderboard.log.words import words_of

# Connections of a process that readers of logs take.
READERS_MAX: Final = 2
_NEWEST: Final = text("""
select p.note, array(select g.line from log_cosignatures g where g.contest_id = p.contest_id and g.size = p.size
  order by g.made_at, g.name) as lines
from log_checkpoints p where p.contest_id = :contest order by p.size desc limit 1
""")
STATED: Final = """
select coalesce((
    select l.seq from log_leaves l where l.contest_id = p.contest_id and l.index < p.size and l.seq is not null
    order by l.index desc limit 1), 0) as entries,
  (select cast(cast(l.leaf as jsonb)->>'version' as integer) from log_leaves l
    where l.contest_id = p.contest_id and l.index < p.size and l.seq is null
      and cast(l.leaf as jsonb)->>'kind' = 'rules' order by l.index desc limit 1) as versions
"""
"""Entries of the tally and versions of the rules in the log that the checkpoint `p` states."""
SEALED: Final = """
{end} - k.began_index - 1 - (select count(*) from log_leaves l
  where l.contest_id = k.contest_id and l.index > k.began_index and l.index < {end} and l.seq is null
    and cast(l.leaf as jsonb)->>'kind' in ('rules', 'result'))
"""
"""How many leaves the key `k` seals, in a log up to `end`: all but versions of the rules and certified results."""
_STAND: Final = text(f"""
select p.size, p.root, p.made_at, s.entries, s.versions, k.sha256, k.began_at, {SEALED.format(end="p.size")} as sealed
from log_checkpoints p cross join lateral ({STATED}) s
  left join log_seals k on k.contest_id = p.contest_id and k.began_index < p.size
    and coalesce(k.opened_index, p.size) >= p.size
where p.contest_id = :contest order by p.size desc limit 1
""")
_COSIGNED: Final = text("""
select name, made_at from log_cosignatures where contest_id = :contest and size = :size order by made_at, name
""")
_SIZE: Final = text("select size from log_checkpoints where contest_id = :contest order by size desc limit 1")
_BUNDLE: Final = text("""
select leaf from log_leaves where contest_id = :contest and index >= :first and index < :end order by index
""")
_KEYS: Final = text("select key from log_keys where contest_id = :contest order by since desc, key")
_RULES: Final = text("select document from log_rules where contest_id = :contest and version = :version")


@dataclass(frozen=True, slots=True)
class Sealing:
    """Entries that are encrypted until the announcement. `since`: when the key was fixed; `sha256`: of it; `entries`:
    how many are sealed."""

    since: datetime
    sha256: str
    entries: int


@dataclass(frozen=True, slots=True)
class Stand:
    """What the newest checkpoint states. `entries`: leaves that are entries of the tally, `versions`: those that are
    versions of the rules; `words`: of the root; `cosigners`: names, with when each signed; `sealing`: None where
    nothing is sealed."""

    size: int
    entries: int
    versions: int
    words: tuple[str, ...]
    signed_at: datetime
    cosigners: tuple[tuple[str, datetime], ...]
    sealing: Sealing | None = None


class PublicLogs:
    """Reads what is public. Readers wait for each other: a mirror of a log takes no connection that a vote needs."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._turns = asyncio.Semaphore(READERS_MAX)

    @asynccontextmanager
    async def _reading(self) -> AsyncIterator[AsyncConnection]:
        async with self._turns, self._engine.connect() as connection:
            yield connection

    async def checkpoint(self, contest: UUID) -> str | None:
        """The newest checkpoint with its cosignatures; None before the first one."""
        async with self._reading() as connection:
            row = (await connection.execute(_NEWEST, {"contest": contest})).one_or_none()
        return None if row is None else "".join((row.note, *(f"{line}\n" for line in row.lines)))

    async def stand(self, contest: UUID) -> Stand | None:
        """The newest checkpoint in words; None before the first one."""
        async with self._reading() as connection:
            row = (await connection.execute(_STAND, {"contest": contest})).one_or_none()
            if row is None:
                return None
            signed = (await connection.execute(_COSIGNED, {"contest": contest, "size": row.size})).all()
        sealing = None if row.sha256 is None else Sealing(row.began_at, bytes(row.sha256).hex(), row.sealed)
        return Stand(
            row.size,
            row.entries,
            row.versions,
            words_of(bytes(row.root)),
            row.made_at,
            tuple((one.name, one.made_at) for one in signed),
            sealing,
        )

    async def tile(self, contest: UUID, tile: Tile) -> bytes | None:
        """A tile or bundle; None where the newest checkpoint has it not."""
        async with self._reading() as connection:
            size = (await connection.execute(_SIZE, {"contest": contest})).scalar_one_or_none()
            if size is None or not tile.within(size):
                return None
            if tile.level == ENTRIES:
                return await _bundle(connection, contest, tile)
            return (await read_tiles(connection, contest, (tile,)))(tile)

    async def keys(self, contest: UUID) -> Sequence[str]:
        """Every key that signed, the newest first."""
        async with self._reading() as connection:
            return list((await connection.execute(_KEYS, {"contest": contest})).scalars())

    async def rules(self, contest: UUID, version: int) -> str | None:
        """The document of a version of the rules."""
        async with self._reading() as connection:
            asked = {"contest": contest, "version": version}
            return (await connection.execute(_RULES, asked)).scalar_one_or_none()


async def _bundle(connection: AsyncConnection, contest: UUID, tile: Tile) -> bytes:
    first = tile.index * WIDTH
    asked = {"contest": contest, "first": first, "end": first + tile.width}
    return write_bundle(leaf.encode() for leaf in (await connection.execute(_BUNDLE, asked)).scalars())
