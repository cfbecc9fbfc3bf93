"""I was debited, by text: understood in any words, never sold from, answered with what is known."""

from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import pytest

from channels import gsm
from channels.grammar import Say, Word, read
from channels.phrases import languages
from channels.sms import answers
from gateway.orders.rules import Channel
from gateway.values.money import Money
from gateway.values.msisdn import Msisdn
from payments.collection.order_views import VoteLine
from payments.lifecycle import PublicStatus, State
from payments.rescue.rules import DISPUTABLE, Attempt, OfNumber, Outcome, Rescue
from tests.channels.grammar.test_as_people_write import MISS, STAR
from tests.channels.sms.service import MTN, send, texted_service, written
from tests.rigs.voting_service import NOON, RECEIPT

LONGEST = Attempt(State.PENDING, "07", "Awa Ouattara", 10_000, Money(1_000_000, "XOF"), RECEIPT)


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("DEBITE", "fr"),
        ("débité svp", "fr"),
        ("J'ai été débité de 500F pour 07 et rien", "fr"),
        ("Bonjour\nVOTE 07 5 mais je suis débitée", "fr"),
        ("DEBITED", "en"),
        ("i was charged 5 times", "en"),
        ("STAR debite", "fr"),
    ],
)
def test_a_text_about_a_debit_is_understood_and_sells_nothing(text: str, language: str) -> None:
    assert read(text, [STAR]) == Say(Word.DEBITED, STAR, language)


def test_stop_and_a_receipt_stay_what_they_are() -> None:
    assert read("STOP debite", [STAR]) == Say(Word.STOP, STAR, None)
    assert read("TICKET", [STAR]) == Say(Word.TICKET, STAR, "en")


@pytest.mark.parametrize("language", languages())
@pytest.mark.parametrize("outcome", Outcome)
def test_every_outcome_is_answered_in_one_or_two_parts(language: str, outcome: Outcome) -> None:
    attempt = None if outcome is Outcome.NOTHING else LONGEST
    text = answers.debited(Rescue(outcome, attempt, "99999995"), language)
    assert gsm.parts(text) <= 2
    assert "{" not in text
    assert ("DOSSIER" in text or "TICKET" in text) is (outcome in DISPUTABLE)


async def test_the_service_is_asked_about_this_number_in_every_contest_of_the_short_code() -> None:
    over = replace(MISS, closes_at=NOON - timedelta(days=1), id=uuid4(), slug="old", keyword="OLD", _by_code={})
    service = texted_service(STAR, over)
    service.found = Rescue(Outcome.NOT_PAID, LONGEST)
    reply = await send(service, "DEBITE")
    assert reply.outcome == "debited: not_paid"
    assert "non payé" in written(reply)
    assert service.claims == [OfNumber(Msisdn(MTN, "CI"), (STAR.id, over.id), Channel.SMS)]
    await send(service, "OLD DEBITE")
    assert service.claims[1] == OfNumber(Msisdn(MTN, "CI"), (over.id, STAR.id), Channel.SMS)


async def test_several_open_contests_need_no_keyword() -> None:
    service = texted_service(STAR, MISS)
    assert "Aucune commande" in written(await send(service, "DEBITE"))
    (claim,) = service.claims
    assert isinstance(claim, OfNumber)
    assert set(claim.contest_ids) == {STAR.id, MISS.id}


async def test_a_ticket_is_opened_and_says_whom_to_call() -> None:
    service = texted_service(replace(STAR, contact="0700000000", _by_code={}))
    text = written(await send(service, "DOSSIER"))
    assert "Dossier 15 ouvert" in text
    assert "0700000000" in text


async def test_who_asks_again_within_minutes_is_answered_again() -> None:
    service = texted_service()
    assert (await send(service, "DEBITE", carrier_id="m2", first_id="m1")).lines
    assert not (await send(service, "AIDE", carrier_id="m4", first_id="m3")).lines


async def test_status_names_the_word_while_a_vote_is_missing() -> None:
    service = texted_service()
    counted = VoteLine("07", "Awa", 5, PublicStatus.COMPLETED, RECEIPT, NOON)
    service.lines = (counted,)
    assert "DEBITE" not in written(await send(service, "SOLDE"))
    service.lines = (replace(counted, status=PublicStatus.EXPIRED, receipt=None),)
    assert written(await send(service, "SOLDE")) == "07 x5 non confirmé\nDébité? Envoyez DEBITE."
    assert "DEBITE" in written(await send(service, "AIDE"))
