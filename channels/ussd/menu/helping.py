"""Whatever is asked beside a vote: own votes, a missing vote, a receipt, the rules, the language.

A place whose screen only the service can fill returns an empty one with what it `wants`; `*_shown` then
makes the screen of what was fetched.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Final

from channels import gsm
from channels.buying import rule_terms, votes_in_words, why_taken_back
from channels.phrases import language_name, languages_for, say
from channels.receipts import CheckedReceipt
from channels.ussd.menu.lists import home, ranking
from channels.ussd.menu.screen import around_name, fitted, last_line, shown, turned, with_foot, wrong
from channels.ussd.menu.session import SEPTETS_MAX, MenuView, Node, Session, Turn, Wants
from gateway.contests.contest import Contest
from gateway.orders.receipt import RECEIPT_LENGTH, read_receipt
from gateway.values.time_zones import digits
from leaderboard.ranking import Ranked, Ranking
from payments.collection.order_views import VoteLine
from payments.lifecycle import PublicStatus
from payments.rescue.rules import DISPUTABLE, Rescue

MY_VOTES_MAX: Final = 4


# The language.


def language(session: Session, view: MenuView, notice: str = "") -> Turn:
    """The choice of a language, each by its own name."""
    spoken = enumerate(languages_for(view.contest), start=1)
    lines = [*(f"{key} {language_name(code)}" for key, code in spoken), say(session.language, "ussd.back")]
    return shown(fitted("\n".join(lines), notice, view.limit), session.at(Node.LANGUAGE), notice)


def another_language(session: Session, view: MenuView) -> Turn:
    """The other language at once, or a choice where there are several."""
    others = [code for code in languages_for(view.contest) if code != session.language]
    return _speaking(session, others[0], view) if len(others) == 1 else language(session, view)


def at_language(session: Session, text: str, view: MenuView) -> Turn:
    """The number of a language."""
    if text == "0":
        return home(session, view)
    for key, code in enumerate(languages_for(view.contest), start=1):
        if text == str(key):
            return _speaking(session, code, view)
    return wrong(session, view, language)


def _speaking(session: Session, code: str, view: MenuView) -> Turn:
    return replace(home(session._replace(language=code), view), chosen=code)


# Own votes, and the favourite below the ranking.


def my_votes(session: Session, view: MenuView, notice: str = "") -> Turn:
    """The number's own votes, which are fetched."""
    return shown("", session.at(Node.MY_VOTES), notice, Wants.VOTES)


def at_my_votes(session: Session, text: str, view: MenuView) -> Turn:
    """Back; anything else shows them again."""
    return home(session, view) if text == "0" else my_votes(session, view)


def votes_shown(session: Session, view: MenuView, lines: Sequence[VoteLine]) -> Turn:
    """The number's latest orders, newest first."""
    listed = [_vote_line(line, session.language) for line in lines[:MY_VOTES_MAX]]
    text = listed or [say(session.language, "ussd.no_votes")]
    return Turn(fitted("\n".join([*text, say(session.language, "ussd.back")]), limit=view.limit), session)


def _vote_line(line: VoteLine, language: str) -> str:
    status = say(language, f"ussd.status_{line.status.value}")
    return f"{line.candidate_code} x{line.quantity} {line.receipt or status}"


def ranking_shown(session: Session, view: MenuView, lines: Sequence[VoteLine]) -> Turn:
    """The ranking with the number's favourite below it."""
    return Turn(ranking(session, view, favourite=favourite_of(lines, view.ranking)).screen, session)


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


# I was debited.


def debited(session: Session, view: MenuView, notice: str = "") -> Turn:
    """What became of the number's payments, which is looked into."""
    return shown("", session._replace(node=Node.DEBITED, page=0), notice, Wants.RESCUE)


def at_debited(session: Session, text: str, view: MenuView) -> Turn:
    """Back, or a person, where that was offered (`page` 1); anything else looks again."""
    if text == "0":
        return home(session._replace(page=0), view)
    if text == "1" and session.page:
        return ticket(session, view)
    return debited(session, view)


