"""Every text that leaves us: in the alphabet, within its parts, and with what the voter needs."""

from typing import Any

import pytest

from channels import gsm
from channels.buying import one_dial
from channels.phrases import catalogue, languages
from channels.sms.texts import render
from gateway.orders.receipt import make_receipt
from gateway.orders.wallet import PaymentMethod
from gateway.values.money import Money
from payments.provider import PayerReason

RECEIPT = make_receipt(2**44 + 12_345)
LANGUAGES = languages()
SHORT_URL = f"http://127.0.0.1:8080/verify/{RECEIPT}"
LONG_URL = f"https://votes.un-organisateur-tres-connu-en-afrique.example.org/verify/{RECEIPT}"
NAMES = ["Awa Koné", "Grâce Aïcha N’Guessan Épouse Diabaté de la Côte d’Ivoire", "€" * 80, "X" * 200, "🔥", "李小龍"]


def facts(**changes: Any) -> dict[str, Any]:
    return {
        "candidate_code": "07",
        "candidate_name": "Awa Koné",
        "contest_name": "Star d'Abidjan",
        "country": "CI",
        "service_code": "*789#",
        "short_code": "7890",
        "quantity": 5,
        "amount": Money(500, "XOF").spoken(),
        "wallet": "MTN_MOBILE_MONEY",
        "receipt": RECEIPT,
        "verify_url": SHORT_URL,
        **changes,
    }


def within(text: str, parts: int) -> None:
    assert gsm.fold(text) == text
    assert gsm.parts(text) <= parts, text


@pytest.mark.parametrize("language", LANGUAGES)
def test_phrases_of_texts_need_no_folding(language: str) -> None:
    texts = [
        t for key, t in catalogue()[language].items() if key.startswith(("sms.", "reason.", "refusal.", "wallet."))
    ]
    assert texts == [gsm.fold(text) for text in texts]


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_receipt_says_everything(language: str) -> None:
    text = render("receipt", language, facts())
    within(text, 1)
    for word in ("07", "Awa Koné", "500 FCFA", RECEIPT, SHORT_URL, "Star d'Abidjan", "5 votes"):
        assert word in text


def test_one_vote_is_no_plural() -> None:
    assert "1 vote compté pour" in render("receipt", "fr", facts(quantity=1))
    assert "1 vote counted for" in render("receipt", "en", facts(quantity=1))


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("contest", ["Star d'Abidjan", "Le Grand Concours de Beauté et de Talent de la Sous-région"])
@pytest.mark.parametrize("url", [SHORT_URL, LONG_URL, "https://" + "x" * 150 + f".ci/verify/{RECEIPT}"])
def test_a_receipt_is_one_part(language: str, name: str, contest: str, url: str) -> None:
    worst = facts(
        candidate_name=name,
        contest_name=contest,
        verify_url=url,
        quantity=10_000,
        candidate_code="1234",
        amount=Money(1_000_000_000, "XOF").spoken(),
    )
    text = render("receipt", language, worst)
    within(text, 1)
    assert RECEIPT in text
    assert ("http" in text) == (url in text)
    assert url in text or url != SHORT_URL


@pytest.mark.parametrize("language", LANGUAGES)
def test_an_everyday_receipt_has_room_for_a_long_link(language: str) -> None:
    text = render("receipt", language, facts(verify_url=LONG_URL))
    within(text, 1)
    assert LONG_URL in text


