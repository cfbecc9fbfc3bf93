"""Callbacks as received: calls that arrive during a batch join the next one, one insert and one commit, then the
answer. Bodies are sealed, also in the spool, because operators name the payer in them.

Where PostgreSQL does not take them at once they go to the spool on this machine's disk, and from there
into PostgreSQL when it is back. A callback has its id from its arrival on, so that the insert may be
tried again, also one that was only thought to be lost.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final
from uuid import UUID, uuid4

import orjson
import structlog
from sqlalchemy import text
from sqlalchemy.exc import DataError, IntegrityError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from gateway.storage.coalescer import Coalescer, Overloaded
from gateway.storage.direct import Direct
from gateway.storage.engine import DatabaseUnavailable
from gateway.storage.rows import document, line, recordset
from gateway.storage.spool import Segment, Spool, SpoolFull, Waiting
from gateway.storage.vault import SealBroken, Vault


@dataclass(frozen=True, slots=True)
class IncomingCallback:
    """A callback as received. `token` is the last part of the URL, if any; `body` is raw."""

    provider: str
    token: str | None
    method: str
    headers: Mapping[str, str]
    body: bytes
    remote: str


class Taken(StrEnum):
    """What became of a callback that was received."""

    STORED = "stored"
    TOO_MANY = "too_many"  # of those that prove nothing; it is stored nowhere
    STALE = "stale"  # its signature is of another time; it is stored nowhere


# How long PostgreSQL may take before a callback goes to the spool. Operators wait a second or two.
INSERT_SECONDS: Final = 0.3
# One commit for those of a rush that come so close together.
APART_SECONDS: Final = 0.05
ENOUGH: Final = 16
# How long a callback that proves nothing waits for whether it names something open.
OPEN_SECONDS: Final = 1.0
DRAIN_EVERY_SECONDS: Final = 1.0
# After this an insert is ended, and its connection with it: its caller has gone to the spool.
_GIVEN_UP_SECONDS: Final = 10.0
_BATCH: Final = 200
_COLUMNS: Final = """
  record_id uuid, received_at timestamptz, provider text, payment_reference uuid, method text, headers text,
  body bytea, body_cipher bytea, body_hash bytea, remote text
"""
_STORE: Final = Direct(
    text(f"""
insert into callbacks (record_id, received_at, provider, payment_reference, method, headers, body, body_cipher,
  body_hash, remote)
select record_id, received_at, provider, payment_reference, method, cast(headers as jsonb), body,
  body_cipher, body_hash, remote
from {recordset(_COLUMNS)}
on conflict (received_at, record_id) do nothing
""")
)
# The states in which a callback makes us ask.
_OPEN: Final = text("""
select p.reference::text from payments p
where p.reference = any(cast(:references as uuid[])) and p.status in ('sent','pending','expired','failed')
union all select r.reference::text from refunds r
where r.reference = any(cast(:references as uuid[])) and r.status = 'sent'
union all select o.reference::text from payouts o
where o.reference = any(cast(:references as uuid[])) and o.status = 'sent'
union all select k.order_code from order_keys k join payments p
  on p.reference = k.payment_reference and p.placed_at = k.placed_at
