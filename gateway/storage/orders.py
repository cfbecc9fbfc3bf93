"""Orders as they are placed: many callers, one statement, one commit."""

import asyncio
from collections.abc import Sequence
from dataclasses import asdict
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

import orjson
from sqlalchemy import Row, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncEngine

from gateway.domain.money import Money
from gateway.domain.order import PlacedOrder, Refusal, Wish
from gateway.domain.prompting import NO_LIMITS, PromptLimits
from gateway.domain.receipt import order_code
from gateway.ports.house import HouseUnavailable
from gateway.ports.stores import PAYMENT_CODE, NewOrder
from gateway.storage.coalescer import Coalescer, Overloaded
from gateway.storage.rows import document, recordset
from gateway.storage.vault import Vault

# An order that no operator was asked about within this time is closed.
UNSENT_LIFE: Final = timedelta(minutes=15)
# How long whoever orders waits for PostgreSQL.
ORDER_SECONDS: Final = 4.0
# After this an insert is ended, and its connection with it, so that the next ones try another.
_GIVEN_UP_SECONDS: Final = 6.0

_COLUMNS: Final = (
    ("channel", "text"),
    ("key", "text"),
    ("request_hash", "bytea"),
    ("vote_id", "uuid"),
    ("reference", "uuid"),
    ("receipt", "text"),
    ("contest_id", "uuid"),
    ("candidate_id", "uuid"),
    ("language", "text"),
    ("quantity", "integer"),
    ("price_minor", "bigint"),
    ("amount_minor", "bigint"),
    ("currency", "text"),
    ("voter_index", "bytea"),
    ("voter_cipher", "bytea"),
    ("provider", "text"),
    ("method", "text"),
    ("country", "text"),
    ("payer_index", "bytea"),
    ("payer_cipher", "bytea"),
    ("order_code", "text"),
    ("delay_seconds", "integer"),
    ("chat_id", "bigint"),
    ("secrets_cipher", "bytea"),
    ("orderer", "bytea"),
    ("typed", "boolean"),
)

_PAID: Final = "('confirmed','settled','held','surplus','mismatched','refund_due','refunded')"

# What speaks against asking a number that somebody typed: its holder said STOP; its last orders were
# refused or left alone and nothing came from that phone since; or this orderer has typed many numbers.
_UNWANTED: Final = """
exists (select 1 from text_opt_outs t where t.phone_index = a.payer_index)
or (select count(*) = cast(:refused_in_a_row as bigint) and coalesce(bool_and(l.unwanted), false) and not exists (
      select 1 from messages_in m where m.sender_index = a.payer_index and m.received_at > min(l.placed_at))
    from (
      select p.placed_at, p.status in ('failed','expired') and p.orderer is not null
          and coalesce(p.reason, 'not_answered') in ('declined','not_answered') as unwanted
      from payments p where p.payer_index = a.payer_index and p.placed_at > now() - cast(:silence as interval)
      order by p.placed_at desc limit cast(:refused_in_a_row as bigint)) l)
or (select count(distinct p.payer_index) >= cast(:numbers_an_hour as bigint)
    from (
      select payer_index from payments where orderer = a.orderer and placed_at > now() - interval '1 hour'
      order by placed_at desc limit 50) p
    where p.payer_index <> a.payer_index)
"""

