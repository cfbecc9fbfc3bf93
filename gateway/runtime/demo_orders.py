"""Orders by the million, as they would have been made in thirty days with an evening's peak in each.

Rows of every table that an order leaves behind agree with one another, so the audit of money holds after each chunk.
Numbers are sealed and indexed as real ones are. The simulated operators know nothing of these orders; what is
collected is booked as paid over to the bank, so that what operators hold does not differ.
"""

import asyncio
import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from typing import Any, Final, TypeVar
from uuid import UUID

import asyncpg

from gateway.orders.receipt import RANDOM_BITS, make_receipt, order_code
from gateway.orders.store import BLOCK_DIGITS, payer_place, voter_place
from gateway.storage.schema.conversations import sender_place
from gateway.storage.vault import Vault
from gateway.values.msisdn import Msisdn
from payments.ledger.postings import FeePlans

T = TypeVar("T")

CHUNK: Final = 50_000
DAYS: Final = 30
# Most orders come in the evening, and most of those of a week on the evening of its show.
_SHOW_EVERY_DAYS: Final = 7
_SHOW_WEIGHT: Final = 6.0
_IN_THE_EVENING: Final = 0.75
_PEAK_HOUR, _PEAK_HOURS = 21.0, 1.0
# In the mean.
_ORDERS_PER_NUMBER: Final = 4
_WEB_ORDERS_PER_DEVICE, _WEB_ORDERS_PER_ADDRESS = 4, 40
_HELD_MAX: Final = 50
_CARRIER: Final = "africastalking"
_VOTES: Final = ((1, 2, 3, 5, 10, 20, 50), (42, 16, 10, 16, 11, 4, 1))
_CARD_VOTES_MIN: Final = 10
_CHANNELS: Final = (("ussd", "sms", "telegram", "web", "api"), (55, 15, 7, 18, 5))
_ENDS: Final = (("settled", "failed", "expired", "refunded"), (8180, 1500, 300, 20))
_REASONS: Final = (("declined", "not_answered", "no_funds", "other"), (40, 30, 20, 10))
# What is paid by, through whom, by numbers that begin so; and how often.
_WAYS: Final[Mapping[str, tuple[tuple[tuple[str, str, str], ...], tuple[int, ...]]]] = {
    "CI": (
        (
            ("MTN_MOBILE_MONEY", "mtn_momo", "+22505"),
            ("ORANGE_MONEY", "orange_money", "+22507"),
            ("MOOV_MONEY", "hub2", "+22501"),
            ("WAVE", "wave", "+22507"),
            ("CARD", "stripe", ""),
        ),
        (45, 30, 10, 12, 3),
    ),
    "CM": (
        (("MTN_MOBILE_MONEY", "mtn_momo@cm", "+23767"), ("ORANGE_MONEY", "orange_money_cm", "+23769")),
        (60, 40),
    ),
}

_DIGITS: Final = {"CI": 8, "CM": 7}  # behind the prefix
_STEP: Final = 982_451_653  # a prime, so that each person has a number


class NoContests(Exception):
    """There is no published contest with candidates whose voters the generator knows."""


@dataclass(frozen=True, slots=True)
class Sold:
    """A contest that is voted in. `counts_until`: the last instant of its rules."""

    id: UUID
    country: str
    currency: str
    price_minor: int
    rules_version: int
    counts_until: datetime
    candidates: tuple[UUID, ...]
    fees: FeePlans


