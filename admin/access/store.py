"""Staff, their sessions, and sign-ins that failed.

A session is a family of refresh tokens, of which one at a time can be used. Tokens are kept as
SHA-256, secrets of second factors sealed, addresses and accounts of failures as keyed hashes.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID, uuid4

from pydantic import TypeAdapter
from sqlalchemy import Row, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from admin.access.rules import (
    FORGOTTEN_AFTER,
    FREE_TRIES,
    REFRESH_LIFE,
    SESSION_LIFE,
    Failures,
    Member,
    Reuse,
    Role,
    exists,
    judge_reuse,
)
from admin.mail.rules import FactorChange, MailKind
from admin.mail.store import Mails, instant
from gateway.storage.audit_log import note
from gateway.storage.vault import Vault

_REMOTE_LENGTH_MAX, _AGENT_LENGTH_MAX = 64, 200

# Whether `staff s` has a second factor.
HAS_FACTOR: Final = "(s.totp_confirmed_at is not null or exists (select from passkeys k where k.staff_id = s.id))"
# What `read_member` reads, of `staff s`.
MEMBER_COLUMNS: Final = f"""s.id, s.email, s.name, s.role, s.organiser_id, s.contest_id, s.active,
  {HAS_FACTOR} as has_factor,
  coalesce((select o.state from organisers o where o.id = s.organiser_id), 'active') as organiser_state,
  (select o.state_reason from organisers o where o.id = s.organiser_id) as state_reason"""

_MEMBER: Final = TypeAdapter(Member)
_FAILURES: Final = text("select subject, failures, last_at from sign_in_failures where subject = any(:subjects)")
# Counted in one statement, so that tries at the same moment are all counted.
_FAILED: Final = text("""
insert into sign_in_failures as f (subject, failures, last_at) values (:subject, 1, now())
on conflict (subject) do update set last_at = now(),
  failures = case when f.last_at <= now() - cast(:forgotten as interval) then 1 else f.failures + 1 end
""")
_OLD_FAILURES: Final = text("delete from sign_in_failures where last_at < now() - interval '1 day'")
_FORGET: Final = text("delete from sign_in_failures where subject = any(:subjects)")

_CREDENTIALS: Final = text(f"""
select {MEMBER_COLUMNS}, s.password_hash, s.totp_cipher, s.totp_last_step, s.totp_confirmed_at is not null as has_app
from staff s where s.email = :email
""")
_USE_STEP: Final = text("""
update staff set totp_last_step = :step where id = :id and coalesce(totp_last_step, -1) < :step
""")
_OPEN: Final = text("""
insert into staff_sessions (id, staff_id, family, refresh_hash, expires_at, remote, agent, factor_at)
values (:family, :staff, :family, :hash, now() + cast(:life as interval), :remote, :agent, now())
returning factor_at
""")
# The first sign-in of all is not new to its person.
_IS_NEW: Final = text("""
select s.signed_in_at is not null and not exists (
  select from staff_sessions t where t.staff_id = s.id and t.remote = :remote and t.agent = :agent)
from staff s where s.id = :staff
""")
_SIGNED_IN: Final = text("""
update staff set signed_in_at = now(), language = coalesce(:language, language) where id = :id
""")
_SHOWN: Final = text(f"""
select t.id as token, t.family, t.used_at, t.revoked_at, t.expires_at, t.remote, t.agent, t.factor_at, now() as now,
  {MEMBER_COLUMNS}
from staff_sessions t join staff s on s.id = t.staff_id where t.refresh_hash = :hash for update of t
""")
_USE_UP: Final = text("update staff_sessions set used_at = now() where id = :id")
_SUCCEED: Final = text("""
insert into staff_sessions (id, staff_id, family, refresh_hash, expires_at, remote, agent, factor_at)
select :id, :staff, :family, :hash,
  least(now() + cast(:life as interval), min(created_at) + cast(:session as interval)), :remote, :agent, :factor_at
