"""Screens for whoever asks: own votes, a missing vote, a receipt, the rules, the language."""

from collections.abc import Sequence
from typing import Final

from channels import gsm
from channels.buying import votes_in_words, why_taken_back
from channels.phrases import language_name, say
from channels.ussd.screens.fitting import SEPTETS_MAX, around_name, fitted, foot, with_foot
from gateway.contests.contest import Contest
from payments.collection.order_views import ReceiptView, TakenBack, VoteLine
from payments.rescue.rules import DISPUTABLE, Rescue

_MY_VOTES_MAX: Final = 4


def my_votes(lines: Sequence[VoteLine], language: str, room: int = SEPTETS_MAX) -> str:
    """A number's latest orders, newest first."""
    back = say(language, "ussd.back")
    if not lines:
        return fitted(f"{say(language, 'ussd.no_votes')}\n{back}", room=room)
    shown = [_vote_line(line, language) for line in lines[:_MY_VOTES_MAX]]
    return fitted("\n".join([*shown, back]), room=room)


def _vote_line(line: VoteLine, language: str) -> str:
    status = say(language, f"ussd.status_{line.status.value}")
    return f"{line.candidate_code} x{line.quantity} {line.receipt or status}"


def help_menu(language: str, notice: str = "", room: int = SEPTETS_MAX) -> str:
    """What else there is."""
    return fitted(f"{say(language, 'ussd.help')}\n{say(language, 'ussd.back')}", notice, room)


def languages(spoken: Sequence[str], language: str, notice: str = "", room: int = SEPTETS_MAX) -> str:
    """Every language of a contest, each by its own name."""
    lines = [f"{place} {language_name(code)}" for place, code in enumerate(spoken, start=1)]
    return fitted("\n".join([*lines, say(language, "ussd.back")]), notice, room)


def receipt_question(language: str, notice: str = "", room: int = SEPTETS_MAX) -> str:
    """Ask for the characters of a receipt."""
    return fitted(f"{say(language, 'ussd.which_receipt')}\n{say(language, 'ussd.back')}", notice, room)


def receipt(found: ReceiptView | None, language: str, room: int = SEPTETS_MAX) -> str:
    """What a receipt proves, or that there is none."""
    if found is None:
        return receipt_question(language, say(language, "ussd.receipt_unknown"), room)

    if found.taken_back is not None:
        return _taken_back(found, found.taken_back, language, room)

    def make(name: str) -> str:
        text = say(
            language,
            "ussd.receipt",
            receipt=found.receipt,
            votes=votes_in_words(language, found.quantity),
            code=found.candidate_code,
            name=name,
            amount=found.amount.spoken(),
            number=found.tally_number,
        )
        return f"{text}\n{say(language, 'ussd.back')}"

    return around_name(make, found.candidate_name, room=room)


def _taken_back(found: ReceiptView, back: TakenBack, language: str, room: int) -> str:
    def make(why: str) -> str:
        text = say(
            language,
            "ussd.receipt_taken_back",
            receipt=found.receipt,
            votes=votes_in_words(language, found.quantity),
            code=found.candidate_code,
            number=found.tally_number,
            back=back.number,
            why=why,
        )
        return f"{text}\n{say(language, 'ussd.back')}"

    return around_name(make, why_taken_back(language, back.reason), room=room)


def rescued(found: Rescue, contest: Contest, language: str, room: int = SEPTETS_MAX) -> str:
    """What became of a number's payments."""
    attempt = found.attempt
    facts: dict[str, object] = {"service_code": contest.dial_code, "ticket": found.ticket or ""}
    if attempt is not None:
        facts |= {
            "votes": votes_in_words(language, attempt.quantity),
            "code": attempt.candidate_code,
            "amount": attempt.amount.spoken(),
            "receipt": attempt.receipt,
        }
    back = say(language, "ussd.back")
    if found.outcome in DISPUTABLE:
        back = f"{say(language, 'ussd.dispute')}\n{back}"
    return with_foot(say(language, f"ussd.rescue_{found.outcome.value}", **facts), back, room=room)


def ticket(number: str, contest: Contest, language: str, room: int = SEPTETS_MAX) -> str:
    """The ticket that was opened, and whom to call, where the contest says so."""
    text = say(language, "ussd.ticket", ticket=number)
    if contest.contact:
        more = f"{text}\n{say(language, 'ussd.contact', contact=contest.contact)}"
        back = say(language, "ussd.back")
        text = more if gsm.fits(gsm.fold(f"{more}\n{back}"), room) else text
    return with_foot(text, say(language, "ussd.back"), room=room)


def rules_pages(contest: Contest, language: str, room: int = SEPTETS_MAX) -> tuple[str, ...]:
    """The price, the end, what becomes of money, the contest's own rules and whom to ask, page by page."""
    parts = [
        say(
            language,
            "ussd.rules",
            price=contest.price.spoken(),
            closes=contest.closes_at.strftime("%d/%m/%Y %H:%M"),
            minutes=contest.late_seconds // 60,
        ),
        contest.rules.get(language) or contest.rules.get(contest.language, ""),
        say(language, "ussd.contact", contact=contest.contact) if contest.contact else "",
    ]
    last = max(gsm.septets(gsm.fold(foot(language, more=more))) for more in (True, False))
    words = gsm.fold(" ".join(filter(None, parts))).split()
    return _cut_in_pages(words, room - last - 1)


def _cut_in_pages(words: Sequence[str], room: int) -> tuple[str, ...]:
    """Pages of about the same length, as few as hold these words: the last one never holds a word or two."""
    pages = _filled_pages(words, room)
    least = min(room, max(room // 2, *map(gsm.septets, words)))
    while least < room:
        narrower = (least + room) // 2
        fewer = _filled_pages(words, narrower)
        if len(fewer) > len(pages):
            least = narrower + 1
        else:
            pages, room = fewer, narrower
    return pages


def _filled_pages(words: Sequence[str], room: int) -> tuple[str, ...]:
    pages = [""]
    for word in words:
        longer = f"{pages[-1]} {word}".lstrip()
        if gsm.fits(longer, room):
            pages[-1] = longer
        else:
            pages.append(gsm.cut_on_word(word, room))
    return tuple(filter(None, pages)) or ("",)


def rules(contest: Contest, page: int, language: str, notice: str = "", room: int = SEPTETS_MAX) -> str:
    """A page of the rules, counted from 0; a notice stands in for the page where both do not fit."""
    pages = rules_pages(contest, language, room)
    page = min(page, len(pages) - 1)
    last = gsm.fold(foot(language, more=page + 1 < len(pages)))
    screen = f"{pages[page]}\n{last}"
    if not notice:
        return screen
    both = f"{gsm.fold(notice)}\n{screen}"
    return both if gsm.fits(both, room) else f"{gsm.fold(notice)}\n{last}"
