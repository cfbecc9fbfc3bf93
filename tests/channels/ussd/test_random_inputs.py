"""Whatever is typed: no exception, no screen that is too long, no order that was not shown and confirmed.

How much is typed, and from which seed: `tests/fuzzing.py`. Every input counts that a menu or a dialogue
answered.
"""

import asyncio
from dataclasses import replace
from uuid import uuid4

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from channels import gsm
from channels.lint.screens import turns
from channels.lint.texts import RECEIPT
from channels.phrases import languages
from channels.ussd.aggregator import Phase, UssdTurn
from channels.ussd.dialogue import Dialogue
from channels.ussd.history import Remembered, Shown
from channels.ussd.menu.machine import advance, start
from channels.ussd.menu.session import MenuView, Node, Session, Turn
from channels.ussd.playing import typed
from gateway.contests.contest import Candidate, Contest
from gateway.orders.rules import VoteRequest, price_of
from gateway.values.check_digit import with_check_digit
from tests.channels.ussd.service import MOOV, MTN, ORANGE, MemorySessions, demo_service, view
from tests.demo import candidate_id, demo_contest
from tests.fuzzing import BATCH, Fed, fuzzed

pytestmark = [pytest.mark.fuzz, pytest.mark.timeout(3600, method="thread")]

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
    *(view(MTN, contest=CHECKED), replace(view(MOOV, contest=CHECKED), sharing=CONTESTS, limit=140)),
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
# What leads to an order, or nothing would ever be sold.
LIKELY = st.sampled_from(["1", "07", "1", "5", CHECKED.candidates[10].code])
ANYTHING = st.one_of(st.text(max_size=40), st.integers(-10, 10**12).map(str))
INPUTS = st.one_of(MENU_WORDS, LIKELY, LIKELY, LIKELY, MENU_WORDS, NUMBERS, ANYTHING)


def fits(screen: str, limit: int = 160) -> bool:
    return gsm.septets(screen) <= limit and all(c in gsm.ONE_SEPTET or c in gsm.TWO_SEPTETS for c in screen)


def confirmed(contest: Contest, screen: str, code: str, votes: int, payer: str) -> bool:
    """Whether a screen showed candidate, votes, price and the number that pays."""
    return all(
        part in screen for part in (f"{votes} vote", f" {code} ", price_of(contest, votes).spoken(), f" {payer}\n")
    )


def in_contest(seen: MenuView, session: Session) -> MenuView:
    """What the shell shows the menu from this session."""
    chosen = next((c for c in seen.sharing if c.slug == session.contest), seen.contest)
    return replace(seen, contest=chosen)


def test_menu() -> None:
    """The menu alone, with every screen that the service may fill in; who came to the end dials again."""
    fed = Fed()

    @fuzzed()
    @given(st.sampled_from(VIEWS), st.sampled_from(languages()), st.lists(INPUTS, min_size=BATCH, max_size=BATCH))
    def dialogues(seen: MenuView, language: str, inputs: list[str]) -> None:
        turn = start(seen, language)
        for text in inputs:
            fed.inputs += 1
            turn = one_hop(turn, typed(text), seen)
            if turn.buy is not None:
                fed.orders += 1
            if turn.session is None:
                turn = start(seen, language)

    dialogues()
    fed.check(orders_per_thousand=5)


def one_hop(before: Turn, text: str, seen: MenuView) -> Turn:
    """The next turn of the menu, with what must hold of it."""
    assert before.session is not None
    now = in_contest(seen, before.session)
    turn = advance(before.session, text, now)
    if turn.buy is not None:
        assert (text, before.session.node) == ("1", Node.CONFIRM)
        assert confirmed(now.contest, before.screen, turn.buy.code, turn.buy.votes, turn.buy.payer.masked_gsm())
        assert now.contest.candidate(turn.buy.code) is not None
        assert (turn.session, turn.buy.typed) == (None, before.session.payer is not None)
    if turn.session is None:
        assert fits(turn.screen, seen.limit)
        return turn
    filled = list(turns(turn, in_contest(seen, turn.session)))
    for made in filled:
        assert made.screen.strip()
        assert fits(made.screen, seen.limit), made.screen
    return filled[0]


def test_dialogue() -> None:
    """Requests with unrelated histories under one session id, and a store that may lose all of them."""

    @fuzzed(per_example=50)
    @example(lossy=False, shared=False, transcripts=[["", ""], ["01", "1", "1"]])
    @example(lossy=True, shared=False, transcripts=[["", ""], ["01", "1", "1"]])
    @given(st.booleans(), st.booleans(), st.lists(st.lists(INPUTS, max_size=6), max_size=5))
    def requests(lossy: bool, shared: bool, transcripts: list[list[str]]) -> None:
        runner.run(unrelated(transcripts, lossy=lossy, shared=shared))

    with asyncio.Runner() as runner:
        requests()