from staff_sessions where family = :family
""")
_LIVE: Final = text(f"""
select t.family, t.factor_at, {MEMBER_COLUMNS}
from staff_sessions t join staff s on s.id = t.staff_id
where t.family = :family and t.used_at is null and t.revoked_at is null and t.expires_at > now() and s.active
""")
_REVOKE: Final = text("""
update staff_sessions set revoked_at = now() where family = :family and revoked_at is null returning staff_id
""")
_REVOKE_OTHERS: Final = text("""
update staff_sessions set revoked_at = now()
where staff_id = :staff and revoked_at is null and family is distinct from cast(:kept as uuid) returning family
""")
_SESSIONS: Final = text("""
select t.family, (select min(created_at) from staff_sessions f where f.family = t.family) as started_at,
  t.created_at as seen_at, t.remote, t.agent
from staff_sessions t
where t.staff_id = :staff and t.used_at is null and t.revoked_at is null and t.expires_at > now()
order by t.created_at desc
""")
_PROVE: Final = text("""
update staff_sessions set factor_at = now() where family = :family and used_at is null and revoked_at is null
""")
_BEGIN_FACTOR: Final = text("""
update staff set totp_cipher = :cipher, totp_last_step = null where id = :id and totp_confirmed_at is null
""")
_CONFIRM_FACTOR: Final = text("""
update staff s set totp_confirmed_at = now(), totp_last_step = :step
where s.id = :id and s.totp_confirmed_at is null and s.totp_cipher is not null returning s.email
""")
_CREATE: Final = text("""
insert into staff (id, email, name, password_hash, role, organiser_id, contest_id)
values (:id, :email, :name, :hash, :role, :organiser, :contest)
""")
_RESET_FACTOR: Final = text(f"""
update staff s set totp_cipher = null, totp_confirmed_at = null, totp_last_step = null
where s.email = :email returning {MEMBER_COLUMNS}
""")
_FORGET_FACTORS: Final = tuple(
    text(f"delete from {table} where staff_id = (select id from staff where email = :email)")
    for table in ("passkeys", "recovery_codes")
)
_STOP_RESETS: Final = text("""
update factor_resets set stopped_at = now(), stopped_by = :by
where staff_id = :staff and done_at is null and stopped_at is null returning asked_by, agreed_by
""")
_SET_ACTIVE: Final = text(f"update staff s set active = :active where s.email = :email returning {MEMBER_COLUMNS}")
_LISTED: Final = text(f"""
select {MEMBER_COLUMNS}, o.slug, s.signed_in_at from staff s left join organisers o on o.id = s.organiser_id
order by s.email
""")


class StaffRefused(Exception):
    """An account cannot be made or changed so, and nothing was changed; the text says why."""


@dataclass(frozen=True, slots=True)
class Client:
    """Where a request comes from: address and browser, as the account's page lists them. `language`: that its reader
    reads, where they see our pages."""

    remote: str
    agent: str
    language: str | None = None


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a sign-in is checked against. `totp_secret`: base 32; of a factor that is not proven yet too; `has_app`:
    it was proven."""

    member: Member
    password_hash: str = field(repr=False)
    totp_secret: str | None = field(repr=False)
    totp_last_step: int | None
    has_app: bool


@dataclass(frozen=True, slots=True)
class LiveSession:
    """A session that lasts. `family`: the session's id; `factor_at`: when they proved last who they
    are."""

    family: UUID
    member: Member
    factor_at: datetime | None


@dataclass(frozen=True, slots=True)
class SessionLine:
    """A session as it is listed. `seen_at`: last renewed."""

    family: UUID
    started_at: datetime
    seen_at: datetime
    remote: str
    agent: str


@dataclass(frozen=True, slots=True)
class MemberLine:
    """An account as it is listed. `organiser`: slug."""

    member: Member
    organiser: str | None
    signed_in_at: datetime | None


