"""The part of the service that the web channel asks, in memory, and an application around it.

Orders are judged by the real rules, so a vote request that is placed is one that the service would sell.
"""

import asyncio
from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import cast
from uuid import UUID, uuid4

from aiohttp import web

from channels.voting_service import VOTING_SERVICE, VotingService
from channels.web import api, pages
from channels.web.order_feed import FeedSettings, OrderFeed
from channels.web.payment_links import PaymentLinks
from gateway.contests.contest import Contest
from gateway.http import middleware, openapi
from gateway.http.callers import DEVICES, PUBLIC_URL, Devices
from gateway.http.limits import RateLimits, StreamCap
from gateway.http.pages import Pages
from gateway.orders.receipt import make_receipt
from gateway.orders.rules import PlacedOrder, Refusal, VoteRequest, check_vote_request
from gateway.orders.wallet import PaymentMethod
from gateway.storage.engine import DatabaseUnavailable
from gateway.values.money import Money
from gateway.values.msisdn import mask
from leaderboard.ranking import Ranking, Score, ranking_from
from leaderboard.routes import CONTEST_PARTS
from payments.collection.order_views import OrderView, ReceiptView
from payments.lifecycle import PublicStatus
from payments.rescue.rules import Claim, Outcome, Rescue
from tests.demo import NAMES, demo_contest
from tests.rails import RAILS

PUBLIC = "https://vote.example"
NOWHERE = "redis://127.0.0.1:1/0"
KNOWN_DEVICES = Devices(b"a key for tests only, of 32 byte")
RECEIPT = make_receipt(123_456_789_012)


class RecordingService:
    """Remembers every vote request that it sold."""

    rails = RAILS

    def __init__(self, contest: Contest | None = None) -> None:
        self.shown = (contest or demo_contest(),)
        self.vote_requests: list[VoteRequest] = []
        self.placed: dict[tuple[str, str], tuple[bytes, PlacedOrder]] = {}
        self.orders: dict[UUID, OrderView] = {}
        self.receipts: dict[str, ReceiptView] = {}
        self.instant = datetime(2026, 6, 1, 12, tzinfo=UTC)
        self.away = False
        self.score = 0
        self.questions = 0
        self.links: dict[UUID, str] = {}
        self.link_questions: list[int] = []
        self.asked = asyncio.Event()
        self.found = Rescue(Outcome.NOTHING)
        self.ticket: str | None = "15"
        self.claims: list[Claim] = []

    def contests(self) -> tuple[Contest, ...]:
        return self.shown

    def contest(self, slug: str) -> Contest | None:
        return next((c for c in self.shown if c.slug == slug), None)

    def ranking(self, slug: str, version: int = 0) -> Ranking:
        scores = [Score(c.code, c.name, self.score if c.code == "07" else 0) for c in self.shown[0].candidates]
        return ranking_from(slug, version, scores)

    def now(self) -> datetime:
        return self.instant

    def _answer(self) -> None:
        if self.away:
            raise DatabaseUnavailable("OperationalError")

    async def place_order(self, vote_request: VoteRequest) -> PlacedOrder | Refusal:
        self._answer()
        known = self.placed.get((vote_request.channel.value, vote_request.key))
        if known is not None:
            asked, order = known
            return replace(order, repeated=True, conflicting=asked != vote_request.request_hash)
        priced_order = check_vote_request(vote_request, now=self.instant, rails=self.rails)
        if isinstance(priced_order, Refusal):
            return priced_order
        order = PlacedOrder(uuid4(), uuid4(), priced_order.amount)
        self.vote_requests.append(vote_request)
        self.placed[vote_request.channel.value, vote_request.key] = (vote_request.request_hash, order)
        self.orders[order.vote_id] = view(order.vote_id, vote_request)
        return order

    async def order(self, vote_id: UUID) -> OrderView | None:
        self._answer()
        return self.orders.get(vote_id)

    async def changed_orders(self, known: Mapping[UUID, str]) -> dict[UUID, tuple[str, OrderView]]:
        self.questions += 1
        self.asked.set()
        self._answer()
        now = {vote: (repr(self.orders[vote]), self.orders[vote]) for vote in known}
        return {vote: found for vote, found in now.items() if found[0] != known[vote]}

    async def payment_links(self, vote_ids: Collection[UUID]) -> dict[UUID, str]:
        self.link_questions.append(len(vote_ids))
        self._answer()
        return {vote_id: self.links[vote_id] for vote_id in vote_ids if vote_id in self.links}

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
        return self.receipts.get(code)

    def change(self, vote_id: UUID, **changes: object) -> None:
        """What became of an order."""
        self.orders[vote_id] = replace(self.orders[vote_id], **changes)  # type: ignore[arg-type]


def view(vote_id: UUID, vote_request: VoteRequest) -> OrderView:
    """A fresh order, waiting."""
    assert vote_request.method is not None
    return OrderView(
        vote_id=vote_id,
        contest_slug=vote_request.contest.slug,
        candidate_code=vote_request.candidate_code,
        candidate_name=next(c.name for c in vote_request.contest.candidates if c.code == vote_request.candidate_code),
        quantity=vote_request.quantity,
        amount=vote_request.contest.price.times(vote_request.quantity),
        status=PublicStatus.PENDING,
        reason=None,
        receipt=None,
        method=PaymentMethod(vote_request.method),
        payer_masked=mask(vote_request.payer.e164) if vote_request.payer else "",
        payment_url=None,
        placed_at=datetime(2026, 6, 1, 12, tzinfo=UTC),
        pay_before=datetime(2026, 6, 1, 12, 10, tzinfo=UTC),
    )


def counted_receipt() -> ReceiptView:
    """The proof of five votes for the seventh candidate."""
    return ReceiptView(
        RECEIPT,
        "star",
        "Star d'Abidjan",
        "07",
        NAMES[6],
        5,
        Money(500, "XOF"),
        42,
        datetime(2026, 6, 1, 12, tzinfo=UTC),
    )


def application(
    service: RecordingService,
    limits: RateLimits | None = None,
    feed: FeedSettings | None = None,
    cap: StreamCap | None = None,
    wait: float = 0.05,
) -> web.Application:
    """The web channel over this service, behind the middleware of the gateway."""
    app = web.Application(middlewares=middleware.stack(), client_max_size=64 * 1024)
    app[VOTING_SERVICE] = cast(VotingService, service)
    app[CONTEST_PARTS] = []
    app[PUBLIC_URL] = PUBLIC
    app[DEVICES] = KNOWN_DEVICES
    kit = Pages()
    kit.mount(app)
    links = PaymentLinks(app[VOTING_SERVICE], wait=wait, tick=0.01)
    found = limits or RateLimits(NOWHERE, enabled=False)
    api.setup(app, found, OrderFeed(app[VOTING_SERVICE], feed or FeedSettings(tick=0.05)), cap, links)
    pages.setup(app, kit, found, RAILS.open_methods)
    openapi.setup(app)
    return app
