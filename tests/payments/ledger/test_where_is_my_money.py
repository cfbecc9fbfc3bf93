"""Where each franc of a contest is, and what a voter who asks is answered."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from gateway.http.phrases import read
from gateway.values.money import Money
from payments.disbursement.rules import Step
from payments.ledger.money_places import ORDER, MoneyPlaces
from payments.ledger.money_story import ENDS, PAYMENT_STEPS, REFUND_STEPS, Attempt, Sentence, sentences_of
from payments.ledger.story_phrases import languages, nothing_known, place_name, sentence_text, story_lines
from payments.lifecycle import Observed, State
from payments.provider import Failed, PayerReason
from payments.requests import Act
from tests.rigs.money_rig import ASKER, CHECKER, REASON
from tests.rigs.payout_rig import PayoutRig, arrived

AWA, YAO = "+2250501020304", "+2250501020305"


@pytest.fixture
async def rig(database: Any) -> AsyncIterator[PayoutRig]:
    rig = PayoutRig(database.app_url)
    await rig.open()
    yield rig
    assert await rig.broken() == {}
    await rig.close()


@pytest.fixture
def places(rig: PayoutRig) -> MoneyPlaces:
    return MoneyPlaces(rig.engine, rig.vault)


async def test_each_franc_is_somewhere(rig: PayoutRig, places: MoneyPlaces) -> None:
    await rig.charge_fees()
    await rig.counted(number=AWA)
    back = await rig.counted(number=YAO)
    await rig.held(number="+2250501020306")
    await rig.placed(number="+2250501020307")
    asked = await rig.acts.ask(Act.REFUND_PAYMENT, str(back.payment_reference), {}, REASON, ASKER)
    await rig.acts.decide(asked, CHECKER, approve=True)
    await rig.approved(200)
    found = await places.of_contest("star")
    held = {place.place: place.amount.amount_minor for place in found}
    assert held == {
        "asked": 500,
        "counted": 500,
        "held": 500,
        "refunds_owed": 500,
        "operator_clearing": 1500,
        "platform_fee": 75,
        "payable": 225,
        "payouts_sent": 200,
    }
    assert held["counted"] == held["platform_fee"] + held["payable"] + held["payouts_sent"]
    assert held["operator_clearing"] == held["counted"] + held["held"] + held["refunds_owed"]
    now = await rig.now()
    for place in found:
        assert place.oldest is not None
        assert place.newest is not None
        assert now - timedelta(minutes=5) < place.oldest <= place.newest <= now
    await rig.pay()
    rig.provider.asked_script = [arrived(200)]
    await rig.pay()
    after = {place.place: place.amount.amount_minor for place in await places.of_contest("star")}
    assert (after["paid_out"], after["operator_float"], "payouts_sent" in after) == (200, -200, False)


def test_every_place_and_every_step_has_words() -> None:
    keys = set(read("payments.ledger.sentences")["fr"].phrases)
    worded_steps = {f"story.{key}" for key in PAYMENT_STEPS} | {f"story.refund_{key}" for key in REFUND_STEPS}
    ends = {f"story.{key}" for key in ENDS.values()}
    assert worded_steps | ends | {f"place.{place}" for place in ORDER} <= keys
    assert set(ENDS) == {state.value for state in State}
    assert PAYMENT_STEPS | {"still_open"} == {seen.value for seen in Observed}
    assert {seen.value for seen in Step} >= REFUND_STEPS
    for language in languages():
        for place in ORDER:
            assert place_name(place, "mtn_momo", language)


async def test_a_counted_vote_is_shown(rig: PayoutRig, places: MoneyPlaces) -> None:
    await rig.counted(number=AWA)
    (attempt,) = await places.of_number(AWA)
    english = story_lines(sentences_of(attempt), "en")
    assert english[0].startswith("Paid and counted: 5 votes for Fatou Coulibaly. Receipt ")
    joined = "\n".join(english)
    for words in ("ordered by ussd for 500 FCFA", "was asked to collect 500 FCFA", "was paid; its reference is op-1"):
        assert words in joined
    assert "Payé et compté : 5 votes" in story_lines(sentences_of(attempt), "fr")[0]


async def test_a_refusal_is_shown_in_words(rig: PayoutRig, places: MoneyPlaces) -> None:
    await rig.placed(number=AWA)
    await rig.collect()
    rig.provider.query_script = [Failed("NOT_ENOUGH_FUNDS", PayerReason.NO_FUNDS, "{}")]
    await rig.make_due()
    await rig.verify()
    (attempt,) = await places.of_number(AWA)
    joined = "\n".join(story_lines(sentences_of(attempt), "en"))
    assert joined.startswith("Nothing was paid, according to mtn_momo.")
    assert "nothing was paid: NOT_ENOUGH_FUNDS" in joined


async def test_a_refund_is_shown_to_its_end(rig: PayoutRig, places: MoneyPlaces) -> None:
    order = await rig.counted(number=AWA)
    asked = await rig.acts.ask(Act.REFUND_PAYMENT, str(order.payment_reference), {}, REASON, ASKER)
    await rig.acts.decide(asked, CHECKER, approve=True)
    (attempt,) = await places.of_number(AWA)
    assert sentences_of(attempt)[0].key == "now_owed"
    instants = [sentence.at for sentence in sentences_of(attempt) if sentence.at]
    assert instants == sorted(instants)
    for language in languages():
        assert all("{" not in line for line in story_lines(sentences_of(attempt), language))


async def test_another_number_is_shown_nothing(rig: PayoutRig, places: MoneyPlaces) -> None:
    await rig.counted(number=AWA)
    assert await places.of_number(YAO) == []
    assert nothing_known("fr") == "Aucun paiement n'est connu pour ce numéro."


def test_an_unknown_word_is_shown_as_it_is() -> None:
    assert sentence_text(Sentence("other", {"detail": "turned_blue"}), "en") == "The payment changed: turned_blue."


def test_an_unknown_state_is_shown_as_it_is() -> None:
    attempt = Attempt("SP1", "v", datetime.now(UTC), "ussd", "c", "k", 1, Money(1, "XOF"), "o", "blue", "R")
    assert sentence_text(sentences_of(attempt)[0], "en") == "Current state: blue."


@pytest.mark.parametrize("state", ["counted", "held"])
async def test_what_two_persons_gave_back_is_shown_as_that(rig: PayoutRig, places: MoneyPlaces, state: str) -> None:
    order = await (rig.counted(number=AWA) if state == "counted" else rig.held(number=AWA))
    act = Act.REFUND_PAYMENT if state == "counted" else Act.REFUSE_HELD
    asked = await rig.acts.ask(act, str(order.payment_reference), {}, REASON, ASKER)
    await rig.acts.decide(asked, CHECKER, approve=True)
    (attempt,) = await places.of_number(AWA)
    words = {"counted": f"Two people cancelled these votes (request {asked})", "held": "Two people decided that it"}
    assert words[state] in "\n".join(story_lines(sentences_of(attempt), "en"))
    assert "It could not be counted" not in "\n".join(story_lines(sentences_of(attempt), "en"))
