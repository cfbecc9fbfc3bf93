"""Nobody answers the prompt in time: on each channel it is said that nothing was taken, and what to do."""

import pytest
from playwright.async_api import Page, expect

from tests.country import Country

pytestmark = pytest.mark.journey


def test_by_ussd(impatient: Country) -> None:
    before = impatient.votes("03")
    phone = impatient.phone("+2250544460001")
    phone.dial("*789*03*2*1#")
    told = phone.wait_for_text("validé à temps")
    assert "*789*03*2*1#" in told
    impatient.control(expire_after_seconds=None)
    assert "non payé" in phone.dial("*789*3#")
    phone.dial("*789*03*2*1#")
    phone.wait_for_prompt()
    phone.decline()
    phone.wait_for_text("refus")
    assert impatient.votes("03") == before


def test_by_sms(impatient: Country) -> None:
    before = impatient.votes("03")
    phone = impatient.phone("+2250544460002")
    phone.text("7890", "VOTE 03 2")
    told = phone.wait_for_text("validé à temps")
    assert "VOTE 03 2 au 7890" in told
    phone.text("7890", "SOLDE")
    phone.wait_for_text("03 x2 non payé\nDébité? Envoyez DEBITE.")
    assert impatient.votes("03") == before


@pytest.mark.browser
async def test_on_the_web(impatient: Country, page: Page) -> None:
    await page.goto(f"{impatient.gateway_url}/c/star/03")
    await page.fill("#quantity", "2")
    await page.fill("#phone", "0544460003")
    await page.locator("main form button").first.click()
    await page.wait_for_url("**/votes/*")
    # Told by the page itself, without a reload; a number that was typed is not texted.
    await expect(page.locator("h1")).to_have_text("Délai dépassé", timeout=15_000)
    await expect(page.locator("main")).to_contain_text("validé à temps")
    await expect(page.locator("#debited")).to_be_visible()
    assert impatient.phone("+2250544460003").inbox() == []
    await page.get_by_role("link", name="Voter de nouveau").click()
    await expect(page.locator("#quantity")).to_have_value("2")
