"""Letters that Bitstream Vera holds, the font of what we draw: those of French and English. Others are written with the
nearest letters that it does hold."""

import unicodedata
from typing import Final

_BEYOND_LATIN_1: Final = frozenset("ŒœŸŠšŽž–—‘’“”…•")
_NEAREST: Final = str.maketrans(
    {"ɛ": "e", "Ɛ": "E", "ɔ": "o", "Ɔ": "O", "ŋ": "n", "Ŋ": "N", "ɲ": "n", "ɗ": "d", "ɓ": "b"}
)


def drawable(text: str) -> str:
    """The text in letters that the font holds."""
    kept: list[str] = []
    for letter in unicodedata.normalize("NFC", text).translate(_NEAREST):
        if _held(letter):
            kept.append(letter)
        else:
            kept.extend(part for part in unicodedata.normalize("NFKD", letter) if _held(part))
    return " ".join("".join(kept).split())


def _held(letter: str) -> bool:
    return letter.isprintable() and (letter <= "\xff" or letter in _BEYOND_LATIN_1)
