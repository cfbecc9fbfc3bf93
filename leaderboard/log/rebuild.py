"""What is derived of a log's leaves, made again of them: its tiles, and how far it has come."""

from collections.abc import Callable, Sequence
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from leaderboard.log.build import LOCK, LOCK_SPACE
from leaderboard.log.leaf import RulesLeaf, read_leaf
from leaderboard.log.merkle import leaf_hash
from leaderboard.log.tiles import Edge
from leaderboard.log.tree import keep_tiles

_PAGE: Final = 4_096
_LOGS: Final = text("""
select c.id, c.slug, coalesce(p.size, 0) as signed, p.root, p.made_at,
  coalesce((select max(l.index) + 1 from log_leaves l where l.contest_id = c.id), 0) as size
from log_heads h join contests c on c.id = h.contest_id
  left join lateral (select * from log_checkpoints where contest_id = c.id order by size desc limit 1) p on true
order by c.slug
""")
_LEAVES: Final = text("""
select seq, leaf from log_leaves where contest_id = :contest and index >= :first and index < :end order by index
""")
_HEAD: Final = text("""
update log_heads set size = :size, rules_version = :versions, next_seq = :next_seq, signed_size = :signed,
  signed_at = :made_at
where contest_id = :contest
""")


class LeavesBroken(Exception):
    """The leaves of a log are not those that were signed; nothing of it was changed."""


async def rebuild_logs(engine: AsyncEngine, progress: Callable[[str, int, int], None]) -> dict[str, int]:
    """Make tiles and heads of every log again; contest → leaves. A builder waits meanwhile. LeavesBroken.

    `progress`: called with a contest, leaves done and leaves in all."""
    async with engine.connect() as connection:
        logs = (await connection.execute(_LOGS)).all()
    done = {}
    for log in logs:
        async with engine.begin() as connection:
            turn = (await connection.execute(LOCK, {"space": LOCK_SPACE, "contest": log.id})).one()
            if not turn.locked:
                raise LeavesBroken(f"{log.slug}: another process is writing this log; try again")
            edge, versions, entries = Edge(), 0, 0
            for end in sorted({*range(0, log.size, _PAGE), log.signed, log.size} - {0}):
                edge, rows = await _read_to(connection, log.id, edge, end)
                entries += sum(row.seq is not None for row in rows)
                versions += sum(isinstance(read_leaf(row.leaf.encode()), RulesLeaf) for row in rows if row.seq is None)
                if end == log.signed and edge.root != bytes(log.root):
                    raise LeavesBroken(f"{log.slug}: the leaves are not those that were signed; see `audit log`")
                progress(log.slug, edge.size, log.size)
            state = {
                "size": edge.size,
                "next_seq": entries + 1,
                "versions": versions,
                "signed": log.signed,
                "made_at": log.made_at,
            }
            await connection.execute(_HEAD, {**state, "contest": log.id})
            done[log.slug] = edge.size
    return done


async def _read_to(connection: AsyncConnection, contest: UUID, edge: Edge, end: int) -> tuple[Edge, Sequence[Row[Any]]]:
    """The edge with the leaves up to `end`, whose tiles are kept, and these leaves."""
    rows = (await connection.execute(_LEAVES, {"contest": contest, "first": edge.size, "end": end})).all()
    if len(rows) < end - edge.size:
        raise LeavesBroken(f"a leaf is missing between {edge.size} and {end}; see `audit log`")
    grown, made = edge.append(leaf_hash(row.leaf.encode()) for row in rows)
    await keep_tiles(connection, contest, made)
    return grown, rows
