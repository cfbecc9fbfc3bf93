"""The public pages together, in a browser: usable by everybody, on small phones, without script."""

import asyncio
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from hashlib import sha256
from typing import Any
from uuid import UUID, uuid4

import pytest
from aiohttp.test_utils import TestServer
from playwright.async_api import BrowserContext, Page, Route, expect

from gateway.contests.brand import Brand, BrandPicture
from gateway.contests.contest import Candidate, CandidateStatus
from gateway.contests.rounds import Round
from gateway.orders.rules import Channel, VoteRequest
from gateway.orders.wallet import PaymentMethod
from gateway.values.msisdn import Msisdn
from leaderboard.feed import Boards, FeedSettings
from leaderboard.log.inclusion import Inclusion
from leaderboard.log.notes import Note
from leaderboard.witness.rules import WitnessAddress
from payments.lifecycle import PublicStatus
from tests.browser import SEEN, Tabs, violations
from tests.channels.web.service import application as voting
from tests.demo import demo_contest
from tests.rigs.logged import ORIGIN, WITNESS, logged
from tests.rigs.photos import halves, saved
from tests.rigs.public_web import application
from tests.rigs.voting_service import RECEIPT, FakeVotingService, counted_receipt
from tests.rigs.voting_service import order_view as view

pytestmark = pytest.mark.browser
BYTES_MAX, REQUESTS_MAX, SCRIPT_MAX, STYLE_MAX, HEADERS = 14_000, 5, 4_000, 5_000, 500
WHITE = "rgb(255, 255, 255)"
PAYER = Msisdn("+2250501020304", "CI")
PAGES = [
    "/",
    "/c/star",
    "/c/star/07",
    "/votes/pending",
    "/votes/redirect",
    "/votes/counted",
    "/verify",
    "/c/star/rules",
    "/c/star/log",
    "/c/star/result",
    "/docs",
]


@dataclass
class Seen:
    """A running application and a browser that looks at it."""

    service: FakeVotingService
    tabs: Tabs
    base: str
    boards: Boards
    addresses: dict[str, str] = field(default_factory=dict)
    complaints: list[str] = field(default_factory=list)

    def order(self, method: PaymentMethod = PaymentMethod.MTN, **changes: object) -> UUID:
        """An order of five votes that stands like this."""
        vote_id = uuid4()
        vote_request = VoteRequest(Channel.WEB, vote_id.hex, self.service.shown[0], "07", 5, method, PAYER, None)
        before = self.service.instant + timedelta(minutes=9)
        self.service.orders[vote_id] = replace(view(vote_id, vote_request), pay_before=before)
        self.service.change(vote_id, **changes)
        return vote_id

    async def context(self, language: str = "fr", width: int = 360) -> BrowserContext:
        """For what a page keeps from one address to the next, or shares with others."""
        return await self.tabs.chromium.new_context(**look(language, width))

    async def open(
        self, path: str, language: str = "fr", width: int = 360, *, script: bool = True, dark: bool = False
    ) -> Page:
        page = await self.tabs.lend(self.complaints, **look(language, width, script=script, dark=dark))
        await page.goto(self.base + self.addresses.get(path, path))
        return page


def look(language: str, width: int, *, script: bool = True, dark: bool = False) -> dict[str, Any]:
    """Options of a context."""
    return {
        "viewport": {"width": width, "height": 740},
        "locale": language,
        "java_script_enabled": script,
        "reduced_motion": "reduce",
        "color_scheme": "dark" if dark else "light",
    }


@pytest.fixture
async def seen(tabs: Tabs) -> AsyncIterator[Seen]:
    service = FakeVotingService(replace(demo_contest(), packs=(5, 20, 50), _by_code={}))
    service.scores["07"] = 1234
    service.receipts[RECEIPT] = counted_receipt()
    service.inclusions[RECEIPT, None] = logged(counted_receipt(), 300)
    boards = Boards(FeedSettings(tick=0.05))
    async with TestServer(application(service, boards=boards)) as server:
        shown = Seen(service, tabs, str(server.make_url("")).rstrip("/"), boards)
        shown.addresses = {
            "/votes/pending": f"/votes/{shown.order()}",
            "/votes/redirect": f"/votes/{shown.order(PaymentMethod.ORANGE, payment_url='https://pay.example/x')}",
            "/votes/counted": f"/votes/{shown.order(status=PublicStatus.COMPLETED, receipt=RECEIPT, pay_before=None)}",
            "/verify": f"/verify/{RECEIPT}",
        }
        yield shown
        # Before the server is gone, which a page that is still open would complain about.
        assert shown.complaints == []


