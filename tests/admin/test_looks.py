"""The back office in a browser: two languages, small and wide, light and dark, usable by everybody."""

import re
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from html import unescape
from typing import Any
from urllib.parse import parse_qsl, quote

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer, make_mocked_request
from PIL import Image
from playwright.async_api import FilePayload, Page, Route, expect
from pydantic import SecretStr
from sqlalchemy import text

from admin.access.passkeys import Site
from admin.access.rules import Role
from admin.alerts.store import ALERTS, NewDestination
from admin.candidates.store import CANDIDATES, Edit
from admin.contests.juries import JURIES
from admin.contests.photos import PHOTOS
from admin.people.lost_factor import FACTOR_RESETS
from admin.people.store import NewInvitation
from admin.videos.cloudinary import Cloudinary, CloudinarySettings
from channels.web.nominations import CORRECTIONS, NOMINATIONS
from gateway.contests.contest import CandidateStatus
from gateway.contests.nominations import Nominee
from gateway.contests.pictures import resizing
from payments.requests import Act
from payments.rollups.store import Rollups
from tests.admin.back_office import PASSWORD, Office, open_office, open_ticket
from tests.browser import SEEN, Tabs, violations
from tests.rigs.photos import halves, saved

pytestmark = pytest.mark.browser
AWA, YAO, AUDITOR = "awa@house.test", "yao@house.test", "audit@house.test"
BYTES_MAX = 60_000
# What a browser says of a list that is asked for with an instant that is none.
BAD_INSTANT = ("422", "does not conform to the required format")


@dataclass
class Seen:
    """The back office and a browser that looks at it."""

    office: Office
    tabs: Tabs
    base: str
    complaints: list[str]

    async def sign_in(
        self,
        email: str,
        language: str = "fr",
        width: int = 360,
        *,
        dark: bool = False,
        script: bool = True,
        judged: bool = False,
    ) -> Page:
        """A page of a person who is signed in. `judged`: the page on which they do so too."""
        page = await self.tabs.lend(
            self.complaints,
            viewport={"width": width, "height": 740},
            locale=language,
            reduced_motion="reduce",
            color_scheme="dark" if dark else "light",
            java_script_enabled=script,
        )
        await page.goto(f"{self.base}/admin")
        if judged:
            await self.judge(page, language, width)
        await page.fill("#email", email)
        await page.fill("#password", PASSWORD)
        await page.click("main form button")
        await expect(page.locator("nav.languages")).to_be_visible()
        return page

    async def judge(
        self, page: Page, language: str, width: int, rules: Sequence[str] = (), known: set[int] | None = None
    ) -> None:
        """The page passes the checks of accessibility. `rules`: only these; `known`: colours that passed before."""
        assert await page.locator("html").get_attribute("lang") == language
        assert await page.evaluate("document.documentElement.scrollWidth") <= width, page.url
        assert await violations(page, rules, known) == []


async def _poster(_: web.Request) -> web.Response:
    return web.Response(body=saved(halves()), content_type="image/jpeg")


@pytest.fixture
async def seen(database: Any, tabs: Tabs) -> AsyncIterator[Seen]:
    # Another server, in the place of routes of Playwright: with those a browser keeps no files.
    videos = web.Application()
    videos.router.add_get("/{path:.*}", _poster)
    async with TestServer(videos) as delivery:
        account = CloudinarySettings(
            cloud_name="cloud",
            api_key="1",
            api_secret=SecretStr("secret"),
            delivery_base_url=str(delivery.make_url("")).rstrip("/"),
        )
        async with open_office(database.app_url, cloudinary=Cloudinary(account, "http://here.test")) as office:
            await office.hire(AWA)
            await office.hire(YAO, Role.FINANCE)
            shown = Seen(office, tabs, str(office.server.make_url("")).rstrip("/"), [])
            yield shown
            # Before the server is gone, which a page that is still open would complain about.
            assert shown.complaints == []


