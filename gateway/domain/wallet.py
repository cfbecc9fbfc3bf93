"""Which wallet a number most likely pays from. A guess only: the voter may always change it.

Source: public MCC/MNC register and the numbering plans of Côte d'Ivoire (ten digits since
31 January 2021) and Cameroon, read in November 2026. Numbers are portable, so the network code
that an aggregator reports for the SIM that dials now is trusted before the prefix.
"""

from enum import StrEnum
from typing import Final

import phonenumbers

from gateway.domain.msisdn import Msisdn


class PaymentMethod(StrEnum):
    """How a voter pays, in the words of the public API."""

    MTN = "MTN_MOBILE_MONEY"
    ORANGE = "ORANGE_MONEY"
    WAVE = "WAVE"
    CARD = "CARD"


# What a payer dials when the request does not come by itself.
APPROVAL_CODES: Final = {("CI", PaymentMethod.MTN): "*133#", ("CM", PaymentMethod.ORANGE): "#150*50#"}

# What a payer dials for the code that a page wants, or that pays without one.
PAYMENT_CODES: Final = {("CI", PaymentMethod.ORANGE): "#144*82#"}

# What somebody's number looks like there, with a wallet on it.
_EXAMPLES: Final = {"CI": "0501020304", "CM": "671234567"}

# What a keypad phone can pay with.
ON_PHONES: Final = frozenset({PaymentMethod.MTN, PaymentMethod.ORANGE})

_BY_NETWORK: Final = {
    "61203": PaymentMethod.ORANGE,
    "61205": PaymentMethod.MTN,
    "62401": PaymentMethod.MTN,
    "62402": PaymentMethod.ORANGE,
    "mtn": PaymentMethod.MTN,
    "orange": PaymentMethod.ORANGE,
}

# Longest national prefix wins.
_BY_PREFIX: Final[dict[str, dict[str, PaymentMethod]]] = {
    "CI": {"05": PaymentMethod.MTN, "07": PaymentMethod.ORANGE},
    "CM": {
        "67": PaymentMethod.MTN,
        **{str(p): PaymentMethod.MTN for p in (*range(650, 655), *range(680, 684))},
        "69": PaymentMethod.ORANGE,
        **{str(p): PaymentMethod.ORANGE for p in (*range(640, 643), *range(655, 660), *range(686, 690))},
    },
}

# Networks of the same country whose customers have neither wallet.
_OTHER_NETWORKS: Final = frozenset({"61202", "62404"})

_COUNTRY_CODES: Final = {"CI": "225", "CM": "237"}


def guess_method(msisdn: Msisdn, network: str | None = None) -> PaymentMethod | None:
    """The wallet of this number: by its network's code or word, else by prefix, else unknown."""
    word = (network or "").strip().lower()
    if word in _BY_NETWORK:
        return _BY_NETWORK[word]
    if word in _OTHER_NETWORKS:
        return None
    prefixes = _BY_PREFIX.get(msisdn.country, {})
    national = msisdn.digits.removeprefix(_COUNTRY_CODES.get(msisdn.country, ""))
    for length in (3, 2):
        if method := prefixes.get(national[:length]):
            return method
    return None


def example_number(country: str) -> str:
    """A mobile number as people of this country write it, to show how; empty where none is known."""
    if country in _EXAMPLES:
        return _EXAMPLES[country]
    example = phonenumbers.example_number_for_type(country, phonenumbers.PhoneNumberType.MOBILE)
    return "" if example is None else phonenumbers.national_significant_number(example)


def prefixes_in(country: str) -> tuple[str, dict[str, PaymentMethod]]:
    """The country's calling code, and the wallet by the first digits of a national number: what a
    page needs to guess while a number is typed. Longest prefix wins; both empty where we know none."""
    return _COUNTRY_CODES.get(country, ""), dict(_BY_PREFIX.get(country, {}))
