"""People as those read them who manage them, and every change of who may do what.

A link is 256 random bits, of which only the SHA-256 is kept. The person who changes something must have the right as
the database has it in the same transaction.
"""

import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any, Final
from uuid import UUID, uuid4

from pydantic import Field
from sqlalchemy import Row, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from admin.access.keep_staff import read_email
from admin.access.rules import Member, Role, may_appoint, may_grant
from admin.access.store import HAS_FACTOR, MEMBER_COLUMNS, StaffRefused, end_all_sessions, read_member
from admin.answers import PageOnly
from admin.mail.rules import MailKind
from admin.mail.store import Mails
from admin.people.rules import FACTOR_RESET_WAIT, INVITATION_LIFE, Fault, PeopleRefused, clean_name, is_slug
from gateway.contests.quotas import Quota, check
from gateway.contests.store import lock_organiser
from gateway.http.endpoint import ApiModel
from gateway.storage.audit_log import note
from gateway.storage.engine import narrow, scoped
from gateway.values.organiser import Deed, OrganiserState, allows
from gateway.values.scope import Scope
from payments.requests import ActRefused, Right, Why

TOKEN_BYTES: Final = 32
PLATFORM: Final = "Spotlight"

_IN_SCOPE: Final = "(cast(:scope as uuid) is null or {}.organiser_id = cast(:scope as uuid))"
_WHERE: Final = "left join organisers o on o.id = {0}.organiser_id left join contests c on c.id = {0}.contest_id"
# Whether a row of factor_resets waits: for a second person no longer than for a day.
RESET_WAITS: Final = """f.done_at is null and f.stopped_at is null
  and (f.agreed_at is not null or f.asked_at > now() - cast(:wait as interval))"""
_PEOPLE: Final = f"""
select s.id, s.email, s.name, s.role, s.active, {HAS_FACTOR} as has_factor, s.signed_in_at, s.organiser_id,
  o.slug as organiser, o.name as organiser_name, c.slug as contest,
  (select jsonb_build_object('asked_by', f.asked_by, 'asked_at', f.asked_at, 'reason', f.reason,
    'agreed_by', f.agreed_by, 'due_at', f.due_at) from factor_resets f where f.staff_id = s.id and {RESET_WAITS}
    order by f.asked_at desc limit 1) as factor_reset
from staff s {_WHERE.format("s")} where {_IN_SCOPE.format("s")}
"""
_LISTED: Final = text(f"{_PEOPLE} order by s.active desc, o.name nulls first, s.email")
_PERSON: Final = text(f"{_PEOPLE} and s.id = :id")
_LOCK_PERSON: Final = text(f"select {MEMBER_COLUMNS} from staff s where s.id = :id for update")
_INVITATIONS: Final = f"""
select i.id, i.email, i.role, i.language, i.invited_by, i.created_at, i.expires_at, i.expires_at <= now() as over,
  i.organiser_id, i.contest_id, o.slug as organiser, o.name as organiser_name, c.slug as contest
from invitations i {_WHERE.format("i")} where i.accepted_at is null and i.withdrawn_at is null
"""
_OPEN: Final = text(f"{_INVITATIONS} and {_IN_SCOPE.format('i')} order by i.created_at desc")
_INVITATION: Final = text(f"{_INVITATIONS} and {_IN_SCOPE.format('i')} and i.id = :id for update of i")
# An invitation is no better than who made it.
_BY_LINK: Final = f"""{_INVITATIONS} and i.link_hash = :hash and i.expires_at > now()
  and exists (select from staff s where s.email = i.invited_by and s.active)"""
