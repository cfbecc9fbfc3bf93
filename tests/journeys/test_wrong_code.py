"""An unknown code, on each channel: it is answered so, no vote is placed, and nothing is charged."""

import pytest
from playwright.async_api import Page, expect

import channels.ussd.aggregators
from gateway.runtime.discovery import discover
from tests.country import Country
from tests.journeys.test_telegram import Person

pytestmark = pytest.mark.journey


def total(country: Country) -> int:
    return int(country.gateway.get("/api/contests/star/leaderboard").raise_for_status().json()["totalVotes"])


def test_by_ussd(country: Country) -> None:
    before = total(country)
    phone = country.phone("+2250544480001")
    phone.dial("*789#")
    assert "Code 77 inconnu." in phone.reply("77")
    shown = {code: phone.dial("*789*77*5*1#", code) for code in discover(channels.ussd.aggregators)}
    # One loses what was dialled behind the code, and shows the first screen.
    assert shown.pop("beem").startswith("Star d'Abidjan")
    assert {text.split("\n")[0] for text in shown.values()} == {"Code 77 inconnu. Composez *789*CODE*5*1#"}
    assert "1 Candidats" in phone.dial("*789*77*5*1#")
    assert phone.open
    assert "Combien de votes?" in phone.reply("07")
    assert (phone.prompt(), total(country)) == (None, before)


def test_by_sms(country: Country) -> None:
    before = total(country)
    phone = country.phone("+2250544480002")
    phone.text("7890", "VOTE 77 5")
    assert "rien n'a été débité" in phone.wait_for_text("Code 77 inconnu")
    assert (phone.prompt(), total(country)) == (None, before)


def test_by_telegram(country: Country) -> None:
    before = total(country)
    awa = Person(country, "+2250544480003")
    awa.send("/start c_star_77")
    awa.reads("Aucun candidat n'a le code 77. Rien n'a été débité.")
    awa.send("77 5")
    awa.reads("77", after=0)
    assert (awa.phone.prompt(), total(country)) == (None, before)


@pytest.mark.browser
async def test_on_the_web(country: Country, page: Page) -> None:
    before = total(country)
    answer = country.gateway.get("/c/star/77", headers={"Accept-Language": "fr"})
    assert answer.status_code == 404
    await page.set_content(answer.text)
    await expect(page.locator("h1")).to_have_text("Candidat introuvable")
    # The list of the contest's page has only those who stand; a forged choice is refused.
    form = {"code": "77", "quantity": "5", "phone": "0544480004", "method": "", "nonce": "j" * 20}
    refused = country.gateway.post("/c/star", data=form, headers={"Accept-Language": "fr"})
    assert refused.status_code == 422
    assert "<h1>Quel candidat" in refused.text
    assert (country.phone("+2250544480004").prompt(), total(country)) == (None, before)
