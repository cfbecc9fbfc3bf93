"""Numbers as people type them, and the network that a number's prefix belongs to."""

import re
from dataclasses import dataclass

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
