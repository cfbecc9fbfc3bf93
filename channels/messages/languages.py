"""The languages that numbers chose: stored in PostgreSQL, read from Redis with the first request of a dialogue.

Redis may lose all of them. A mark is lost with them, and a process that misses it copies them there again.
"""

import asyncio
from collections.abc import Sequence
from typing import Final

import structlog
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from gateway.storage.coalescer import Coalescer, Overloaded
from gateway.storage.purging import LANGUAGE_DAYS
from gateway.storage.rows import document, recordset
from gateway.storage.sessions import RedisSessions
from gateway.storage.vault import Vault
from gateway.values.msisdn import Msisdn

LANGUAGE_SECONDS: Final = LANGUAGE_DAYS * 24 * 3600
# The mark that all were copied to Redis; while they are being copied it expires after a minute.
COPIED: Final = "languages"
COPYING_SECONDS: Final = 60
PAGE: Final = 1_000
_log = structlog.get_logger(__name__)

_CHOICE: Final = "phone_index bytea, language text"
_KEEP: Final = text(f"""
insert into chosen_languages as c (phone_index, language)
select phone_index, language from {recordset(_CHOICE)}
on conflict (phone_index) do update set language = excluded.language, chosen_at = now()
""")
_READ: Final = text("""
select phone_index, language from chosen_languages
where phone_index > :after and chosen_at > now() - make_interval(days => :days) order by phone_index limit :page
""")


def language_key(number_key: str) -> str:
    """Where the language of a number is stored beside its dialogues. `number_key`: see `VotingService.number_key`."""
    return f"language:{number_key}"


class Languages:
    """Stores choices of this process, and copies all to Redis where that lost them. `auto` commits each
    statement by itself."""

    def __init__(self, auto: AsyncEngine, vault: Vault, sessions: RedisSessions) -> None:
        self._auto = auto
        self._vault = vault
        self._sessions = sessions
        self._writes: Coalescer[tuple[bytes, str], None] = Coalescer(self._write)

    def number_key(self, number: Msisdn) -> str:
        """The number's blind index as text."""
        return self._vault.index(number.e164).hex()

    def note(self, voter: Msisdn, language: str) -> None:
        """Store a choice; never blocks and never raises. One that is lost costs the voter a key press."""
        try:
            self._writes.start((self._vault.index(voter.e164), language)).add_done_callback(_log_if_lost)
        except Overloaded as error:
            _log.warning("language_not_stored", error=type(error).__name__)

    async def _write(self, choices: list[tuple[bytes, str]]) -> Sequence[None]:
        # Of two choices of a number the later one.
        latest = dict(choices)
        rows = [{"phone_index": index, "language": language} for index, language in sorted(latest.items())]
        async with self._auto.connect() as connection:
            await connection.execute(_KEEP, document(rows))
        return [None] * len(choices)

    async def copy(self) -> int:
        """Copy every choice to Redis, unless it has them or is away; how many were copied."""
        if await self._sessions.get(COPIED) is not None:
            return 0
        if not await self._sessions.put_all((COPIED, b"now", COPYING_SECONDS)):
            return 0
        copied, after = 0, b""
        async with self._auto.connect() as connection:
            while True:
                asked = {"after": after, "days": LANGUAGE_DAYS, "page": PAGE}
                rows = (await connection.execute(_READ, asked)).all()
                entries = [
                    (language_key(bytes(row.phone_index).hex()), row.language.encode(), LANGUAGE_SECONDS)
                    for row in rows
                ]
                if entries and not await self._sessions.put_all(*entries):
                    return copied
                copied += len(rows)
                if len(rows) < PAGE:
                    break
                after = bytes(rows[-1].phone_index)
        await self._sessions.put_all((COPIED, b"all", LANGUAGE_SECONDS))
        if copied:
            _log.info("languages_copied", count=copied)
        return copied


def _log_if_lost(written: "asyncio.Future[None]") -> None:
    error = None if written.cancelled() else written.exception()
    if isinstance(error, SQLAlchemyError | OSError):
        _log.warning("language_not_stored", error=type(error).__name__)
    elif error is not None:
        _log.error("language_not_stored", exc_info=error)
