"""Every message of the bot but those of an order: pure functions from facts to text and buttons."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from html import escape
from typing import Final

from channels.buying import opening, rule_terms, why_taken_back
from channels.phrases import language_name
from channels.receipts import CheckedReceipt
from channels.telegram.buttons import (
    Button,
    ChooseCount,
    ChooseLanguage,
    OpenCard,
    OpenContest,
    OpenMenu,
    OpenPeople,
    OpenRanking,
    OpenRules,
    TypeCount,
    tag,
    tap,
)
from channels.telegram.texts import cut, facts_of, name, plain, say, votes
from gateway.contests.contest import Candidate, Contest
from gateway.orders.rules import Refusal, check_window, price_of
from gateway.values.msisdn import Msisdn
from gateway.values.time_zones import digits
from leaderboard.ranking import Ranking
from payments.collection.order_views import VoteLine
from payments.lifecycle import PublicStatus
from payments.rescue.rules import DISPUTABLE, Rescue

PEOPLE_A_PAGE: Final = 8
RANKING_LINES: Final = 20
CONTESTS_MAX: Final = 20
PACKS: Final = (1, 5, 10, 20, 50, 100)
# Where no votes are sold, and that has an end.
_FOR_NOW: Final = {
    Refusal.NOT_OPEN_YET: "home.not_open",
    Refusal.BETWEEN_ROUNDS: "home.between_rounds",
    Refusal.SUSPENDED: "home.suspended",
}
_RULES_UNITS: Final = 3000
_WHY_UNITS: Final = 200

Rows = tuple[tuple[Button, ...], ...]


@dataclass(frozen=True, slots=True)
class View:
    """A message. `text` is HTML. `photo`: the address of a picture above it. `asks_contact`: the label
    of the key that shares the voter's number; `frees_keys`: takes that key away again."""

    text: str
    rows: Rows = ()
    photo: str | None = None
    asks_contact: str | None = None
    frees_keys: bool = False


def contests(language: str, shown: Sequence[Contest]) -> View:
    """Which contest."""
    if not shown:
        return View(say(language, "home.none"))
    rows = tuple((Button(name(c.name), OpenContest(contest=tag(c)).pack()),) for c in shown[:CONTESTS_MAX])
    return View(say(language, "home.which"), rows)


def meant(language: str, having: Sequence[Contest], code: str, count: int | None = None) -> View:
    """Which of the contests that have this code: each button leads to its candidate, or to so many votes."""

    def choice(contest: Contest) -> Button:
        candidate, word = contest.candidate(code), tag(contest)
        who = f" · {name(candidate.name)}" if candidate is not None else ""
        # A number that no order may have is asked for again, on the card.
        sold = count is not None and 1 <= count <= contest.quantity_max
        go_on = ChooseCount(contest=word, code=code, count=count) if sold else OpenCard(contest=word, code=code)
        return Button(f"{name(contest.name)}{who}", go_on.pack())

    return View(say(language, "home.which"), tuple((choice(contest),) for contest in having[:CONTESTS_MAX]))


def home(language: str, contest: Contest, now: datetime) -> View:
    """The first view of a contest."""
    lines = [say(language, "home.title", contest=contest.name, price=contest.price.spoken())]
    refusal = check_window(contest, now)
    if refusal is None:
        example = contest.eligible[0].code if contest.eligible else "07"
        lines.append(say(language, "home.open", code=example))
    else:
        lines.append(say(language, _FOR_NOW.get(refusal, "home.closed"), opens=opening(contest)))
    word = tag(contest)
    rows = (
        (tap(language, "candidates", OpenPeople(contest=word, page=0, here=True)),),
        (tap(language, "board", OpenRanking(contest=word)), tap(language, "mine", OpenMenu(what="mine"))),
        (tap(language, "rules", OpenRules(contest=word)), tap(language, "language", OpenMenu(what="languages"))),
        (tap(language, "debited", OpenMenu(what="debited")),),
    )
    return View("\n\n".join(lines), rows)