async def film(office: Office) -> None:
    """Uploads of a candidate in every state."""
    lines = (
        ("issued", None, None),
        ("uploaded", 3, None),
        ("ready", 3, None),
        ("approved", 3, None),
        ("rejected", 3, "too_long"),
        ("gone", 3, None),
    )
    async with office.rig.engine.begin() as connection:
        for state, version, fault in lines:
            await connection.execute(
                text(
                    "insert into video_uploads (public_id, contest_id, candidate_id, state, issued_by, version, bytes,"
                    " milliseconds, width, height, fault, reason, decided_by, decided_at) select 'v/' || :state,"
                    " contest_id, id, :state, 'awa@house.test', :version, 5000000, 42000, 720, 1280, :fault,"
                    " 'la famille demande', 'awa@house.test', now() from candidates where code = '07'"
                    " and contest_id = (select id from contests where slug = 'star')"
                ),
                {"state": state, "version": version, "fault": fault},
            )


async def furnished(office: Office) -> list[str]:
    """A service in which something of everything happened; addresses of all pages."""
    await film(office)
    await office.app[PHOTOS].keep(None, "star", "07", saved(halves()), AWA)
    rig = office.rig
    await rig.new_rules(jury_percent=30)
    counted, held = await rig.counted(), await rig.held(number="+2250501020305")
    late = await rig.late(number="+2250501020306")
    await rig.callback(counted, b'{"status": "SUCCESSFUL"}')
    await open_ticket(rig, counted)
    await Rollups(rig.engine).catch_up()
    async with rig.engine.begin() as connection:
        await connection.execute(text("update refunds set status = 'manual', reason_code = 'no_refunds'"))
        await connection.execute(
            text(
                "insert into differences (provider, kind, amount_minor, currency, detail)"
                " values ('mtn_momo', 'balance', 500, 'XOF', 'collection: the operator has 500, the book 0 XOF')"
            )
        )
        await connection.execute(
            text(
                "update contests set hidden_from = now() - interval '1 minute', blackout_sealed = true,"
                " announcement_at = now() + interval '2 hours' where slug = 'star'"
            )
        )
        await connection.execute(
            text(
                "with head as (insert into log_heads (contest_id, size)"
                " select id, 99 from contests where slug = 'star' returning contest_id)"
                " insert into log_seals (contest_id, number, key_cipher, sha256, began_index, released_at, asked_by,"
                " agreed_by, opened_index)"
                " select contest_id, 1, sha256(''), sha256(''), 1, now(),"
                " 'awa@house.test', 'sita@house.test', 9 from head"
                " union all select contest_id, 2, sha256(''), sha256(''), 11, cast(null as timestamptz),"
                " null, null, cast(null as bigint) from head"
            )
        )
        await connection.execute(
            text(
                "insert into account_health (account, closed_until, reason)"
                " values ('orange_money', now() + interval '1 hour', 'answers 503')"
            )
        )
    await prepare_files(office)
    await judge(office)
    await nominate(office)
    own = [*await its_own_page(office), await lost_factor(office)]
    asked = await rig.acts.ask(Act.REFUND_PAYMENT, str(counted.payment_reference), {}, "la votante a appelé", YAO)
    for channel, address in (("mail", AWA), ("telegram", ""), ("webhook", "https://hooks.example.org/in")):
        new = NewDestination.model_validate({"channel": channel, "address": address, "kinds": ["held", "burst"]})
        made = await office.app[ALERTS].add("demo", new, None, AWA)
    await office.app[ALERTS].test("demo", made.id, None, AWA)
    window = {"from": "2026-01-01T00:00:00+00:00", "to": "2036-01-01T00:00:00+00:00"}
    void = await rig.acts.ask(Act.VOID_WINDOW, "star", window, "un essai de la ligne", YAO)
    return [
        "/admin",
        "/admin/search",
        f"/admin/orders/{counted.vote_id}",
        f"/admin/orders/{held.vote_id}",
        f"/admin/orders/{late.vote_id}",
        "/admin/requests",
        f"/admin/requests/{asked}",
        f"/admin/requests/{void}",
        "/admin/refunds",
        "/admin/held",
        "/admin/tickets",
        "/admin/void?contest=star&from=2026-01-01T00:00&to=2036-01-01T00:00",
        "/admin/book",
        "/admin/reconciliation",
        "/admin/payouts",
        "/admin/ledger",
        "/admin/contests",
        "/admin/contests/new",
        "/admin/contests/star",
        "/admin/contests/star/edit",
        "/admin/contests/star/figures",
        "/admin/contests/star/figures?span=ever&candidate=03",
        "/admin/contests/star/lint",
        "/admin/contests/star/preview",
        "/admin/contests/star/brand",
        "/admin/contests/star/fraud",
        "/admin/contests/star/fraud/limits",
        "/admin/contests/star/fraud/entries",
        f"/admin/contests/star/fraud/payments/{held.payment_reference}",
        "/admin/contests/star/brand?accent=%23ffc83d&accent_dark=x",
        "/admin/brand/demo",
        "/admin/alerts/demo",
        "/admin/platform-alerts",
        "/admin/contests/star/tally",
        "/admin/contests/star/result",
        "/admin/contests/star/log",
        "/admin/contests/star/orders",
        "/admin/contests/star/orders?state=held",
        "/admin/contests/star/exports?what=payments&state=held",
        "/admin/contests/star/file",
        "/admin/contests/star/rounds",
        "/admin/contests/star/studio",
        "/admin/contests/star/announcement",
        "/admin/contests/star/jury?juror=1",
        "/admin/contests/star/result",
        "/admin/contests/star/rules",
        "/admin/contests/star/candidates",
        "/admin/contests/star/candidates/new",
        "/admin/contests/star/candidates/import",
        "/admin/contests/star/candidates/08",
        "/admin/contests/star/candidates/09",
        "/admin/contests/star/moderation",
        "/admin/me",
        "/admin/factor",
        "/admin/factor-reset/x",
        "/admin/orders/x",
        "/admin/contests/star/photos",
        "/admin/contests/star/candidates/07/photo",
        "/admin/contests/star/candidates/08/photo",
        "/admin/people",
        "/admin/organisers",
        "/admin/organisers/demo",
        "/admin/organisers/demo/fees",
        "/admin/contests/star/candidates/07/video",
        "/admin/contests/star/candidates/08/video",
        "/c/star/nominate",
        *own,
    ]


