"""What a stored text leads to: an order, an answer, or nothing; and never two orders."""

from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from channels import gsm
from gateway.contests.blackout import Blackout
from gateway.contests.contest import Contest
from gateway.orders.rules import Channel, Refusal
from gateway.orders.wallet import PaymentMethod
from gateway.storage.engine import DatabaseUnavailable
from payments.collection.order_views import VoteLine
from payments.lifecycle import PublicStatus
from tests.channels.sms.service import MTN, send, texted_service, written
from tests.demo import demo_contest
from tests.rails import RAILS_WITH_WAVE
from tests.rigs.voting_service import NOON, RECEIPT

STAR = demo_contest()
ORANGE, MOOV = "+2250701020304", "+2250101020304"


def another(**changes: object) -> Contest:
    given: dict[str, object] = {"id": UUID(int=2), "slug": "miss", "name": "Miss Abobo", "keyword": "MISS"}
    return replace(STAR, _by_code={}, **{**given, **changes})  # type: ignore[arg-type] # - any field


async def test_a_vote_is_an_order_and_needs_no_reply() -> None:
    service = texted_service()
    reply = await send(service, "VOTE 07 5")
    assert (reply.outcome, reply.lines, reply.opt_out) == ("order", (), None)
    (vote_request,) = service.vote_requests
    assert (vote_request.channel, vote_request.key) == (Channel.SMS, "africastalking:m1")
    assert (vote_request.contest, vote_request.candidate_code, vote_request.quantity) == (STAR, "07", 5)
    assert vote_request.voter == vote_request.payer
    assert vote_request.payer is not None
    assert vote_request.payer.e164 == MTN
    assert vote_request.method is PaymentMethod.MTN
    assert vote_request.prompt_delay_seconds == 0


@pytest.mark.parametrize(
    ("sender", "network", "method"),
    [
        (MTN, None, PaymentMethod.MTN),
        (ORANGE, "61203", PaymentMethod.ORANGE),
        (MTN, "61203", PaymentMethod.ORANGE),
        (MOOV, "61205", PaymentMethod.MTN),
        ("+2250901020304", "61205", PaymentMethod.MTN),
    ],
)
async def test_the_wallet_is_of_the_network_that_texts(sender: str, network: str, method: PaymentMethod) -> None:
    service = texted_service()
    await send(service, "07", sender=sender, network=network)
    assert service.vote_requests[0].method is method


async def test_without_a_wallet_the_voter_is_sent_to_the_menu() -> None:
    service = texted_service()
    reply = await send(service, "VOTE 07 5", sender=MOOV)
    assert service.vote_requests == []
    assert "*789#" in written(reply)
    assert written(reply) == "Moov Money n'est pas encore accepté. Un autre numéro peut payer. Composez *789#."
    service.rails = RAILS_WITH_WAVE
    reply = await send(service, "VOTE 07 5", sender=MOOV)
    assert "Ce numéro peut payer par: Wave. Composez *789#." in written(reply)


@pytest.mark.parametrize("sender", ["MTN", "Orange", "7890", "", "+7890", "9" * 40])
async def test_words_and_short_codes_are_never_answered_and_never_vote(sender: str) -> None:
    service = texted_service()
    for words in ("VOTE 07 5", "AIDE", "STOP", "VOTE 99"):
        reply = await send(service, words, sender=sender)
        assert (reply.lines, reply.opt_out) == ((), None)
    assert service.vote_requests == []


@pytest.mark.parametrize("words", ["VOTE 07 5", "AIDE"])
async def test_a_foreign_number_is_answered_with_the_reason(words: str) -> None:
    service = texted_service()
    reply = await send(service, words, sender="+33612345678")
    assert service.vote_requests == []
    assert "numéros de son pays" in written(reply)


async def test_the_same_text_judged_twice_is_one_order() -> None:
    service = texted_service()
    for _ in range(2):
        reply = await send(service, "VOTE 07 5")
        assert reply.lines == ()
    assert len(service.vote_requests) == 1