@pytest.mark.parametrize(
    ("language", "width", "dark", "rules"), [("fr", 360, False, ()), ("en", 1280, True, SEEN)], ids=["fr", "en"]
)
async def test_everybody_can_use_every_page(
    seen: Seen, language: str, width: int, dark: bool, rules: tuple[str, ...]
) -> None:
    found: list[tuple[str, str, str]] = []
    page, widths = await seen.open(PAGES[0], language, width, dark=dark), [width, 1640 - width]
    colours = set[int]()
    for path in (*PAGES, f"/c/star/b?lang={language}"):
        await page.goto(seen.base + seen.addresses.get(path, path))
        assert await page.locator("html").get_attribute("lang") == language
        # In this language on the other screen, too; the next page begins there.
        for wide in widths:
            await page.set_viewport_size({"width": wide, "height": 740})
            found += await violations(page, rules, colours) if wide == width else []
            assert await page.evaluate("document.documentElement.scrollWidth") <= wide, path
        widths.reverse()
    await page.set_viewport_size({"width": width, "height": 740})
    assert found == []


@pytest.mark.parametrize(("language", "width", "dark"), [("fr", 360, False), ("en", 1280, True)])
async def test_everybody_can_use_the_pages_of_rounds_and_of_who_was_evicted(
    seen: Seen, language: str, width: int, dark: bool
) -> None:
    contest, now = seen.service.shown[0], seen.service.now()
    hour = timedelta(hours=1)
    rounds = (Round(1, "Demi-finale", now - 3 * hour, now - 2 * hour), Round(2, "Finale", now - hour, now + hour))
    people = [
        replace(one, status=CandidateStatus.EVICTED, evicted_at=now - hour) if one.code == "08" else one
        for one in contest.candidates
    ]
    seen.service.shown[0] = replace(contest, rounds=rounds, candidates=tuple(people), _by_code={})
    seen.service.scores |= {"1:07": 12, "1:08": 9, "2:07": 3}
    page, colours = await seen.open("/docs", language, width, dark=dark), set[int]()
    found: list[tuple[str, str, str]] = []
    for path, total in (("/c/star", 3), ("/c/star?round=1", 21), ("/c/star/08", None)):
        await page.goto(seen.base + path)
        assert await page.evaluate("document.documentElement.scrollWidth") <= width, path
        if total is not None:
            assert await page.locator(".total span").inner_text() == str(total)
        found += await violations(page, SEEN, colours)
    assert found == []


LOGO = BrandPicture("/media/logo", (320, 640), 213, needs_white=True)
BRAND = Brand("#a45700", "#ffc83d", LOGO, BrandPicture("/media/banner", (480, 960), 320))


@pytest.mark.parametrize(("language", "width", "dark"), [("fr", 360, False), ("en", 1280, True)])
async def test_everybody_can_use_the_pages_of_a_brand(seen: Seen, language: str, width: int, dark: bool) -> None:
    seen.service.shown[0] = replace(seen.service.shown[0], brand=BRAND, _by_code={})
    page, colours = await seen.open("/docs", language, width, dark=dark), set[int]()

    async def picture(route: Route) -> None:
        await route.fulfill(body=saved(halves(960, 320), "WEBP"), content_type="image/webp")

    await page.route("**/media/**", picture)
    found: list[tuple[str, str, str]] = []
    for path in PAGES[1:-1]:
        await page.goto(seen.base + seen.addresses.get(path, path))
        assert await page.evaluate("document.documentElement.scrollWidth") <= width, path
        assert await page.locator(".logo").evaluate("one => getComputedStyle(one).backgroundColor") == WHITE
        moved = await page.evaluate(
            "new Promise(done => { new PerformanceObserver(list => done(list.getEntries().map(e => e.value)))"
            ".observe({type: 'layout-shift', buffered: true}); setTimeout(() => done([]), 100); })"
        )
        assert sum(moved) < 0.01, path
        found += await violations(page, SEEN, colours)
    assert found == []
    await page.goto(f"{seen.base}/c/star/07")
    button = page.locator("main form .button").first
    wanted = ("rgb(255, 200, 61)", "rgb(20, 11, 46)") if dark else ("rgb(164, 87, 0)", WHITE)
    assert await button.evaluate("one => getComputedStyle(one).backgroundColor") == wanted[0]
    assert await button.evaluate("one => getComputedStyle(one).color") == wanted[1]
    await page.unroute_all()


