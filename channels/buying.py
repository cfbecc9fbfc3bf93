"""What every channel decides alike about an order: who pays, how many votes, for whom, and why not.

Pure. Every function that makes words takes the voter's language first.
"""

import unicodedata
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Final

from channels import gsm
from channels.phrases import say
from gateway.contests.codes import CodeFault, code_fault, phrase_of
from gateway.contests.contest import Candidate, Contest, TieBreak
from gateway.orders.rules import Refusal, check_quantity
from gateway.orders.wallet import ON_PHONES, PaymentMethod, example_number, not_taken_yet
from gateway.values.msisdn import Msisdn, NumberFault, read_msisdn
from gateway.values.time_zones import digits
from payments.settlement.rules import Adjusted

QUANTITY_DIGITS_MAX: Final = 9
# What is typed at the confirmation of a USSD order to pay with a code that the payer fetched: `*789*07*5*4*CODE#`.
BY_CODE: Final = "4"
_NAME_LETTERS_MAX: Final = 80


# Who pays.


def read_payer(typed: str, contest: Contest) -> Msisdn | Refusal:
    """The number that pays, as a person typed it: one of the contest's country."""
    found = read_msisdn(typed, contest.country)
    return found if isinstance(found, Msisdn) else number_refusal(found)


def number_refusal(fault: NumberFault) -> Refusal:
    """Why a number cannot pay or vote."""
    return Refusal.FOREIGN_NUMBER if fault is NumberFault.FOREIGN else Refusal.BAD_NUMBER


def own_number(vouched: str | None, contest: Contest) -> Msisdn | None:
    """The number that a network or Telegram vouches for, if it is of the contest's country."""
    found = read_msisdn(vouched, contest.country, vouched=True) if vouched else None
    return found if isinstance(found, Msisdn) else None


@lru_cache(maxsize=256)
def phone_wallets(methods: tuple[PaymentMethod, ...]) -> tuple[PaymentMethod, ...]:
    """Those of these ways to pay that need only a phone."""
    return tuple(method for method in methods if method in ON_PHONES)


def wallet_name(language: str, method: PaymentMethod) -> str:
    """The wallet's name as voters know it."""
    return method.label or say(language, f"wallet.{method.value}")


def ways_to_pay(language: str, methods: Iterable[PaymentMethod]) -> str:
    """A sentence with the ways by which a number may pay; where there is none, that another number may."""
    names = ", ".join(wallet_name(language, method) for method in methods)
    return say(language, "pay.ways", ways=names) if names else say(language, "pay.another_number")


def why_no_wallet(language: str, payer: Msisdn | None, network: str | None = None) -> str:
    """Why no wallet of this number is charged: its own is not taken here, or it is not known."""
    name = None if payer is None else not_taken_yet(payer, network, taken=())
    if name is not None:
        return say(language, "pay.not_taken_yet", wallet=name)
    return say(language, f"refusal.{Refusal.NO_WALLET.value}")


# How many votes.


def read_count(typed: str, contest: Contest) -> int | Refusal:
    """The number of votes as typed: digits only."""
    if not (typed.isascii() and typed.isdecimal()):
        return Refusal.BAD_QUANTITY
    if len(typed) > QUANTITY_DIGITS_MAX:
        return Refusal.TOO_MANY
    return check_quantity(contest, int(typed)) or int(typed)


def asked_first(contest: Contest, votes: int) -> bool:
    """Whether an order of so many votes is so large that its amount is confirmed first."""
    return votes > contest.asks_above


def votes_in_words(language: str, votes: int) -> str:
    """`1 vote`, `5 votes`."""
    return say(language, "sms.votes_one") if votes == 1 else say(language, "sms.votes_many", count=votes)


# For whom.


def named(contest: Contest, typed: str) -> tuple[Candidate, ...]:
    """The candidates whose name has, for each typed word, a part that begins with it; accents and case aside."""
    words = plain(typed[:_NAME_LETTERS_MAX]).split()
    return tuple(c for c in contest.eligible if words and _begins(words, plain(c.name).split()))


def _begins(words: list[str], parts: list[str]) -> bool:
    return all(any(part.startswith(word) for part in parts) for word in words)


