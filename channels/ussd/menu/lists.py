"""A contest's first screen, and the lists: contests, candidates, the ranking."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Final

from channels import gsm
from channels.buying import named, opening
from channels.phrases import language_name, languages_for, say
from channels.ussd.menu.screen import around_name, last_line, shown, squeezed
from channels.ussd.menu.session import MenuView, Node, Session, Turn, Wants
from gateway.contests.contest import Candidate, Contest
from gateway.contests.service_codes import numbered, open_among
from gateway.orders.rules import Refusal, check_window
from gateway.values.money import Money
from leaderboard.ranking import Ranked

LIST_SIZE: Final = 5
LIST_NAME_SEPTETS: Final = 19
CONTEST_NAME_SEPTETS: Final = 25


# A contest that sells nothing any more, or for now.
OVER: Final = {
    Refusal.CLOSED: "ussd.closed_home",
    Refusal.BETWEEN_ROUNDS: "ussd.between_home",
    Refusal.SUSPENDED: "ussd.suspended_home",
}


def pages_of(count: int) -> int:
    """How many pages so many lines have."""
    return max(1, -(-count // LIST_SIZE))


def home(session: Session, view: MenuView, notice: str = "") -> Turn:
    """A contest's first screen; of one that is over, what may still be asked, under the numbers that it
    always had."""
    contest = view.contest
    other, shared = _choice_of(session.language, languages_for(contest)), len(choices(view)) > 1
    refusal = check_window(contest, view.now)
    over = OVER.get(refusal) if refusal is not None else None
    price = contest.price if over is None else None
    phrase, opens = over or "ussd.home", opening(contest)
    screen = _home(contest.name, price, session.language, other, notice, shared, view.limit, phrase, opens)
    return shown(screen, session.at_home(contest.slug), notice)


@lru_cache(maxsize=256)
def _choice_of(language: str, spoken: tuple[str, ...]) -> str:
    """What the choice of a language is called: the other one, where there are two."""
    others = [code for code in spoken if code != language]
    return language_name(others[0]) if len(others) == 1 else say(language, "ussd.language")


@lru_cache(maxsize=512)
def _home(
    contest_name: str,
    price: Money | None,
    language: str,
    other: str,
    notice: str,
    shared: bool,
    limit: int,
    phrase: str,
    opens: str,
) -> str:
    """`price` None: nothing is sold; `opens`: when the next round does; `shared`: back leads to other contests."""

    def make(name: str) -> str:
        sold = "" if price is None else price.spoken()
        text = say(language, phrase, contest=name, price=sold, other=other, opens=opens)
        return f"{text}\n{say(language, 'ussd.back')}" if shared else text

    return around_name(make, contest_name, notice, limit)


def choices(view: MenuView) -> tuple[tuple[int, Contest], ...]:
    """The open contests behind the dialled code, each with its number; none where there is no choice."""
    if len(view.sharing) < 2:
        return ()
    selling = open_among(view.sharing, view.now)
    return tuple((number, contest) for number, contest in numbered(view.sharing) if contest in selling)


def contests(session: Session, view: MenuView, notice: str = "") -> Turn:
    """The choice of a contest."""
    found, language = choices(view), session.language
    pages = pages_of(len(found))
    page = min(max(session.page, 1), pages)
    listed = found[(page - 1) * LIST_SIZE : page * LIST_SIZE]
    last = [last_line(language, more=page < pages)] if pages > 1 else []

    def make(septets: int) -> str:
        lines = (f"{number} {gsm.cut_on_word(gsm.fold(contest.name), septets)}" for number, contest in listed)
        return "\n".join([say(language, "ussd.contests"), *lines, *last])

    screen = squeezed(make, CONTEST_NAME_SEPTETS, notice, view.limit)
    return shown(screen, Session(Node.CONTESTS, language, page=page), notice)


def listing(session: Session, view: MenuView, notice: str = "") -> Turn:
    """A page of candidates; a code or the letters of a name may be typed on any page."""
    head = notice or say(session.language, "ussd.list")
    screen = _people(view.contest.eligible, session.page, session.language, head, view.limit)
    return shown(screen, session._replace(node=Node.LIST, typed=""), notice)


def found(session: Session, view: MenuView, notice: str = "") -> Turn:
    """A page of the candidates whose names have the typed letters."""
    people = named(view.contest, session.typed)
    page = min(max(session.page, 1), pages_of(len(people)))
    screen = _people(people, page, session.language, notice, view.limit)
    return shown(screen, session._replace(node=Node.FOUND, page=page), notice)


def _people(people: Sequence[Candidate], page: int, language: str, head: str, limit: int) -> str:
    listed = people[(page - 1) * LIST_SIZE : page * LIST_SIZE]
    last = last_line(language, more=page < pages_of(len(people)))

    def make(septets: int) -> str:
        return "\n".join([*(f"{c.code} {gsm.cut_on_word(gsm.fold(c.name), septets)}" for c in listed), last])

    return squeezed(make, LIST_NAME_SEPTETS, head, limit)


def ranking(session: Session, view: MenuView, notice: str = "", favourite: Ranked | None = None) -> Turn:
    """A page of the ranking; while it is hidden, of the candidates. `favourite`: whom this number voted for most, in a
    line below unless the page shows them anyway."""
    language, entries = session.language, view.ranking.entries
    if view.ranking.hidden:
        head = notice or say(language, "ussd.hidden")
        screen = _people(view.contest.eligible, session.page, language, head, view.limit)
        return shown(screen, session.at(Node.RANKING), notice)
    listed = entries[(session.page - 1) * LIST_SIZE : session.page * LIST_SIZE]
    last = last_line(language, more=session.page < pages_of(len(entries)))

    def make(septets: int) -> str:
        lines = [_ranked(entry, septets) for entry in listed]
        if favourite is not None and favourite not in listed:
            lines.append(say(language, "ussd.favourite", line=_ranked(favourite, septets)))
        return "\n".join([*lines, last])

    screen = squeezed(make, LIST_NAME_SEPTETS, notice, view.limit)
    wants = None if notice else Wants.FAVOURITE
    return shown(screen, session.at(Node.RANKING), notice, wants)


def _ranked(entry: Ranked, septets: int) -> str:
    votes = f"{entry.votes:,}".replace(",", " ")
    return f"{entry.rank}. {gsm.cut_on_word(gsm.fold(entry.name), septets)} {votes}"
