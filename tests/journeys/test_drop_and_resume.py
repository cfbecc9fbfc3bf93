"""Left in the middle and gone on later, on each channel, without paying twice."""

import pytest
from playwright.async_api import Page, expect

from tests.country import Country, until
from tests.journeys.test_telegram import Person
from tests.journeys.test_votes import receipt_in

pytestmark = pytest.mark.journey


def test_by_sms_a_question_is_answered_later(country: Country) -> None:
    before = country.votes("06")
    phone = country.phone("+2250544470001")
    phone.text("7890", "voter yao kouadioh 3")
    phone.wait_for_text("OUI")
    # Left, and asked something else meanwhile: then YES buys nothing, and says how to vote.
    phone.text("7890", "TOP")
    phone.wait_for_text("1. ")
    phone.text("7890", "OUI")
    phone.wait_for_text("Aucune question en attente")
    assert phone.prompt() is None
    # The question is asked again, and its YES is one order however often it is sent.
    phone.text("7890", "vote yao kouadioh x3")
    until(lambda: len([text for text in phone.inbox() if "3 votes pour 06" in text]) == 2, "the question again")
    phone.text("7890", "oui")
    assert phone.wait_for_prompt()["amount"] == 300
    phone.text("7890", "oui")
    phone.approve()
    receipt_in(phone.wait_for_text("verify"))
    until(lambda: country.votes("06") == before + 3, "three more votes")


def test_by_sms_the_same_vote_again_while_it_waits_is_one_order(country: Country) -> None:
    before = country.votes("06")
    phone = country.phone("+2250544470002")
    phone.text("7890", "06")
    first = phone.wait_for_prompt()
    phone.text("7890", "06")
    phone.text("7890", "SOLDE")
    assert phone.wait_for_text("06 x1").count("06 x1") == 1
    assert phone.wait_for_prompt()["id"] == first["id"]
    phone.approve()
    receipt_in(phone.wait_for_text("verify"))
    until(lambda: country.votes("06") == before + 1, "one more vote")


def test_by_telegram_start_offers_to_go_on(country: Country) -> None:
    before = country.votes("06")
    awa = Person(country, "+2250544470003")
    awa.send("/start c_star_06")
    awa.reads("Combien de votes")
    awa.tap("5 votes")
    left = awa.reads("Quel numéro paie")
    awa.send("/start")
    awa.reads("vous aviez choisi", after=left["id"])
    awa.tap("Continuer")
    awa.share()
    confirmation = awa.reads("Total : 500 FCFA")
    # Left once more, at the confirmation; its own button is still good, and a second tap buys nothing.
    awa.send("/start")
    awa.reads("vous aviez choisi", after=confirmation["id"])
    assert awa.tap("Payer 500", times=2)["id"] == confirmation["id"]
    awa.phone.wait_for_prompt()
    awa.phone.approve()
    awa.reads("Compté")
    until(lambda: country.votes("06") == before + 5, "five more votes")
    assert awa.phone.prompt() is None


@pytest.mark.browser
async def test_on_the_web_the_order_is_found_again(country: Country, page: Page) -> None:
    before = country.votes("06")
    await _order(country, page)
    order = page.url
    phone = country.phone("+2250544470004")
    first = phone.wait_for_prompt()
    # Gone to another page, and back by the address.
    await page.goto(f"{country.gateway_url}/c/star")
    await page.goto(order)
    await expect(page.locator("h1")).to_have_text("En attente de votre paiement")
    # The form once more: its page says that an order waits.
    await page.goto(f"{country.gateway_url}/c/star/06")
    await page.get_by_role("link", name="Voir ma commande en attente").click()
    await page.wait_for_url(order)
    # The contest's own page is the same for everybody; its form leads to the order that waits.
    await page.goto(f"{country.gateway_url}/c/star")
    await page.select_option("#code", "06")
    await page.fill("#quantity", "2")
    await page.fill("#phone", "05 44 47 00 04")
    await page.locator("main form button[type=submit]").click()
    await page.wait_for_url(order)
    assert phone.wait_for_prompt()["id"] == first["id"]
    phone.approve()
    await expect(page.locator("h1")).to_have_text("Vote compté", timeout=15_000)
    until(lambda: country.votes("06") == before + 2, "two more votes")
    assert phone.prompt() is None


async def _order(country: Country, page: Page) -> None:
    await page.goto(f"{country.gateway_url}/c/star/06")
    await page.fill("#quantity", "2")
    await page.fill("#phone", "0544470004")
    await page.locator("main form button").first.click()
    await page.wait_for_url("**/votes/*")
