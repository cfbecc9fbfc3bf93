"""The time that a payer has, and what each channel answers when it is over: nothing was taken, and what to do."""

import json
import time
from datetime import datetime, timedelta
from typing import Final

import pytest
from playwright.async_api import Page, expect

from payments.providers.mtn_momo.provider import OPEN_SECONDS as MTN_SECONDS
from payments.providers.orange_money.provider import OPEN_SECONDS as ORANGE_SECONDS
from payments.providers.stripe.provider import SESSION_SECONDS as CARD_SECONDS
from payments.providers.wave.provider import OPEN_SECONDS as WAVE_SECONDS
from tests.country import Country

pytestmark = pytest.mark.journey
# How long the order is looked at once its deadline is shown, and by how much it may move.
LOOK_SECONDS: Final = 2.5
MOVES: Final = timedelta(seconds=3)
# From the order to the operator's acceptance, on a machine that has much else to do.
ASKED_WITHIN: Final = timedelta(seconds=15)


@pytest.mark.parametrize(
    ("method", "number", "seconds"),
    [
        ("MTN_MOBILE_MONEY", "+2250544460005", MTN_SECONDS),
        ("WAVE", "+2250744460006", WAVE_SECONDS),
        ("ORANGE_MONEY", "+2250744460007", ORANGE_SECONDS),
        ("CARD", None, CARD_SECONDS),
    ],
)
def test_the_deadline_is_the_operators_as_soon_as_there_is_one_and_stays(
    country: Country, method: str, number: str | None, seconds: int
) -> None:
    body = {"contest": "star", "candidateCode": "03", "quantity": 5, "paymentMethod": method}
    if number:
        body["voterPhone"] = number
    placed = country.gateway.post("/api/votes/initiate", json=body)
    assert placed.status_code == 201, placed.text
    order = f"/api/votes/{placed.json()['voteId']}"
    shown: list[str | None] = []
    with country.gateway.stream("GET", f"{order}/events") as stream:
        for line in stream.iter_lines():
            if line.startswith("data: "):
                shown += [json.loads(line[6:])["payBefore"]]
            if shown and shown[-1]:
                break
    ends = time.monotonic() + LOOK_SECONDS
    while time.monotonic() < ends:
        shown += [country.gateway.get(order).json()["payBefore"]]
        time.sleep(0.1)
    known = [datetime.fromisoformat(each) for each in shown if each]
    assert len(known) > 2
    assert None not in shown[-len(known) :], "it was shown and went away"
    assert max(known) - min(known) < MOVES
    window = known[0] - datetime.fromisoformat(country.gateway.get(order).json()["placedAt"])
    assert -MOVES < window - timedelta(seconds=seconds) < ASKED_WITHIN


def test_by_ussd(impatient: Country) -> None:
    before = impatient.votes("03")
    phone = impatient.phone("+2250544460001")
    phone.dial("*789*03*2*1#")
    text = phone.wait_for_text("validé à temps")
    assert "*789*03*2*1#" in text
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
    answer = phone.wait_for_text("validé à temps")
    assert "VOTE 03 2 au 7890" in answer
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
    # Shown by the page itself, without a reload; a number that was typed is not texted.
    await expect(page.locator("h1")).to_have_text("Délai dépassé", timeout=15_000)
    await expect(page.locator("main")).to_contain_text("validé à temps")
    await expect(page.locator("#debited")).to_be_visible()
    assert impatient.phone("+2250544460003").inbox() == []
    await page.get_by_role("link", name="Voter de nouveau").click()
    await expect(page.locator("#quantity")).to_have_value("2")
