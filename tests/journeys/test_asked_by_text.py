"""Texts that are not understood at once, from a handset to the receipt, and every word that is answered."""

import pytest

from tests.country import Country, until
from tests.journeys.test_votes import receipt_in

pytestmark = pytest.mark.journey


def test_a_question_a_yes_and_a_receipt(country: Country) -> None:
    before = country.votes("06")
    phone = country.phone("+2250544440001")
    phone.text("7890", "VOTE 500")
    phone.wait_for_text("par exemple VOTE 07 5")
    phone.text("7890", "voter yao kouadioh 3")
    assert "3 votes pour 06 Yao Kouadio = 300 FCFA" in phone.wait_for_text("OUI")
    assert phone.prompt() is None
    phone.text("7890", "oui")
    assert phone.wait_for_prompt()["amount"] == 300
    phone.approve()
    receipt = receipt_in(phone.wait_for_text("verify"))
    until(lambda: country.votes("06") == before + 3, "three more votes")
    phone.text("7890", f"check {receipt.lower()}")
    phone.wait_for_text("registre")
    wrong = "0" if receipt[0] != "0" else "1"
    phone.text("7890", f"CHECK {wrong}{receipt[1:]}")
    phone.wait_for_text("mal tapé")
    phone.text("7890", "SOLDE")
    phone.wait_for_text(f"06 x3 compté {receipt}")


def test_words_are_answered(country: Country) -> None:
    phone = country.phone("+2250544440002")
    for words, told in (("INFO", "GMT"), ("TOP", "1. "), ("HELP", "Text VOTE"), ("STOP", "plus de messages")):
        phone.text("7890", words)
        phone.wait_for_text(told)
    # A stop stops nothing that is asked for.
    phone.text("7890", "VOTE 06 1")
    phone.wait_for_prompt()
    phone.approve()
    receipt_in(phone.wait_for_text("verify"))