_INVITE: Final = text("""
insert into invitations (id, link_hash, email, role, language, invited_by, organiser_id, contest_id, expires_at)
values (:id, :hash, :email, :role, :language, :by, :organiser, :contest, now() + cast(:life as interval))
""")
_RENEW: Final = text("""
update invitations set link_hash = :hash, expires_at = now() + cast(:life as interval), invited_by = :by,
  sends = case when sent_at > now() - interval '1 day' then sends + 1 else 1 end, sent_at = now() where id = :id
""")
_WITHDRAW: Final = text("update invitations set withdrawn_at = now() where id = :id")
_WITHDRAW_SAME: Final = text("""
update invitations set withdrawn_at = now() where email = :email and accepted_at is null and withdrawn_at is null
  and organiser_id is not distinct from cast(:organiser as uuid)
""")
_ACCEPT: Final = text("update invitations set accepted_at = now() where id = :id")
_HIRE: Final = text(f"""
insert into staff as s (id, email, name, password_hash, role, organiser_id, contest_id, language)
select :id, i.email, :name, :hash, i.role, i.organiser_id, i.contest_id, :language
from invitations i where i.id = :invitation returning {MEMBER_COLUMNS}
""")
_HAS_ACCOUNT: Final = text("select 1 from staff where email = :email")
_ORGANISER: Final = text("select id from organisers where slug = :slug")
_CONTEST: Final = text("select id from contests where slug = :slug and organiser_id = :organiser")
_ROOM: Final = text("""
select o.quotas,
  (select count(*) from staff s where s.organiser_id = o.id and s.active)
  + (select count(*) from invitations i where i.organiser_id = o.id and i.accepted_at is null and i.withdrawn_at is null
    and i.expires_at > now() and i.email <> :email) as people,
  (select coalesce(sum(i.sends), 0) from invitations i where i.organiser_id = o.id
    and i.sent_at > now() - interval '1 day') as sent
from organisers o where o.id = :organiser
""")
_HAS_OWNER: Final = text("""
select 1 from staff where organiser_id = :organiser and role = 'owner' and active limit 1
""")
_HAS_CONTESTS: Final = text("select exists (select from contests where organiser_id = :organiser)")
_PLATFORMS_OWNERS: Final = text("""
select email from staff where organiser_id is null and role = 'owner' and active and email <> :by order by email
""")
_CHANGE: Final = text("""
update staff set role = :role, contest_id = :contest, active = :active where id = :id
""")
_ORGANISERS: Final = text("""
select o.slug, o.name, o.created_at, o.state,
  (select count(*) from contests c where c.organiser_id = o.id) as contests,
  (select count(*) from staff s where s.organiser_id = o.id and s.active) as people,
  (select array_agg(s.email order by s.email) from staff s
    where s.organiser_id = o.id and s.active and s.role = 'owner') as owners
from organisers o where cast(:scope as uuid) is null or o.id = cast(:scope as uuid) order by o.name, o.slug
""")
_CONTESTS: Final = text("""
select slug, name from contests c where (cast(:scope as uuid) is null or c.organiser_id = cast(:scope as uuid))
order by name, slug
""")
_MAKE_ORGANISER: Final = text("insert into organisers (id, slug, name) values (:id, :slug, :name)")

Check = Callable[[AsyncConnection, str, Right], Awaitable[Member]]
"""The member with this address, who must have the right now. Raises ActRefused."""


class FactorReset(ApiModel):
    """A lost second factor that two persons have taken away."""

    asked_by: str
    asked_at: datetime
    reason: str
    agreed_by: str | None = Field(description="null: it waits for a second person, for 24 hours at most.")
    due_at: datetime | None = Field(description="When it is taken away, unless its owner stops it or signs in with it.")


class PersonLine(ApiModel):
    """Somebody who may sign in."""

    id: UUID
    email: str
    name: str
    role: Role
    organiser: str | None = Field(description="Slug; null: the platform.")
    contest: str | None = Field(description="Slug of the only contest that an auditor reads.")
    active: bool = Field(description="False: their access was ended.")
    has_factor: bool = Field(description="Whether a second factor is set up.")
    signed_in_at: datetime | None
    factor_reset: FactorReset | None = Field(description="Being done about a lost second factor; null: nothing.")
    organiser_name: PageOnly[str | None] = None
    organiser_id: PageOnly[UUID | None] = None


