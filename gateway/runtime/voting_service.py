"""The service as channels see it: use cases bound to PostgreSQL, Redis and the clock."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from sqlalchemy.exc import SQLAlchemyError

from channels.messages.carrier import IncomingText
from channels.messages.inbox import Inbox, Talk
from channels.messages.languages import Languages
from channels.messages.outbox import Outbox
from channels.messages.unfinished import Reached, UnfinishedDialogues
from gateway.contests.contest import Contest
from gateway.contests.directory import ContestDirectory
from gateway.orders.place_order import place_order
from gateway.orders.routing import Rails
from gateway.orders.rules import PlacedOrder, Refusal, VoteRequest
from gateway.orders.store import Orders
from gateway.storage.engine import DatabaseUnavailable
from gateway.storage.work import Doorbell, Work
from gateway.values.msisdn import Msisdn
from leaderboard.ranking import Ranking, Score, ranking_from
from leaderboard.scores import ContestScores, Scores
from payments.collection.order_views import OrderView, OrderViews, ReceiptView, VoteLine
from payments.rescue.rescue import Rescuer
from payments.rescue.rules import Claim, Rescue


@dataclass
class BoundVotingService:
    """`VotingService`, for one process. `standings` is kept up to date by the score listener, `rails` by whoever
    watches the accounts."""

    directory: ContestDirectory
    orders: Orders
    views: OrderViews
    inbox: Inbox
    outbox: Outbox
    doorbell: Doorbell
    rails: Rails
    clock: Callable[[], datetime]
    rescuer: Rescuer
    unfinished: UnfinishedDialogues
    languages: Languages
    rankings: dict[str, Ranking] = field(default_factory=dict)

    def contests(self) -> tuple[Contest, ...]:
        """Every published contest."""
        return self.directory.all()

    def contest(self, slug: str) -> Contest | None:
        """A contest by the word in its address."""
        return self.directory.by_slug(slug)

    def contest_by_id(self, contest_id: UUID) -> Contest | None:
        """A contest by id."""
        return self.directory.by_id(contest_id)

    def contests_by_service_code(self, code: str) -> tuple[Contest, ...]:
        """Contests that share a USSD service code."""
        return self.directory.by_service_code(code)

    def contests_by_short_code(self, short_code: str) -> tuple[Contest, ...]:
        """Contests that share an SMS short code."""
        return self.directory.by_short_code(short_code)

    def ranking(self, slug: str) -> Ranking:
        """The ranking as last published; before the first publication, nobody has a vote."""
        held = self.rankings.get(slug)
        if held is not None:
            return held
        contest = self.directory.by_slug(slug)
        if contest is None:
            raise KeyError(slug)
        return ranking_of(contest, 0, {})

    def now(self) -> datetime:
        """UTC."""
        return self.clock()

    async def place_order(self, vote_request: VoteRequest) -> PlacedOrder | Refusal:
        """Sell."""
        return await place_order(
            vote_request, orders=self.orders, doorbell=self.doorbell, rails=self.rails, clock=self.clock
        )

    async def order(self, vote_id: UUID) -> OrderView | None:
        """What became of an order."""
        return await self.views.order(vote_id)

    async def changed_orders(self, known: Mapping[UUID, str]) -> Mapping[UUID, tuple[str, OrderView]]:
        """Of many orders at once, those that changed."""
        return await self.views.changed_orders(known)

    async def payment_links(self, vote_ids: Collection[UUID]) -> Mapping[UUID, str]:
        """Of many orders at once, the operator's pages that are known."""
        return await self.views.payment_links(vote_ids)

    async def votes_of(self, voter: Msisdn, contest_id: UUID, limit: int) -> tuple[VoteLine, ...]:
        """A number's latest orders in a contest."""
        return await self.views.votes_of(voter, contest_id, limit)

    async def receipt(self, code: str) -> ReceiptView | None:
        """The counted vote behind a receipt code."""
        return await self.views.receipt(code)

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

    def number_key(self, number: Msisdn) -> str:
        """The keyed hash by which something of a number is looked up."""
        return self.languages.number_key(number)

    def note_language(self, voter: Msisdn, language: str) -> None:
        """A voter chose a language."""
        self.languages.note(voter, language)

    def note_reached(self, reached: Reached) -> None:
        """A voter chose a candidate and has not bought yet."""
        self.unfinished.note(reached)

    def note_ordered(self, voter: Msisdn, contest_id: UUID) -> None:
        """A voter bought after all."""
        self.unfinished.forget(voter, contest_id)

    async def store_text(self, text: IncomingText) -> bool:
        """Durable when it returns; answered later."""
        try:
            new = await self.inbox.store(text)
        except (SQLAlchemyError, OSError) as error:
            raise DatabaseUnavailable(type(error).__name__) from error
        self.doorbell.ring(Work.TEXTS_IN)
        return new

    async def talk(self, text: IncomingText) -> Talk:
        """What went before a stored text."""
        return await self.inbox.talk(text)

    async def store_delivery_report(
        self, carrier: str, carrier_message_id: str, status: str, phone: str, failure: str | None
    ) -> None:
        """Durable when it returns."""
        try:
            await self.outbox.store_report(carrier, carrier_message_id, status, phone, failure)
        except (SQLAlchemyError, OSError) as error:
            raise DatabaseUnavailable(type(error).__name__) from error

    def take_rails(self, rails: Rails) -> None:
        """Sell by these from now on: an account was closed, or opened."""
        self.rails = rails

    def take_scores(self, scores: ContestScores) -> Ranking | None:
        """Remember newer totals; None when they are no news."""
        contest = self.directory.by_slug(scores.slug)
        if contest is None:
            return None
        held = self.rankings.get(scores.slug)
        if held is not None and scores.version < held.version:
            return None
        found = ranking_of(contest, scores.version, scores.votes)
        if found == held:
            return None
        self.rankings[scores.slug] = found
        return found

    async def look_at(self, store: Scores) -> None:
        """Bring every ranking up to date, in a process that listens to no feed."""
        for scores in await store.scores():
            self.take_scores(scores)


def ranking_of(contest: Contest, version: int, votes: Mapping[str, int]) -> Ranking:
    """The ranking of a contest: everybody who stands, and whoever left with votes."""
    scores = [
        Score(candidate.code, candidate.name, votes.get(candidate.code, 0))
        for candidate in contest.candidates
        if candidate.eligible or votes.get(candidate.code)
    ]
    return ranking_from(contest.slug, version, scores)
