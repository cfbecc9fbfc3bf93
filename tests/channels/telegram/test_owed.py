"""Owed messages in the bot's own words: short, with a link, nothing to dial."""

import pytest

from channels.telegram import owed
from gateway.ports.payment_provider import PayerReason

FACTS = {
    "candidate_code": "07",
    "candidate_name": "Awa & Ouattara",
    "contest_name": "Star d'Abidjan",
    "quantity": 5,
    "amount": "500 FCFA",
    "wallet": "MTN_MOBILE_MONEY",
    "service_code": "*789#",
    "short_code": "7890",
    "receipt": "0123456789",
    "verify_url": "https://vote.example/verify/0123456789",
}


@pytest.mark.parametrize("language", ["fr", "en", "wes"])
def test_a_receipt_is_short_and_has_its_link(language: str) -> None:
    text = owed.write("receipt", language, FACTS)
    assert text is not None
    assert text.endswith("https://vote.example/verify/0123456789")
    # Plain: whoever sends it escapes it.
    assert "07 Awa & Ouattara" in text
    assert len(text) < 160


@pytest.mark.parametrize("language", ["fr", "en"])
@pytest.mark.parametrize("reason", [*PayerReason, None, "new_word"])
def test_a_failure_says_why_and_what_to_write_here(language: str, reason: str | None) -> None:
    text = owed.write("payment_failed", language, {**FACTS, "reason": reason})
    assert text is not None
    assert "07 5" in text
    assert "*789" not in text
    assert "{" not in text


def test_what_was_not_confirmed_leads_to_the_search() -> None:
    text = owed.write("payment_not_confirmed", "fr", FACTS)
    assert text is not None
    assert "/debite" in text


def test_other_kinds_are_worded_as_texts() -> None:
    assert owed.write("refund_pending", "fr", FACTS) is None
    with pytest.raises(KeyError):
        owed.write("receipt", "fr", {})
