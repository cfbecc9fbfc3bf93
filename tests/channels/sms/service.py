"""The part of the service that texts ask, in memory. Orders are judged by the real rules."""

from datetime import UTC, datetime
from typing import cast
from uuid import UUID, uuid4

from channels import gsm
from channels.messages.carrier import IncomingText
from channels.messages.inbox import Talk
from channels.sms.inbound import Reply, answer
from channels.sms.texts import render
from channels.voting_service import VotingService
from gateway.contests.contest import Contest
from gateway.orders.receipt import make_receipt
from gateway.orders.rules import PlacedOrder, Refusal, VoteRequest, check_vote_request
from gateway.orders.wallet import PaymentMethod
from gateway.storage.engine import DatabaseUnavailable
from gateway.values.msisdn import Msisdn
from leaderboard.ranking import Ranking, Score, ranking_from
from payments.collection.order_views import OrderView, ReceiptView, VoteLine
from payments.lifecycle import PublicStatus
from payments.rescue.rules import Claim, Outcome, Rescue
from tests.demo import demo_contest
from tests.rails import RAILS

RECEIPT = make_receipt(123_456_789_012)
MTN = "+2250501020304"
NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)


class TextedService:
    """Sells, remembers, and tells what it remembers."""

    rails = RAILS

    def __init__(self, *shown: Contest) -> None:
        self.shown = shown or (demo_contest(),)
        self.instant = NOON
        self.away = False
        self.refusal: Refusal | None = None
        self.vote_requests: list[VoteRequest] = []
        self.placed: dict[str, PlacedOrder] = {}
        self.status = PublicStatus.PENDING
        self.lines: tuple[VoteLine, ...] = ()
        self.scores = {c.code: 0 for c in self.shown[0].candidates}
        self.texts: dict[tuple[str, str], IncomingText] = {}
        self.talks = Talk()
        self.found = Rescue(Outcome.NOTHING)
        self.claims: list[Claim] = []
        self.reports: list[tuple[str, str, str, str, str | None]] = []

    def contests(self) -> tuple[Contest, ...]:
        return self.shown

    def contests_by_short_code(self, short_code: str) -> tuple[Contest, ...]:
        return tuple(c for c in self.shown if c.short_code == short_code)

    def ranking(self, slug: str) -> Ranking:
        contest = next(c for c in self.shown if c.slug == slug)
        return ranking_from(slug, 1, [Score(c.code, c.name, self.scores[c.code]) for c in contest.candidates])

    def now(self) -> datetime:
        return self.instant

    def _answer(self) -> None:
        if self.away:
            raise DatabaseUnavailable

    async def place_order(self, vote_request: VoteRequest) -> PlacedOrder | Refusal:
        self._answer()
        if known := self.placed.get(vote_request.key):
            return PlacedOrder(known.vote_id, known.payment_reference, known.amount, repeated=True)
        priced_order = self.refusal or check_vote_request(vote_request, now=self.instant, rails=RAILS)
        if isinstance(priced_order, Refusal):
            return priced_order
        self.vote_requests.append(vote_request)
        order = PlacedOrder(uuid4(), uuid4(), priced_order.amount)
        self.placed[vote_request.key] = order
        return order

    async def order(self, vote_id: UUID) -> OrderView | None:
        self._answer()
        key = next((key for key, order in self.placed.items() if order.vote_id == vote_id), None)
        if key is None:
            return None
        vote_request = next(w for w in self.vote_requests if w.key == key)
        return OrderView(
            vote_id=vote_id,
            contest_slug=vote_request.contest.slug,
            candidate_code=vote_request.candidate_code,
            candidate_name="Awa Ouattara",
            quantity=vote_request.quantity,
            amount=self.placed[key].amount,
            status=self.status,
            reason=None,
            receipt=None,
            method=vote_request.method or PaymentMethod.MTN,
            payer_masked="",
            payment_url=None,
            placed_at=self.instant,
            pay_before=None,
        )

    async def votes_of(self, voter: Msisdn, contest_id: UUID, limit: int) -> tuple[VoteLine, ...]:
        self._answer()
        return self.lines[:limit]

    async def rescue(self, claim: Claim, language: str) -> Rescue:
        self._answer()
        self.claims.append(claim)
        return self.found

    async def open_ticket(self, claim: Claim, language: str) -> str | None:
        self._answer()
        self.claims.append(claim)
        return "15"

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

    async def store_text(self, text: IncomingText) -> bool:
        self._answer()
        new = (text.carrier, text.carrier_id) not in self.texts
        self.texts.setdefault((text.carrier, text.carrier_id), text)
        return new

    async def talk(self, text: IncomingText) -> Talk:
        self._answer()
        return self.talks

    async def store_delivery_report(
        self, carrier: str, carrier_message_id: str, status: str, phone: str, failure: str | None
    ) -> None:
        self._answer()
        self.reports.append((carrier, carrier_message_id, status, phone, failure))


async def send(
    service: TextedService,
    words: str,
    *,
    sender: str = MTN,
    to: str = "7890",
    network: str | None = None,
    carrier_id: str = "m1",
    first_id: str | None = None,
    language: str | None = None,
) -> Reply:
    text = IncomingText("africastalking", carrier_id, sender, to, words, network)
    return await answer(text, cast(VotingService, service), first_id=first_id or carrier_id, language=language)


def written(reply: Reply) -> str:
    """The text as it goes out."""
    text = render("reply", reply.language, {"lines": list(reply.lines)})
    assert gsm.parts(text) <= 2
    assert "{" not in text
    return text
