"""Which payments are taken next, to collect and to ask about, and how their rows are read."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final
from uuid import UUID

import orjson
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from gateway.orders.receipt import order_code
from gateway.orders.routing import provider_of
from gateway.orders.rules import UNSENT_LIFE
from gateway.orders.store import PAID, payer_place, placed_within, secrets_place
from gateway.orders.wallet import PaymentMethod
from gateway.storage.direct import Direct, NamedRow
from gateway.storage.rows import among
from gateway.storage.set_aside import READ_AGAIN_SECONDS, Kind, each_read, set_aside
from gateway.storage.vault import Vault
from gateway.values.money import Money
from gateway.values.organiser import Deed, states_without
from payments.collection.observations import OpenPayment
from payments.lifecycle import ANSWER_TIME, SEND_TRIES_MAX, Actor, Observed, State, Withheld
from payments.provider import Collection, PayerReason
from payments.settlement.settle import LAST_INSTANT

# Columns of `OpenPaymentReader.opened`, of a payment `p`, and what they need around it.
WHOLE: Final = """
  p.reference, p.placed_at, p.vote_id, p.provider, p.method, p.country, p.amount_minor, p.currency, p.status,
  p.payer_cipher, p.base_url, p.provider_reference, p.secrets_cipher, p.accepted, p.send_tries,
  p.checks, p.not_found_count, p.not_found_since, p.expires_at, now() as now,
  v.quantity, v.language, c.slug, k.code as candidate_code
"""
AROUND: Final = """
  join votes v on v.id = p.vote_id and v.placed_at = p.placed_at
  join contests c on c.id = p.contest_id join candidates k on k.id = v.candidate_id
"""

_PUT_OFF: Final = text("""
update payments set next_check_at = now() + make_interval(secs => :seconds)
where reference = any(cast(:references as uuid[]))
""")

# How long what was ever sent is left alone when it is not sent again.
_QUESTION_SECONDS: Final = 60

# A handset shows one prompt at a time, so a number with an open prompt waits for its turn. No prompt is open for a day.
# A number's orders are looked up by its index: as a join, without `offset 0`, all recent orders would be read, and by
# an index of open ones, without `|| ''`, all of these.
_DUE_TO_COLLECT: Final = f"""
  select p.reference, p.placed_at, p.vote_id, p.contest_id, p.payer_index, p.provider, p.next_check_at, p.send_tries,
    p.orderer
  from payments p
  where p.status = 'created' and p.next_check_at between :since and now() and p.expires_at > now()
    and not (p.provider = any(cast(:prompting as text[])) and exists (
      select 1 from payments o where o.payer_index = p.payer_index
        and split_part(o.provider, '@', 1) = split_part(p.provider, '@', 1)
        and o.status || '' in ('sent', 'pending') and o.expires_at > now()
        and {placed_within("interval '2 days'")} offset 0))
"""

# Prompts of a typed number are counted where orders are written, by each gateway as far as it sees
# those of others. Claims come one after the other, so here the limit holds for all of them.
_ASKED_TOO_OFTEN: Final = f"""
  d.orderer is not null and d.send_tries = 0 and d.provider = any(cast(:prompting as text[]))
    and cast(:limited as boolean) and (
      select count(*) from payments o
      where o.payer_index = d.payer_index and o.placed_at > d.placed_at - cast(:lately as interval)
        and (o.placed_at, o.reference) < (d.placed_at, d.reference)
        and o.status not in {PAID}) >= cast(:typed_lately as bigint)