async def judge(office: Office) -> None:
    """Points of a juror that count, and of another one that wait."""
    juries, codes = office.app[JURIES], [one.code for one in office.rig.contest.eligible]
    for number, name in enumerate(("Mariam Koné", "Ibrahim Traoré"), start=1):
        await juries.add_juror("star", name, None, AWA)
        points = {code: 10 * number + place for place, code in enumerate(codes)}
        sheet = await juries.enter("star", (0, "", number), points, None, YAO)
        if number == 1:
            await juries.decide("star", sheet.id, None, AWA, agree=True)


async def prepare_files(office: Office) -> None:
    """A file in the background of every state, of several kinds."""
    filled = [
        ("waiting", "now() + interval '1 hour'", "null", "'journal'", "null", "''", "null"),
        ("making", "now() + interval '1 hour'", "null", "'orders'", "null", "'state=held'", "null"),
        ("ready", "null", "now() + interval '1 day'", "'month'", "'2026-11'", "''", "null"),
        ("ready", "null", "now() + interval '1 day'", "'payments'", "null", "''", "'pour le contrôle'"),
        ("ready", "null", "now() - interval '1 hour'", "'orders'", "null", "''", "null"),
        ("failed", "null", "null", "'journal'", "null", "''", "null"),
        ("cancelled", "null", "null", "'orders'", "null", "''", "null"),
    ]
    async with office.rig.engine.begin() as connection:
        for key, values in enumerate(filled):
            state, *others = values
            await connection.execute(
                text(
                    "insert into exports (id, contest_id, asked_by, asked_key, language, by_platform, rows_done,"
                    " rows_total, state, try_at, expires_at, kind, month, query, reason) values (gen_random_uuid(),"
                    f" :contest, 'mariam@house.test', :key, 'fr', true, 41250, 183000, :state, {', '.join(others)})"
                ),
                {"contest": office.rig.contest.id, "key": str(key), "state": state},
            )


