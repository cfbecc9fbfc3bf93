"""The evening of an organiser in Chromium, from the first vote to the winner's certificate: a simulated crowd votes
with production's limits and fraud rules, and everything that follows is about its votes."""

import base64
import csv
import io
import json
import os
import re
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, Final

import anyio
import httpx
import pytest
from openpyxl import load_workbook
from playwright.async_api import Browser, Locator, Page, expect

from admin.access.rules import Role
from gateway.orders.fraud import FraudLimits
from payments.ledger.postings import Account
from sandbox.crowd.plan import Group, Stage, make_plan
from tests.country import Country, until
from tests.engines import run_apart
from tests.gateway.cli.staff import PASSWORD, hire
from tests.journeys.staff.test_frozen_organiser import signed_in
from tests.journeys.staff.test_reconciliation import asked

# `make chaos` plays the evening with two thousand.
VOTERS: Final = int(os.environ.get("SPOTLIGHT_EVENING_VOTERS", "240"))
SECONDS: Final = max(31, VOTERS / 13)
# Of two hundred and forty of this seed two vote again, by USSD.
SEED: Final = 14
HONEST: Final = (Group.HONEST, Group.FAN)
HONEST_HELD_MAX: Final = 0.001
HONEST_REFUSED_MAX: Final = 0.01
# Who does not answer the prompt has so long.
EXPIRE_SECONDS: Final = 30
PRICE: Final = 100
pytestmark = [pytest.mark.journey, pytest.mark.browser, pytest.mark.timeout(200 + round(SECONDS * 4))]

OWNER, AWA, YAO = "owner@soiree.test", "awa@evening.test", "yao@evening.test"
WHY: Final = "the evening was looked at"
PAGE, API = "/admin/contests/soiree", "/api/admin/contests/soiree"
STAGE: Final = Stage("soiree", "CI", "*796#", "7890", "SOIREE", tuple(f"{n:02}" for n in range(1, 13)), 10_000)
NAMES: Final = dict(zip(STAGE.candidates, re.findall("...", "AyaBinChoDaoEbaFanGueHawIraJadKonLea"), strict=True))
SHEETS: Final = ("Par jour", "Par moyen de paiement", "Par canal", "Par candidat")


async def test_an_evening(patient: Country, browser: Browser, tmp_path: Path) -> None:
    """Watched, reviewed, tried with other limits, paid out, exported, ended."""
    country, began = patient, datetime.now(UTC)
    prepare(country)
    home = await signed_in(browser, country, OWNER)
    crowd = await watched(country, home)
    awa, yao, owner = [await signed_in(browser, country, person) for person in (AWA, YAO, OWNER)]
    orders = partial(exported, program(country, AWA))
    held = the_held(country, crowd, orders)
    await tried_with_other_limits(country, owner, began, len(held))
    await decided_about(country, awa, yao, held, orders)
    await expect(first_figure(home)).to_have_text(figure(total(country)), timeout=20_000)
    await paid_out(country, owner, yao)
    month = await kept(owner, f"{PAGE}/orders", '[href$=".xlsx"]', tmp_path)
    month_agrees(country, month, refunded=len(held) - 1)
    await certified(country, owner, tmp_path)


@pytest.fixture
def patient(country: Country) -> Iterator[Country]:
    """A country whose operators let prompts wait for some seconds."""
    country.control(expire_after_seconds=EXPIRE_SECONDS)
    try:
        yield country
    finally:
        country.control(expire_after_seconds=None)


def program(country: Country, person: str) -> httpx.Client:
    """The API for a person."""
    client = country.stranger(timeout=30)
    login = client.post("/api/auth/login", json={"email": person, "password": PASSWORD}).raise_for_status()
    client.cookies.clear()
    client.headers.update({"Authorization": f"Bearer {login.json()['accessToken']}", "Accept-Language": "en"})
    return client


