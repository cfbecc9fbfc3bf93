"""The public page as a browser shows it."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from aiohttp.test_utils import TestServer
from playwright.async_api import Page, expect

from gateway.contests.contest import TieBreak
from leaderboard.feed import Boards, FeedSettings
from tests.browser import Tabs
from tests.leaderboard.service import application
from tests.rigs.voting_service import FakeVotingService

pytestmark = pytest.mark.browser

BYTES_MAX, REQUESTS_MAX = 14_000, 6


@dataclass
class Show:
    """A running application and a browser that looks at it."""

    tabs: Tabs
    service: FakeVotingService
    boards: Boards
    base: str
    complaints: list[str] = field(default_factory=list)

    def sell(self, code: str, quantity: int) -> None:
        self.boards.update(self.service.count(code, quantity), [(code, quantity)])

    async def open(self, language: str = "fr", *, script: bool = True, width: int = 360, dark: bool = False) -> Page:
        page = await self.tabs.lend(
            self.complaints,
            script="Math.random = () => 0",  # no test waits longer than needed
            viewport={"width": width, "height": 740},
            locale=language,
            java_script_enabled=script,
            color_scheme="dark" if dark else "light",
        )
        await page.goto(f"{self.base}/c/star")
        return page


@pytest.fixture
async def show(tabs: Tabs) -> AsyncIterator[Show]:
    service, boards = FakeVotingService(), Boards(FeedSettings(tick=0.05, viewers_max=10))
    for code, votes in (("01", 300), ("02", 200), ("03", 100)):
        service.count(code, votes)
    async with TestServer(application(service, boards)) as server:
        seen = Show(tabs, service, boards, str(server.make_url("")).rstrip("/"))
        yield seen
        # Before the server is gone, which a page that is still open would complain about.
        assert seen.complaints == []


async def codes(page: Page) -> list[str]:
    found: list[str] = await page.eval_on_selector_all(".ranking tbody tr", "rows => rows.map(row => row.dataset.code)")
    return found


async def until(page: Page, measure: str, enough: Callable[[int], bool]) -> None:
    """Measured from here: the page's policy lets no script evaluate text inside it."""
    for _ in range(500):
        if enough(await page.evaluate(measure)):
            return
        await asyncio.sleep(0.02)
    pytest.fail(f"still not so: {measure}")


async def test_the_ranking_moves_by_itself(show: Show) -> None:
    page = await show.open()
    await expect(page.locator("#state")).to_have_text("En direct")
    assert (await codes(page))[:3] == ["01", "02", "03"]
    show.sell("03", 4400)
    first = page.locator(".ranking tbody tr").first
    await expect(first).to_contain_text("Mariam Traoré")
    await expect(first.locator(".count")).to_have_text("4\u202f500")
    await expect(first.locator(".share")).to_have_text(re.compile(r"90,0\s%"))
    await expect(page.locator("#total")).to_have_text("5\u202f000")
    await expect(page.locator("#leader")).to_have_text("Mariam Traoré prend la tête")
    assert (await codes(page))[:3] == ["03", "01", "02"]
    assert await page.locator("tr[data-code='01'] .rank").text_content() == "2"
    assert await page.locator("tr[data-code='09'] .rank").text_content() == "–"
    bar = await page.locator("tr[data-code='01'] rect").evaluate("bar => bar.style.transform")
    assert bar.startswith("scaleX(0.0666")
    for delayed, words in ((True, "Retard, 5 s au plus"), (False, "En direct")):
        show.boards.delay(delayed)
        await expect(page.locator("#state")).to_have_text(words)


@pytest.mark.parametrize(
    ("language", "words"), [("fr", "1\u202f240 votes en cours de confirmation"), ("en", "1,240 votes being confirmed")]
)
async def test_votes_that_are_being_confirmed_are_shown_until_none_is(show: Show, language: str, words: str) -> None:
    page = await show.open(language)
    await expect(page.locator("#state")).to_have_attribute("data-state", "live")
    line = page.locator("#confirming")
    await expect(line).to_be_hidden()
    show.boards.confirm({"star": 1240})
    await expect(line).to_have_text(words)
    await page.reload()
    await expect(line).to_have_text(words)
    show.boards.confirm({})
    await expect(line).to_be_hidden()


