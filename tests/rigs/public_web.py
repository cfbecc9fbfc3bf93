"""The whole public web over one house in memory: voters' pages, ranking, API and its document."""

from aiohttp import web

from gateway.contests.contest import Contest
from gateway.http.streams import StreamCap
from leaderboard import routes
from leaderboard.feed import Boards, FeedSettings
from tests.channels.web.house import RecordingHouse
from tests.channels.web.house import application as voting


class PublicHouse(RecordingHouse):
    """What the ranking's page asks besides."""

    def contests_by_short_code(self, short_code: str) -> tuple[Contest, ...]:
        return tuple(c for c in self.shown if c.short_code == short_code)


def application(house: PublicHouse, cap: StreamCap | None = None, boards: Boards | None = None) -> web.Application:
    """Every public page and address over this house."""
    app = voting(house, cap=cap)
    routes.setup(app, boards or Boards(FeedSettings(tick=0.05)), cap)
    return app
