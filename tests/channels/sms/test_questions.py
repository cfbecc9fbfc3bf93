"""Answers that sell: what is asked, what YES buys, and when there is no answer at all."""

from dataclasses import replace
from datetime import timedelta

import pytest

from channels import gsm
from channels.buying import why_taken_back
from channels.grammar import Check
from channels.messages.inbox import Question, Talk
from channels.receipts import CheckedReceipt
from channels.sms import answers
from channels.sms.inbound import REPLIES_PER_HOUR, Reply
from gateway.orders.rules import Refusal
from gateway.values.money import Money
from payments.collection.order_views import ReceiptView, TakenBack
from tests.channels.grammar.test_as_people_write import MISS, STAR
from tests.channels.sms.service import send, texted_service, written
from tests.rigs.voting_service import NOON


async def test_info_names_price_dates_contact_and_rules() -> None:
    contest = replace(
        STAR, contact="0700000000", rules={"fr": "Le jury tranche.", "en": "The jury decides."}, _by_code={}
    )
    text = written(await send(texted_service(contest), "INFO"))
    for words in ("100 FCFA", "01/01/2026", "31/12/2027", "*789#", "0700000000", "10 min", "Le jury tranche."):
        assert words in text
    assert "The jury decides." in written(await send(texted_service(contest), "PRICE"))
    assert "0700000000" in written(await send(texted_service(contest), "AIDE"))


async def test_answers_of_a_contest_without_a_menu_name_none() -> None:
    service = texted_service(replace(STAR, service_code="", _by_code={}))
    for words in ("AIDE", "INFO", "SOLDE", "VOTE"):
        text = written(await send(service, words))
        assert "composez" not in text.casefold()
        assert "VOTE" in text


def asked_of(reply: Reply) -> Question:
    """The question that a reply asks."""
    assert reply.question is not None
    return reply.question


@pytest.mark.parametrize("yes", ["OUI", "oui svp", "yes", "OK", "1"])
@pytest.mark.parametrize(
    ("words", "code", "quantity"),
    [
        ("VOTE Awa 5", "07", 5),
        ("VOTE 07 500F", "07", 5),
        ("5x07", "07", 5),
        ("VOTE 105", "10", 5),
        ("vote awa", "07", 1),
    ],
)
async def test_yes_places_the_order_that_was_asked_about(words: str, code: str, quantity: int, yes: str) -> None:
    service = texted_service()
    reply = await send(service, words)
    text = written(reply)
    assert gsm.parts(text) == 1
    for fact in (code, f"{quantity} vote", f"{quantity}00 FCFA", "OUI"):
        assert fact in text
    assert service.vote_requests == []
    service.talks = Talk(question=asked_of(reply))
    for carrier_id in ("m2", "m3"):
        assert (await send(service, yes, carrier_id=carrier_id)).outcome == "order"
    (vote_request,) = service.vote_requests
    assert (vote_request.key, vote_request.candidate_code, vote_request.quantity) == (
        "africastalking:m1",
        code,
        quantity,
    )


async def test_yes_without_a_question_buys_nothing() -> None:
    service = texted_service()
    assert "VOTE 07 5" in written(await send(service, "OUI"))
    assert "VOTE 07 5" in written(await send(service, "1", carrier_id="m2"))
    assert written(await send(service, "ok", carrier_id="m3")) == ""
    assert service.vote_requests == []


async def test_no_is_read_without_an_answer() -> None:
    service = texted_service()
    service.talks = Talk(question=asked_of(await send(service, "VOTE Awa 5")))
    assert (await send(service, "NON", carrier_id="m2")) == Reply("no", "fr")
    assert service.vote_requests == []


async def test_yes_does_not_buy_at_another_price_than_the_one_named() -> None:
    service = texted_service()
    service.talks = Talk(question=asked_of(await send(service, "VOTE Awa 5")))
    service.shown = [replace(STAR, price=Money(200, "XOF"), _by_code={})]
    assert "200 FCFA" in written(await send(service, "OUI", carrier_id="m2"))
    assert service.vote_requests == []