async def nominate(office: Office) -> None:
    """Two candidates wait, of whom one looks like a third."""
    store = office.app[CANDIDATES]
    await store.import_file("star", None, "name,status\nKoné Awa,\nLéa,waiting\n".encode(), None, AWA)
    edit = Edit(category="Chant", text="Chanteuse de Bouaké.\nDeux albums.")
    await store.edit("star", "13", None, edit, AWA)
    await store.edit("star", "08", None, Edit(status=CandidateStatus.REJECTED, reason="Pas d'âge"), AWA)
    await store.edit("star", "09", None, Edit(status=CandidateStatus.EVICTED, reason="Dernière de la soirée"), AWA)


# What our own records and programs call things, times as programs write them, and English where French is read.
RAW = re.compile(
    r"\b(mtn_momo|orange_money|orange_money_cm|no_refunds|refund_payment|operator_clearing|organiser_payable)\b"
    r"|\b\d{4}-\d\d-\d\d[T ]\d\d:|\b(settled|refund_due|submitted|ussd)\b"
)
ENGLISH = re.compile(r"\b(the|and|with|not|votes of|was|are)\b")
# What is shown as it was written, by us or by a person.
WRITTEN = "code, pre, textarea, input, select, [lang=en], .story .soft, .stamp, dd, .notice, nav.languages"


async def shown(page: Page, left: str) -> str:
    """The text of a page without these elements."""
    read = "left => { const copy = document.querySelector('main').cloneNode(true);"
    read += " copy.querySelectorAll(left).forEach(one => one.remove()); return copy.textContent }"
    text: str = await page.evaluate(read, left)
    return text


async def lost_factor(office: Office) -> str:
    """Two persons agreed that a second factor is lost; where the mail about it leads."""
    sita, lost = await office.hire("sita@house.test", Role.ADMINISTRATOR), await office.hire("lost@house.test")
    await office.set_up_factor(lost)
    person = await office.rig.one("select id from staff where email = :email", email=lost)
    await office.app[FACTOR_RESETS].ask(AWA, person, "le téléphone est perdu")
    await office.app[FACTOR_RESETS].agree(sita, person)
    return str((await office.mails(lost))[-1].params["link"])


async def its_own_page(office: Office) -> list[str]:
    """A contest takes nominations; one waits, and a candidate asks for a change. The addresses of both."""
    async with office.rig.engine.begin() as connection:
        await connection.execute(
            text(
                "update contests set nominations = true, nominations_close_at = closes_at - interval '1 hour'"
                " where slug = 'star'"
            )
        )
    await office.rig.directory.refresh()
    nominee = Nominee("Zita Sow", "zita@example.org", "Chant", "Chanteuse.", consent=True)
    token = await office.app[NOMINATIONS].nominate("star", nominee, "n" * 24, "fr")
    link = await office.app[CANDIDATES].new_link("star", "07", None, AWA)
    found = await office.app[NOMINATIONS].find(link.rpartition("/")[2])
    assert found is not None
    await office.app[CORRECTIONS].set_text(found.contest, found.candidate, "Deux albums, et bientôt trois.")
    await office.app[CORRECTIONS].set_photo(found.contest, found.candidate, saved(halves()))
    return [f"/nominations/{token}", link]


@pytest.mark.parametrize(
    ("language", "width", "dark", "rules"), [("fr", 360, False, ()), ("en", 1280, True, SEEN)], ids=["fr", "en"]
)
async def test_everybody_can_use_every_page(
    seen: Seen, language: str, width: int, dark: bool, rules: Sequence[str]
) -> None:
    addresses = await furnished(seen.office)
    assert unseen(seen.office, addresses) == set()
    page, odd = await seen.sign_in(AWA, language, width, dark=dark, judged=True), set[tuple[str, ...]]()
    colours, widths = set[int](), [width, 1640 - width]
    for address in addresses:
        await page.goto(seen.base + address)
        await page.eval_on_selector_all("details", "all => all.forEach(one => { one.open = true })")
        # In this language on the other screen, too; the next page begins there.
        for wide in widths:
            await page.set_viewport_size({"width": wide, "height": 740})
            if wide == width:
                await seen.judge(page, language, width, rules, colours)
            assert await page.evaluate("document.documentElement.scrollWidth") <= wide, address
        widths.reverse()
        odd |= {(address, *found) for found in RAW.findall(await shown(page, "code, pre, textarea, select, [lang=en]"))}
        if language == "fr":
            odd |= {(address, found) for found in ENGLISH.findall(await shown(page, WRITTEN))}
    await page.set_viewport_size({"width": width, "height": 740})
    assert odd == set()
    seen.complaints[:] = [one for one in seen.complaints if not any(known in one for known in ("404", *BAD_INSTANT))]