"""

# Why the payer of a due payment `d` is not asked, null: the payer is asked. After the close only payers are asked who
# may take all their time and still count, all by the rules `r` under which vote `v` was placed. A vote that was placed
# before its candidate was evicted counts.
_WHY: Final = f"""
  case when k.status <> 'approved' and coalesce(d.placed_at >= k.evicted_at, true) then '{Withheld.CANDIDATE_WITHDRAWN}'
    when now() >= {LAST_INSTANT}
        - make_interval(secs => least(cast(r.document->>'late_seconds' as integer), {ANSWER_TIME.seconds}))
      then '{Withheld.CLOSED}'
    when g.state in ({states_without(Deed.SELL)}) then '{Withheld.SUSPENDED}'
    when d.send_tries >= {SEND_TRIES_MAX} then '{Withheld.TRIED}'
    when {_ASKED_TOO_OFTEN} then '{Withheld.ASKED_TOO_OFTEN}' end
"""
_DETAILS: Final = {
    Withheld.CLOSED: "the contest has closed",
    Withheld.CANDIDATE_WITHDRAWN: "the candidate is no longer eligible",
    Withheld.SUSPENDED: "the organiser is frozen",
    Withheld.TRIED: f"sent {SEND_TRIES_MAX} times",
    Withheld.ASKED_TOO_OFTEN: "the number was asked too often",
    Withheld.TOO_OLD: f"not taken within {UNSENT_LIFE.seconds // 60} minutes",
    Withheld.NEVER_SENT: "no operator could be asked in time",
}
_DETAIL: Final = " ".join(f"when '{why}' then '{detail}'" for why, detail in _DETAILS.items())

# CTEs behind one called `judged` with reference, placed_at and why, of `created` payments that are locked. What was
# ever sent may be at its operator all the same, so it is asked about as anything of unknown fate.
_WITHHOLD: Final = f"""
withheld as (
  update payments p set status = '{State.FAILED}', reason_code = j.why,
    reason = case
      when j.why in ('{Withheld.CLOSED}', '{Withheld.CANDIDATE_WITHDRAWN}', '{Withheld.SUSPENDED}') then j.why
      else '{PayerReason.SERVICE_DOWN}' end,
    next_check_at = case when p.send_tries > 0 then now() + make_interval(secs => {_QUESTION_SECONDS}) end
  from judged j where p.reference = j.reference and p.placed_at = j.placed_at and j.why is not null
  returning p.*),
withheld_logged as (
  insert into payment_events (reference, from_status, to_status, seen, actor, detail)
  select reference, '{State.CREATED}', '{State.FAILED}',
    case reason_code when '{Withheld.NEVER_SENT}' then '{Observed.NEVER_SENT}' else '{Observed.WITHHELD}' end,
    '{Actor.COLLECTOR}', case reason_code {_DETAIL} end from withheld),
withheld_owed as (
  insert into messages_out (id, kind, key, payment_reference, recipient_index, language, params, chat_id)
  select gen_random_uuid(), 'payment_failed', w.reference::text, w.reference, v.voter_index, v.language,
    jsonb_build_object('reason', w.reason), v.chat_id
  from withheld w join votes v on v.id = w.vote_id and v.placed_at = w.placed_at
  where v.voter_index is not null or v.chat_id is not null
  on conflict (kind, key) do nothing)"""

# An account without free places, because its circuit is open or its rate is used up, holds up no other. The place
# without an account is that of all others.
CLAIM_TO_COLLECT: Final = Direct(
    text(f"""
with places as (select * from json_to_recordset(cast(:places as json)) as r(account text, free integer)),
due as (
  select d.* from places r cross join lateral (
    {_DUE_TO_COLLECT}
      and case when r.account is null then not p.provider = any(cast(:accounts as text[]))
        else p.provider = r.account end
    order by p.next_check_at limit r.free for update of p skip locked) d
  where r.free > 0),
judged as (
  select d.*, {_WHY} as why
  from due d join votes v on v.id = d.vote_id and v.placed_at = d.placed_at
    join contests c on c.id = d.contest_id join organisers g on g.id = c.organiser_id
    join candidates k on k.id = v.candidate_id
    left join contest_rules r on r.contest_id = v.contest_id and r.version = v.rules_version),
