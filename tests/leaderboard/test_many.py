"""A contest of 1,200 candidates: shown in pages, searched, light, and live where it is looked at."""

import gzip
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from uuid import UUID

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from playwright.async_api import Browser, expect

from gateway.contests.contest import Candidate
from leaderboard.feed import Boards, FeedSettings
from tests.demo import demo_contest
from tests.leaderboard.service import application
from tests.rigs.voting_service import FakeVotingService

FIRST, COUNT = 1001, 1200
NAMES = ("Aya Koné", "Éloïse N'Guessan", "Moussa Diabaté", "Ibrahim Coulibaly")


@dataclass
class Many:
    service: FakeVotingService
    boards: Boards
    base: str
    client: TestClient[web.Request, web.Application]

    async def read(self, query: str = "") -> str:
        answer = await self.client.get(f"/c/star{query}", headers={"Accept-Language": "en"})
        assert answer.status == 200
        return await answer.text()

    def sell(self, code: str, quantity: int) -> None:
        self.boards.update(self.service.count(code, quantity), [(code, quantity)])


@pytest.fixture
async def many() -> AsyncIterator[Many]:
    service, boards = FakeVotingService(), Boards(FeedSettings(tick=0.05))
    people = {str(FIRST + n): f"{NAMES[n % 4]} {n:04d}" for n in range(COUNT)}
    ranking = tuple(Candidate(UUID(int=n), code, name) for n, (code, name) in enumerate(people.items()))
    service.shown[0] = replace(demo_contest(), candidates=ranking, _by_code={})
    service.scores = dict.fromkeys(people, 0)
    for place in range(60):
        service.scores[str(FIRST + place)] = 1000 - place
    async with TestClient(TestServer(application(service, boards))) as client:
        yield Many(service, boards, str(client.make_url("")).rstrip("/"), client)


@pytest.mark.parametrize(
    ("query", "first", "count", "expected"),
    [
        ("", "1001", 50, "1 to 50 of 1,200"),
        ("?page=2", "1051", 50, "51 to 100 of 1,200"),
        ("?page=24", "2151", 50, "1,151 to 1,200 of 1,200"),
        ("?page=999999", "2151", 50, "1,151 to 1,200 of 1,200"),
        ("?page=0", "1001", 50, "1 to 50 of 1,200"),
        ("?page=x", "1001", 50, "1 to 50 of 1,200"),
        ("?q=eloise", "1002", 50, "1 to 50 of 300"),
        ("?q=ELOISE&page=6", "2002", 50, "251 to 300 of 300"),
        ("?q=0777+coulibaly", "", 0, "Nobody matches"),
        ("?q=0779+coulibaly", "1780", 1, "1 to 1 of 1"),
        ("?q=1780", "1780", 1, "1 to 1 of 1"),
        ("?q=%3Cscript%3E", "", 0, "Nobody matches “&lt;script&gt;”"),
    ],
)
async def test_pages_and_search_without_script(many: Many, query: str, first: str, count: int, expected: str) -> None:
    text = await many.read(query)
    codes = re.findall(r'<tr role="row" data-code="(\d+)"', text)
    assert (codes[:1], len(codes)) == ([first] if first else [], count)
    assert expected in text
    assert 'name="q"' in text
    assert len(gzip.compress(text.encode())) < 6_000


async def test_links_keep_what_was_searched(many: Many) -> None:
    text = await many.read("?q=aya+kon%C3%A9&page=2")
    assert 'href="?q=aya%20kon%C3%A9&amp;page=1" rel="prev"' in text
    assert 'href="?q=aya%20kon%C3%A9&amp;page=3" rel="next"' in text
    assert "lang=fr" in re.findall(r'href="(\?[^"]*q=aya[^"]*lang=fr)"', text.replace("&amp;", "&"))[0]
    assert 'value="aya koné"' in text
    assert '<meta name="robots" content="noindex">' in text
    further = await many.read("?page=2")
    assert ('content="noindex"' in further, '<link rel="canonical" href="/c/star?page=2">' in further) == (False, True)


async def test_more_pages_than_are_held_are_made_again(many: Many, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("leaderboard.routes.PAGES_KEPT", 2)
    for number in (1, 2, 3, 1, 3, 2):
        many.sell("1001", 1)
        shown = await many.read(f"?page={number}")
        assert f'data-code="{FIRST + (number - 1) * 50}"' in shown
        assert f"{many.service.ranking('star').total_votes:,}" in shown


async def test_places_are_those_of_the_whole_board(many: Many) -> None:
    assert re.findall(r'class="rank">([^<]*)<', await many.read("?page=2"))[:12] == [str(51 + n) for n in range(10)] + [
        "–",
        "–",
    ]


async def test_a_small_contest_has_neither(many: Many) -> None:
    many.service.shown[0] = demo_contest()
    boards, service = Boards(), FakeVotingService()
    async with TestClient(TestServer(application(service, boards))) as client:
        text = await (await client.get("/c/star")).text()
        assert await (await client.get("/c/star?q=unknown&page=7")).text() == text
    assert 'name="q"' not in text
    assert "pager" not in text


@pytest.mark.parametrize(("limit", "status"), [("0", 422), ("1001", 422), ("x", 422), ("50", 200)])
async def test_a_stream_begins_with_as_many_places_as_are_wanted(many: Many, limit: str, status: int) -> None:
    stream = await many.client.get(f"/api/contests/star/leaderboard/events?limit={limit}")
    assert stream.status == status
    if status == 200:
        first = await stream.content.readuntil(b"}\n\n")
        assert first.count(b'"code"') == 50
        many.sell("2200", 5)  # of a candidate far below
        assert b'"changed":[["2200",5]]' in await stream.content.readuntil(b"}\n\n")


@pytest.mark.browser
async def test_who_overtakes_from_another_page_comes_to_the_first_one(many: Many, browser: Browser) -> None:
    context = await browser.new_context(viewport={"width": 360, "height": 740}, locale="en")
    page = await context.new_page()
    loads: list[str] = []
    page.on("load", lambda _: loads.append(page.url))
    await page.goto(f"{many.base}/c/star")
    await expect(page.locator("#state")).to_have_text("Live")
    many.sell("1003", 100)
    await expect(page.locator(".ranking tbody tr").first).to_have_attribute("data-code", "1003")
    many.sell("2200", 5000)
    first = page.locator(".ranking tbody tr").first
    await expect(first).to_have_attribute("data-code", "2200", timeout=10_000)
    await expect(first.locator(".rank")).to_have_text("1")
    await expect(first.get_by_role("link")).to_have_attribute("href", "/c/star/2200")
    await expect(first.get_by_role("link")).to_have_text("Ibrahim Coulibaly 1199")
    await expect(page.locator(".ranking tbody tr")).to_have_count(50)
    await expect(page.locator("tr[data-code='1050']")).to_have_count(0)
    assert loads == [f"{many.base}/c/star"]
    assert await page.evaluate("document.documentElement.scrollWidth") == 360
    await page.get_by_role("link", name="Next →").click()
    await expect(page.locator("#state")).to_have_text("Updated every 15 s")
    await expect(page.locator("tr[data-code='1050'] .rank")).to_have_text("51")
    await page.fill("#q", "1199")
    await page.get_by_role("button", name="Search").click()
    await expect(page.locator(".ranking tbody tr")).to_have_count(1)
    await expect(page.get_by_role("link", name="Moussa Diabaté 0198")).to_have_attribute("href", "/c/star/1199")
    await context.close()
