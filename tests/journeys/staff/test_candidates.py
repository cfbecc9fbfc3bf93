"""An organiser's candidates, as seen in Chromium: thirty lines of a file with three faults, and one who proposes
herself, is approved and voted for."""

from datetime import UTC, datetime, timedelta

import pytest
from playwright.async_api import Browser, FilePayload, Page, expect

from admin.access.rules import Role
from tests.country import Country
from tests.engines import run_apart
from tests.gateway.cli.staff import PASSWORD, hire
from tests.movies import mp4
from tests.rigs.photos import halves, saved

pytestmark = [pytest.mark.journey, pytest.mark.browser]
AWA = "awa@candidates.test"
FAULTS = {9: "99;", 17: "7;Zita Zadi", 25: "01;Rokia Sylla"}


def file() -> bytes:
    """Thirty candidates; on three lines something is wrong."""
    lines = [FAULTS.get(line, f"{line + 10};Candidate {line}") for line in range(2, 32)]
    return "\r\n".join(["numéro;nom", *lines]).encode("utf-8-sig")


def make_contest(country: Country) -> None:
    """A contest of its own, so that other journeys find theirs as it was."""
    run_apart(hire(country.environment()["DATABASE_URL"], AWA, role=Role.OWNER))
    gateway, now = country.gateway, datetime.now(UTC)
    signed_in = gateway.post("/api/auth/login", json={"email": AWA, "password": PASSWORD}).raise_for_status()
    bearer = {"Authorization": f"Bearer {signed_in.json()['accessToken']}"}
    gateway.cookies.clear()
    contest = {
        "slug": "casting",
        "name": "Casting",
        "country": "CI",
        "price": {"amount_minor": 100, "currency": "XOF"},
        "opens_at": (now - timedelta(hours=1)).isoformat(),
        "closes_at": (now + timedelta(days=30)).isoformat(),
        "contact": "0701020304",
        "nominations": True,
    }
    document = {
        "format": "spotlight contest 1",
        "organiser": {"slug": "demo", "name": "Spotlight Démo"},
        "contest": contest,
        "candidates": [{"name": "Mariam Doumbia"}],
    }
    address = "/api/admin/contests"
    gateway.post(address, json=document, headers=bearer).raise_for_status()
    published = gateway.post(f"{address}/casting/publish", headers=bearer)
    assert published.status_code == 200, published.text


async def sign_in(page: Page, country: Country, path: str) -> None:
    await page.goto(f"{country.gateway_url}{path}")
    await page.fill("#email", AWA)
    await page.fill("#password", PASSWORD)
    await page.click("main form button")


async def test_candidates_come_by_a_file_and_by_themselves(country: Country, browser: Browser, page: Page) -> None:
    make_contest(country)
    path = "/admin/contests/casting/candidates"
    await sign_in(page, country, f"{path}/import")
    await page.set_input_files("#file", {"name": "candidats.csv", "mimeType": "text/csv", "buffer": file()})
    await page.get_by_role("button", name="Vérifier le fichier").click()
    await expect(page.locator("#faults")).to_have_text("3 lignes à corriger")
    found = page.locator("section[aria-labelledby=faults] tbody tr th")
    await expect(found).to_have_text(["9", "17", "25"])
    await page.get_by_role("button", name="Importer les lignes sans faute : 27").click()
    await expect(page.locator(".notice.good")).to_contain_text("Candidats ajoutés : 27")

    # Two photos at once, which the public pages show.
    await page.goto(f"{country.gateway_url}/admin/contests/casting/photos")
    photos = [FilePayload(name=f"{code}.jpg", mimeType="image/jpeg", buffer=saved(halves())) for code in (12, 13)]
    await page.set_input_files("#files", photos)
    await page.get_by_role("button", name="Envoyer").click()
    await expect(page.locator(".photos img")).to_have_count(2, timeout=20_000)
    photo = page.get_by_role("img", name="Photo de Candidate 2")
    await page.goto(f"{country.gateway_url}/c/casting/12")
    while not await photo.count():
        await page.reload()
    await expect(photo).to_have_js_property("complete", True)
    assert await photo.evaluate("one => one.naturalWidth") > 0

    await page.goto(f"{country.gateway_url}/c/casting")
    await page.get_by_role("link", name="Proposer ma candidature").click()
    await page.fill("#name", "Léa Bony")
    await page.fill("#contact", "0544440031")
    await page.fill("#text", "Je chante.")
    await page.check("[name=consent]")
    await page.get_by_role("button", name="Envoyer ma candidature").click()
    await page.wait_for_url("**/nominations/*")
    link = page.url
    await expect(page.locator(".lead")).to_contain_text("attend la décision")
    assert country.phone("+2250544440031").wait_for_text("votre page").endswith(link)
    film = FilePayload(name="moi.mov", mimeType="video/quicktime", buffer=mp4(3, brand=b"qt  "))
    # Without the header that names an address: to another origin, a page may send none of its own.
    own = await browser.new_page(viewport={"width": 360, "height": 740}, locale="fr-FR")
    await own.goto(link)
    await own.set_input_files("#film", film)
    await own.get_by_role("button", name="Envoyer la vidéo").click()
    await expect(own.get_by_text("Attend l'équipe.")).to_be_visible(timeout=20_000)
    await own.close()

    await page.goto(f"{country.gateway_url}/admin/contests/casting/moderation")
    await page.keyboard.press("j")
    await page.keyboard.press("a")
    await expect(page.locator(".queued")).to_have_count(0)
    await expect(page.get_by_role("link", name="Léa Bony")).to_be_visible()

    await page.goto(link)
    await expect(page.locator(".lead")).to_contain_text("Vous êtes candidat")
    await page.fill("#text", "Je chante et je danse.")
    await page.get_by_role("button", name="Enregistrer la présentation").click()
    await expect(page.locator(".notice")).to_contain_text("Ce changement attend l'équipe.")
    await page.get_by_role("link", name="Ma page publique").click()
    await expect(page.locator("main")).not_to_contain_text("danse")
    await page.goto(f"{country.gateway_url}/admin/contests/casting/moderation")
    await page.keyboard.press("a")
    await expect(page.locator(".queued")).to_have_count(0)
    await page.goto(link)
    await page.get_by_role("link", name="Ma page publique").click()
    await expect(page.locator("main")).to_contain_text("Je chante et je danse.")
    await page.fill('input[name="quantity"]', "4")
    await page.fill('input[name="phone"]', "0544440031")
    await page.locator("main form button").first.click()
    await page.wait_for_url("**/votes/*")
    phone = country.phone("+2250544440031")
    phone.wait_for_prompt()
    phone.approve()
    await expect(page.locator('a[href*="/verify/"]')).to_be_visible(timeout=15_000)
    await page.goto(link)
    await expect(page.locator("main h2").first).to_have_text("4 votes")