def test_a_long_name_is_cut_on_a_word() -> None:
    text = render("receipt", "fr", facts(candidate_name="Marie Antoinette Josephine Kouassi Adjoua Brou"))
    assert "Marie Antoinette" in text
    assert "Antoinette J," not in text


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("wallet", list(PaymentMethod))
@pytest.mark.parametrize("reason", [*PayerReason, "a_word_of_tomorrow", None])
def test_a_failure_says_what_to_do_next(language: str, wallet: PaymentMethod, reason: str | None) -> None:
    text = render("payment_failed", language, facts(wallet=wallet.value, reason=reason, quantity=10_000))
    within(text, 2)
    assert "{" not in text
    if (wallet, reason) == (PaymentMethod.ORANGE, PayerReason.WRONG_CODE):
        # Another code is needed first, and by USSD alone.
        assert "#144*82#" in text
        assert "*789*07*10000*4*CODE#" in text
        other = render("payment_failed", language, facts(wallet=wallet, reason=reason, quantity=5, paid_elsewhere=True))
        within(other, 2)
        word = "NUMERO" if language == "fr" else "NUMBER"
        assert f"*789*07*5*2*{word}*4*CODE#" in other
        return
    assert "*789*07*10000*1#" in text
    assert "VOTE 07 10000" in text
    assert "7890" in text


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("reason", ["closed", "candidate_withdrawn"])
def test_who_may_not_be_asked_any_more_is_not_invited_again(language: str, reason: str) -> None:
    text = render("payment_failed", language, facts(reason=reason, quantity=10_000))
    within(text, 2)
    assert "*789*" not in text
    assert text != render("payment_failed", language, facts(reason="other", quantity=10_000))


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_way_to_vote_again_without_a_number_of_ours(language: str) -> None:
    texted = render("payment_failed", language, facts(reason="declined", service_code=""))
    dialled = render("payment_failed", language, facts(reason="declined", short_code=""))
    assert "VOTE 07 5" in texted
    assert "*1#" not in texted
    assert "*789*07*5*1#" in dialled
    assert "VOTE" not in dialled


def test_one_dial_under_a_longer_service_code() -> None:
    assert one_dial("*789*12#", "07", 5) == "*789*12*07*5*1#"


@pytest.mark.parametrize("language", LANGUAGES)
def test_not_confirmed_promises_count_or_money(language: str) -> None:
    text = render("payment_not_confirmed", language, facts(quantity=10_000, reason="not_answered"))
    within(text, 2)
    assert "*789*07*10000*1#" in text


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", NAMES)
def test_a_payment_link_is_whole(language: str, name: str) -> None:
    url = "https://webpayment.orange-money.com/ci/pay_token/" + "a1b2" * 16
    orange = facts(candidate_name=name, payment_url=url, amount="1 000 000 FCFA", wallet="ORANGE_MONEY")
    text = render("payment_link", language, orange)
    within(text, 2)
    assert f" {url} " in text
    assert "#144*82#" in text
    # The code is one of Orange in Côte d'Ivoire; no other page asks for it.
    for other in ({"wallet": "WAVE"}, {"country": "CM"}):
        assert render("payment_link", language, {**orange, **other}).endswith(f" {url}")


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("reason", ["late", "double", "candidate_withdrawn", "mismatch", "staff", None])
def test_a_refund_names_the_amount(language: str, reason: str | None) -> None:
    text = render("refund_pending", language, facts(reason=reason, amount="1 000 000 FCFA"))
    within(text, 2)
    assert "1 000 000 FCFA" in text


@pytest.mark.parametrize("language", LANGUAGES)
def test_votes_that_were_withdrawn_are_named_with_their_money(language: str) -> None:
    text = render("votes_withdrawn", language, facts(reason="reversed", amount="1 000 000 FCFA", quantity=10_000))
    within(text, 2)
    assert "1 000 000 FCFA" in text
    assert "10000" in text


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_reply_is_cut_to_two_parts(language: str) -> None:
    text = render("reply", language, {"lines": ["Aïcha " * 20, "œuf " * 60]})
    within(text, 2)


@pytest.mark.parametrize("language", LANGUAGES)
def test_help_names_service_price_and_numbers(language: str) -> None:
    text = catalogue()[language]["sms.help"] + catalogue()[language]["sms.help_dial"]
    for placeholder in ("{contest}", "{price}", "{service_code}"):
        assert placeholder in text


@pytest.mark.parametrize(("kind", "values"), [("poem", facts()), ("receipt", {}), ("reply", {})])
def test_unknown_kinds_and_missing_facts_are_errors(kind: str, values: dict[str, Any]) -> None:
    with pytest.raises(KeyError):
        render(kind, "fr", values)


def test_an_unknown_language_is_the_default_one() -> None:
    assert render("receipt", "bci", facts()) == render("receipt", "fr", facts())
