"""What the holder of an order's id, of a number, or of a receipt may read."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from gateway.orders.rules import PAYMENT_URL
from gateway.orders.wallet import PaymentMethod
from gateway.storage.engine import DatabaseUnavailable
from gateway.storage.rows import read_as
from gateway.storage.vault import Vault
from gateway.values.money import Money
from gateway.values.msisdn import Msisdn, mask
from payments.collection.claims import read_payer, read_secrets
from payments.lifecycle import OPEN, PublicStatus, State, public_reason, public_status


@dataclass(frozen=True, slots=True)
class OrderView:
    """What the holder of its unguessable id may read of an order.

    `reason`: see `PayerReason`, or `review` / `refund_pending`. `receipt`: only once
    counted. `payment_url`: the hosted page of a redirect wallet, once the operator gave it.
    `pay_before`: the operator's deadline for the payer; None until the operator has accepted the
    request. `asked`: whether the payer can approve by now.
    """

    vote_id: UUID
    contest_slug: str
    candidate_code: str
    candidate_name: str
    quantity: int
    amount: Money
    status: PublicStatus
    reason: str | None
    receipt: str | None
    method: PaymentMethod
    payer_masked: str
    payment_url: str | None
    placed_at: datetime
    pay_before: datetime | None
    asked: bool = False


@dataclass(frozen=True, slots=True)
class VoteLine:
    """One line of a voter's own votes, newest first."""

    candidate_code: str
    candidate_name: str
    quantity: int
    status: PublicStatus
    receipt: str | None
    placed_at: datetime


@dataclass(frozen=True, slots=True)
class TakenBack:
    """The entry of a tally that takes a counted vote out of it. `reason`: as the public tally has it."""

    number: int
    at: datetime
    reason: str


@dataclass(frozen=True, slots=True)
class ReceiptView:
    """What a receipt proves. It names no person. `taken_back`: the vote was counted, and is no more."""

    receipt: str
    contest_slug: str
    contest_name: str
    candidate_code: str
    candidate_name: str
    quantity: int
    amount: Money
    tally_number: int
    counted_at: datetime
    taken_back: TakenBack | None = None


_SHOWN: Final = """
  v.id as vote_id, v.quantity, v.amount_minor, v.currency, v.receipt, v.placed_at, c.slug as contest_slug,
  k.code as candidate_code, k.name as candidate_name,
  p.reference, p.status, p.reason, p.method, p.payer_cipher, p.secrets_cipher, p.expires_at, p.accepted
"""
_ORDER: Final = text(f"""
select {_SHOWN}
from votes v join payments p on p.vote_id = v.id and p.placed_at = v.placed_at
  join contests c on c.id = v.contest_id join candidates k on k.id = v.candidate_id
where v.id = :vote order by p.sent_at desc nulls last
""")

# Only orders whose mark differs from the caller's are read whole.
_CHANGED: Final = text(f"""
with asked as (select * from unnest(cast(:votes as uuid[]), cast(:marks as text[])) as a(vote, mark)),
found as (
  select p.vote_id, string_agg(
    concat_ws('/', p.status, p.reason, p.expires_at, p.accepted, p.secrets_cipher is not null),
    ' ' order by p.reference) as mark
  from asked a join payments p on p.vote_id = a.vote group by p.vote_id)
select {_SHOWN}, f.mark
from found f join asked a on a.vote = f.vote_id and a.mark <> f.mark
  join votes v on v.id = f.vote_id
  join payments p on p.vote_id = v.id and p.placed_at = v.placed_at
  join contests c on c.id = v.contest_id join candidates k on k.id = v.candidate_id
order by v.id, p.sent_at desc nulls last
""")

_LINKS: Final = text("""
select vote_id, reference, secrets_cipher from payments
where vote_id = any(cast(:votes as uuid[])) and secrets_cipher is not null order by sent_at nulls first
""")

_VOTES_OF: Final = text("""
with mine as (
  (select id, placed_at from votes where voter_index = :index and contest_id = :contest
    order by placed_at desc limit :limit)
  union
  (select vote_id, placed_at from payments where payer_index = :index and contest_id = :contest
    order by placed_at desc limit :limit)),
latest as (select id, placed_at from mine order by placed_at desc limit :limit)
select v.id, v.quantity, v.receipt, v.placed_at, k.code as candidate_code, k.name as candidate_name,
  array_agg(p.status) as states
from latest l join votes v using (id, placed_at)
  join payments p on p.vote_id = v.id and p.placed_at = v.placed_at
  join candidates k on k.id = v.candidate_id
group by v.id, v.quantity, v.receipt, v.placed_at, k.code, k.name order by v.placed_at desc
""")

