"""Texts that are not understood at once, from a handset to the receipt, and every word that is answered."""

import pytest

from tests.country import Country, Phone, until
from tests.journeys.test_votes import receipt_in

pytestmark = pytest.mark.journey


def test_a_question_a_yes_and_a_receipt(country: Country) -> None:
    before = country.votes("06")
    phone = country.phone("+2250544550001")
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
    phone.wait_for_text("décompte")
    wrong = "0" if receipt[0] != "0" else "1"
    phone.text("7890", f"CHECK {wrong}{receipt[1:]}")
    phone.wait_for_text("mal tapé")
    phone.text("7890", "SOLDE")
    phone.wait_for_text(f"06 x3 compté {receipt}")


def answer_to(phone: Phone, words: str) -> str:
    """Send a text; what comes back."""
    before = len(phone.inbox())
    phone.text("7890", words)
    return until(lambda: phone.inbox()[before:], f"an answer to {words!r}")[0]


def test_a_yes_with_another_number_is_asked_about(country: Country) -> None:
    before = {code: country.votes(code) for code in ("07", "10", "11")}
    phone = country.phone("+2250544550003")
    phone.text("7890", "5 x 07")
    phone.wait_for_text("5 votes pour 07 Fatou Coulibaly = 500 FCFA? Répondez OUI")
    for words in ("Oui 10", "ok 11", "10"):
        answer = answer_to(phone, words)
        assert "OUI: 5 votes pour 07" in answer
        assert f"VOTE {words[-2:]} 1: 1 vote pour" in answer
    assert phone.prompt() is None
    phone.text("7890", "OUI 5")
    assert phone.wait_for_prompt()["amount"] == 500
    phone.approve()
    receipt_in(phone.wait_for_text("verify"))
    until(lambda: country.votes("07") == before["07"] + 5, "five more votes")
    assert {code: country.votes(code) for code in ("10", "11")} == {code: before[code] for code in ("10", "11")}


def test_a_name_decides_and_a_large_order_names_its_amount_first(country: Country) -> None:
    phone = country.phone("+2250544550004")
    for words, expected in (
        ("VOTE 5 Fatou", "5 votes pour 07 Fatou Coulibaly = 500 FCFA?"),
        ("5 votes 500 francs pour la 07", "5 votes pour 07 Fatou Coulibaly = 500 FCFA?"),
        ("10 07", "VOTE 10 7: 7 votes pour Ibrahim"),
        ("VOTE 07 5 0000", "jamais votre code secret"),
        ("on a pris mon argent", "Aucune commande de ce numéro"),
        ("07 1000", "100 000 FCFA: 1000 votes pour 07 Fatou Coulibaly? Répondez OUI"),
    ):
        assert expected in answer_to(phone, words)
    assert phone.prompt() is None
    phone.text("7890", "OUI")
    assert phone.wait_for_prompt()["amount"] == 100_000
    phone.decline()


def test_words_are_answered(country: Country) -> None:
    phone = country.phone("+2250544550002")
    for words, expected in (("INFO", "GMT"), ("TOP", "1. "), ("HELP", "Text VOTE"), ("STOP", "plus de messages")):
        phone.text("7890", words)
        phone.wait_for_text(expected)
    # A stop stops nothing that is asked for.
    phone.text("7890", "VOTE 06 1")
    phone.wait_for_prompt()
    phone.approve()
    receipt_in(phone.wait_for_text("verify"))
