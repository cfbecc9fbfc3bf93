"""Which ways to pay a number has, in the voter's words."""

from collections.abc import Iterable
from typing import Final

from channels.phrases import say
from gateway.orders.rules import Refusal
from gateway.orders.wallet import PaymentMethod, not_taken_yet
from gateway.values.msisdn import Msisdn

# What is typed at the confirmation of a USSD order to pay with a code that the payer fetched: `*789*07*5*4*CODE#`.
BY_CODE: Final = "4"


def names_of(methods: Iterable[PaymentMethod], language: str) -> str:
    """Ways to pay in a row: `Wave, Carte`."""
    return ", ".join(say(language, f"wallet.{method.value}") for method in methods)


def ways_told(methods: Iterable[PaymentMethod], language: str) -> str:
    """By which of these a number may pay; that another number may, where there is none."""
    names = names_of(methods, language)
    return say(language, "pay.ways", ways=names) if names else say(language, "pay.another_number")


def why_no_wallet(language: str, payer: Msisdn | None, network: str | None = None) -> str:
    """Why no wallet of this number is charged: its own is not taken here, or nobody knows it."""
    name = None if payer is None else not_taken_yet(payer, network)
    if name is not None:
        return say(language, "pay.not_taken_yet", wallet=name)
    return say(language, f"refusal.{Refusal.NO_WALLET.value}")


def wallet_refused(refusal: Refusal, language: str, payer: Msisdn | None, methods: Iterable[PaymentMethod]) -> str:
    """Both: why the wallet of an order was refused, and by which of these the number may pay. `refusal`:
    NO_WALLET or NOT_ITS_WALLET."""
    wrong = refusal is Refusal.NOT_ITS_WALLET
    why = say(language, f"refusal.{refusal.value}") if wrong else why_no_wallet(language, payer)
    return f"{why} {ways_told(methods, language)}"


def dial_with_code(
    dial_code: str, candidate_code: str, quantity: int, language: str, key: str = BY_CODE, *, elsewhere: bool = False
) -> str:
    """What is dialled to pay with a fetched code: `*789*07*5*4*CODE#`. `elsewhere`: with that of another
    number."""
    number = f"2*{say(language, 'ussd.number_here')}*" if elsewhere else ""
    code = say(language, "ussd.code_here")
    return f"{dial_code.removesuffix('#')}*{candidate_code}*{quantity}*{number}{key}*{code}#"