def prepare(country: Country) -> None:
    """An organiser of its own, with a contest under the fraud rules that production has."""
    database, now = country.environment()["DATABASE_URL"], datetime.now(UTC)
    run_apart(hire(database, AWA, role=Role.OWNER))
    run_apart(hire(database, YAO, role=Role.FINANCE))
    awa = program(country, AWA)
    organiser = {"slug": STAGE.slug, "name": "Soirée", "ownerEmail": "first@soiree.test"}
    awa.post("/api/admin/organisers", json=organiser).raise_for_status()
    contest = {
        "slug": STAGE.slug,
        "name": "Soirée",
        "country": STAGE.country,
        "price": {"amount_minor": PRICE, "currency": "XOF"},
        "opens_at": (now - timedelta(hours=1)).isoformat(),
        "closes_at": (now + timedelta(days=1)).isoformat(),
        "service_code": STAGE.service_code,
        "short_code": STAGE.short_code,
        "keyword": STAGE.keyword,
        "quantity_max": STAGE.quantity_max,
        "contact": "0701020304",
    }
    people = [{"code": code, "name": name} for code, name in NAMES.items()]
    document = {"format": "spotlight contest 1", "organiser": organiser, "contest": contest, "candidates": people}
    del organiser["ownerEmail"]
    awa.post("/api/admin/contests", json=document).raise_for_status()
    # Other journeys vote from few phones, so the rules are off in their contests.
    rules = json.dumps(FraudLimits().document())
    asked(country, "update contests set fraud_limits = $1::jsonb where slug = $2", rules, STAGE.slug)
    awa.post(f"{API}/publish").raise_for_status()
    run_apart(hire(database, OWNER, role=Role.OWNER, organiser=STAGE.slug))


def board(country: Country) -> dict[str, int]:
    """Votes by candidate on the public page."""
    shown = country.gateway.get(f"/api/contests/{STAGE.slug}/leaderboard").raise_for_status().json()
    return {one["code"]: one["votes"] for one in shown["entries"]}


def total(country: Country) -> int:
    """All votes on the public page."""
    return sum(board(country).values())


def first_figure(page: Page) -> Locator:
    """The votes of today on an organiser's first page."""
    return page.locator("[data-live] .tile b").first


def figure(number: int) -> re.Pattern[str]:
    """How a page in French writes a number."""
    return re.compile("^" + f"{number:,}".replace(",", r"\s") + "$")


async def read(figure: Locator) -> int:
    """What a figure says now."""
    return int(re.sub(r"\D", "", await figure.inner_text()))


async def watched(country: Country, home: Page) -> dict[str, Any]:
    """The crowd votes while its organiser looks on; what it did. The first page moves, and is not loaded again."""
    await expect(first_figure(home)).to_have_text("0")
    await home.evaluate("window.opened = true")
    wanted = {"voters": VOTERS, "minutes": SECONDS / 60, "seed": SEED, "contest": STAGE.slug}
    country.sandbox.post("/crowd", json=wanted).raise_for_status()
    seen = [0]
    while True:
        crowd: dict[str, Any] = country.sandbox.get("/crowd").raise_for_status().json()
        seen.append(await read(first_figure(home)))
        if crowd["state"] != "voting":
            break
        await anyio.sleep(1)
    assert (crowd["state"], crowd["ended"]) == ("ended", crowd["planned"]), crowd
    assert seen == sorted(seen)
    assert len({*seen}) > 4
    assert await home.evaluate("window.opened")
    assert await home.locator("[data-live] table tbody tr").first.is_visible()
    # No limit stops an honest voter, behind a carrier's address either; a busy machine may.
    refused = {why: many for why, many in crowd["refusals"].items() if why.startswith(HONEST)}
    assert [why for why in refused if re.search("403|429", why)] == [], refused
    assert sum(refused.values()) <= HONEST_REFUSED_MAX * VOTERS, refused
    assert {*crowd["channels"]} == {"ussd", "sms", "telegram", "web", "api"}
    return crowd


Line = dict[str, str]
Orders = Callable[[str], list[Line]]


def exported(client: httpx.Client, state: str) -> list[Line]:
    """The orders of the evening that came to be so, with whole numbers."""
    text = client.get(f"{API}/exports/orders.csv", params={"reason": WHY, "state": state}).raise_for_status().text
    return list(csv.DictReader(io.StringIO(text.removeprefix("\ufeff"), newline="")))


def votes_in(lines: list[Line]) -> int:
    """Their votes."""
    return sum(int(line["Votes"]) for line in lines)


