"""A vote by card: no phone number, Stripe's page and back."""

import re
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeVar

import pytest
from playwright.async_api import Page, expect

from tests.country import Country, until
from tests.gateway.cli.staff import PASSWORD
from tests.journeys.staff.test_refunds import ASKER
from tests.journeys.staff.test_refunds import staffed as staffed

pytestmark = pytest.mark.journey
PAID_SECONDS = 20.0
T = TypeVar("T")


def order(country: Country, code: str, quantity: int) -> dict[str, str]:
    body = {"contest": "star", "candidateCode": code, "quantity": quantity, "paymentMethod": "CARD"}
    answer = country.gateway.post("/api/votes/initiate", json=body)
    assert answer.status_code == 201, answer.text
    placed: dict[str, str] = answer.json()
    return placed


def link_of(country: Country, placed: dict[str, str], operator: str = "stripe") -> str:
    """The address of the operator's page, as the order's page shows it; empty until it is there."""
    shown = country.gateway.get(f"/votes/{placed['voteId']}").text
    found = re.search(rf'href="({re.escape(country.sandbox_url)}/{operator}/[^"]+)"', shown)
    return found[1] if found else ""


def wait_for(what: Callable[[], T]) -> T:
    deadline = time.monotonic() + PAID_SECONDS
    while not (found := what()):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    return found


def test_a_card_pays_without_a_phone_number_and_an_event_counts_it(country: Country) -> None:
    before = country.votes("09")
    placed = order(country, "09", 5)
    page = wait_for(lambda: link_of(country, placed))
    card = {"number": "4242424242424242", "expiry": "12/48", "cvc": "123", "action": "pay"}
    declined = country.sandbox.post(page, data={**card, "number": "4000000000000002"})
    assert "refusée" in declined.text
    assert country.gateway.get(f"/api/votes/{placed['voteId']}").json()["status"] == "PENDING"
    paid = country.sandbox.post(page, data=card, follow_redirects=False)
    assert paid.headers["Location"].endswith(f"/votes/{placed['voteId']}")
    status = f"/api/votes/{placed['voteId']}"
    wait_for(lambda: country.gateway.get(status).json()["status"] == "COMPLETED")
    wait_for(lambda: country.votes("09") == before + 5)
    collected = [line for line in country.statement("stripe") if line["kind"] == "collection"]
    assert collected[-1]["amount"] == "500"


@pytest.mark.parametrize(
    ("method", "operator", "number"), [("CARD", "stripe", "+2250722220140"), ("WAVE", "wave", "+2250722220141")]
)
def test_a_page_whose_address_was_lost_is_there_within_seconds(
    country: Country, method: str, operator: str, number: str
) -> None:
    body = {"contest": "star", "candidateCode": "10", "quantity": 6, "paymentMethod": method}
    country.control(**{operator: {"request": {"drop_after": True}}})
    try:
        answer = country.gateway.post("/api/votes/initiate", json=body | {"voterPhone": number})
        assert answer.status_code == 201, answer.text
        vote = answer.json()["voteId"]
        lost = re.compile(rf"collection_asked.*{vote}|{vote}.*collection_asked")
        until(lambda: lost.search(country.log()), "the request whose answer is lost")
    finally:
        country.control(**{operator: {"request": {"drop_after": False}}})
    # 2 s on a machine that has nothing else to do; by design five at most (`test_observations.py`).
    until(lambda: link_of(country, answer.json(), operator), "the page", seconds=10)


def test_the_page_is_in_the_first_answer_where_the_operator_is_quick(country: Country) -> None:
    def with_page() -> dict[str, str] | None:
        placed = order(country, "09", 5)
        return placed if placed["paymentUrl"] else None  # a busy machine may take longer than a second

    placed = wait_for(with_page)
    assert placed is not None
    assert placed["paymentUrl"].startswith(f"{country.sandbox_url}/stripe/c/pay/")
    assert country.gateway.get(f"/api/votes/{placed['voteId']}").json()["paymentUrl"] == placed["paymentUrl"]


def test_what_the_card_company_took_back_is_explained_by_its_statement(staffed: Country, tmp_path: Path) -> None:
    country = staffed
    before, card = country.votes("09"), {"number": "4242424242424242", "expiry": "12/48", "cvc": "123"}
    for afterwards in (("dispute", "dispute_lost"), ("refund",)):
        placed = order(country, "09", 6)
        page = wait_for(partial(link_of, country, placed))
        country.sandbox.post(page, data={**card, "action": "pay"}, follow_redirects=False)
        wait_for(partial(status_is, country, placed, "COMPLETED"))
        for action in afterwards:
            country.sandbox.post(page, data={"action": action})
        wait_for(partial(status_is, country, placed, "REFUNDED"))
    wait_for(lambda: country.votes("09") == before)
    stated = tmp_path / "stripe.csv"
    stated.write_text(country.sandbox.get("/statement/stripe.csv").raise_for_status().text)
    assert {line["kind"] for line in country.statement("stripe")} == {"collection", "dispute", "refund"}
    country.login(ASKER, PASSWORD)
    imported = country.run("reconcile", "import", str(stated), "--provider", "stripe")
    assert imported.returncode == 0, imported.stderr
    assert "difference" not in imported.stdout, imported.stdout


def status_is(country: Country, placed: dict[str, str], status: str) -> bool:
    return bool(country.gateway.get(f"/api/votes/{placed['voteId']}").json()["status"] == status)


def test_fewer_votes_than_a_card_may_be_charged_for_are_refused_before(country: Country) -> None:
    body = {"contest": "star", "candidateCode": "09", "quantity": 2, "paymentMethod": "CARD"}
    refused = country.gateway.post("/api/votes/initiate", json=body)
    assert refused.status_code == 422
    assert refused.headers["Content-Type"].startswith("application/problem+json")


@pytest.mark.browser
async def test_a_card_payment_goes_to_the_hosted_page_and_back(country: Country, page: Page) -> None:
    await page.goto(f"{country.gateway_url}/c/star")
    await page.select_option("#code", "09")
    await page.fill("#quantity", "4")
    await page.get_by_label("Carte", exact=True).check()
    await page.locator("main form button[type=submit]").click()
    await page.wait_for_url(f"{country.sandbox_url}/stripe/c/pay/*", timeout=15_000)
    assert await page.evaluate("document.documentElement.scrollWidth") <= 360
    await page.get_by_role("link", name="← Retour").click()
    await page.wait_for_url(f"{country.gateway_url}/votes/*")
    await page.get_by_role("link", name="Ouvrir la page de paiement").click()
    await page.wait_for_url(f"{country.sandbox_url}/stripe/c/pay/*")
    await page.fill("#number", "4000 0027 6000 3184")
    await page.fill("#expiry", "12/48")
    await page.fill("#cvc", "123")
    await page.locator("button.pay").click()
    await page.get_by_role("button", name="Confirmer").click()
    await page.wait_for_url(f"{country.gateway_url}/votes/*")
    await expect(page.locator("h1")).to_have_text("Vote compté", timeout=20_000)
