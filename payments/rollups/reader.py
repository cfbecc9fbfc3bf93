"""Reads an append-only table behind those who write it, batch by batch, so that each row of it is summed once.

Sums, and the position up to which they go, are written in one transaction: what is summed and what is not yet are one
answer in any snapshot.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Final

import orjson
from sqlalchemy import TextClause, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from gateway.storage.rows import document
from payments.rollups.rules import Gap, Position, advance

BATCH: Final = 5_000
# Up to when all is read is kept that exactly.
_OLD: Final = "read_at < now() - interval '10 seconds'"


def batch_of(source: str) -> str:
    """The rows of a table that come next, and those of the gaps that are there now. Takes :rows, :seen, :limit."""
    return f"""
  select e.* from json_to_recordset(cast(:rows as json)) as g(low bigint, high bigint)
    join {source} e on e.id between g.low and g.high
  union all (select * from {source} where id > :seen order by id limit :limit)"""


def read_of(source: str, position: str) -> str:
    """The rows of a table that are summed."""
    return f"""
  select e.* from {source} e, {position} o where e.id <= o.seen and not exists (
    select 1 from jsonb_to_recordset(o.gaps) as g(low bigint, high bigint) where e.id between g.low and g.high)"""


@dataclass(frozen=True, slots=True)
class Source:
    """An append-only table with ascending numbers. `position`: the table of how far it is read; `lock`: held by who
    reads; `advance`: reads `batch_of` it and answers `ids` and `now`; `sums`: the tables that are written."""

    name: str
    position: str
    lock: int
    advance: TextClause
    sums: tuple[str, ...]


class Reader:
    """Keeps the sums of one table. One process at a time; another one leaves it alone."""

    def __init__(self, engine: AsyncEngine, source: Source) -> None:
        self.source = source
        self._engine = engine
        self._auto = engine.execution_options(isolation_level="AUTOCOMMIT")
        # By the end of an index, whatever the planner thinks of how many rows there are behind a number.
        self._due = text(f"""
select coalesce((select max(id) from {source.name}), 0) > seen or gaps <> '[]' or {_OLD} from {source.position}""")
        self._position = text(f"""
select pg_try_advisory_xact_lock({source.lock}) as mine, seen, gaps, {_OLD} as old
from {source.position}""")
        self._keeping = text(f"update {source.position} set seen = :seen, gaps = cast(:gaps as jsonb), read_at = now()")

    async def catch_up(self) -> int:
        """Read what was written since, batch by batch; how many rows."""
        # This runs each second, mostly for nothing: one statement without a transaction.
        async with self._auto.connect() as connection:
            if not (await connection.execute(self._due)).scalar_one():
                return 0
        total = 0
        while True:
            read = await self._step()
            total += read
            if read < BATCH:
                return total

    async def rebuild(self, progress: Callable[[int, int], None]) -> int:
        """Begin again with the first row; how many there were. `progress`: takes the number of the last row that was
        read, and of the last one there is. Interrupted, it goes on where it was, here or in a worker."""
        async with self._engine.begin() as connection:
            await connection.execute(text("select pg_advisory_xact_lock(:lock)"), {"lock": self.source.lock})
            for table in self.source.sums:
                await connection.execute(text(f"delete from {table}"))
            await self._keep(connection, Position())
            newest = text(f"select coalesce(max(id), 0) from {self.source.name}")
            last: int = (await connection.execute(newest)).scalar_one()
        total = 0
        while True:
            read = await self._step()
            total += read
            seen = await self.seen()
            progress(min(seen, last), last)
            if seen >= last:
                return total
            if not read:  # a worker reads them meanwhile
                await asyncio.sleep(0.2)

    async def seen(self) -> int:
        """The number of the last row that was read."""
        async with self._engine.connect() as connection:
            return int((await connection.execute(text(f"select seen from {self.source.position}"))).scalar_one())

    async def _step(self) -> int:
        """One batch in one transaction; 0 while another process does it."""
        async with self._engine.begin() as connection:
            held = (await connection.execute(self._position)).one()
            if not held.mine:
                return 0
            before = Position(held.seen, tuple(map(_gap, held.gaps)))
            asked = {**document(map(asdict, before.gaps)), "seen": before.seen, "limit": BATCH}
            done = (await connection.execute(self.source.advance, asked)).one()
            after = advance(before, done.ids, done.now)
            if after != before or held.old:
                await self._keep(connection, after)
        return len(done.ids)

    async def _keep(self, connection: AsyncConnection, position: Position) -> None:
        gaps = orjson.dumps([asdict(gap) for gap in position.gaps]).decode()
        await connection.execute(self._keeping, {"seen": position.seen, "gaps": gaps})


def _gap(kept: Mapping[str, Any]) -> Gap:
    return Gap(kept["low"], kept["high"], datetime.fromisoformat(kept["since"]))
