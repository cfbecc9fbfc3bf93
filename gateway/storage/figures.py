"""Business figures from PostgreSQL, which all processes share."""

from collections.abc import Mapping
from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from gateway.ports.figures import ContestFigures, Figures
from gateway.storage.owed import PostgresOwed

_CONTESTS: Final = text("""
select c.slug, c.currency, coalesce(sum(t.votes), 0) as votes, coalesce(sum(t.amount_minor), 0) as collected
from contests c left join candidate_totals t on t.contest_id = c.id group by c.slug, c.currency order by c.slug
""")

# Unfinished states only: each is the head of a partial index, however many payments are done.
_PAYMENTS: Final = text("""
select provider, status, count(*) as many from payments
where status in ('created', 'sent', 'pending') or status = 'confirmed' or status in ('surplus', 'mismatched')
group by 1, 2
""")

_TEXTS: Final = text("""
select status, count(*) as many from messages_out
where status in ('due', 'sending', 'unknown') and next_try_at is not null group by 1
""")


class PostgresFigures:
    """`FigureStore`."""

    def __init__(self, engine: AsyncEngine, owed: PostgresOwed) -> None:
        self._engine = engine
        self._owed = owed

    async def figures(self) -> Figures:
        """Everything, read one after the other."""
        async with self._engine.connect() as connection:
            contests = (await connection.execute(_CONTESTS)).all()
            payments = (await connection.execute(_PAYMENTS)).all()
            texts = (await connection.execute(_TEXTS)).all()
        owed: Mapping[str, float] = {work.value: age for work, age in (await self._owed.owed()).items()}
        return Figures(
            contests=tuple(ContestFigures(r.slug, r.currency, int(r.votes), int(r.collected)) for r in contests),
            payments={(row.provider, row.status): row.many for row in payments},
            owed_seconds=owed,
            texts={row.status: row.many for row in texts},
        )
