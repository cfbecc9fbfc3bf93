"""A whole vote by a handset over each aggregator: dialled, typed, paid, counted."""

import pytest

import channels.ussd.aggregators
from gateway.runtime.discovery import discover
from tests.country import Country, until

pytestmark = pytest.mark.journey

CODES = sorted(discover(channels.ussd.aggregators))


@pytest.mark.parametrize("aggregator", CODES)
def test_a_vote(country: Country, aggregator: str) -> None:
    before = country.votes("10")
    phone = country.phone(f"+2250511120{CODES.index(aggregator):03}")
    assert "Star d'Abidjan" in phone.dial("*789#", aggregator)
    assert "10" in phone.reply("10")
    assert "300" in phone.reply("3")
    phone.reply("1")
    assert not phone.open
    assert int(phone.wait_for_prompt()["amount"]) == 300
    phone.approve()
    assert "verify" in phone.wait_for_text("verify")
    until(lambda: country.votes("10") == before + 3, "three more votes")
    carried = country.sandbox.get(f"/requests/{aggregator}?direction=out").raise_for_status().json()
    assert any(f"/ussd/{aggregator}" in request["url"] for request in carried)
    assert country.sandbox.get("/control/violations").json() == []
