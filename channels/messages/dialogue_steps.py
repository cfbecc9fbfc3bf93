"""How many dialogues come how far, by contest and minute: counted in memory, and added to PostgreSQL every few seconds,
under the minute in which these began.

What a process had not written when it was killed is lost: a few dialogues are missing in a chart.
"""

import asyncio
from collections import Counter
from collections.abc import Callable
from datetime import datetime
from enum import StrEnum
from typing import Final
from uuid import UUID

import structlog
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from gateway.storage.rows import document, recordset

WRITE_AFTER_SECONDS: Final = 5.0
# So many different counts are kept while PostgreSQL is away.
WAITING_MAX: Final = 50_000
_log = structlog.get_logger(__name__)

_COLUMNS: Final = "contest_id uuid, at timestamptz, step text, many bigint"
# In the order of their keys, so that two processes do not wait for each other in a circle.
_ADD: Final = text(f"""
insert into dialogue_steps as d (contest_id, at, step, many)
select contest_id, at, step, many from {recordset(_COLUMNS)} order by 1, 2, 3
on conflict (contest_id, at, step) do update set many = d.many + excluded.many
""")


class DialogueStep(StrEnum):
    """How far a dialogue came. The next steps are the order's."""

    DIALLED = "dialled"  # the first screen of the contest
    CHOSEN = "chosen"  # a candidate
    CONFIRMING = "confirming"  # what is bought and its price were shown


_Key = tuple[UUID, datetime, DialogueStep]


class DialogueSteps:
    """Counts of this process."""

    def __init__(
        self, engine: AsyncEngine, clock: Callable[[], datetime], *, write_after: float = WRITE_AFTER_SECONDS
    ) -> None:
        """`write_after`: seconds."""
        self._engine = engine
        self._clock = clock
        self._since = clock()
        self._write_after = write_after
        self._counts: Counter[tuple[UUID, DialogueStep]] = Counter()
        self._late: Counter[_Key] = Counter()
        self._writing: asyncio.Task[None] | None = None

    def note(self, contest_id: UUID, step: DialogueStep) -> None:
        """Count a dialogue that came so far; never blocks and never raises."""
        self._counts[contest_id, step] += 1
        if self._writing is None:
            self._since = self._clock()
            self._writing = asyncio.get_running_loop().create_task(self._write_later())

    async def _write_later(self) -> None:
        try:
            while self._counts or self._late:
                await asyncio.sleep(self._write_after)
                await self.write()
        finally:
            self._writing = None

    async def write(self) -> None:
        """Add what was counted. What cannot be written waits for the next time."""
        taken, self._late = self._late, Counter()
        at = self._since.replace(second=0, microsecond=0)
        taken.update({(contest_id, at, step): many for (contest_id, step), many in self._counts.items()})
        self._counts.clear()
        self._since = self._clock()
        if not taken:
            return
        rows = [{"contest_id": c, "at": at, "step": step.value, "many": many} for (c, at, step), many in taken.items()]
        try:
            async with self._engine.begin() as connection:
                await connection.execute(_ADD, document(rows))
        except (SQLAlchemyError, OSError) as error:
            self._late = Counter(dict(taken.most_common(WAITING_MAX)))
            _log.warning("steps_not_written", error=type(error).__name__, waiting=len(taken))

    async def aclose(self) -> None:
        """Write what is left."""
        if self._writing is not None:
            self._writing.cancel()
            await asyncio.gather(self._writing, return_exceptions=True)
        await self.write()
