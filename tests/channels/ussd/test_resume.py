"""Who was cut off and dials again within ten minutes goes on, or starts again."""

from dataclasses import replace

import pytest

from channels.messages.unfinished import Reached
from channels.ussd.aggregator import Phase, UssdTurn
from channels.ussd.caller import RESUME_SECONDS, mark_key
from channels.ussd.dialogue import Dialogue
from channels.ussd.history import Shown
from gateway.contests.contest import CandidateStatus
from gateway.values.msisdn import Msisdn
from tests.channels.ussd.service import MTN, ORANGE, MemorySessions, demo_service
from tests.demo import CONTEST_ID, demo_contest
from tests.rails import RAILS_WITH_CODE

MARK = mark_key(Msisdn(MTN, "CI"))


class Phone:
    def __init__(self) -> None:
        self.service, self.sessions = demo_service(), MemorySessions()
        self.dialogues = 0
        self.inputs: list[str] = []

    async def dial(self, *tail: str, number: str = MTN, aggregator: str = "africastalking") -> Shown:
        self.dialogues += 1
        self.inputs, self.number, self.aggregator = list(tail), number, aggregator
        return await self.send()

    async def type(self, *inputs: str) -> Shown:
        for text in inputs:
            self.inputs.append(text)
            shown = await self.send()
        return shown

    async def send(self) -> Shown:
        dialogue = Dialogue(self.service, self.sessions, self.aggregator, 4)
        transcript = "*".join(self.inputs)
        phase = Phase.INPUT if transcript else Phase.START
        turn = UssdTurn(f"s{self.dialogues}", self.number, "*789#", None, phase, transcript=transcript)
        return await dialogue.answer(turn)


async def cut_off(*inputs: str, number: str = MTN) -> Phone:
    phone = Phone()
    phone.service.rails = RAILS_WITH_CODE
    await phone.dial(number=number)
    await phone.type(*inputs)
    return phone


async def test_go_on_where_the_number_was_typed() -> None:
    phone = await cut_off("07", "5")
    shown = await phone.dial()
    assert shown.text == "Star d'Abidjan: vous aviez choisi 07 Awa Ouattara: 5 votes.\n1 Continuer\n2 Recommencer"
    assert "5 votes pour 07 Awa Ouattara\nTotal 500 FCFA" in (await phone.type("1")).text
    assert not (await phone.type("1")).more
    assert phone.service.sold() == [("07", 5, MTN)]


async def test_go_on_where_only_the_candidate_was_chosen() -> None:
    phone = await cut_off("4", "awa")
    assert "you had chosen 07 Awa Ouattara.\n1 Continue" in (await phone.dial()).text
    assert "How many votes?" in (await phone.type("1")).text
    await phone.type("3", "1")
    assert phone.service.sold() == [("07", 3, MTN)]


async def test_start_again_is_not_asked_a_second_time() -> None:
    phone = await cut_off("07", "5")
    await phone.dial()
    assert "1 Candidats" in (await phone.type("2")).text
    assert "1 Candidats" in (await phone.dial()).text


async def test_a_code_typed_at_the_offer_is_a_code() -> None:
    phone = await cut_off("07", "5")
    await phone.dial()
    assert "08 Ibrahim" in (await phone.type("08")).text
    await phone.type("2", "1")
    assert phone.service.sold() == [("08", 2, MTN)]


@pytest.mark.parametrize("typed", ["3", "x", "", "?"])
async def test_anything_else_is_asked_again(typed: str) -> None:
    phone = await cut_off("07", "5")
    await phone.dial()
    shown = await phone.type(typed)
    assert "1 Continuer\n2 Recommencer" in shown.text
    assert "1 Candidats" in (await phone.type("00")).text


async def test_the_offer_is_the_same_through_another_aggregator() -> None:
    phone = await cut_off("07", "5")
    assert "1 Continuer" in (await phone.dial(aggregator="arkesel")).text
    assert "1 Candidats" in (await phone.dial(number=ORANGE)).text


async def test_a_long_dial_is_never_asked() -> None:
    phone = await cut_off("07", "5")
    assert not (await phone.dial("08", "2", "1")).more
    assert phone.service.sold() == [("08", 2, MTN)]


async def test_nothing_is_offered_before_a_candidate_was_chosen() -> None:
    phone = await cut_off("1", "9")
    assert "1 Candidats" in (await phone.dial()).text
    assert (phone.service.reached, MARK in phone.sessions.held) == ([], False)


async def test_nothing_is_offered_after_the_order() -> None:
    phone = await cut_off("07", "5", "1")
    assert "1 Candidats" in (await phone.dial()).text
    assert phone.service.ordered == [MTN]


