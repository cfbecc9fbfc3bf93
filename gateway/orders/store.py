"""Orders as they are placed: calls that arrive during a batch join the next one, which is one statement."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Final
from uuid import UUID

import asyncpg
import orjson
from sqlalchemy import Row, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from gateway.orders.fraud import FraudLimits
from gateway.orders.fraud_places import list_places, place
from gateway.orders.prompting import Orderer, OrdererKind, PromptLimits
from gateway.orders.receipt import order_code
from gateway.orders.rules import (
    PAID_STATES,
    PAYMENT_CODE,
    UNSENT_LIFE,
    Channel,
    NewOrder,
    PlacedOrder,
    Refusal,
    VoteRequest,
    refusal_at_insert,
)
from gateway.storage.coalescer import Coalescer, Overloaded
from gateway.storage.direct import Direct
from gateway.storage.engine import DatabaseUnavailable
from gateway.storage.rows import document, recordset
from gateway.storage.vault import Vault
from gateway.values.money import Money

# Consecutive numbers, of which SIM cards are sold together, differ in these last digits alone.
BLOCK_DIGITS: Final = 2
# How long an order waits for PostgreSQL.
ORDER_SECONDS: Final = 4.0
# One statement for those of a rush that come so close together; a voter waits ten times as long for a screen. Where
# several come at once they gather for longer: larger batches take less of the processor for each order.
APART_SECONDS: Final = 0.01
APART_SECONDS_MOST: Final = 0.025
ENOUGH: Final = 16
# After this an insert is ended, and its connection with it, so that the next ones try another.
_GIVEN_UP_SECONDS: Final = 6.0

_COLUMNS: Final = """
  channel text, key text, request_hash bytea, vote_id uuid, reference uuid, receipt text, contest_id uuid,
  candidate_id uuid, language text, quantity integer, price_minor bigint, amount_minor bigint, currency text,
  voter_index bytea, voter_cipher bytea, provider text, method text, country text, payer_index bytea,
  payer_cipher bytea, order_code text, delay_seconds integer, chat_id bigint, secrets_cipher bytea, orderer bytea,
  typed boolean, alone boolean, address bytea, address_shared boolean, allowance integer, payer_block bytea,
  prefix text
"""

PAID: Final = f"""('{"','".join(sorted(PAID_STATES))}')"""


def placed_within(span: str, order: str = "o") -> str:
    """Orders of so long until now. None is of a time to come: so partitions of later months are not opened."""
    return f"{order}.placed_at > now() - {span} and {order}.placed_at < now() + interval '1 day'"


# Why a typed number is not asked: its holder sent STOP; or its last orders were refused or not answered, and nothing
# came from that phone since.
_UNWANTED: Final = f"""
exists (select 1 from text_opt_outs t where t.phone_index = a.payer_index)
or (select count(*) = cast(:refused_in_a_row as bigint) and coalesce(bool_and(l.unwanted), false) and not exists (
      select 1 from messages_in m where m.sender_index = a.payer_index and m.received_at > min(l.placed_at))
    from (
      select p.placed_at, p.status in ('failed','expired') and p.orderer is not null
          and coalesce(p.reason, 'not_answered') in ('declined','not_answered') as unwanted
      from payments p where p.payer_index = a.payer_index and {placed_within("cast(:silence as interval)", "p")}
      order by p.placed_at desc limit cast(:refused_in_a_row as bigint)) l)
"""

# Unpaid orders of each address in this batch, among its last ones: looked at once for all of them.
_CROWDS: Final = f"""
select c.address, (select count(*) filter (where not l.paid) from (
    select o.status in {PAID} as paid from payments o
    where o.address = c.address and {placed_within("interval '1 hour'")}
    order by o.placed_at desc limit 2 * c.allowance) l) as unpaid
from (select address, max(allowance) as allowance from asked
  where address is not null and payer_index is not null and cast(:limited as boolean) group by address) c
