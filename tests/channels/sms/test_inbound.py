"""What a stored text leads to: an order, an answer, or nothing; and never two orders."""

from dataclasses import replace
from datetime import timedelta
from typing import cast
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from channels import gsm
from channels.sms.inbound import REPLIES_PER_HOUR, Reply, answer
from channels.sms.texts import render
from gateway.domain.contest import Contest
from gateway.domain.money import Money
from gateway.domain.order import Channel, Refusal
from gateway.domain.payment import PublicStatus
from gateway.domain.wallet import PaymentMethod
from gateway.ports.house import House, HouseUnavailable, IncomingText, Question, Talk, VoteLine
from tests.channels.sms.house import NOON, RECEIPT, TextedHouse
from tests.demo import demo_contest

STAR = demo_contest()
MTN, ORANGE, MOOV = "+2250501020304", "+2250701020304", "+2250101020304"


def another(**changes: object) -> Contest:
    given: dict[str, object] = {"id": UUID(int=2), "slug": "miss", "name": "Miss Abobo", "keyword": "MISS"}
    return replace(STAR, _by_code={}, **{**given, **changes})  # type: ignore[arg-type]


async def send(
    house: TextedHouse,
    words: str,
    *,
    sender: str = MTN,
    to: str = "7890",
    network: str | None = None,
    carrier_id: str = "m1",
    first_id: str | None = None,
) -> Reply:
    text = IncomingText("africastalking", carrier_id, sender, to, words, network)
    return await answer(text, cast(House, house), first_id=first_id or carrier_id)


def written(reply: Reply) -> str:
    """The text as it goes out."""
    text = render("reply", reply.language, {"lines": list(reply.lines)})
    assert gsm.parts(text) <= 2
    assert "{" not in text
    return text


async def test_a_vote_is_an_order_and_needs_no_reply() -> None:
    house = TextedHouse()
    reply = await send(house, "VOTE 07 5")
    assert (reply.outcome, reply.lines, reply.opt_out) == ("order", (), None)
    (wish,) = house.wishes
    assert (wish.channel, wish.key) == (Channel.SMS, "africastalking:m1")
    assert (wish.contest, wish.candidate_code, wish.quantity) == (STAR, "07", 5)
    assert wish.voter == wish.payer
    assert wish.payer is not None
    assert wish.payer.e164 == MTN
    assert wish.method is PaymentMethod.MTN
    assert wish.prompt_delay_seconds == 0


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
    house = TextedHouse()
    await send(house, "07", sender=sender, network=network)
    assert house.wishes[0].method is method


async def test_without_a_wallet_the_voter_is_sent_to_the_menu() -> None:
    house = TextedHouse()
    reply = await send(house, "VOTE 07 5", sender=MOOV)
    assert house.wishes == []
    assert "*789#" in written(reply)


@pytest.mark.parametrize("sender", ["MTN", "Orange", "7890", "", "+7890", "9" * 40])
async def test_words_and_short_codes_are_never_answered_and_never_vote(sender: str) -> None:
    house = TextedHouse()
    for words in ("VOTE 07 5", "AIDE", "STOP", "VOTE 99"):
        reply = await send(house, words, sender=sender)
        assert (reply.lines, reply.opt_out) == ((), None)
    assert house.wishes == []


@pytest.mark.parametrize("words", ["VOTE 07 5", "AIDE"])
async def test_a_foreign_number_is_told_so(words: str) -> None:
    house = TextedHouse()
    reply = await send(house, words, sender="+33612345678")
    assert house.wishes == []
    assert "pas de ce pays" in written(reply)


async def test_the_same_text_judged_twice_is_one_order() -> None:
    house = TextedHouse()
    for _ in range(2):
        reply = await send(house, "VOTE 07 5")
        assert reply.lines == ()
    assert len(house.wishes) == 1


async def test_an_equal_text_under_another_id_is_the_same_order_and_silent_while_it_waits() -> None:
    house = TextedHouse()
    await send(house, "VOTE 07 5")
    reply = await send(house, "VOTE 07 5", carrier_id="m2", first_id="m1")
    assert len(house.wishes) == 1
    assert (reply.outcome, reply.lines) == ("repeated", ())


@pytest.mark.parametrize("order", [("m1", "m2"), ("m2", "m1")])
async def test_two_equal_texts_are_one_order_in_any_order(order: tuple[str, str]) -> None:
    house = TextedHouse()
    for carrier_id in order:
        await send(house, "VOTE 07 5", carrier_id=carrier_id, first_id="m1")
    assert [wish.key for wish in house.wishes] == ["africastalking:m1"]


