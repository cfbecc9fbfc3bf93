"""One request of a dialogue, from what is remembered to the screen that goes back.

What a voter typed so far is the turn number: a transcript that was seen is a repeat and gets the
same screen, a longer one brings new input, a shorter one is a late copy. Casting is idempotent on
aggregator, number, session and epoch, whatever is repeated or lost.
"""

from dataclasses import dataclass
from typing import Final

import orjson
import structlog

from channels.phrases import say
from channels.ussd import screens
from channels.ussd.aggregator import UssdTurn
from channels.ussd.menu import Buy, MenuView, Session, Turn, advance, refused, start
from gateway.domain.contest import Contest
from gateway.domain.msisdn import Msisdn, read_msisdn
from gateway.domain.order import Channel, Refusal, Wish
from gateway.ports.house import House, HouseUnavailable, SessionStore

SESSION_SECONDS: Final = 300
INPUTS_MAX: Final = 60
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Shown:
    """A screen, and whether the voter may type again."""

    text: str
    more: bool


@dataclass(frozen=True, slots=True)
class Remembered:
    """A dialogue as stored. `session` None: it is over. `epoch` grows when an aggregator uses a
    session id again for another dialogue."""

    epoch: int
    transcript: str
    session: Session | None
    shown: Shown

    def packed(self) -> bytes:
        """As stored."""
        session = self.session.packed() if self.session else None
        return orjson.dumps([self.epoch, self.transcript, session, self.shown.text, self.shown.more])

    @classmethod
    def unpacked(cls, held: bytes | None) -> "Remembered | None":
        """What was stored; None when there is nothing or it cannot be read."""
        if held is None:
            return None
        try:
            epoch, transcript, session, text, more = orjson.loads(held)
            return cls(epoch, transcript, Session.unpacked(session) if session else None, Shown(text, more))
        except (ValueError, TypeError):
            return None