"""

# Why this orderer is refused: it typed many other numbers that did not pay; or its address has many unpaid
# orders, and it is not a device that paid before. An address alone may be many people's, so its numbers do not count.
_TOO_MANY: Final = f"""
(a.alone and (select count(distinct p.payer_index) >= cast(:numbers_an_hour as bigint)
    from (
      select payer_index, status in {PAID} as paid from payments o
      where o.orderer = a.orderer and {placed_within("interval '1 hour'")}
      order by o.placed_at desc limit 50) p
    where p.payer_index <> a.payer_index and not p.paid))
or case when a.address is null then false
    when coalesce((select c.unpaid from crowds c where c.address = a.address), 0) + a.nth_there <= a.allowance
    then false
    else not a.alone or not exists (
      select 1 from payments o where o.orderer = a.orderer
        and {placed_within("cast(:remembered as interval)")} and o.status in {PAID}) end
"""

_TOO_MANY_IF_TYPED: Final = f"""
case when a.payer_index is null or not a.typed or not cast(:limited as boolean) then false else {_TOO_MANY} end
"""
_NTH: Final = """
, row_number() over (partition by address) as nth_there, row_number() over (partition by orderer) as nth_of_orderer
"""

# What fraud rules refuse before the payer is asked: who is listed; a device or an address from which many votes
# came within a minute, but for addresses that are shared or allowed; a number that ordered many within an hour.
_SUBJECTS: Final = "array[a.payer_index, a.voter_index, a.orderer, a.address]"
_ON: Final = "e.contest_id = a.contest_id and e.lifted_at is null and e.until > now()"
_WEB_VOTES: Final = "coalesce(cast(c.fraud_limits->>'web_votes' as bigint), cast(:web_votes as bigint))"
_WALLET_ORDERS: Final = "coalesce(cast(c.fraud_limits->>'wallet_orders' as bigint), cast(:wallet_orders as bigint))"


def _in_a_minute(column: str) -> str:
    return f"""(select count(*) from (select from payments o where o.{column} = a.{column}
      and {placed_within("interval '1 minute'")} and o.contest_id = a.contest_id limit {_WEB_VOTES}) n)"""


_DENIED: Final = f"""
  when exists (select from fraud_entries e
    where e.list = 'deny' and e.subject = any({_SUBJECTS}) and {_ON}) then '{Refusal.NOT_ACCEPTED}'
"""
_CROWDED: Final = f"""
  when a.orderer is null or a.channel not in ('{Channel.WEB}','{Channel.API}') or {_WEB_VOTES} = 0 then null
  when a.orderer is distinct from a.address and {_in_a_minute("orderer")} + a.nth_of_orderer > {_WEB_VOTES}
    then '{Refusal.TOO_MANY_HERE}'
  when a.address is not null and not a.address_shared and {_in_a_minute("address")} + a.nth_there > {_WEB_VOTES}
    and not exists (select from fraud_entries e where e.list = 'allow' and e.subject = a.address and {_ON})
    then '{Refusal.TOO_MANY_HERE}'
"""
_MANY_ORDERS: Final = f"""
case when a.payer_index is not null and {_WALLET_ORDERS} > 0 and (
    select count(*) from (select from payments o where o.payer_index = a.payer_index
      and {placed_within("interval '1 hour'")} and o.contest_id = a.contest_id limit {_WALLET_ORDERS}) n)
    + a.nth > {_WALLET_ORDERS} then '{Refusal.TOO_MANY_ORDERS}' end
"""


# The window and the candidate are checked by the clock of the inserting statement, and a vote goes by the rules that
# this statement sees: it keeps their version, and until when it counts. A key that is
# known, in the table or twice in this batch, inserts nothing. Only what was not placed comes back.
# What was claimed is an array and not a join: without statistics a join of two lists is planned as
# their product.
def _insert(*, typed: bool) -> Direct:
    """`typed`: for orders of which some have a typed number. Others, most in a rush, have neither orderer nor address:
    what is asked about these is left out, because it takes longer to prepare than all else to run."""

    def if_typed(part: str, otherwise: str = "") -> str:
        return part if typed else otherwise

    statement = text(f"""
