"""Where the due work of a table begins.

An index keeps the entries of what is done for as long as an older snapshot may see them: while a backup, an audit or a
report runs. In an index of due work they all lie before the oldest piece that is left, so a look that begins there does
not read them. In a rush they cost a look more than all else after some seconds, and more as the snapshot gets older.
"""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from gateway.storage.direct import Direct

READ_SECONDS: Final = 5.0
READ_ALL_SECONDS: Final = 60.0
# A row may be committed so long after the moment from which it is due: looks allow for the first, readings of the head
# for the second.
_COMMITTED_SECONDS: Final = 5
_COMMITTED_LATE: Final = timedelta(seconds=30)
_EVER: Final = datetime(2000, 1, 1, tzinfo=UTC)


def _head_of(table: str, column: str, waiting: str) -> Direct:
    """`column`: when a row of `table` that is `waiting`, a condition, is due."""
    return Direct(
        text(f"""
select least(min({column}), now() - interval '{_COMMITTED_SECONDS} seconds') from {table}
where {waiting} and {column} >= :since
""")
    )


TO_COLLECT: Final = _head_of("payments", "next_check_at", "status = 'created'")
TO_VERIFY: Final = _head_of("payments", "next_check_at", "status in ('sent','pending','expired','failed')")
TEXTS_OUT: Final = _head_of("messages_out", "next_try_at", "status in ('due','sending','unknown')")


class QueueHead:
    """The head of one kind of work, in one process. `statement`: one of those above; `clock`: monotonic seconds."""

    def __init__(self, statement: Direct, clock: Callable[[], float] = time.monotonic) -> None:
        self._statement = statement
        self._clock = clock
        self._since = _EVER
        self._read_at = self._read_all_at = float("-inf")

    async def since(self, where: AsyncEngine | AsyncConnection) -> datetime:
        """Nothing is due from before this moment, but for what was written as due in the past: that is found within
        `READ_ALL_SECONDS`."""
        now = self._clock()
        if now - self._read_at >= READ_SECONDS:
            everything = now - self._read_all_at >= READ_ALL_SECONDS
            since = _EVER if everything else self._since - _COMMITTED_LATE
            [(self._since,)] = await self._statement.rows(where, {"since": since})
            self._read_at = now
            if everything:
                self._read_all_at = now
        return self._since
