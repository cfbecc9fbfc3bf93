"""The part of the house that the web channel asks, in memory, and an application around it.

Orders are judged by the real rules, so a wish that is placed is one that the house would sell.
"""

import asyncio
from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import cast
from uuid import UUID, uuid4

from aiohttp import web

from channels.voting_service import HOUSE, House
from channels.web import api, pages
from channels.web.order_feed import FeedSettings, OrderFeed
from channels.web.payment_links import PaymentLinks
from gateway.contests.contest import Contest
from gateway.http import middleware, openapi
from gateway.http.app_keys import PUBLIC_URL
from gateway.http.devices import DEVICES, Devices
from gateway.http.pages import Pages
from gateway.http.rate_limits import RateLimits
from gateway.http.streams import StreamCap
from gateway.orders.receipt import make_receipt
from gateway.orders.rules import PlacedOrder, Refusal, Wish, check_wish
from gateway.orders.wallet import PaymentMethod
from gateway.storage.engine import HouseUnavailable
from gateway.values.money import Money
from gateway.values.msisdn import mask
from leaderboard.ranking import Score, Standing, standing
from leaderboard.routes import CONTEST_PARTS
from payments.collection.lifecycle import PublicStatus
from payments.collection.order_views import OrderView, ReceiptView
from payments.rescue.rules import Claim, Outcome, Rescue
from tests.demo import NAMES, demo_contest
from tests.rails import RAILS

PUBLIC = "https://vote.example"
NOWHERE = "redis://127.0.0.1:1/0"
KNOWN_DEVICES = Devices(b"a key for tests only, of 32 byte")
RECEIPT = make_receipt(123_456_789_012)


class RecordingHouse:
    """Remembers every wish that it sold."""

    rails = RAILS

    def __init__(self, contest: Contest | None = None) -> None:
        self.shown = (contest or demo_contest(),)
        self.wishes: list[Wish] = []
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

    def standing(self, slug: str, version: int = 0) -> Standing:
        scores = [Score(c.code, c.name, self.score if c.code == "07" else 0) for c in self.shown[0].candidates]
        return standing(slug, version, scores)

    def now(self) -> datetime:
        return self.instant

    def _answer(self) -> None:
        if self.away:
            raise HouseUnavailable("OperationalError")

    async def place_order(self, wish: Wish) -> PlacedOrder | Refusal:
        self._answer()
        known = self.placed.get((wish.channel.value, wish.key))
        if known is not None:
            asked, order = known
            return replace(order, repeated=True, conflicting=asked != wish.request_hash)
        sale = check_wish(wish, now=self.instant, rails=self.rails)
        if isinstance(sale, Refusal):
            return sale
        order = PlacedOrder(uuid4(), uuid4(), sale.amount)
        self.wishes.append(wish)
        self.placed[wish.channel.value, wish.key] = (wish.request_hash, order)
        self.orders[order.vote_id] = view(order.vote_id, wish)
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


def view(vote_id: UUID, wish: Wish) -> OrderView:
    """A fresh order, waiting."""
    assert wish.method is not None
    return OrderView(
        vote_id=vote_id,
        contest_slug=wish.contest.slug,
        candidate_code=wish.candidate_code,
        candidate_name=next(c.name for c in wish.contest.candidates if c.code == wish.candidate_code),
        quantity=wish.quantity,
        amount=wish.contest.price.times(wish.quantity),
        status=PublicStatus.PENDING,
        reason=None,
        receipt=None,
        method=PaymentMethod(wish.method),
        payer_masked=mask(wish.payer.e164) if wish.payer else "",
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
    house: RecordingHouse,
    limits: RateLimits | None = None,
    feed: FeedSettings | None = None,
    cap: StreamCap | None = None,
    wait: float = 0.05,
) -> web.Application:
    """The web channel over this house, behind the middleware of the gateway."""
    app = web.Application(middlewares=middleware.stack(), client_max_size=64 * 1024)
    app[HOUSE] = cast(House, house)
    app[CONTEST_PARTS] = []
    app[PUBLIC_URL] = PUBLIC
    app[DEVICES] = KNOWN_DEVICES
    kit = Pages()
    kit.mount(app)
    links = PaymentLinks(app[HOUSE], wait=wait, tick=0.01)
    found = limits or RateLimits(NOWHERE, enabled=False)
    api.setup(app, found, OrderFeed(app[HOUSE], feed or FeedSettings(tick=0.05)), cap, links)
    pages.setup(app, kit, found, RAILS.open_methods)
    openapi.setup(app)
    return app