async def test_the_mark_lives_ten_minutes() -> None:
    phone = await cut_off("07", "5")
    assert phone.sessions.seconds[MARK] == RESUME_SECONDS == 600


async def test_nothing_is_offered_for_a_candidate_who_takes_no_votes() -> None:
    phone = await cut_off("07", "5")
    contest = demo_contest()
    gone = replace(contest.candidates[6], status=CandidateStatus.WITHDRAWN)
    phone.service.shown = [replace(contest, candidates=(gone, contest.candidates[0]), _by_code={})]
    assert "1 Candidats" in (await phone.dial()).text


@pytest.mark.parametrize(
    "held", [b"", b"x", b"[]", b'["star", "07"]', b'["star", "07", "x", "fr"]', b'["no", "07", 1, "fr"]']
)
async def test_a_mark_that_is_none_offers_nothing(held: bytes) -> None:
    phone = Phone()
    phone.sessions.held[MARK] = held
    assert "1 Candidats" in (await phone.dial()).text


async def test_the_step_that_was_reached_is_reported_to_the_service_once() -> None:
    phone = await cut_off("1", "07", "x", "5", "3")
    voter = Msisdn(MTN, "CI")
    assert phone.service.reached == [
        Reached(voter, CONTEST_ID, "07", None, "fr"),
        Reached(voter, CONTEST_ID, "07", 5, "fr"),
    ]


async def test_repeats_of_the_offer_are_the_same_screen() -> None:
    phone = await cut_off("07", "5")
    first = await phone.dial()
    assert await phone.send() == first
    second = await phone.type("1")
    phone.inputs = []
    assert await phone.send() == first
    phone.inputs = ["1"]
    assert await phone.send() == second


async def test_a_dialogue_that_began_with_an_offer_and_was_forgotten_sells_nothing_unseen() -> None:
    """Continue, back, twelve votes, another wallet, pay; played from the first screen the same inputs would
    be the list, home, candidate 12, three votes, pay."""
    phone = await cut_off("07", "5")
    await phone.dial()
    await phone.type("1", "0", "12")
    assert "12 votes pour 07" in (await phone.type("3")).text
    phone.sessions.lose()
    shown = await phone.type("1")
    assert phone.service.sold() == []
    assert (shown.more, "3 votes pour 12 Franck Zadi\nTotal 300 FCFA" in shown.text) == (True, True)


async def test_letters_that_were_typed_at_an_offer_choose_no_candidate_when_it_was_forgotten() -> None:
    """At the offer letters are asked again; on the first screen they would be the name of candidate 12."""
    phone = await cut_off("07")
    await phone.dial()
    await phone.type("", "zadi", "1")
    assert "1 vote pour 07" in (await phone.type("1")).text
    phone.sessions.lose()
    shown = await phone.type("")
    assert phone.service.sold() == []
    assert (shown.more, "1 vote pour 12 Franck Zadi" in shown.text) == (True, True)


async def test_what_was_typed_for_one_candidate_confirms_no_other_when_the_offer_was_forgotten() -> None:
    phone = await cut_off("07")
    await phone.dial()
    assert "1 vote pour 07" in (await phone.type("zadi", "1", "1")).text
    phone.sessions.lose()
    shown = await phone.type("1")
    assert phone.service.sold() == []
    assert "1 vote pour 12 Franck Zadi\nTotal 100 FCFA\nVérifiez" in shown.text
    # Wrong digits change nothing, and home is home.
    assert await phone.type("1") == shown
    assert await phone.type("9" if "tapez 9" not in shown.text else "8") == shown
    await phone.type("00", "07", "3", "1")
    assert phone.service.sold() == [("07", 3, MTN)]


@pytest.mark.parametrize("away", [True, False])
async def test_who_types_what_the_check_shows_may_confirm(away: bool) -> None:
    phone = await cut_off("07")
    await phone.dial()
    await phone.type("zadi", "1", "1")
    phone.sessions.lose()
    phone.sessions.away = away
    asked = await phone.type("1")
    key = asked.text.split("tapez ")[1][:2]
    assert "1 Payer MTN MoMo" in (await phone.type(key)).text
    assert phone.service.sold() == []
    assert not (await phone.type("1")).more
    assert phone.service.sold() == [("12", 1, MTN)]


async def test_a_vote_through_the_list_with_the_store_lost_at_the_end_is_confirmed_once_more_and_is_one_order() -> None:
    phone = await cut_off("1", "07", "5", "1")
    phone.sessions.lose()
    shown = await phone.send()
    assert "5 votes pour 07 Awa Ouattara\nTotal 500 FCFA\nVérifiez, puis tapez " in shown.text
    await phone.type(shown.text.split("tapez ")[1][:2])
    assert not (await phone.type("1")).more
    assert phone.service.sold() == [("07", 5, MTN)]