# Files, and addresses that lead elsewhere: to a list where a form was left, to the order of a payment.
NO_PAGES = re.compile(
    r"\.(?:csv|json|pdf|xlsx)$|^/admin/(acts|alerts$|brand|me/codes|sign-out|payments/)"
    r"|/candidates/(settings|change|import/apply|.*/(link|decide|correction))$"
    r"|/live$|/exports/{export_id}/file$"
)


def unseen(office: Office, addresses: list[str]) -> set[str]:
    """Pages of the back office that are at none of these addresses, nor looked at as one signs in."""
    pages = {
        route.resource.canonical: route.handler
        for route in office.app.router.routes()
        if route.method == "GET" and route.resource is not None
    }
    # Where forms lead that were left: the handler of a page that is looked at.
    seen = {route.split("?")[0] for route in (*addresses, *SIGNING_IN)}
    looked_at = {
        handler
        for path, handler in pages.items()
        if any(re.fullmatch(re.sub(r"\\{\w+\\}", "[^/]+", re.escape(path)), one) for one in seen)
    }
    return {
        path
        for path, handler in pages.items()
        if path.startswith("/admin") and handler not in looked_at and not NO_PAGES.search(path)
    }


# What tests of invitations and passwords look at.
SIGNING_IN = ("/admin/sign-in", "/admin/reset", "/admin/reset/x", "/admin/invitation/x")


def attribute(tag: str, name: str) -> str:
    """The value of a tag's attribute, else nothing."""
    found = re.search(rf'\s{name}="([^"]*)"', tag)
    return unescape(found[1]) if found else ""


async def test_an_auditor_reads_every_page_and_changes_nothing(seen: Seen) -> None:
    office, rig = seen.office, seen.office.rig
    await furnished(office)
    await office.hire(AUDITOR, Role.AUDITOR, "demo", "star")
    order = await rig.counted(number="+2250501020308")
    before: datetime = await rig.one("select clock_timestamp()")
    asked = await rig.acts.ask(Act.REFUND_PAYMENT, str(order.payment_reference), {}, "la votante a appelé", AWA)
    await rig.acts.decide(asked, YAO, approve=True)
    page = await seen.sign_in(AUDITOR, "en", 1280)
    # One page of each kind that a link leads to, from the menu on.
    known, left = set[str](), ["/admin"]
    while left:
        address = left.pop(0)
        info = await office.app.router.resolve(make_mocked_request("GET", address.split("?")[0]))
        assert info.route.resource is not None
        if (
            (kind := info.route.resource.canonical) in known
            or NO_PAGES.search(kind)
            or kind.endswith((".csv", ".xlsx", ".pdf"))
        ):
            continue
        known.add(kind)
        answer = await page.request.get(seen.base + address)
        assert answer.status == 200, address
        html = await answer.text()
        forms = re.findall(r"<form\b[^>]*", html)
        sent = [attribute(one, "action") for one in forms if attribute(one, "method") == "post"]
        # On their own account alone, to search, and to have files made that they take away.
        own = address in ("/admin/me", "/admin/factor") or kind.endswith("/exports")
        assert "/admin/sign-out" in sent, address
        assert own or set(sent) <= {"/admin/search", "/admin/sign-out"}, (address, sent)
        links = [attribute(one, "href") for one in re.findall(r"<a\b[^>]*", html)]
        left += [one for one in links if one.startswith("/admin")]
    tally = "/admin/contests/{slug}/tally"
    assert {tally, "/admin/contests/{slug}/log", "/admin/orders/{vote_id}", "/admin/ledger", "/admin/payouts"} <= known
    assert not {"/admin/people", "/admin/reconciliation"} & known
    # The vote is there as of a moment before its refund, and gone after it.
    place = f"/admin/orders/{order.vote_id}"
    await page.goto(f"{seen.base}/admin/contests/star/tally")
    taken = page.get_by_role("row").filter(has_text="takes back no.")
    await expect(taken).to_have_count(1)
    await page.get_by_text("See an earlier moment").click()
    await page.fill("#as-of", "2020-01-01T10:00:00")
    await page.get_by_role("button", name="Show this moment").click()
    await expect(page.locator(".notice.past")).to_contain_text("As of 1 January 2020, 10:00 GMT.")
    await expect(page.get_by_text("Nothing was counted yet.")).to_be_visible()
    await page.goto(f"{seen.base}/admin/contests/star/tally?asOf={quote(before.isoformat())}")
    await expect(taken).to_have_count(0)
    await page.goto(seen.base + place)
    await expect(page.locator("main .tag").first).to_have_text("counted")
    await page.get_by_role("link", name="Back to now").click()
    await expect(page.locator("main .tag").first).to_have_text("to be refunded")
    seen.complaints.clear()


