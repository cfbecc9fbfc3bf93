"""The board for the weakest phones: complete, well-formed and never above 2,048 bytes."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from uuid import UUID
from xml.etree import ElementTree

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from gateway.contests.contest import Candidate, CandidateStatus, Contest, ContestState
from gateway.contests.rounds import Round
from gateway.http.callers import PUBLIC_URL
from leaderboard.feed import Boards
from leaderboard.small import BYTES_MAX, shortened
from tests.demo import demo_contest
from tests.leaderboard.service import application
from tests.rigs.voting_service import NOON, FakeVotingService

FAMILY = "👩‍👩‍👧"


@pytest.mark.parametrize(
    ("name", "most", "cut"),
    [
        ("Aya Koné", 60, "Aya Koné"),
        ("Aya Koné", 9, "Aya Koné"),
        ("Aya Koné", 8, "Aya K…"),
        ("Aya Koné", 7, "Aya…"),  # no space before the sign
        ("N'Guessan", 9, "N'Guessan"),
        ("A&B <C>", 60, "A&amp;B &lt;C&gt;"),
        ("A&BCDEFGH", 9, "A&amp;…"),
        ("A&BCDEFGH", 8, "A…"),
        ("Kone\u0301 Aya", 9, "Kone\u0301…"),
        ("Kone\u0301 Aya", 8, "Kon…"),
        (FAMILY * 3, 22, FAMILY + "…"),
        (FAMILY * 3, 20, "…"),
        ("ማርያም", 11, "ማር…"),
        ("हिन्दी", 10, "हि…"),  # vowel signs are no letters of their own
    ],
)
def test_names_are_cut_between_characters(name: str, most: int, cut: str) -> None:
    assert shortened(name, most) == cut
    assert len(cut.encode()) <= most


@asynccontextmanager
async def served(
    service: FakeVotingService, boards: Boards | None = None
) -> AsyncIterator[TestClient[web.Request, web.Application]]:
    app = application(service, boards or Boards())
    app[PUBLIC_URL] = "https://vote.example"
    async with TestClient(TestServer(app)) as client:
        yield client


async def whole(client: TestClient[web.Request, web.Application], path: str) -> bytes:
    """The answer as it goes over the wire to a phone that unpacks nothing."""
    server = client.server
    reader, writer = await asyncio.open_connection(server.host, server.port or 0)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: vote.example\r\nConnection: close\r\n\r\n".encode())
    answer = await reader.read()
    writer.close()
    return answer


def crowded(name: str, language: str) -> Contest:
    people = tuple(Candidate(UUID(int=n), str(100_001 + n), name[:200]) for n in range(25))
    return replace(
        demo_contest(),
        slug="s" * 60,
        name=name[:200],
        language=language,
        service_code="*123*45#",
        menu_number=12,
        candidates=people,
        _by_code={},
    )


@pytest.mark.parametrize("language", ["fr", "en"])
@pytest.mark.parametrize("name", ["<'\"&>" * 40, "ማ" * 200, FAMILY * 30, "N'Guessan " * 20, "W" * 200])
async def test_the_longest_names_fit_into_two_kilobytes(name: str, language: str) -> None:
    contest = crowded(name, language)
    now = NOON
    contest = replace(
        contest, rounds=(Round(1, name[:60], now - timedelta(hours=1), now + timedelta(hours=1)),), _by_code={}
    )
    service = FakeVotingService(contest)
    service.scores = {f"1:{one.code}": 9_999_999_999 for one in contest.candidates}
    other = "en" if language == "fr" else "fr"
    async with served(service) as client:
        for page in (1, 2, 3):
            answer = await whole(client, f"/c/{contest.slug}/b?page={page}&lang={other}")
            assert answer.startswith(b"HTTP/1.1 200 ")
            assert len(answer) <= BYTES_MAX
            text = answer.partition(b"\r\n\r\n")[2].decode().removeprefix("<!doctype html>")
            places = [p for p in ElementTree.fromstring(text).iter("p") if "9" * 3 in "".join(p.itertext())]
            # The sum of all votes, and ten places; five on the last page.
            assert len(places) == 1 + (5 if page == 3 else 10)


async def test_ten_places_with_the_code_to_dial_for_each() -> None:
    service, boards = FakeVotingService(scores=1234), Boards()
    async with served(service, boards) as client:
        answer = await client.get("/c/star/b", headers={"Accept-Language": "en", "Cookie": "lang=en"})
        text = await answer.text()
        # The contest's language, whatever a browser prefers: caches give it to all.
        assert (answer.headers["Content-Language"], answer.headers["Vary"]) == ("fr", "Accept-Encoding")
        assert answer.headers["Cache-Control"] == "public, max-age=0, s-maxage=1"
        assert "Set-Cookie" not in answer.headers
        assert '<a href="tel:*789%23">*789#</a>' in text
        assert '<p>1. Franck Zadi\u00a0: 14\u00a0808<br/><a href="tel:*789*12%23">*789*12#</a></p>' in text
        assert ("\u202f" in text, "<p>10. " in text, "<p>11. " in text) == (False, True, False)
        assert '<a href="/c/star">' in text
        assert '<a href="?page=2">Suivants</a>' in text
        same = await client.get("/c/star/b", headers={"If-None-Match": answer.headers["ETag"]})
        assert (same.status, await same.read()) == (304, b"")
        # An address with its language keeps it from page to page.
        english = await (await client.get("/c/star/b?lang=en&page=7")).text()
        assert "Kouadio N'Guessan: 2,468" in english
        assert ("?lang=en&amp;page=1" in english, "?page=2&amp;lang=fr" in english) == (True, True)
        # What was counted since is on it.
        service.count("01", 50_000)
        boards.update(service.ranking("star"))
        assert "<p>1. Aya Koné\u00a0: 51\u00a0234<br/>" in await (await client.get("/c/star/b")).text()
        assert (await client.get("/c/unknown/b")).status == 404
        assert 'href="/c/star/b"' in await (await client.get("/c/star")).text()


async def test_nothing_is_dialled_where_nothing_is_sold() -> None:
    base, hour = demo_contest(), timedelta(hours=1)
    gone = [replace(c, status=CandidateStatus.WITHDRAWN) if c.code == "12" else c for c in base.candidates]
    cases = [
        (replace(base, opens_at=NOON + hour), "Opens 1 June 2026, 13:00 GMT", 0),
        (replace(base, closes_at=NOON - hour), "Closed 1 June 2026, 11:00 GMT", 0),
        (replace(base, suspended=True), "Voting is suspended", 0),
        (replace(base, state=ContestState.ARCHIVED), "This contest was called off", 0),
        (replace(base, service_code=""), "Closes ", 0),
        (replace(base, candidates=tuple(gone)), "<br/>12</p>", 10),
        (replace(base, candidates=()), "The candidates will be announced soon.", 1),
        (replace(base, closes_at=NOON + hour), "Closes 1 June 2026, 13:00 GMT", 11),
    ]
    for contest, words, links in cases:
        service = FakeVotingService(replace(contest, _by_code={}))
        service.scores = {c.code: int(c.code) for c in base.candidates}
        async with served(service) as client:
            text = (await (await client.get("/c/star/b?lang=en")).text()).replace("\u00a0", " ")
            assert (words in text, text.count("tel:")) == (True, links), words
