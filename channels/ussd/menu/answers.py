"""Screens that are made of what the shell fetched."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

from channels.ussd import screens
from channels.ussd.menu.session import MenuView, Session, Turn
from leaderboard.ranking import Ranked, Ranking
from payments.collection.order_views import ReceiptView, VoteLine
from payments.lifecycle import PublicStatus
from payments.rescue.rules import DISPUTABLE, Rescue


def votes_shown(session: Session, view: MenuView, lines: Sequence[VoteLine]) -> Turn:
    """The number's own votes."""
    return Turn(screens.my_votes(lines, session.language, view.room), session)


def ranking_shown(session: Session, view: MenuView, lines: Sequence[VoteLine]) -> Turn:
    """The ranking with the number's favourite below it."""
    favourite = favourite_of(lines, view.ranking)
    screen = screens.ranking(view.ranking, session.page - 1, session.language, "", favourite, view.room)
    return Turn(screen, session)


def favourite_of(lines: Sequence[VoteLine], ranking: Ranking) -> Ranked | None:
    """Whom these votes went to most, among equals the latest; None when none was counted."""
    given: dict[str, int] = defaultdict(int)
    for line in lines:
        if line.status is PublicStatus.COMPLETED:
            given[line.candidate_code] += line.quantity
    if not given:
        return None
    most = max(given, key=lambda code: given[code])
    return next((entry for entry in ranking.entries if entry.code == most), None)


def rescue_shown(session: Session, view: MenuView, found: Rescue) -> Turn:
    """What became of the number's payments; `page` 1 where a person is offered."""
    screen = screens.rescued(found, view.contest, session.language, view.room)
    return Turn(screen, replace(session, page=1 if found.outcome in DISPUTABLE else 0))


def ticket_shown(session: Session, view: MenuView, number: str) -> Turn:
    """The ticket's number."""
    return Turn(screens.ticket(number, view.contest, session.language, view.room), session)


def receipt_shown(session: Session, view: MenuView, found: ReceiptView | None) -> Turn:
    """What the typed receipt proves."""
    return Turn(screens.receipt(found, session.language, view.room), replace(session, typed=""))
