"""An operator breaks down: its account is set aside, voters are told before anything is asked, and it comes back."""

import pytest

from tests.country import Country, until

pytestmark = pytest.mark.journey
DOWN = "MTN MoMo ne prend pas de paiement"


def closed(country: Country) -> bool:
    return 'spotlight_account_closed{account="mtn_momo"} 1' in country.gateway.get("/metrics").raise_for_status().text


def order(country: Country, number: str) -> int:
    body = {
        "contest": "star",
        "candidateCode": "09",
        "quantity": 1,
        "paymentMethod": "MTN_MOBILE_MONEY",
        "voterPhone": number,
    }
    return country.gateway.post("/api/votes/initiate", json=body).status_code


def test_mtn_is_away_for_a_while(country: Country) -> None:
    broken = {"error_500": "SERVICE_UNAVAILABLE"}
    country.control(mtn_momo={"request": broken, "status": {"http_503_seconds": 600}})
    try:
        assert {order(country, f"+22505666{number:05d}") for number in range(24)} == {201}
        until(lambda: closed(country), "an account that is closed")
        phone = country.phone("+2250566700001")

        def told() -> str | None:
            screen = phone.dial("*789*09*2#")
            return screen if DOWN in screen else None

        until(told, "a screen that says so")
        assert "Orange Money" in phone.dial("*789*09*2#")
        assert order(country, "+2250566700002") == 503
        assert phone.prompt() is None
    finally:
        country.control(mtn_momo={"request": {"error_500": ""}, "status": {"http_503_seconds": 0}})

    until(lambda: not closed(country), "an account that opened by itself", seconds=90)
    log = country.log()
    assert "account_closed" in log
    assert "account_open" in log
    before = country.votes("10")
    phone = country.phone("+2250566700003")

    def offered() -> bool:
        return DOWN not in phone.dial("*789*10*2#")

    until(offered, "an offer to pay with MTN")
    phone.reply("1")
    assert not phone.open
    phone.wait_for_prompt()
    phone.approve()
    until(lambda: country.votes("10") == before + 2, "two more votes")
