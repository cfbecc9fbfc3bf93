"""Callbacks as received: many callers, one insert, one commit, then the answer."""

from typing import Any, Final

import orjson
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from gateway.ports.house import HouseUnavailable, IncomingCallback
from gateway.storage.coalescer import Coalescer, Overloaded
from gateway.storage.rows import document, recordset
from gateway.storage.vault import Vault, fingerprint

_COLUMNS: Final = (
    ("provider", "text"),
    ("payment_reference", "uuid"),
    ("method", "text"),
    ("headers", "text"),
    ("body", "bytea"),
    ("body_hash", "bytea"),
    ("remote", "text"),
)
_STORE: Final = text(f"""
insert into callbacks (provider, payment_reference, method, headers, body, body_hash, remote)
select provider, payment_reference, method, cast(headers as jsonb), body, body_hash, remote from {recordset(_COLUMNS)}
""")


class PostgresCallbacks:
    """Keeps every callback raw. `engine` commits each statement by itself."""

    def __init__(self, engine: AsyncEngine, vault: Vault) -> None:
        self._engine = engine
        self._vault = vault
        self._inserts: Coalescer[IncomingCallback, None] = Coalescer(self._insert, batch_max=200, lanes=2)

    async def store(self, callback: IncomingCallback) -> None:
        """Durable when it returns. Raises HouseUnavailable."""
        try:
            await self._inserts.do(callback)
        except (Overloaded, SQLAlchemyError, OSError) as error:
            raise HouseUnavailable(type(error).__name__) from error

    async def _insert(self, callbacks: list[IncomingCallback]) -> list[None]:
        async with self._engine.connect() as connection:
            await connection.execute(_STORE, document(map(self._row, callbacks)))
        return [None] * len(callbacks)

    def _row(self, callback: IncomingCallback) -> dict[str, Any]:
        return {
            "provider": callback.provider,
            "payment_reference": self._vault.reference_in(callback.token) if callback.token else None,
            "method": callback.method,
            "headers": orjson.dumps(dict(callback.headers)).decode(),
            "body": callback.body,
            "body_hash": fingerprint(callback.body),
            "remote": callback.remote,
        }