class StaffAccounts:
    """Accounts, sessions and failures. Every method is one transaction; acts are in the audit log with it.

    `actor`: an e-mail address, or `cli:` and an account of the machine."""

    def __init__(self, engine: AsyncEngine, vault: Vault, mails: Mails) -> None:
        self._engine = engine
        self._auto = engine.execution_options(isolation_level="AUTOCOMMIT")
        self._vault = vault
        self._mails = mails

    async def failures(self, subjects: Sequence[str]) -> Mapping[str, Failures]:
        """Failures in a row of each subject that has any."""
        named = {self._subject(subject): subject for subject in subjects}
        async with self._engine.connect() as connection:
            rows = (await connection.execute(_FAILURES, {"subjects": list(named)})).all()
        return {named[row.subject]: Failures(row.failures, row.last_at) for row in rows}

    async def note_lock(self, email: str, subject: str, client: Client, connection: AsyncConnection) -> None:
        """Tell somebody that sign-ins to their account wait from now on, in the transaction of the failure."""
        found = await connection.execute(_FAILURES, {"subjects": [self._subject(subject)]})
        if found.one().failures == FREE_TRIES:
            where = _where(client)
            await self._mails.tell(connection, MailKind.LOCKED, email, at=where["at"], remote=where["remote"])

    async def note_failure(
        self, subjects: Sequence[str], also: Callable[[AsyncConnection], Awaitable[None]] | None = None
    ) -> None:
        """One more failure of each; those of days ago are dropped. `also`: done in the same transaction."""
        # In one order everywhere, so that two transactions cannot wait for each other.
        rows = sorted(self._subject(subject) for subject in subjects)
        async with self._engine.begin() as connection:
            await connection.execute(_FAILED, [{"subject": row, "forgotten": FORGOTTEN_AFTER} for row in rows])
            await connection.execute(_OLD_FAILURES)
            if also is not None:
                await also(connection)

    async def forget_failures(self, subjects: Sequence[str]) -> None:
        """The way in is open again."""
        async with self._engine.begin() as connection:
            await connection.execute(_FORGET, {"subjects": [self._subject(subject) for subject in subjects]})

    async def credentials(self, email: str) -> Credentials | None:
        """Of the account with this address, active or not."""
        async with self._engine.connect() as connection:
            row = (await connection.execute(_CREDENTIALS, {"email": email})).one_or_none()
        if row is None:
            return None
        sealed = row.totp_cipher
        secret = None if sealed is None else self._vault.open(sealed, factor_place(row.id))
        return Credentials(read_member(row), row.password_hash, secret, row.totp_last_step, row.has_app)

    async def use_step(self, staff_id: UUID, step: int) -> bool:
        """Use a time step up; False when it, or a later one, was used before."""
        async with self._engine.begin() as connection:
            return bool((await connection.execute(_USE_STEP, {"id": staff_id, "step": step})).rowcount)

    async def rehash(self, staff_id: UUID, password_hash: str) -> None:
        """Keep the same password under today's parameters."""
        async with self._engine.begin() as connection:
            await set_password_hash(connection, staff_id, password_hash)

    async def open_session(
        self, member: Member, refresh_hash: bytes, client: Client, *, known: bool = False
    ) -> LiveSession:
        """Begin a session. `known`: by a browser in which they signed in before; of another one, a mail tells them."""
        family = uuid4()
        values = {"family": family, "staff": member.id, "hash": refresh_hash, "life": REFRESH_LIFE}
        async with self._engine.begin() as connection:
            seen = {"staff": member.id, **_kept(client)}
            if not known and (await connection.execute(_IS_NEW, seen)).scalar_one():
                await self._mails.tell(connection, MailKind.NEW_DEVICE, member.email, **_where(client))
            factor_at = (await connection.execute(_OPEN, {**values, **_kept(client)})).scalar_one()
            await connection.execute(_SIGNED_IN, {"id": member.id, "language": client.language})
            detail = {"session": str(family), **_kept(client)}
            await note(connection, actor=member.email, act="staff.signed_in", subject=member.email, detail=detail)
            # Who signs in has a second factor: none is lost.
            for reset in await _stop_resets(connection, member.id, member.email, member.email):
                await tell_reset_stopped(connection, self._mails, member.email, member.email, reset)
        return LiveSession(family, member, factor_at)

    async def rotate(self, refresh_hash: bytes, successor: bytes, client: Client) -> LiveSession | Reuse | None:
        """Exchange a refresh token for its successor; None: it opens no session. A stolen one ends the session."""
        async with self._engine.begin() as connection:
            row = (await connection.execute(_SHOWN, {"hash": refresh_hash})).one_or_none()
            if row is None or row.revoked_at is not None or not row.active:
                return None
            if row.used_at is not None:
                same = {"remote": row.remote, "agent": row.agent} == _kept(client)
                reuse = judge_reuse(row.used_at, row.now, same_client=same)
                if reuse is Reuse.STOLEN:
                    await self._end(connection, row.family, row.email, "staff.token_reused", _kept(client))
                    await self._mails.tell(connection, MailKind.TOKEN_REUSED, row.email, **_where(client))
                return reuse
            if row.expires_at <= row.now:
                return None
            await connection.execute(_USE_UP, {"id": row.token})
            values = {
                "id": uuid4(),
                "staff": row.id,
                "family": row.family,
                "hash": successor,
                "life": REFRESH_LIFE,
                "session": SESSION_LIFE,
                "factor_at": row.factor_at,
                **_kept(client),
            }
            await connection.execute(_SUCCEED, values)
        return _live(row)

    async def live_session(self, family: UUID) -> LiveSession | None:
        """A session that was not ended."""
        async with self._auto.connect() as connection:
            row = (await connection.execute(_LIVE, {"family": family})).one_or_none()
        return None if row is None else _live(row)

    async def end_session(self, family: UUID, actor: str) -> None:
        """End a session, unless it is over."""
        async with self._engine.begin() as connection:
            await self._end(connection, family, actor, "staff.signed_out", {})

    async def end_other_sessions(self, staff_id: UUID, kept: UUID, actor: str) -> None:
        """End all sessions of a member but one."""
        async with self._engine.begin() as connection:
            await end_all_sessions(connection, staff_id, kept, actor)

    async def sessions(self, staff_id: UUID) -> Sequence[SessionLine]:
        """Sessions that last, the newest first."""
        async with self._engine.connect() as connection:
            rows = await connection.execute(_SESSIONS, {"staff": staff_id})
            return [SessionLine(**row._mapping) for row in rows]

    async def prove(self, family: UUID) -> None:
        """Note that the second factor was shown just now."""
        async with self._engine.begin() as connection:
            await connection.execute(_PROVE, {"family": family})

    async def begin_factor(self, staff_id: UUID, secret: str) -> bool:
        """Keep the secret of a second factor that is to be proven."""
        sealed = self._vault.seal(secret, factor_place(staff_id))
        async with self._engine.begin() as connection:
            return bool((await connection.execute(_BEGIN_FACTOR, {"id": staff_id, "cipher": sealed})).rowcount)

    async def confirm_factor(self, staff_id: UUID, step: int) -> bool:
        """The secret that was begun is in the person's hands."""
        async with self._engine.begin() as connection:
            row = (await connection.execute(_CONFIRM_FACTOR, {"id": staff_id, "step": step})).one_or_none()
            if row is None:
                return False
            await note(connection, actor=row.email, act="staff.factor_set", subject=row.email)
            await self._tell_change(connection, row.email, FactorChange.APP_SET)
        return True

    async def create(
        self,
        *,
        email: str,
        name: str,
        role: Role,
        organiser: str | None,
        password_hash: str,
        actor: str,
        contest: str | None = None,
    ) -> Member:
        """Make an account. `organiser`: slug; None: for the platform. `contest`: slug of the only one that an auditor
        reads. Raises StaffRefused."""
        staff_id = uuid4()
        async with self._engine.begin() as connection:
            organiser_id = None if organiser is None else await _organiser(connection, organiser)
            if not exists(role, organiser_id):
                raise StaffRefused(
                    f"the role {role.value} is {'none of an organiser' if organiser else 'an organiser’s'}"
                )
            contest_id = None if contest is None else await _contest(connection, contest, organiser_id, role)
            values = {"id": staff_id, "email": email, "name": name, "hash": password_hash}
            try:
                await connection.execute(
                    _CREATE, {**values, "role": role.value, "organiser": organiser_id, "contest": contest_id}
                )
            except IntegrityError:
                raise StaffRefused(f"{email} has an account already") from None
            detail = {"role": role.value, "organiser": organiser, "contest": contest}
            await note(connection, actor=actor, act="staff.created", subject=email, detail=detail, contest=contest_id)
        return Member(staff_id, email, name, role, organiser_id, active=True, has_factor=False, contest_id=contest_id)

    async def set_password(self, staff_id: UUID, password_hash: str, actor: str) -> None:
        """Another password."""
        async with self._engine.begin() as connection:
            email = await set_password_hash(connection, staff_id, password_hash)
            await note(connection, actor=actor, act="staff.password_set", subject=email)
            await self._mails.tell(connection, MailKind.PASSWORD_CHANGED, email, at=_now())

    async def set_name(self, member: Member, name: str) -> None:
        """Another name of their own, by which they sign results."""
        async with self._engine.begin() as connection:
            await connection.execute(
                text("update staff set name = :name where id = :id"), {"id": member.id, "name": name}
            )
            detail = {"before": member.name, "after": name}
            await note(connection, actor=member.email, act="staff.named", subject=member.email, detail=detail)

    async def reset_factor(self, email: str, actor: str) -> Member:
        """Take the second factor away and end all sessions. Raises StaffRefused."""
        async with self._engine.begin() as connection:
            return await self.take_factor(connection, email, actor)

    async def take_factor(self, connection: AsyncConnection, email: str, actor: str) -> Member:
        """Take the second factor away and end all sessions, in the transaction of what is the reason. Raises
        StaffRefused."""
        for statement in _FORGET_FACTORS:
            await connection.execute(statement, {"email": email})
        member = _known((await connection.execute(_RESET_FACTOR, {"email": email})).one_or_none(), email)
        await _stop_resets(connection, member.id, email, actor)
        await self._tell_change(connection, email, FactorChange.TAKEN_AWAY)
        await note(connection, actor=actor, act="staff.factor_reset", subject=email)
        await end_all_sessions(connection, member.id, None, actor)
        return member

    async def set_active(self, email: str, active: bool, actor: str) -> Member:
        """Open or shut an account; shutting ends its sessions. Raises StaffRefused."""
        async with self._engine.begin() as connection:
            values = {"email": email, "active": active}
            member = _known((await connection.execute(_SET_ACTIVE, values)).one_or_none(), email)
            act = "staff.enabled" if active else "staff.disabled"
            await note(connection, actor=actor, act=act, subject=email)
            if not active:
                await end_all_sessions(connection, member.id, None, actor)
        return member

    async def listed(self) -> Sequence[MemberLine]:
        """Everybody, by address."""
        async with self._engine.connect() as connection:
            rows = await connection.execute(_LISTED)
            return [MemberLine(read_member(row), row.slug, row.signed_in_at) for row in rows]

    def _subject(self, subject: str) -> bytes:
        return self._vault.index(f"sign-in {subject}")

    async def _end(
        self, connection: AsyncConnection, family: UUID, actor: str, act: str, detail: Mapping[str, Any]
    ) -> None:
        if (await connection.execute(_REVOKE, {"family": family})).first():
            await note(connection, actor=actor, act=act, subject=actor, detail={"session": str(family), **detail})

    async def _tell_change(self, connection: AsyncConnection, email: str, what: FactorChange) -> None:
        await self._mails.tell(connection, MailKind.FACTOR_CHANGED, email, what=what.value, at=_now())