async def test_an_equal_text_under_another_id_is_the_same_order_and_silent_while_it_waits() -> None:
    service = texted_service()
    await send(service, "VOTE 07 5")
    reply = await send(service, "VOTE 07 5", carrier_id="m2", first_id="m1")
    assert len(service.vote_requests) == 1
    assert (reply.outcome, reply.lines) == ("repeated", ())


@pytest.mark.parametrize("order", [("m1", "m2"), ("m2", "m1")])
async def test_two_equal_texts_are_one_order_in_any_order(order: tuple[str, str]) -> None:
    service = texted_service()
    for carrier_id in order:
        await send(service, "VOTE 07 5", carrier_id=carrier_id, first_id="m1")
    assert [vote_request.key for vote_request in service.vote_requests] == ["africastalking:m1"]


@pytest.mark.parametrize("status", [PublicStatus.COMPLETED, PublicStatus.FAILED, PublicStatus.EXPIRED])
async def test_who_repeats_a_vote_that_has_ended_learns_how_to_vote_again(status: PublicStatus) -> None:
    service = texted_service()
    await send(service, "VOTE 07 5")
    service.change(*service.orders, status=status)
    reply = await send(service, "VOTE 07 5", carrier_id="m2", first_id="m1")
    assert len(service.vote_requests) == 1
    assert "*789*07*5*1#" in written(reply)


async def test_the_way_to_vote_again_without_a_menu() -> None:
    service = texted_service(replace(STAR, service_code="", _by_code={}))
    await send(service, "VOTE 07 5")
    service.change(*service.orders, status=PublicStatus.FAILED)
    assert "3 minutes" in written(await send(service, "VOTE 07 5", carrier_id="m2", first_id="m1"))


async def test_a_sender_who_was_asked_to_try_again_may() -> None:
    service = texted_service()
    service.refusal = Refusal.TRY_AGAIN
    assert "essayez" in written(await send(service, "VOTE 07 5"))
    assert "essayez" in written(await send(service, "VOTE 07 5", carrier_id="m2", first_id="m1"))
    service.refusal = None
    assert (await send(service, "VOTE 07 5", carrier_id="m3", first_id="m1")).outcome == "order"
    assert len(service.vote_requests) == 1


@pytest.mark.parametrize("words", ["VOTE 99 5", "AIDE", "INFO", "VOTE"])
async def test_an_equal_text_is_answered_once(words: str) -> None:
    service = texted_service()
    assert (await send(service, words)).lines
    assert (await send(service, words, carrier_id="m2", first_id="m1")).lines == ()


@pytest.mark.parametrize("words", ["TOP", "SOLDE", "DEBITE", "CHECK ABC"])
async def test_what_may_have_changed_is_answered_again(words: str) -> None:
    service = texted_service()
    assert (await send(service, words)).lines
    assert (await send(service, words, carrier_id="m2", first_id="m1")).lines


async def test_a_closed_contest_is_answered_once() -> None:
    service = texted_service()
    service.instant = STAR.closes_at + timedelta(seconds=1)
    assert "clos" in written(await send(service, "VOTE 07 5"))
    assert (await send(service, "VOTE 07 5", carrier_id="m2", first_id="m1")).lines == ()
    assert service.vote_requests == []


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("VOTE 99 5", "99"),
        ("VOTE 07 0", "VOTE 07 5"),
        ("VOTE 07 -5", "VOTE 07 5"),
        ("VOTE 07 1000000000", "10000"),
        ("VOTE 500", "VOTE 07 5"),
        ("VOTE 07 500F", "100 FCFA"),
        ("VOTE Awa", "07 Awa Ouattara"),
        ("VOTE 07 5 3", "Star d'Abidjan"),
    ],
)
async def test_what_is_not_understood_is_asked(words: str, expected: str) -> None:
    service = texted_service()
    reply = await send(service, words)
    assert service.vote_requests == []
    assert expected in written(reply)


