"""The part of the service that the ranking asks, held in memory, and an application around it."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

from aiohttp import web

from gateway.contests.contest import Contest
from gateway.http.pages import Pages
from leaderboard.feed import Boards
from leaderboard.ranking import Ranking, Score, ranking_from
from leaderboard.routes import PUBLISHED, setup
from tests.demo import demo_contest


class QuietService:
    """Contests and rankings that change only when a test says so."""

    def __init__(self) -> None:
        self.shown = [demo_contest()]
        self.people = {c.code: c.name for c in demo_contest().candidates}
        self.votes = {c.code: 0 for c in demo_contest().candidates}
        self.version = 0
        self.instant = datetime(2026, 6, 1, 12, tzinfo=UTC)

    def count(self, code: str, quantity: int) -> Ranking:
        """One more tally entry; the ranking after it."""
        self.votes[code] += quantity
        self.version += 1
        return self.ranking("star")

    def rename_contest(self, name: str) -> None:
        self.shown = [replace(self.shown[0], name=name)]

    def add_candidate(self, code: str, name: str) -> None:
        self.people[code], self.votes[code] = name, 0

    def contests(self) -> tuple[Contest, ...]:
        return tuple(self.shown)

    def contest(self, slug: str) -> Contest | None:
        return next((c for c in self.shown if c.slug == slug), None)

    def contests_by_short_code(self, short_code: str) -> tuple[Contest, ...]:
        return tuple(c for c in self.shown if c.short_code == short_code)

    def ranking(self, slug: str) -> Ranking:
        scores = [Score(code, name, self.votes[code]) for code, name in self.people.items()]
        return ranking_from(slug, self.version, scores)

    def now(self) -> datetime:
        return self.instant


def application(service: QuietService, boards: Boards, bot: Callable[[], str] = str) -> web.Application:
    """The ranking's addresses over this service."""
    app = web.Application()
    app[PUBLISHED] = service
    Pages().mount(app)
    setup(app, boards, bot=bot)
    return app
