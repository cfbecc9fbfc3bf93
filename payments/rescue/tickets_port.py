"""Voters who asked for help: who looks after their tickets reads them here and ends them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from payments.acts.request import Scope


@dataclass(frozen=True, slots=True)
class OpenTicket:
    """Somebody asked for help.

    `ticket`: its number, as the voter was told. `number`: the voter's, masked. `payment_status`: what became
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


class TicketDesk(Protocol):
    """Tickets. `scope`: the organiser whose contests are looked at, None for all of them."""

    async def open_tickets(self, scope: Scope, *, limit: int = 200) -> Sequence[OpenTicket]:
        """Open tickets, the oldest first."""
        ...

    async def close(self, ticket: str, *, person: str, reason: str) -> None:
        """End a ticket with what was found out, in its note and in the audit log. A voter who asks again gets
        a new one. `ticket`: as the voter was told. Raises ActRefused: unknown, or closed before."""
        ...
