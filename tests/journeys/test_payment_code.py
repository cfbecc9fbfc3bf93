"""Orange Money on a keypad phone, to the end: fetch a code, vote, type the code. No page, no request."""

import re

import pytest

from tests.country import Country, until
from tests.journeys.test_votes import receipt_in

pytestmark = pytest.mark.journey


def fetched(country: Country, number: str) -> str:
    """The code that Orange shows a phone that dials for it."""
    shown = country.phone(number).dial("#144*82#")
    found = re.search(r"\b\d{4,8}\b", shown)
    assert found is not None, shown
    return found.group()


@pytest.mark.parametrize(("number", "resumed"), [("+2250711110021", False), ("+2250711110023", True)])
def test_a_vote_is_paid_with_a_fetched_code(country: Country, number: str, resumed: bool) -> None:
    before = country.votes("09")
    phone = country.phone(number)
    phone.dial("*789#")
    phone.reply("09")
    assert "4 Par code #144*82#" in phone.reply("2")
    asked = phone.reply("4")
    assert "Composez #144*82#, puis *789*09*2*4*CODE#" in asked
    # To dial for the code ends the dialogue.
    code = fetched(country, number)
    if resumed:
        assert "1 Continuer" in phone.dial("*789#")
        assert phone.reply("1") == asked
        phone.reply(code)
    else:
        phone.dial(f"*789*09*2*4*{code}#")
    assert not phone.open
    receipt_in(phone.wait_for_text("verify"))
    until(lambda: country.votes("09") == before + 2, "two votes paid by code")
    assert phone.prompt() is None
    taken = [line for line in country.statement("pawapay") if line["msisdn"] == number]
    assert [(line["amount"], line["kind"]) for line in taken] == [("200", "collection")]


def test_a_wrong_code_pays_nothing_and_is_reported(country: Country) -> None:
    before = country.votes("09")
    phone = country.phone("+2250711110022")
    phone.dial("*789*09*1*4#")
    phone.reply("9999")
    assert not phone.open
    assert "composez #144*82#, puis *789*09*1*4*CODE#" in phone.wait_for_text("Code incorrect")
    assert country.votes("09") == before
