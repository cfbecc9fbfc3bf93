"""One request of a dialogue, from what is remembered to the screen that goes back.

Casting is idempotent on aggregator, number, session and what was typed up to the confirmation, so
a repeated request finds its order even when the session store forgot everything; the stored answer is
given again to a repeated request, also after the last screen.
"""

import asyncio
import hashlib
from typing import Final

import structlog

from channels.phrases import DEFAULT_LANGUAGE, say
from channels.ussd import screens
from channels.ussd.aggregator import Phase, UssdTurn
from channels.ussd.history import REPEAT_MILLISECONDS, Place, Remembered, Shown, Step, place, split
from channels.ussd.menu import Buy, MenuView, Session, Turn, advance, refused, start
from gateway.domain.contest import Contest
from gateway.domain.msisdn import Msisdn, NumberFault, read_msisdn
from gateway.domain.order import Channel, Refusal, Wish
from gateway.http.logs import bind_vote
from gateway.ports.house import House, HouseUnavailable, SessionStore

SESSION_SECONDS: Final = 300
INPUTS_MAX: Final = 60
# The strictest aggregator waits five seconds; after that the voter sees the operator's own error.
ANSWER_SECONDS: Final = 4.0
_log = structlog.get_logger(__name__)


class Dialogue:
    """Answers turns of one aggregator. `prompt_delay_seconds`: how long after END a prompt is pushed,
    since a handset holds one dialogue at a time."""

    def __init__(self, house: House, sessions: SessionStore, aggregator: str, prompt_delay_seconds: int) -> None:
        self._house = house
        self._sessions = sessions
        self._aggregator = aggregator
        self._prompt_delay_seconds = prompt_delay_seconds

    async def answer(self, turn: UssdTurn) -> Shown:
        """The screen for this turn. Raises nothing for anything that an aggregator may send."""
        key = f"ussd:{self._aggregator}:{turn.msisdn}:{turn.session_id}"
        held = Remembered.unpacked(await self._sessions.get(key))
        contest, tail = self._contest(_dialled(turn, held))
        if contest is None:
            return over(say(DEFAULT_LANGUAGE, "refusal.unknown_contest"))
        dialler = read_msisdn(turn.msisdn, contest.country, vouched=True)
        if not isinstance(dialler, Msisdn):
            refusal = Refusal.FOREIGN_NUMBER if dialler is NumberFault.FOREIGN else Refusal.BAD_NUMBER
            return over(refused(refusal, contest, contest.language))
        if held is not None and held.service_code != contest.service_code:
            held = None
        now = self._house.now()
        # Only aggregators without a transcript need the time to tell a repeat.
        now_ms = int(now.timestamp() * 1000) if turn.transcript is None else 0
        found = place(turn, tail, held, now_ms)
        if found.step is Step.REPEAT and held is not None:
            return held.shown
        view = MenuView(contest, self._house.standing(contest.slug), dialler, turn.network, now)
        if found.step is Step.LATE:
            played, _ = _replayed(found, view)
            _, shown = await self._screen(played, view)
            return shown
        played, left = _continued(held, found, view) if held and found.step is Step.NEXT else _replayed(found, view)
        opened_ms = held.opened_ms if held and found.step is Step.NEXT else now_ms
        if played.buy is not None:
            session_id = _session_of_order(turn, opened_ms)
            key_of_order = order_key(self._aggregator, dialler, session_id, found.transcript, left)
            played = await self._bought(played, played.buy, view, key_of_order)
        session, shown = await self._screen(played, view)
        code = contest.service_code
        remembered = Remembered(
            found.tail, found.transcript, session, shown, turn.newest, turn.number, now_ms, code, opened_ms
        )
        await self._sessions.put(key, remembered.packed(), SESSION_SECONDS)
        return shown

    def _contest(self, service_code: str) -> tuple[Contest | None, str]:
        """The contest of a code, and what was dialled behind it: the longest registered code wins."""
        whole = self._house.contests_by_service_code(service_code)
        if whole:
            return whole[0], ""
        dialled = service_code.strip().strip("#").lstrip("*")
        if not dialled:
            every = self._house.contests()
            return (every[0], "") if len(every) == 1 else (None, "")
        pieces = dialled.split("*")
        for length in range(len(pieces), 0, -1):
            sharing = self._house.contests_by_service_code(f"*{'*'.join(pieces[:length])}#")
            if sharing:
                return sharing[0], "*".join(pieces[length:])
        return None, ""

    async def _bought(self, played: Turn, buy: Buy, view: MenuView, key: str) -> Turn:
        """The last screen of a confirmed order: what happens next, or why nothing was sold."""
        wish = Wish(
            channel=Channel.USSD,
            key=key,
            contest=view.contest,
            candidate_code=buy.code,
            quantity=buy.votes,
            method=buy.method,
            payer=buy.payer,
            voter=view.dialler,
            language=buy.language,
            prompt_delay_seconds=self._prompt_delay_seconds,
        )
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                placed = await self._house.place_order(wish)
        except TimeoutError:
            # It may still be written, and a repeated request would find it under the same key.
            _log.warning("order_too_slow")
            return Turn(screens.fitted(say(buy.language, "ussd.failed")), None)
        except HouseUnavailable as error:
            _log.warning("order_not_placed", error=str(error))
            return Turn(refused(Refusal.TRY_AGAIN, view.contest, buy.language), None)
        if isinstance(placed, Refusal):
            return Turn(refused(placed, view.contest, buy.language, buy.code), None)
        bind_vote(placed.vote_id, placed.payment_reference)
        _log.info("order_placed", channel="ussd", repeated=placed.repeated)
        return played

    async def _screen(self, played: Turn, view: MenuView) -> tuple[Session | None, Shown]:
        """The screen of a turn, with the number's own votes where it shows them."""
        session = played.session
        if not played.wants_votes or session is None:
            return session, Shown(played.screen, session is not None)
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                lines = await self._house.votes_of(view.dialler, view.contest.id, screens.MY_VOTES_MAX)
        except (HouseUnavailable, TimeoutError) as error:
            _log.warning("votes_not_read", error=str(error) or type(error).__name__)
            return None, over(say(session.language, "refusal.try_again"))
        return session, Shown(screens.my_votes(lines, session.language), more=True)