turns as (
  select reference, placed_at, provider,
    row_number() over (partition by payer_index, split_part(provider, '@', 1) order by next_check_at, reference) as turn
  from judged where why is null),
taken as (
  update payments p set status = 'sent', sent_at = now(), send_tries = send_tries + 1,
    next_check_at = now() + make_interval(secs => :lease), expires_at = now() + make_interval(secs => :unsent)
  from turns t where p.reference = t.reference and p.placed_at = t.placed_at
    and (t.turn = 1 or not t.provider = any(cast(:prompting as text[])))
  returning p.*),
logged as (
  insert into payment_events (reference, from_status, to_status, seen, actor)
  select reference, 'created', 'sent', 'calling', 'collector' from taken),{_WITHHOLD}
select {WHOLE} from (select * from taken union all select * from withheld) p {AROUND}
""")
)

# Only what no operator was ever asked about, and what no code of the payer binds to its account.
MOVE_UNSENT: Final = text("""
with due as (
  select reference, placed_at from payments
  where status = 'created' and provider = :account and send_tries = 0 and secrets_cipher is null and expires_at > now()
  order by next_check_at limit :limit for update skip locked),
moved as (
  update payments p set provider = :sibling from due d
  where p.reference = d.reference and p.placed_at = d.placed_at returning p.reference),
logged as (
  insert into payment_events (reference, from_status, to_status, seen, actor, detail)
  select reference, 'created', 'created', 'moved', 'collector', cast(:account as text) || ' to ' || :sibling from moved)
select count(*) from moved
""")

CLOSE_UNSENT: Final = Direct(
    text(f"""
with judged as (
  select reference, placed_at,
    case when send_tries = 0 then '{Withheld.NEVER_SENT}' else '{Withheld.TOO_OLD}' end as why
  from payments where status = 'created' and next_check_at >= :since and expires_at <= now()
  limit :limit for update skip locked),{_WITHHOLD}
select count(*) from withheld
""")
)

# Questions are few: what a hint says is decided goes first, then first questions, then what is still open; what was
# given up here comes last. Within a class the longest due first. A voter who asks does not queue here, see
# `claim_named`. Hinted ones have an index, and while they are as many as may be asked the others are not looked at: in
# a rush tens of thousands are due, which would be sorted for every few questions. All accounts are looked at together:
# most have nothing due, and each would have its own transaction several times a second.
_URGENCY: Final = "case when p.status not in ('sent','pending') then 3 when p.checks = 0 then 1 else 2 end"
_DUE_TO_VERIFY: Final = """
    select p.reference, p.placed_at, p.provider from payments p
    where p.provider = r.account and p.status in ('sent','pending','expired','failed')
      and p.next_check_at between :since and now()
"""
CLAIM_TO_VERIFY: Final = Direct(
    text(f"""
with places as (select * from json_to_recordset(cast(:places as json)) as r(account text, free bigint)),
hinted as (
  select d.* from places r cross join lateral ({_DUE_TO_VERIFY} and p.hinted_at is not null
    order by p.next_check_at limit r.free for update of p skip locked) d),
left_over as (
  select account, free - (select count(*) from hinted h where h.provider = account) as free from places),
others as (
  select d.* from left_over r cross join lateral ({_DUE_TO_VERIFY} and p.hinted_at is null
    order by {_URGENCY}, p.next_check_at limit r.free for update of p skip locked) d
  where r.free > 0),
due as (select * from hinted union all select * from others),
taken as (
  update payments p set next_check_at = now() + make_interval(secs => :lease), checks = checks + 1,
    hinted_at = null, asked_at = now()
  from due d where {among("p.reference", "due")} and p.reference = d.reference and p.placed_at = d.placed_at
  returning p.*)
