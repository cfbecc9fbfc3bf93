"""One request of a dialogue, from what is remembered to the screen that goes back.

An order is idempotent on aggregator, number, session and what is bought, so a repeated request finds its
order even when the session store forgot everything; the stored answer is given again to a repeated
request, also after the last screen.
"""

import asyncio
import hashlib
from typing import Final

import structlog

from channels.buying import number_refusal
from channels.messages.languages import LANGUAGE_SECONDS, language_key
from channels.messages.unfinished import Reached
from channels.phrases import DEFAULT_LANGUAGE, say
from channels.session_store import SessionStore
from channels.ussd.aggregator import Phase, UssdTurn
from channels.ussd.caller import (
    NO_MARK,
    RESUME_SECONDS,
    Caller,
    asks_own_code,
    caller_of,
    contests_behind,
    mark_key,
    mark_of,
    marked,
    reached,
    spoken_of,
)
from channels.ussd.history import REPEAT_MILLISECONDS, Place, Remembered, Shown, Step, place
from channels.ussd.how_far import STEPS, how_far
from channels.ussd.menu.helping import (
    MY_VOTES_MAX,
    ranking_shown,
    receipt_shown,
    rescue_shown,
    ticket_shown,
    votes_shown,
)
from channels.ussd.menu.machine import offered
from channels.ussd.menu.screen import fitted, refused
from channels.ussd.menu.session import SEPTETS_MAX, Buy, MenuView, Node, Session, Turn, Wants
from channels.ussd.playing import Played, continued, replayed
from channels.voting_service import VotingService, checked_receipt
from gateway.contests.contest import Contest
from gateway.http.logs import bind_vote
from gateway.orders.rules import Channel, Refusal, VoteRequest
from gateway.storage.engine import DatabaseUnavailable
from gateway.values.msisdn import Msisdn
from payments.rescue.rules import OfNumber

SESSION_SECONDS: Final = 300
# The strictest aggregator waits five seconds; after that the voter sees the operator's own error.
ANSWER_SECONDS: Final = 4.0
# The ranking is whole without its last line.
FAVOURITE_SECONDS: Final = 0.5
FAVOURITE_LINES: Final = 30
_log = structlog.get_logger(__name__)


