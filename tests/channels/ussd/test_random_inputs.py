"""Whatever is typed: no exception, no screen that is too long, no order that was not shown and confirmed."""

import anyio
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from channels import gsm
from channels.phrases import languages
from channels.ussd.aggregator import Phase, UssdTurn
from channels.ussd.dialogue import Dialogue, typed
from channels.ussd.menu import MenuView, Node, advance, start
from gateway.domain.order import price_of
from tests.channels.ussd.house import MOOV, MTN, ORANGE, MemorySessions, TalkingHouse, view

VIEWS = [view(MTN), view(ORANGE), view(MOOV, "61202"), view(MTN, "word")]

MENU_WORDS = st.sampled_from(
    ["", "0", "00", "000", "1", "2", "3", "4", "5", "9", "01", "07", "12", "13", "77", "10000", "10001", "-1", "1#"]
)
NUMBERS = st.sampled_from(["0501020304", "0701020304", "0101020304", "+33612345678", "2250501020304", "05010203"])
INPUTS = st.one_of(MENU_WORDS, MENU_WORDS, NUMBERS, st.text(max_size=40), st.integers(-10, 10**12).map(str))

two_thousand = settings(
    max_examples=2_000, derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)


def fits(screen: str) -> bool:
    return gsm.septets(screen) <= 160 and all(c in gsm.ONE_SEPTET or c in gsm.TWO_SEPTETS for c in screen)


@two_thousand
@given(st.sampled_from(VIEWS), st.sampled_from(languages()), st.lists(INPUTS, max_size=14))
def test_menu(seen: MenuView, language: str, inputs: list[str]) -> None:
    turn = start(seen, language)
    for text in inputs:
        before = turn
        assert before.session is not None
        turn = advance(before.session, typed(text), seen)
        assert fits(turn.screen)
        if turn.buy is not None:
            candidate = seen.contest.candidate(turn.buy.code)
            assert candidate is not None
            assert (typed(text), before.session.node) == ("1", Node.CONFIRM)
            assert f"{turn.buy.votes} vote" in before.screen
            assert f" {candidate.code} " in before.screen
            assert price_of(seen.contest, turn.buy.votes).spoken() in before.screen
            assert turn.buy.payer.masked_gsm() in before.screen
            assert (turn.session, turn.buy.typed) == (None, before.session.payer is not None)
        if turn.session is None:
            break
        assert turn.screen or turn.wants_votes


@pytest.mark.parametrize("lossy", [False, True])
@two_thousand
@example(transcripts=[["", ""], ["01", "1", "1"]])
@given(st.lists(st.lists(INPUTS, max_size=6), max_size=5))
def test_dialogue(lossy: bool, transcripts: list[list[str]]) -> None:
    """Requests with unrelated histories under one session id, and a store that may lose all of them."""
    house, sessions = TalkingHouse(), MemorySessions()
    dialogue = Dialogue(house, sessions, "africastalking", 4)  # type: ignore[arg-type]

    async def run() -> None:
        for inputs in transcripts:
            turn = UssdTurn("s", MTN, "*789#", None, Phase.INPUT, transcript="*".join(inputs))
            shown = await dialogue.answer(turn)
            assert fits(shown.text)
            assert shown.text
            sold = house.orders()
            if lossy:
                sessions.lose()
            assert await dialogue.answer(turn) == shown
            assert house.orders() == sold

    anyio.run(run)
