"""An application around the web channel."""

from aiohttp import web

from channels.voting_service import VOTING_SERVICE
from channels.web import api, pages, receipts
from channels.web.order_feed import FeedSettings, OrderFeed, PaymentLinks
from gateway.http import middleware, openapi
from gateway.http.callers import DEVICES, PUBLIC_URL, Devices
from gateway.http.limits import RateLimits, StreamCap
from gateway.http.pages import Pages
from leaderboard.routes import CONTEST_PARTS
from leaderboard.witness.rules import WitnessAddress
from tests.rigs.voting_service import FakeVotingService

PUBLIC = "https://vote.example"
NOWHERE = "redis://127.0.0.1:1/0"
KNOWN_DEVICES = Devices(b"a key for tests only, of 32 byte")


def application(
    service: FakeVotingService,
    limits: RateLimits | None = None,
    feed: FeedSettings | None = None,
    cap: StreamCap | None = None,
    wait: float = 0.05,
    witnesses: tuple[WitnessAddress, ...] = (),
) -> web.Application:
    """The web channel over this service, behind the middleware of the gateway."""
    app = web.Application(middlewares=[middleware.around_request], client_max_size=64 * 1024)
    app[VOTING_SERVICE] = service
    app[CONTEST_PARTS] = []
    app[PUBLIC_URL] = PUBLIC
    app[DEVICES] = KNOWN_DEVICES
    kit = Pages()
    kit.mount(app)
    links = PaymentLinks(app[VOTING_SERVICE], wait=wait, tick=0.01)
    found = limits or RateLimits(NOWHERE, enabled=False)
    api.setup(app, found, OrderFeed(app[VOTING_SERVICE], feed or FeedSettings(tick=0.05)), cap, links)
    pages.setup(app, kit)
    receipts.setup(app, witnesses)
    openapi.setup(app)
    return app
