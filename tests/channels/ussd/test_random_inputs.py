"""Whatever is typed: no exception, no screen that is too long, no order that was not shown and confirmed.

`SPOTLIGHT_FUZZ_EXAMPLES` makes the runs longer, with a fresh seed; without it the seed is always the same.
"""

import os
from dataclasses import replace
from uuid import uuid4

import anyio
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from channels import gsm
from channels.lint.fetched import turns
from channels.lint.samples import RECEIPT
from channels.phrases import languages
from channels.ussd.aggregator import Phase, UssdTurn
from channels.ussd.dialogue import Dialogue, typed
from channels.ussd.menu import MenuView, Node, Session, Turn, advance, start
from gateway.domain.check_digit import with_check_digit
from gateway.domain.contest import Candidate, Contest
from gateway.domain.order import price_of
from tests.channels.ussd.house import MOOV, MTN, ORANGE, MemorySessions, TalkingHouse, view
from tests.demo import candidate_id, demo_contest

pytestmark = [pytest.mark.fuzz, pytest.mark.timeout(3600)]
ASKED_FOR = os.environ.get("SPOTLIGHT_FUZZ_EXAMPLES")
EXAMPLES = int(ASKED_FOR or "2000")

CHECKED = replace(
    demo_contest(),
    id=uuid4(),
    slug="miss",
    name="Élection de la Plus Belle Voix d’Afrique 2026",
    check_digits=True,
    packs=(5, 10, 100),
    rules={"fr": "Une règle. " * 60, "en": "A rule."},
    contact="+225 07 01 02 03 04",
    candidates=tuple(
        Candidate(candidate_id(n), with_check_digit(f"{n:02d}"), f"Koffi {'N’Guessan ' * (n % 4)}{n}")
        for n in range(1, 30)
    ),
    _by_code={},
)
CONTESTS = (demo_contest(), CHECKED)
VIEWS = [
    *(view(MTN), view(ORANGE), view(MOOV, "61202"), view(MTN, "word")),
    *(view(MTN, contest=CHECKED), replace(view(MOOV, contest=CHECKED), sharing=CONTESTS, room=140)),
]

MENU_WORDS = st.sampled_from(
    [
        *("", "0", "00", "000", "1", "2", "3", "4", "5", "6", "7", "9", "1#", "-1"),
        *("01", "07", "12", "13", "77", "10", "25", "10000", "10001"),
        *(CHECKED.candidates[0].code, CHECKED.candidates[10].code, "014"),
        *("awa", "KO", "kof", "zz", "é", RECEIPT, RECEIPT.lower(), "0000000000"),
    ]
)
NUMBERS = st.sampled_from(["0501020304", "0701020304", "0101020304", "+33612345678", "2250501020304", "05010203"])
INPUTS = st.one_of(MENU_WORDS, MENU_WORDS, NUMBERS, st.text(max_size=40), st.integers(-10, 10**12).map(str))

fuzzed = settings(
    max_examples=EXAMPLES,
    derandomize=not ASKED_FOR,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)


def fits(screen: str, room: int = 160) -> bool:
    return gsm.septets(screen) <= room and all(c in gsm.ONE_SEPTET or c in gsm.TWO_SEPTETS for c in screen)


def confirmed(contest: Contest, screen: str, code: str, votes: int, payer: str) -> bool:
    """Whether a screen showed candidate, votes, price and the number that pays."""
    return all(
        part in screen for part in (f"{votes} vote", f" {code} ", price_of(contest, votes).spoken(), f" {payer}\n")
    )


def in_contest(seen: MenuView, session: Session) -> MenuView:
    """What the shell shows the menu from this session."""
    chosen = next((c for c in seen.sharing if c.slug == session.contest), seen.contest)
    return replace(seen, contest=chosen)


@fuzzed
@given(st.sampled_from(VIEWS), st.sampled_from(languages()), st.lists(INPUTS, max_size=16))
def test_menu(seen: MenuView, language: str, inputs: list[str]) -> None:
    turn = start(seen, language)
    for text in inputs:
        before = turn
        assert before.session is not None
        now = in_contest(seen, before.session)
        turn = advance(before.session, typed(text), now)
        if turn.buy is not None:
            assert (typed(text), before.session.node) == ("1", Node.CONFIRM)
            assert confirmed(now.contest, before.screen, turn.buy.code, turn.buy.votes, turn.buy.payer.masked_gsm())
            assert now.contest.candidate(turn.buy.code) is not None
            assert (turn.session, turn.buy.typed) == (None, before.session.payer is not None)
        if turn.session is None:
            assert fits(turn.screen, seen.room)
            break
        filled: list[Turn] = list(turns(turn, in_contest(seen, turn.session)))
        for made in filled:
            assert made.screen.strip()
            assert fits(made.screen, seen.room), made.screen
        turn = filled[0]


@pytest.mark.parametrize("lossy", [False, True])
@fuzzed
@example(shared=False, transcripts=[["", ""], ["01", "1", "1"]])
@given(st.booleans(), st.lists(st.lists(INPUTS, max_size=6), max_size=5))
def test_dialogue(lossy: bool, shared: bool, transcripts: list[list[str]]) -> None:
    """Requests with unrelated histories under one session id, and a store that may lose all of them."""
    house, sessions = TalkingHouse(*(CONTESTS if shared else CONTESTS[:1])), MemorySessions()
    dialogue = Dialogue(house, sessions, "africastalking", 4)  # type: ignore[arg-type] # only what it asks

    async def run() -> None:
        for inputs in transcripts:
            turn = UssdTurn("s", MTN, "*789#", None, Phase.INPUT, transcript="*".join(inputs))
            shown = await dialogue.answer(turn)
            assert fits(shown.text)
            assert shown.text
            sold = house.orders()
            if lossy:
                sessions.lose()
            again = await dialogue.answer(turn)
            # One that may have been another dialogue is asked to confirm once more; of several contests the
            # choice comes first.
            assert again == shown or (lossy and (shared or "Confirmez" in again.text))
            assert house.orders() == sold

    anyio.run(run)


@fuzzed
@given(st.lists(st.tuples(INPUTS, st.sampled_from(["", "", "", "", "lose", "dial", "repeat"])), max_size=24))
def test_nothing_is_sold_that_was_not_on_the_screen(steps: list[tuple[str, str]]) -> None:
    """One handset that types, is cut off and dials again, over a store that is lost now and then."""
    house, sessions = TalkingHouse(), MemorySessions()
    dialogue = Dialogue(house, sessions, "africastalking", 4)  # type: ignore[arg-type] # only what it asks
    contest = demo_contest()

    async def run() -> None:
        inputs: list[str] = []
        number, screen, open_ = 1, "", False
        for text, event in steps:
            if event == "lose":
                sessions.lose()
            if event == "dial" or not open_:
                number, inputs = number + 1, []
            elif event != "repeat":
                inputs = [*inputs, text.replace("*", " ")]
            sold = len(house.wishes)
            shown = await dialogue.answer(
                UssdTurn(f"s{number}", MTN, "*789#", None, Phase.INPUT, transcript="*".join(inputs))
            )
            assert fits(shown.text)
            for wish in house.wishes[sold:]:
                assert wish.payer is not None
                assert confirmed(contest, screen, wish.candidate_code, wish.quantity, wish.payer.masked_gsm()), screen
                assert typed(inputs[-1]) == "1"
            screen, open_ = shown.text, shown.more

    anyio.run(run)
