"""Names of people and things as they may be written, and which of them are the same or look alike."""

import unicodedata
from functools import lru_cache
from typing import Final

# Letters of other alphabets that a reader takes for Latin ones.
# Source: Unicode Technical Standard 39, confusables.txt, those that look the same in usual fonts.
_TAKEN_FOR: Final = str.maketrans(
    {"а": "a", "в": "b", "с": "c", "ԁ": "d", "е": "e", "һ": "h", "н": "h", "і": "i", "ј": "j", "к": "k", "м": "m"}
    | {"о": "o", "р": "p", "ԛ": "q", "г": "r", "ѕ": "s", "т": "t", "ѵ": "v", "ԝ": "w", "х": "x", "у": "y", "ү": "y"}
    | {"α": "a", "β": "b", "ε": "e", "η": "n", "ι": "i", "κ": "k", "ν": "v", "ο": "o", "ρ": "p", "τ": "t", "υ": "u"}
    | {"χ": "x", "ı": "i", "ł": "l", "ø": "o"}
)
# Figures that stand for letters, within a word that has letters besides.
_FIGURES: Final = str.maketrans("01", "ol")
_JOINERS: Final = frozenset("\u200c\u200d")


def strange_sign(text: str, *, lines: bool = False) -> str | None:
    """A sign that no name or text holds: a control sign, one that turns the direction of writing, one that nobody sees,
    one that Unicode gives no meaning. `lines`: line ends are allowed. None where there is none."""
    for sign in text:
        if (lines and sign == "\n") or sign in _JOINERS or sign == " ":
            continue
        if unicodedata.category(sign)[0] in "CZ":
            return sign
    return None


def is_readable(name: str) -> bool:
    """Whether a name has a letter or a digit: one without can be neither read out nor searched for."""
    return any(sign.isalnum() for sign in name)


def spaced(text: str) -> str:
    """One line of composed letters (NFC), one space between words."""
    return unicodedata.normalize("NFC", " ".join(text.split()))


def same_name(name: str) -> str:
    """Two names are the same when these are: spaces and case make no other name."""
    return spaced(name).casefold()


@lru_cache(maxsize=16384)
def outline(name: str) -> str:
    """Two names look alike when these are the same: accents, signs, the order of words and letters of other alphabets
    that look Latin are easily overlooked."""
    return " ".join(sorted(filter(None, (_word(word) for word in name.replace("-", " ").split()))))


def _word(word: str) -> str:
    apart = unicodedata.normalize("NFKD", word.casefold().translate(_TAKEN_FOR))
    plain = "".join(sign for sign in apart if sign.isalnum())
    return plain if plain.isdecimal() else plain.translate(_FIGURES)
