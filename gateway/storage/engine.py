"""Connections to PostgreSQL: one pool a process, as a role that owns nothing."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

import orjson
from sqlalchemy import event, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from gateway.values.organiser import Deed, states_without
from gateway.values.scope import OneContest, Scope


class DatabaseUnavailable(Exception):
    """PostgreSQL did not answer in time. Nothing was changed; the same request may be repeated."""


class ReadOnly(Exception):
    """This transaction may only read: its organiser is frozen. Nothing was changed."""


APP_ROLE: Final = "spotlight_app"
TENANT_ROLE: Final = "spotlight_tenant"
_NARROW: Final = text(f"""
select set_config('transaction_read_only', case when exists (
    select from organisers
    where id = cast(cast(:organiser as text) as uuid) and state in ({states_without(Deed.CHANGE)}))
  then 'on' else current_setting('transaction_read_only') end, true),
  set_config('role', :role, true), set_config('app.organiser', :organiser, true),
  set_config('app.contest', :contest, true)
""")
_READ_ONLY: Final = "25006"
# How much longer than its own limit a statement is awaited. Without this, a server behind a broken line that sends
# nothing would be awaited until the kernel gives up.
SILENCE_SECONDS: Final = 3.0
# More than a process has: one that is dropped is read and planned again.
STATEMENTS_KEPT: Final = 500


def _dialect_url(url: str) -> str:
    """The address as SQLAlchemy's asyncpg dialect wants it."""
    scheme, _, rest = url.partition("://")
    if scheme.split("+")[0] not in ("postgresql", "postgres"):
        raise ValueError("DATABASE_URL must begin with postgresql://")
    return f"postgresql+asyncpg://{rest}"


def make_engine(
    url: str,
    *,
    pool_size: int = 8,
    as_app: bool = True,
    statement_timeout_ms: int = 5_000,
    wait_seconds: float = 1.0,
    name: str = "spotlight",
    pre_ping: bool = False,
    keep_plans: bool = False,
) -> AsyncEngine:
    """A pool. `as_app`: take the service's role, also when the address names the owner.

    A statement is ended by the server after `statement_timeout_ms`; TimeoutError when it sends nothing then.
    `wait_seconds`: how long a connection is awaited while all are taken; then sqlalchemy.exc.TimeoutError. `pre_ping`:
    test a connection before it is used, which costs a round trip. `keep_plans`: plan each statement once a connection,
    for any parameters, and again when the statistics of its tables change; by indexes, also while a table is empty,
    because it is full before its statistics say so.
    """
    server_settings = {
        "application_name": name,
        "timezone": "UTC",
        "statement_timeout": str(statement_timeout_ms),
        "lock_timeout": "2000" if as_app else "10000",
        "idle_in_transaction_session_timeout": "10000" if as_app else "120000",
        # Compiling a plan takes longer than any statement of ours runs.
        "jit": "off",
    }
    if as_app:
        server_settings["role"] = APP_ROLE
    if keep_plans:
        server_settings |= {"plan_cache_mode": "force_generic_plan", "enable_seqscan": "off"}
    arguments: dict[str, Any] = {
        "server_settings": server_settings,
        "timeout": 5,
        "command_timeout": statement_timeout_ms / 1_000 + SILENCE_SECONDS,
        "prepared_statement_cache_size": STATEMENTS_KEPT,
        # The driver's own, of what it runs without SQLAlchemy: it would forget a plan after five minutes, and keep none
        # of a long statement.
        "max_cached_statement_lifetime": 0,
        "max_cacheable_statement_size": 0,
    }
    engine = create_async_engine(
        _dialect_url(url),
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=wait_seconds,
        # The same few connections again and again: each keeps its own plans.
        pool_use_lifo=True,
        pool_pre_ping=pre_ping,
        connect_args=arguments,
        json_serializer=lambda value: orjson.dumps(value).decode(),
        json_deserializer=orjson.loads,
        isolation_level="READ COMMITTED",
        # Parameters may be phone numbers or texts of voters: they belong in no log.
        hide_parameters=True,
    )
    event.listen(engine.sync_engine, "handle_error", _mark_disconnect)
    event.listen(engine.sync_engine, "handle_error", _tell_read_only)
    return engine


@asynccontextmanager
async def scoped(engine: AsyncEngine, scope: Scope) -> AsyncIterator[AsyncConnection]:
    """A transaction in which each table has the rows of an organiser alone; all rows without one. For a frozen
    organiser what writes raises ReadOnly."""
    async with engine.begin() as connection:
        await narrow(connection, scope)
        yield connection


async def narrow(connection: AsyncConnection, scope: Scope) -> None:
    """Leave the rows of an organiser alone for the rest of this transaction; all rows without one. Those of a frozen
    organiser can only be read: what writes raises ReadOnly."""
    if scope is not None:
        contest = str(scope.contest) if isinstance(scope, OneContest) else ""
        await connection.execute(_NARROW, {"role": TENANT_ROLE, "organiser": str(scope), "contest": contest})


def _tell_read_only(context: Any) -> None:  # noqa: ANN401 - as below
    """Say by an error of ours that a transaction may only read."""
    if getattr(context.original_exception, "sqlstate", None) == _READ_ONLY:
        raise ReadOnly from context.original_exception


def _mark_disconnect(context: Any) -> None:  # noqa: ANN401 - SQLAlchemy's own event type is not exported
    """Drop a connection whose server is shutting down, starting up or silent from the pool."""
    error, message = context.original_exception, str(context.original_exception)
    if isinstance(error, TimeoutError) or "terminating connection" in message or "the database system is" in message:
        context.is_disconnect = True