with asked as (select * from {recordset(_COLUMNS)}),
{if_typed(f"crowds as materialized ({_CROWDS}),")}
judged as materialized (
  select a.*,
    c.state = 'published' and c.opens_at <= now() and now() < c.closes_at
      and (s.number is not null or not exists (select from rounds o where o.contest_id = c.id)) as in_window,
    c.price_minor = a.price_minor as same_price,
    c.rules_version, coalesce(s.closes_at, c.closes_at) + make_interval(secs => c.late_seconds) as counts_until,
    coalesce(s.number, 0) as round,
    (select k.status = 'approved' from candidates k
      where k.id = a.candidate_id and k.contest_id = a.contest_id) as eligible,
    coalesce(case {_DENIED} {if_typed(_CROWDED)} end, {_MANY_ORDERS}) as fraud,
    case when a.payer_index is null or not cast(:limited as boolean) then false else (
      select count(*) filter (where o.placed_at > now() - cast(:lately as interval)) + a.nth
          > case when a.typed then cast(:typed_lately as bigint) else cast(:own_lately as bigint) end
        or count(*) + a.nth > case when a.typed then cast(:typed_a_day as bigint) else cast(:own_a_day as bigint) end
        or (a.typed and coalesce(max(o.placed_at) > now() - cast(:typed_apart as interval), false))
      from payments o where o.payer_index = a.payer_index and {placed_within("interval '1 day'")}
        and o.status not in {PAID})
      {if_typed(f"or (a.typed and ({_UNWANTED}))")} end as too_often,
    {if_typed(_TOO_MANY_IF_TYPED, "false")} as too_many
  from (select *, row_number() over (partition by payer_index) as nth {if_typed(_NTH)} from asked) a
    left join contests c on c.id = a.contest_id
    left join rounds s on s.contest_id = c.id and s.opens_at <= now() and now() < s.closes_at),
claimed as (
  insert into order_keys (channel, key, request_hash, vote_id, payment_reference, placed_at, receipt, order_code)
  select channel, key, request_hash, vote_id, reference, now(), receipt, order_code
  from judged where in_window and eligible and same_price and fraud is null and not too_often and not too_many
  on conflict do nothing returning vote_id),
placed as materialized (select coalesce(array_agg(vote_id), '{{}}') as ids from claimed),
voted as (
  insert into votes (id, placed_at, contest_id, candidate_id, channel, language, quantity, price_minor,
    amount_minor, currency, voter_index, voter_cipher, receipt, chat_id, rules_version, counts_until,
    round)
  select vote_id, now(), contest_id, candidate_id, channel, language, quantity, price_minor,
    amount_minor, currency, voter_index, voter_cipher, receipt, chat_id, rules_version, counts_until,
    round
  from judged where vote_id = any(cast((select ids from placed) as uuid[]))),
paying as (
  insert into payments (reference, placed_at, vote_id, contest_id, provider, method, country, amount_minor,
    currency, payer_index, payer_cipher, payer_block, secrets_cipher, orderer, address, address_shared, prefix,
    next_check_at, expires_at)
  select reference, now(), vote_id, contest_id, provider, method, country, amount_minor,
    currency, payer_index, payer_cipher, payer_block, secrets_cipher, orderer, address, address_shared, prefix,
    now() + make_interval(secs => delay_seconds),
    now() + make_interval(secs => :unsent_seconds)
  from judged where vote_id = any(cast((select ids from placed) as uuid[]))),
logged as (
  insert into payment_events (reference, to_status, seen, actor, detail)
  select reference, 'created', 'ordered', 'voter', channel
  from judged where vote_id = any(cast((select ids from placed) as uuid[])))
select vote_id, in_window, eligible, fraud, too_often, too_many from judged
where not vote_id = any(cast((select ids from placed) as uuid[]))
""")
    return Direct(statement)


_INSERT: Final = _insert(typed=True)
_INSERT_OWN: Final = _insert(typed=False)

_FIND: Final = text("""
select k.channel, k.key, k.request_hash, k.vote_id, k.payment_reference, v.amount_minor, v.currency
from unnest(cast(:channel as text[]), cast(:key as text[])) as a(channel, key)
  join order_keys k using (channel, key) join votes v on v.id = k.vote_id and v.placed_at = k.placed_at
