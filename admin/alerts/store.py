"""Destinations of alerts and what was sent to them: read and set by an organiser's people."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import orjson
from aiohttp import web
from pydantic import Field
from sqlalchemy import Row, TextClause, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from admin.access.rules import CODE_LETTERS, ROLES_OF_THE_PLATFORM, rights_in
from admin.alerts.rules import (
    CODE_MINUTES,
    DESTINATIONS_MAX,
    GAP_MINUTES,
    GAP_MINUTES_MAX,
    TEST,
    AlertChannel,
    AlertFault,
    AlertKind,
    DestinationRefused,
    kinds_of,
)
from admin.answers import read_row
from channels.telegram.linking import code_hash
from gateway.http.endpoint import ApiModel, InputModel, Line
from gateway.http.phrases import DEFAULT_LANGUAGE
from gateway.storage.audit_log import note
from gateway.storage.engine import scoped
from gateway.storage.vault import Vault
from gateway.values.webhook import SECRET_BYTES, URL_LENGTH_MAX, address_fault, written_secret
from payments.requests import ActRefused, Right, Scope, Why, named

CODE_LENGTH: Final = 12
PLATFORM: Final = "Spotlight"
TESTS_A_MINUTE: Final = 5
_SHOWN_MAX: Final = 50

# Of an organiser; without one, of the platform.
_OF: Final = (
    "(d.organiser_id = cast(:organiser as uuid) or cast(:organiser as uuid) is null and d.organiser_id is null)"
)
_ORGANISER: Final = text("""
select id, slug, name from organisers
where slug = :slug and id = coalesce(cast(cast(:scope as text) as uuid), id)
""")
_OWN: Final = text("select slug from organisers where id = cast(cast(:scope as text) as uuid)")
_DESTINATIONS: Final = text(f"""
select d.id, d.channel, d.kinds, d.gap_seconds / 60 as gap_minutes, c.slug as contest, c.name as contest_name,
  coalesce(d.host, s.email, '') as address, d.made_by, d.made_at, d.failing_since, d.stopped_at,
  case when d.stopped_at is not null then 'stopped' when d.channel = 'telegram' and d.chat_id is null then 'waiting'
    when d.failing_since is not null then 'failing' else 'on' end as state
from alert_destinations d left join contests c on c.id = d.contest_id left join staff s on s.id = d.staff_id
where {_OF} and d.removed_at is null order by d.made_at
""")
_SENT: Final = text(f"""
select a.*, d.channel, coalesce(d.host, s.email, '') as address, c.slug as contest, c.name as contest_name
from alert_destinations d left join staff s on s.id = d.staff_id
  cross join lateral (select id, contest_id, kind, many, since, until, due_at, status, attempts, next_try_at, ended_at,
      answer, subjects
    from alerts where destination_id = d.id order by due_at desc limit {_SHOWN_MAX}) a
  left join contests c on c.id = a.contest_id
where {_OF} and d.removed_at is null order by a.due_at desc limit {_SHOWN_MAX}
""")
_MANY: Final = text(f"""
select count(*) from alert_destinations d where {_OF} and removed_at is null
""")
_CONTEST: Final = text("select id from contests where slug = :slug and organiser_id = :organiser and state <> 'draft'")
_CONTESTS: Final = text("""
select slug, name from contests where organiser_id = :organiser and state <> 'draft' order by opens_at desc limit 100
""")
# Of the platform those whose role is about its alerts.
_WORKS_THERE: Final = """active and (organiser_id = cast(:organiser as uuid) or organiser_id is null
  and (email = :person or cast(:organiser as uuid) is null and role = any(cast(:roles as text[]))))"""
_ROLES: Final = sorted(role.value for role in ROLES_OF_THE_PLATFORM if Right.PLATFORM_ALERTS in rights_in(role, None))
# Who reads one contest alone gets alerts of no other one.
_MEMBER: Final = text(f"""
select id from staff where email = :email and {_WORKS_THERE}
  and (contest_id is null or contest_id = cast(:contest as uuid))
""")
_MEMBERS: Final = text(f"select email from staff where {_WORKS_THERE} order by email limit 200")
_ADD: Final = text("""
insert into alert_destinations (id, organiser_id, contest_id, channel, language, made_by, kinds, gap_seconds, staff_id,
  host, secret_cipher, code_hash, code_until)