def the_held(country: Country, crowd: Mapping[str, Any], orders: Orders) -> list[Line]:
    """Orders that are held: of bought numbers, and of honest voters one in a thousand at most. All others that are paid
    are counted."""
    paid = crowd["votes_paid"]
    until(lambda: votes_in(orders("held")) + votes_in(orders("counted")) == paid, "all that is paid to be decided")
    held = orders("held")
    group = {attempt.msisdn: attempt.group for attempt in make_plan(STAGE, VOTERS, SECONDS, SEED)}
    of = Counter(group[line["Payer"].removeprefix("'")] for line in held)
    honest = sum(one in HONEST for one in group.values())
    assert sum(of[one] for one in HONEST) <= HONEST_HELD_MAX * honest, of
    assert of[Group.BLOCK] > 2
    assert votes_in(held) == paid - total(country)
    return held


async def tried_with_other_limits(country: Country, owner: Page, began: datetime, held: int) -> None:
    """The real hour is judged again without the rule about consecutive numbers: nothing is held, nothing changes."""
    before = total(country)
    await owner.goto(f"{country.gateway_url}{PAGE}/fraud/limits")
    await owner.fill("#since", f"{began:%Y-%m-%dT%H:%M}")
    await owner.fill("#block_payers", "0")
    await owner.click("main form[method=get] button")
    figures = owner.locator("main table tbody tr").first.locator("td")
    await expect(figures).to_have_count(2)
    now, tried = [await read(figures.nth(n)) for n in range(2)]
    assert now >= held > tried == 0
    await owner.goto(f"{country.gateway_url}{PAGE}/fraud/limits")
    await expect(owner.locator("#block_payers")).to_have_value("10")
    assert total(country) == before


async def agreed(asker: Page, decider: Page) -> None:
    """What a person just asked for is seen and agreed to by another."""
    await asker.wait_for_url("**/requests/*")
    await decider.goto(asker.url)
    await decider.click('main form button[value="approve"]')
    await expect(decider.locator('main form button[value="approve"]')).to_have_count(0)


async def decided_about(country: Country, awa: Page, yao: Page, held: list[Line], orders: Orders) -> None:
    """One vote is released, the others go back together; each time a second person sees what it would do."""
    before, back = total(country), len(held) - 1
    await awa.goto(f"{country.gateway_url}{PAGE}/fraud")
    chosen = awa.locator('main input[name^="held_"]')
    await expect(chosen).to_have_count(len(held))
    await chosen.first.check()
    await awa.fill("#why-held", WHY)
    await awa.click("main form .card button")
    await awa.wait_for_url("**/requests/*")
    await expect(awa.locator("#preview + dl")).to_contain_text("10")
    await agreed(awa, yao)
    until(lambda: total(country) == before + 10, "the released vote")
    await awa.goto(f"{country.gateway_url}{PAGE}/fraud")
    await awa.check("#all")
    await awa.select_option("#step", "refuse")
    await awa.fill("#block-days", "7")
    await awa.fill("#why-held", WHY)
    await awa.click("main form .card button")
    await awa.wait_for_url("**/requests/*")
    await expect(awa.locator("#preview + dl")).to_contain_text(str(back))
    await agreed(awa, yao)
    until(lambda: len(orders("refunded")) == back, "the money back")
    assert orders("held") == []
    assert total(country) == before + 10
    given = {line["msisdn"]: line["amount"] for line in country.statement() if line["kind"] == "refund"}
    refunded = [line["Payer"].removeprefix("'") for line in orders("refunded")]
    assert [given[number] for number in refunded] == [str(10 * PRICE)] * back
    text = country.phone(refunded[0]).wait_for_text("MTN MoMo")
    assert "rembours" in text


async def paid_out(country: Country, owner: Page, yao: Page) -> None:
    """The organiser names its wallet and asks for all that it is owed; the platform agrees to both."""
    await owner.goto(f"{country.gateway_url}/admin/payouts")
    await owner.click('details:has(form[action$="/beneficiaries"]) summary')
    await owner.fill("#name", "Soiree SARL")
    await owner.fill("#number", "0555550001")
    await owner.select_option("#country", "CI")
    await owner.select_option("#account", "mtn_momo")
    await owner.fill("#why-add", WHY)
    await owner.click('form[action$="/beneficiaries"] button')
    await agreed(owner, yao)
    await owner.goto(f"{country.gateway_url}/admin/payouts")
    await owner.click("section.card details.act summary")
    owed = int(await owner.input_value('input[name="amount"]'))
    shares = ledger(country, Account.ORGANISER_PAYABLE)
    assert owed == shares == total(country) * PRICE - ledger(country, Account.PLATFORM_FEE)
    await owner.fill('form[action="/admin/acts"] input[name="reason"]', WHY)
    await owner.click('form[action="/admin/acts"] button')
    await agreed(owner, yao)
    client = program(country, OWNER)

    def done() -> bool:
        (payout,) = client.get("/api/admin/payouts").raise_for_status().json()["payouts"]
        return bool((payout["status"], payout["amount"]["amount"]) == ("done", owed))

    until(done, "the organiser's money")
    assert ledger(country, Account.ORGANISER_PAYABLE) == 0


