"""The menu: a pure function from session and input to screen and next session.

On a contest's first screen and wherever candidates are listed, two or more digits are a candidate's
code, one digit is a choice and letters search for a name. `0` goes back and `00` home on every screen.
Code, number of votes, `1`: a whole vote.
"""

from channels.ussd.menu.helping import (
    MY_VOTES_MAX,
    ranking_shown,
    receipt_shown,
    rescue_shown,
    ticket_shown,
    votes_shown,
)
from channels.ussd.menu.lists import LIST_NAME_SEPTETS
from channels.ussd.menu.machine import advance, is_code, offered, start
from channels.ussd.menu.ordering import check, confirm
from channels.ussd.menu.screen import fitted, refused
from channels.ussd.menu.session import CHECKING, SEPTETS_MAX, Buy, MenuView, Node, Session, Turn, Wants

__all__ = [
    "CHECKING",
    "LIST_NAME_SEPTETS",
    "MY_VOTES_MAX",
    "SEPTETS_MAX",
    "Buy",
    "MenuView",
    "Node",
    "Session",
    "Turn",
    "Wants",
    "advance",
    "check",
    "confirm",
    "fitted",
    "is_code",
    "offered",
    "ranking_shown",
    "receipt_shown",
    "refused",
    "rescue_shown",
    "start",
    "ticket_shown",
    "votes_shown",
]
