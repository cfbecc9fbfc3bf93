"""Which wallets a number may have, and which it most likely pays from.

Two tables: `PaymentMethod`, a line a wallet, and `_COUNTRIES`, an entry a country. Source: public MCC/MNC register and
the numbering plans of Côte d'Ivoire (ten digits since 31 January 2021) and Cameroon, read in November 2026. The network
code that an aggregator reports for the SIM that dials now is trusted before the prefix. In Cameroon numbers are
portable, so there a prefix is a guess; in Côte d'Ivoire wallets do not move with a number, so there it decides.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

import phonenumbers

from gateway.values.msisdn import Msisdn


class PaymentMethod(StrEnum):
    """How a voter pays, in the words of the public API.

    `label`: its name where that is the same in every language, else phrases name it (`wallet.CARD`). `letter`: stands
    for it on Telegram's buttons, and is never given to another. `network`: whose customers alone have it; empty: those
    of any network.
    """

    label: str
    letter: str
    network: str

    def __new__(cls, value: str, label: str = "", letter: str = "", network: str = "") -> "PaymentMethod":
        """A line of the table."""
        member = str.__new__(cls, value)
        member._value_ = value
        member.label, member.letter, member.network = label, letter, network
        return member

    MTN = "MTN_MOBILE_MONEY", "MTN MoMo", "m", "mtn"
    ORANGE = "ORANGE_MONEY", "Orange Money", "o", "orange"
    MOOV = "MOOV_MONEY", "Moov Money", "v", "moov"
    WAVE = "WAVE", "Wave", "w", ""
    CARD = "CARD", "", "c", ""


@dataclass(frozen=True, slots=True)
class _Country:
    """`example`: a number as people write it there. `networks`: by MCC and MNC. `prefixes`: networks by the first
    digits of a national number, longest first. `approval_codes`: what a payer dials when the request does not come
    by itself. `payment_codes`: what a payer dials for the code that a page wants, or that pays without one.
    `prefix_decides`: numbers there cannot be ported to another network's wallet."""

    calling_code: str
    example: str
    networks: Mapping[str, str]
    prefixes: Mapping[str, str]
    approval_codes: Mapping[PaymentMethod, str]
    payment_codes: Mapping[PaymentMethod, str] = field(default_factory=dict)
    prefix_decides: bool = False


_COUNTRIES: Final = {
    "CI": _Country(
        calling_code="225",
        example="0501020304",
        networks={"61202": "moov", "61203": "orange", "61205": "mtn"},
        prefixes={"01": "moov", "05": "mtn", "07": "orange"},
        approval_codes={PaymentMethod.MTN: "*133#"},
        payment_codes={PaymentMethod.ORANGE: "#144*82#"},
        prefix_decides=True,
    ),
    "CM": _Country(
        calling_code="237",
        example="671234567",
        networks={"62401": "mtn", "62402": "orange", "62404": "nexttel"},
        prefixes={
            "67": "mtn",
            **{str(p): "mtn" for p in (*range(650, 655), *range(680, 684))},
            "69": "orange",
            **{str(p): "orange" for p in (*range(640, 643), *range(655, 660), *range(686, 690))},
        },
        approval_codes={PaymentMethod.ORANGE: "#150*50#"},
    ),
}

# What a payer dials when the request does not come by itself, and for the code that a page wants or that pays
# without one; by country and wallet.
APPROVAL_CODES: Final = {(c, m): code for c, found in _COUNTRIES.items() for m, code in found.approval_codes.items()}
PAYMENT_CODES: Final = {(c, m): code for c, found in _COUNTRIES.items() for m, code in found.payment_codes.items()}

# What is paid with a phone: every wallet, and no card.
ON_PHONES: Final = frozenset(PaymentMethod) - {PaymentMethod.CARD}

_OWN_WALLET: Final = {method.network: method for method in PaymentMethod if method.network}
# By MCC and MNC, and by the network's own word.
_NETWORKS: Final = {code: network for country in _COUNTRIES.values() for code, network in country.networks.items()}
_WORDS: Final = {network: network for country in _COUNTRIES.values() for network in country.prefixes.values()}


def guess_method(msisdn: Msisdn, network: str | None = None) -> PaymentMethod | None:
    """The wallet of this number: by its network's code or word, else by prefix, else unknown."""
    return _OWN_WALLET.get(_network(network) or _network_by_prefix(msisdn) or "")


def network_of(msisdn: Msisdn, network: str | None = None) -> str | None:
    """The network whose customer this number is, where that is certain. `network`: as in `guess_method`."""
    known = _network(network)
    return _network_by_prefix(msisdn) if known is None and prefix_decides(msisdn.country) else known


def has_wallet(network: str | None, method: PaymentMethod) -> bool:
    """Whether a customer of this network may have this wallet; None: of any."""
    return network is None or method.network in ("", network)


def may_have(msisdn: Msisdn, method: PaymentMethod, network: str | None = None) -> bool:
    """Whether a number may have this wallet; False only where it is certain that it cannot. `network`: as in
    `guess_method`."""
    return has_wallet(network_of(msisdn, network), method)


def not_taken_yet(
    msisdn: Msisdn, network: str | None = None, taken: Collection[PaymentMethod] = frozenset(PaymentMethod)
) -> str | None:
    """The name of this number's own wallet, where it has one that is not among those taken."""
    method = guess_method(msisdn, network)
    return None if method is None or method in taken else method.label


def _network(word: str | None) -> str | None:
    named = word.strip().lower() if word else ""
    return _NETWORKS.get(named) or _WORDS.get(named)


def _network_by_prefix(msisdn: Msisdn) -> str | None:
    country = _COUNTRIES.get(msisdn.country)
    if country is None:
        return None
    national = msisdn.digits.removeprefix(country.calling_code)
    return country.prefixes.get(national[:3]) or country.prefixes.get(national[:2])


def example_number(country: str) -> str:
    """A mobile number as people of this country write it, to show how; empty where none is known."""
    if country in _COUNTRIES:
        return _COUNTRIES[country].example
    example = phonenumbers.example_number_for_type(country, phonenumbers.PhoneNumberType.MOBILE)
    return "" if example is None else phonenumbers.national_significant_number(example)


def prefixes_in(country: str) -> tuple[str, dict[str, PaymentMethod | None]]:
    """The country's calling code, and the wallet by the first digits of a national number, None for those of
    a network whose wallet is not taken: what a page needs to guess while a number is typed. Longest prefix
    wins; both empty where we know none."""
    known = _COUNTRIES.get(country)
    if known is None:
        return "", {}
    return known.calling_code, {prefix: _OWN_WALLET.get(network) for prefix, network in known.prefixes.items()}


def prefix_decides(country: str) -> bool:
    """Whether a number there has no other network's wallet than that of its prefix."""
    return country in _COUNTRIES and _COUNTRIES[country].prefix_decides


def network_wallets(country: str) -> tuple[PaymentMethod, ...]:
    """The wallets of the country's networks, as far as they are taken."""
    return tuple(sorted({method for method in prefixes_in(country)[1].values() if method is not None}))
