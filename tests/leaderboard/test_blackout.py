"""A ranking whose figures are hidden: on no public page, in no answer and on no stream."""

import re
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime, timedelta
from html import unescape
from types import SimpleNamespace
from typing import Any, cast

import orjson
import pytest
from aiohttp.test_utils import TestClient, TestServer

from gateway.contests.blackout import Blackout
from gateway.contests.contest import Contest
from gateway.contests.directory import ContestDirectory
from gateway.contests.rounds import Round
from leaderboard.feed import Board, Boards
from leaderboard.overlay.rules import Overlay, View, figures_of, picture_of
from leaderboard.ranking import is_hidden, public_ranking
from leaderboard.scores import ContestScores, Rankings, ScoreFeed, ScoreListener, Scores
from tests.demo import demo_contest
from tests.leaderboard.service import application
from tests.rigs.voting_service import NOON, FakeVotingService


def after(minutes: float) -> datetime:
    return NOON + timedelta(minutes=minutes)


def part(number: int, opens: float, closes: float) -> Round:
    return Round(number, f"Round {number}", after(opens), after(closes))


THREE = (part(1, -90, -60), part(2, -50, -20), part(3, -10, 60))


@pytest.mark.parametrize(
    ("begins", "rounds", "hidden"),
    [
        (-5, (), [None]),
        (5, (), []),
        (-5, THREE, [None, 3]),  # rounds 1 and 2 were public when they ended
        (-15, THREE, [None, 2, 3]),  # round 2 was over, and its ranking the one that was shown
        (-100, THREE, [None, 1, 2, 3]),
    ],
)
def test_rounds_since_the_one_that_was_shown_are_hidden(
    begins: float, rounds: tuple[Round, ...], hidden: list[int | None]
) -> None:
    contest = replace(demo_contest(), rounds=rounds, blackout=Blackout(after(begins)), _by_code={})
    numbers = [None, *(one.number for one in rounds)]
    assert [number for number in numbers if is_hidden(contest, number, NOON)] == hidden


class Held:
    """A contest that changes, and its rankings."""

    def __init__(self) -> None:
        self.contest, self.now = demo_contest(), NOON
        directory = SimpleNamespace(by_slug=lambda slug: self.contest)
        self.rankings = Rankings(cast(ContestDirectory, directory), lambda: self.now)

    def take(self, version: int, **votes: int) -> Any:
        counted = {code[1:]: count for code, count in votes.items()}
        return self.rankings.take(ContestScores(self.contest.id, "star", version, counted))

    def black_out(self, blackout: Blackout | None) -> None:
        self.contest = replace(self.contest, blackout=blackout, _by_code={})


def test_what_is_counted_in_the_dark_is_for_staff_alone() -> None:
    held = Held()
    held.black_out(Blackout(after(1)))
    assert held.take(5, c07=5).total_votes == 5
    board = Board(held.rankings.ranking("star"))
    held.now = after(1)
    dark = held.take(6, c07=6)
    assert (dark.hidden, dark.version, dark.total_votes) == (held.contest.blackout, 6, 0)
    assert {entry.votes for entry in dark.entries} == {0}
    assert board.take(dark, [("07", 1)])
    news = board.news()
    assert b"leaderboard:initial" in news
    assert b"vote:success" not in news
    # Nobody can tell how many votes come in, nor for whom.
    assert held.take(7, c07=6, c02=9) is None
    assert held.rankings.counted("star").entries[0].votes == 9
    held.contest = replace(held.contest, name="Other", candidates=held.contest.candidates[1:], _by_code={})
    left = held.take(8, c07=6, c02=9)
    assert (left.version, len(left.entries)) == (6, 11)
    assert held.take(7, c07=1) is None, "older totals come late"
    assert board.take(left, [("02", 3)])
    assert b"vote:success" not in board.news()
    held.black_out(replace(cast(Blackout, held.contest.blackout), announced_at=after(2)))
    held.now = after(2)
    shown = held.take(8, c07=6, c02=9)
    assert (shown.hidden, shown.version, shown.entries[0].votes) == (None, 8, 9)
    assert held.rankings.counted("star") is shown
    board.take(shown, [])
    news = board.news()
    assert orjson.loads(news.split(b"data: ")[1])["totalVotes"] == 15
    assert not board.is_known_to("0")


def test_what_is_being_confirmed_in_the_dark_is_not_shown() -> None:
    held = Held()
    held.black_out(Blackout(after(1)))
    held.take(5, c07=5)
    board = Board(held.rankings.ranking("star"))
    board.confirm(1240)
    assert b'"confirming":1240' in board.news()
    held.now = after(1)
    board.take(held.take(6, c07=6), [])
    board.confirm(2000)
    assert board.confirming == 0
    assert b'"confirming":0}' in board.news()
    assert b"confirming" not in board.whole() + board.answer(100).body
    board.confirm(3000)
    assert board.news() == b""