class InvitationLine(ApiModel):
    """An invitation that is not accepted yet."""

    id: UUID
    email: str
    role: Role
    organiser: str | None = Field(description="Slug; null: the platform.")
    contest: str | None = Field(description="Slug of the only contest that an auditor reads.")
    language: str
    invited_by: str
    created_at: datetime
    expires_at: datetime
    over: bool = Field(description="Whether its link no longer works: send it again.")
    organiser_name: PageOnly[str | None] = None
    organiser_id: PageOnly[UUID | None] = None


class OrganiserLine(ApiModel):
    """An organiser."""

    slug: str
    name: str
    created_at: datetime
    state: OrganiserState = Field(description="limited: nothing new begins; frozen: nothing is sold, paid or changed.")
    contests: int
    people: int = Field(description="How many may sign in.")
    owners: list[str] = Field(description="Addresses of its owners.")


@dataclass(frozen=True, slots=True)
class NewInvitation:
    """Who is invited to do what. `organiser`, `contest`: slugs; `language`: of the mail."""

    email: str
    role: Role
    organiser: str | None
    contest: str | None
    language: str


@dataclass(frozen=True, slots=True)
class Invited:
    """An invitation that was made. `link`: what to hand over where no mail is sent."""

    invitation: UUID
    email: str
    link: str | None


