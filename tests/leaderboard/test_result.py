"""The result of a contest as the public reads it, before and after it is certified."""

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from hashlib import sha256

import pytest
from aiohttp.test_utils import TestClient, TestServer
from aiohttp.web import Application, Request

from gateway.contests.blackout import Blackout
from gateway.contests.contest import CandidateStatus, Contest, ContestState
from gateway.contests.rounds import Round
from leaderboard.final import final_rankings
from leaderboard.result.document import board_of
from leaderboard.result.public import State, Version, over_by, shown_versions, state_of
from tests.demo import demo_contest
from tests.rigs.public_web import KnownResults, application
from tests.rigs.voting_service import NOON, FakeVotingService

Client = TestClient[Request, Application]
HOUR = timedelta(hours=1)
DARK = Blackout(NOON - HOUR)
JSON = {"Accept": "application/json"}


def contest(**values: object) -> Contest:
    return replace(demo_contest(), **values, _by_code={})  # type: ignore[arg-type] # what the test names


OVER = contest(closes_at=NOON - HOUR)
EARLIER, LATER = (Version(number, "ab" * 32, NOON + HOUR * (2 * number - 4), "") for number in (1, 2))


@pytest.mark.parametrize(
    ("of", "versions", "state", "numbers"),
    [
        (contest(), [], State.OPEN, []),
        (contest(blackout=DARK), [], State.HIDDEN, []),
        (OVER, [], State.CHECKING, []),
        (replace(OVER, blackout=DARK, _by_code={}), [], State.HIDDEN, []),
        (contest(state=ContestState.ARCHIVED), [], State.OPEN, []),
        (OVER, [LATER, EARLIER], State.CERTIFIED, [2, 1]),
        # What was certified in the dark is shown with the announcement.
        (replace(OVER, blackout=DARK, _by_code={}), [LATER], State.HIDDEN, []),
        (replace(OVER, blackout=DARK, _by_code={}), [LATER, EARLIER], State.CERTIFIED, [1]),
        (replace(OVER, blackout=replace(DARK, announced_at=NOON), _by_code={}), [LATER], State.CERTIFIED, [2]),
    ],
)
def test_where_a_result_stands(of: Contest, versions: list[Version], state: State, numbers: list[int]) -> None:
    shown = shown_versions(of, versions, NOON)
    assert (state_of(of, shown, NOON), [one.number for one in shown]) == (state, numbers)


SEMI = Round(1, "Demi-finale", NOON - 9 * HOUR, NOON - 5 * HOUR)
FINAL = Round(2, "Finale", NOON - 4 * HOUR, NOON + HOUR)
DONE = replace(FINAL, closes_at=NOON - HOUR)


@pytest.mark.parametrize(
    ("of", "rounds"),
    [
        (contest(), []),
        (OVER, [0]),
        (replace(OVER, blackout=DARK, _by_code={}), []),
        (contest(rounds=(SEMI, FINAL)), [1]),
        (contest(rounds=(SEMI, DONE)), [2, 1]),
        # The round before was public in its final state when the ranking was hidden.
        (contest(rounds=(SEMI, DONE), blackout=DARK), [1]),
    ],
)
def test_rankings_of_rounds_that_are_over_are_shown(of: Contest, rounds: list[int]) -> None:
    assert [one.round for one in over_by(of, final_rankings(of, {}), NOON)] == rounds


def test_a_board_says_who_was_evicted_and_who_stands_again_and_what_the_jury_gave() -> None:
    people = tuple(
        replace(one, status=CandidateStatus.EVICTED, evicted_at=NOON) if one.code == "02" else one
        for one in demo_contest().candidates[:3]
    )
    judged = contest(candidates=people, jury_percent=25)
    (board,) = (board_of(judged, one) for one in final_rankings(judged, {"01": 3, "02": 4}, {}, {"03": 9}, {"03"}))
    assert [(one.rank, one.code, one.votes, one.points, one.score, one.reinstated) for one in board.places] == [
        (1, "01", 3, 0, 7500, False),
        (2, "03", 0, 9, 2500, True),
    ]
    assert [(one.code, one.votes, one.evicted_at) for one in board.evicted] == [("02", 4, NOON)]
    assert (board.votes, board.jury_percent) == (7, 25)


@pytest.fixture
async def web() -> AsyncIterator[tuple[Client, FakeVotingService, KnownResults]]:
    service = FakeVotingService(OVER, scores=3)
    results = KnownResults(service)
    async with TestClient(TestServer(application(service, results=results))) as client:
        yield client, service, results


async def test_what_two_persons_signed_is_read_as_page_as_document_and_on_paper(
    web: tuple[Client, FakeVotingService, KnownResults],
) -> None:
    client, service, results = web
    async with client.get("/c/star/result", headers=JSON) as answer:
        found = await answer.json()
    assert (answer.headers["Vary"], found["state"], found["document"]["number"]) == ("Accept", "certified", 2)
    newest, _first = found["versions"]
    async with client.get("/c/star/result/2.json") as answer:
        body = await answer.read()
    assert sha256(body).hexdigest() == newest["sha256"]
    assert (answer.headers["ETag"], "immutable" in answer.headers["Cache-Control"]) == (f'"{newest["sha256"]}"', True)
    assert json.loads(body)["boards"][0]["places"][0]["code"] == "01"
    async with client.get("/c/star/result?lang=en") as answer:
        page = await answer.text()
    for expected in (
        "Sita Koné",
        "mobile · coin · dress · clematis",
        "evicted, then reinstated",
        newest["sha256"],
        "This result took the place of an earlier one. Why: Un vote a été remboursé",
        "kit.zip?size=412348",
    ):
        assert expected in page
    assert "@" not in page
    async with client.get("/c/star/result/1?lang=en") as answer:
        assert "Replaced on" in await answer.text()
    async with client.get("/c/star/result/2", allow_redirects=False) as answer:
        assert (answer.status, answer.headers["Location"]) == (302, "/c/star/result")
    for path in ("/c/star/result.pdf", "/c/star/result/1.pdf?lang=en"):
        async with client.get(path) as answer:
            assert ((await answer.read())[:5], answer.content_type) == (b"%PDF-", "application/pdf")
    for path in ("/c/nowhere/result", "/c/nowhere/result.pdf", "/c/star/result/3", "/c/star/result/3.json"):
        async with client.get(path) as answer:
            assert answer.status == 404, path
    # Lines that were counted since are named.
    service.version = 412_348
    service.count("01", 1)
    async with client.get("/c/star/result?lang=en") as answer:
        assert "Lines added to the count since: 4" in await answer.text()
    # Before anything is certified: the ranking, marked as such; in the dark, none.
    results.certified = False
    async with client.get("/c/star/result", headers=JSON) as answer:
        found = await answer.json()
    assert (found["state"], found["document"], found["boards"][0]["places"][0]["code"]) == ("checking", None, "12")
    async with client.get("/c/star/result?lang=en") as answer:
        assert "not certified yet" in await answer.text()
    service.shown = [replace(OVER, blackout=DARK, _by_code={})]
    for certified in (False, True):
        results.certified = certified
        async with client.get("/c/star/result", headers=JSON) as answer:
            found = await answer.json()
        shown = certified and DARK.begins_at > NOON
        assert (found["state"], found["boards"], bool(found["versions"])) == ("hidden", [], shown)
        for path in ("/c/star/result.pdf", "/c/star/result/2.json"):
            async with client.get(path) as answer:
                assert answer.status == 404
