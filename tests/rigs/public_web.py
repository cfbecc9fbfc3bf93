"""The whole public web over one service in memory: voters' pages, ranking, API and its document."""

from aiohttp import web

from gateway.http.limits import StreamCap
from leaderboard import routes
from leaderboard.feed import Boards, FeedSettings
from tests.channels.web.service import application as voting
from tests.rigs.voting_service import FakeVotingService


def application(
    service: FakeVotingService, cap: StreamCap | None = None, boards: Boards | None = None
) -> web.Application:
    """Every public page and address over this service."""
    app = voting(service, cap=cap)
    app[routes.PUBLISHED] = service
    routes.setup(app, boards or Boards(FeedSettings(tick=0.05)), cap)
    return app