class Dialogue:
    """Answers turns of one aggregator. `prompt_delay_seconds`: how long after END a prompt is pushed,
    since a handset holds one dialogue at a time. `limit`: the longest screen that it passes on."""

    def __init__(
        self,
        service: VotingService,
        sessions: SessionStore,
        aggregator: str,
        prompt_delay_seconds: int,
        limit: int = SEPTETS_MAX,
    ) -> None:
        self._service = service
        self._sessions = sessions
        self._aggregator = aggregator
        self._prompt_delay_seconds = prompt_delay_seconds
        self._limit = min(limit, SEPTETS_MAX)

    async def answer(self, turn: UssdTurn) -> Shown:
        """The screen for this turn. Raises nothing for anything that an aggregator may send."""
        key = f"ussd:{self._aggregator}:{turn.msisdn}:{turn.session_id}"
        begins = turn.phase is Phase.START if turn.transcript is None else not turn.transcript
        mark: bytes | None = None
        chosen: bytes | None = None
        if begins or turn.transcript is not None:
            caller, tail = self._call(turn.service_code, turn)
            if isinstance(caller, Shown):
                return caller
            # In one trip, also what an unknown dialogue alone needs: most are one request, with all that is bought.
            keys = [key, self._language_key(caller)]
            if begins:
                keys.append(mark_key(caller.dialler))
            packed, chosen, *marks = await self._sessions.get_all(*keys)
            stored, mark = Remembered.unpacked(packed), marks[0] if marks else None
        else:
            stored = Remembered.unpacked(await self._sessions.get(key))
            caller, tail = self._call(_dialled(turn, stored), turn)
        if isinstance(caller, Shown):
            return caller
        if stored is not None and not _belongs(stored, caller):
            stored = None
        if language := stored.language if stored is not None else (chosen or b"").decode():
            caller = caller.speaking(language)
        # Only aggregators without a transcript need the time to find out a repeat.
        now_ms = int(caller.now.timestamp() * 1000) if turn.transcript is None else 0
        found = place(turn, tail, stored, now_ms)
        if found.step is Step.REPEAT and stored is not None:
            return stored.shown
        if found.step is Step.LATE:
            late = replayed(found, caller, stored.offer if stored else None)
            return _shown(await _fetched(late.turn, caller.view(late.turn.session), self._service))
        return await self._further(turn, key, found, stored, caller, marked(mark), now_ms)

    def _language_key(self, caller: Caller) -> str:
        return language_key(self._service.number_key(caller.dialler))

    def _call(self, service_code: str, turn: UssdTurn) -> tuple[Caller | Shown, str]:
        """The caller, and what was dialled behind the code; a last screen where the caller is refused."""
        sharing, tail = contests_behind(self._service, service_code, turn.msisdn)
        if not sharing:
            return over(say(DEFAULT_LANGUAGE, "refusal.unknown_contest")), tail
        caller = caller_of(self._service, sharing, turn.msisdn, turn.network, self._limit)
        if isinstance(caller, Caller):
            return caller, tail
        contest = spoken_of(sharing, self._service.now())
        return over(refused(number_refusal(caller), contest, contest.language)), tail

    async def _further(
        self,
        turn: UssdTurn,
        key: str,
        found: Place,
        stored: Remembered | None,
        caller: Caller,
        offer: Session | None,
        now_ms: int,
    ) -> Shown:
        """The answer to what was not answered before, remembered."""
        going_on = stored is not None and found.step is Step.NEXT
        if stored is not None and going_on:
            played, opened_ms, offer = continued(stored, found, caller), stored.opened_ms, stored.offer
        else:
            offer = _offer(offer, found, caller)
            played, opened_ms = replayed(found, caller, offer), now_ms
            if caller.language and played.chosen not in ("", caller.language) and not found.together:
                # Probably lost after its voter chose: the choice is known, and was made from another language.
                played = replayed(found, caller.speaking(""), offer)
        outcome = played.turn
        bought = False
        if outcome.buy is not None:
            session_id = _session_of_order(turn, opened_ms)
            outcome, bought = await self._bought(outcome, outcome.buy, caller.view(played.before), session_id)
        if outcome.wants is not None:
            outcome = await _fetched(outcome, caller.view(outcome.session), self._service)
        shown = _shown(outcome)
        before = stored.steps if stored is not None and going_on else 0
        reached_now = outcome.session or played.before
        steps = max(before, how_far(reached_now, bought=bought))
        if steps > before:
            contest_id = caller.view(reached_now).contest.id
            for step in STEPS[before:steps]:
                self._service.note_step(contest_id, step)
        remembered = Remembered(
            found.tail,
            found.transcript,
            outcome.session,
            shown.text,
            shown.more,
            turn.newest,
            turn.number,
            now_ms,
            caller.sharing[0].service_code,
            opened_ms,
            played.chosen or caller.language,
            offer,
            steps,
        )
        came_from = stored.session if stored is not None and going_on else offer
        self._remember(key, remembered, came_from, played, caller, bought=bought)
        return shown

    def _remember(
        self, key: str, remembered: Remembered, before: Session | None, played: Played, caller: Caller, *, bought: bool
    ) -> None:
        """Keep the dialogue, beside it how far it came, so that a later one can resume it, and the chosen language."""
        entries = [(key, remembered.packed(), SESSION_SECONDS)]
        if played.chosen and played.chosen != caller.language:
            entries.append((self._language_key(caller), played.chosen.encode(), LANGUAGE_SECONDS))
            self._service.note_language(caller.dialler, played.chosen)
        mark, seconds = self._mark(before, remembered.session, played, caller, bought=bought)
        if mark is not None:
            entries.append((mark_key(caller.dialler), mark, seconds))
        self._sessions.put_soon(*entries)

    def _mark(
        self, before: Session | None, session: Session | None, played: Played, caller: Caller, *, bought: bool
    ) -> tuple[bytes | None, int]:
        """The mark to write, if it changes, and for how many seconds it holds. The service is notified too."""
        if bought:
            self._service.note_ordered(caller.dialler, caller.view(played.before).contest.id)
            return NO_MARK, 1
        if session is None or (session.code is None and before is None):
            return None, 0
        if session.code is None:
            # A voter who starts again is not asked a second time.
            return (NO_MARK, 1) if before is not None and before.node is Node.RESUME else (None, 0)
        same = before is not None and reached(session) == reached(before)
        if before is not None and same and asks_own_code(session) == asks_own_code(before):
            return None, 0
        if not same:
            contest = caller.view(session).contest
            votes = session.votes or None
            self._service.note_reached(Reached(caller.dialler, contest.id, session.code, votes, session.language))
        return mark_of(session), RESUME_SECONDS

    async def _bought(self, outcome: Turn, buy: Buy, view: MenuView, session_id: str) -> tuple[Turn, bool]:
        """The last screen of a confirmed order: what happens next, or why nothing was sold; and whether
        it was."""
        vote_request = VoteRequest(
            channel=Channel.USSD,
            key=order_key(self._aggregator, view.dialler, session_id, view.contest, buy),
            contest=view.contest,
            candidate_code=buy.code,
            quantity=buy.votes,
            method=buy.method,
            payer=buy.payer,
            voter=view.dialler,
            language=buy.language,
            prompt_delay_seconds=0 if buy.payment_code else self._prompt_delay_seconds,
            payment_code=buy.payment_code,
            network=view.network,
        )
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                placed = await self._service.place_order(vote_request)
        except TimeoutError:
            # It may still be written, and a repeated request would find it under the same key.
            _log.warning("order_too_slow")
            return Turn(fitted(say(buy.language, "ussd.failed"), limit=view.limit), None), False
        except DatabaseUnavailable as error:
            _log.warning("order_not_placed", error=str(error))
            return Turn(refused(Refusal.TRY_AGAIN, view.contest, buy.language, limit=view.limit), None), False
        if isinstance(placed, Refusal):
            return Turn(refused(placed, view.contest, buy.language, buy.code, view.limit), None), False
        bind_vote(placed.vote_id, placed.payment_reference)
        _log.debug("order_placed", channel="ussd", repeated=placed.repeated)
        return outcome, True


