"""Texts by two carriers: who stands in for whom, and never two receipts for one vote."""

import re
import time
from collections.abc import Iterator

import pytest

from tests.country import Country, Phone, until
from tests.journeys.test_votes import receipt_in

pytestmark = pytest.mark.journey
FAST = {"delivery_delay_ms": 50}


@pytest.fixture
def calm(country: Country) -> Iterator[Country]:
    """The country, with carriers as on a good day before and after."""
    country.control(sms=FAST, kannel=FAST)
    try:
        yield country
    finally:
        good_day = {"recipient_status": 0, "error": 0, "slow_after_send_ms": 0, "delivery": "normal", "charset": False}
        country.control(sms={**good_day, "delivery_delay_ms": 500}, kannel={"charset": "utf8"})


def receipts(phone: Phone) -> list[str]:
    return [text for text in phone.inbox() if "verify" in text]


def vote(country: Country, phone: Phone, code: str) -> str:
    """Cast one vote by USSD and pay; the receipt's text."""
    phone.dial(f"*789*{code}*1*1#")
    phone.wait_for_prompt()
    phone.approve()
    return phone.wait_for_text("verify")


def tried(country: Country, carrier: str, outcome: str) -> int:
    """Texts that ended so, as `/metrics` shows them."""
    line = re.compile(
        rf'^spotlight_texts_tried{{(?=[^}}]*carrier="{carrier}")[^}}]*outcome="{outcome}"[^}}]*}} (\d+)', re.MULTILINE
    )
    found = line.search(country.metrics())
    return int(found[1]) if found else 0


def test_a_receipt_goes_out_by_kannel_when_africastalking_is_broke(calm: Country) -> None:
    calm.control(sms={"recipient_status": 405})
    phone = calm.phone("+2250533330001")
    receipt_in(vote(calm, phone, "08"))
    assert len(calm.sandbox.get("/requests/kannel?direction=in").json()) >= 1
    until(lambda: tried(calm, "kannel", "delivered"), "Kannel's report on the receipt")
    assert len(receipts(phone)) == 1
    alerts = [line for line in calm.metrics().splitlines() if "carrier_refuses_us{" in line]
    assert any("africastalking" in line and "InsufficientBalance" in line for line in alerts), alerts


def test_a_receipt_goes_out_by_kannel_after_a_passing_refusal(calm: Country) -> None:
    calm.control(sms={"recipient_status": 502})
    phone = calm.phone("+2250533330002")
    phone.dial("*789*08*1*1#")
    phone.wait_for_prompt()
    phone.approve()
    until(lambda: receipts(phone), "a receipt by the other carrier", seconds=60)
    time.sleep(1)
    assert len(receipts(phone)) == 1


def test_a_receipt_whose_answer_was_lost_is_not_sent_by_the_other_carrier(calm: Country) -> None:
    calm.control(sms={"error": 500})
    phone = calm.phone("+2250533330003")
    before = calm.votes("09")
    phone.dial("*789*09*1*1#")
    phone.wait_for_prompt()
    phone.approve()
    until(lambda: calm.votes("09") == before + 1, "the vote")
    until(lambda: tried(calm, "africastalking", "unknown"), "the receipt among the unknown")
    assert receipts(phone) == []
    calm.control(sms={"error": 0})
    # The receipt can still be had: who asks is answered.
    phone.text("7890", "STATUS")
    receipt_in(phone.wait_for_text("09"))


def test_a_whole_vote_by_kannel(calm: Country) -> None:
    before = calm.votes("10")
    calm.control(kannel={"charset": "latin1"})
    phone = calm.phone("+2250533330004")
    phone.text("7890", "Vote n°10 x2", carrier="kannel")
    phone.wait_for_prompt()
    phone.approve()
    receipt_in(phone.wait_for_text("verify"))
    until(lambda: calm.votes("10") == before + 2, "two more votes")
    breaches = calm.sandbox.get("/control/violations").raise_for_status().json()
    assert [breach for breach in breaches if breach["kind"] == "answered"] == []
