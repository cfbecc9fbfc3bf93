"""Which wallets a number may have, and which it most likely pays from.

Source: public MCC/MNC register and the numbering plans of Côte d'Ivoire (ten digits since
31 January 2021) and Cameroon, read in November 2026. The network code that an aggregator reports for the
SIM that dials now is trusted before the prefix. In Cameroon numbers are portable, so there a prefix is a
guess; in Côte d'Ivoire wallets do not move with a number, so there it decides.
"""

from enum import StrEnum
from typing import Final

import phonenumbers

from gateway.values.msisdn import Msisdn


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

# What is paid with a phone: every wallet, and no card.
ON_PHONES: Final = frozenset(PaymentMethod) - {PaymentMethod.CARD}

# A network's own wallet; the others belong to any number of their country.
_OWN_WALLET: Final = {"mtn": PaymentMethod.MTN, "orange": PaymentMethod.ORANGE}
_OF_ANY_NUMBER: Final = frozenset(PaymentMethod) - frozenset(_OWN_WALLET.values())

# Wallets that exist there and that no provider of ours takes yet.
_NOT_TAKEN: Final = {("CI", "moov"): "Moov Money"}

_NETWORKS: Final = {
    "61202": "moov",
    "61203": "orange",
    "61205": "mtn",
    "62401": "mtn",
    "62402": "orange",
    "62404": "nexttel",
    "mtn": "mtn",
    "orange": "orange",
    "moov": "moov",
}

# Longest national prefix wins.
_BY_PREFIX: Final[dict[str, dict[str, str]]] = {
    "CI": {"01": "moov", "05": "mtn", "07": "orange"},
    "CM": {
        "67": "mtn",
        **{str(p): "mtn" for p in (*range(650, 655), *range(680, 684))},
        "69": "orange",
        **{str(p): "orange" for p in (*range(640, 643), *range(655, 660), *range(686, 690))},
    },
}

# Where the prefix tells for certain whose wallet a number has: nobody there takes a number to another wallet.
_PREFIX_DECIDES: Final = frozenset({"CI"})

_COUNTRY_CODES: Final = {"CI": "225", "CM": "237"}


def guess_method(msisdn: Msisdn, network: str | None = None) -> PaymentMethod | None:
    """The wallet of this number: by its network's code or word, else by prefix, else unknown."""
    return _OWN_WALLET.get(_network(network) or _network_by_prefix(msisdn) or "")


def network_of(msisdn: Msisdn, network: str | None = None) -> str | None:
    """The network whose customer this number is, where that is certain. `network`: as in `guess_method`."""
    known = _network(network)
    return _network_by_prefix(msisdn) if known is None and msisdn.country in _PREFIX_DECIDES else known


def has_wallet(network: str | None, method: PaymentMethod) -> bool:
    """Whether a customer of this network may have this wallet; None: of any."""
    return network is None or method in _OF_ANY_NUMBER or _OWN_WALLET.get(network) is method


def may_have(msisdn: Msisdn, method: PaymentMethod, network: str | None = None) -> bool:
    """Whether a number may have this wallet; False only where it is certain that it cannot. `network`: as in
    `guess_method`."""
    return has_wallet(network_of(msisdn, network), method)


def not_taken_yet(msisdn: Msisdn, network: str | None = None) -> str | None:
    """The name of this number's own wallet, where it has one that nobody here takes."""
    known = _network(network) or _network_by_prefix(msisdn) or ""
    return _NOT_TAKEN.get((msisdn.country, known))


def _network(word: str | None) -> str | None:
    return _NETWORKS.get(word.strip().lower()) if word else None


def _network_by_prefix(msisdn: Msisdn) -> str | None:
    prefixes = _BY_PREFIX.get(msisdn.country, {})
    national = msisdn.digits.removeprefix(_COUNTRY_CODES.get(msisdn.country, ""))
    for length in (3, 2):
        if network := prefixes.get(national[:length]):
            return network
    return None


def example_number(country: str) -> str:
    """A mobile number as people of this country write it, to show how; empty where none is known."""
    if country in _EXAMPLES:
        return _EXAMPLES[country]
    example = phonenumbers.example_number_for_type(country, phonenumbers.PhoneNumberType.MOBILE)
    return "" if example is None else phonenumbers.national_significant_number(example)


def prefixes_in(country: str) -> tuple[str, dict[str, PaymentMethod | None]]:
    """The country's calling code, and the wallet by the first digits of a national number, None for those of
    a network whose wallet is not taken: what a page needs to guess while a number is typed. Longest prefix
    wins; both empty where we know none."""
    by_prefix = _BY_PREFIX.get(country, {})
    return _COUNTRY_CODES.get(country, ""), {p: _OWN_WALLET.get(network) for p, network in by_prefix.items()}


def prefix_decides(country: str) -> bool:
    """Whether a number there has no other network's wallet than that of its prefix."""
    return country in _PREFIX_DECIDES


def network_wallets(country: str) -> tuple[PaymentMethod, ...]:
    """The wallets of the country's networks, as far as they are taken."""
    return tuple(sorted({method for method in prefixes_in(country)[1].values() if method is not None}))
