"""A lost second factor: one person asks that it is taken away, another agrees, and a day later it is done.

Whose factor it is gets a mail when the second person agrees, with a link that stops it; signing in with the factor
stops it, too. Those who asked and agreed get a mail then. The password stays, so that this alone lets nobody in.
"""

import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID, uuid4

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from admin.access.rules import Member, may_reset_factor
from admin.access.store import MEMBER_COLUMNS, StaffAccounts, read_member, tell_reset_stopped
from admin.mail.rules import MailKind
from admin.mail.store import Mails, instant
from admin.people.rules import FACTOR_RESET_WAIT, Fault, PeopleRefused
from admin.people.store import RESET_WAITS, TOKEN_BYTES, Check, hash_of
from gateway.storage.audit_log import note
from gateway.storage.engine import narrow
from payments.requests import ActRefused, Right, Why, reasoned

_BATCH: Final = 20
_LOCK_PERSON: Final = text(f"""
select {MEMBER_COLUMNS} from staff s
where s.id = :id and (cast(:scope as uuid) is null or s.organiser_id = cast(:scope as uuid)) for update of s
""")
_WAITING: Final = text(f"""
select f.id, f.asked_by, f.agreed_by from factor_resets f where f.staff_id = :staff and {RESET_WAITS}
order by f.asked_at desc limit 1
""")
_ASK: Final = text("""
insert into factor_resets (id, staff_id, asked_by, reason) values (:id, :staff, :by, :reason)
""")
_AGREE: Final = text("""
update factor_resets set agreed_by = :by, agreed_at = now(), due_at = now() + cast(:wait as interval),
  link_hash = :hash
where id = :id returning due_at
""")
_STOP: Final = text("update factor_resets set stopped_at = now(), stopped_by = :by where id = :id")
_BY_LINK: Final = text("""
select f.id, f.due_at, s.email from factor_resets f join staff s on s.id = f.staff_id
where f.link_hash = :hash and f.done_at is null and f.stopped_at is null
""")
_STOP_BY_LINK: Final = text("""
update factor_resets f set stopped_at = now(), stopped_by = s.email from staff s
where s.id = f.staff_id and f.link_hash = :hash and f.done_at is null and f.stopped_at is null
returning s.email, f.asked_by, f.agreed_by
""")
_DUE: Final = text("""
select f.id, f.agreed_by, s.email from factor_resets f join staff s on s.id = f.staff_id
where f.due_at <= now() and f.done_at is null and f.stopped_at is null
order by f.due_at limit :limit for update of f skip locked
""")
_DONE: Final = text("update factor_resets set done_at = now() where id = :id")


@dataclass(frozen=True, slots=True)
class OpenFactorReset:
    """What a link stops: whose second factor is taken away, and when."""

    email: str
    due_at: datetime


