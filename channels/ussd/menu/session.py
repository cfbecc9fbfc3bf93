"""The state of a dialogue, what the menu may read, and the result of an input."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple

from channels.phrases import languages_for
from gateway.contests.contest import Contest
from gateway.orders.routing import Rails
from gateway.orders.wallet import PaymentMethod
from gateway.values.msisdn import Msisdn
from gateway.values.record import record
from leaderboard.ranking import Ranking

SEPTETS_MAX = 160
# The key of the next page.
MORE = "9"
# Before what is to be typed, in `Session.typed`.
CHECKING = "="


class Node(StrEnum):
    """Where in the menu a voter is."""

    CONTESTS = "k"
    RESUME = "w"
    HOME = "h"
    LIST = "l"
    FOUND = "f"
    RANKING = "r"
    MY_VOTES = "m"
    LANGUAGE = "g"
    DEBITED = "d"
    TICKET = "t"
    HELP = "a"
    RECEIPT = "e"
    RULES = "u"
    QUANTITY = "q"
    CONFIRM = "c"
    OTHER_NUMBER = "n"
    PAYMENT_CODE = "p"


_NODES = {node.value: node for node in Node}


class Wants(StrEnum):
    """What a screen is made of and only the service can fetch."""

    VOTES = "votes"  # the number's own votes
    FAVOURITE = "favourite"  # the same, for a line below the ranking, which is shown without it too
    RESCUE = "rescue"  # what became of the number's payments
    TICKET = "ticket"  # a ticket, for staff to look at
    RECEIPT = "receipt"  # the vote behind the receipt in `Session.typed`


class Session(NamedTuple):
    """What is remembered between two screens; as a list it is what JSON holds of it.

    `contest`: slug of the chosen one, empty while it must be chosen. `page`: of what is paged, from 1;
    0 elsewhere, except that the quantity screen keeps the page it was reached from, and that 1 at the offer
    to resume leads to the question for the payment code. `typed`: letters
    of a name, a receipt, or at the confirmation what must be typed before it. `payer`: E.164 of a typed
    number; None means the number that dials. `method` None: guessed from the number. `price`: of a vote, as the
    confirmation showed it, in minor units; 0: none was shown.
    """

    node: Node = Node.HOME
    language: str = "fr"
    contest: str = ""
    page: int = 0
    typed: str = ""
    code: str | None = None
    votes: int = 0
    payer: str | None = None
    method: str | None = None
    price: int = 0

    # Every hop does one of these three, and `_replace` takes twice as long (`tests/bench`, P1).

    def at(self, node: Node) -> "Session":
        """The same at another place."""
        return Session._make((node, *self[1:]))

    def confirming(self, price: int) -> "Session":
        """The same at the confirmation, which shows this price."""
        return Session._make((Node.CONFIRM, *self[1:9], price))

    def at_home(self, contest: str) -> "Session":
        """The same on the first screen of a contest."""
        return Session._make((Node.HOME, self.language, contest, 0, "", *self[5:]))

    def choosing(self, code: str) -> "Session":
        """The same with another candidate, and no number of votes yet."""
        return Session._make((*self[:5], code, 0, *self[7:]))

    @classmethod
    def unpacked(cls, stored: Iterable[Any]) -> "Session":
        """The session of such a list. Raises ValueError or TypeError for anything else."""
        node, language, contest, page, typed, code, votes, payer, method, *price = stored
        # By the table where it is one of ours: calling the class takes as long as all the rest.
        place = _NODES.get(node) or Node(node)
        return cls(place, language, contest, int(page), typed, code, int(votes), payer, method, *map(int, price))


@record
class MenuView:
    """What the menu may look at. `dialler`: the number that dials, vouched for by its network.
    `contest`: the chosen one, while none is chosen any of `sharing`, which are all the contests behind
    the dialled code. `rails`: what takes money. `limit`: the longest screen, in septets, that the aggregator
    passes on. `behind`: what was dialled at once with the input, and is dropped if that is refused.
    `language`: the one that this number chose, empty where it never did."""

    contest: Contest
    ranking: Ranking
    dialler: Msisdn
    network: str | None
    now: datetime
    rails: Rails
    sharing: tuple[Contest, ...] = ()
    limit: int = SEPTETS_MAX
    behind: tuple[str, ...] = ()
    language: str = ""

    def spoken_in(self, contest: Contest) -> str:
        """The language of a contest's first screen: the chosen one, where the contest speaks it."""
        chosen = self.language
        return chosen if chosen and chosen in languages_for(contest) else contest.language


@dataclass(frozen=True, slots=True)
class Buy:
    """The voter confirmed this on a screen that showed all of it. `payment_code`: what the payer fetched
    from the operator, with which no request is pushed."""

    code: str
    votes: int
    method: PaymentMethod
    payer: Msisdn
    typed: bool
    language: str
    payment_code: str | None = None


@record
class Turn:
    """What comes of an input. `session` None: the dialogue ends with this screen. `wants`: what must
    be fetched to make the screen, see `helping`. `refused`: the input was not understood.
    `chosen`: the language that it chose."""

    screen: str
    session: Session | None
    buy: Buy | None = None
    wants: Wants | None = None
    refused: bool = False
    chosen: str = ""
