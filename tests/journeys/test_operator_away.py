"""Operators break down: circuits open, others stand in, voters are answered before anything is asked."""

from collections.abc import Iterator

import pytest

from tests.country import Country, Phone, until

pytestmark = pytest.mark.journey
DOWN = "MTN MoMo ne prend pas de paiement"
ACCOUNTS = ("mtn_momo", "pawapay")
BROKEN = {"request": {"error_500": "SERVICE_UNAVAILABLE"}, "status": {"http_503_seconds": 600}}
WHOLE = {"request": {"error_500": ""}, "status": {"http_503_seconds": 0}}


@pytest.fixture
def breakable(country: Country) -> Iterator[Country]:
    try:
        yield country
    finally:
        country.control(mtn_momo=WHOLE, pawapay=WHOLE)
        # Other journeys pay by these, and the gateway reads a second later what the table says.
        until(lambda: not any(closed(country, account) for account in ACCOUNTS), "accounts open again", seconds=200)
        by_mtn, by_code = country.phone("+2250566700009"), country.phone("+2250766700009")
        until(lambda: DOWN not in by_mtn.dial("*789*09*2#"), "a gateway that knows that MTN answers")
        until(lambda: "Par code" in by_code.dial("*789*09*2#"), "a gateway that knows that pawaPay answers")


def closed(country: Country, account: str) -> bool:
    return f'spotlight_account_closed{{account="{account}"}} 1' in country.metrics()


def order(country: Country, number: str) -> int:
    body = {
        "contest": "star",
        "candidateCode": "12",
        "quantity": 1,
        "paymentMethod": "MTN_MOBILE_MONEY",
        "voterPhone": number,
    }
    return country.gateway.post("/api/votes/initiate", json=body).status_code


def breaks(country: Country, account: str, numbers: str) -> None:
    """The operator is away, and enough payers find out."""
    country.control(**{account: BROKEN})
    answers = [order(country, f"+22505{numbers}{number:03d}") for number in range(24)]
    # On a slow day it is set aside before the last of them.
    assert answers[:5] == [201] * 5
    assert set(answers) <= {201, 503}
    until(lambda: closed(country, account), f"{account} set aside")


def vote(country: Country, phone: Phone, code: str) -> None:
    before = country.votes(code)
    phone.dial(f"*789*{code}*2#")
    phone.reply("1")
    assert not phone.open
    phone.wait_for_prompt()
    phone.approve()
    until(lambda: country.votes(code) == before + 2, "two more votes")


def test_mtn_is_away_for_a_while(breakable: Country) -> None:
    country = breakable
    breaks(country, "mtn_momo", "66600")
    # pawaPay takes money from the same wallets.
    vote(country, country.phone("+2250566700001"), "09")

    breaks(country, "pawapay", "66601")
    phone = country.phone("+2250566700002")
    until(lambda: DOWN in phone.dial("*789*09*2#"), "a screen that says so")
    assert "Wave" in phone.dial("*789*09*2#")
    assert order(country, "+2250566700003") == 503
    assert phone.prompt() is None

    country.control(mtn_momo=WHOLE, pawapay=WHOLE)
    until(lambda: DOWN not in phone.dial("*789*10*2#"), "an account that opened by itself", seconds=150)
    assert "account_open" in country.log()
    vote(country, phone, "10")