def factor_place(staff_id: UUID) -> str:
    """Where a sealed second factor stands."""
    return f"staff.totp_cipher.{staff_id}"


def _kept(client: Client) -> dict[str, str]:
    return {"remote": client.remote[:_REMOTE_LENGTH_MAX], "agent": client.agent[:_AGENT_LENGTH_MAX]}


def _now() -> str:
    return instant(datetime.now(UTC))


def _where(client: Client) -> dict[str, str]:
    """When and from where, as a mail tells it."""
    kept = _kept(client)
    return {"at": _now(), "remote": kept["remote"] or "–", "agent": kept["agent"] or "–"}


def read_member(row: Row[Any]) -> Member:
    """The member of a row that has `MEMBER_COLUMNS`."""
    return _MEMBER.validate_python(row._asdict())


def _live(row: Row[Any]) -> LiveSession:
    return LiveSession(row.family, read_member(row), row.factor_at)


async def _stop_resets(connection: AsyncConnection, staff_id: UUID, email: str, by: str) -> Sequence[Row[Any]]:
    stopped = (await connection.execute(_STOP_RESETS, {"staff": staff_id, "by": by})).all()
    if stopped:
        await note(connection, actor=by, act="staff.factor_reset_stopped", subject=email)
    return stopped


async def tell_reset_stopped(connection: AsyncConnection, mails: Mails, email: str, by: str, reset: Row[Any]) -> None:
    """Write to those who know that a lost second factor was to be taken away: who asked for it and, where a second
    person agreed, that one and whose it is. Not to who stopped it."""
    known = {reset.asked_by} if reset.agreed_by is None else {reset.asked_by, reset.agreed_by, email}
    for person in sorted(known - {by}):
        facts = {"asked_by": reset.asked_by, "owner": email, "by": by, "at": _now()}
        await mails.tell(connection, MailKind.FACTOR_RESET_STOPPED, person, **facts)


