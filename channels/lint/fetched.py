"""What a screen that the service fills in can show at its longest."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from channels import gsm
from channels.lint.samples import OTHERWISE, RECEIPT
from channels.ussd.menu import (
    MenuView,
    Session,
    Turn,
    Wants,
    ranking_shown,
    receipt_shown,
    rescue_shown,
    ticket_shown,
    votes_shown,
)
from payments.collection.order_views import ReceiptView, TakenBack, VoteLine
from payments.lifecycle import PublicStatus, State
from payments.rescue.rules import Attempt, Outcome, Rescue, ticket_number

TICKET: Final = ticket_number(9_999_999)


def turns(turn: Turn, view: MenuView) -> Iterator[Turn]:
    """The turn with every screen that it may get from the service; itself where it wants nothing."""
    if turn.wants is None or turn.session is None:
        yield turn
        return
    yield from _filled(turn.wants, turn.session, view)


def _filled(wants: Wants, session: Session, view: MenuView) -> Iterator[Turn]:
    contest = view.contest
    person = max(contest.eligible, key=lambda c: gsm.septets(gsm.fold(c.name)), default=None)
    code, name = (person.code, person.name) if person else ("07", "Awa")
    longest = max(PublicStatus, key=lambda status: len(status.value))
    line = VoteLine(code, name, contest.quantity_max, longest, None, view.now)
    amount = contest.price.times(contest.quantity_max)
    match wants:
        case Wants.VOTES:
            yield votes_shown(session, view, [])
            yield votes_shown(session, view, [line, replace(line, receipt=RECEIPT)] * 4)
        case Wants.FAVOURITE:
            last = view.ranking.entries[-1].code if view.ranking.entries else code
            yield ranking_shown(session, view, [])
            counted = replace(line, candidate_code=last, status=PublicStatus.COMPLETED)
            yield ranking_shown(session, view, [counted])
        case Wants.RESCUE:
            attempt = Attempt(State.PENDING, code, name, contest.quantity_max, amount, RECEIPT)
            for outcome in Outcome:
                yield rescue_shown(session, view, Rescue(outcome, attempt, TICKET))
        case Wants.TICKET:
            yield ticket_shown(session, view, TICKET)
        case Wants.RECEIPT:
            proof = ReceiptView(
                RECEIPT, contest.slug, contest.name, code, name, contest.quantity_max, amount, 9_999_999, view.now
            )
            yield receipt_shown(session, view, None)
            yield receipt_shown(session, view, proof)
            back = TakenBack(9_999_999, view.now, OTHERWISE)
            yield receipt_shown(session, view, replace(proof, taken_back=back))