class FactorResets:
    """Lost second factors. `base_url`: where links lead, without a trailing slash."""

    def __init__(self, engine: AsyncEngine, mails: Mails, check: Check, accounts: StaffAccounts, base_url: str) -> None:
        self._engine = engine
        self._mails = mails
        self._check = check
        self._accounts = accounts
        self._base_url = base_url

    async def ask(self, by: str, person: UUID, reason: str) -> None:
        """Ask that a person's second factor is taken away. Raises PeopleRefused, ActRefused."""
        why = reasoned(reason)
        if not self._mails.on:
            raise PeopleRefused(Fault.NO_MAIL)
        async with self._engine.begin() as connection:
            helper, held = await self._both(connection, by, person)
            if not held.active or not held.has_factor:
                raise PeopleRefused(Fault.NO_FACTOR)
            if await _waiting(connection, person) is not None:
                raise PeopleRefused(Fault.RESET_ASKED)
            await narrow(connection, helper.scope)
            await connection.execute(_ASK, {"id": uuid4(), "staff": person, "by": helper.email, "reason": why})
            await note(connection, actor=by, act="staff.factor_reset_asked", subject=held.email, detail={"reason": why})

    async def agree(self, by: str, person: UUID) -> None:
        """Agree as the second person; whose factor it is gets a mail. Raises PeopleRefused, ActRefused."""
        async with self._engine.begin() as connection:
            helper, held = await self._both(connection, by, person)
            row = await _waiting(connection, person)
            if row is None:
                raise PeopleRefused(Fault.NOT_FOUND)
            if row.agreed_by is not None:
                raise PeopleRefused(Fault.RESET_ASKED)
            if row.asked_by == helper.email:
                raise ActRefused(Why.OWN_REQUEST, "you asked for it yourself: another person must decide")
            # Two persons stand behind it now: who asked may have been sent away since.
            _require_helper(await self._check(connection, row.asked_by, Right.MANAGE_STAFF), held)
            await narrow(connection, helper.scope)
            token = secrets.token_urlsafe(TOKEN_BYTES)
            values = {"id": row.id, "by": helper.email, "wait": FACTOR_RESET_WAIT, "hash": hash_of(token)}
            due_at = (await connection.execute(_AGREE, values)).scalar_one()
            detail = {"asked_by": row.asked_by, "due_at": due_at.isoformat()}
            await note(connection, actor=by, act="staff.factor_reset_agreed", subject=held.email, detail=detail)
            facts = {"asked_by": row.asked_by, "agreed_by": helper.email, "at": instant(due_at)}
            link = f"{self._base_url}/admin/factor-reset/{token}"
            await self._mails.tell(connection, MailKind.FACTOR_RESET, held.email, link=link, **facts)

    async def stop(self, by: str, person: UUID) -> None:
        """Leave the second factor as it is. Raises PeopleRefused, ActRefused."""
        async with self._engine.begin() as connection:
            helper, held = await self._both(connection, by, person)
            row = await _waiting(connection, person)
            if row is None:
                raise PeopleRefused(Fault.NOT_FOUND)
            # Before: who asked may work for the platform.
            await tell_reset_stopped(connection, self._mails, held.email, helper.email, row)
            await narrow(connection, helper.scope)
            await connection.execute(_STOP, {"id": row.id, "by": helper.email})
            await note(connection, actor=by, act="staff.factor_reset_stopped", subject=held.email)

    async def find(self, token: str) -> OpenFactorReset | None:
        """What a link stops, while there is something to stop."""
        async with self._engine.connect() as connection:
            row = (await connection.execute(_BY_LINK, {"hash": hash_of(token)})).one_or_none()
        return None if row is None else OpenFactorReset(row.email, row.due_at)

    async def stop_by_link(self, token: str) -> None:
        """Leave the second factor as it is, as its owner wants it. Raises PeopleRefused."""
        async with self._engine.begin() as connection:
            row = (await connection.execute(_STOP_BY_LINK, {"hash": hash_of(token)})).one_or_none()
            if row is None:
                raise PeopleRefused(Fault.LINK_OVER)
            await note(connection, actor=row.email, act="staff.factor_reset_stopped", subject=row.email)
            await tell_reset_stopped(connection, self._mails, row.email, row.email, row)

    async def carry_out(self) -> int:
        """Take away what is due, and end the sessions; how many."""
        async with self._engine.begin() as connection:
            due = (await connection.execute(_DUE, {"limit": _BATCH})).all()
            for row in due:
                await connection.execute(_DONE, {"id": row.id})
                await self._accounts.take_factor(connection, row.email, row.agreed_by)
        return len(due)

    async def _both(self, connection: AsyncConnection, by: str, person: UUID) -> tuple[Member, Member]:
        """Who helps, and the person, locked. Raises PeopleRefused, ActRefused."""
        helper = await self._check(connection, by, Right.MANAGE_STAFF)
        values = {"id": person, "scope": helper.organiser_id}
        row = (await connection.execute(_LOCK_PERSON, values)).one_or_none()
        if row is None:
            raise PeopleRefused(Fault.NOT_FOUND)
        held = read_member(row)
        _require_helper(helper, held)
        return helper, held


def _require_helper(helper: Member, held: Member) -> None:
    if not may_reset_factor(helper, held.id, held.organiser_id):
        raise PeopleRefused(Fault.NOT_YOURS_TO_RESET)


async def _waiting(connection: AsyncConnection, person: UUID) -> Row[Any] | None:
    return (await connection.execute(_WAITING, {"staff": person, "wait": FACTOR_RESET_WAIT})).one_or_none()