# The window and the candidate are judged by the clock of the inserting statement. A key that is
# known, in the table or twice in this batch, inserts nothing. Only what was not placed comes back.
# What was claimed is an array and not a join: without statistics a join of two lists is planned as
# their product.
_INSERT: Final = text(f"""
with asked as (select * from {recordset(_COLUMNS)}),
judged as materialized (
  select a.*,
    (select c.opens_at <= now() and now() < c.closes_at from contests c where c.id = a.contest_id) as in_window,
    (select c.price_minor = a.price_minor from contests c where c.id = a.contest_id) as same_price,
    (select k.status = 'approved' from candidates k
      where k.id = a.candidate_id and k.contest_id = a.contest_id) as standing,
    case when a.payer_index is null or not cast(:limited as boolean) then false else (
      select count(*) filter (where o.placed_at > now() - cast(:lately as interval)) + a.nth
          > case when a.typed then cast(:typed_lately as bigint) else cast(:own_lately as bigint) end
        or count(*) + a.nth > case when a.typed then cast(:typed_a_day as bigint) else cast(:own_a_day as bigint) end
        or (a.typed and coalesce(max(o.placed_at) > now() - cast(:typed_apart as interval), false))
      from payments o where o.payer_index = a.payer_index and o.placed_at > now() - interval '1 day'
        and o.status not in {_PAID})
      or (a.typed and ({_UNWANTED})) end as too_often
  from (select *, row_number() over (partition by payer_index) as nth from asked) a),
claimed as (
  insert into order_keys (channel, key, request_hash, vote_id, payment_reference, placed_at, receipt, order_code)
  select channel, key, request_hash, vote_id, reference, now(), receipt, order_code
  from judged where in_window and standing and same_price and not too_often
  on conflict do nothing returning vote_id),
placed as materialized (select coalesce(array_agg(vote_id), '{{}}') as ids from claimed),
voted as (
  insert into votes (id, placed_at, contest_id, candidate_id, channel, language, quantity, price_minor,
    amount_minor, currency, voter_index, voter_cipher, receipt, chat_id)
  select vote_id, now(), contest_id, candidate_id, channel, language, quantity, price_minor,
    amount_minor, currency, voter_index, voter_cipher, receipt, chat_id
  from judged where vote_id = any(cast((select ids from placed) as uuid[]))),
paying as (
  insert into payments (reference, placed_at, vote_id, contest_id, provider, method, country, amount_minor,
    currency, payer_index, payer_cipher, secrets_cipher, orderer, next_check_at, expires_at)
  select reference, now(), vote_id, contest_id, provider, method, country, amount_minor,
    currency, payer_index, payer_cipher, secrets_cipher, orderer, now() + make_interval(secs => delay_seconds),
    now() + make_interval(secs => :unsent_seconds)
  from judged where vote_id = any(cast((select ids from placed) as uuid[]))),
logged as (
  insert into payment_events (reference, to_status, seen, actor, detail)
  select reference, 'created', 'ordered', 'voter', channel
  from judged where vote_id = any(cast((select ids from placed) as uuid[])))
select vote_id, in_window, standing, too_often from judged
where not vote_id = any(cast((select ids from placed) as uuid[]))
""")

_FIND: Final = text("""
select k.channel, k.key, k.request_hash, k.vote_id, k.payment_reference, v.amount_minor, v.currency
from unnest(cast(:channel as text[]), cast(:key as text[])) as a(channel, key)
  join order_keys k using (channel, key) join votes v on v.id = k.vote_id and v.placed_at = k.placed_at
""")


