"""The latest payments of a voter who claims to be debited, and support tickets."""

from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Row, TextClause, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from gateway.storage.vault import Vault
from gateway.values.money import Money
from payments.collection.claims import read_payer
from payments.lifecycle import ASKABLE, State
from payments.rescue.rules import Attempt, Claim, OfChat, OfNumber, OfOrder, ticket_number

ATTEMPTS_MAX: Final = 5
HOURS: Final = 24
TICKET_KIND: Final = "debited"

_OF_NUMBER: Final = """
  (select reference, placed_at from payments
    where payer_index = cast(:index as bytea)
      and (cast(:contests as uuid[]) is null or contest_id = any(cast(:contests as uuid[])))
      and placed_at > now() - make_interval(hours => :hours)
    order by placed_at desc limit :limit)
  union
  (select p.reference, p.placed_at from votes v join payments p on p.vote_id = v.id and p.placed_at = v.placed_at
    where v.voter_index = cast(:index as bytea)
      and (cast(:contests as uuid[]) is null or v.contest_id = any(cast(:contests as uuid[])))
      and v.placed_at > now() - make_interval(hours => :hours)
    order by p.placed_at desc limit :limit)"""
_OF_CHAT: Final = f"""{_OF_NUMBER}
  union
  (select p.reference, p.placed_at from votes v join payments p on p.vote_id = v.id and p.placed_at = v.placed_at
    where v.chat_id = :chat and v.placed_at > now() - make_interval(hours => :hours)
    order by p.placed_at desc limit :limit)"""
_OF_ORDER: Final = "select reference, placed_at from payments where vote_id = :vote"


def _latest(mine: str) -> TextClause:
    return text(f"""
with mine as ({mine})
select p.reference, p.contest_id, p.status, p.amount_minor, p.currency, p.sent_at, v.quantity, v.receipt,
  k.code, k.name, exists (select 1 from support_tickets t
    where (t.phone_index in (p.payer_index, v.voter_index) or t.phone_index is null)
      and t.contest_id = p.contest_id and t.kind = :kind and t.status = 'open'
      and t.payment_reference = p.reference) as ticketed
from mine m join payments p on p.reference = m.reference and p.placed_at = m.placed_at
  join votes v on v.id = p.vote_id and v.placed_at = p.placed_at join candidates k on k.id = v.candidate_id
order by p.placed_at desc, p.sent_at desc nulls last limit :limit
""")


_LATEST: Final = {OfNumber: _latest(_OF_NUMBER), OfChat: _latest(_OF_CHAT), OfOrder: _latest(_OF_ORDER)}
_PAYER: Final = text("select payer_cipher from payments where reference = :reference")

# An open ticket is found again and not doubled. Only a holder of the number moves it to another payment.
_TICKET: Final = text("""
insert into support_tickets as t (contest_id, phone_index, phone_cipher, payment_reference, language, channel, kind)
values (:contest, :index, :cipher, :reference, :language, :channel, :kind)
on conflict (phone_index, contest_id, kind) where status = 'open'
  do update set payment_reference = case when :own then coalesce(excluded.payment_reference, t.payment_reference)
    else coalesce(t.payment_reference, excluded.payment_reference) end
returning id
""")


# Of a payment without a number.
_TICKET_OF_PAYMENT: Final = text("""
insert into support_tickets as t (contest_id, payment_reference, language, channel, kind)
values (:contest, :reference, :language, :channel, :kind)
on conflict (payment_reference, kind) where status = 'open' and phone_index is null
  do update set payment_reference = t.payment_reference
returning id
""")


def ticket_place(contest_id: UUID) -> str:
    """The place of the sealed number of a ticket."""
    return f"support_tickets.phone:{contest_id}"


@dataclass(frozen=True, slots=True)
class FoundAttempt:
    """A payment as it stands. `askable`: whether its operator was asked to collect it and it is not known
    to be paid. `ticketed`: whether a person was asked to look at it and has not done so."""

    reference: UUID
    attempt: Attempt
    askable: bool
    contest_id: UUID
    ticketed: bool = False


class Attempts:
    """The payments that a claim is about, and tickets for people to look at them."""

    def __init__(self, engine: AsyncEngine, vault: Vault) -> None:
        self._engine = engine
        self._vault = vault

    async def latest(self, claim: Claim) -> list[FoundAttempt]:
        """The latest payments of a day, or all of one order, newest first."""
        place = {"limit": ATTEMPTS_MAX, "kind": TICKET_KIND, **self._place(claim)}
        async with self._engine.connect() as connection:
            rows = (await connection.execute(_LATEST[type(claim)], place)).all()
        return [_held(row) for row in rows]

    def _place(self, claim: Claim) -> dict[str, object]:
        match claim:
            case OfNumber():
                index = self._vault.index(claim.number.e164)
                return {"index": index, "contests": list(claim.contest_ids), "hours": HOURS}
            case OfChat():
                index_or_none = self._vault.index(claim.number.e164) if claim.number else None
                return {"index": index_or_none, "contests": None, "hours": HOURS, "chat": claim.chat_id}
            case OfOrder():
                return {"vote": claim.vote_id}

    async def open_ticket(self, claim: Claim, contest_id: UUID, language: str, reference: UUID | None) -> str | None:
        """Number of the open ticket of this number in this contest; opened if there is none."""
        own = None if isinstance(claim, OfOrder) else claim.number
        async with self._engine.begin() as connection:
            phone = own.e164 if own else await self._payer(connection, reference)
            if phone is None and reference is None:
                return None
            values: dict[str, object] = {
                "contest": contest_id,
                "reference": reference,
                "language": language,
                "channel": claim.channel.value,
                "kind": TICKET_KIND,
            }
            statement = _TICKET_OF_PAYMENT
            if phone is not None:
                statement = _TICKET
                values["index"] = self._vault.index(phone)
                values["cipher"] = self._vault.seal(phone, ticket_place(contest_id))
                values["own"] = own is not None
            ticket: int = (await connection.execute(statement, values)).scalar_one()
        return ticket_number(ticket)

    async def _payer(self, connection: AsyncConnection, reference: UUID | None) -> str | None:
        """The number that pays, where there is one: a card has none."""
        if reference is None:
            return None
        cipher = (await connection.execute(_PAYER, {"reference": reference})).scalar_one_or_none()
        return read_payer(self._vault, reference, cipher)


def _held(row: Row[Any]) -> FoundAttempt:
    state = State(row.status)
    amount = Money(row.amount_minor, row.currency)
    attempt = Attempt(state, row.code, row.name, row.quantity, amount, row.receipt)
    askable = state in ASKABLE and row.sent_at is not None
    return FoundAttempt(row.reference, attempt, askable, row.contest_id, row.ticketed)