@pytest.mark.parametrize("path", PAGES[:-1])
async def test_the_first_view_is_light(seen: Seen, path: str) -> None:
    page = await seen.tabs.lend(seen.complaints, **look("fr", 360))
    network = await page.context.new_cdp_session(page)
    kinds: dict[str, str] = {}
    sizes: dict[str, float] = {}
    network.on("Network.responseReceived", lambda data: kinds.update({data["requestId"]: data["response"]["mimeType"]}))
    network.on("Network.loadingFinished", lambda data: sizes.update({data["requestId"]: data["encodedDataLength"]}))
    await network.send("Network.enable")
    await network.send("Network.clearBrowserCache")
    # This browser's pointer lies at 0, 0 and "moves" when a page appears below it: no reader is about to use the form.
    still = "addEventListener('pointermove', (move) => move.stopImmediatePropagation(), true)"
    await network.send("Page.enable")
    await network.send("Page.addScriptToEvaluateOnNewDocument", {"source": still})
    await page.goto(seen.base + seen.addresses.get(path, path), wait_until="load")
    await page.wait_for_timeout(300)
    by_kind = {kind: sum(sizes.get(one, 0) for one in kinds if kinds[one] == kind) for kind in set(kinds.values())}
    print(path, by_kind)
    assert len(kinds) <= REQUESTS_MAX
    assert sum(by_kind.values()) <= BYTES_MAX
    assert by_kind.get("text/javascript", 0) <= SCRIPT_MAX
    assert by_kind["text/css"] <= STYLE_MAX + 2 * HEADERS
    await network.detach()


async def test_the_keyboard_reaches_content_and_form(seen: Seen) -> None:
    page = await seen.open("/c/star/07", "en")
    await page.keyboard.press("Tab")
    await expect(page.locator(".skip")).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(page.locator("main")).to_be_focused()
    await page.keyboard.press("Tab")
    await expect(page.locator("input[name=pack]:checked")).to_be_focused()
    await page.keyboard.press("ArrowRight")
    await expect(page.locator("#to-pay")).to_have_text("2,000\u00a0FCFA")
    await page.keyboard.press("Tab")
    await expect(page.locator("#phone")).to_be_focused()
    assert await page.locator("#phone").evaluate("field => getComputedStyle(field).outlineStyle") == "solid"
    await page.keyboard.type("0701020304")
    await expect(page.locator(".guess")).to_have_text("This number pays with Orange Money.")
    await page.keyboard.press("Enter")
    await expect(page.locator("h1")).to_have_text("Waiting for your payment")
    (vote_request,) = seen.service.vote_requests
    assert (vote_request.quantity, vote_request.method) == (20, PaymentMethod.ORANGE)


@pytest.mark.parametrize("script", [True, False], ids=["script", "no script"])
async def test_a_vote_from_the_contests_page(seen: Seen, script: bool) -> None:
    page = await seen.open("/c/star", "en", script=script)
    await page.mouse.move(5, 5)
    if script:  # its script comes with the first move
        await expect(page.locator("input[name=nonce]")).to_have_value(re.compile("^[0-9a-f]{32}$"))
    await page.select_option("#code", "07")
    await page.get_by_text("Another number").click()
    await page.fill("#quantity", "7")
    await page.fill("#phone", "05 01 02 03 04")
    await page.click("main form button")
    if not script:
        await expect(page.locator(".notice")).to_contain_text("Nothing has been ordered yet")
        assert seen.service.vote_requests == []
        await page.click("main form button")
    await expect(page.locator("h1")).to_have_text("Waiting for your payment")
    (vote_request,) = seen.service.vote_requests
    assert (vote_request.candidate_code, vote_request.quantity, vote_request.method) == ("07", 7, PaymentMethod.MTN)


