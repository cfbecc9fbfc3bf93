"""What a mobile network knows: numbers and whose they are by prefix, the GSM 7-bit alphabet, the parts of an SMS.

Source: 3GPP TS 23.038 for alphabet and parts.
"""

import re
from dataclasses import dataclass
from math import ceil

_LOCAL_CI = re.compile(r"0\d{9}|2[157]\d{8}", re.ASCII)
_INTERNATIONAL = re.compile(r"[1-9]\d{7,14}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Network:
    """A mobile network: its brand, and MCC+MNC as aggregators name it."""

    name: str
    code: str


_NETWORKS = (
    (re.compile(r"\+22501"), Network("Moov", "61202")),
    (re.compile(r"\+22507"), Network("Orange", "61203")),
    (re.compile(r"\+22505"), Network("MTN", "61205")),
    (re.compile(r"\+237(67|65[0-4]|68[0-3])"), Network("MTN", "62401")),
    (re.compile(r"\+237(69|64[0-2]|65[5-9]|68[6-9])"), Network("Orange", "62402")),
)
_UNKNOWN = Network("", "99999")


def read_number(text: str) -> str | None:
    """E.164 of a number with or without `+`, or in Côte d'Ivoire's local form; None if it is no number."""
    digits = re.sub(r"[\s.()-]", "", text)
    if _LOCAL_CI.fullmatch(digits):
        return f"+225{digits}"
    digits = digits.removeprefix("+") if digits.startswith("+") else digits.removeprefix("00")
    return f"+{digits}" if _INTERNATIONAL.fullmatch(digits) else None


def network_of(msisdn: str) -> Network:
    """The network by prefix; 99999, as in the aggregator's own sandbox, for one not listed."""
    return next((network for pattern, network in _NETWORKS if pattern.match(msisdn)), _UNKNOWN)


BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
EXTENSION = frozenset("^{}\\[~]|€\f")
_SEPTETS_ALONE, _SEPTETS_JOINED = 160, 153
_UNITS_ALONE, _UNITS_JOINED = 70, 67


def septets(text: str) -> int | None:
    """Length in septets, extension characters count two; None if a character is outside the alphabet."""
    if any(c not in BASIC and c not in EXTENSION for c in text):
        return None
    return len(text) + sum(c in EXTENSION for c in text)


def outside(text: str) -> str:
    """The characters that the alphabet lacks, each once."""
    return "".join(dict.fromkeys(c for c in text if c not in BASIC and c not in EXTENSION))


def parts(text: str) -> int:
    """How many SMS a text is billed as."""
    length = septets(text)
    if length is None:
        units = len(text.encode("utf-16-be")) // 2
        return 1 if units <= _UNITS_ALONE else ceil(units / _UNITS_JOINED)
    return 1 if length <= _SEPTETS_ALONE else ceil(length / _SEPTETS_JOINED)
