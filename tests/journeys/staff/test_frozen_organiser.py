"""An organiser is frozen and goes on, in Chromium, on a handset, and for who was asked to pay before."""

import re

import pytest
from playwright.async_api import Browser, Page, expect

from admin.access.rules import Role
from tests.country import Country, until
from tests.engines import run_apart
from tests.gateway.cli.staff import PASSWORD, hire

pytestmark = [pytest.mark.journey, pytest.mark.browser]
SITA, YAO = "sita@platform.test", "yao@demo.test"


async def signed_in(browser: Browser, country: Country, person: str) -> Page:
    """A page of a person in a browser of their own."""
    context = await browser.new_context(viewport={"width": 360, "height": 740}, locale="fr-FR")
    page = await context.new_page()
    await page.goto(f"{country.gateway_url}/admin")
    await page.fill("#email", person)
    await page.fill("#password", PASSWORD)
    await page.click("main form button")
    await expect(page.locator("nav.languages")).to_be_visible()
    return page


async def put(page: Page, country: Country, state: str) -> None:
    """Change what the organiser may do, on its page."""
    await page.goto(f"{country.gateway_url}/admin/organisers/demo")
    await page.click("main details.act summary >> nth=0")
    await page.check(f'input[name="state"][value="{state}"]')
    await page.fill("#why-state", "une plainte est examinée")
    await page.click("main details.act form button >> nth=0")
    await page.wait_for_url("**/admin/organisers/demo")


async def test_a_frozen_organiser_sells_nothing_until_it_goes_on(
    country: Country, browser: Browser, page: Page
) -> None:
    database = country.environment()["DATABASE_URL"]
    run_apart(hire(database, SITA, role=Role.ADMINISTRATOR))
    run_apart(hire(database, YAO, role=Role.OWNER, organiser="demo"))
    before, asked = country.votes("09"), country.phone("+2250511110091")
    asked.dial("*789*09*4*1#")
    asked.wait_for_prompt()
    sita, yao = await signed_in(browser, country, SITA), await signed_in(browser, country, YAO)
    await put(sita, country, "frozen")
    try:
        # Its people read, and change nothing.
        await yao.goto(f"{country.gateway_url}/admin/contests/star/edit")
        await expect(yao.locator(".notice.bad").first).to_contain_text("gelé")
        await expect(yao.locator("main form button:not(.quiet)")).to_be_disabled()
        # The next voter is told on the handset and on the page, and is not asked.
        other = country.phone("+2250511110092")
        until(lambda: "suspendu" in other.dial("*789#"), "the sentence on the handset")
        assert "suspendu" in other.dial("*789*09*2*1#")
        assert not other.open
        assert other.prompt() is None
        await page.goto(f"{country.gateway_url}/c/star")
        await expect(page.locator("main .notice").first).to_contain_text("Le vote est suspendu")
        assert await page.locator("#vote").count() == 0
        # Who was asked before pays, and is counted.
        asked.approve()
        until(lambda: country.votes("09") == before + 4, "the votes that were asked for before")
    finally:
        await put(sita, country, "active")
    await expect(sita.locator("main .card").first).to_contain_text("Aucune restriction")
    until(lambda: "suspendu" not in other.dial("*789#"), "the usual screen")
    other.dial("*789*09*2*1#")
    other.wait_for_prompt()
    other.approve()
    until(lambda: country.votes("09") == before + 6, "votes again")
    kinds = [mail["subject"] for mail in country.sandbox.get("/mail").json() if YAO in str(mail["to"])]
    assert [kind for kind in kinds if re.search("gelé|actif|frozen|active", kind)]
    for opened in (sita, yao):
        await opened.context.close()