class PostgresOrders:
    """`OrderStore` on PostgreSQL. `engine` commits each statement by itself."""

    def __init__(self, engine: AsyncEngine, vault: Vault, limits: PromptLimits) -> None:
        self._engine = engine
        self._vault = vault
        self._limits = {**asdict(limits), "limited": limits != NO_LIMITS}
        self._inserts: Coalescer[NewOrder, PlacedOrder | Refusal] = Coalescer(
            self._insert_each, batch_max=200, lanes=1, patience=ORDER_SECONDS
        )

    async def insert(self, order: NewOrder) -> PlacedOrder | Refusal:
        """Write vote and payment, or find what the same key wrote before. Whoever was told that it was not done may
        find it done all the same under its key."""
        try:
            return await self._inserts.start(order)
        except (Overloaded, SQLAlchemyError, OSError) as error:
            raise HouseUnavailable(type(error).__name__) from error

    async def find(self, channel: str, key: str, request_hash: bytes) -> PlacedOrder | None:
        """What this key wrote before; None when it is new."""
        try:
            async with asyncio.timeout(ORDER_SECONDS), self._engine.connect() as connection:
                rows = (await connection.execute(_FIND, {"channel": [channel], "key": [key]})).all()
        except (SQLAlchemyError, OSError) as error:
            raise HouseUnavailable(type(error).__name__) from error
        return _known(rows[0], request_hash) if rows else None

    async def _insert_each(self, orders: list[NewOrder]) -> Sequence[PlacedOrder | Refusal | BaseException]:
        try:
            async with asyncio.timeout(_GIVEN_UP_SECONDS):
                return await self._insert(orders)
        except (TimeoutError, PoolTimeoutError) as error:
            # Nobody answers: to each its own, and not one by one, which would take each as long again.
            return [HouseUnavailable(type(error).__name__) for _ in orders]

    async def _insert(self, orders: list[NewOrder]) -> list[PlacedOrder | Refusal]:
        rows = document(map(self._row, orders))
        asked = {**rows, **self._limits, "unsent_seconds": UNSENT_LIFE.total_seconds()}
        async with self._engine.connect() as connection:
            judged = {row.vote_id: row for row in (await connection.execute(_INSERT, asked)).all()}
            left = [order for order in orders if order.vote_id in judged] if judged else []
            known: dict[tuple[str, str], Row[Any]] = {}
            if left:
                keys = {
                    "channel": [order.sale.wish.channel.value for order in left],
                    "key": [order.sale.wish.key for order in left],
                }
                known = {(row.channel, row.key): row for row in (await connection.execute(_FIND, keys)).all()}
        return [self._answer(order, judged, known) for order in orders]

    @staticmethod
    def _answer(
        order: NewOrder, judged: dict[UUID, Row[Any]], known: dict[tuple[str, str], Row[Any]]
    ) -> PlacedOrder | Refusal:
        verdict = judged.get(order.vote_id)
        if verdict is None:
            return PlacedOrder(order.vote_id, order.payment_reference, order.sale.amount)
        wish = order.sale.wish
        if row := known.get((wish.channel.value, wish.key)):
            return _known(row, wish.request_hash)
        if verdict.in_window is None or verdict.standing is None:
            return Refusal.UNKNOWN_CANDIDATE
        if not verdict.in_window:
            return Refusal.CLOSED
        if verdict.too_often:
            return Refusal.ASKED_TOO_OFTEN
        return Refusal.TRY_AGAIN if verdict.standing else Refusal.CANDIDATE_NOT_STANDING

    def _row(self, order: NewOrder) -> dict[str, object]:
        """The values of `_COLUMNS`."""
        sale, wish, vault = order.sale, order.sale.wish, self._vault
        if wish.method is None:
            raise ValueError("a sale names its method")
        voter = wish.voter.e164 if wish.voter else None
        payer = wish.payer.e164 if wish.payer else None
        return {
            "channel": wish.channel.value,
            "key": wish.key,
            "request_hash": wish.request_hash,
            "vote_id": order.vote_id,
            "reference": order.payment_reference,
            "receipt": order.receipt,
            "contest_id": wish.contest.id,
            "candidate_id": sale.candidate.id,
            "language": wish.language,
            "quantity": wish.quantity,
            "price_minor": wish.contest.price.amount_minor,
            "amount_minor": sale.amount.amount_minor,
            "currency": sale.amount.currency,
            "voter_index": vault.index(voter) if voter else None,
            "voter_cipher": vault.seal(voter, voter_place(order.vote_id)) if voter else None,
            "provider": sale.provider,
            "method": wish.method.value,
            "country": wish.contest.country,
            "payer_index": vault.index(payer) if payer else None,
            "payer_cipher": vault.seal(payer, payer_place(order.payment_reference)) if payer else None,
            "order_code": order_code(order.payment_reference),
            "delay_seconds": wish.prompt_delay_seconds,
            "chat_id": wish.chat_id,
            "secrets_cipher": self._code(order),
            "orderer": vault.index(_orderer(wish)) if wish.typed else None,
            "typed": wish.typed,
        }

    def _code(self, order: NewOrder) -> bytes | None:
        code = order.sale.wish.payment_code
        if code is None:
            return None
        return self._vault.seal(orjson.dumps({PAYMENT_CODE: code}).decode(), secrets_place(order.payment_reference))


def _orderer(wish: Wish) -> str:
    """Who typed the number that pays."""
    if wish.orderer is not None:
        return f"device {wish.orderer}"
    return f"chat {wish.chat_id}" if wish.voter is None else f"phone {wish.voter.e164}"


def _known(row: Row[Any], request_hash: bytes) -> PlacedOrder:
    return PlacedOrder(
        row.vote_id,
        row.payment_reference,
        Money(row.amount_minor, row.currency),
        repeated=True,
        conflicting=bytes(row.request_hash) != request_hash,
    )


def voter_place(vote_id: UUID) -> str:
    """Where a voter's sealed number stands."""
    return f"votes.voter:{vote_id}"


def payer_place(reference: UUID) -> str:
    """Where a payer's sealed number stands."""
    return f"payments.payer:{reference}"


def secrets_place(reference: UUID) -> str:
    """Where an operator's sealed tokens stand."""
    return f"payments.secrets:{reference}"
