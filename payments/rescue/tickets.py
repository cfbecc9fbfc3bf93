"""Tickets of voters who asked for help."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from gateway.storage.audit_log import note
from gateway.storage.engine import scoped
from gateway.storage.rows import read_as
from gateway.storage.vault import Vault, masked_number
from payments.past import both
from payments.request_store import Permit
from payments.requests import ActRefused, Right, Scope, Why
from payments.rescue.attempts import ticket_place
from payments.rescue.rules import read_ticket, ticket_number

SHOWN_MAX: Final = 200
_OF: Final = """
from support_tickets t join contests c on c.id = t.contest_id
where (cast(:scope as uuid) is null or c.organiser_id = cast(:scope as uuid))
"""
OPEN_THEN: Final = ("t.status = 'open'", "t.opened_at <= :at and (t.closed_at is null or t.closed_at > :at)")
"""Which tickets are open, and which were at the instant `:at`."""
_OPEN, _OPEN_THEN = both(
    f"""
select t.id, t.contest_id, t.kind, t.channel, t.phone_cipher, t.opened_at, {{note}} as note, c.slug as contest,
  (select p.vote_id from payments p where p.reference = t.payment_reference) as vote_id,
  (select p.status from {{payments}} p where p.reference = t.payment_reference) as payment_status
{_OF} and {{open}} order by t.opened_at limit :limit
""",
    open=OPEN_THEN,
    # What was written when it was closed stands behind what stood there before.
    note=("t.note", "case when t.closed_at is null then t.note else '' end"),
)
_ONE: Final = text(
    f"select t.status, t.payment_reference, t.contest_id, c.slug {_OF} and t.id = :ticket for update of t"
)
_CLOSE: Final = text("""
update support_tickets set status = 'closed', closed_at = now(),
  note = concat_ws(' ', nullif(note, ''), cast(:note as text))
where id = :ticket and status = 'open'
""")


@dataclass(frozen=True, slots=True)
class OpenTicket:
    """A voter asked for help.

    `ticket`: its number, as the voter knows it. `number`: the voter's, masked. `payment_status`: what became
    of the payment it is about meanwhile; None where it is about none."""

    ticket: str
    contest: str
    kind: str
    channel: str
    number: str
    vote_id: UUID | None
    payment_status: str | None
    opened_at: datetime
    note: str


class Tickets:
    """Open tickets. `scope`: the organiser whose contests are looked at, None for all of them."""

    def __init__(self, engine: AsyncEngine, vault: Vault, permit: Permit) -> None:
        self._engine = engine
        self._vault = vault
        self._permit = permit

    async def open_tickets(self, scope: Scope, at: datetime | None = None) -> Sequence[OpenTicket]:
        """Open tickets, the oldest first. `at`: those that were open then; None: now."""
        asked = {"scope": scope, "limit": SHOWN_MAX, **({} if at is None else {"at": at})}
        async with scoped(self._engine, scope) as connection:
            rows = (await connection.execute(_OPEN if at is None else _OPEN_THEN, asked)).all()
        return [
            read_as(
                OpenTicket,
                row,
                ticket=ticket_number(row.id),
                number=masked_number(self._vault, row.phone_cipher, ticket_place(row.contest_id)),
            )
            for row in rows
        ]

    async def close(self, ticket: str, *, person: str, reason: str) -> None:
        """End a ticket with what was found out. Raises ActRefused."""
        known = read_ticket(ticket)
        if known is None:
            raise ActRefused(Why.UNKNOWN, f"there is no ticket {ticket}")
        async with self._engine.begin() as connection:
            scope = await self._permit(connection, person, Right.CLOSE_TICKET)
            asked = {"ticket": known, "scope": scope}
            row = (await connection.execute(_ONE, asked)).one_or_none()
            if row is None:
                raise ActRefused(Why.UNKNOWN, f"there is no ticket {ticket}")
            if row.status != "open":
                raise ActRefused(Why.IMPOSSIBLE, f"ticket {ticket} is closed")
            await close_ticket(connection, known, f"{person}: {reason}")
            payment = None if row.payment_reference is None else str(row.payment_reference)
            detail = {"reason": reason, "contest": row.slug, "payment": payment}
            await note(
                connection,
                actor=person,
                act="ticket.closed",
                subject=ticket_number(known),
                detail=detail,
                contest=row.contest_id,
            )


async def close_ticket(connection: AsyncConnection, ticket_id: int, outcome: str) -> None:
    """Close a ticket if it is open, with this behind its note."""
    await connection.execute(_CLOSE, {"ticket": ticket_id, "note": outcome})