@pytest.mark.parametrize(
    ("number", "words"),
    [
        ("05", "MTN MoMo"),
        ("+225 07 01", "Orange Money"),
        ("00225 05", "MTN MoMo"),
        ("22507", "Orange Money"),
        ("0101", "Choisissez ci-dessous"),
        ("0", ""),
    ],
)
async def test_the_wallet_is_guessed_while_typing(seen: Seen, number: str, words: str) -> None:
    page = await seen.open("/c/star/07")
    await page.fill("#phone", number)
    await expect(page.locator(".guess")).to_have_text(re.compile(words) if words else "")


async def test_a_pack_and_a_typed_number_are_never_meant_together(seen: Seen) -> None:
    page = await seen.open("/c/star/07")
    await expect(page.locator("#quantity")).to_be_hidden()
    await page.get_by_text("Autre nombre").click()
    await page.fill("#quantity", "3")
    await expect(page.locator("#to-pay")).to_have_text("300\u00a0FCFA")
    await page.get_by_label("50 5").click()
    await expect(page.locator("#quantity")).to_have_value("")
    await expect(page.locator("#to-pay")).to_have_text("5\u202f000\u00a0FCFA")


async def test_an_order_is_followed_by_one_question_for_all(seen: Seen) -> None:
    path = seen.addresses["/votes/pending"]
    first, second = await seen.open(path, "en"), await seen.open("/votes/redirect", "en")
    await expect(first.get_by_role("timer")).to_have_text(re.compile(r"^8:5\d|9:00$"))
    await expect(first.locator(".advice")).to_contain_text("*133#")
    await expect(second.get_by_role("link", name="Open the Orange Money page")).to_have_attribute(
        "href", "https://pay.example/x"
    )
    seen.service.change(UUID(path[7:]), status=PublicStatus.COMPLETED, receipt=RECEIPT, pay_before=None)
    await expect(first.locator("#news")).to_have_text("Vote counted")
    await expect(first.locator("h1")).to_have_text("Vote counted")
    await expect(first).to_have_title("Vote counted · Spotlight")
    await expect(second.locator("h1")).to_have_text("Waiting for your payment")


async def test_the_browser_checks_a_proof_by_itself(seen: Seen) -> None:
    vote = counted_receipt()
    true, behind = logged(vote, 300), logged(vote, 150)
    seen.service.inclusions[RECEIPT, 150] = behind
    witness = WitnessAddress(WITNESS.key, "https://witness.example")
    at_the_witness: dict[str, Any] = {"body": true.checkpoint, "headers": {"Access-Control-Allow-Origin": "*"}}

    server = TestServer(voting(seen.service, witnesses=(witness,)))
    page = await seen.tabs.lend(seen.complaints, **look("en", 360))
    asked = f"{witness.url}/{sha256(ORIGIN.encode()).hexdigest()}/checkpoint"
    await page.route(asked, lambda route: route.fulfill(**at_the_witness))

    async def read(inclusion: Inclusion, mark: str = "✓") -> str:
        seen.service.inclusions[RECEIPT, None] = inclusion
        await page.goto(str(server.make_url(seen.addresses["/verify"])))
        await expect(page.locator("#checks p")).to_have_count(4)
        await expect(page.locator("#result")).to_have_class("notice good" if mark == "✓" else "notice bad")
        return "".join([text[0] for text in await page.locator("#checks p").all_text_contents()])

    async with server:
        assert await read(true) == "✓✓✓✓"
        # The witness is behind us, has another list of its size, a forged signature, or nothing.
        at_the_witness["body"] = behind.checkpoint
        assert await read(true) == "✓✓✓✓"
        at_the_witness["body"] = logged(replace(vote, quantity=6), 150).checkpoint
        assert await read(true, "✗") == "✓✓✓✗"
        at_the_witness["body"] = true.checkpoint.replace(WITNESS.key.name, "another.example")
        assert await read(true, "✗") == "✓✓✓✗"
        at_the_witness["body"] = logged(replace(vote, tally_number=3), 20).checkpoint
        assert await read(true) == "✓✓✓–"
        at_the_witness["body"] = true.checkpoint

        # Forged by us: another vote in the leaf, a hash of the path, the root that was signed, the signature.
        assert await read(replace(true, leaf=logged(replace(vote, quantity=6), 300).leaf), "✗") == "✗✗✓✗"
        assert await read(replace(true, salt=bytes(16)), "✗") == "✗✓✓✓"
        assert await read(replace(true, path=(*true.path[:-1], bytes(32))), "✗") == "✓✗✓✗"
        assert await read(replace(true, checkpoint=logged(replace(vote, quantity=6), 300).checkpoint), "✗") == "✓✗✓✓"
        note = Note.read(true.checkpoint)
        wrong = replace(note.signatures[0], made=bytes(64))
        assert await read(replace(true, checkpoint=Note(note.text, (wrong,)).written), "✗") == "✓✓✗✓"

        # A leaf that is sealed is opened with its own key.
        sealed = logged(vote, 300, key=bytes(32))
        at_the_witness["body"] = sealed.checkpoint
        assert await read(sealed) == "✓✓✓✓"
        assert "The line in the list is sealed." in str(await page.locator("#checks").text_content())
        assert await read(replace(sealed, leaf_key=bytes(32)), "✗") == "✗✓✓✓"
    await page.unroute_all()


