"""Organisers as the platform and their own people read them: state, quotas with their use; and changes of both.

What is stopped and when it goes on is told to the owners by mail, in the transaction of the change.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

import orjson
from pydantic import Field
from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from admin.mail.rules import EVERY_OTHER, MailKind
from admin.mail.store import Mails, instant
from admin.people.rules import Fault, PeopleRefused
from admin.people.store import Check
from gateway.contests.quotas import QUOTA_MAX, Quota, most_of
from gateway.http.endpoint import ApiModel
from gateway.storage.audit_log import note
from gateway.storage.engine import scoped
from gateway.values.money import Money
from gateway.values.organiser import OrganiserState
from gateway.values.scope import Scope
from payments.ledger.book import DatedFeePlan
from payments.requests import Right, reasoned

# `candidates`: of the contest that has most. What is an auditor's of one contest counts that one alone.
_USED: Final = {
    Quota.CONTESTS: """(select count(*) from contests c where c.organiser_id = o.id and c.state = 'published'
    and c.closes_at > now())""",
    Quota.DRAFTS: "(select count(*) from contests c where c.organiser_id = o.id and c.state = 'draft')",
    Quota.CANDIDATES: """(select coalesce(max(many), 0) from (select count(*) as many from candidates d
    join contests c on c.id = d.contest_id where c.organiser_id = o.id group by c.id) m)""",
    Quota.PEOPLE: """((select count(*) from staff s where s.organiser_id = o.id and s.active)
    + (select count(*) from invitations i where i.organiser_id = o.id and i.accepted_at is null
      and i.withdrawn_at is null and i.expires_at > now()))""",
    Quota.INVITATIONS: """(select coalesce(sum(i.sends), 0) from invitations i where i.organiser_id = o.id
    and i.sent_at > now() - interval '1 day')""",
    Quota.VIDEOS: """(select count(*) from video_uploads u join contests c on c.id = u.contest_id
    where c.organiser_id = o.id and u.state in ('issued', 'uploaded', 'ready', 'approved'))""",
}
_ONE: Final = f"""
select o.id, o.slug, o.name, o.created_at, o.state, o.state_reason, o.state_since, o.quotas,
  {", ".join(f"{counted} as {quota.value}" for quota, counted in _USED.items())}