_CONTESTS: Final = """
select c.id, c.country, c.currency, c.price_minor, c.rules_version,
  c.closes_at + make_interval(secs => c.late_seconds) as counts_until,
  array(select k.id from candidates k where k.contest_id = c.id and k.status = 'approved' order by k.code) as candidates
from contests c where c.state = 'published' and c.opens_at < now() - make_interval(days => $2)
  and c.closes_at > now() and c.country = any($1)
  and not exists (select from rounds r where r.contest_id = c.id)
order by c.created_at, c.slug
"""
# Months that are older than those the service makes are never needed.
_BEGINS: Final = """
select greatest(now() - make_interval(days => $1), date_trunc('month', now() at time zone 'UTC') at time zone 'UTC'
  - interval '1 month'), now()
"""
_COLUMNS: Final[Mapping[str, str]] = {
    "n": "bigint",
    "vote_id": "uuid",
    "reference": "uuid",
    "placed_at": "timestamptz",
    "contest_id": "uuid",
    "candidate_id": "uuid",
    "channel": "text",
    "quantity": "integer",
    "price_minor": "bigint",
    "currency": "text",
    "country": "text",
    "method": "text",
    "provider": "text",
    "status": "text",
    "reason": "text",
    "fee_minor": "bigint",
    "voter_index": "bytea",
    "voter_cipher": "bytea",
    "sender_cipher": "bytea",
    "payer_index": "bytea",
    "payer_cipher": "bytea",
    "payer_block": "bytea",
    "prefix": "text",
    "orderer": "bytea",
    "address": "bytea",
    "receipt": "text",
    "order_code": "text",
    "rules_version": "integer",
    "counts_until": "timestamptz",
    "confirmed_at": "timestamptz",
    "settled_at": "timestamptz",
}
_STAGE: Final = f"""
create temp table made ({", ".join(f"{name} {kind}" for name, kind in _COLUMNS.items())},
  amount_minor bigint generated always as (quantity * price_minor) stored) on commit delete rows
"""
_PAID: Final = "status in ('settled', 'held', 'refunded')"
# Of what was settled in the same minute by the same operator, as settlement books its batches.
_POT: Final = "contest_id, provider, currency, date_trunc('minute', settled_at)"
_TX: Final = f"md5(concat_ws(' ', min(reference::text) over (partition by {_POT}), 'tx'))::uuid"
_CARRIED: Final = "'ATXid_' || md5(reference::text)"
_SALE: Final = """
(values ('operator_clearing', currency, money), ('sales', currency, -money), ('sales_shared', currency, money),
  ('organiser_payable', currency, fees - money), ('platform_fee', currency, -fees), ('votes_sold', 'VOTES', votes),
  ('votes_counted', 'VOTES', -votes)) legs(account, currency, amount)
"""
# Of a payment that is not counted: first held or owed back, then refunded, and of all that was collected paid over.
_ONE_BY_ONE: Final = """
(values
  ('held', 'held', 'operator_clearing', 1), ('held', 'held', 'held_funds', -1),
  ('refunded', 'give back', 'operator_clearing', 1), ('refunded', 'give back', 'refunds_owed', -1),
  ('refunded', 'refund', 'operator_clearing', -1), ('refunded', 'refund', 'refunds_owed', 1)
) legs(of_status, memo, account, sign)
"""
_INSERTS: Final = (
    """
insert into order_keys (channel, key, request_hash, vote_id, payment_reference, placed_at, receipt, order_code)
select channel, 'demo:' || vote_id, decode(md5(vote_id::text), 'hex'), vote_id, reference, placed_at, receipt,
  order_code
from made
""",
    """
insert into votes (id, placed_at, contest_id, candidate_id, channel, language, quantity, price_minor, amount_minor,
  currency, voter_index, voter_cipher, receipt, rules_version, counts_until)
select vote_id, placed_at, contest_id, candidate_id, channel, 'fr', quantity, price_minor, amount_minor, currency,
  voter_index, voter_cipher, receipt, rules_version, counts_until
from made
""",
    f"""
insert into payments (reference, placed_at, vote_id, contest_id, provider, method, country, amount_minor, currency,
  status, payer_index, payer_cipher, payer_block, prefix, orderer, address, provider_reference, accepted, send_tries,
  checks, asked_at, expires_at, sent_at, confirmed_at, settled_at, fee_minor, reason)
select reference, placed_at, vote_id, contest_id, provider, method, country, amount_minor, currency, status,
  payer_index, payer_cipher, payer_block, prefix, orderer, address, case when {_PAID} then 'demo-' || n end, true, 1, 2,
  placed_at + interval '20 seconds', placed_at + interval '5 minutes', placed_at + interval '4 seconds', confirmed_at,
  settled_at, case when status = 'settled' then fee_minor end, reason
from made
""",
    f"""
insert into payment_events (reference, from_status, to_status, seen, actor, detail, at)
select reference, from_status, to_status, seen, actor, case when to_status = 'created' then channel end,
  case step when 1 then placed_at when 2 then placed_at + interval '4 seconds'
    when 3 then placed_at + interval '5 seconds'
    else coalesce(case when step = 4 then confirmed_at else settled_at end, placed_at + interval '1 minute') end
from made, lateral (
  values (1, null, 'created', 'ordered', 'voter'), (2, 'created', 'sent', 'calling', 'collector'),
    (3, 'sent', 'pending', 'accepted', 'collector'),
    (4, 'pending', case when {_PAID} then 'confirmed' else status end,
      case when {_PAID} then 'succeeded' when status = 'failed' then 'failed' else 'deadline_passed' end,
      case status when 'expired' then 'sweeper' else 'verifier' end),
    (5, 'confirmed', case status when 'refunded' then 'refund_due' else status end,
      case status when 'settled' then 'counts' when 'held' then 'suspect' else 'cannot_count' end, 'settler'),
    (6, 'refund_due', 'refunded', 'given_back', 'refunder')) s(step, from_status, to_status, seen, actor)
where step < 5 or {_PAID} and step = 5 or status = 'refunded'
order by n, step
""",
    f"""
insert into evidence (reference, word, source, amount_minor, currency, provider_reference, raw, seen_at)
select reference, case when {_PAID} then 'succeeded' else 'failed' end, 'status',
  case when {_PAID} then amount_minor end, case when {_PAID} then currency end,
  case when {_PAID} then 'demo-' || n end,
  format('{{"amount": "%s", "currency": "%s", "externalId": "%s", "payer": {{"partyIdType": "MSISDN", "partyId": '
    '"••••"}}, "status": "%s"}}', amount_minor, currency, order_code, upper(status)),
  coalesce(confirmed_at, placed_at + interval '1 minute')
from made where status <> 'expired' order by n
""",
    """
insert into callbacks (received_at, provider, payment_reference, method, headers, body, body_hash, remote, handled_at,
  outcome, record_id)
select at, provider, reference, 'POST', '{"host": "127.0.0.1", "content-type": "application/json"}',
  convert_to(format('{"externalId": "%s", "status": "%s"}', order_code, upper(status)), 'UTF8'),
  decode(md5(order_code), 'hex'), '127.0.0.1', at, 'hint', gen_random_uuid()
from (select *, coalesce(confirmed_at, placed_at + interval '1 minute') - interval '50 milliseconds' as at from made) m
where status <> 'expired' and n % 20 > 0 order by n
""",
    f"""
with counted as (
  select *, {_TX} as tx, row_number() over (partition by contest_id order by n) as nth,
    count(*) over (partition by contest_id) as size
  from made where status = 'settled'),
heads as (
  update contest_heads h set next_seq = h.next_seq + c.size
  from (select distinct contest_id, size from counted) c where h.contest_id = c.contest_id
  returning h.contest_id, h.next_seq - c.size as first),
entered as (
  insert into tally_entries (contest_id, seq, kind, candidate_id, quantity, amount_minor, payment_reference, receipt,
    ledger_tx, counted_at)
  select contest_id, first + nth - 1, 'vote', candidate_id, quantity, amount_minor, reference, receipt, tx, settled_at
  from counted join heads using (contest_id)
  returning candidate_id, contest_id, seq, quantity, amount_minor),
booked as (
  insert into postings (tx, contest_id, provider, account, currency, amount_minor, memo, at)
  select tx, contest_id, provider, legs.account, legs.currency, legs.amount, 'votes counted', at
  from (select tx, contest_id, provider, currency, sum(amount_minor)::bigint as money, sum(fee_minor)::bigint as fees,
      sum(quantity)::bigint as votes, max(settled_at) as at
    from counted group by 1, 2, 3, 4) b, lateral {_SALE}
  where legs.amount <> 0 order by at)
insert into candidate_totals as t (candidate_id, contest_id, votes, amount_minor, reached_seq)
select candidate_id, contest_id, sum(quantity), sum(amount_minor), max(seq) from entered group by 1, 2
on conflict (candidate_id, round) do update set votes = t.votes + excluded.votes,
  amount_minor = t.amount_minor + excluded.amount_minor, reached_seq = excluded.reached_seq
""",
    f"""
insert into postings (tx, contest_id, provider, account, currency, amount_minor, memo, at)
select md5(concat_ws(' ', reference, legs.memo))::uuid, contest_id, provider, legs.account, currency,
  legs.sign * amount_minor, concat_ws(' ', legs.memo, reference), confirmed_at
from made m join {_ONE_BY_ONE} on legs.of_status = m.status
""",
    f"""
insert into postings (tx, contest_id, provider, account, currency, amount_minor, memo, at)
select tx, null, provider, legs.account, currency, legs.sign * money, 'demo: paid over to the bank', at
from (select gen_random_uuid() as tx, provider, currency, sum(amount_minor)::bigint as money, max(confirmed_at) as at
    from made where {_PAID} and status <> 'refunded' group by 2, 3) b,
  (values ('bank', 1), ('operator_clearing', -1)) legs(account, sign)
""",
    """
insert into refunds (reference, payment_reference, contest_id, provider, amount_minor, currency, reason, status,
  created_at, provider_reference, next_try_at, sent_at, done_at)
select md5(reference || ' refund')::uuid, reference, contest_id, provider, amount_minor, currency, reason, 'done',
  confirmed_at, 'demo-refund-' || n, null, confirmed_at, confirmed_at + interval '1 minute'
from made where status = 'refunded'
""",
    """
insert into refund_events (reference, from_status, to_status, seen, actor, at)
select md5(reference || ' refund')::uuid, from_status, to_status, seen, 'refunder', confirmed_at
from made,
  (values (1, 'due', 'sent', 'calling'), (2, 'sent', 'done', 'succeeded')) s(step, from_status, to_status, seen)
where status = 'refunded' order by n, step
""",
    f"""
insert into messages_out (id, kind, key, payment_reference, recipient_index, language, params, status, attempts,
  next_try_at, carrier, carrier_message_id, parts, cost, delivery_status, delivery_at, created_at, sent_at)
select gen_random_uuid(), case status when 'settled' then 'receipt' when 'held' then 'payment_held'
    when 'refunded' then 'refund_pending' else 'payment_failed' end,
  reference::text, reference, payer_index, 'fr',
  case when reason is null then '{{}}' else jsonb_build_object('reason', reason) end, 'sent', 1, null,
  'africastalking', {_CARRIED}, 1, 'XOF 12.0000', 'Success', at + interval '2 seconds', at, at + interval '1 second'
from (select *, coalesce(settled_at, confirmed_at, placed_at + interval '1 minute') as at from made) m
where payer_index is not null and (status <> 'expired' and channel in ('ussd', 'sms') or {_PAID})
""",
    """
insert into messages_out (id, kind, key, payment_reference, language, params, status, attempts, next_try_at,
  created_at, last_error)
select gen_random_uuid(), 'receipt', reference::text, reference, 'fr', '{}', 'refused', 1, null, settled_at,
  'no recipient'
from made where payer_index is null and status = 'settled'
""",
    f"""
insert into delivery_reports (carrier, carrier_message_id, status, phone_index, received_at)
select 'africastalking', {_CARRIED}, word, payer_index, settled_at + interval '2 seconds'
from made, unnest(array['Sent', 'Success']) as word where status = 'settled' and payer_index is not null
""",
    """
insert into messages_in (carrier, carrier_id, received_at, sender_index, sender_cipher, recipient, text, text_hash,
  handled_at, outcome)
select 'africastalking', 'demo-' || vote_id, placed_at, voter_index, sender_cipher, c.short_code,
  format('VOTE %s %s', k.code, quantity), decode(md5(n::text), 'hex'), placed_at, 'ordered'
from made m join candidates k on k.id = m.candidate_id join contests c on c.id = m.contest_id where channel = 'sms'
""",
    """
insert into fraud_findings (reference, rule, contest_id, verdict, weight, limits_version, seen, found_at)
select reference, case when channel = 'web' then 'web_votes' else 'too_fast' end, contest_id, 'hold', 100, 0,
  case when channel = 'web' then jsonb '{"seen": 14, "limit": 10}' else jsonb '{"seen": 2, "limit": 5}' end,
  confirmed_at
from made where status = 'held'
""",
)


