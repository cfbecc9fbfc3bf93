"""Who calls which code, and what the menu sees of the service for them."""

from dataclasses import field, replace
from datetime import datetime
from typing import Final

import orjson

from channels.buying import own_number
from channels.ussd.menu.machine import start
from channels.ussd.menu.session import MenuView, Node, Session, Turn
from channels.voting_service import VotingService
from gateway.contests.contest import Contest
from gateway.contests.service_codes import nearest, open_among
from gateway.values.msisdn import Msisdn, NumberFault, read_msisdn
from gateway.values.record import record

# For how long a dialogue that was cut off can be resumed.
RESUME_SECONDS: Final = 600
# A mark that no longer holds: read as none.
NO_MARK: Final = b""


def contests_behind(service: VotingService, service_code: str, msisdn: str) -> tuple[tuple[Contest, ...], str]:
    """The contests of a code, and what was dialled behind it: the longest registered code wins. Where the
    aggregator names no code, the only contest of the dialling number's country, or the only one that sells."""
    whole = service.contests_by_service_code(service_code)
    if whole:
        return whole, ""
    dialled = service_code.strip().strip("#").lstrip("*")
    if not dialled:
        near = tuple(c for c in service.contests() if c.service_code and own_number(msisdn, c))
        selling = open_among(near, service.now()) if len(near) > 1 else near
        return (selling, "") if len(selling) == 1 else ((), "")
    pieces = dialled.split("*")
    for length in range(len(pieces), 0, -1):
        sharing = service.contests_by_service_code(f"*{'*'.join(pieces[:length])}#")
        if sharing:
            return sharing, "*".join(pieces[length:])
    return (), ""


def spoken_of(sharing: tuple[Contest, ...], now: datetime) -> Contest:
    """The contest whose name stands for a code before one is chosen."""
    if len(sharing) == 1:
        return sharing[0]
    selling = open_among(sharing, now)
    return selling[0] if selling else nearest(sharing, now)


@record
class Caller:
    """One request's caller. `sharing`: the contests behind the dialled code, never empty; `language`: the one
    that this number chose, empty where that is not known."""

    service: VotingService
    sharing: tuple[Contest, ...]
    dialler: Msisdn
    network: str | None
    now: datetime
    limit: int
    language: str = ""
    _views: dict[str, MenuView] = field(default_factory=dict)

    def view(self, session: Session | None = None) -> MenuView:
        """What the menu reads of this session: its contest, or the default one of the code."""
        slug = session.contest if session is not None and len(self.sharing) > 1 else ""
        view = self._views.get(slug)
        if view is None:
            contest = self.contest(slug) if slug else None
            contest = contest or spoken_of(self.sharing, self.now)
            seen = (contest, self.service.ranking(contest.slug), self.dialler, self.network, self.now)
            view = MenuView(*seen, self.service.rails, self.sharing, self.limit, language=self.language)
            self._views[slug] = view
        return view

    def contest(self, slug: str) -> Contest | None:
        """One of the contests behind the code, by its slug."""
        for contest in self.sharing:
            if contest.slug == slug:
                return contest
        return None

    def speaking(self, language: str) -> "Caller":
        """The same, who chose this language; empty: none."""
        return Caller(self.service, self.sharing, self.dialler, self.network, self.now, self.limit, language)

    def first_screen(self) -> Turn:
        """Where a dialogue begins."""
        view = self.view()
        return start(view, view.spoken_in(view.contest))

    def in_contest(self, contest: Contest) -> Turn:
        """Where a dialogue begins that names its contest."""
        view = self.view(Session(contest=contest.slug))
        return start(replace(view, sharing=(contest,)), view.spoken_in(contest))


def caller_of(
    service: VotingService, sharing: tuple[Contest, ...], msisdn: str, network: str | None, limit: int
) -> Caller | NumberFault:
    """The caller; a fault where the number cannot take part."""
    now = service.now()
    dialler = read_msisdn(msisdn, spoken_of(sharing, now).country, vouched=True)
    if not isinstance(dialler, Msisdn):
        return dialler
    return Caller(service, sharing, dialler, network, now, limit)


def mark_key(dialler: Msisdn) -> str:
    """Where the mark of a number is kept, whichever aggregator it calls through."""
    return f"ussd:reached:{dialler.e164}"


def reached(session: Session) -> tuple[str, str | None, int, str]:
    """How far a dialogue came."""
    return session.contest, session.code, session.votes, session.language


def mark_of(session: Session) -> bytes:
    """The same as stored, and whether a payment code was asked for; NO_MARK before a candidate was chosen."""
    return NO_MARK if session.code is None else orjson.dumps([*reached(session), asks_own_code(session)])


def asks_own_code(session: Session) -> bool:
    """Whether the number that dials is asked for a code, and is cut off when it dials for one."""
    return session.node is Node.PAYMENT_CODE and session.payer is None


def marked(stored: bytes | None) -> Session | None:
    """The offer to resume that a stored mark makes; None where there is none."""
    if not stored:
        return None
    try:
        contest, code, votes, language, by_code = orjson.loads(stored)
        page = 1 if by_code else 0
        return Session(Node.RESUME, str(language), str(contest), page, code=str(code), votes=int(votes))
    except (ValueError, TypeError):
        return None