""")


class Orders:
    """Orders in PostgreSQL. `engine` commits each statement by itself. `fraud`: the limits of contests that have none
    of their own."""

    def __init__(self, engine: AsyncEngine, vault: Vault, limits: PromptLimits, fraud: FraudLimits) -> None:
        self._engine = engine
        self._vault = vault
        self._allowance, self._shared = limits.allowance, limits.shared
        self._limits = {**limits.placed(), "web_votes": fraud.web_votes, "wallet_orders": fraud.wallet_orders}
        self._inserts: Coalescer[NewOrder, PlacedOrder | Refusal] = Coalescer(
            self._insert_each,
            batch_max=200,
            apart=APART_SECONDS,
            apart_most=APART_SECONDS_MOST,
            enough=ENOUGH,
            timeout=ORDER_SECONDS,
        )

    async def insert(self, order: NewOrder) -> PlacedOrder | Refusal:
        """Write vote and payment, or find what the same key wrote before. Raises DatabaseUnavailable; the order may be
        written all the same, and is then found under its key."""
        try:
            return await self._inserts.start(order)
        except (Overloaded, SQLAlchemyError, OSError) as error:
            raise DatabaseUnavailable(type(error).__name__) from error

    async def find(self, channel: str, key: str, request_hash: bytes) -> PlacedOrder | None:
        """What this key wrote before; None when it is new."""
        try:
            async with asyncio.timeout(ORDER_SECONDS), self._engine.connect() as connection:
                rows = (await connection.execute(_FIND, {"channel": [channel], "key": [key]})).all()
        except (SQLAlchemyError, OSError) as error:
            raise DatabaseUnavailable(type(error).__name__) from error
        return _known(rows[0], request_hash) if rows else None

    async def _insert_each(self, orders: list[NewOrder]) -> Sequence[PlacedOrder | Refusal | BaseException]:
        async with asyncio.timeout(_GIVEN_UP_SECONDS):
            return await self._insert(orders)

    async def _insert(self, orders: list[NewOrder]) -> list[PlacedOrder | Refusal]:
        rows = document(map(self._row, orders))
        asked = {**rows, **self._limits, "unsent_seconds": UNSENT_LIFE.total_seconds()}
        insert = _INSERT if any(order.priced_order.vote_request.typed for order in orders) else _INSERT_OWN
        judged = {row["vote_id"]: row for row in await insert.rows(self._engine, asked)}
        if not judged:
            return [self._answer(order, judged, {}) for order in orders]
        left = [order for order in orders if order.vote_id in judged]
        keys = {
            "channel": [order.priced_order.vote_request.channel.value for order in left],
            "key": [order.priced_order.vote_request.key for order in left],
        }
        async with self._engine.connect() as connection:
            known = {(row.channel, row.key): row for row in (await connection.execute(_FIND, keys)).all()}
            answers = [self._answer(order, judged, known) for order in orders]
            if Refusal.TOO_MANY_HERE in answers:
                await self._list_places(connection, orders, answers)
        return answers

    async def _list_places(
        self, connection: AsyncConnection, orders: Sequence[NewOrder], answers: Sequence[PlacedOrder | Refusal]
    ) -> None:
        """Remember from where too many came; a place that does not end is listed for a while."""
        places = [
            place(self._vault, order.priced_order.vote_request, self._shared)
            for order, answer in zip(orders, answers, strict=True)
            if answer is Refusal.TOO_MANY_HERE
        ]
        await list_places(connection, places)

    @staticmethod
    def _answer(
        order: NewOrder, judged: Mapping[UUID, asyncpg.Record], known: dict[tuple[str, str], Row[Any]]
    ) -> PlacedOrder | Refusal:
        found = judged.get(order.vote_id)
        if found is None:
            return PlacedOrder(order.vote_id, order.payment_reference, order.priced_order.amount)
        vote_request = order.priced_order.vote_request
        if row := known.get((vote_request.channel.value, vote_request.key)):
            return _known(row, vote_request.request_hash)
        return refusal_at_insert(
            in_window=found["in_window"],
            eligible=found["eligible"],
            fraud=found["fraud"],
            too_often=found["too_often"],
            too_many=found["too_many"],
        )

    def _row(self, order: NewOrder) -> dict[str, object]:
        """The values of `_COLUMNS`."""
        priced_order, vote_request, vault = order.priced_order, order.priced_order.vote_request, self._vault
        if vote_request.method is None:
            raise ValueError("a priced order has a method")
        voter = vote_request.voter.e164 if vote_request.voter else None
        payer = vote_request.payer.e164 if vote_request.payer else None
        typed, orderer = vote_request.typed, _orderer(vote_request)
        address = orderer.address if typed else None
        return {
            "channel": vote_request.channel.value,
            "key": vote_request.key,
            "request_hash": vote_request.request_hash,
            "vote_id": order.vote_id,
            "reference": order.payment_reference,
            "receipt": order.receipt,
            "contest_id": vote_request.contest.id,
            "candidate_id": priced_order.candidate.id,
            "language": vote_request.language,
            "quantity": vote_request.quantity,
            "price_minor": vote_request.contest.price.amount_minor,
            "amount_minor": priced_order.amount.amount_minor,
            "currency": priced_order.amount.currency,
            "voter_index": vault.index(voter) if voter else None,
            "voter_cipher": vault.seal(voter, voter_place(order.vote_id)) if voter else None,
            "provider": priced_order.provider,
            "method": vote_request.method.value,
            "country": vote_request.contest.country,
            "payer_index": vault.index(payer) if payer else None,
            "payer_cipher": vault.seal(payer, payer_place(order.payment_reference)) if payer else None,
            "order_code": order_code(order.payment_reference),
            "delay_seconds": vote_request.prompt_delay_seconds,
            "chat_id": vote_request.chat_id,
            "secrets_cipher": self._code(order),
            "orderer": vault.index(f"{orderer.kind.value} {orderer.identity}") if typed else None,
            "typed": typed,
            "alone": orderer.kind is not OrdererKind.ADDRESS,
            "address": vault.index(f"{OrdererKind.ADDRESS.value} {address}") if address is not None else None,
            "address_shared": address is not None and self._shared(address),
            "allowance": self._allowance(address) if address is not None else 0,
            "payer_block": vault.index(f"block {payer[:-BLOCK_DIGITS]}") if payer else None,
            "prefix": number.prefix if (number := vote_request.payer or vote_request.voter) else None,
        }

    def _code(self, order: NewOrder) -> bytes | None:
        code = order.priced_order.vote_request.payment_code
        if code is None:
            return None
        return self._vault.seal(orjson.dumps({PAYMENT_CODE: code}).decode(), secrets_place(order.payment_reference))


def _orderer(vote_request: VoteRequest) -> Orderer:
    """Who orders."""
    if vote_request.orderer is not None:
        return vote_request.orderer
    if vote_request.voter is None:
        return Orderer(OrdererKind.CHAT, str(vote_request.chat_id))
    return Orderer(OrdererKind.PHONE, vote_request.voter.e164)


def _known(row: Row[Any], request_hash: bytes) -> PlacedOrder:
    return PlacedOrder(
        row.vote_id,
        row.payment_reference,
        Money(row.amount_minor, row.currency),
        repeated=True,
        conflicting=bytes(row.request_hash) != request_hash,
    )


def voter_place(vote_id: UUID) -> str:
    """The seal's place of a voter's number."""
    return f"votes.voter:{vote_id}"


def payer_place(reference: UUID) -> str:
    """The seal's place of a payer's number."""
    return f"payments.payer:{reference}"


def secrets_place(reference: UUID) -> str:
    """The seal's place of an operator's tokens."""
    return f"payments.secrets:{reference}"
