"""A new contest in Chromium, from a template to a vote that counts."""

import re

import httpx
import pytest
from playwright.async_api import Page, expect

from admin.access.rules import Role
from tests.country import Country, until
from tests.engines import run_apart
from tests.gateway.cli.staff import PASSWORD, hire

pytestmark = [pytest.mark.journey, pytest.mark.browser]
CARLA = "carla@house.test"


async def test_a_template_becomes_a_contest_that_is_voted_in(country: Country, page: Page) -> None:
    gateway = country.gateway_url
    run_apart(hire(country.environment()["DATABASE_URL"], CARLA, role=Role.OWNER))
    # Chromium complains about the answer to a form with a fault, as it does about any 422.
    staff = await page.context.new_page()
    await staff.goto(f"{gateway}/admin?lang=en")
    await staff.fill("#email", CARLA)
    await staff.fill("#password", PASSWORD)
    await staff.click("main form button")
    await staff.goto(f"{gateway}/admin/contests/new")
    await staff.fill("#name", "Voix de Bouaké")
    await staff.click("main form button.wide")
    await expect(staff.locator(".steps")).to_be_visible()
    base = staff.url
    slug = base.rpartition("/")[2]
    await staff.click(f'.steps a[href$="/{slug}/edit"]')
    # A fault first: nothing is lost, and the field says why.
    await staff.fill("#opens_at", "2026-01-01T08:00")
    await staff.fill("#closes_at", "2035-12-31T22:00")
    await staff.fill("#contact", "0701020304")
    await staff.fill("#price", "free")
    await staff.click("main form button:not(.quiet)")
    await expect(staff.locator("#price-error")).to_be_visible()
    await expect(staff.locator("#contact")).to_have_value("0701020304")
    await staff.fill("#price", "200")
    await staff.click("main form button:not(.quiet)")
    await staff.wait_for_url(f"**/contests/{slug}")
    # Nobody sees a draft.
    assert seen(country, slug) == 404
    await staff.goto(f"{base}/lint")
    await expect(staff.locator("main")).to_contain_text("no candidate that can be voted for")
    add_candidates(country, slug)
    await staff.goto(f"{base}/preview")
    await expect(staff.locator(".handsets pre").nth(2)).to_contain_text("1 000 FCFA")
    await staff.goto(f"{base}/lint")
    await staff.click("main form button.wide")
    await staff.wait_for_url(f"**/contests/{slug}")
    await expect(staff.locator("h1 .tag")).to_have_text(re.compile("Open|Ouvert"))
    # A vote by the page that the public sees.
    await page.goto(f"{gateway}/c/{slug}/01")
    await page.click('.packs label:has(input[value="5"])')
    await page.fill('input[name="phone"]', "0544440077")
    await page.locator("main form button").first.click()
    await page.wait_for_url("**/votes/*")
    phone = country.phone("+2250544440077")
    phone.wait_for_prompt()
    phone.approve()
    await expect(page.locator('a[href*="/verify/"]')).to_be_visible(timeout=15_000)
    until(lambda: votes(country, slug) == 5, "the vote on the board of the new contest")


def seen(country: Country, slug: str) -> int:
    """How the contest's public page is answered."""
    return country.gateway.get(f"/c/{slug}").status_code


def votes(country: Country, slug: str) -> int:
    """All votes on a contest's board."""
    return int(country.gateway.get(f"/api/contests/{slug}/leaderboard").json()["totalVotes"])


def add_candidates(country: Country, slug: str) -> None:
    """Two people, by the API as a program of the organiser has it."""
    with httpx.Client(base_url=country.gateway_url, headers=dict(country.gateway.headers)) as client:
        login = client.post("/api/auth/login", json={"email": CARLA, "password": PASSWORD})
        bearer = {"Authorization": f"Bearer {login.json()['accessToken']}"}
        client.cookies.clear()
        document = client.get(f"/api/admin/contests/{slug}", headers=bearer).json()
        document["candidates"] = [{"name": "Awa Koné"}, {"name": "Fatou Bamba"}]
        assert client.put(f"/api/admin/contests/{slug}", headers=bearer, json=document).status_code == 200
