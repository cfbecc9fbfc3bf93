"""Statements that every vote runs, by the driver itself: they take a quarter of the processor time that SQLAlchemy
takes around a statement. Connections, transactions and errors are those of the engine all the same."""

from collections import namedtuple
from collections.abc import Mapping
from typing import Any, Final

import asyncpg
from sqlalchemy import PoolProxiedConnection, TextClause
from sqlalchemy.dialects.postgresql.asyncpg import dialect
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from sqlalchemy.util.concurrency import greenlet_spawn

from gateway.storage.set_aside import OF_A_ROW

_DIALECT: Final = dialect()  # type: ignore[no-untyped-call] # SQLAlchemy leaves it untyped
# States of an error after which the server takes the next statement: of a row, and of one that met another transaction
# (deadlock, lock that was not got) or took too long.
_OF_A_STATEMENT: Final = (*OF_A_ROW, "40", "55", "57014")
# The last: what the driver raises when the server ended a connection of which it had not read all yet.
_DRIVER_ERRORS: Final = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)
NamedRow = Any
"""A row with an attribute for each column."""


class Direct:
    """A statement that commits by itself, or belongs to a transaction of the engine. `statement`: as it was written."""

    def __init__(self, statement: TextClause) -> None:
        self.statement = statement
        compiled = statement.compile(dialect=_DIALECT)
        self._text, self._names = compiled.string, tuple(compiled.positiontup or ())
        self._row: type[tuple[Any, ...]] | None = None

    async def rows(self, where: AsyncEngine | AsyncConnection, values: Mapping[str, Any]) -> "list[asyncpg.Record]":
        """Run it on a connection of an engine, where it commits by itself, or in the transaction of a connection; its
        rows. Who listens to the engine's statements is called for it too, without a connection. Raises SQLAlchemyError
        or OSError, as the engine does."""
        given = tuple(values[name] for name in self._names)
        for listener in where.sync_engine.dispatch.before_cursor_execute:
            listener(None, None, self._text, given, None, False)
        if isinstance(where, AsyncConnection):
            return await self._within(where, given)
        return await self._alone(where, given)

    async def named(self, where: AsyncEngine | AsyncConnection, values: Mapping[str, Any]) -> list[NamedRow]:
        """`rows` whose columns are attributes: these cost a ninth of those of SQLAlchemy's rows."""
        found = await self.rows(where, values)
        if found and self._row is None:
            self._row = namedtuple("Row", found[0].keys())  # type: ignore[misc] # columns are those of the statement
        return [self._row(*row) for row in found] if self._row else []

    async def _within(self, connection: AsyncConnection, given: tuple[Any, ...]) -> "list[asyncpg.Record]":
        """In a transaction, which the engine's own connection begins, commits and rolls back. An error is handled by
        it as that of its own statements: it decides whether the connection is lost. Uses private names of SQLAlchemy,
        which tests hold."""
        own: Any = connection.sync_connection
        adapted = own.connection.dbapi_connection
        try:
            try:
                if adapted._transaction is None:
                    await adapted._start_transaction()
                found: list[asyncpg.Record] = await adapted.driver_connection.fetch(self._text, *given)
            except Exception as error:
                adapted._handle_exception(error)
                raise
        except BaseException as error:
            # With a statement it would also change the class of other errors, of a time-out for example.
            of_the_server = isinstance(error, own.dialect.loaded_dbapi.Error)
            own._handle_dbapi_exception(error, self._text if of_the_server else None, None, None, None)
            raise
        return found

    async def _alone(self, engine: AsyncEngine, given: tuple[Any, ...]) -> "list[asyncpg.Record]":
        try:
            connection = await engine.raw_connection()
        except (engine.dialect.loaded_dbapi.Error, *_DRIVER_ERRORS) as error:
            # A server that refuses new connections, while it starts for example.
            raise DBAPIError(self._text, None, error, hide_parameters=True) from error
        driver: Any = connection.driver_connection
        try:
            found: list[asyncpg.Record] = await driver.fetch(self._text, *given)
        except BaseException as error:
            await self._leave(engine, connection, error)
            raise
        await greenlet_spawn(connection.close)
        return found

    async def _leave(self, engine: AsyncEngine, connection: PoolProxiedConnection, error: BaseException) -> None:
        """After an error: one of the statement leaves the connection as it was, of a server that is gone all are
        dropped. Raises the error of the driver as one of SQLAlchemy."""
        stays = str(getattr(error, "sqlstate", None) or "").startswith(_OF_A_STATEMENT)
        if stays:
            await greenlet_spawn(connection.close)
        elif isinstance(error, Exception):
            # As the engine does: older connections are opened anew.
            engine.sync_engine.pool._invalidate(connection, error)
        else:
            connection.invalidate(error)
        if isinstance(error, _DRIVER_ERRORS):
            kind = IntegrityError if isinstance(error, asyncpg.IntegrityConstraintViolationError) else DBAPIError
            raise kind(self._text, None, error, hide_parameters=True, connection_invalidated=not stays) from error
