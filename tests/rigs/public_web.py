"""The whole public web over one service in memory: voters' pages, ranking, API and its document."""

from uuid import UUID

from aiohttp import web

from channels.web import crawlers, rules
from gateway.contests.rules import digest, rules_document
from gateway.contests.versions import RulesVersion, RulesVersions, lines_of
from gateway.http.limits import StreamCap
from leaderboard import routes
from leaderboard.feed import Boards, FeedSettings
from leaderboard.log import routes as log_routes
from leaderboard.log.store import PublicLogs, Stand
from tests.channels.web.service import application as voting
from tests.rigs.voting_service import NOON, FakeVotingService


class KnownVersions(RulesVersions):
    """The rules of contests in memory: as they are, and how they were before with half the price."""

    def __init__(self, service: FakeVotingService) -> None:
        self._service = service

    async def of(self, contest: UUID) -> list[RulesVersion]:
        known = self._service.contest_by_id(contest)
        assert known is not None
        after = rules_document(known)
        before = {**after, "price_minor": after["price_minor"] // 2, "closes_at": after["opens_at"]}
        return [
            RulesVersion(2, after, digest(after), NOON, "awa@house.test", lines_of(after, before)),
            RulesVersion(1, before, digest(before), NOON, "awa@house.test", lines_of(before, None)),
        ]

    async def held_votes(self, contest: UUID) -> int:
        """Some."""
        return 1_250


WITNESSES = {
    "witness.journal-des-jeunes.example/star": "https://witness.journal-des-jeunes.example",
    "radio.example/witness": "https://witness.radio.example",
}


class KnownLogs(PublicLogs):
    """The log of every contest in memory."""

    def __init__(self) -> None:
        """Without a database."""

    async def stand(self, contest: UUID) -> Stand | None:
        """A long one, that a witness cosigned too."""
        signed = (("vote.example/time", NOON), ("witness.journal-des-jeunes.example/star", NOON))
        return Stand(1_204_117, 1_204_114, 3, ("mobile", "coin", "dress", "clematis"), NOON, signed)


def application(
    service: FakeVotingService, cap: StreamCap | None = None, boards: Boards | None = None
) -> web.Application:
    """Every public page and address over this service."""
    app = voting(service, cap=cap)
    app[routes.PUBLISHED] = service
    routes.setup(app, boards or Boards(FeedSettings(tick=0.05)), cap)
    rules.setup(app, KnownVersions(service))
    crawlers.setup(app)
    log_routes.setup(app, KnownLogs(), WITNESSES)
    return app
