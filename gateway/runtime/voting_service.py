"""The voting service of a process: what channels use, on PostgreSQL, Redis and the clock."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.exc import SQLAlchemyError

from channels.messages.carrier import IncomingText
from channels.messages.dialogue_steps import DialogueSteps
from channels.messages.inbox import Inbox
from channels.messages.languages import Languages
from channels.messages.outbox import Outbox
from channels.messages.unfinished import UnfinishedDialogues
from gateway.orders.place_order import place_order
from gateway.orders.routing import Rails
from gateway.orders.rules import PlacedOrder, Refusal, VoteRequest
from gateway.orders.store import Orders
from gateway.storage.coalescer import Overloaded
from gateway.storage.doorbell import Doorbell, Work
from gateway.storage.engine import DatabaseUnavailable
from gateway.storage.vault import SealBroken
from leaderboard.log.inclusion import Inclusion, Inclusions
from leaderboard.log.tree import TreeBroken
from leaderboard.scores import Rankings
from payments.accounts.calls import Accounts
from payments.collection.order_views import OrderViews
from payments.rescue.rescue import Rescuer
from payments.rescue.rules import Claim, Rescue


@dataclass(kw_only=True, eq=False)
class LiveVotingService:
    """`VotingService`. What one store answers alone is that store's own method."""

    rankings: Rankings
    accounts: Accounts
    orders: Orders
    views: OrderViews
    inclusions: Inclusions
    rescuer: Rescuer
    inbox: Inbox
    outbox: Outbox
    languages: Languages
    unfinished: UnfinishedDialogues
    steps: DialogueSteps
    doorbell: Doorbell
    clock: Callable[[], datetime]

    def __post_init__(self) -> None:
        directory, views = self.rankings.directory, self.views
        self.contests = directory.all
        self.contest = directory.by_slug
        self.contest_by_id = directory.by_id
        self.contests_by_service_code = directory.by_service_code
        self.contests_by_short_code = directory.by_short_code
        self.ranking = self.rankings.ranking
        self.ranking_in = self.rankings.ranking_in
        self.counted = self.rankings.counted
        self.now = self.clock
        self.order = views.order
        self.changed_orders = views.changed_orders
        self.payment_links = views.payment_links
        self.votes_of = views.votes_of
        self.receipt = views.receipt
        self.talk = self.inbox.talk
        self.number_key = self.languages.number_key
        self.note_language = self.languages.note
        self.note_reached = self.unfinished.note
        self.note_ordered = self.unfinished.forget
        self.note_step = self.steps.note

    @property
    def rails(self) -> Rails:
        """The ways in which money is taken, with the accounts whose circuit is open now."""
        return self.accounts.rails

    def confirming(self, slug: str) -> int:
        """Votes that count once their operator was asked."""
        return self.rankings.confirming.get(slug, 0)

    async def place_order(self, vote_request: VoteRequest) -> PlacedOrder | Refusal:
        """Sell."""
        return await place_order(
            vote_request, orders=self.orders, doorbell=self.doorbell, rails=self.rails, clock=self.now
        )

    async def inclusion(self, receipt: str, size: int | None = None) -> Inclusion | None:
        """What shows that a counted vote is in its contest's log."""
        try:
            return await self.inclusions.of(receipt, size)
        except (SQLAlchemyError, OSError, TreeBroken, SealBroken) as error:
            raise DatabaseUnavailable(type(error).__name__) from error

    async def rescue(self, claim: Claim, language: str) -> Rescue:
        """What became of the latest payments that this is about, asked of their operators now."""
        try:
            return await self.rescuer.rescue(claim, language)
        except (SQLAlchemyError, OSError) as error:
            raise DatabaseUnavailable(type(error).__name__) from error

    async def open_ticket(self, claim: Claim, language: str) -> str | None:
        """Have a person look at these payments."""
        try:
            return await self.rescuer.open_ticket(claim, language)
        except (SQLAlchemyError, OSError) as error:
            raise DatabaseUnavailable(type(error).__name__) from error

    async def store_text(self, text: IncomingText) -> bool:
        """Durable when it returns; answered later."""
        try:
            new = await self.inbox.store(text)
        except (SQLAlchemyError, OSError) as error:
            raise DatabaseUnavailable(type(error).__name__) from error
        self.doorbell.ring(Work.TEXTS_IN)
        return new

    async def store_delivery_report(
        self, carrier: str, carrier_message_id: str, status: str, phone: str, failure: str | None
    ) -> None:
        """Durable when it returns."""
        try:
            await self.outbox.store_report(carrier, carrier_message_id, status, phone, failure)
        except (Overloaded, SQLAlchemyError, OSError) as error:
            raise DatabaseUnavailable(type(error).__name__) from error