async def test_what_the_studio_chooses_is_on_air_and_stays_while_the_service_is_away(seen: Seen) -> None:
    page, office = await seen.sign_in(AWA, "en", 1280), seen.office
    await page.goto(f"{seen.base}/admin/contests/star/studio")
    await page.fill("#places", "12")
    await page.click("#content + form button")
    await page.click("#view + .row button[value=board]")
    await expect(page.frame_locator(".on-air").locator("li")).to_have_count(12)
    async with office.rig.engine.begin() as connection:
        await connection.execute(text("update candidates set name = repeat('Kouamé-N''Guessan ', 5) where code = '02'"))
    await office.rig.directory.refresh()
    link = await page.locator("#address").input_value()
    await page.set_viewport_size({"width": 1920, "height": 1080})
    await page.goto(link)
    await expect(page.locator("li")).to_have_count(12)
    boxes = [await one.bounding_box() for one in await page.locator("header, li").all()]
    edges = [(box["x"], box["y"], box["x"] + box["width"], box["y"] + box["height"]) for box in boxes if box]
    lefts, tops, rights, bottoms = zip(*edges, strict=True)
    assert (min(lefts), max(rights)) == (96, 1824)
    assert min(tops) >= 54
    assert max(bottoms) <= 1026
    assert await page.evaluate("getComputedStyle(document.documentElement).backgroundColor") == "rgba(0, 0, 0, 0)"
    # A service that is away, then one that knows less: the last picture stays.
    news: dict[str, Any] | None = None

    async def answer(route: Route) -> None:
        await (route.abort() if news is None else route.fulfill(json=news))

    async with page.expect_response("**/picture?*") as last:
        pass
    seen_last = await (await last.value).json()
    await page.route("**/picture?*", answer)
    async with page.expect_event("requestfailed"):
        pass
    async with page.expect_event("requestfailed"):
        await expect(page.locator("li")).to_have_count(12)
    row = {"code": "07", "rank": 1, "name": "Awa", "votes": 41, "width": 1, "photo": ""}
    newest = {**seen_last, "version": 9, "rows": [row], "total": 41}
    for version, votes, shown_votes in ((9, 41, "41"), (8, 30, "41"), (10, 45, "45")):
        news = {**newest, "version": version, "rows": [{**row, "votes": votes}]}
        async with page.expect_response("**/picture?*"):
            pass
        async with page.expect_request("**/picture?*"):
            pass
        await expect(page.locator("li .votes")).to_have_text(shown_votes)
    await page.unroute("**/picture?*")
    seen.complaints[:] = [one for one in seen.complaints if "ERR_FAILED" not in one]


async def test_a_page_is_light(seen: Seen) -> None:
    addresses = await furnished(seen.office)
    page = await seen.sign_in(AWA)
    network = await page.context.new_cdp_session(page)
    sizes: list[float] = []
    network.on("Network.loadingFinished", lambda data: sizes.append(data["encodedDataLength"]))
    await network.send("Network.enable")
    await page.goto(seen.base + addresses[2], wait_until="load")
    assert 0 < sum(sizes) <= BYTES_MAX
    await network.detach()


