"""I was debited: on each channel the operator is asked at once, and what it confirms is counted and answered."""

import json
import re
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from playwright.async_api import Page, expect

from gateway.values.check_digit import holds
from tests.country import Country, Phone, until
from tests.journeys.test_telegram import Person
from tests.journeys.test_votes import receipt_in

pytestmark = pytest.mark.journey

BUSY = {"status": {"http_503_seconds": 30}}
CALM = {"status": {"http_503_seconds": 0}}


def answers(phone: Phone, word: str) -> str:
    """The answer to a word that is texted now."""
    before = len(phone.inbox())
    phone.text("7890", word)
    return until(lambda: next(iter(phone.inbox()[before:]), None), f"an answer to {word}")


def asks_until(phone: Phone, word: str) -> str:
    """The answer in which this is found, of a voter who asks again and again: an operator is asked about a
    payment once in five seconds."""
    for _ in range(12):
        text = answers(phone, "DEBITE")
        if re.search(word, text):
            return text
        time.sleep(1)
    raise AssertionError(f"no answer with {word!r}; the last one is {text!r}")


def test_by_sms(silent: Country) -> None:
    before = silent.votes("10")
    phone = silent.phone("+2250544490001")
    assert "Aucune commande" in answers(phone, "J'ai été débité!")
    phone.text("7890", "VOTE 10 3")
    phone.wait_for_prompt()
    assert "attend votre code secret" in answers(phone, "DEBITE")
    phone.approve()
    asks_until(phone, "Paiement recu|Compté")
    receipt = receipt_in(phone.wait_for_text("verify"))
    until(lambda: silent.votes("10") == before + 3, "three more votes")
    assert f"Recu {receipt}" in answers(phone, "DEBITE")


def test_by_sms_a_silent_operator_means_a_ticket(silent: Country) -> None:
    phone = silent.phone("+2250544490002")
    phone.text("7890", "VOTE 10 2")
    phone.wait_for_prompt()
    silent.control(mtn_momo=BUSY)
    ticket = re.search(r"dossier (\d+)", answers(phone, "DEBITE"))
    assert ticket
    assert holds(ticket.group(1))
    silent.control(mtn_momo=CALM)
    phone.decline()
    asks_until(phone, "non payé")
    assert f"Dossier {ticket.group(1)}" in answers(phone, "DOSSIER")


def test_by_telegram(silent: Country) -> None:
    before = silent.votes("10")
    awa = Person(silent, "+2250544490003")
    awa.send("/start c_star_10")
    awa.reads("Combien de votes")
    awa.tap("5 votes")
    awa.reads("Quel numéro paie")
    awa.send("/debite")
    awa.reads("Aucune commande d'ici")
    awa.send("10 2")
    awa.reads("2 votes")
    awa.share()
    awa.reads("Total : 200 FCFA")
    awa.tap("Payer 200")
    awa.phone.wait_for_prompt()
    awa.send("/debite")
    waiting = awa.reads("attend votre accord")
    awa.tap("Signaler un problème")
    ticket = re.search(r"Dossier (\d+)", awa.reads("Dossier", after=waiting["id"])["text"])
    assert ticket
    assert holds(ticket.group(1))
    awa.phone.approve()

    def found() -> bool:
        awa.send("/debite")
        return any("Ce vote est compté" in message["text"] for message in awa.chat())

    until(found, "the vote, found by asking")
    receipt_in(awa.reads("Ce vote est compté")["text"])
    until(lambda: silent.votes("10") == before + 2, "two more votes")


@pytest.mark.browser
async def test_on_the_web(silent: Country, page: Page) -> None:
    before = silent.votes("10")
    phone = silent.phone("+2250544490004")
    await page.goto(f"{silent.gateway_url}/c/star/10")
    await page.fill("#quantity", "4")
    await page.fill("#phone", "0544490004")
    await page.locator("main form button").first.click()
    await page.wait_for_url("**/votes/*")
    order = page.url
    phone.wait_for_prompt()
    debited = page.get_by_role("button", name=re.compile("J'ai été débité|Demander de nouveau"))
    silent.control(mtn_momo=BUSY)
    await debited.click()
    await expect(page.get_by_role("alert")).to_contain_text("Dossier")
    silent.control(mtn_momo=CALM)
    phone.approve()
    # From the contest's page, in the same browser, an hour later as it were.
    await page.goto(f"{silent.gateway_url}/c/star")
    await page.get_by_role("link", name="Débité sans vote compté ?").click()
    await page.get_by_role("link", name="Ouvrir cette commande").click()
    await page.wait_for_url(order)
    asked = re.compile("Vote compté|En attente")
    for _ in range(12):
        await debited.click()
        await page.wait_for_url("**/debited")
        await expect(page.locator("h1")).to_have_text(asked)
        if not await debited.is_visible():
            break
        await page.wait_for_timeout(1_000)
    await expect(page.locator("h1")).to_have_text("Vote compté")
    until(lambda: silent.votes("10") == before + 4, "four more votes")
    # Who holds no order learns nothing, and types no number.
    stranger = silent.gateway.get("/c/star/debited").text
    assert "<input" not in stranger
    assert "/votes/" not in stranger


def test_by_ussd_after_the_close(silent: Country, tmp_path: Path) -> None:
    """A contest of its own, which closes while a voter pays."""
    document = json.loads(silent.run("contest", "export", "star").stdout)
    document["contest"] |= {"slug": "gala", "name": "Gala", "keyword": "GALA"}
    document["contest"] |= {"service_code": "*788#", "short_code": "7880"}
    document["candidates"] = [{"name": "Awa"}, {"name": "Yao"}]
    apply(silent, tmp_path, document)
    phone = silent.phone("+2250544490005")
    until(lambda: "Gala\n" in phone.dial("*788#"), "the new contest")
    phone.dial("*788*01*2*1#")
    phone.wait_for_prompt()
    phone.approve()
    document["contest"]["closes_at"] = (datetime.now(UTC) - timedelta(seconds=1)).isoformat()
    apply(silent, tmp_path, document)
    over = until(lambda: next(filter(lambda s: "vote clos" in s, [phone.dial("*788#")]), None), "the close")
    assert "2 Classement\n3 Mes votes\n4 English\n5 J'ai été débité" in over
    # Paid in time: counted, though no callback came and the contest is over.
    answer = until(lambda: next(filter(lambda s: "Compté" in s, [phone.dial("*788*5#")]), None), "the receipt")
    receipt_in(answer)
    assert "01 x2" in phone.dial("*788*3#")
    phone.dial("*788*01*2*1#")
    assert not phone.open
    assert "Débité sans vote compté" in silent.gateway.get("/c/gala", headers={"Accept-Language": "fr"}).text


def apply(country: Country, place: Path, document: object) -> None:
    (place / "gala.json").write_text(json.dumps(document), "utf-8")
    done = country.run("contest", "apply", str(place / "gala.json"))
    assert done.returncode == 0, done.stdout + done.stderr