def _dialled(turn: UssdTurn, held: Remembered | None) -> str:
    """The code that was dialled; many aggregators name it in the first request only."""
    named_once = held is not None and turn.transcript is None and turn.phase is Phase.INPUT
    return held.service_code if held is not None and named_once else turn.service_code


def _session_of_order(turn: UssdTurn, opened_ms: int) -> str:
    """What tells this dialogue from the number's others: its name, or when it began."""
    if turn.session_named:
        return turn.session_id
    # Copies of a first request that are answered at the same time are one dialogue.
    return f"{turn.session_id}@{opened_ms // REPEAT_MILLISECONDS}"


def order_key(aggregator: str, dialler: Msisdn, session_id: str, transcript: str, left: int) -> str:
    """The idempotency key of an order: the same for every request that confirms it.

    `left`: inputs of the transcript behind the confirmation. The history tells two orders under one
    session id apart without asking the store. Hashed, because numbers are kept nowhere in clear.
    """
    inputs = split(transcript)
    said = "*".join(typed(text) for text in inputs[: len(inputs) - left])
    identity = f"{dialler.e164}\n{session_id}\n{said}"
    return f"{aggregator}:{hashlib.blake2b(identity.encode(errors='replace'), digest_size=20).hexdigest()}"


def _continued(held: Remembered, found: Place, view: MenuView) -> tuple[Turn, int]:
    """New inputs, applied to what is remembered."""
    return _applied(Turn(held.shown.text, held.session), found, view)


def _replayed(found: Place, view: MenuView) -> tuple[Turn, int]:
    """All inputs, applied from the first screen on: a long dial, or a dialogue that our store lost."""
    return _applied(start(view, view.contest.language), found, view)


def _applied(now: Turn, found: Place, view: MenuView) -> tuple[Turn, int]:
    """What comes of the inputs, and how many of them came after the end."""
    if found.transcript.count("*") >= INPUTS_MAX:
        text = say(view.contest.language, "ussd.session_over", service_code=view.contest.service_code)
        return Turn(screens.fitted(text), None), 0
    left = len(found.inputs)
    for text in found.inputs:
        if now.session is None:
            break
        now = advance(now.session, typed(text), view)
        left -= 1
    return now, left


def typed(text: str) -> str:
    """An input as meant: digits of other scripts folded, the closing `#` of some networks dropped."""
    trimmed = text.strip()
    if not trimmed.isascii():
        trimmed = "".join(str(int(c)) if c.isdecimal() else c for c in trimmed)
    return trimmed.removesuffix("#").rstrip()


def over(text: str) -> Shown:
    """A last screen."""
    return Shown(screens.fitted(text), more=False)