async def unrelated(transcripts: list[list[str]], *, lossy: bool, shared: bool) -> None:
    """Each transcript, and the same once more."""
    service, sessions = demo_service(*(CONTESTS if shared else CONTESTS[:1])), MemorySessions()
    dialogue = Dialogue(service, sessions, "africastalking", 4)
    for inputs in transcripts:
        turn = UssdTurn("s", MTN, "*789#", None, Phase.INPUT, transcript="*".join(inputs))
        shown = await dialogue.answer(turn)
        assert fits(shown.text)
        assert shown.text
        sold = service.sold()
        if lossy:
            sessions.lose()
        again = await dialogue.answer(turn)
        # One that may have been another dialogue has to be checked before it is confirmed, and goes on from there.
        assert again == shown or (lossy and again.more)
        assert service.sold() == sold


class Handset:
    """Types what is drawn, is cut off and dials again, over a store that is lost now and then. What it
    buys must have been on its screen. `newest`: its aggregator sends the newest input only."""

    def __init__(self, contests: tuple[Contest, ...], *, newest: bool) -> None:
        self.service, self.sessions, self.newest = demo_service(*contests), MemorySessions(), newest
        self.dialogue = Dialogue(self.service, self.sessions, "a", 4)
        self.session, self.hops, self.inputs, self.tail = 1, 0, list[str](), ""
        self.shown = Shown("", more=False)

    async def does(self, event: str, text: str) -> None:
        """One hop."""
        if event == "lose" and not self.looks_like_a_long_dial():
            self.sessions.lose()
        if event == "dial" or "*" in event or not self.shown.more:
            self.tail = event if "*" in event else ""
            self.session, self.hops, self.inputs = self.session + 1, 0, self.tail.split("*") if self.tail else []
        elif event != "repeat":
            self.hops, self.inputs = self.hops + 1, [*self.inputs, text.replace("*", " ")]
            self.service.pass_time(3)
        sold = len(self.service.vote_requests)
        shown = await self.dialogue.answer(self.turn())
        assert shown.text
        assert fits(shown.text), shown.text
        for vote_request in self.service.vote_requests[sold:]:
            if self.hops:
                self.agreed(vote_request)
            else:
                assert f"*{self.tail}".endswith(f"*{vote_request.candidate_code}*{vote_request.quantity}*1"), self.tail
        self.shown = shown

    def looks_like_a_long_dial(self) -> bool:
        """Behind a shared code nothing would tell a dialogue that began with an offer and was forgotten
        from a long dial that names its contest: `1*07*5*1` may be either."""
        held = Remembered.unpacked(self.sessions.held.get(f"ussd:a:{MTN}:s{self.session}"))
        return len(self.service.shown) > 1 and held is not None and held.offer is not None

    def turn(self) -> UssdTurn:
        """As the aggregator sends it."""
        last = self.inputs[-1] if self.inputs else ""
        if not self.newest:
            transcript = "*".join(self.inputs)
            return UssdTurn(f"s{self.session}", MTN, "*789#", None, Phase.INPUT, transcript=transcript)
        phase, code = Phase.INPUT if self.hops else Phase.START, f"*789*{self.tail}#" if self.tail else "*789#"
        return UssdTurn(f"s{self.session}", MTN, code, None, phase, newest=last, number=self.hops)

    def agreed(self, vote_request: VoteRequest) -> None:
        """Fail unless the screen before showed this order, and the voter confirmed it."""
        assert vote_request.payer is not None
        payer = vote_request.payer.masked_gsm()
        assert confirmed(
            vote_request.contest, self.shown.text, vote_request.candidate_code, vote_request.quantity, payer
        ), self.shown.text
        assert typed(self.inputs[-1]) == "1"


# Long dials that buy, that are refused at each step, and that lead to a screen.
LONG_DIALS = (
    "07*5*1",
    "2*07*5*1",
    "99*5*1",
    "7*5*1",
    "07*10001*1",
    "07*5*9*1",
    "99*5*2*0701020304*1",
    "1*01*1",
    "4*07*2",
)
EVENTS = st.sampled_from([*[""] * 111, *["lose", "dial", "repeat"] * 3, *LONG_DIALS])


def test_nothing_is_sold_that_was_not_on_the_screen() -> None:
    """Whole dialogues, of aggregators of both families, behind codes of one contest and of two."""
    fed = Fed()

    @fuzzed()
    @given(st.booleans(), st.booleans(), st.lists(st.tuples(EVENTS, INPUTS), min_size=BATCH, max_size=BATCH))
    def handset(newest: bool, shared: bool, steps: list[tuple[str, str]]) -> None:
        phone = Handset(CONTESTS if shared else CONTESTS[:1], newest=newest)
        runner.run(all_of(phone, steps))
        fed.orders += len(phone.service.vote_requests)

    async def all_of(phone: Handset, steps: list[tuple[str, str]]) -> None:
        for event, text in steps:
            await phone.does(event, text)
            fed.inputs += 1

    with asyncio.Runner() as runner:
        handset()
    fed.check(orders_per_thousand=2)