where k.order_code = any(cast(:codes as text[])) and p.status in ('sent','pending','expired','failed')
""")
# Errors of a row that PostgreSQL will never take, and of no other.
_NEVER: Final = (DataError, IntegrityError)
_log = structlog.get_logger(__name__)

Row = Mapping[str, Any]


def _utc_now() -> datetime:
    return datetime.now(UTC)


class Callbacks:
    """Keeps every callback raw. `engine` commits each statement by itself; `spool` is the second store,
    for a process that also runs `keep_draining`; `clock` says when a callback came, in UTC."""

    def __init__(
        self,
        engine: AsyncEngine,
        vault: Vault,
        spool: Spool | None = None,
        clock: Callable[[], datetime] = _utc_now,
    ) -> None:
        self._engine = engine
        self._vault = vault
        self._spool = spool
        self._clock = clock
        # While it is set no call waits for PostgreSQL; `keep_draining` finds out that it is back.
        self._away = False
        self.waiting = Waiting(0, 0.0, 0)
        """What was in the spool a second ago at most."""
        self._inserts: Coalescer[Row, None] = Coalescer(
            self._insert_each,
            batch_max=_BATCH,
            lanes=2,
            apart=APART_SECONDS,
            enough=ENOUGH,
            timeout=INSERT_SECONDS if spool else None,
        )
        self._questions: Coalescer[tuple[UUID | None, str | None], bool] = Coalescer(
            self._which_are_open, batch_max=_BATCH, waiting_max=_BATCH, timeout=OPEN_SECONDS
        )

    async def store(self, callback: IncomingCallback) -> None:
        """Durable when it returns. Raises DatabaseUnavailable: it is stored nowhere, or that is not known."""
        row = self._row(callback)
        if self._away and self._spool is not None:
            await self._spool_row(row, self._spool)
            return
        try:
            await self._inserts.do(row)
        except (DatabaseUnavailable, Overloaded, SQLAlchemyError, OSError) as error:
            if self._spool is None:
                raise DatabaseUnavailable(type(error).__name__) from error
            self._note_away(error)
            await self._spool_row(row, self._spool)

    async def is_open(self, reference: UUID | None, order_code: str | None) -> bool:
        """Whether a payment, refund or payout of this reference, or of this order, waits for its end. False, too,
        where it is not known in time, because very many ask. Raises DatabaseUnavailable."""
        try:
            return await self._questions.do((reference, order_code))
        except (Overloaded, TimeoutError):
            return False
        except (SQLAlchemyError, OSError) as error:
            raise DatabaseUnavailable(type(error).__name__) from error

    async def _which_are_open(self, asked: list[tuple[UUID | None, str | None]]) -> list[bool]:
        names = {
            "references": [reference for reference, _ in asked if reference],
            "codes": [code for _, code in asked if code],
        }
        async with self._engine.connect() as connection:
            found = set((await connection.execute(_OPEN, names)).scalars())
        return [str(reference) in found or code in found for reference, code in asked]

    def _note_away(self, error: Exception) -> None:
        if not self._away and not isinstance(error, _NEVER):
            self._away = True
            _log.error("callbacks_spooled", error=type(error).__name__)

    async def _spool_row(self, row: Row, spool: Spool) -> None:
        try:
            await spool.append(line(row))
        except (SpoolFull, Overloaded, OSError) as error:
            # Without a place to keep it the next one waits for PostgreSQL again.
            self._away = False
            _log.error("callback_kept_nowhere", error=type(error).__name__, provider=row["provider"])
            raise DatabaseUnavailable(type(error).__name__) from error

    async def _insert_each(self, rows: list[Row]) -> list[None]:
        await self._insert(rows)
        return [None] * len(rows)

    async def _insert(self, rows: Sequence[Row]) -> None:
        async with asyncio.timeout(_GIVEN_UP_SECONDS):
            await _STORE.rows(self._engine, document(rows))

    def _row(self, callback: IncomingCallback) -> Row:
        record_id = uuid4()
        return {
            "record_id": record_id,
            "received_at": self._clock(),
            "provider": callback.provider,
            "payment_reference": self._vault.reference_in(callback.token) if callback.token else None,
            "method": callback.method,
            "headers": orjson.dumps(dict(callback.headers)).decode(),
            "body_cipher": self._vault.seal_bytes(callback.body, body_place(record_id)),
            "body_hash": self._vault.copy_mark(callback.body),
            "remote": callback.remote,
        }

    async def keep_draining(self) -> None:
        """Empty the spool whenever something is in it, until cancelled."""
        while True:
            if self._spool is not None and (self._away or not self._spool.empty):
                try:
                    await self.drain()
                except (SQLAlchemyError, OSError) as error:
                    _log.warning("spool_waits", error=type(error).__name__)
                await self._look(self._spool)
            await asyncio.sleep(DRAIN_EVERY_SECONDS)

    async def _look(self, spool: Spool) -> None:
        try:
            self.waiting = await asyncio.to_thread(spool.waiting)
        except OSError as error:
            _log.warning("spool_not_read", error=type(error).__name__)

    async def drain(self) -> int:
        """Move what is spooled into PostgreSQL; how many records. A segment is deleted when all of it is
        committed. Raises SQLAlchemyError or OSError; then the rest is where it was."""
        if self._spool is None:
            return 0
        moved = 0
        with closing(self._spool.closed()) as segments:
            while (segment := await asyncio.to_thread(next, segments, None)) is not None:
                taken = await self._insert_segment(segment)
                moved += len(segment.records)
                if taken and segment.whole:
                    await asyncio.to_thread(self._spool.remove, segment)
                else:
                    _log.error("spool_segment_refused", segment=segment.path.name, whole=segment.whole)
                    await asyncio.to_thread(self._spool.refuse, segment)
        if self._away:
            await self._insert([])
            self._away = False
        if moved:
            _log.warning("spool_drained", records=moved)
        return moved

    async def _insert_segment(self, segment: Segment) -> bool:
        """Whether PostgreSQL took every record."""
        rows = [orjson.loads(record) for record in segment.records]
        taken = True
        for start in range(0, len(rows), _BATCH):
            batch = rows[start : start + _BATCH]
            try:
                await self._insert(batch)
            except _NEVER:
                for row in batch:
                    taken &= await self._insert_alone(row)
        return taken

    async def _insert_alone(self, row: Row) -> bool:
        try:
            await self._insert([row])
        except _NEVER as error:
            _log.error("callback_refused", record=row["record_id"], error=str(error.orig))
            return False
        return True

    async def aclose(self) -> None:
        """Close the spool. What is in it stays for the next process."""
        if self._spool is not None:
            await self._spool.aclose()


def body_place(record_id: UUID) -> str:
    """The seal's place of a callback's body."""
    return f"callbacks.body:{record_id}"


def body_of(vault: Vault, record_id: UUID | None, body: bytes | None, sealed: bytes | None) -> bytes:
    """The body of a stored callback; of one from an earlier release, `body`. Where the seal is broken it is
    logged and read as empty, because the others go on."""
    if sealed is None or record_id is None:
        return bytes(body or b"")
    try:
        return vault.open_bytes(bytes(sealed), body_place(record_id))
    except SealBroken as error:
        _log.error("seal_broken", place=str(error))
        return b""