def ledger(country: Country, account: Account) -> int:
    """What the book has on an account of the contest, in francs."""
    query = """select -coalesce(sum(p.amount_minor), 0) from postings p join contests c on c.id = p.contest_id
      where c.slug = $1 and p.account = $2 and p.currency = 'XOF'"""
    return int(asked(country, query, STAGE.slug, account.value)[0][0])


async def kept(page: Page, address: str, link: str, folder: Path) -> Path:
    """A file that a person downloads from a page of theirs."""
    origin = re.match(r"https?://[^/]+", page.url)
    assert origin
    await page.goto(origin[0] + address)
    async with page.expect_download() as coming:
        await page.click(f"main a{link}")
    download = await coming.value
    path = folder / download.suggested_filename
    await download.save_as(path)
    return path


def month_agrees(country: Country, path: Path, *, refunded: int) -> None:
    """Every sheet of the month adds up to what the book says, to the franc."""
    book, votes = load_workbook(path, data_only=True), total(country)
    sales, fees = ledger(country, Account.SALES), ledger(country, Account.PLATFORM_FEE)
    assert sales == votes * PRICE > 0
    shown = {row[0]: row[1] for row in book["Résumé"].iter_rows(min_row=3, max_col=2, values_only=True)}
    assert shown["Votes comptés"] == votes
    assert shown["Ventes comptées (XOF)"] == shown["Ventes selon le livre (XOF)"] == sales
    assert shown["Différence (XOF)"] == 0
    assert shown["Part de la plateforme (XOF)"] == fees
    assert shown["Part de l'organisateur (XOF)"] == sales - fees
    assert shown["Rendu aux payeurs (XOF)"] == refunded * 10 * PRICE
    for sheet in SHEETS:
        *lines, last = book[sheet].iter_rows(min_row=2, max_col=5, values_only=True)
        assert [sum(line[column] for line in lines) for column in (3, 4)] == [last[3], last[4]] == [votes, sales]
    by_candidate = {row[0]: row[3] for row in book["Par candidat"].iter_rows(min_row=2, max_col=5, values_only=True)}
    assert {code: by_candidate[f"{code} {NAMES[code]}"] for code in board(country)} == board(country)


async def certified(country: Country, owner: Page, folder: Path) -> None:
    """The contest is closed, and its winner has a certificate once no order is open."""
    await owner.goto(f"{country.gateway_url}{PAGE}")
    await owner.click('details:has(form[action$="/close"]) summary')
    await owner.fill("#close-name", "Soirée")
    await owner.click('form[action$="/close"] button')
    client = program(country, OWNER)
    paper = f"{API}/exports/certificate.pdf"
    until(lambda: client.get(paper).status_code == 200, "every order to be decided", 60)
    path = await kept(owner, f"{PAGE}/orders", '[href$="certificate.pdf"]', folder)
    votes = board(country)
    first = max(votes, key=lambda code: votes[code])
    words = written_on(path)
    assert NAMES[first] in words
    assert any(re.sub(r"\\\d{3}|\D", "", one) == str(votes[first]) for one in words if "votes" in one)


def written_on(path: Path) -> list[str]:
    """The words of a PDF that we made: letters of ASCII stand for themselves, others are numbered."""
    found = []
    for stream in re.findall(rb"/ASCII85Decode /FlateDecode.*?stream\s+(.*?)~>", path.read_bytes(), re.DOTALL):
        page = zlib.decompress(base64.a85decode(stream)).decode("latin-1")
        found += re.findall(r"\((.*?)\) Tj", page)
    return found
