"""Recovery codes and passkeys, which stand in for the code of a phone.

Codes have 118 random bits and are kept as SHA-256. An answer of a passkey is good once: it belongs to a question that
is younger than the last one answered with that key.
"""

import secrets
from collections.abc import Sequence
from datetime import UTC, datetime
from hashlib import sha256
from typing import Final
from uuid import UUID, uuid4

from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from admin.access.passkeys import NAME_LENGTH_MAX, NewKey, Passkey
from admin.access.rules import CODE_GROUP_LENGTH, CODE_GROUPS, CODE_LETTERS, RECOVERY_CODES, Member, read_recovery_code
from admin.access.store import end_all_sessions
from admin.mail.rules import FactorChange, MailKind
from admin.mail.store import Mails, instant
from gateway.storage.audit_log import note
from gateway.storage.rows import read_as

PASSKEYS_MAX: Final = 10
_LEFT: Final = text("select count(*) from recovery_codes where staff_id = :staff and used_at is null")
_FORGET: Final = text("delete from recovery_codes where staff_id = :staff")
_KEEP: Final = text("insert into recovery_codes (staff_id, code_hash) values (:staff, :hash)")
_USE_CODE: Final = text("""
update recovery_codes set used_at = now() where staff_id = :staff and code_hash = :hash and used_at is null
""")
_PASSKEYS: Final = text("""
select id, credential_id, public_key, sign_count, name, created_at, used_at from passkeys
where staff_id = :staff order by created_at
""")
_LOCK: Final = text("select totp_confirmed_at is not null as has_app from staff where id = :staff for update")
_ADD: Final = text("""
insert into passkeys (id, staff_id, credential_id, public_key, sign_count, name)
select :id, :staff, :credential_id, :public_key, :sign_count, :name
where (select count(*) from passkeys where staff_id = :staff) < :most
""")
_USE_PASSKEY: Final = text("""
update passkeys set used_at = now(), sign_count = :count, challenged_at = :asked_at
where id = :id and coalesce(challenged_at, '-infinity') < :asked_at
""")
_REMOVE: Final = text("delete from passkeys where id = :id and staff_id = :staff")


class Factors:
    """What people have besides an app with codes. Every method is one transaction."""

    def __init__(self, engine: AsyncEngine, mails: Mails) -> None:
        self._engine = engine
        self._mails = mails

    async def codes_left(self, staff_id: UUID) -> int:
        """How many recovery codes are not used up."""
        async with self._engine.connect() as connection:
            return int((await connection.execute(_LEFT, {"staff": staff_id})).scalar_one())

    async def make_codes(self, member: Member) -> list[str]:
        """New codes, shown this once; those of before no longer work."""
        codes = [_drawn() for _ in range(RECOVERY_CODES)]
        async with self._engine.begin() as connection:
            replaced = (await connection.execute(_FORGET, {"staff": member.id})).rowcount
            await connection.execute(_KEEP, [{"staff": member.id, "hash": _hash(code)} for code in codes])
            # The first codes come with the first factor, of which a mail says enough.
            await self._tell(connection, member, FactorChange.CODES_MADE, mail=bool(replaced))
        return codes

    async def use_code(self, member: Member, typed: str) -> bool:
        """Use a recovery code up; False for one that is wrong or was used."""
        code = read_recovery_code(typed)
        if code is None:
            return False
        async with self._engine.begin() as connection:
            used = (await connection.execute(_USE_CODE, {"staff": member.id, "hash": _hash(code)})).rowcount
            if used:
                await self._tell(connection, member, FactorChange.CODE_USED)
        return bool(used)

    async def passkeys(self, staff_id: UUID) -> Sequence[Passkey]:
        """A person's keys, oldest first."""
        async with self._engine.connect() as connection:
            rows = await connection.execute(_PASSKEYS, {"staff": staff_id})
            return [
                read_as(Passkey, row, credential_id=bytes(row.credential_id), public_key=bytes(row.public_key))
                for row in rows
            ]

    async def add_passkey(self, member: Member, key: NewKey, name: str, kept: UUID) -> bool:
        """Keep a key; all sessions but one end. False for one that is known, or one too many."""
        named = " ".join(name.split())[:NAME_LENGTH_MAX] or "Passkey"
        given = {"credential_id": key.credential_id, "public_key": key.public_key, "sign_count": key.sign_count}
        values = {"id": uuid4(), "staff": member.id, "name": named, "most": PASSKEYS_MAX, **given}
        async with self._engine.begin() as connection:
            await connection.execute(_LOCK, {"staff": member.id})
            try:
                added = (await connection.execute(_ADD, values)).rowcount
            except IntegrityError:
                return False
            if added:
                await self._tell(connection, member, FactorChange.PASSKEY_ADDED)
                await end_all_sessions(connection, member.id, kept, member.email)
        return bool(added)

    async def use_passkey(self, key: Passkey, count: int, asked_at: datetime) -> bool:
        """Note an answer; False when a younger question was answered before."""
        values = {"id": key.id, "count": count, "asked_at": asked_at}
        async with self._engine.begin() as connection:
            return bool((await connection.execute(_USE_PASSKEY, values)).rowcount)

    async def remove_passkey(self, member: Member, passkey: UUID, kept: UUID) -> bool:
        """Forget a key; all sessions but one end. False for one that is not theirs, and for their last factor."""
        async with self._engine.begin() as connection:
            has_app = (await connection.execute(_LOCK, {"staff": member.id})).scalar_one()
            rows = (await connection.execute(_PASSKEYS, {"staff": member.id})).all()
            if passkey not in {row.id for row in rows} or (len(rows) == 1 and not has_app):
                return False
            await connection.execute(_REMOVE, {"id": passkey, "staff": member.id})
            await self._tell(connection, member, FactorChange.PASSKEY_REMOVED)
            await end_all_sessions(connection, member.id, kept, member.email)
        return True

    async def _tell(
        self, connection: AsyncConnection, member: Member, what: FactorChange, *, mail: bool = True
    ) -> None:
        await note(connection, actor=member.email, act=f"staff.{what.value}", subject=member.email)
        if not mail:
            return
        facts = {"what": what.value, "at": instant(datetime.now(UTC))}
        await self._mails.tell(connection, MailKind.FACTOR_CHANGED, member.email, **facts)


def _drawn() -> str:
    groups = ("".join(secrets.choice(CODE_LETTERS) for _ in range(CODE_GROUP_LENGTH)) for _ in range(CODE_GROUPS))
    return "-".join(groups)


def _hash(code: str) -> bytes:
    return sha256(code.replace("-", "").encode()).digest()