from organisers o where o.slug = :slug and (cast(:scope as uuid) is null or o.id = cast(:scope as uuid))
"""
_LOCK: Final = text("select id, name, state, quotas from organisers where slug = :slug for update")
_SET_STATE: Final = text("""
update organisers set state = :state, state_reason = :reason, state_since = now() where id = :id
""")
_SET_QUOTAS: Final = text("update organisers set quotas = cast(:quotas as jsonb) where id = :id")
_NAME: Final = text("select name from organisers where id = :id")
_OWNERS: Final = text("select email from staff where organiser_id = :id and role = 'owner' and active order by email")
# The audit log is one for all; what is read of it is this organiser's.
_HISTORY: Final = text("""
select at, actor, detail from audit_log where subject = :slug and act = 'organiser.state' order by id desc limit 50
""")


class QuotaLine(ApiModel):
    """How much there may be of something, and how much there is."""

    quota: Quota
    used: int
    most: int


class Past(ApiModel):
    """A change of the state."""

    at: datetime
    by: str
    state: OrganiserState
    reason: str


class Organisation(ApiModel):
    """An organiser, how far it may go, and how much it has."""

    slug: str
    name: str
    created_at: datetime
    state: OrganiserState
    state_reason: str | None
    state_since: datetime | None
    quotas: list[QuotaLine]
    history: list[Past] = Field(description="Changes of the state, the latest first.")


class Organisers:
    """Organisers as they are kept."""

    def __init__(self, engine: AsyncEngine, mails: Mails, check: Check) -> None:
        self._engine = engine
        self._mails = mails
        self._check = check

    async def one(self, slug: str, scope: Scope) -> Organisation:
        """An organiser within a scope. Raises PeopleRefused."""
        async with scoped(self._engine, scope) as connection:
            row = (await connection.execute(text(_ONE), {"slug": slug, "scope": scope})).one_or_none()
        if row is None:
            raise PeopleRefused(Fault.NOT_FOUND)
        async with self._engine.connect() as connection:
            past = [
                Past(at=one.at, by=one.actor, state=one.detail["to"], reason=one.detail["reason"])
                for one in await connection.execute(_HISTORY, {"slug": slug})
            ]
        return Organisation(**{**row._asdict(), "quotas": _lines(row)}, history=past)

    async def set_state(self, by: str, slug: str, state: OrganiserState, reason: str) -> None:
        """Limit an organiser, freeze it, or let it go on; its owners are told. Nothing happens where it is so already.
        Raises PeopleRefused, ActRefused."""
        why = reasoned(reason)
        async with self._engine.begin() as connection:
            await self._check(connection, by, Right.STOP_ORGANISERS)
            row = await _locked(connection, slug)
            if row.state == state.value:
                return
            await connection.execute(_SET_STATE, {"id": row.id, "state": state.value, "reason": why})
            detail = {"from": row.state, "to": state.value, "reason": why}
            await note(connection, actor=by, act="organiser.state", subject=slug, detail=detail)
            facts = {"state": state.value, "reason": why, "at": instant(datetime.now(UTC)), "by": by}
            await self._tell(connection, row.id, row.name, MailKind.ORGANISER_STATE, facts)

    async def tell_fees(self, connection: AsyncConnection, organiser: UUID, fees: DatedFeePlan) -> None:
        """Write to its owners what of an order stays with the platform, in the transaction that makes it so."""
        plan, name = fees.plan, (await connection.execute(_NAME, {"id": organiser})).scalar_one()
        facts = {
            "method": fees.method or EVERY_OTHER,
            "percent": f"{plan.percent_bp // 100}.{plan.percent_bp % 100:02d}",
            "fixed": Money(plan.fixed_minor, fees.currency).spoken(),
            "minimum": Money(plan.minimum_minor, fees.currency).spoken(),
            "at": instant(fees.valid_from),
            "by": fees.created_by,
        }
        await self._tell(connection, organiser, name, MailKind.FEES, facts)

    async def _tell(
        self, connection: AsyncConnection, organiser: UUID, name: str, kind: MailKind, facts: Mapping[str, str]
    ) -> None:
        for (owner,) in (await connection.execute(_OWNERS, {"id": organiser})).all():
            await self._mails.tell(connection, kind, owner, organiser=name, **facts)

    async def set_quotas(self, by: str, slug: str, most: Mapping[Quota, int]) -> None:
        """Give an organiser quotas of its own; those that are not named stay. What is there already stays, too. Raises
        PeopleRefused, ActRefused."""
        if not all(0 <= many <= QUOTA_MAX for many in most.values()):
            raise PeopleRefused(Fault.NO_QUOTA)
        async with self._engine.begin() as connection:
            await self._check(connection, by, Right.MANAGE_ORGANISERS)
            row = await _locked(connection, slug)
            changed = {quota.value: many for quota, many in most.items() if most_of(row.quotas, quota) != many}
            if not changed:
                return
            await connection.execute(
                _SET_QUOTAS, {"id": row.id, "quotas": orjson.dumps({**row.quotas, **changed}).decode()}
            )
            before = {name: most_of(row.quotas, Quota(name)) for name in changed}
            await note(
                connection, actor=by, act="organiser.quotas", subject=slug, detail={"from": before, "to": changed}
            )


async def _locked(connection: AsyncConnection, slug: str) -> Row[Any]:
    row = (await connection.execute(_LOCK, {"slug": slug})).one_or_none()
    if row is None:
        raise PeopleRefused(Fault.NOT_FOUND)
    return row


def _lines(row: Row[Any]) -> list[QuotaLine]:
    used = row._asdict()
    return [QuotaLine(quota=quota, used=used[quota.value], most=most_of(row.quotas, quota)) for quota in Quota]
