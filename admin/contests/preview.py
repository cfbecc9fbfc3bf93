"""The screens of a vote as they will stand on a handset, over the real menu and without a database. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final
from uuid import UUID

from channels import gsm
from channels.lint.texts import RECEIPT
from channels.sms.texts import render
from channels.ussd.menu.helping import ranking_shown, receipt_shown, rescue_shown, ticket_shown, votes_shown
from channels.ussd.menu.machine import advance, start
from channels.ussd.menu.session import MenuView, Session, Turn, Wants
from gateway.contests.contest import Candidate, Contest
from gateway.orders.routing import Rails
from gateway.orders.wallet import example_number
from gateway.values.msisdn import Msisdn, read_msisdn
from leaderboard.ranking import ranking_of
from payments.rescue.rules import Outcome, Rescue, ticket_number

INPUTS_MAX: Final = 20
INPUT_MAX: Final = 20
VOTES_SHOWN: Final = 5
# Shown while a contest has no candidate.
_EXAMPLES: Final = (("01", "Awa Koné"), ("02", "Jean-Marc N'Guessan"))


@dataclass(frozen=True, slots=True)
class Screen:
    """One screen. `typed`: what leads to it, empty for the first one; `open`: whether an input can follow."""

    typed: str
    text: str
    septets: int
    open: bool


@dataclass(frozen=True, slots=True)
class Text:
    """A text message, with the number of parts that it is sent in."""

    text: str
    septets: int
    parts: int


def with_people(contest: Contest) -> Contest:
    """The contest, with two invented candidates while it has none that can be voted for."""
    if contest.eligible:
        return contest
    people = tuple(Candidate(UUID(int=int(code)), code, name) for code, name in _EXAMPLES)
    return replace(contest, candidates=people, _by_code={})


def whole_vote(contest: Contest) -> tuple[str, ...]:
    """What a voter types for a whole vote: code, number, and the first way to pay."""
    return contest.eligible[0].code, str(VOTES_SHOWN), "1"


def screens(contest: Contest, language: str, typed: Sequence[str], rails: Rails, now: datetime) -> list[Screen]:
    """Every screen from the first one on. `contest`: as published, with somebody to vote for; `now`: it is shown as at
    its opening where it is not open then. None where no number of the contest's country is known."""
    at = now if contest.open_at(now) else contest.window_at(now)[0]
    number = read_msisdn(example_number(contest.country), contest.country)
    if not isinstance(number, Msisdn):
        return []
    view = MenuView(contest, ranking_of(contest, 0, {}), number, None, at, rails)
    turn = _fetched(start(view, language), view)
    shown = [_screen("", turn)]
    for text in typed:
        if turn.session is None:
            break
        turn = _fetched(advance(turn.session, text, view), view)
        shown.append(_screen(text, turn))
    return shown


def receipt(contest: Contest, language: str, public_url: str) -> Text:
    """The text that a voter gets once a vote is counted."""
    candidate = contest.eligible[0]
    facts = {
        "candidate_code": candidate.code,
        "candidate_name": candidate.name,
        "quantity": VOTES_SHOWN,
        "amount": contest.price.times(VOTES_SHOWN).spoken(),
        "contest_name": contest.name,
        "country": contest.country,
        "service_code": contest.dial_code,
        "short_code": contest.short_code,
        "receipt": RECEIPT,
        "verify_url": f"{public_url}/verify/{RECEIPT}",
    }
    text = render("receipt", language, facts)
    return Text(text, gsm.septets(text), gsm.parts(text))


def _screen(typed: str, turn: Turn) -> Screen:
    return Screen(typed, turn.screen, gsm.septets(turn.screen), turn.session is not None)


def _fetched(turn: Turn, view: MenuView) -> Turn:
    """The screen as a number sees it that never voted."""
    if turn.wants is None or turn.session is None:
        return turn
    return _unknown_number(turn.wants, turn.session, view)


def _unknown_number(wants: Wants, session: Session, view: MenuView) -> Turn:
    match wants:
        case Wants.VOTES:
            return votes_shown(session, view, ())
        case Wants.FAVOURITE:
            return ranking_shown(session, view, ())
        case Wants.RESCUE:
            return rescue_shown(session, view, Rescue(Outcome.NOTHING))
        case Wants.TICKET:
            return ticket_shown(session, view, ticket_number(1))
        case Wants.RECEIPT:
            return receipt_shown(session, view, None)