class _Generator:
    """Draws orders of these contests between two instants, in order of time."""

    def __init__(
        self, contests: list[Sold], vault: Vault, many: int, span: tuple[datetime, datetime], seed: int
    ) -> None:
        self._dice = random.Random(seed)  # noqa: S311 - nothing secret is drawn
        self._vault = vault
        self._contests = contests
        self._many = many
        self._span = span
        self._weights = [1 / rank for rank in range(1, len(contests) + 1)]
        self._favourites = {
            sold.id: [1 / rank**0.9 for rank in range(1, len(sold.candidates) + 1)] for sold in contests
        }
        self._people = max(1, many // _ORDERS_PER_NUMBER)
        self._indexed: dict[str, bytes] = {}
        self._settled: dict[UUID, datetime] = {}
        self._held = 0

    def orders(self) -> Iterator[tuple[Any, ...]]:
        """Rows of `_COLUMNS`."""
        for n, placed_at in enumerate(self._moments(), start=1):
            yield self._order(n, placed_at)

    def _moments(self) -> list[datetime]:
        """An evening's peak each day, and a great one each week."""
        since, until = self._span
        dice, days = self._dice, max(1, (until - since).days)
        weights = [_SHOW_WEIGHT if day % _SHOW_EVERY_DAYS == 1 else 1.0 for day in range(days)]
        found = []
        for day in dice.choices(range(days), weights, k=self._many):
            evening = dice.random() < _IN_THE_EVENING
            hour = dice.gauss(_PEAK_HOUR, _PEAK_HOURS) if evening else dice.uniform(0, 24)
            midnight = (until - timedelta(days=day)).replace(hour=0, minute=0, second=0, microsecond=0)
            moment = midnight + timedelta(hours=hour)
            # Of today only what is over; of the rest what it would have been a day earlier.
            found.append(moment if since <= moment < until - timedelta(minutes=5) else self._any(since, until))
        return sorted(found)

    def _any(self, since: datetime, until: datetime) -> datetime:
        return since + (until - timedelta(minutes=5) - since) * self._dice.random()

    def _order(self, n: int, placed_at: datetime) -> tuple[Any, ...]:
        dice = self._dice
        sold = dice.choices(self._contests, self._weights)[0]
        candidate = dice.choices(sold.candidates, self._favourites[sold.id])[0]
        channel = _drawn(dice, _CHANNELS)
        method, provider, prefix = _drawn(dice, _WAYS[sold.country])
        on_the_web = channel in ("web", "api")
        if not on_the_web and method in ("WAVE", "CARD"):
            method, provider, prefix = _WAYS[sold.country][0][0]
        votes = max(_drawn(dice, _VOTES), _CARD_VOTES_MIN if method == "CARD" else 1)
        status = self._status(n)
        paid = status in ("settled", "held", "refunded")
        confirmed_at = placed_at + timedelta(seconds=dice.uniform(8, 60)) if paid else None
        reason = "late" if status == "refunded" else _drawn(dice, _REASONS) if status == "failed" else None
        vote_id, reference = self._id(), self._id()
        number = self._number(prefix, _DIGITS[sold.country]) if prefix else ""
        vault, person = self._vault, dice.randrange(self._people)
        return (
            n,
            vote_id,
            reference,
            placed_at,
            sold.id,
            candidate,
            channel,
            votes,
            sold.price_minor,
            sold.currency,
            sold.country,
            method,
            provider,
            status,
            "web_votes" if status == "held" else reason,
            sold.fees.of(method).fee(votes * sold.price_minor),
            None if on_the_web else self._index(number),
            None if on_the_web else vault.seal(number, voter_place(vote_id)),
            vault.seal(number, sender_place(_CARRIER, f"demo-{vote_id}")) if channel == "sms" else None,
            self._index(number) if number else None,
            vault.seal(number, payer_place(reference)) if number else None,
            self._index(f"block {number[:-BLOCK_DIGITS]}") if number else None,
            Msisdn(number, sold.country).prefix if number else None,
            self._index(f"device {person // _WEB_ORDERS_PER_DEVICE}") if on_the_web else None,
            self._index(f"address {person // _WEB_ORDERS_PER_ADDRESS}") if on_the_web else None,
            make_receipt(dice.getrandbits(RANDOM_BITS)),
            order_code(reference),
            sold.rules_version,
            sold.counts_until,
            confirmed_at,
            self._settles(sold.id, confirmed_at) if status == "settled" and confirmed_at else None,
        )

    def _number(self, prefix: str, digits: int) -> str:
        """Of a person: numbers do not follow one another."""
        return f"{prefix}{self._dice.randrange(self._people) * _STEP % 10**digits:0{digits}d}"

    def _status(self, n: int) -> str:
        """A few of the last ones wait for a person."""
        if self._many - n < 20 * _HELD_MAX and self._held < _HELD_MAX and n % 20 == 0:
            self._held += 1
            return "held"
        return _drawn(self._dice, _ENDS)

    def _settles(self, contest: UUID, confirmed_at: datetime) -> datetime:
        """When it is counted: the tally of a contest goes forward in time."""
        at = max(confirmed_at + timedelta(milliseconds=50), self._settled.get(contest, confirmed_at))
        self._settled[contest] = at
        return at

    def _id(self) -> UUID:
        return UUID(int=self._dice.getrandbits(128), version=4)

    def _index(self, text: str) -> bytes:
        found = self._indexed.get(text)
        if found is None:
            found = self._indexed[text] = self._vault.index(text)
        return found


def _drawn(dice: random.Random, weighted: tuple[tuple[T, ...], tuple[int, ...]]) -> T:
    return dice.choices(*weighted)[0]


def _some(orders: Iterator[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    return list(islice(orders, CHUNK))


async def make_orders(
    connection: "asyncpg.Connection[asyncpg.Record]",
    vault: Vault,
    many: int,
    *,
    seed: int,
    fees: Mapping[UUID, FeePlans],
    progress: Callable[[int], None],
) -> None:
    """Write so many orders with all that comes with them, as the tables' owner; each chunk is one transaction.

    `fees`: our share by contest; `progress`: called with the number of orders written so far. Raises NoContests.
    """
    rows = await connection.fetch(_CONTESTS, list(_WAYS), DAYS)
    contests = [
        Sold(**{**row, "candidates": tuple(row["candidates"]), "fees": fees.get(row["id"], FeePlans())})
        for row in map(dict, rows)
        if row["candidates"]
    ]
    if not contests:
        raise NoContests(f"no published contest has candidates, and a country among {', '.join(_WAYS)}")
    [(since, until)] = await connection.fetch(_BEGINS, DAYS)
    await connection.execute("set synchronous_commit = off")
    await connection.execute(_STAGE)
    orders = _Generator(contests, vault, many, (since, until), seed).orders()
    done, drawn = 0, asyncio.create_task(asyncio.to_thread(_some, orders))
    while chunk := await drawn:
        # The next ones are drawn while PostgreSQL writes these.
        drawn = asyncio.create_task(asyncio.to_thread(_some, orders))
        async with connection.transaction():
            await connection.copy_records_to_table("made", records=chunk, columns=list(_COLUMNS))
            if not done:
                await connection.execute("analyze made")
            for statement in _INSERTS:
                await connection.execute(statement)
        done += len(chunk)
        progress(done)
    await connection.execute("analyze")