async def test_yes_to_another_contest_of_the_past_is_no_order() -> None:
    service = texted_service()
    service.talks = Talk(question=replace(asked_of(await send(service, "VOTE Awa 5")), contest_slug="gone"))
    assert "VOTE 07 5" in written(await send(service, "OUI", carrier_id="m2"))
    assert service.vote_requests == []


async def test_a_second_yes_within_minutes_is_asked_for_a_whole_vote() -> None:
    service = texted_service()
    service.talks = Talk(question=asked_of(await send(service, "VOTE Awa 2")), bought=True)
    assert "VOTE 07 2 (200 FCFA)" in written(await send(service, "OUI", carrier_id="m3", first_id="m2"))
    assert service.vote_requests == []


@pytest.mark.parametrize("words", ["OUI 10", "yes 10", "ok 11", "10", "11", "Oui pour 10"])
async def test_a_reply_with_another_number_is_asked_about_and_the_question_stays(words: str) -> None:
    service = texted_service()
    service.talks = Talk(question=asked_of(await send(service, "5x07")))
    reply = await send(service, words, carrier_id="m2")
    number = words[-2:]
    text = written(reply)
    assert gsm.parts(text) == 1
    assert "OUI: 5 votes pour 07 Awa Ouattara = 500 FCFA" in text
    assert f"VOTE {number} 1: 1 vote pour " in text
    assert service.vote_requests == []
    assert reply.question == service.talks.question
    assert (await send(service, words, carrier_id="m3", first_id="m2")) == Reply("repeated", "fr")
    await send(service, "oui", carrier_id="m4")
    (vote_request,) = service.vote_requests
    assert (vote_request.key, vote_request.candidate_code, vote_request.quantity) == ("africastalking:m1", "07", 5)


@pytest.mark.parametrize(("words", "bought"), [("OUI 5", 1), ("oui 07", 1), ("ok 07 5", 1), ("10 votes", 0), ("07", 0)])
async def test_a_yes_with_the_numbers_of_the_question_is_a_yes(words: str, bought: int) -> None:
    service = texted_service()
    service.talks = Talk(question=asked_of(await send(service, "5x07")))
    assert bool((await send(service, words, carrier_id="m2")).lines) is not bool(bought)
    assert len(service.vote_requests) == bought


@pytest.mark.parametrize("words", ["OUI 10", "ok 11", "yes 10", "oui 07 5"])
async def test_a_yes_with_a_number_and_no_question_buys_nothing(words: str) -> None:
    service = texted_service()
    assert "Répondez OUI" in written(await send(service, words))
    assert service.vote_requests == []


async def test_other_words_while_a_question_is_open_are_read_alone() -> None:
    service = texted_service()
    service.talks = Talk(question=asked_of(await send(service, "5x07")))
    assert (await send(service, "VOTE 08 2", carrier_id="m2")).outcome == "order"
    assert [(vote_request.candidate_code, vote_request.quantity) for vote_request in service.vote_requests] == [
        ("08", 2)
    ]


@pytest.mark.parametrize("words", ["07 1000", "VOTE 07 1000", "1000 votes pour 07", "VOTE Awa 1000", "07 mille"])
async def test_a_large_order_is_asked_about_with_the_amount_first(words: str) -> None:
    service = texted_service()
    reply = await send(service, words)
    assert written(reply).startswith("100 000 FCFA: 1000 votes pour 07 Awa Ouattara? Répondez OUI")
    assert service.vote_requests == []
    service.talks = Talk(question=asked_of(reply))
    assert (await send(service, "OUI", carrier_id="m2")).outcome == "order"
    assert service.vote_requests[0].quantity == 1000


