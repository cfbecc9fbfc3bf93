"""The ranking's addresses over a voting service in memory."""

from collections.abc import Callable

from aiohttp import web

from gateway.http.middleware import around_request
from gateway.http.pages import Pages
from leaderboard.feed import Boards
from leaderboard.routes import PUBLISHED, setup
from tests.rigs.voting_service import FakeVotingService


def application(service: FakeVotingService, boards: Boards, bot: Callable[[], str] = str) -> web.Application:
    """The ranking's addresses over this service, with the headers of the service."""
    app = web.Application(middlewares=[around_request])
    app[PUBLISHED] = service
    Pages().mount(app)
    setup(app, boards, bot=bot)
    return app