@pytest.mark.parametrize("words", ["", "????", "merci", "bonjour"])
async def test_noise_gets_nothing(words: str) -> None:
    assert (await send(texted_service(), words)).lines == ()


@pytest.mark.parametrize(("words", "expected"), [("AIDE", "Envoyez"), ("HELP", "Text VOTE"), ("PRIX", "100 FCFA")])
async def test_help_in_the_language_of_the_word(words: str, expected: str) -> None:
    text = written(await send(texted_service(), words))
    for word in (expected, "Star d'Abidjan", "100 FCFA", "*789#"):
        assert word in text


@pytest.mark.parametrize(("words", "opt_out"), [("STOP", True), ("stop vote 07", True), ("START", False)])
async def test_stop_and_start_are_confirmed_and_stored(words: str, opt_out: bool) -> None:
    reply = await send(texted_service(), words)
    assert reply.opt_out is opt_out
    assert "Star d'Abidjan" in written(reply)


async def test_stop_start_stop_ends_as_stop() -> None:
    reply = await send(texted_service(), "STOP", carrier_id="m3", first_id="m1")
    assert reply.opt_out is True


async def test_status_tells_the_latest_votes() -> None:
    service = texted_service()
    assert "Aucun vote" in written(await send(service, "SOLDE"))
    service.lines = (
        VoteLine("07", "Awa Ouattara", 5, PublicStatus.COMPLETED, RECEIPT, NOON),
        *(VoteLine("10", "Moussa Diabaté", 10_000, PublicStatus.FAILED, None, NOON) for _ in range(8)),
    )
    text = written(await send(service, "SOLDE", carrier_id="m2"))
    assert text.splitlines()[0] == f"07 x5 compté {RECEIPT}"
    assert "10 x10000 non payé" in text
    assert gsm.parts(text) == 1


async def test_top_tells_five() -> None:
    service = texted_service()
    service.scores["07"] = 12_000
    lines = written(await send(service, "TOP")).splitlines()
    assert lines[0] == "1. 07 Awa Ouattara 12000"
    assert len(lines) == 5
    service.shown[0] = replace(service.shown[0], blackout=Blackout(service.instant), _by_code={})
    assert (
        written(await send(service, "TOP", carrier_id="m2")) == "Le classement est caché jusqu'à l'annonce du résultat."
    )


async def test_top_is_one_part_whatever_people_are_called() -> None:
    people = tuple(replace(c, name=f"Marie-Antoinette Épiphanie N'Guessan {c.name}") for c in STAR.candidates)
    service = texted_service(replace(STAR, candidates=people, _by_code={}))
    service.scores = dict.fromkeys(service.scores, 1_000_000)
    text = written(await send(service, "TOP"))
    assert gsm.parts(text) == 1
    assert len(text.splitlines()) == 5


async def test_check_tells_a_receipt() -> None:
    service = texted_service()
    text = written(await send(service, f"CHECK {RECEIPT}"))
    assert RECEIPT in text
    assert "5 votes pour 07 Awa Ouattara" in text
    assert "pas encore au registre" in text
    assert "inconnu" in written(await send(service, "CHECK 0000000000", carrier_id="m2"))
    service.receipts[RECEIPT] = PublicStatus.HELD
    assert "en vérification" in written(await send(service, f"PREUVE {RECEIPT}", carrier_id="m3"))


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("CHECK", "10 caractères"),
        (f"CHECK {RECEIPT[:9]}", "9 caractères"),
        (f"CHECK {RECEIPT[1]}{RECEIPT[0]}{RECEIPT[2:]}", "mal tapé"),
        (f"{RECEIPT[1]}{RECEIPT[0]}{RECEIPT[2:]}", "mal tapé"),
        (f"verify {RECEIPT[1]}{RECEIPT[0]}{RECEIPT[2:]}", "mistyped"),
        ("CHECK 0000000000", "0000000000 inconnu"),
    ],
)
async def test_a_mistyped_receipt_is_distinguished_from_an_unknown_one(words: str, expected: str) -> None:
    assert expected in written(await send(texted_service(), words))


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("VOTE Awa 5", "Reply YES to pay"),
        ("10 07", "YES: 10 votes for 07"),
        ("VOTE 99 5", "Unknown"),
        ("SOLDE", "Aucun vote"),
        ("INFO", "1 vote = 100 FCFA, from"),
        ("VOTE", "for example VOTE 07 5"),
        ("STOP", "no more messages"),
    ],
)
async def test_a_chosen_language_stays(words: str, expected: str) -> None:
    service = texted_service(another(rules={"fr": "Le jury tranche."}))
    assert expected in written(await send(service, words, language="en"))
    assert expected not in written(await send(service, words, language="xx")) or words == "SOLDE"


