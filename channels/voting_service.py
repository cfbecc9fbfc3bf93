"""What channels, pages and APIs use: place an order, read a contest, a ranking, an order, a receipt.

Contests and rankings are read from memory, a second old at most; what touches PostgreSQL is awaited.
"""

from collections.abc import Collection, Mapping
from typing import Protocol
from uuid import UUID

from aiohttp import web

from channels.messages.carrier import IncomingText
from channels.messages.dialogue_steps import DialogueStep
from channels.messages.inbox import Talk
from channels.messages.unfinished import Reached
from channels.receipts import CheckedReceipt
from gateway.contests.contest import Contest
from gateway.orders.routing import Rails
from gateway.orders.rules import PlacedOrder, Refusal, VoteRequest
from gateway.values.msisdn import Msisdn
from gateway.values.time_zones import FALLBACK
from leaderboard.log.inclusion import Inclusion
from leaderboard.ranking import Ranking
from leaderboard.routes import Published
from payments.collection.order_views import OrderView, ReceiptView, VoteLine
from payments.lifecycle import PublicStatus
from payments.rescue.rules import Claim, Rescue


class VotingService(Published, Protocol):
    """One for each process, put together where the process starts."""

    @property
    def rails(self) -> Rails:
        """The ways in which money is taken, and the accounts whose circuit is open now."""
        ...

    def counted(self, slug: str) -> Ranking:
        """The ranking for staff, with its figures also while they are hidden from the public. KeyError."""
        ...

    def confirming(self, slug: str) -> int:
        """Votes of a contest that count once their operator was asked, 0 in quiet times; for staff also while figures
        are hidden."""
        ...

    def contest_by_id(self, contest_id: UUID) -> Contest | None:
        """A contest by id."""
        ...

    def contests_by_service_code(self, code: str) -> tuple[Contest, ...]:
        """Contests that share a USSD service code such as `*789#`."""
        ...

    async def place_order(self, vote_request: VoteRequest) -> PlacedOrder | Refusal:
        """Sell. Durable when it returns; the same key gives the same order. DatabaseUnavailable."""
        ...

    async def order(self, vote_id: UUID) -> OrderView | None:
        """What became of an order. DatabaseUnavailable."""
        ...

    async def changed_orders(self, known: Mapping[UUID, str]) -> Mapping[UUID, tuple[str, OrderView]]:
        """Of many orders at once, those that changed since their mark in `known` was read (empty: never
        read), each with its new mark. DatabaseUnavailable."""
        ...

    async def payment_links(self, vote_ids: Collection[UUID]) -> Mapping[UUID, str]:
        """Of many orders at once, the operator's pages that are known, whether paid meanwhile or not.
        DatabaseUnavailable."""
        ...

    async def votes_of(self, voter: Msisdn, contest_id: UUID, limit: int) -> tuple[VoteLine, ...]:
        """A number's latest orders in a contest, as voter or as payer. DatabaseUnavailable."""
        ...

    async def receipt(self, code: str) -> ReceiptView | PublicStatus | None:
        """The counted vote behind a receipt code whose check character holds; what became of an order that is not
        counted. DatabaseUnavailable."""
        ...

    async def inclusion(self, receipt: str, size: int | None = None) -> Inclusion | None:
        """What shows that a counted vote is in its contest's log; None until it is. `size`: of the checkpoint, where
        it is not to be the newest. DatabaseUnavailable."""
        ...

    async def rescue(self, claim: Claim, language: str) -> Rescue:
        """What became of the latest payments that this is about, asked of their operators while the caller
        waits. What they confirm is counted as usual; what stays unclear gets a ticket. DatabaseUnavailable."""
        ...

    async def open_ticket(self, claim: Claim, language: str) -> str | None:
        """Have a person look at these payments; the number of the ticket, which may be open already. None where no
        number is known. DatabaseUnavailable."""
        ...

    def number_key(self, number: Msisdn) -> str:
        """The keyed hash by which something of a number is looked up."""
        ...

    def note_language(self, voter: Msisdn, language: str) -> None:
        """A voter chose a language. Kept soon; never blocks and never raises."""
        ...

    def note_reached(self, reached: Reached) -> None:
        """A voter chose a candidate and has not bought yet. Kept soon; never blocks and never raises."""
        ...

    def note_step(self, contest_id: UUID, step: DialogueStep) -> None:
        """Count a dialogue that came so far; never blocks."""
        ...

    def note_ordered(self, voter: Msisdn, contest_id: UUID) -> None:
        """A voter bought after all. Never blocks and never raises."""
        ...

    async def store_text(self, text: IncomingText) -> bool:
        """Durable when it returns; answered later. False when this id was stored before."""
        ...

    async def talk(self, incoming: IncomingText) -> Talk:
        """What went before a stored text, between its sender and its short code. DatabaseUnavailable."""
        ...

    async def store_delivery_report(
        self, carrier: str, carrier_message_id: str, status: str, phone: str, failure: str | None
    ) -> None:
        """Durable when it returns. Unknown ids and words are stored too. DatabaseUnavailable."""
        ...


async def checked_receipt(service: VotingService, code: str) -> CheckedReceipt | PublicStatus | None:
    """The counted vote behind a receipt code, and whether its log has it; what became of an order that is not counted.
    DatabaseUnavailable."""
    found = await service.receipt(code)
    if not isinstance(found, ReceiptView):
        return found
    contest = service.contest(found.contest_slug)
    logged = await service.inclusion(code) is not None
    return CheckedReceipt(found, logged, FALLBACK if contest is None else contest.time_zone)


VOTING_SERVICE: web.AppKey[VotingService] = web.AppKey("voting_service", VotingService)
