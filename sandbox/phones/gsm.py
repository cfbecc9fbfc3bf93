"""The GSM 7-bit alphabet (3GPP TS 23.038) and the parts an SMS is sent in."""

from math import ceil

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