values (:id, :organiser, :contest, :channel,
  coalesce((select language from staff where email = :person), :default_language), :person, :kinds,
  :gap, :staff, :host, :secret, :code, now() + cast(:code_life as interval))
""")
_REMOVE: Final = text(f"""
update alert_destinations d set removed_at = now()
where id = :id and {_OF} and removed_at is null returning channel, contest_id
""")
_RESUME: Final = text(f"""
update alert_destinations d set stopped_at = null, failing_since = null
where id = :id and {_OF} and removed_at is null and stopped_at is not null
returning channel, contest_id
""")
_THERE: Final = text(f"""
select channel, contest_id from alert_destinations d
where id = :id and {_OF} and removed_at is null and (channel <> 'telegram' or chat_id is not null)
""")
END: Final = text("""
update alerts set status = 'refused', next_try_at = null, ended_at = now(), answer = 'stopped'
where destination_id = :id and status = 'due'
""")
_TEST: Final = text(f"""
insert into alerts (id, destination_id, contest_id, kind, many, since, until, due_at, next_try_at)
select :id, d.id, d.contest_id, '{TEST}', 1, now(), now(), now(), now()
from alert_destinations d where d.id = :destination and (
  select count(*) from alerts a where a.destination_id = d.id and a.kind = '{TEST}'
    and a.due_at > now() - interval '1 minute') < {TESTS_A_MINUTE}
""")


class NewDestination(InputModel):
    """Where alerts are to go. `address` says it by the channel."""

    channel: AlertChannel
    address: Line = Field(
        "",
        max_length=URL_LENGTH_MAX,
        description="For `mail` that of a member, for `webhook` an https address; for `telegram` none.",
    )
    contest: Line | None = Field(None, max_length=100, description="One contest only, by its slug.")
    kinds: list[AlertKind] = Field(min_length=1, max_length=len(AlertKind), description="What alerts are about.")
    gap_minutes: int = Field(
        GAP_MINUTES,
        ge=0,
        le=GAP_MINUTES_MAX,
        description="At least between two alerts of a kind about a contest; what is found meanwhile is summed up.",
    )


class Destination(ApiModel):
    """Where alerts go."""

    id: UUID
    channel: AlertChannel
    address: str = Field(description="The member's, or the beginning of the webhook's; empty for a chat.")
    contest: str | None = Field(description="None: all contests.")
    contest_name: str | None
    kinds: list[AlertKind]
    gap_minutes: int
    state: str = Field(description="`on`, `waiting` for its code to be sent to the bot, `failing`, or `stopped`.")
    made_by: str
    made_at: datetime
    failing_since: datetime | None
    stopped_at: datetime | None


class SentAlert(ApiModel):
    """An alert on its way, or at its end."""

    id: UUID
    kind: str = Field(description="Of `kinds`, or `test`.")
    channel: AlertChannel
    address: str
    contest: str | None
    contest_name: str | None
    many: int = Field(description="Orders, addresses that were listed, differences, or how often it happened.")
    subjects: list[str] = Field(description="Wallets, carriers and contests that it is about.")
    since: datetime
    until: datetime
    due_at: datetime
    status: str = Field(description="`due`, `sent` or `refused`.")
    attempts: int
    next_try_at: datetime | None
    ended_at: datetime | None
    answer: str = Field(description="The last answer of the other side, or a word for why there was none.")


class AlertsView(ApiModel):
    """Where alerts of an organiser, or of the platform, go, and the latest of them."""

    organiser: str | None = Field(description="None: of the platform.")
    name: str
    destinations: list[Destination]
    alerts: list[SentAlert] = Field(description="The latest first.")


class DestinationMade(ApiModel):
    """A destination as it is shown once."""

    id: UUID
    secret: str | None = Field(None, description="For a webhook: what its bodies are signed with; shown only now.")
    code: str | None = Field(None, description="For Telegram: what the chat sends to the bot; shown only now.")


@dataclass(frozen=True, slots=True)
class Choices:
    """What a destination may be chosen from. `mail`, `bot`: whether there is one."""

    contests: Sequence[tuple[str, str]]
    members: Sequence[str]
    mail: bool
    bot: bool


@dataclass(frozen=True, slots=True)
class Ways:
    """How alerts may leave this installation. `local`: to servers of this very machine too."""

    mail: bool
    bot: bool
    local: bool


@dataclass(frozen=True, slots=True)
class _Whose:
    """Whose destinations are meant; `id` and `slug` None: the platform's."""

    id: UUID | None
    slug: str | None
    name: str

    @property
    def subject(self) -> str:
        """What the audit log calls it."""
        return self.slug or self.name


