"""A log as a recount kit: one ZIP, made while it is read, so that no kit is ever whole in memory.

What it holds is only ever added to, so each part is read by itself and nothing is held open for a slow reader.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from importlib.resources import files
from typing import IO, Any, Final, cast
from uuid import UUID
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

from sqlalchemy import Row, TextClause, text
from sqlalchemy.ext.asyncio import AsyncEngine

from leaderboard.log.merkle import HASH_BYTES
from leaderboard.log.store import STATED
from leaderboard.log.tiles import WIDTH

# Leaves, tiles and checkpoints of one statement.
_LEAVES: Final = 4_096
_TILES: Final = 128
_NOTES: Final = 512
# Of the files once they are unpacked: by all, changed by their owner.
_READABLE: Final = 0o644

_CHECKPOINT: Final = text(f"""
select p.size, p.made_at, s.versions,
  (select count(*) from certified_results v where v.contest_id = p.contest_id and v.leaf < p.size) as results
from log_checkpoints p cross join lateral ({STATED}) s
where p.contest_id = :contest and (p.size = :size or cast(:size as bigint) is null) order by p.size desc limit 1
""")
_NOTES_OF: Final = text(f"""
select p.size, p.note, array(select g.line from log_cosignatures g where g.contest_id = p.contest_id and g.size = p.size
  order by g.made_at, g.name) as lines
from log_checkpoints p where p.contest_id = :contest and p.size > :after and p.size <= :size
order by p.size limit {_NOTES}
""")
_LEAVES_OF: Final = text("""
select leaf from log_leaves where contest_id = :contest and index >= :first and index < :end order by index
""")
_TILES_OF: Final = text("""
select hashes from log_tiles where contest_id = :contest and level = 0 and number >= :first and number < :end
order by number
""")
_RULES: Final = text("select document from log_rules where contest_id = :contest and version = :version")
_RESULT: Final = text("select document from certified_results where contest_id = :contest and number = :number")
_KEYS: Final = text("select key from log_keys where contest_id = :contest order by since desc, key")

File = tuple[str, AsyncIterator[bytes]]


@dataclass(frozen=True, slots=True)
class Kit:
    """The kit of a checkpoint. `size`: of the log then; `versions`: of the rules in it; `results`: how many certified
    ones."""

    contest: UUID
    size: int
    versions: int
    results: int
    made_at: datetime


class Kits:
    """Makes kits of what is published."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def find(self, contest: UUID, size: int | None = None, *, hidden: bool = False) -> Kit | None:
        """The kit of the checkpoint of this size, or of the newest one; None where there is none. `hidden`: without
        what shows figures."""
        rows = await self._rows(_CHECKPOINT, contest=contest, size=size)
        if not rows:
            return None
        return Kit(contest, rows[0].size, rows[0].versions, 0 if hidden else rows[0].results, rows[0].made_at)

    async def packed(self, kit: Kit) -> AsyncGenerator[bytes, None]:
        """The ZIP in pieces."""
        sink = _Sink()
        with ZipFile(cast("IO[bytes]", sink), "w") as archive:
            for name, parts in self._files(kit):
                entry = ZipInfo(name, kit.made_at.timetuple()[:6])
                entry.compress_type, entry.external_attr = ZIP_DEFLATED, _READABLE << 16
                with archive.open(entry, "w", force_zip64=True) as file:
                    async for part in parts:
                        await asyncio.to_thread(file.write, part)
                        if made := sink.taken():
                            yield made
        yield sink.taken()

    def _files(self, kit: Kit) -> list[File]:
        """The files in the order in which a reader wants them."""
        return [
            *((name, _shipped(__package__, name)) for name in ("README.txt", "recount.py")),
            ("words.txt", _shipped("leaderboard.log", "words.txt")),
            ("keys.txt", self._keys(kit)),
            *((f"rules/{version}.json", self._rules(kit, version)) for version in range(1, kit.versions + 1)),
            *((f"results/{number}.json", self._results(kit, number)) for number in range(1, kit.results + 1)),
            ("checkpoints.txt", self._checkpoints(kit)),
            ("leaves.ndjson", self._leaves(kit)),
            ("hashes", self._hashes(kit)),
        ]

    async def _rows(self, statement: TextClause, **asked: object) -> list[Row[Any]]:
        async with self._engine.connect() as connection:
            return list((await connection.execute(statement, asked)).all())

    async def _keys(self, kit: Kit) -> AsyncIterator[bytes]:
        yield "".join(f"{row.key}\n" for row in await self._rows(_KEYS, contest=kit.contest)).encode()

    async def _rules(self, kit: Kit, version: int) -> AsyncIterator[bytes]:
        for row in await self._rows(_RULES, contest=kit.contest, version=version):
            yield row.document.encode()

    async def _results(self, kit: Kit, number: int) -> AsyncIterator[bytes]:
        for row in await self._rows(_RESULT, contest=kit.contest, number=number):
            yield row.document.encode()

    async def _checkpoints(self, kit: Kit) -> AsyncIterator[bytes]:
        after = -1
        while rows := await self._rows(_NOTES_OF, contest=kit.contest, after=after, size=kit.size):
            notes = ["".join((row.note, *(f"{line}\n" for line in row.lines))) for row in rows]
            yield ("\n" * (after >= 0) + "\n".join(notes)).encode()
            after = rows[-1].size

    async def _leaves(self, kit: Kit) -> AsyncIterator[bytes]:
        for first in range(0, kit.size, _LEAVES):
            rows = await self._rows(_LEAVES_OF, contest=kit.contest, first=first, end=min(first + _LEAVES, kit.size))
            yield "".join(f"{row.leaf}\n" for row in rows).encode()

    async def _hashes(self, kit: Kit) -> AsyncIterator[bytes]:
        """Tiles of level 0; the last one may have grown since."""
        left = kit.size * HASH_BYTES
        for first in range(0, -(-kit.size // WIDTH), _TILES):
            rows = await self._rows(_TILES_OF, contest=kit.contest, first=first, end=first + _TILES)
            part = b"".join(bytes(row.hashes) for row in rows)[:left]
            left -= len(part)
            yield part


async def _shipped(package: str, name: str) -> AsyncIterator[bytes]:
    yield files(package).joinpath(name).read_bytes()


class _Sink:
    """What was written since it was last asked."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def write(self, part: bytes, /) -> int:
        self._parts.append(bytes(part))
        return len(part)

    def flush(self) -> None:
        """Nothing is held back."""

    def taken(self) -> bytes:
        made, self._parts = b"".join(self._parts), []
        return made