@lru_cache(maxsize=4096)
def plain(text: str) -> str:
    """Words in small letters without accents or signs."""
    decomposed = unicodedata.normalize("NFKD", gsm.fold(text).casefold())
    kept = (c if c.isalnum() else " " for c in decomposed if not unicodedata.combining(c))
    return " ".join("".join(kept).split())


def is_mistyped(contest: Contest, code: str) -> bool:
    """Whether the check digit of a code that no candidate has shows that it is mistyped."""
    return code.isdecimal() and code_fault(contest, code) is CodeFault.MISTYPED


# What is dialled.


def one_dial(dial_code: str, code: str, votes: int) -> str:
    """The code that casts a vote in one dial: `*789*07*5*1#`."""
    return f"{dial_code.rstrip('#')}*{code}*{votes}*1#"


def dial_with_code(
    language: str, dial_code: str, code: str, votes: int, key: str = BY_CODE, *, elsewhere: bool = False
) -> str:
    """What is dialled to pay with a fetched code: `*789*07*5*4*CODE#`. `elsewhere`: with that of another
    number."""
    number = f"2*{say(language, 'ussd.number_here')}*" if elsewhere else ""
    fetched = say(language, "ussd.code_here")
    return f"{dial_code.removesuffix('#')}*{code}*{votes}*{number}{key}*{fetched}#"


# Why not.


def opening(contest: Contest) -> str:
    """When the next round opens, by the contest's own clocks; empty where none is to come."""
    return "" if contest.reopens_at is None else digits(contest.reopens_at, contest.time_zone)


def refusal_words(
    language: str,
    refusal: Refusal,
    contest: Contest | None,
    code: str = "",
    *,
    least: int | None = None,
    payer: Msisdn | None = None,
    methods: Iterable[PaymentMethod] | None = None,
    shorten: Callable[[str], str] = str,
) -> str:
    """A refusal as a voter reads it; of an unknown code, whether it is mistyped.

    `least`: the smallest number of votes that the chosen way to pay takes; `methods`: the ways by which
    `payer` may pay, added where its wallet is refused; `shorten`: cuts the contest's name.
    """
    if methods is not None and refusal in (Refusal.NO_WALLET, Refusal.NOT_ITS_WALLET):
        wrong = refusal is Refusal.NOT_ITS_WALLET
        why = say(language, f"refusal.{refusal.value}") if wrong else why_no_wallet(language, payer)
        return f"{why} {ways_to_pay(language, methods)}"
    if refusal is Refusal.TOO_FEW and least is not None:
        return say(language, "refusal.too_few_known", least=least)
    phrase, name, maximum, example = f"refusal.{refusal.value}", "", 0, example_number("")
    opens = "" if contest is None else opening(contest)
    if refusal is Refusal.BETWEEN_ROUNDS and not opens:
        phrase = f"refusal.{Refusal.CLOSED.value}"
    dial = "" if contest is None else contest.dial_code
    if refusal is Refusal.TOO_MANY_HERE and not dial:
        phrase = f"refusal.{Refusal.TOO_MANY_UNPAID.value}"
    if contest is not None:
        name, maximum, example = shorten(contest.name), contest.quantity_max, example_number(contest.country)
        if refusal is Refusal.UNKNOWN_CANDIDATE and is_mistyped(contest, code):
            phrase = phrase_of(CodeFault.MISTYPED)
    return say(language, phrase, contest=name, code=code, maximum=maximum, example=example, opens=opens, dial=dial)


def why_taken_back(language: str, reason: str) -> str:
    """Why a counted vote was taken back; what a person wrote stays as it was written."""
    try:
        known = Adjusted(reason)
    except ValueError:
        return reason
    return say(language, f"adjusted.{known.name.lower()}")


def rule_terms(contest: Contest) -> list[tuple[str, dict[str, int]]]:
    """Rules that not every contest has, as the last word of their phrase and what fills it."""
    terms: list[tuple[str, dict[str, int]]] = []
    if contest.jury_percent is not None:
        terms.append(("jury", {"votes": 100 - contest.jury_percent, "jury": contest.jury_percent}))
    if contest.tie_break is TieBreak.EARLIEST:
        terms.append(("earliest", {}))
    if contest.refund_days is not None:
        terms.append(("refund", {"days": contest.refund_days}) if contest.refund_days else ("no_refund", {}))
    return terms
