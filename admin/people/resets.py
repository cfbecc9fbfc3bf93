"""Another password for somebody who lost theirs, by a link that is mailed to them.

The answer shows nothing: an address without an account is answered alike, after the same work. The second factor
stays as it is.
"""

import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from admin.access.rules import ACCOUNT_LOCK_SECONDS_MAX, ADDRESS_LOCK_SECONDS_MAX, seconds_to_wait
from admin.access.store import StaffAccounts, end_all_sessions, set_password_hash
from admin.mail.rules import MailKind
from admin.mail.store import Mails, instant
from admin.people.rules import Fault, PeopleRefused
from admin.people.store import TOKEN_BYTES, hash_of
from gateway.storage.audit_log import note

RESET_LIFE: Final = timedelta(minutes=30)
_ASK: Final = text("""
insert into password_resets (link_hash, staff_id, expires_at)
select :hash, s.id, now() + cast(:life as interval) from staff s where s.email = :email and s.active
""")
_BY_LINK: Final = """
select r.staff_id, s.email from password_resets r join staff s on s.id = r.staff_id
where r.link_hash = :hash and r.used_at is null and r.expires_at > now() and s.active
"""
# One that is used up takes the others of its account with it.
_USE_UP: Final = text("update password_resets set used_at = now() where staff_id = :staff and used_at is null")


@dataclass(frozen=True, slots=True)
class OpenReset:
    """A link that is good, and whose it is."""

    staff_id: UUID
    email: str


class Resets:
    """Links by which passwords are set again. `base_url`: where they lead, without a trailing slash."""

    def __init__(self, engine: AsyncEngine, mails: Mails, accounts: StaffAccounts, base_url: str) -> None:
        self._engine = engine
        self._mails = mails
        self._accounts = accounts
        self._base_url = base_url

    @property
    def by_mail(self) -> bool:
        """Whether links can be sent at all."""
        return self._mails.on

    async def ask(self, typed: str, address: str | None, now: datetime) -> int:
        """Send a link to this e-mail address, if it has an account. `address`: whom the sender counts for. Returns the
        seconds to wait where too much was asked for; then nothing is sent."""
        email = typed.strip().lower()
        own, place = f"reset of {email}", f"resets by {address}"
        subjects = [own] if address is None else [own, place]
        failures = await self._accounts.failures(subjects)
        wait = max(
            seconds_to_wait(failures.get(own), now, ACCOUNT_LOCK_SECONDS_MAX),
            seconds_to_wait(failures.get(place), now, ADDRESS_LOCK_SECONDS_MAX),
        )
        if not wait:
            await self._accounts.note_failure(subjects, partial(self._write, email))
        return wait

    async def _write(self, email: str, connection: AsyncConnection) -> None:
        token = secrets.token_urlsafe(TOKEN_BYTES)
        await connection.execute(_ASK, {"hash": hash_of(token), "life": RESET_LIFE, "email": email})
        facts = {"link": f"{self._base_url}/admin/reset/{token}", "minutes": str(int(RESET_LIFE.total_seconds() // 60))}
        await self._mails.tell(connection, MailKind.RESET, email, **facts)

    async def find(self, token: str) -> OpenReset | None:
        """What a link is for, while it is good."""
        async with self._engine.connect() as connection:
            row = (await connection.execute(text(_BY_LINK), {"hash": hash_of(token)})).one_or_none()
        return None if row is None else OpenReset(row.staff_id, row.email)

    async def use(self, token: str, password_hash: str) -> None:
        """Set the password and use the link up; all sessions end. Raises PeopleRefused."""
        async with self._engine.begin() as connection:
            given = {"hash": hash_of(token)}
            row = (await connection.execute(text(f"{_BY_LINK} for update"), given)).one_or_none()
            if row is None:
                raise PeopleRefused(Fault.LINK_OVER)
            await connection.execute(_USE_UP, {"staff": row.staff_id})
            await set_password_hash(connection, row.staff_id, password_hash)
            await note(connection, actor=row.email, act="staff.password_reset", subject=row.email)
            await end_all_sessions(connection, row.staff_id, None, row.email)
            await self._mails.tell(connection, MailKind.PASSWORD_CHANGED, row.email, at=instant(datetime.now(UTC)))
        # Who opens the link reads the mailbox, and guesses no password.
        await self._accounts.forget_failures([f"account {row.email}"])
