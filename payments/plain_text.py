"""Text as operators' prompts and firewalls take it."""

import unicodedata
from typing import Final

# Letters that do not decompose into one of ASCII and a mark.
_LIGATURES: Final = str.maketrans({"œ": "oe", "Œ": "OE", "æ": "ae", "Æ": "AE", "ß": "ss", "ø": "o", "Ø": "O"})


def plain_words(text: str, longest: int) -> str:
    """At most `longest` ASCII letters, digits and single spaces; accents folded, anything else a space."""
    plain = unicodedata.normalize("NFKD", text.translate(_LIGATURES))
    unmarked = "".join(c for c in plain if not unicodedata.combining(c))
    kept = "".join(c if c.isascii() and c.isalnum() else " " for c in unmarked)
    return " ".join(kept.split())[:longest].rstrip()
