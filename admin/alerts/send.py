"""Sum up what the audit log says about findings, and send it: behind what found it, never in its way.

A worker reads the lines since its mark. What is found while an alert waits is added to it; the next one about the same
waits for the gap that the destination wants. An alert arrives at least once: where a process is killed between sending
and writing that down, it is sent again under the same id.
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

import orjson
import structlog
from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from admin.alerts.rules import NOTED_AS, RULE, TEST, AlertChannel, AlertKind, Outcome, retry_seconds
from admin.alerts.store import END, PLATFORM, secret_place
from admin.mail.rules import MailKind
from admin.mail.store import Mails, instant
from admin.mail.words import named_in, say
from channels.messages.carrier import MessageSender, OutboundText, SendAccepted, SendUnknown
from gateway.http.webhooks import WebhookSender
from gateway.orders.fraud import FraudRule
from gateway.orders.routing import ACCOUNT_MARK, account_of
from gateway.storage.audit_log import note
from gateway.storage.vault import SealBroken, Vault
from payments.rollups.reader import Reader, Source, batch_of

BATCH: Final = 20
LEASE_SECONDS: Final = 60
_log = structlog.get_logger(__name__)

_WHICH: Final = """(o.destination_id, o.kind) = (n.destination_id, n.kind)
  and o.contest_id is not distinct from n.contest_id"""
_OF_THE_PLATFORM: Final = ", ".join(f"('{act}', '{kind}')" for kind, act in NOTED_AS.items())
# What a person did is no news. What was tried once is sent as it is; the gap is counted from when the one before was to
# be sent.
_ADVANCE: Final = text(f"""
with b as materialized ({batch_of("audit_log")}),
f as (
  select b.contest_id, k.kind, sum(k.many) as many, min(b.at) as since, max(b.at) as until,
    cast('{{}}' as text[]) as subjects
  from b cross join lateral (
    select coalesce(cast(b.detail ->> 'held' as bigint), 0) as held, cast(b.detail ->> 'payments' as bigint) as every,
      cast(b.detail #>> '{{rules,{FraudRule.BURST}}}' as bigint) as burst) d
    cross join lateral (values ('fraud.found', '{AlertKind.HELD}', d.held),
      ('fraud.found', '{AlertKind.FLAGGED}', d.every - d.held), ('fraud.found', '{AlertKind.BURST}', d.burst),
      ('fraud.listed', '{AlertKind.LISTED}', 1)) as k(act, kind, many)
  where b.actor = '{RULE}' and b.act = k.act and k.many > 0 group by 1, 2
  union all
  select null, k.kind, sum(coalesce(cast(b.detail ->> 'many' as bigint), 1)), min(b.at), max(b.at),
    array_agg(distinct b.subject)
  from b join (values {_OF_THE_PLATFORM}) as k(act, kind) on k.act = b.act group by 2),
n as materialized (
  select d.id as destination_id, d.gap_seconds, f.* from f left join contests c on c.id = f.contest_id
    join alert_destinations d on d.organiser_id is not distinct from c.organiser_id
      and (d.contest_id is null or d.contest_id = c.id)
  where f.kind = any(d.kinds) and d.removed_at is null and d.stopped_at is null
    and (d.channel <> '{AlertChannel.TELEGRAM}' or d.chat_id is not null)),
added as (
  update alerts o set many = o.many + n.many, until = greatest(o.until, n.until),
    subjects = array(select distinct unnest(o.subjects || n.subjects) order by 1) from n
  where {_WHICH} and o.status = 'due' and o.attempts = 0 returning o.destination_id, o.contest_id, o.kind),
owed as (
  insert into alerts (id, destination_id, contest_id, kind, many, since, until, due_at, next_try_at, subjects)
  select gen_random_uuid(), n.destination_id, n.contest_id, n.kind, n.many, n.since, n.until, w.due, w.due, n.subjects
  from n cross join lateral (
    select greatest(now(), max(o.due_at) + make_interval(secs => n.gap_seconds)) as due from alerts o where {_WHICH}) w
  where not exists (select from added o where {_WHICH}))
select coalesce(array_agg(id), '{{}}') as ids, now() as now from b
""")
NOTED: Final = Source("audit_log", "alert_position", 0x5907_11_77, _ADVANCE, ("alerts",))
_CLAIM: Final = text(f"""
with claimed as (
  update alerts set attempts = attempts + 1, next_try_at = now() + make_interval(secs => :lease)
  where id = any(array(
    select id from alerts where status = 'due' and next_try_at <= now() and id = coalesce(cast(:one as uuid), id)
    order by next_try_at limit :limit for update skip locked))
  returning *)
select a.*, d.channel, d.language, d.secret_cipher, d.chat_id, d.made_by, coalesce(o.name, '{PLATFORM}') as organiser,
  o.slug as organiser_slug,
  c.slug as contest, c.name as contest_name, case when s.active then s.email end as email, s.language as own_language
from claimed a join alert_destinations d on d.id = a.destination_id left join organisers o on o.id = d.organiser_id
  left join contests c on c.id = a.contest_id left join staff s on s.id = d.staff_id
""")
# Before its alerts: who stops a destination ends all of these.
_ALONE: Final = text("select from alert_destinations where id = :id for no key update")
_RECORD: Final = text("""
update alerts set
  status = case when :taken then 'sent' when cast(:wait as integer) is null then 'refused' else 'due' end,
  next_try_at = case when not :taken then now() + make_interval(secs => cast(:wait as integer)) end,
  ended_at = case when :taken or cast(:wait as integer) is null then now() end, answer = :answer
where id = :id and status = 'due' and attempts = :attempts returning destination_id
""")
_WORKS: Final = text("update alert_destinations set failing_since = null where id = :id and failing_since is not null")
_FAILS: Final = text("""
update alert_destinations set failing_since = coalesce(failing_since, now()),
  stopped_at = case when :gone or failing_since < now() - interval '1 day' then now() end
where id = :id and stopped_at is null returning stopped_at is not null as stopped
""")


@dataclass(frozen=True, slots=True)
class Senders:
    """What carries alerts. `chat`: None without a bot; `bot_address`: of the bot, empty while it is not known."""

    webhooks: WebhookSender
    chat: MessageSender | None = None
    bot_address: Callable[[], str] = str


class Alerting:
    """Sums up and sends. `base_url`: of the pages that alerts lead to."""

    def __init__(self, engine: AsyncEngine, vault: Vault, mails: Mails, senders: Senders, base_url: str) -> None:
        self._engine = engine
        self._vault = vault
        self._mails = mails
        self.senders = senders
        self._base_url = base_url
        self._reader = Reader(engine, NOTED)

    async def sum_up(self) -> int:
        """Read what was noted since, and owe alerts about it; how many lines. One process at a time."""
        return await self._reader.catch_up()

    async def send_due(self) -> int:
        """Send one batch; how many were tried."""
        due = await self._claim(BATCH)
        await asyncio.gather(*map(self._send, due))
        return len(due)

    async def send_now(self, alert: UUID) -> None:
        """Send one at once, unless another process does."""
        await asyncio.gather(*map(self._send, await self._claim(1, alert)))

    async def _claim(self, limit: int, one: UUID | None = None) -> list[Row[Any]]:
        asked = {"limit": limit, "one": one, "lease": LEASE_SECONDS}
        async with self._engine.begin() as connection:
            return list((await connection.execute(_CLAIM, asked)).all())

    async def _send(self, alert: Row[Any]) -> None:
        outcome = await self._by_channel[alert.channel](self, alert)
        async with self._engine.begin() as connection:
            await self._record(connection, alert, outcome)
        _log.info(
            "alert_tried",
            alert=str(alert.id),
            kind=alert.kind,
            channel=alert.channel,
            taken=outcome.taken,
            attempts=alert.attempts,
        )

    async def _by_mail(self, alert: Row[Any]) -> Outcome:
        """Owed with the record, see `_record`."""
        return Outcome(True) if alert.email and self._mails.on else Outcome(False, "no_member", gone=True)

    async def _by_chat(self, alert: Row[Any]) -> Outcome:
        if self.senders.chat is None:
            return Outcome(False, "no_bot")
        words = say(alert.language, "alert_chat", alert.kind, **self._facts(alert, alert.language))
        match await self.senders.chat.send(OutboundText(str(alert.chat_id), words, str(alert.id))):
            case SendAccepted():
                return Outcome(True)
            case SendUnknown():
                return Outcome(False, "lost")
            case refused:
                return Outcome(False, refused.code, gone=refused.permanent and not refused.ours)

    async def _by_webhook(self, alert: Row[Any]) -> Outcome:
        try:
            opened = self._vault.open(bytes(alert.secret_cipher), secret_place(alert.destination_id))
        except SealBroken as error:
            _log.error("seal_broken", place=str(error))
            return Outcome(False, "unreadable_secret")
        url, secret = orjson.loads(opened)
        body = orjson.dumps(self._document(alert))
        answer = await self.senders.webhooks.send(url, secret, str(alert.id), body, int(time.time()))
        shown = answer.fault or f"HTTP {answer.status} {answer.text}".strip()
        return Outcome(answer.taken, shown, gone=answer.gone)

    _by_channel: Final[Mapping[str, Callable[["Alerting", Row[Any]], Any]]] = {
        AlertChannel.MAIL: _by_mail,
        AlertChannel.TELEGRAM: _by_chat,
        AlertChannel.WEBHOOK: _by_webhook,
    }

    async def _record(self, connection: AsyncConnection, alert: Row[Any], outcome: Outcome) -> None:
        destination = {"id": alert.destination_id}
        await connection.execute(_ALONE, destination)
        wait = retry_seconds(outcome, alert.kind, alert.attempts)
        asked = {"id": alert.id, "attempts": alert.attempts, "taken": outcome.taken, "wait": wait}
        if not (await connection.execute(_RECORD, {**asked, "answer": outcome.answer})).all():
            return  # somebody stopped it, or another process has it
        if outcome.taken:
            await connection.execute(_WORKS, destination)
            if alert.channel == AlertChannel.MAIL:
                about = {"alert": alert.kind, **self._facts(alert, alert.own_language)}
                kind = MailKind.PLATFORM_ALERT if alert.subjects else MailKind.ALERT
                await self._mails.owe(connection, kind, alert.email, alert.own_language, **about)
        elif alert.kind != TEST or outcome.gone:
            failing = (await connection.execute(_FAILS, {**destination, "gone": outcome.gone})).one_or_none()
            if failing is not None and failing.stopped:
                await self._stop(connection, alert, outcome)

    async def _stop(self, connection: AsyncConnection, alert: Row[Any], outcome: Outcome) -> None:
        await connection.execute(END, {"id": alert.destination_id})
        facts = {"organiser": alert.organiser, "channel": alert.channel, "at": instant(alert.due_at)}
        facts |= {"link": self._destinations(alert)}
        await self._mails.tell(connection, MailKind.ALERTS_STOPPED, alert.made_by, **facts)
        detail = {"destination": str(alert.destination_id), "channel": alert.channel, "answer": outcome.answer[:80]}
        await note(
            connection, actor=RULE, act="alerts.stopped", subject=alert.organiser_slug or PLATFORM, detail=detail
        )

    def _facts(self, alert: Row[Any], language: str) -> dict[str, str]:
        """What words are made with."""
        return {
            "about": ", ".join(_name(language, alert.kind, subject) for subject in alert.subjects),
            "contest": alert.contest_name or alert.organiser,
            "many": str(alert.many),
            "since": instant(alert.since),
            "until": instant(alert.until),
            "link": self._page(alert),
        }

    def _destinations(self, alert: Row[Any]) -> str:
        where = "platform-alerts" if alert.organiser_slug is None else f"alerts/{alert.organiser_slug}"
        return f"{self._base_url}/admin/{where}"

    def _page(self, alert: Row[Any]) -> str:
        if alert.subjects:
            return f"{self._base_url}/admin{'/reconciliation' if alert.kind == AlertKind.DIFFERENCES else ''}"
        if alert.contest is None or alert.kind == TEST:
            return self._destinations(alert)
        page = "/entries" if alert.kind == AlertKind.LISTED else ""
        return f"{self._base_url}/admin/contests/{alert.contest}/fraud{page}"

    def _document(self, alert: Row[Any]) -> dict[str, object]:
        """The body of a webhook, the same at each try. No number and no name of a person is in it."""
        data = {
            "organiser": alert.organiser_slug,
            "contest": alert.contest,
            "kind": alert.kind,
            "many": alert.many,
            "subjects": alert.subjects,
            "since": alert.since,
            "until": alert.until,
            "page": self._page(alert),
        }
        return {"type": f"alert.{alert.kind}", "timestamp": alert.due_at, "data": data}


def _name(language: str, kind: str, subject: str) -> str:
    """What a wallet or carrier is called: `MTN MoMo (CM)` for `mtn_momo@cm`. A contest is called by its address."""
    if kind in (AlertKind.UNPAID, AlertKind.RULES, AlertKind.WITNESS):
        return subject
    if kind == AlertKind.CARRIER:
        return named_in(language, "admin_carrier", subject)
    account = account_of(subject)
    code, _, own = account.partition(ACCOUNT_MARK)
    name = named_in(language, "admin_operator", code)
    if own:
        name = f"{name} ({own.upper()})"
    return name if account == subject else f"{name} – {say(language, 'admin_alerts', 'paying_out')}"
