"""What every channel decides alike about an order."""

from dataclasses import replace
from typing import Any

import pytest

from channels.buying import (
    asked_first,
    dial_with_code,
    is_mistyped,
    named,
    own_number,
    phone_wallets,
    read_count,
    read_payer,
    refusal_words,
    rule_terms,
    votes_in_words,
    why_taken_back,
)
from channels.gsm import fold
from channels.phrases import languages, say
from channels.ussd.menu.helping import rules_pages
from gateway.contests.contest import Contest, TieBreak
from gateway.orders.rules import Refusal
from gateway.orders.wallet import PaymentMethod
from gateway.values.msisdn import Msisdn
from payments.settlement.rules import Adjusted
from tests.demo import demo_contest

STAR = demo_contest()
CHECKED = replace(STAR, check_digits=True, _by_code={})
MTN, WAVE, CARD = PaymentMethod.MTN, PaymentMethod.WAVE, PaymentMethod.CARD
AWA = Msisdn("+2250501020304", "CI")


@pytest.mark.parametrize(
    ("typed", "pays"),
    [
        ("05 01 02 03 04", AWA),
        ("+225 0501020304", AWA),
        ("0501", Refusal.BAD_NUMBER),
        ("", Refusal.BAD_NUMBER),
        ("+33612345678", Refusal.FOREIGN_NUMBER),
    ],
)
def test_a_typed_number_pays_in_its_country(typed: str, pays: Msisdn | Refusal) -> None:
    assert read_payer(typed, STAR) == pays


@pytest.mark.parametrize(
    ("vouched", "own"), [("+2250501020304", AWA), ("+237671234567", None), ("7890", None), ("", None), (None, None)]
)
def test_the_number_that_a_network_vouches_for(vouched: str | None, own: Msisdn | None) -> None:
    assert own_number(vouched, STAR) == own


def test_a_card_needs_no_phone() -> None:
    assert phone_wallets((WAVE, CARD, MTN)) == (WAVE, MTN)


@pytest.mark.parametrize(
    ("typed", "votes"),
    [
        ("1", 1),
        ("05", 5),
        (str(STAR.quantity_max), STAR.quantity_max),
        (str(STAR.quantity_max + 1), Refusal.TOO_MANY),
        ("9" * 40, Refusal.TOO_MANY),
        ("0", Refusal.BAD_QUANTITY),
        ("-5", Refusal.BAD_QUANTITY),
        ("5.5", Refusal.BAD_QUANTITY),
        ("٥", Refusal.BAD_QUANTITY),
        ("", Refusal.BAD_QUANTITY),
    ],
)
def test_a_typed_number_of_votes(typed: str, votes: int | Refusal) -> None:
    assert read_count(typed, STAR) == votes


@pytest.mark.parametrize(("above", "votes", "asked"), [(3, 3, False), (3, 4, True), (None, 1, False)])
def test_a_large_order_is_asked_about_first(above: int | None, votes: int, asked: bool) -> None:
    assert asked_first(replace(STAR, confirm_above=above, _by_code={}), votes) is asked


def test_one_vote_is_not_several() -> None:
    assert [votes_in_words("fr", 1), votes_in_words("en", 5)] == ["1 vote", "5 votes"]


@pytest.mark.parametrize("typed", ["", "  ", "?!", "zz"])
def test_no_name_begins_so(typed: str) -> None:
    assert named(STAR, typed) == ()


@pytest.mark.parametrize(
    ("typed", "codes"), [("kon", ["01", "11"]), ("KONÉ", ["01"]), ("n'guessan kouadio", ["02"]), ("one", [])]
)
def test_names_by_the_beginnings_of_their_parts(typed: str, codes: list[str]) -> None:
    assert [candidate.code for candidate in named(STAR, typed)] == codes


@pytest.mark.parametrize(
    ("contest", "code", "mistyped"), [(STAR, "99", False), (CHECKED, "99", True), (CHECKED, "ab", False)]
)
def test_a_check_digit_shows_a_mistyped_code(contest: Contest, code: str, mistyped: bool) -> None:
    assert is_mistyped(contest, code) is mistyped


@pytest.mark.parametrize(
    ("key", "elsewhere", "dialled"),
    [("4", False, "*789*07*5*4*CODE#"), ("5", False, "*789*07*5*5*CODE#"), ("4", True, "*789*07*5*2*NUMERO*4*CODE#")],
)
def test_what_is_dialled_with_a_payment_code(key: str, elsewhere: bool, dialled: str) -> None:
    assert dial_with_code("fr", "*789#", "07", 5, key, elsewhere=elsewhere) == dialled


@pytest.mark.parametrize("language", languages())
@pytest.mark.parametrize("refusal", Refusal)
def test_every_refusal_has_words(language: str, refusal: Refusal) -> None:
    text = refusal_words(language, refusal, STAR, "99")
    assert text
    assert "{" not in text
    assert refusal_words(language, refusal, None)


def test_a_refusal_names_what_it_is_about() -> None:
    assert "inconnu" in refusal_words("fr", Refusal.UNKNOWN_CANDIDATE, STAR, "99")
    assert "mal tapé" in refusal_words("fr", Refusal.UNKNOWN_CANDIDATE, CHECKED, "99")
    assert "5" in refusal_words("fr", Refusal.TOO_FEW, STAR, least=5)
    assert "Star d'A " in refusal_words("fr", Refusal.CLOSED, STAR, shorten=lambda name: name[:8])


@pytest.mark.parametrize("refusal", [Refusal.NO_WALLET, Refusal.NOT_ITS_WALLET])
def test_a_refused_wallet_names_the_others(refusal: Refusal) -> None:
    assert refusal_words("fr", refusal, STAR, payer=AWA, methods=(WAVE, MTN)).endswith("Wave, MTN MoMo.")
    assert refusal_words("fr", refusal, STAR, payer=AWA, methods=()).endswith("Un autre numéro peut payer.")
    assert "Wave" not in refusal_words("fr", refusal, STAR, payer=AWA)


@pytest.mark.parametrize("language", languages())
@pytest.mark.parametrize("reason", Adjusted)
def test_our_own_reasons_have_words_in_every_language(language: str, reason: Adjusted) -> None:
    text = why_taken_back(language, reason.value)
    assert text == fold(text)
    if language == "fr":
        assert text != why_taken_back("en", reason.value)


@pytest.mark.parametrize("reason", ["Panne du 12 mars", "", "refunds"])
def test_what_a_person_wrote_stays_as_it_was_written(reason: str) -> None:
    assert why_taken_back("fr", reason) == reason


@pytest.mark.parametrize(
    ("rules", "terms"),
    [
        ({}, []),
        ({"tie_break": TieBreak.EARLIEST}, [("earliest", {})]),
        ({"refund_days": 7}, [("refund", {"days": 7})]),
        ({"jury_percent": 30}, [("jury", {"votes": 70, "jury": 30})]),
        ({"refund_days": 0, "tie_break": TieBreak.EARLIEST}, [("earliest", {}), ("no_refund", {})]),
    ],
)
def test_rules_that_not_every_contest_has(rules: dict[str, Any], terms: list[tuple[str, dict[str, int]]]) -> None:
    contest = replace(demo_contest(), **rules, _by_code={})
    assert rule_terms(contest) == terms
    for language in languages():
        told = " ".join(rules_pages(contest, language))
        assert all(fold(say(language, f"ussd.rules_{word}", **facts)) in told for word, facts in terms)
