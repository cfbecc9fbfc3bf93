"""The part of the service that a dialogue asks, and a session store, in memory.

Orders are judged by the real rules, so a vote request that is placed is one that the service would sell.
"""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import cast
from uuid import UUID, uuid4

from aiohttp import web

from channels.messages.unfinished import Reached
from channels.session_store import SESSIONS
from channels.ussd import routes
from channels.ussd.aggregator import UssdAggregator
from channels.ussd.aggregators.africastalking import REGISTRATION
from channels.ussd.menu import MenuView
from channels.voting_service import VOTING_SERVICE, VotingService
from gateway.contests.contest import Contest
from gateway.orders.rules import PlacedOrder, Refusal, VoteRequest, check_vote_request
from gateway.storage.engine import DatabaseUnavailable
from gateway.values.msisdn import Msisdn
from leaderboard.ranking import Ranking, Score, ranking_from
from payments.collection.order_views import ReceiptView, VoteLine
from payments.lifecycle import PublicStatus
from payments.rescue.rules import Claim, OfNumber, Outcome, Rescue
from tests.demo import demo_contest
from tests.rails import RAILS_WITH_WAVE as RAILS

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
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


class TalkingService:
    """Remembers every vote request that it sold. `away`: PostgreSQL does not answer. `lines`: votes of whoever asks."""

    rails = RAILS

    def __init__(self, *contests: Contest) -> None:
        self.shown = contests or (demo_contest(),)
        self.vote_requests: list[VoteRequest] = []
        self.asked = 0
        self.placed: dict[str, PlacedOrder] = {}
        self.instant = NOON
        self.away = False
        self.broken = False
        self.lines: tuple[VoteLine, ...] = ()
        self.receipts: dict[str, ReceiptView] = {}
        self.found = Rescue(Outcome.NOTHING)
        self.tickets: list[str] = []
        self.claims: list[Claim] = []
        self.reached: list[Reached] = []
        self.ordered: list[str] = []
        self.languages: list[tuple[str, str]] = []

    def contests(self) -> tuple[Contest, ...]:
        return self.shown

    def contests_by_service_code(self, code: str) -> tuple[Contest, ...]:
        return tuple(c for c in self.shown if c.service_code == code)

    def ranking(self, slug: str) -> Ranking:
        if self.broken:
            raise RuntimeError("no ranking")
        return replace(demo_ranking(), contest=slug)

    def now(self) -> datetime:
        return self.instant

    def pass_time(self, seconds: float) -> None:
        self.instant += timedelta(seconds=seconds)

    async def place_order(self, vote_request: VoteRequest) -> PlacedOrder | Refusal:
        self.asked += 1
        if self.away:
            raise DatabaseUnavailable("OperationalError")
        if known := self.placed.get(vote_request.key):
            return replace(known, repeated=True)
        priced_order = check_vote_request(vote_request, now=self.instant, rails=self.rails)
        if isinstance(priced_order, Refusal):
            return priced_order
        self.vote_requests.append(vote_request)
        self.placed[vote_request.key] = PlacedOrder(uuid4(), uuid4(), priced_order.amount)
        return self.placed[vote_request.key]

    async def votes_of(self, voter: Msisdn, contest_id: UUID, limit: int) -> tuple[VoteLine, ...]:
        if self.away:
            raise DatabaseUnavailable("OperationalError")
        return self.lines[:limit]

    async def receipt(self, code: str) -> ReceiptView | None:
        if self.away:
            raise DatabaseUnavailable("OperationalError")
        return self.receipts.get(code)

    async def rescue(self, claim: Claim, language: str) -> Rescue:
        if self.away:
            raise DatabaseUnavailable("OperationalError")
        self.claims.append(claim)
        return self.found

    async def open_ticket(self, claim: Claim, language: str) -> str | None:
        if self.away:
            raise DatabaseUnavailable("OperationalError")
        assert isinstance(claim, OfNumber)
        self.tickets.append(claim.number.e164)
        return "15"

    def number_key(self, number: Msisdn) -> str:
        return f"hash of {number.e164}"

    def note_language(self, voter: Msisdn, language: str) -> None:
        self.languages.append((voter.e164, language))

    def note_reached(self, reached: Reached) -> None:
        self.reached.append(reached)

    def note_ordered(self, voter: Msisdn, contest_id: UUID) -> None:
        self.ordered.append(voter.e164)

    def orders(self) -> list[tuple[str, int, str]]:
        """Candidate, votes and paying number of what was sold."""
        return [(w.candidate_code, w.quantity, w.payer.e164 if w.payer else "") for w in self.vote_requests]


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
    service: TalkingService,
    sessions: MemorySessions,
    *,
    aggregator: UssdAggregator = REGISTRATION.aggregator,
    secret: str | None = None,
) -> web.Application:
    """One aggregator's addresses over this service."""
    app = web.Application(client_max_size=64 * 1024)
    app[VOTING_SERVICE] = cast(VotingService, service)
    app[SESSIONS] = sessions
    routes.setup(app, {aggregator.code: aggregator}, {aggregator.code: secret})
    return app