async def test_rows_glide_unless_motion_is_unwelcome(show: Show) -> None:
    page = await show.open()
    await expect(page.locator("#state")).to_have_text("En direct")
    running = (
        "() => document.querySelector('.ranking').getAnimations({subtree: true})"
        ".filter(a => !a.transitionProperty).length"
    )
    show.sell("03", 1000)
    await until(page, running, lambda count: count > 0)
    await page.emulate_media(reduced_motion="reduce")
    await until(page, running, lambda count: count == 0)
    show.sell("04", 9000)
    await expect(page.locator(".ranking tbody tr").first).to_contain_text("Yao Kouassi")
    assert await page.evaluate(running) == 0
    await page.context.close()


async def test_a_tie_shares_its_place_and_its_light(show: Show) -> None:
    page = await show.open("en")
    await expect(page.locator("#state")).to_have_text("Live")
    show.sell("02", 100)
    await expect(page.locator("tr[data-leads]")).to_have_count(2)
    assert await page.locator("tr[data-code='02'] .rank").text_content() == "1"
    assert await page.locator("tr[data-code='03'] .rank").text_content() == "3"


async def test_where_the_earliest_leads_the_page_says_the_same_as_the_server(show: Show) -> None:
    show.service.shown[0] = replace(show.service.shown[0], tie_break=TieBreak.EARLIEST, _by_code={})
    show.boards.update(show.service.ranking("star"))
    show.sell("03", 100)
    show.sell("05", 200)
    page = await show.open("en")
    await expect(page.locator("#state")).to_have_text("Live")
    assert (await codes(page))[:4] == ["01", "02", "03", "05"]
    show.sell("05", 100)
    show.sell("02", 100)
    await expect(page.locator("tr[data-code='02'] .count")).to_have_text("300")
    shown = await page.eval_on_selector_all(
        ".ranking tbody tr", "rows => rows.map(row => [row.dataset.code, row.querySelector('.rank').textContent])"
    )
    entries = show.service.ranking("star").entries
    assert shown == [[entry.code, str(entry.rank) if entry.votes else "–"] for entry in entries]
    assert shown[:4] == [["01", "1"], ["05", "2"], ["02", "3"], ["03", "4"]]
    await expect(page.locator("tr[data-leads]")).to_have_count(1)


async def test_focus_stays_on_a_row_that_moves(show: Show) -> None:
    page = await show.open()
    await expect(page.locator("#state")).to_have_text("En direct")
    await page.locator("tr[data-code='03'] a").focus()
    show.sell("03", 1000)
    await expect(page.locator(".ranking tbody tr").first).to_contain_text("Mariam Traoré")
    assert await page.evaluate("document.activeElement.getAttribute('href')") == "/c/star/03"


async def test_it_comes_back_after_a_break(show: Show) -> None:
    show.boards.settings = replace(show.boards.settings, reconnect_ms=200)
    page = await show.open()
    await expect(page.locator("#state")).to_have_text("En direct")
    (board,) = [show.boards.find("star")]
    assert board is not None
    for viewer in tuple(board.viewers):
        viewer.farewell(200)
    await expect(page.locator("#state")).to_have_text("Reconnexion…")
    show.sell("02", 500)
    await expect(page.locator("#state")).to_have_text("En direct")
    await expect(page.locator(".ranking tbody tr").first).to_contain_text("Kouadio")


async def test_it_asks_now_and_then_when_too_many_watch(show: Show) -> None:
    show.boards.settings = replace(show.boards.settings, viewers_max=0)
    page = await show.open("en")
    await expect(page.locator("#state")).to_have_text("Updated every 15 s")
    show.complaints = [c for c in show.complaints if "503" not in c]