@pytest.mark.parametrize("status", [PublicStatus.COMPLETED, PublicStatus.FAILED, PublicStatus.EXPIRED])
async def test_who_repeats_a_vote_that_has_ended_learns_how_to_vote_again(status: PublicStatus) -> None:
    house = TextedHouse()
    await send(house, "VOTE 07 5")
    house.status = status
    reply = await send(house, "VOTE 07 5", carrier_id="m2", first_id="m1")
    assert len(house.wishes) == 1
    assert "*789*07*5*1#" in written(reply)


async def test_the_way_to_vote_again_without_a_menu() -> None:
    house = TextedHouse(replace(STAR, service_code="", _by_code={}))
    await send(house, "VOTE 07 5")
    house.status = PublicStatus.FAILED
    assert "3 minutes" in written(await send(house, "VOTE 07 5", carrier_id="m2", first_id="m1"))


async def test_who_was_told_to_try_again_may() -> None:
    house = TextedHouse()
    house.refusal = Refusal.TRY_AGAIN
    assert "essayez" in written(await send(house, "VOTE 07 5"))
    assert "essayez" in written(await send(house, "VOTE 07 5", carrier_id="m2", first_id="m1"))
    house.refusal = None
    assert (await send(house, "VOTE 07 5", carrier_id="m3", first_id="m1")).outcome == "order"
    assert len(house.wishes) == 1


@pytest.mark.parametrize("words", ["VOTE 99 5", "AIDE", "TOP", "SOLDE", "VOTE"])
async def test_an_equal_text_is_answered_once(words: str) -> None:
    house = TextedHouse()
    assert (await send(house, words)).lines
    assert (await send(house, words, carrier_id="m2", first_id="m1")).lines == ()


async def test_closed_is_said_once() -> None:
    house = TextedHouse()
    house.instant = STAR.closes_at + timedelta(seconds=1)
    assert "clos" in written(await send(house, "VOTE 07 5"))
    assert (await send(house, "VOTE 07 5", carrier_id="m2", first_id="m1")).lines == ()
    assert house.wishes == []


