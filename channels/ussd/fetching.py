"""What a screen is made of and only the service knows, fetched while the caller waits."""

import asyncio
from typing import Final

import structlog

from channels.phrases import say
from channels.ussd.menu import (
    MY_VOTES_MAX,
    MenuView,
    Session,
    Turn,
    Wants,
    fitted,
    ranking_shown,
    receipt_shown,
    rescue_shown,
    ticket_shown,
    votes_shown,
)
from channels.voting_service import VotingService
from gateway.storage.engine import DatabaseUnavailable
from payments.rescue.rules import OfNumber

# The strictest aggregator waits five seconds; after that the voter sees the operator's own error.
ANSWER_SECONDS: Final = 4.0
# The ranking is whole without its last line.
FAVOURITE_SECONDS: Final = 0.5
FAVOURITE_LINES: Final = 30
_log = structlog.get_logger(__name__)


async def fetched(turn: Turn, view: MenuView, service: VotingService) -> Turn:
    """The turn with its screen; the end with a sentence when the service does not answer in time."""
    session, wants = turn.session, turn.wants
    if wants is None or session is None:
        return turn
    patience = FAVOURITE_SECONDS if wants is Wants.FAVOURITE else ANSWER_SECONDS
    try:
        async with asyncio.timeout(patience):
            return await _asked(wants, session, view, service)
    except (DatabaseUnavailable, TimeoutError) as error:
        _log.warning("screen_not_fetched", wants=wants.value, error=str(error) or type(error).__name__)
    if wants is Wants.FAVOURITE:
        return Turn(turn.screen, session)
    return Turn(fitted(say(session.language, "ussd.not_fetched"), room=view.room), None)


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
            return receipt_shown(session, view, await service.receipt(session.typed))


def _claim(view: MenuView) -> OfNumber:
    """Also about the other contests behind the code: who paid need not know in which, and it may be over."""
    others = (contest.id for contest in view.sharing if contest.id != view.contest.id)
    return OfNumber(view.dialler, (view.contest.id, *others))