async def test_a_contest_says_what_is_large() -> None:
    service = texted_service(replace(STAR, confirm_above=3, _by_code={}))
    assert written(await send(service, "VOTE 07 4")).startswith("400 FCFA: 4 votes")
    assert (await send(service, "VOTE 07 3", carrier_id="m2")).outcome == "order"
    wide = texted_service(replace(STAR, packs=(10, 100), _by_code={}))
    assert (await send(wide, "VOTE 07 1000")).outcome == "order"


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("VOTE 5 Fatou", "5 votes pour 05 Fatou Bamba = 500 FCFA? Répondez OUI"),
        ("VOTE 5 Awa", "5 votes pour 07 Awa Ouattara = 500 FCFA? Répondez OUI"),
        ("5 votes 500 francs pour la 07", "5 votes pour 07 Awa Ouattara = 500 FCFA? Répondez OUI"),
        ("5 votes 300 francs pour la 07", "le nombre de votes, pas le prix: VOTE 07 5"),
        ("10 07", "OUI: 10 votes pour 07 Awa Ouattara = 1 000 FCFA"),
        ("10 07", "VOTE 10 7: 7 votes pour Moussa"),
        ("VOTE 07 Fatou", "VOTE 05 7: 7 votes pour Fatou Bamba = 700 FCFA"),
        ("10 pour 07", "10 votes pour 07 Awa Ouattara = 1 000 FCFA? Répondez OUI"),
        ("fatou 10", "10 votes pour 05 Fatou Bamba = 1 000 FCFA? Répondez OUI"),
        ("07 vingt", "20 votes pour 07 Awa Ouattara = 2 000 FCFA? Répondez OUI"),
        ("07 5 et 08 3", "chacun à part: VOTE 07 5, VOTE 08 3"),
        ("VOTE 07 5 0000", "jamais votre code secret"),
        ("VOTE 07 5 0000", "5 votes pour 07 Awa Ouattara = 500 FCFA? Répondez OUI"),
        ("0000", "N'envoyez jamais votre code secret"),
        ("combien ça coûte?", "1 vote = 100 FCFA"),
        ("how much is it", "1 vote = 100 FCFA, from"),
        ("rembourser", "Aucune commande de ce numéro"),
        ("on a pris mon argent", "Aucune commande de ce numéro"),
        ("arnaque", "Aucune commande de ce numéro"),
        ("annuler", "Aucune commande de ce numéro"),
        ("pas recu", "Aucune commande de ce numéro"),
        ("refund me", "No order from this number"),
        ("VOTE 07 5 " + "pour ma fille que j'aime " * 7, "5 votes pour 07 Awa Ouattara = 500 FCFA? Répondez OUI"),
    ],
)
async def test_what_was_unanswered_or_led_to_another_candidate_is_answered(words: str, expected: str) -> None:
    service = texted_service()
    assert expected in written(await send(service, words))
    assert service.vote_requests == []


@pytest.mark.parametrize("asking", ["VOTE 07 beaucoup", "VOTE 07 0", "VOTE 07 550F", "VOTE 07 20000"])
async def test_a_number_alone_that_is_a_count_is_no_vote_for_another_candidate(asking: str) -> None:
    service = texted_service()
    service.talks = Talk(question=asked_of(await send(service, asking)))
    reply = await send(service, "10", carrier_id="m2")
    assert "OUI: 10 votes pour 07 Awa Ouattara = 1 000 FCFA" in written(reply)
    assert service.vote_requests == []
    service.talks = Talk(question=asked_of(reply))
    await send(service, "OUI", carrier_id="m3")
    assert [(w.candidate_code, w.quantity, w.key) for w in service.vote_requests] == [("07", 10, "africastalking:m2")]


async def test_a_yes_to_how_many_is_asked_again() -> None:
    service = texted_service()
    service.talks = Talk(question=asked_of(await send(service, "VOTE 07 beaucoup")))
    assert "Combien de votes pour 07" in written(await send(service, "OUI", carrier_id="m2"))
    assert service.vote_requests == []


async def test_a_pin_with_a_yes_is_no_yes() -> None:
    service = texted_service()
    service.talks = Talk(question=asked_of(await send(service, "5x07")))
    reply = await send(service, "OUI 0000", carrier_id="m2")
    assert "jamais votre code secret" in written(reply)
    assert reply.question == service.talks.question
    assert service.vote_requests == []


