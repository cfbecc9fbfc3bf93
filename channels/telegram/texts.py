"""The bot's phrases, filled in: facts are escaped, so that a name cannot become markup."""

from collections.abc import Callable, Mapping
from functools import cache
from html import escape
from typing import Any, Final

import channels.phrases
from channels.buying import wallet_name
from channels.phrases import DEFAULT_LANGUAGE
from gateway.http.phrases import Catalogue, load
from gateway.orders.wallet import PaymentMethod
from payments.collection.order_views import OrderView, ReceiptView, VoteLine
from payments.lifecycle import REASONS, Withheld
from payments.provider import PayerReason
from payments.rescue.rules import Attempt

TEXT_UNITS_MAX: Final = 4096
CAPTION_UNITS_MAX: Final = 1024
ALERT_UNITS_MAX: Final = 200
NAME_UNITS_MAX: Final = 60

Facts = Mapping[str, Any]


@cache
def catalogue() -> Catalogue:
    """Language → phrase → text, of the bot alone. Raises PhraseError."""
    return load("channels.telegram.phrases")


def spoken_in(language: str) -> str:
    """The language of the bot's own phrases for a voter who chose this one: itself or its neighbour."""
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


def facts(language: str, count: int, code: str, who: str) -> dict[str, str]:
    """What every phrase about an order names: its votes and its candidate."""
    return {"votes": votes(language, count), "code": code, "name": name(who)}


def facts_of(language: str, placed: OrderView | VoteLine | ReceiptView | Attempt) -> dict[str, str]:
    """The same of one that was placed."""
    return facts(language, placed.quantity, placed.candidate_code, placed.candidate_name)


def why_not_paid(language: str, reason: str | None, method: PaymentMethod) -> str:
    """Why a payment was not made, as HTML."""
    word = reason if reason in REASONS else PayerReason.OTHER.value
    return say(language, f"why.{word}", wallet=wallet_name(language, method))


def name(text: str) -> str:
    """A name, cut to what fits a line."""
    return cut(text, NAME_UNITS_MAX)


def units(text: str) -> int:
    """Length as Telegram counts it: UTF-16 units."""
    return len(text.encode("utf-16-le")) // 2


def cut(text: str, units_max: int) -> str:
    """The text, or its beginning and an ellipsis, in at most so many units."""
    if units(text) <= units_max:
        return text
    kept = text.encode("utf-16-le")[: (units_max - 1) * 2].decode("utf-16-le", errors="ignore")
    return f"{kept.rstrip()}…"


def write(kind: str, language: str, values: Facts) -> str | None:
    """An owed message as a chat reads it, as plain text: short, with a link. None for a kind that has no wording of
    its own in chats. `values`: those of a text. KeyError for a missing one."""
    writer = _WRITERS.get(kind)
    return None if writer is None else writer(language, values)


def _write_receipt(language: str, values: Facts) -> str:
    shown = {"receipt": values["receipt"], "link": values["verify_url"], "amount": values["amount"]}
    return plain(language, "owed.receipt", **_what(language, values), **shown)


def _write_failed(language: str, values: Facts) -> str:
    word = values.get("reason")
    reason = word if word in REASONS else PayerReason.OTHER.value
    why = plain(language, f"why.{reason}", wallet=wallet_name(language, PaymentMethod(str(values["wallet"]))))
    # Where the payment is no longer asked for, it cannot be tried again.
    key = "owed.withheld" if reason in {*Withheld} else "owed.failed"
    return plain(language, key, reason=why, count=values["quantity"], **_what(language, values))


def _write_not_confirmed(language: str, values: Facts) -> str:
    return plain(language, "owed.not_confirmed", **_what(language, values))


def _what(language: str, values: Facts) -> dict[str, str]:
    return facts(language, int(values["quantity"]), str(values["candidate_code"]), str(values["candidate_name"]))


_WRITERS: Final[Mapping[str, Callable[[str, Facts], str]]] = {
    "receipt": _write_receipt,
    "payment_failed": _write_failed,
    "payment_not_confirmed": _write_not_confirmed,
}