class Dialogue:
    """Answers turns of one aggregator. `prompt_delay_seconds`: how long after END a prompt is pushed,
    since a handset holds one dialogue at a time."""

    def __init__(self, house: House, sessions: SessionStore, aggregator: str, prompt_delay_seconds: int) -> None:
        self._house = house
        self._sessions = sessions
        self._aggregator = aggregator
        self._prompt_delay_seconds = prompt_delay_seconds

    async def answer(self, turn: UssdTurn) -> Shown:
        """The screen for this turn. Never raises for anything that an aggregator may send."""
        contest, tail = self._contest(turn.service_code)
        if contest is None:
            return _over(say("fr", "refusal.unknown_contest"))
        dialler = read_msisdn(turn.msisdn, contest.country, vouched=True)
        if not isinstance(dialler, Msisdn):
            return _over(say(contest.language, "refusal.bad_number"))
        key = f"ussd:{self._aggregator}:{dialler.e164}:{turn.session_id}"
        held = Remembered.unpacked(await self._sessions.get(key))
        transcript = _whole(turn, tail, held)
        view = MenuView(contest, self._house.standing(contest.slug), dialler, turn.network, self._house.now())
        remembered = await self._next(held, transcript, view, turn.session_id)
        if remembered is not held:
            await self._sessions.put(key, remembered.packed(), SESSION_SECONDS)
        return remembered.shown

    def _contest(self, service_code: str) -> tuple[Contest | None, str]:
        """The contest of a code, and what was dialled behind it: the longest registered code wins."""
        dialled = service_code.strip().strip("#").lstrip("*")
        if not dialled:
            every = self._house.contests()
            return (every[0], "") if len(every) == 1 else (None, "")
        pieces = dialled.split("*")
        for length in range(len(pieces), 0, -1):
            contest = self._house.contest_by_service_code(f"*{'*'.join(pieces[:length])}#")
            if contest is not None:
                return contest, "*".join(pieces[length:])
        return None, ""

    async def _next(self, held: Remembered | None, transcript: str, view: MenuView, session_id: str) -> Remembered:
        if held is None:
            return await self._play(None, "", transcript, view, session_id, epoch=0)
        if transcript == held.transcript:
            return held
        suffix = _suffix(held.transcript, transcript)
        if suffix is not None:
            if held.session is None:
                # The dialogue is over: whatever comes still gets its last screen.
                return held
            return await self._play(held, suffix, transcript, view, session_id, epoch=held.epoch)
        if _suffix(transcript, held.transcript) is not None:
            late = await self._play(None, "", transcript, view, session_id, epoch=held.epoch, may_buy=False)
            return Remembered(held.epoch, held.transcript, held.session, late.shown)
        return await self._play(None, "", transcript, view, session_id, epoch=held.epoch + 1)

    async def _play(
        self,
        held: Remembered | None,
        suffix: str,
        transcript: str,
        view: MenuView,
        session_id: str,
        *,
        epoch: int,
        may_buy: bool = True,
    ) -> Remembered:
        """Apply inputs in order: those of the suffix, or all of the transcript from the start."""
        if held is not None and held.session is not None:
            inputs, now = suffix.split("*"), Turn(held.shown.text, held.session)
        else:
            inputs, now = transcript.split("*") if transcript else [], start(view, view.contest.language)
        for text in inputs[:INPUTS_MAX]:
            if now.session is None:
                break
            now = advance(now.session, typed(text), view)
        if len(inputs) > INPUTS_MAX:
            now = Turn(screens.fitted(say(view.contest.language, "ussd.wrong_choice")), None)
        screen = now.screen
        if now.buy is not None and may_buy:
            screen = await self._buy(now.buy, screen, view, session_id, epoch)
        elif now.wants_votes and now.session is not None:
            screen = await self._my_votes(now.session.language, view)
        return Remembered(epoch, transcript, now.session, Shown(screen, now.session is not None))

    async def _buy(self, buy: Buy, screen: str, view: MenuView, session_id: str, epoch: int) -> str:
        wish = Wish(
            channel=Channel.USSD,
            key=f"{self._aggregator}:{view.dialler.e164}:{session_id}:{epoch}",
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
            placed = await self._house.place_order(wish)
        except HouseUnavailable as error:
            _log.warning("order_not_placed", error=str(error))
            return refused(Refusal.TRY_AGAIN, view.contest, buy.language)
        if isinstance(placed, Refusal):
            return refused(placed, view.contest, buy.language, buy.code)
        _log.info("order_placed", vote=str(placed.vote_id), channel="ussd", repeated=placed.repeated)
        return screen

    async def _my_votes(self, language: str, view: MenuView) -> str:
        try:
            lines = await self._house.votes_of(view.dialler, view.contest.id, screens.MY_VOTES_MAX)
        except HouseUnavailable as error:
            _log.warning("votes_not_read", error=str(error))
            return screens.fitted(say(language, "refusal.try_again"))
        return screens.my_votes(lines, language)


def typed(text: str) -> str:
    """An input as meant: digits of other scripts folded, the closing `#` of some networks dropped."""
    trimmed = text.strip()
    if trimmed.isascii():
        return trimmed.removesuffix("#").strip()
    folded = "".join(str(int(c)) if c.isdecimal() else c for c in trimmed)
    return folded.removesuffix("#").strip()


def _whole(turn: UssdTurn, tail: str, held: Remembered | None) -> str:
    """Everything typed so far in this dialogue, the tail of a long dial included."""
    if turn.transcript is None:
        before = held.transcript if held else tail
        return f"{before}*{turn.newest}" if before else turn.newest
    return "*".join(piece for piece in (tail, turn.transcript) if piece)


def _suffix(before: str, after: str) -> str | None:
    """What `after` adds to `before`; None when it does not begin with it."""
    if before == "":
        return after
    if after.startswith(f"{before}*"):
        return after[len(before) + 1 :]
    return None


def _over(text: str) -> Shown:
    return Shown(screens.fitted(text), more=False)
