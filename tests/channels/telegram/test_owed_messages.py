"""Owed messages in the bot's own words: short, with a link, nothing to dial."""

import pytest

from channels.telegram.texts import write
from payments.lifecycle import Withheld
from payments.provider import PayerReason

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
    text = write("receipt", language, FACTS)
    assert text is not None
    assert text.endswith("https://vote.example/verify/0123456789")
    # Plain: the sender escapes it.
    assert "07 Awa & Ouattara" in text
    assert len(text) < 160


@pytest.mark.parametrize("language", ["fr", "en"])
@pytest.mark.parametrize("reason", [*PayerReason, None, "new_word"])
def test_a_failure_says_why_and_what_to_write_here(language: str, reason: str | None) -> None:
    text = write("payment_failed", language, {**FACTS, "reason": reason})
    assert text is not None
    assert "07 5" in text
    assert "*789" not in text
    assert "{" not in text


@pytest.mark.parametrize("language", ["fr", "en"])
def test_who_may_not_be_asked_any_more_is_not_invited_again(language: str) -> None:
    texts = {write("payment_failed", language, {**FACTS, "reason": word}) for word in Withheld}
    assert len(texts) == 4, "closed, withdrawn, suspended, and all others"
    for reason in (Withheld.CLOSED, Withheld.CANDIDATE_WITHDRAWN, Withheld.SUSPENDED):
        text = write("payment_failed", language, {**FACTS, "reason": reason.value})
        assert text is not None
        assert text.count("07") == 1
        assert text.endswith("/debite")


def test_what_was_not_confirmed_leads_to_the_search() -> None:
    text = write("payment_not_confirmed", "fr", FACTS)
    assert text is not None
    assert "/debite" in text


def test_other_kinds_are_worded_as_texts() -> None:
    assert write("refund_pending", "fr", FACTS) is None
    with pytest.raises(KeyError):
        write("receipt", "fr", {})