class Alerts:
    """Reads and acts for staff. `organiser`: its slug; None: the platform. All raise ActRefused for what is not within
    the scope."""

    def __init__(self, engine: AsyncEngine, vault: Vault, ways: Ways) -> None:
        self._engine = engine
        self._vault = vault
        self._ways = ways

    async def own(self, scope: Scope) -> str | None:
        """The slug of one's own organiser; None for the platform's people."""
        if scope is None:
            return None
        async with scoped(self._engine, scope) as connection:
            slug: str = (await connection.execute(_OWN, {"scope": str(scope)})).scalar_one()
        return slug

    async def view(self, organiser: str | None, scope: Scope) -> AlertsView:
        """Destinations, and what was sent to them."""
        async with scoped(self._engine, scope) as connection:
            found = await _organiser(connection, organiser, scope)
            asked = {"organiser": found.id}
            destinations = (await connection.execute(_DESTINATIONS, asked)).all()
            sent = (await connection.execute(_SENT, asked)).all()
        return AlertsView(
            organiser=found.slug,
            name=found.name,
            destinations=[read_row(Destination, row) for row in destinations],
            alerts=[read_row(SentAlert, row) for row in sent],
        )

    async def choices(self, organiser: str | None, scope: Scope, person: str) -> Choices:
        """What the form offers."""
        async with scoped(self._engine, scope) as connection:
            found = await _organiser(connection, organiser, scope)
            contests = (await connection.execute(_CONTESTS, {"organiser": found.id})).all()
            asked = {"organiser": found.id, "person": person, "roles": _ROLES}
            members = (await connection.execute(_MEMBERS, asked)).scalars().all()
        return Choices([(row.slug, row.name) for row in contests], members, self._ways.mail, self._ways.bot)

    async def add(self, organiser: str | None, new: NewDestination, scope: Scope, person: str) -> DestinationMade:
        """Add a destination. Raises DestinationRefused."""
        added = uuid4()
        async with scoped(self._engine, scope) as connection:
            found = await _organiser(connection, organiser, scope)
            offered = kinds_of(platform=found.id is None)
            if not set(new.kinds) <= set(offered):
                raise DestinationRefused(AlertFault.NO_KIND)
            contest = await _contest(connection, new.contest, found.id) if new.contest else None
            if (await connection.execute(_MANY, {"organiser": found.id})).scalar_one() >= DESTINATIONS_MAX:
                raise DestinationRefused(AlertFault.TOO_MANY)
            values: dict[str, Any] = dict.fromkeys(("staff", "host", "secret", "code", "code_life"))
            secret = code = None
            match new.channel:
                case AlertChannel.MAIL:
                    values["staff"] = await self._member(connection, new.address, person, found.id, contest)
                case AlertChannel.TELEGRAM:
                    code = self._code()
                    values |= {"code": code_hash(code), "code_life": timedelta(minutes=CODE_MINUTES)}
                case AlertChannel.WEBHOOK:
                    secret = written_secret(secrets.token_bytes(SECRET_BYTES))
                    values |= self._webhook(added, new.address, secret)
            shown = values["host"] or (new.address if values["staff"] else "")
            kinds = [kind.value for kind in offered if kind in new.kinds]
            row = {"id": added, "organiser": found.id, "contest": contest, "channel": new.channel.value, "kinds": kinds}
            more = {"default_language": DEFAULT_LANGUAGE, "person": named(person), "gap": new.gap_minutes * 60}
            await connection.execute(_ADD, {**values, **row, **more})
            detail = {"destination": str(added), "channel": new.channel.value, "address": shown, "kinds": kinds}
            subject = found.subject
            await note(connection, actor=person, act="alerts.added", subject=subject, detail=detail, contest=contest)
        return DestinationMade(id=added, secret=secret, code=code)

    async def remove(self, organiser: str | None, destination: UUID, scope: Scope, person: str) -> None:
        """Send nothing there any more."""
        await self._change(_REMOVE, "alerts.removed", organiser, destination, scope, person)

    async def resume(self, organiser: str | None, destination: UUID, scope: Scope, person: str) -> None:
        """Send to a destination that was stopped."""
        await self._change(_RESUME, "alerts.resumed", organiser, destination, scope, person)

    async def test(self, organiser: str | None, destination: UUID, scope: Scope, person: str) -> UUID:
        """Owe an alert that says that it is a test."""
        alert = uuid4()
        async with scoped(self._engine, scope) as connection:
            found = await _organiser(connection, organiser, scope)
            asked = {"id": destination, "organiser": found.id}
            row = (await connection.execute(_THERE, asked)).one_or_none()
            if row is None:
                raise ActRefused(Why.UNKNOWN, f"there is no destination {destination} that alerts can be sent to")
            if not (await connection.execute(_TEST, {"id": alert, "destination": destination})).rowcount:
                raise ActRefused(Why.IMPOSSIBLE, f"send at most {TESTS_A_MINUTE} tests a minute")
            await _note(connection, person, "alerts.tested", found, destination, row)
        return alert

    async def _change(
        self,
        statement: TextClause,
        act: str,
        organiser: str | None,
        destination: UUID,
        scope: Scope,
        person: str,
    ) -> None:
        async with scoped(self._engine, scope) as connection:
            found = await _organiser(connection, organiser, scope)
            asked = {"id": destination, "organiser": found.id}
            row = (await connection.execute(statement, asked)).one_or_none()
            if row is None:
                raise ActRefused(Why.UNKNOWN, f"there is no destination {destination} to change so")
            if statement is _REMOVE:
                await connection.execute(END, {"id": destination})
            await _note(connection, person, act, found, destination, row)

    async def _member(
        self, connection: AsyncConnection, address: str, person: str, organiser: UUID | None, contest: UUID | None
    ) -> UUID:
        if not self._ways.mail:
            raise DestinationRefused(AlertFault.NO_MAIL)
        asked: dict[str, Any] = {
            "email": address.strip().lower(),
            "person": person,
            "organiser": organiser,
            "contest": contest,
        }
        asked |= {"roles": _ROLES}
        found: UUID | None = (await connection.execute(_MEMBER, asked)).scalar()
        if found is None:
            raise DestinationRefused(AlertFault.NO_MEMBER)
        return found

    def _code(self) -> str:
        if not self._ways.bot:
            raise DestinationRefused(AlertFault.NO_BOT)
        return "".join(secrets.choice(CODE_LETTERS) for _ in range(CODE_LENGTH))

    def _webhook(self, destination: UUID, address: str, secret: str) -> dict[str, object]:
        url = address.strip()
        if (fault := address_fault(url, local=self._ways.local)) is not None:
            raise DestinationRefused(fault)
        parts = urlsplit(url)
        # What follows the name may be as good as a password there.
        sealed = self._vault.seal(orjson.dumps([url, secret]).decode(), secret_place(destination))
        return {"host": f"{parts.scheme}://{parts.netloc}", "secret": sealed}


