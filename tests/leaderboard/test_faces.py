"""Photos of candidates on the public page, as a browser fetches and shows them; initials where there is none."""

import io
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace

import pytest
from aiohttp import ClientSession, web
from aiohttp.test_utils import TestServer
from PIL import Image
from playwright.async_api import Browser, ConsoleMessage, Page, Route, ViewportSize, expect

from gateway.contests.contest import Candidate, Picture
from gateway.http.pages import CONTENT_SECURITY_POLICY
from leaderboard.feed import Boards, FeedSettings
from tests.demo import candidate_id, demo_contest
from tests.leaderboard.service import application
from tests.rigs.voting_service import FakeVotingService

pytestmark = pytest.mark.browser

PEOPLE = 80
# Of the packed page.
BYTES_MAX = 14_000


def jpeg() -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (300, 400), "#7a4f2a").save(out, "JPEG")
    return out.getvalue()


@dataclass
class Fetched:
    """A host of photos: who was asked for, with which headers."""

    body: bytes = field(default_factory=jpeg)
    asked: dict[str, dict[str, str]] = field(default_factory=dict)

    async def serve(self, route: Route) -> None:
        self.asked[route.request.url.rpartition("/")[2]] = await route.request.all_headers()
        if route.request.url.endswith("/02.jpg"):
            await route.fulfill(status=404)
            return
        await route.fulfill(body=self.body, content_type="image/jpeg")


def service(people: int) -> FakeVotingService:
    """Candidate 03 has no photo, that of 02 is gone, the leader is 01."""
    quiet = FakeVotingService()
    photos = tuple(
        Candidate(
            candidate_id(n),
            f"{n:02d}",
            f"Candidate {n}",
            photo_url=None if n == 3 else f"https://img.example/{n:02d}.jpg",
        )
        for n in range(1, people + 1)
    )
    quiet.shown = [replace(demo_contest(), candidates=photos, _by_code={})]
    quiet.scores = {c.code: people - n for n, c in enumerate(photos)}
    return quiet


@dataclass
class Opened:
    page: Page
    host: Fetched
    complaints: list[str]


@pytest.fixture
async def opened(browser: Browser) -> AsyncIterator[Opened]:
    boards = Boards(FeedSettings(tick=0.05, viewers_max=10))
    async with TestServer(application(service(PEOPLE), boards)) as server:
        context = await browser.new_context(viewport={"width": 360, "height": 740}, locale="fr")
        page, host, complaints = await context.new_page(), Fetched(), list[str]()

        def hear(message: ConsoleMessage) -> None:
            if message.type in ("error", "warning") and "404" not in message.text:
                complaints.append(message.text)

        page.on("console", hear)
        await page.route("https://img.example/**", host.serve)
        await page.goto(str(server.make_url("/c/star")))
        yield Opened(page, host, complaints)
        await context.close()
    assert complaints == []


async def shown(page: Page, code: str) -> bool:
    found = page.locator(f"tr[data-code='{code}'] i.face img")
    return bool(
        await found.evaluate("async face => { await face.decode().catch(() => 0); return face.naturalWidth > 0 }")
    )


async def test_photos_are_shown_in_places_of_one_size(opened: Opened) -> None:
    page = opened.page
    assert await shown(page, "01")
    for code in ("01", "02", "03", "04"):
        box = await page.locator(f"tr[data-code='{code}'] .face").bounding_box()
        assert box is not None
        assert (box["width"], box["height"]) == (40, 40)
    for code in ("02", "03"):
        face = page.locator(f"tr[data-code='{code}'] .face")
        await expect(face.locator("img")).to_have_count(0)
        await expect(face).to_have_text("C")
    width = await page.evaluate("document.documentElement.scrollWidth")
    assert width == 360


async def test_far_photos_wait_until_they_are_scrolled_to(opened: Opened) -> None:
    page, last = opened.page, f"{PEOPLE:02d}"
    assert await shown(page, "04")
    assert f"{last}.jpg" not in opened.host.asked
    await page.locator(f"tr[data-code='{last}']").scroll_into_view_if_needed()
    assert await shown(page, last)


async def test_their_host_does_not_receive_where_they_are_shown(opened: Opened) -> None:
    assert await shown(opened.page, "01")
    headers = opened.host.asked["01.jpg"]
    assert not {"referer", "cookie", "origin"} & headers.keys()


async def test_no_other_host_may_be_asked(opened: Opened) -> None:
    await opened.page.evaluate("() => { const other = new Image(); other.src = 'https://elsewhere.example/a.png'; }")
    for _ in range(100):
        if opened.complaints:
            break
        await opened.page.wait_for_timeout(20)
    assert "Content Security Policy" in opened.complaints.pop()


async def test_a_hundred_uploaded_photos_are_light_and_ours(browser: Browser) -> None:
    few = service(100)
    own = tuple(
        replace(c, photo=Picture(f"/media/{'0a' * 16}/{secrets.token_urlsafe(16)}", (96, 320, 960), bytes(80)))
        for c in few.shown[0].candidates
    )
    few.shown = [replace(few.shown[0], candidates=own, _by_code={})]
    app = application(few, Boards(FeedSettings(tick=0.05)))
    asked: dict[str, list[str]] = {"2 dots": [], "3 dots": []}

    async def serve(request: web.Request) -> web.Response:
        # Of each screen by itself: a request may arrive after its page is gone.
        asked[request.headers["User-Agent"]].append(request.path)
        return web.Response(body=jpeg(), content_type="image/webp")

    app.router.add_get("/media/{path:.+}", serve)
    async with TestServer(app) as server, ClientSession(auto_decompress=False) as client:
        async with client.get(server.make_url("/c/star"), headers={"Accept-Encoding": "gzip"}) as answer:
            assert len(await answer.read()) <= BYTES_MAX
            assert answer.headers["Content-Security-Policy"] == CONTENT_SECURITY_POLICY
        for dots, side in ((2, 96), (3, 320)):
            screen = f"{dots} dots"
            viewport: ViewportSize = {"width": 360, "height": 740}
            context = await browser.new_context(viewport=viewport, device_scale_factor=dots, user_agent=screen)
            page = await context.new_page()
            await page.goto(str(server.make_url("/c/star")))
            assert await shown(page, "01")
            assert {path.rpartition("-")[2] for path in asked[screen]} == {f"{side}.webp"}
            assert len(asked[screen]) < 100
            await context.close()