async def test_yes_while_busy_may_be_sent_again() -> None:
    service = texted_service()
    service.talks = Talk(question=asked_of(await send(service, "VOTE Awa 2")))
    service.refusal = Refusal.TRY_AGAIN
    assert (await send(service, "OUI", carrier_id="m2")).outcome == "refused: try_again"
    service.refusal = None
    assert (await send(service, "OUI", carrier_id="m3", first_id="m2")).outcome == "order"
    assert len(service.vote_requests) == 1


async def test_an_hour_has_so_many_replies_and_every_order() -> None:
    service = texted_service()
    service.talks = Talk(replies=REPLIES_PER_HOUR - 1)
    assert (await send(service, "AIDE")).lines
    service.talks = Talk(replies=REPLIES_PER_HOUR)
    assert await send(service, "AIDE", carrier_id="m2") == Reply("unanswered: help", "fr")
    assert await send(service, "VOTE Awa 5", carrier_id="m3") == Reply("unanswered: asked: an offer", "fr")
    assert await send(service, "STOP", carrier_id="m4") == Reply("unanswered: stopped", "fr", opt_out=True)
    assert (await send(service, "VOTE 07 5", carrier_id="m5")).outcome == "order"


async def test_our_own_long_number_is_not_answered() -> None:
    service = texted_service(replace(STAR, short_code="+2250700000000", _by_code={}))
    for sender in ("+2250700000000", "2250700000000"):
        reply = await send(service, "AIDE", sender=sender, to="+2250700000000")
        assert reply == Reply("not a person", "fr")
    assert (await send(service, "AIDE", to="+2250700000000")).lines


async def test_a_stop_is_confirmed_once() -> None:
    service = texted_service()
    assert (await send(service, "STOP")).lines
    service.talks = Talk(opted_out=True)
    assert await send(service, "stop", carrier_id="m2") == Reply("stopped", "fr", opt_out=True)
    assert (await send(service, "START", carrier_id="m3")).lines


async def test_a_stop_to_a_short_code_of_no_contest_is_a_stop() -> None:
    service = texted_service(STAR, replace(MISS, short_code="7891", _by_code={}))
    assert (await send(service, "STOP", to="9999")).opt_out is True


async def test_examples_for_contests_on_one_short_code_begin_with_the_keyword() -> None:
    service = texted_service(STAR, MISS)
    assert "STAR 07 5" in written(await send(service, "STAR"))
    assert "MISS26 <code> <nombre>, ex. MISS26 07 5" in written(await send(service, "AIDE MISS26", carrier_id="m2"))


async def test_a_contest_that_is_over_makes_nothing_ambiguous() -> None:
    service = texted_service(replace(STAR, closes_at=NOON - timedelta(days=1), _by_code={}), MISS)
    await send(service, "VOTE 07 5")
    assert [vote_request.contest.slug for vote_request in service.vote_requests] == ["miss"]
    assert "clos" in written(await send(service, "STAR 07 5", carrier_id="m2"))


@pytest.mark.parametrize("language", ["fr", "en", "wes"])
def test_a_receipt_of_a_vote_that_was_taken_back_says_so_in_one_part(language: str) -> None:
    proof = ReceiptView("7K2M9QXW4T", "star", "Star", "07", "Awa", 1000, Money(100_000, "XOF"), 9_999_999, NOON)
    for why in ("voided window", "une raison qui est longue " * 9):
        taken_back = replace(proof, taken_back=TakenBack(9_999_998, NOON, why))
        text = answers.checked(Check("7K2M9QXW4T"), CheckedReceipt(taken_back, True, "Africa/Abidjan"), language)
        assert gsm.parts(text) == 1
        logged, later = (
            answers.checked(Check("7K2M9QXW4T"), CheckedReceipt(proof, is_in, "Africa/Douala"), language)
            for is_in in (True, False)
        )
        assert gsm.parts(logged) == gsm.parts(later) == 1
        assert logged != later
        assert "01/06/2026 13:00 GMT+1" in logged
        assert ("9999999" in text, "9999998" in text, why_taken_back(language, why)[:8] in text) == (True, True, True)
