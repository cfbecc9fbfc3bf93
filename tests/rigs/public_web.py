"""The whole public web over one service in memory: voters' pages, ranking, API and its document."""

from uuid import UUID

from aiohttp import web

from channels.web import crawlers, rules
from gateway.contests.contest import Contest
from gateway.contests.rules import digest, rules_document
from gateway.contests.versions import RulesVersion, RulesVersions, lines_of
from gateway.http.limits import StreamCap
from leaderboard import routes
from leaderboard.feed import Boards, FeedSettings
from leaderboard.final import FinalRanking, final_rankings
from leaderboard.log import routes as log_routes
from leaderboard.log.store import PublicLogs, Sealing, Stand
from leaderboard.ranking import key_of
from leaderboard.result import routes as result_routes
from leaderboard.result.document import (
    FORMAT,
    Replaced,
    ResultDocument,
    RulesNamed,
    Signature,
    SignedState,
    board_of,
    digest_of,
)
from leaderboard.result.public import Version
from leaderboard.result.store import CertifiedResults
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
        """A long one, that a witness cosigned too, with lines that are sealed."""
        signed = (("vote.example/time", NOON), ("witness.journal-des-jeunes.example/star", NOON))
        return Stand(
            1_204_117,
            1_204_114,
            3,
            ("mobile", "coin", "dress", "clematis"),
            NOON,
            signed,
            Sealing(NOON, "ab" * 32, 12_345),
        )


class KnownResults(CertifiedResults):
    """Of every contest in memory: two results, the second of which took the place of the first.
    `certified`: whether they are there yet."""

    def __init__(self, service: FakeVotingService) -> None:
        self._service, self.certified = service, True

    def document(self, contest: Contest, number: int) -> ResultDocument:
        """One of them."""
        shown = contest.round_shown
        votes = {
            key_of(one.code, shown.number if shown else 0): 1_000_000 // place
            for place, one in enumerate(contest.candidates, start=1)
        }
        boards = tuple(board_of(contest, one) for one in final_rankings(contest, votes, {}, {}, {"02"}))
        signed = [
            Signature(name="Sita Koné", organisation="Agence Étoile", at=NOON),
            Signature(name="Ève-Marie Kouassi", organisation=None, at=NOON),
        ]
        why = Replaced(number=1, sha256="ab" * 32, reason="Un vote a été remboursé à son payeur.")
        return ResultDocument(
            format=FORMAT,
            contest=contest.slug,
            name=contest.name,
            organiser="Agence Étoile",
            number=number,
            made_at=NOON,
            entries=412_345,
            votes=boards[0].votes,
            amounts={contest.currency: 100 * boards[0].votes},
            tie_break=contest.tie_break.value,
            rules=RulesNamed(version=3, sha256="cd" * 32),
            log=SignedState(
                origin=f"vote.example/c/{contest.slug}/log",
                size=412_348,
                root="ef" * 32,
                words=("mobile", "coin", "dress", "clematis"),
            ),
            boards=boards,
            signed_by=(signed[0], signed[1]),
            replaces=why if number > 1 else None,
        )

    def _known(self, contest: UUID) -> Contest:
        found = self._service.contest_by_id(contest)
        assert found is not None
        return found

    async def versions(self, contest: UUID) -> list[Version]:
        """Both."""
        texts = {number: await self.text(contest, number) for number in (2, 1)} if self.certified else {}
        why = {1: "", 2: "Un vote a été remboursé à son payeur."}
        return [Version(number, digest_of(text), NOON, why[number]) for number, text in texts.items()]

    async def text(self, contest: UUID, number: int) -> str:
        """As it was signed."""
        return self.document(self._known(contest), number).text

    async def rankings(self, contest: Contest) -> list[FinalRanking]:
        """As the service has them."""
        return final_rankings(contest, self._service.scores, {}, {}, {"02"})


def application(
    service: FakeVotingService,
    cap: StreamCap | None = None,
    boards: Boards | None = None,
    results: KnownResults | None = None,
) -> web.Application:
    """Every public page and address over this service."""
    app = voting(service, cap=cap)
    app[routes.PUBLISHED] = service
    routes.setup(app, boards or Boards(FeedSettings(tick=0.05)), cap)
    rules.setup(app, KnownVersions(service))
    crawlers.setup(app)
    log_routes.setup(app, KnownLogs(), WITNESSES)
    result_routes.setup(app, KnownResults(service) if results is None else results)
    return app