class People:
    """Who works here. `base_url`: where links lead, without a trailing slash."""

    def __init__(self, engine: AsyncEngine, mails: Mails, check: Check, base_url: str) -> None:
        self._engine = engine
        self._mails = mails
        self._check = check
        self._base_url = base_url

    @property
    def by_mail(self) -> bool:
        """Whether invitations are sent; else the person who invites hands the link over."""
        return self._mails.on

    async def people(self, scope: Scope) -> list[PersonLine]:
        """Everybody in scope: first who may sign in."""
        async with scoped(self._engine, scope) as connection:
            rows = await connection.execute(_LISTED, {"scope": scope, "wait": FACTOR_RESET_WAIT})
            return [PersonLine.model_validate(row._asdict()) for row in rows]

    async def person(self, person: UUID, scope: Scope) -> PersonLine:
        """One of those in scope. Raises PeopleRefused."""
        async with scoped(self._engine, scope) as connection:
            return await _person(connection, person, scope)

    async def invitations(self, scope: Scope) -> list[InvitationLine]:
        """Those that are not accepted, the latest first."""
        async with scoped(self._engine, scope) as connection:
            rows = await connection.execute(_OPEN, {"scope": scope})
            return [InvitationLine.model_validate(row._asdict()) for row in rows]

    async def contests(self, scope: Scope) -> list[tuple[str, str]]:
        """Slug and name of the contests that an auditor may be limited to."""
        async with scoped(self._engine, scope) as connection:
            return [(row.slug, row.name) for row in await connection.execute(_CONTESTS, {"scope": scope})]

    async def organisers(self, scope: Scope) -> list[OrganiserLine]:
        """Organisers by name."""
        async with scoped(self._engine, scope) as connection:
            rows = await connection.execute(_ORGANISERS, {"scope": scope})
            return [OrganiserLine.model_validate({**row._asdict(), "owners": row.owners or []}) for row in rows]

    async def invite(self, by: str, new: NewInvitation) -> Invited:
        """Invite somebody; an earlier invitation of the same organiser is withdrawn.

        Raises PeopleRefused, ActRefused."""
        async with self._engine.begin() as connection:
            granter = await self._check(connection, by, Right.MANAGE_STAFF)
            organiser = await _organiser(connection, new.organiser, granter.scope)
            if not may_grant(granter, new.role, organiser):
                raise PeopleRefused(Fault.NOT_YOURS_TO_GIVE)
            _require_to_invite(granter)
            return await self._invite(connection, by, new, organiser, granter.scope)

    async def send_again(self, by: str, invitation: UUID) -> Invited:
        """Another link for an invitation; the earlier one no longer works. Raises PeopleRefused, ActRefused."""
        async with self._engine.begin() as connection:
            row = await self._held(connection, by, invitation, again=True)
            await _require_room(connection, row.organiser_id, row.email)
            link, hashed = self._link()
            values = {"id": invitation, "hash": hashed, "life": INVITATION_LIFE, "by": by}
            await connection.execute(_RENEW, values)
            await self._write(connection, by, row.email, row.role, row.language, row.organiser_name, link)
            await note(connection, actor=by, act="staff.invited_again", subject=row.email, contest=row.contest_id)
        return Invited(invitation, row.email, None if self._mails.on else link)

    async def withdraw(self, by: str, invitation: UUID) -> None:
        """End an invitation. Raises PeopleRefused, ActRefused."""
        async with self._engine.begin() as connection:
            row = await self._held(connection, by, invitation)
            await connection.execute(_WITHDRAW, {"id": invitation})
            await note(
                connection, actor=by, act="staff.invitation_withdrawn", subject=row.email, contest=row.contest_id
            )

    async def change(
        self,
        by: str,
        person: UUID,
        *,
        role: Role | None = None,
        contest: str | None = None,
        active: bool | None = None,
    ) -> PersonLine:
        """Give another role, end access or open it again; what is None stays. With a role, `contest` is that of an
        auditor. Raises PeopleRefused, ActRefused."""
        async with self._engine.begin() as connection:
            granter = await self._check(connection, by, Right.MANAGE_STAFF)
            await narrow(connection, granter.scope)
            row = (await connection.execute(_LOCK_PERSON, {"id": person})).one_or_none()
            held = None if row is None else read_member(row)
            if held is None or granter.organiser_id not in (None, held.organiser_id):
                raise PeopleRefused(Fault.NOT_FOUND)
            if held.id == granter.id:
                raise PeopleRefused(Fault.YOURSELF)
            given = role or held.role
            if not all(may_grant(granter, each, held.organiser_id) for each in (held.role, given)):
                raise PeopleRefused(Fault.NOT_YOURS_TO_GIVE)
            only = held.contest_id if role is None else await _contest(connection, contest, held.organiser_id, given)
            lives = held.active if active is None else active
            if lives and not held.active:
                await _require_room(connection, held.organiser_id, held.email, invited=False)
            values = {"id": person, "role": given.value, "contest": only, "active": lives}
            await connection.execute(_CHANGE, values)
            about = only or held.contest_id
            if role is not None:
                detail = {"from": held.role.value, "to": role.value, "contest": contest}
                await note(
                    connection, actor=by, act="staff.role_changed", subject=held.email, detail=detail, contest=about
                )
            if lives != held.active:
                act = "staff.enabled" if lives else "staff.disabled"
                await note(connection, actor=by, act=act, subject=held.email, contest=about)
            if not lives:
                await end_all_sessions(connection, person, None, by)
            return await _person(connection, person, granter.scope)

    async def open_organiser(self, by: str, slug: str, name: str, owner: str, language: str) -> Invited:
        """Make an organiser and invite its first owner. Raises PeopleRefused, ActRefused."""
        if not is_slug(slug):
            raise PeopleRefused(Fault.NO_SLUG)
        organiser = uuid4()
        async with self._engine.begin() as connection:
            granter = await self._check(connection, by, Right.MANAGE_ORGANISERS)
            try:
                await connection.execute(_MAKE_ORGANISER, {"id": organiser, "slug": slug, "name": clean_name(name)})
            except IntegrityError:
                raise PeopleRefused(Fault.SLUG_TAKEN) from None
            await note(connection, actor=by, act="organiser.created", subject=slug, detail={"name": name})
            await self._tell_owners(connection, by, slug, owner)
            return await self._invite(
                connection, by, NewInvitation(owner, Role.OWNER, slug, None, language), organiser, granter.scope
            )

    async def invite_first_owner(self, by: str, slug: str, owner: str, language: str) -> Invited:
        """Invite an owner of an organiser that has none. Raises PeopleRefused, ActRefused."""
        async with self._engine.begin() as connection:
            granter = await self._check(connection, by, Right.MANAGE_ORGANISERS)
            organiser = await _organiser(connection, slug, granter.scope)
            if (await connection.execute(_HAS_OWNER, {"organiser": organiser})).first():
                raise PeopleRefused(Fault.NOT_YOURS_TO_GIVE)
            if not await _may_appoint(connection, granter, organiser):
                raise PeopleRefused(Fault.OWNERS_TO_GIVE)
            await self._tell_owners(connection, by, slug, owner)
            return await self._invite(
                connection, by, NewInvitation(owner, Role.OWNER, slug, None, language), organiser, granter.scope
            )

    async def _tell_owners(self, connection: AsyncConnection, by: str, organiser: str, owner: str) -> None:
        """The platform's owners learn who was appointed, and by whom: an administrator has less rights than an
        owner."""
        for (email,) in (await connection.execute(_PLATFORMS_OWNERS, {"by": by})).all():
            facts = {"organiser": organiser, "owner": owner.strip(), "inviter": by}
            await self._mails.tell(connection, MailKind.FIRST_OWNER, email, **facts)

    async def invitation(self, token: str) -> InvitationLine | None:
        """The invitation of a link, while it is good."""
        async with self._engine.connect() as connection:
            row = (await connection.execute(text(_BY_LINK), {"hash": hash_of(token)})).one_or_none()
        return None if row is None else InvitationLine.model_validate(row._asdict())

    async def accept(self, token: str, name: str, password_hash: str, language: str) -> Member:
        """Use a link up: the account is made. Raises PeopleRefused."""
        async with self._engine.begin() as connection:
            given = {"hash": hash_of(token)}
            row = (await connection.execute(text(f"{_BY_LINK} for update of i"), given)).one_or_none()
            if row is None:
                raise PeopleRefused(Fault.LINK_OVER)
            await connection.execute(_ACCEPT, {"id": row.id})
            values = {"id": uuid4(), "name": clean_name(name), "hash": password_hash, "language": language}
            try:
                made = (await connection.execute(_HIRE, {**values, "invitation": row.id})).one()
            except IntegrityError:
                raise PeopleRefused(Fault.HAS_ACCOUNT) from None
            detail = {
                "role": row.role,
                "organiser": row.organiser,
                "contest": row.contest,
                "invited_by": row.invited_by,
            }
            await note(
                connection,
                actor=row.email,
                act="staff.created",
                subject=row.email,
                detail=detail,
                contest=row.contest_id,
            )
        return read_member(made)

    async def _invite(
        self, connection: AsyncConnection, by: str, new: NewInvitation, organiser: UUID | None, scope: Scope
    ) -> Invited:
        """Invite, in the scope of who does so. Other organisers' accounts count, too: addresses are unique."""
        try:
            email = read_email(new.email)
        except StaffRefused:
            raise PeopleRefused(Fault.NO_ADDRESS) from None
        contest = await _contest(connection, new.contest, organiser, new.role)
        if (await connection.execute(_HAS_ACCOUNT, {"email": email})).first():
            raise PeopleRefused(Fault.HAS_ACCOUNT)
        await narrow(connection, scope)
        await _require_room(connection, organiser, email)
        await connection.execute(_WITHDRAW_SAME, {"email": email, "organiser": organiser})
        made = uuid4()
        link, hashed = self._link()
        values = {"id": made, "hash": hashed, "email": email, "role": new.role.value, "language": new.language}
        more = {"by": by, "organiser": organiser, "contest": contest, "life": INVITATION_LIFE}
        await connection.execute(_INVITE, {**values, **more})
        name = (await connection.execute(text(f"{_INVITATIONS} and i.id = :id"), {"id": made})).one().organiser_name
        await self._write(connection, by, email, new.role.value, new.language, name, link)
        detail = {"role": new.role.value, "organiser": new.organiser, "contest": new.contest}
        await note(connection, actor=by, act="staff.invited", subject=email, detail=detail, contest=contest)
        return Invited(made, email, None if self._mails.on else link)

    async def _held(self, connection: AsyncConnection, by: str, invitation: UUID, *, again: bool = False) -> Row[Any]:
        """An open invitation that they may change. `again`: to send it again."""
        granter = await self._check(connection, by, Right.MANAGE_STAFF)
        if again:
            _require_to_invite(granter)
        await narrow(connection, granter.scope)
        values = {"id": invitation, "scope": granter.scope}
        row = (await connection.execute(_INVITATION, values)).one_or_none()
        if row is None:
            raise PeopleRefused(Fault.NOT_FOUND)
        first = row.role == Role.OWNER and row.invited_by == by
        first = first and await _may_appoint(connection, granter, row.organiser_id)
        if not first and not may_grant(granter, Role(row.role), row.organiser_id):
            raise PeopleRefused(Fault.NOT_YOURS_TO_GIVE)
        return row

    def _link(self) -> tuple[str, bytes]:
        token = secrets.token_urlsafe(TOKEN_BYTES)
        return f"{self._base_url}/admin/invitation/{token}", hash_of(token)

    async def _write(
        self, connection: AsyncConnection, by: str, to: str, role: str, language: str, organiser: str | None, link: str
    ) -> None:
        hours = str(int(INVITATION_LIFE.total_seconds() // 3600))
        facts = {"organiser": organiser or PLATFORM, "inviter": by, "role": role, "link": link, "hours": hours}
        await self._mails.owe(connection, MailKind.INVITATION, to, language, **facts)


async def _may_appoint(connection: AsyncConnection, granter: Member, organiser: UUID | None) -> bool:
    if organiser is None:
        return False
    has_contests = bool((await connection.execute(_HAS_CONTESTS, {"organiser": organiser})).scalar_one())
    return may_appoint(granter, organiser, has_contests=has_contests)


def _require_to_invite(granter: Member) -> None:
    """Raises ActRefused for the people of an organiser that may invite nobody now."""
    if not allows(granter.organiser_state, Deed.INVITE):
        raise ActRefused(Why.LIMITED, "this organiser is limited: it invites nobody for now")


async def _require_room(
    connection: AsyncConnection, organiser: UUID | None, email: str, *, invited: bool = True
) -> None:
    """Whether an organiser may have one more person, and send one more invitation. Raises QuotaReached."""
    if organiser is None:
        return
    await lock_organiser(connection, organiser)
    row = (await connection.execute(_ROOM, {"organiser": organiser, "email": email})).one()
    check(row.quotas, Quota.PEOPLE, row.people + 1)
    if invited:
        check(row.quotas, Quota.INVITATIONS, row.sent + 1)


async def _person(connection: AsyncConnection, person: UUID, scope: Scope) -> PersonLine:
    values = {"id": person, "scope": scope, "wait": FACTOR_RESET_WAIT}
    row = (await connection.execute(_PERSON, values)).one_or_none()
    if row is None:
        raise PeopleRefused(Fault.NOT_FOUND)
    return PersonLine.model_validate(row._asdict())


def hash_of(token: str) -> bytes:
    """What is kept of a link's token."""
    return sha256(token.encode("utf-8", "replace")).digest()


async def _organiser(connection: AsyncConnection, slug: str | None, scope: Scope) -> UUID | None:
    """Whose people are meant: without a slug, those of the scope."""
    if slug is None:
        return scope
    found: UUID | None = (await connection.execute(_ORGANISER, {"slug": slug})).scalar_one_or_none()
    if found is None or scope not in (None, found):
        raise PeopleRefused(Fault.NO_ORGANISER)
    return found


async def _contest(connection: AsyncConnection, slug: str | None, organiser: UUID | None, role: Role) -> UUID | None:
    if slug is None:
        return None
    if role is not Role.AUDITOR or organiser is None:
        raise PeopleRefused(Fault.ONE_CONTEST)
    values = {"slug": slug, "organiser": organiser}
    found: UUID | None = (await connection.execute(_CONTEST, values)).scalar_one_or_none()
    if found is None:
        raise PeopleRefused(Fault.NO_CONTEST)
    return found
