"""What the bot says, filled in: facts are escaped, so that a name cannot become markup."""

from functools import cache
from html import escape
from typing import Final

import channels.phrases
from channels.phrases import DEFAULT_LANGUAGE
from gateway.contests.codes import code_fault, phrase_of
from gateway.contests.contest import Contest
from gateway.http.phrases import Catalogue, load
from gateway.orders.rules import Refusal
from gateway.orders.wallet import PaymentMethod, example_number
from gateway.values.money import Money
from payments.lifecycle import REASONS, PublicStatus
from payments.provider import PayerReason

TEXT_UNITS_MAX: Final = 4096
CAPTION_UNITS_MAX: Final = 1024
ALERT_UNITS_MAX: Final = 200
NAME_UNITS_MAX: Final = 60


@cache
def catalogue() -> Catalogue:
    """Language → phrase → text, of the bot alone. Raises PhraseError."""
    return load("channels.telegram.phrases")


def spoken_in(language: str) -> str:
    """The language of the bot's own phrases for somebody who chose this one: itself or its neighbour."""
    if language in catalogue():
        return language
    neighbour = channels.phrases.neighbours().get(language)
    return neighbour if neighbour in catalogue() else DEFAULT_LANGUAGE


def say(language: str, key: str, **facts: object) -> str:
    """The bot's phrase as HTML. Facts are escaped."""
    phrase = catalogue()[spoken_in(language)][key]
    return phrase.format(**{name: escape(str(fact), quote=False) for name, fact in facts.items()}) if facts else phrase


def plain(language: str, key: str, **facts: object) -> str:
    """The same where nothing is markup: on buttons and in alerts."""
    phrase = catalogue()[spoken_in(language)][key]
    return phrase.format(**facts) if facts else phrase


def votes(language: str, count: int) -> str:
    """So many votes, in words, thousands set apart."""
    if count == 1:
        return plain(language, "card.votes_one")
    return plain(language, "card.votes_many", count=f"{count:,}".replace(",", " "))


def wallet(language: str, method: PaymentMethod) -> str:
    """The wallet's name as voters know it."""
    return channels.phrases.say(language, f"wallet.{method.value}")


def refusal(language: str, why: Refusal, contest: Contest | None, code: str = "") -> str:
    """Why nothing was sold, as plain text; of a code that nobody has, whether it is mistyped."""
    name, maximum = (contest.name, contest.quantity_max) if contest is not None else ("", 0)
    example = example_number(contest.country if contest is not None else "")
    fault = code_fault(contest, code) if contest is not None and why is Refusal.UNKNOWN_CANDIDATE else None
    phrase = phrase_of(fault) if fault else f"refusal.{why.value}"
    return channels.phrases.say(language, phrase, contest=name, code=code, maximum=maximum, example=example)


def why_not_paid(language: str, reason: str | None, method: PaymentMethod) -> str:
    """Why a payment was not made, as HTML."""
    word = reason if reason in REASONS else PayerReason.OTHER.value
    return say(language, f"why.{word}", wallet=wallet(language, method))


def status(language: str, word: PublicStatus) -> str:
    """An order's state in a word or two."""
    return plain(language, f"mine.status_{word.value}")


def amount(money: Money) -> str:
    """An amount as it is said."""
    return money.spoken()


def name(text: str) -> str:
    """A name, not longer than a line has room for."""
    return cut(text, NAME_UNITS_MAX)


def units(text: str) -> int:
    """Length as Telegram counts it: UTF-16 units."""
    return len(text.encode("utf-16-le")) // 2


def cut(text: str, room: int) -> str:
    """The text, or its beginning and an ellipsis, in at most so many units."""
    if units(text) <= room:
        return text
    kept = text.encode("utf-16-le")[: (room - 1) * 2].decode("utf-16-le", errors="ignore")
    return f"{kept.rstrip()}…"