ALERTS: web.AppKey[Alerts] = web.AppKey("alerts", Alerts)


async def _organiser(connection: AsyncConnection, slug: str | None, scope: Scope) -> _Whose:
    """Raises ActRefused."""
    if slug is None and scope is None:
        return _Whose(None, None, PLATFORM)
    asked = {"slug": slug, "scope": None if scope is None else str(scope)}
    found = (await connection.execute(_ORGANISER, asked)).one_or_none()
    if found is None:
        raise ActRefused(Why.UNKNOWN, f"there is no organiser {slug!r} of yours")
    return _Whose(found.id, found.slug, found.name)


async def _contest(connection: AsyncConnection, slug: str, organiser: UUID | None) -> UUID:
    """Raises ActRefused."""
    found: UUID | None = (await connection.execute(_CONTEST, {"slug": slug, "organiser": organiser})).scalar()
    if found is None:
        raise ActRefused(Why.UNKNOWN, f"there is no contest {slug!r} that was published")
    return found


async def _note(
    connection: AsyncConnection, person: str, act: str, whose: _Whose, destination: UUID, row: Row[Any]
) -> None:
    detail = {"destination": str(destination), "channel": row.channel}
    await note(connection, actor=named(person), act=act, subject=whose.subject, detail=detail, contest=row.contest_id)


def secret_place(destination: UUID) -> str:
    """Where the sealed address and secret of a webhook stand."""
    return f"alert_destinations.secret_cipher.{destination}"