@pytest.mark.parametrize(
    ("words", "told"),
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
async def test_what_is_not_understood_is_asked(words: str, told: str) -> None:
    house = TextedHouse()
    reply = await send(house, words)
    assert house.wishes == []
    assert told in written(reply)


@pytest.mark.parametrize("words", ["", "????", "merci", "bonjour"])
async def test_noise_gets_nothing(words: str) -> None:
    assert (await send(TextedHouse(), words)).lines == ()


@pytest.mark.parametrize(("words", "told"), [("AIDE", "Envoyez"), ("HELP", "Text VOTE"), ("PRIX", "100 FCFA")])
async def test_help_in_the_language_of_the_word(words: str, told: str) -> None:
    text = written(await send(TextedHouse(), words))
    for word in (told, "Star d'Abidjan", "100 FCFA", "*789#"):
        assert word in text


async def test_info_names_price_dates_contact_and_rules() -> None:
    contest = replace(
        STAR, contact="0700000000", rules={"fr": "Le jury tranche.", "en": "The jury decides."}, _by_code={}
    )
    text = written(await send(TextedHouse(contest), "INFO"))
    for words in ("100 FCFA", "01/01/2026", "31/12/2027", "*789#", "0700000000", "10 min", "Le jury tranche."):
        assert words in text
    assert "The jury decides." in written(await send(TextedHouse(contest), "PRICE"))
    assert "0700000000" in written(await send(TextedHouse(contest), "AIDE"))


async def test_answers_of_a_contest_without_a_menu_name_none() -> None:
    house = TextedHouse(replace(STAR, service_code="", _by_code={}))
    for words in ("AIDE", "INFO", "SOLDE", "VOTE"):
        text = written(await send(house, words))
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
    house = TextedHouse()
    reply = await send(house, words)
    text = written(reply)
    assert gsm.parts(text) == 1
    for fact in (code, f"{quantity} vote", f"{quantity}00 FCFA", "OUI"):
        assert fact in text
    assert house.wishes == []
    house.talks = Talk(question=asked_of(reply))
    for carrier_id in ("m2", "m3"):
        assert (await send(house, yes, carrier_id=carrier_id)).outcome == "order"
    (wish,) = house.wishes
    assert (wish.key, wish.candidate_code, wish.quantity) == ("africastalking:m1", code, quantity)


async def test_yes_without_a_question_buys_nothing() -> None:
    house = TextedHouse()
    assert "VOTE 07 5" in written(await send(house, "OUI"))
    assert "VOTE 07 5" in written(await send(house, "1", carrier_id="m2"))
    assert written(await send(house, "ok", carrier_id="m3")) == ""
    assert house.wishes == []


async def test_no_is_heard_in_silence() -> None:
    house = TextedHouse()
    house.talks = Talk(question=asked_of(await send(house, "VOTE Awa 5")))
    assert (await send(house, "NON", carrier_id="m2")) == Reply("no", "fr")
    assert house.wishes == []


async def test_yes_does_not_buy_at_another_price_than_the_one_named() -> None:
    house = TextedHouse()
    house.talks = Talk(question=asked_of(await send(house, "VOTE Awa 5")))
    house.shown = (replace(STAR, price=Money(200, "XOF"), _by_code={}),)
    assert "200 FCFA" in written(await send(house, "OUI", carrier_id="m2"))
    assert house.wishes == []


async def test_yes_to_another_contest_of_the_past_is_no_order() -> None:
    house = TextedHouse()
    house.talks = Talk(question=replace(asked_of(await send(house, "VOTE Awa 5")), contest_slug="gone"))
    assert "VOTE 07 5" in written(await send(house, "OUI", carrier_id="m2"))
    assert house.wishes == []


async def test_a_second_yes_within_minutes_is_asked_for_a_whole_vote() -> None:
    house = TextedHouse()
    house.talks = Talk(question=asked_of(await send(house, "VOTE Awa 2")), bought=True)
    assert "VOTE 07 2 (200 FCFA)" in written(await send(house, "OUI", carrier_id="m3", first_id="m2"))
    assert house.wishes == []


async def test_yes_while_busy_may_be_said_again() -> None:
    house = TextedHouse()
    house.talks = Talk(question=asked_of(await send(house, "VOTE Awa 2")))
    house.refusal = Refusal.TRY_AGAIN
    assert (await send(house, "OUI", carrier_id="m2")).outcome == "refused: try_again"
    house.refusal = None
    assert (await send(house, "OUI", carrier_id="m3", first_id="m2")).outcome == "order"
    assert len(house.wishes) == 1


async def test_an_hour_has_so_many_replies_and_every_order() -> None:
    house = TextedHouse()
    house.talks = Talk(replies=REPLIES_PER_HOUR - 1)
    assert (await send(house, "AIDE")).lines
    house.talks = Talk(replies=REPLIES_PER_HOUR)
    assert await send(house, "AIDE", carrier_id="m2") == Reply("unanswered: help", "fr")
    assert await send(house, "VOTE Awa 5", carrier_id="m3") == Reply("unanswered: asked: an offer", "fr")
    assert await send(house, "STOP", carrier_id="m4") == Reply("unanswered: stopped", "fr", opt_out=True)
    assert (await send(house, "VOTE 07 5", carrier_id="m5")).outcome == "order"


async def test_our_own_long_number_is_not_answered() -> None:
    house = TextedHouse(replace(STAR, short_code="+2250700000000", _by_code={}))
    for sender in ("+2250700000000", "2250700000000"):
        reply = await send(house, "AIDE", sender=sender, to="+2250700000000")
        assert reply == Reply("not a person", "fr")
    assert (await send(house, "AIDE", to="+2250700000000")).lines


async def test_a_stop_is_confirmed_once() -> None:
    house = TextedHouse()
    assert (await send(house, "STOP")).lines
    house.talks = Talk(opted_out=True)
    assert await send(house, "stop", carrier_id="m2") == Reply("stopped", "fr", opt_out=True)
    assert (await send(house, "START", carrier_id="m3")).lines


async def test_a_stop_to_a_short_code_of_no_contest_is_a_stop() -> None:
    house = TextedHouse(STAR, another(short_code="7891"))
    assert (await send(house, "STOP", to="9999")).opt_out is True


async def test_examples_for_contests_on_one_short_code_begin_with_the_keyword() -> None:
    house = TextedHouse(STAR, another())
    assert "STAR 07 5" in written(await send(house, "STAR"))
    assert "MISS <code> <nombre>, ex. MISS 07 5" in written(await send(house, "AIDE MISS", carrier_id="m2"))


async def test_a_contest_that_is_over_makes_nothing_ambiguous() -> None:
    house = TextedHouse(replace(STAR, closes_at=NOON - timedelta(days=1), _by_code={}), another())
    await send(house, "VOTE 07 5")
    assert [wish.contest.slug for wish in house.wishes] == ["miss"]
    assert "clos" in written(await send(house, "STAR 07 5", carrier_id="m2"))


@pytest.mark.parametrize(("words", "opt_out"), [("STOP", True), ("stop vote 07", True), ("START", False)])
async def test_stop_and_start_are_confirmed_and_stored(words: str, opt_out: bool) -> None:
    reply = await send(TextedHouse(), words)
    assert reply.opt_out is opt_out
    assert "Star d'Abidjan" in written(reply)


async def test_stop_start_stop_ends_as_stop() -> None:
    reply = await send(TextedHouse(), "STOP", carrier_id="m3", first_id="m1")
    assert reply.opt_out is True


async def test_status_tells_the_latest_votes() -> None:
    house = TextedHouse()
    assert "Aucun vote" in written(await send(house, "SOLDE"))
    house.lines = (
        VoteLine("07", "Awa Ouattara", 5, PublicStatus.COMPLETED, RECEIPT, NOON),
        *(VoteLine("10", "Moussa Diabaté", 10_000, PublicStatus.FAILED, None, NOON) for _ in range(8)),
    )
    text = written(await send(house, "SOLDE", carrier_id="m2"))
    assert text.splitlines()[0] == f"07 x5 compté {RECEIPT}"
    assert "10 x10000 non payé" in text
    assert gsm.parts(text) == 1


async def test_top_tells_five() -> None:
    house = TextedHouse()
    house.scores["07"] = 12_000
    lines = written(await send(house, "TOP")).splitlines()
    assert lines[0] == "1. 07 Awa Ouattara 12000"
    assert len(lines) == 5


async def test_top_is_one_part_whatever_people_are_called() -> None:
    people = tuple(replace(c, name=f"Marie-Antoinette Épiphanie N'Guessan {c.name}") for c in STAR.candidates)
    house = TextedHouse(replace(STAR, candidates=people, _by_code={}))
    house.scores = dict.fromkeys(house.scores, 1_000_000)
    text = written(await send(house, "TOP"))
    assert gsm.parts(text) == 1
    assert len(text.splitlines()) == 5


async def test_check_tells_a_receipt() -> None:
    house = TextedHouse()
    text = written(await send(house, f"CHECK {RECEIPT}"))
    assert RECEIPT in text
    assert "5 votes pour 07 Awa Ouattara" in text
    assert "inconnu" in written(await send(house, "CHECK 0000000000", carrier_id="m2"))


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("CHECK", "10 caractères"),
        (f"CHECK {RECEIPT[:9]}", "9 caractères"),
        (f"CHECK {RECEIPT[1]}{RECEIPT[0]}{RECEIPT[2:]}", "mal tapé"),
        (f"{RECEIPT[1]}{RECEIPT[0]}{RECEIPT[2:]}", "mal tapé"),
        (f"verify {RECEIPT[1]}{RECEIPT[0]}{RECEIPT[2:]}", "mistyped"),
        ("CHECK 0000000000", "0000000000 inconnu"),
    ],
)
async def test_a_mistyped_receipt_is_told_from_an_unknown_one(words: str, told: str) -> None:
    assert told in written(await send(TextedHouse(), words))


