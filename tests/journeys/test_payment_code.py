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


def test_a_vote_is_paid_with_a_fetched_code(country: Country) -> None:
    number, before = "+2250711110021", country.votes("09")
    phone = country.phone(number)
    code = fetched(country, number)
    phone.dial("*789#")
    phone.reply("09")
    assert "4 Code #144*82#" in phone.reply("2")
    assert "#144*82#" in phone.reply("4")
    phone.reply(code)
    assert not phone.open
    receipt_in(phone.wait_for_text("verify"))
    until(lambda: country.votes("09") == before + 2, "two votes paid by code")
    assert phone.prompt() is None
    taken = [line for line in country.statement("pawapay") if line["msisdn"] == number]
    assert [(line["amount"], line["kind"]) for line in taken] == [("200", "collection")]


def test_a_wrong_code_pays_nothing_and_is_said(country: Country) -> None:
    before = country.votes("09")
    phone = country.phone("+2250711110022")
    phone.dial("*789*09*1*4#")
    phone.reply("9999")
    assert not phone.open
    phone.wait_for_text("Code incorrect")
    assert country.votes("09") == before