async def test_an_order_is_in_the_language_that_was_chosen() -> None:
    service = texted_service()
    await send(service, "VOTE 07 5", language="en")
    assert [vote_request.language for vote_request in service.vote_requests] == ["en"]
    assert "Le jury" in written(await send(texted_service(another(rules={"fr": "Le jury."})), "INFO", language="en"))


async def test_contests_on_one_short_code() -> None:
    service = texted_service(STAR, another())
    for words in ("VOTE 07 5", "TOP", "AIDE"):
        text = written(await send(service, words))
        assert "STAR" in text
        assert "MISS" in text
    await send(service, "MISS 07 5")
    assert [vote_request.contest.slug for vote_request in service.vote_requests] == ["miss"]
    assert "Miss Abobo" in written(await send(service, "AIDE MISS"))
    assert (await send(service, "STOP")).opt_out is True


async def test_contests_of_two_countries_on_one_short_code() -> None:
    service = texted_service(STAR, another(country="CM"))
    await send(service, "STAR 07 5")
    assert "numéros de son pays" in written(await send(service, "MISS 07 5", carrier_id="m2"))
    assert "numéros de son pays" in written(await send(service, "STAR 07 5", sender="+237671234567", carrier_id="m3"))
    assert (await send(service, "SOLDE", sender="+237671234567", carrier_id="m4")).outcome == "asked: which_contest"
    assert len(service.vote_requests) == 1


async def test_an_unknown_short_code() -> None:
    service = texted_service(STAR, another(short_code="7891"))
    reply = await send(service, "VOTE 07 5", to="9999")
    assert service.vote_requests == []
    assert "existe pas" in written(reply)
    assert (await send(service, "VOTE 07 5", to="9999", carrier_id="m2", first_id="m1")).lines == ()
    assert (await send(service, "VOTE 07 5", to="9999", sender="MTN")).lines == ()


async def test_a_carrier_that_leaves_the_only_short_code_out() -> None:
    service = texted_service()
    await send(service, "VOTE 07 5", to="")
    assert len(service.vote_requests) == 1


@pytest.mark.parametrize("words", ["VOTE 07 5", "SOLDE", f"CHECK {RECEIPT}"])
async def test_a_service_that_is_away_is_for_the_caller(words: str) -> None:
    service = texted_service()
    service.away = True
    with pytest.raises(DatabaseUnavailable):
        await send(service, words)


WORDS = st.sampled_from(["VOTE", "07", "5", "0", "-1", "STOP", "TOP", "AIDE", "SOLDE", "CHECK", "Awa", "F", "🔥", "99"])


@settings(max_examples=300, derandomize=True, deadline=None)
@given(words=st.one_of(st.text(max_size=200), st.lists(WORDS, max_size=6).map(" ".join)), sender=st.text(max_size=20))
async def test_any_text_from_anybody(words: str, sender: str) -> None:
    for number in (sender, MTN):
        written(await send(texted_service(), words, sender=number))
