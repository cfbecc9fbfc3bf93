"""The part of the service that chats ask, in memory. Orders are read_webhook by the real rules."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID, uuid4

from gateway.contests.contest import Contest
from gateway.orders.receipt import make_receipt
from gateway.orders.rules import PlacedOrder, Refusal, VoteRequest, check_vote_request
from gateway.orders.wallet import PaymentMethod
from gateway.storage.engine import DatabaseUnavailable
from gateway.values.msisdn import mask
from leaderboard.ranking import Ranking, Score, ranking_from
from payments.collection.order_views import OrderView, ReceiptView
from payments.lifecycle import PublicStatus
from payments.rescue.rules import Claim, Outcome, Rescue
from tests.demo import demo_contest
from tests.rails import RAILS_WITH_WAVE as RAILS

RECEIPT = make_receipt(123_456_789_012)


class ChatService:
    """Sells, remembers, and tells what it remembers."""

    rails = RAILS

    def __init__(self, *shown: Contest) -> None:
        self.shown = shown or (demo_contest(),)
        self.instant = datetime(2026, 6, 1, 12, tzinfo=UTC)
        self.away = False
        self.vote_requests: list[VoteRequest] = []
        self.placed: dict[str, tuple[bytes, PlacedOrder]] = {}
        self.orders: dict[UUID, OrderView] = {}
        self.marks: dict[UUID, str] = {}
        self.questions: list[int] = []
        self.scores: dict[str, int] = {}
        self.found = Rescue(Outcome.NOTHING)
        self.ticket: str | None = "15"
        self.claims: list[Claim] = []

    def contests(self) -> tuple[Contest, ...]:
        return self.shown

    def contest(self, slug: str) -> Contest | None:
        return next((c for c in self.shown if c.slug == slug), None)

    def contest_by_id(self, contest_id: UUID) -> Contest | None:
        return next((c for c in self.shown if c.id == contest_id), None)

    def ranking(self, slug: str) -> Ranking:
        contest = self.contest(slug)
        assert contest is not None
        return ranking_from(slug, 1, [Score(c.code, c.name, self.scores.get(c.code, 0)) for c in contest.eligible])

    def now(self) -> datetime:
        return self.instant

    async def place_order(self, vote_request: VoteRequest) -> PlacedOrder | Refusal:
        self._answer()
        if known := self.placed.get(vote_request.key):
            request_hash, order = known
            return replace(order, repeated=True, conflicting=request_hash != vote_request.request_hash)
        priced_order = check_vote_request(vote_request, now=self.instant, rails=RAILS)
        if isinstance(priced_order, Refusal):
            return priced_order
        self.vote_requests.append(vote_request)
        order = PlacedOrder(uuid4(), uuid4(), priced_order.amount)
        self.placed[vote_request.key] = (vote_request.request_hash, order)
        assert vote_request.payer is not None
        self.orders[order.vote_id] = OrderView(
            vote_id=order.vote_id,
            contest_slug=vote_request.contest.slug,
            candidate_code=vote_request.candidate_code,
            candidate_name=priced_order.candidate.name,
            quantity=vote_request.quantity,
            amount=priced_order.amount,
            status=PublicStatus.PENDING,
            reason=None,
            receipt=None,
            method=vote_request.method or PaymentMethod.MTN,
            payer_masked=mask(vote_request.payer.e164),
            payment_url=None,
            placed_at=self.instant,
            pay_before=None,
        )
        self.marks[order.vote_id] = "created"
        return order

    def becomes(self, vote_id: UUID, mark: str, **changes: object) -> None:
        """Something happened to an order."""
        self.orders[vote_id] = replace(self.orders[vote_id], **changes)  # type: ignore[arg-type] # any field
        self.marks[vote_id] = mark

    async def order(self, vote_id: UUID) -> OrderView | None:
        self._answer()
        return self.orders.get(vote_id)

    async def changed_orders(self, known: Mapping[UUID, str]) -> Mapping[UUID, tuple[str, OrderView]]:
        self._answer()
        self.questions.append(len(known))
        return {
            vote: (self.marks[vote], self.orders[vote])
            for vote, mark in known.items()
            if vote in self.orders and self.marks[vote] != mark
        }

    async def rescue(self, claim: Claim, language: str) -> Rescue:
        self._answer()
        self.claims.append(claim)
        return self.found

    async def open_ticket(self, claim: Claim, language: str) -> str | None:
        self._answer()
        self.claims.append(claim)
        return self.ticket

    async def receipt(self, code: str) -> ReceiptView | None:
        self._answer()
        if code != RECEIPT:
            return None
        contest = self.shown[0]
        return ReceiptView(
            receipt=code,
            contest_slug=contest.slug,
            contest_name=contest.name,
            candidate_code="07",
            candidate_name="Awa Ouattara",
            quantity=5,
            amount=contest.price.times(5),
            tally_number=12,
            counted_at=self.instant,
        )

    def _answer(self) -> None:
        if self.away:
            raise DatabaseUnavailable
