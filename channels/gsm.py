"""The GSM 03.38 alphabet: what a screen or a text may hold, and how long it is.

Source: 3GPP TS 23.038, through the codec of the `gsm0338` library. One character outside the
alphabet would turn 160 characters into 70, so whatever it lacks is replaced by a declared
transliteration before it leaves us.
"""

import unicodedata
from functools import lru_cache
from typing import Final

import gsm0338

SINGLE_SEPTETS: Final = 160
JOINED_SEPTETS: Final = 153
SINGLE_UCS2: Final = 70
JOINED_UCS2: Final = 67

# By the codec's own tables, without carriage return and escape.
ONE_SEPTET: Final = frozenset(gsm0338.Codec().decode(bytes(code for code in range(128) if code not in b"\r\x1b"))[0])
TWO_SEPTETS: Final = frozenset("^{}\\[~]|€")
_LETTERS: Final = ONE_SEPTET | TWO_SEPTETS

# What French, Ivorian and Cameroonian languages need and the alphabet lacks.
_DECLARED: Final = {
    "ç": "c",
    "œ": "oe",
    "Œ": "OE",
    "’": "'",
    "‘": "'",
    "“": '"',
    "”": '"',
    "«": '"',
    "»": '"',
    "–": "-",
    "—": "-",
    "…": "...",
    "°": "o",
    "´": "'",
    "`": "'",
    "\t": " ",
    "\r": "\n",
    "\u00a0": " ",
    "\u202f": " ",
    "\u2009": " ",
    "ɛ": "e",
    "Ɛ": "E",
    "ɔ": "o",
    "Ɔ": "O",
    "ŋ": "n",
    "Ŋ": "N",
    "ɲ": "ny",
    "ɓ": "b",
    "ɗ": "d",
    "ƙ": "k",
    "\u200b": "",
    "\u200d": "",
    "\ufe0f": "",
}


def _replacement(character: str) -> str:
    """What stands in for a character that the alphabet lacks."""
    if character in _DECLARED:
        return _DECLARED[character]
    category = unicodedata.category(character)
    if category == "Zs":
        return " "
    if category in ("So", "Sk", "Cf", "Cc", "Mn", "Me", "Mc", "Cs", "Co", "Cn"):
        return ""  # emoji, marks and controls mean nothing on a keypad phone
    plain = "".join(c for c in unicodedata.normalize("NFKD", character) if unicodedata.category(c) != "Mn")
    if plain and _LETTERS.issuperset(plain):
        return plain
    return "?"


@lru_cache(maxsize=4096)
def fold(text: str) -> str:
    """The text in the alphabet; what is in it already stays as it is."""
    if ONE_SEPTET.issuperset(text):
        return text
    return "".join(c if c in _LETTERS else _replacement(c) for c in unicodedata.normalize("NFC", text))


def septets(text: str) -> int:
    """Length of a text of this alphabet; those of the extension table, such as `€`, count two."""
    if ONE_SEPTET.issuperset(text):
        return len(text)
    return len(text) + sum(c in TWO_SEPTETS for c in text)


def fits(text: str, budget: int) -> bool:
    """Whether a text needs no more septets than this."""
    return septets(text) <= budget


def replaced(text: str) -> dict[str, str]:
    """Each character of the text that the alphabet lacks, and what stands in for it."""
    return {c: _replacement(c) for c in unicodedata.normalize("NFC", text) if c not in _LETTERS}


def cut_on_word(text: str, septets_max: int) -> str:
    """The text, or as many whole words of it as fit; a first word that is too long is cut."""
    if fits(text, septets_max):
        return text
    kept = ""
    for word in text.split(" "):
        longer = f"{kept} {word}" if kept else word
        if not fits(longer, septets_max):
            break
        kept = longer
    if kept:
        return kept
    while not fits(text, septets_max):
        text = text[:-1]
    return text


def parts(text: str) -> int:
    """How many messages a carrier sends, and charges, for this text."""
    if _LETTERS.issuperset(text):
        if septets(text) <= SINGLE_SEPTETS:
            return 1
        return _joined([2 if c in TWO_SEPTETS else 1 for c in text], JOINED_SEPTETS)
    units = [2 if ord(c) > 0xFFFF else 1 for c in text]
    return 1 if sum(units) <= SINGLE_UCS2 else _joined(units, JOINED_UCS2)


def _joined(widths: list[int], limit: int) -> int:
    """Parts of at most `limit` units; a character of two is never split between them."""
    count, left = 1, limit
    for width in widths:
        if width > left:
            count, left = count + 1, limit
        left -= width
    return count