def rescue_shown(session: Session, view: MenuView, found: Rescue) -> Turn:
    """What became of the number's payments; `page` 1 where a person is offered."""
    language, attempt, disputable = session.language, found.attempt, found.outcome in DISPUTABLE
    facts: dict[str, object] = {"service_code": view.contest.dial_code, "ticket": found.ticket or ""}
    if attempt is not None:
        facts |= {
            "votes": votes_in_words(language, attempt.quantity),
            "code": attempt.candidate_code,
            "amount": attempt.amount.spoken(),
            "receipt": attempt.receipt,
        }
    foot = say(language, "ussd.back")
    if disputable:
        foot = f"{say(language, 'ussd.dispute')}\n{foot}"
    screen = with_foot(say(language, f"ussd.rescue_{found.outcome.value}", **facts), foot, view.limit)
    return Turn(screen, session._replace(page=int(disputable)))


def ticket(session: Session, view: MenuView, notice: str = "") -> Turn:
    """A person will look: the ticket is opened, or found open."""
    return shown("", session.at(Node.TICKET), notice, Wants.TICKET)


def at_ticket(session: Session, text: str, view: MenuView) -> Turn:
    """Back; anything else shows the ticket again."""
    return home(session._replace(page=0), view) if text == "0" else ticket(session, view)


def ticket_shown(session: Session, view: MenuView, number: str) -> Turn:
    """The ticket's number, and whom to call, where the contest says so and it fits."""
    language = session.language
    text, foot = say(language, "ussd.ticket", ticket=number), say(language, "ussd.back")
    if view.contest.contact:
        more = f"{text}\n{say(language, 'ussd.contact', contact=view.contest.contact)}"
        text = more if gsm.fits(gsm.fold(f"{more}\n{foot}"), view.limit) else text
    return Turn(with_foot(text, foot, view.limit), session)


# Help: receipts and rules.


def help_menu(session: Session, view: MenuView, notice: str = "") -> Turn:
    """What else there is."""
    text = f"{say(session.language, 'ussd.help')}\n{say(session.language, 'ussd.back')}"
    return shown(fitted(text, notice, view.limit), session._replace(node=Node.HELP, page=0, typed=""), notice)


def at_help(session: Session, text: str, view: MenuView) -> Turn:
    """A receipt, the rules, or back."""
    match text:
        case "1":
            return receipt(session, view)
        case "2":
            return rules(session._replace(page=1), view)
        case "0":
            return home(session, view)
    return wrong(session, view, help_menu)


def receipt(session: Session, view: MenuView, notice: str = "") -> Turn:
    """Which receipt? Or what a typed one proves, which is fetched."""
    here = session.at(Node.RECEIPT)
    if session.typed and not notice:
        return shown("", here, wants=Wants.RECEIPT)
    return shown(_receipt_question(session.language, notice, view.limit), here, notice)


def _receipt_question(language: str, notice: str, limit: int) -> str:
    return fitted(f"{say(language, 'ussd.which_receipt')}\n{say(language, 'ussd.back')}", notice, limit)


def at_receipt(session: Session, text: str, view: MenuView) -> Turn:
    """The characters of a receipt, or back."""
    if text == "0":
        return help_menu(session, view)
    code = read_receipt(text)
    if code is None:
        count = len(text.replace("-", "").replace(" ", ""))
        fault = "receipt_mistyped" if count == RECEIPT_LENGTH else "receipt_length"
        return receipt(session._replace(typed=""), view, say(session.language, f"ussd.{fault}", count=count))
    return receipt(session._replace(typed=code), view)


def receipt_shown(session: Session, view: MenuView, found: CheckedReceipt | PublicStatus | None) -> Turn:
    """What the typed receipt proves, or that there is none."""
    asked = session._replace(typed="")
    if not isinstance(found, CheckedReceipt):
        notice = _no_receipt(session, found)
        return Turn(_receipt_question(session.language, notice, view.limit), asked)
    return Turn(_receipt(found, session.language, view.limit), asked)