def people(language: str, contest: Contest, page: int) -> View:
    """A page of candidates; the last one for a page too far."""
    eligible = contest.eligible
    pages = max(1, -(-len(eligible) // PEOPLE_A_PAGE))
    page = min(page, pages - 1)
    shown = eligible[page * PEOPLE_A_PAGE : (page + 1) * PEOPLE_A_PAGE]
    word = tag(contest)
    turn = [
        tap(language, key, OpenPeople(contest=word, page=to, here=True))
        for key, to in (("previous", page - 1), ("next", page + 1))
        if 0 <= to < pages
    ]
    back = tap(language, "back", OpenContest(contest=word))
    text = say(language, "home.people", contest=contest.name, page=page + 1, pages=pages)
    return View(text, (*_names(contest, shown), (*turn, back)))


def found(language: str, contest: Contest, shown: Sequence[Candidate]) -> View:
    """The candidates that a name may mean."""
    return View(say(language, "home.found"), _names(contest, shown))


def _names(contest: Contest, shown: Sequence[Candidate]) -> Rows:
    word = tag(contest)
    return tuple((Button(f"{c.code} {name(c.name)}", OpenCard(contest=word, code=c.code).pack()),) for c in shown)


def card(
    language: str, contest: Contest, candidate: Candidate, ranking: Ranking, link: str = "", photo: str | None = None
) -> View:
    """One candidate with the numbers of votes to choose from. `link`: where friends find this card; `photo`: the
    address of the candidate's."""
    place = ranking.by_code.get(candidate.code)
    facts: dict[str, object] = {
        "code": candidate.code,
        "name": name(candidate.name),
        "contest": contest.name,
        "price": contest.price.spoken(),
    }
    if ranking.hidden:
        text = say(language, "card.hidden", **facts)
    else:
        counted = votes(language, place.votes if place else 0)
        text = say(language, "card.text", **facts, votes=counted, rank=place.rank if place else "-")
    if link:
        text = f"{text}\n\n{say(language, 'card.share', link=link)}"
    word = tag(contest)
    packs = [
        tap(
            language,
            "pack",
            ChooseCount(contest=word, code=candidate.code, count=pack),
            votes=votes(language, pack),
            amount=price_of(contest, pack).spoken(),
        )
        for pack in offered_packs(contest)
    ]
    rows = (
        *(tuple(packs[i : i + 2]) for i in range(0, len(packs), 2)),
        (tap(language, "other_count", TypeCount(contest=word, code=candidate.code)),),
        (
            tap(language, "candidates", OpenPeople(contest=word, page=0)),
            tap(language, "board", OpenRanking(contest=word)),
        ),
    )
    return View(text, rows, photo=photo)


def offered_packs(contest: Contest) -> tuple[int, ...]:
    """Numbers of votes that have a button."""
    return tuple(pack for pack in (contest.packs or PACKS) if pack <= contest.quantity_max)


def ranking(language: str, contest: Contest, counted: Ranking, *, live: bool, private: bool = True) -> View:
    """The ranking. `live`: it keeps itself up to date; `private`: its readers can vote here."""
    lines = [say(language, "board.title", contest=contest.name), ""]
    if counted.hidden:
        lines.append(say(language, "board.hidden"))
    else:
        lines += _places(language, counted)
    lines.append(say(language, "board.live" if live else "board.paused"))
    word = tag(contest)
    refresh = tap(language, "refresh", OpenRanking(contest=word, here=True))
    if not private:
        return View("\n".join(lines), ((refresh,),))
    vote = tap(language, "vote", OpenPeople(contest=word, page=0))
    return View("\n".join(lines), ((refresh, vote),))


def _places(language: str, counted: Ranking) -> list[str]:
    lines = []
    for entry in counted.entries[:RANKING_LINES]:
        total = f"{entry.votes:,}".replace(",", " ")
        lines.append(say(language, "board.line", rank=entry.rank, code=entry.code, name=name(entry.name), votes=total))
    if (hidden := len(counted.entries) - RANKING_LINES) > 0:
        lines.append(say(language, "board.more", count=hidden))
    return [*lines, "", say(language, "board.total", votes=votes(language, counted.total_votes))]


def my_votes(language: str, lines: Sequence[VoteLine]) -> View:
    """What was ordered from a chat, newest first."""
    if not lines:
        return View(say(language, "mine.none"))
    shown = [say(language, "mine.title")]
    for line in lines:
        status = plain(language, f"mine.status_{line.status.value}")
        text = say(language, "mine.line", **facts_of(language, line), status=status)
        if line.receipt:
            # The line is HTML already.
            phrase = say(language, "mine.receipt", line="\0", receipt=line.receipt)
            text = phrase.replace("\0", text)
        shown.append(text)
    return View("\n".join(shown))


def receipt(language: str, code: str, found: CheckedReceipt | PublicStatus) -> View:
    """What a receipt proves, or what became of an order that is not counted."""
    if isinstance(found, PublicStatus):
        status = say(language, f"mine.status_{found.value}")
        return View(say(language, "receipt.uncounted", receipt=code, status=status))
    proof, log = found.vote, say(language, "receipt.logged" if found.logged else "receipt.not_logged")
    back = proof.taken_back
    facts = facts_of(language, proof) | {
        "receipt": proof.receipt,
        "contest": proof.contest_name,
        "amount": proof.amount.spoken(),
        "number": str(proof.tally_number),
    }
    if back is None:
        return View(say(language, "receipt.good", **facts, at=found.at, log=log))
    why = cut(why_taken_back(language, back.reason), _WHY_UNITS)
    return View(say(language, "receipt.taken_back", **facts, at=digits(back.at, found.zone), back=back.number, why=why))


def rules(language: str, contest: Contest) -> View:
    """The rules of a contest: its own words, the price, the close, where help is found."""
    own = contest.rules_in(language)
    lines = [say(language, "rules.title", contest=contest.name)]
    if own:
        lines.append(escape(cut(own, _RULES_UNITS), quote=False))
    lines.append(say(language, "rules.price", price=contest.price.spoken(), maximum=contest.quantity_max))
    lines.append(
        say(
            language,
            "rules.closes",
            closes=digits(contest.closes_at, contest.time_zone),
            minutes=round(contest.late_seconds / 60),
        )
    )
    lines += [say(language, f"rules.{word}", **facts) for word, facts in rule_terms(contest)]
    if contest.contact:
        lines.append(say(language, "rules.contact", contact=contest.contact))
    back = tap(language, "back", OpenContest(contest=tag(contest)))
    return View("\n\n".join(lines), ((back,),))


def help_text(language: str, contest: Contest | None) -> View:
    """What the bot can do."""
    example = contest.eligible[0].code if contest and contest.eligible else "07"
    lines = [say(language, "help.text", code=example)]
    if contest and contest.contact:
        lines.append(say(language, "help.contact", contact=contest.contact))
    return View("\n\n".join(lines))


def languages(language: str, spoken: Sequence[str]) -> View:
    """Which language."""
    rows = tuple((Button(language_name(code), ChooseLanguage(language=code).pack()),) for code in spoken)
    return View(say(language, "language.which"), rows)


def notice(language: str, key: str, **facts: object) -> View:
    """One phrase and no button."""
    return View(say(language, key, **facts))


def debited(language: str, what: Rescue, number: Msisdn | None, public_url: str) -> View:
    """What became of the payments of a voter who was debited. `number`: the one that the chat has proved to hold."""
    attempt = what.attempt
    if attempt is None:
        return _nothing(language, number)
    head = say(language, "order.what", **facts_of(language, attempt), amount=attempt.amount.spoken())
    outcome = say(
        language,
        f"debited.{what.outcome.value}",
        amount=attempt.amount.spoken(),
        receipt=attempt.receipt,
        link=f"{public_url}/verify/{attempt.receipt}",
    )
    lines = [head, outcome]
    if what.ticket:
        lines.append(say(language, "debited.ticket", ticket=what.ticket))
    return View("\n\n".join(lines), _dispute(language) if what.outcome in DISPUTABLE else ())


def _nothing(language: str, number: Msisdn | None) -> View:
    """No order. Without a number there is nothing to look for."""
    if number is None:
        share = plain(language, "ask.share")
        return View(say(language, "debited.nothing_here", share=share), asks_contact=share)
    return View(say(language, "debited.nothing", number=number.masked()), _dispute(language))


def _dispute(language: str) -> tuple[tuple[Button, ...], ...]:
    return ((tap(language, "dispute", OpenMenu(what="ticket")),),)


def ticket(language: str, number: str | None, contest: Contest | None) -> View:
    """The ticket that was opened, and the contest's contact where it has one."""
    if number is None:
        return View(say(language, "debited.no_ticket"))
    lines = [say(language, "debited.ticket", ticket=number)]
    if contest is not None and contest.contact:
        lines.append(say(language, "rules.contact", contact=contest.contact))
    return View("\n\n".join(lines))