async def test_one_asks_and_another_agrees_by_keyboard_and_mouse(seen: Seen) -> None:
    order = await seen.office.rig.counted()
    awa, yao = await seen.sign_in(AWA, "en", 1280), await seen.sign_in(YAO, "en", 1280)
    await awa.fill("#find", "0501020304")
    await awa.keyboard.press("Enter")
    await awa.get_by_role("link", name="07").click()
    await awa.get_by_text("Refund the payment").first.click()
    await awa.fill("[id^=why-refund]", "the voter called us")
    await awa.get_by_role("button", name="Refund the payment").click()
    await expect(awa.locator(".notice")).to_have_text("You asked for it yourself: another person must decide.")
    await yao.goto(f"{seen.base}/admin/requests")
    await yao.get_by_role("link", name="Refund the payment").click()
    await yao.get_by_role("button", name="Agree").click()
    await expect(yao.locator("h1 .tag")).to_have_text("done")
    assert await seen.office.rig.status(order) == "refund_due"
    await yao.get_by_text("Voters", exact=True).click()
    await yao.get_by_role("link", name=re.compile("Orders")).click()
    await expect(yao.locator("tbody .tag").first).to_have_text("to be refunded")
    await yao.get_by_role("link", name="Français").click()
    await expect(yao.locator("tbody .tag").first).to_have_text("à rembourser")
    await yao.locator(".whoami summary").click()
    await yao.get_by_role("button", name="Se déconnecter").click()
    await expect(yao.locator("h1")).to_have_text("Connexion à la gestion")


@pytest.mark.parametrize("script", [True, False], ids=["script", "no script"])
async def test_photos_are_sent_together(seen: Seen, script: bool) -> None:
    page = await seen.sign_in(AWA, "en", script=script)
    await page.goto(f"{seen.base}/admin/contests/star/photos")
    # More bytes than the server takes: the script sends fewer.
    large = saved(Image.effect_noise((2000, 2000), 90).convert("RGB"), quality=100)
    assert len(large) > resizing.BYTES_MAX
    sent = {"07.jpg": large, "08.png": saved(halves(), "PNG"), "09.jpg": b"MZ", "awa.jpg": saved(halves())}
    files = [FilePayload(name=name, mimeType="image/jpeg", buffer=body) for name, body in sent.items()]
    await page.set_input_files("#files", files)
    await page.get_by_role("button", name="Send").click()
    results = page.locator("#results p")
    await expect(results).to_have_count(4, timeout=20_000)
    told = ["Photo saved" if script else "more than 5 MB", "Photo saved", "neither a JPEG", "does not begin with"]
    for line, words in zip(await results.all_inner_texts(), told, strict=True):
        assert words in line
    await expect(page.locator("#have")).to_have_text(f"{1 + script} of 12 candidates have a photo.")
    await expect(page.locator(".photos img")).to_have_count(1 + script)
    if script:  # which the checks are
        await seen.judge(page, "en", 360)
    await page.goto(f"{seen.base}/admin/contests/star/candidates/08/photo")
    await page.set_input_files("#file", files[1])
    async with page.expect_navigation():
        await page.get_by_role("button", name="Send").click()
    await expect(page.locator(".photo img")).to_be_visible(timeout=20_000)
    await page.get_by_role("button", name="Remove the photo").click()
    await expect(page.get_by_text("no photo yet")).to_be_visible(timeout=20_000)
    seen.complaints[:] = [complaint for complaint in seen.complaints if "422" not in complaint]


async def with_authenticator(page: Page) -> None:
    """The browser has passkeys of its own."""
    session = await page.context.new_cdp_session(page)
    await session.send("WebAuthn.enable")
    options = {"protocol": "ctap2", "transport": "internal", "hasUserVerification": True, "isUserVerified": True}
    options |= {"hasResidentKey": True, "automaticPresenceSimulation": True}
    await session.send("WebAuthn.addVirtualAuthenticator", {"options": options})


