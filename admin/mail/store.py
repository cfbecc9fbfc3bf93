"""Mails that are owed: written in the transaction of what they tell, sent later by a worker.

What a mail says may hold a link that opens an account: it is sealed, and forgotten once the mail is sent. A mail may
arrive twice, where a process is killed between sending and writing that down.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID, uuid4

import orjson
from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from admin.mail.rules import MailKind
from gateway.storage.rows import document, recordset, rows_of
from gateway.storage.set_aside import READ_AGAIN_SECONDS, Kind, each_read, set_aside
from gateway.storage.vault import Vault

LEASE_SECONDS: Final = 120

_OWE: Final = text("""
insert into mails (id, kind, recipient, language, params_cipher) values (:id, :kind, :to, :language, :params)
""")
_TELL: Final = text("""
insert into mails (id, kind, recipient, language, params_cipher)
select :id, :kind, s.email, s.language, :params from staff s where s.email = :email and s.active
""")
_CLAIM: Final = text("""
update mails set attempts = attempts + 1, next_try_at = now() + make_interval(secs => :lease)
where id = any(array(
  select id from mails where status = 'due' and next_try_at <= now() order by next_try_at limit :limit
  for update skip locked))
returning id, kind, recipient, language, params_cipher, attempts
""")
_LATER: Final = text("""
update mails set next_try_at = now() + make_interval(secs => :seconds) where id = any(cast(:ids as uuid[]))
""")
_RESULT: Final = "id uuid, status text, error text, retry_seconds integer"
_RECORD: Final = text(f"""
update mails m set status = r.status, last_error = r.error,
  sent_at = case when r.status = 'sent' then now() end,
  next_try_at = now() + make_interval(secs => r.retry_seconds),
  params_cipher = case when r.status = 'due' then m.params_cipher end
from {recordset(_RESULT, "r")} where m.id = r.id and m.status = 'due'
""")


@dataclass(frozen=True, slots=True)
class DueMail:
    """A mail that is to be sent now, for the `attempts`-th time."""

    id: UUID
    kind: str
    to: str
    language: str
    params: Mapping[str, str] = field(repr=False)
    attempts: int


@dataclass(frozen=True, slots=True)
class MailResult:
    """What became of a mail: `sent`, `refused`, or `due` again after `retry_seconds`."""

    id: UUID
    status: str
    error: str | None = None
    retry_seconds: int | None = None


class Mails:
    """Mails on their way. `on`: there is a server to send them; without one none is owed."""

    def __init__(self, engine: AsyncEngine, vault: Vault, *, on: bool) -> None:
        self._engine = engine
        self._vault = vault
        self.on = on

    async def owe(self, connection: AsyncConnection, kind: MailKind, to: str, language: str, **facts: str) -> None:
        """Write a mail that is to be sent, in the transaction of what it tells."""
        if self.on:
            await connection.execute(_OWE, {**self._sealed(kind, facts), "to": to, "language": language})

    async def tell(self, connection: AsyncConnection, kind: MailKind, email: str, **facts: str) -> None:
        """Write a mail to a member of staff, in their language. For an address without an account it does the same
        work, and none is written."""
        if self.on:
            await connection.execute(_TELL, {**self._sealed(kind, facts), "email": email})

    def _sealed(self, kind: MailKind, facts: Mapping[str, str]) -> dict[str, object]:
        mail = uuid4()
        sealed = self._vault.seal(orjson.dumps(facts).decode(), params_place(mail))
        return {"id": mail, "kind": kind.value, "params": sealed}

    async def claim_due(self, limit: int) -> list[DueMail]:
        """Take due mails under a lease: they are due again when it is out."""
        async with self._engine.begin() as connection:
            rows = (await connection.execute(_CLAIM, {"limit": limit, "lease": LEASE_SECONDS})).all()
            due, broken = each_read(rows, self._read)
            if broken:
                await set_aside(connection, Kind.MAIL, [(str(row.id), error) for row, error in broken])
                ids = [row.id for row, _ in broken]
                await connection.execute(_LATER, {"ids": ids, "seconds": READ_AGAIN_SECONDS})
        return due

    async def record(self, results: Sequence[MailResult]) -> None:
        """Record the server's answer. Of a mail that is done, its text is forgotten."""
        async with self._engine.begin() as connection:
            await connection.execute(_RECORD, document(rows_of(_RESULT, results)))

    def _read(self, row: Row[Any]) -> DueMail:
        facts = orjson.loads(self._vault.open(bytes(row.params_cipher), params_place(row.id)))
        return DueMail(row.id, row.kind, row.recipient, row.language, facts, row.attempts)


def params_place(mail: UUID) -> str:
    """Where the sealed facts of a mail stand."""
    return f"mails.params_cipher.{mail}"


def instant(at: datetime) -> str:
    """A moment among the facts of a mail, which writes it in its language."""
    return at.astimezone(UTC).isoformat(timespec="minutes")