def _dialled(turn: UssdTurn, stored: Remembered | None) -> str:
    """The code that was dialled; many aggregators name it in the first request only."""
    named_once = stored is not None and turn.transcript is None and turn.phase is Phase.INPUT
    return stored.service_code if stored is not None and named_once else turn.service_code


def _belongs(stored: Remembered, caller: Caller) -> bool:
    """Whether what is remembered is of this code, and of a contest that is still there."""
    if stored.service_code != caller.sharing[0].service_code:
        return False
    slug = stored.session.contest if stored.session else ""
    return not slug or caller.contest(slug) is not None


def _offer(offer: Session | None, found: Place, caller: Caller) -> Session | None:
    """What the first screen of a new dialogue offers to resume. A long dial is never asked."""
    if offer is None or found.transcript or caller.contest(offer.contest) is None:
        return None
    return None if offered(offer, caller.view(offer)) is None else offer


def _session_of_order(turn: UssdTurn, opened_ms: int) -> str:
    """What distinguishes this dialogue from others of the number: its name, or when it began."""
    if turn.session_named:
        return turn.session_id
    # Copies of a first request that are answered at the same time are one dialogue.
    return f"{turn.session_id}@{opened_ms // REPEAT_MILLISECONDS}"


def order_key(aggregator: str, dialler: Msisdn, session_id: str, contest: Contest, buy: Buy) -> str:
    """The idempotency key of an order: the same for every request of a dialogue that confirms it.

    What is bought distinguishes two orders under one session id without asking the store. The wallet is
    left out: a voter who changes it and confirms again still wants one order. Hashed, because numbers are
    kept nowhere in clear.
    """
    identity = f"{dialler.e164}\n{session_id}\n{contest.slug}\n{buy.code}\n{buy.votes}\n{buy.payer.e164}"
    return f"{aggregator}:{hashlib.blake2b(identity.encode(errors='replace'), digest_size=20).hexdigest()}"


def _shown(turn: Turn) -> Shown:
    return Shown(turn.screen, turn.session is not None)


def over(text: str) -> Shown:
    """A last screen."""
    return Shown(fitted(text), more=False)


async def _fetched(turn: Turn, view: MenuView, service: VotingService) -> Turn:
    """The turn with its screen; the end with a sentence when the service does not answer in time."""
    session, wants = turn.session, turn.wants
    if wants is None or session is None:
        return turn
    seconds = FAVOURITE_SECONDS if wants is Wants.FAVOURITE else ANSWER_SECONDS
    try:
        async with asyncio.timeout(seconds):
            return await _asked(wants, session, view, service)
    except (DatabaseUnavailable, TimeoutError) as error:
        _log.warning("screen_not_fetched", wants=wants.value, error=str(error) or type(error).__name__)
    if wants is Wants.FAVOURITE:
        return Turn(turn.screen, session)
    return Turn(fitted(say(session.language, "ussd.not_fetched"), limit=view.limit), None)


async def _asked(wants: Wants, session: Session, view: MenuView, service: VotingService) -> Turn:
    contest = view.contest
    match wants:
        case Wants.VOTES:
            lines = await service.votes_of(view.dialler, contest.id, MY_VOTES_MAX)
            return votes_shown(session, view, lines)
        case Wants.FAVOURITE:
            lines = await service.votes_of(view.dialler, contest.id, FAVOURITE_LINES)
            return ranking_shown(session, view, lines)
        case Wants.RESCUE:
            return rescue_shown(session, view, await service.rescue(_claim(view), session.language))
        case Wants.TICKET:
            # A number always gets one.
            return ticket_shown(session, view, await service.open_ticket(_claim(view), session.language) or "")
        case Wants.RECEIPT:
            return receipt_shown(session, view, await checked_receipt(service, session.typed))


def _claim(view: MenuView) -> OfNumber:
    """Also about the other contests behind the code: who paid need not know in which, and it may be over."""
    others = (contest.id for contest in view.sharing if contest.id != view.contest.id)
    return OfNumber(view.dialler, (view.contest.id, *others))
