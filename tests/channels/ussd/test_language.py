"""A language that a number chose stays: at the next dial, in any shape, through any aggregator."""

from dataclasses import replace
from uuid import uuid4

import pytest

from channels.messages.languages import LANGUAGE_SECONDS, language_key
from channels.ussd.aggregator import Phase, UssdTurn
from channels.ussd.dialogue import Dialogue
from channels.ussd.history import Shown
from gateway.contests.contest import Contest
from tests.channels.ussd.service import MTN, ORANGE, MemorySessions, demo_service
from tests.demo import demo_contest

KEY = language_key(f"hash of {MTN}")


class Phone:
    def __init__(self, *contests: Contest) -> None:
        self.service, self.sessions = demo_service(*contests), MemorySessions()
        self.dialogues = 0

    async def dial(self, *inputs: str, at_once: bool = False, newest: bool = False, number: str = MTN) -> Shown:
        """Dial, then type one input after the other; `at_once`: all of them are dialled."""
        self.dialogues += 1
        self.service.pass_time(60)
        dialogue = Dialogue(self.service, self.sessions, "a", 4)
        for typed in (inputs,) if at_once else [inputs[:many] for many in range(len(inputs) + 1)]:
            self.service.pass_time(3)
            tail = "*".join(typed)
            phase = Phase.INPUT if typed and not at_once else Phase.START
            code = f"*789*{tail}#" if at_once and newest else "*789#"
            last = typed[-1] if typed else ""
            turn = UssdTurn(f"s{self.dialogues}", number, code, None, phase, None if newest else tail, last)
            shown = await dialogue.answer(turn)
        return shown


@pytest.mark.parametrize("newest", [False, True])
async def test_the_next_dial_speaks_it(newest: bool) -> None:
    phone = Phone()
    await phone.dial("4", newest=newest)
    assert "Candidate's code" in (await phone.dial(newest=newest)).text
    assert "How many votes?" in (await phone.dial("07", newest=newest)).text
    assert "Code du candidat" in (await phone.dial(newest=newest, number=ORANGE)).text
    assert phone.service.languages == [(MTN, "en")]
    assert phone.sessions.seconds[KEY] == LANGUAGE_SECONDS


@pytest.mark.parametrize("newest", [False, True])
async def test_a_long_dial_speaks_it_and_so_does_its_order(newest: bool) -> None:
    phone = Phone()
    await phone.dial("4", newest=newest)
    assert "PIN" in (await phone.dial("07", "5", "1", at_once=True, newest=newest)).text
    assert [vote_request.language for vote_request in phone.service.vote_requests] == ["en"]
    assert (await phone.dial("99", "5", "1", at_once=True, newest=newest)).text.startswith("Unknown code 99.")


async def test_it_can_be_changed_back() -> None:
    phone = Phone()
    await phone.dial("4")
    assert "Code du candidat" in (await phone.dial("4")).text
    assert "Code du candidat" in (await phone.dial()).text
    assert phone.service.languages == [(MTN, "en"), (MTN, "fr")]


async def test_it_is_kept_when_it_was_chosen_and_not_with_each_input() -> None:
    phone = Phone()
    await phone.dial("4", "07", "0", "07", "5")
    assert phone.service.languages == [(MTN, "en")]


async def test_in_one_dial_with_an_order_it_is_kept_too() -> None:
    phone = Phone()
    assert not (await phone.dial("4", "07", "5", "1", at_once=True)).more
    assert phone.service.languages == [(MTN, "en")]


async def test_each_contest_of_a_code_speaks_it_if_it_can() -> None:
    base = demo_contest()
    contests = [
        replace(base, id=uuid4(), slug=slug, name=slug, language=language, _by_code={})
        for slug, language in (("one", "fr"), ("two", "wes"))
    ]
    phone = Phone(*contests)
    assert "Candidate code or" in (await phone.dial("2")).text
    # The second one's own is Pidgin, and French the second of its three.
    assert "Code du candidat" in (await phone.dial("2", "4", "2")).text
    assert "Code du candidat" in (await phone.dial("2")).text
    # Chosen in one, it is spoken in the other, within a dialogue too.
    assert "Candidate's code or" in (await phone.dial("1", "4", "0", "2")).text
    assert (await phone.dial()).text.startswith("Choose the vote:")
    for inputs in (("1",), ("2",), ("2", "0", "1")):
        assert "Candidate's code or" in (await phone.dial(*inputs)).text
    # What the first does not speak it does not speak, and the choice stays.
    assert "Candidate code or" in (await phone.dial("2", "4", "1")).text
    assert "Code du candidat" in (await phone.dial("1")).text
    assert "Candidate code or" in (await phone.dial("2")).text


async def test_a_dialogue_that_is_lost_after_the_choice_goes_on_in_it_and_chooses_nothing_again() -> None:
    phone = Phone()
    await phone.dial("4", "07")
    phone.sessions.held = {KEY: phone.sessions.held[KEY]}
    dialogue = Dialogue(phone.service, phone.sessions, "a", 4)
    turn = UssdTurn("s1", MTN, "*789#", None, Phase.INPUT, "4*07*5")
    assert "5 votes for 07" in (await dialogue.answer(turn)).text
    assert phone.service.languages == [(MTN, "en")]


@pytest.mark.parametrize("held", [b"", b"xx", b"wes"])
async def test_what_a_contest_does_not_speak_is_not_spoken(held: bytes) -> None:
    phone = Phone()
    phone.sessions.held[KEY] = held
    assert "Code du candidat" in (await phone.dial()).text


async def test_without_a_store_the_contests_language_is_spoken() -> None:
    phone = Phone()
    await phone.dial("4")
    phone.sessions.away = True
    assert "Code du candidat" in (await phone.dial()).text
