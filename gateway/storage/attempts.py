"""A number's latest payments and its support tickets."""

from typing import Any, Final
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncEngine

from gateway.domain.check_digit import with_check_digit
from gateway.domain.money import Money
from gateway.domain.msisdn import Msisdn
from gateway.domain.payment import ASKABLE, State
from gateway.domain.rescue import Attempt
from gateway.ports.attempts import HeldAttempt
from gateway.storage.vault import Vault

ATTEMPTS_MAX: Final = 5
HOURS: Final = 24
TICKET_KIND: Final = "debited"

_LATEST: Final = text("""
with mine as (
  (select reference, placed_at from payments
    where payer_index = :index and contest_id = :contest and placed_at > now() - make_interval(hours => :hours)
    order by placed_at desc limit :limit)
  union
  (select p.reference, p.placed_at from votes v join payments p on p.vote_id = v.id and p.placed_at = v.placed_at
    where v.voter_index = :index and v.contest_id = :contest
      and v.placed_at > now() - make_interval(hours => :hours)
    order by p.placed_at desc limit :limit))
select p.reference, p.status, p.amount_minor, p.currency, p.sent_at, v.quantity, v.receipt, k.code, k.name
from mine m join payments p on p.reference = m.reference and p.placed_at = m.placed_at
  join votes v on v.id = p.vote_id and v.placed_at = p.placed_at join candidates k on k.id = v.candidate_id
order by p.placed_at desc, p.sent_at desc nulls last limit :limit
""")

# An open ticket is found again and not doubled.
_TICKET: Final = text("""
insert into support_tickets as t (contest_id, phone_index, phone_cipher, payment_reference, language, channel, kind)
values (:contest, :index, :cipher, :reference, :language, 'ussd', :kind)
on conflict (phone_index, contest_id, kind) where status = 'open'
  do update set payment_reference = coalesce(excluded.payment_reference, t.payment_reference)
returning id
""")


def ticket_place(contest_id: UUID) -> str:
    """Where the sealed number of a ticket stands."""
    return f"support_tickets.phone:{contest_id}"


class PostgresAttempts:
    """`AttemptStore` on PostgreSQL."""

    def __init__(self, engine: AsyncEngine, vault: Vault) -> None:
        self._engine = engine
        self._vault = vault

    async def latest(self, number: Msisdn, contest_id: UUID) -> list[HeldAttempt]:
        """The latest payments of a day that this number paid or ordered, newest first."""
        place = {"index": self._vault.index(number.e164), "contest": contest_id}
        async with self._engine.connect() as connection:
            rows = (await connection.execute(_LATEST, {**place, "hours": HOURS, "limit": ATTEMPTS_MAX})).all()
        return [_held(row) for row in rows]

    async def open_ticket(self, number: Msisdn, contest_id: UUID, language: str, reference: UUID | None) -> str:
        """Number of the open ticket of this number in this contest; opened if there is none."""
        values = {
            "contest": contest_id,
            "index": self._vault.index(number.e164),
            "cipher": self._vault.seal(number.e164, ticket_place(contest_id)),
            "reference": reference,
            "language": language,
            "kind": TICKET_KIND,
        }
        async with self._engine.begin() as connection:
            ticket: int = (await connection.execute(_TICKET, values)).scalar_one()
        return with_check_digit(str(ticket))


def _held(row: Row[Any]) -> HeldAttempt:
    state = State(row.status)
    amount = Money(row.amount_minor, row.currency)
    attempt = Attempt(state, row.code, row.name, row.quantity, amount, row.receipt)
    return HeldAttempt(row.reference, attempt, askable=state in ASKABLE and row.sent_at is not None)