async def test_somebody_invited_signs_in_with_a_passkey(seen: Seen) -> None:
    office = seen.office
    port = office.server.port
    office.access.sign_in.site = Site("localhost", f"http://localhost:{port}")
    base = f"http://localhost:{port}"
    invited = await office.people.invite(AWA, NewInvitation("new@house.test", Role.MANAGER, "demo", None, "fr"))
    assert invited.link is None
    (mail,) = await office.mails("new@house.test")
    context = await seen.tabs.chromium.new_context(
        viewport={"width": 360, "height": 740}, locale="fr", reduced_motion="reduce"
    )
    page = await context.new_page()
    await with_authenticator(page)
    await page.goto(base + mail.params["link"])
    await seen.judge(page, "fr", 360)
    await page.fill("#name", "Nouvelle Personne")
    await page.fill("#password", PASSWORD)
    await page.click("main form button")
    await expect(page).to_have_url(f"{base}/admin/factor")
    await seen.judge(page, "fr", 360)
    await page.click("[data-passkey]")
    await expect(page.locator(".codes li")).to_have_count(10)
    await seen.judge(page, "fr", 360)
    await page.goto(f"{base}/admin/me")
    await expect(page.locator("#passkeys + ul li")).to_have_count(1)
    await seen.judge(page, "fr", 360)
    await context.clear_cookies()
    for step in ("sign-in", "proof"):
        if step == "sign-in":
            await page.goto(f"{base}/admin/people")
            await page.fill("#email", "new@house.test")
            await page.fill("#password", PASSWORD)
            await page.click("main form button")
        else:
            office.ahead = timedelta(minutes=6)
            await page.goto(f"{base}/admin/people")
            await page.fill("#email", "other@house.test")
            await page.select_option("#role", "moderator")
            await page.click("details[open] form > button")
            await expect(page.locator("[name=proof]")).to_be_visible()
        await seen.judge(page, "fr", 360)
        await page.click("[data-passkey]")
        await expect(page.locator("h1")).to_have_text("Personnes")
    assert [mail.params["role"] for mail in await office.mails("other@house.test")] == ["moderator"]
    used = await office.rig.rows("select sign_count, used_at, challenged_at from passkeys")
    assert used[0].used_at is not None
    seen.complaints.clear()


async def test_an_answer_of_a_passkey_is_good_once_and_for_its_question_alone(seen: Seen) -> None:
    office = seen.office
    base = f"http://localhost:{office.server.port}"
    office.access.sign_in.site = Site("localhost", base)
    context = await seen.tabs.chromium.new_context(locale="en")
    page = await context.new_page()
    await with_authenticator(page)
    await page.goto(f"{base}/admin/sign-in")
    await page.fill("#email", AWA)
    await page.fill("#password", PASSWORD)
    await page.click("main form button")
    await page.goto(f"{base}/admin/me")
    await page.fill("#key-name", "phone <b>")
    await page.click("[data-passkey]")
    await page.wait_for_selector(".codes")
    await context.clear_cookies()
    sent: list[dict[str, str]] = []

    async def keep(route: Route) -> None:
        if "passkey" in (route.request.post_data or ""):
            sent.append(dict(parse_qsl(route.request.post_data or "", keep_blank_values=True)))
        await route.continue_()

    await page.route("**/admin/sign-in", keep)
    await page.goto(f"{base}/admin/sign-in")
    await page.fill("#email", AWA)
    await page.fill("#password", PASSWORD)
    await page.click("main form button")
    await page.click("[data-passkey]")
    await expect(page.locator("nav.languages")).to_be_visible()
    await expect(page.locator(".whoami")).to_be_visible()
    (answer,) = sent
    client = await office.browser()
    async with client.post("/admin/sign-in", data={"email": AWA, "password": PASSWORD}) as shown:
        found = re.search(r'name="asked" value="([^"]+)"', await shown.text())
    assert found is not None
    for question in (answer["asked"], found[1]):
        async with client.post("/admin/sign-in", data={**answer, "asked": question}) as again:
            assert again.status == 401, "an answer is good once, and for its own question"
    for odd in ("{}", "x", '{"id": "!"}', answer["passkey"].replace('"id":"', '"id":"AAAA')):
        async with client.post("/admin/sign-in", data={**answer, "asked": found[1], "passkey": odd}) as again:
            assert again.status in (401, 429)
    await page.goto(f"{base}/admin/me")
    await expect(page.locator("#passkeys + ul b")).to_have_text("phone <b>")
    await page.click("#passkeys + ul button")
    await expect(page.locator("h1")).to_have_text("Not removed")
    assert {mail.params.get("what") for mail in await office.mails(AWA)} >= {"passkey_added"}