async def test_contests_on_one_short_code() -> None:
    house = TextedHouse(STAR, another())
    for words in ("VOTE 07 5", "TOP", "AIDE"):
        text = written(await send(house, words))
        assert "STAR" in text
        assert "MISS" in text
    await send(house, "MISS 07 5")
    assert [wish.contest.slug for wish in house.wishes] == ["miss"]
    assert "Miss Abobo" in written(await send(house, "AIDE MISS"))
    assert (await send(house, "STOP")).opt_out is True


async def test_contests_of_two_countries_on_one_short_code() -> None:
    house = TextedHouse(STAR, another(country="CM"))
    await send(house, "STAR 07 5")
    assert "pas de ce pays" in written(await send(house, "MISS 07 5", carrier_id="m2"))
    assert "pas de ce pays" in written(await send(house, "STAR 07 5", sender="+237671234567", carrier_id="m3"))
    assert (await send(house, "SOLDE", sender="+237671234567", carrier_id="m4")).outcome == "asked: which_contest"
    assert len(house.wishes) == 1


async def test_a_short_code_that_nobody_has() -> None:
    house = TextedHouse(STAR, another(short_code="7891"))
    reply = await send(house, "VOTE 07 5", to="9999")
    assert house.wishes == []
    assert "existe pas" in written(reply)
    assert (await send(house, "VOTE 07 5", to="9999", carrier_id="m2", first_id="m1")).lines == ()
    assert (await send(house, "VOTE 07 5", to="9999", sender="MTN")).lines == ()


async def test_a_carrier_that_leaves_the_only_short_code_out() -> None:
    house = TextedHouse()
    await send(house, "VOTE 07 5", to="")
    assert len(house.wishes) == 1


@pytest.mark.parametrize("words", ["VOTE 07 5", "SOLDE", f"CHECK {RECEIPT}"])
async def test_a_house_that_is_away_is_for_the_caller(words: str) -> None:
    house = TextedHouse()
    house.away = True
    with pytest.raises(HouseUnavailable):
        await send(house, words)


WORDS = st.sampled_from(["VOTE", "07", "5", "0", "-1", "STOP", "TOP", "AIDE", "SOLDE", "CHECK", "Awa", "F", "🔥", "99"])


@settings(max_examples=300, derandomize=True, deadline=None)
@given(words=st.one_of(st.text(max_size=200), st.lists(WORDS, max_size=6).map(" ".join)), sender=st.text(max_size=20))
async def test_any_text_from_anybody(words: str, sender: str) -> None:
    for number in (sender, MTN):
        written(await send(TextedHouse(), words, sender=number))