async def test_the_moment_is_kept_while_postgresql_is_away() -> None:
    held, taken = Held(), list[Any]()
    held.black_out(Blackout(after(1)))
    first = ContestScores(held.contest.id, "star", 5, {"07": 5})

    async def stored(_: object = None) -> list[ContestScores]:
        return [first]

    async def away() -> None:
        raise OSError("away")

    async def show(scores: ContestScores, _: object) -> None:
        taken.append(held.rankings.take(scores))

    store = SimpleNamespace(scores=stored, versions=away)
    listener = ScoreListener(cast(ScoreFeed, None), cast(Scores, store), show, lambda _: None)
    await listener.prime()
    held.now = after(1)
    with pytest.raises(OSError, match="away"):
        await listener._look()
    assert [one.total_votes for one in taken] == [5, 0]


def test_an_overlay_shows_no_figures_that_are_hidden_nor_the_zeros_in_their_place() -> None:
    def drawn(contest: Contest, figures_at: datetime, now: datetime) -> tuple[int, str]:
        figures = figures_of(public_ranking(contest, 9, {"07": 5}, now=figures_at), contest)
        found = picture_of(Overlay(view=View.BOARD), figures, contest, now, lambda key, **_: key)
        return len(found["rows"]), found["note"]

    contest = replace(demo_contest(), blackout=Blackout(NOON, None, after(5)), _by_code={})
    assert drawn(contest, after(-1), after(-1)) == (5, "")
    assert drawn(contest, after(-1), NOON) == (0, "overlay.soon"), "figures that were frozen"
    assert drawn(contest, after(4), after(5)) == (0, "overlay.soon"), "figures that are shown late"
    sealed = replace(contest, blackout=Blackout(NOON, None, after(5), sealed=True), _by_code={})
    assert drawn(sealed, after(1), after(1)) == (0, "overlay.sealed")
    assert drawn(contest, after(5), after(5)) == (5, "")


class Here:
    def __init__(self, service: FakeVotingService, boards: Boards, client: Any) -> None:
        self.service, self.boards, self.client = service, boards, client

    async def text(self, path: str) -> str:
        async with self.client.get(path) as answer:
            assert answer.status == 200, path
            return str(await answer.text())

    def show(self, blackout: Blackout | None) -> None:
        contest = self.service.shown[0]
        self.service.shown[0] = replace(contest, blackout=blackout, _by_code={})
        self.boards.update(self.service.ranking("star"))


@pytest.fixture
async def here() -> AsyncIterator[Here]:
    contest = demo_contest()
    people = tuple(replace(one, category="Chant") for one in contest.candidates)
    contest = replace(contest, candidates=people, categories=("Chant",), time_zone="Africa/Abidjan", _by_code={})
    service, boards = FakeVotingService(contest), Boards()
    async with TestClient(TestServer(application(service, boards))) as client:
        boards.update(service.count("07", 4321))
        yield Here(service, boards, client)


async def test_public_pages_say_when_and_show_no_figure(here: Here) -> None:
    pages = ("/c/star", "/c/star/b", "/c/star/categories", "/", "/c/star?q=awa", "/api/contests/star/leaderboard")
    figures = ("4\u202f321", "4\u00a0321", "4321", "100,0")
    for path in pages:
        text = await here.text(path)
        assert [one for one in figures if one in text], path
    here.show(Blackout(after(60), after(120)))
    page = await here.text("/c/star")
    assert "À partir du" in page
    assert "Annonce prévue le" in page
    assert "4\u202f321" in page
    here.show(Blackout(after(-5), after(30)))
    for path in pages:
        text = await here.text(path)
        assert not [one for one in figures if one in text], path
        assert ("classement est caché depuis le" in text or "Classement caché" in text) or "/api/" in path, path
    page = await here.text("/c/star")
    assert "12:30" in page
    assert 'data-hidden="1"' in page
    codes = re.findall(r'data-code="(\d+)"', page)
    assert codes == sorted(codes)
    assert 'href="/c/star/07"' in page, "votes are sold"
    async with here.client.get("/api/contests/star/leaderboard") as answer:
        body = await answer.json()
    assert body == {
        "contest": "star",
        "version": 1,
        "totalVotes": 0,
        "entries": [],
        "hidden": {"since": after(-5).isoformat(), "announcement": after(30).isoformat()},
    }
    here.show(Blackout(after(-5), after(30), sealed=True))
    assert "scellé jusqu'à l'annonce" in unescape(await here.text("/c/star"))
    assert "Chaque vote est dans le registre public, scellé." in await here.text("/c/star/b")
    async with here.client.get("/api/contests/star/leaderboard") as answer:
        assert (await answer.json())["hidden"]["sealed"] is True
    here.show(Blackout(after(-5), after(30), NOON))
    page = await here.text("/c/star?lang=en")
    assert "Result announced" in page
    assert "4,321" in page