async def test_the_time_left_is_the_operators_and_is_shown_once_it_is_known(seen: Seen) -> None:
    vote_id = seen.order(pay_before=None)
    page = await seen.open(f"/votes/{vote_id}", "en")
    timer = page.get_by_role("timer")
    await expect(timer).to_have_text("asking the operator…")
    seen.service.change(vote_id, pay_before=seen.service.instant + timedelta(seconds=323))
    await expect(timer).to_have_text(re.compile(r"^5:(1\d|2[0-3])$"))
    bare = await seen.open(f"/votes/{vote_id}", "en", script=False)
    await expect(bare.get_by_role("timer")).to_have_text("about 6 min")


async def test_a_contest_whose_time_is_over_is_shown_as_over(seen: Seen) -> None:
    late = seen.order(pay_before=seen.service.instant - timedelta(seconds=1))
    page = await seen.open(f"/votes/{late}", "en")
    await expect(page.get_by_role("timer")).to_have_text("over, we are asking the operator")


async def test_a_card_goes_to_its_page_by_itself_and_once(seen: Seen) -> None:
    vote_id = seen.order(PaymentMethod.CARD)
    page = await seen.open(f"/votes/{vote_id}", "en")
    await expect(page.locator("h2").first).to_have_text("Pay by card")
    seen.service.change(vote_id, payment_url=f"{seen.base}/docs")
    await expect(page.locator("h1")).to_contain_text("API")
    await page.goto(f"{seen.base}/votes/{vote_id}")
    await expect(page.get_by_role("link", name="Open the payment page")).to_be_visible()


async def test_eight_tabs_load_and_move_over_shared_connections(seen: Seen) -> None:
    context = await seen.context("en", 1280)
    tabs = [await context.new_page() for _ in range(8)]
    vote_id = UUID(seen.addresses["/votes/pending"][7:])
    boards, orders = tabs[:6], tabs[6:]
    for tab in boards:
        await tab.goto(f"{seen.base}/c/star", timeout=10_000)
        await expect(tab.locator("#state")).to_have_text("Live")
    for tab in orders:
        await tab.goto(f"{seen.base}/votes/{vote_id}", timeout=10_000)
        await expect(tab.locator("h1")).to_have_text("Waiting for your payment")
    assert seen.boards.viewers == 1
    seen.boards.update(seen.service.count("07", 1111), [("07", 1111)])
    seen.service.change(vote_id, status=PublicStatus.COMPLETED, receipt=RECEIPT, pay_before=None)
    for tab in boards:
        await expect(tab.locator("#total")).to_have_text("2,345")
    for tab in orders:
        await expect(tab.locator("h1")).to_have_text("Vote counted")
    await boards[0].close()
    late = await context.new_page()  # what the others received before is not sent again: it asks once
    asked, overtaken = asyncio.Event(), asyncio.Event()

    async def slowly(route: Route) -> None:
        answer = await route.fetch()
        asked.set()
        await overtaken.wait()
        await route.fulfill(response=answer)

    await late.route("**/leaderboard?limit=*", slowly)
    await late.goto(f"{seen.base}/c/star", timeout=10_000)
    await expect(late.locator("#state")).to_have_text("Live")
    await asked.wait()
    seen.boards.update(seen.service.count("07", 55), [("07", 55)])
    for tab in (*boards[1:], late):
        await expect(tab.locator("#total")).to_have_text("2,400")
    assert seen.boards.viewers == 1
    async with late.expect_event("requestfinished", lambda request: "limit=" in request.url):
        overtaken.set()
    await late.evaluate("() => new Promise((done) => setTimeout(done, 50))")
    assert await late.locator("#total").get_attribute("data-votes") == "2400"