select {WHOLE} from taken p {AROUND}
""")
)

CLAIM_NAMED: Final = text(f"""
with taken as (
  update payments p set next_check_at = now() + make_interval(secs => :lease), checks = checks + 1,
    hinted_at = null, asked_at = now()
  where p.reference = any(cast(:references as uuid[])) and p.status in ('sent','pending','expired','failed')
    and coalesce(p.asked_at, '-infinity') <= now() - make_interval(secs => :every)
  returning p.*)
select {WHOLE} from taken p {AROUND}
""")

# The backlog of an account.
QUESTIONS: Final = text("""
select provider as account, count(*) as many from payments
where status in ('sent', 'pending', 'expired', 'failed') and next_check_at <= now() group by 1
""")


def read_secrets(vault: Vault, reference: UUID | None, sealed: bytes | None) -> Mapping[str, str]:
    """An operator's tokens for a payment. Raises SealBroken."""
    if reference is None or sealed is None:
        return {}
    opened: dict[str, str] = orjson.loads(vault.open(bytes(sealed), secrets_place(reference)))
    return opened


def seal_secrets(vault: Vault, reference: UUID, secrets: Mapping[str, str] | None) -> bytes | None:
    """An operator's tokens as they are stored."""
    return vault.seal(orjson.dumps(dict(secrets)).decode(), secrets_place(reference)) if secrets else None


def read_payer(vault: Vault, reference: UUID, sealed: bytes | None) -> str | None:
    """The number that pays; a card has none. Raises SealBroken."""
    return None if sealed is None else vault.open(bytes(sealed), payer_place(reference))


async def _put_off(connection: AsyncConnection, broken: Sequence[tuple[NamedRow, Exception]]) -> None:
    await set_aside(connection, Kind.PAYMENT, [(str(row.reference), error) for row, error in broken])
    named = {"references": [row.reference for row, _ in broken], "seconds": READ_AGAIN_SECONDS}
    await connection.execute(_PUT_OFF, named)


class OpenPaymentReader:
    """Reads payments from their rows: opens what is sealed, and makes the addresses that an operator is given."""

    def __init__(self, vault: Vault, public_url: str) -> None:
        self._vault = vault
        self._public_url = public_url

    async def claimed(self, connection: AsyncConnection, rows: Iterable[NamedRow]) -> list[OpenPayment]:
        """The payments. One that does not open is set aside, in the transaction that claimed it."""
        found, broken = each_read(rows, self.read)
        if broken:
            await _put_off(connection, broken)
        return found

    async def leased(self, engine: AsyncEngine, rows: Iterable[NamedRow]) -> list[OpenPayment]:
        """The payments of a claim that is committed. One that does not open is set aside, after its lease at the
        latest."""
        found, broken = each_read(rows, self.read)
        if broken:
            async with engine.begin() as connection:
                await _put_off(connection, broken)
        return found

    def read(self, row: NamedRow) -> OpenPayment:
        """One payment. Raises SealBroken."""
        collection = Collection(
            reference=row.reference,
            country=row.country,
            amount=Money(row.amount_minor, row.currency),
            order_code=order_code(row.reference),
            description=f"Spotlight {row.quantity} votes {row.slug} {row.candidate_code}",
            language=row.language,
            callback_url=f"{self._public_url}/api/webhooks/{provider_of(row.provider)}/{self._vault.callback_token(row.reference)}",
            return_url=f"{self._public_url}/votes/{row.vote_id}",
            payer=read_payer(self._vault, row.reference, row.payer_cipher),
            method=PaymentMethod(row.method),
            base_url=row.base_url,
            provider_reference=row.provider_reference,
            secrets=read_secrets(self._vault, row.reference, row.secrets_cipher),
        )
        return OpenPayment(
            collection=collection,
            vote_id=row.vote_id,
            provider=row.provider,
            state=State(row.status),
            placed_at=row.placed_at,
            expires_at=row.expires_at,
            now=row.now,
            accepted=row.accepted,
            checks=row.checks,
            send_tries=row.send_tries,
            not_found_count=row.not_found_count,
            not_found_since=row.not_found_since,
        )