def _no_receipt(session: Session, became: PublicStatus | None) -> str:
    language = session.language
    if became is None:
        return say(language, "ussd.receipt_unknown")
    status = say(language, f"ussd.status_{became.value}")
    return say(language, "receipt.uncounted", receipt=session.typed, status=status)


def _receipt(found: CheckedReceipt, language: str, limit: int) -> str:
    vote = found.vote
    facts = {
        "receipt": vote.receipt,
        "votes": votes_in_words(language, vote.quantity),
        "code": vote.candidate_code,
        "number": vote.tally_number,
    }
    foot, back = say(language, "ussd.back"), vote.taken_back

    def make(shortened: str) -> str:
        if back is not None:
            text = say(language, "ussd.receipt_taken_back", **facts, back=back.number, why=shortened)
        else:
            more = {"amount": vote.amount.spoken(), "at": found.at, "log": found.log(language)}
            text = say(language, "ussd.receipt", **facts, **more, name=shortened)
        return f"{text}\n{foot}"

    return around_name(make, vote.candidate_name if back is None else why_taken_back(language, back.reason), "", limit)


def rules(session: Session, view: MenuView, notice: str = "") -> Turn:
    """A page of the rules; a notice stands in for the page where both do not fit."""
    pages = rules_pages(view.contest, session.language, view.limit)
    page = min(session.page, len(pages))
    last = gsm.fold(last_line(session.language, more=page < len(pages)))
    screen = f"{pages[page - 1]}\n{last}"
    if notice:
        both = f"{gsm.fold(notice)}\n{screen}"
        screen = both if gsm.fits(both, view.limit) else f"{gsm.fold(notice)}\n{last}"
    return shown(screen, session.at(Node.RULES), notice)


def at_rules(session: Session, text: str, view: MenuView) -> Turn:
    """Another page, or back."""
    if turn := turned(session, text, view, rules, len(rules_pages(view.contest, session.language, view.limit))):
        return turn
    return help_menu(session, view) if text == "0" else wrong(session, view, rules)


def rules_pages(contest: Contest, language: str, limit: int = SEPTETS_MAX) -> tuple[str, ...]:
    """The price, the end, what becomes of money, the contest's own rules and whom to ask, page by page."""
    parts = [
        say(
            language,
            "ussd.rules",
            price=contest.price.spoken(),
            closes=digits(contest.closes_at, contest.time_zone),
            minutes=contest.late_seconds // 60,
        ),
        *(say(language, f"ussd.rules_{word}", **facts) for word, facts in rule_terms(contest)),
        contest.rules_in(language),
        say(language, "ussd.contact", contact=contest.contact) if contest.contact else "",
    ]
    last = max(gsm.septets(gsm.fold(last_line(language, more=more))) for more in (True, False))
    return _cut_in_pages(gsm.fold(" ".join(filter(None, parts))), limit - last - 1)


@lru_cache(maxsize=256)
def _cut_in_pages(text: str, limit: int) -> tuple[str, ...]:
    """Pages of about the same length, as few as hold these words: the last one never holds a word or two."""
    words = text.split()
    pages = _filled_pages(words, limit)
    least = min(limit, max(limit // 2, *map(gsm.septets, words)))
    while least < limit:
        narrower = (least + limit) // 2
        fewer = _filled_pages(words, narrower)
        if len(fewer) > len(pages):
            least = narrower + 1
        else:
            pages, limit = fewer, narrower
    return pages


def _filled_pages(words: Sequence[str], limit: int) -> tuple[str, ...]:
    pages = [""]
    for word in words:
        longer = f"{pages[-1]} {word}".lstrip()
        if gsm.fits(longer, limit):
            pages[-1] = longer
        else:
            pages.append(gsm.cut_on_word(word, limit))
    return tuple(filter(None, pages)) or ("",)