async def test_more_streams_than_a_browser_has_connections_are_asked_for_now_and_then(seen: Seen) -> None:
    context = await seen.context("en")
    votes = [seen.order() for _ in range(7)]
    tabs = [await context.new_page() for _ in votes]
    for tab, vote_id in zip(tabs, votes, strict=True):
        await tab.goto(f"{seen.base}/votes/{vote_id}", timeout=10_000)
    for vote_id in votes:
        seen.service.change(vote_id, status=PublicStatus.COMPLETED, receipt=RECEIPT, pay_before=None)
    for tab in tabs:
        await expect(tab.locator("h1")).to_have_text("Vote counted", timeout=10_000)


async def test_without_shared_workers_only_the_tab_in_view_is_connected(seen: Seen) -> None:
    context = await seen.context("en")
    await context.add_init_script("delete globalThis.SharedWorker")
    page = await context.new_page()
    await page.goto(f"{seen.base}/c/star")
    await expect(page.locator("#state")).to_have_text("Live")
    look = "hidden => { Object.defineProperty(document, 'hidden', { value: hidden, configurable: true });"
    look += " document.dispatchEvent(new Event('visibilitychange')); }"
    for hidden, viewers in ((True, 0), (False, 1)):
        assert seen.boards.viewers == 1 - viewers
        await page.evaluate(look, hidden)
        for _ in range(250):
            if seen.boards.viewers == viewers:
                break
            await asyncio.sleep(0.02)
        assert seen.boards.viewers == viewers


async def test_a_contest_of_many_has_its_search_and_its_form_near_the_top(seen: Seen) -> None:
    ranking = tuple(Candidate(UUID(int=n), str(1001 + n), f"Aya Koné {n:04d}") for n in range(1200))
    seen.service.shown = [replace(seen.service.shown[0], candidates=ranking, _by_code={})]
    tops = {}
    for language, width, rules in (("fr", 360, ()), ("en", 1280, SEEN)):
        page = await seen.open("/c/star", language, width)
        assert await violations(page, rules) == []
        assert await page.evaluate("document.documentElement.scrollWidth") <= width
        for place in ("#search", "#vote", ".ranking"):
            box = await page.locator(place).bounding_box()
            assert box is not None
            tops[width, place] = box["y"]
    assert tops[360, "#search"] < tops[360, "#vote"] < tops[360, ".ranking"]
    assert max(tops[360, "#vote"], tops[1280, "#vote"], tops[1280, ".ranking"]) < 740
    await page.fill("#vote #code", "1777")
    await page.get_by_text("Another number").click()
    await page.fill("#quantity", "7")
    await page.fill("#phone", "05 01 02 03 04")
    await page.click("#vote button")
    await expect(page.locator("h1")).to_have_text("Waiting for your payment")
    assert seen.service.vote_requests[0].candidate_code == "1777"


async def test_two_languages_one_click_apart(seen: Seen) -> None:
    page = await seen.open("/c/star/07?votes=20", "fr")
    await page.get_by_role("link", name="English").click()
    await expect(page.locator("html")).to_have_attribute("lang", "en")
    await expect(page.locator("input[name=pack]:checked")).to_have_value("20")
    await page.goto(f"{seen.base}/docs")
    await expect(page.locator("h1")).to_contain_text("Spotlight's API")
