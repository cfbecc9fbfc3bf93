"""What coroutine tests of one process share: a loop, and connections to the databases that are lent to them.

A new connection is a new process of PostgreSQL, which reads its catalogs and plans each statement again. That is most
of what a short test asks of it.
"""

import asyncio
from typing import Any, Final

import asyncpg
import uvloop

# Statements that a connection keeps prepared.
_STATEMENTS: Final = 1_000


class _Loop(uvloop.Loop):
    """A loop for one test after the other. Each has its own runner, which ends the tasks of that test."""

    def close(self) -> None:
        """Not yet."""

    async def shutdown_asyncgens(self) -> None:
        """Not yet: a loop does it once."""

    async def shutdown_default_executor(self, timeout: float | None = None) -> None:  # noqa: ASYNC109 - its name there
        """Not yet: a loop does it once."""

    def close_now(self) -> None:
        self.run_until_complete(super().shutdown_asyncgens())
        self.run_until_complete(super().shutdown_default_executor())
        super().close()


_Plain: Any = asyncpg.Connection


class _Connection(_Plain):  # type: ignore[misc] # its stubs leave out what is used here
    """A connection that waits for the next who wants the same one when it is closed."""

    waiting: list["_Connection"]
    codecs: set[str]
    is_idle = True

    async def close(self, *, timeout: float | None = None) -> None:  # noqa: ASYNC109 - its name there
        if self.is_closed():
            return
        if not await self._is_as_new(timeout):
            await super().close(timeout=timeout)
            return
        # What was made of it so far is of no use any more.
        self._pool_release_ctr += 1
        self.is_idle = True
        self.waiting.append(self)

    async def _is_as_new(self, timeout: float | None) -> bool:  # noqa: ASYNC109 - as above
        if self.is_in_transaction() or self._top_xact is not None:
            return False
        try:
            await self.reset(timeout=timeout)
        except (asyncpg.InterfaceError, asyncpg.PostgresError, OSError):
            # A statement is under way, or the server is gone.
            return False
        return True

    def is_closed(self) -> bool:
        return self.is_idle or self.is_lost()

    def is_lost(self) -> bool:
        return bool(super().is_closed())

    def get_reset_query(self) -> str:
        return f"{super().get_reset_query()} reset session authorization; reset role; discard temp; discard sequences"

    async def set_type_codec(self, typename: str, **how: Any) -> None:
        """Whoever wants the same connection reads and writes a type in the same way."""
        if typename not in self.codecs:
            await super().set_type_codec(typename, **how)
            self.codecs.add(typename)

    async def _prepare(self, query: str, **how: Any) -> Any:
        return await super()._prepare(query, **{**how, "use_cache": True})


class Kept:
    """The loop, and connections by database and by how they were asked for."""

    def __init__(self) -> None:
        self.loop = _Loop()
        self._connect: Any = asyncpg.connect
        self._waiting: dict[str, dict[str, list[_Connection]]] = {}

    def pids(self, database: str) -> list[int]:
        """Processes of PostgreSQL that wait with a connection to this database."""
        return [each.get_server_pid() for each in self._all(database)]

    def forget(self, database: str) -> None:
        """Close connections to this database."""
        for each in self._all(database):
            each.terminate()
        self._waiting.pop(database, None)

    def _all(self, database: str) -> list[_Connection]:
        return [each for alike in self._waiting.get(database, {}).values() for each in alike]

    async def connect(self, *words: Any, **more: Any) -> Any:
        """`asyncpg.connect`, with a connection that waits where there is one."""
        if asyncio.get_running_loop() is not self.loop:
            return await self._connect(*words, **more)
        key = repr((words, sorted(more.items())))
        for alike in self._waiting.values():
            while found := alike.get(key):
                connection = found.pop()
                if not connection.is_lost():
                    connection.is_idle = False
                    return connection
        limits = {**more, "statement_cache_size": _STATEMENTS, "max_cached_statement_lifetime": 0}
        made = await self._connect(*words, **limits, connection_class=_Connection)
        made.codecs, made.is_idle = set(), False
        made.waiting = self._waiting.setdefault(made._params.database, {}).setdefault(key, [])
        return made

    def close(self) -> None:
        """Close everything."""
        for database in [*self._waiting]:
            self.forget(database)
        self.loop.close_now()


KEPT: Final = Kept()
