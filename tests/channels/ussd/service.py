"""A session store in memory, and an application around one aggregator."""

from functools import cache

from aiohttp import web

from channels.session_store import SESSIONS
from channels.ussd import routes
from channels.ussd.aggregator import UssdAggregator
from channels.ussd.aggregators.africastalking import REGISTRATION
from channels.ussd.menu.session import MenuView
from channels.voting_service import VOTING_SERVICE
from gateway.contests.contest import Contest
from gateway.values.msisdn import Msisdn
from leaderboard.ranking import Ranking, Score, ranking_from
from payments.collection.order_views import VoteLine
from payments.lifecycle import PublicStatus
from tests.demo import demo_contest
from tests.rails import RAILS_WITH_WAVE as RAILS
from tests.rigs.voting_service import NOON, FakeVotingService

MTN, ORANGE, MOOV = "+2250501020304", "+2250701020304", "+2250101020304"
# Of a prefix that the tables do not know yet.
NEW = "+2250901020304"


@cache
def demo_ranking() -> Ranking:
    """Candidate 12 leads with 12,000 votes, candidate 01 has 1,000."""
    scores = [Score(c.code, c.name, number * 1000) for number, c in enumerate(demo_contest().candidates, start=1)]
    return ranking_from("star", 12, scores)


def view(number: str = MTN, network: str | None = None, contest: Contest | None = None) -> MenuView:
    """What the menu sees at noon when this number dials."""
    return MenuView(contest or demo_contest(), demo_ranking(), Msisdn(number, "CI"), network, NOON, RAILS)


def demo_service(*contests: Contest) -> FakeVotingService:
    """With a wallet that any number may have, and the demo's ranking."""
    return FakeVotingService(*contests, rails=RAILS, scores=1000)


class MemorySessions:
    """`SessionStore`. `lose()` is a Redis that was emptied; `away` one that does not answer."""

    def __init__(self) -> None:
        self.held: dict[str, bytes] = {}
        self.seconds: dict[str, int] = {}
        self.away = False

    async def get(self, key: str) -> bytes | None:
        return None if self.away else self.held.get(key)

    async def put(self, key: str, value: bytes, seconds: int) -> None:
        self.put_soon((key, value, seconds))

    async def get_all(self, *keys: str) -> list[bytes | None]:
        return [await self.get(key) for key in keys]

    def put_soon(self, *entries: tuple[str, bytes, int]) -> None:
        for key, value, seconds in () if self.away else entries:
            self.held[key] = value
            self.seconds[key] = seconds

    def lose(self) -> None:
        self.held.clear()


def line(code: str = "07", status: PublicStatus = PublicStatus.PENDING, receipt: str | None = None) -> VoteLine:
    """One of a voter's own orders."""
    return VoteLine(code, "Awa Ouattara", 5, status, receipt, NOON)


def application(
    service: FakeVotingService,
    sessions: MemorySessions,
    *,
    aggregator: UssdAggregator = REGISTRATION,
    secret: str | None = None,
) -> web.Application:
    """One aggregator's addresses over this service."""
    app = web.Application(client_max_size=64 * 1024)
    app[VOTING_SERVICE] = service
    app[SESSIONS] = sessions
    routes.setup(app, {aggregator.code: aggregator}, {aggregator.code: secret})
    return app