@pytest.mark.parametrize("language", ["fr", "en"])
async def test_weight_and_requests(show: Show, language: str) -> None:
    context = await show.tabs.chromium.new_context(viewport={"width": 360, "height": 740}, locale=language)
    # A shared worker's connection is no request of the page's: here the page holds its own.
    await context.add_init_script("delete globalThis.SharedWorker")
    page = await context.new_page()
    finished: dict[str, float] = {}
    streamed: dict[str, float] = {}
    requests: list[str] = []
    network = await context.new_cdp_session(page)

    def receive(data: dict[str, Any]) -> None:
        # A stream never finishes: what came of it so far is its head and its plain data.
        if data["response"]["mimeType"] == "text/event-stream":
            streamed[data["requestId"]] = data["response"]["encodedDataLength"]

    def count(data: dict[str, Any]) -> None:
        if data["requestId"] in streamed:
            streamed[data["requestId"]] += data["dataLength"]

    network.on("Network.responseReceived", receive)
    network.on("Network.dataReceived", count)
    network.on("Network.loadingFinished", lambda data: finished.update({data["requestId"]: data["encodedDataLength"]}))
    page.on("request", lambda request: requests.append(request.url))
    await network.send("Network.enable")
    await page.goto(f"{show.base}/c/star")
    await expect(page.locator("#state")).to_have_attribute("data-state", "live")
    await asyncio.sleep(0.3)
    total = sum(finished.values()) + sum(streamed.values())
    print(f"{language}: {total:.0f} bytes, {len(requests)} requests")
    assert (len(finished), len(streamed)) == (5, 1)
    assert len(requests) <= REQUESTS_MAX
    assert total <= BYTES_MAX


async def test_nothing_jumps_when_the_page_becomes_live(show: Show) -> None:
    page = await show.open()
    await expect(page.locator("#state")).to_have_text("En direct")
    await asyncio.sleep(0.2)
    moved = await page.evaluate(
        "new Promise(done => { new PerformanceObserver(list => done(list.getEntries().map(e => e.value)))"
        ".observe({type: 'layout-shift', buffered: true}); setTimeout(() => done([]), 200); })"
    )
    assert sum(moved) < 0.01


async def test_two_languages_one_click_apart(show: Show) -> None:
    page = await show.open("fr")
    await expect(page.locator("h2").first).to_have_text("Classement")
    await page.get_by_role("link", name="English").click()
    await expect(page.locator("h2").first).to_have_text("Ranking")
    await expect(page.locator("html")).to_have_attribute("lang", "en")
    await page.goto(f"{show.base}/")
    await expect(page.locator("h1")).to_have_text("Vote for your stars")


async def test_without_script_the_ranking_and_the_codes_are_there(show: Show) -> None:
    contest = show.service.shown[0]
    show.service.shown[0] = replace(contest, closes_at=show.service.now() + timedelta(seconds=150), _by_code={})
    page = await show.open("en", script=False)
    await expect(page.get_by_role("timer")).to_have_text(re.compile(r"^Closes in 2\smin$"))
    await expect(page.locator(".ranking tbody tr").first).to_contain_text("Aya Koné")
    await expect(page.locator("noscript p")).to_have_text("Updated every 15 s")
    await expect(page.get_by_role("link", name="*789*07*5*1#")).to_have_attribute("href", "tel:*789*07*5*1%23")


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [320, 360, 1280])
async def test_nothing_sticks_out_and_every_target_is_large_enough(show: Show, width: int, dark: bool) -> None:
    page = await show.open("fr", width=width, dark=dark)
    assert await page.evaluate("document.documentElement.scrollWidth") <= width
    small: list[str] = await page.eval_on_selector_all(
        "a:not(.skip):not(.cover), button",
        "all => all.filter(a => { const b = a.getBoundingClientRect();"
        " return b.width && (b.height < 44 || b.width < 44); }).map(a => a.outerHTML)",
    )
    assert small == []


async def test_a_new_candidate_draws_the_page_anew(show: Show) -> None:
    page = await show.open()
    await expect(page.locator("#state")).to_have_text("En direct")
    show.service.add_candidate("13", "Nadia Kacou")
    show.boards.update(show.service.ranking("star"))
    await expect(page.locator(".ranking tbody")).to_contain_text("Nadia Kacou")


async def test_the_end_of_voting_shows_by_itself(show: Show) -> None:
    closes_at = datetime.now(UTC) + timedelta(seconds=3)
    show.service.shown[0] = replace(show.service.shown[0], closes_at=closes_at, _by_code={})
    show.service.instant = closes_at - timedelta(seconds=3)
    page = await show.open()
    left = page.get_by_role("timer")
    await expect(left).to_have_text(re.compile(r"^Clôture dans 0\smin\s[0-3]\ss$"))
    await expect(page.locator("#how")).to_contain_text("*789#")
    show.service.instant = closes_at
    await expect(page.locator("#how")).to_contain_text("Le vote est clos", timeout=10_000)