def _known(row: Row[Any] | None, email: str) -> Member:
    if row is None:
        raise StaffRefused(f"no account has the address {email}")
    return read_member(row)


async def set_password_hash(connection: AsyncConnection, staff_id: UUID, password_hash: str) -> str:
    """Another password, in the transaction of what is the reason; whose it is."""
    values = {"id": staff_id, "hash": password_hash}
    done = await connection.execute(
        text("update staff set password_hash = :hash where id = :id returning email"), values
    )
    return str(done.scalar_one())


async def end_all_sessions(connection: AsyncConnection, staff_id: UUID, kept: UUID | None, actor: str) -> None:
    """End all sessions of a member but one, in the transaction of what is the reason."""
    rows = await connection.execute(_REVOKE_OTHERS, {"staff": staff_id, "kept": kept})
    ended = set(rows.scalars())
    if ended:
        detail = {"sessions": len(ended)}
        await note(connection, actor=actor, act="staff.sessions_ended", subject=str(staff_id), detail=detail)


async def _organiser(connection: AsyncConnection, slug: str) -> UUID:
    found: UUID | None = (
        await connection.execute(text("select id from organisers where slug = :slug"), {"slug": slug})
    ).scalar_one_or_none()
    if found is None:
        raise StaffRefused(f"there is no organiser {slug!r}")
    return found


async def _contest(connection: AsyncConnection, slug: str, organiser: UUID | None, role: Role) -> UUID:
    if role is not Role.AUDITOR or organiser is None:
        raise StaffRefused("only an organiser's auditor is limited to one contest")
    asked = {"slug": slug, "organiser": organiser}
    found: UUID | None = (
        await connection.execute(
            text("select id from contests where slug = :slug and organiser_id = :organiser"), asked
        )
    ).scalar_one_or_none()
    if found is None:
        raise StaffRefused(f"the organiser has no contest {slug!r}")
    return found
