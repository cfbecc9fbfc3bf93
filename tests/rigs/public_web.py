"""The whole public web over one service in memory: voters' pages, ranking, API and its document."""

from aiohttp import web

from gateway.contests.contest import Contest
from gateway.http.limits import StreamCap
from leaderboard import routes
from leaderboard.feed import Boards, FeedSettings
from tests.channels.web.service import RecordingService
from tests.channels.web.service import application as voting


class PublicService(RecordingService):
    """What the ranking's page asks besides."""

    def contests_by_short_code(self, short_code: str) -> tuple[Contest, ...]:
        return tuple(c for c in self.shown if c.short_code == short_code)


def application(service: PublicService, cap: StreamCap | None = None, boards: Boards | None = None) -> web.Application:
    """Every public page and address over this service."""
    app = voting(service, cap=cap)
    app[routes.PUBLISHED] = service
    routes.setup(app, boards or Boards(FeedSettings(tick=0.05)), cap)
    return app