_RECEIPT: Final = text("""
select t.receipt, t.seq as tally_number, t.quantity, t.amount_minor, t.counted_at, c.slug as contest_slug,
  c.name as contest_name, c.currency, k.code as candidate_code, k.name as candidate_name,
  a.seq as back_seq, a.counted_at as back_at, a.reason as back_reason
from tally_entries t join contests c on c.id = t.contest_id join candidates k on k.id = t.candidate_id
  left join tally_entries a on a.contest_id = t.contest_id and a.adjusts = t.seq
where t.receipt = :receipt and t.kind = 'vote'
""")

_UNCOUNTED: Final = text("""
select p.status from order_keys o join payments p on p.vote_id = o.vote_id and p.placed_at = o.placed_at
where o.receipt = :receipt
""")


class OrderViews:
    """Reads for people. Every method raises DatabaseUnavailable when PostgreSQL does not answer."""

    def __init__(self, engine: AsyncEngine, vault: Vault) -> None:
        self._engine = engine
        self._vault = vault

    async def order(self, vote_id: UUID) -> OrderView | None:
        """What became of an order."""
        rows = await self._rows(_ORDER, vote=vote_id)
        return self._view(rows) if rows else None

    async def changed_orders(self, known: Mapping[UUID, str]) -> Mapping[UUID, tuple[str, OrderView]]:
        """Of the orders asked about by id, those whose mark is not the one given, with their new one.
        One statement, however many are asked about."""
        rows = await self._rows(_CHANGED, votes=list(known), marks=list(known.values()))
        by_vote = {vote: list(of_vote) for vote, of_vote in groupby(rows, key=lambda row: row.vote_id)}
        return {vote: (of_vote[0].mark, self._view(of_vote)) for vote, of_vote in by_vote.items()}

    def _view(self, rows: Sequence[Row[Any]]) -> OrderView:
        """An order from its payments, the one that was sent last first."""
        states = [State(row.status) for row in rows]
        last = rows[0]
        payer = read_payer(self._vault, last.reference, last.payer_cipher)
        status = public_status(states)
        pending = any(state in OPEN for state in states)
        return read_as(
            OrderView,
            last,
            amount=Money(last.amount_minor, last.currency),
            status=status,
            reason=public_reason(states, last.reason),
            receipt=last.receipt if State.SETTLED in states else None,
            method=PaymentMethod(last.method),
            payer_masked=mask(payer) if payer else "",
            payment_url=self._payment_url(last) if pending else None,
            pay_before=last.expires_at if State(last.status) is State.PENDING and last.accepted else None,
            asked=any(state is not State.CREATED for state in states),
        )

    def _payment_url(self, row: Row[Any]) -> str | None:
        return read_secrets(self._vault, row.reference, row.secrets_cipher).get(PAYMENT_URL)

    async def payment_links(self, vote_ids: Collection[UUID]) -> Mapping[UUID, str]:
        """Of these orders, the operator's pages that are known: of the payment that was sent last."""
        rows = await self._rows(_LINKS, votes=list(vote_ids))
        return {row.vote_id: link for row in rows if (link := self._payment_url(row)) is not None}

    async def votes_of(self, voter: Msisdn, contest_id: UUID, limit: int) -> tuple[VoteLine, ...]:
        """A number's latest orders in a contest, as voter or as payer."""
        rows = await self._rows(_VOTES_OF, index=self._vault.index(voter.e164), contest=contest_id, limit=limit)
        return tuple(self._line(row) for row in rows)

    @staticmethod
    def _line(row: Row[Any]) -> VoteLine:
        states = [State(state) for state in row.states]
        receipt = row.receipt if State.SETTLED in states else None
        return read_as(VoteLine, row, status=public_status(states), receipt=receipt)

    async def receipt(self, code: str) -> ReceiptView | PublicStatus | None:
        """The counted vote behind a receipt code, and the entry that took it back, if one did; what became of the
        order where it is not counted."""
        rows = await self._rows(_RECEIPT, receipt=code)
        if not rows:
            states = [State(row.status) for row in await self._rows(_UNCOUNTED, receipt=code)]
            status = public_status(states) if states else None
            # Counted since the first statement.
            return PublicStatus.PENDING if status is PublicStatus.COMPLETED else status
        row = rows[0]
        taken_back = TakenBack(row.back_seq, row.back_at, row.back_reason or "") if row.back_seq else None
        return read_as(ReceiptView, row, amount=Money(row.amount_minor, row.currency), taken_back=taken_back)

    async def _rows(self, statement: Any, **parameters: object) -> list[Row[Any]]:  # noqa: ANN401 - any text()
        try:
            async with self._engine.connect() as connection:
                return list((await connection.execute(statement, parameters)).all())
        except (SQLAlchemyError, OSError) as error:
            raise DatabaseUnavailable(type(error).__name__) from error
